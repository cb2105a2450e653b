package badgerkv

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/runstonedb/runstone/internal/record"
)

const (
	tableExt = ".sst"
	memExt   = ".mem"
	vlogExt  = ".vlog"

	registryName = "KEYREGISTRY"
	registrySize = 28 // 16 random bytes, registryText
	registryText = "Hello Badger"
)

// GuardError says why a directory is not opened. It wraps record.ErrCorrupt.
type GuardError struct {
	File   string // path
	Reason string
}

func (e *GuardError) Error() string { return e.File + ": " + e.Reason }

// Unwrap returns record.ErrCorrupt.
func (e *GuardError) Unwrap() error { return record.ErrCorrupt }

// files are the names of one directory, in ascending order of their numbers.
type files struct {
	dir                string
	tables, mems, logs []uint64
	manifest, registry bool
}

func tableName(id uint64) string { return fmt.Sprintf("%06d", id) + tableExt }
func memName(id uint64) string   { return fmt.Sprintf("%05d", id) + memExt }
func vlogName(id uint64) string  { return fmt.Sprintf("%06d", id) + vlogExt }

// listFiles reads the names in dir and refuses those that Badger would take
// for another file's.
func listFiles(dir string) (*files, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &files{dir: dir}
	for _, e := range entries {
		name := e.Name()
		var to *[]uint64
		var canonical func(uint64) string
		switch filepath.Ext(name) {
		case tableExt:
			to, canonical = &f.tables, tableName
		case memExt:
			to, canonical = &f.mems, memName
		case vlogExt:
			to, canonical = &f.logs, vlogName
		default:
			f.manifest = f.manifest || name == manifestName
			f.registry = f.registry || name == registryName
			continue
		}
		id, err := strconv.ParseUint(strings.TrimSuffix(name, filepath.Ext(name)), 10, 32)
		if err != nil || canonical(id) != name {
			return nil, f.bad(name, "not a name of this engine's files")
		}
		*to = append(*to, id)
	}
	slices.Sort(f.tables)
	slices.Sort(f.mems)
	slices.Sort(f.logs)
	return f, nil
}

func (f *files) path(name string) string { return filepath.Join(f.dir, name) }

func (f *files) bad(name, format string, args ...any) error {
	return &GuardError{File: f.path(name), Reason: fmt.Sprintf(format, args...)}
}

// guard reads the directory and refuses what Badger would lose rows of, or
// crash on. It changes nothing, except that with AllowTornLog it removes logs
// that follow a cut one: see checkLogs.
func guard(dir string, opt *Options) error {
	f, err := listFiles(dir)
	if err != nil {
		return err
	}
	if f.registry {
		b, err := os.ReadFile(f.path(registryName))
		if err != nil {
			return err
		}
		if len(b) != registrySize || string(b[16:]) != registryText {
			return f.bad(registryName, "damaged")
		}
	}
	if err := f.checkValueLogs(); err != nil {
		return err
	}
	drop, used, err := f.checkLogs(opt)
	if err != nil {
		return err
	}
	if !f.manifest {
		if len(f.tables) > 0 {
			return f.bad(manifestName, "missing, with %d tables there", len(f.tables))
		}
		if used {
			return f.bad(manifestName, "missing, with logs there")
		}
		return nil
	}
	m, err := f.checkManifest(opt)
	if err != nil {
		return err
	}
	if err := f.checkTables(m, opt); err != nil {
		return err
	}
	for _, name := range drop {
		if opt.Logger != nil {
			opt.Logger.Warn("log follows a gap left by a power loss, dropped", "engine", "badger", "file", name)
		}
		if err := os.Remove(f.path(name)); err != nil {
			return err
		}
	}
	return nil
}

func (f *files) checkManifest(opt *Options) (*manifest, error) {
	b, err := os.ReadFile(f.path(manifestName))
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(b)
	switch {
	case err != nil:
		return nil, f.bad(manifestName, "%v", err)
	case m.torn && !opt.AllowTornManifest:
		return nil, f.bad(manifestName, "ends inside a record, at byte %d of %d", m.valid, len(b))
	case int64(m.valid) < opt.MinManifestSize:
		return nil, f.bad(manifestName, "%d bytes, but had %d", m.valid, opt.MinManifestSize)
	}
	return m, nil
}

// checkValueLogs refuses value logs with anything in them.
func (f *files) checkValueLogs() error {
	for _, id := range f.logs {
		b, err := os.ReadFile(f.path(vlogName(id)))
		if err != nil {
			return err
		}
		if len(b) == 0 {
			continue
		}
		if len(b) < memHead || !allZero(b[:8]) || !allZero(b[memHead:]) {
			return f.bad(vlogName(id), "not an empty value log")
		}
	}
	return nil
}

// rows maps keys to their newest version.
type rows map[string]uint64

// checkLogs checks each .mem file and reports whether one holds rows. Only the
// newest may end inside a transaction, and each begins with the version after
// the one before it ended. After a power loss (AllowTornLog) an older one may be cut:
// then the younger ones are returned to be dropped, so that what remains is
// the state at some moment and not one with a hole. None of their rows was
// synced, since Sync covers all logs.
func (f *files) checkLogs(opt *Options) (drop []string, used bool, err error) {
	var last, lastID uint64
	cut := ""
	for _, id := range f.mems {
		name := memName(id)
		b, err := os.ReadFile(f.path(name))
		if err != nil {
			return nil, false, err
		}
		if len(b) == 0 {
			continue // a kill came between its creation and its first byte, or in its removal
		}
		if len(b) < memHead || allZero(b[memHead:]) && allZero(b[:8]) {
			if len(b) < memHead && !opt.AllowTornLog {
				return nil, false, f.bad(name, "%v", errLogHead)
			}
			continue
		}
		m, err := scanLog(b, nil)
		if err != nil && (!opt.AllowTornLog || errors.Is(err, errLogHead)) {
			return nil, false, f.bad(name, "at byte %d: %v", m.end, err)
		}
		used = used || m.first != 0
		gap := last != 0 && id == lastID+1 && m.first != 0 && m.first != last+1
		switch {
		case opt.AllowTornLog && (cut != "" || gap):
			cut = name
			drop = append(drop, name)
			continue
		case m.first != 0 && cut != "":
			return nil, false, f.bad(cut, "ends inside a transaction, but is not the newest log")
		case gap:
			return nil, false, f.bad(memName(lastID), "ends at version %d, but the next log begins at %d", last, m.first)
		}
		if m.torn || err != nil {
			cut = name
		}
		if m.last != 0 {
			last, lastID = m.last, id
		}
	}
	return drop, used, nil
}

// logRows collects the rows of all logs.
func (f *files) logRows() (rows, error) {
	held := rows{}
	for _, id := range f.mems {
		b, err := os.ReadFile(f.path(memName(id)))
		if err != nil {
			return nil, err
		}
		// checkLogs has judged what does not scan.
		_, _ = scanLog(b, func(key []byte, version uint64) { held[string(key)] = version })
	}
	return held, nil
}

// checkTables checks the tables MANIFEST names, and that those it does not
// name, which Badger is about to delete, hold no rows of their own.
func (f *files) checkTables(m *manifest, opt *Options) error {
	var total int64
	var unnamed []uint64
	for _, id := range f.tables {
		if !m.tables[id] {
			if !m.gone[id] {
				unnamed = append(unnamed, id)
			}
			continue
		}
		info, err := os.Stat(f.path(tableName(id)))
		if err != nil {
			return err
		}
		total += info.Size()
	}
	limit := opt.VerifyLimit
	if limit == 0 {
		limit = DefaultVerifyLimit
	}
	if err := f.checkNamed(slices.Sorted(maps.Keys(m.tables)), total <= limit); err != nil {
		return err
	}
	if opt.AllowTornLog {
		return nil // their rows may be in no log, and then were never synced
	}
	for _, id := range unnamed {
		if err := f.checkUnnamed(id, m); err != nil {
			return err
		}
	}
	return nil
}

// checkNamed checks tables, as many at a time as there are processors: opening
// waits for it. The error is that of the first table in their order.
func (f *files) checkNamed(tables []uint64, blocks bool) error {
	for _, id := range tables {
		if _, ok := slices.BinarySearch(f.tables, id); !ok {
			return f.bad(tableName(id), "missing")
		}
	}
	errs := make([]error, len(tables))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tables)) {
		wg.Go(func() {
			var buf []byte
			for i := int(next.Add(1)) - 1; i < len(tables); i = int(next.Add(1)) - 1 {
				if buf, errs[i] = checkTable(f.dir, tableName(tables[i]), blocks, buf); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkUnnamed refuses a table that MANIFEST does not name unless each of its
// rows is in a log or a named table too, in this version or a newer one. A kill leaves
// such tables: a flush whose log is still there, a compaction whose inputs
// are still named, or a file whose footer was never written.
func (f *files) checkUnnamed(id uint64, m *manifest) (err error) {
	name := tableName(id)
	defer func() {
		if p := recover(); p != nil {
			err = f.bad(name, "not named in MANIFEST, and damaged: %v", p)
		}
	}()
	need := rows{}
	held, err := f.logRows()
	if err != nil {
		return err
	}
	t, err := openTable(f.path(name), nil)
	if err == nil {
		err = t.each(func(key []byte, version uint64) bool {
			if held[string(key)] < version && need[string(key)] < version {
				need[string(key)] = version
			}
			return true
		})
		t.close()
	}
	if errors.Is(err, errFooter) && f.unfinished(name) {
		return nil
	}
	if err != nil {
		return f.bad(name, "not named in MANIFEST, and unreadable: %v", err)
	}
	for id := range m.tables {
		if len(need) == 0 {
			break
		}
		t, err := openTable(f.path(tableName(id)), nil)
		if err != nil {
			return err
		}
		err = t.each(func(key []byte, version uint64) bool {
			if v, ok := need[string(key)]; ok && version >= v {
				delete(need, string(key))
			}
			return len(need) > 0
		})
		t.close()
		if err != nil {
			return f.bad(tableName(id), "%v", err)
		}
	}
	if len(need) > 0 {
		return f.bad(name, "not named in MANIFEST, and holds %d rows that nothing else has", len(need))
	}
	return nil
}

// unfinished reports whether a table ends in zeros: its footer, written last,
// is not there, so MANIFEST never named it.
func (f *files) unfinished(name string) bool {
	b, err := os.ReadFile(f.path(name))
	return err == nil && (len(b) == 0 || len(b) >= 8 && allZero(b[len(b)-8:]))
}

// sweep removes what Badger stumbles over and nobody misses: logs of no bytes
// (Badger #2207) and the value log's statistics.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		ext := filepath.Ext(e.Name())
		if info.Size() == 0 && (ext == memExt || ext == vlogExt) || e.Name() == "DISCARD" {
			if err := removeIfThere(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
