package store

import (
	"context"
	"fmt"

	"github.com/runstonedb/runstone/store/internal/journal"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// Kinds of journal frames.
const (
	frameRows   = 1 // holder: a transaction, see finishRows
	framePoints = 2 // holder: points of a group, see appendPoints
	frameOp     = 3 // inbox: an op of the package above
	frameSeries = 4 // inbox: names a group for later framePoints, see inbox.go
	frameEnd    = 5 // inbox: the writer closed it
)

// View runs fn on a snapshot of the rows.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return ErrClosed
	}
	return s.view(fn)
}

func (s *Store) view(fn func(*Tx) error) error {
	// The layers and the key space's snapshot belong together: a checkpoint
	// that begins between the two could move newer rows into the key space.
	s.layers.RLock()
	locked := true
	defer func() {
		if locked {
			s.layers.RUnlock()
		}
	}()
	active, frozen := s.active, s.frozen
	return s.read(func(base kv.Reader) error {
		s.layers.RUnlock()
		locked = false
		return fn(&Tx{s: s, layers: [2]*rowMap{active, frozen}, base: base})
	})
}

// Update runs fn in a transaction and makes its changes take effect together,
// or none of them when fn returns an error or the journal cannot take them.
// Updates run one at a time; fn must not call another method of the Store.
func (s *Store) Update(ctx context.Context, d Durability, fn func(*Tx) error) error {
	if err := s.writable(ctx); err != nil {
		return err
	}
	if err := s.sealer.admit(ctx); err != nil { // it may bring points
		return err
	}
	w, end, err := s.update(fn, d)
	if err != nil || w == nil {
		return err
	}
	return s.acknowledge(w, end, d)
}

// update returns the journal and the offset to sync, or a nil journal when
// nothing was written.
func (s *Store) update(fn func(*Tx) error, d Durability) (w *journal.Writer, end int64, err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	s.updates.Lock()
	defer s.updates.Unlock()
	if s.closed.Load() {
		return nil, 0, ErrClosed
	}
	tx := &Tx{s: s, writes: true, frame: newRowsFrame()}
	tx.layers[0] = s.active.Copy()
	s.layers.RLock()
	tx.layers[1] = s.frozen
	s.layers.RUnlock()
	err = s.engine.View(func(base kv.Reader) error {
		tx.base = base
		return fn(tx)
	})
	if err != nil || len(tx.frame) == rowsHeader && len(tx.points) == 0 {
		return nil, 0, err
	}
	for _, a := range tx.points {
		if err := a.g.loadTail(); err != nil {
			return nil, 0, err
		}
	}
	if err := s.append(frameRows, tx.finishRows(), d, &w, &end); err != nil {
		return nil, 0, err
	}
	s.layers.Lock()
	s.active = tx.layers[0]
	s.layers.Unlock()
	for _, n := range tx.names {
		s.names.add(n.kind, n.ord, n.text)
	}
	for _, a := range tx.points {
		a.g.add(a.c)
	}
	return w, end, nil
}

// append adds a frame to the journal; the caller acknowledges it at level d.
// Called with the gate held shared. A private copy has no journal: its changes
// live in memory.
func (s *Store) append(kind byte, frame []byte, d Durability, w **journal.Writer, end *int64) error {
	if s.journal == nil {
		return nil
	}
	if err := s.space.check(int64(len(frame)), s.journal.End()+s.behind.Load()); err != nil {
		return err
	}
	var at int64
	var err error
	if d == Synced { // one of those who wait for the sync writes for all
		at, err = s.journal.Queue(kind, frame)
	} else {
		at, err = s.journal.Append(kind, frame)
	}
	if err != nil {
		return noSpace(err)
	}
	*w, *end = s.journal, at
	if at > s.opt.checkpointBytes() {
		select {
		case s.wake <- struct{}{}:
		default: // one is asked for already
		}
	}
	return nil
}

// acknowledge waits until the change is as durable as asked.
func (s *Store) acknowledge(w *journal.Writer, end int64, d Durability) error {
	if d != Synced {
		return nil
	}
	if err := w.Commit(end); err != nil {
		err = fmt.Errorf("sync the journal: %w", noSpace(err))
		s.fail(err)
		return err
	}
	return nil
}

// Sync makes every change that was acknowledged before the call durable.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.writable(ctx); err != nil {
		return err
	}
	return s.syncNow()
}

// syncNow makes the journal durable.
func (s *Store) syncNow() error {
	s.gate.RLock()
	w := s.journal
	s.gate.RUnlock()
	return s.acknowledge(w, w.End(), Synced)
}

// Room returns ErrNoSpace when writing n bytes beside the database, to its
// artifacts, would come too near to a full disk.
func (s *Store) Room(n int64) error {
	s.gate.RLock()
	pending := int64(0)
	if s.journal != nil {
		pending = s.journal.End() + s.behind.Load()
	}
	s.gate.RUnlock()
	return s.space.room(n, pending)
}
