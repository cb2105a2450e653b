// Package artifact keeps the files of runs and models as plain files under
// one root directory, in the layout of MLflow, so that every other tool can
// read them:
//
//	<root>/<experiment>/<run>/artifacts/<path>        files of a run
//	<root>/<experiment>/models/<model>/artifacts/…    files of a logged model
//	<root>/.runstone-tmp-<random>                     unfinished upload or delete
//	<root>/.runstone-tmp-<random>/<n>                 part n of an unfinished upload
//
// The package knows nothing of experiments, runs or the database: it maps a
// checked [Path] to a file, and the caller records the [Digest] that
// [Root.Put] returns. Directories have mode 0700, files 0600, but for those of
// [OpenShared].
//
// A file appears whole or not at all, and is on disk when Put returns: its
// bytes go to a temporary entry, are digested and synced there, and the entry
// is renamed. Whatever a killed process leaves is a temporary entry, which no
// listing shows and [Root.Sweep] removes.
//
// All access goes through [os.Root], so no path leaves the root directory.
// Links are stricter still: no symbolic link is ever followed or listed, not
// even one that stays inside, because it could lead from one run's files to
// another's. Devices, sockets and pipes do not exist for this package either.
//
// [ParseLocation] reads the URIs that clients send as artifact locations and
// model sources. It touches no file and no network.
package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

const bufSize = 128 << 10

// modes are what new entries get, less what the process's umask takes away.
type modes struct{ dir, file fs.FileMode }

// A Root is a directory of artifacts. It is safe for concurrent use, and
// several processes may use the same directory.
type Root struct {
	root *os.Root
	mode modes
	bufs sync.Pool // of *[]byte, bufSize long

	// names is write-locked while prune asks what a name is and removes it.
	names sync.RWMutex

	mu   sync.Mutex
	live map[string]struct{} // temporary entries in use by this Root
}

// OpenRoot opens the directory dir, which it creates with mode 0700 when it
// does not exist. Call [Root.Close] when done.
func OpenRoot(dir string) (*Root, error) { return openRoot(dir, modes{0o700, 0o600}) }

// OpenShared is OpenRoot for a directory that other programs, perhaps of other
// users, write to as well: what it creates has the modes that programs give
// their files, 0777 and 0666 less the umask.
func OpenShared(dir string) (*Root, error) { return openRoot(dir, modes{0o777, 0o666}) }

func openRoot(dir string, mode modes) (*Root, error) {
	if err := os.MkdirAll(dir, mode.dir); err != nil {
		return nil, fmt.Errorf("artifact: open root: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("artifact: open root: %w", err)
	}
	return &Root{root: root, mode: mode, live: make(map[string]struct{})}, nil
}

// Close releases the directory. Files that Open returned stay usable.
func (r *Root) Close() error { return r.root.Close() }

func (r *Root) buffer() *[]byte {
	if b, ok := r.bufs.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, bufSize)
	return &b
}

// openDir opens the directory dir ("" = the root) step by step, so that no
// link is followed. The caller closes the result. Errors are bare: a missing
// directory is ErrNotFound, anything else in its place ErrNotDir.
func (r *Root) openDir(dir string) (*os.Root, error) {
	d, err := r.root.OpenRoot(".")
	for err == nil && dir != "" {
		var seg string
		seg, dir, _ = strings.Cut(dir, "/")
		var next *os.Root
		next, err = stepDir(d, seg)
		d.Close()
		d = next
	}
	if err != nil {
		return nil, bare(err)
	}
	return d, nil
}

func stepDir(d *os.Root, seg string) (*os.Root, error) {
	info, err := d.Lstat(seg)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, ErrNotDir
	}
	return d.OpenRoot(seg)
}

// Open opens the file p for reading. The result reads, seeks and has a Stat;
// it keeps showing the bytes it was opened on when Put replaces the file.
// Errors are [ErrNotFound] and, for a directory, [ErrIsDir].
func (r *Root) Open(p Path) (*os.File, error) {
	f, err := r.open(p)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", quote(p.s), err)
	}
	return f, nil
}

func (r *Root) open(p Path) (*os.File, error) {
	if p.IsRoot() {
		return nil, ErrIsDir
	}
	dir, base := p.split()
	d, err := r.openDir(dir)
	if err != nil {
		return nil, missing(err)
	}
	defer d.Close()
	// Ask before opening: opening a pipe would block.
	info, err := d.Lstat(base)
	if err != nil {
		return nil, missing(bare(err))
	}
	if err := mustBeFile(info); err != nil {
		return nil, err
	}
	f, err := d.Open(base)
	if err != nil {
		return nil, missing(bare(err))
	}
	if info, err = f.Stat(); err == nil {
		err = mustBeFile(info)
	}
	if err != nil {
		f.Close()
		return nil, bare(err)
	}
	return f, nil
}

func mustBeFile(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return ErrIsDir
	case !info.Mode().IsRegular():
		return ErrNotFound
	}
	return nil
}

// missing turns the errors that mean "no such name" to a reader into
// ErrNotFound: a file as parent, a name too long for the file system.
func missing(err error) error {
	if errors.Is(err, ErrNotDir) || errors.Is(err, syscall.ENAMETOOLONG) {
		return ErrNotFound
	}
	return err
}

// Delete removes the file p, or the directory p with all it holds. It goes at
// once: it is renamed to a temporary entry first, and what a kill leaves of
// that is reclaimed by [Root.Sweep]. Links inside are removed, not followed. A
// Put into p that finishes meanwhile may count as before or after the Delete.
// The root itself is refused with a [*PathError]; what does not exist is
// [ErrNotFound].
func (r *Root) Delete(p Path) error {
	if p.IsRoot() {
		return &PathError{"", "the root itself is never deleted"}
	}
	if err := r.delete(p); err != nil {
		return fmt.Errorf("delete %s: %w", quote(p.s), err)
	}
	return nil
}

func (r *Root) delete(p Path) error {
	dir, base := p.split()
	d, err := r.openDir(dir)
	if err != nil {
		return missing(err)
	}
	defer d.Close()
	info, err := d.Lstat(base)
	if err != nil {
		return missing(bare(err))
	}
	if _, ok := describe(p.s, info); !ok {
		return ErrNotFound
	}
	temp := r.tempName()
	defer r.release(temp)
	if err := r.root.Rename(p.os(), temp); err != nil {
		return bare(err)
	}
	if err := syncDir(d); err != nil {
		return bare(err)
	}
	if err := r.removeTemp(temp); err != nil {
		return bare(err)
	}
	return nil
}

// removeTemp removes a temporary entry with all it holds. A Put that had found
// its directory before that directory was renamed away may still drop a file
// into it; no later one can, so a few more rounds empty it.
func (r *Root) removeTemp(temp string) error {
	const rounds = 100
	var err error
	for range rounds {
		err = r.root.RemoveAll(temp)
		if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return err
}

// syncDir makes the names in d durable. A directory deleted meanwhile has none.
func syncDir(d *os.Root) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call; NTFS journals names
	}
	f, err := d.Open(".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// makeDirs creates the directories of dir that are missing and makes their
// names durable. It returns the first one it created, "" for none.
func (r *Root) makeDirs(dir string) (made string, err error) {
	for end := 0; end < len(dir); {
		if i := strings.IndexByte(dir[end+1:], '/'); i >= 0 {
			end += 1 + i
		} else {
			end = len(dir)
		}
		err := r.root.Mkdir(filepath.FromSlash(dir[:end]), r.mode.dir)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return made, err
		}
		if made == "" {
			made = dir[:end]
		}
		parent, _ := Path{dir[:end]}.split()
		d, err := r.openDir(parent)
		if err != nil {
			return made, err
		}
		err = syncDir(d)
		d.Close()
		if err != nil {
			return made, err
		}
	}
	return made, nil
}
