package index

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/runstonedb/runstone/store"
)

// Cell is one value of a run. A run may have several of a field; all cells of a
// field, whatever the run, have one type.
type Cell struct {
	Field Field
	Type  Type
	Int   int64
	Float float64
	Text  string
}

// Loader calls add for all that the table should hold of a run, values of one
// field in the order in which they are to be returned. A run without a cell is
// not there: it was purged, or never made.
type Loader func(tx *store.Tx, run uint32, add func(Cell)) error

// fresh is what a loader said of runs of a range, column by column.
type fresh struct {
	lo      uint32
	n       int
	loaded  Bits // the runs it was asked for
	there   Bits // those of them that have cells
	columns map[Field]*freshColumn
	order   []*freshColumn
	cells   []Cell // of the run being loaded
	values  int
	text    int
	fields  []Field // in order, once all is loaded
}

type freshColumn struct {
	field  Field
	typ    Type
	rows   []uint32
	ints   []int64
	floats []float64
	texts  []string
}

func newFresh(lo uint32, n int) *fresh {
	return &fresh{lo: lo, n: n, loaded: NewBits(n), there: NewBits(n), columns: map[Field]*freshColumn{}}
}

// load asks for a run. Nothing of it is kept when the loader fails.
func (f *fresh) load(tx *store.Tx, run uint32, load Loader) (values, text int, err error) {
	f.cells = f.cells[:0]
	err = load(tx, run, func(c Cell) {
		f.cells = append(f.cells, c)
		text += len(c.Text)
	})
	return len(f.cells), text, err
}

// keep takes over the run that was loaded.
func (f *fresh) keep(run uint32) error {
	row := run - f.lo
	f.loaded.Set(int(row))
	if len(f.cells) == 0 {
		return nil
	}
	f.there.Set(int(row))
	for i := range f.cells {
		c := &f.cells[i]
		// Most runs have the same fields in the same order.
		var col *freshColumn
		if i < len(f.order) && f.order[i].field == c.Field {
			col = f.order[i]
		} else if col = f.columns[c.Field]; col == nil {
			col = &freshColumn{field: c.Field, typ: c.Type}
			f.columns[c.Field] = col
			f.order = append(f.order, col)
		}
		if c.Type != col.typ || c.Type > Strings {
			return fmt.Errorf("run %d: field %v has a cell of type %d, before it was %d: %w", run, c.Field, c.Type, col.typ, store.ErrInvalid)
		}
		col.rows = append(col.rows, row)
		switch c.Type {
		case Ints:
			col.ints = append(col.ints, c.Int)
		case Floats:
			col.floats = append(col.floats, c.Float)
		case Strings:
			col.texts = append(col.texts, c.Text)
			f.text += len(c.Text)
		}
	}
	f.values += len(f.cells)
	return nil
}

// finish puts the fields in order.
func (f *fresh) finish() {
	f.fields = f.fields[:0]
	for _, c := range f.order {
		f.fields = append(f.fields, c.field)
	}
	slices.SortFunc(f.fields, func(a, b Field) int {
		return cmp.Or(a.name().compare(b.name()), cmp.Compare(a.Part, b.Part))
	})
}

// between returns the values of the rows lo ≤ row < hi.
func (c *freshColumn) between(lo, hi uint32) (from, to int) {
	from, _ = slices.BinarySearch(c.rows, lo)
	to, _ = slices.BinarySearch(c.rows, hi)
	return from, to
}

// same reports whether the column of a batch has for the rows that were loaded
// just what the fresh one has; c may be nil. The batch begins at row 0.
func (c *freshColumn) same(old *flat, loaded Bits) bool {
	k := 0
	for i, row := range old.rows {
		if !loaded.Has(int(row)) {
			continue
		}
		if c == nil || k == len(c.rows) || c.rows[k] != row || c.typ != old.typ {
			return false
		}
		var same bool
		switch c.typ {
		case Ints:
			same = c.ints[k] == old.ints[i]
		case Floats:
			same = math.Float64bits(c.floats[k]) == math.Float64bits(old.floats[i])
		default:
			same = c.texts[k] == old.dict[old.codes[i]]
		}
		if !same {
			return false
		}
		k++
	}
	return c == nil || k == len(c.rows)
}

// builder puts a column together.
type builder struct {
	flat
	known map[string]uint32 // number of each string of dict
	moved []int32           // from a source's numbers, -1 where not known yet
}

func (b *builder) reset(t Type) {
	b.flat.reset(t)
	if b.known == nil {
		b.known = map[string]uint32{}
	}
	clear(b.known)
}

func (b *builder) code(s string) uint32 {
	c, ok := b.known[s]
	if !ok {
		c = uint32(len(b.dict))
		b.dict = append(b.dict, s)
		b.known[s] = c
	}
	return c
}

// fresh adds the values from..to of a fresh column, whose rows are off more.
func (b *builder) fresh(c *freshColumn, from, to int, off uint32) {
	for i := from; i < to; i++ {
		b.rows = append(b.rows, c.rows[i]-off)
	}
	switch c.typ {
	case Ints:
		b.ints = append(b.ints, c.ints[from:to]...)
	case Floats:
		b.floats = append(b.floats, c.floats[from:to]...)
	case Strings:
		for _, s := range c.texts[from:to] {
			b.codes = append(b.codes, b.code(s))
		}
	}
}

// old adds the values of a column that stand in rows lo ≤ row < hi but not in
// those of skip, and before each what from has of rows before it, which it
// returns advanced. The rows of the column are off less than skip's and from's.
func (b *builder) old(c *flat, off, lo, hi uint32, skip Bits, from *freshColumn, at int) int {
	b.moved = b.moved[:0]
	for range c.dict {
		b.moved = append(b.moved, -1)
	}
	for i, row := range c.rows {
		if row += off; row < lo || row >= hi || skip.Has(int(row)) {
			continue
		}
		if from != nil {
			end := at
			for end < len(from.rows) && from.rows[end] < row {
				end++
			}
			b.fresh(from, at, end, lo)
			at = end
		}
		b.rows = append(b.rows, row-lo)
		switch c.typ {
		case Ints:
			b.ints = append(b.ints, c.ints[i])
		case Floats:
			b.floats = append(b.floats, c.floats[i])
		case Strings:
			code := c.codes[i]
			if b.moved[code] < 0 {
				b.moved[code] = int32(b.code(c.dict[code]))
			}
			b.codes = append(b.codes, uint32(b.moved[code]))
		}
	}
	return at
}
