package block

import (
	"encoding/binary"
	"math"
	"math/bits"
)

const (
	// maxDecimal bounds the scaled values: below it every integer and every
	// sum with rounder is exact.
	maxDecimal = 1 << 51
	// rounder pushes a float64's fraction out of its bits: x + rounder -
	// rounder is x rounded to an integer, ties to even.
	rounder     = 3 << 51
	maxExponent = len(pow10) - 1
	maxPower    = 62
)

const (
	unitBinary = maxExponent // + n: 2^n
	unitRatio  = 127         // uvarint factor and byte n follow: factor·2^n
	unitSingle = 1 << 7      // flag: rounded to float32
	maxFactor  = 1<<11 - 1   // largest odd factor that is searched for
	probes     = 32          // values that units are searched with
	singleBits = 1<<22 - 1   // integers that tell a rounded fraction from noise
)

// unit tells what values are integers of: v = k/size, rounded to float32 if
// single.
type unit struct {
	code   byte
	size   float64
	factor uint64 // of a ratio
	power  int    // of a ratio
	single bool
}

func decimalUnit(e int) unit { return unit{code: byte(e), size: pow10[e]} }
func binaryUnit(n int) unit  { return unit{code: byte(unitBinary + n), size: float64(uint64(1) << n)} }
func ratioUnit(factor uint64, n int) unit {
	return unit{code: unitRatio, size: float64(factor) * float64(uint64(1)<<n), factor: factor, power: n}
}

// name returns the name that Info gives values of the unit.
func (u *unit) name() string {
	names := [...]string{"decimal", "binary", "ratio"}
	if u.single {
		names = [...]string{"decimal32", "binary32", "ratio32"}
	}
	switch {
	case u.code == unitRatio:
		return names[2]
	case int(u.code) > maxExponent:
		return names[1]
	}
	return names[0]
}

// int returns k with v = k/u.size bit for bit, if there is one.
func (u *unit) int(v float64) (int64, bool) {
	scaled := float64(v * u.size)
	if !(math.Abs(scaled) < maxDecimal) {
		return 0, false
	}
	k := float64(scaled+rounder) - rounder
	return int64(k), math.Float64bits(u.float(int64(k))) == math.Float64bits(v)
}

// float undoes int.
func (u *unit) float(k int64) float64 {
	if u.single {
		return float64(float32(float64(k) / u.size))
	}
	return float64(k) / u.size
}

func (u *unit) append(dst []byte) []byte {
	code := u.code
	if u.single {
		code |= unitSingle
	}
	dst = append(dst, code)
	if u.code == unitRatio {
		dst = binary.AppendUvarint(dst, u.factor)
		dst = append(dst, byte(u.power))
	}
	return dst
}

func (r *reader) unit() unit {
	code := r.byte()
	single := code&unitSingle != 0
	code &^= unitSingle
	var u unit
	switch {
	case int(code) <= maxExponent:
		u = decimalUnit(int(code))
	case int(code) <= unitBinary+maxPower:
		u = binaryUnit(int(code) - unitBinary)
	case code == unitRatio:
		factor, n := r.count(maxFactor), int(r.byte())
		if factor == 0 || n > maxPower {
			r.fail("ratio out of range")
			return decimalUnit(0)
		}
		u = ratioUnit(uint64(factor), n)
	default:
		r.fail("unknown unit")
	}
	u.single = single
	return u
}

// toDecimal returns k with v = k/10^e bit for bit, if there is one.
func toDecimal(v float64, e int) (int64, bool) {
	u := unit{size: pow10[e]}
	return u.int(v)
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

// findDecimal returns the smallest power of ten that fits most values.
func findDecimal(values []float64) (u unit, ok bool) {
	e, bad := 0, 0
	for _, v := range values {
		if x, ok := exponentOf(v, e); ok {
			e = x
		} else if bad++; bad > len(values)/4 {
			return u, false
		}
	}
	return decimalUnit(e), true
}

// findBinary returns the smallest power of two that fits most values.
func findBinary(values []float64) (u unit, ok bool) {
	n, bad := 0, 0
	for _, v := range values {
		if x := fractionBits(v); x <= maxPower && math.Abs(v)*float64(uint64(1)<<max(x, n)) < maxDecimal {
			n = max(n, x)
		} else if bad++; bad > len(values)/8 {
			return u, false
		}
	}
	return binaryUnit(n), n > 0
}

// fractionBits returns how many bits of v are behind the point.
func fractionBits(v float64) int {
	b := math.Float64bits(v)
	exponent := int(b >> 52 & 0x7ff)
	if b<<1 == 0 {
		return 0
	}
	if exponent == 0 || exponent == 0x7ff {
		return maxPower + 1
	}
	return max(0, 1075-exponent-bits.TrailingZeros64(b|1<<52))
}

// findRatio looks for values that are means: of a factor's count of float32
// or of integers. Their product with the factor has few bits.
func findRatio(values []float64) (u unit, ok bool) {
	v, w := values[0], values[len(values)/2]
	if !searchable(v) || !searchable(w) {
		return u, false
	}
	for factor := 3; factor <= maxFactor; factor += 2 {
		if !shortProduct(v, factor) && !shortProduct(w, factor) {
			continue
		}
		n, bad := 0, 0
		for _, v := range values {
			x := fractionBits(float64(v * float64(factor)))
			if x <= maxPower && shortProduct(v, factor) {
				n = max(n, x)
			} else if bad++; bad > len(values)/8 {
				break
			}
		}
		if bad <= len(values)/8 {
			return ratioUnit(uint64(factor), n), true
		}
	}
	return u, false
}

// searchable reports whether a factor that makes v an integer tells anything.
func searchable(v float64) bool {
	v = math.Abs(v)
	return v > 1e-9 && v < 1e9
}

// shortProduct reports whether v·factor ends in many zeros.
func shortProduct(v float64, factor int) bool {
	return math.Float64bits(v*float64(factor))<<(64-12) == 0
}

// findSingle looks for float32 values that were rounded from a decimal or a
// fraction with a small factor.
func findSingle(values []float64) (u unit, ok bool) {
	for e := range 7 {
		if u := decimalUnit(e); u.fitsSingle(values) {
			u.single = true
			return u, true
		}
	}
	v, w := values[0], values[len(values)/2]
	if !searchable(v) || !searchable(w) {
		return u, false
	}
	for factor := 3; factor <= maxFactor; factor += 2 {
		if !nearInteger(v, factor) && !nearInteger(w, factor) {
			continue
		}
		if u := ratioUnit(uint64(factor), 0); u.fitsSingle(values) {
			u.single = true
			return u, true
		}
	}
	return u, false
}

// nearInteger reports whether v·factor is an integer but for rounding v to
// float32.
func nearInteger(v float64, factor int) bool {
	product := float64(v * float64(factor))
	k := float64(product+rounder) - rounder
	return math.Abs(product-k) <= math.Abs(product)/(1<<23)
}

// fitsSingle reports whether most values are small integers of the unit,
// rounded to float32.
func (u unit) fitsSingle(values []float64) bool {
	u.single = true
	bad := 0
	for _, v := range values {
		if k, ok := u.int(v); !ok || k > singleBits || k < -singleBits {
			if bad++; bad > len(values)/8 {
				return false
			}
		}
	}
	return true
}
