package store

import (
	"fmt"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// batch collects rows for the key space and writes them in transactions that
// fit. It is for rows whose order and atomicity do not matter.
type batch struct {
	s     *Store
	rows  []overlayRow
	bytes int
}

// overlayRow is a row change; a nil value deletes.
type overlayRow struct {
	key   string
	value []byte
}

func (s *Store) newBatch() *batch { return &batch{s: s} }

func (b *batch) set(key, value []byte) error {
	n := len(key) + len(value)
	if len(b.rows) > 0 && (b.bytes+n > kv.MaxBatchBytes || len(b.rows) == kv.MaxBatchRows) {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.rows = append(b.rows, overlayRow{string(key), value})
	b.bytes += n
	return nil
}

func (b *batch) flush() error {
	if len(b.rows) == 0 {
		return nil
	}
	// Not through check's credit: the key space must never meet a full disk.
	free, err := b.s.space.free(b.s.dir)
	if err != nil {
		return err
	}
	if free < kvReserve/2 {
		return fmt.Errorf("%s: %d MiB free: %w", b.s.dir, free>>20, ErrNoSpace)
	}
	err = b.s.engine.Update(func(w kv.Writer) error {
		for _, r := range b.rows {
			var err error
			if r.value == nil {
				err = w.Delete([]byte(r.key))
			} else {
				err = w.Set([]byte(r.key), r.value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.rows, b.bytes = b.rows[:0], 0
	return nil
}

func (b *batch) save(key []byte, version byte, v any) error {
	body, err := record.Encode(v)
	if err != nil {
		return err
	}
	return b.set(key, record.Seal(nil, key, version, body))
}
