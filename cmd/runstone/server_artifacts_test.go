package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestApart: folders are compared by where they are, not by their names.
func TestApart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	require.NoError(t, os.Symlink("a", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	t.Chdir(dir)
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a", "c", true}, {"a", "ab", true}, {"a/b", "a/c", true}, {"new/x", "new/y", true}, {"link/b", "a/c", true},
		{"a", "a", false}, {"a", "a/b", false}, {"a/new/x", "a", false}, {"link", "a/b", false}, {"link/new", "a", false},
		{"new", "new/x/y", false}, {".", "a", false}, {"/", "a", false}, {"a/../c", "c", false},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			got, err := apart(pair[0], pair[1])
			require.NoError(t, err)
			require.Equal(t, c.want, got, "%s and %s", pair[0], pair[1])
		}
	}
	_, err := apart("dangling/x", "a")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestChooseRoot: a path becomes absolute, a file: URI stays one, and what is
// no folder stays as it is.
func TestChooseRoot(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, want := range map[string]artifactPlaces{
		"":                   {},
		"files/":             {root: dir + "/files", local: dir + "/files"},
		dir + "/x":           {root: dir + "/x", local: dir + "/x"},
		"file:files":         {root: "file://" + dir + "/files", local: dir + "/files"},
		"file:///srv/a%20b":  {root: "file:///srv/a%20b", local: "/srv/a b"},
		"file://localhost/x": {root: "file:///x", local: "/x"},
		"s3://bucket/prefix": {root: "s3://bucket/prefix"},
		"dbfs:/x":            {root: "dbfs:/x"},
		"mlflow-artifacts:/": {root: "mlflow-artifacts:/"},
		"wasbs://c@account.blob.core.windows.net/x": {root: "wasbs://c@account.blob.core.windows.net/x"},
	} {
		p := artifactPlaces{}
		require.NoError(t, p.chooseRoot(&serverFlags{root: name, serve: true}), name)
		require.Equal(t, want, p, name)
	}
	p := artifactPlaces{}
	require.NoError(t, p.chooseRoot(&serverFlags{noServe: true}))
	require.Equal(t, dir+"/mlruns", p.local)
	for _, bad := range []string{"file://host/x", "models:/m/1", "s3:bucket", "S3://bucket", "s3://b/../x", "s3://b/%2e%2e/x", "a\x00b"} {
		require.Error(t, new(artifactPlaces).chooseRoot(&serverFlags{root: bad, serve: true}), bad)
	}
}
