package store

import (
	"context"
	"fmt"
	"math"

	"github.com/runstonedb/runstone/store/internal/block"
)

// Op is a condition on a value: a comparison with a number, or its kind, for
// which there is no number. NaN satisfies [NotEqual] and no other comparison,
// and so does every value beside the number NaN; infinities compare as numbers
// do, and -0 equals 0.
type Op byte

// The conditions.
const (
	Less Op = iota + 1
	LessEqual
	Greater
	GreaterEqual
	Equal
	NotEqual
	IsNaN
	NotNaN
	IsInf // positive or negative
	NotInf
)

// Holds reports whether v satisfies the condition; x is the number that
// comparisons compare with.
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
	case IsNaN:
		return v != v
	case NotNaN:
		return v == v
	case IsInf:
		return math.IsInf(v, 0)
	case NotInf:
		return !math.IsInf(v, 0)
	}
	return v != x
}

// kind reports whether op is about the kind of a value, not its size.
func (op Op) kind() bool { return op >= IsNaN }

func (op Op) check() error {
	if op < Less || op > NotInf {
		return fmt.Errorf("condition %v: %w", op, ErrInvalid)
	}
	return nil
}

// String returns the condition in words of the filter language.
func (op Op) String() string {
	names := [...]string{"", "<", "<=", ">", ">=", "=", "!=", "is nan", "is not nan", "is inf", "is not inf"}
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

// Ever answers for each curve whether some point in its range satisfies op x.
// All but [Equal] is decided by summaries, for blocks that are wholly in range,
// and reading stops at the first point found. Ranges are one for all curves, or
// one for each. ErrInvalid when one is empty, when there are more or fewer, and
// for an unknown op.
func (s *Store) Ever(ctx context.Context, curves []Curve, ranges []Range, op Op, x float64) ([]Answer, error) {
	return s.search(ctx, curves, ranges, condition{op, x, false})
}

// Always answers for each curve whether it has points in its range and all of
// them satisfy op x. See [Store.Ever]; here it is [NotEqual] that may need
// points.
func (s *Store) Always(ctx context.Context, curves []Curve, ranges []Range, op Op, x float64) ([]Answer, error) {
	return s.search(ctx, curves, ranges, condition{op, x, true})
}

func (s *Store) search(ctx context.Context, curves []Curve, ranges []Range, c condition) ([]Answer, error) {
	if err := c.op.check(); err != nil {
		return nil, err
	}
	out := make([]Answer, len(curves))
	finders := make([]finder, len(curves))
	err := s.ask(ctx, curves, ranges, func(i int) (visitor, *Cost) {
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

// tally is what judging needs to know of some values.
type tally struct {
	count, nan, inf int64
	low, high       float64 // of those that are not NaN
}

func (m *Summary) tally() tally {
	return tally{m.Count, m.NaN, m.PosInf + m.NegInf, m.Min, m.Max}
}

func tallyOf(z *block.Zone) tally {
	return tally{int64(z.Count), int64(z.NaN), int64(z.PosInf + z.NegInf), z.Min, z.Max}
}

// judge tells whether any of the values has the condition.
func (c condition) judge(of tally) verdict {
	if of.nan > 0 && c.holds(math.NaN()) {
		return some
	}
	if of.nan == of.count {
		return none
	}
	if c.op.kind() {
		finite := of.count - of.nan - of.inf
		if of.inf > 0 && c.holds(math.Inf(1)) || finite > 0 && c.holds(0) {
			return some
		}
		return none
	}
	// With one of the extremes, which are values too, most conditions stand
	// and fall. One that holds between them only is = x.
	if c.holds(of.low) || c.holds(of.high) {
		return some
	}
	if c.op == Equal && !c.not || c.op == NotEqual && c.not {
		if of.low < c.x && c.x < of.high {
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
	v := f.judge(sum.tally())
	f.found = f.found || v == some
	return v != maybe
}

func (f *finder) zone(z *zoned) (bool, error) {
	f.some = f.some || z.hasEnd
	zone, err := z.values()
	if err != nil {
		return false, err
	}
	switch f.judge(tallyOf(&zone)) {
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
