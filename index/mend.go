package index

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/runstonedb/runstone/store"
)

// mend takes out of the list of segments what is not trusted, and then deletes
// the rows that no segment of the list has.
func (t *Table) mend(ctx context.Context, st *store.Store) error {
	t.mu.Lock()
	broken, bad := t.broken, len(t.bad)
	t.mu.Unlock()
	if broken {
		return t.reset(ctx, st)
	}
	if bad > 0 {
		if err := t.giveUp(ctx, st); err != nil {
			return err
		}
	}
	return t.sweep(ctx, st)
}

// giveUp takes the segments that are not trusted out of the list.
func (t *Table) giveUp(ctx context.Context, st *store.Store) error {
	var done []uint32
	err := st.Update(ctx, store.Appended, func(tx *store.Tx) error {
		state, err := loadState(tx)
		if err != nil {
			return err
		}
		d, err := loadDirectory(tx, state)
		if err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		for no := range t.bad {
			done = append(done, no)
		}
		for _, s := range d.segs {
			if !t.bad[s.No] {
				continue
			}
			if err := tx.Delete(segmentKey(s.First)); err != nil {
				return err
			}
			state.Segments--
		}
		state.Next++
		state.Sweep = true
		return state.save(tx)
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, no := range done {
		delete(t.bad, no)
	}
	return nil
}

// reset empties the list of segments, whatever it looks like.
func (t *Table) reset(ctx context.Context, st *store.Store) error {
	err := st.Update(ctx, store.Appended, func(tx *store.Tx) error {
		next, epoch := uint32(1), uint32(0)
		if state, err := loadState(tx); err == nil {
			next, epoch = state.Next, state.Epoch+1
		}
		// If the state is lost, rows still have the numbers that may not be
		// given again, and marks the epochs.
		lost := []byte{tableSchemas, tableHeads, tableColumns, tableMarks}
		if next > 1 {
			lost = nil
		}
		for _, table := range lost {
			for row, err := range tx.Prefix([]byte{table}, false) {
				if err != nil {
					return err
				}
				switch number, ok := keyNumber(row.Key); {
				case !ok:
				case table == tableMarks:
					epoch = max(epoch, number+1)
				default:
					next = max(next, number+1)
				}
			}
		}
		for row, err := range tx.Prefix([]byte{tableSegments}, false) {
			if err != nil {
				return err
			}
			if err := tx.Delete(slices.Clone(row.Key)); err != nil {
				return err
			}
		}
		t.mu.Lock()
		if t.directory != nil {
			next = max(next, t.directory.next)
		}
		t.mu.Unlock()
		if lost != nil {
			next += unseen
		}
		state := stateRow{Next: next + 1, Epoch: epoch, Sweep: true, Rebuild: true}
		return state.save(tx)
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.broken, t.bad = false, map[uint32]bool{}
	t.directory = nil
	t.era++
	t.mu.Unlock()
	t.cache.Clear()
	return nil
}

// unseen is more than the numbers that were given last but are in no row any
// more. Other processes may have kept what they stood for.
const unseen = 1 << 16

// keyNumber returns the number of a segment or a column, or the epoch of a mark,
// that is in a key.
func keyNumber(key []byte) (uint32, bool) {
	at := 0
	switch {
	case key[0] == tableSchemas && len(key) == 7, key[0] == tableMarks && len(key) == 9:
		at = 1
	case key[0] == tableHeads && len(key) == 10:
		at = 6
	case key[0] == tableColumns && len(key) == 13:
		at = 7
	default:
		return 0, false
	}
	return binary.BigEndian.Uint32(key[at:]), true
}

// sweepRows is how many rows a transaction of a sweep deletes, and sweepKeys how
// many it knows of at a time.
const (
	sweepRows = 1000
	sweepKeys = 100 * sweepRows
)

// sweep deletes the rows that no segment has, if there may be such.
func (t *Table) sweep(ctx context.Context, st *store.Store) error {
	for {
		var dead [][]byte
		sweep := false
		err := st.View(ctx, func(tx *store.Tx) error {
			state, err := loadState(tx)
			if sweep = state.Sweep; err != nil || !sweep {
				return err
			}
			d, err := loadDirectory(tx, state)
			if err != nil {
				return err
			}
			dead, err = findDead(ctx, tx, state, d)
			return err
		})
		if err != nil || !sweep {
			return err
		}
		last := len(dead) < sweepKeys
		for len(dead) > 0 || last {
			some := dead[:min(sweepRows, len(dead))]
			dead = dead[len(some):]
			err := st.Update(ctx, store.Appended, func(tx *store.Tx) error {
				for _, key := range some {
					if err := tx.Delete(key); err != nil {
						return err
					}
				}
				if !last || len(dead) > 0 {
					return nil
				}
				state, err := loadState(tx)
				if err != nil {
					return err
				}
				state.Sweep = false
				return state.save(tx)
			})
			if err != nil || last && len(dead) == 0 {
				return err
			}
		}
	}
}

// findDead returns the keys of up to sweepKeys rows that no segment of the list
// has. A segment with a damaged head is an error: what columns it has cannot be
// told.
func findDead(ctx context.Context, tx *store.Tx, state stateRow, d *directory) ([][]byte, error) {
	byNo := map[uint32]Segment{}
	for _, s := range d.segs {
		byNo[s.No] = s.Segment
	}
	type column struct {
		name
		ref
	}
	used := map[column]bool{}
	var dead [][]byte
	scanned := 0
	scan := func(table byte, keep func(row store.Row) (bool, error)) error {
		for row, err := range tx.Prefix([]byte{table}, false) {
			if scanned++; scanned%1024 == 0 && err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if len(dead) == sweepKeys {
				return nil
			}
			ok, err := keep(row)
			if err != nil {
				return err
			}
			if !ok {
				dead = append(dead, slices.Clone(row.Key))
			}
		}
		return nil
	}
	err := scan(tableSchemas, func(row store.Row) (bool, error) {
		no, ok := keyNumber(row.Key)
		_, live := byNo[no]
		return ok && live, nil
	})
	if err != nil {
		return nil, err
	}
	err = scan(tableHeads, func(row store.Row) (bool, error) {
		no, ok := keyNumber(row.Key)
		s, live := byNo[no]
		if !ok || !live {
			return false, nil
		}
		b, err := row.Bytes(1)
		var h head
		if err == nil {
			h, err = decodeHead(b, s.N)
		}
		for _, p := range h {
			if p.inline == nil {
				used[column{name{row.Key[1], binary.BigEndian.Uint32(row.Key[2:])}, p.ref}] = true
			}
		}
		return true, damaged(s, err)
	})
	if err != nil {
		return nil, err
	}
	err = scan(tableColumns, func(row store.Row) (bool, error) {
		no, ok := keyNumber(row.Key)
		return ok && used[column{name{row.Key[1], binary.BigEndian.Uint32(row.Key[2:])}, ref{no, row.Key[6]}}], nil
	})
	if err != nil {
		return nil, err
	}
	err = scan(tableMarks, func(row store.Row) (bool, error) {
		epoch, ok := keyNumber(row.Key)
		return ok && epoch == state.Epoch, nil
	})
	return dead, err
}
