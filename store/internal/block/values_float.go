package block

import (
	"encoding/binary"
	"math"
)

// narrow returns the float32 bits that v was widened from, if it was. A NaN
// goes by its bits: conversions may change its payload.
func narrow(v float64) (uint32, bool) {
	if v == v {
		f := float32(v)
		return math.Float32bits(f), float64(f) == v
	}
	b := math.Float64bits(v)
	return uint32(b>>32)&(1<<31) | uint32(b>>29)&(1<<31-1), b<<35 == 0 && uint32(b>>29)&(1<<23-1) != 0
}

// widen undoes narrow.
func widen(b uint32) float64 {
	if b&0x7f800000 == 0x7f800000 {
		return math.Float64frombits(uint64(b&(1<<31))<<32 | 0x7ff<<52 | uint64(b&(1<<23-1))<<29)
	}
	return float64(math.Float32frombits(b))
}

// orderFloat32 makes an integer of float32 bits that orders as they do.
func orderFloat32(b uint32) int64 {
	x := int32(b)
	return int64(x ^ int32(uint32(x>>31)>>1))
}

// unorderFloat32 returns the float32 that x was made of, widened.
func unorderFloat32(x int64) float64 {
	b := int32(x)
	return widen(uint32(b ^ int32(uint32(b>>31)>>1)))
}

// orderFloat64 makes an integer of a float64 that orders as it does.
func orderFloat64(v float64) int64 {
	b := int64(math.Float64bits(v))
	return b ^ int64(uint64(b>>63)>>1)
}

// unorderFloat64 undoes orderFloat64.
func unorderFloat64(b int64) float64 {
	return math.Float64frombits(uint64(b ^ int64(uint64(b>>63)>>1)))
}

// fillFloat32 fills s.ints with ordered float32 bits and s.exc with the values
// that are no float32. It reports false if they are too many.
func (s *encoder) fillFloat32(values []float64) bool {
	s.ints = resize(s.ints, len(values))
	s.exc = s.exc[:0]
	limit := maxExceptions(len(values))
	last := int64(0)
	for i, v := range values {
		if b, ok := narrow(v); ok {
			last = orderFloat32(b)
		} else if len(s.exc) < limit {
			s.exc = append(s.exc, exception{i, math.Float64bits(v)})
		} else {
			return false
		}
		s.ints[i] = last
	}
	return true
}

func (s *encoder) appendFloat32(dst []byte, g guess) []byte {
	dst = s.appendExceptions(dst)
	dst = binary.AppendVarint(dst, s.ints[0])
	return s.appendInts(dst, s.ints, g)
}

func (s *decoder) readFloat32(r *reader, values []float64) {
	exceptions := r.exceptions(len(values))
	s.ints = resize(s.ints, len(values))
	s.readInts(r, r.varint(), s.ints)
	if !r.ok() {
		return
	}
	for i, x := range s.ints {
		values[i] = unorderFloat32(x)
	}
	patch(values, exceptions)
}

// fillFloat64 fills s.ints with ordered float64 bits.
func (s *encoder) fillFloat64(values []float64) {
	s.ints = resize(s.ints, len(values))
	for i, v := range values {
		s.ints[i] = orderFloat64(v)
	}
}

func (s *encoder) appendFloat64(dst []byte, g guess) []byte {
	dst = binary.AppendVarint(dst, s.ints[0])
	return s.appendInts(dst, s.ints, g)
}

func (s *decoder) readFloat64(r *reader, values []float64) {
	s.ints = resize(s.ints, len(values))
	s.readInts(r, r.varint(), s.ints)
	if !r.ok() {
		return
	}
	for i, b := range s.ints {
		values[i] = unorderFloat64(b)
	}
}
