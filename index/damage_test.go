package index

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// smallLimits make several segments of a few hundred runs, with columns of
// their own rows.
var smallLimits = limits{runs: 64, values: 1 << 20, bytes: 1 << 20, inline: 40}

// plainCells are cells of a run in each type, alone and several, dense and
// sparse.
func plainCells(run uint32) []Cell {
	rng := rand.New(rand.NewPCG(uint64(run), 3))
	cells := []Cell{
		{Field: Field{Kind: 1, Ord: 1}, Type: Strings, Text: fmt.Sprintf("%032x", rng.Uint64())},
		{Field: Field{Kind: 1, Ord: 2}, Type: Ints, Int: rng.Int64()},
		{Field: Field{Kind: 4, Ord: 1, Part: 1}, Type: Floats, Float: rng.NormFloat64()},
		{Field: Field{Kind: 4, Ord: 1, Part: 2}, Type: Floats, Float: rng.NormFloat64()},
		{Field: Field{Kind: 4, Ord: 1, Part: 3}, Type: Ints, Int: 1000},
	}
	if run%7 == 0 {
		cells = append(cells, Cell{Field: Field{Kind: 3, Ord: 9}, Type: Strings, Text: "rare"})
	}
	for i := range run % 3 {
		cells = append(cells, Cell{Field: Field{Kind: 5, Ord: 2}, Type: Strings, Text: fmt.Sprintf("dataset-%d-of-%d", i, rng.Uint32())})
	}
	return cells
}

func (w *world) plain(runs uint32) {
	set := map[uint32][]Cell{}
	for run := uint32(1); run <= runs; run++ {
		set[run] = plainCells(run)
	}
	w.set(set)
}

func (w *world) verify(load Loader) (found []error) {
	require.NoError(w.t, w.st.View(ctx, func(tx *store.Tx) error {
		return w.tab.Verify(ctx, tx, w.last, load, func(err error) {
			require.ErrorIs(w.t, err, store.ErrCorrupt)
			found = append(found, err)
		})
	}))
	return found
}

// rows returns the keys of a table.
func (w *world) rows(table byte) (keys [][]byte) {
	require.NoError(w.t, w.st.View(ctx, func(tx *store.Tx) error {
		for row, err := range tx.Prefix([]byte{table}, false) {
			require.NoError(w.t, err)
			keys = append(keys, slices.Clone(row.Key))
		}
		return nil
	}))
	return keys
}

// raw changes a sealed row behind the store's back; nil deletes it.
func (w *world) raw(key []byte, change func(value []byte) []byte) {
	require.NoError(w.t, w.st.Close())
	b, err := badger.Open(badger.DefaultOptions(filepath.Join(w.dir, "kv")).WithLogger(nil).WithCompression(options.None).
		WithMemTableSize(2 << 20).WithValueThreshold(128<<10 + 1).WithValueLogFileSize(1 << 20))
	require.NoError(w.t, err)
	require.NoError(w.t, b.Update(func(tx *badger.Txn) error {
		item, err := tx.Get(key)
		require.NoError(w.t, err)
		value, err := item.ValueCopy(nil)
		require.NoError(w.t, err)
		if value = change(value); value == nil {
			return tx.Delete(key)
		}
		return tx.Set(key, value)
	}))
	require.NoError(w.t, b.Close())
	w.tab = NewTable(1 << 20)
	w.tab.limits = smallLimits
	w.open()
}

// readAll reads every column and zone until something is wrong.
func (w *world) readAll() error {
	return w.st.View(ctx, func(tx *store.Tx) error {
		s, err := w.tab.Snapshot(tx, w.last)
		if err != nil {
			return err
		}
		for _, seg := range s.Segments() {
			for _, cells := range w.runs {
				for _, c := range cells {
					if _, _, err := s.Column(seg, c.Field); err != nil {
						return err
					}
					if _, _, err := s.Zone(seg, c.Field); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// TestDamageHeals: a flipped bit, a missing row and a cut one in each table are
// noticed by whoever reads it, searches do without at once, and the next fold
// makes the table anew.
func TestDamageHeals(t *testing.T) {
	const runs = 200
	changes := map[string]func(b []byte) []byte{
		"flip": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"cut":  func(b []byte) []byte { return b[:len(b)-1] },
		"none": func([]byte) []byte { return nil },
	}
	for _, table := range []byte{tableSegments, tableSchemas, tableHeads, tableColumns, tableMarks} {
		for name, change := range changes {
			t.Run(fmt.Sprintf("%c/%s", table, name), func(t *testing.T) {
				w := newWorld(t, smallLimits)
				w.plain(runs)
				w.fold(w.options())
				w.set(map[uint32][]Cell{5: plainCells(500), 150: plainCells(501)})
				require.Empty(t, w.verify(loadCells))
				keys := w.rows(table)
				key := keys[len(keys)/2]
				w.raw(key, change)

				found := w.verify(loadCells)
				lost := table == tableMarks && name == "none" // nobody can know
				if table != tableMarks || lost {
					require.NotEmpty(t, found)
				}
				if lost {
					return
				}
				for try := 0; ; try++ {
					err := w.readAll()
					if err == nil {
						break
					}
					require.ErrorIs(t, err, store.ErrCorrupt)
					require.Less(t, try, 5)
					require.True(t, w.tab.Distrust(err), "%v", err)
					require.True(t, distrusts(w.tab))
				}
				if table != tableHeads || name != "none" { // that looks like a field that is not there
					w.view(func(s *Snapshot) { w.check(s, w.runs) })
				}
				for _, err := range found { // what nobody has read yet
					require.True(t, w.tab.Distrust(err), "%v", err)
				}
				w.fold(w.options())
				require.False(t, distrusts(w.tab))
				require.Empty(t, w.verify(loadCells))
				require.NoError(t, w.readAll())
				w.view(func(s *Snapshot) {
					require.Empty(t, s.Dirty())
					w.check(s, w.runs)
				})
				w.reopen()
				require.Empty(t, w.verify(loadCells))
			})
		}
	}
}

// TestFoldMeetsDamage: a fold that has to read a damaged column gives the
// segment up and makes it from the records, in the same call.
func TestFoldMeetsDamage(t *testing.T) {
	for _, table := range []byte{tableSegments, tableSchemas, tableHeads, tableColumns} {
		w := newWorld(t, smallLimits)
		w.plain(200)
		w.fold(w.options())
		for _, key := range w.rows(table) {
			if len(key) > 1 {
				w.raw(key, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
				break
			}
		}
		w.plain(210)
		w.fold(w.options())
		require.Empty(t, w.verify(loadCells), "table %c", table)
		w.view(func(s *Snapshot) {
			require.Empty(t, s.Dirty())
			w.check(s, w.runs)
		})
	}
}

func distrusts(t *Table) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken || len(t.bad) > 0
}
