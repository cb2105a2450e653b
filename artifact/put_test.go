package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func sumOf(b []byte) Digest {
	s := sha256.Sum256(b)
	return Digest("sha256:" + hex.EncodeToString(s[:]))
}

func TestPut(t *testing.T) {
	r, dir := newRoot(t)
	for _, size := range []int{0, 1, bufSize - 1, bufSize, bufSize + 1, 3*bufSize + 17} {
		body := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"plain": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "eof": iotest.DataErrReader,
		} {
			p := mustPath(t, fmt.Sprintf("1/run/%s/%d", name, size))
			opt := PutOptions{MaxBytes: int64(max(size, 1)), Size: int64(size), Digest: sumOf(body)}
			info, err := r.Put(context.Background(), p, wrap(bytes.NewReader(body)), opt)
			require.NoError(t, err)
			require.Equal(t, Info{int64(size), sumOf(body)}, info)
			require.Equal(t, string(body), get(t, r, p.String()))
			require.NoError(t, r.Verify(p, info.Digest))
		}
	}
	put(t, r, "1/run/plain/0", "replaced")
	require.Equal(t, "replaced", get(t, r, "1/run/plain/0"))

	require.NoError(t, filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.Equal(t, map[bool]os.FileMode{true: 0o700, false: 0o600}[d.IsDir()], info.Mode().Perm(), d.Name())
		require.False(t, strings.HasPrefix(d.Name(), tempPrefix))
		return nil
	}))
	require.Empty(t, r.live)
}

// stuck returns no bytes and no error for ever.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// liar claims more bytes than there is room for.
type liar struct{}

func (liar) Read(b []byte) (int, error) { return len(b) + 1, nil }

// A Put that fails leaves nothing, neither new names nor a changed old file.
func TestPutFails(t *testing.T) {
	broken := errors.New("connection reset")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	ctx := context.Background()
	big := strings.Repeat("x", 2*bufSize)
	text := func(s string) io.Reader { return strings.NewReader(s) }
	for name, c := range map[string]struct {
		ctx  context.Context
		path string
		body io.Reader
		opt  PutOptions
		want error
	}{
		"cancelled before":  {canceled, "a/b", text("x"), PutOptions{}, context.Canceled},
		"reader error":      {ctx, "a/b", io.MultiReader(text(big), iotest.ErrReader(broken)), PutOptions{}, broken},
		"reader timeout":    {ctx, "a/b", iotest.TimeoutReader(text(big)), PutOptions{}, iotest.ErrTimeout},
		"missing file body": {ctx, "a/b", iotest.ErrReader(os.ErrNotExist), PutOptions{}, os.ErrNotExist},
		"cut short":         {ctx, "a/b", io.MultiReader(text(big), iotest.ErrReader(io.ErrUnexpectedEOF)), PutOptions{}, io.ErrUnexpectedEOF},
		"no progress":       {ctx, "a/b", stuck{}, PutOptions{}, io.ErrNoProgress},
		"limit":             {ctx, "a/b", text("12345"), PutOptions{MaxBytes: 4}, ErrTooLarge},
		"limit, large":      {ctx, "a/b", text(big), PutOptions{MaxBytes: 2*bufSize - 1}, ErrTooLarge},
		"limit, announced":  {ctx, "a/b", stuck{}, PutOptions{MaxBytes: 4, Size: 5}, ErrTooLarge},
		"fewer than said":   {ctx, "a/b", text("1234"), PutOptions{Size: 5}, ErrDigest},
		"more than said":    {ctx, "a/b", text("123456"), PutOptions{Size: 5}, ErrDigest},
		"other bytes":       {ctx, "a/b", text("1234"), PutOptions{Digest: sumOf([]byte("1235"))}, ErrDigest},
		"bad digest":        {ctx, "a/b", text("1234"), PutOptions{Digest: "md5:1"}, ErrDigest},
		"root":              {ctx, "", text("x"), PutOptions{}, ErrPath},
		"onto a directory":  {ctx, "old", text("x"), PutOptions{}, ErrIsDir},
		"below a file":      {ctx, "old/file/x", text("x"), PutOptions{}, ErrNotDir},
		"deep below a file": {ctx, "old/file/x/y/z", text("x"), PutOptions{}, ErrNotDir},
		"old, reader error": {ctx, "old/file", io.MultiReader(text(big), iotest.ErrReader(broken)), PutOptions{}, broken},
		"old, limit":        {ctx, "old/file", text(big), PutOptions{MaxBytes: 5}, ErrTooLarge},
		"old, other bytes":  {ctx, "old/file", text(big), PutOptions{Digest: sumOf(nil)}, ErrDigest},
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := newRoot(t)
			put(t, r, "old/file", "old")
			info, err := r.Put(c.ctx, mustPath(t, c.path), c.body, c.opt)
			require.ErrorIs(t, err, c.want)
			require.NotContains(t, err.Error(), dir)
			require.Zero(t, info)
			require.Equal(t, []string{"old", "old/file"}, onDisk(t, dir))
			require.Equal(t, "old", get(t, r, "old/file"))
			require.Empty(t, r.live)
		})
	}
	r, dir := newRoot(t)
	_, err := r.Put(ctx, mustPath(t, "a"), liar{}, PutOptions{})
	require.Error(t, err)
	require.Empty(t, onDisk(t, dir))
}

func TestPutCancelledMidway(t *testing.T) {
	for _, at := range []int{1, 3, 5} { // 5: together with the end of the body
		r, dir := newRoot(t)
		ctx, cancel := context.WithCancel(context.Background())
		reads := 0
		body := readFunc(func(b []byte) (int, error) {
			if reads++; reads == at {
				require.Len(t, onDisk(t, dir), 1) // the temporary entry
				files, err := r.List(Path{})
				require.NoError(t, err)
				require.Empty(t, files)
				cancel()
			}
			if reads == 5 {
				return 0, io.EOF
			}
			return len(b), nil
		})
		_, err := r.Put(ctx, mustPath(t, "a/b"), body, PutOptions{})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, at, reads)
		require.Empty(t, onDisk(t, dir))
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// Something takes the name while the body is on its way.
func TestPutOvertaken(t *testing.T) {
	for name, c := range map[string]struct {
		path, taken string
		want        error
		left        []string
	}{
		"by a directory": {"a/b", "a/b/c", ErrIsDir, []string{"a", "a/b", "a/b/c"}},
		"by a file":      {"a/b/c/d", "a/b", ErrNotDir, []string{"a", "a/b"}},
		"above, by file": {"a/b/c/d", "a", ErrNotDir, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := newRoot(t)
			body := readFunc(func([]byte) (int, error) {
				put(t, r, c.taken, "first")
				return 0, io.EOF
			})
			_, err := r.Put(context.Background(), mustPath(t, c.path), body, PutOptions{})
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.left, onDisk(t, dir))
		})
	}
	t.Run("directory deleted", func(t *testing.T) {
		r, dir := newRoot(t)
		put(t, r, "a/b/old", "old")
		body := readFunc(func([]byte) (int, error) {
			require.NoError(t, r.Delete(mustPath(t, "a")))
			return 0, io.EOF
		})
		_, err := r.Put(context.Background(), mustPath(t, "a/b/new"), body, PutOptions{})
		require.NoError(t, err)
		require.Equal(t, []string{"a", "a/b", "a/b/new"}, onDisk(t, dir))
	})
	t.Run("swept", func(t *testing.T) {
		r, dir := newRoot(t)
		other, err := OpenRoot(dir) // stands for another process
		require.NoError(t, err)
		defer other.Close()
		body := readFunc(func([]byte) (int, error) {
			n, err := r.Sweep(0)
			require.NoError(t, err)
			require.Zero(t, n, "a Root keeps its own")
			n, err = other.Sweep(time.Hour)
			require.NoError(t, err)
			require.Zero(t, n, "too young")
			n, err = other.Sweep(-time.Hour)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			return 0, io.EOF
		})
		_, err = r.Put(context.Background(), mustPath(t, "a/b"), body, PutOptions{})
		require.ErrorIs(t, err, ErrNotFound)
		require.Empty(t, onDisk(t, dir))
	})
}

// Writers, readers and deleters of one name: what is read is always one of
// the bodies, whole.
func TestPutConcurrent(t *testing.T) {
	r, dir := newRoot(t)
	p := mustPath(t, "a/b/same")
	bodies := make(map[string]bool)
	for i := range 8 {
		bodies[strings.Repeat(string(rune('a'+i)), 50_000+i*10_000)] = true
	}
	var wg sync.WaitGroup
	for body := range bodies {
		wg.Go(func() {
			for range 10 {
				_, err := r.Put(context.Background(), p, strings.NewReader(body), PutOptions{})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := r.Delete(mustPath(t, "a")); err != nil && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for range 50 {
				f, err := r.Open(p)
				if errors.Is(err, ErrNotFound) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(f)
				f.Close()
				if err != nil || !bodies[string(b)] {
					t.Errorf("torn: %d bytes, %v", len(b), err)
				}
				for _, err := range r.Walk(Path{}) {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	put(t, r, "a/b/same", "last")
	require.Equal(t, "last", get(t, r, "a/b/same"))
	require.Equal(t, []string{"a", "a/b", "a/b/same"}, onDisk(t, dir))
	require.Empty(t, r.live)
}

func TestSweep(t *testing.T) {
	r, dir := newRoot(t)
	put(t, r, "a/keep", "x")
	old := time.Now().Add(-2 * time.Hour)
	for name, stale := range map[string]bool{tempPrefix + "OLD": true, tempPrefix + "NEW": false, tempPrefix + "OLDDIR": true} {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "DIR") {
			require.NoError(t, os.MkdirAll(filepath.Join(path, "sub"), 0o700))
		} else {
			require.NoError(t, os.WriteFile(path, []byte("half"), 0o600))
		}
		if stale {
			require.NoError(t, os.Chtimes(path, old, old))
		}
	}
	n, err := r.Sweep(time.Hour)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []string{tempPrefix + "NEW", "a", "a/keep"}, onDisk(t, dir))
}

func TestVerify(t *testing.T) {
	r, dir := newRoot(t)
	body := strings.Repeat("0123456789", 50_000)
	d := put(t, r, "m/model.bin", body).Digest
	p := mustPath(t, "m/model.bin")
	require.Equal(t, sumOf([]byte(body)), d)
	require.NoError(t, r.Verify(p, d))
	require.ErrorIs(t, r.Verify(p, sumOf(nil)), ErrDigest)
	require.ErrorIs(t, r.Verify(p, "sha256:short"), ErrDigest)
	require.ErrorIs(t, r.Verify(mustPath(t, "m"), d), ErrIsDir)
	require.ErrorIs(t, r.Verify(mustPath(t, "x"), d), ErrNotFound)

	f, err := os.OpenFile(filepath.Join(dir, "m/model.bin"), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{'0' ^ 1}, 300_000)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.ErrorIs(t, r.Verify(p, d), ErrDigest)
}

func TestParseDigest(t *testing.T) {
	good := string(sumOf([]byte("x")))
	d, err := ParseDigest(good)
	require.NoError(t, err)
	require.Equal(t, good, string(d))
	for _, s := range []string{"", "sha256:", good[:70], good + "0", strings.ToUpper(good), good[7:], "md5:" + good[7:], good[:70] + "g"} {
		_, err := ParseDigest(s)
		require.ErrorIs(t, err, ErrDigest, s)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			r, _ := newRoot(b)
			body := bytes.Repeat([]byte{'x'}, size)
			p := mustPath(b, "1/run/artifacts/model/model.bin")
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Put(context.Background(), p, bytes.NewReader(body), PutOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
