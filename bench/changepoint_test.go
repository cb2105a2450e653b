package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// noisy returns values around levels, each for so many values.
func noisy(r *rand.Rand, noise float64, levels ...[2]float64) []float64 {
	var out []float64
	for _, l := range levels {
		for range int(l[0]) {
			out = append(out, l[1]*(1+noise*r.NormFloat64()))
		}
	}
	return out
}

func indexes(changes []ChangePoint) []int {
	out := []int{}
	for _, c := range changes {
		out = append(out, c.Index)
	}
	return out
}

// near requires changes at these places, give or take some.
func near(t *testing.T, want []int, slack int, changes []ChangePoint) {
	t.Helper()
	have := indexes(changes)
	require.Len(t, have, len(want), "%v, want %v", have, want)
	for i := range want {
		require.InDelta(t, want[i], have[i], float64(slack), "%v, want %v", have, want)
	}
}

func TestChangePointsSteps(t *testing.T) {
	r := rng(1)
	for range 20 {
		one := ChangePoints(noisy(r, 0.01, [2]float64{20, 100}, [2]float64{15, 110}), nil)
		near(t, []int{20}, 0, one)
		require.InDelta(t, 100, one[0].From, 1)
		require.InDelta(t, 110, one[0].To, 1.1)
		require.InDelta(t, 0.1, one[0].Delta(), 0.02)
		require.Greater(t, one[0].Score, 3.0)

		// A hump, whose ends a search of the whole would not see, and stairs.
		near(t, []int{30, 45}, 0, ChangePoints(noisy(r, 0.01, [2]float64{30, 100}, [2]float64{15, 120}, [2]float64{30, 100}), nil))
		near(t, []int{20, 40, 60}, 0, ChangePoints(noisy(r, 0.01, [2]float64{20, 100}, [2]float64{20, 110}, [2]float64{20, 125}, [2]float64{20, 140}), nil))
		// A step of one deviation of the noise.
		near(t, []int{100}, 25, ChangePoints(noisy(r, 0.05, [2]float64{100, 100}, [2]float64{100, 106}), nil))
		// The newest five runs.
		near(t, []int{40}, 0, ChangePoints(noisy(r, 0.01, [2]float64{40, 100}, [2]float64{5, 110}), nil))
	}
}

func TestChangePointsExactSides(t *testing.T) {
	values := append(slices.Repeat([]float64{5}, 10), slices.Repeat([]float64{6}, 10)...)
	got := ChangePoints(values, nil)
	require.Equal(t, []int{10}, indexes(got))
	require.Equal(t, 5.0, got[0].From)
	require.Equal(t, 6.0, got[0].To)
}

// TestChangePointsOutliers: outliers at random places are no changes, and hide
// none.
func TestChangePointsOutliers(t *testing.T) {
	r := rng(2)
	found := 0
	for range 50 {
		values := noisy(r, 0.01, [2]float64{60, 100})
		for range 6 {
			values[r.IntN(60)] *= 10
		}
		found += len(ChangePoints(values, nil))
	}
	require.LessOrEqual(t, found, 3)
	for range 20 {
		values := noisy(r, 0.01, [2]float64{30, 100}, [2]float64{30, 110})
		for range 2 {
			values[5+r.IntN(20)] *= 50
			values[35+r.IntN(20)] /= 50
		}
		near(t, []int{30}, 1, ChangePoints(values, nil))
	}
	one := slices.Repeat([]float64{5}, 50)
	one[49] = 9
	require.Empty(t, ChangePoints(one, nil), "one value is no level")
}

// TestChangePointsFalse bounds how often a series without a change is given
// one, for noise of several kinds.
func TestChangePointsFalse(t *testing.T) {
	noise := map[string]func(*rand.Rand) float64{
		"normal":  func(r *rand.Rand) float64 { return 100 + r.NormFloat64() },
		"uniform": func(r *rand.Rand) float64 { return r.Float64() },
		"cauchy":  func(r *rand.Rand) float64 { return math.Tan(math.Pi * (r.Float64() - 0.5)) },
		"two":     func(r *rand.Rand) float64 { return float64(r.IntN(2)) },
		"rounded": func(r *rand.Rand) float64 { return math.Round(10 * r.NormFloat64()) },
	}
	const series = 300
	for name, draw := range noise {
		for _, n := range []int{12, 17, 50, 130} {
			r := rng(uint64(n))
			for _, c := range []struct {
				alpha float64
				most  int
			}{{0.05, 29}, {0.01, 11}} { // five deviations above what is expected at 0.01, four at 0.05
				hits := 0
				for range series {
					values := make([]float64, n)
					for i := range values {
						values[i] = draw(r)
					}
					if len(ChangePoints(values, &ChangePointOptions{Alpha: c.alpha})) > 0 {
						hits++
					}
				}
				require.LessOrEqual(t, hits, c.most, "%s, %d values, alpha %v: %d of %d", name, n, c.alpha, hits, series)
			}
		}
	}
}

// TestChangePointsRamp: a drift is found, and every change goes its way.
func TestChangePointsRamp(t *testing.T) {
	r := rng(3)
	values := make([]float64, 100)
	for i := range values {
		values[i] = 100 + 0.5*float64(i) + r.NormFloat64()
	}
	got := ChangePoints(values, nil)
	require.NotEmpty(t, got)
	for _, c := range got {
		require.Greater(t, c.Delta(), 0.0)
	}
}

func TestChangePointsEdges(t *testing.T) {
	for n := range 9 {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(i / 4)
		}
		require.Empty(t, ChangePoints(values, nil), "%d values cannot tell", n)
	}
	require.Empty(t, ChangePoints(slices.Repeat([]float64{3}, 500), nil))
	require.Equal(t, []int{4}, indexes(ChangePoints([]float64{1, 2, 1, 2, 8, 9, 8, 9}, &ChangePointOptions{Alpha: 0.05})))

	small := noisy(rng(4), 0.0001, [2]float64{30, 100}, [2]float64{30, 100.5}, [2]float64{30, 120})
	near(t, []int{30, 60}, 0, ChangePoints(small, nil))
	near(t, []int{60}, 0, ChangePoints(small, &ChangePointOptions{MinChange: 0.01}))

	exact := ChangePoints([]float64{5, 5, 6, 6, 6.01, 0, 0}, &ChangePointOptions{Exact: true, MinChange: 0.01})
	require.Equal(t, []ChangePoint{{Index: 2, From: 5, To: 6}, {Index: 5, From: 6.01}}, exact)
	up := ChangePoint{From: 0, To: 2}
	require.True(t, math.IsInf(up.Delta(), 1))
	require.Zero(t, (&ChangePoint{}).Delta())
}

// TestCritical simulates some rows of the table again.
func TestCritical(t *testing.T) {
	const series = 3000
	for _, n := range []int{10, 24, 64} {
		r := rng(uint64(n))
		s := &segmenter{values: make([]float64, n)}
		best := make([]float64, series)
		for i := range best {
			for k := range s.values {
				s.values[k] = r.Float64()
			}
			for _, v := range seededIntervals(n) {
				_, z := s.split(v)
				best[i] = max(best[i], z)
			}
		}
		slices.Sort(best)
		require.InDelta(t, best[series*95/100], criticalValue(n, 0.05), 0.08, n)
		require.InDelta(t, best[series*99/100], criticalValue(n, 0.01), 0.15, n)
	}
	last := 0.0
	for n := 4; n < 5000; n++ {
		c := criticalValue(n, 0)
		require.GreaterOrEqual(t, c, last)
		last = c
	}
	require.True(t, math.IsInf(criticalValue(3, 0.05), 1))
	require.Greater(t, criticalValue(50, 0.001), criticalValue(50, 0.01))
}

func TestMedian(t *testing.T) {
	require.True(t, math.IsNaN(Median(nil)))
	values := []float64{3, 1, 2}
	require.Equal(t, 2.0, Median(values))
	require.Equal(t, []float64{3, 1, 2}, values)
	require.Equal(t, 2.5, Median([]float64{4, 1, 2, 3}))
	require.Equal(t, math.MaxFloat64, Median([]float64{math.MaxFloat64, math.MaxFloat64}))
}

func TestSpread(t *testing.T) {
	r := rng(5)
	for range 100 {
		var s spread
		require.Zero(t, s.distance())
		var values []float64
		for range r.IntN(40) {
			v := math.Round(10 * r.NormFloat64())
			values = append(values, v)
			s.add(v)
			median, want := Median(values), 0.0
			for _, x := range values {
				want += math.Abs(x - median)
			}
			require.InDelta(t, want, s.distance(), 1e-9, "%v", values)
		}
	}
}

func BenchmarkChangePoints(b *testing.B) {
	Record(b)
	values := noisy(rng(1), 0.01, [2]float64{500, 100}, [2]float64{500, 110})
	for b.Loop() {
		ChangePoints(values, nil)
	}
}
