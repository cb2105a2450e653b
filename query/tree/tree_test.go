package tree_test

import (
	"math"
	"testing"

	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

func metric(key string) *tree.Field {
	return &tree.Field{Entity: tree.Metric, Key: key, Kind: tree.Number}
}

func number(f float64) *tree.Literal { return &tree.Literal{Kind: tree.Number, Float: f} }

func str(s string) *tree.Literal { return &tree.Literal{Kind: tree.String, Str: s} }

// TestText holds what trees look like that no short text gives.
func TestText(t *testing.T) {
	a := metric("a")
	tests := []struct {
		want string
		x    tree.Expr
	}{
		{"metrics.a = 1.0", &tree.Compare{L: a, R: number(1)}},
		{"metrics.a = -1e999", &tree.Compare{L: a, R: number(math.Inf(-1))}},
		{"metrics.a = 1.5h", &tree.Compare{L: a, R: &tree.Literal{Kind: tree.Number, Float: 5.4e6, Unit: "h"}}},
		{"metrics.a = 2KiB", &tree.Compare{L: a, R: &tree.Literal{Kind: tree.Int, Int: 2048, Unit: "KiB"}}},
		{`tags.t != "it's"`, &tree.Compare{Op: tree.Ne, L: &tree.Field{Entity: tree.Tag, Key: "t", Kind: tree.String}, R: str("it's")}},
		{`tags.t = x'433a5c'`, &tree.Compare{L: &tree.Field{Entity: tree.Tag, Key: "t", Kind: tree.String}, R: str(`C:\`)}},
		{"metrics.`a b`", metric("a b")},
		{"metrics.\"a`b\"", metric("a`b")},
		{"metrics.'a`\"b'", metric("a`\"b")},
		{"metrics.``", metric("")},
		{"(metrics.a + metrics.b) * -(metrics.a - metrics.b)", &tree.Arithmetic{Op: '*',
			L: &tree.Arithmetic{Op: '+', L: a, R: metric("b")}, R: &tree.Neg{X: &tree.Arithmetic{Op: '-', L: a, R: metric("b")}}}},
		{"metrics.a - (metrics.a - metrics.a) % 2.0", &tree.Arithmetic{Op: '-', L: a,
			R: &tree.Arithmetic{Op: '%', L: &tree.Arithmetic{Op: '-', L: a, R: a}, R: number(2)}}},
		{"metrics.a / (metrics.a * metrics.a)", &tree.Arithmetic{Op: '/', L: a, R: &tree.Arithmetic{Op: '*', L: a, R: a}}},
		{"NOT (params.x > 1.0 AND (metrics.a IS NULL OR metrics.a IS NOT NAN))", &tree.Not{X: &tree.And{Kids: []tree.Expr{
			&tree.Compare{Op: tree.Gt, L: &tree.ToNumber{X: &tree.Field{Entity: tree.Param, Key: "x", Kind: tree.String}}, R: number(1)},
			&tree.Or{Kids: []tree.Expr{&tree.Is{X: a}, &tree.Is{X: a, What: tree.NaN, Not: true}}}}}}},
		{"min(metrics.a) OVER STEPS -9223372036854775808..", &tree.Series{Fn: tree.Min, Field: a,
			Window: &tree.Window{Kind: tree.Steps, From: math.MinInt64, To: math.MaxInt64}}},
		{"ALWAYS(metrics.a <= 0.5 FOR 90s) OVER LAST 1500ms", &tree.Quantified{How: tree.Always, Field: a, Op: tree.Le, X: 0.5,
			For: 90_000, ForTime: true, Window: &tree.Window{Kind: tree.LastTime, N: 1500}}},
		{"metrics.a > -(-9223372036854775808)", &tree.Compare{Op: tree.Gt, L: a, R: &tree.Neg{X: &tree.Literal{Kind: tree.Int, Int: math.MinInt64}}}},
		{"max(metrics.a) OVER LAST 9007199254740992 STEPS", &tree.Series{Fn: tree.Max, Field: a, Window: &tree.Window{Kind: tree.LastSteps, N: 1 << 53}}},
		{"max(metrics.a) OVER FIRST 1000000 STEPS", &tree.Series{Fn: tree.Max, Field: a, Window: &tree.Window{Kind: tree.FirstSteps, N: 1e6}}},
		{"parent.parent.metrics.a = 1.0", &tree.Relative{X: &tree.Relative{X: &tree.Compare{L: a, R: number(1)}}}},
		{"parent.status = 'x' OR ANY child(status = 'x')", &tree.Or{Kids: []tree.Expr{
			&tree.Relative{X: &tree.Compare{L: &tree.Field{Key: "status", Kind: tree.String}, R: str("x")}},
			&tree.Relative{Kin: tree.AnyChild, X: &tree.Compare{L: &tree.Field{Key: "status", Kind: tree.String}, R: str("x")}}}}},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, tree.Text(tt.x))
	}
}

func TestQueryString(t *testing.T) {
	require.Empty(t, (*tree.Query)(nil).String())
	require.Empty(t, (&tree.Query{}).String())
	key := &tree.Field{Entity: tree.Param, Key: "m", Kind: tree.String}
	count := &tree.Aggregate{Fn: tree.CountRows}
	q := &tree.Query{GroupBy: []tree.Expr{key}, Select: []tree.Item{{X: key, Name: "params.m"}, {X: count, Name: "my n"}, {X: count, Name: "1st"}},
		Having:  &tree.Compare{Op: tree.Gt, L: count, R: number(2)},
		OrderBy: []tree.Sort{{X: &tree.Ref{Item: 1}, Desc: true, NullsFirst: true}, {X: key}}, Limit: 3, PerGroup: true, Offset: 4}
	require.Equal(t, "GROUP BY params.m SELECT params.m, count() AS 'my n', count() AS '1st' HAVING count() > 2.0 "+
		"ORDER BY 2 DESC NULLS FIRST, params.m LIMIT 3 PER GROUP OFFSET 4", q.String())
}

func TestTypes(t *testing.T) {
	a := metric("a")
	for x, want := range map[tree.Expr]tree.Type{
		&tree.Series{Fn: tree.Plateau, Field: a}: tree.Bool, &tree.Series{Fn: tree.ArgMin, Field: a}: tree.Int,
		&tree.Series{Fn: tree.Slope, Field: a}: tree.Number, &tree.Aggregate{Fn: tree.CountOf, X: a}: tree.Int,
		&tree.Aggregate{Fn: tree.FirstOf, X: str("x")}: tree.String, &tree.Aggregate{Fn: tree.Best, X: a}: tree.Number,
		&tree.Ref{Kind: tree.String}: tree.String, &tree.Now{}: tree.Int, &tree.ToNumber{X: str("x")}: tree.Number,
	} {
		require.Equal(t, want, x.Type(), "%T", x)
	}
}

// TestWalk: every node is seen once, from left to right, and none under one that
// says no.
func TestWalk(t *testing.T) {
	a, b := metric("a"), metric("b")
	quantified := &tree.Quantified{Field: b}
	x := &tree.And{Kids: []tree.Expr{&tree.Compare{L: &tree.Series{Field: a}, R: number(1)}, &tree.Not{X: quantified}}}
	var seen []tree.Expr
	tree.Walk(x, func(n tree.Expr) bool {
		seen = append(seen, n)
		_, not := n.(*tree.Not)
		return !not
	})
	require.Len(t, seen, 6)
	require.Same(t, a, seen[3])
	seen = nil
	tree.Walk(x, func(n tree.Expr) bool {
		seen = append(seen, n)
		return true
	})
	require.Len(t, seen, 8)
	require.Same(t, b, seen[7])
	require.Same(t, quantified, seen[6])
}

// TestMoved: a value that stands elsewhere is the same value.
func TestMoved(t *testing.T) {
	a, at := metric("a"), tree.Span{Pos: 3, End: 9}
	for _, x := range []tree.Expr{a, number(1), &tree.ToNumber{X: a}, &tree.Neg{X: a}, &tree.Arithmetic{Op: '+', L: a, R: a}, &tree.Now{Back: 5},
		&tree.Scalar{Fn: "abs", X: a}, &tree.Series{Fn: tree.Max, Field: a}, &tree.Aggregate{Fn: tree.Best, X: a}} {
		moved := tree.Moved(x, at)
		require.Equal(t, at, moved.At(), "%T", x)
		require.Equal(t, tree.Span{}, x.At(), "%T", x)
		require.Equal(t, tree.Text(x), tree.Text(moved))
	}
}

func TestFormatDuration(t *testing.T) {
	for ms, want := range map[int64]string{0: "0ms", 1: "1ms", 1000: "1s", 90_000: "90s", 60_000: "1m", 7 * 86_400_000: "7d", 5_400_000: "90m"} {
		require.Equal(t, want, tree.FormatDuration(ms))
	}
}
