package block

import (
	"encoding/binary"
	"math"
)

// fill makes s.ints the integers of values and s.exc those that have none. It
// reports false if they are too many.
func (s *encoder) fillScaled(values []float64, u *unit) bool {
	s.ints = resize(s.ints, len(values))
	s.exc = s.exc[:0]
	limit := maxExceptions(len(values))
	ints, size := s.ints, u.size
	last := int64(0)
	for i, v := range values {
		scaled := float64(v * size)
		k := float64(scaled+rounder) - rounder
		back := k / size
		if u.single {
			back = float64(float32(back))
		}
		if math.Abs(scaled) < maxDecimal && math.Float64bits(back) == math.Float64bits(v) {
			last = int64(k)
		} else {
			if len(s.exc) >= limit {
				return false
			}
			s.exc = append(s.exc, exception{i, math.Float64bits(v)})
		}
		ints[i] = last
	}
	return true
}

// finer returns the power of ten that takes in enough of s.exc to be worth
// another pass: the search saw only a few values.
func (s *encoder) finer(u *unit, n int) (unit, bool) {
	if u.single || int(u.code) > maxExponent || len(s.exc)*32 <= n {
		return unit{}, false
	}
	e, above := int(u.code), 0
	for _, x := range s.exc {
		if higher, ok := exponentOf(math.Float64frombits(x.bits), int(u.code)+1); ok {
			e = max(e, higher)
			above++
		}
	}
	return decimalUnit(e), above*32 > n
}

func (s *encoder) appendScaled(dst []byte, u *unit, g guess) []byte {
	dst = u.append(dst)
	dst = s.appendExceptions(dst)
	dst = binary.AppendVarint(dst, s.ints[0])
	return s.appendInts(dst, s.ints, g)
}

func (s *decoder) readScaled(r *reader, values []float64) {
	u := r.unit()
	exceptions := r.exceptions(len(values))
	s.ints = resize(s.ints, len(values))
	s.readInts(r, r.varint(), s.ints)
	if !r.ok() {
		return
	}
	if u.single {
		for i, k := range s.ints {
			values[i] = float64(float32(float64(k) / u.size))
		}
	} else {
		for i, k := range s.ints {
			values[i] = float64(k) / u.size
		}
	}
	patch(values, exceptions)
}
