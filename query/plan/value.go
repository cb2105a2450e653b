package plan

import (
	"math"
	"strings"

	"github.com/runstonedb/runstone/index"
)

// Kind tells what a [Value] holds.
type Kind uint8

// The kinds of a Value.
const (
	Missing Kind = iota
	String
	Number
	Int
)

// Value is a string, a float64, an exact int64 or, as the zero Value, missing. A
// truth is an Int, 1 or 0.
type Value struct {
	kind Kind
	bits uint64
	str  string
}

// Str is the Value of a string. The empty string is a value, not a missing one.
func Str(s string) Value { return Value{kind: String, str: s} }

// Num is the Value of a float64, NaN and infinities included.
func Num(f float64) Value { return Value{kind: Number, bits: math.Float64bits(f)} }

// Whole is the Value of an int64; comparisons with it never round.
func Whole(i int64) Value { return Value{kind: Int, bits: uint64(i)} }

// Kind reports what v holds.
func (v Value) Kind() Kind { return v.kind }

// Any returns nil, a string, a float64 or an int64.
func (v Value) Any() any {
	switch v.kind {
	case String:
		return v.str
	case Number:
		return v.float()
	case Int:
		return v.int()
	}
	return nil
}

func (v Value) float() float64 { return math.Float64frombits(v.bits) }
func (v Value) int() int64     { return int64(v.bits) }

// number is the float64 nearest to a number.
func (v Value) number() (f float64, ok bool) {
	switch v.kind {
	case Number:
		return v.float(), true
	case Int:
		return float64(v.int()), true
	}
	return 0, false
}

func (v Value) isNaN() bool { return v.kind == Number && math.IsNaN(v.float()) }

// valueAt is value j of a column that has it.
func valueAt(c *index.Column, j int) Value {
	switch c.Type {
	case index.Floats:
		return Num(c.Floats[j])
	case index.Ints:
		return Whole(c.Ints[j])
	}
	return Str(c.Dict[c.Codes[j]])
}

// rowValue is the value of row i, the first if there are several.
func rowValue(c *index.Column, i int) Value {
	if j, end := spanOf(c, i); j < end {
		return valueAt(c, j)
	}
	return Value{}
}

// spanOf is where the values of row i are: from j up to end.
func spanOf(c *index.Column, i int) (j, end int) {
	switch {
	case c == nil:
		return 0, 0
	case c.Starts != nil:
		return int(c.Starts[i]), int(c.Starts[i+1])
	case c.Has != nil && !c.Has.Has(i):
		return i, i
	}
	return i, i + 1
}

// compareValues orders two values of one sort; ok is false for those without an
// order: a NaN, something missing, a number and a string.
func compareValues(a, b Value) (c int, ok bool) {
	switch {
	case a.kind == String && b.kind == String:
		return strings.Compare(a.str, b.str), true
	case a.kind < Number || b.kind < Number:
		return 0, false
	case a.kind == Int && b.kind == Int:
		return compareInt(a.int(), b.int()), true
	case a.kind == Int:
		return compareIntFloat(a.int(), b.float())
	case b.kind == Int:
		c, ok = compareIntFloat(b.int(), a.float())
		return -c, ok
	}
	return compareFloat(a.float(), b.float())
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareFloat(a, b float64) (c int, ok bool) {
	switch {
	case a < b:
		return -1, true
	case a > b:
		return 1, true
	case a == b:
		return 0, true
	}
	return 0, false
}

// compareIntFloat is exact: above 2^53 a conversion of i would round.
func compareIntFloat(i int64, f float64) (c int, ok bool) {
	switch {
	case f != f:
		return 0, false
	case f >= 1<<63:
		return -1, true
	case f < -(1 << 63):
		return 1, true
	}
	whole := math.Trunc(f)
	if c := compareInt(i, int64(whole)); c != 0 {
		return c, true
	}
	c, _ = compareFloat(whole, f)
	return c, true
}
