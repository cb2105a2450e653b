package plan

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	someFloats = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, 1, 0.5, -1, 2, 1e300, 1 << 53, -(1 << 53), 1 << 63, 9007199254740994, 0.1}
	someInts   = []int64{0, 1, 2, -1, 1 << 53, 1<<53 + 1, 1<<53 + 2, -(1<<53 + 1), math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, 100}
	someTexts  = []string{"", "a", "A", "ab", "aB%", "a_b", "é", "É", "1", "0.5", " 2 ", "1e400", "nan", "-inf", "09", "9", "10", "x1", "日本", "\xff", "\u212a"}
	patterns   = []string{"%", "a%", "%b", "a", "", "_", "%a%", "a_%", "%é%", "a%b%", "__", "1%"}
	regexes    = []string{"a", "^a.*b$", "^$", "é|x", "[0-9]+"}
)

// draw makes random trees and rows.
type draw struct {
	t     *rapid.T
	kin   bool // relatives may be drawn
	depth int
}

func pick[T any](d *draw, list ...T) T { return rapid.SampledFrom(list).Draw(d.t, "pick") }
func (d *draw) n(to int) int           { return rapid.IntRange(0, to-1).Draw(d.t, "n") }

func (d *draw) rows() []testRow {
	rows := make([]testRow, d.n(40))
	for i := range rows {
		r := &rows[i]
		r.fields = map[Ref][]Value{}
		maybe := func(ref Ref, fn func() Value, most int) {
			for range d.n(most + 1) {
				r.fields[ref] = append(r.fields[ref], fn())
			}
		}
		text := func() Value { return Str(pick(d, someTexts...)) }
		float := func() Value { return Num(pick(d, someFloats...)) }
		maybe(Ref{Key: "start_time"}, func() Value { return Whole(pick(d, someInts...)) }, 1)
		maybe(Ref{Entity: tree.Metric, Key: "b"}, float, 1)
		maybe(Ref{Entity: tree.Metric, Key: "many"}, float, 3)
		maybe(Ref{Entity: tree.Param, Key: "p"}, text, 1)
		maybe(Ref{Entity: tree.Param, Key: "q"}, text, 1)
		maybe(Ref{Entity: tree.Dataset, Key: "name"}, text, 3)
		r.fields[Ref{Key: "run_id"}] = []Value{Str(string(rune('a' + i)))}
		maybe(Ref{Key: "parent_id"}, func() Value { return Str(string(rune('a' + d.n(5)))) }, 1)
		if d.n(4) > 0 {
			r.points = map[string][]float64{"a": nil}
			for range d.n(6) + 1 {
				r.points["a"] = append(r.points["a"], pick(d, someFloats...))
			}
		}
		if d.n(3) == 0 {
			r.used = []string{pick(d, "x", "y")}
		}
		r.gone = d.n(8) == 0
	}
	if d.n(4) > 0 {
		return rows
	}
	return slices.Repeat(rows, 5) // more than a word of them
}

func (d *draw) source(rows []testRow) *testSource {
	return &testSource{rows: rows, size: pick(d, 1, 3, 7, 64, 100), zones: d.n(2) == 0, backs: d.n(2) == 0}
}

func (d *draw) window() *tree.Window {
	switch d.n(5) {
	case 0:
		return &tree.Window{Kind: tree.FirstSteps, N: float64(d.n(5) + 1)}
	case 1:
		return &tree.Window{Kind: tree.LastSteps, N: float64(d.n(5) + 1)}
	case 2:
		return &tree.Window{Kind: tree.Steps, From: int64(d.n(4)), To: int64(d.n(6))}
	}
	return nil
}

func (d *draw) metric() *tree.Field { return metric(pick(d, "a", "a", "b", "many", "none")) }

func (d *draw) pointMetric() *tree.Field {
	f := metric(pick(d, "a", "a", "a", "none"))
	if d.n(5) == 0 {
		f.Select = []tree.Selector{{Key: "context", Value: "test"}}
	}
	return f
}

func (d *draw) number() tree.Expr {
	d.depth++
	defer func() { d.depth-- }()
	k := 11
	if d.depth > 3 {
		k = 6
	}
	switch d.n(k) {
	case 0, 1:
		return d.metric()
	case 2:
		return attr("start_time")
	case 3:
		return &tree.ToNumber{X: d.text()}
	case 4:
		if d.n(2) == 0 {
			return num(pick(d, someFloats[1:]...))
		}
		return whole(pick(d, someInts...))
	case 5:
		fn := pick(d, tree.Last, tree.First, tree.Min, tree.Max, tree.Mean, tree.Sum, tree.Count, tree.NaNCount, tree.ArgMin, tree.ArgMax, tree.Delta, tree.Slope)
		return &tree.Series{Fn: fn, Field: d.pointMetric(), Window: d.window()}
	case 6:
		return &tree.Neg{X: d.number()}
	case 7:
		return &tree.Scalar{Fn: pick(d, "abs", "sqrt", "floor"), X: d.number()}
	case 8:
		return &tree.Now{Back: int64(d.n(1000))}
	}
	return &tree.Arithmetic{Op: pick(d, byte('+'), '-', '*', '/', '%'), L: d.number(), R: d.number()}
}

func (d *draw) text() tree.Expr {
	switch d.n(6) {
	case 0:
		return dataset("name")
	case 1:
		return str(pick(d, someTexts...))
	case 2:
		return param("none")
	case 3:
		f := param("q")
		f.Default = "a"
		return f
	}
	return param(pick(d, "p", "q"))
}

var comparisons = []tree.Op{tree.Eq, tree.Ne, tree.Lt, tree.Le, tree.Gt, tree.Ge, tree.Distinct, tree.NotDistinct}

func (d *draw) condition() tree.Expr {
	d.depth++
	defer func() { d.depth-- }()
	k := 17
	if d.depth > 3 {
		k = 13
	}
	switch d.n(k) {
	case 0, 1, 2:
		return cmp2(pick(d, comparisons...), d.number(), num(pick(d, someFloats[1:]...)))
	case 3:
		return cmp2(pick(d, comparisons...), d.number(), d.number())
	case 4, 5:
		return cmp2(pick(d, comparisons...), d.text(), d.text())
	case 6:
		x := &tree.In{X: d.number(), Not: d.n(2) == 0}
		for range d.n(3) + 1 {
			x.Values = append(x.Values, whole(pick(d, someInts...)), num(pick(d, someFloats[1:]...)))
		}
		return x
	case 7:
		return &tree.In{X: d.text(), Not: d.n(2) == 0, Values: []*tree.Literal{str(pick(d, someTexts...)), str(pick(d, someTexts...))}}
	case 8:
		x := &tree.Between{X: d.number(), Lo: d.number(), Hi: d.number(), Not: d.n(2) == 0}
		if d.n(2) == 0 {
			x.X, x.Lo, x.Hi = d.metric(), num(pick(d, someFloats[1:]...)), whole(pick(d, someInts...))
		}
		if d.n(4) == 0 {
			x.X, x.Lo, x.Hi = d.text(), str(pick(d, someTexts...)), str(pick(d, someTexts...))
		}
		return x
	case 9:
		if d.n(3) == 0 {
			return &tree.Match{X: d.text(), Kind: pick(d, tree.Regex, tree.IRegex), Pattern: pick(d, regexes...), Not: d.n(2) == 0}
		}
		// Case is Unicode's simple mapping here and folding there: no Kelvin sign.
		return &tree.Match{X: param("p"), Kind: pick(d, tree.Like, tree.ILike), Pattern: pick(d, patterns...), Not: d.n(2) == 0}
	case 10:
		x := &tree.Is{X: d.number(), What: pick(d, tree.Null, tree.NaN, tree.Inf), Not: d.n(2) == 0}
		if d.n(4) == 0 {
			x.X, x.What = d.text(), tree.Null
		}
		return x
	case 11:
		return d.quantified()
	case 12:
		if d.n(2) == 0 {
			return &tree.Series{Fn: tree.Plateau, Field: d.pointMetric(), Patience: 2}
		}
		return &tree.Lineage{Verb: tree.Used, Kind: "dataset", Args: []string{pick(d, "x", "y", "z")}}
	case 13:
		return and2(d.condition(), d.condition())
	case 14:
		return or2(d.condition(), d.condition(), d.condition())
	case 15:
		if d.kin {
			return &tree.Relative{Kin: pick(d, tree.Parent, tree.AnyChild, tree.AllChild), X: d.condition()}
		}
	}
	return not1(d.condition())
}

func (d *draw) quantified() tree.Expr {
	q := &tree.Quantified{
		How: pick(d, tree.Ever, tree.Always, tree.Never), Field: d.pointMetric(),
		Op: pick(d, comparisons[:6]...), X: pick(d, someFloats...), Window: d.window(),
	}
	if d.n(3) == 0 {
		q.Special, q.What, q.Not = true, pick(d, tree.NaN, tree.Inf), d.n(2) == 0
	}
	if q.How != tree.Always {
		q.For = int64(d.n(3))
	}
	return q
}

func (d *draw) orders(q *tree.Query) {
	for range d.n(4) {
		s := tree.Sort{Desc: d.n(2) == 0, NullsFirst: d.n(3) == 0}
		switch d.n(6) {
		case 0:
			s.X = param(pick(d, "p", "q"))
			s.Decimal = d.n(2) == 0
		case 1:
			s.X = dataset("name")
		case 2:
			s.X = &tree.Arithmetic{Op: '*', L: metric("b"), R: num(2)}
		case 3:
			s.X = cmp2(tree.Gt, metric("b"), num(0))
		case 4:
			s.X = attr("start_time")
		default:
			s.X = d.metric()
		}
		q.OrderBy = append(q.OrderBy, s)
	}
}

// TestModel compares whole answers with the naive ones: rows, order, total and
// pages.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := &draw{t: rt, kin: true}
		rows := d.rows()
		src := d.source(rows)
		q := &tree.Query{Filter: d.condition(), Limit: d.n(9), Offset: d.n(3)}
		if d.n(10) == 0 {
			q.Filter = nil
		}
		d.orders(q)
		want := (&naive{rows}).find(q)
		p, err := New(q, testNow)
		require.NoError(rt, err)
		res, err := p.Run(context.Background(), src, &Options{Total: true, Explain: true})
		require.NoError(rt, err)
		require.Equal(rt, len(want), res.Total)
		want = want[min(q.Offset, len(want)):]
		if q.Limit == 0 {
			require.Equal(rt, want, rowsOf(res.Hits))
			require.Empty(rt, res.Next)
			return
		}
		got := rowsOf(res.Hits)
		for next := res.Next; next != ""; {
			require.Len(rt, res.Hits, q.Limit)
			res, err = p.Run(context.Background(), src, &Options{Cursor: next})
			require.NoError(rt, err)
			require.NotEmpty(rt, res.Hits)
			require.Equal(rt, -1, res.Total)
			got = append(got, rowsOf(res.Hits)...)
			require.LessOrEqual(rt, len(got), len(want))
			next = res.Next
		}
		require.Equal(rt, want, got)
	})
}
