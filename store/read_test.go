package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// runMetric is a curve as a key.
type runMetric struct {
	run    uint32
	metric string
}

// drawn are the curves of a rapid test: a few metrics of two runs, logged in
// changing company, in order and out of it.
type drawn struct {
	dir    string
	opt    *Options
	s      *Store
	curves []Curve
	want   map[runMetric]*curve
	step   map[uint32]int64
	now    int64
}

var drawnMetrics = []string{"a", "b", "c"}

func newDrawn(t *rapid.T, dir string) *drawn {
	opt := testOptions()
	// Above 1,024 points a block has a pyramid.
	opt.BlockPoints = rapid.SampledFrom([]int{20, 1100, 1300, 2100}).Draw(t, "block")
	s, err := Open(dir, opt)
	require.NoError(t, err)
	d := &drawn{dir: dir, opt: opt, s: s, want: map[runMetric]*curve{}, step: map[uint32]int64{}, now: 1_700_000_000_000}
	for run := range uint32(2) {
		for _, m := range drawnMetrics {
			c := Curve{Run: run + 1, Metric: m}
			d.curves = append(d.curves, c)
			d.want[runMetric{c.Run, c.Metric}] = &curve{}
		}
	}
	return d
}

// log adds points to some of the metrics of a run.
func (d *drawn) log(t *rapid.T) {
	run := rapid.Uint32Range(1, 2).Draw(t, "run")
	first := rapid.IntRange(0, len(drawnMetrics)-1).Draw(t, "first")
	last := rapid.IntRange(first, len(drawnMetrics)-1).Draw(t, "last")
	var names []SeriesName
	for _, m := range drawnMetrics[first : last+1] {
		n := SeriesName{Metric: m}
		if rapid.IntRange(0, 15).Draw(t, "model") == 0 {
			n.Model = "m-1"
		}
		names = append(names, n)
	}
	n := rapid.SampledFrom([]int{1, 3, 50, 700, 3000}).Draw(t, "points")
	clock := rapid.SampledFrom([]string{"even", "even", "even", "gaps", "repeat", "back", "wild"}).Draw(t, "clock")
	kind := rapid.SampledFrom([]string{"waves", "waves", "constant", "odd", "whole"}).Draw(t, "values")
	seed := rapid.Uint64().Draw(t, "seed")
	next := func() uint64 { // splitmix64
		seed += 0x9e3779b97f4a7c15
		z := (seed ^ seed>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	if clock == "back" {
		d.step[run] -= int64(next() % 2000)
	}
	c := columns{values: make([][]float64, len(names))}
	for range n {
		d.now += int64(next() % 3)
		at := d.now
		switch clock {
		case "gaps":
			d.step[run] += 1 + int64(next()%5)
		case "repeat":
			d.step[run] += int64(next() % 2)
			at -= int64(next() % 3)
		case "wild":
			d.step[run] += int64(next()%41) - 20
			at -= int64(next() % 100)
		default:
			d.step[run]++
		}
		step := d.step[run]
		c.steps, c.times = append(c.steps, step), append(c.times, at)
		for i, name := range names {
			v := math.Round(1e4*math.Sin(float64(step)/500+float64(i))) / 1e4
			switch kind {
			case "constant":
				v = 3
			case "whole":
				v = float64(int64(next()%7) - 3)
			case "odd":
				if next()%20 == 0 {
					v = odd[next()%uint64(len(odd))]
				}
			}
			c.values[i] = append(c.values[i], v)
			d.want[runMetric{run, name.Metric}].add(step, at, v)
		}
	}
	x, err := d.s.OpenSeries(ctx, run)
	require.NoError(t, err)
	defer x.Close()
	groups, err := x.Groups(ctx, names)
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.NoError(t, groups[0].Append(ctx, Appended, c.steps, c.times, c.values))
}

func (d *drawn) checkpoint(t *rapid.T) { require.NoError(t, d.s.Checkpoint(ctx)) }

func (d *drawn) reopen(t *rapid.T) {
	require.NoError(t, d.s.Close())
	var err error
	d.s, err = Open(d.dir, d.opt)
	require.NoError(t, err)
}

// draw returns a range that often cuts through the points.
func (d *drawn) draw(t *rapid.T) Range {
	r := AllPoints()
	high := max(d.step[1], d.step[2], 0)
	if rapid.Bool().Draw(t, "by step") {
		from := rapid.Int64Range(-100, high+10).Draw(t, "from")
		r = r.Steps(from, from+rapid.SampledFrom([]int64{0, 1, 10, 1000, 5000}).Draw(t, "steps"))
	}
	if rapid.IntRange(0, 3).Draw(t, "by time") == 0 {
		from := rapid.Int64Range(1_700_000_000_000-10, d.now).Draw(t, "since")
		r = r.Times(from, from+rapid.SampledFrom([]int64{0, 100, 2000}).Draw(t, "ms"))
	}
	return r
}

// in returns the points of a curve in r in the order of its history.
func (d *drawn) in(c Curve, r Range) Columns {
	h := d.want[runMetric{c.Run, c.Metric}].history()
	var out Columns
	for i, step := range h.Steps {
		if r.has(step, h.Times[i]) {
			out.Steps, out.Times, out.Values = append(out.Steps, step), append(out.Times, h.Times[i]), append(out.Values, h.Values[i])
		}
	}
	return out
}

// check compares all ways to read with plain slices.
func (d *drawn) check(t *rapid.T) {
	r := d.draw(t)
	want := make([]Columns, len(d.curves))
	for i, c := range d.curves {
		want[i] = d.in(c, r)
	}
	got := make([]Columns, len(d.curves))
	for c, err := range d.s.PointsOf(ctx, d.curves, r) {
		require.NoError(t, err)
		require.NotEmpty(t, c.Steps)
		g := &got[c.Curve]
		g.Steps, g.Times, g.Values = append(g.Steps, c.Steps...), append(g.Times, c.Times...), append(g.Values, c.Values...)
	}
	for i := range got {
		require.Equal(t, want[i].Steps, got[i].Steps)
		require.Equal(t, want[i].Times, got[i].Times)
		require.Equal(t, bits(want[i].Values), bits(got[i].Values))
	}
	buckets := rapid.SampledFrom([]int{1, 2, 7, 30, 1000}).Draw(t, "buckets")
	found, err := d.s.Downsample(ctx, d.curves, r, buckets)
	require.NoError(t, err)
	for i := range found {
		requireBuckets(t, want[i], r, buckets, found[i])
	}
	ranges := []Range{r}
	if rapid.Bool().Draw(t, "a range each") {
		ranges = ranges[:0]
		for i, c := range d.curves {
			ranges = append(ranges, d.draw(t))
			want[i] = d.in(c, ranges[i])
		}
	}
	d.checkPredicates(t, ranges, want)
	d.checkFigures(t, ranges, want)
	d.checkStretches(t, ranges, want)
	d.checkSummaries(t)
}

func (d *drawn) checkPredicates(t *rapid.T, ranges []Range, want []Columns) {
	op := Op(rapid.IntRange(int(Less), int(NotInf)).Draw(t, "op"))
	x := rapid.SampledFrom([]float64{-3, -1, -0.5, 0, 0.1234, 0.99, 1, 2, 3, math.Inf(1), math.Inf(-1), math.NaN()}).Draw(t, "x")
	ever, err := d.s.Ever(ctx, d.curves, ranges, op, x)
	require.NoError(t, err)
	always, err := d.s.Always(ctx, d.curves, ranges, op, x)
	require.NoError(t, err)
	for i, w := range want {
		holds := func(v float64) bool { return op.Holds(v, x) }
		fails := func(v float64) bool { return !op.Holds(v, x) }
		r := rangeOf(ranges, i)
		require.Equal(t, slices.ContainsFunc(w.Values, holds), ever[i].Holds, "ever %v %v in %v", op, x, r)
		require.Equal(t, len(w.Values) > 0 && !slices.ContainsFunc(w.Values, fails), always[i].Holds, "always %v %v in %v", op, x, r)
		for _, a := range []Answer{ever[i], always[i]} {
			require.LessOrEqual(t, a.Cost.Decided+a.Cost.Decoded, a.Cost.Blocks)
			if r == AllPoints() && op != Equal && op != NotEqual {
				require.Zero(t, a.Cost.Decoded)
				require.Zero(t, a.Cost.Bytes)
			}
		}
	}
}

func (d *drawn) checkFigures(t *rapid.T, ranges []Range, want []Columns) {
	sums, err := d.s.Aggregates(ctx, d.curves, ranges)
	require.NoError(t, err)
	lines, err := d.s.Slope(ctx, d.curves, ranges)
	require.NoError(t, err)
	steps := make([]int64, rapid.SampledFrom([]int{1, len(d.curves)}).Draw(t, "steps asked"))
	for i := range steps {
		steps[i] = rapid.Int64Range(-10, max(d.step[1], d.step[2], 0)+2).Draw(t, "at")
	}
	at, err := d.s.At(ctx, d.curves, steps)
	require.NoError(t, err)
	for i, w := range want {
		requireAggregate(t, w, sums[i])
		if rangeOf(ranges, i) == AllPoints() {
			require.Zero(t, sums[i].Cost.Bytes)
		}
		requireLine(t, w, lines[i])
		var p Value
		c, step := d.want[runMetric{d.curves[i].Run, d.curves[i].Metric}], steps[i%len(steps)]
		for k := range c.steps {
			if q := (Point{c.steps[k], c.times[k], c.values[k]}); q.Step == step && (!p.Found || later(q, p.Point)) {
				p.Point, p.Found = q, true
			}
		}
		require.Equal(t, p.Found, at[i].Found)
		require.Equal(t, p.Time, at[i].Time)
		require.Equal(t, orZero(p.Value), orZero(at[i].Point.Value))
	}
}

func (d *drawn) checkStretches(t *rapid.T, ranges []Range, want []Columns) {
	op := Op(rapid.IntRange(int(Less), int(NotInf)).Draw(t, "stretch of"))
	x := rapid.SampledFrom([]float64{-0.5, 0, 0.5, 0.99, 1, 2, 3, math.Inf(1)}).Draw(t, "beside")
	span := rapid.SampledFrom([]int64{0, 1, 2, 10, 300, 1000, 1500, 3000, math.MaxInt64}).Draw(t, "span")
	byTime := rapid.Bool().Draw(t, "in ms")
	got, err := d.s.EverFor(ctx, d.curves, ranges, op, x, span, byTime)
	require.NoError(t, err)
	spreads, err := d.s.Spreads(ctx, d.curves, ranges)
	require.NoError(t, err)
	for i, w := range want {
		require.Equal(t, longest(w, op, x, byTime) >= span, got[i].Holds, "%v: %v %v for %d, time %v, in %v", d.curves[i], op, x, span, byTime, rangeOf(ranges, i))
		require.Equal(t, got[i].Cost.Blocks, got[i].Cost.Decided+got[i].Cost.Decoded)
		requireSpread(t, w, spreads[i])
	}
}

// longest returns the length of the longest stretch of points that satisfy a
// condition, -1 when there is none.
func longest(c Columns, op Op, x float64, byTime bool) int64 {
	var points []Point
	for i, step := range c.Steps {
		points = append(points, Point{step, c.Times[i], c.Values[i]})
	}
	slices.SortFunc(points, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Time, b.Time), compareValues(a.Value, b.Value))
	})
	most, low := int64(-1), int64(math.MaxInt64)
	for _, p := range points {
		at := p.Step
		if byTime {
			at = p.Time
		}
		if !op.Holds(p.Value, x) {
			low = math.MaxInt64
			continue
		}
		low = min(low, at)
		most = max(most, at-low)
	}
	return most
}

func requireSpread(t require.TestingT, w Columns, got Spread) {
	var n, sum, sq float64
	large := false
	for _, v := range w.Values {
		if v-v == 0 {
			n++
			sum += v
			large = large || math.Abs(v) > 1e10
		}
	}
	require.EqualValues(t, n, got.Count)
	if large { // their distances are not finite
		return
	}
	require.Equal(t, n < 1, math.IsNaN(got.Mean))
	require.Equal(t, n < 2, math.IsNaN(got.Std))
	if n < 2 {
		return
	}
	for _, v := range w.Values {
		if v-v == 0 {
			sq += (v - sum/n) * (v - sum/n)
		}
	}
	require.InDelta(t, sum/n, got.Mean, 1e-9)
	require.InDelta(t, math.Sqrt(sq/(n-1)), got.Std, 1e-6)
}

// checkSummaries compares what is known of series without reading points.
func (d *drawn) checkSummaries(t *rapid.T) {
	together := map[uint32]int{}
	require.NoError(t, d.s.SummariesOf(ctx, []uint32{1, 2, 3}, func(run, _ uint32, _ *Summary) error {
		together[run]++
		return nil
	}))
	require.Zero(t, together[3])
	for run := range uint32(2) {
		sums, err := d.s.Summaries(ctx, run+1)
		require.NoError(t, err)
		require.Len(t, sums, together[run+1])
		of := map[string]*Summary{}
		for i, m := range sums {
			if of[m.Metric] == nil {
				of[m.Metric] = &sums[i].Summary
			} else {
				of[m.Metric].Merge(&m.Summary)
			}
		}
		for _, m := range drawnMetrics {
			want := d.want[runMetric{run + 1, m}]
			if len(want.steps) == 0 {
				require.Nil(t, of[m])
				continue
			}
			requireSummary(t, want, of[m])
		}
	}
}

func requireSummary(t require.TestingT, c *curve, got *Summary) {
	var w Columns
	w.Steps, w.Times, w.Values = c.steps, c.times, c.values
	requireAggregate(t, w, Aggregate{
		Count: got.Count, NaN: got.NaN, PosInf: got.PosInf, NegInf: got.NegInf, First: got.First, Last: got.Latest,
		Min: got.Min, Max: got.Max, MinStep: got.MinStep, MaxStep: got.MaxStep, Sum: got.Sum,
	})
	require.Equal(t, slices.Min(c.times), got.MinTime)
	require.Equal(t, slices.Max(c.times), got.MaxTime)
	require.Equal(t, got.Count-got.NaN-got.PosInf-got.NegInf, got.Finite())
}

func requireAggregate(t require.TestingT, w Columns, got Aggregate) {
	var a aggregator
	a.out = &Aggregate{}
	a.points(w)
	want := a.out
	require.Equal(t, want.Count, got.Count)
	require.Equal(t, [3]int64{want.NaN, want.PosInf, want.NegInf}, [3]int64{got.NaN, got.PosInf, got.NegInf})
	if want.Count == 0 {
		return
	}
	require.Equal(t, want.First.Step, got.First.Step)
	require.Equal(t, want.First.Time, got.First.Time)
	require.Equal(t, orZero(want.First.Value), orZero(got.First.Value))
	require.Equal(t, want.Last.Step, got.Last.Step)
	require.Equal(t, want.Last.Time, got.Last.Time)
	require.Equal(t, orZero(want.Last.Value), orZero(got.Last.Value))
	if want.Count == want.NaN {
		require.True(t, math.IsNaN(got.Mean()))
		return
	}
	require.True(t, want.Min == got.Min && want.Max == got.Max) //nolint:testifylint // -0 is 0
	require.Equal(t, [2]int64{want.MinStep, want.MaxStep}, [2]int64{got.MinStep, got.MaxStep})
	if math.Abs(want.Sum) < 1e300 {
		require.InDelta(t, want.Sum, got.Sum, 1e-6)
	}
}

// requireLine compares a fit with the plain formulas, in which the steps are
// small enough to be exact.
func requireLine(t require.TestingT, w Columns, got Line) {
	var n, sx, sy float64
	large := false
	for i, v := range w.Values {
		if v-v == 0 {
			n++
			sx += float64(w.Steps[i])
			sy += v
			large = large || math.Abs(v) > 1e10
		}
	}
	require.EqualValues(t, n, got.Count)
	var xx, xy float64
	for i, v := range w.Values {
		if v-v == 0 {
			xx += (float64(w.Steps[i]) - sx/n) * (float64(w.Steps[i]) - sx/n)
			xy += (float64(w.Steps[i]) - sx/n) * (v - sy/n)
		}
	}
	if xx < 0.1 {
		require.True(t, math.IsNaN(got.Slope))
		return
	}
	if !large {
		require.InDelta(t, xy/xx, got.Slope, 1e-9*(1+math.Abs(xy/xx)), fmt.Sprint(got))
		require.InDelta(t, sx/n, got.Step, 1e-6)
		require.InDelta(t, sy/n, got.Value, 1e-9)
	}
}

// TestReadModel logs curves of all sorts and compares every way to read them
// with plain slices.
func TestReadModel(t *testing.T) {
	dirs := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		d := newDrawn(t, fmt.Sprintf("%s/%d", dirs, n))
		defer func() { require.NoError(t, d.s.Close()) }()
		for range rapid.IntRange(1, 12).Draw(t, "operations") {
			switch rapid.IntRange(0, 9).Draw(t, "operation") {
			case 0:
				d.checkpoint(t)
			case 1:
				d.reopen(t)
			case 2, 3:
				d.check(t)
			default:
				d.log(t)
			}
		}
		d.check(t)
		d.reopen(t)
		d.check(t)
		_, err := d.s.Verify(ctx, func(p Problem) { t.Fatalf("%s: %v", p.Where, p.Err) })
		require.NoError(t, err)
	})
}
