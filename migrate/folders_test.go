package migrate

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLocations(t *testing.T) {
	for location, want := range map[string]struct{ served, local, key string }{
		"mlflow-artifacts:/1/r/artifacts":                 {"1/r/artifacts", "", "mlflow-artifacts:/1/r/artifacts"},
		"mlflow-artifacts://host:5000/1/r":                {"1/r", "", "mlflow-artifacts:/1/r"},
		"MLFLOW-artifacts:/1/":                            {"1/", "", "mlflow-artifacts:/1"},
		"http://h/api/2.0/mlflow-artifacts/artifacts/1/r": {"1/r", "", "mlflow-artifacts:/1/r"},
		"http://h/elsewhere":                              {},
		"s3://bucket/1":                                   {},
		"file:///srv/a%20b/1":                             {"", "/srv/a b/1", "/srv/a b/1"},
		"file://localhost/srv/1":                          {"", "/srv/1", "/srv/1"},
		"file://elsewhere/srv/1":                          {},
		"file:///srv/%zz":                                 {},
		"/srv/./x/../1/":                                  {"", "/srv/./x/../1/", "/srv/1"},
		"mlruns/1":                                        {"", "mlruns/1", "mlruns/1"},
		"./a:b/c":                                         {"", "./a:b/c", "a:b/c"},
		"":                                                {},
	} {
		served, isServed := ServedPath(location)
		require.Equal(t, want.served, served, location)
		local, isLocal := LocalPath(location)
		require.Equal(t, filepath.FromSlash(want.local), local, location)
		require.False(t, isServed && isLocal, location)
		require.Equal(t, want.key, placeKey(location), location)
	}
}

func TestPlaces(t *testing.T) {
	p := places{"/srv/mlruns/1": "mlflow-artifacts:/1", "mlflow-artifacts:/old/2": "mlflow-artifacts:/2"}
	for from, want := range map[string]string{
		"/srv/mlruns/1":                         "mlflow-artifacts:/1",
		"file:///srv/mlruns/1/r/artifacts":      "mlflow-artifacts:/1/r/artifacts",
		"mlflow-artifacts://host/old/2/models/": "mlflow-artifacts:/2/models",
		"/srv/mlruns/10/r":                      "/srv/mlruns/10/r",
		"/srv/mlruns/1/../3":                    "/srv/mlruns/1/../3",
		"s3://bucket/srv/mlruns/1":              "s3://bucket/srv/mlruns/1",
		"models:/m/1":                           "models:/m/1",
		"":                                      "",
	} {
		require.Equal(t, want, p.moved(from), from)
	}
	require.Equal(t, "/x", places(nil).moved("/x"))
}

func write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
}

// read returns the files below a location by path.
func read(f *Folders, uri string) (map[string]string, error) {
	got := map[string]string{}
	for file, err := range f.Files(context.Background(), uri) {
		if err != nil {
			return nil, err
		}
		body, err := file.Open(context.Background())
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		if err := body.Close(); err != nil {
			return nil, err
		}
		got[file.Path] = string(text)
	}
	return got, nil
}

// TestFolders: what a location names is read where it is allowed to be, and
// nothing else, however it is spelt.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	served, within := filepath.Join(dir, "mlartifacts"), filepath.Join(dir, "mlruns")
	write(t, map[string]string{
		filepath.Join(dir, "secret", "key"):                        "secret",
		filepath.Join(served, "1", "r", "artifacts", "a", "b.txt"): "served",
		filepath.Join(within, "1", "r", "artifacts", "c.txt"):      "local",
	})
	require.NoError(t, os.Symlink(filepath.Join(dir, "secret"), filepath.Join(within, "1", "r", "artifacts", "out")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "secret"), filepath.Join(within, "away")))
	f, err := OpenFolders([]string{served}, []string{within})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()

	for uri, want := range map[string]map[string]string{
		"mlflow-artifacts:/1/r/artifacts":       {"a/b.txt": "served"},
		"mlflow-artifacts:/":                    {"1/r/artifacts/a/b.txt": "served"},
		"mlflow-artifacts:/2":                   {},
		within + "/1":                           {"r/artifacts/c.txt": "local"},
		"file://" + within + "/1/r":             {"artifacts/c.txt": "local"},
		"1/r/artifacts":                         {"c.txt": "local"},
		within + "/1/r/artifacts/../artifacts/": {"c.txt": "local"},
		within + "/9":                           {},
	} {
		require.NoError(t, f.Reach(uri), uri)
		got, err := read(f, uri)
		require.NoError(t, err, uri)
		require.Equal(t, want, got, uri)
	}
	for _, uri := range []string{
		dir + "/secret", within + "/../secret", "../secret", "/etc", "file:///etc", "s3://b/1", "",
		"mlflow-artifacts:/../secret", "mlflow-artifacts:/1/../../secret", `mlflow-artifacts:/..\secret`, "mlflow-artifacts:/1//r",
		"http://h/api/2.0/mlflow-artifacts/artifacts/../secret",
	} {
		require.ErrorIs(t, f.Reach(uri), ErrUnreachable, uri)
		_, err := read(f, uri)
		require.ErrorIs(t, err, ErrUnreachable, uri)
	}
	// A link that leads out of the folder is not followed, as a folder or a file.
	got, err := read(f, within+"/away")
	require.Empty(t, got)
	if err == nil {
		got, err = read(f, within+"/away/key")
		require.Empty(t, got)
	}
	require.True(t, err == nil || !os.IsNotExist(err))
	notes := f.Notes()
	require.Len(t, notes, 1)
	require.Positive(t, notes[0].N)

	// A store that was moved here is found by the name of an experiment's folder.
	require.NoError(t, f.Reach("/gone/mlruns/1"))
	got, err = read(f, "/gone/mlruns/1/r/artifacts")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"c.txt": "local"}, got)
	require.ErrorIs(t, f.Reach("/gone/mlruns/7"), ErrUnreachable)

	_, err = OpenFolders(nil, []string{filepath.Join(dir, "missing")})
	require.ErrorIs(t, err, fs.ErrNotExist)
	none, err := OpenFolders(nil, nil)
	require.NoError(t, err)
	require.ErrorIs(t, none.Reach("mlflow-artifacts:/1"), ErrUnreachable)
	require.NoError(t, none.Close())
}

// FuzzFolders: no location leads out of the folders.
func FuzzFolders(f *testing.F) {
	for _, uri := range []string{"mlflow-artifacts:/../secret", "file:///../secret", "../secret", "1/../../secret", `..\secret`, "http://h/api/2.0/mlflow-artifacts/artifacts/%2e%2e/secret"} {
		f.Add(uri)
	}
	dir := f.TempDir()
	for name, text := range map[string]string{"secret/key": "secret", "in/1/x": "fine"} {
		require.NoError(f, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750))
		require.NoError(f, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	folders, err := OpenFolders([]string{filepath.Join(dir, "in")}, []string{filepath.Join(dir, "in")})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, folders.Close()) })
	f.Fuzz(func(t *testing.T, uri string) {
		folders.moved = nil
		_ = folders.Reach(uri) // may remember a place
		got, err := read(folders, uri)
		if err != nil {
			return
		}
		for name, text := range got {
			require.Equal(t, "fine", text, "%q: %s", uri, name)
		}
	})
}
