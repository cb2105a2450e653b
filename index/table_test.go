package index

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

var ctx = context.Background()

// world is what the table has to agree with: the cells of each run, which are
// rows of the store too, so that a loader sees those of its transaction.
type world struct {
	t    require.TestingT
	dir  string
	st   *store.Store
	tab  *Table
	last uint32
	runs map[uint32][]Cell
	busy map[uint32]bool
}

func newWorld(t testing.TB, l limits) *world {
	w := &world{t: t, dir: t.TempDir(), runs: map[uint32][]Cell{}, busy: map[uint32]bool{}}
	w.tab = NewTable(1 << 20)
	w.tab.limits = l
	w.open()
	t.Cleanup(func() { require.NoError(t, w.st.Close()) }) // a second call does nothing
	return w
}

func (w *world) open() {
	st, err := store.Open(w.dir, &store.Options{InboxInterval: -1})
	require.NoError(w.t, err)
	w.st = st
}

func (w *world) reopen() {
	require.NoError(w.t, w.st.Close())
	l := w.tab.limits
	w.tab = NewTable(1 << 16)
	w.tab.limits = l
	w.open()
}

func cellsKey(run uint32) []byte { return tuple.Uint32(tuple.Key('q'), run) }

// set changes runs in one transaction.
func (w *world) set(runs map[uint32][]Cell) {
	require.NoError(w.t, w.st.Update(ctx, store.Appended, func(tx *store.Tx) error {
		for _, run := range slices.Sorted(maps.Keys(runs)) {
			if err := tx.Save(cellsKey(run), 1, runs[run]); err != nil {
				return err
			}
			if err := Touch(tx, run); err != nil {
				return err
			}
			w.runs[run] = runs[run]
			w.last = max(w.last, run)
		}
		return nil
	}))
}

func loadCells(tx *store.Tx, run uint32, add func(Cell)) error {
	var cells []Cell
	if ok, err := tx.Has(cellsKey(run)); err != nil || !ok {
		return err
	}
	if err := tx.Load(cellsKey(run), 1, &cells); err != nil {
		return err
	}
	for _, c := range cells {
		add(c)
	}
	return nil
}

func (w *world) options() FoldOptions {
	return FoldOptions{Load: loadCells, Ready: func(_ *store.Tx, run uint32) bool { return !w.busy[run] }, Last: w.last, Force: true}
}

func (w *world) fold(o FoldOptions) Stats {
	stats, err := w.tab.Fold(ctx, w.st, o)
	require.NoError(w.t, err)
	return stats
}

// view runs fn on a snapshot of the table.
func (w *world) view(fn func(s *Snapshot)) {
	require.NoError(w.t, w.st.View(ctx, func(tx *store.Tx) error {
		s, err := w.tab.Snapshot(tx, w.last)
		require.NoError(w.t, err)
		fn(s)
		return nil
	}))
}

// value returns the values of a row as text, bit for bit.
func value(c *Column, row int) []string {
	from, to := row, row+1
	if c.Starts != nil {
		from, to = int(c.Starts[row]), int(c.Starts[row+1])
	} else if c.Has != nil && !c.Has.Has(row) {
		return nil
	}
	var out []string
	for i := from; i < to; i++ {
		switch c.Type {
		case Ints:
			out = append(out, fmt.Sprint(c.Ints[i]))
		case Floats:
			out = append(out, fmt.Sprintf("%x", math.Float64bits(c.Floats[i])))
		case Strings:
			out = append(out, c.Dict[c.Codes[i]])
		}
	}
	return out
}

func text(c Cell) string {
	switch c.Type {
	case Ints:
		return fmt.Sprint(c.Int)
	case Floats:
		return fmt.Sprintf("%x", math.Float64bits(c.Float))
	}
	return c.Text
}

// check compares a snapshot with runs: what is in segments and not dirty has
// just their cells, and nothing is in neither.
func (w *world) check(s *Snapshot, runs map[uint32][]Cell) {
	t := w.t
	dirty := map[uint32]bool{}
	for _, run := range s.Dirty() {
		dirty[run] = true
	}
	require.True(t, slices.IsSorted(s.Dirty()))
	fields := map[Field]bool{}
	for _, cells := range runs {
		for _, c := range cells {
			fields[c.Field] = true
		}
	}
	seen := map[uint32]bool{}
	last := uint32(0)
	for _, seg := range s.Segments() {
		require.Greater(t, seg.First, last)
		last = seg.Last()
		rows, err := s.Rows(seg)
		require.NoError(t, err)
		for row := range seg.N {
			run := seg.First + uint32(row)
			require.Equal(t, len(runs[run]) > 0 && !dirty[run], rows.Has(row), "run %d", run)
			seen[run] = true
		}
		for f := range fields {
			c, _, err := s.Column(seg, f)
			require.NoError(t, err)
			zone, ok, err := s.Zone(seg, f)
			require.NoError(t, err)
			require.Equal(t, c != nil, ok)
			for row := range seg.N {
				if !rows.Has(row) {
					continue
				}
				var want, got []string
				for _, cell := range runs[seg.First+uint32(row)] {
					if cell.Field == f {
						want = append(want, text(cell))
						require.True(t, ok)
						inZone(t, zone, cell)
					}
				}
				if c != nil {
					got = value(c, row)
				}
				require.Equal(t, want, got, "run %d field %v", seg.First+uint32(row), f)
			}
		}
	}
	for run, cells := range runs {
		require.True(t, len(cells) == 0 || seen[run] || dirty[run], "run %d is nowhere", run)
	}
}

func inZone(t require.TestingT, z Zone, c Cell) {
	v := c.Float
	switch {
	case c.Type == Ints:
		v = float64(c.Int)
	case c.Type == Strings:
		return
	}
	require.Positive(t, z.Rows)
	if math.IsNaN(v) {
		require.Positive(t, z.NaN)
		return
	}
	require.LessOrEqual(t, z.Min, v)
	require.GreaterOrEqual(t, z.Max, v)
}

// tinyLimits make many segments, split them and put most columns in rows of
// their own.
var tinyLimits = limits{runs: 16, values: 200, bytes: 3000, inline: 12}

func drawFloat(t *rapid.T) float64 {
	return rapid.OneOf(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 0.1, 0.25, 1e300, 5e-324}),
		rapid.Float64(), rapid.Map(rapid.IntRange(-1000, 1000), func(i int) float64 { return float64(i) / 100 })).Draw(t, "float")
}

func drawCells(t *rapid.T) []Cell {
	var cells []Cell
	for range rapid.IntRange(0, 12).Draw(t, "cells") {
		f := Field{Kind: rapid.Byte().Draw(t, "kind")%3 + 1, Ord: rapid.Uint32Range(0, 3).Draw(t, "ord") * 1000, Part: rapid.Byte().Draw(t, "part") % 3}
		c := Cell{Field: f, Type: Type(f.Kind - 1)}
		switch c.Type {
		case Floats:
			c.Float = drawFloat(t)
		case Ints:
			c.Int = rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3)).Draw(t, "int")
		case Strings:
			c.Text = rapid.OneOf(rapid.SampledFrom([]string{"", "adam", "sgd", "0123456789abcdef", "ff", "aa"}), rapid.StringN(0, 60, 200)).Draw(t, "text")
		}
		if f.Ord < 2000 && slices.ContainsFunc(cells, func(o Cell) bool { return o.Field == f }) {
			continue
		}
		cells = append(cells, c)
	}
	return cells
}

// TestModel: whatever is changed, folded and reopened, the columns hold what a
// plain map does, also for a snapshot taken before a fold.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, tinyLimits)
		w.t = r
		r.Repeat(map[string]func(*rapid.T){
			"append": func(r *rapid.T) {
				runs := map[uint32][]Cell{}
				for i := range rapid.Uint32Range(1, 20).Draw(r, "n") {
					runs[w.last+1+i] = drawCells(r)
				}
				w.set(runs)
			},
			"edit": func(r *rapid.T) {
				if w.last == 0 {
					r.Skip("no runs")
				}
				runs := map[uint32][]Cell{}
				for range rapid.IntRange(1, 3).Draw(r, "n") {
					run := rapid.Uint32Range(1, w.last).Draw(r, "run")
					runs[run] = drawCells(r)
					if cells := w.runs[run]; rapid.Bool().Draw(r, "little") && len(cells) > 0 {
						runs[run] = append(slices.Clone(cells[:len(cells)-1]), runs[run]...)
						runs[run] = slices.DeleteFunc(runs[run], func(c Cell) bool { return c.Field.Ord < 2000 })
					}
				}
				w.set(runs)
			},
			"busy": func(r *rapid.T) {
				run := rapid.Uint32Range(1, w.last+2).Draw(r, "run")
				w.busy[run] = !w.busy[run]
			},
			"fold": func(r *rapid.T) {
				o := w.options()
				o.Force = rapid.Bool().Draw(r, "force")
				o.Min = rapid.IntRange(0, 20).Draw(r, "min")
				w.view(func(s *Snapshot) {
					was := maps.Clone(w.runs)
					w.fold(o)
					w.check(s, was)
				})
			},
			"rebuild": func(*rapid.T) {
				_, err := w.tab.Rebuild(ctx, w.st, w.options())
				require.NoError(t, err)
			},
			"reopen": func(r *rapid.T) {
				if rapid.IntRange(0, 3).Draw(r, "rarely") == 0 {
					w.reopen()
				}
			},
			"": func(*rapid.T) {
				w.view(func(s *Snapshot) { w.check(s, w.runs) })
			},
		})
		clear(w.busy)
		w.fold(w.options())
		w.view(func(s *Snapshot) {
			w.check(s, w.runs)
			for _, run := range s.Dirty() {
				n := len(w.runs[run])
				require.Greater(t, n, tinyLimits.values/4, "run %d is dirty", run)
			}
		})
		require.NoError(r, w.st.Close())
	})
}
