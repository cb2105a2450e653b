package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Folders reads artifacts from folders of this machine, for sources whose
// artifacts are there. A location names a folder in one of two ways: by a path,
// which must lie in one of the folders, and as mlflow-artifacts:/<path>, as a
// tracking server serves them, which is looked for below each of the folders
// that such a server has its artifacts in.
//
// A location comes out of a file that somebody may have tampered with: nothing
// outside of the folders is ever read, and no link is followed out of them.
type Folders struct {
	served []folder
	within []folder
	moved  []moved
	left   int64 // entries that are no files
}

// moved is where the folder of a location is now.
type moved struct {
	from string // path on the machine that wrote it
	root *os.Root
	name string
}

type folder struct {
	dir  string // absolute
	root *os.Root
}

// OpenFolders opens folders: served are those that a tracking server has its
// artifacts in, within those that paths may name. A missing folder is an error
// that wraps [fs.ErrNotExist].
func OpenFolders(served, within []string) (*Folders, error) {
	f := &Folders{}
	open := func(dirs []string) (out []folder, err error) {
		for _, dir := range dirs {
			abs, err := filepath.Abs(dir)
			if err != nil {
				return out, err
			}
			root, err := os.OpenRoot(abs)
			if err != nil {
				return out, err
			}
			out = append(out, folder{abs, root})
		}
		return out, nil
	}
	var err error
	if f.served, err = open(served); err == nil {
		f.within, err = open(within)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close closes the folders.
func (f *Folders) Close() error {
	var errs []error
	for _, list := range [][]folder{f.served, f.within} {
		for _, d := range list {
			errs = append(errs, d.root.Close())
		}
	}
	return errors.Join(errs...)
}

// Reach is [Source.Reach] for locations on this machine. A folder that was moved
// here from another place is found by the last part of its path, as long as one
// of that name is directly in one of the folders that paths may name.
func (f *Folders) Reach(location string) error {
	_, _, err := f.find(location)
	p, ok := LocalPath(location)
	if err == nil || !ok || !errors.Is(err, ErrUnreachable) {
		return err
	}
	last := filepath.Base(p)
	for _, d := range f.within {
		if info, serr := d.root.Stat(last); serr == nil && info.IsDir() {
			f.moved = append(f.moved, moved{filepath.Clean(p), d.root, last})
			return nil
		}
	}
	return err
}

// find returns the folder that has a location, and the location's path in it,
// "." for the folder itself. It may be missing there.
func (f *Folders) find(location string) (*os.Root, string, error) {
	if p, ok := ServedPath(location); ok {
		name, err := inside(p)
		if err != nil {
			return nil, "", err
		}
		if len(f.served) == 0 {
			return nil, "", fmt.Errorf("they are in a folder that a tracking server serves: %w", ErrUnreachable)
		}
		for _, d := range f.served {
			if _, err := d.root.Stat(name); err == nil {
				return d.root, name, nil
			}
		}
		return f.served[0].root, name, nil
	}
	p, ok := LocalPath(location)
	if !ok {
		return nil, "", fmt.Errorf("they are in another place: %w", ErrUnreachable)
	}
	for _, d := range f.within {
		if name, ok := below(d.dir, p); ok {
			return d.root, name, nil
		}
	}
	for _, m := range f.moved {
		if name, ok := below(m.from, p); ok {
			return m.root, path.Join(m.name, name), nil
		}
	}
	return nil, "", fmt.Errorf("they are in a folder that was not named: %w", ErrUnreachable)
}

// below returns the path of p in dir, with slashes. A relative p is one in dir.
func below(dir, p string) (string, bool) {
	if filepath.IsAbs(p) {
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return "", false
		}
		p = rel
	}
	p = filepath.ToSlash(filepath.Clean(p))
	return p, p != ".." && !strings.HasPrefix(p, "../")
}

// inside checks the path of a served location.
func inside(p string) (string, error) {
	clean := path.Clean("/" + p)[1:]
	if clean != strings.Trim(p, "/") || strings.Contains(p, `\`) {
		return "", fmt.Errorf("their path is not a plain one: %w", ErrUnreachable)
	}
	return path.Clean("./" + clean), nil
}

// ServedPath returns the path of a location that a tracking server serves:
// mlflow-artifacts:/<path>, with or without the server's name, or the same
// below http://<server>/api/2.0/mlflow-artifacts/artifacts/.
func ServedPath(location string) (string, bool) {
	scheme, rest, ok := strings.Cut(location, ":")
	if !ok {
		return "", false
	}
	switch strings.ToLower(scheme) {
	case "mlflow-artifacts":
		if host, ok := strings.CutPrefix(rest, "//"); ok {
			_, p, _ := strings.Cut(host, "/")
			return p, true
		}
		return strings.TrimPrefix(rest, "/"), true
	case "http", "https":
		_, p, ok := strings.Cut(rest, "/api/2.0/mlflow-artifacts/artifacts/")
		return p, ok
	}
	return "", false
}

// LocalPath returns the path of a location on the machine that wrote it, and
// false for other locations. A relative one stays so.
func LocalPath(location string) (string, bool) {
	scheme, rest, ok := strings.Cut(location, ":")
	switch {
	case location == "":
		return "", false
	case !ok || len(scheme) == 1 || strings.Contains(scheme, "/"): // a drive letter is no scheme
		return filepath.FromSlash(location), true
	case strings.EqualFold(scheme, "file"):
		if host, ok := strings.CutPrefix(rest, "//"); ok {
			i := strings.IndexByte(host, '/')
			if i != 0 && (i < 0 || host[:i] != "localhost") {
				return "", false
			}
			rest = host[i:]
		}
		p, err := url.PathUnescape(rest)
		return filepath.FromSlash(p), err == nil && p != ""
	}
	return "", false
}

// Files is [Source.Files] for locations on this machine.
func (f *Folders) Files(ctx context.Context, uri string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		root, name, err := f.find(uri)
		if err != nil {
			yield(File{}, err)
			return
		}
		err = fs.WalkDir(root.FS(), name, func(p string, e fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, fs.ErrNotExist) && p == name:
				return nil
			case err != nil:
				return err
			case e.IsDir():
				return nil
			case !e.Type().IsRegular():
				f.left++
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			below := strings.TrimPrefix(p, name+"/")
			open := func(context.Context) (io.ReadCloser, error) { return root.Open(p) }
			if !yield(File{Path: below, Size: info.Size(), Open: open}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(File{}, err)
		}
	}
}

// Notes says what Files left out.
func (f *Folders) Notes() []Note {
	if f.left == 0 {
		return nil
	}
	return []Note{{Kind: Artifacts, Text: "links and special files were not copied", N: f.left}}
}
