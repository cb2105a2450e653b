package server

import (
	"context"
	"math"

	"github.com/runstonedb/runstone"
)

// Groups of runs, such as the seeds of one setting: "group_of" gives each run of
// search-series the number of its group, and the answer has a curve for each group.
// It is summed up here and not in the page because of its bytes: of 50 runs in five
// groups and 500 buckets the runs take 1.6 MB, or 200 of them 6.4 MB, and five
// groups 180 kB whatever runs they have.
//
// All runs are divided at the same steps. A run's value at one of them is its last
// in the window that ends there or, where it has no point, on the line between its
// points beside the step; before its first point and behind its last it has none,
// nor where that value is NaN or infinite. So a group's mean is of as many runs as
// its n says there, and runs that end early leave the others alone.

const groupColumns = 9

// groupPoint is what the runs of a group have at a step.
type groupPoint struct {
	step              float64
	time, elapsed     float64 // means, in ms: Unix, and since the runs began
	n                 int
	mean, m2          float64
	low, high         float64
	notFinite         int
	timed             int
	sumTime, sumSince float64
}

// track is the points of a run that its value is read from.
type track struct {
	of    []runstone.Point
	start int64
	at    int
}

// read is a run's value at a step, and whether its last point up to it is not
// finite. Steps must not go down from call to call.
func (t *track) read(step int64) (value, time float64, ok, bad bool) {
	for t.at+1 < len(t.of) && t.of[t.at+1].Step <= step {
		t.at++
	}
	if len(t.of) == 0 || t.of[t.at].Step > step {
		return 0, 0, false, false
	}
	p := t.of[t.at]
	if p.Step == step {
		return p.Value, float64(p.Time), finite(p.Value), !finite(p.Value)
	}
	if t.at+1 == len(t.of) {
		return 0, 0, false, false
	}
	q := t.of[t.at+1]
	part := (float64(step) - float64(p.Step)) / (float64(q.Step) - float64(p.Step))
	value = p.Value + part*(q.Value-p.Value)
	return value, float64(p.Time) + part*float64(q.Time-p.Time), finite(value), false
}

// groupSeries answers a curve of each metric for each group.
func (s *Server) groupSeries(ctx context.Context, curves []runstone.Curve, of []int, starts []int64, r runstone.PointRange, buckets int) (any, error) {
	found, err := s.db.DownsampleAll(ctx, curves, r, buckets)
	if err != nil {
		return nil, err
	}
	type name struct {
		metric string
		group  int
	}
	var order []name
	members := map[name][]int{}
	for i, c := range curves {
		if len(found[i]) == 0 {
			continue
		}
		n := name{c.Metric, of[i]}
		if members[n] == nil {
			order = append(order, n)
		}
		members[n] = append(members[n], i)
	}
	steps := map[string][]int64{}
	var sheets []sheet
	for _, n := range order {
		if steps[n.metric] == nil {
			steps[n.metric] = gridSteps(curves, found, n.metric, buckets)
		}
		h := uiSeriesHead{Metric: n.metric, Group: n.group, Grouped: true}
		var tracks []*track
		for _, i := range members[n] {
			h.Runs++
			t := &track{start: starts[i], of: []runstone.Point{found[i][0].First}}
			for k := range found[i] {
				b := &found[i][k]
				h.Points += b.Count
				h.NaN += b.NaN
				if last := &t.of[len(t.of)-1]; last.Step == b.Last.Step {
					*last = b.Last
				} else {
					t.of = append(t.of, b.Last)
				}
			}
			tracks = append(tracks, t)
		}
		points := groupPoints(tracks, steps[n.metric])
		h.N = len(points)
		sheets = append(sheets, sheet{h, groupColumns, func(i int, row []float64) { points[i].row(row) }})
	}
	return packSheets(sheets)
}

// gridSteps divides the steps of a metric into at most buckets ranges of one width
// and returns the last step that is there of each, and the first of all.
func gridSteps(curves []runstone.Curve, found [][]runstone.Bucket, metric string, buckets int) []int64 {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for i, of := range found {
		if len(of) > 0 && curves[i].Metric == metric {
			from, to = min(from, of[0].First.Step), max(to, of[len(of)-1].Last.Step)
		}
	}
	if from > to {
		return nil
	}
	width := (uint64(to)-uint64(from))/uint64(buckets) + 1
	if width == 0 { // one range of all steps that there can be
		width = math.MaxUint64
	}
	last := map[uint64]int64{}
	for i, of := range found {
		if curves[i].Metric != metric {
			continue
		}
		for k := range of {
			cell := (uint64(of[k].Last.Step) - uint64(from)) / width
			if step, ok := last[cell]; !ok || of[k].Last.Step > step {
				last[cell] = of[k].Last.Step
			}
		}
	}
	steps := make([]int64, 0, len(last)+1)
	for cell := range uint64(buckets) + 1 {
		if step, ok := last[cell]; ok {
			steps = append(steps, step)
		}
	}
	if len(steps) == 0 || steps[0] != from {
		steps = append([]int64{from}, steps...)
	}
	return steps
}

// groupPoints sums up runs at some steps. Steps at which none has a value are left
// out, unless there are values that are not finite.
func groupPoints(tracks []*track, steps []int64) []groupPoint {
	out := make([]groupPoint, 0, len(steps))
	for _, step := range steps {
		p := groupPoint{step: float64(step), low: math.NaN(), high: math.NaN()}
		for _, t := range tracks {
			v, time, ok, bad := t.read(step)
			if bad {
				p.notFinite++
			}
			if ok || bad {
				p.timed++
				p.sumTime += time
				p.sumSince += time - float64(t.start)
			}
			if ok {
				p.add(v)
			}
		}
		if p.timed == 0 {
			continue
		}
		p.time, p.elapsed = p.sumTime/float64(p.timed), p.sumSince/float64(p.timed)
		out = append(out, p)
	}
	return out
}

// add takes up a value, by Welford's way to sum up squares.
func (p *groupPoint) add(v float64) {
	p.n++
	d := v - p.mean
	p.mean += d / float64(p.n)
	p.m2 += d * (v - p.mean)
	if !(p.low <= v) {
		p.low = v
	}
	if !(p.high >= v) {
		p.high = v
	}
}

func (p *groupPoint) row(row []float64) {
	mean, deviation := math.NaN(), math.NaN()
	if p.n > 0 {
		mean = p.mean
	}
	if p.n > 1 {
		deviation = math.Sqrt(p.m2 / float64(p.n-1))
	}
	copy(row, []float64{p.step, p.time, p.elapsed, float64(p.n), mean, deviation, p.low, p.high, float64(p.notFinite)})
}
