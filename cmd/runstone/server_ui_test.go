package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenUI(t *testing.T) {
	none, err := openUI("")
	require.NoError(t, err)
	require.Nil(t, none)
	for _, place := range []string{
		".", "build", "server/js/build", "mlflow/server/js/build", "lib/python3.12/site-packages/mlflow/server/js/build",
	} {
		dir := filepath.Join(t.TempDir(), "odd [name]*")
		ui := filepath.Join(dir, filepath.FromSlash(place))
		require.NoError(t, os.MkdirAll(ui, 0o755))
		_, err := openUI(dir)
		require.ErrorContains(t, err, "no index.html", place)
		require.NoError(t, os.WriteFile(filepath.Join(ui, "index.html"), []byte(place), 0o600))
		root, err := openUI(dir)
		require.NoError(t, err, place)
		text, err := root.ReadFile("index.html")
		require.NoError(t, err)
		require.Equal(t, place, string(text))
		require.NoError(t, root.Close())
	}
	_, err = openUI(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = openUI(file)
	require.ErrorContains(t, err, "wants a folder")
}
