package plan

import (
	"context"
	"errors"
	"iter"
	"math"
	"math/bits"
	"slices"
	"sort"
	"time"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// Options are for [Plan.Run]; nil is none of them.
type Options struct {
	// Cursor continues behind the last row of a page: the Next of its Result.
	// The offset of the query is then not used.
	Cursor string
	// Total asks how many rows, or groups, match, those of other pages too.
	Total bool
	// Explain asks how the query was answered.
	Explain bool
	// Time bounds the search and Bytes what it reads, by Stats, and holds; 0
	// is no bound. Groups bounds the groups, 0 is [MaxGroups].
	Time   time.Duration
	Bytes  int64
	Groups int
	// Stats, if not nil, is what the source counts in.
	Stats *Stats
}

// MaxGroups is how many groups there may be, and MaxKept how many bytes they, or
// the ids of related runs, may take, unless [Options] say otherwise.
const (
	MaxGroups = 1 << 20
	MaxKept   = 256 << 20
)

// Result is the answer to a query.
type Result struct {
	// Hits are the matching rows in order; without GROUP BY.
	Hits []Hit
	// Total is the number of matching rows or groups, -1 if it was not asked.
	Total int
	// Next is the cursor of the next page, "" if there is none.
	Next string
	// Table has the values of SELECT, a line for each of Hits, or the groups.
	Table   *Table
	Explain *Explain
}

// Hit is a matching row with its values of the order. Those behind the first may be
// missing where the source is [Pointed].
type Hit struct {
	Row  uint32
	Keys []Value
}

// Table is the values of SELECT.
type Table struct {
	Columns []Column
	Lines   []Line
}

// Column says what the cells of a column are.
type Column struct {
	Name string
	Type tree.Type
	Best bool // best or worst values: Line.Of tells of which rows
}

// Line is a row of a table. A cell is nil, a string, a float64, an int64 or a
// bool.
type Line struct {
	Cells []any
	// Of says for each cell which row a best or worst value is of, -1 for the
	// other cells. It is nil in a table without such values.
	Of []int64
	// Hits are the rows that LIMIT n PER GROUP shows of a group, and Shown for
	// each of them the items of SELECT that are its own and not the group's: nil
	// for the others, or altogether.
	Hits  []Hit
	Shown [][]any
}

// Run answers the query. An error that is a *[PartialError] comes with a Result
// of what was found, any other without.
func (p *Plan) Run(ctx context.Context, src Source, opt *Options) (*Result, error) {
	if opt == nil {
		opt = &Options{}
	}
	r := newExec(ctx, p, opt)
	if opt.Time > 0 {
		r.deadline = time.Now().Add(opt.Time)
		var cancel context.CancelFunc
		r.ctx, cancel = context.WithDeadlineCause(ctx, r.deadline, errTime)
		defer cancel()
	}
	res := &Result{Total: -1}
	r.bounded = true
	err := r.relatives(src)
	r.bounded = p.group != nil
	if err == nil && p.group != nil {
		err = r.groups(ctx, src, res)
	} else if err == nil {
		err = r.rows(src, res)
	}
	if err != nil && !isPartial(err) {
		return nil, err
	}
	if opt.Explain {
		res.Explain = r.explain()
	}
	return res, err
}

func newExec(ctx context.Context, p *Plan, opt *Options) *exec {
	return &exec{
		ctx: ctx, plan: p, opt: opt,
		columns: make([]*index.Column, p.refs), asked: make([]bool, p.refs),
		ids: map[string]uint32{}, series: make([]computed, p.series), dicts: make([]verdicts, p.dicts), kin: make([]kinSets, len(p.kin)),
		parts: make([]partCount, len(p.parts)), zones: make([]verdict, len(p.parts)),
	}
}

func (r *exec) partial(limit string) error {
	return &PartialError{Limit: limit, Batches: r.seen.Batches, Rows: r.seen.Rows}
}

func isPartial(err error) bool {
	var p *PartialError
	return errors.As(err, &p)
}

// scan calls fn for each batch until a limit is reached, which is a
// *[PartialError].
func (r *exec) scan(src Source, fn func(b Batch) error) error {
	return r.limited(r.pass(src.Batches(r.ctx), fn))
}

// scanPage does so for a page: the batches may be given in another order.
func (r *exec) scanPage(src Source, limit int, fn func(b Batch) error) error {
	batches := src.Batches(r.ctx)
	if l, ok := src.(Leading); ok && limit > 0 && len(r.plan.order) > 0 {
		k := &r.plan.order[0]
		if s, ok := k.x.(*stored); ok && !k.nullsFirst && (s.kind == tree.Number || s.kind == tree.Int) {
			batches = l.Leading(r.ctx, s.ref, k.desc)
		}
	}
	return r.limited(r.pass(batches, fn))
}

// limited makes a *[PartialError] of the end of time.
func (r *exec) limited(err error) error {
	if errors.Is(err, errTime) || errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(r.ctx), errTime) {
		return r.partial("time")
	}
	return err
}

func (r *exec) pass(batches iter.Seq2[Batch, error], fn func(b Batch) error) error {
	for b, err := range batches {
		if err != nil {
			return err
		}
		if err := r.check(); err != nil {
			return err
		}
		if b.Len() == 0 {
			continue
		}
		r.start(b)
		r.seen.Batches++
		r.seen.Rows += r.n
		if err := fn(b); err != nil {
			return err
		}
		if r.late != nil {
			return r.late
		}
	}
	return nil
}

func (r *exec) check() error {
	if !r.deadline.IsZero() && !time.Now().Before(r.deadline) {
		return errTime
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if limit := r.opt.Bytes; limit > 0 {
		bytes := r.kept
		if r.opt.Stats != nil {
			bytes += r.opt.Stats.Bytes
		}
		if bytes > limit {
			return r.partial("bytes")
		}
	} else if r.bounded && r.kept > MaxKept {
		return r.partial("bytes")
	}
	return nil
}

// relatives passes over the rows once for each depth of relations, the inner
// ones first.
func (r *exec) relatives(src Source) error {
	depth := -1
	for _, k := range r.plan.kin {
		depth = max(depth, k.depth)
	}
	for ; depth >= 0; depth-- {
		err := r.scan(src, func(b Batch) error {
			rows := r.all()
			for _, k := range r.plan.kin {
				if k.depth == depth {
					if err := k.gather(r, rows); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		r.seen.Passes++
	}
	return nil
}

// all returns the rows of the batch, to be changed.
func (r *exec) all() index.Bits {
	if rows := r.batch.Rows(); rows != nil {
		return r.arena.copy(rows)
	}
	return r.arena.full(r.n)
}

// filter returns the rows of the batch that match.
func (r *exec) filter() (index.Bits, error) {
	sel := r.all()
	for i, p := range r.plan.parts {
		if !r.spend(1000) {
			return nil, r.late
		}
		v := p.zone(r.batch)
		if r.zones[i] = v; v == nothing {
			r.parts[i].skipped++
			r.seen.Skipped++
			clear(sel)
			return sel, nil
		}
	}
	for i, p := range r.plan.parts {
		c := &r.parts[i]
		if r.zones[i] == all {
			c.passed++
			continue
		}
		if !sel.Any() {
			break
		}
		if r.opt.Explain {
			c.in += sel.Count()
		}
		c.batches++
		if err := r.keep(p.node, sel); err != nil {
			return nil, err
		}
		if r.opt.Explain {
			c.out += sel.Count()
		}
	}
	return sel, nil
}

// rows finds the hits of a page.
func (r *exec) rows(src Source, res *Result) error {
	p, q := r.plan, r.plan.q
	offset := max(q.Offset, 0)
	var from *cursor
	if r.opt.Cursor != "" {
		c, err := decodeCursor(r.opt.Cursor, p.hash, len(p.order))
		if err != nil {
			return err
		}
		from, offset = &c, 0
	}
	keep := 0 // with one more, which tells that there is a next page
	if q.Limit > 0 && q.Limit < math.MaxInt32-1-min(offset, math.MaxInt32) {
		keep = offset + q.Limit + 1
	}
	t := newTop(p.order, keep, &r.kept)
	if l, ok := src.(Pointed); ok && p.endsKnown() {
		t.late = func(key int, row uint32) Value {
			v, err := l.Value(p.order[key].x.(*stored).ref, row)
			if err != nil && r.late == nil {
				r.late = err
			}
			return v
		}
	}
	total := 0
	columns := make([]*index.Column, len(p.order))
	err := r.scanPage(src, keep, func(b Batch) error {
		skip := r.beyond(t, from)
		if skip && !r.opt.Total {
			r.seen.Beaten++
			return nil
		}
		sel, err := r.filter()
		if err != nil {
			return err
		}
		if r.opt.Total {
			total += sel.Count()
		}
		if skip || !sel.Any() {
			return nil
		}
		return r.rank(t, from, sel, columns)
	})
	if r.opt.Total {
		res.Total = total
	}
	if err != nil && !isPartial(err) {
		return err
	}
	hits := t.sorted()
	hits = hits[min(offset, len(hits)):]
	if q.Limit > 0 && len(hits) > q.Limit {
		hits = hits[:q.Limit]
		last := hits[q.Limit-1]
		for k := t.early(); k < len(last.Keys); k++ {
			if last.Keys[k].kind == Missing {
				last.Keys[k] = t.late(k, last.Row)
			}
		}
		res.Next = encodeCursor(p.hash, cursor{last.Row, last.Keys})
	}
	res.Hits = hits
	if err == nil && len(p.items) > 0 {
		res.Table, err = r.cells(src, hits, p.items)
	}
	return err
}

// beyond tells by its zones that no row of the batch belongs to the page.
func (r *exec) beyond(t *top, from *cursor) bool {
	first, last := r.batch.Row(0), r.batch.Row(r.n-1)
	if t.full() {
		row, values := t.worst()
		if len(t.keys) == 0 && first > row || len(t.keys) > 0 && t.keys[0].misses(r.batch, values[0], false) {
			return true
		}
	}
	if from == nil {
		return false
	}
	if len(t.keys) == 0 {
		return last <= from.row
	}
	return t.keys[0].misses(r.batch, from.keys[0], true)
}

// rank offers rows of the batch to the page.
func (r *exec) rank(t *top, from *cursor, sel index.Bits, columns []*index.Column) error {
	clear(columns)
	t.ties = 0
	for k := range t.early() {
		key := &t.keys[k]
		c, err := r.eval(key.x, sel)
		if err != nil {
			return err
		}
		columns[k] = c
		if k > 0 {
			continue
		}
		if from != nil {
			key.cut(r, c, sel, from.keys[0], true)
		}
		if t.full() {
			_, values := t.worst()
			key.cut(r, c, sel, values[0], false)
		}
		if !sel.Any() {
			return nil
		}
	}
	return r.offer(t, from, sel, columns)
}

// offer adds rows one by one, from the end that has the earlier ones in the order.
// Whenever a page of them was added, those that it beats are taken out.
func (r *exec) offer(t *top, from *cursor, sel index.Bits, columns []*index.Column) error {
	b, added := r.batch, 0
	back := false
	if first, last := ends(sel); len(t.keys) > 0 {
		back = t.keys[0].compare(rowValue(columns[0], last), rowValue(columns[0], first)) < 0
	}
	for at := range sel {
		k := at
		if back {
			k = len(sel) - 1 - at
		}
		w := sel[k]
		if w != 0 && !r.spend(100*bits.OnesCount64(w)) {
			return nil
		}
		for w != 0 {
			j := bits.TrailingZeros64(w)
			if back {
				j = bits.Len64(w) - 1
			}
			w &^= 1 << j
			i := k<<6 + j
			row := b.Row(i)
			if t.ties >= manyTies && columns[1] == nil {
				for k := 1; k < len(t.keys); k++ {
					c, err := r.eval(t.keys[k].x, sel)
					if err != nil {
						return err
					}
					columns[k] = c
				}
			}
			if from != nil && (row == from.row || t.before(columns, i, row, from.keys, from.row)) || !t.add(columns, i, row) {
				continue
			}
			if added++; added >= t.limit && t.full() && len(t.keys) > 0 {
				_, values := t.worst()
				t.keys[0].cut(r, columns[0], sel, values[0], false)
				w &= sel[k]
				added = 0
			}
		}
	}
	return nil
}

// endsKnown tells if a source that is [Pointed] knows all keys of the order but the
// first.
func (p *Plan) endsKnown() bool {
	if len(p.order) < 2 {
		return false
	}
	for _, key := range p.order[1:] {
		if s, ok := key.x.(*stored); !ok || s.ref != refRunID && s.ref != refStart {
			return false
		}
	}
	return true
}

// ends are the first and the last row of a set that has one.
func ends(sel index.Bits) (first, last int) {
	first, last = 0, len(sel)-1
	for sel[first] == 0 {
		first++
	}
	for sel[last] == 0 {
		last--
	}
	return first<<6 + bits.TrailingZeros64(sel[first]), last<<6 + bits.Len64(sel[last]) - 1
}

// cells goes over the batches that have hits again, for the values of SELECT;
// an item may be nil.
func (r *exec) cells(src Source, hits []Hit, items []expr) (*Table, error) {
	out := newTable(r.plan.q.Select)
	out.Lines = make([]Line, len(hits))
	rows := make([]int, len(hits)) // hits by row
	for i := range rows {
		rows[i] = i
		out.Lines[i].Cells = make([]any, len(items))
	}
	slices.SortFunc(rows, func(a, b int) int { return compareInt(int64(hits[a].Row), int64(hits[b].Row)) })
	err := r.scan(src, func(b Batch) error {
		first := sort.Search(len(rows), func(k int) bool { return hits[rows[k]].Row >= b.Row(0) })
		end := first + sort.Search(len(rows)-first, func(k int) bool { return hits[rows[first+k]].Row > b.Row(r.n-1) })
		sel := r.arena.bits(r.n)
		at := map[int]int{}
		for _, h := range rows[first:end] {
			i := sort.Search(r.n, func(i int) bool { return b.Row(i) >= hits[h].Row })
			if b.Row(i) == hits[h].Row {
				sel.Set(i)
				at[h] = i
			}
		}
		if len(at) == 0 {
			return nil
		}
		for k, x := range items {
			if x == nil {
				continue
			}
			c, err := r.eval(x, sel)
			if err != nil {
				return err
			}
			for h, i := range at {
				out.Lines[h].Cells[k] = cell(rowValue(c, i), out.Columns[k].Type)
			}
		}
		return nil
	})
	return out, err
}

func newTable(items []tree.Item) *Table {
	out := &Table{Columns: make([]Column, len(items))}
	for i, item := range items {
		out.Columns[i] = Column{Name: item.Name, Type: item.X.Type()}
	}
	return out
}

// cell is a value as it is shown.
func cell(v Value, kind tree.Type) any {
	if kind == tree.Bool && v.kind == Int {
		return v.int() != 0
	}
	v.str = string(append([]byte(nil), v.str...))
	return v.Any()
}
