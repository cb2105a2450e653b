package server

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/runstonedb/runstone"
)

// One metric over another: "x_metric" asks search-series for curves whose place is
// the value of another metric of the same run, such as an epoch, a learning rate or
// how many tokens were seen. The two are joined by their steps:
//
//   - A point takes the other metric's last finite value at its own step or, where
//     there is none at that step, at the nearest step before it: what is logged once
//     an epoch holds until the next.
//   - Points before the first such value have no place. They are left out, and the
//     answer counts them as "left".
//   - The answer is in order of that place, where it is the same in order of steps.
//
// Curves of at most exactJoin points, of both metrics together, are joined point by
// point. Longer ones are joined by their windows of steps, as they are summed up for
// a chart: all points of a window then stand at the other metric's last value in it,
// which is off by what that changes within a window at most, and the answer says
// "windows". A zoom, from_x to to_x, narrows the steps to those of the windows that
// reach into it, until the points are few enough.

const (
	exactJoin  = 100_000
	zoomRounds = 4
)

// joint is points at one place of another metric.
type joint struct {
	x float64
	runstone.Bucket
}

// joined is a curve over another metric.
type joined struct {
	curve   runstone.Curve
	at      []joint
	left    int64
	windows bool
}

// xRange is the part of the other metric's values that is asked for.
type xRange struct{ from, to float64 }

func (x xRange) whole() bool { return math.IsInf(x.from, -1) && math.IsInf(x.to, 1) }

func (x xRange) has(v float64) bool { return x.from <= v && v <= x.to }

// uiXRange reads from_x and to_x.
func (a *args) uiXRange() xRange {
	read := func(name string, otherwise float64) float64 {
		if a.has(name) {
			return a.needFloat(name)
		}
		return otherwise
	}
	x := xRange{read("from_x", math.Inf(-1)), read("to_x", math.Inf(1))}
	if !(x.from <= x.to) {
		a.fail(badRequest("The range of the curves ends before it begins."))
	}
	return x
}

// joinSeries answers curves over another metric.
func (s *Server) joinSeries(ctx context.Context, curves []runstone.Curve, metric string, r runstone.PointRange, x xRange, buckets int) (any, error) {
	var sheets []sheet
	for _, c := range curves {
		j, err := s.overMetric(ctx, c, metric, r, x, buckets)
		if err != nil {
			return nil, err
		}
		if len(j.at) > 0 || j.left > 0 {
			sheets = append(sheets, j.sheet())
		}
	}
	return packSheets(sheets)
}

// overMetric puts the points of a curve at the values of another metric of its run.
func (s *Server) overMetric(ctx context.Context, c runstone.Curve, metric string, r runstone.PointRange, x xRange, buckets int) (*joined, error) {
	pair := []runstone.Curve{c, {Run: c.Run, Metric: metric, Once: true}}
	out := &joined{curve: c}
	for round := 0; ; round++ {
		found, err := s.db.DownsampleAll(ctx, pair, r, buckets)
		if err != nil {
			return nil, err
		}
		ys, xs := found[0], found[1]
		if counted(ys)+counted(xs) <= exactJoin {
			left := out.left
			if err := s.joinPoints(ctx, pair, r, out); err != nil {
				return nil, err
			}
			if round > 0 { // of the whole curve, as it was counted before the steps were narrowed
				out.left = left
			}
			out.within(x)
			out.sum(buckets)
			return out, nil
		}
		out.windows = true
		out.at = joinWindows(ys, xs, out.at[:0])
		if round == 0 {
			out.left = counted(ys)
			for i := range out.at {
				out.left -= out.at[i].Count
			}
		}
		narrow, ok := reaching(out.at, r, x)
		if x.whole() || round == zoomRounds || !ok || narrow == r {
			out.within(x)
			slices.SortStableFunc(out.at, func(a, b joint) int { return cmp.Compare(a.x, b.x) })
			return out, nil
		}
		r = narrow
		out.windows = false
	}
}

func counted(buckets []runstone.Bucket) (n int64) {
	for i := range buckets {
		n += buckets[i].Count
	}
	return n
}

// joinWindows puts windows of a curve at the last values of another in the same
// windows, or the nearest before them. xs are by the same steps.
func joinWindows(ys, xs []runstone.Bucket, out []joint) []joint {
	at, x, any := 0, 0.0, false
	for _, y := range ys {
		for ; at < len(xs) && xs[at].First.Step <= y.Last.Step; at++ {
			if v := xs[at].Last.Value; finite(v) {
				x, any = v, true
			}
		}
		if any {
			out = append(out, joint{x, y})
		}
	}
	return out
}

// reaching narrows steps to those of the windows that reach into a range of places.
// Between two windows the place may be anywhere between theirs.
func reaching(at []joint, r runstone.PointRange, x xRange) (runstone.PointRange, bool) {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range at {
		lo, hi := at[i].x, at[i].x
		if i > 0 {
			lo, hi = min(lo, at[i-1].x), max(hi, at[i-1].x)
		}
		if hi < x.from || lo > x.to {
			continue
		}
		if i > 0 {
			from = min(from, at[i-1].First.Step)
		}
		from, to = min(from, at[i].First.Step), max(to, at[i].Last.Step)
	}
	if from > to {
		return r, false
	}
	return r.Steps(from, to), true
}

// joinPoints joins two curves point by point.
func (s *Server) joinPoints(ctx context.Context, pair []runstone.Curve, r runstone.PointRange, out *joined) error {
	var points [2][]runstone.Point
	// What the first points stand at may have been logged long before them.
	if p, ok, err := s.lastBefore(ctx, pair[1], r); err != nil {
		return err
	} else if ok {
		points[1] = append(points[1], p)
	}
	for i := range pair {
		for p, err := range s.db.PointsIn(ctx, pair[i:i+1], r) {
			if err != nil {
				return err
			}
			for k, v := range p.Values {
				if i == 0 || finite(v) {
					points[i] = append(points[i], runstone.Point{Step: p.Steps[k], Time: p.Times[k], Value: v})
				}
			}
		}
		slices.SortStableFunc(points[i], func(a, b runstone.Point) int { return cmp.Compare(a.Step, b.Step) })
	}
	xs, at := points[1], -1
	out.at, out.left = out.at[:0], 0
	for _, y := range points[0] {
		for at+1 < len(xs) && xs[at+1].Step <= y.Step {
			at++
		}
		if at < 0 {
			out.left++
			continue
		}
		b := runstone.Bucket{Count: 1, First: y, Last: y, Min: y.Value, Max: y.Value}
		if math.IsNaN(y.Value) {
			b.NaN = 1
		}
		out.at = append(out.at, joint{xs[at].Value, b})
	}
	slices.SortStableFunc(out.at, func(a, b joint) int { return cmp.Compare(a.x, b.x) })
	return nil
}

// lastBefore finds a curve's last finite value before a range of steps, by its
// windows: of a long curve only few points are read.
func (s *Server) lastBefore(ctx context.Context, c runstone.Curve, r runstone.PointRange) (last runstone.Point, ok bool, err error) {
	const windows = 64
	if r.FromStep == math.MinInt64 {
		return last, false, nil
	}
	r.FromStep, r.ToStep = math.MinInt64, r.FromStep-1
	for {
		found, err := s.db.DownsampleAll(ctx, []runstone.Curve{c}, r, windows)
		if err != nil {
			return last, false, err
		}
		at := len(found[0]) - 1
		for at >= 0 && found[0][at].Count == found[0][at].NaN {
			at--
		}
		if at < 0 {
			return last, false, nil
		}
		w := found[0][at]
		if finite(w.Last.Value) {
			return w.Last, true, nil
		}
		if w.Count > exactJoin && (at > 0 || w.Last.Step < r.ToStep) {
			r = r.Steps(w.First.Step, w.Last.Step)
			continue
		}
		for p, err := range s.db.PointsIn(ctx, []runstone.Curve{c}, r.Steps(w.First.Step, w.Last.Step)) {
			if err != nil {
				return last, false, err
			}
			for k, v := range p.Values {
				if finite(v) && (!ok || p.Steps[k] >= last.Step) {
					last, ok = runstone.Point{Step: p.Steps[k], Time: p.Times[k], Value: v}, true
				}
			}
		}
		if ok || w.First.Step == math.MinInt64 {
			return last, ok, nil
		}
		r.FromStep, r.ToStep = math.MinInt64, w.First.Step-1 // only infinite ones
	}
}

func (j *joined) within(x xRange) {
	if !x.whole() {
		j.at = slices.DeleteFunc(j.at, func(p joint) bool { return !x.has(p.x) })
	}
}

// sum sums up points in order of their places in ranges of one width, if they are
// more than buckets. What it keeps is no longer than that: an answer has many curves.
func (j *joined) sum(buckets int) {
	n := len(j.at)
	if n <= buckets {
		j.at = slices.Clone(j.at)
		return
	}
	from := j.at[0].x / 2 // halves, whose difference is finite
	width := (j.at[n-1].x/2 - from) / float64(buckets)
	out := make([]joint, 0, buckets)
	last := -1
	for _, p := range j.at {
		k := 0
		if width > 0 {
			k = min(int((p.x/2-from)/width), buckets-1)
		}
		if k != last {
			out, last = append(out, p), k
			continue
		}
		b := &out[len(out)-1]
		b.x, b.Last = p.x, p.Last
		b.Count, b.NaN = b.Count+p.Count, b.NaN+p.NaN
		if !(b.Min <= p.Min) && !math.IsNaN(p.Min) {
			b.Min = p.Min
		}
		if !(b.Max >= p.Max) && !math.IsNaN(p.Max) {
			b.Max = p.Max
		}
	}
	j.at = out
}

func (j *joined) sheet() sheet {
	h := uiSeriesHead{Run: j.curve.Run, Metric: j.curve.Metric, N: len(j.at), Raw: true, X: true, Left: j.left, Windows: j.windows}
	for i := range j.at {
		h.Points += j.at[i].Count
		h.NaN += j.at[i].NaN
		h.Raw = h.Raw && j.at[i].Count == 1
	}
	columns := curveColumns
	if h.Raw {
		columns = rawColumns
	}
	return sheet{h, 1 + columns, func(i int, row []float64) {
		row[0] = j.at[i].x
		curveRow(&j.at[i].Bucket, h.Raw, row[1:])
	}}
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
