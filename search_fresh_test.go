package runstone

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// TestSearchIsFresh: what was logged before a search is in its answer, whether
// the runs are in the index or not.
func TestSearchIsFresh(t *testing.T) {
	for _, fold := range []bool{false, true} {
		t.Run(fmt.Sprintf("fold=%v", fold), func(t *testing.T) { freshness(t, fold) })
	}
}

func freshness(t *testing.T, fold bool) {
	db := openDB(t, t.TempDir(), small())
	is := func(text string, want ...string) {
		t.Helper()
		require.ElementsMatch(t, want, search(t, db, text, nil), text)
		if fold {
			require.NoError(t, db.Fold(ctx))
			require.ElementsMatch(t, want, search(t, db, text, nil), "%s after a fold", text)
		}
	}
	exp, err := db.CreateExperiment(ctx, "exp", nil)
	require.NoError(t, err)
	other, err := db.StartRun(ctx, "other", &RunOptions{Name: "b"})
	require.NoError(t, err)
	run, err := db.StartRun(ctx, "exp", &RunOptions{Name: "a"})
	require.NoError(t, err)
	is("metrics.loss IS NULL", "a", "b")
	is("metrics.loss > 0")

	// Points, by every way there is.
	require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 3}))
	is("metrics.loss = 3", "a")
	require.NoError(t, run.Log(ctx, 2, Metrics{"loss": 2, "new": 1}))
	is("metrics.loss = 2 AND max(metrics.loss) = 3 AND metrics.new = 1", "a")
	require.NoError(t, db.LogBatch(ctx, run.ID(), Batch{
		Metrics: []Metric{{Name: "loss", Value: 1, Step: 3}}, Params: []KV{{Key: "lr", Value: "0.1"}}, Tags: []KV{{Key: "k", Value: "v"}},
	}))
	is("metrics.loss = 1 AND params.lr < 1 AND tags.k = 'v' AND count(metrics.loss) = 3", "a")
	rec, err := run.Recorder(ctx, "loss")
	require.NoError(t, err)
	require.NoError(t, rec.Record(ctx, 4, 0.5))
	is("metrics.loss = 1", "a") // the recorder keeps it
	require.NoError(t, rec.Flush(ctx))
	is("metrics.loss = 0.5 AND EVER(metrics.loss < 1) OVER LAST 1 STEPS", "a")
	require.NoError(t, run.Append(ctx, Columns{Names: []string{"loss"}, Steps: []int64{5, 6}, Times: []int64{5, 6}, Values: [][]float64{{100, 0.25}}}))
	is("metrics.loss = 0.25 AND EVER(metrics.loss > 99) AND argmax(metrics.loss) = 5", "a")
	require.NoError(t, db.LogBatch(ctx, run.ID(), Batch{Metrics: []Metric{{Name: "loss", Value: -1, Step: 0}}})) // out of order
	is("metrics.loss = 0.25 AND first(metrics.loss) = -1 AND min(metrics.loss) = -1", "a")

	// Tags, names, status, inputs.
	require.NoError(t, db.SetTags(ctx, run.ID(), KV{Key: "k", Value: "w"}))
	is("tags.k = 'v'")
	is("tags.k = 'w'", "a")
	require.NoError(t, db.DeleteTag(ctx, run.ID(), "k"))
	is("tags.k IS NULL", "a", "b")
	_, err = db.UpdateRun(ctx, run.ID(), RunUpdate{Name: "c"})
	require.NoError(t, err)
	is("run_name = 'c'", "c")
	require.NoError(t, other.SetTag(ctx, TagParent, run.ID()))
	is("ANY child(status = 'RUNNING')", "c")
	is("parent.metrics.loss = 0.25", "b")
	require.NoError(t, other.End(ctx, Failed))
	is("status = 'FAILED' AND end_time IS NOT NULL", "b")
	is("ANY child(status = 'RUNNING')")
	_, err = db.RegisterModel(ctx, "m", run.ID(), "")
	require.NoError(t, err)
	is("model.name = 'm' AND model.stage = 'None'", "c")
	_, err = db.PromoteModel(ctx, "m", 1, "Production", nil)
	require.NoError(t, err)
	is("model.stage = 'Production'", "c")
	require.NoError(t, db.RenameExperiment(ctx, exp, "renamed"))
	is("experiment_name = 'renamed'", "c")

	// Runs and experiments that go and come back.
	require.NoError(t, db.DeleteRun(ctx, other.ID()))
	is("", "c")
	require.NoError(t, db.RestoreRun(ctx, other.ID()))
	is("", "b", "c")
	require.NoError(t, db.DeleteExperiment(ctx, exp))
	is("", "b")
	require.Equal(t, []string{"c"}, search(t, db, "metrics.loss = 0.25", &SearchOptions{View: DeletedOnly}))
	require.NoError(t, db.RestoreExperiment(ctx, exp))
	is("metrics.loss = 0.25", "c")
	require.NoError(t, db.DeleteRun(ctx, other.ID()))
	if fold {
		require.NoError(t, db.Fold(ctx))
	}
	_, err = db.Purge(ctx, &PurgeOptions{Runs: []string{other.ID()}})
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, search(t, db, "", &SearchOptions{View: All}))
	require.NoError(t, run.End(ctx, Finished))
	is("status = 'FINISHED' AND duration < 1h", "c")
}

// TestSearchIsFreshShared: a process beside the holder sees its own changes at
// once, and either sees those of the other within their second.
func TestSearchIsFreshShared(t *testing.T) {
	holder, shared := holderAndShared(t)
	run, err := holder.StartRun(ctx, "exp", &RunOptions{Name: "a"})
	require.NoError(t, err)
	require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 3}))
	require.NoError(t, holder.Fold(ctx))
	eventually := func(db *DB, text string, want ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			found := map[string]bool{}
			for r, err := range db.Search(ctx, text, nil) {
				require.NoError(t, err)
				found[r.Name] = true
			}
			for _, name := range want {
				if !found[name] {
					return false
				}
			}
			return len(found) == len(want)
		}, waitLong, waitStep, text)
	}
	eventually(shared, "metrics.loss = 3", "a")
	require.NoError(t, run.Log(ctx, 2, Metrics{"loss": 2}))
	eventually(shared, "metrics.loss = 2", "a")

	mine, err := shared.StartRun(ctx, "exp", &RunOptions{Name: "b", Params: map[string]string{"lr": "0.1"}})
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, search(t, shared, "params.lr = 0.1", nil))
	require.NoError(t, mine.Log(ctx, 1, Metrics{"loss": 7}))
	require.Equal(t, []string{"b"}, search(t, shared, "EVER(metrics.loss > 5)", nil))
	eventually(holder, "metrics.loss = 7", "b")
	require.NoError(t, holder.Fold(ctx))
	require.NoError(t, mine.Log(ctx, 2, Metrics{"loss": 8}))
	require.NoError(t, mine.SetTag(ctx, "k", "v"))
	require.Equal(t, []string{"b"}, search(t, shared, "metrics.loss = 8 AND tags.k = 'v'", nil))
	eventually(holder, "metrics.loss = 8 AND tags.k = 'v' AND max(metrics.loss) = 8", "b")
	require.NoError(t, shared.DeleteRun(ctx, run.ID()))
	require.Equal(t, []string{"b"}, search(t, shared, "", nil))
	eventually(holder, "", "b")
	require.NoError(t, holder.RestoreRun(ctx, run.ID()))
	eventually(shared, "", "a", "b")
	require.NoError(t, mine.End(ctx, Finished))
	eventually(holder, "status = 'FINISHED'", "b")
}

// TestRunningRunsSettle: runs whose programs went away without ending them are
// folded too, after a while, and one that is being logged to is left.
func TestRunningRunsSettle(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir(), small())
	exp, err := db.CreateExperiment(ctx, "exp", nil)
	require.NoError(t, err)
	for range foldMany {
		info, err := db.CreateRun(ctx, NewRun{ExperimentID: exp})
		require.NoError(t, err)
		require.NoError(t, db.LogBatch(ctx, info.ID, Batch{Metrics: []Metric{{Name: "loss", Value: 1, Time: 1}}}))
	}
	run, err := db.StartRun(ctx, "exp", nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 2}))
		var dirty int
		require.NoError(t, db.View(ctx, func(tx *store.Tx) error {
			src, err := db.runSource(ctx, db.store, tx, &SearchOptions{})
			require.NoError(t, err)
			dirty = len(src.snap.Dirty())
			return nil
		}))
		return dirty == 1
	}, time.Minute, 50*time.Millisecond)
	require.NoError(t, run.End(ctx, Finished))
}
