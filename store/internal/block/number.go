package block

import (
	"encoding/binary"
	"math"
	"math/bits"
)

const (
	numberFloat32     = 10
	numberDecimal     = 16 // first tag of the decimal form
	numberMaxExponent = 9
)

// pow10 holds the powers of ten that the decimal forms divide by; a float64
// holds each of them exactly.
var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// appendNumber appends v in as few bytes as the number form allows.
func appendNumber(dst []byte, v float64) []byte {
	b := math.Float64bits(v)
	size := 8 - bits.TrailingZeros64(b)/8
	if size > 3 && size <= 8 {
		if e, k, ok := shortDecimal(v); ok {
			var buf [binary.MaxVarintLen64]byte
			if n := binary.PutVarint(buf[:], k); n < size {
				dst = append(dst, byte(numberDecimal+e))
				return append(dst, buf[:n]...)
			}
		}
	}
	if b32, ok := narrow(v); ok && size > 4 {
		return binary.LittleEndian.AppendUint32(append(dst, numberFloat32), b32)
	}
	dst = append(dst, byte(size))
	for i := range size {
		dst = append(dst, byte(b>>(56-8*i)))
	}
	return dst
}

// shortDecimal finds the smallest e with v = k/10^e and k of at most 48 bits.
func shortDecimal(v float64) (e int, k int64, ok bool) {
	for e = 0; e <= numberMaxExponent; e++ {
		if math.Abs(v)*pow10[e] >= 1<<48 {
			return 0, 0, false
		}
		if k, ok := toDecimal(v, e); ok {
			return e, k, true
		}
	}
	return 0, 0, false
}

func (r *reader) number() float64 {
	tag := r.byte()
	switch {
	case tag <= 8:
		var b uint64
		for i, c := range r.take(int(tag)) {
			b |= uint64(c) << (56 - 8*i)
		}
		return math.Float64frombits(b)
	case tag == numberFloat32:
		if b := r.take(4); r.ok() {
			return widen(binary.LittleEndian.Uint32(b))
		}
		return 0
	case tag >= numberDecimal && tag <= numberDecimal+numberMaxExponent:
		return float64(r.varint()) / pow10[tag-numberDecimal]
	}
	r.fail("unknown number tag")
	return 0
}
