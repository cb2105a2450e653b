package runstone

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// TestFoldBesideWriters folds while runs get points: what a fold read ahead of a
// run must not be older than the mark that it takes away.
func TestFoldBesideWriters(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	const runs = 150
	ids := make([]string, runs)
	for i := range ids {
		ids[i] = newRun(t, db, "e", fmt.Sprint("run ", i)).ID
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(w)))
			for step := range int64(150) {
				id := ids[rnd.IntN(runs)]
				var err error
				if step%10 == 0 { // points of a handle pass by the rows
					var run *Run
					if run, err = db.ResumeRun(ctx, id); err == nil {
						err = errors.Join(run.Log(ctx, step, Metrics{"a": rnd.Float64(), fmt.Sprint("w", w): 1}), run.End(ctx, Finished))
					}
				} else {
					err = db.LogBatch(ctx, id, Batch{Metrics: []Metric{
						{Name: "a", Step: step, Value: rnd.Float64()},
						{Name: "a", Step: step, Value: rnd.Float64(), Dataset: "d", DatasetDigest: "1"},
						{Name: fmt.Sprint("b", w), Step: step, Value: float64(step)},
					}})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		writers.Wait()
		close(done)
	}()
	for busy := true; busy; {
		select {
		case <-done:
			busy = false
		default:
		}
		require.NoError(t, db.Fold(ctx))
	}
	// All runs come from the index now, which says what the records say.
	_, err := db.Verify(ctx, nil, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
	require.NoError(t, err)
	want, err := db.SearchRuns(ctx, "", nil)
	require.NoError(t, err)
	require.Len(t, want.Items, runs)
	for _, r := range want.Items {
		alone, err := db.Run(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, alone, r)
	}
}

// TestFoldReadsAhead: only idle runs are read ahead, and only for the transaction
// whose marks the index takes away.
func TestFoldReadsAhead(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	var ids []string
	for i := range 6 {
		ids = append(ids, newRun(t, db, "e", fmt.Sprint("run ", i)).ID)
		require.NoError(t, db.LogBatch(ctx, ids[i], Batch{Metrics: []Metric{{Name: "a", Value: 1}, {Name: "a", Value: 2, Dataset: "d"}}}))
	}
	open, err := db.ResumeRun(ctx, ids[3])
	require.NoError(t, err)
	f := newFolder(ctx, db.store)
	count := func(run uint32) (n int64) {
		sums, err := f.summaries(run)
		require.NoError(t, err)
		for i := range sums {
			n += sums[i].Count
		}
		return n
	}
	require.NoError(t, db.View(ctx, func(tx *store.Tx) error {
		f.enter(tx)
		require.EqualValues(t, 2, count(1))
		require.EqualValues(t, 2, count(2))
		require.EqualValues(t, 2, count(3))
		require.Equal(t, []uint32{3, 5, 6}, f.runs)
		require.NoError(t, open.Log(ctx, 7, Metrics{"a": 3}))
		require.EqualValues(t, 3, count(4))
		require.EqualValues(t, 2, count(5))
		require.Zero(t, count(9))
		return nil
	}))
	require.NoError(t, db.LogBatch(ctx, ids[0], Batch{Metrics: []Metric{{Name: "a", Step: 1}}}))
	require.NoError(t, db.View(ctx, func(tx *store.Tx) error {
		f.enter(tx)
		require.Empty(t, f.runs)
		require.EqualValues(t, 3, count(1))
		return nil
	}))
	require.NoError(t, open.End(ctx, Finished))
}
