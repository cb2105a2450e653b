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

// toFloat32 fills s.ints with ordered float32 bits and s.exc with the values
// that are no float32. It reports false if they are too many.
func (s *encoder) toFloat32(values []float64) bool {
	s.ints = resize(s.ints, len(values))
	s.exc = s.exc[:0]
	limit := maxExceptions(len(values))
	last := int64(0)
	for i, v := range values {
		if b, ok := narrow(v); ok {
			x := int32(b)
			last = int64(x ^ int32(uint32(x>>31)>>1))
		} else if len(s.exc) < limit {
			s.exc = append(s.exc, exception{i, math.Float64bits(v)})
		} else {
			return false
		}
		s.ints[i] = last
	}
	return true
}

func (s *encoder) appendFloat32(dst []byte) []byte {
	dst = s.appendExceptions(dst)
	dst = binary.AppendVarint(dst, s.ints[0])
	return s.appendInts(dst, s.ints)
}

func (s *decoder) readFloat32(r *reader, values []float64) {
	exceptions := r.exceptions(len(values))
	s.ints = resize(s.ints, len(values))
	s.readInts(r, r.varint(), s.ints)
	if !r.ok() {
		return
	}
	for i, x := range s.ints {
		b := int32(x)
		values[i] = widen(uint32(b ^ int32(uint32(b>>31)>>1)))
	}
	patch(values, exceptions)
}

// toFloat64 fills s.ints with ordered float64 bits.
func (s *encoder) toFloat64(values []float64) {
	s.ints = resize(s.ints, len(values))
	for i, v := range values {
		b := int64(math.Float64bits(v))
		s.ints[i] = b ^ int64(uint64(b>>63)>>1)
	}
}

func (s *encoder) appendFloat64(dst []byte) []byte {
	dst = binary.AppendVarint(dst, s.ints[0])
	return s.appendInts(dst, s.ints)
}

func (s *decoder) readFloat64(r *reader, values []float64) {
	s.ints = resize(s.ints, len(values))
	s.readInts(r, r.varint(), s.ints)
	if !r.ok() {
		return
	}
	for i, b := range s.ints {
		values[i] = math.Float64frombits(uint64(b ^ int64(uint64(b>>63)>>1)))
	}
}
