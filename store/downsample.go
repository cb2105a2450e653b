package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/runstonedb/runstone/store/internal/block"
)

// Bucket sums up some points of a curve that follow each other by step.
type Bucket struct {
	Count, NaN  int64
	First, Last Point   // by step, then time, then value (NaN as 0)
	Min, Max    float64 // of the values but NaN; NaN when there are no others
}

// maxBuckets bounds the answer of Downsample.
const maxBuckets = 100_000

// Downsample sums up the points of each curve that are in r, in at most
// buckets buckets in order of their steps. The steps in r that the curves have
// among them are divided into that many ranges of one width, the same for all
// curves, and a bucket has the points of one range, but where points are many:
// with 128 or more of them to a range, 256 points that were stored together
// may go to the range of the first of them as a whole, so that charts of long
// curves read summaries and no points. Ranges that get no points have no
// bucket. Every point is in one bucket, the steps of buckets do not overlap,
// and all that a bucket says is exact. ErrInvalid when r is empty or buckets
// is not 1 to 100,000.
func (s *Store) Downsample(ctx context.Context, curves []Curve, r Range, buckets int) ([][]Bucket, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if buckets < 1 || buckets > maxBuckets {
		return nil, fmt.Errorf("%d buckets, not 1 to %d: %w", buckets, maxBuckets, ErrInvalid)
	}
	out := make([][]Bucket, len(curves))
	err := s.snap(ctx, curves, func(x *snapshot) error {
		steps, some := x.steps(r)
		if !some {
			return nil
		}
		g := newGrid(steps.FromStep, steps.ToStep, buckets)
		for _, b := range x.bundles() {
			if err := b.downsample(steps, g, out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// steps narrows r to the steps that the curves have.
func (x *snapshot) steps(r Range) (Range, bool) {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for _, parts := range x.parts {
		for i := range parts {
			sum := &parts[i].sum
			from, to = min(from, sum.First.Step), max(to, sum.Latest.Step)
		}
	}
	r = r.Steps(from, to)
	return r, r.FromStep <= r.ToStep
}

// grid divides steps into ranges of one width.
type grid struct {
	from  int64
	width uint64
	n     int
}

func newGrid(from, to int64, buckets int) grid {
	// In uint64 the distance of any two steps is exact.
	span := uint64(to) - uint64(from)
	width := span/uint64(buckets) + 1
	if buckets == 1 {
		width = max(span, 1) // span + 1 may not fit; the last step is clamped below
	}
	return grid{from, width, int(min(span/width+1, uint64(buckets)))}
}

// at returns the range that a step of the grid falls into.
func (g grid) at(step int64) int {
	return int(min((uint64(step)-uint64(g.from))/g.width, uint64(g.n-1)))
}

// end returns the last step of range i, but that of the last range may lie
// below the grid's last.
func (g grid) end(i int) int64 { return int64(uint64(g.from) + uint64(i+1)*g.width - 1) }

// downsample adds the buckets of a bundle's curves to out.
func (b *bundle) downsample(r Range, g grid, out [][]Bucket) error {
	if err := b.measure(r, true); err != nil {
		return err
	}
	total := 0
	for i := range b.pieces {
		total += b.pieces[i].n
	}
	whole := b.alone(r)
	if total/g.n < block.PyramidSpan/2 {
		clear(whole)
	}
	rd := b.reader()
	defer rd.close()
	acc := make([]Bucket, g.n*len(b.lanes))
	var clock Columns
	var values []float64
	var spans []block.Span
	for i := range b.pieces {
		if err := b.x.ctx.Err(); err != nil {
			return err
		}
		p := &b.pieces[i]
		var err error
		if !whole[i] {
			if clock.Steps, clock.Times, err = rd.clock(p, clock.Steps[:0], clock.Times[:0]); err != nil {
				return err
			}
		}
		for lane := range b.lanes {
			into := acc[lane*g.n:][:g.n]
			if whole[i] {
				if spans, err = rd.summarize(p, lane, g, into, spans[:0]); err != nil {
					return err
				}
				continue
			}
			if values, err = rd.column(p, lane, values[:0]); err != nil {
				return err
			}
			g.add(into, r, p.within(r), Columns{clock.Steps, clock.Times, values})
		}
	}
	for lane := range b.lanes {
		out[b.lanes[lane].curve] = filled(acc[lane*g.n:][:g.n:g.n])
	}
	return nil
}

// filled returns the buckets that have points.
func filled(acc []Bucket) []Bucket {
	out := acc[:0]
	for _, k := range acc {
		if k.Count > 0 {
			if k.Count == k.NaN {
				k.Min, k.Max = math.NaN(), math.NaN()
			}
			out = append(out, k)
		}
	}
	return out
}

// alone finds the pieces that may go into buckets by their summaries: all
// their points are in r, in order, and no other piece has steps among theirs.
func (b *bundle) alone(r Range) []bool {
	order := make([]int, len(b.pieces))
	for i := range order {
		order[i] = i
	}
	byStep := func(i, k int) int {
		p, q := &b.pieces[i], &b.pieces[k]
		return position{p.minStep, p.maxStep}.compare(position{q.minStep, q.maxStep})
	}
	if !slices.IsSortedFunc(order, byStep) {
		slices.SortFunc(order, byStep)
	}
	alone := make([]bool, len(order))
	reached := int64(math.MinInt64) // greatest step so far
	for at, i := range order {
		p := &b.pieces[i]
		free := at == 0 || p.minStep > reached
		if at+1 < len(order) && b.pieces[order[at+1]].minStep <= p.maxStep {
			free = false
		}
		alone[i] = free && p.spans != nil && p.within(r)
		reached = max(reached, p.maxStep)
	}
	return alone
}

// summarize adds a piece to buckets by its summaries.
func (rd *reader) summarize(p *piece, lane int, g grid, into []Bucket, spans []block.Span) ([]block.Span, error) {
	rows := rd.valueRows(p, lane)
	body, err := rows.head(p.number)
	if err != nil {
		return spans, err
	}
	z, err := block.ReadZone(body)
	if err == nil && z.Count != p.n {
		err = fmt.Errorf("%d values for %d steps: %w", z.Count, p.n, ErrCorrupt)
	}
	if err != nil {
		return spans, rows.fault(p.number, err)
	}
	if at := g.at(p.minStep); at == g.at(p.maxStep) {
		of := z.Span()
		into[at].merge(p.n, &p.ends, &of)
		return spans, nil
	}
	// As many spans as the clock has: both blocks have p.n points.
	if spans, err = block.ReadPyramid(spans, body); err != nil {
		return spans, rows.fault(p.number, err)
	}
	left := p.n
	for i := range spans {
		n := min(left, block.PyramidSpan)
		into[g.at(p.spans[i].FirstStep)].merge(n, &p.spans[i], &spans[i])
		left -= n
	}
	return spans, nil
}

// merge adds n points that have no steps in common with those in the bucket.
func (k *Bucket) merge(n int, at *block.ClockSpan, of *block.Span) {
	first, last := Point{at.FirstStep, at.FirstTime, of.First}, Point{at.LastStep, at.LastTime, of.Last}
	if k.Count == 0 {
		k.First, k.Last, k.Min, k.Max = first, last, math.Inf(1), math.Inf(-1)
	}
	k.Count += int64(n)
	k.NaN += int64(of.NaN)
	if first.Step < k.First.Step {
		k.First = first
	}
	if last.Step > k.Last.Step {
		k.Last = last
	}
	if of.NaN < n {
		k.Min, k.Max = min(k.Min, of.Min), max(k.Max, of.Max)
	}
}

// add adds points to buckets, those outside r left out. inside says that there
// are none.
func (g grid) add(into []Bucket, r Range, inside bool, c Columns) {
	for i := 0; i < len(c.Steps); {
		step := c.Steps[i]
		if !inside && !r.has(step, c.Times[i]) {
			i++
			continue
		}
		at := g.at(step)
		high := g.end(at)
		if at == g.n-1 {
			high = math.MaxInt64
		}
		// As a rule steps ascend, and many in a row fall into one bucket.
		end := i + 1
		if inside {
			for end < len(c.Steps) && c.Steps[end] > step && c.Steps[end] <= high {
				step = c.Steps[end]
				end++
			}
		}
		into[at].add(Columns{c.Steps[i:end], c.Times[i:end], c.Values[i:end]})
		i = end
	}
}

// add adds points whose steps ascend.
func (k *Bucket) add(c Columns) {
	end := len(c.Steps) - 1
	first := Point{c.Steps[0], c.Times[0], c.Values[0]}
	last := Point{c.Steps[end], c.Times[end], c.Values[end]}
	switch {
	case k.Count == 0:
		k.First, k.Last, k.Min, k.Max = first, last, math.Inf(1), math.Inf(-1)
	case first.Step > k.Last.Step:
		k.Last = last
	default:
		if later(k.First, first) {
			k.First = first
		}
		if later(last, k.Last) {
			k.Last = last
		}
	}
	k.Count += int64(len(c.Values))
	low, high := k.Min, k.Max
	for _, v := range c.Values {
		if v < low {
			low = v
		}
		if v > high {
			high = v
		}
		if v != v {
			k.NaN++
		}
	}
	k.Min, k.Max = low, high
}
