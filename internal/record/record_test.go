package record

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type row struct {
	Name  string
	N     int64
	Tags  map[string]string
	Parts []part
}

type part struct {
	A, B uint32
}

func TestSealEveryFlip(t *testing.T) {
	key := []byte("key")
	value := Seal(nil, key, 3, []byte("some body"))
	version, body, err := Open(key, value)
	require.NoError(t, err)
	require.Equal(t, byte(3), version)
	require.Equal(t, "some body", string(body))
	for i := range value {
		for bit := range 8 {
			bad := bytes.Clone(value)
			bad[i] ^= 1 << bit
			_, _, err := Open(key, bad)
			require.ErrorIs(t, err, ErrCorrupt)
		}
		_, _, err := Open(key, value[:i])
		require.ErrorIs(t, err, ErrCorrupt)
	}
	_, _, err = Open([]byte("kez"), value)
	require.ErrorIs(t, err, ErrCorrupt, "another key's value")
}

func TestEncodeIsStable(t *testing.T) {
	in := row{"n", -5, map[string]string{"b": "2", "a": "1", "c": "3"}, []part{{1, 2}, {3, 1 << 31}}}
	first, err := Encode(in)
	require.NoError(t, err)
	for range 20 {
		again, err := Encode(in)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
	var out row
	require.NoError(t, Decode(first, &out))
	require.Equal(t, in, out)
	require.Less(t, len(first), 40, "structs are arrays, integers are short")
}

// TestDecodeHostile: lengths that ask for gigabytes, and nesting that asks for
// the stack, cost nothing.
func TestDecodeHostile(t *testing.T) {
	hostile := map[string][]byte{
		"array32": {0xdd, 0xff, 0xff, 0xff, 0xff}, "map32": {0xdf, 0xff, 0xff, 0xff, 0xff},
		"bin32": {0xc6, 0xff, 0xff, 0xff, 0xff}, "str32": {0xdb, 0xff, 0xff, 0xff, 0xff}, "ext32": {0xc9, 0xff, 0xff, 0xff, 0xff, 1},
		"deep arrays": []byte(strings.Repeat("\x91", 1<<20) + "\xc0"), "deep maps": []byte(strings.Repeat("\x81\xc0", 1<<20)),
		"reserved": {0xc1}, "nothing": {}, "two values": {0xc0, 0xc0}, "short": {0xa5, 'a'},
	}
	for name, b := range hostile {
		for _, dst := range []any{new(any), new([]any), new([]float64), new(row), new(map[string]any)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := Decode(b, dst)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, ErrCorrupt, "%s into %T", name, dst)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "%s into %T", name, dst)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good, err := Encode(row{"n", 1, map[string]string{"a": "b"}, []part{{1, 2}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r row
		if err := Decode(b, &r); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}
