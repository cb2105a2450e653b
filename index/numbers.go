package index

import (
	"math"
	"math/bits"
)

// Floats are a block of integers, as one byte says: 0x00+s stands for bits that
// were shifted right by s ≤ 63, which drops zeros that all of them end in; 0x80+e
// for decimals, the integer being the value times 10^e, e ≤ 15. Every bit comes
// back: of other values no decimals are made.

const (
	decimalFlag = 0x80
	maxDecimals = 15
)

var powers = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// decimals writes the values times a power of ten into dst, which has room for
// them, if each comes back from that.
func decimals(dst []int64, v []float64) (exponent int, ok bool) {
	e := 0
	for _, x := range v {
		for {
			if _, ok := decimal(x, e); ok {
				break
			}
			if e++; e > maxDecimals {
				return 0, false
			}
		}
	}
	for i, x := range v {
		if dst[i], ok = decimal(x, e); !ok {
			return 0, false
		}
	}
	return e, true
}

// decimal returns v·10^e if it is an integer that gives v back.
func decimal(v float64, e int) (int64, bool) {
	x := math.Round(v * powers[e])
	if !(math.Abs(x) < 1<<53) {
		return 0, false
	}
	k := int64(x)
	return k, math.Float64bits(float64(k)/powers[e]) == math.Float64bits(v)
}

func appendFloats(dst []byte, v []float64, scratch *[]int64) []byte {
	ints := grown(scratch, len(v))
	any := uint64(0)
	for _, x := range v {
		any |= math.Float64bits(x)
	}
	shift := min(bits.TrailingZeros64(any), 63)
	for i, x := range v {
		ints[i] = int64(math.Float64bits(x)) >> shift
	}
	_, w := intsWidth(ints)
	if w > 8 { // else there is little to win
		scaled := make([]int64, len(v))
		if e, ok := decimals(scaled, v); ok {
			if _, dw := intsWidth(scaled); dw < w {
				return appendInts(append(dst, decimalFlag+byte(e)), scaled)
			}
		}
	}
	return appendInts(append(dst, byte(shift)), ints)
}

func grown(s *[]int64, n int) []int64 {
	if cap(*s) < n {
		*s = make([]int64, n)
	}
	return (*s)[:n]
}

// floats reads as many values as fit dst.
func (r *reader) floats(dst []float64) {
	c := r.byte()
	p := r.ints(len(dst))
	decimal := c&decimalFlag != 0
	if c &^= decimalFlag; decimal && c > maxDecimals || c > 63 {
		r.fail("bad kind of floats")
	}
	if r.err != nil {
		return
	}
	scale := powers[c&maxDecimals]
	var buf [chunk]uint64
	for i := 0; i < len(dst); i += chunk {
		out := dst[i:min(i+chunk, len(dst))]
		v := buf[:len(out)]
		p.into(v, i)
		if decimal {
			for k, x := range v {
				out[k] = float64(int64(x)) / scale
			}
			continue
		}
		for k, x := range v {
			out[k] = math.Float64frombits(x << (c & 63))
		}
	}
}

// ints64 reads as many values as fit dst.
func (r *reader) ints64(dst []int64) {
	p := r.ints(len(dst))
	if r.err != nil {
		return
	}
	var buf [chunk]uint64
	for i := 0; i < len(dst); i += chunk {
		out := dst[i:min(i+chunk, len(dst))]
		v := buf[:len(out)]
		p.into(v, i)
		for k, x := range v {
			out[k] = int64(x)
		}
	}
}

// codes reads as many numbers below limit as fit dst.
func (r *reader) codes(dst []uint32, limit int) {
	p := r.ints(len(dst))
	if r.err != nil {
		return
	}
	top := uint64(0)
	var buf [chunk]uint64
	for i := 0; i < len(dst); i += chunk {
		out := dst[i:min(i+chunk, len(dst))]
		v := buf[:len(out)]
		p.into(v, i)
		for k, x := range v {
			top = max(top, x)
			out[k] = uint32(x)
		}
	}
	if len(dst) > 0 && top >= uint64(limit) {
		r.fail("number out of range")
	}
}
