package plan

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func agg(fn tree.AggregateFn, x tree.Expr) *tree.Aggregate { return &tree.Aggregate{Fn: fn, X: x} }

func items(list ...tree.Expr) (out []tree.Item) {
	for i, x := range list {
		out = append(out, tree.Item{X: x, Name: fmt.Sprint("c", i)})
	}
	return out
}

// naiveGroup is a group as the model makes it.
type naiveGroup struct {
	keys []Value
	rows []int
}

// groups are made of rows in ascending order.
func (n *naive) groups(q *tree.Query) []*naiveGroup {
	var out []*naiveGroup
	found := (&naive{n.rows}).find(&tree.Query{Filter: q.Filter})
	if len(q.GroupBy) == 0 {
		return []*naiveGroup{{rows: found}}
	}
	for _, i := range found {
		var keys []Value
		for _, x := range q.GroupBy {
			v := n.first(q, &tree.Sort{X: x}, i)
			if v.kind == Number && v.float() == 0 {
				v = Num(0)
			}
			keys = append(keys, v)
		}
		at := slices.IndexFunc(out, func(g *naiveGroup) bool {
			return slices.EqualFunc(g.keys, keys, func(a, b Value) bool { return naiveCompare(tree.NotDistinct, a, b) })
		})
		if at < 0 {
			at = len(out)
			out = append(out, &naiveGroup{keys: keys})
		}
		out[at].rows = append(out[at].rows, i)
	}
	return out
}

// value is that of an expression over a group.
func (n *naive) value(q *tree.Query, g *naiveGroup, x tree.Expr) Value {
	for i, k := range q.GroupBy {
		if fingerprint(k) == fingerprint(x) {
			return g.keys[i]
		}
	}
	switch x := x.(type) {
	case *tree.Ref:
		return n.value(q, g, q.Select[x.Item].X)
	case *tree.Literal:
		return n.values(x, nil)[0]
	case *tree.Arithmetic:
		l, ok := floatOf(n.value(q, g, x.L))
		r, also := floatOf(n.value(q, g, x.R))
		if !ok || !also {
			return Value{}
		}
		return Num(l * r)
	case *tree.Aggregate:
		return n.aggregate(q, g, x)
	}
	panic(x)
}

func (n *naive) aggregate(q *tree.Query, g *naiveGroup, x *tree.Aggregate) Value {
	if x.Fn == tree.CountRows {
		return Whole(int64(len(g.rows)))
	}
	var list []Value
	for _, i := range g.rows {
		if v := n.first(q, &tree.Sort{X: x.X}, i); v.kind != Missing && !v.isNaN() {
			list = append(list, v)
		}
	}
	var f []float64
	sum := new(big.Float).SetPrec(2200)
	inf := 0.0
	for _, v := range list {
		v, _ := floatOf(v)
		f = append(f, v)
		if math.IsInf(v, 0) {
			inf += v
		} else {
			sum.Add(sum, big.NewFloat(v))
		}
	}
	count := float64(len(f))
	switch total, _ := sum.Float64(); {
	case x.Fn == tree.CountOf:
		return Whole(int64(len(list)))
	case len(list) == 0:
		return Value{}
	case x.Fn == tree.FirstOf:
		return list[len(list)-1]
	case x.Fn == tree.SumOf:
		return Num(total + inf)
	case x.Fn == tree.MeanOf:
		return Num((total + inf) / count)
	case x.Fn == tree.MinOf || x.Fn == tree.Worst:
		return Num(slices.Min(f))
	case x.Fn == tree.MaxOf || x.Fn == tree.Best:
		return Num(slices.Max(f))
	case x.Fn == tree.Median:
		slices.Sort(f)
		return Num(f[(len(f)-1)/2]/2 + f[len(f)/2]/2)
	case len(f) < 2:
		return Value{}
	default:
		mean, squares := total/count, 0.0
		for _, v := range f {
			squares += (v - mean) * (v - mean)
		}
		std := math.Sqrt(squares / (count - 1))
		if x.Fn == tree.CI95 {
			return Num(std / math.Sqrt(count) * student975(len(f)-1))
		}
		return Num(std)
	}
}

func (n *naive) table(q *tree.Query) (out [][]Value) {
	groups := slices.DeleteFunc(n.groups(q), func(g *naiveGroup) bool {
		if q.Having == nil {
			return false
		}
		h := q.Having.(*tree.Compare)
		return !naiveCompare(h.Op, n.value(q, g, h.L), n.value(q, g, h.R))
	})
	slices.SortStableFunc(groups, func(a, b *naiveGroup) int {
		sorts := slices.Clone(q.OrderBy)
		for _, k := range q.GroupBy {
			sorts = append(sorts, tree.Sort{X: k})
		}
		for _, s := range sorts {
			k := sortKey{desc: s.Desc, nullsFirst: s.NullsFirst}
			if c := k.compare(n.value(q, a, s.X), n.value(q, b, s.X)); c != 0 {
				return c
			}
		}
		return 0
	})
	for _, g := range groups {
		var line []Value
		for _, item := range q.Select {
			line = append(line, n.value(q, g, item.X))
		}
		out = append(out, line)
	}
	return out
}

// printed is a table to be compared: numbers to nine digits, for sums may be
// rounded in another order.
func printed[T any](lines [][]T, value func(T) any) (out []string) {
	for _, l := range lines {
		s := ""
		for _, v := range l {
			switch v := value(v).(type) {
			case float64:
				s += fmt.Sprintf("%.9g|", v+0)
			default:
				s += fmt.Sprintf("%#v|", v)
			}
		}
		out = append(out, s)
	}
	return out
}

func cellsOf(t *Table) (out [][]any) {
	for _, l := range t.Lines {
		out = append(out, l.Cells)
	}
	return out
}

func (d *draw) aggregate() tree.Expr {
	fn := pick(d, tree.CountRows, tree.CountOf, tree.MinOf, tree.MaxOf, tree.MeanOf, tree.SumOf, tree.StdOf, tree.CI95,
		tree.Median, tree.FirstOf, tree.Best, tree.Worst)
	switch fn {
	case tree.CountRows:
		return agg(fn, nil)
	case tree.StdOf, tree.CI95:
		return agg(fn, &tree.Series{Fn: tree.Count, Field: metric("a")}) // small numbers
	case tree.FirstOf, tree.CountOf:
		return agg(fn, pick[tree.Expr](d, param("p"), metric("b"), attr("start_time")))
	}
	return agg(fn, pick[tree.Expr](d, metric("b"), metric("a"), metric("many")))
}

func TestGroupModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := &draw{t: rt}
		rows := d.rows()
		q := &tree.Query{Limit: d.n(5)}
		if d.n(2) == 0 {
			q.Filter = d.condition()
		}
		for _, x := range []tree.Expr{param("p"), metric("b"), attr("start_time"), cmp2(tree.Gt, metric("b"), num(0)), dataset("name")} {
			if d.n(3) == 0 {
				q.GroupBy = append(q.GroupBy, x)
				q.Select = append(q.Select, items(x)...)
			}
		}
		q.Select = append(q.Select, items(d.aggregate(), &tree.Arithmetic{Op: '*', L: d.aggregate(), R: num(2)}, d.aggregate())...)
		if d.n(3) == 0 {
			q.Having = cmp2(pick(d, tree.Gt, tree.Le, tree.Ne), d.aggregate(), num(pick(d, 0.0, 1, 2)))
		}
		for range d.n(3) {
			// Best of equals are equal, but what is summed may be rounded.
			q.OrderBy = append(q.OrderBy, tree.Sort{
				X:    pick[tree.Expr](d, agg(tree.CountRows, nil), agg(tree.MaxOf, metric("b")), &tree.Ref{Item: 0}),
				Desc: d.n(2) == 0, NullsFirst: d.n(3) == 0,
			})
		}
		if len(q.GroupBy) == 0 {
			q.OrderBy = nil
		}
		want := (&naive{rows}).table(q)
		src := d.source(rows)
		p, err := New(q, testNow)
		require.NoError(rt, err)
		var got [][]any
		for next := "-"; next != ""; {
			opt := &Options{Total: next == "-", Cursor: next}
			if next == "-" {
				opt.Cursor = ""
			}
			res, err := p.Run(context.Background(), src, opt)
			require.NoError(rt, err)
			if opt.Total {
				require.Equal(rt, len(want), res.Total)
			}
			got = append(got, cellsOf(res.Table)...)
			require.LessOrEqual(rt, len(got), len(want))
			next = res.Next
		}
		truth := func(i int) bool { return q.Select[i].X.Type() == tree.Bool }
		var wanted [][]any
		for _, l := range want {
			var cells []any
			for i, v := range l {
				if truth(i) {
					cells = append(cells, v.int() == 1)
				} else {
					cells = append(cells, v.Any())
				}
			}
			wanted = append(wanted, cells)
		}
		same := func(v any) any { return v }
		require.Equal(rt, printed(wanted, same), printed(got, same))
	})
}
