package query_test

import (
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("(", n) + "metrics.a > 1" + strings.Repeat(")", n) }
	nots := func(n int) string { return strings.Repeat("NOT ", n) + "metrics.a > 1" }
	chain := func(n int, word string) string {
		return strings.Repeat("start_time>1"+word, n-1) + "start_time>1"
	}
	tests := []struct {
		name, filter, err string
	}{
		{"deep enough", deep(query.MaxDepth), ""},
		{"too deep", deep(query.MaxDepth + 1), "nested"},
		{"very deep", strings.Repeat("(", 60_000), "nested"},
		{"nots", nots(query.MaxDepth), ""},
		{"too many nots", nots(query.MaxDepth + 1), "nested"},
		{"many not words", strings.Repeat("NOT ", 9_000), "nested"},
		{"long chain", chain(2400, " AND "), ""},
		{"long or chain", chain(2400, " OR "), ""},
		{"too many words", strings.Repeat("a ", 12_000), "Invalid clause"},
		{"too many words in a list", "run_id IN (" + strings.Repeat("'',", 6_000) + ")", "more than 10000 words"},
		{"too long", "params.a = '" + strings.Repeat("x", query.MaxFilter) + "'", "longer than 65536"},
		{"long value", "params.a = '" + strings.Repeat("x", query.MaxFilter-20) + "'", ""},
		{"long pattern", "params.a LIKE '" + strings.Repeat("x", query.MaxPattern+1) + "'", "pattern is longer"},
		{"many patterns", strings.Repeat("params.a LIKE 'x' ", query.MaxPatterns+1), "more than 128 patterns"},
		{"long patterns", strings.Repeat("params.a LIKE '"+strings.Repeat("x", 900)+"' ", 5), "longer than 4096 bytes together"},
		{"large regular expression", "params.a ~ '(x{500}y{500}){1}" + strings.Repeat("z{999}", 10) + "'", "repeat too much"},
		{"many regular expressions", strings.Repeat("params.a ~ '(x?){60}' ", 20), "repeat too much"},
		{"many names", "params.a ~ '" + strings.Repeat("some-name|", 100) + "x' AND params.b ~ '" + strings.Repeat("^other-name$|", 70) + "x'", ""},
		{"many relatives", strings.Repeat("parent.parent.params.a = 'x' ", query.MaxRelatives/2), ""},
		{"too many relatives", strings.Repeat("parent.parent.params.a = 'x' ", query.MaxRelatives/2) + "ANY child(params.a = 'x')", "more than 128 conditions"},
		{"calls", strings.Repeat("abs(", query.MaxDepth) + "metrics.a" + strings.Repeat(")", query.MaxDepth) + " > 1", ""},
		{"too many calls", strings.Repeat("abs(", query.MaxDepth+1) + "metrics.a" + strings.Repeat(")", query.MaxDepth+1) + " > 1", "nested"},
		{"children", strings.Repeat("ANY child(", query.MaxDepth) + "metrics.a > 1" + strings.Repeat(")", query.MaxDepth), ""},
		{"too many children", strings.Repeat("ANY child(", query.MaxDepth+1) + "metrics.a > 1" + strings.Repeat(")", query.MaxDepth+1), "nested"},
		{"long sum", "metrics.a" + strings.Repeat(" + metrics.a", query.MaxDepth) + " > 1", ""},
		{"too long a sum", "metrics.a" + strings.Repeat(" + metrics.a", query.MaxDepth+1) + " > 1", "nested"},
		{"too many minus", strings.Repeat("- ", query.MaxDepth+1) + "metrics.a > 1", "nested"},
		{"too many items", "SELECT " + strings.Repeat("metrics.a, ", query.MaxItems) + "metrics.a", "more than 64 items"},
		{"too many keys", "GROUP BY params.a" + strings.Repeat(", params.a + 1", query.MaxGroupBy), "two keys"},
		{"too many sorts", "ORDER BY " + strings.Repeat("min(metrics.a), ", query.MaxOrderBy) + "run_id", "more than 16"},
		{"a name for much", "SELECT metrics.`" + strings.Repeat("k", 20_000) + "` AS n ORDER BY n + n + n", "more than 10000 words"},
		{"open quotes", strings.Repeat("'", 60_001), "Invalid clause"},
	}
	for _, tt := range tests {
		f, err := query.Parse(tree.Runs, tt.filter)
		if tt.err == "" {
			require.NoError(t, err, tt.name)
			require.Equal(t, f.String(), parse(t, tree.Runs, f.String()).String(), tt.name)
			continue
		}
		var pe *query.ParseError
		require.ErrorAs(t, err, &pe, tt.name)
		require.Contains(t, pe.Msg, tt.err, tt.name)
		require.Equal(t, 1, strings.Count(pe.Caret(), "\n"), tt.name)
		require.Less(t, len(pe.Caret()), 500, tt.name)
	}
}

func TestLongOrder(t *testing.T) {
	for text, want := range map[string]string{
		"abs(metrics.a)" + strings.Repeat(" + 1", 60):                    "",
		"abs(metrics.a) + 1" + strings.Repeat(" +", 11_000):              "Invalid",
		"-metrics.a" + strings.Repeat("\tDESC", 11_000):                  "Invalid order_by clause",
		"metrics.a{" + strings.Repeat("context='x', ", 4_000):            "twice",
		"metrics.`" + strings.Repeat("x", query.MaxFilter) + "`":         "longer than 65536 bytes",
		"(((metrics.a IN (" + strings.Repeat("1,", 6_000) + "1)))) DESC": "more than 10000 words",
	} {
		_, err := query.ParseOrderBy(tree.Runs, []string{text})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		checkError(t, err, text)
		require.ErrorContains(t, err, want)
	}
}

func TestUnknownDomain(t *testing.T) {
	_, err := query.Parse(99, "a = 1")
	require.Error(t, err)
	_, err = query.ParseOrderBy(99, nil)
	require.Error(t, err)
}

func TestCaret(t *testing.T) {
	_, err := query.Parse(tree.Runs, "metrics.été > 1\n AND metrcs.x > 2")
	var pe *query.ParseError
	require.ErrorAs(t, err, &pe)
	require.Equal(t, "metrics.été > 1  AND metrcs.x > 2\n                     ^^^^^^", pe.Caret())
	require.Equal(t, "Invalid entity type 'metrcs'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset'] "+
		"(did you mean 'metrics'?) at byte 23", pe.Error())
	_, err = query.Parse(tree.Runs, "params.`a\nb` = 5\x1b[31m")
	require.NotContains(t, err.Error(), "\n")
	require.NotContains(t, err.Error(), "\x1b")
}

// TestMetricsAreFloats: an integer is compared with a metric as the float64 next
// to it, and with an integer as it is.
func TestMetricsAreFloats(t *testing.T) {
	for text, want := range map[string]tree.Type{
		"metrics.m = 9007199254740993":                tree.Number,
		"metrics.m IN (9007199254740993)":             tree.Number,
		"metrics.m BETWEEN 9007199254740993 AND 1e20": tree.Number,
		"metrics.m = 9223372036854775807":             tree.Number,
		"metrics.m = 9007199254740992":                tree.Int,
		"start_time = 9007199254740993":               tree.Int,
	} {
		q, err := query.Parse(tree.Runs, text)
		require.NoError(t, err)
		var got *tree.Literal
		tree.Walk(q.Filter, func(x tree.Expr) bool {
			if l, ok := x.(*tree.Literal); ok && got == nil {
				got = l
			}
			return true
		})
		require.Equal(t, want, got.Kind, text)
	}
}
