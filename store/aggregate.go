package store

import "context"

// Aggregate sums up the points of a curve in a range.
type Aggregate struct {
	Count               int64
	NaN, PosInf, NegInf int64
	First, Last         Point // by step, then time, then value (NaN as 0)
	// Min and Max are the extreme values but NaN, at the least step that has
	// them; they mean nothing when Count equals NaN.
	Min, Max         float64
	MinStep, MaxStep int64
	Sum              float64 // of the finite values
	Cost             Cost
}

// Mean returns the mean of the values but NaN, NaN when there is none.
func (a *Aggregate) Mean() float64 { return mean(a.Count-a.NaN, a.PosInf, a.NegInf, a.Sum) }

// Aggregates sums up each curve over its range; one without points there has
// Count 0. Of series that are wholly in range, and of blocks with steps that
// ascend, the summaries do. For ranges see [Store.Ever].
func (s *Store) Aggregates(ctx context.Context, curves []Curve, ranges []Range) ([]Aggregate, error) {
	out := make([]Aggregate, len(curves))
	err := s.ask(ctx, curves, ranges, func(i int) (visitor, *Cost) {
		return &aggregator{out: &out[i]}, &out[i].Cost
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// aggregator fills an Aggregate.
type aggregator struct {
	out  *Aggregate
	some bool // a value that is not NaN
}

func (a *aggregator) done() bool { return false }

func (a *aggregator) series(sum *Summary) bool {
	if sum.Count > sum.NaN {
		a.low(sum.Min, sum.MinStep)
		a.high(sum.Max, sum.MaxStep)
		a.some = true
	}
	a.ends(sum.First, sum.Latest)
	o := a.out
	o.Count += sum.Count
	o.NaN += sum.NaN
	o.PosInf += sum.PosInf
	o.NegInf += sum.NegInf
	o.Sum += sum.Sum
	return true
}

func (a *aggregator) zone(z *zoned) (bool, error) {
	if !z.whole || !z.strict {
		return false, nil
	}
	v, err := z.values()
	if err != nil {
		return false, err
	}
	o, ordered := a.out, v.Count > v.NaN
	if ordered && z.stride == 0 && z.n > 1 {
		// The zone map knows where its extremes are, but not at which steps.
		if !a.some || v.Min < o.Min || v.Max > o.Max || (v.Min == o.Min || v.Max == o.Max) && z.minStep < max(o.MinStep, o.MaxStep) {
			return false, nil
		}
	}
	a.ends(Point{z.ends.FirstStep, z.ends.FirstTime, v.First}, Point{z.ends.LastStep, z.ends.LastTime, v.Last})
	if ordered {
		a.low(v.Min, z.minStep+int64(v.ArgMin)*z.stride)
		a.high(v.Max, z.minStep+int64(v.ArgMax)*z.stride)
		a.some = true
	}
	o.Count += int64(v.Count)
	o.NaN += int64(v.NaN)
	o.PosInf += int64(v.PosInf)
	o.NegInf += int64(v.NegInf)
	o.Sum += v.Sum
	return true, nil
}

func (a *aggregator) ends(first, last Point) {
	o := a.out
	if o.Count == 0 || later(o.First, first) {
		o.First = first
	}
	if o.Count == 0 || later(last, o.Last) {
		o.Last = last
	}
}

func (a *aggregator) low(v float64, step int64) {
	if o := a.out; !a.some || v < o.Min || v == o.Min && step < o.MinStep {
		o.Min, o.MinStep = v, step
	}
}

func (a *aggregator) high(v float64, step int64) {
	if o := a.out; !a.some || v > o.Max || v == o.Max && step < o.MaxStep {
		o.Max, o.MaxStep = v, step
	}
}

func (a *aggregator) points(c Columns) {
	o, sum := a.out, 0.0
	for i, v := range c.Values {
		p := Point{c.Steps[i], c.Times[i], v}
		a.ends(p, p)
		o.Count++
		if v != v {
			o.NaN++
			continue
		}
		a.low(v, p.Step)
		a.high(v, p.Step)
		a.some = true
		switch {
		case v-v == 0:
			sum += v
		case v > 0:
			o.PosInf++
		default:
			o.NegInf++
		}
	}
	o.Sum += sum
}
