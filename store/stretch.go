package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/runstonedb/runstone/store/internal/block"
)

// EverFor answers for each curve whether the condition held for a while: some
// points that follow each other in its range, in the order of step, then time,
// then value, all satisfy op x, and the last of them is at least
// span steps after the first or, byTime, span ms. One point is a stretch of
// span 0. For ranges see [Store.Ever]; ErrInvalid also for a negative span.
//
// Blocks that satisfy it as a whole make a stretch longer, others end it; only
// those in between are decoded, and only where the stretch could be long
// enough. Curves whose points are not in order, or in several groups, are read
// to the last point.
func (s *Store) EverFor(ctx context.Context, curves []Curve, ranges []Range, op Op, x float64, span int64, byTime bool) ([]Answer, error) {
	err := op.check()
	if err == nil && span < 0 {
		err = fmt.Errorf("stretch of %d: %w", span, ErrInvalid)
	}
	if err == nil {
		err = checkRanges(ranges, len(curves))
	}
	if err != nil {
		return nil, err
	}
	out := make([]Answer, len(curves))
	err = s.snap(ctx, curves, func(shot *snapshot) error {
		var buf askBuffers
		q := stretchSearch{x: shot, buf: &buf, holds: condition{op, x, false}, fails: condition{op, x, true}}
		for i, parts := range shot.parts {
			if err := ctx.Err(); err != nil {
				return err
			}
			q.r, q.cost = rangeOf(ranges, i), &out[i].Cost
			q.stretch = stretch{span: uint64(span), byTime: byTime}
			if err := q.curve(parts); err != nil {
				return err
			}
			out[i].Holds = q.found
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// stretch goes over points in their order and looks for one long enough.
type stretch struct {
	span   uint64
	byTime bool
	open   bool  // the point before satisfied the condition
	low    int64 // least step or time of the stretch
	found  bool
}

func (w *stretch) end() { w.open = false }

// add adds points that satisfy the condition, with steps or times from low to
// high. It reports false when it depends on their order whether they are
// enough.
func (w *stretch) add(low, high int64, ordered bool) bool {
	far := func(from int64) bool { return high >= from && uint64(high)-uint64(from) >= w.span }
	if w.open && far(w.low) || ordered && far(low) {
		w.found = true
		return true
	}
	if !ordered && far(low) {
		return false
	}
	if !w.open || low < w.low {
		w.low = low
	}
	w.open = true
	return true
}

// at returns what the length of a stretch is counted in.
func (w *stretch) at(step, time int64) int64 {
	if w.byTime {
		return time
	}
	return step
}

// ends returns the least and greatest of that which points of some bounds have
// in a range.
func (w *stretch) ends(b *bounds, r Range) (low, high int64) {
	if w.byTime {
		return max(b.minTime, r.FromTime), min(b.maxTime, r.ToTime)
	}
	return max(b.minStep, r.FromStep), min(b.maxStep, r.ToStep)
}

// reach reports whether a stretch from low to high would be enough.
func (w *stretch) reach(low, high int64) bool {
	return high >= low && uint64(high)-uint64(low) >= w.span
}

// stretchSearch answers for one curve after the other.
type stretchSearch struct {
	stretch
	x            *snapshot
	r            Range
	cost         *Cost
	buf          *askBuffers
	holds, fails condition
	pieces       []stretchPiece
	points       []Point
}

// curve looks for a stretch in the parts of a curve.
func (q *stretchSearch) curve(parts []part) (err error) {
	buf := q.buf
	buf.columns = buf.columns[:0]
	defer func() {
		for _, rows := range buf.columns {
			q.cost.Bytes += rows.bytes
			rows.close()
		}
	}()
	all := bounds{math.MaxInt64, math.MinInt64, math.MaxInt64, math.MinInt64}
	var near []*part // that may have points in the range
	hopeless := true
	for i := range parts {
		p := &parts[i]
		q.cost.Blocks += p.of.blocks()
		in := p.bounds()
		if !in.meets(q.r) {
			continue
		}
		near = append(near, p)
		hopeless = hopeless && q.holds.judge(p.sum.tally()) == none
		all.minStep, all.maxStep = min(all.minStep, in.minStep), max(all.maxStep, in.maxStep)
		all.minTime, all.maxTime = min(all.minTime, in.minTime), max(all.maxTime, in.maxTime)
	}
	if hopeless || !q.reach(q.ends(&all, q.r)) {
		q.cost.Decided = q.cost.Blocks
		return nil
	}
	if len(near) == 1 {
		p := near[0]
		if in := p.bounds(); in.within(q.r) && q.fails.judge(p.sum.tally()) == none &&
			q.reach(q.at(p.sum.First.Step, p.sum.First.Time), q.at(p.sum.Latest.Step, p.sum.Latest.Time)) {
			q.cost.Decided, q.found = q.cost.Blocks, true
			return nil
		}
		ordered, err := q.inOrder(p)
		if ordered || err != nil {
			return err
		}
	}
	return q.sorted(near)
}

// walk goes over points. It reports false when those of one step and time are
// not in order.
func (q *stretchSearch) walk(c Columns) bool {
	for i := 1; i < len(c.Steps); i++ {
		if c.Steps[i] == c.Steps[i-1] && c.Times[i] == c.Times[i-1] && compareValues(c.Values[i], c.Values[i-1]) < 0 {
			return false
		}
	}
	for i, v := range c.Values {
		if q.step(c.Steps[i], c.Times[i], v); q.found {
			break
		}
	}
	return true
}

// step goes on to the next point.
func (q *stretchSearch) step(step, time int64, v float64) {
	if !q.holds.holds(v) {
		q.end()
		return
	}
	at := q.at(step, time)
	q.add(at, at, true)
}

// sorted reads all points of some parts and brings them into order.
func (q *stretchSearch) sorted(parts []*part) error {
	q.points, q.cost.Decoded = q.points[:0], 0
	q.end()
	for _, p := range parts {
		if err := q.takeRows(p, 'b', 0, p.of.stored); err != nil {
			return err
		}
		if p.of.tail > 0 {
			if err := q.takeRows(p, 't', p.of.number, p.of.number+1); err != nil {
				return err
			}
		}
		for k := range p.of.memory {
			q.take(q.memory(p, &p.of.memory[k]))
		}
	}
	q.cost.Decided = q.cost.Blocks - q.cost.Decoded
	slices.SortFunc(q.points, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Time, b.Time), compareValues(a.Value, b.Value))
	})
	for _, p := range q.points {
		if q.step(p.Step, p.Time, p.Value); q.found {
			break
		}
	}
	return nil
}

// takeRows decodes blocks or tails.
func (q *stretchSearch) takeRows(p *part, table byte, from, to uint32) error {
	clocks := q.x.rowsOf(p.of, table, 0, int(to-from), q.buf)
	values := q.x.rowsOf(p.of, table, uint16(p.column+1), int(to-from), q.buf)
	for number := from; number < to; number++ {
		if err := q.x.ctx.Err(); err != nil {
			return err
		}
		body, err := clocks.body(number)
		if err != nil {
			return err
		}
		buf := q.buf
		if buf.clock.Steps, buf.clock.Times, err = block.DecodeClock(buf.clock.Steps[:0], buf.clock.Times[:0], body); err != nil {
			return clocks.fault(number, err)
		}
		if in := boundsOf(buf.clock.Steps, buf.clock.Times); !in.meets(q.r) {
			continue
		}
		q.cost.Decoded++
		if buf.values, err = values.values(number, buf.values[:0], len(buf.clock.Steps)); err != nil {
			return err
		}
		q.take(buf.cut(Columns{buf.clock.Steps, buf.clock.Times, buf.values}, q.r))
	}
	return nil
}

func (q *stretchSearch) take(c Columns) {
	for i, step := range c.Steps {
		q.points = append(q.points, Point{step, c.Times[i], c.Values[i]})
	}
}

// compareValues orders points of one step and time: by value, where NaN counts
// as 0 but comes before it.
func compareValues(a, b float64) int {
	return cmp.Or(cmp.Compare(orZero(a), orZero(b)), cmp.Compare(a, b))
}
