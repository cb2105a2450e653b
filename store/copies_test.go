package store

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOnce reads curves with copies of points in blocks, in tails and in memory, from
// a run that is being logged and from one that is closed.
func TestOnce(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 20
	s := open(t, t.TempDir(), opt)
	x, err := s.OpenSeries(ctx, 7)
	require.NoError(t, err)
	log := func(n SeriesName, steps []int64, values ...float64) {
		t.Helper()
		g, err := x.Groups(ctx, []SeriesName{n})
		require.NoError(t, err)
		times := make([]int64, len(steps))
		for i, step := range steps {
			times[i] = 1000 + step
		}
		require.NoError(t, g[0].Append(ctx, Appended, steps, times, [][]float64{values}))
	}
	for step := range int64(110) {
		v := float64(step)
		if step == 50 {
			v = math.NaN()
		}
		log(SeriesName{Metric: "m"}, []int64{step}, v)
	}
	log(SeriesName{Metric: "m", Model: "stored"}, []int64{0, 3, 50}, 0, 3, math.NaN())
	log(SeriesName{Metric: "m", Model: "memory", Dataset: "d"}, []int64{109}, 109)
	log(SeriesName{Metric: "m", Model: "other value"}, []int64{30, 31}, 30, 30)
	log(SeriesName{Metric: "m", Model: "other step"}, []int64{110}, 109)
	log(SeriesName{Metric: "tied", Model: "stored"}, []int64{1}, 1)
	count := func(c Curve) (n int64) {
		found, err := s.Downsample(ctx, []Curve{c}, AllPoints(), 7)
		require.NoError(t, err)
		for _, b := range found[0] {
			n += b.Count
		}
		read := 0
		for c, err := range s.PointsOf(ctx, []Curve{c}, AllPoints()) {
			require.NoError(t, err)
			read += len(c.Steps)
		}
		require.EqualValues(t, n, read)
		return n
	}
	for _, where := range []string{"open", "closed"} {
		t.Run(where, func(t *testing.T) {
			require.EqualValues(t, 117, count(Curve{Run: 7, Metric: "m"}), "every point")
			require.EqualValues(t, 113, count(Curve{Run: 7, Metric: "m", Once: true}))
			require.EqualValues(t, 1, count(Curve{Run: 7, Metric: "tied", Once: true}))
		})
		if where == "open" {
			x.Close()
		}
	}
}

// TestOnceBounded has more points about models than are looked for.
func TestOnceBounded(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	x, err := s.OpenSeries(ctx, 7)
	require.NoError(t, err)
	defer x.Close()
	const n = maxCopied/2 + 1
	steps, values := make([]int64, n), make([]float64, n)
	for i := range steps {
		steps[i], values[i] = int64(i), float64(i)
	}
	for _, model := range []string{"", "a", "b"} {
		g, err := x.Groups(ctx, []SeriesName{{Metric: "m", Model: model}})
		require.NoError(t, err)
		require.NoError(t, g[0].Append(ctx, Appended, steps, steps, [][]float64{values}))
	}
	var total int64
	found, err := s.Downsample(ctx, []Curve{{Run: 7, Metric: "m", Once: true}}, AllPoints(), 10)
	require.NoError(t, err)
	for _, b := range found[0] {
		total += b.Count
	}
	require.EqualValues(t, 2*n, total, "one of the two is looked for")
}

// BenchmarkOnce sums up curves of a million points, one point of each logged again.
func BenchmarkOnce(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	x, err := s.OpenSeries(ctx, 7)
	require.NoError(b, err)
	defer x.Close()
	for _, model := range []string{"", "model"} {
		g, err := x.Groups(ctx, []SeriesName{{Metric: "m", Model: model}})
		require.NoError(b, err)
		const chunk = 10_000
		steps, values := make([]int64, chunk), make([]float64, chunk)
		for at := range int64(100) {
			for i := range steps {
				steps[i] = at*chunk + int64(i)
				values[i] = math.Sin(float64(steps[i]))
			}
			n := chunk
			if model != "" {
				n = 1
			}
			require.NoError(b, g[0].Append(ctx, Appended, steps[:n], steps[:n], [][]float64{values[:n]}))
			if model != "" {
				break
			}
		}
	}
	for _, once := range []bool{false, true} {
		b.Run(fmt.Sprint(once), func(b *testing.B) {
			for range b.N {
				found, err := s.Downsample(ctx, []Curve{{Run: 7, Metric: "m", Once: once}}, AllPoints(), 500)
				require.NoError(b, err)
				require.NotEmpty(b, found[0])
			}
		})
	}
}
