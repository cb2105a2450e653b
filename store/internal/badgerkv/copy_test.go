package badgerkv

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
)

// checkCopy opens a copy and checks that it is the state after a transaction
// not older than committed: every row of it, and no other.
func checkCopy(t *testing.T, dir string, committed int) {
	t.Helper()
	d := mustOpen(t, dir, faultOptions)
	rows, err := readRows(d)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	newest := slices.Max(slices.Collect(maps.Keys(rows)))
	n := int(binary.BigEndian.Uint64([]byte(newest[len("row/"):]))) / 3
	require.GreaterOrEqual(t, n, committed)
	require.True(t, sameRows(wantRows(n), rows), "%d rows are the state of no moment", len(rows))
}

func TestCopyOfALiveStore(t *testing.T) {
	src := filepath.Join(t.TempDir(), "kv")
	d := mustOpen(t, src, faultOptions)
	var committed atomic.Int64
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := writeRound(d, n); err != nil {
				done <- err
				return
			}
			committed.Store(int64(n))
			time.Sleep(50 * time.Microsecond) // a full memtable every 25 ms or so
		}
	}()
	// At least 12 copies, and as many more as it takes to see a compaction.
	compacted := false
	for n := 0; n < 12 || !compacted && n < 300; n++ {
		time.Sleep(40 * time.Millisecond)
		before := int(committed.Load())
		to := filepath.Join(t.TempDir(), "copy")
		require.NoError(t, CopyTo(t.Context(), src, to))
		checkCopy(t, to, before)
		require.NoError(t, os.RemoveAll(to))
		compacted = compacted || tablesGone(t, src)
	}
	close(stop)
	require.NoError(t, <-done)
	require.True(t, compacted, "tables were compacted meanwhile")
	require.NoError(t, d.Close())
}

// tablesGone reports whether the MANIFEST of a live store has named a table
// that is gone. It may be read in the middle of a record: then not yet.
func tablesGone(t testing.TB, src string) bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(src, manifestName))
	require.NoError(t, err)
	m, err := parseManifest(b)
	return err == nil && len(m.gone) > 0
}

func TestCopyOfAnotherProcess(t *testing.T) {
	src := filepath.Join(t.TempDir(), "kv")
	last := writeAndKill(t, src, 0, 300)
	before := readDir(t, src)
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, CopyTo(t.Context(), src, to))
	sameDir(t, before, readDir(t, src), "source of a copy")
	checkCopy(t, to, last)

	d := mustOpen(t, src, faultOptions)
	require.NoError(t, d.Close())
	closed := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, CopyTo(t.Context(), src, closed))
	checkCopy(t, closed, last)
	require.ErrorIs(t, CopyTo(t.Context(), src, closed), fs.ErrExist)
}

// namedTables returns the live tables of a store. A kill may leave others.
func namedTables(t testing.TB, f *files) []uint64 {
	t.Helper()
	b, err := os.ReadFile(f.path(manifestName))
	require.NoError(t, err)
	m, err := parseManifest(b)
	require.NoError(t, err)
	require.NotEmpty(t, m.tables)
	return slices.Sorted(maps.Keys(m.tables))
}

func TestCopyRefusesDamage(t *testing.T) {
	src := filepath.Join(t.TempDir(), "kv")
	writeAndKill(t, src, 0, 300)
	f, err := listFiles(src)
	require.NoError(t, err)
	flip := func(name string, at int) error {
		b, err := os.ReadFile(f.path(name))
		require.NoError(t, err)
		b[at] ^= 1
		require.NoError(t, os.WriteFile(f.path(name), b, 0o666))
		to := filepath.Join(t.TempDir(), "copy")
		err = CopyTo(t.Context(), src, to)
		if err == nil {
			err = guard(to, &Options{})
		}
		b[at] ^= 1
		require.NoError(t, os.WriteFile(f.path(name), b, 0o666))
		return err
	}
	require.ErrorIs(t, flip(manifestName, 30), record.ErrCorrupt)
	require.ErrorIs(t, flip(manifestName, 19), record.ErrCorrupt)
	named := namedTables(t, f)
	for _, id := range named {
		require.ErrorIs(t, flip(tableName(id), 100), record.ErrCorrupt)
	}
	used := false
	for _, id := range f.mems {
		b, err := os.ReadFile(f.path(memName(id)))
		require.NoError(t, err)
		if m, err := scanLog(b, nil); m.last != 0 {
			require.NoError(t, err)
			used = true
			require.ErrorIs(t, flip(memName(id), m.end/2), record.ErrCorrupt)
		}
	}
	require.True(t, used)
	require.NoError(t, flip("LOCK", 0), "no part of the store")
	require.NoError(t, os.Remove(f.path(tableName(named[0]))))
	var guard *GuardError
	require.ErrorAs(t, CopyTo(t.Context(), src, filepath.Join(t.TempDir(), "copy")), &guard)
	require.Equal(t, f.path(tableName(named[0])), guard.File)

	err = CopyTo(t.Context(), filepath.Join(src, "nowhere"), filepath.Join(t.TempDir(), "copy"))
	require.True(t, errors.Is(err, fs.ErrNotExist), err)
}
