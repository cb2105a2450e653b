package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

func parse(t require.TestingT, text string) *tree.Query {
	q, err := query.Parse(tree.Runs, text)
	require.NoError(t, err)
	return q
}

// counted are runs whose metric n is their number, as is start_time; p tells if it
// is even.
func counted(n int) []testRow {
	rows := make([]testRow, n)
	for i := range rows {
		rows[i].fields = map[Ref][]Value{
			{Key: "run_id"}:                   {Str(fmt.Sprintf("%04d", i))},
			{Key: "start_time"}:               {Whole(int64(i))},
			{Entity: tree.Param, Key: "p"}:    {Str([]string{"even", "odd"}[i%2])},
			{Entity: tree.Metric, Key: "big"}: {Num(1e9)},
		}
		if i > 0 {
			rows[i].fields[Ref{Key: "parent_id"}] = []Value{Str(fmt.Sprintf("%04d", i/2))}
		}
		rows[i].points = map[string][]float64{"n": {float64(i)}}
	}
	return rows
}

func TestZones(t *testing.T) {
	src := &testSource{rows: counted(100), size: 10, zones: true}
	res := run(t, parse(t, "metrics.n >= 95 AND metrics.big > 0"), src, &Options{Explain: true, Total: true})
	require.Equal(t, 5, res.Total)
	e := res.Explain
	require.Equal(t, ExplainPart{Text: "metrics.n >= 95", How: "column", In: 10, Out: 5, Batches: 1, Skipped: 9}, e.Parts[0])
	require.Equal(t, ExplainPart{Text: "metrics.big > 0", How: "column", Passed: 1}, e.Parts[1])
	require.Equal(t, 9, e.Skipped)
	require.Equal(t, 1, src.reads)

	// A condition on points that the extremes decide asks for no point.
	src = &testSource{rows: counted(100), size: 10, zones: true}
	res = run(t, parse(t, "EVER(metrics.n > 93) OR ALWAYS(metrics.n < 3)"), src, nil)
	require.Len(t, res.Hits, 9)
	require.Zero(t, src.asked)
	// A window is asked of those only that may satisfy.
	run(t, parse(t, "EVER(metrics.n > 93) OVER LAST 3 STEPS"), src, nil)
	require.Equal(t, 6, src.asked)
}

// TestOrderOfParts: points are asked last, of the rows that are left.
func TestOrderOfParts(t *testing.T) {
	src := &testSource{rows: counted(100), size: 10}
	res := run(t, parse(t, "slope(metrics.n) >= 0 AND USED dataset('x') AND params.p LIKE 'o%' AND ANY child(params.p = 'odd') AND metrics.n > 90"),
		src, &Options{Explain: true})
	require.Empty(t, res.Hits)
	var how []string
	for _, p := range res.Explain.Parts {
		how = append(how, p.How)
	}
	require.Equal(t, []string{"column", "pattern", "semi-join", "lineage", "series"}, how)
	require.Zero(t, src.asked)
	require.Equal(t, []ExplainKin{{Text: "ANY child(params.p = 'odd')", Rows: 50, IDs: 50}}, res.Explain.Kin)
	require.Equal(t, 1, res.Explain.Passes)
	require.Equal(t, 200, res.Explain.Rows)
	text := res.Explain.String()
	require.Contains(t, text, "slope(metrics.n) >= 0")
	require.Contains(t, text, "also by 1 passes for relatives")
	b, err := json.Marshal(res.Explain)
	require.NoError(t, err)
	require.Contains(t, string(b), `"how":"semi-join"`)
}

// TestPageReadsLittle: with an order by a stored number, batches that cannot have
// a row of the page are not read.
func TestPageReadsLittle(t *testing.T) {
	q := parse(t, "ORDER BY metrics.n DESC LIMIT 5")
	for _, total := range []bool{false, true} {
		src := &testSource{rows: counted(100), size: 10, zones: true, backs: true}
		opt := &Options{Explain: true, Total: total}
		res := run(t, q, src, opt)
		require.Equal(t, []int{99, 98, 97, 96, 95}, rowsOf(res.Hits))
		require.Equal(t, Num(99), res.Hits[0].Keys[0])
		require.Equal(t, 1, src.reads, "the keys behind it are asked for where rows are equal")
		if !total {
			require.Equal(t, -1, res.Total)
			require.Equal(t, 9, res.Explain.Beaten)
			continue
		}
		require.Equal(t, 100, res.Total)
	}
	// Nor are those in front of a cursor.
	src := &testSource{rows: counted(100), size: 10, zones: true, backs: true}
	res := run(t, q, src, nil)
	for range 10 {
		res = run(t, q, src, &Options{Cursor: res.Next})
	}
	require.Equal(t, []int{49, 48, 47, 46, 45}, rowsOf(res.Hits))
	src.reads = 0
	res = run(t, q, src, &Options{Cursor: res.Next, Explain: true})
	require.Equal(t, []int{44, 43, 42, 41, 40}, rowsOf(res.Hits))
	require.LessOrEqual(t, src.reads, 6)
	// A source may know which batches to give first.
	lead := &leadingSource{testSource: testSource{rows: counted(100), size: 10, zones: true}}
	res = run(t, q, lead, nil)
	require.Equal(t, []int{99, 98, 97, 96, 95}, rowsOf(res.Hits))
	require.Equal(t, 1, lead.reads)
	require.Equal(t, []string{"n true"}, lead.asks)
	for _, other := range []string{"ORDER BY metrics.n DESC", "ORDER BY params.p LIMIT 5", "ORDER BY metrics.n * 2 LIMIT 5", "LIMIT 5"} {
		run(t, parse(t, other), lead, nil)
	}
	require.Len(t, lead.asks, 1)
}

// leadingSource gives the last batch first when it is asked.
type leadingSource struct {
	testSource
	asks []string
}

func (s *leadingSource) Leading(ctx context.Context, ref Ref, desc bool) iter.Seq2[Batch, error] {
	s.asks = append(s.asks, fmt.Sprint(ref.Key, " ", desc))
	back := s.testSource
	back.backs = desc
	return func(yield func(Batch, error) bool) {
		for b, err := range back.Batches(ctx) {
			b.(*testBatch).s = &s.testSource
			if !yield(b, err) {
				return
			}
		}
	}
}

// TestPagesStay: rows that are added do not shift the pages behind them.
func TestPagesStay(t *testing.T) {
	rows := counted(20)
	q := parse(t, "ORDER BY metrics.n LIMIT 8")
	res := run(t, q, &testSource{rows: rows, size: 6}, nil)
	more := counted(25)
	more = append(rows, more[20:]...)
	more = append(more, testRow{fields: map[Ref][]Value{}, points: map[string][]float64{"n": {-1}}})
	res = run(t, q, &testSource{rows: more, size: 6}, &Options{Cursor: res.Next})
	require.Equal(t, []int{8, 9, 10, 11, 12, 13, 14, 15}, rowsOf(res.Hits))
	// The blanks of a query do not matter, nor the size of a page.
	res = run(t, parse(t, " ORDER  BY metrics.n\nLIMIT 2"), &testSource{rows: more, size: 6}, &Options{Cursor: res.Next})
	require.Equal(t, []int{16, 17}, rowsOf(res.Hits))
}

func TestCursors(t *testing.T) {
	src := &testSource{rows: counted(20), size: 6}
	q := parse(t, "metrics.n > 1 ORDER BY params.p LIMIT 3")
	p, err := New(q, testNow)
	require.NoError(t, err)
	good := run(t, q, src, nil).Next
	other := run(t, parse(t, "metrics.n > 2 ORDER BY params.p LIMIT 3"), src, nil).Next
	for _, bad := range []string{"x", "?", good[1:], good[:len(good)-1], good + "A", other, strings.Repeat("A", 2<<20)} {
		res, err := p.Run(context.Background(), src, &Options{Cursor: bad})
		require.ErrorIs(t, err, ErrCursor)
		require.Nil(t, res)
	}
	require.NotContains(t, good, "=")
}

func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor(7, cursor{3, []Value{Str("é"), Num(nan)}}), true)
	f.Add(encodeCursor(7, cursor{1 << 31, []Value{Whole(-1), {}}}), true)
	f.Fuzz(func(t *testing.T, text string, whole bool) {
		if !whole { // what has the right checksum
			text = encodeCursor(7, cursor{0, []Value{Str(text)}})
		}
		c, err := decodeCursor(text, 7, 2)
		if err != nil {
			require.ErrorIs(t, err, ErrCursor)
			return
		}
		again, err := decodeCursor(encodeCursor(7, c), 7, 2)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(c), fmt.Sprint(again))
	})
}

func TestSelect(t *testing.T) {
	src := &testSource{rows: counted(20), size: 6}
	q := parse(t, "metrics.n < 10 SELECT run_id, metrics.n * 2 AS twice, metrics.none, count(metrics.n) ORDER BY twice DESC LIMIT 2")
	res := run(t, q, src, nil)
	require.Equal(t, []Column{{"run_id", tree.String, false}, {"twice", tree.Number, false}, {"metrics.none", tree.Number, false}, {"count(metrics.n)", tree.Int, false}}, res.Table.Columns)
	require.Equal(t, [][]any{{"0009", 18.0, nil, int64(1)}, {"0008", 16.0, nil, int64(1)}}, cellsOf(res.Table))
}

func TestGroups(t *testing.T) {
	src := &testSource{rows: counted(20), size: 6}
	res := run(t, parse(t, "GROUP BY params.p SELECT params.p, count(), best(metrics.n), worst(metrics.n), first(run_id), median(metrics.n) HAVING count() > 3 ORDER BY max(metrics.n) DESC"), src, nil)
	require.Equal(t, [][]any{
		{"odd", int64(10), 19.0, 1.0, "0019", 10.0}, {"even", int64(10), 18.0, 0.0, "0018", 9.0},
	}, cellsOf(res.Table))
	require.Equal(t, []int64{-1, -1, 2 * 19, 2, -1, -1}, res.Table.Lines[0].Of)
	require.Empty(t, res.Hits)

	res = run(t, parse(t, "metrics.n > 2 GROUP BY params.p SELECT params.p, best(metrics.n) LIMIT 2 PER GROUP"), src, nil)
	require.Len(t, res.Table.Lines, 2)
	for _, l := range res.Table.Lines {
		require.Len(t, l.Hits, 2)
		require.Len(t, l.Shown, 2)
	}

	// Items and orders that are of the rows and not of the group.
	q := &tree.Query{
		GroupBy: []tree.Expr{param("p")}, Select: items(param("p"), attr("run_id")), PerGroup: true, Limit: 2,
		OrderBy: []tree.Sort{{X: metric("n"), Desc: true}, {X: agg(tree.MaxOf, metric("n"))}},
	}
	res = run(t, q, src, nil)
	require.Equal(t, []int{18, 16}, rowsOf(res.Table.Lines[0].Hits))
	require.Equal(t, [][]any{{nil, "0018"}, {nil, "0016"}}, res.Table.Lines[0].Shown)
	require.Equal(t, [][]any{{"even", nil}, {"odd", nil}}, cellsOf(res.Table))

	// No rows are a group only where there is nothing to group by.
	none := &testSource{size: 6}
	all := &tree.Query{Select: items(agg(tree.CountRows, nil), agg(tree.MaxOf, metric("n")))}
	require.Equal(t, [][]any{{int64(0), nil}}, cellsOf(run(t, all, none, nil).Table))
	all.PerGroup = true
	require.Empty(t, run(t, all, none, nil).Table.Lines[0].Hits)
	require.Empty(t, run(t, q, none, nil).Table.Lines)
}

func TestStudent(t *testing.T) {
	for v, want := range map[int]float64{1: 12.7062047364, 2: 4.3026527299, 5: 2.5705818356, 30: 2.0422724563, 60: 2.0002978220, 61: 1.9996235850, 120: 1.9799304051, 1e6: 1.9599663} {
		require.InDelta(t, want, student975(v), 2e-7, "%d", v)
	}
}

func TestLimits(t *testing.T) {
	partial := func(q *tree.Query, src Source, opt *Options, limit string) *Result {
		p, err := New(q, testNow)
		require.NoError(t, err)
		res, err := p.Run(context.Background(), src, opt)
		var part *PartialError
		require.ErrorAs(t, err, &part)
		require.Equal(t, limit, part.Limit)
		require.Contains(t, err.Error(), limit)
		require.NotNil(t, res)
		return res
	}
	slow := &testSource{rows: counted(100), size: 1, wait: time.Millisecond}
	res := partial(parse(t, "metrics.n >= 0"), slow, &Options{Time: 20 * time.Millisecond, Total: true}, "time")
	require.Less(t, len(res.Hits), 100)
	require.Len(t, res.Hits, res.Total)
	res = partial(parse(t, "GROUP BY params.p SELECT count()"), slow, &Options{Time: 20 * time.Millisecond}, "time")
	require.NotNil(t, res.Table)
	partial(parse(t, "ANY child(metrics.n >= 0)"), slow, &Options{Time: time.Millisecond}, "time")

	src := &testSource{rows: counted(100), size: 10}
	res = partial(parse(t, "metrics.n >= 0"), src, &Options{Bytes: 300}, "bytes")
	require.NotEmpty(t, res.Hits)
	partial(parse(t, "metrics.n >= 0"), src, &Options{Bytes: 1, Stats: &Stats{Bytes: 2}}, "bytes")
	res = partial(parse(t, "GROUP BY metrics.n SELECT count()"), src, &Options{Groups: 15}, "groups")
	require.Len(t, res.Table.Lines, 20)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p, err := New(parse(t, ""), testNow)
	require.NoError(t, err)
	res, err = p.Run(ctx, src, &Options{Time: time.Hour})
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, res)
	p, err = New(&tree.Query{Filter: &tree.Lineage{Kind: "nothing"}}, testNow)
	require.NoError(t, err)
	_, err = p.Run(context.Background(), slow, &Options{Time: time.Hour})
	require.ErrorIs(t, err, errNoSuchThing)
}

func TestRefusals(t *testing.T) {
	for name, q := range map[string]*tree.Query{
		"long pattern":   {Filter: &tree.Match{X: param("p"), Pattern: strings.Repeat("x", MaxPattern+1)}},
		"regex":          {Filter: &tree.Match{X: param("p"), Kind: tree.Regex, Pattern: "("}},
		"long regex":     {Filter: &tree.Match{X: param("p"), Kind: tree.IRegex, Pattern: strings.Repeat("x", MaxRegex+1)}},
		"function":       {Filter: cmp2(tree.Eq, &tree.Scalar{Fn: "sin", X: num(1)}, num(1))},
		"not condition":  {Filter: metric("a")},
		"half condition": {Filter: &tree.Not{}},
		"half value":     {Filter: cmp2(tree.Eq, nil, num(1))},
		"item":           {OrderBy: []tree.Sort{{X: &tree.Ref{Item: 2}}}},
		"item of itself": {OrderBy: []tree.Sort{{X: &tree.Ref{}}}, Select: items(&tree.Ref{})},
		"aggregate":      {Filter: cmp2(tree.Gt, agg(tree.CountRows, nil), num(1))},
		"ungrouped":      {GroupBy: []tree.Expr{param("p")}, Select: items(metric("a"))},
		"having":         {GroupBy: []tree.Expr{param("p")}, Having: cmp2(tree.Gt, metric("a"), num(1))},
		"ungrouped fn":   {GroupBy: []tree.Expr{param("p")}, Select: items(series1(tree.Min, "a"))},
		"order":          {GroupBy: []tree.Expr{param("p")}, OrderBy: []tree.Sort{{X: metric("a")}}},
		"points":         {GroupBy: []tree.Expr{param("p")}, Having: &tree.Quantified{Field: metric("a")}},
		"key":            {GroupBy: []tree.Expr{&tree.Scalar{}}},
		"inner":          {GroupBy: []tree.Expr{param("p")}, Select: items(agg(tree.MaxOf, agg(tree.CountRows, nil)))},
	} {
		_, err := New(q, testNow)
		require.ErrorIs(t, err, ErrQuery, name)
	}
}

// thing is a row of a small list.
type thing struct {
	name   string
	size   int64
	scores []float64
}

func (x *thing) Field(ref Ref) Value {
	switch ref.Key {
	case "name":
		return Str(x.name)
	case "size":
		return Whole(x.size)
	case "score":
		for i, v := range x.scores {
			if ref.Digest == "" || ref.Digest == fmt.Sprint(i) {
				return Num(v)
			}
		}
	}
	return Value{}
}

func (x *thing) Values(ref Ref) ([]Value, bool) {
	if ref.Key != "score" {
		return nil, false
	}
	var out []Value
	for _, v := range x.scores {
		out = append(out, Num(v))
	}
	return out, true
}

func TestRows(t *testing.T) {
	list := []*thing{{"a", 1 << 60, []float64{1, 5}}, {"b", 1<<60 + 1, nil}, {"c", 3, []float64{4, 2, 9}}}
	score := &tree.Field{Entity: tree.Metric, Key: "score", Kind: tree.Number, Many: true}
	hits := func(q *tree.Query) (out []int) {
		for _, h := range run(t, q, Rows(list), nil).Hits {
			out = append(out, int(h.Row))
		}
		return out
	}
	require.Equal(t, []int{0, 2}, hits(&tree.Query{Filter: cmp2(tree.Ge, score, num(5))}))
	require.Equal(t, []int{1}, hits(&tree.Query{Filter: &tree.Is{X: score}}))
	require.Equal(t, []int{0, 2, 1}, hits(&tree.Query{OrderBy: []tree.Sort{{X: score}}}))
	require.Equal(t, []int{2, 0, 1}, hits(&tree.Query{OrderBy: []tree.Sort{{X: score, Digest: "1"}}}))
	size := &tree.Field{Key: "size", Kind: tree.Int}
	require.Equal(t, []int{1}, hits(&tree.Query{Filter: cmp2(tree.Gt, size, whole(1<<60))}))
	for _, x := range []tree.Expr{&tree.Lineage{}, &tree.Series{Fn: tree.Plateau, Field: score}, &tree.Quantified{Field: score, Window: &tree.Window{}}} {
		p, err := New(&tree.Query{Filter: &tree.Not{X: x}}, testNow)
		require.NoError(t, err)
		_, err = p.Run(context.Background(), Rows(list), nil)
		if _, ok := x.(*tree.Quantified); ok {
			require.NoError(t, err) // no row has a count of points
			continue
		}
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	// Batches hang together.
	long := make([]*thing, 3*rowsBatch+7)
	for i := range long {
		long[i] = &thing{name: fmt.Sprint(i % 10), size: int64(i)}
	}
	q := &tree.Query{OrderBy: []tree.Sort{{X: size, Desc: true}}, Limit: 1, Offset: 2 * rowsBatch}
	require.Equal(t, uint32(rowsBatch+6), run(t, q, Rows(long), nil).Hits[0].Row)
}

// TestAllocations: a search allocates for the page, not for the rows.
func TestAllocations(t *testing.T) {
	q := parse(t, "metrics.auc > 0.5 AND params.lr = '0.01' AND run_name LIKE '%a%b%' AND metrics.auc - metrics.loss > 0.1 ORDER BY metrics.loss LIMIT 10")
	q.OrderBy = q.OrderBy[:1]
	p, err := New(q, testNow)
	require.NoError(t, err)
	cost := func(rows int) float64 {
		src := newFlat(rows)
		return testing.AllocsPerRun(3, func() { _, _ = p.Run(context.Background(), src, nil) })
	}
	require.Less(t, cost(80_000)-cost(20_000), 100.0)
}
