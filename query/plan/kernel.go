package plan

import (
	"math"
	"math/bits"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// few is how many rows of a word are compared one by one rather than all 64.
const few = 8

// keep keeps in sel the values for which v op c holds; op is Eq … Ge. Those not
// in sel are not looked at for their own sake, so they may be anything.
func keep[T float64 | int64 | uint32](sel index.Bits, v []T, op tree.Op, c T) {
	for k, w := range sel {
		if w == 0 {
			continue
		}
		base := k << 6
		if bits.OnesCount64(w) <= few || len(v)-base < 64 {
			var m uint64
			for ; w != 0; w &= w - 1 {
				j := bits.TrailingZeros64(w)
				m |= bit(holds(op, v[base+j], c)) << (j & 63)
			}
			sel[k] = m
			continue
		}
		a := (*[64]T)(v[base:])
		var m uint64
		switch op {
		case tree.Lt:
			m = less(a, c)
		case tree.Le:
			m = lessEqual(a, c)
		case tree.Gt:
			m = greater(a, c)
		case tree.Ge:
			m = greaterEqual(a, c)
		case tree.Eq:
			m = equal(a, c)
		case tree.Ne:
			m = ^equal(a, c)
		}
		sel[k] = w & m
	}
}

func holds[T float64 | int64 | uint32](op tree.Op, a, b T) bool {
	switch op {
	case tree.Eq:
		return a == b
	case tree.Ne:
		return a != b
	case tree.Lt:
		return a < b
	case tree.Le:
		return a <= b
	case tree.Gt:
		return a > b
	}
	return a >= b
}

// bit compiles to an instruction without a jump.
func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func less[T float64 | int64 | uint32](a *[64]T, c T) (m uint64) {
	for i := 0; i < 64; i += 8 {
		m |= (bit(a[i] < c) | bit(a[i+1] < c)<<1 | bit(a[i+2] < c)<<2 | bit(a[i+3] < c)<<3 |
			bit(a[i+4] < c)<<4 | bit(a[i+5] < c)<<5 | bit(a[i+6] < c)<<6 | bit(a[i+7] < c)<<7) << i
	}
	return m
}

func lessEqual[T float64 | int64 | uint32](a *[64]T, c T) (m uint64) {
	for i := 0; i < 64; i += 8 {
		m |= (bit(a[i] <= c) | bit(a[i+1] <= c)<<1 | bit(a[i+2] <= c)<<2 | bit(a[i+3] <= c)<<3 |
			bit(a[i+4] <= c)<<4 | bit(a[i+5] <= c)<<5 | bit(a[i+6] <= c)<<6 | bit(a[i+7] <= c)<<7) << i
	}
	return m
}

func greater[T float64 | int64 | uint32](a *[64]T, c T) (m uint64) {
	for i := 0; i < 64; i += 8 {
		m |= (bit(a[i] > c) | bit(a[i+1] > c)<<1 | bit(a[i+2] > c)<<2 | bit(a[i+3] > c)<<3 |
			bit(a[i+4] > c)<<4 | bit(a[i+5] > c)<<5 | bit(a[i+6] > c)<<6 | bit(a[i+7] > c)<<7) << i
	}
	return m
}

func greaterEqual[T float64 | int64 | uint32](a *[64]T, c T) (m uint64) {
	for i := 0; i < 64; i += 8 {
		m |= (bit(a[i] >= c) | bit(a[i+1] >= c)<<1 | bit(a[i+2] >= c)<<2 | bit(a[i+3] >= c)<<3 |
			bit(a[i+4] >= c)<<4 | bit(a[i+5] >= c)<<5 | bit(a[i+6] >= c)<<6 | bit(a[i+7] >= c)<<7) << i
	}
	return m
}

func equal[T float64 | int64 | uint32](a *[64]T, c T) (m uint64) {
	for i := 0; i < 64; i += 8 {
		m |= (bit(a[i] == c) | bit(a[i+1] == c)<<1 | bit(a[i+2] == c)<<2 | bit(a[i+3] == c)<<3 |
			bit(a[i+4] == c)<<4 | bit(a[i+5] == c)<<5 | bit(a[i+6] == c)<<6 | bit(a[i+7] == c)<<7) << i
	}
	return m
}

// keepCodes keeps in sel the values whose code is in ok.
func keepCodes(sel index.Bits, codes []uint32, ok index.Bits) {
	for k, w := range sel {
		base := k << 6
		if len(ok) == 1 && bits.OnesCount64(w) > few && len(codes)-base >= 64 {
			sel[k] = w & among((*[64]uint32)(codes[base:]), ok[0])
			continue
		}
		for rest := w; rest != 0; rest &= rest - 1 {
			j := bits.TrailingZeros64(rest)
			if !ok.Has(int(codes[base+j])) {
				w &^= 1 << j
			}
		}
		sel[k] = w
	}
}

func among(a *[64]uint32, ok uint64) (m uint64) {
	for i, c := range a {
		m |= (ok >> (c & 63) & 1) << (i & 63)
	}
	return m
}

// keepIf keeps in sel the values for which fn holds.
func keepIf(sel index.Bits, fn func(j int) bool) {
	for k, w := range sel {
		for rest := w; rest != 0; rest &= rest - 1 {
			j := bits.TrailingZeros64(rest)
			if !fn(k<<6 + j) {
				w &^= 1 << j
			}
		}
		sel[k] = w
	}
}

// keepNumbers keeps in sel the numbers of c for which the comparison with x
// holds, exactly. x is a number.
func keepNumbers(sel index.Bits, c *index.Column, op tree.Op, x Value) {
	switch c.Type {
	case index.Floats:
		if x.kind == Int {
			var f float64
			if op, f = floatBound(op, x.int()); f != f { // no float64 is x
				if op == tree.Eq {
					clear(sel)
				}
				return
			}
			x = Num(f)
		}
		keep(sel, c.Floats, op, x.float())
	case index.Ints:
		if x.kind == Number {
			f := x.float()
			switch whole := math.Floor(f); {
			case f != f:
				if op != tree.Ne {
					clear(sel)
				}
				return
			case f >= 1<<63 || f < -(1<<63):
				if !holds(op, 0, f) {
					clear(sel)
				}
				return
			case whole != f:
				switch op {
				case tree.Eq:
					clear(sel)
					return
				case tree.Ne:
					return
				case tree.Lt:
					op = tree.Le
				case tree.Ge:
					op = tree.Gt
				}
				x = Whole(int64(whole))
			default:
				x = Whole(int64(f))
			}
		}
		keep(sel, c.Ints, op, x.int())
	default:
		clear(sel)
	}
}

// floatBound says how to compare float64s with i: with a float64 that divides
// them as i does. It is NaN for Eq and Ne if there is none that is i.
func floatBound(op tree.Op, i int64) (tree.Op, float64) {
	f := float64(i)
	above, _ := compareIntFloat(i, f) // -1: f is the next one above i
	if above == 0 {
		return op, f
	}
	switch op {
	case tree.Eq, tree.Ne:
		return op, math.NaN()
	case tree.Lt, tree.Le:
		if above > 0 {
			f = math.Nextafter(f, math.Inf(1))
		}
		return tree.Lt, f
	}
	if above < 0 {
		f = math.Nextafter(f, math.Inf(-1))
	}
	return tree.Gt, f
}
