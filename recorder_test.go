package runstone

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

func TestRecorder(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	now := int64(1000)
	db.now = func() int64 { return now }
	run, err := db.StartRun(ctx, "tight", nil)
	require.NoError(t, err)
	// Names in an order of their own.
	rec, err := run.Recorder(ctx, "z", "a")
	require.NoError(t, err)
	logged := func() (n int) {
		for c, err := range db.Points(ctx, run.ID(), "a") {
			require.NoError(t, err)
			n += len(c.Steps)
		}
		return n
	}
	for i := range int64(recorderPoints) {
		require.NoError(t, rec.Record(ctx, i, float64(i), float64(-i)))
	}
	require.Zero(t, logged())
	require.NoError(t, rec.Record(ctx, recorderPoints, 1, 2))
	require.Equal(t, recorderPoints, logged(), "a full recorder logs before it takes more")
	now += recorderAge
	require.NoError(t, rec.Record(ctx, recorderPoints+1, 3, 4))
	require.Equal(t, recorderPoints+1, logged(), "so does one with points of a second ago")
	require.NoError(t, rec.Flush(ctx))
	require.NoError(t, rec.Flush(ctx))
	require.Equal(t, recorderPoints+2, logged())

	require.ErrorIs(t, rec.Record(ctx, 0, 1), ErrInvalid)
	require.NoError(t, rec.Record(ctx, 7, math.NaN(), math.Inf(1)))
	require.NoError(t, run.End(ctx, Finished))
	require.Equal(t, recorderPoints+3, logged(), "the end of a run logs what is left")
	for c, err := range db.Points(ctx, run.ID(), "z") {
		require.NoError(t, err)
		for i, v := range c.Values {
			if s := c.Steps[i]; s < recorderPoints && s != 7 {
				require.Equal(t, float64(s), v)
			}
		}
	}
	_, err = run.Recorder(ctx, "a")
	require.ErrorIs(t, err, ErrConflict)
}

func TestRecorderKeepsWhatItCannotLog(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	run, err := db.StartRun(ctx, "tight", nil)
	require.NoError(t, err)
	rec, err := run.Recorder(ctx, "a")
	require.NoError(t, err)
	for i := range int64(recorderPoints) {
		require.NoError(t, rec.Record(ctx, i, 1))
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, rec.Record(gone, recorderPoints, 1), context.Canceled)
	require.NoError(t, rec.Record(ctx, recorderPoints, 1))
	require.NoError(t, run.End(ctx, Finished))
	m, err := db.Metrics(ctx, run.ID())
	require.NoError(t, err)
	require.EqualValues(t, recorderPoints+1, m[0].Count)
}

// TestRecorderAfterTheEnd: the series of a run that ended are closed. An end
// that failed leaves the recorder as it was.
func TestRecorderAfterTheEnd(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	run, err := db.StartRun(ctx, "tight", nil)
	require.NoError(t, err)
	rec, err := run.Recorder(ctx, "a")
	require.NoError(t, err)
	require.NoError(t, rec.Record(ctx, 1, 1))
	require.NoError(t, db.DeleteRun(ctx, run.ID()))
	require.ErrorIs(t, run.End(ctx, Finished), ErrInvalid)
	require.NoError(t, db.RestoreRun(ctx, run.ID()))
	require.NoError(t, rec.Record(ctx, 2, 2))
	require.NoError(t, run.End(ctx, Finished))
	require.ErrorIs(t, rec.Record(ctx, 3, 3), ErrConflict)
	require.ErrorIs(t, rec.Flush(ctx), ErrConflict)
	m, err := db.Metrics(ctx, run.ID())
	require.NoError(t, err)
	require.EqualValues(t, 2, m[0].Count)
}

func TestRecorderOfManyGoroutines(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	run, err := db.StartRun(ctx, "tight", nil)
	require.NoError(t, err)
	rec, err := run.Recorder(ctx, "a", "b")
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range int64(8) {
		wg.Go(func() {
			for i := range int64(2000) {
				if err := rec.Record(ctx, w*2000+i, float64(i), float64(w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, run.End(ctx, Finished))
	m, err := db.Metrics(ctx, run.ID())
	require.NoError(t, err)
	require.Len(t, m, 2)
	require.EqualValues(t, 16000, m[0].Count)
	var none *Run
	rec, err = none.Recorder(ctx, "a")
	require.NoError(t, err)
	require.NoError(t, rec.Record(ctx, 1, 1))
	require.NoError(t, rec.Flush(ctx))
}

func BenchmarkRecorder(b *testing.B) {
	db, err := Open(b.TempDir(), &Options{NoSystemInfo: true})
	require.NoError(b, err)
	defer db.Close()
	run, err := db.StartRun(ctx, "tight", nil)
	require.NoError(b, err)
	rec, err := run.Recorder(ctx, "loss", "acc")
	require.NoError(b, err)
	b.ReportAllocs()
	step := int64(0)
	for b.Loop() {
		if err := rec.Record(ctx, step, 0.5, float64(step)); err != nil {
			b.Fatal(err)
		}
		step++
	}
	require.NoError(b, rec.Flush(ctx))
}

// TestNothingIsLoggedPastTheEnd: what a call takes is there for good, however
// the run's end and checkpoints fall.
func TestNothingIsLoggedPastTheEnd(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, small())
	require.NoError(t, err)
	run, err := db.StartRun(ctx, "tight", nil)
	require.NoError(t, err)
	rec, err := run.Recorder(ctx, "recorded")
	require.NoError(t, err)
	var recorded, appended atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if err := rec.Record(ctx, 1, 1); err != nil {
					require.ErrorIs(t, err, ErrConflict)
					return
				}
				recorded.Add(1)
			}
		})
		wg.Go(func() {
			for {
				err := run.Append(ctx, Columns{Names: []string{"appended"}, Steps: []int64{1}, Values: [][]float64{{1}}})
				if err != nil {
					require.ErrorIs(t, err, ErrConflict)
					return
				}
				appended.Add(1)
			}
		})
	}
	for range 3 {
		require.NoError(t, db.store.Checkpoint(ctx))
	}
	require.NoError(t, run.End(ctx, Finished))
	require.NoError(t, db.store.Checkpoint(ctx))
	wg.Wait()
	require.ErrorIs(t, rec.Record(ctx, 1, 1), ErrConflict)
	require.NoError(t, db.Close())
	db, err = Open(dir, small())
	require.NoError(t, err)
	defer db.Close()
	for name, want := range map[string]int64{"recorded": recorded.Load(), "appended": appended.Load()} {
		n := int64(0)
		for c, err := range db.Points(ctx, run.ID(), name) {
			require.NoError(t, err)
			n += int64(len(c.Steps))
		}
		require.Equal(t, want, n, name)
	}
}

// TestRecorderLogsNothingTwice: of more metrics than a group takes, some may be
// logged before an error.
func TestRecorderLogsNothingTwice(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	run, err := db.StartRun(ctx, "tight", nil)
	require.NoError(t, err)
	names, values := make([]string, store.MaxGroup+1), make([]float64, store.MaxGroup+1)
	for i := range names {
		names[i] = fmt.Sprintf("m%04d", i)
	}
	rec, err := run.Recorder(ctx, names...)
	require.NoError(t, err)
	require.Len(t, rec.set.groups, 2)
	require.NoError(t, rec.Record(ctx, 1, values...))
	good := rec.set.groups[1]
	rec.set.groups = []pointGroup{rec.set.groups[0], full{good}}
	require.ErrorIs(t, rec.Flush(ctx), ErrNoSpace)
	require.ErrorIs(t, rec.Record(ctx, 2, values...), ErrNoSpace, "it comes behind what is logged by halves")
	rec.set.groups[1] = good
	require.NoError(t, rec.Record(ctx, 3, values...))
	require.NoError(t, run.End(ctx, Finished))
	sums, err := db.Metrics(ctx, run.ID())
	require.NoError(t, err)
	require.Len(t, sums, len(names))
	for _, m := range sums {
		require.EqualValues(t, 2, m.Count, m.Metric)
	}
}

// full is a group that takes nothing.
type full struct{ pointGroup }

func (full) Append(context.Context, Durability, []int64, []int64, [][]float64) error {
	return ErrNoSpace
}
