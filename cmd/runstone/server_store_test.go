package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
)

// TestServerDir serves a named database where flags still name the store of
// MLflow that was imported, and refuses the store as long as there is none.
func TestServerDir(t *testing.T) {
	db, none := filepath.Join(t.TempDir(), "db"), filepath.Join(t.TempDir(), "none")
	require.NoError(t, with(t.Context(), db, nil, func(context.Context, *runstone.DB) error { return nil }))
	for backend, told := range map[string]string{
		"sqlite:///mlflow.db": "sqlite:///mlflow.db", "http://127.0.0.1:5000": "http://127.0.0.1:5000",
		"https://ada:secret@host:5000/ml": "https://host:5000/ml", "http://ada:secret%zz@host": "http://…", "postgresql://ada:secret@host/mlflow": "the postgresql database",
	} {
		stderr := &lockedBuffer{}
		a := &app{err: stderr, dataDir: db, env: func(string) (string, bool) { return "", false }}
		dir, err := a.serverDir(&serverFlags{backend: backend})
		require.NoError(t, err)
		require.Equal(t, db, dir)
		require.Contains(t, stderr.String(), told+", which --backend-store-uri names, is not read")
		require.NotContains(t, stderr.String(), "secret")
		a.dataDir = none
		_, err = a.serverDir(&serverFlags{backend: backend})
		require.ErrorContains(t, err, "does not")
		require.NotContains(t, err.Error(), "secret")
	}
}
