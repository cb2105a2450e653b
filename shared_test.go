package runstone

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// holderAndShared opens one directory twice.
func holderAndShared(t *testing.T) (holder, shared *DB) {
	t.Helper()
	dir := t.TempDir()
	holder = openDB(t, dir, small())
	shared = openDB(t, dir, small())
	require.True(t, shared.Shared())
	return holder, shared
}

func waitForRun(t *testing.T, db *DB, id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		r, err := db.RunInfo(ctx, id)
		return err == nil && r.Status == Finished
	}, waitLong, waitStep)
}

// TestSharedKnowsExperiments: a process that cannot ask the holder still gives
// a run the experiment and the artifact folder that the holder will.
func TestSharedKnowsExperiments(t *testing.T) {
	holder, shared := holderAndShared(t)
	id, err := holder.CreateExperiment(ctx, "foo", nil)
	require.NoError(t, err)
	require.NoError(t, holder.RenameExperiment(ctx, id, "bar"))
	for _, name := range []string{"bar", "foo", "new"} {
		run, err := shared.StartRun(ctx, name, nil)
		require.NoError(t, err)
		require.NoError(t, run.LogArtifact(ctx, "a.txt", strings.NewReader("hi")))
		require.NoError(t, run.End(ctx, Finished))
		waitForRun(t, holder, run.ID())
		info, err := holder.RunInfo(ctx, run.ID())
		require.NoError(t, err)
		require.Equal(t, info.ExperimentID, run.Info().ExperimentID, name)
		require.Equal(t, info.ArtifactURI, run.Info().ArtifactURI, name)
		files, err := holder.ListArtifacts(ctx, run.ID(), "")
		require.NoError(t, err)
		require.Len(t, files, 1)
	}
	_, err = shared.CreateExperiment(ctx, "bar", nil)
	require.ErrorIs(t, err, ErrExists)
}

// TestSharedRefusedRun: a run that the holder refuses does not hold up the next.
func TestSharedRefusedRun(t *testing.T) {
	holder, shared := holderAndShared(t)
	id, err := holder.CreateExperiment(ctx, "old", nil)
	require.NoError(t, err)
	_, err = shared.ExperimentByName(ctx, "old")
	require.NoError(t, err)
	require.NoError(t, holder.DeleteExperiment(ctx, id)) // which the view above does not show yet
	run, err := shared.StartRun(ctx, "old", nil)
	if err == nil {
		require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 1}))
		require.NoError(t, run.End(ctx, Finished))
	} else {
		require.ErrorIs(t, err, ErrInvalid)
	}
	good, err := shared.StartRun(ctx, "good", nil)
	require.NoError(t, err)
	require.NoError(t, good.Log(ctx, 1, Metrics{"loss": 1}))
	require.NoError(t, good.End(ctx, Finished))
	require.NoError(t, shared.Close())
	waitForRun(t, holder, good.ID())
	require.Len(t, search(t, holder, "", nil), 1)
}

// TestStartRunLeavesNoOrphan: a run whose start fails half-way is not left
// RUNNING.
func TestStartRunLeavesNoOrphan(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	_, err := db.StartRun(ctx, "exp", &RunOptions{Params: map[string]string{"bad//key": "1"}})
	require.ErrorIs(t, err, ErrInvalid)
	_, err = db.StartRun(ctx, "exp", &RunOptions{Tags: map[string]string{"../x": "1"}})
	require.ErrorIs(t, err, ErrInvalid)
	require.Empty(t, search(t, db, "", nil))
}

// TestSharedIndexMended: a process that shares the database uses the run index
// again once the holder has mended it.
func TestSharedIndexMended(t *testing.T) {
	holder, shared := holderAndShared(t)
	holder.keeper.stop() // it would mend the index before anybody sees the damage
	holder.keeper.done.Wait()
	for range 3 {
		require.NoError(t, holder.Track(ctx, "x", nil, func(ctx context.Context, run *Run) error {
			return run.Log(ctx, 1, Metrics{"loss": 1})
		}))
	}
	require.NoError(t, holder.Fold(ctx))
	// segments returns how many of them a search reads.
	segments := func(db *DB) int64 {
		page, err := db.SearchRuns(ctx, "metrics.loss = 1", &SearchOptions{Explain: true})
		require.NoError(t, err)
		require.Len(t, page.Items, 3)
		return page.Explain.Stats.Segments
	}
	waitFor := func(want int64) {
		require.Eventually(t, func() bool { return segments(shared) == want }, waitLong, waitStep)
	}
	waitFor(1)
	require.NoError(t, holder.Update(ctx, func(tx *store.Tx) error {
		return tx.SaveBytes([]byte{'X'}, 1, []byte("no state")) // the state row of package index
	}))
	require.NoError(t, shared.SetExperimentTag(ctx, DefaultExperiment, "a", "b")) // the next read looks anew
	require.Zero(t, segments(shared))
	require.Zero(t, segments(holder))
	require.NoError(t, holder.Reindex(ctx, nil))
	require.EqualValues(t, 1, segments(holder))
	waitFor(1)
}
