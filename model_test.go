package runstone

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModels(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir, nil)
	run, err := db.StartRun(ctx, "exp", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifact(ctx, "model/weights", strings.NewReader("w")))
	for i := range 3 {
		v, err := db.RegisterModel(ctx, "sepsis-dx", run.ID(), "model")
		require.NoError(t, err)
		require.Equal(t, i+1, v.Version)
		require.Equal(t, run.Info().ArtifactURI+"/model", v.Source)
	}
	_, err = db.RegisterModel(ctx, "sepsis-dx", "nope", "model")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = db.RegisterModel(ctx, "a/b", run.ID(), "model")
	require.ErrorIs(t, err, ErrInvalid)
	_, err = db.PromoteModel(ctx, "sepsis-dx", 2, "Staging", nil)
	require.NoError(t, err)
	_, err = db.PromoteModel(ctx, "sepsis-dx", 2, "production", &PromoteOptions{Archive: true})
	require.NoError(t, err)
	_, err = db.PromoteModel(ctx, "sepsis-dx", 3, "Production", &PromoteOptions{Archive: true})
	require.NoError(t, err)
	_, err = db.PromoteModel(ctx, "sepsis-dx", 3, "Best", &PromoteOptions{Archive: true})
	require.ErrorIs(t, err, ErrInvalid)
	require.NoError(t, db.Close())

	db = openDB(t, dir, &Options{ReadOnly: true})
	v, err := db.ModelVersion(ctx, "models:/sepsis-dx/Production")
	require.NoError(t, err)
	require.Equal(t, 3, v.Version)
	v, err = db.ModelVersion(ctx, "models:/sepsis-dx/2")
	require.NoError(t, err)
	require.Equal(t, "Archived", v.Stage)
	_, err = db.ModelVersion(ctx, "models:/sepsis-dx/9")
	require.ErrorIs(t, err, ErrNotFound)
	names := []string{}
	for m, err := range db.Models(ctx) {
		require.NoError(t, err)
		names = append(names, m.Name)
	}
	require.Equal(t, []string{"sepsis-dx"}, names)
}
