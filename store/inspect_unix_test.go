//go:build unix

package store

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInspectFollowsNoLink: a directory handed over by somebody else does not
// lead a reader out of it, or make it wait.
func TestInspectFollowsNoLink(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	require.NoError(t, open(t, dir, nil).Close())
	victim := filepath.Join(out, "victim")
	require.NoError(t, os.WriteFile(victim, make([]byte, 1<<20), 0o600))
	link, pipe := filepath.Join(inboxPath(dir), "a.log"), filepath.Join(inboxPath(dir), "b.log")
	require.NoError(t, os.Symlink(victim, link))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	paths, err := Journals(dir)
	require.NoError(t, err)
	require.Equal(t, []string{link, pipe}, paths)
	for _, path := range paths {
		_, err := ViewJournal(path)
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, "not a regular file")
	}
	require.NoError(t, os.Symlink(out, filepath.Join(dir, "artifacts")))
	files, err := Files(ctx, dir, "")
	require.NoError(t, err)
	for _, f := range files {
		require.Less(t, f.Bytes, int64(1<<20), f.Kind)
	}
	require.NoError(t, os.Remove(journalDir(dir)))
	require.NoError(t, os.Symlink(out, journalDir(dir)))
	_, err = Journals(dir)
	require.ErrorIs(t, err, ErrNotDatabase)
	_, err = FindJournal(dir, "victim")
	require.ErrorIs(t, err, ErrNotDatabase)
}
