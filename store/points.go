package store

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
)

// Columns are points of one series. The slices have one length and are valid
// until the iterator goes on; they must not be changed.
type Columns struct {
	Steps  []int64
	Times  []int64 // Unix ms
	Values []float64
}

// CurveColumns are points of one of the curves asked for.
type CurveColumns struct {
	Curve int // its index
	Columns
}

// Points iterates over the points of a metric of a run in r, whatever model or
// dataset they are about, in the order of MLflow's history: by time, then
// step, then value (NaN as 0). No point is dropped or merged. Blocks whose
// steps or times lie outside r are not decoded.
func (s *Store) Points(ctx context.Context, run uint32, metric string, r Range) iter.Seq2[Columns, error] {
	return func(yield func(Columns, error) bool) {
		for c, err := range s.PointsOf(ctx, []Curve{{Run: run, Metric: metric}}, r) {
			if !yield(c.Columns, err) {
				return
			}
		}
	}
}

// PointsOf is Points for several curves. All that was logged before the call is
// there; of what is logged meanwhile, series of one group have the same points.
// The points of one curve come in order; those of different curves come in
// turns, so that curves which share their clock have it decoded once.
// ErrInvalid when r is empty.
func (s *Store) PointsOf(ctx context.Context, curves []Curve, r Range) iter.Seq2[CurveColumns, error] {
	return func(yield func(CurveColumns, error) bool) {
		err := r.check()
		if err == nil {
			err = s.snap(ctx, curves, func(x *snapshot) error {
				for _, b := range x.bundles() {
					if err := b.points(r, yield); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(CurveColumns{}, err)
		}
	}
}

var errStop = errors.New("stop")

// points yields the points of a bundle that are in r.
func (b *bundle) points(r Range, yield func(CurveColumns, error) bool) error {
	if err := b.measure(r, false); err != nil {
		return err
	}
	rd := b.reader()
	defer rd.close()
	slices.SortStableFunc(b.pieces, func(p, q piece) int { return p.lo().compare(q.lo()) })
	var clock Columns // steps and times only
	var values []float64
	var scratch history
	for rest := b.pieces; len(rest) > 0; {
		n := cluster(rest)
		pieces := rest[:n]
		rest = rest[n:]
		if err := b.x.ctx.Err(); err != nil {
			return err
		}
		var err error
		clock = Columns{clock.Steps[:0], clock.Times[:0], nil}
		inside, sorted := true, n == 1 && pieces[0].sorted
		for i := range pieces {
			p := &pieces[i]
			if clock.Steps, clock.Times, err = rd.clock(p, clock.Steps, clock.Times); err != nil {
				return err
			}
			inside = inside && p.within(r)
		}
		sorted = sorted && (pieces[0].strict || !hasTies(&clock))
		for lane := range b.lanes {
			values = values[:0]
			for i := range pieces {
				if values, err = rd.column(&pieces[i], lane, values); err != nil {
					return err
				}
			}
			c := Columns{clock.Steps, clock.Times, values}
			if !inside || !sorted {
				scratch.take(&c, r)
				if len(scratch.points) == 0 {
					continue
				}
				if !sorted {
					scratch.sort()
				}
				c = scratch.columns()
			}
			if !yield(CurveColumns{b.lanes[lane].curve, c}, nil) {
				return errStop
			}
		}
	}
	return nil
}

// cluster returns how many of the pieces, sorted by lower bound, must be read
// together because their ranges meet.
func cluster(pieces []piece) int {
	hi := pieces[0].hi()
	n := 1
	for n < len(pieces) && pieces[n].lo().compare(hi) <= 0 {
		if h := pieces[n].hi(); h.compare(hi) > 0 {
			hi = h
		}
		n++
	}
	return n
}

func hasTies(c *Columns) bool {
	for i := 1; i < len(c.Steps); i++ {
		if c.Steps[i] == c.Steps[i-1] && c.Times[i] == c.Times[i-1] {
			return true
		}
	}
	return false
}

// history brings points into the order of MLflow's history.
type history struct {
	points []Point
	out    Columns
}

// take sets h to the points of c that are in r.
func (h *history) take(c *Columns, r Range) {
	h.points = h.points[:0]
	for i, step := range c.Steps {
		if r.has(step, c.Times[i]) {
			h.points = append(h.points, Point{step, c.Times[i], c.Values[i]})
		}
	}
}

func (h *history) sort() {
	slices.SortStableFunc(h.points, func(a, b Point) int {
		switch {
		case a.Time != b.Time:
			return cmp.Compare(a.Time, b.Time)
		case a.Step != b.Step:
			return cmp.Compare(a.Step, b.Step)
		}
		return cmp.Compare(orZero(a.Value), orZero(b.Value))
	})
}

// columns returns the points, valid until the next take.
func (h *history) columns() Columns {
	h.out = Columns{h.out.Steps[:0], h.out.Times[:0], h.out.Values[:0]}
	for _, p := range h.points {
		h.out.Steps, h.out.Times = append(h.out.Steps, p.Step), append(h.out.Times, p.Time)
		h.out.Values = append(h.out.Values, p.Value)
	}
	return h.out
}
