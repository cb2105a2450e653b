package index

import (
	"math"
	"math/bits"
	"strconv"
	"sync"
)

// Bits is a set of rows: row i is bit i%64 of word i/64. Bits beyond the last row
// are 0.
type Bits []uint64

// NewBits returns the empty set of n rows.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// FullBits returns the set of all of n rows.
func FullBits(n int) Bits {
	b := NewBits(n)
	for i := range b {
		b[i] = math.MaxUint64
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
	return b
}

// Has reports whether row i is in the set.
func (b Bits) Has(i int) bool { return b[i>>6]>>(i&63)&1 != 0 }

// Set puts row i into the set.
func (b Bits) Set(i int) { b[i>>6] |= 1 << (i & 63) }

// Clear takes row i out of the set.
func (b Bits) Clear(i int) { b[i>>6] &^= 1 << (i & 63) }

// Count returns the number of rows in the set.
func (b Bits) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Any reports whether the set has a row.
func (b Bits) Any() bool {
	for _, w := range b {
		if w != 0 {
			return true
		}
	}
	return false
}

// And keeps the rows that are in o too, a set of as many rows.
func (b Bits) And(o Bits) {
	for i, w := range o {
		b[i] &= w
	}
}

// AndNot takes out the rows that are in o.
func (b Bits) AndNot(o Bits) {
	for i, w := range o {
		b[i] &^= w
	}
}

// Or puts in the rows that are in o.
func (b Bits) Or(o Bits) {
	for i, w := range o {
		b[i] |= w
	}
}

// Each calls fn for each row of the set, in order.
func (b Bits) Each(fn func(i int)) {
	for k, w := range b {
		for ; w != 0; w &= w - 1 {
			fn(k<<6 + bits.TrailingZeros64(w))
		}
	}
}

// Type says which slice of a [Column] has the values.
type Type uint8

// The types of columns.
const (
	Floats Type = iota
	Ints
	Strings
)

// Column is one field of a batch of rows: nothing for some of them, one value
// for others or, when there are Starts, any number for each. It is read-only.
type Column struct {
	Type Type
	// Has is the set of rows with a value; nil is all. Nil with Starts.
	Has    Bits
	Floats []float64
	Ints   []int64
	// Dict holds the distinct strings, and Codes says which it is, for a row
	// without a value any.
	Dict  []string
	Codes []uint32
	// Starts, if not nil, has one more number than there are rows: the values
	// of row i are those from Starts[i] up to Starts[i+1].
	Starts []uint32

	parse   sync.Once
	numbers []float64
	spelled Bits
}

// Numbers returns the number that each string of Dict spells, and the set of
// those that spell one: a decimal number as Go reads it, without underscores
// and without hexadecimal digits. It may be called from several goroutines.
func (c *Column) Numbers() ([]float64, Bits) {
	c.parse.Do(func() {
		c.numbers, c.spelled = make([]float64, len(c.Dict)), NewBits(len(c.Dict))
		for i, s := range c.Dict {
			if v, ok := ParseNumber(s); ok {
				c.numbers[i] = v
				c.spelled.Set(i)
			}
		}
	})
	return c.numbers, c.spelled
}

// ParseNumber returns the number that s spells, such as 1, -0.5, 1e-4, inf and
// nan in any case, with blanks around it or not.
func ParseNumber(s string) (float64, bool) {
	for len(s) > 0 && s[0] <= ' ' {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	if len(s) == 0 || len(s) > 400 {
		return 0, false
	}
	switch c := s[0]; {
	case c >= '0' && c <= '9', c == '.', c == '+', c == '-', c|0x20 == 'i', c|0x20 == 'n':
	default:
		return 0, false // most strings
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c == 'x' || c == 'p' || s[i] == '_' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}

// Zone says what values a column may have without reading it: all numbers but
// NaN lie between Min and Max. The zero Zone belongs to a column without values.
type Zone struct {
	Rows     int // with a value
	NaN      int // of them; for strings, 0
	Min, Max float64
}
