package load

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

var ctx = context.Background()

func TestFullIsTheWorkloadOfTheFigures(t *testing.T) {
	require.Equal(t, Shape{Runs: 10, Metrics: 10, Steps: 100_000, Batch: 1000}, Full)
	require.Equal(t, 10_000_000, Full.Points())
	require.Equal(t, 1_000_000, Sized(1_000_000).Points())
}

func TestSourceIsDeterministicAndOfItsShape(t *testing.T) {
	for _, shape := range []Shape{
		{Runs: 1, Metrics: 10, Steps: 1234, Batch: 1000},
		{Runs: 1, Metrics: 3, Steps: 50, Batch: 1},
		{Runs: 1, Metrics: 23, Steps: 7, Batch: 100},
	} {
		a, b, other := NewGenerator(shape, 0), NewGenerator(shape, 0), NewGenerator(shape, 1)
		steps, last := 0, int64(0)
		for {
			x, ok := a.Next()
			y, ok2 := b.Next()
			require.Equal(t, ok, ok2)
			if !ok {
				break
			}
			require.Equal(t, x, y)
			z, _ := other.Next()
			require.NotEqual(t, x.Times, z.Times)
			require.Len(t, x.Values, shape.Metrics)
			require.ElementsMatch(t, shape.Names(), x.Names)
			require.LessOrEqual(t, len(x.Steps), shape.batchSteps())
			for i, step := range x.Steps {
				require.EqualValues(t, steps, step)
				require.Greater(t, x.Times[i], last)
				last = x.Times[i]
				steps++
			}
		}
		require.Equal(t, shape.Steps, steps)
	}
}

// The kinds of number decide what a codec can do: they are part of the workload.
func TestMetricsAreOfTheKindsTheyClaim(t *testing.T) {
	shape := Shape{Runs: 1, Metrics: 10, Steps: 20_000, Batch: 200_000}
	c, ok := NewGenerator(shape, 3).Next()
	require.True(t, ok)
	whole := func(v float64) bool { return v == math.Trunc(v) }
	is := map[string]func(float64) bool{
		"train/loss":      func(v float64) bool { return v == float64(float32(v)) },
		"train/grad_norm": func(v float64) bool { return v == float64(float32(v)) && v > 0 },
		"train/accuracy":  func(v float64) bool { return whole(v*512) && v >= 0 && v <= 1 },
		"val/loss":        func(v float64) bool { return v == math.Round(v*1e4)/1e4 },
		"gpu/util":        func(v float64) bool { return whole(v) && v > 80 && v <= 100 },
		"gpu/temp":        func(v float64) bool { return whole(v) && v > 0 && v < 150 },
		"gpu/memory":      whole,
	}
	for i, name := range c.Names {
		odd := map[uint64]bool{} // low halves of the mantissa
		for _, v := range c.Values[i] {
			require.False(t, math.IsNaN(v) || math.IsInf(v, 0), name)
			if check := is[name]; check != nil {
				require.True(t, check(v), "%s: %v", name, v)
			}
			odd[math.Float64bits(v)&0xffff] = true
		}
		if name == "train/loss_ema" || name == "train/throughput" {
			require.Greater(t, len(odd), 10_000, "%s uses all bits of float64", name)
		}
	}
}

func TestRandomNumbersAreNearlyNormal(t *testing.T) {
	r := random(1)
	var sum, squares float64
	const n = 100_000
	for range n {
		v := r.normal()
		sum, squares = sum+v, squares+v*v
	}
	require.InDelta(t, 0, sum/n, 0.02)
	require.InDelta(t, 1, squares/n, 0.02)
}

// What was logged is read back bit for bit, before and after a reopen.
func TestRoundTrip(t *testing.T) {
	shapes := map[string]Shape{
		"more than a block":   {Runs: 2, Metrics: 10, Steps: 9_001, Batch: 1000},
		"one point at a time": {Runs: 3, Metrics: 1, Steps: 60, Batch: 1},
		"wide":                {Runs: 1, Metrics: 37, Steps: 500, Batch: 500},
	}
	for name, shape := range shapes {
		for _, d := range []runstone.Durability{runstone.Appended, runstone.Synced} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				e, err := Open(d)(dir)
				require.NoError(t, err)
				ids, err := Ingest(ctx, e, shape.Workload())
				require.NoError(t, err)
				require.Len(t, ids, shape.Runs)
				checkAll(t, e, ids, shape)
				require.NoError(t, e.Close())
				e, err = Open(d)(dir)
				require.NoError(t, err)
				checkAll(t, e, ids, shape)
				require.NoError(t, e.Close())
			})
		}
	}
}

func checkAll(t *testing.T, e Engine, ids []string, shape Shape) {
	t.Helper()
	for run, id := range ids {
		for column := range shape.Metrics {
			require.NoError(t, CheckSeries(ctx, e, id, shape.Workload(), run, shape.Names()[column]))
		}
	}
}

func TestCheckSeriesSeesDifferences(t *testing.T) {
	shape := Shape{Runs: 2, Metrics: 10, Steps: 250, Batch: 1000}
	e, err := Open(runstone.Appended)(t.TempDir())
	require.NoError(t, err)
	ids, err := Ingest(ctx, e, shape.Workload())
	require.NoError(t, err)
	require.ErrorContains(t, CheckSeries(ctx, e, ids[0], shape.Workload(), 1, shape.Names()[0]), "logged")
	longer, shorter := shape, shape
	longer.Steps, shorter.Steps = 251, 249
	// The curves depend on the number of steps; the GPU's temperature does not.
	require.ErrorContains(t, CheckSeries(ctx, e, ids[0], longer.Workload(), 0, shape.Names()[8]), "step 250 is missing")
	require.ErrorContains(t, CheckSeries(ctx, e, ids[0], shorter.Workload(), 0, shape.Names()[8]), "more points")
	require.NoError(t, e.Close())
}

func TestMeasure(t *testing.T) {
	shape := Sized(100_000)
	r, err := Measure(ctx, Open(runstone.Appended), t.TempDir(), shape.Workload())
	require.NoError(t, err)
	require.Equal(t, 100_000, r.Points)
	require.Positive(t, r.Append)
	require.Positive(t, r.Read)
	require.Positive(t, r.Downsample)
	require.Positive(t, r.Reopen)
	require.Positive(t, r.Rate())
	require.Greater(t, r.PerPoint(), 1.0, "no codec gets below what is random in the workload")
	require.Less(t, r.PerPoint(), 24.0, "smaller than the raw columns")
}
