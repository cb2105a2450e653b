package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// allOf returns what SummariesOf says, by run and name.
func allOf(t testing.TB, s *Store, runs []uint32) map[uint32]map[SeriesName]Summary {
	t.Helper()
	got := map[uint32]map[SeriesName]Summary{}
	last := uint32(0)
	require.NoError(t, s.SummariesOf(ctx, runs, func(run, series uint32, sum *Summary) error {
		require.GreaterOrEqual(t, run, last)
		last = run
		if got[run] == nil {
			got[run] = map[SeriesName]Summary{}
		}
		name, err := s.SeriesName(series)
		require.NoError(t, err)
		require.NotContains(t, got[run], name)
		got[run][name] = *sum
		return nil
	}))
	return got
}

// TestSummariesOf asks about runs in memory, in rows, in both, with series in
// several groups, far apart, and without any points.
func TestSummariesOf(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	var runs []uint32
	want := map[uint32]map[SeriesName]Summary{}
	log := func(i int, run uint32) {
		n := int64(1 + i%3)
		metrics := []string{"loss", fmt.Sprint("own", i%7)}
		logSteps(t, s, run, 10, n, linear, metrics...)
		if i%5 == 0 { // once more, in another group
			logSteps(t, s, run, 2, 2, linear, "loss")
		}
	}
	for i := range 1500 {
		run := uint32(i + 1)
		if i > 1000 {
			run += uint32(i-1000) * 7
		}
		if i > 1400 {
			run += 1 << 20
		}
		runs = append(runs, run)
		want[run] = map[SeriesName]Summary{}
		if i%11 == 3 { // has none
			continue
		}
		log(i, run)
		if i == 700 || i == 1100 {
			require.NoError(t, s.Checkpoint(ctx))
		}
	}
	for i := 300; i < 320; i += 2 {
		logSteps(t, s, runs[i], 50, 1, linear, "late")
	}
	check := func() {
		t.Helper()
		for _, run := range runs {
			sums, err := s.Summaries(ctx, run)
			require.NoError(t, err)
			clear(want[run])
			for _, m := range sums {
				want[run][m.SeriesName] = m.Summary
			}
		}
		for _, part := range [][]uint32{runs, runs[300:310], runs[1495:], runs[:1], nil} {
			got := allOf(t, s, part)
			for _, run := range part {
				require.Len(t, got[run], len(want[run]))
				if len(want[run]) > 0 {
					require.Equal(t, want[run], got[run])
				}
			}
		}
		loss := want[runs[5]][SeriesName{Metric: "loss"}]
		require.EqualValues(t, 5, loss.Count)
		require.Equal(t, Point{2, 1_700_000_000_020, 2}, loss.First)
		require.InDelta(t, 2+3+10+11+12, loss.Sum, 1e-12)
		require.InDelta(t, 38.0/5, loss.Mean(), 1e-12)
	}
	check()
	require.NoError(t, s.Checkpoint(ctx))
	check()
	require.NoError(t, s.Close())
	s = open(t, dir, nil)
	check()

	require.ErrorIs(t, s.SummariesOf(ctx, []uint32{1, 1}, func(uint32, uint32, *Summary) error { return nil }), ErrInvalid)
	stop, calls := errors.New("stop"), 0
	require.ErrorIs(t, s.SummariesOf(ctx, runs, func(uint32, uint32, *Summary) error { calls++; return stop }), stop)
	require.Equal(t, 1, calls)
}

// TestManyGroups: a run that logged ever new metrics, each in company and
// alone.
func TestManyGroups(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	x, err := s.OpenSeries(ctx, 1)
	require.NoError(t, err)
	for i := range int64(2 * manySeries) {
		name := fmt.Sprint("m", i)
		logSteps(t, s, 1, i, 1, linear, name)
		groups, err := x.Groups(ctx, []SeriesName{{Metric: name}, {Metric: "all"}})
		require.NoError(t, err)
		for _, g := range groups {
			require.NoError(t, g.Append(ctx, Appended, []int64{i}, []int64{i}, [][]float64{{1}, {2}}[:g.Width()]))
		}
	}
	x.Close()
	for range 2 {
		got := allOf(t, s, []uint32{1})[1]
		require.Len(t, got, 2*manySeries+1)
		for name, sum := range got {
			if want := int64(2); name.Metric != "all" {
				require.Equal(t, want, sum.Count)
			} else {
				require.EqualValues(t, 2*manySeries, sum.Count)
			}
		}
		require.NoError(t, s.Checkpoint(ctx))
	}
}

// TestIdle: only a handle keeps a run from being idle, not a read and not
// points that are still in memory.
func TestIdle(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	require.True(t, s.Idle(1))
	x, err := s.OpenSeries(ctx, 1)
	require.NoError(t, err)
	y, err := s.OpenSeries(ctx, 1)
	require.NoError(t, err)
	require.False(t, s.Idle(1))
	logSteps(t, s, 1, 0, 5000, linear, "m")
	x.Close()
	require.False(t, s.Idle(1))
	y.Close()
	require.True(t, s.Idle(1))
	for range s.Points(ctx, 1, "m", AllPoints()) {
		require.True(t, s.Idle(1))
	}
	require.Len(t, allOf(t, s, []uint32{1})[1], 1)
}
