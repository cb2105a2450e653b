package block

import (
	"math"
	"math/bits"
)

// gorillaBytes returns the size of values in the XOR coding of Pelkonen et
// al., VLDB 2015, section 4.1.2: the measuring stick of value codecs.
func gorillaBytes(values []float64) int {
	size := 64
	prev := math.Float64bits(values[0])
	lead, trail := -1, 0 // of the window in use
	for _, v := range values[1:] {
		b := math.Float64bits(v)
		x := b ^ prev
		prev = b
		if x == 0 {
			size++
			continue
		}
		l, t := min(bits.LeadingZeros64(x), 31), bits.TrailingZeros64(x)
		if lead >= 0 && l >= lead && t >= trail {
			size += 2 + 64 - lead - trail
			continue
		}
		lead, trail = l, t
		size += 2 + 5 + 6 + 64 - l - t
	}
	return (size + 7) / 8
}
