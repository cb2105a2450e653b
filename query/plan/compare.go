package plan

import (
	"math"
	"slices"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// numberIs compares a number with a constant, which is no NaN; op is Eq … Ge.
type numberIs struct {
	x  expr
	op tree.Op
	c  Value
}

func (x *numberIs) cost() cost { return x.x.cost() }

func (x *numberIs) keep(r *exec, sel index.Bits) error {
	if n, ok := x.x.(*toNumber); ok {
		return x.keepSpelled(r, n.x, sel)
	}
	c, err := x.x.eval(r, sel)
	if err != nil {
		return err
	}
	if c == nil {
		clear(sel)
		return nil
	}
	vals := r.values(c, sel)
	keepNumbers(vals, c, x.op, x.c)
	r.lift(c, sel, vals)
	return nil
}

// keepSpelled compares each distinct string once.
func (x *numberIs) keepSpelled(r *exec, from expr, sel index.Bits) error {
	return keepValues(r, from, sel, func(c *index.Column, vals index.Bits) {
		if c.Type != index.Strings {
			clear(vals)
			return
		}
		numbers, spelled := c.Numbers()
		ok := r.arena.copy(spelled)
		keepNumbers(ok, &index.Column{Type: index.Floats, Floats: numbers}, x.op, x.c)
		keepCodes(vals, c.Codes, ok)
	})
}

func (x *numberIs) zone(b Batch) verdict {
	s, ok := x.x.(*stored)
	if !ok || s.kind == tree.String {
		return some
	}
	z, ok := b.Zone(s.ref)
	if !ok {
		return some
	}
	if z.Rows == 0 {
		return nothing
	}
	lo, hi := bounds(z, s.kind == tree.Int)
	f, _ := x.c.number()
	below, above := f, f // x.c is between them
	if x.c.kind == Int && math.Abs(f) >= 1<<53 {
		below, above = math.Nextafter(f, math.Inf(-1)), math.Nextafter(f, math.Inf(1))
	}
	can, must := true, false
	switch x.op {
	case tree.Lt:
		can, must = lo < above, hi < below
	case tree.Le:
		can, must = lo <= above, hi <= below
	case tree.Gt:
		can, must = hi > below, lo > above
	case tree.Ge:
		can, must = hi >= below, lo >= above
	case tree.Eq:
		can, must = lo <= above && hi >= below, lo == hi && lo == f && below == above
	case tree.Ne:
		can = z.NaN > 0 || lo != f || hi != f || below != above
		must = hi < below || lo > above
	}
	switch {
	case !can:
		return nothing
	case must && z.Rows >= b.Len() && (z.NaN == 0 || x.op == tree.Ne && z.NaN < z.Rows):
		return all
	}
	return some
}

// bounds are those of the numbers of a zone, a little wider where they may have
// been rounded.
func bounds(z index.Zone, whole bool) (lo, hi float64) {
	lo, hi = z.Min, z.Max
	if whole && math.Abs(lo) >= 1<<53 {
		lo = math.Nextafter(lo, math.Inf(-1))
	}
	if whole && math.Abs(hi) >= 1<<53 {
		hi = math.Nextafter(hi, math.Inf(1))
	}
	return lo, hi
}

// numberIn looks for a number in a list.
type numberIn struct {
	x      expr
	not    bool
	floats []float64 // those of the list that a float64 is, in order
	ints   []int64   // those that an integer is, in order
}

func newNumberIn(x expr, list []*tree.Literal, not bool) *numberIn {
	n := &numberIn{x: x, not: not}
	for _, l := range list {
		v := literal(l)
		f, _ := v.number()
		if c, _ := compareValues(v, Num(f)); c == 0 {
			n.floats = append(n.floats, f)
		}
		if v.kind == Number && f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63 {
			v = Whole(int64(f))
		}
		if v.kind == Int {
			n.ints = append(n.ints, v.int())
		}
	}
	slices.Sort(n.floats)
	slices.Sort(n.ints)
	return n
}

func (x *numberIn) cost() cost { return x.x.cost() }

func (x *numberIn) zone(b Batch) verdict {
	if s, ok := x.x.(*stored); ok {
		z, ok := b.Zone(s.ref)
		if ok && (z.Rows == 0 || !x.not && len(x.ints)+len(x.floats) == 0) {
			return nothing
		}
		if ok && !x.not && len(x.floats) > 0 && s.kind == tree.Number &&
			(z.Max < x.floats[0] || z.Min > x.floats[len(x.floats)-1]) {
			return nothing
		}
	}
	return some
}

func (x *numberIn) keep(r *exec, sel index.Bits) error {
	return keepValues(r, x.x, sel, func(c *index.Column, vals index.Bits) {
		switch c.Type {
		case index.Floats:
			keepIf(vals, func(j int) bool {
				_, in := slices.BinarySearch(x.floats, c.Floats[j])
				return in != x.not
			})
		case index.Ints:
			keepIf(vals, func(j int) bool {
				_, in := slices.BinarySearch(x.ints, c.Ints[j])
				return in != x.not
			})
		default:
			clear(vals)
		}
	})
}

// is looks at what a value is, not how large.
type is struct {
	x    expr
	what tree.Special
	not  bool
}

func (x *is) cost() cost { return x.x.cost() }

func (x *is) zone(b Batch) verdict {
	s, ok := x.x.(*stored)
	if !ok {
		return some
	}
	z, ok := b.Zone(s.ref)
	if !ok {
		return some
	}
	if x.what == tree.Null {
		out := some
		if z.Rows == 0 {
			out = all
		} else if z.Rows >= b.Len() {
			out = nothing
		}
		if x.not {
			return out.not()
		}
		return out
	}
	none := z.Rows == 0
	switch {
	case x.not || s.kind == tree.String:
	case x.what == tree.NaN:
		none = none || z.NaN == 0
	default:
		none = none || !math.IsInf(z.Min, 0) && !math.IsInf(z.Max, 0)
	}
	if none {
		return nothing
	}
	return some
}

func (x *is) keep(r *exec, sel index.Bits) error {
	if x.what == tree.Null {
		return x.keepNull(r, sel)
	}
	return keepValues(r, x.x, sel, func(c *index.Column, vals index.Bits) {
		if c.Type != index.Floats {
			if !x.not {
				clear(vals)
			}
			return
		}
		keepIf(vals, func(j int) bool {
			v := c.Floats[j]
			if x.what == tree.NaN {
				return (v != v) != x.not
			}
			return math.IsInf(v, 0) != x.not
		})
	})
}

func (x *is) keepNull(r *exec, sel index.Bits) error {
	c, err := x.x.eval(r, sel)
	if err != nil {
		return err
	}
	has := r.arena.copy(sel)
	switch {
	case c == nil:
		clear(has)
	case c.Starts != nil:
		keepIf(has, func(i int) bool { return c.Starts[i] < c.Starts[i+1] })
	case c.Has != nil:
		has.And(c.Has)
	}
	if x.not {
		sel.And(has)
	} else {
		sel.AndNot(has)
	}
	return nil
}

// pair compares two expressions value by value. Default stands in for a missing
// string of a side.
type pair struct {
	l, r     expr
	op       tree.Op
	lef, ref string
}

func (x *pair) cost() cost         { return max(x.l.cost(), x.r.cost()) }
func (x *pair) zone(Batch) verdict { return some }

func (x *pair) keep(r *exec, sel index.Bits) error {
	a, err := r.eval(x.l, sel)
	if err != nil {
		return err
	}
	b, err := r.eval(x.r, sel)
	if err != nil {
		return err
	}
	if simple(a) && simple(b) && a.Type == b.Type && a.Type != index.Strings && x.op <= tree.Ge {
		sel = r.values(b, r.values(a, sel))
		if a.Type == index.Floats {
			keepPairs(sel, a.Floats, b.Floats, x.op)
		} else {
			keepPairs(sel, a.Ints, b.Ints, x.op)
		}
		return nil
	}
	keepIf(sel, func(i int) bool {
		return anyValue(a, i, x.lef, func(v Value) bool {
			if !r.spend(20) {
				return true
			}
			return anyValue(b, i, x.ref, func(w Value) bool { return !r.spend(20) || compares(x.op, v, w) })
		})
	})
	return nil
}

func simple(c *index.Column) bool { return c != nil && c.Starts == nil }

func keepPairs[T float64 | int64](sel index.Bits, a, b []T, op tree.Op) {
	for k, w := range sel {
		if w == 0 {
			continue
		}
		base := k << 6
		end := min(base+64, len(a))
		var m uint64
		av, bv := a[base:end], b[base:end]
		bv = bv[:len(av)]
		switch op {
		case tree.Eq:
			for j, v := range av {
				m |= bit(v == bv[j]) << (j & 63)
			}
		case tree.Ne:
			for j, v := range av {
				m |= bit(v != bv[j]) << (j & 63)
			}
		case tree.Lt:
			for j, v := range av {
				m |= bit(v < bv[j]) << (j & 63)
			}
		case tree.Le:
			for j, v := range av {
				m |= bit(v <= bv[j]) << (j & 63)
			}
		case tree.Gt:
			for j, v := range av {
				m |= bit(v > bv[j]) << (j & 63)
			}
		default:
			for j, v := range av {
				m |= bit(v >= bv[j]) << (j & 63)
			}
		}
		sel[k] = w & m
	}
}

// anyValue tells if fn holds for a value of row i; a row without one has the
// missing value or, if that is not "", the default.
func anyValue(c *index.Column, i int, missing string, fn func(Value) bool) bool {
	j, end := spanOf(c, i)
	if j == end {
		if missing != "" {
			return fn(Str(missing))
		}
		return fn(Value{})
	}
	for ; j < end; j++ {
		if fn(valueAt(c, j)) {
			return true
		}
	}
	return false
}

// compares compares two values, missing ones too.
func compares(op tree.Op, a, b Value) bool {
	if op >= tree.Distinct {
		return same(a, b) == (op == tree.NotDistinct)
	}
	if a.kind == Missing || b.kind == Missing || (a.kind == String) != (b.kind == String) {
		return false
	}
	c, ok := compareValues(a, b)
	if !ok {
		return op == tree.Ne
	}
	return holds(op, int64(c), 0)
}

// same takes missing and NaN for values like others.
func same(a, b Value) bool {
	if a.kind == Missing || b.kind == Missing {
		return a.kind == b.kind
	}
	if a.isNaN() || b.isNaN() {
		return a.isNaN() && b.isNaN()
	}
	c, ok := compareValues(a, b)
	return ok && c == 0
}

// between is the general case; one value between constants is two comparisons.
type between struct {
	x, lo, hi expr
	not       bool
}

func (x *between) cost() cost         { return max(x.x.cost(), x.lo.cost(), x.hi.cost()) }
func (x *between) zone(Batch) verdict { return some }

func (x *between) keep(r *exec, sel index.Bits) error {
	var c [3]*index.Column
	for i, e := range []expr{x.x, x.lo, x.hi} {
		var err error
		if c[i], err = r.eval(e, sel); err != nil {
			return err
		}
	}
	keepIf(sel, func(i int) bool {
		return anyValue(c[0], i, "", func(v Value) bool {
			return anyValue(c[1], i, "", func(lo Value) bool {
				return anyValue(c[2], i, "", func(hi Value) bool {
					if !r.spend(20) {
						return true
					}
					a, ok := compareValues(lo, v)
					b, also := compareValues(v, hi)
					return ok && also && (a <= 0 && b <= 0) != x.not
				})
			})
		})
	})
	return nil
}
