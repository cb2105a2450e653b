package artifact

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// entries returns the names directly in the root directory.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestUpload(t *testing.T) {
	ctx := context.Background()
	r, dir := newRoot(t)
	for _, n := range []int{1, 2, 7} {
		rnd := rand.New(rand.NewPCG(1, uint64(n)))
		parts, digests := make([][]byte, n), make([]Digest, n)
		var whole []byte
		for i := range parts {
			parts[i] = bytes.Repeat([]byte{byte(i + 1)}, rnd.IntN(3*bufSize))
			digests[i] = sumOf(parts[i])
			whole = append(whole, parts[i]...)
		}
		u, err := r.NewUpload(mustPath(t, "1/run/big"))
		require.NoError(t, err)
		var g sync.WaitGroup
		for _, i := range append(rnd.Perm(n), rnd.Perm(n)...) { // each part twice, all at once
			g.Go(func() {
				info, err := u.PutPart(ctx, i+1, bytes.NewReader(parts[i]), PutOptions{})
				if err != nil || info.Digest != digests[i] {
					t.Error(err, info)
				}
			})
		}
		g.Wait()
		swept, err := r.Sweep(-time.Hour)
		require.NoError(t, err)
		require.Zero(t, swept, "it is in use")
		info, err := u.Complete(ctx, digests)
		require.NoError(t, err)
		require.Equal(t, Info{int64(len(whole)), sumOf(whole)}, info)
		require.Equal(t, string(whole), get(t, r, "1/run/big"))
		require.Equal(t, []string{"1"}, entries(t, dir))

		_, err = u.Complete(ctx, digests)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = u.PutPart(ctx, 1, strings.NewReader("x"), PutOptions{})
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, u.Abort(), ErrNotFound)
	}
	require.Empty(t, r.live)
}

func TestUploadRefuses(t *testing.T) {
	ctx := context.Background()
	r, dir := newRoot(t)
	put(t, r, "1/run/d/f", "x")
	_, err := r.NewUpload(mustPath(t, "1/run/d"))
	require.ErrorIs(t, err, ErrIsDir)
	_, err = r.NewUpload(Path{})
	require.ErrorIs(t, err, ErrPath)

	u, err := r.NewUpload(mustPath(t, "1/run/f"))
	require.NoError(t, err)
	part := func(n int, body string, most int64) error {
		_, err := u.PutPart(ctx, n, strings.NewReader(body), PutOptions{MaxBytes: most})
		return err
	}
	require.NoError(t, part(1, "one", 10))
	require.NoError(t, part(2, "two", 10))
	require.ErrorIs(t, part(3, "three", 10), ErrTooLarge)
	require.NoError(t, part(2, "two, m", 10), "its own bytes count once")
	require.NoError(t, part(2, "two", 10))
	// A part that breaks off leaves the one that was there.
	_, err = u.PutPart(ctx, 2, io.MultiReader(strings.NewReader("tw"), iotest.ErrReader(errors.New("broken"))), PutOptions{})
	require.ErrorContains(t, err, "broken")
	_, err = u.PutPart(ctx, 2, strings.NewReader("two"), PutOptions{Digest: sumOf([]byte("other"))})
	require.ErrorIs(t, err, ErrDigest)

	one, two := sumOf([]byte("one")), sumOf([]byte("two"))
	for _, wrong := range [][]Digest{nil, {one}, {two, one}, {one, two, two}, {one, "sha256:"}, {one, ""}} {
		_, err = u.Complete(ctx, wrong)
		require.ErrorIs(t, err, ErrDigest)
	}
	files, err := r.List(mustPath(t, "1/run"))
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing is visible before it is whole")
	_, err = u.Complete(ctx, []Digest{one, two})
	require.NoError(t, err)
	require.Equal(t, "onetwo", get(t, r, "1/run/f"))

	u, err = r.NewUpload(mustPath(t, "1/run/g"))
	require.NoError(t, err)
	require.NoError(t, part(1, "one", 0))
	require.NoError(t, u.Abort())
	require.Equal(t, []string{"1"}, entries(t, dir))
	require.Empty(t, r.live)
}

// TestUploadOfTheDead: what another process left is swept when it is old.
func TestUploadOfTheDead(t *testing.T) {
	r, dir := newRoot(t)
	u, err := r.NewUpload(mustPath(t, "f"))
	require.NoError(t, err)
	_, err = u.PutPart(context.Background(), 1, strings.NewReader("half"), PutOptions{})
	require.NoError(t, err)

	other, err := OpenRoot(dir)
	require.NoError(t, err)
	defer other.Close()
	n, err := other.Sweep(time.Hour)
	require.NoError(t, err)
	require.Zero(t, n)
	old := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, u.dir), old, old))
	n, err = other.Sweep(time.Hour)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Empty(t, entries(t, dir))
	_, err = u.Complete(context.Background(), []Digest{sumOf([]byte("half"))})
	require.Error(t, err)
	require.Empty(t, entries(t, dir))
}
