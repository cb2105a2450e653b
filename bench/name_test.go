package bench

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
)

func TestMetricName(t *testing.T) {
	for _, c := range []struct {
		id   ID
		want string
	}{
		{ID{Name: "Foo/size=10/k=v-2", Unit: "ns/op"}, "Foo/size:10/k:v-2 ns/op"},
		{ID{Package: "example.com/codec", Name: "Foo-8", Unit: "B/op"}, "example.com/codec Foo-8 B/op"},
		{ID{Package: "p", Name: "X", Config: "go=a x=b", Unit: "MB/s"}, "p X go:a x:b MB/s"},
		{ID{Name: "Foo/a:b", Unit: "ns/op"}, "Foo/a:/3ab ns/op"},
		{ID{Name: "Foo/k=/j=%", Unit: "ns/op"}, "Foo/k:/3d/j::/25 ns/op"},
		{ID{Name: "/x//..", Unit: "a/"}, ":/2fx/:/2f.. a:/2f"},
		{ID{Name: "x/../y/./z", Unit: "u"}, "x/:/2e./y/:/2e/z u"},
		{ID{Name: "Größe/世界\xff", Unit: "ns/op"}, "Größe/世界:/ff ns/op"},
	} {
		key := c.id.Metric()
		require.Equal(t, c.want, key)
		require.NoError(t, runstone.CheckKey(key, "Metric name", "name"))
	}
}

func TestEscapeLong(t *testing.T) {
	seen := map[string]bool{}
	for n := 200; n < 400; n++ {
		for _, c := range []string{"a", "/b", "é", "%"} {
			key := Escape(strings.Repeat(c, n))
			require.NoError(t, runstone.CheckKey(key, "Metric name", "name"))
			require.False(t, seen[key], "two names share %q", key)
			seen[key] = true
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"Foo/k=v-2 ns/op", "=/", ":/3d", "a/../..", "//", ".", "..", "\xff=", "k==/", strings.Repeat("x=", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		key := Escape(s)
		require.NoError(t, runstone.CheckKey(key, "Metric name", "name"), "%q", s)
		whole := utf8.RuneCountInString(key) < runstone.MaxKey-16
		if back, ok := Unescape(key); whole {
			require.True(t, ok, "%q → %q", s, key)
			require.Equal(t, s, back)
		}
		if back, ok := Unescape(s); ok {
			require.Equal(t, s, Escape(back))
		}
	})
}
