package export

import (
	"cmp"
	"context"
	"slices"

	"github.com/runstonedb/runstone"
)

// sortPoints is how many points are sorted in memory at once; series that are
// longer and whose steps descend are read again in ranges of steps.
const sortPoints = 1 << 18

// pointWriter writes the points of runs, by series and then by step, time and
// value.
type pointWriter struct {
	x    *exporter
	to   *table[pointRow]
	max  int // points sorted at once; 0 is sortPoints
	rows []pointRow
	held [][]runstone.Point // of the series that are read together
}

func (w *pointWriter) limit() int64 {
	if w.max > 0 {
		return int64(w.max)
	}
	return sortPoints
}

// run writes the points of series of a run, which are in the order of the
// table. Short series are read together: those that were logged together have
// their clock decoded once.
func (w *pointWriter) run(ctx context.Context, run string, series []runstone.MetricSummary) error {
	for at := 0; at < len(series); {
		end, n := at+1, series[at].Count
		for end < len(series) && n+series[end].Count <= w.limit() {
			n += series[end].Count
			end++
		}
		var err error
		if n <= w.limit() {
			err = w.together(ctx, run, series[at:end], runstone.AllPoints())
		} else {
			err = w.long(ctx, run, &series[at])
		}
		if err != nil {
			return err
		}
		at = end
	}
	return nil
}

// together writes the points in r of a few series.
func (w *pointWriter) together(ctx context.Context, run string, series []runstone.MetricSummary, r runstone.PointRange) error {
	names := make([]runstone.SeriesName, len(series))
	for i := range series {
		names[i] = series[i].SeriesName
	}
	for len(w.held) < len(series) {
		w.held = append(w.held, nil)
	}
	for i := range series {
		w.held[i] = w.held[i][:0]
	}
	for c, err := range w.x.db.SeriesPoints(ctx, run, names, r) {
		if err != nil {
			return err
		}
		held := w.held[c.Curve]
		for i, step := range c.Steps {
			held = append(held, runstone.Point{Step: step, Time: c.Times[i], Value: c.Values[i]})
		}
		w.held[c.Curve] = held
	}
	for i := range series {
		held := w.held[i]
		if !slices.IsSortedFunc(held, byStep) {
			// They come by time, then step, then value.
			slices.SortStableFunc(held, byStep)
		}
		if err := w.write(run, &series[i].SeriesName, held); err != nil {
			return err
		}
	}
	return nil
}

func byStep(a, b runstone.Point) int { return cmp.Compare(a.Step, b.Step) }

func (w *pointWriter) write(run string, name *runstone.SeriesName, points []runstone.Point) error {
	const batch = 4096
	for len(points) > 0 {
		n := min(batch, len(points))
		w.rows = w.rows[:0]
		row := pointRow{Run: run, Metric: text(name.Metric), Model: text(name.Model), Dataset: text(name.Dataset), Digest: text(name.DatasetDigest)}
		for _, p := range points[:n] {
			row.Step, row.Time, row.Value = p.Step, millis(p.Time), p.Value
			w.rows = append(w.rows, row)
		}
		if err := w.to.write(0, w.rows...); err != nil {
			return err
		}
		points = points[n:]
		w.x.progress(false)
	}
	return nil
}

// long writes a series that is not held in memory as a whole. Nearly all are
// logged step after step, which a first pass finds out.
func (w *pointWriter) long(ctx context.Context, run string, m *runstone.MetricSummary) error {
	names := []runstone.SeriesName{m.SeriesName}
	ascending, last, first := true, int64(0), true
	for c, err := range w.x.db.SeriesPoints(ctx, run, names, runstone.AllPoints()) {
		if err != nil {
			return err
		}
		if ascending && len(c.Steps) > 0 {
			ascending = (first || last <= c.Steps[0]) && slices.IsSorted(c.Steps)
			first, last = false, c.Steps[len(c.Steps)-1]
		}
		if !ascending {
			break
		}
	}
	if ascending {
		return w.stream(ctx, run, m, runstone.AllPoints())
	}
	return w.divide(ctx, run, m, m.First.Step, m.Latest.Step)
}

// stream writes the points in r, which come in order.
func (w *pointWriter) stream(ctx context.Context, run string, m *runstone.MetricSummary, r runstone.PointRange) error {
	var points []runstone.Point
	for c, err := range w.x.db.SeriesPoints(ctx, run, []runstone.SeriesName{m.SeriesName}, r) {
		if err != nil {
			return err
		}
		points = points[:0]
		for i, step := range c.Steps {
			points = append(points, runstone.Point{Step: step, Time: c.Times[i], Value: c.Values[i]})
		}
		if err := w.write(run, &m.SeriesName, points); err != nil {
			return err
		}
	}
	return nil
}

// ranges is into how many ranges of steps divide cuts a range.
const ranges = 64

// divide writes the points with steps lo to hi, in ranges that are each short
// enough to be sorted, or of one step, whose points come in order.
func (w *pointWriter) divide(ctx context.Context, run string, m *runstone.MetricSummary, lo, hi int64) error {
	r := runstone.AllPoints().Steps(lo, hi)
	if lo == hi {
		return w.stream(ctx, run, m, r)
	}
	width := uint64(hi-lo)/ranges + 1
	var counts [ranges]int64
	for c, err := range w.x.db.SeriesPoints(ctx, run, []runstone.SeriesName{m.SeriesName}, r) {
		if err != nil {
			return err
		}
		for _, step := range c.Steps {
			counts[uint64(step-lo)/width]++
		}
	}
	for i := 0; i < ranges; {
		end, n := i+1, counts[i]
		for end < ranges && n+counts[end] <= w.limit() {
			n += counts[end]
			end++
		}
		from := lo + int64(uint64(i)*width)
		to := hi
		if past := uint64(end) * width; end < ranges && past <= uint64(hi-lo) {
			to = lo + int64(past-1)
		}
		var err error
		switch {
		case n == 0:
		case n > w.limit():
			err = w.divide(ctx, run, m, from, to)
		default:
			err = w.together(ctx, run, []runstone.MetricSummary{*m}, runstone.AllPoints().Steps(from, to))
		}
		if err != nil {
			return err
		}
		i = end
	}
	return nil
}
