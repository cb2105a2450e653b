package block

import (
	"math"

	"github.com/stretchr/testify/require"
)

// requireSameBits compares floats bit for bit: -0 is not +0, and one NaN is
// not another.
func requireSameBits(t tester, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if math.Float64bits(want[i]) != math.Float64bits(got[i]) {
			require.Failf(t, "values differ", "index %d: want %x, got %x", i, math.Float64bits(want[i]), math.Float64bits(got[i]))
		}
	}
}

// requireSameZone compares zone maps bit for bit.
func requireSameZone(t tester, want, got Zone) {
	t.Helper()
	requireSameBits(t, []float64{want.First, want.Last, want.Min, want.Max, want.Sum},
		[]float64{got.First, got.Last, got.Min, got.Max, got.Sum})
	want.First, want.Last, want.Min, want.Max, want.Sum = 0, 0, 0, 0, 0
	got.First, got.Last, got.Min, got.Max, got.Sum = 0, 0, 0, 0, 0
	require.Equal(t, want, got)
}

// requireSameSpans compares pyramids bit for bit.
func requireSameSpans(t tester, want, got []Span) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		g := got[i]
		requireSameBits(t, []float64{w.First, w.Last, w.Min, w.Max}, []float64{g.First, g.Last, g.Min, g.Max})
		require.Equal(t, w.NaN, g.NaN, "span %d", i)
	}
}

// tester is what tests, benchmarks and fuzz targets have in common with rapid.
type tester interface {
	require.TestingT
	Helper()
}
