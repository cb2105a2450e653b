package plan

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

var testNow = time.UnixMilli(1_800_000_000_000)

// testRow is a run as plain values. Points are of metrics, at steps from 0 on;
// every other field has a list of values, most of them one.
type testRow struct {
	fields map[Ref][]Value
	points map[string][]float64
	used   []string
	gone   bool
}

// values are those of a stored column.
func (t *testRow) values(ref Ref) []Value {
	if ref.Entity == tree.Metric {
		if p, ok := t.points[ref.Key]; ok {
			return function1(ref.Fn, p, 0, len(p))
		}
	}
	fn := ref.Fn
	ref.Fn, ref.One = tree.Last, false
	list := t.fields[ref]
	if fn != tree.Last {
		return nil
	}
	return list
}

// function1 is a function of the points from step i up to j.
func function1(fn tree.SeriesFn, all []float64, i, j int) []Value {
	if i >= j {
		return nil
	}
	p := all[i:j]
	nums, steps := []float64{}, []int{}
	for k, v := range p {
		if v == v {
			nums, steps = append(nums, v), append(steps, i+k)
		}
	}
	switch fn {
	case tree.Last:
		return []Value{Num(p[len(p)-1])}
	case tree.First:
		return []Value{Num(p[0])}
	case tree.Count:
		return []Value{Whole(int64(len(p)))}
	case tree.NaNCount:
		return []Value{Whole(int64(len(p) - len(nums)))}
	case tree.Delta:
		return []Value{Num(p[len(p)-1] - p[0])}
	case tree.Plateau:
		return []Value{Whole(int64(bit(len(p)%2 == 0)))}
	}
	if len(nums) == 0 {
		return nil
	}
	sum := 0.0
	for _, v := range nums {
		sum += v
	}
	switch fn {
	case tree.Min:
		return []Value{Num(slices.Min(nums))}
	case tree.Max:
		return []Value{Num(slices.Max(nums))}
	case tree.ArgMin:
		return []Value{Whole(int64(steps[slices.Index(nums, slices.Min(nums))]))}
	case tree.ArgMax:
		return []Value{Whole(int64(steps[slices.Index(nums, slices.Max(nums))]))}
	case tree.Sum, tree.Slope, tree.Std:
		return []Value{Num(sum)} // what it is does not matter here
	}
	return []Value{Num(sum / float64(len(nums)))}
}

// inWindow is the part of a metric's steps that a window has.
func inWindow(w *tree.Window, n int) (i, j int) {
	if w == nil {
		return 0, n
	}
	switch w.Kind {
	case tree.FirstSteps:
		return 0, min(n, int(w.N))
	case tree.LastSteps:
		return max(0, n-int(w.N)), n
	}
	return int(min(max(w.From, 0), int64(n))), int(min(max(w.To+1, 0), int64(n)))
}

func (t *testRow) series(s *tree.Series) []Value {
	p, ok := t.points[s.Field.Key]
	if !ok || len(s.Field.Select) > 0 && len(p)%2 == 0 {
		return nil
	}
	i, j := inWindow(s.Window, len(p))
	return function1(s.Fn, p, i, j)
}

func (t *testRow) quantified(q *tree.Quantified) bool {
	p, ok := t.points[q.Field.Key]
	if !ok || len(q.Field.Select) > 0 && len(p)%2 == 0 {
		return false
	}
	i, j := inWindow(q.Window, len(p))
	some, every, run := false, i < j, int64(0)
	for _, v := range p[min(i, j):j] {
		is := false
		switch {
		case !q.Special:
			is = naiveCompare(q.Op, Num(v), Num(q.X))
		case q.What == tree.NaN:
			is = (v != v) != q.Not
		default:
			is = math.IsInf(v, 0) != q.Not
		}
		every = every && is
		if run++; !is {
			run = 0
		}
		if is && run > q.For {
			some = true
		}
	}
	switch q.How {
	case tree.Ever:
		return some
	case tree.Never:
		return !some
	}
	return every
}

// testSource gives its rows in batches of a size, in an order of its own.
type testSource struct {
	rows    []testRow
	size    int
	zones   bool
	backs   bool // the last batch first
	reads   int  // columns
	asked   int  // rows whose points were asked for
	batches int
	wait    time.Duration // of each batch
}

// Value makes the source [Pointed].
func (s *testSource) Value(ref Ref, row uint32) (Value, error) {
	return append(s.rows[row/2].values(ref), Value{})[0], nil
}

func (s *testSource) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		var list []*testBatch
		for i := 0; i < len(s.rows); i += s.size {
			list = append(list, &testBatch{s: s, first: i, rows: s.rows[i:min(i+s.size, len(s.rows))]})
		}
		if s.backs {
			slices.Reverse(list)
		}
		for _, b := range list {
			s.batches++
			time.Sleep(s.wait)
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

type testBatch struct {
	s     *testSource
	first int
	rows  []testRow
}

func (b *testBatch) Len() int         { return len(b.rows) }
func (b *testBatch) Row(i int) uint32 { return uint32(2 * (b.first + i)) }

func (b *testBatch) Rows() index.Bits {
	out := index.NewBits(len(b.rows))
	for i := range b.rows {
		if !b.rows[i].gone {
			out.Set(i)
		}
	}
	if out.Count() == len(b.rows) {
		return nil
	}
	return out
}

func (b *testBatch) Zone(ref Ref) (z index.Zone, ok bool) {
	seen := false
	for i := range b.rows {
		list := b.rows[i].values(ref)
		if ref.One && len(list) > 1 {
			list = list[:1]
		}
		if len(list) > 0 {
			z.Rows++
		}
		if slices.ContainsFunc(list, Value.isNaN) {
			z.NaN++
		}
		for _, v := range list {
			f, ok := v.number()
			switch {
			case !ok || f != f:
			case !seen:
				z.Min, z.Max, seen = f, f, true
			default:
				z.Min, z.Max = min(z.Min, f), max(z.Max, f)
			}
		}
	}
	return z, b.s.zones
}

func (b *testBatch) Column(_ context.Context, ref Ref) (*index.Column, error) {
	b.s.reads++
	var lists [][]Value
	for i := range b.rows {
		list := b.rows[i].values(ref)
		if ref.One && len(list) > 1 {
			list = list[:1]
		}
		lists = append(lists, list)
	}
	return columnOf(lists), nil
}

// columnOf makes a column with several values where a row has more than one.
func columnOf(lists [][]Value) *index.Column {
	var flat, single []Value
	starts := []uint32{0}
	many := false
	for _, list := range lists {
		flat = append(flat, list...)
		starts = append(starts, uint32(len(flat)))
		many = many || len(list) > 1
		if len(list) == 0 {
			single = append(single, Value{})
		} else {
			single = append(single, list[0])
		}
	}
	if many {
		return newColumn(flat, starts)
	}
	return newColumn(single, nil)
}

func (b *testBatch) Series(_ context.Context, fn *tree.Series, sel index.Bits) (*index.Column, error) {
	lists := make([][]Value, len(b.rows))
	for i := range b.rows {
		if sel.Has(i) {
			b.s.asked++
			lists[i] = b.rows[i].series(fn)
		}
	}
	return columnOf(lists), nil
}

func (b *testBatch) Points(_ context.Context, q *tree.Quantified, sel index.Bits) error {
	b.s.asked += sel.Count()
	keepIf(sel, func(i int) bool { return b.rows[i].quantified(q) })
	return nil
}

var errNoSuchThing = errors.New("no such thing")

func (b *testBatch) Lineage(_ context.Context, l *tree.Lineage, sel index.Bits) error {
	if l.Kind == "nothing" {
		return errNoSuchThing
	}
	keepIf(sel, func(i int) bool { return slices.Contains(b.rows[i].used, l.Args[0]) })
	return nil
}

// Short names for trees.

func attr(key string) *tree.Field {
	kind := tree.String
	if key == "start_time" {
		kind = tree.Int
	}
	return &tree.Field{Entity: tree.Attribute, Key: key, Kind: kind}
}

func metric(key string) *tree.Field {
	return &tree.Field{Entity: tree.Metric, Key: key, Kind: tree.Number, Many: key == "many"}
}

func param(key string) *tree.Field {
	return &tree.Field{Entity: tree.Param, Key: key, Kind: tree.String}
}

func dataset(key string) *tree.Field {
	return &tree.Field{Entity: tree.Dataset, Key: key, Kind: tree.String, Many: true}
}

func num(f float64) *tree.Literal      { return &tree.Literal{Kind: tree.Number, Float: f} }
func str(s string) *tree.Literal       { return &tree.Literal{Kind: tree.String, Str: s} }
func whole(i int64) *tree.Literal      { return &tree.Literal{Kind: tree.Int, Int: i, Float: float64(i)} }
func and2(kids ...tree.Expr) tree.Expr { return &tree.And{Kids: kids} }
func or2(kids ...tree.Expr) tree.Expr  { return &tree.Or{Kids: kids} }
func not1(x tree.Expr) tree.Expr       { return &tree.Not{X: x} }

func cmp2(op tree.Op, l, r tree.Expr) tree.Expr { return &tree.Compare{Op: op, L: l, R: r} }

func series1(fn tree.SeriesFn, key string) *tree.Series {
	return &tree.Series{Fn: fn, Field: metric(key)}
}

func run(t require.TestingT, q *tree.Query, src Source, opt *Options) *Result {
	p, err := New(q, testNow)
	require.NoError(t, err)
	res, err := p.Run(context.Background(), src, opt)
	require.NoError(t, err)
	return res
}

func rowsOf(hits []Hit) []int {
	out := []int{}
	for _, h := range hits {
		out = append(out, int(h.Row)/2)
	}
	return out
}

func TestFirst(t *testing.T) {
	src := &testSource{size: 2, zones: true, rows: []testRow{
		{points: map[string][]float64{"a": {1}}}, {points: map[string][]float64{"a": {3}}},
		{points: map[string][]float64{"a": {2}}}, {}, {points: map[string][]float64{"a": {math.NaN()}}},
	}}
	q := &tree.Query{
		Filter:  cmp2(tree.Gt, metric("a"), num(1)),
		OrderBy: []tree.Sort{{X: metric("a")}}, Limit: 1,
	}
	res := run(t, q, src, &Options{Total: true, Explain: true})
	require.Equal(t, []int{2}, rowsOf(res.Hits))
	require.Equal(t, 2, res.Total)
	require.NotEmpty(t, res.Next)
	res = run(t, q, src, &Options{Cursor: res.Next})
	require.Equal(t, []int{1}, rowsOf(res.Hits))
	require.Empty(t, res.Next)
}
