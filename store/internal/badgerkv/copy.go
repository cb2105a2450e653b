package badgerkv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// copyTries bounds how often CopyTo starts over.
const copyTries = 20

// errMoved says that the source changed under a copy: start over.
var errMoved = errors.New("source changed meanwhile")

// CopyTo makes dstDir, which is not there yet or empty, a private copy of the
// engine in srcDir that Open takes. Another process may be writing to srcDir
// at the same time: CopyTo takes no lock and changes nothing there. The copy
// is the state of one moment and holds every row committed before the call.
// Damage in srcDir gives an error that wraps record.ErrCorrupt, here or from Open.
//
// Tables are copied, not hard-linked: Badger cuts a compacted table to no
// bytes before it removes the name, which would empty the copy's too. File
// systems that can share the blocks of copies do so.
//
// The order makes the moment: logs first, then MANIFEST. If a log was added or
// went away between, rows could be in both or deleted ones come back, so the
// copy starts over; so it does when a table is compacted away before it is copied.
func CopyTo(ctx context.Context, srcDir, dstDir string) error {
	if err := os.MkdirAll(dstDir, 0o777); err != nil {
		return err
	}
	if there, err := os.ReadDir(dstDir); err != nil {
		return err
	} else if len(there) > 0 {
		return fmt.Errorf("copy to %s: not empty: %w", dstDir, fs.ErrExist)
	}
	var err error
	for try := range copyTries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err = copyOnce(ctx, srcDir, dstDir); !errors.Is(err, errMoved) {
			return err
		}
		time.Sleep(time.Duration(try) * time.Millisecond)
	}
	return fmt.Errorf("copy of %s: %d tries: %w", srcDir, copyTries, err)
}

func copyOnce(ctx context.Context, srcDir, dstDir string) error {
	before, err := listFiles(srcDir)
	if err != nil {
		return err
	}
	have, err := listFiles(dstDir)
	if err != nil {
		return err
	}
	for _, id := range have.mems { // of an earlier try
		if err := os.Remove(have.path(memName(id))); err != nil {
			return err
		}
	}
	for _, id := range before.mems {
		if err := copyLog(before.path(memName(id)), have.path(memName(id))); err != nil {
			return err
		}
	}
	m, err := copyManifest(before, have)
	if err != nil {
		return err
	}
	after, err := listFiles(srcDir)
	if err != nil {
		return err
	}
	if !slices.Equal(before.mems, after.mems) {
		return errMoved
	}
	for id := range m.tables {
		if err := ctx.Err(); err != nil {
			return err
		}
		if slices.Contains(have.tables, id) {
			continue
		}
		err := copyTable(before.path(tableName(id)), have.path(tableName(id)))
		if errors.Is(err, errMoved) && stillNamed(before, id) {
			return before.bad(tableName(id), "missing or cut")
		}
		if err != nil {
			return err
		}
	}
	for _, id := range have.tables { // of an earlier try, compacted since
		if !m.tables[id] {
			if err := os.Remove(have.path(tableName(id))); err != nil {
				return err
			}
		}
	}
	b, err := os.ReadFile(before.path(registryName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.WriteFile(have.path(registryName), b, 0o666)
}

// stableTries is how often a file that looks damaged is read again before it
// counts as damaged and not as being written.
const stableTries = 5

// copyLog copies the whole transactions of a log.
func copyLog(src, dst string) error {
	var err error
	for range stableTries {
		var b []byte
		if b, err = readLog(src); err != nil {
			return moved(err)
		}
		if len(b) == 0 {
			return nil
		}
		var m memlog
		if m, err = scanLog(b, nil); err == nil {
			if m.last == 0 {
				return nil
			}
			return os.WriteFile(dst, b[:m.end], 0o666)
		}
		time.Sleep(time.Millisecond)
	}
	return &GuardError{File: src, Reason: err.Error()}
}

// readLog reads a log up to a stretch of zeros longer than any entry.
func readLog(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const step = 2 * maxEntry
	var b []byte
	for {
		b = slices.Grow(b, step)
		n, err := io.ReadFull(f, b[len(b):len(b)+step])
		part := b[len(b) : len(b)+n]
		b = b[:len(b)+n]
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return b, nil
		case err != nil:
			return nil, err
		case allZero(part):
			return b, nil
		}
	}
}

// copyManifest copies the whole records of MANIFEST. A record that is being
// written, or that a crash cut, is left out.
func copyManifest(src, dst *files) (*manifest, error) {
	var m *manifest
	var b []byte
	var err error
	for range stableTries {
		if b, err = os.ReadFile(src.path(manifestName)); err != nil {
			return nil, err
		}
		if m, err = parseManifest(b); err == nil && !m.torn {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return nil, src.bad(manifestName, "%v", err)
	}
	return m, os.WriteFile(dst.path(manifestName), b[:m.valid], 0o666)
}

// stillNamed reports whether MANIFEST names a table. Asked after the table was
// found gone, yes means damage: compaction writes MANIFEST first.
func stillNamed(f *files, id uint64) bool {
	b, err := os.ReadFile(f.path(manifestName))
	if err != nil {
		return false
	}
	m, err := parseManifest(b)
	return err == nil && !m.torn && m.tables[id]
}

// copyTable copies an immutable file that may be removed at any time.
func copyTable(src, dst string) (err error) {
	in, err := os.Open(src)
	if err != nil {
		return moved(err)
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		// It was there in full if it still is: Badger cuts it, then removes it.
		var info os.FileInfo
		if info, err = os.Stat(src); err == nil && (info.Size() != n || n == 0) {
			err = errMoved
		}
	}
	if err != nil {
		return errors.Join(moved(err), os.Remove(dst))
	}
	return nil
}

// moved turns "not there" into errMoved.
func moved(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errMoved
	}
	return err
}
