package store

import (
	"context"
	"fmt"
	"math"
)

// Op compares a value with a number. NaN satisfies [NotEqual] and no other,
// and so does every value beside the number NaN; infinities compare as numbers
// do, and -0 equals 0.
type Op byte

// The comparisons.
const (
	Less Op = iota + 1
	LessEqual
	Greater
	GreaterEqual
	Equal
	NotEqual
)

// Holds reports whether v satisfies the comparison with x.
func (op Op) Holds(v, x float64) bool {
	switch op {
	case Less:
		return v < x
	case LessEqual:
		return v <= x
	case Greater:
		return v > x
	case GreaterEqual:
		return v >= x
	case Equal:
		return v == x
	}
	return v != x
}

// String returns the comparison as the filter language has it.
func (op Op) String() string {
	names := [...]string{"", "<", "<=", ">", ">=", "=", "!="}
	if int(op) >= len(names) {
		return fmt.Sprintf("Op(%d)", byte(op))
	}
	return names[op]
}

// Answer is whether something holds for a curve. It never does for a curve
// without points in the range.
type Answer struct {
	Holds bool
	Cost  Cost
}

// Ever answers for each curve whether some point in r satisfies op x. All but
// [Equal] is decided by summaries, for blocks that are wholly in r, and
// reading stops at the first point found. ErrInvalid when r is empty or op is
// none of the six.
func (s *Store) Ever(ctx context.Context, curves []Curve, r Range, op Op, x float64) ([]Answer, error) {
	return s.search(ctx, curves, r, condition{op, x, false})
}

// Always answers for each curve whether it has points in r and all of them
// satisfy op x. See [Store.Ever]; here it is [NotEqual] that may need points.
func (s *Store) Always(ctx context.Context, curves []Curve, r Range, op Op, x float64) ([]Answer, error) {
	return s.search(ctx, curves, r, condition{op, x, true})
}

func (s *Store) search(ctx context.Context, curves []Curve, r Range, c condition) ([]Answer, error) {
	if c.op < Less || c.op > NotEqual {
		return nil, fmt.Errorf("comparison %v: %w", c.op, ErrInvalid)
	}
	out := make([]Answer, len(curves))
	finders := make([]finder, len(curves))
	err := s.ask(ctx, curves, r, func(i int) (visitor, *Cost) {
		finders[i].condition = c
		return &finders[i], &out[i].Cost
	})
	if err != nil {
		return nil, err
	}
	for i, f := range finders {
		out[i].Holds = f.found != c.not && f.some
	}
	return out, nil
}

// condition is what a finder looks for: a value that satisfies op x or, if
// not, one that does not.
type condition struct {
	op  Op
	x   float64
	not bool
}

func (c condition) holds(v float64) bool { return c.op.Holds(v, c.x) != c.not }

// verdict is what can be known of points that are summed up.
type verdict byte

const (
	none  verdict = iota // has the condition
	some                 // has it
	maybe                // nobody knows
)

// judge tells whether any of count values has the condition; nan of them are
// NaN, and lowest and highest are among the others.
func (c condition) judge(count, nan int64, lowest, highest float64) verdict {
	if nan > 0 && c.holds(math.NaN()) {
		return some
	}
	if nan == count {
		return none
	}
	// With one of the extremes, which are values too, most conditions stand
	// and fall. One that holds between them only is = x.
	if c.holds(lowest) || c.holds(highest) {
		return some
	}
	if c.op == Equal && !c.not || c.op == NotEqual && c.not {
		if lowest < c.x && c.x < highest {
			return maybe
		}
	}
	return none
}

// finder looks for a point that has a condition.
type finder struct {
	condition
	found bool
	some  bool // there are points in the range
}

func (f *finder) done() bool { return f.found }

func (f *finder) series(sum *Summary) bool {
	f.some = true
	v := f.judge(sum.Count, sum.NaN, sum.Min, sum.Max)
	f.found = f.found || v == some
	return v != maybe
}

func (f *finder) zone(z *zoned) (bool, error) {
	f.some = f.some || z.hasEnd
	zone, err := z.values()
	if err != nil {
		return false, err
	}
	switch f.judge(int64(zone.Count), int64(zone.NaN), zone.Min, zone.Max) {
	case none:
		// Always must know that there are points in the range at all.
		return f.some || !f.not, nil
	case some:
		f.found = f.found || z.whole
		return z.whole, nil
	}
	return false, nil
}

func (f *finder) points(c Columns) {
	f.some = f.some || len(c.Values) > 0
	for _, v := range c.Values {
		if f.holds(v) {
			f.found = true
			return
		}
	}
}
