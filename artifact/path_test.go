package artifact

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func mustPath(t testing.TB, s string) Path {
	t.Helper()
	p, err := ParsePath(s)
	require.NoError(t, err)
	return p
}

func TestParsePathAccepts(t *testing.T) {
	for _, s := range []string{
		"", "model", "model/MLmodel", "a/b/c/d.txt", "my file.png", "é/雪/🙂.txt",
		".hidden", "a..b", "..a", "a..", "x.tar.gz", "-", "~", "1:2", "ab:c",
		"100%", "100%25.txt", "50%off", "a%20b", "a%2fb", "a?", "a?/a", "a%3f", "why?.txt",
		"a;b", "a&b=c", "a%0ab", "img%step%3%timestamp%1795400000000%0f1e", "%ff", "'\"<script>$(x)`", "CON", " ", strings.Repeat("s", 255),
		"metrics/" + strings.Repeat("a/", 62) + "z",
	} {
		p, err := ParsePath(s)
		require.NoError(t, err, "%q", s)
		require.Equal(t, s, p.String())
		require.Equal(t, s == "", p.IsRoot())
	}
	require.True(t, mustPath(t, ".").IsRoot())
	require.Equal(t, Path{}, mustPath(t, "."))
}

var refusedPaths = []string{
	strings.Repeat("a/", 64) + "z", strings.Repeat("a/", 2000) + "z",
	"/", "/etc/passwd", "//etc", "a/", "a//b", "..", "../a", "a/..", "a/../b", "a/.", "./a", "a/./b",
	"../../../../etc/passwd", "...", ".. ", ". .", "a/ ..", "a/.. /b", "a;..", "a/..;x", "a?..", "x/..?y",
	`a\b`, `..\..\etc`, `\\host\share`, "a\x00b", "a\nb", "a\x7fb", "a\u0085b", "\x1b[2J",
	"C:", "C:/", "C:/x", "c:x", "a:b", "a/C:/x", "z:", `C:\x`,
	"file:x", "file:///etc/passwd", "FILE:/x", "file:",
	"#", "a#b", "a/#/../..", "a%23b", "a%2523",
	"\xff", "a\xc0\xaeb", "%c0%ae%c0%ae/x", "%c0%af", "%e0%80%ae", "%f0%80%80%ae",
	".runstone-tmp-", ".runstone-tmp-x", "a/.runstone-tmp-x", ".RUNSTONE-TMP-x", "%2erunstone-tmp-x",
	"a%00b", "a%5cb", "a%5c..%5cb", "%43:/x", "C%3a/x", "a%2f", "a%2f%2fb", "%2fetc",
	strings.Repeat("s", 256), strings.Repeat("a/", 2048) + "a",
}

func TestParsePathRefuses(t *testing.T) {
	for _, s := range refusedPaths {
		_, err := ParsePath(s)
		require.ErrorIs(t, err, ErrPath, "%q", s)
		var pe *PathError
		require.ErrorAs(t, err, &pe)
		require.Equal(t, s, pe.Path)
		require.Less(t, len(err.Error()), 1000)
	}
}

// The artifact paths of the published advisories on MLflow. A refused path
// never becomes a Path, and no call takes anything else.
func TestPathAttacks(t *testing.T) {
	for id, paths := range map[string][]string{
		"CVE-2023-30172":       {"../../../../etc/passwd", "..", "a/../../b", "/etc/passwd"},
		"CVE-2023-3765":        {"C:/", "C:", "c:/windows", "a/C:/", "C%3A/", "C%253A%252F"},
		"CVE-2023-6753":        {`..\..\x`, `a\b`, "..%5c..%5cx", `C:\x`, `\\h\s`},
		"CVE-2023-6831":        {"%252E%252E%252F%252E%252E%252Fetc%252fpasswd", "..%2fetc", "%2e%2e/%2e%2e/etc"},
		"CVE-2024-1560":        {"%2e%2e%2fx", "%252e%252e%252fx", "%25252e%25252e%25252fx", "%2525252e%2525252e%2525252fx", "%252525252e%252525252e%252525252fx"},
		"CVE-2024-1594":        {"#/../../etc", "a#b", "%23/x"},
		"CVE-2024-1593":        {"a;../x", "a/;..", "a%3b../x"},
		"CVE-2023-6977":        {"//proc/self/root", "/proc/self/root"},
		"CVE-2024-3573":        {"file:///etc/passwd", "file:/etc", "FILE://x", "file%3a///etc"},
		"CVE-2024-8859":        {"a?/../../..", "a%3f/../../..", "a%3f%2f..%2f..", "a?.."},
		"CVE-2023-6975, -6976": {"a/../../canary", "a\x00", "a%00", "a/./../../x"},
		"CVE-2023-6015":        {"/abs", "%2fabs", "a//b", ".runstone-tmp-x"},
		"CVE-2026-2033":        {"....//....//x", "..;/x", ".. /x", "%c0%ae%c0%ae/x", "\xc0\xae/x"},
	} {
		for _, s := range paths {
			_, err := ParsePath(s)
			require.ErrorIs(t, err, ErrPath, "%s: %q", id, s)
		}
	}
	// The upload step of CVE-2024-8859 alone is harmless: the name is kept as
	// the text it is.
	r, dir := newRoot(t)
	put(t, r, "a?/a", "x")
	put(t, r, "a%3f/a", "y")
	require.Equal(t, []string{"a%3f", "a%3f/a", "a?", "a?/a"}, onDisk(t, dir))
	require.Equal(t, "x", get(t, r, "a?/a"))
}

// escapeAll percent-encodes every byte of s that is not a letter or digit.
func escapeAll(s string) string {
	s = url.QueryEscape(s)
	return strings.NewReplacer(".", "%2E", "-", "%2D", "_", "%5F", "+", "%20").Replace(s)
}

func TestParsePathRefusesEncoded(t *testing.T) {
	for _, s := range []string{"../x", "a/../../x", "/etc/passwd", "..", `a\..\b`, "a/./b", "C:/", "a\x00"} {
		for n := range 8 { // beyond five layers it is the depth that is refused
			_, err := ParsePath(s)
			require.ErrorIs(t, err, ErrPath, "%d layers: %q", n, s)
			s = escapeAll(s)
		}
	}
	for _, s := range []string{"..%252f..%252fetc", "%252E%252E%252F..etc%252fpasswd", "%2e%2e", "a/%2E./b", "..%2F", "a%3b..", "a%3f%2e%2e"} {
		_, err := ParsePath(s)
		require.ErrorIs(t, err, ErrPath, "%q", s)
	}
}

func TestPathJoin(t *testing.T) {
	a, b := mustPath(t, "a/b"), mustPath(t, "c")
	p, err := a.Join(b)
	require.NoError(t, err)
	require.Equal(t, "a/b/c", p.String())
	p, err = a.Join(Path{})
	require.NoError(t, err)
	require.Equal(t, a, p)
	p, err = Path{}.Join(a)
	require.NoError(t, err)
	require.Equal(t, a, p)
	for _, s := range []string{strings.Repeat("a/", 63) + "z", strings.Repeat(strings.Repeat("a", 200)+"/", 15) + "z"} {
		long := mustPath(t, s)
		_, err = long.Join(long)
		require.ErrorIs(t, err, ErrPath)
	}

	require.True(t, a.Contains(a))
	require.True(t, a.Contains(mustPath(t, "a/b/x")))
	require.True(t, Path{}.Contains(a))
	require.False(t, a.Contains(mustPath(t, "a/bx")))
	require.False(t, a.Contains(mustPath(t, "a")))
}

func TestParsePathDoesNotAllocate(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := ParsePath("1/0123456789abcdef0123456789abcdef/artifacts/model/MLmodel"); err != nil {
			panic(err)
		}
	}))
}

func FuzzParsePath(f *testing.F) {
	for _, s := range refusedPaths {
		f.Add(s)
	}
	f.Add("a/b c/100%25.txt")
	f.Add("%25252e%25252e")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			require.ErrorIs(t, err, ErrPath)
			return
		}
		if p.IsRoot() {
			require.Contains(t, []string{"", "."}, s)
			return
		}
		require.Equal(t, s, p.String())
		require.True(t, utf8.ValidString(s))
		// What is accepted stays inside however often a reader decodes it.
		for range maxDecode + 1 {
			require.True(t, filepath.IsLocal(s), "%q", s)
			require.Equal(t, path.Clean(s), s)
			require.NotContains(t, s, `\`)
			require.NotContains(t, s, "\x00")
			s, _ = unescape(s)
		}
		again, err := ParsePath(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
