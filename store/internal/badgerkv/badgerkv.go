// Package badgerkv is the embedded [kv.Engine]: one directory of Badger files.
// It is the only importer of Badger, and no Badger type leaves it.
//
//	MANIFEST      which tables make up the tree; every record has a CRC
//	000012.sst    a table: immutable sorted rows in checksummed blocks
//	00003.mem     a log of the rows not yet in a table, 4 MiB, sparse, mapped
//	000001.vlog   Badger's value log: always empty here, every value fits in the tree
//	KEYREGISTRY   28 fixed bytes; no encryption is used
//	DISCARD, LOCK scratch of an open directory
//
// Badger by itself opens damaged files without a word, or deletes the tables a
// damaged MANIFEST no longer names. So [Open] first reads all files itself
// (guard.go) and refuses, touching nothing, when one of them cannot be right.
// Damage that no checksum of Badger's can show is left to the layers above: a
// log cut exactly between two transactions, or a log file taken away, looks
// like an older state. Their high-water mark has to notice.
//
// The caller holds a lock that keeps other processes out of the directory
// before it calls Open; only [CopyTo] may read beside an open engine.
package badgerkv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// DefaultVerifyLimit is the size of all tables up to which Open reads every
// block: about a quarter of a second on a laptop disk.
const DefaultVerifyLimit = 256 << 20

// Options are the choices of Open. The zero value is right for a directory
// that was closed or whose process was killed.
type Options struct {
	// Logger gets the engine's messages, Badger's Info at level Debug. Nil is silent.
	Logger *slog.Logger

	// VerifyLimit bounds, in bytes of tables, the check of every table block
	// at Open. Larger stores have only their footers and indexes checked, and
	// rely on the seal of each row and on Verify. Zero is DefaultVerifyLimit,
	// a negative number checks no blocks.
	VerifyLimit int64

	// AllowTornManifest lets a last MANIFEST record pass that is not whole.
	// Only a power loss leaves one.
	AllowTornManifest bool

	// AllowTornLog lets a log end in bytes that are not a transaction, and
	// tables go that MANIFEST does not name. Only a power loss leaves them;
	// what they held was never synced.
	AllowTornLog bool

	// MinManifestSize refuses a MANIFEST whose valid part is shorter, in bytes.
	MinManifestSize int64

	memTable int64 // bytes in one memtable; tests set it to compact without pause
}

// memTableSize gives transactions of 15 % of it (307 KiB), enough for
// kv.MaxBatchBytes, and logs of twice its size.
const memTableSize = 2 << 20

// DB is an open engine, safe for use by many goroutines.
type DB struct {
	dir string
	b   *badger.DB
	// writes is held exclusively by Drop: Badger refuses commits meanwhile.
	writes sync.RWMutex
}

var _ kv.Engine = (*DB)(nil)

// Open opens or creates the engine in dir. When the files there are damaged it
// returns a [*GuardError] (or another error that wraps record.ErrCorrupt) and
// has changed nothing.
func Open(dir string, opt Options) (*DB, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if err := guard(dir, &opt); err != nil {
		return nil, err
	}
	if err := sweep(dir); err != nil {
		return nil, err
	}
	b, err := openBadger(dir, &opt)
	if err != nil && strings.Contains(err.Error(), "Create a new file") {
		// A file was left empty by a kill (Badger #2207). The failed call gave
		// it its size, and a second call succeeds.
		b, err = openBadger(dir, &opt)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, openError(err))
	}
	return &DB{dir: dir, b: b}, nil
}

func openBadger(dir string, opt *Options) (b *badger.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("badger panicked: %v: %w", p, record.ErrCorrupt)
		}
	}()
	size, waiting := opt.memTable, 5
	if size == 0 {
		size, waiting = memTableSize, 16
	}
	o := badger.DefaultOptions(dir).
		WithLogger(nil).
		WithMetricsEnabled(false).
		WithMemTableSize(size).
		WithNumMemtables(2).
		// A metric block is some 5 KB: of several in one table block there is
		// less index, in the table and in the memory of whoever builds it.
		WithBlockSize(32 << 10).
		WithValueLogFileSize(1 << 20). // the least Badger takes
		WithValueThreshold(min(kv.MaxValue+1, size*15/100)).
		WithNumCompactors(2).
		// Tables are small, so more of them may wait: compaction holds every
		// table it makes in memory, and ingest need not merge as often.
		WithNumLevelZeroTables(waiting).
		WithNumLevelZeroTablesStall(2 * waiting).
		WithNumGoroutines(2).
		// Closing stays quick: the next run compacts what it needs.
		WithCompactL0OnClose(false).
		// Values come compressed: Snappy takes 4 % off such rows and doubles the
		// time of a scan. Without it blocks are read in place from the page
		// cache and need no block cache.
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		// The guard has read every block. Badger's own modes crash, or answer
		// "not found", on what it would have refused.
		WithChecksumVerificationMode(options.NoVerification).
		WithDetectConflicts(true)
	// Compaction holds some ten tables in memory while it makes them.
	o.TableSizeMultiplier = 1
	o.BaseTableSize = tableSize(dir)
	if opt.Logger != nil {
		o = o.WithLogger(logger{opt.Logger})
	}
	return badger.Open(o)
}

// tableSize returns the size of the tables that compaction makes: the least
// that keeps their number, and with it that of open files and of mapped
// regions, to a few thousand.
func tableSize(dir string) int64 {
	const least, files = 2 << 20, 4096
	s, err := (&DB{dir: dir}).Stats()
	if err != nil {
		return least
	}
	return max(least, s.Tables/files)
}

// Close writes the newest rows to a table and releases the directory.
func (d *DB) Close() error {
	if err := d.b.Close(); err != nil {
		return translate(err)
	}
	return removeIfThere(filepath.Join(d.dir, "DISCARD"))
}

// Stats adds up the sizes of the files.
func (d *DB) Stats() (kv.Stats, error) {
	var s kv.Stats
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return s, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return s, err
		}
		switch FileKind(e.Name()) {
		case "tables":
			s.Tables += info.Size()
		case "logs":
			s.Logs += info.Size()
		default:
			s.Other += info.Size()
		}
	}
	return s, nil
}

// FileKind says what a file of the directory holds, by its name: "tables",
// "logs" or "other".
func FileKind(name string) string {
	switch filepath.Ext(name) {
	case tableExt:
		return "tables"
	case memExt, vlogExt:
		return "logs"
	}
	return "other"
}

// Verify reads every block of every table and returns the first damage as a
// [*GuardError]. It may run beside all other calls.
func (d *DB) Verify(ctx context.Context) error {
	var buf []byte
	for _, t := range d.b.Tables() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		name := tableName(t.ID)
		buf, err = checkTable(d.dir, name, true, buf)
		if err == nil {
			continue
		}
		// Badger cuts a compacted table to nothing, then removes it.
		if info, serr := os.Stat(filepath.Join(d.dir, name)); serr != nil || info.Size() == 0 {
			continue
		}
		return err
	}
	return nil
}

// logger hands Badger's messages on.
type logger struct{ l *slog.Logger }

func (l logger) log(level slog.Level, format string, args []any) {
	if ctx := context.Background(); l.l.Enabled(ctx, level) {
		l.l.Log(ctx, level, strings.TrimSpace(fmt.Sprintf(format, args...)), "engine", "badger")
	}
}

func (l logger) Errorf(format string, args ...any)   { l.log(slog.LevelError, format, args) }
func (l logger) Warningf(format string, args ...any) { l.log(slog.LevelWarn, format, args) }
func (l logger) Infof(format string, args ...any)    { l.log(slog.LevelDebug, format, args) }
func (l logger) Debugf(format string, args ...any)   { l.log(slog.LevelDebug-4, format, args) }
