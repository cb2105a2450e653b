package access

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runstonedb/runstone/internal/record"
)

// FileName is the name of the file in the directory of a database.
const FileName = "access"

// settled is the age of a file from which on another change is sure to show in
// its time: the clocks of file systems tick this coarsely.
const settled = 50 * time.Millisecond

// lookEvery is how long an answer may rest on the last look at the file. Who
// changes the file waits as long before the change counts as made: then it is
// seen everywhere.
const lookEvery = 5 * time.Millisecond

// Store is the users of one database. Its methods may be called from any number
// of goroutines, and beside those of other processes.
type Store struct {
	path string
	now  func() time.Time
	key  [32]byte // of the digests of passwords in memory

	snap    atomic.Pointer[snapshot]
	start   time.Time
	looked  atomic.Int64 // since start, when a look at the file began
	loadMu  sync.Mutex
	writeMu sync.Mutex

	passed sync.Map // user name → verified
	gate   chan struct{}
	queue  atomic.Int32
	fails  limiter
}

// snapshot is the file as it was read, never changed.
type snapshot struct {
	info  os.FileInfo // nil when there was none
	read  time.Time
	row   *fileRow
	users map[string]*User
	token map[[sha256.Size]byte]tokenOwner
}

type tokenOwner struct {
	user    *User
	expires int64 // Unix ms, 0 is never
}

// Open opens the users of the database in dir, which may have none. It makes no
// file. A damaged one gives an error that wraps record.ErrCorrupt.
func Open(dir string) (*Store, error) {
	s := &Store{path: filepath.Join(dir, FileName), now: time.Now, start: time.Now(), gate: make(chan struct{}, max(1, min(maxHashing, runtime.GOMAXPROCS(0)/2)))}
	s.fails.byKey = map[failKey]*failure{}
	_, _ = rand.Read(s.key[:])
	if _, err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// current returns the users as the file has them now.
func (s *Store) current() (*snapshot, error) {
	old, at := s.snap.Load(), int64(time.Since(s.start))
	if at-s.looked.Load() < int64(lookEvery) {
		return old, nil
	}
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) && old.info == nil {
		s.looked.Store(at)
		return old, nil
	}
	if err == nil && old.info != nil && os.SameFile(old.info, info) && old.info.ModTime().Equal(info.ModTime()) && old.info.Size() == info.Size() &&
		old.read.Sub(info.ModTime()) > settled {
		s.looked.Store(at)
		return old, nil
	}
	return s.load()
}

func (s *Store) load() (*snapshot, error) {
	s.loadMu.Lock()
	defer s.loadMu.Unlock()
	n, at := &snapshot{read: time.Now()}, int64(time.Since(s.start))
	// The time first: a change in between shows at the next look.
	info, err := os.Stat(s.path)
	switch {
	case err == nil:
		n.info = info
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if n.row, err = readRow(s.path); err != nil {
		return nil, err
	}
	n.users = make(map[string]*User, len(n.row.Users))
	n.token = map[[sha256.Size]byte]tokenOwner{}
	for i := range n.row.Users {
		row := &n.row.Users[i]
		u := &User{ID: row.ID, Name: row.Name, Admin: row.Admin, base: Level(n.row.Default), row: row}
		u.grants = make(map[target]Level, len(row.Grants))
		for _, g := range row.Grants {
			u.grants[target{Kind(g.Kind), g.ID}] = Level(g.Level)
		}
		for _, t := range row.Tokens {
			n.token[[sha256.Size]byte(t.Sum)] = tokenOwner{u, t.Expires}
		}
		n.users[u.Name] = u
	}
	s.snap.Store(n)
	s.looked.Store(at)
	return n, nil
}

// update changes the file by fn, which may fail and then changes nothing. When it
// returns everybody sees the change.
func (s *Store) update(fn func(*fileRow) error) error {
	err := s.write(fn)
	if err == nil {
		time.Sleep(lookEvery)
	}
	return err
}

func (s *Store) write(fn func(*fileRow) error) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	lock, err := takeLock(s.path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	row, err := readRow(s.path)
	if err != nil {
		return err
	}
	if err := fn(row); err != nil {
		return err
	}
	if err := row.check(); err != nil {
		return err
	}
	body, err := record.Encode(row)
	if err != nil {
		return err
	}
	if len(body)+record.HeaderSize > maxFile {
		return invalid("more than %d bytes of users and grants", maxFile)
	}
	if err := record.WriteFile(s.path, fileVersion, body); err != nil {
		return fmt.Errorf("write the users: %w", err)
	}
	if err := giveAway(s.path, s.path+".lock"); err != nil {
		return err
	}
	_, err = s.load()
	return err
}

// lockTimeout bounds the wait for another writer.
const lockTimeout = 5 * time.Second

// takeLock locks the file at path; closing it lets go.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the file that the caller named
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockTimeout); ; time.Sleep(5 * time.Millisecond) {
		err := lockFile(f)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, errWouldBlock) || time.Now().After(end) {
			_ = f.Close()
			if errors.Is(err, errWouldBlock) {
				err = ErrLocked
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// find returns a user of the file.
func (f *fileRow) find(name string) (*userRow, error) {
	for i := range f.Users {
		if f.Users[i].Name == name {
			return &f.Users[i], nil
		}
	}
	return nil, noUser(name)
}
