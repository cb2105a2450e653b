package store

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchGroup logs n points of ten metrics to run 1: steps from 0, times with a
// jitter, noisy float32 losses first.
func benchGroup(b *testing.B, n int) *Store {
	b.Helper()
	s := open(b, b.TempDir(), nil)
	x, err := s.OpenSeries(ctx, 1)
	require.NoError(b, err)
	names := make([]SeriesName, 10)
	for i := range names {
		names[i].Metric = string(rune('a' + i))
	}
	groups, err := x.Groups(ctx, names)
	require.NoError(b, err)
	rng := rand.New(rand.NewPCG(1, 2))
	now, c := int64(1_760_000_000_000), columns{values: make([][]float64, len(names))}
	for step := range n {
		now += 250 + int64(math.Round(4*rng.NormFloat64()))
		c.steps, c.times = append(c.steps, int64(step)), append(c.times, now)
		mean := 1.8 + 8*math.Exp(-8*float64(step)/float64(n))
		c.values[0] = append(c.values[0], float64(float32(mean*(1+0.02*rng.NormFloat64()))))
		for i := range c.values[1:] {
			c.values[1+i] = append(c.values[1+i], math.Round(1e4*mean*(1+0.01*rng.NormFloat64()))/1e4)
		}
		if len(c.steps) == 1000 || step == n-1 {
			require.NoError(b, groups[0].Append(ctx, Appended, c.steps, c.times, c.values))
			c.steps, c.times = c.steps[:0], c.times[:0]
			for i := range c.values {
				c.values[i] = c.values[i][:0]
			}
		}
	}
	x.Close()
	require.NoError(b, s.Checkpoint(ctx))
	return s
}

func BenchmarkPoints100k(b *testing.B) {
	const n = 100_000
	s := benchGroup(b, n)
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		for c, err := range s.Points(ctx, 1, "a", AllPoints()) {
			require.NoError(b, err)
			count += len(c.Steps)
		}
		require.Equal(b, n, count)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/point")
}

func BenchmarkDownsample1M(b *testing.B) {
	const n = 1_000_000
	s := benchGroup(b, n)
	b.ReportAllocs()
	for b.Loop() {
		found, err := s.Downsample(ctx, []Curve{{Run: 1, Metric: "a"}}, AllPoints(), 1000)
		require.NoError(b, err)
		require.Greater(b, len(found[0]), 500)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/point")
}

// BenchmarkEver asks ten thousand runs of a few points each, from their
// summaries.
func BenchmarkEver(b *testing.B) {
	const runs = 10_000
	s := open(b, b.TempDir(), nil)
	curves := make([]Curve, runs)
	for i := range curves {
		curves[i] = Curve{Run: uint32(i + 1), Metric: "loss"}
		x, err := s.OpenSeries(ctx, uint32(i+1))
		require.NoError(b, err)
		groups, err := x.Groups(ctx, []SeriesName{{Metric: "acc"}, {Metric: "loss"}, {Metric: "lr"}})
		require.NoError(b, err)
		v := float64(i) / runs
		require.NoError(b, groups[0].Append(ctx, Appended, []int64{1, 2}, []int64{1, 2}, [][]float64{{v, v}, {v, 1 - v}, {1, 1}}))
		x.Close()
	}
	require.NoError(b, s.Checkpoint(ctx))
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Ever(ctx, curves, []Range{AllPoints()}, Less, 0.1)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/runs, "ns/run")
}

// BenchmarkSummariesOf reads what is known of 8 series of each of ten thousand
// runs.
func BenchmarkSummariesOf(b *testing.B) {
	const n = 10_000
	for _, part := range []string{"memory", "rows"} {
		opt := testOptions()
		opt.CheckpointBytes = 1 << 30
		s := open(b, b.TempDir(), opt)
		runs := make([]uint32, n)
		metrics := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for i := range runs {
			runs[i] = uint32(i + 1)
			logSteps(b, s, runs[i], 1, 20, func(string, int64) float64 { return math.Sin(float64(i)) }, metrics...)
		}
		if part == "rows" {
			require.NoError(b, s.Checkpoint(ctx))
		}
		b.Run(part, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var total int64
				require.NoError(b, s.SummariesOf(ctx, runs, func(_, _ uint32, sum *Summary) error {
					total += sum.Count
					return nil
				}))
				require.EqualValues(b, n*8*20, total)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/run")
		})
		if part == "rows" {
			b.Run("one by one", func(b *testing.B) {
				for b.Loop() {
					for _, run := range runs[:1000] {
						sums, err := s.Summaries(ctx, run)
						require.NoError(b, err)
						require.Len(b, sums, 8)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/run")
			})
		}
	}
}

// BenchmarkEverInRange asks a long curve about a range of steps.
func BenchmarkEverInRange(b *testing.B) {
	s := benchGroup(b, 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Ever(ctx, []Curve{{Run: 1, Metric: "a"}}, []Range{AllPoints().Steps(500_000, 700_000)}, Greater, 5)
		require.NoError(b, err)
	}
}

// BenchmarkSlope1M decodes all blocks of a long curve.
func BenchmarkSlope1M(b *testing.B) {
	const n = 1_000_000
	s := benchGroup(b, n)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Slope(ctx, []Curve{{Run: 1, Metric: "a"}}, []Range{AllPoints()})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/point")
}
