package query

import (
	"strings"
	"testing"

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

func TestPatternLimits(t *testing.T) {
	one := "params.a ILIKE '%" + strings.Repeat("x", MaxPattern-2) + "%'"
	few := "params.a LIKE '%x%'"
	for text, want := range map[string]string{
		one: "",
		strings.Join([]string{one, one, one, one}, " OR "):             "",
		strings.Join([]string{one, one, one, one, few}, " OR "):        "longer than 4096 bytes together",
		strings.TrimSuffix(strings.Repeat(few+" OR ", 128), " OR "):    "",
		strings.TrimSuffix(strings.Repeat(few+" OR ", 129), " OR "):    "more than 128 patterns",
		"params.a LIKE '" + strings.Repeat("x", MaxPattern+1) + "'":    "longer than 1024 bytes",
		"params.a = 1 AND `" + strings.Repeat("x", 60_000) + "` = 'y'": "Expected",
	} {
		_, err := Parse(Runs, text)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		var pe *ParseError
		require.ErrorAs(t, err, &pe)
		require.Contains(t, pe.Msg, want)
		require.LessOrEqual(t, len(pe.Msg), maxMessage+3)
	}
}

func TestOrderLimits(t *testing.T) {
	clauses := make([]string, MaxOrderBy)
	fields := make([]OrderField, MaxOrderBy)
	for i := range clauses {
		clauses[i] = "metrics." + strings.Repeat("m", i+1)
		fields[i].Name = "name"
	}
	_, err := ParseOrderBy(Runs, clauses)
	require.NoError(t, err)
	_, err = NewLoggedModelOrder(fields)
	require.NoError(t, err)
	var pe *ParseError
	_, err = ParseOrderBy(Runs, append(clauses, "metrics.x"))
	require.ErrorAs(t, err, &pe)
	require.Contains(t, pe.Msg, "order_by has 17 clauses")
	_, err = NewLoggedModelOrder(append(fields, OrderField{Name: "name"}))
	require.ErrorAs(t, err, &pe)
	_, err = ParseOrderBy(Runs, []string{strings.Repeat("x", 60_000) + " foo"})
	require.ErrorAs(t, err, &pe)
	require.LessOrEqual(t, len(pe.Msg), maxMessage+3)
	_, err = NewLoggedModelOrder([]OrderField{{Name: strings.Repeat("x", 60_000)}})
	require.ErrorAs(t, err, &pe)
	require.LessOrEqual(t, len(pe.Msg), maxMessage+3)
}
