package runstone

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/store"
)

// usedDB has two experiments; one run has points and files, one is deleted, one
// file is of no run.
func usedDB(t *testing.T) (db *DB, big, gone RunInfo) {
	t.Helper()
	db = openDB(t, t.TempDir(), &Options{tune: func(o *store.Options) { o.BlockPoints = 64 }})
	_, err := db.CreateExperiment(ctx, "lab", nil)
	require.NoError(t, err)
	big, gone = newRun(t, db, "lab", "big"), newRun(t, db, "lab", "gone")
	newRun(t, db, "Default", "small")
	var points []Metric
	for i := range int64(1000) {
		points = append(points, Metric{Name: "loss", Step: i, Time: i, Value: 1 / float64(i+1)})
	}
	require.NoError(t, db.LogBatch(ctx, big.ID, Batch{Metrics: points}))
	put := func(p string, bytes int) {
		_, err := db.PutArtifact(ctx, p, strings.NewReader(strings.Repeat("x", bytes)), artifact.PutOptions{})
		require.NoError(t, err)
	}
	put(big.ExperimentID+"/"+big.ID+"/artifacts/a/b.bin", 7000)
	put(big.ExperimentID+"/"+big.ID+"/artifacts/c.bin", 700)
	put(gone.ExperimentID+"/"+gone.ID+"/artifacts/d.bin", 500)
	put("loose.txt", 30)
	put("models/m/e.bin", 3)
	require.NoError(t, db.DeleteRun(ctx, gone.ID))
	return db, big, gone
}

func TestUsage(t *testing.T) {
	db, big, gone := usedDB(t)
	at := db.now()
	db.now = func() int64 { return at + (10 * 24 * time.Hour).Milliseconds() }
	u, err := db.Usage(ctx, &UsageOptions{Ages: []time.Duration{0, 7 * 24 * time.Hour, 30 * 24 * time.Hour}})
	require.NoError(t, err)
	require.False(t, u.Rows.Partial || u.FilesPartial || u.ArtifactsPartial)
	require.EqualValues(t, 1000, u.Rows.Points)
	require.Equal(t, []int{3, 2}, []int{u.TotalRuns, u.TotalExperiments})
	require.Equal(t, UsedBytes{Artifacts: 33, Files: 2}, u.Loose)
	require.Equal(t, []string{"big", "gone", "small"}, []string{u.Runs[0].Name, u.Runs[1].Name, u.Runs[2].Name})
	require.Equal(t, big.ID, u.Runs[0].ID)
	require.EqualValues(t, []int64{7700, 2}, []int64{u.Runs[0].Artifacts, u.Runs[0].Files})
	require.Positive(t, u.Runs[0].Rows)
	require.True(t, u.Runs[1].Deleted)
	require.Equal(t, "lab", u.Experiments[0].Name)
	require.EqualValues(t, 8200, u.Experiments[0].Artifacts)
	require.Equal(t, u.Runs[1].UsedBytes, u.Experiments[0].Deleted)
	require.Equal(t, u.Total.Artifacts, u.Experiments[0].Artifacts+u.Experiments[1].Artifacts)
	require.Equal(t, u.Total.Rows, u.Runs[0].Rows+u.Runs[1].Rows+u.Runs[2].Rows)

	require.Equal(t, []int{1, 1, 0}, []int{u.Deleted[0].Runs, u.Deleted[1].Runs, u.Deleted[2].Runs})
	dry, err := db.Purge(ctx, &PurgeOptions{DryRun: true, OlderThan: 7 * 24 * time.Hour})
	require.NoError(t, err)
	require.Equal(t, []string{gone.ID}, dry.Runs)
	require.Equal(t, dry.ArtifactBytes, u.Deleted[1].Artifacts)
	require.EqualValues(t, dry.Artifacts, u.Deleted[1].Files)

	u, err = db.Usage(ctx, &UsageOptions{Top: 1})
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 3}, []int{len(u.Runs), len(u.Experiments), u.TotalRuns})
	_, err = db.Purge(ctx, nil)
	require.NoError(t, err)
	u, err = db.Usage(ctx, &UsageOptions{Ages: []time.Duration{0}})
	require.NoError(t, err)
	require.Zero(t, u.Deleted[0].Runs)
	require.Equal(t, 2, u.TotalRuns)
}

// TestUsageOutOfTime: what could not be read is said, and the rest is there.
func TestUsageOutOfTime(t *testing.T) {
	db, _, _ := usedDB(t)
	for range 300 {
		info := newRun(t, db, "lab", "more")
		require.NoError(t, db.LogBatch(ctx, info.ID, Batch{Params: []KV{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}}))
	}
	u, err := db.Usage(ctx, &UsageOptions{Time: time.Nanosecond})
	require.NoError(t, err)
	require.True(t, u.Rows.Partial)
	require.True(t, u.FilesPartial)
	require.True(t, u.RunsPartial)
	require.Less(t, u.TotalRuns, 303)
	require.NotEmpty(t, u.Experiments)
	full, err := db.Usage(ctx, nil)
	require.NoError(t, err)
	require.Less(t, u.Rows.Read, full.Rows.Read)
	require.Equal(t, 303, full.TotalRuns)
	require.False(t, full.RunsPartial)
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.Usage(over, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTableGroups(t *testing.T) {
	for _, tb := range Tables() {
		require.NotEmpty(t, TableGroup(tb.Byte), tb.Name)
	}
	require.Equal(t, []string{"metrics", "runs", "index", "lineage", "names", "other", "other"},
		[]string{TableGroup('b'), TableGroup('p'), TableGroup('X'), TableGroup('M'), TableGroup('n'), TableGroup('w'), TableGroup(0)})
}
