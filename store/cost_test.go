package store

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// logSteps logs n points to each of some metrics of a run, from a step on.
func logSteps(t testing.TB, s *Store, run uint32, from, n int64, value func(metric string, step int64) float64, metrics ...string) {
	t.Helper()
	c := columns{values: make([][]float64, len(metrics))}
	names := make([]SeriesName, len(metrics))
	for step := from; step < from+n; step++ {
		c.steps, c.times = append(c.steps, step), append(c.times, 1_700_000_000_000+10*step)
		for i, m := range metrics {
			c.values[i] = append(c.values[i], value(m, step))
			names[i].Metric = m
		}
	}
	x, err := s.OpenSeries(ctx, run)
	require.NoError(t, err)
	defer x.Close()
	groups, err := x.Groups(ctx, names)
	require.NoError(t, err)
	require.NoError(t, groups[0].Append(ctx, Appended, c.steps, c.times, c.values))
}

func linear(_ string, step int64) float64 { return float64(step) }

// TestCosts: what summaries decide is not decoded, and reading stops once the
// answer is clear.
func TestCosts(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1000
	s := open(t, t.TempDir(), opt)
	logSteps(t, s, 1, 0, 10_500, linear, "m")
	require.NoError(t, s.sealer.wait(s.sealer.mark()))
	m := []Curve{{Run: 1, Metric: "m"}, {Run: 1, Metric: "absent"}, {Run: 2, Metric: "m"}}
	all := AllPoints()
	ever := func(r Range, op Op, x float64) Answer {
		t.Helper()
		got, err := s.Ever(ctx, m, []Range{r}, op, x)
		require.NoError(t, err)
		require.Equal(t, make([]Answer, 2), got[1:], "nothing is there")
		return got[0]
	}
	always := func(r Range, op Op, x float64) Answer {
		t.Helper()
		got, err := s.Always(ctx, m, []Range{r}, op, x)
		require.NoError(t, err)
		require.Equal(t, make([]Answer, 2), got[1:], "nothing holds for no points")
		return got[0]
	}
	type cost struct {
		holds                    bool
		blocks, decided, decoded int
	}
	of := func(a Answer) cost { return cost{a.Holds, a.Cost.Blocks, a.Cost.Decided, a.Cost.Decoded} }
	for _, tail := range []int{0, 1} { // in memory, then in the key space
		blocks := 10 + tail
		// The summary of the series is enough.
		require.Equal(t, cost{true, blocks, blocks, 0}, of(ever(all, Greater, 10_498)))
		require.Equal(t, cost{false, blocks, blocks, 0}, of(ever(all, Less, 0)))
		require.Equal(t, cost{true, blocks, blocks, 0}, of(always(all, GreaterEqual, 0)))
		require.Zero(t, ever(all, Less, 0).Cost.Bytes)
		// It is not for a value in between: one block can have it.
		require.Equal(t, cost{true, blocks, blocks - 1, 1}, of(ever(all, Equal, 4321)))
		require.Equal(t, cost{false, blocks, blocks - 1, 1}, of(ever(all, Equal, 4321.5)))
		require.Equal(t, cost{true, blocks, blocks - 1, 1}, of(always(all, NotEqual, 4321.5)))
		// There is nothing between the kinds of values.
		require.Equal(t, cost{false, blocks, blocks, 0}, of(ever(all, IsNaN, 0)))
		require.Equal(t, cost{true, blocks, blocks, 0}, of(always(all, NotInf, 0)))
		require.Equal(t, cost{false, blocks, 2, 0}, of(always(all.Steps(1000, 8999), IsInf, 0)), "it stops")
		require.Equal(t, cost{false, blocks, blocks, 0}, of(ever(all.Steps(1500, 8500), IsNaN, 0)))
		// Of a range only the blocks at its ends are cut.
		require.Equal(t, cost{false, blocks, blocks, 0}, of(ever(all.Steps(1500, 3500), Greater, 4000)))
		require.Equal(t, cost{false, blocks, blocks - 1, 1}, of(ever(all.Steps(1500, 3500), Greater, 3500)))
		require.Equal(t, cost{true, blocks, 3, 0}, of(ever(all.Steps(1500, 9500), Greater, 2000)), "it stops")
		require.Equal(t, cost{false, blocks, blocks, 0}, of(ever(all.Steps(20_000, 30_000), GreaterEqual, 0)))
		// A range between the ends of a block is known to have points only
		// from the clock.
		require.Equal(t, cost{true, blocks, blocks - 1, 1}, of(always(all.Steps(1500, 1600), Greater, 10)))

		sums, err := s.Aggregates(ctx, m, []Range{all.Steps(500, 9_999)})
		require.NoError(t, err)
		require.Equal(t, Cost{blocks, blocks - 1, 1, sums[0].Cost.Bytes}, sums[0].Cost)
		require.EqualValues(t, 9500, sums[0].Count)
		require.InDelta(t, (500+9999)/2.0, sums[0].Mean(), 1e-9)
		require.Equal(t, [2]int64{500, 9999}, [2]int64{sums[0].MinStep, sums[0].MaxStep})
		require.Zero(t, sums[1])

		at, err := s.At(ctx, m, []int64{7777})
		require.NoError(t, err)
		require.Equal(t, Point{7777, 1_700_000_077_770, 7777}, at[0].Point)
		require.Equal(t, Cost{blocks, blocks - 1, 1, at[0].Cost.Bytes}, at[0].Cost)
		require.False(t, at[1].Found)

		lines, err := s.Slope(ctx, m, []Range{all})
		require.NoError(t, err)
		require.InDelta(t, 1, lines[0].Slope, 1e-12)
		require.InDelta(t, 0, lines[0].Residual, 1e-6)
		require.True(t, math.IsNaN(lines[1].Slope))

		require.NoError(t, s.Checkpoint(ctx))
	}
	for _, op := range []Op{0, NotInf + 1} {
		_, err := s.Ever(ctx, m, []Range{all}, op, 0)
		require.ErrorIs(t, err, ErrInvalid)
	}
	_, err := s.Always(ctx, m, []Range{all, all}, Less, 0)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = s.At(ctx, m, []int64{1, 2, 3, 4})
	require.ErrorIs(t, err, ErrInvalid)
	_, err = s.Ever(ctx, m, []Range{all.Steps(2, 1)}, Less, 0)
	require.ErrorIs(t, err, ErrInvalid)
}

// TestBigSteps fits a line where float64 has no digits left for the steps.
func TestBigSteps(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	logSteps(t, s, 1, math.MaxInt64-5000, 5000, func(_ string, step int64) float64 {
		return 1e9 + 3*float64(math.MaxInt64-step)
	}, "m")
	lines, err := s.Slope(ctx, []Curve{{Run: 1, Metric: "m"}}, []Range{AllPoints()})
	require.NoError(t, err)
	require.InDelta(t, -3, lines[0].Slope, 1e-9)
}

// TestDownsampleSummaries: long curves are summed up by 256 points, shorter
// ones point by point, and groups that overlap in step never by summaries.
func TestDownsampleSummaries(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	const n = 20 * 4096
	logSteps(t, s, 1, 0, n, linear, "long")
	require.NoError(t, s.sealer.wait(s.sealer.mark()))
	long := []Curve{{Run: 1, Metric: "long"}}
	for _, c := range []struct{ ask, get int }{
		{1, 1}, {4, 4}, {100, 100}, {320, 320}, {640, 320}, // of 128 points each
		{700, 700}, {5000, 5000},
	} {
		found, err := s.Downsample(ctx, long, AllPoints(), c.ask)
		require.NoError(t, err)
		require.InDelta(t, c.get, len(found[0]), float64(c.get)/20)
		requireBuckets(t, readAll(t, s, 1, "long"), AllPoints(), c.ask, found[0])
	}
	// What is read of a step twice is not in the summaries of either group.
	logSteps(t, s, 2, 0, 8192, linear, "m", "n")
	logSteps(t, s, 2, 100, 8192, linear, "m")
	for _, reopened := range []bool{false, true} {
		found, err := s.Downsample(ctx, []Curve{{Run: 2, Metric: "m"}, {Run: 2, Metric: "n"}}, AllPoints(), 10)
		require.NoError(t, err)
		requireBuckets(t, readAll(t, s, 2, "m"), AllPoints(), 10, found[0])
		requireBuckets(t, readAll(t, s, 2, "n"), AllPoints(), 10, found[1])
		require.Len(t, found[0], 10)
		if !reopened {
			require.NoError(t, s.Checkpoint(ctx))
		}
	}
}

// TestReadWhileLogging reads curves of one group in all ways while it grows:
// each answer is of one moment.
func TestReadWhileLogging(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints, opt.CheckpointBytes = 1100, 256<<10
	s := open(t, t.TempDir(), opt)
	curves := []Curve{{Run: 1, Metric: "a"}, {Run: 1, Metric: "b"}, {Run: 2, Metric: "a"}}
	logSteps(t, s, 1, 0, 1, linear, "a", "b")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				n := make([]int64, len(curves))
				for c, err := range s.PointsOf(ctx, curves, AllPoints()) {
					require.NoError(t, err)
					for i, step := range c.Steps {
						require.Equal(t, n[c.Curve], step)
						require.Equal(t, float64(step), c.Values[i]) //nolint:testifylint // exact
						n[c.Curve]++
					}
				}
				require.Equal(t, n[0], n[1], "both grow together")
				found, err := s.Downsample(ctx, curves, AllPoints(), 5)
				require.NoError(t, err)
				require.Equal(t, found[0], found[1])
				sums, err := s.Aggregates(ctx, curves, []Range{AllPoints()})
				require.NoError(t, err)
				require.Equal(t, sums[0].Last, sums[1].Last)
				require.Equal(t, sums[0].Count-1, sums[0].MaxStep)
			}
		})
	}
	for i := range int64(60) {
		logSteps(t, s, 1, 1+200*i, 200, linear, "a", "b")
		logSteps(t, s, 2, 200*i, 200, linear, "a")
	}
	close(stop)
	wg.Wait()
}

// TestEverManyRuns asks runs of which some are in memory and some are not.
func TestEverManyRuns(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	var curves []Curve
	for run := range uint32(300) {
		metrics := []string{"loss", fmt.Sprint("own", run)}
		logSteps(t, s, run, 0, 3, func(string, int64) float64 { return float64(run) }, metrics...)
		if run == 200 {
			require.NoError(t, s.Checkpoint(ctx))
		}
		curves = append(curves, Curve{Run: 299 - run, Metric: "loss"})
	}
	got, err := s.Ever(ctx, curves, []Range{AllPoints()}, Less, 100)
	require.NoError(t, err)
	for i, c := range curves {
		require.Equal(t, c.Run < 100, got[i].Holds)
	}
}

// TestReadHoldsRun: a run whose curves are being read is not dropped, be it in
// memory or not.
func TestReadHoldsRun(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	drop := func() error {
		return s.DropRun(ctx, 1, func() error { return nil }, func(*Tx) error { return nil })
	}
	logSteps(t, s, 1, 0, 5000, linear, "m")
	for _, memory := range []bool{true, false} {
		require.Equal(t, memory, s.series.groupsOf([]uint32{1})[0] != nil)
		for c, err := range s.Points(ctx, 1, "m", AllPoints()) {
			require.NoError(t, err)
			require.NotEmpty(t, c.Steps)
			require.ErrorIs(t, drop(), ErrConflict)
		}
		require.NoError(t, s.Checkpoint(ctx))
	}
	require.NoError(t, drop())
	require.Empty(t, readAll(t, s, 1, "m").Steps)
	require.Empty(t, s.series.pins)
}
