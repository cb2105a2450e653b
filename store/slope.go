package store

import (
	"context"
	"math"
)

// Value is the point of a curve at a step.
type Value struct {
	Point
	Found bool
	Cost  Cost
}

// At returns for each curve its point at a step: of several the latest by
// time, then value (NaN as 0). Steps are one for all curves, or one for each.
// Only blocks that can have the step are decoded.
func (s *Store) At(ctx context.Context, curves []Curve, steps []int64) ([]Value, error) {
	out := make([]Value, len(curves))
	ranges := make([]Range, len(steps))
	for i, step := range steps {
		ranges[i] = AllPoints().Steps(step, step)
	}
	err := s.ask(ctx, curves, ranges, func(i int) (visitor, *Cost) {
		return &pointer{rangeOf(ranges, i).FromStep, &out[i]}, &out[i].Cost
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// pointer fills a Value.
type pointer struct {
	step int64
	out  *Value
}

func (f *pointer) done() bool { return false }

// series is asked when all points of a series are at the step.
func (f *pointer) series(sum *Summary) bool {
	f.take(sum.Latest)
	return true
}

func (f *pointer) zone(z *zoned) (bool, error) {
	// Of an even clock it is known which steps it has.
	return z.strict && z.stride > 0 && (uint64(f.step)-uint64(z.minStep))%uint64(z.stride) != 0, nil
}

func (f *pointer) points(c Columns) {
	for i, step := range c.Steps {
		f.take(Point{step, c.Times[i], c.Values[i]})
	}
}

func (f *pointer) take(p Point) {
	if !f.out.Found || later(p, f.out.Point) {
		f.out.Point, f.out.Found = p, true
	}
}

// Line is the straight line through a curve's points that has the least
// squares of distances in value, steps being exact.
type Line struct {
	Count    int64   // finite values
	Slope    float64 // per step; NaN when there are not two steps with finite values
	Step     float64 // mean of the steps
	Value    float64 // of the line there: the mean of the values
	Residual float64 // sum of the squared distances
	Cost     Cost
}

// Slope fits a line to the finite values of each curve in its range. All blocks
// that may have points there are decoded but those of one value that repeats,
// whose steps are even. For ranges see [Store.Ever].
func (s *Store) Slope(ctx context.Context, curves []Curve, ranges []Range) ([]Line, error) {
	out := make([]Line, len(curves))
	fits := make([]moments, len(curves))
	err := s.ask(ctx, curves, ranges, func(i int) (visitor, *Cost) { return &fits[i], &out[i].Cost })
	if err != nil {
		return nil, err
	}
	for i := range fits {
		fits[i].line(&out[i])
	}
	return out, nil
}

// moments are sums over points, about their means: those of two sets add up
// without the loss of digits that plain sums of squares have (Chan, Golub and
// LeVeque, 1979). Steps count from origin, so that no digit of theirs is lost
// either.
type moments struct {
	origin     int64
	n          float64
	x, y       float64 // means
	xx, xy, yy float64 // sums of products of distances from them
}

func (m *moments) done() bool { return false }

func (m *moments) series(*Summary) bool { return false }

func (m *moments) zone(z *zoned) (bool, error) {
	if !z.whole || !z.strict || z.n > 1 && z.stride == 0 {
		return false, nil
	}
	v, err := z.values()
	if err != nil || v.Min != v.Max || v.NaN > 0 || math.IsInf(v.Min, 0) {
		return false, err
	}
	n, d := float64(z.n), float64(z.stride)
	m.join(z.minStep, &moments{n: n, x: d * (n - 1) / 2, y: v.Min, xx: d * d * n * (n*n - 1) / 12})
	return true, nil
}

func (m *moments) points(c Columns) {
	if len(c.Steps) == 0 {
		return
	}
	// About the first point distances are short; the sums are then moved to
	// the means.
	origin, base := c.Steps[0], math.NaN()
	var n, x, y, xx, xy, yy float64
	for i, v := range c.Values {
		if v-v != 0 {
			continue
		}
		if base != base {
			base = v
		}
		dx, dy := distance(c.Steps[i], origin), v-base
		n++
		x += dx
		y += dy
		xx += dx * dx
		xy += dx * dy
		yy += dy * dy
	}
	if n == 0 {
		return
	}
	m.join(origin, &moments{n: n, x: x / n, y: base + y/n, xx: xx - x*x/n, xy: xy - x*y/n, yy: yy - y*y/n})
}

// join adds moments whose steps count from origin.
func (m *moments) join(origin int64, o *moments) {
	if m.n == 0 {
		*m, m.origin = *o, origin
		return
	}
	x := o.x + distance(origin, m.origin)
	n, dx, dy := m.n+o.n, x-m.x, o.y-m.y
	part := o.n / n
	m.xx += o.xx + dx*dx*m.n*part
	m.xy += o.xy + dx*dy*m.n*part
	m.yy += o.yy + dy*dy*m.n*part
	m.x += dx * part
	m.y += dy * part
	m.n = n
}

// distance returns a - b, which may not fit an int64.
func distance(a, b int64) float64 {
	if a < b {
		return -float64(uint64(b) - uint64(a))
	}
	return float64(uint64(a) - uint64(b))
}

func (m *moments) line(out *Line) {
	out.Count, out.Slope, out.Step, out.Value, out.Residual = int64(m.n), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if m.n == 0 {
		return
	}
	out.Step, out.Value = float64(m.origin)+m.x, m.y
	if m.xx > 0 {
		out.Slope = m.xy / m.xx
		out.Residual = max(0, m.yy-m.xy*out.Slope)
	}
}
