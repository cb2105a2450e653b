package runstone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/store"
)

// Options configure [Open]. The zero value and nil are the defaults.
type Options struct {
	// ReadOnly opens a private copy of the database as it is now. It works
	// beside writers and on what a crash left, and changes nothing.
	ReadOnly bool
	// Exclusive makes Open fail with [ErrLocked] when another process holds
	// the directory, instead of sharing it. Others may still share it later,
	// or go on sharing it from before.
	Exclusive bool
	// Durability is that of points, params, tags and of runs that begin; the
	// default is [Appended]. What ends a run, the registry and artifacts are
	// always [Synced], with everything before them.
	Durability Durability
	// Artifacts is the folder of artifacts; "" is "artifacts" in the database.
	Artifacts string
	// ArtifactRoot is where new experiments that name no location keep their
	// artifacts, as <ArtifactRoot>/<id>: a path, a file: URI or another location
	// that [artifact.ParseLocation] knows and that is no run or model; "" is
	// mlflow-artifacts:/, the folder that Artifacts names. Whoever logs writes
	// there by itself: this database knows of other places nothing but the name.
	// It may be up to 1024 bytes long, and is not used while the database is
	// shared.
	ArtifactRoot string
	// User is who runs belong to; "" is the user of the process.
	User string
	// Logger hears of what the database does by itself; nil is silence.
	Logger *slog.Logger
	// SearchCache bounds the memory of searches for what may be asked for again, in
	// bytes: two thirds for columns of the run index, a third for runs that pages
	// had. 0 is 96 MiB; 1 keeps nothing.
	SearchCache int64
	// NoSystemInfo leaves out the tags on machine, program and commit that
	// StartRun sets otherwise.
	NoSystemInfo bool

	tune func(*store.Options) // tests shrink blocks and checkpoints
}

// DB is an open database. Its methods may be called from any number of
// goroutines.
type DB struct {
	dir       string
	opt       Options
	root      artifact.Location // where new experiments keep their artifacts
	store     *store.Store      // nil when shared
	inbox     *store.Inbox      // nil unless shared
	artifacts *artifact.Root
	runs      *index.Table
	pages     *runCache
	keeper    *keeper      // nil when read-only or shared
	now       func() int64 // Unix ms

	viewMu sync.Mutex
	view   *sharedView // what a shared database reads
}

// Open opens the database in dir and creates it when dir is absent or empty.
//
// When another process holds the directory, the database is shared, see
// [DB.Shared], unless opt.Exclusive asks for [ErrLocked]. Other errors:
// [ErrNotDatabase], [ErrFuture], [ErrCorrupt], [ErrNoSpace] and those of the
// file system. A directory that is refused is left as it was.
func Open(dir string, opt *Options) (*DB, error) {
	db := &DB{now: func() int64 { return time.Now().UnixMilli() }}
	if opt != nil {
		db.opt = *opt
	}
	cache := cmp.Or(db.opt.SearchCache, 96<<20)
	db.runs, db.pages = index.NewTable(cache-cache/3), newRunCache(cache/3)
	var err error
	if db.dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if db.root, err = parseArtifactRoot(db.opt.ArtifactRoot); err != nil {
		return nil, err
	}
	db.store, err = store.Open(db.dir, db.storeOptions(db.opt.ReadOnly))
	if errors.Is(err, ErrLocked) && !db.opt.Exclusive {
		db.root = artifact.Location{} // who holds the database would not know it
		db.inbox, err = store.OpenInbox(db.dir)
	}
	if err != nil {
		return nil, err
	}
	if err := db.openArtifacts(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if db.store != nil && !db.opt.ReadOnly {
		if err := db.ensureDefault(); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		db.keep()
	}
	return db, nil
}

func (db *DB) storeOptions(readOnly bool) *store.Options {
	o := &store.Options{ReadOnly: readOnly, Logger: db.opt.Logger, Apply: applyOp, Run: runOrd, Series: checkSeries, Touch: index.Touch}
	if db.opt.tune != nil {
		db.opt.tune(o)
	}
	return o
}

func (db *DB) openArtifacts() error {
	dir := db.opt.Artifacts
	if dir == "" {
		dir = store.ArtifactDir(db.dir)
	}
	if db.opt.ReadOnly {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil // nothing was ever put there, and nothing is created
		}
	}
	var err error
	db.artifacts, err = artifact.OpenRoot(dir)
	return err
}

// maxArtifactRoot leaves room for what locations have below it, in bytes.
const maxArtifactRoot = 1024

func parseArtifactRoot(uri string) (artifact.Location, error) {
	l, err := artifact.ParseLocation(cmp.Or(uri, servedRoot))
	switch {
	case err != nil:
	case l.Kind == artifact.KindRun || l.Kind == artifact.KindModel || l.Kind == artifact.KindLoggedModel:
		err = errors.New("the artifacts of a run or model are not a place for others")
	case len(uri) > maxArtifactRoot:
		err = fmt.Errorf("longer than %d bytes", maxArtifactRoot)
	}
	if err != nil {
		return l, invalid("Invalid artifact root: '%s'. %v", cut(uri, maxArtifactRoot), err)
	}
	return l, nil
}

// ArtifactRoot returns where new experiments that name no location keep their
// artifacts; the zero value is mlflow-artifacts:/, too.
func (db *DB) ArtifactRoot() artifact.Location { return db.root }

// Close makes everything durable and lets go of the directory. Runs that were
// not ended stay RUNNING.
func (db *DB) Close() error {
	db.keeper.close(db)
	var errs []error
	if db.store != nil {
		errs = append(errs, db.store.Close())
	}
	if db.inbox != nil {
		errs = append(errs, db.inbox.Close())
	}
	db.dropView()
	if db.artifacts != nil {
		errs = append(errs, db.artifacts.Close())
	}
	return errors.Join(errs...)
}

// Dir returns the directory of the database.
func (db *DB) Dir() string { return db.dir }

// ReadOnly reports whether the database was opened to be read only.
func (db *DB) ReadOnly() bool { return db.opt.ReadOnly }

// Shared reports whether another process holds the database. Then
//
//   - changes go to an inbox in the directory, durable as asked, and take
//     effect when the holder applies them, within a second while it runs and
//     at the next open otherwise;
//   - a change that turns out to contradict an earlier one, such as another
//     value for a param, is refused then; its inbox is kept as a file .rejected;
//   - reads show the changes of this process, and those of others as they were
//     at some moment of the last second; a read after a change takes some
//     milliseconds more than one after a read;
//   - the registry, and other changes whose result is a number, fail with
//     [ErrLocked].
func (db *DB) Shared() bool { return db.inbox != nil }

// Artifacts returns the folder that holds the artifacts of runs and models.
func (db *DB) Artifacts() *artifact.Root { return db.artifacts }

// View runs fn on a snapshot of the rows, for the functions of package lineage.
func (db *DB) View(ctx context.Context, fn func(*store.Tx) error) error {
	return db.viewWith(ctx, db.reader, fn)
}

func (db *DB) viewWith(ctx context.Context, reader func() (*store.Store, func(), error), fn func(*store.Tx) error) error {
	s, done, err := reader()
	if err != nil {
		return err
	}
	defer done()
	return s.View(ctx, fn)
}

// viewSeq iterates over what each passes to its function, on a snapshot. each
// stops without an error when the function returns false.
func viewSeq[T any](ctx context.Context, db *DB, each func(tx *store.Tx, yield func(T) bool) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := db.View(ctx, func(tx *store.Tx) error {
			return each(tx, func(v T) bool {
				stopped = !yield(v, nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			var none T
			yield(none, err)
		}
	}
}

// Update runs fn in a transaction that is synced when Update returns nil, for
// the functions of package lineage. It fails with [ErrLocked] when the
// database is shared.
func (db *DB) Update(ctx context.Context, fn func(*store.Tx) error) error {
	if db.store == nil {
		return ErrLocked
	}
	return db.store.Update(ctx, Synced, fn)
}

// Sync makes everything acknowledged so far survive power loss.
func (db *DB) Sync(ctx context.Context) error {
	if db.inbox != nil {
		return db.inbox.Sync(ctx)
	}
	return db.store.Sync(ctx)
}

// sharedView is a private copy that a shared database reads.
type sharedView struct {
	store   *store.Store
	at      time.Time
	written int64 // of the inbox when it was made
	users   int
	old     bool // a newer one took its place
}

const viewAge = time.Second

// reader returns the store to read from, until done is called. It shows the
// changes of this process.
func (db *DB) reader() (s *store.Store, done func(), err error) { return db.readerOf(true) }

// glance is reader without the changes that this process made just now.
func (db *DB) glance() (s *store.Store, done func(), err error) { return db.readerOf(false) }

func (db *DB) readerOf(own bool) (s *store.Store, done func(), err error) {
	if db.store != nil {
		return db.store, func() {}, nil
	}
	db.viewMu.Lock()
	defer db.viewMu.Unlock()
	v := db.view
	if v == nil || time.Since(v.at) > viewAge || own && v.written != db.inbox.Written() {
		at, written := time.Now(), db.inbox.Written()
		s, err := store.Open(db.dir, db.storeOptions(true))
		if err != nil {
			return nil, nil, err
		}
		db.retire()
		db.runs.Trust()
		v = &sharedView{store: s, at: at, written: written}
		db.view = v
	}
	v.users++
	return v.store, func() {
		db.viewMu.Lock()
		defer db.viewMu.Unlock()
		v.users--
		if v.old && v.users == 0 {
			_ = v.store.Close()
		}
	}, nil
}

// retire closes the present view once nobody reads it. Called with viewMu held.
func (db *DB) retire() {
	if v := db.view; v != nil {
		v.old = true
		if v.users == 0 {
			_ = v.store.Close()
		}
		db.view = nil
	}
}

func (db *DB) dropView() {
	db.viewMu.Lock()
	defer db.viewMu.Unlock()
	db.retire()
}
