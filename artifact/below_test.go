package artifact

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		root, uri string
		want      string // "-" is not below
	}{
		{"/a/b", "/a/b", ""}, {"/a/b/", "/a/b/c/d", "c/d"}, {"/a/b", "file:///a/b/c", "c"}, {"file:///a%20b", "/a b/c", "c"},
		{"/a/b", "/a/bc", "-"}, {"/a/b", "/a", "-"}, {"/a", "s3://a/x", "-"}, {"/a", "mlflow-artifacts:/a", "-"},
		{"mlflow-artifacts:/", "mlflow-artifacts:/x/y", "x/y"}, {"mlflow-artifacts:/x", "mlflow-artifacts:///x/y", "y"},
		{"mlflow-artifacts:/x", "mlflow-artifacts:/xy", "-"}, {"mlflow-artifacts:/x", "mlflow-artifacts://x/y", "-"},
		{"s3://b", "s3://b/x", "x"}, {"s3://b/", "s3://b", ""}, {"s3://b/p/", "s3://b/p/x/y/", "x/y"}, {"dbfs:/p", "dbfs:/p/x", "x"},
		{"s3://b/p", "s3://b/px", "-"}, {"s3://b/p", "s3://c/p/x", "-"}, {"s3://b/p", "s3://b/p//x", "-"}, {"s3://b/p", "gs://b/p/x", "-"},
		{"s3://b", "s3://bc/x", "-"}, {"s3://b", "s3://u@b/x", "-"}, {"mlflow-artifacts://h/p", "mlflow-artifacts://h/p/x", "x"},
		{"runs:/0123/a", "runs:/0123/a/b", "-"}, {"models:/m/1", "models:/m/1", "-"},
	} {
		root, err := ParseLocation(c.root)
		require.NoError(t, err)
		l, err := ParseLocation(c.uri)
		require.NoError(t, err)
		p, ok := l.Below(root)
		require.Equal(t, c.want != "-", ok, "%s below %s", c.uri, c.root)
		if ok {
			require.Equal(t, c.want, p.String(), "%s below %s", c.uri, c.root)
		}
	}
	_, ok := Location{}.Below(Location{})
	require.False(t, ok)
}

// TestOpenShared: others may go on where this program made folders.
func TestOpenShared(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no modes
	}
	modes := func(open func(string) (*Root, error)) []os.FileMode {
		dir := filepath.Join(t.TempDir(), "root")
		r, err := open(dir)
		require.NoError(t, err)
		p, err := ParsePath("a/f")
		require.NoError(t, err)
		_, err = r.Put(context.Background(), p, strings.NewReader("x"), PutOptions{})
		require.NoError(t, err)
		require.NoError(t, r.Close())
		var out []os.FileMode
		for _, name := range []string{"", "a", "a/f"} {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			out = append(out, info.Mode().Perm())
		}
		return out
	}
	made := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.Mkdir(made, 0o777))
	info, err := os.Stat(made)
	require.NoError(t, err)
	dir := info.Mode().Perm() // what the umask leaves
	require.Equal(t, []os.FileMode{dir, dir, dir & 0o666}, modes(OpenShared))
	require.Equal(t, []os.FileMode{0o700, 0o700, 0o600}, modes(OpenRoot))
}
