package block

import (
	"encoding/binary"
	"math"
)

const (
	maxExponent = len(pow10) - 1
	// maxDecimal bounds the scaled values: below it every integer and every
	// sum with rounder is exact.
	maxDecimal = 1 << 51
	// rounder pushes a float64's fraction out of its bits: x + rounder -
	// rounder is x rounded to an integer, ties to even.
	rounder = 3 << 51
)

// exception is a value that the block's codec cannot hold.
type exception struct {
	index int
	bits  uint64
}

// toDecimal returns k with v = k/10^e bit for bit, if there is one.
func toDecimal(v float64, e int) (int64, bool) {
	scaled := float64(v * pow10[e])
	if !(math.Abs(scaled) < maxDecimal) {
		return 0, false
	}
	k := float64(scaled+rounder) - rounder
	return int64(k), math.Float64bits(k/pow10[e]) == math.Float64bits(v)
}

// exponentOf returns the smallest e ≥ from that v is a decimal of.
func exponentOf(v float64, from int) (int, bool) {
	for e := from; e <= maxExponent; e++ {
		if _, ok := toDecimal(v, e); ok {
			return e, true
		}
	}
	return 0, false
}

// maxExceptions returns how many values a codec may leave out of n.
func maxExceptions(n int) int { return n / 16 }

// toDecimals fills s.ints with values·10^e and s.exc with those that are no
// such integer. It reports false if they are too many.
func (s *encoder) toDecimals(values []float64) (e int, ok bool) {
	e, ok = sampleExponent(values)
	// A second pass takes the exponent that the sample should have found.
	for pass := 0; ok && pass < 2; pass++ {
		var higher, above int
		if higher, above, ok = s.scale(values, e); !ok || above*32 <= len(values) {
			break
		}
		if pass == 1 {
			return e, len(s.exc) <= maxExceptions(len(values))
		}
		e = higher
	}
	return e, ok
}

// sampleExponent returns the smallest exponent that fits most of 32 values
// spread over all.
func sampleExponent(values []float64) (e int, ok bool) {
	const samples = 32
	seen, bad := 0, 0
	for i := 0; i < len(values); i += len(values)/samples + 1 {
		seen++
		if x, ok := exponentOf(values[i], e); ok {
			e = x
		} else if bad++; bad > samples/4 {
			return 0, false
		}
	}
	return e, bad*8 <= seen || len(values) < samples && bad*2 <= seen
}

// scale is one pass of toDecimals. It counts the exceptions that a higher
// exponent would take in, and names that exponent.
func (s *encoder) scale(values []float64, e int) (higher, above int, ok bool) {
	s.ints = resize(s.ints, len(values))
	s.exc = s.exc[:0]
	limit := maxExceptions(len(values))
	ints, unit := s.ints, pow10[e]
	last := int64(0)
	for i, v := range values {
		scaled := float64(v * unit)
		k := float64(scaled+rounder) - rounder
		if math.Abs(scaled) < maxDecimal && math.Float64bits(k/unit) == math.Float64bits(v) {
			last = int64(k)
			ints[i] = last
			continue
		}
		ints[i] = last
		if x, ok := exponentOf(v, e+1); ok {
			above++
			higher = max(higher, x)
		} else if len(s.exc)-above >= limit {
			return 0, 0, false
		}
		s.exc = append(s.exc, exception{i, math.Float64bits(v)})
	}
	return higher, above, true
}

func (s *encoder) appendDecimal(dst []byte, e int) []byte {
	dst = append(dst, byte(e))
	dst = s.appendExceptions(dst)
	dst = binary.AppendVarint(dst, s.ints[0])
	return s.appendInts(dst, s.ints)
}

// unit reads an exponent e and returns 10^e.
func (r *reader) unit() float64 {
	e := int(r.byte())
	if e > maxExponent {
		r.fail("exponent over 15")
		return 1
	}
	return pow10[e]
}

func (s *decoder) readDecimal(r *reader, values []float64) {
	unit := r.unit()
	exceptions := r.exceptions(len(values))
	s.ints = resize(s.ints, len(values))
	s.readInts(r, r.varint(), s.ints)
	if !r.ok() {
		return
	}
	for i, k := range s.ints {
		values[i] = float64(k) / unit
	}
	patch(values, exceptions)
}

func (s *encoder) appendExceptions(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.exc)))
	at := -1
	for _, x := range s.exc {
		dst = binary.AppendUvarint(dst, uint64(x.index-at))
		dst = binary.LittleEndian.AppendUint64(dst, x.bits)
		at = x.index
	}
	return dst
}

// exceptions checks the list and returns the bytes after its count.
func (r *reader) exceptions(n int) []byte {
	count, at := r.count(n), -1
	start := r.at
	for range count {
		gap := r.count(n)
		if at += gap; gap == 0 || at >= n {
			r.fail("exception outside the block")
			return nil
		}
		r.take(8)
	}
	if !r.ok() {
		return nil
	}
	return r.src[start:r.at]
}

// patch puts the values of a checked list in their places.
func patch(values []float64, list []byte) {
	at := -1
	for len(list) > 0 {
		gap, size := binary.Uvarint(list)
		at += int(gap)
		values[at] = math.Float64frombits(binary.LittleEndian.Uint64(list[size:]))
		list = list[size+8:]
	}
}
