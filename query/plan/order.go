package plan

import (
	"math"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// sortKey is one clause of an order.
type sortKey struct {
	x                         expr
	desc, nullsFirst, decimal bool
}

func (c *compiler) order(list []tree.Sort) ([]sortKey, error) {
	keys := make([]sortKey, 0, len(list))
	for _, s := range list {
		x, err := c.sorted(&s)
		if err != nil {
			return nil, err
		}
		keys = append(keys, sortKey{x, s.Desc, s.NullsFirst, s.Decimal})
	}
	return keys, nil
}

// sorted compiles what a clause sorts by.
func (c *compiler) sorted(s *tree.Sort) (expr, error) {
	f, ok := s.X.(*tree.Field)
	if !ok || f.Entity != tree.Metric || s.Dataset == "" && s.Digest == "" {
		return c.one(s.X)
	}
	ref := Ref{Entity: f.Entity, Key: f.Key, One: true, Dataset: s.Dataset, Digest: s.Digest}
	return c.stored(ref, f.Kind), nil
}

// class puts numbers before strings, then NaN, then what is missing; the last two
// in front of all if nullsFirst.
func (k *sortKey) class(v Value) int {
	switch {
	case v.kind == Missing:
		if k.nullsFirst {
			return -2
		}
		return 3
	case v.isNaN():
		if k.nullsFirst {
			return -1
		}
		return 2
	case v.kind == String:
		return 1
	}
	return 0
}

func (k *sortKey) compare(a, b Value) int {
	if c := k.class(a) - k.class(b); c != 0 {
		return c
	}
	c := 0
	if k.decimal && a.kind == String && b.kind == String {
		c = compareDecimal(a.str, b.str)
	} else {
		c, _ = compareValues(a, b)
	}
	if k.desc {
		return -c
	}
	return c
}

// compareDecimal puts the longer of two decimal numbers last, and behind them what
// is none.
func compareDecimal(a, b string) int {
	switch x, y := isDecimal(a), isDecimal(b); {
	case x != y:
		return int(bit(y)) - int(bit(x))
	case x:
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return compareInt(int64(len(a)), int64(len(b)))
		}
	}
	return strings.Compare(a, b)
}

func isDecimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// cut takes out of sel rows that come behind the bound or, if front is set, rows
// that come before it. It may leave some of them.
func (k *sortKey) cut(r *exec, c *index.Column, sel index.Bits, bound Value, front bool) {
	if c == nil || c.Starts != nil || c.Type == index.Strings || bound.kind < Number || bound.isNaN() {
		return
	}
	if front == k.nullsFirst { // what is missing or NaN goes as well
		op := tree.Le
		if front != k.desc {
			op = tree.Ge
		}
		keepNumbers(r.values(c, sel), c, op, bound)
		return
	}
	op := tree.Gt
	if front != k.desc {
		op = tree.Lt
	}
	out := r.arena.copy(sel)
	keepNumbers(r.values(c, out), c, op, bound)
	sel.AndNot(out)
}

// misses tells if a zone says that all rows of a batch come behind the bound or,
// if front is set, before it.
func (k *sortKey) misses(b Batch, bound Value, front bool) bool {
	s, ok := k.x.(*stored)
	if !ok || s.kind != tree.Number && s.kind != tree.Int || bound.kind < Number {
		return false
	}
	z, ok := b.Zone(s.ref)
	if !ok || bound.isNaN() {
		return false
	}
	beside := z.NaN > 0 || z.Rows < b.Len() // there are NaN or missing
	if front == k.nullsFirst {
		beside = false // on the far side of the bound, whichever it is
	}
	if beside {
		return false
	}
	if z.Rows == z.NaN {
		return true
	}
	lo, hi := bounds(z, s.kind == tree.Int)
	f, _ := bound.number()
	if bound.kind == Int && math.Abs(f) >= 1<<53 {
		return false
	}
	if front != k.desc {
		return hi < f
	}
	return lo > f
}

// top keeps the first rows of an order.
type top struct {
	keys   []sortKey
	limit  int // 0 is none
	rows   []uint32
	values []Value // len(keys) for each row
	heap   []int32 // the last row first, once limit is reached
	kept   *int64
	// late, if not nil, tells the value of a key but the first of a row, which
	// is asked for when the keys before are equal. Ties counts the rows of the
	// batch of which it was: where they are many the columns are read.
	late func(key int, row uint32) Value
	ties int
	mine []Value // of the row that is compared
}

// manyTies is the number of rows of a batch from which reading the columns of
// their later keys costs less than asking for each.
const manyTies = 32

func newTop(keys []sortKey, limit int, kept *int64) *top {
	return &top{keys: keys, limit: limit, kept: kept}
}

// early is the number of keys that rows are kept with.
func (t *top) early() int {
	if t.late != nil {
		return 1
	}
	return len(t.keys)
}

// compareLate compares two rows by the keys that they are not kept with, unless
// v or w has them.
func (t *top) compareLate(v []Value, a uint32, w []Value, b uint32) int {
	if t.late == nil || a == b {
		return 0
	}
	for k := 1; k < len(t.keys); k++ {
		if v[k].kind == Missing {
			v[k] = t.late(k, a)
		}
		if w[k].kind == Missing {
			w[k] = t.late(k, b)
		}
		if c := t.keys[k].compare(v[k], w[k]); c != 0 {
			return c
		}
	}
	return 0
}

func (t *top) full() bool { return t.limit > 0 && len(t.rows) == t.limit }

// worst returns the last of the kept rows, once there are enough of them.
func (t *top) worst() (row uint32, values []Value) {
	at := t.heap[0]
	return t.rows[at], t.of(at)
}

func (t *top) of(at int32) []Value {
	n := len(t.keys)
	return t.values[int(at)*n : int(at)*n+n]
}

// before tells if row i of the batch, whose keys are in columns, comes before
// another row.
func (t *top) before(columns []*index.Column, i int, row uint32, than []Value, other uint32) bool {
	early := t.early()
	for k := range early {
		if c := t.keys[k].compare(rowValue(columns[k], i), than[k]); c != 0 {
			return c < 0
		}
	}
	if t.late != nil {
		if columns[1] == nil {
			t.ties++
		}
		t.mine = slices.Grow(t.mine[:0], len(t.keys))[:len(t.keys)]
		for k, c := range columns {
			t.mine[k] = rowValue(c, i)
		}
		if c := t.compareLate(t.mine, row, than, other); c != 0 {
			return c < 0
		}
	}
	return row < other
}

// add tells if the row is one of the first.
func (t *top) add(columns []*index.Column, i int, row uint32) bool {
	if t.full() {
		last, values := t.worst()
		if !t.before(columns, i, row, values, last) {
			return false
		}
		at := t.heap[0]
		t.rows[at] = row
		t.fill(t.of(at), columns, i)
		t.down(0)
		return true
	}
	t.rows = append(t.rows, row)
	at := len(t.values)
	t.values = slices.Grow(t.values, len(t.keys))[:at+len(t.keys)]
	t.fill(t.values[at:], columns, i)
	*t.kept += int64(8 + 32*len(t.keys))
	if t.full() {
		t.heap = make([]int32, t.limit)
		for j := range t.heap {
			t.heap[j] = int32(j)
		}
		for j := t.limit/2 - 1; j >= 0; j-- {
			t.down(j)
		}
	}
	return true
}

// fill copies the keys of a row; a string may not hold the memory of its batch.
func (t *top) fill(to []Value, columns []*index.Column, i int) {
	for k, c := range columns {
		v := rowValue(c, i)
		v.str = strings.Clone(v.str)
		*t.kept += int64(len(v.str) - len(to[k].str))
		to[k] = v
	}
}

func (t *top) compare(a, b int32) int {
	v, w := t.of(a), t.of(b)
	early := t.early()
	for k := range early {
		if c := t.keys[k].compare(v[k], w[k]); c != 0 {
			return c
		}
	}
	if c := t.compareLate(v, t.rows[a], w, t.rows[b]); c != 0 {
		return c
	}
	return compareInt(int64(t.rows[a]), int64(t.rows[b]))
}

func (t *top) down(i int) {
	for {
		last := i
		for j := 2*i + 1; j <= 2*i+2 && j < len(t.heap); j++ {
			if t.compare(t.heap[j], t.heap[last]) > 0 {
				last = j
			}
		}
		if last == i {
			return
		}
		t.heap[i], t.heap[last] = t.heap[last], t.heap[i]
		i = last
	}
}

// sorted returns the kept rows in order.
func (t *top) sorted() []Hit {
	order := make([]int32, len(t.rows))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, t.compare)
	hits := make([]Hit, len(order))
	for i, at := range order {
		hits[i] = Hit{Row: t.rows[at], Keys: t.of(at)}
	}
	return hits
}
