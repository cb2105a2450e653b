package store

import (
	"context"
	"math"
)

// Spread is how far the finite values of a curve lie apart.
type Spread struct {
	Count int64   // finite values
	Mean  float64 // NaN when there is none
	Std   float64 // sample standard deviation: divided by Count-1; NaN for fewer than two
	Cost  Cost
}

// Spreads returns mean and standard deviation of the finite values of each
// curve in its range. All blocks that may have points there are decoded but
// those of one value that repeats. For ranges see [Store.Ever].
func (s *Store) Spreads(ctx context.Context, curves []Curve, ranges []Range) ([]Spread, error) {
	out := make([]Spread, len(curves))
	all := make([]squares, len(curves))
	err := s.ask(ctx, curves, ranges, func(i int) (visitor, *Cost) { return &all[i], &out[i].Cost })
	if err != nil {
		return nil, err
	}
	for i, q := range all {
		o := &out[i]
		o.Count, o.Mean, o.Std = int64(q.n), math.NaN(), math.NaN()
		if q.n > 0 {
			o.Mean = q.mean
		}
		if q.n > 1 {
			o.Std = math.Sqrt(max(0, q.sum) / (q.n - 1))
		}
	}
	return out, nil
}

// squares are the number and mean of values and the sum of their squared
// distances from it. Those of two sets add up as [moments] do.
type squares struct{ n, mean, sum float64 }

func (q *squares) done() bool { return false }

func (q *squares) series(sum *Summary) bool { return q.same(sum.tally()) }

func (q *squares) zone(z *zoned) (bool, error) {
	if !z.whole {
		return false, nil
	}
	v, err := z.values()
	return err == nil && q.same(tallyOf(&v)), err
}

// same adds values that are all one number, or none.
func (q *squares) same(of tally) bool {
	n := of.count - of.nan - of.inf
	if n > 0 && (of.inf > 0 || of.low != of.high) {
		return false
	}
	if n > 0 {
		q.join(float64(n), of.low, 0)
	}
	return true
}

func (q *squares) points(c Columns) {
	var n, sum, sq float64
	base := math.NaN() // about the first value distances are short
	for _, v := range c.Values {
		if v-v != 0 {
			continue
		}
		if base != base {
			base = v
		}
		d := v - base
		n++
		sum += d
		sq += d * d
	}
	if n > 0 {
		q.join(n, base+sum/n, sq-sum*sum/n)
	}
}

func (q *squares) join(n, mean, sum float64) {
	d, all := mean-q.mean, q.n+n
	q.sum += sum + d*d*q.n*(n/all)
	q.mean += d * (n / all)
	q.n = all
}
