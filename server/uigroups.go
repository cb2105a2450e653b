package server

import (
	"context"
	"math"
	"slices"

	"github.com/runstonedb/runstone"
)

// Groups of runs, such as the seeds of one setting: "group_of" gives each run of
// search-series the number of its group, and the answer has a curve for each group.
// It is summed up here and not in the page because of its bytes: of 50 runs in five
// groups and 500 buckets the runs take 1.6 MB, or 200 of them 6.4 MB, and five
// groups 180 kB whatever runs they have.
//
// All runs are divided at the same places: steps or, with "x_metric", values of
// another metric, which each run is joined with by itself (uijoin.go). A run's value
// at one of them is its last in the window that ends there or, where it has no point,
// on the line between its points beside the place; before its first point and behind
// its last it has none, nor where that value is NaN or infinite. So a group's mean is
// of as many runs as its n says there, and runs that end early leave the others alone.

const groupColumns = 9

// groupPoint is what the runs of a group have at a place.
type groupPoint struct {
	place               float64
	step, time, elapsed float64 // means; times in ms: Unix, and since the runs began
	n                   int
	mean, m2            float64
	low, high           float64
	notFinite           int
}

// spot is a point at its place: its step, or the value of another metric.
type spot[P int64 | float64] struct {
	place P
	runstone.Point
}

// groupRun is a curve of a run of a group. What it has left and windows are those of
// its head.
type groupRun[P int64 | float64] struct {
	metric  string
	group   int
	start   int64
	spots   []spot[P] // in order of their places, of which none comes twice
	points  int64
	nan     int64
	left    int64
	windows bool
}

// put adds what a bucket has last at a place.
func (m *groupRun[P]) put(place P, b *runstone.Bucket) {
	m.points += b.Count
	m.nan += b.NaN
	m.last(place, b.Last)
}

// last adds a point at a place, of several there the last.
func (m *groupRun[P]) last(place P, p runstone.Point) {
	if n := len(m.spots); n > 0 && m.spots[n-1].place == place {
		m.spots[n-1].Point = p
		return
	}
	m.spots = append(m.spots, spot[P]{place, p})
}

// track is a run that values are read from.
type track[P int64 | float64] struct {
	*groupRun[P]
	at int
}

// read is a run's point at a place, and whether its last one up to it is not finite.
// Places must not go down from call to call.
func (t *track[P]) read(place P) (step, time, value float64, ok, bad bool) {
	for t.at+1 < len(t.spots) && t.spots[t.at+1].place <= place {
		t.at++
	}
	p := &t.spots[t.at]
	if p.place > place {
		return 0, 0, 0, false, false
	}
	step, time = float64(p.Step), float64(p.Time)
	if p.place == place {
		return step, time, p.Value, finite(p.Value), !finite(p.Value)
	}
	if t.at+1 == len(t.spots) {
		return 0, 0, 0, false, false
	}
	q := &t.spots[t.at+1]
	// Halves, whose differences are finite.
	part := (float64(place)/2 - float64(p.place)/2) / (float64(q.place)/2 - float64(p.place)/2)
	value = p.Value + part*(q.Value-p.Value)
	return step + part*(float64(q.Step)-step), time + part*float64(q.Time-p.Time), value, finite(value), false
}

// groupSeries answers a curve of each metric for each group.
func (s *Server) groupSeries(ctx context.Context, curves []runstone.Curve, of []int, starts []int64, r runstone.PointRange, buckets int) (any, error) {
	found, err := s.db.DownsampleAll(ctx, curves, r, buckets)
	if err != nil {
		return nil, err
	}
	var members []*groupRun[int64]
	for i, c := range curves {
		if len(found[i]) == 0 {
			continue
		}
		m := &groupRun[int64]{metric: c.Metric, group: of[i], start: starts[i]}
		m.last(found[i][0].First.Step, found[i][0].First)
		for k := range found[i] {
			m.put(found[i][k].Last.Step, &found[i][k])
		}
		members = append(members, m)
	}
	return packSheets(groupSheets(members, buckets, false, stepCells))
}

// groupJoined is groupSeries over another metric.
func (s *Server) groupJoined(ctx context.Context, curves []runstone.Curve, of []int, starts []int64, metric string, r runstone.PointRange, x xRange, buckets int) (any, error) {
	var members []*groupRun[float64]
	for i, c := range curves {
		j, err := s.overMetric(ctx, c, metric, r, x, buckets)
		if err != nil {
			return nil, err
		}
		if len(j.at) == 0 && j.left == 0 {
			continue
		}
		m := &groupRun[float64]{metric: c.Metric, group: of[i], start: starts[i], left: j.left, windows: j.windows}
		for k := range j.at {
			m.put(j.at[k].x, &j.at[k].Bucket)
		}
		members = append(members, m)
	}
	return packSheets(groupSheets(members, buckets, true, placeCells))
}

// groupSheets sums up members by metric and group. cells divides a range of places
// into at most so many ranges of one width.
func groupSheets[P int64 | float64](members []*groupRun[P], buckets int, over bool, cells func(from, to P, buckets int) func(P) uint64) []sheet {
	type name struct {
		metric string
		group  int
	}
	var order []name
	heads := map[name]*uiSeriesHead{}
	tracks := map[name][]*track[P]{}
	byMetric := map[string][]*groupRun[P]{}
	for _, m := range members {
		n := name{m.metric, m.group}
		h := heads[n]
		if h == nil {
			h = &uiSeriesHead{Metric: n.metric, Group: n.group, Grouped: true, X: over}
			heads[n] = h
			order = append(order, n)
		}
		h.Points, h.NaN, h.Left, h.Windows = h.Points+m.points, h.NaN+m.nan, h.Left+m.left, h.Windows || m.windows
		if len(m.spots) > 0 {
			h.Runs++
			tracks[n] = append(tracks[n], &track[P]{groupRun: m})
			byMetric[m.metric] = append(byMetric[m.metric], m)
		}
	}
	grids := map[string][]P{}
	columns := groupColumns
	if over {
		columns++
	}
	var sheets []sheet
	for _, n := range order {
		if grids[n.metric] == nil {
			grids[n.metric] = gridPlaces(byMetric[n.metric], buckets, cells)
		}
		points, h := groupPoints(tracks[n], grids[n.metric]), heads[n]
		h.N = len(points)
		sheets = append(sheets, sheet{*h, columns, func(i int, row []float64) {
			if over {
				row[0] = points[i].place
				row = row[1:]
			}
			points[i].row(row)
		}})
	}
	return sheets
}

// gridPlaces divides the places of some members into ranges and returns the last
// place that is there of each, and the first of all.
func gridPlaces[P int64 | float64](members []*groupRun[P], buckets int, cells func(from, to P, buckets int) func(P) uint64) []P {
	if len(members) == 0 {
		return nil
	}
	from, to := members[0].spots[0].place, members[0].spots[0].place
	for _, m := range members {
		from, to = min(from, m.spots[0].place), max(to, m.spots[len(m.spots)-1].place)
	}
	cell := cells(from, to, buckets)
	last := map[uint64]P{}
	for _, m := range members {
		for i := range m.spots {
			at := cell(m.spots[i].place)
			if place, ok := last[at]; !ok || m.spots[i].place > place {
				last[at] = m.spots[i].place
			}
		}
	}
	places := make([]P, 0, len(last)+1)
	for _, place := range last {
		places = append(places, place)
	}
	slices.Sort(places)
	if places[0] != from {
		places = slices.Insert(places, 0, from)
	}
	return places
}

func stepCells(from, to int64, buckets int) func(int64) uint64 {
	width := (uint64(to)-uint64(from))/uint64(buckets) + 1
	if width == 0 { // one range of all steps that there can be
		width = math.MaxUint64
	}
	return func(step int64) uint64 { return (uint64(step) - uint64(from)) / width }
}

func placeCells(from, to float64, buckets int) func(float64) uint64 {
	width := (to/2 - from/2) / float64(buckets) // of halves, whose difference is finite
	return func(place float64) uint64 {
		if width == 0 {
			return 0
		}
		return min(uint64((place/2-from/2)/width), uint64(buckets-1))
	}
}

// groupPoints sums up runs at some places. Places at which none has a value are left
// out, unless there are values that are not finite.
func groupPoints[P int64 | float64](tracks []*track[P], places []P) []groupPoint {
	out := make([]groupPoint, 0, len(places))
	for _, place := range places {
		p := groupPoint{place: float64(place), low: math.NaN(), high: math.NaN()}
		there := 0.0
		for _, t := range tracks {
			step, time, v, ok, bad := t.read(place)
			if bad {
				p.notFinite++
			}
			if ok || bad {
				there++
				p.step += step
				p.time += time
				p.elapsed += time - float64(t.start)
			}
			if ok {
				p.add(v)
			}
		}
		if there == 0 {
			continue
		}
		p.step, p.time, p.elapsed = p.step/there, p.time/there, p.elapsed/there
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
