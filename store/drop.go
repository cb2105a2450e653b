package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// droppedRow is the 'B' row: blocks and tails of a run that is no more may
// still take space.
type droppedRow struct{}

func droppedKey(run uint32) []byte { return tuple.Uint32(tuple.Key('B'), run) }

// DropRun deletes the series of a run, and in the same transaction what fn
// deletes. Before that it calls prepare, when it is certain that nobody uses
// the series and nobody will. Their space comes back with [Store.Reclaim].
// Errors: [ErrConflict] when the series are being logged or read, those of the
// functions and of [Store.Update].
func (s *Store) DropRun(ctx context.Context, run uint32, prepare func() error, fn func(*Tx) error) (err error) {
	r, err := s.series.seize(run)
	if err != nil {
		return err
	}
	defer func() { s.series.letGo(r, err == nil) }()
	if err := prepare(); err != nil {
		return err
	}
	return s.Update(ctx, Synced, func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		for _, table := range []byte{'G', 'g'} {
			for row, err := range tx.Prefix(groupPrefix(table, run), false) {
				if err == nil {
					err = tx.Delete(row.Key)
				}
				if err != nil {
					return err
				}
			}
		}
		return tx.Save(droppedKey(run), 1, droppedRow{})
	})
}

// Reclaim gives the space of dropped runs back and returns the bytes by which
// the tables of the key space became smaller. Changes wait meanwhile.
func (s *Store) Reclaim(ctx context.Context) (int64, error) {
	if err := s.writable(ctx); err != nil {
		return 0, err
	}
	// Reading a journal again must not meet points of a run whose tail is gone.
	if err := s.checkpoint(ctx); err != nil {
		return 0, err
	}
	s.reads.enter() // the key space must not be closed under this
	defer s.reads.leave()
	if s.closed.Load() {
		return 0, ErrClosed
	}
	var keys, prefixes [][]byte
	err := s.engine.View(func(r kv.Reader) error {
		lo := tuple.Key('B')
		return r.Scan(lo, tuple.End(lo), false, func(key, _ []byte) bool {
			run := binary.BigEndian.Uint32(key[1:])
			keys = append(keys, droppedKey(run))
			for _, table := range []byte{'b', 't', 'g'} { // a checkpoint may have written 'g' once more
				prefixes = append(prefixes, groupPrefix(table, run))
			}
			return true
		})
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	before, err := s.engine.Stats()
	if err != nil {
		return 0, err
	}
	if err := s.space.room(before.Tables, 0); err != nil { // tables are rewritten before the old ones go
		return 0, err
	}
	if err := s.engine.Drop(prefixes...); err != nil {
		return 0, fmt.Errorf("drop the blocks of %d runs: %w", len(keys), noSpace(err))
	}
	err = s.Update(ctx, Synced, func(tx *Tx) error {
		for _, key := range keys {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	after, err := s.engine.Stats()
	return max(0, before.Tables-after.Tables), err
}

// forgetRun drops a run from memory while a journal is read that deletes it.
func (t *seriesTable) forgetRun(run uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.runs[run]; r != nil {
		t.drop(r)
	}
}

// seize takes a run's series for deletion: nobody uses them, and nobody can
// until letGo.
func (t *seriesTable) seize(run uint32) (*runSeries, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.runs[run]
	switch {
	case t.pins[run] > 0:
		return nil, Errorf(ErrConflict, "the run's metrics are being read")
	case r == nil:
		r = &runSeries{run: run, bySet: map[string]*group{}}
		t.runs[run] = r
	case r.users > 0 || r.seized:
		return nil, Errorf(ErrConflict, "the run's metrics are in use")
	}
	r.seized = true
	return r, nil
}

// letGo ends what seize began: the run was dropped, or is as it was.
func (t *seriesTable) letGo(r *runSeries, dropped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.seized = false; dropped {
		t.drop(r)
	} else {
		t.evict(r)
	}
}
