package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// segments returns the lengths of the segments.
func (w *world) segments() (n []int) {
	w.view(func(s *Snapshot) {
		for _, seg := range s.Segments() {
			n = append(n, seg.N)
		}
	})
	return n
}

// TestTailMerges: runs that come in a few at a time are merged step by step, and
// segments end where the grid does.
func TestTailMerges(t *testing.T) {
	w := newWorld(t, smallLimits)
	o := w.options()
	o.Force, o.Min = false, 8
	written := 0
	for i := uint32(1); i <= 200; i++ {
		w.set(map[uint32][]Cell{i: plainCells(i)})
		o.Last = i
		stats := w.fold(o)
		if i%8 != 0 {
			require.Zero(t, stats.Runs)
			require.Equal(t, int(i%8), stats.Left)
			continue
		}
		require.Equal(t, 8, stats.Runs)
		require.Zero(t, stats.Left)
		for _, n := range w.segments() {
			written += n / len(w.segments())
		}
		require.LessOrEqual(t, len(w.segments()), int(i)/64+4)
	}
	require.Equal(t, []int{64, 64, 64, 8}, w.segments())
	require.Empty(t, w.verify(loadCells))
}

// TestEditWritesLittle: a changed tag rewrites its column and head, in place.
func TestEditWritesLittle(t *testing.T) {
	w := newWorld(t, smallLimits)
	w.plain(128)
	all := w.fold(w.options())
	var before []Segment
	w.view(func(s *Snapshot) { before = s.Segments() })
	cells := append(plainCells(77), Cell{Field: Field{Kind: 3, Ord: 1}, Type: Strings, Text: "note"})
	w.set(map[uint32][]Cell{77: cells})
	stats := w.fold(w.options())
	require.Equal(t, 1, stats.Segments)
	require.Less(t, stats.Bytes, all.Bytes/20)
	w.view(func(s *Snapshot) {
		require.Equal(t, before, s.Segments())
		w.check(s, w.runs)
	})
	// What changed and changed back costs nothing but its mark.
	w.set(map[uint32][]Cell{78: plainCells(78)})
	require.Zero(t, w.fold(w.options()).Bytes)
	require.Empty(t, w.rows(tableMarks))

	// Few edits of many segments are left until they are worth a rewrite.
	o := w.options()
	o.Force, o.Min = false, 4
	w.set(map[uint32][]Cell{1: plainCells(501), 2: plainCells(502), 3: plainCells(503), 100: plainCells(504)})
	require.Equal(t, Stats{Runs: 3, Segments: 1, Left: 1}, withoutBytes(w.fold(o)))
	require.Empty(t, w.verify(loadCells))
}

func withoutBytes(s Stats) Stats {
	s.Bytes = 0
	return s
}

// TestSparse: ten thousand metrics of which each run has a few take tens of bytes a
// value, and folding them is linear.
func TestSparse(t *testing.T) {
	const runs, metrics, each = 2000, 10_000, 10
	st, err := store.Open(t.TempDir(), &store.Options{InboxInterval: -1})
	require.NoError(t, err)
	tab := NewTable(1 << 20)
	load := func(_ *store.Tx, run uint32, add func(Cell)) error {
		rng := rand.New(rand.NewPCG(uint64(run), 1))
		for range each {
			m := rng.Uint32N(metrics)
			for p := range byte(3) {
				add(Cell{Field: Field{4, m, p}, Type: Floats, Float: rng.Float64()})
			}
		}
		return nil
	}
	stats, err := tab.Fold(ctx, st, FoldOptions{Load: load, Last: runs})
	require.NoError(t, err)
	require.Less(t, stats.Bytes/(runs*each*3), 30)
	require.NoError(t, st.View(ctx, func(tx *store.Tx) error {
		s, err := tab.Snapshot(tx, runs)
		require.NoError(t, err)
		found := 0
		for m := range uint32(100) {
			for _, seg := range s.Segments() {
				c, read, err := s.Column(seg, Field{4, m, 2})
				require.NoError(t, err)
				require.Less(t, read, 2000)
				if c != nil {
					found += c.Has.Count()
				}
			}
		}
		require.InDelta(t, 100*runs*each/metrics, found, 60)
		return tab.Verify(ctx, tx, runs, load, func(err error) { t.Error(err) })
	}))
	require.NoError(t, st.Close())
}

// TestLimits: a segment that would be too large is cut, and a run that is too
// large alone, or whose records are damaged, stays with the searcher.
func TestLimits(t *testing.T) {
	l := smallLimits
	l.values, l.bytes = 200, 8000
	w := newWorld(t, l)
	w.plain(100)
	long := append(plainCells(10), Cell{Field: Field{Kind: 3, Ord: 1}, Type: Strings, Text: strings.Repeat("long ", 1000)})
	w.set(map[uint32][]Cell{10: long, 11: plainCells(11)})
	o := w.options()
	o.Load = func(tx *store.Tx, run uint32, add func(Cell)) error {
		if run == 20 {
			add(Cell{Field: Field{Kind: 9}})
			return fmt.Errorf("params: %w", store.ErrCorrupt)
		}
		return loadCells(tx, run, add)
	}
	stats := w.fold(o)
	require.Equal(t, 98, stats.Runs)
	require.Equal(t, 1, stats.Large)
	require.Equal(t, 1, stats.Failed)
	require.Equal(t, 2, stats.Left)
	require.Greater(t, len(w.segments()), 2)
	w.view(func(s *Snapshot) {
		require.Equal(t, []uint32{10, 20}, s.Dirty())
		w.check(s, w.runs)
	})
	require.Empty(t, w.verify(loadCells))

	bad := errors.New("loader")
	_, err := w.tab.Fold(ctx, w.st, FoldOptions{Last: 200, Load: func(*store.Tx, uint32, func(Cell)) error { return bad }})
	require.ErrorIs(t, err, bad)
	w.view(func(s *Snapshot) { w.check(s, w.runs) })
	_, err = w.tab.Fold(ctx, w.st, FoldOptions{Last: 200, Load: func(_ *store.Tx, run uint32, add func(Cell)) error {
		add(Cell{Field: Field{Kind: 1}, Type: Type(run % 2)})
		return nil
	}})
	require.ErrorIs(t, err, store.ErrInvalid)
}

// TestMarksMove: however many marks come and go, a snapshot scans few of them,
// and none is lost on the way.
func TestMarksMove(t *testing.T) {
	w := newWorld(t, limits{runs: 4096, values: 1 << 20, bytes: 1 << 24, inline: 40})
	w.plain(mostUnmarked + 200)
	w.busy[7], w.busy[9] = true, true
	w.fold(w.options())
	keys := w.rows(tableMarks)
	require.Equal(t, [][]byte{markKey(1, 7), markKey(1, 9)}, keys)
	w.view(func(s *Snapshot) {
		require.Equal(t, []uint32{7, 9}, s.Dirty())
		w.check(s, w.runs)
	})
	clear(w.busy)
	w.set(map[uint32][]Cell{9: nil})
	w.fold(w.options())
	require.Empty(t, w.rows(tableMarks))
	w.view(func(s *Snapshot) {
		require.Empty(t, s.Dirty())
		w.check(s, w.runs)
	})
	require.Empty(t, w.verify(loadCells))
}

// TestTouchDuringFold: a change that comes while a fold reads is not lost.
func TestTouchDuringFold(t *testing.T) {
	w := newWorld(t, smallLimits)
	w.plain(30)
	w.fold(w.options())
	w.set(map[uint32][]Cell{3: plainCells(300), 4: plainCells(400)})
	o := w.options()
	o.Last = 32
	o.Load = func(tx *store.Tx, run uint32, add func(Cell)) error {
		err := loadCells(tx, run, add)
		if run == 3 || run == 31 {
			w.set(map[uint32][]Cell{run: plainCells(900 + run)})
		}
		return err
	}
	w.fold(o)
	w.view(func(s *Snapshot) {
		require.Equal(t, []uint32{3, 31}, s.Dirty())
		w.check(s, w.runs)
	})
	w.fold(w.options())
	require.Empty(t, w.verify(loadCells))
}

// TestRebuildGoesOn: a rebuild that is stopped is taken up where it was, leaves no
// old row behind, and the table is right all the time.
func TestRebuildGoesOn(t *testing.T) {
	w := newWorld(t, smallLimits)
	w.plain(300)
	w.fold(w.options())
	for round := range 3 {
		cancelled, cancel := context.WithCancel(ctx)
		o := w.options()
		o.Progress = func(done, total int) {
			require.LessOrEqual(t, done, total)
			if done > 64 {
				cancel()
			}
		}
		stats, err := w.tab.Rebuild(cancelled, w.st, o)
		cancel()
		if round == 2 {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 128, stats.Runs)
		w.view(func(s *Snapshot) { w.check(s, w.runs) })
		w.reopen()
	}
	require.Equal(t, []int{64, 64, 64, 64, 44}, w.segments())
	require.Empty(t, w.verify(loadCells))
}

// TestPrivateCopy: a reader beside the process that folds sees the table too.
func TestPrivateCopy(t *testing.T) {
	w := newWorld(t, smallLimits)
	w.plain(100)
	w.fold(w.options())
	w.set(map[uint32][]Cell{5: plainCells(55)})
	st, err := store.Open(w.dir, &store.Options{ReadOnly: true})
	require.NoError(t, err)
	w.fold(w.options())
	other := NewTable(1 << 20)
	require.NoError(t, st.View(ctx, func(tx *store.Tx) error {
		s, err := other.Snapshot(tx, w.last)
		require.NoError(t, err)
		require.Equal(t, []uint32{5}, s.Dirty())
		require.Len(t, s.Segments(), 2)
		w.check(s, w.runs)
		return nil
	}))
	_, err = other.Fold(ctx, st, w.options())
	require.ErrorIs(t, err, store.ErrReadOnly)
	require.NoError(t, st.Close())
}

// TestTogether: searches, changes and folds at once.
func TestTogether(t *testing.T) {
	w := newWorld(t, smallLimits)
	w.plain(150)
	f := Field{Kind: 1, Ord: 7}
	cells := func(v int64) []Cell { return []Cell{{Field: f, Type: Ints, Int: v}} }
	var wg sync.WaitGroup
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for i := range 150 {
			err := w.st.Update(ctx, store.Appended, func(tx *store.Tx) error {
				for k := range uint32(10) { // the sum stays the same
					run := 1 + (uint32(i)*7+k)%150
					if err := tx.Save(cellsKey(run), 1, cells(int64(i))); err != nil {
						return err
					}
					if err := Touch(tx, run); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}()
	running := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	o := FoldOptions{Load: loadCells, Last: 150, Min: 20}
	wg.Go(func() {
		for running() {
			if _, err := w.tab.Fold(ctx, w.st, o); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for running() {
				err := w.st.View(ctx, func(tx *store.Tx) error {
					s, err := w.tab.Snapshot(tx, 150)
					if err != nil {
						return err
					}
					return compareWithRows(tx, s, f)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	o.Force = true
	w.fold(o)
	require.Empty(t, w.verify(loadCells))
}

// compareWithRows holds the clean rows of a snapshot to what the transaction has.
func compareWithRows(tx *store.Tx, s *Snapshot, f Field) error {
	for _, seg := range s.Segments() {
		rows, err := s.Rows(seg)
		if err != nil {
			return err
		}
		c, _, err := s.Column(seg, f)
		if err != nil {
			return err
		}
		rows.Each(func(row int) {
			var got, want string
			if c != nil {
				got = strings.Join(value(c, row), " ")
			}
			err = errors.Join(err, loadCells(tx, seg.First+uint32(row), func(c Cell) {
				if c.Field == f {
					want = text(c)
				}
			}))
			if got != want {
				err = errors.Join(err, fmt.Errorf("run %d: %s, not %s", seg.First+uint32(row), got, want))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
