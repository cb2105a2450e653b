package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/runstonedb/runstone"
)

const (
	envDataDir     = "RUNSTONE_DATA_DIR"
	defaultDataDir = "./data"
)

// dir returns the directory of the database that the call is about.
func (a *app) dir() string {
	if a.dataDir != "" {
		return a.dataDir
	}
	if d, ok := a.env(envDataDir); ok && d != "" {
		return d
	}
	return defaultDataDir
}

// find refuses a directory without a database, so that no command makes one
// out of a typing mistake.
func (a *app) find() (string, error) {
	dir := a.dir()
	info, err := os.Stat(dir)
	hint := `name its directory with --data-dir or $` + envDataDir + `, or make one with "runstone server" or "runstone runs log"`
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return dir, notFoundf(hint, "there is no database at %s", dir)
	case err != nil:
		return dir, err
	case !info.IsDir():
		return dir, &fault{code: exitRefused, msg: dir + " is a file, not the directory of a database", hint: hint, cause: runstone.ErrNotDatabase}
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 {
		return dir, notFoundf(hint, "there is no database in %s, which is empty", dir)
	}
	return dir, nil
}

// read runs fn on a private copy of the database as it is now.
func (a *app) read(ctx context.Context, fn func(context.Context, *runstone.DB) error) error {
	dir, err := a.find()
	if err != nil {
		return err
	}
	return with(ctx, dir, &runstone.Options{ReadOnly: true}, fn)
}

// write runs fn on the database. When another process holds it, changes go
// through an inbox.
func (a *app) write(ctx context.Context, fn func(context.Context, *runstone.DB) error) error {
	dir, err := a.find()
	if err != nil {
		return err
	}
	return with(ctx, dir, nil, fn)
}

// create is write that makes the database when there is none.
func (a *app) create(ctx context.Context, fn func(context.Context, *runstone.DB) error) error {
	return with(ctx, a.dir(), nil, fn)
}

func with(ctx context.Context, dir string, opt *runstone.Options, fn func(context.Context, *runstone.DB) error) error {
	db, err := runstone.Open(dir, opt)
	if err != nil {
		return err
	}
	err = fn(ctx, db)
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return err
}

// localPath turns a file: URI into a path and leaves paths alone. ok is false
// for other URIs.
func localPath(uri string) (path string, ok bool) {
	u, err := url.Parse(uri)
	if err != nil || len(u.Scheme) < 2 { // a path; a drive letter is no scheme
		return uri, true
	}
	if u.Scheme != "file" || u.Host != "" && u.Host != "localhost" {
		return "", false
	}
	if u.Path == "" {
		return filepath.FromSlash(u.Opaque), u.Opaque != ""
	}
	return filepath.FromSlash(u.Path), true
}
