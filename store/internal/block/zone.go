package block

import (
	"encoding/binary"
	"math"
)

// Zone is the zone map of a value block: what of the values can be known
// without decoding them.
type Zone struct {
	Count               int
	NaN, PosInf, NegInf int // how many of Count are these
	// First and Last are the first and last value, bit for bit.
	First, Last float64
	// Min and Max are over the values that are not NaN, infinities included.
	// -0 and +0 are equal: of equal values it is the first that counts. If
	// all values are NaN, Min is +Inf and Max is -Inf.
	Min, Max float64
	// ArgMin and ArgMax are the indices of Min and Max: the first occurrence,
	// or -1 if all values are NaN.
	ArgMin, ArgMax int
	// Sum is the sum of the finite values, added in order.
	Sum float64
}

// Span sums up [PyramidSpan] values, the last span of a block those that are
// left. First and Last are the bits of its first and last value; Min and Max
// are over its values that are not NaN, as in [Zone]; NaN counts the others.
type Span struct {
	First, Last, Min, Max float64
	NaN                   int
}

// Span returns what z says of all values as if they were a span.
func (z *Zone) Span() Span {
	return Span{First: z.First, Last: z.Last, Min: z.Min, Max: z.Max, NaN: z.NaN}
}

// ZoneOf returns the zone map of values, the same as [ReadZone] gives for
// their block. That of no values has Count 0.
func ZoneOf(values []float64) Zone {
	z := newZone(values)
	for at := 0; at < len(values); at += PyramidSpan {
		z.scan(values[at:min(at+PyramidSpan, len(values))], at)
	}
	return z
}

func newZone(values []float64) Zone {
	z := Zone{Count: len(values), Min: math.Inf(1), Max: math.Inf(-1), ArgMin: -1, ArgMax: -1}
	if len(values) > 0 {
		z.First, z.Last = values[0], values[len(values)-1]
	}
	return z
}

// scan adds one span of values, the first of which has index at.
func (z *Zone) scan(span []float64, at int) Span {
	nans := z.NaN
	low, high := math.Inf(1), math.Inf(-1)
	argLow, argHigh := -1, -1
	sum := z.Sum
	for i, x := range span {
		if x < low {
			low, argLow = x, i
		}
		if x > high {
			high, argHigh = x, i
		}
		if x-x == 0 {
			sum += x
			continue
		}
		switch {
		case x != x:
			z.NaN++
		case x > 0:
			z.PosInf++
			if argLow < 0 { // not below the +Inf that low starts at
				argLow = i
			}
		default:
			z.NegInf++
			if argHigh < 0 {
				argHigh = i
			}
		}
	}
	z.Sum = sum
	if argLow >= 0 && (z.ArgMin < 0 || low < z.Min) {
		z.Min, z.ArgMin = low, at+argLow
	}
	if argHigh >= 0 && (z.ArgMax < 0 || high > z.Max) {
		z.Max, z.ArgMax = high, at+argHigh
	}
	return Span{First: span[0], Last: span[len(span)-1], Min: low, Max: high, NaN: z.NaN - nans}
}

const (
	zoneCounts = 1 << iota
	zoneLastIsFirst
	zoneMinIsFirst
	zoneMaxIsFirst
	zoneMinIsLast
	zoneMaxIsLast
	zoneUnknown // the first bit that means nothing
)

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// append appends the zone map. Which values are equal is worth a byte of
// flags: curves often begin or end at an extreme.
func (z *Zone) append(dst []byte) []byte {
	var flags byte
	ordered := z.Count > z.NaN
	set := func(on bool, flag byte) {
		if on {
			flags |= flag
		}
	}
	set(z.NaN|z.PosInf|z.NegInf != 0, zoneCounts)
	set(sameBits(z.Last, z.First), zoneLastIsFirst)
	if ordered {
		set(sameBits(z.Min, z.First), zoneMinIsFirst)
		set(sameBits(z.Max, z.First), zoneMaxIsFirst)
		set(sameBits(z.Min, z.Last) && flags&zoneMinIsFirst == 0, zoneMinIsLast)
		set(sameBits(z.Max, z.Last) && flags&zoneMaxIsFirst == 0, zoneMaxIsLast)
	}
	dst = append(dst, flags)
	dst = appendNumber(dst, z.First)
	if flags&zoneLastIsFirst == 0 {
		dst = appendNumber(dst, z.Last)
	}
	if flags&zoneCounts != 0 {
		dst = binary.AppendUvarint(dst, uint64(z.NaN))
		dst = binary.AppendUvarint(dst, uint64(z.PosInf))
		dst = binary.AppendUvarint(dst, uint64(z.NegInf))
	}
	if !ordered {
		return dst
	}
	dst = appendExtreme(dst, z.Min, z.ArgMin, flags&zoneMinIsFirst != 0, flags&zoneMinIsLast != 0)
	dst = appendExtreme(dst, z.Max, z.ArgMax, flags&zoneMaxIsFirst != 0, flags&zoneMaxIsLast != 0)
	return appendNumber(dst, z.Sum)
}

// appendExtreme appends Min or Max. The first value cannot be an extreme
// without being its first occurrence, so its index is known.
func appendExtreme(dst []byte, v float64, arg int, isFirst, isLast bool) []byte {
	if isFirst {
		return dst
	}
	if !isLast {
		dst = appendNumber(dst, v)
	}
	return binary.AppendUvarint(dst, uint64(arg))
}

// zone reads a zone map of n values.
func (r *reader) zone(n int) Zone {
	z := Zone{Count: n, Min: math.Inf(1), Max: math.Inf(-1), ArgMin: -1, ArgMax: -1}
	flags := r.byte()
	if flags >= zoneUnknown {
		r.fail("unknown zone flags")
	}
	z.First = r.number()
	z.Last = z.First
	if flags&zoneLastIsFirst == 0 {
		z.Last = r.number()
	}
	if flags&zoneCounts != 0 {
		z.NaN = r.count(n)
		z.PosInf = r.count(n - z.NaN)
		z.NegInf = r.count(n - z.NaN - z.PosInf)
	}
	if z.Count == z.NaN {
		return z
	}
	z.Min, z.ArgMin = r.extreme(&z, flags&zoneMinIsFirst != 0, flags&zoneMinIsLast != 0)
	z.Max, z.ArgMax = r.extreme(&z, flags&zoneMaxIsFirst != 0, flags&zoneMaxIsLast != 0)
	z.Sum = r.number()
	return z
}

func (r *reader) extreme(z *Zone, isFirst, isLast bool) (v float64, arg int) {
	if isFirst {
		return z.First, 0
	}
	v = z.Last
	if !isLast {
		v = r.number()
	}
	return v, r.count(z.Count - 1)
}

// ReadZone reads the zone map of a value block, without decoding its values
// unless they are 64 or fewer. Its error wraps record.ErrCorrupt.
func ReadZone(src []byte) (Zone, error) {
	r := reader{src: src}
	codec, n := r.valueHeader()
	if !r.ok() {
		return Zone{}, r.err("value")
	}
	var z Zone
	switch {
	case n <= smallBlock:
		var few [smallBlock]float64
		values, err := DecodeValues(few[:0], src)
		if err != nil {
			return Zone{}, err
		}
		return ZoneOf(values), nil
	case codec == valuesConstant:
		z = r.constantZone(n)
	default:
		z = r.zone(n)
	}
	if err := r.err("value"); err != nil {
		return Zone{}, err
	}
	return z, nil
}

// constantZone reads the body of a constant block of more than smallBlock
// values as its zone map.
func (r *reader) constantZone(n int) Zone {
	v := r.number()
	z := ZoneOf([]float64{v})
	z.Count, z.NaN, z.PosInf, z.NegInf = n, z.NaN*n, z.PosInf*n, z.NegInf*n
	if v-v == 0 {
		z.Sum = r.number()
	}
	return z
}
