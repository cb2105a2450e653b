package block

import (
	"math"
	"math/bits"
)

const (
	// Predictors are compared on windows of a column, and on all of a column
	// that is no longer than these.
	sampleWindow = 192
	sampleSize   = 3 * sampleWindow
)

// sampleOf fills buf, of sampleSize, with windows spread over all of xs. It
// returns what it used and the length of its windows.
func sampleOf[T any](buf, xs []T) ([]T, int) {
	if len(xs) <= sampleSize {
		return buf[:copy(buf, xs)], len(xs)
	}
	for i := range 3 {
		at := i * (len(xs) - sampleWindow) / 2
		copy(buf[i*sampleWindow:], xs[at:at+sampleWindow])
	}
	return buf[:sampleSize], sampleWindow
}

// families are predictors unlike each other, and for each those akin to it.
var families = [...]struct {
	predictor int
	kin       []int
}{
	{predictNone, []int{predictDelta + 5, predictDelta + 4}},
	{predictDelta, []int{predictDelta + 1, predictDelta2 + 3, predictDelta2 + 4}},
	{predictDelta + 3, []int{predictDelta + 2, predictDelta + 4, predictDelta + 5, predictDelta + 1}},
	{predictDelta2, []int{predictDelta2 + 1, predictDelta2 + 2, predictDelta3}},
}

// guess is a family of predictors that suits a column, and what its predictor
// costs in bits an integer.
type guess struct {
	family int
	cost   float32
}

// noGuess lets appendInts try all predictors.
var noGuess = guess{family: -1}

// guess finds the family whose predictor costs least over windows of the given
// length.
func (s *encoder) guess(sample []int64, window int) (g guess) {
	for i := range families {
		if c, ok := s.predictorBits(families[i].predictor, sample, window); ok && (i == 0 || c < g.cost) {
			g = guess{i, c}
		}
	}
	return g
}

// everyPredictor is what noGuess stands for.
var everyPredictor = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// rareBits is the cost below which little changes in a column: a sample may
// miss what does.
const rareBits = 2

// predictor returns the predictor for xs: that of a family, its kin, or any.
func (s *encoder) predictor(xs []int64, g guess) int {
	sample, window := sampleOf(s.sample[:], xs)
	best, cost, others := predictNone, float32(math.MaxFloat32), everyPredictor
	if g.family >= 0 {
		best, cost, others = families[g.family].predictor, g.cost, families[g.family].kin
	}
	for _, p := range others {
		if c, ok := s.predictorBits(p, sample, window); ok && c < cost {
			best, cost = p, c
		}
	}
	if cost >= rareBits || window == len(xs) {
		return best
	}
	chosen := best
	cost, _ = s.predictorBits(chosen, xs, len(xs))
	for _, p := range [...]int{predictNone, predictDelta} {
		if c, ok := s.predictorBits(p, xs, len(xs)); p != chosen && ok && c < cost {
			best, cost = p, c
		}
	}
	return best
}

// predictorBits estimates the size of windows of a column by a predictor, in
// bits an integer. It reports false if they are too short for it.
func (s *encoder) predictorBits(p int, sample []int64, window int) (float32, bool) {
	if p != predictNone && predictorStart(p)*4 > window {
		return 0, false
	}
	s.res = resize(s.res, len(sample))
	res := s.res[:0]
	for at := 0; at < len(sample); at += window {
		res = s.res[:len(res)+len(residuals(s.res[len(res):], p, sample[at:at+window]))]
	}
	ref := int64(0)
	if p <= predictDelta {
		ref = center(res)
	}
	return tokenBits(res, ref), true
}

// center returns a residual near the middle of res: the median of 33 spread
// over it.
func center(res []int64) int64 {
	const samples = 33
	var sorted [samples]int64
	n := 0
	for i := 0; i < len(res) && n < samples; i += len(res)/samples + 1 {
		j := n
		for ; j > 0 && sorted[j-1] > res[i]; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = res[i]
		n++
	}
	return sorted[n/2]
}

// tokenBits estimates the size of res as tokens, in bits a residual.
func tokenBits(res []int64, ref int64) float32 {
	var hist [130]uint16
	raw := 0
	for _, r := range res {
		u := zigzag(r - ref)
		shift := bits.Len64(u|2) - 2
		hist[shift<<1+int(u>>(shift&63))]++
		raw += shift
	}
	total := xlog2x(len(res)) + float32(raw)
	for _, c := range hist {
		if c > 1 {
			total -= xlog2x(int(c))
		}
	}
	return total / float32(len(res))
}

// log2Table[i] is log₂(1 + i/256).
var log2Table = func() (table [256]float32) {
	for i := range table {
		table[i] = float32(math.Log2(1 + float64(i)/256))
	}
	return table
}()

// xlog2x returns n·log₂n, to about three digits. The conversion forbids fused
// operations: every machine is to choose alike.
func xlog2x(n int) float32 {
	shift := bits.Len32(uint32(n)) - 1
	return float32(float32(n) * (float32(shift) + log2Table[byte(uint32(n)<<8>>(shift&31))]))
}
