package runstone

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModels(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir, &Options{User: "ada"})
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
	_, err = db.PromoteModel(ctx, "sepsis-dx", 3, "Production", &PromoteOptions{Archive: true, Reason: "better on site B"})
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
	var told []string
	for c, err := range db.ModelHistory(ctx, "sepsis-dx") {
		require.NoError(t, err)
		told = append(told, fmt.Sprintf("%s %v %d %s>%s %s", c.Author.Name, c.Action, c.Version, c.Old, c.New, c.Author.Reason))
	}
	require.Len(t, told, 8)
	require.Equal(t, []string{
		"ada moved 3 None>Production better on site B", "ada moved 2 Production>Archived better on site B", "ada moved 2 Staging>Production ",
	}, told[:3])
	require.Equal(t, "ada created 0 >sepsis-dx ", told[7])
	for _, err := range db.ModelHistory(ctx, "nope") {
		require.ErrorIs(t, err, ErrNotFound)
	}
	names := []string{}
	for m, err := range db.Models(ctx) {
		require.NoError(t, err)
		names = append(names, m.Name)
	}
	require.Equal(t, []string{"sepsis-dx"}, names)
}
