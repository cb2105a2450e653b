package plan

import (
	"context"
	"time"
	"unsafe"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// exec is the state of one run of a plan.
type exec struct {
	ctx      context.Context
	plan     *Plan
	opt      *Options
	deadline time.Time
	seen     Explain // as far as it is counted
	parts    []partCount
	zones    []verdict // of the parts, for the batch

	batch Batch
	n     int // rows of the batch
	arena arena
	// By slot, for the batch: columns that were asked for, and functions of
	// points with the rows that they were computed for.
	columns []*index.Column
	asked   []bool
	series  []computed
	dicts   []verdicts // by slot, kept over batches
	kin     []kinSets  // by slot, of the whole run
	kept    int64      // bytes that the search holds
}

type computed struct {
	column *index.Column
	rows   index.Bits // nil is not computed
}

// verdicts are which strings of a dictionary pass a test, as far as is known. They
// are kept over batches: the columns of many may share a dictionary.
type verdicts struct {
	dict      []string
	known, ok index.Bits
	left      int // strings not known
}

// of takes up a dictionary.
func (v *verdicts) of(dict []string) {
	if len(dict) == len(v.dict) && unsafe.SliceData(dict) == unsafe.SliceData(v.dict) {
		return
	}
	words := (len(dict) + 63) / 64
	if cap(v.ok) < words {
		v.ok, v.known = make(index.Bits, words), make(index.Bits, words)
	}
	v.dict, v.left = dict, len(dict)
	v.ok, v.known = v.ok[:words], v.known[:words]
	clear(v.known)
	clear(v.ok)
}

// decide tests a string that is not known.
func (v *verdicts) decide(code int, test func(string) bool) {
	v.known.Set(code)
	v.left--
	if test(v.dict[code]) {
		v.ok.Set(code)
	}
}

// keep keeps in sel the values whose strings pass the test.
func (v *verdicts) keep(sel index.Bits, c *index.Column, test func(string) bool) {
	v.of(c.Dict)
	if v.left > 0 && sel.Count() >= v.left {
		for code := range v.dict {
			if !v.known.Has(code) {
				v.decide(code, test)
			}
		}
	}
	if v.left == 0 {
		keepCodes(sel, c.Codes, v.ok)
		return
	}
	keepIf(sel, func(j int) bool {
		code := int(c.Codes[j])
		if !v.known.Has(code) {
			v.decide(code, test)
		}
		return v.ok.Has(code)
	})
}

func (r *exec) start(b Batch) {
	r.batch, r.n = b, b.Len()
	r.arena.reset()
	clear(r.asked)
	clear(r.columns)
	clear(r.series)
}

func (r *exec) column(slot int, ref Ref) (*index.Column, error) {
	if r.asked[slot] {
		return r.columns[slot], nil
	}
	c, err := r.batch.Column(r.ctx, ref)
	if err != nil {
		return nil, err
	}
	r.columns[slot], r.asked[slot] = c, true
	return c, nil
}

// points computes a function of points, unless it has been for these rows.
func (r *exec) points(slot int, fn *tree.Series, sel index.Bits) (*index.Column, error) {
	s := &r.series[slot]
	if s.rows != nil && subset(sel, s.rows) {
		return s.column, nil
	}
	rows := r.arena.copy(sel)
	c, err := r.batch.Series(r.ctx, fn, sel)
	if err != nil {
		return nil, err
	}
	*s = computed{c, rows}
	return c, nil
}

func subset(a, b index.Bits) bool {
	for i, w := range a {
		if w&^b[i] != 0 {
			return false
		}
	}
	return true
}

// values turns rows of the batch into values of a column: those that the rows of
// sel have. It may return sel itself, without the rows that have none.
func (r *exec) values(c *index.Column, sel index.Bits) index.Bits {
	if c.Starts == nil {
		if c.Has != nil {
			sel.And(c.Has)
		}
		return sel
	}
	vals := r.arena.bits(int(c.Starts[r.n]))
	sel.Each(func(i int) {
		for j := c.Starts[i]; j < c.Starts[i+1]; j++ {
			vals.Set(int(j))
		}
	})
	return vals
}

// lift keeps in sel the rows of which a value is in vals, which was made by values.
func (r *exec) lift(c *index.Column, sel, vals index.Bits) {
	if c.Starts == nil {
		return
	}
	keepIf(sel, func(i int) bool {
		for j := c.Starts[i]; j < c.Starts[i+1]; j++ {
			if vals.Has(int(j)) {
				return true
			}
		}
		return false
	})
}

// arena lends memory until the next batch.
type arena struct {
	words  []uint64
	floats []float64
	ints   []int64
}

func (a *arena) reset() {
	a.words, a.floats, a.ints = a.words[:0], a.floats[:0], a.ints[:0]
}

// lend takes n items of a slab, and begins a larger slab if it is full: what was
// lent of the old one stays good.
func lend[T any](slab *[]T, n int) []T {
	s := *slab
	if cap(s)-len(s) < n {
		s = make([]T, 0, max(2*cap(s), 2*n, 1024))
	}
	*slab = s[:len(s)+n]
	return s[len(s) : len(s)+n : len(s)+n]
}

func (a *arena) bits(n int) index.Bits {
	b := index.Bits(lend(&a.words, (n+63)/64))
	clear(b)
	return b
}

func (a *arena) copy(b index.Bits) index.Bits {
	c := index.Bits(lend(&a.words, len(b)))
	copy(c, b)
	return c
}

func (a *arena) full(n int) index.Bits {
	b := index.Bits(lend(&a.words, (n+63)/64))
	for i := range b {
		b[i] = ^uint64(0)
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
	return b
}

func (a *arena) numbers(n int) []float64 { return lend(&a.floats, n) }
func (a *arena) integers(n int) []int64  { return lend(&a.ints, n) }
