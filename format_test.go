package runstone

import (
	"archive/zip"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestOldFormats opens databases of earlier versions, kept as archives: one
// that was closed and one that was killed. A new version adds its own with
// -update and keeps the others.
func TestOldFormats(t *testing.T) {
	if *update {
		keepDatabase(t, "testdata/format-1-closed.zip", false)
		keepDatabase(t, "testdata/format-1-killed.zip", true)
	}
	files, err := filepath.Glob("testdata/format-*.zip")
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, file := range files {
		dir := filepath.Join(t.TempDir(), "db")
		want := unpack(t, file, dir)
		for _, opt := range []*Options{{ReadOnly: true, tune: small().tune}, {Exclusive: true, tune: small().tune}, {ReadOnly: true}} {
			db, err := Open(dir, opt)
			require.NoError(t, err, file)
			got, err := digest(db)
			require.NoError(t, err)
			require.Equal(t, want, got, file)
			_, err = db.Verify(ctx, &VerifyOptions{Artifacts: true}, func(p Problem) { t.Errorf("%s: %s: %v", file, p.Where, p.Err) })
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}
	}
}

// keepDatabase packs a database; the archive's comment is its digest.
func keepDatabase(t *testing.T, file string, killed bool) {
	t.Helper()
	dir := makeDatabase(t, killed)
	sum, err := readDigest(dir)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll("testdata", 0o755))
	f, err := os.Create(file)
	require.NoError(t, err)
	z := zip.NewWriter(f)
	require.NoError(t, z.AddFS(os.DirFS(dir)))
	require.NoError(t, z.SetComment(sum))
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
}

func readDigest(dir string) (string, error) {
	db, err := Open(dir, &Options{ReadOnly: true, tune: small().tune})
	if err != nil {
		return "", err
	}
	defer db.Close()
	return digest(db)
}

// unpack returns the digest in the archive's comment.
func unpack(t *testing.T, file, dir string) string {
	t.Helper()
	z, err := zip.OpenReader(file)
	require.NoError(t, err)
	defer z.Close()
	for _, e := range z.File {
		path := filepath.Join(dir, filepath.FromSlash(e.Name))
		if strings.HasSuffix(e.Name, "/") {
			require.NoError(t, os.MkdirAll(path, 0o700))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		in, err := e.Open()
		require.NoError(t, err)
		out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = io.Copy(out, in)
		require.NoError(t, err)
		require.NoError(t, in.Close())
		require.NoError(t, out.Close())
	}
	return z.Comment
}
