package runstone_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

func TestArtifactRoot(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	db, err := runstone.Open(dir, &runstone.Options{ArtifactRoot: "s3://bucket/team/", NoSystemInfo: true})
	require.NoError(t, err)
	e, err := db.Experiment(ctx, runstone.DefaultExperiment)
	require.NoError(t, err)
	require.Equal(t, "s3://bucket/team/0", e.Location)
	id, err := db.CreateExperiment(ctx, "e", nil)
	require.NoError(t, err)
	run, err := db.CreateRun(ctx, runstone.NewRun{ExperimentID: id})
	require.NoError(t, err)
	require.Equal(t, "s3://bucket/team/"+id+"/"+run.ID+"/artifacts", run.ArtifactURI)
	made, err := db.CreateRun(ctx, runstone.NewRun{Experiment: "made"})
	require.NoError(t, err)
	require.Equal(t, "s3://bucket/team/"+made.ExperimentID+"/"+made.ID+"/artifacts", made.ArtifactURI)
	_, err = db.ListArtifacts(ctx, run.ID, "")
	require.ErrorIs(t, err, runstone.ErrInvalid)

	for location, want := range map[string]string{
		"s3://bucket/team/x/": "s3://bucket/team/x/", "s3://bucket/team": "s3://bucket/team/", "mlflow-artifacts:/": "mlflow-artifacts:/",
	} {
		id, err := db.CreateExperiment(ctx, location, &runstone.ExperimentOptions{Location: location})
		require.NoError(t, err)
		run, err := db.CreateRun(ctx, runstone.NewRun{ExperimentID: id})
		require.NoError(t, err)
		require.Equal(t, want+run.ID+"/artifacts", run.ArtifactURI)
		m, err := db.CreateLoggedModel(ctx, lineage.LoggedModel{ExperimentID: id})
		require.NoError(t, err)
		require.Equal(t, want+"models/"+m.ModelID+"/artifacts", m.ArtifactURI)
	}
	for _, location := range []string{"s3://bucket/teams", "s3://other/team/x", "/srv/x", "s3://bucket/team/../x"} {
		_, err := db.CreateExperiment(ctx, "bad", &runstone.ExperimentOptions{Location: location})
		require.ErrorIs(t, err, runstone.ErrInvalid, location)
	}

	// Who shares the database writes to its folder of artifacts.
	shared, err := runstone.Open(dir, &runstone.Options{ArtifactRoot: "s3://bucket/team", NoSystemInfo: true})
	require.NoError(t, err)
	require.True(t, shared.Shared())
	other, err := shared.CreateRun(ctx, runstone.NewRun{Experiment: "shared"})
	require.NoError(t, err)
	require.Equal(t, "mlflow-artifacts:/"+other.ExperimentID+"/"+other.ID+"/artifacts", other.ArtifactURI)
	require.NoError(t, shared.Close())
	require.NoError(t, db.Close())

	// An experiment keeps its place.
	db, err = runstone.Open(dir, &runstone.Options{NoSystemInfo: true})
	require.NoError(t, err)
	for id, want := range map[string]string{run.ID: run.ArtifactURI, made.ID: made.ArtifactURI, other.ID: other.ArtifactURI} {
		info, err := db.RunInfo(ctx, id)
		require.NoError(t, err)
		require.Equal(t, want, info.ArtifactURI)
	}
	require.NoError(t, db.Close())

	for _, root := range []string{"relative", "runs:/0123", "models:/m/1", "s3://b/../x", "/", "s3://b/" + strings.Repeat("x", 1024)} {
		_, err := runstone.Open(t.TempDir(), &runstone.Options{ArtifactRoot: root})
		require.ErrorIs(t, err, runstone.ErrInvalid, root)
	}
}
