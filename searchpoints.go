package runstone

import (
	"context"
	"math"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// pointsAsked are the points of a metric that some rows of a batch ask about.
type pointsAsked struct {
	rows   []int // of the batch
	runs   []uint32
	of     []store.Curve
	ranges []store.Range
	sums   []store.Summary
	there  []int // rows that have points, in the window or not
}

// Series implements [plan.Batch].
func (b *segmentBatch) Series(ctx context.Context, fn *tree.Series, sel index.Bits) (*index.Column, error) {
	return b.series(ctx, fn, b.Len(), sel, b.Row)
}

// Series implements [plan.Batch].
func (b *recordBatch) Series(ctx context.Context, fn *tree.Series, sel index.Bits) (*index.Column, error) {
	return b.series(ctx, fn, b.Len(), sel, b.Row)
}

// Points implements [plan.Batch].
func (b *segmentBatch) Points(ctx context.Context, q *tree.Quantified, sel index.Bits) error {
	return b.points(ctx, q, sel, b.Row)
}

// Points implements [plan.Batch].
func (b *recordBatch) Points(ctx context.Context, q *tree.Quantified, sel index.Bits) error {
	return b.points(ctx, q, sel, b.Row)
}

// curves finds the points of a metric in a window for the rows of sel. Rows
// without any are left out.
func (r *runSource) curves(ctx context.Context, f *tree.Field, w *tree.Window, sel index.Bits, row func(int) uint32) (*pointsAsked, error) {
	c := &pointsAsked{}
	sel.Each(func(i int) {
		c.rows = append(c.rows, i)
		c.runs = append(c.runs, row(i))
	})
	all := &pointsAsked{}
	sums := make([]store.Summary, len(c.runs))
	names := make([][]store.SeriesName, len(c.runs))
	err := r.eachSummary(ctx, c.runs, f.Key, func(i int, name *store.SeriesName, m *store.Summary) error {
		ok, err := r.selects(f, c.runs[i], name)
		if ok && err == nil {
			sums[i].Merge(m)
			if len(f.Select) > 0 {
				names[i] = append(names[i], *name)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range c.rows {
		if sums[i].Count == 0 {
			continue
		}
		all.there = append(all.there, c.rows[i])
		rng, ok := windowRange(w, &sums[i])
		if !ok {
			continue
		}
		all.rows, all.runs = append(all.rows, c.rows[i]), append(all.runs, c.runs[i])
		all.of = append(all.of, store.Curve{Run: c.runs[i], Metric: f.Key, Series: names[i]})
		all.ranges = append(all.ranges, rng)
		all.sums = append(all.sums, sums[i])
	}
	r.stats.Curves += int64(len(all.of))
	return all, nil
}

// windowRange returns the points that a window means for a curve; false when
// there can be none.
func windowRange(w *tree.Window, m *store.Summary) (store.Range, bool) {
	rng := store.AllPoints()
	if w == nil {
		return rng, true
	}
	first, last := m.First.Step, m.Latest.Step
	back := func(n float64) int64 { return stepBack(last, n) }
	switch w.Kind {
	case tree.Steps:
		rng = rng.Steps(w.From, w.To)
	case tree.FirstSteps:
		if end := float64(first) + w.N - 1; end < math.MaxInt64 {
			rng = rng.Steps(math.MinInt64, first+int64(w.N)-1)
		}
	case tree.LastSteps:
		rng = rng.Steps(back(w.N-1), math.MaxInt64)
	case tree.LastPart:
		width := (float64(last) - float64(first)) * w.N / 100
		rng = rng.Steps(back(math.Floor(width)), math.MaxInt64)
	case tree.LastTime:
		rng = rng.Times(stepBack(m.MaxTime, w.N), math.MaxInt64)
	}
	return rng, rng.FromStep <= rng.ToStep && rng.FromTime <= rng.ToTime
}

// stepBack is from - n, or the least integer if that is less. From the first to the
// last step it may be further than an int64 can tell.
func stepBack(from int64, n float64) int64 {
	room := uint64(from) - 1<<63 // down to the least integer
	if n >= 1<<64 || uint64(n) >= room {
		return math.MinInt64
	}
	return int64(uint64(from) - uint64(n))
}

// selects reports whether a series is about what the field's selectors name.
func (r *runSource) selects(f *tree.Field, run uint32, name *store.SeriesName) (bool, error) {
	for _, s := range f.Select {
		ok := false
		switch s.Key {
		case "dataset":
			ok = name.Dataset == s.Value
		case "digest":
			ok = name.DatasetDigest == s.Value
		case "model":
			ok = name.Model == s.Value
		case "context":
			uses, err := lineage.InputUses(r.tx, run)
			if err != nil {
				return false, err
			}
			for _, u := range uses {
				ok = ok || u.Context == s.Value && u.Name == name.Dataset && (name.DatasetDigest == "" || u.Digest == name.DatasetDigest)
			}
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// eachSummary calls fn for the series of a metric in runs, with the index of the
// run.
func (r *runSource) eachSummary(ctx context.Context, runs []uint32, metric string, fn func(i int, name *store.SeriesName, m *store.Summary) error) error {
	names := map[uint32]*store.SeriesName{} // nil is of another metric
	at := 0
	return r.s.SummariesOf(ctx, runs, func(run, series uint32, m *store.Summary) error {
		name, ok := names[series]
		if !ok {
			n, err := r.s.SeriesName(series)
			if err != nil {
				return err
			}
			if n.Metric == metric {
				name = &n
			}
			names[series] = name
		}
		if name == nil {
			return nil
		}
		for runs[at] != run {
			at++
		}
		return fn(at, name, m)
	})
}

func (r *runSource) cost(c store.Cost) {
	r.stats.Blocks += int64(c.Blocks)
	r.stats.Decided += int64(c.Decided)
	r.stats.Decoded += int64(c.Decoded)
	r.stats.Bytes += c.Bytes
}

// series computes a function of points.
func (r *runSource) series(ctx context.Context, fn *tree.Series, n int, sel index.Bits, row func(int) uint32) (*index.Column, error) {
	c, err := r.curves(ctx, fn.Field, fn.Window, sel, row)
	if err != nil {
		return nil, err
	}
	out := &index.Column{Type: index.Floats, Has: index.NewBits(n)}
	float := func(k int, v float64, ok bool) {
		if ok {
			out.Has.Set(c.rows[k])
			out.Floats[c.rows[k]] = v
		}
	}
	switch fn.Fn {
	case tree.Count, tree.NaNCount, tree.ArgMin, tree.ArgMax:
		out.Type, out.Ints = index.Ints, make([]int64, n)
	case tree.Plateau:
		out.Type, out.Ints = index.Ints, make([]int64, n)
		return out, r.plateau(ctx, fn, c, out)
	default:
		out.Floats = make([]float64, n)
	}
	if len(c.of) == 0 {
		return out, nil
	}
	switch fn.Fn {
	case tree.Slope:
		lines, err := r.s.Slope(ctx, c.of, c.ranges)
		if err != nil {
			return nil, err
		}
		for k := range lines {
			r.cost(lines[k].Cost)
			float(k, lines[k].Slope, lines[k].Slope == lines[k].Slope)
		}
		return out, nil
	case tree.At:
		steps := make([]int64, len(c.of))
		for k := range steps {
			steps[k] = fn.Step
		}
		values, err := r.s.At(ctx, c.of, steps)
		if err != nil {
			return nil, err
		}
		for k := range values {
			r.cost(values[k].Cost)
			// The point is the latest of its step, so if a window by time has
			// any of the step it has this one.
			w, p := &c.ranges[k], values[k].Point
			in := p.Step >= w.FromStep && p.Step <= w.ToStep && p.Time >= w.FromTime && p.Time <= w.ToTime
			float(k, p.Value, values[k].Found && in)
		}
		return out, nil
	case tree.Std:
		values, err := r.s.Spreads(ctx, c.of, c.ranges)
		if err != nil {
			return nil, err
		}
		for k := range values {
			r.cost(values[k].Cost)
			float(k, values[k].Std, values[k].Std == values[k].Std)
		}
		return out, nil
	}
	if fn.Window == nil { // a selector: summaries say all
		col := summaryColumn(fn.Fn, c.sums)
		return spread(col, c.rows, out), nil
	}
	sums, err := r.s.Aggregates(ctx, c.of, c.ranges)
	if err != nil {
		return nil, err
	}
	for k := range sums {
		a := &sums[k]
		r.cost(a.Cost)
		i, valued := c.rows[k], a.Count > a.NaN
		if a.Count == 0 && fn.Fn != tree.Count && fn.Fn != tree.NaNCount {
			continue
		}
		switch fn.Fn {
		case tree.Count:
			out.Has.Set(i)
			out.Ints[i] = a.Count
		case tree.NaNCount:
			out.Has.Set(i)
			out.Ints[i] = a.NaN
		case tree.ArgMin:
			if valued {
				out.Has.Set(i)
				out.Ints[i] = a.MinStep
			}
		case tree.ArgMax:
			if valued {
				out.Has.Set(i)
				out.Ints[i] = a.MaxStep
			}
		case tree.Last:
			float(k, a.Last.Value, true)
		case tree.First:
			float(k, a.First.Value, true)
		case tree.Delta:
			float(k, a.Last.Value-a.First.Value, true)
		case tree.Min:
			float(k, a.Min, valued)
		case tree.Max:
			float(k, a.Max, valued)
		case tree.Mean:
			float(k, a.Mean(), valued)
		case tree.Sum:
			float(k, total(a.Sum, a.PosInf, a.NegInf), valued)
		}
	}
	return out, nil
}

// spread puts the values of a column at rows of another.
func spread(from *index.Column, rows []int, to *index.Column) *index.Column {
	for k, i := range rows {
		if !from.Has.Has(k) {
			continue
		}
		to.Has.Set(i)
		if to.Ints != nil {
			to.Ints[i] = from.Ints[k]
		} else {
			to.Floats[i] = from.Floats[k]
		}
	}
	return to
}

// plateau compares the least value of the last steps with the least before them.
func (r *runSource) plateau(ctx context.Context, fn *tree.Series, c *pointsAsked, out *index.Column) error {
	if len(c.of) == 0 {
		return nil
	}
	ends, err := r.lastSteps(ctx, fn.Window, c)
	if err != nil {
		return err
	}
	asked := &pointsAsked{}
	var before, tail []store.Range
	for k := range c.of {
		i := c.rows[k]
		out.Has.Set(i)
		from := ends[k] - (fn.Patience - 1) // of the last steps
		if from > ends[k] || from == math.MinInt64 {
			continue // it leaves the range of steps, so that nothing is before
		}
		t, b := c.ranges[k].Steps(from, math.MaxInt64), c.ranges[k].Steps(math.MinInt64, from-1)
		if t.FromStep > t.ToStep || b.FromStep > b.ToStep {
			continue // nothing in the window, or all of it is recent
		}
		asked.rows, asked.of = append(asked.rows, i), append(asked.of, c.of[k])
		before, tail = append(before, b), append(tail, t)
	}
	if len(asked.of) == 0 {
		return nil
	}
	old, err := r.s.Aggregates(ctx, asked.of, before)
	if err != nil {
		return err
	}
	recent, err := r.s.Aggregates(ctx, asked.of, tail)
	if err != nil {
		return err
	}
	for k, i := range asked.rows {
		r.cost(old[k].Cost)
		r.cost(recent[k].Cost)
		better := recent[k].Count > recent[k].NaN && recent[k].Min < old[k].Min-fn.Tol
		if old[k].Count > old[k].NaN && !better {
			out.Ints[i] = 1
		}
	}
	return nil
}

// lastSteps returns the last step of each curve in its window; of one without
// points there, any.
func (r *runSource) lastSteps(ctx context.Context, w *tree.Window, c *pointsAsked) ([]int64, error) {
	ends := make([]int64, len(c.of))
	for k := range ends {
		ends[k] = c.sums[k].Latest.Step
	}
	if w == nil || w.Kind == tree.LastSteps || w.Kind == tree.LastPart {
		return ends, nil // the last step is in it
	}
	sums, err := r.s.Aggregates(ctx, c.of, c.ranges)
	if err != nil {
		return nil, err
	}
	for k := range sums {
		r.cost(sums[k].Cost)
		ends[k] = sums[k].Last.Step
	}
	return ends, nil
}

// points keeps the rows whose points satisfy a condition.
func (r *runSource) points(ctx context.Context, q *tree.Quantified, sel index.Bits, row func(int) uint32) error {
	c, err := r.curves(ctx, q.Field, q.Window, sel, row)
	if err != nil {
		return err
	}
	holds := index.NewBits(len(sel) * 64)
	if q.How == tree.Never { // without points, if the metric is there
		for _, i := range c.there {
			holds.Set(i)
		}
	}
	if len(c.of) > 0 {
		answers, err := r.ask(ctx, q, c)
		if err != nil {
			return err
		}
		for k := range answers {
			r.cost(answers[k].Cost)
			if answers[k].Holds == (q.How == tree.Never) {
				holds.Clear(c.rows[k])
			} else {
				holds.Set(c.rows[k])
			}
		}
	}
	sel.And(holds)
	return nil
}

// ask asks whether the condition holds ever or, for Always, always.
func (r *runSource) ask(ctx context.Context, q *tree.Quantified, c *pointsAsked) ([]store.Answer, error) {
	op := pointOp(q)
	switch {
	case q.How == tree.Always && q.For > 0:
		return r.alwaysFor(ctx, q, c)
	case q.For > 0:
		return r.s.EverFor(ctx, c.of, c.ranges, op, q.X, q.For, q.ForTime)
	case q.How == tree.Always:
		return r.s.Always(ctx, c.of, c.ranges, op, q.X)
	}
	return r.s.Ever(ctx, c.of, c.ranges, op, q.X)
}

// alwaysFor asks how long the points last only where all satisfy.
func (r *runSource) alwaysFor(ctx context.Context, q *tree.Quantified, c *pointsAsked) ([]store.Answer, error) {
	out, err := r.s.Always(ctx, c.of, c.ranges, pointOp(q), q.X)
	if err != nil {
		return nil, err
	}
	left := &pointsAsked{}
	for k := range out {
		if out[k].Holds {
			left.rows = append(left.rows, k)
			left.of, left.ranges = append(left.of, c.of[k]), append(left.ranges, c.ranges[k])
		}
	}
	if len(left.of) == 0 {
		return out, nil
	}
	lasting, err := r.s.EverFor(ctx, left.of, left.ranges, pointOp(q), q.X, q.For, q.ForTime)
	if err != nil {
		return nil, err
	}
	for i, k := range left.rows {
		r.cost(lasting[i].Cost)
		out[k].Holds = lasting[i].Holds
	}
	return out, nil
}

func pointOp(q *tree.Quantified) store.Op {
	if q.Special {
		switch {
		case q.What == tree.NaN && q.Not:
			return store.NotNaN
		case q.What == tree.NaN:
			return store.IsNaN
		case q.Not:
			return store.NotInf
		}
		return store.IsInf
	}
	return [...]store.Op{
		tree.Eq: store.Equal, tree.Ne: store.NotEqual, tree.Lt: store.Less, tree.Le: store.LessEqual,
		tree.Gt: store.Greater, tree.Ge: store.GreaterEqual,
	}[q.Op]
}
