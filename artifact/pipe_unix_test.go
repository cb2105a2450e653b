//go:build unix

package artifact

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A pipe in the tree is not there for any call; opening it would block.
func TestPipe(t *testing.T) {
	r, dir := newRoot(t)
	put(t, r, "a/file", "x")
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "a", "pipe"), 0o600))
	p := mustPath(t, "a/pipe")
	_, err := r.Open(p)
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, r.Delete(p), ErrNotFound)
	require.ErrorIs(t, r.Verify(p, sumOf(nil)), ErrNotFound)
	require.Equal(t, []string{"a/", "a/file"}, walkAll(t, r, Path{}))
	require.Empty(t, walkAll(t, r, p))
}
