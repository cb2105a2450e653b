package plan

import (
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestHardPatterns: each would take millions of steps by backtracking, for each
// of the texts. Five hundred of them must take no noticeable time, which the
// test's own time limit watches.
func TestHardPatterns(t *testing.T) {
	text := strings.Repeat("a", 8000)
	for _, s := range []string{
		"%" + strings.Repeat("a", MaxPattern-4) + "b%",
		"%" + strings.Repeat("a", 500) + "_" + strings.Repeat("a", 500) + "b%",
		"%" + strings.Repeat("_", MaxPattern-4) + "b%",
		"%" + strings.Repeat("a%", MaxPattern/2-8) + "b%",
	} {
		for _, fold := range []bool{false, true} {
			p := newPattern(s, fold)
			for range 500 {
				require.False(t, p.match(text))
			}
			require.True(t, p.match(text+"b"), s)
		}
	}
}

// TestBitset compares with a plain search, also over the borders of a word.
func TestBitset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		long := strings.Repeat("a", rapid.IntRange(0, 140).Draw(t, "repeat"))
		part := rapid.StringOfN(rapid.SampledFrom([]rune("aAbé_\u212ak")), 1, 6, -1)
		seg := lowerText(part.Draw(t, "seg") + long + part.Draw(t, "seg"))
		s := part.Draw(t, "text") + long + "a" + part.Draw(t, "text") + long + part.Draw(t, "text") + "\xff"
		p := newPattern(seg, true)
		want := -1
		for i := 0; i < len(s) && want < 0; {
			if n := p.prefix(s[i:], seg); n >= 0 {
				want = i + n
			}
			_, w := character(s[i:])
			i += w
		}
		require.Equal(t, want, newBitset(seg).find(s, true))
	})
}

// TestLikeTests compares the tests without a search with the pattern itself.
func TestLikeTests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]rune("ab%_é"))
		pattern := rapid.StringOfN(letters, 0, 5, -1).Draw(t, "pattern")
		text := rapid.StringOfN(letters, 0, 6, -1).Draw(t, "text")
		for _, fold := range []bool{false, true} {
			kind := tree.Like
			if fold {
				kind = tree.ILike
			}
			want := newPattern(pattern, fold).match(text)
			require.Equal(t, want, like(pattern, fold)(text))
			require.Equal(t, want, naiveMatch(&tree.Match{Kind: kind, Pattern: pattern}, text))
		}
	})
}
