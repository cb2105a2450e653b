package artifact

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newRoot returns a Root and its directory.
func newRoot(t testing.TB) (*Root, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "root")
	r, err := OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r, dir
}

func put(t testing.TB, r *Root, name, body string) Info {
	t.Helper()
	info, err := r.Put(context.Background(), mustPath(t, name), strings.NewReader(body), PutOptions{})
	require.NoError(t, err)
	return info
}

func get(t testing.TB, r *Root, name string) string {
	t.Helper()
	f, err := r.Open(mustPath(t, name))
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(b)
}

// names returns the paths of files, with a slash after directories.
func names(files []File) []string {
	out := []string{}
	for _, f := range files {
		if f.IsDir {
			f.Path += "/"
		}
		out = append(out, f.Path)
	}
	return out
}

func walkAll(t testing.TB, r *Root, p Path) []string {
	t.Helper()
	var files []File
	for f, err := range r.Walk(p) {
		require.NoError(t, err)
		files = append(files, f)
	}
	return names(files)
}

// onDisk returns every name below dir, temporary entries included.
func onDisk(t testing.TB, dir string) []string {
	t.Helper()
	out := []string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	}))
	return out
}

func TestOpenRoot(t *testing.T) {
	_, dir := newRoot(t)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = OpenRoot(file)
	require.Error(t, err)

	r, err := OpenRoot(dir)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = r.Open(mustPath(t, "file"))
	require.ErrorIs(t, err, ErrClosed)
	_, err = r.List(Path{})
	require.ErrorIs(t, err, ErrClosed)
	_, err = r.Put(context.Background(), mustPath(t, "x"), strings.NewReader(""), PutOptions{})
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, r.Delete(mustPath(t, "file")), ErrClosed)
	_, err = r.Sweep(0)
	require.ErrorIs(t, err, ErrClosed)
}

func TestOpen(t *testing.T) {
	r, dir := newRoot(t)
	put(t, r, "1/run/artifacts/model/MLmodel", "flavors: {}")
	f, err := r.Open(mustPath(t, "1/run/artifacts/model/MLmodel"))
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	require.Equal(t, int64(11), info.Size())
	_, err = f.Seek(9, io.SeekStart)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "{}", string(b))
	_, err = f.Write([]byte("x"))
	require.Error(t, err)
	require.NoError(t, f.Close())

	for name, want := range map[string]error{
		"":                                       ErrIsDir,
		"1":                                      ErrIsDir,
		"1/run":                                  ErrIsDir,
		"2":                                      ErrNotFound,
		"1/2/3":                                  ErrNotFound,
		"1/run/x":                                ErrNotFound,
		"1/run/artifacts/model/MLmodel/x":        ErrNotFound,
		"1/run/artifacts/model/MLmodel/x/y":      ErrNotFound,
		strings.Repeat("a/", 63) + "z":           ErrNotFound,
		"1/run/artifacts/model/" + "%2e-MLmodel": ErrNotFound,
	} {
		_, err := r.Open(mustPath(t, name))
		require.ErrorIs(t, err, want, name)
		require.NotContains(t, err.Error(), dir)
	}
}

func TestList(t *testing.T) {
	r, dir := newRoot(t)
	put(t, r, "a/b/deep", "123")
	put(t, r, "a/z", "1")
	put(t, r, "a/b-c", "22")
	put(t, r, "a/ü 雪", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, tempPrefix+"X"), []byte("half"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "bad\nname"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "bad\xff"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", `bad\name`), nil, 0o600))

	files, err := r.List(mustPath(t, "a"))
	require.NoError(t, err)
	require.Equal(t, []string{"a/b/", "a/b-c", "a/z", "a/ü 雪"}, names(files))
	require.Equal(t, int64(2), files[1].Size)
	require.Zero(t, files[0].Size)
	require.WithinDuration(t, time.Now(), files[1].ModTime, time.Hour)

	files, err = r.List(Path{})
	require.NoError(t, err)
	require.Equal(t, []string{"a/"}, names(files))
	for _, name := range []string{"missing", "a/z", "a/z/x", "missing/x"} {
		files, err = r.List(mustPath(t, name))
		require.NoError(t, err)
		require.Empty(t, files)
	}
}

func TestWalk(t *testing.T) {
	r, _ := newRoot(t)
	for _, name := range []string{"a/b/1", "a/b/c/2", "a/b-/3", "d"} {
		put(t, r, name, name)
	}
	require.Equal(t, []string{"a/", "a/b/", "a/b/1", "a/b/c/", "a/b/c/2", "a/b-/", "a/b-/3", "d"}, walkAll(t, r, Path{}))
	require.Equal(t, []string{"a/b/c/2"}, walkAll(t, r, mustPath(t, "a/b/c")))
	require.Equal(t, []string{"d"}, walkAll(t, r, mustPath(t, "d")))
	require.Empty(t, walkAll(t, r, mustPath(t, "x/y")))
	seen := 0
	for range r.Walk(Path{}) {
		if seen++; seen == 3 {
			break
		}
	}
	require.Equal(t, 3, seen)
	require.NoError(t, r.root.Close())
	for f, err := range r.Walk(Path{}) {
		require.Zero(t, f)
		require.ErrorIs(t, err, ErrClosed)
	}
}

func TestDelete(t *testing.T) {
	r, dir := newRoot(t)
	outside := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.WriteFile(outside, []byte("canary"), 0o600))
	for _, name := range []string{"a/b/1", "a/b/c/2", "a/d", "e"} {
		put(t, r, name, name)
	}
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, "a/b/out")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "a/link")))

	open, err := r.Open(mustPath(t, "e"))
	require.NoError(t, err)
	defer open.Close()
	require.NoError(t, r.Delete(mustPath(t, "e")))
	b, err := io.ReadAll(open)
	require.NoError(t, err)
	require.Equal(t, "e", string(b))

	require.NoError(t, r.Delete(mustPath(t, "a/b")))
	require.Equal(t, []string{"a/", "a/d"}, walkAll(t, r, Path{}))
	require.FileExists(t, outside)
	for _, name := range []string{"a/b", "a/link", "a/link/x", "x/y", "a/d/x"} {
		require.ErrorIs(t, r.Delete(mustPath(t, name)), ErrNotFound, name)
	}
	require.ErrorIs(t, r.Delete(Path{}), ErrPath)
	require.Equal(t, []string{"a", "a/d", "a/link"}, onDisk(t, dir))
	require.Empty(t, r.live)
}

// No link is followed, wherever it leads and whatever is done through it.
func TestLinks(t *testing.T) {
	r, dir := newRoot(t)
	out := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(out, "secret"), []byte("canary"), 0o600))
	put(t, r, "in/file", "inside")
	for link, target := range map[string]string{
		"abs": out, "absfile": filepath.Join(out, "secret"), "up": "../../..", "in2": "in",
		"infile": "in/file", "loop": "loop", "dangling": "nowhere",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	require.Equal(t, []string{"in/", "in/file"}, walkAll(t, r, Path{}))
	for _, name := range []string{"abs", "abs/secret", "absfile", "up", "up/x", "in2", "in2/file", "infile", "loop", "loop/x", "dangling"} {
		p := mustPath(t, name)
		_, err := r.Open(p)
		require.ErrorIs(t, err, ErrNotFound, name)
		files, err := r.List(p)
		require.NoError(t, err, name)
		require.Empty(t, files)
		require.Empty(t, walkAll(t, r, p))
		require.ErrorIs(t, r.Delete(p), ErrNotFound, name)
		require.ErrorIs(t, r.Verify(p, put(t, r, "in/file", "inside").Digest), ErrNotFound)
	}
	for _, name := range []string{"abs/new", "up/new", "in2/new", "in2/sub/new", "dangling/new", "loop/new", "infile/new"} {
		_, err := r.Put(context.Background(), mustPath(t, name), strings.NewReader("x"), PutOptions{})
		require.ErrorIs(t, err, ErrNotDir, name)
	}
	// A link as the last segment is replaced, not written through.
	put(t, r, "absfile", "mine")
	put(t, r, "dangling", "mine")
	require.Equal(t, "mine", get(t, r, "absfile"))
	b, err := os.ReadFile(filepath.Join(out, "secret"))
	require.NoError(t, err)
	require.Equal(t, "canary", string(b))
	require.Equal(t, []string{"secret"}, onDisk(t, out))
	require.NoFileExists(t, filepath.Join(dir, "nowhere"))
}

func TestDeepTree(t *testing.T) {
	r, dir := newRoot(t)
	deep := strings.Repeat("d/", MaxDepth-1) + "z"
	put(t, r, deep, "deep")
	require.Equal(t, "deep", get(t, r, deep))
	require.Len(t, walkAll(t, r, Path{}), MaxDepth)
	require.NoError(t, r.Delete(mustPath(t, "d")))
	require.Empty(t, onDisk(t, dir))
}
