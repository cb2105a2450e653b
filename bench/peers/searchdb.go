package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// loaded is what it took to bring the runs into both databases.
type loaded struct {
	Runs            int
	Runstone, Close time.Duration // Close is part of Runstone
	RunstoneBytes   int64
	SQLite          time.Duration
	SQLiteBytes     int64
	Experiments     []string // Runstone's ids, by number
}

// both are the same runs in Runstone and in SQLite.
type both struct {
	loaded
	dir    string
	db     *runstone.DB
	sql    *sqlRuns
	cached *sqlRuns // the same file with a cache of 1 GB instead of 2 MB
}

// openBoth opens the databases of a workload, which are made when they are not
// there: in the directory that the tables of a command share, or in dir.
func openBoth(ctx context.Context, dir string, s spec, w load.Runs) (b *both, err error) {
	if s.shared != "" {
		dir = s.shared
	}
	b = &both{dir: filepath.Join(dir, fmt.Sprintf("runs-%d-%d", w.Runs, w.Names))}
	if err := b.load(ctx, w); err != nil {
		return nil, err
	}
	if err := b.openRunstone(); err != nil {
		return nil, err
	}
	if b.sql, err = openSQLRuns(ctx, b.sqlPath(), nil); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if b.cached, err = openSQLRuns(ctx, b.sqlPath(), map[string]string{"cache_size": "-1000000"}); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *both) runstonePath() string { return filepath.Join(b.dir, "runstone") }
func (b *both) sqlPath() string      { return filepath.Join(b.dir, "mlflow.db") }
func (b *both) loadedPath() string   { return filepath.Join(b.dir, "loaded.json") }

// load makes the databases and remembers what it took, once.
func (b *both) load(ctx context.Context, w load.Runs) error {
	text, err := os.ReadFile(b.loadedPath())
	if err == nil {
		return json.Unmarshal(text, &b.loaded)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(b.dir); err != nil { // of a contender that failed
		return err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	b.Runs = w.Runs
	began := time.Now()
	if err := b.openRunstone(); err != nil {
		return err
	}
	if b.Experiments, err = w.Load(ctx, b.db); err != nil {
		return errors.Join(err, b.closeRunstone())
	}
	closing := time.Now()
	if err := b.closeRunstone(); err != nil {
		return err
	}
	b.Runstone, b.loaded.Close = time.Since(began), time.Since(closing)
	if b.RunstoneBytes, err = treeSize(b.runstonePath()); err != nil {
		return err
	}
	began = time.Now()
	if err := loadSQLRuns(ctx, b.sqlPath(), w); err != nil {
		return err
	}
	b.SQLite = time.Since(began)
	if b.SQLiteBytes, err = treeSize(b.sqlPath()); err != nil {
		return err
	}
	if text, err = json.Marshal(b.loaded); err != nil {
		return err
	}
	return os.WriteFile(b.loadedPath(), text, 0o644)
}

func (b *both) openRunstone() (err error) {
	b.db, err = openPlain(b.runstonePath())
	return err
}

// closeRunstone closes the database if it is open.
func (b *both) closeRunstone() error {
	db := b.db
	if db == nil {
		return nil
	}
	b.db = nil
	return db.Close()
}

// Close closes the databases and leaves them where they are.
func (b *both) Close() error {
	errs := []error{b.closeRunstone()}
	for _, s := range []*sqlRuns{b.sql, b.cached} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// treeSize is how long a file is, or all files of a directory.
func treeSize(path string) (n int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// page asks Runstone for the ids of a page: the first for after "", and the one
// behind it for the cursor that a page gives.
func (b *both) page(ctx context.Context, q *question, after string) (ids []string, next string, err error) {
	p, err := b.db.SearchRunIDs(ctx, q.filter(), &runstone.SearchOptions{
		Experiments: b.Experiments, OrderBy: q.orderBy(), Limit: q.limit, Offset: q.offset, After: after,
	})
	if err != nil {
		return nil, "", err
	}
	return p.Items, p.Next, nil
}

// whole asks Runstone for runs with all that belongs to them.
func (b *both) whole(ctx context.Context, q *question) (runs []*runstone.RunData, err error) {
	opt := &runstone.SearchOptions{Experiments: b.Experiments, OrderBy: q.orderBy(), Limit: q.limit, Offset: q.offset}
	for r, err := range b.db.Search(ctx, q.filter(), opt) {
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// uncached asks Runstone with a cache that keeps no column.
func (b *both) uncached(long time.Duration, ask func() error) (least time.Duration, err error) {
	if err := b.closeRunstone(); err != nil {
		return 0, err
	}
	if b.db, err = runstone.Open(b.runstonePath(), &runstone.Options{Exclusive: true, NoSystemInfo: true, SearchCache: 1}); err != nil {
		return 0, err
	}
	if least, _, _, err = repeated(10, 100, long, ask); err != nil {
		return 0, err
	}
	if err := b.closeRunstone(); err != nil {
		return 0, err
	}
	return least, b.openRunstone()
}
