package plan

import (
	"context"
	"slices"
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
	held    [2]ring    // which of them there are: columns, functions
	dicts   []verdicts // by slot, kept over batches
	kin     []kinSets  // by slot, of the whole run
	ids     map[string]uint32
	numbers [2]idNumbers
	kept    int64 // bytes that the search holds
	bounded bool  // these may not be more than MaxKept if nothing else is said

	fuel int   // work until the limits are looked at again
	late error // the limit that ended the search in the middle of a batch
}

// fullTank is how much work is done between two looks at the limits: a unit is
// about a nanosecond, and a look takes less than a hundred.
const fullTank = 1 << 17

// spend takes n units of work. It is false once a limit is reached: what the batch
// gives then is worth nothing, and late says why.
func (r *exec) spend(n int) bool {
	if r.late != nil {
		return false
	}
	if r.fuel -= n; r.fuel > 0 {
		return true
	}
	r.fuel = fullTank
	r.late = r.check()
	return r.late == nil
}

// eval evaluates an expression, unless a limit is reached.
func (r *exec) eval(x expr, sel index.Bits) (*index.Column, error) {
	if !r.spend(r.n) {
		return nil, r.late
	}
	c, err := x.eval(r, sel)
	if err == nil {
		err = r.late
	}
	return c, err
}

// keep evaluates a condition, unless a limit is reached. What it lends of the
// arena is free again behind it.
func (r *exec) keep(x node, sel index.Bits) error {
	if !r.spend(r.n) {
		return r.late
	}
	m := r.arena.mark()
	err := x.keep(r, sel)
	r.arena.rewind(m)
	if err == nil {
		err = r.late
	}
	return err
}

// heldColumns is how many columns of a batch, and how many functions of points, are
// kept for who asks again: a query may name thousands.
const heldColumns = 128

// ring is slots in the order in which they were filled.
type ring struct {
	slots []int
	next  int
}

// add takes up a slot and, if there are too many, tells which one to give up.
func (g *ring) add(slot int) (out int, full bool) {
	if len(g.slots) < heldColumns {
		g.slots = append(g.slots, slot)
		return 0, false
	}
	out, g.slots[g.next] = g.slots[g.next], slot
	g.next = (g.next + 1) % heldColumns
	return out, true
}

func (g *ring) reset() { g.slots, g.next = g.slots[:0], 0 }

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

// sameDict tells if two dictionaries are one: the columns of many batches may share
// it.
func sameDict(a, b []string) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b)
}

// of takes up a dictionary.
func (v *verdicts) of(dict []string) {
	if sameDict(v.dict, dict) {
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

// decide tests a string that is not known. It is false once a limit is reached.
func (v *verdicts) decide(r *exec, code int, x *stringIs) bool {
	s := v.dict[code]
	if !r.spend(len(s) * x.work) {
		return false
	}
	v.known.Set(code)
	v.left--
	if x.passes(r, s) {
		v.ok.Set(code)
	}
	return true
}

// keep keeps in sel the values whose strings pass the test of x.
func (v *verdicts) keep(r *exec, sel index.Bits, c *index.Column, x *stringIs) {
	v.of(c.Dict)
	if v.left > 0 && sel.Count() >= v.left {
		for code := range v.dict {
			if !v.known.Has(code) && !v.decide(r, code, x) {
				return
			}
		}
	}
	if v.left == 0 {
		keepCodes(sel, c.Codes, v.ok)
		return
	}
	keepIf(sel, func(j int) bool {
		code := int(c.Codes[j])
		if !v.known.Has(code) && !v.decide(r, code, x) {
			return false
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
	r.held[0].reset()
	r.held[1].reset()
}

func (r *exec) column(slot int, ref Ref) (*index.Column, error) {
	if r.asked[slot] {
		return r.columns[slot], nil
	}
	c, err := r.batch.Column(r.ctx, ref)
	if err != nil {
		return nil, err
	}
	if out, full := r.held[0].add(slot); full {
		r.columns[out], r.asked[out] = nil, false
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
	rows := slices.Clone(sel) // it outlives what the arena lends
	c, err := r.seriesOf(fn, sel)
	if err != nil {
		return nil, err
	}
	if s.rows == nil {
		if out, full := r.held[1].add(slot); full {
			r.series[out] = computed{}
		}
	}
	*s = computed{c, rows}
	return c, nil
}

// pointRows is how many rows are asked for their points before the limit of bytes
// is looked at.
const pointRows = 256

// seriesOf computes a function of points a few rows at a time if bytes are
// limited, else all at once.
func (r *exec) seriesOf(fn *tree.Series, sel index.Bits) (*index.Column, error) {
	if r.opt.Bytes <= 0 || sel.Count() <= pointRows {
		return r.batch.Series(r.ctx, fn, sel)
	}
	out := &index.Column{Has: index.NewBits(r.n)}
	err := r.few(sel, func(part index.Bits) error {
		c, err := r.batch.Series(r.ctx, fn, part)
		if err != nil || c == nil {
			return err
		}
		if out.Type = c.Type; c.Type == index.Ints {
			out.Ints = slices.Grow(out.Ints, r.n-len(out.Ints))[:r.n]
		} else {
			out.Floats = slices.Grow(out.Floats, r.n-len(out.Floats))[:r.n]
		}
		part.Each(func(i int) {
			j, end := spanOf(c, i)
			if j == end {
				return
			}
			out.Has.Set(i)
			if c.Type == index.Ints {
				out.Ints[i] = c.Ints[j]
			} else {
				out.Floats[i] = c.Floats[j]
			}
		})
		return nil
	})
	if out.Ints == nil && out.Floats == nil {
		return nil, err
	}
	return out, err
}

// pointsOf keeps in sel the rows for which a condition on points holds.
func (r *exec) pointsOf(q *tree.Quantified, sel index.Bits) error {
	if r.opt.Bytes <= 0 || sel.Count() <= pointRows {
		return r.batch.Points(r.ctx, q, sel)
	}
	rows := slices.Clone(sel)
	clear(sel)
	return r.few(rows, func(part index.Bits) error {
		err := r.batch.Points(r.ctx, q, part)
		sel.Or(part)
		return err
	})
}

// few calls fn for a few rows of sel after the other, as long as no limit is
// reached.
func (r *exec) few(sel index.Bits, fn func(part index.Bits) error) error {
	part := index.NewBits(len(sel) * 64)
	n := 0
	ask := func() error {
		if n == 0 {
			return nil
		}
		err := fn(part)
		if err == nil {
			err = r.check()
		}
		clear(part)
		n = 0
		return err
	}
	var err error
	sel.Each(func(i int) {
		if err != nil {
			return
		}
		part.Set(i)
		if n++; n == pointRows {
			err = ask()
		}
	})
	if err != nil {
		return err
	}
	return ask()
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

// mark is how much of an arena is lent.
type mark struct{ words, floats, ints [2]int }

func marked[T any](s []T) [2]int { return [2]int{len(s), cap(s)} }

func (a *arena) mark() mark { return mark{marked(a.words), marked(a.floats), marked(a.ints)} }

// rewind takes back what was lent behind a mark.
func (a *arena) rewind(m mark) {
	a.words, a.floats, a.ints = rewound(a.words, m.words), rewound(a.floats, m.floats), rewound(a.ints, m.ints)
}

func rewound[T any](s []T, m [2]int) []T {
	if cap(s) != m[1] { // a larger slab: all of it was lent behind the mark
		return s[:0]
	}
	return s[:m[0]]
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
