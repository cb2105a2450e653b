package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/runstonedb/runstone/store/internal/badgerkv"
)

// A read-only store is a private copy: hard links to the files that never
// change, copies of the small ones that do, and then the ordinary recovery
// inside the copy. So it needs no lock, works beside a writer and on what a
// crash left, and changes no byte of the original.

// openView opens a private copy of the database in dir as it is now.
func openView(dir string, opt *Options) (*Store, error) {
	if _, err := readFormat(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if _, serr := os.Stat(dir); serr == nil {
				err = ErrNotDatabase
			}
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		return nil, err
	}
	tmp, held, err := viewDir(dir)
	if err != nil {
		return nil, noSpace(err)
	}
	remove := func() {
		_ = held.release()
		_ = os.RemoveAll(tmp)
	}
	s, err := openCopy(dir, tmp, opt)
	if err != nil {
		remove()
		return nil, noSpace(err)
	}
	s.cleanup = remove
	return s, nil
}

func openCopy(dir, tmp string, opt *Options) (*Store, error) {
	s := newStore(tmp, opt)
	s.copying = true
	if free, err := s.space.free(tmp); err == nil && free < viewReserve {
		return nil, fmt.Errorf("a private copy needs %d MiB of %s: %w", viewReserve>>20, tmp, ErrNoSpace)
	}
	if err := copyDatabase(dir, tmp); err != nil {
		return nil, err
	}
	var err error
	if s.id, err = readFormat(tmp); err != nil {
		return nil, err
	}
	m, err := readMark(tmp)
	if err != nil {
		return nil, err
	}
	if err := checkJournals(tmp, s.id, &m); err != nil {
		return nil, err
	}
	if err = s.openEngine(&m); err == nil {
		if err = s.recover(&m); err == nil {
			s.sealer.start()
			err = s.inbox.drain(context.Background())
		}
	}
	if err != nil {
		s.abandon()
		return nil, err
	}
	s.copying = false
	return s, nil
}

// viewReserve is what the key space of a copy writes by itself.
const viewReserve = 24 << 20

// viewDir makes a locked folder for a copy: inside the database, where hard
// links work, or else in the system's folder for temporary files.
func viewDir(dir string) (string, *lock, error) {
	tmp, err := "", os.MkdirAll(tmpPath(dir), 0o700)
	if err == nil {
		tmp, err = os.MkdirTemp(tmpPath(dir), "view-*")
	}
	if err != nil {
		if tmp, err = os.MkdirTemp("", "runstone-view-*"); err != nil {
			return "", nil, err
		}
	}
	held, err := takeLock(tmp)
	if err != nil {
		_ = os.RemoveAll(tmp)
		return "", nil, err
	}
	return tmp, held, nil
}

// sweep removes what dead processes left: copies, and inboxes that never got
// their name.
func sweep(dir string) {
	left := func(e os.DirEntry) bool {
		info, err := e.Info()
		return err == nil && time.Since(info.ModTime()) > time.Minute
	}
	entries, _ := os.ReadDir(tmpPath(dir))
	for _, e := range entries {
		path := filepath.Join(tmpPath(dir), e.Name())
		if !strings.HasPrefix(e.Name(), "view-") || !left(e) {
			continue
		}
		if held, err := takeLock(path); err == nil {
			_ = os.RemoveAll(path)
			_ = held.release()
		}
	}
	entries, _ = os.ReadDir(inboxPath(dir))
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".log.new") && left(e) {
			_ = os.Remove(filepath.Join(inboxPath(dir), e.Name()))
		}
	}
}

// copyDatabase copies a directory that others may be changing. The order
// matters: what is applied and dropped while we copy must turn up in a place
// that is copied later. Inboxes flow into journals, journals into the key
// space.
func copyDatabase(dir, tmp string) error {
	if err := copyFile(formatPath(dir), formatPath(tmp)); err != nil {
		return err
	}
	const tries = 50
	for range tries {
		settled, err := copyJournals(dir, tmp)
		if err != nil {
			return err
		}
		if !settled {
			continue
		}
		if err := os.RemoveAll(kvPath(tmp)); err != nil {
			return err
		}
		if err := badgerkv.CopyTo(context.Background(), kvPath(dir), kvPath(tmp)); err != nil {
			return err
		}
		if done, err := covered(dir, tmp); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: changes too fast to be copied; try again", dir)
}

// covered reports whether the copied journals hold all that the copied key
// space may hold in part: rows of a checkpoint that was under way.
func covered(dir, tmp string) (bool, error) {
	copied, err := readMark(tmp)
	if err != nil {
		return false, err
	}
	now, err := readMark(dir)
	return now.journal <= copied.journal+1, err
}

// copyJournals copies the mark, the inboxes and the journals, and reports
// whether they belong together: no checkpoint was noted meanwhile.
func copyJournals(dir, tmp string) (settled bool, err error) {
	for _, path := range []string{markPath(tmp), inboxPath(tmp), journalDir(tmp)} {
		if err := os.RemoveAll(path); err != nil {
			return false, err
		}
	}
	if err := copyFile(markPath(dir), markPath(tmp)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", err, ErrCorrupt)
		}
		return false, err
	}
	for _, sub := range []string{"inbox", "journal"} {
		if err := linkAll(filepath.Join(dir, sub), filepath.Join(tmp, sub)); err != nil {
			return false, err
		}
	}
	before, err := readMark(tmp)
	if err != nil {
		return false, err
	}
	after, err := readMark(dir)
	return before.counter == after.counter, err
}

// linkAll links or copies the journals of a folder. One that goes away
// meanwhile was applied.
func linkAll(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".log") {
			continue
		}
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if os.Link(src, dst) == nil {
			continue
		}
		if err := copyFile(src, dst); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
