package runstone

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
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
