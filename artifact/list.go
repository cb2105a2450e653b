package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"
	"unicode/utf8"
)

// A File describes an entry of a listing.
type File struct {
	Path    string // from the root, segments joined by '/'
	IsDir   bool
	Size    int64 // bytes, 0 for a directory
	ModTime time.Time
}

// List returns the files and directories directly in p, sorted by Path. What
// is missing, or is a file, has an empty list, as in MLflow. Temporary
// entries, links, special files and names that [ParsePath] refuses are left
// out.
func (r *Root) List(p Path) ([]File, error) {
	files, err := r.list(p.s)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("list %s: %w", quote(p.s), err)
	}
	return files, nil
}

func (r *Root) list(dir string) ([]File, error) {
	d, err := r.openDir(dir)
	if err != nil {
		return nil, missing(err)
	}
	defer d.Close()
	f, err := d.Open(".")
	if err != nil {
		return nil, bare(err)
	}
	names, err := f.Readdirnames(-1)
	f.Close()
	if err != nil {
		return nil, bare(err)
	}
	slices.Sort(names)
	files := make([]File, 0, len(names))
	prefix := dir
	if dir != "" {
		prefix += "/"
	}
	for _, name := range names {
		path := prefix + name
		if !listable(path, name) {
			continue
		}
		info, err := d.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since the names were read
		}
		if err != nil {
			return nil, bare(err)
		}
		if file, ok := describe(path, info); ok {
			files = append(files, file)
		}
	}
	return files, nil
}

// listable reports whether path, which ends in name, could be a Path.
func listable(path, name string) bool {
	return len(path) <= MaxPath && len(name) <= MaxSegment && utf8.ValidString(name) &&
		checkPath(path) == ""
}

// describe returns the File of an entry, false for what is neither file nor
// directory.
func describe(path string, info fs.FileInfo) (File, bool) {
	file := File{Path: path, IsDir: info.IsDir(), ModTime: info.ModTime()}
	if info.Mode().IsRegular() {
		file.Size = info.Size()
	}
	return file, file.IsDir || info.Mode().IsRegular()
}

// Walk yields every file and directory below p: each directory before what it
// holds, names in byte order. When p is a file it yields that file; when p is
// missing, nothing. Entries are left out as in [Root.List]. It stops at the
// first error, which it yields with a zero File.
func (r *Root) Walk(p Path) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		if file, ok := r.stat(p); ok && !file.IsDir {
			yield(file, nil)
			return
		}
		r.walk(p.s, yield)
	}
}

// walk holds no directory open while it is below it, so that a deep tree
// costs no file descriptors.
func (r *Root) walk(dir string, yield func(File, error) bool) bool {
	files, err := r.list(dir)
	if err != nil && !errors.Is(err, ErrNotFound) {
		yield(File{}, fmt.Errorf("walk %s: %w", quote(dir), err))
		return false
	}
	for _, file := range files {
		if !yield(file, nil) || file.IsDir && !r.walk(file.Path, yield) {
			return false
		}
	}
	return true
}

// stat describes p; ok is false when it cannot.
func (r *Root) stat(p Path) (file File, ok bool) {
	dir, base := p.split()
	d, err := r.openDir(dir)
	if err != nil {
		return File{}, false
	}
	defer d.Close()
	if base == "" {
		base = "."
	}
	info, err := d.Lstat(base)
	if err != nil {
		return File{}, false
	}
	return describe(p.s, info)
}
