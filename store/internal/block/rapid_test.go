package block

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawValues puts a series together from pieces of different kinds, each
// perhaps turned, scaled or moved, with odd values here and there.
func drawValues(t *rapid.T) []float64 {
	var all []float64
	for range rapid.IntRange(1, 3).Draw(t, "pieces") {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		n := rapid.SampledFrom([]int{1, 7, 40, 65, 300, minPyramid, 2000}).Draw(t, "length")
		piece := k.generate(rapid.Uint64().Draw(t, "seed"), n).values
		if rapid.Bool().Draw(t, "turned") {
			slices.Reverse(piece)
		}
		factor := rapid.SampledFrom([]float64{1, 1, 1, -1, 1e-9, 1e9, 1e-300, 0x1p-1070}).Draw(t, "factor")
		for i := range piece {
			if factor != 1 {
				piece[i] *= factor
			}
		}
		for range rapid.SampledFrom([]int{0, 0, 1, 5, 60}).Draw(t, "odd values") {
			at := rapid.IntRange(0, n-1).Draw(t, "at")
			piece[at] = rapid.SampledFrom([]float64{nan, payload, negNaN, inf, -inf, negZero, tiny, subnormal, math.MaxFloat64}).Draw(t, "odd")
		}
		all = append(all, piece...)
	}
	return all
}

func TestAnyValues(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) { checkValues(r, drawValues(r)) })
}

// drawColumn draws a clock column of small or of wild differences.
func drawColumn(t *rapid.T, n int) []int64 {
	xs := make([]int64, n)
	x := rapid.Int64().Draw(t, "first")
	stride := rapid.Int64Range(-1000, 1000).Draw(t, "stride")
	jitter := rapid.SampledFrom([]int64{0, 0, 1, 3, 1000, math.MaxInt64}).Draw(t, "jitter")
	scale := rapid.SampledFrom([]int64{1, 1, 1000, 4096, 3}).Draw(t, "scale")
	pauses := rapid.IntRange(0, 40).Draw(t, "pauses")
	noise := rapid.Uint64().Draw(t, "noise")
	for i := range xs {
		xs[i] = x
		noise = noise*6364136223846793005 + 1442695040888963407
		if jitter > 0 {
			x += int64(noise>>1) % jitter * scale
		}
		if pauses > 0 && noise>>33%100 < uint64(pauses) {
			x += 60_000 * scale
		}
		x += stride * scale
	}
	return xs
}

func TestAnyClock(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 3, 4, 17, 129, 600, minPyramid, 3000}).Draw(r, "points")
		steps, times := drawColumn(r, n), drawColumn(r, n)
		rate := rapid.SampledFrom([]int64{0, 0, 30, -7}).Draw(r, "rate")
		for i := range times {
			times[i] += rate * steps[i]
		}
		checkClock(r, steps, times)
	})
}
