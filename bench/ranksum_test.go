package bench

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchmath"
)

// byHand goes through all ways to choose, with the U statistic as it is defined.
func byHand(a, b []float64) float64 {
	all := append(append([]float64{}, a...), b...)
	u := func(chosen uint) (sum float64) {
		for i, x := range all {
			for k, y := range all {
				switch {
				case chosen>>i&1 == 0 || chosen>>k&1 == 1:
				case x < y:
					sum++
				case x == y:
					sum += 0.5
				}
			}
		}
		return sum
	}
	seen := u(1<<len(a) - 1)
	low, high, total := 0.0, 0.0, 0.0
	for chosen := range uint(1) << len(all) {
		ones := 0
		for i := range all {
			ones += int(chosen >> i & 1)
		}
		if ones != len(a) {
			continue
		}
		total++
		v := u(chosen)
		if v <= seen {
			low++
		}
		if v >= seen {
			high++
		}
	}
	return min(1, 2*min(low, high)/total)
}

func TestTiedP(t *testing.T) {
	require.InDelta(t, 14.0/21, tiedP([]float64{3, 3}, []float64{5, 2, 1, 1, 3}), 1e-12)
	require.Equal(t, 1.0, tiedP([]float64{3, 3}, []float64{3}))
	rnd := rand.New(rand.NewPCG(1, 1))
	sample := func(n int) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = float64(rnd.IntN(4))
		}
		return out
	}
	for range 60 {
		a, b := sample(1+rnd.IntN(5)), sample(1+rnd.IntN(5))
		require.InDelta(t, byHand(a, b), tiedP(a, b), 1e-12, "%v %v", a, b)
	}
	// Where benchmath is right both agree.
	for range 20 {
		n := 2 + rnd.IntN(10)
		a, b := sample(n), sample(n)
		th := benchmath.DefaultThresholds
		p := benchmath.AssumeNothing.Compare(benchmath.NewSample(append([]float64{}, a...), &th), benchmath.NewSample(append([]float64{}, b...), &th)).P
		require.InDelta(t, p, tiedP(a, b), 1e-9, "%v %v", a, b)
	}
	most := sample(maxTied)
	require.InDelta(t, tiedP(most, most[3:]), tiedP(most[3:], most), 1e-9, "the order of the samples does not matter")
}

// TestCompareTied: samples of different sizes with values that repeat.
func TestCompareTied(t *testing.T) {
	row := func(a, b []float64) Row {
		return Compare(parseText(t, lines("A", "B/op", a...)), parseText(t, lines("A", "B/op", b...)), nil).Units[0].Rows[0]
	}
	require.InDelta(t, 14.0/21, row([]float64{3, 3}, []float64{5, 2, 1, 1, 3}).P, 1e-12)
	require.Equal(t, 1.0, row([]float64{3, 3}, []float64{3, 3, 3}).P)
	require.InDelta(t, 2.0/35, row([]float64{1, 2, 3}, []float64{4, 5, 6, 7}).P, 1e-9, "benchmath's own without ties")
}
