package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runstonedb/runstone/store/internal/badgerkv"
	"github.com/runstonedb/runstone/store/internal/journal"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// Durability says what an acknowledged change survives.
type Durability int

const (
	// Appended changes are in the journal file: they survive the end of the
	// process, by whatever signal, but not power loss, which takes at most
	// the changes since the operating system last wrote its pages back.
	Appended Durability = iota
	// Synced changes are on stable storage. Callers that wait at the same
	// time share one sync.
	Synced
)

// Options configure Open. The zero value and nil are the defaults.
type Options struct {
	// ReadOnly opens a private copy of the database as it is now. It works
	// beside a writer and after a crash, and changes nothing in the directory.
	ReadOnly bool
	// Logger hears of what the store does by itself. Nil is silence.
	Logger *slog.Logger
	// Apply turns an op that another process left in the inbox into rows. An
	// error that wraps ErrInvalid, ErrExists or ErrConflict rejects the op for
	// good and is counted; ErrNotFound does so once no other inbox can bring
	// what is missing; any other stops the inbox.
	Apply func(tx *Tx, op []byte) error
	// Series refuses names of series that an inbox should not bring; nil takes
	// all.
	Series func(SeriesName) error
	// Run returns the ordinal of the run whose points an inbox brings.
	Run func(tx *Tx, id string) (uint32, error)
	// Touch hears in each transaction that brings points from an inbox of the
	// runs that get some. Its rows are applied with the points, or neither.
	// Its error stops the inbox. Nil is nobody.
	Touch func(tx *Tx, run uint32) error

	// BlockPoints is the number of points in a block, at most 7,168; 0 is
	// 4,096.
	BlockPoints int
	// CheckpointBytes is the size of the journal that starts a checkpoint; 0
	// is 32 MiB.
	CheckpointBytes int64
	// HeadBytes bounds the memory of points that are not in a block yet; 0 is
	// 64 MiB. Above it blocks become shorter, down to 64 points.
	HeadBytes int64
	// InboxInterval is how often the holder looks for changes of other
	// processes; 0 is 200 ms, negative only at open.
	InboxInterval time.Duration
}

func (o *Options) blockPoints() int {
	if o.BlockPoints > 0 {
		return min(o.BlockPoints, maxBlockPoints)
	}
	return 4096
}

// maxBlockPoints are points whose clock fits a row of kv.MaxValue bytes,
// whatever the steps and times: of 18 bytes each, a little more than their
// bits, and the pyramid.
const maxBlockPoints = 7 << 10

func (o *Options) checkpointBytes() int64 {
	if o.CheckpointBytes > 0 {
		return o.CheckpointBytes
	}
	return 32 << 20
}

func (o *Options) headBytes() int64 {
	if o.HeadBytes > 0 {
		return o.HeadBytes
	}
	return 64 << 20
}

func (o *Options) inboxInterval() time.Duration {
	if o.InboxInterval != 0 {
		return o.InboxInterval
	}
	return 200 * time.Millisecond
}

// Store is an open database. Its methods may be called from any number of
// goroutines.
type Store struct {
	dir     string // of the files in use; a private copy when read-only
	opt     Options
	log     *slog.Logger
	lock    *lock // nil when read-only
	copying bool  // a read-only store is taking over inboxes into memory
	id      [16]byte
	writer  [16]byte
	engine  kv.Engine
	names   nameCache
	space   *governor
	mark    *mark // nil when read-only
	cleanup func()

	// gate is held shared by whoever appends to the journal and applies the
	// change to memory, and exclusively by the switch to the next journal, so
	// that a checkpoint holds exactly the changes of the journals before it.
	gate    sync.RWMutex
	journal *journal.Writer // nil when read-only
	number  uint64          // of journal, or of the last one read

	updates sync.Mutex   // one Update at a time
	layers  sync.RWMutex // guards active and frozen
	active  *rowMap      // rows changed since the journal began; never changed in place
	frozen  *rowMap      // rows that a checkpoint is moving into the key space

	series seriesTable
	heads  atomic.Int64 // bytes of all heads
	sealer *sealer

	behind atomic.Int64 // bytes of journals that a checkpoint is moving

	checkpointing sync.Mutex
	unfinished    *checkpoint // one that failed half-way and must be finished first

	inbox tailer

	failure atomic.Pointer[error] // makes every later change fail
	closed  atomic.Bool
	reads   reads
	stop    context.CancelFunc
	wake    chan struct{} // asks for a checkpoint
	workers sync.WaitGroup
}

// Open opens the database in dir and creates it when dir is absent or empty.
// Errors: [ErrLocked] when another process holds it, [ErrNotDatabase],
// [ErrFuture], [ErrCorrupt], [ErrNoSpace], and those of the file system. A
// refused directory is left as it was.
func Open(dir string, opt *Options) (*Store, error) {
	if opt == nil {
		opt = &Options{}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if !opt.ReadOnly {
		if err := prepareDir(dir); err != nil {
			return nil, err
		}
	}
	if err := checkLayout(dir); err != nil {
		return nil, err
	}
	if opt.ReadOnly {
		return openView(dir, opt)
	}
	if err := mayCreate(dir); err != nil {
		return nil, err
	}
	l, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	s, err := openHeld(dir, opt, l)
	if err != nil {
		_ = l.release()
		return nil, err
	}
	return s, nil
}

// mayCreate refuses a foreign directory before a lock file is put into it.
func mayCreate(dir string) error {
	_, err := readFormat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return checkEmpty(dir)
	}
	return err
}

func openHeld(dir string, opt *Options, l *lock) (*Store, error) {
	s := newStore(dir, opt)
	s.lock = l
	if err := s.space.check(0, 0); err != nil {
		return nil, err
	}
	id, err := readFormat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		id, err = createFormat(dir)
	}
	if err != nil {
		return nil, noSpace(err)
	}
	s.id = id
	if s.mark, err = openMark(dir); err != nil {
		return nil, err
	}
	if err = checkJournals(dir, id, s.mark); err == nil {
		if err = s.openEngine(s.mark); err == nil {
			err = s.recover(s.mark)
		}
	}
	if err != nil {
		s.abandon()
		return nil, err
	}
	if err = s.startJournal(); err != nil {
		s.abandon()
		return nil, noSpace(err)
	}
	sweep(dir)
	s.start()
	if err := s.inbox.drain(context.Background()); err != nil {
		_ = s.Close()
		return nil, err
	}
	s.inbox.start()
	return s, nil
}

func newStore(dir string, opt *Options) *Store {
	s := &Store{
		dir: dir, opt: *opt, log: opt.Logger, space: newGovernor(dir),
		active: new(rowMap), wake: make(chan struct{}, 1), cleanup: func() {},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	_, _ = rand.Read(s.writer[:])
	s.series.init(s)
	s.sealer = newSealer(s)
	s.inbox.s = s
	return s
}

func (s *Store) openEngine(m *mark) error {
	torn := m.rebooted() && !m.clean
	engine, err := badgerkv.Open(kvPath(s.dir), badgerkv.Options{
		Logger: s.log, AllowTornManifest: torn, AllowTornLog: torn,
	})
	if err != nil {
		return noSpace(err)
	}
	s.engine = engine
	return nil
}

// start runs the sealer and the checkpoints; Close ends them.
func (s *Store) start() {
	s.sealer.start()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.workers.Go(func() {
		tick := time.NewTicker(checkpointEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-s.wake:
			}
			if err := s.Checkpoint(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("checkpoint", "err", err)
			}
		}
	})
}

// checkpointEvery bounds the age of the journal that a crash leaves to read.
const checkpointEvery = 5 * time.Minute

// abandon lets go of everything without writing.
func (s *Store) abandon() {
	s.closed.Store(true)
	s.inbox.stop()
	s.sealer.stop()
	if s.engine != nil {
		_ = s.engine.Close()
	}
	if s.mark != nil {
		_ = s.mark.file.Close()
	}
	s.cleanup()
}

// Close makes everything durable and lets go of the directory. It waits for
// reads under way; iterators that are not finished keep it from closing. A
// second call does nothing.
func (s *Store) Close() error {
	// Behind the gate: a change either came before, or finds the store closed.
	s.gate.Lock()
	closed := s.closed.Swap(true)
	s.gate.Unlock()
	if closed {
		return nil
	}
	if s.stop != nil {
		s.stop()
	}
	s.inbox.stop()
	s.workers.Wait()
	var err error
	if s.journal != nil {
		err = s.finish()
	}
	s.sealer.stop()
	if !s.reads.wait(readPatience) {
		return errors.Join(err, errors.New("a read of the database has not come to its end; its files stay open"))
	}
	if cerr := s.engine.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close the key space: %w", cerr)
	}
	if s.mark != nil {
		if err == nil {
			err = s.markClean()
		}
		_ = s.mark.file.Close()
	}
	s.cleanup()
	if s.lock != nil {
		_ = s.lock.release()
	}
	return err
}

// readPatience is how long Close waits for reads under way. Closing the key
// space under them would end the process: its tables are mapped.
const readPatience = 30 * time.Second

// finish moves what is in memory into the key space.
func (s *Store) finish() error {
	if p := s.failure.Load(); p != nil {
		_ = s.journal.Close()
		return *p
	}
	err := s.checkpoint(context.Background())
	if err != nil { // the journal keeps it for the next open
		err = errors.Join(err, s.journal.Commit(s.journal.End()))
	}
	_ = s.journal.Close()
	return err
}

// markClean records that nothing is left to recover. The empty journal goes.
func (s *Store) markClean() error {
	if n := s.journal.Frames(); n > 0 {
		return fmt.Errorf("journal %d still holds %d changes", s.number, n)
	}
	s.mark.clean, s.mark.journal = true, s.number-1
	if err := s.mark.write(); err != nil {
		return err
	}
	return os.Remove(journalPath(s.dir, s.number))
}

// Dir returns the directory given to Open, or the private copy of a read-only
// store.
func (s *Store) Dir() string { return s.dir }

// ID returns the database id as 32 hex digits.
func (s *Store) ID() string { return fmt.Sprintf("%x", s.id) }

// ReadOnly reports whether the store refuses changes.
func (s *Store) ReadOnly() bool { return s.opt.ReadOnly }

// fail makes every later change return err. The state on disk stays what the
// journal says.
func (s *Store) fail(err error) {
	err = fmt.Errorf("the database takes no more changes after an earlier error: %w", err)
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Error("store failed", "err", err)
	}
}

// writable returns why a change cannot be made now, nil when it can.
func (s *Store) writable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case s.opt.ReadOnly && !s.copying:
		return ErrReadOnly
	case s.closed.Load():
		return ErrClosed
	}
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}
