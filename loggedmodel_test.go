package runstone_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

func TestLoggedModel(t *testing.T) {
	ctx := t.Context()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })

	m, err := db.CreateLoggedModel(ctx, lineage.LoggedModel{ExperimentID: "0"})
	require.NoError(t, err)
	require.Regexp(t, "^m-[0-9a-f]{32}$", m.ModelID)
	require.NotEmpty(t, m.Name)
	require.Equal(t, "mlflow-artifacts:/0/models/"+m.ModelID+"/artifacts", m.ArtifactURI)
	_, err = db.CreateLoggedModel(ctx, lineage.LoggedModel{ExperimentID: "7"})
	require.ErrorIs(t, err, runstone.ErrNotFound)

	a, err := db.CreateRun(ctx, runstone.NewRun{ExperimentID: "0"})
	require.NoError(t, err)
	metric := runstone.Metric{Name: "acc", Value: 0.5, Step: 1, Time: 2, Model: m.ModelID, Dataset: "d", DatasetDigest: "x"}
	other := runstone.Metric{Name: "acc", Value: 0.9, Step: 1, Time: 2}
	require.NoError(t, db.LogBatch(ctx, a.ID, runstone.Batch{Metrics: []runstone.Metric{metric, other}}))
	got, err := db.ModelMetrics(ctx, m.ModelID)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, a.ID, got[0].Run)
	require.Equal(t, runstone.Point{Step: 1, Time: 2, Value: 0.5}, got[0].Latest)
	require.Equal(t, "d", got[0].Dataset)
}

func TestModelHistory(t *testing.T) {
	ctx := t.Context()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	run, err := db.CreateRun(ctx, runstone.NewRun{ExperimentID: "0"})
	require.NoError(t, err)
	require.NoError(t, db.LogModelHistory(ctx, run.ID, `{"a": 1}`))
	require.NoError(t, db.LogModelHistory(ctx, run.ID, `{"b": 2}`))
	data, err := db.Run(ctx, run.ID)
	require.NoError(t, err)
	require.JSONEq(t, `[{"a": 1}, {"b": 2}]`, data.Tags["mlflow.log-model.history"])
	require.ErrorIs(t, db.LogModelHistory(ctx, run.ID, `{`), runstone.ErrInvalid)
	require.ErrorIs(t, db.LogModelHistory(ctx, "nope", `{}`), runstone.ErrNotFound)
}
