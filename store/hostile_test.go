//go:build unix

package store

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store/internal/journal"
)

// TestLinksAreRefused: a directory handed over by somebody else may not lead
// our writes out of it.
func TestLinksAreRefused(t *testing.T) {
	for name, folder := range layout {
		dir, out := t.TempDir(), t.TempDir()
		s := open(t, dir, nil)
		require.NoError(t, s.Close())
		victim := filepath.Join(out, "victim")
		if folder {
			require.NoError(t, os.Mkdir(victim, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(victim, "view-1"), []byte("mine"), 0o600))
		} else {
			require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o600))
		}
		require.NoError(t, os.RemoveAll(filepath.Join(dir, name)))
		require.NoError(t, os.Symlink(victim, filepath.Join(dir, name)))
		for _, ro := range []bool{true, false} {
			_, err := Open(dir, &Options{ReadOnly: ro})
			require.ErrorIs(t, err, ErrNotDatabase, name)
		}
		_, err := OpenInbox(dir)
		require.ErrorIs(t, err, ErrNotDatabase, name)
		if folder {
			victim = filepath.Join(victim, "view-1")
		}
		text, err := os.ReadFile(victim)
		require.NoError(t, err)
		require.Equal(t, "mine", string(text))
	}
}

// TestForeignInbox: what is not an inbox of this database is named and left
// alone.
func TestForeignInbox(t *testing.T) {
	other := t.TempDir()
	require.NoError(t, open(t, other, nil).Close())
	in, err := OpenInbox(other)
	require.NoError(t, err)
	require.NoError(t, in.Op(ctx, Synced, []byte("run x")))
	require.NoError(t, in.Close())
	from, err := filepath.Glob(inboxPath(other) + "/*.log")
	require.NoError(t, err)
	require.Len(t, from, 1)

	dir := t.TempDir()
	require.NoError(t, open(t, dir, nil).Close())
	path := filepath.Join(inboxPath(dir), "a.log")
	text, err := os.ReadFile(from[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	_, err = Open(dir, testOptions())
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "another database")
	require.FileExists(t, path)

	require.NoError(t, os.Remove(path))
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err = Open(dir, testOptions())
	require.ErrorIs(t, err, ErrCorrupt, "a pipe must not hang the open")
}

// TestInboxNeverPanics feeds the holder frames that no writer of ours makes.
func TestInboxNeverPanics(t *testing.T) {
	frame := func(payload ...byte) []byte { return append(make([]byte, journal.FrameHeader), payload...) }
	for name, f := range map[string]struct {
		kind  byte
		frame []byte
	}{
		"unknown kind":      {99, frame()},
		"empty series":      {frameSeries, frame()},
		"series of nothing": {frameSeries, frame(0, 0, 0, 0, 'r', 0)},
		"long name":         {frameSeries, frame(0, 0, 0, 0, 'r', 0, 255, 255, 'x')},
		"unnamed group":     {framePoints, appendPoints(frame(), 0, 7, columns{[]int64{1}, []int64{1}, [][]float64{{1}}})},
		"huge count":        {framePoints, frame(0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255)},
	} {
		dir := t.TempDir()
		s := open(t, dir, nil)
		save(t, s, 1, "a")
		in, err := OpenInbox(dir)
		require.NoError(t, err)
		_, err = in.writer.Append(f.kind, f.frame)
		require.NoError(t, err)
		require.NoError(t, in.Close())
		require.Error(t, s.inbox.drain(ctx), name)
		require.NoError(t, s.inbox.drain(ctx), "%s: left alone until it changes", name)
		require.Equal(t, []string{"1a"}, texts(t, s, false), name)
	}
}
