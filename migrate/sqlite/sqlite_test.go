package sqlite

import (
	"compress/gzip"
	"context"
	"database/sql"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/store"
)

// build makes a database from a dump of one that an MLflow of that version
// filled with clients/python/migrate_fill.py.
func build(t *testing.T, dump string) string {
	t.Helper()
	f, err := os.Open(dump)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "mlflow.db")
	change(t, path, string(text))
	return path
}

func change(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec(statements)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func load(t *testing.T, db *runstone.DB, path string, opt *migrate.Options) (*migrate.Report, error) {
	t.Helper()
	src, err := Open(context.Background(), path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, src.Close()) }()
	return migrate.Import(context.Background(), db, src, opt)
}

func newDB(t *testing.T) *runstone.DB {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestSchemas(t *testing.T) {
	dumps, err := filepath.Glob("testdata/*.sql.gz")
	require.NoError(t, err)
	require.Len(t, dumps, 5)
	for _, dump := range dumps {
		version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(dump), "mlflow-"), ".sql.gz")
		t.Run(version, func(t *testing.T) {
			ctx := context.Background()
			path, db := build(t, dump), newDB(t)
			first, err := load(t, db, path, nil)
			require.NoError(t, err)
			runs, models := int64(14), int64(3)
			if strings.HasPrefix(version, "3") {
				runs, models = 16, 4
				require.EqualValues(t, 3, first.Tallies[migrate.LoggedModels].Added)
			}
			require.Equal(t, runs, first.Tallies[migrate.Runs].Added)
			require.EqualValues(t, 6, first.Tallies[migrate.Experiments].Added)
			require.Equal(t, models, first.Tallies[migrate.Models].Added)
			require.Empty(t, first.Conflicts)

			e, err := db.ExperimentByName(ctx, "plain")
			require.NoError(t, err)
			require.Equal(t, "1", e.ID)
			require.Equal(t, "vision", e.Tags["team"])
			found, err := db.Search(ctx, "tags.kind = 'everything'", nil), error(nil)
			require.NoError(t, err)
			for r, err := range found {
				require.NoError(t, err)
				require.Equal(t, "1", r.ExperimentID)
				require.Equal(t, runstone.Finished, r.Status)
				nan, ok := r.Metric("nan")
				require.True(t, ok && math.IsNaN(nan))
			}
			require.NoError(t, db.View(ctx, func(tx *store.Tx) error {
				m, err := lineage.GetModel(tx, "forest")
				require.NoError(t, err)
				require.Equal(t, 5, m.LastVersion)
				v, err := lineage.GetVersion(tx, "forest", 2)
				require.NoError(t, err)
				require.Equal(t, lineage.StageProduction, v.Stage)
				_, err = lineage.GetVersion(tx, "forest", 5)
				require.ErrorIs(t, err, store.ErrNotFound)
				return nil
			}))

			again, err := load(t, db, path, nil)
			require.NoError(t, err)
			require.False(t, again.Changed())
			require.Zero(t, again.PointsAdded)
			for kind, tally := range first.Tallies {
				require.Equal(t, tally.Digest, again.Tallies[kind].Digest, kind)
				require.Equal(t, tally.Added, again.Tallies[kind].Same, kind)
			}
		})
	}
}

func TestConflicts(t *testing.T) {
	for _, c := range []struct{ name, change, kind, what string }{
		{"param", "UPDATE params SET value = 'other' WHERE key = 'lr'", "runs", "param 'lr'"},
		{"point", "UPDATE metrics SET value = 17 WHERE key = 'zero'", "runs", "points"},
		{"stage", "UPDATE model_versions SET current_stage = 'Staging' WHERE version = 2", "registered models", "stage of version 2"},
		{"logged", "UPDATE logged_models SET name = 'x' || name", "logged models", "name"},
		{"experiment", "UPDATE experiments SET name = 'x' WHERE experiment_id = 1", "experiments", "name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, db := build(t, "testdata/mlflow-3.18.sql.gz"), newDB(t)
			_, err := load(t, db, path, nil)
			require.NoError(t, err)
			change(t, path, c.change)
			report, err := load(t, db, path, nil)
			var conflict *migrate.Conflict
			require.ErrorAs(t, err, &conflict)
			require.ErrorIs(t, err, runstone.ErrConflict)
			require.EqualValues(t, c.kind, conflict.Kind)
			require.Contains(t, conflict.What, c.what)
			require.False(t, report.Changed())
			report, err = load(t, db, path, &migrate.Options{Skip: true})
			require.NoError(t, err)
			require.NotZero(t, report.Tallies[migrate.Kind(c.kind)].Conflicts)
			require.False(t, report.Changed())
		})
	}
}

func TestNewerSchemaIsNoted(t *testing.T) {
	path := build(t, "testdata/mlflow-3.18.sql.gz")
	change(t, path, "UPDATE alembic_version SET version_num = 'from the future'; ALTER TABLE runs ADD COLUMN what TEXT")
	report, err := load(t, newDB(t), path, nil)
	require.NoError(t, err)
	require.NotEmpty(t, report.Notes)
	require.Contains(t, report.Notes[0].Text, "from the future")
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	other, text := filepath.Join(dir, "other.db"), filepath.Join(dir, "text.db")
	change(t, other, "CREATE TABLE t (a); CREATE VIEW experiments AS SELECT 1 AS experiment_id, 'x' AS name")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600))
	for _, path := range []string{other, text, dir} {
		_, err := Open(context.Background(), path, nil)
		require.ErrorIs(t, err, ErrNotMLflow, path)
	}
	_, err := Open(context.Background(), filepath.Join(dir, "absent"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}
