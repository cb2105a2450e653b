package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/runstonedb/runstone/store"
)

// rewrite makes the segments of a range of runs anew: from the columns of those
// it has, and fresh cells of the runs that are dirty. It reads in one
// transaction, column by column, and writes what it has collected in another.
type rewrite struct {
	t     *Table
	tx    *store.Tx
	state stateRow
	lo    uint32
	hi    uint32
	srcs  []*source
	fresh *fresh
	enc   encoder
	build builder
	old   flat
	// Columns of the name at hand.
	written []written

	marks []mark   // of the runs that were loaded
	left  []uint32 // runs, not in srcs, that stay dirty

	out     []live
	saves   []save
	deletes [][]byte
	stats   Stats
}

// save is a row, or with pieces a body, to be written.
type save struct {
	key, body []byte
	pieces    bool
}

type written struct {
	ref  ref
	body []byte
}

// source is a segment that is replaced.
type source struct {
	live
	names  []name
	heads  []head // of names
	raw    [][]byte
	schema int // bytes
}

func (x *rewrite) load(l live) (*source, error) {
	s := &source{live: l}
	var err error
	if s.names, s.schema, err = loadSchema(x.tx, l.Segment); err != nil {
		return nil, err
	}
	for _, n := range s.names {
		b, err := x.tx.LoadBytes(headKey(n, l.No), 1)
		var h head
		if err == nil {
			h, err = decodeHead(b, l.N)
		}
		if err != nil {
			return nil, damaged(l.Segment, err)
		}
		s.heads, s.raw = append(s.heads, h), append(s.raw, b)
	}
	return s, nil
}

// column reads a part of the i-th name into f.
func (x *rewrite) column(s *source, i int, p *part, f *flat) error {
	b, _, err := p.load(x.tx, s.names[i])
	if err == nil {
		if err = x.t.texts.flat(b, s.N, f); err == nil && f.typ != p.typ {
			err = fmt.Errorf("column of another type than its head says: %w", store.ErrCorrupt)
		}
	}
	if err != nil {
		n := s.names[i]
		return damaged(s.Segment, fmt.Errorf("field %v: %w", Field{n.kind, n.ord, p.part}, err))
	}
	return nil
}

// read collects the dirty runs of the range and what they are now. It shortens
// the range when they are too many to be held at once.
func (x *rewrite) read(ctx context.Context, o *FoldOptions) error {
	marks, err := loadMarks(x.tx, x.state.Epoch, x.lo, x.hi, true)
	if err != nil {
		return err
	}
	x.fresh = newFresh(x.lo, int(x.hi-x.lo)+1)
	covered := NewBits(x.fresh.n)
	end := x.lo // behind what is covered
	for _, s := range x.srcs {
		for run := s.First; run <= s.Last(); run++ {
			covered.Set(int(run - x.lo))
		}
		end = s.Last() + 1
	}
	m := 0
	for run := x.lo; run <= x.hi; run++ {
		marked := m < len(marks) && marks[m].run == run
		if marked {
			m++
		}
		if !marked && covered.Has(int(run-x.lo)) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.fresh.values > x.t.values || x.fresh.text > x.t.bytes {
			if run >= end { // the rest is for another rewrite
				x.hi = run - 1
				break
			}
			if !marked {
				x.left = append(x.left, run)
			}
			continue
		}
		ok, err := x.take(run, o)
		if err != nil {
			return err
		}
		switch {
		case ok && marked:
			x.marks = append(x.marks, marks[m-1])
		case !ok && !marked:
			x.left = append(x.left, run)
		}
	}
	x.fresh.finish()
	return nil
}

// take loads a run and reports whether it is in the table from now on.
func (x *rewrite) take(run uint32, o *FoldOptions) (bool, error) {
	if o.Ready != nil && !o.Ready(x.tx, run) {
		return false, nil
	}
	values, text, err := x.fresh.load(x.tx, run, o.Load)
	switch {
	case errors.Is(err, store.ErrCorrupt):
		// Who searches hears of it; the other runs need not suffer.
		x.stats.Failed++
		return false, nil
	case err != nil:
		return false, fmt.Errorf("run %d: %w", run, err)
	case values > max(1, x.t.values/4) || text > max(1, x.t.bytes/4):
		x.stats.Large++
		return false, nil
	}
	x.stats.Runs++
	return true, x.fresh.keep(run)
}

// plan cuts the range into the segments to be.
func (x *rewrite) plan() []Segment {
	values, size := x.fresh.values, x.fresh.text+8*x.fresh.values
	for _, s := range x.srcs {
		values, size = values+s.values, size+s.bytes
	}
	n := int(x.hi-x.lo) + 1
	parts := max(1, min(n, max((values+x.t.values-1)/x.t.values, (size+x.t.bytes-1)/x.t.bytes)))
	if len(x.srcs) == 1 && x.srcs[0].First == x.lo && x.srcs[0].Last() == x.hi && (parts == 1 || values < x.t.values*5/4 && size < x.t.bytes*5/4) {
		return []Segment{x.srcs[0].Segment}
	}
	var out []Segment
	first := x.lo
	for i := range parts {
		next := x.lo + uint32(n*(i+1)/parts)
		out = append(out, Segment{x.number(), first, int(next - first)})
		first = next
	}
	return out
}

// number returns one that was never used.
func (x *rewrite) number() uint32 {
	x.state.Next++
	return x.state.Next - 1
}

// encode makes all rows of the new segments and lists those that go.
func (x *rewrite) encode(ctx context.Context) error {
	plan := x.plan()
	same := len(x.srcs) == 1 && plan[0] == x.srcs[0].Segment
	for _, seg := range plan {
		number := seg.No
		if same {
			number = x.number()
		}
		if err := x.segment(ctx, seg, number, same); err != nil {
			return err
		}
	}
	if same {
		return nil
	}
	for _, s := range x.srcs {
		for i, n := range s.names {
			x.drop(n, s.heads[i], nil)
			x.deletes = append(x.deletes, headKey(n, s.No))
		}
		x.dropPieces(schemaKey(s.No), s.schema)
		x.deletes = append(x.deletes, segmentKey(s.First))
	}
	return nil
}

func (x *rewrite) dropPieces(key []byte, size int) {
	for i := 0; i == 0 || i*pieceSize < size; i++ {
		x.deletes = append(x.deletes, pieceKey(key, i))
	}
}

// drop lists the columns of a head that the new one does not have.
func (x *rewrite) drop(n name, old, new head) {
	for i := range old {
		p := &old[i]
		has := func(o part) bool { return o.inline == nil && o.ref == p.ref }
		if p.inline != nil || slices.ContainsFunc(new, has) || slices.ContainsFunc(old[:i], has) {
			continue
		}
		x.dropPieces(columnKey(n, p.ref), p.size)
	}
}

// segment makes the rows of one new segment. With same it is the only source,
// and what did not change stays.
func (x *rewrite) segment(ctx context.Context, seg Segment, number uint32, same bool) error {
	l := live{Segment: seg, rows: x.rows(seg), made: number}
	var names []name
	at := make([]int, len(x.srcs)) // next name of each source
	fields := x.fresh.fields
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, ok := x.nextName(at, fields)
		if !ok {
			break
		}
		k := 0
		for k < len(fields) && fields[k].name() == n {
			k++
		}
		own := fields[:k]
		fields = fields[k:]
		h, err := x.head(n, seg, number, at, own, same, &l)
		if err != nil {
			return err
		}
		x.saveHead(n, seg, h, at, same)
		if len(h) > 0 {
			names = append(names, n)
		}
		for i, s := range x.srcs {
			if at[i] < len(s.names) && s.names[at[i]] == n {
				at[i]++
			}
		}
	}
	if !same || !slices.Equal(names, x.srcs[0].names) {
		body := encodeSchema(names)
		x.saves = append(x.saves, save{schemaKey(seg.No), body, true})
		if same {
			for i := (len(body) + pieceSize - 1) / pieceSize; i*pieceSize < x.srcs[0].schema; i++ {
				x.deletes = append(x.deletes, pieceKey(schemaKey(seg.No), i))
			}
		}
	}
	x.out = append(x.out, l)
	return nil
}

// rows returns which runs of a new segment there are.
func (x *rewrite) rows(seg Segment) Bits {
	rows := NewBits(seg.N)
	for _, s := range x.srcs {
		for run := max(seg.First, s.First); run <= min(seg.Last(), s.Last()); run++ {
			if (s.rows == nil || s.rows.Has(int(run-s.First))) && !x.fresh.loaded.Has(int(run-x.lo)) {
				rows.Set(int(run - seg.First))
			}
		}
	}
	for run := seg.First; run <= seg.Last(); run++ {
		if x.fresh.there.Has(int(run - x.lo)) {
			rows.Set(int(run - seg.First))
		}
	}
	if rows.Count() == seg.N {
		return nil
	}
	return rows
}

func (x *rewrite) nextName(at []int, fields []Field) (n name, ok bool) {
	offer := func(o name) {
		if !ok || o.compare(n) < 0 {
			n, ok = o, true
		}
	}
	for i, s := range x.srcs {
		if at[i] < len(s.names) {
			offer(s.names[at[i]])
		}
	}
	if len(fields) > 0 {
		offer(fields[0].name())
	}
	return n, ok
}

// head makes the columns of a name in a new segment.
func (x *rewrite) head(n name, seg Segment, number uint32, at []int, fields []Field, same bool, l *live) (head, error) {
	var there [256]bool
	for i, s := range x.srcs {
		if at[i] < len(s.names) && s.names[at[i]] == n {
			for _, p := range s.heads[at[i]] {
				there[p.part] = true
			}
		}
	}
	for _, f := range fields {
		there[f.Part] = true
	}
	var h head
	x.written = x.written[:0]
	for k, ok := range there {
		if !ok {
			continue
		}
		p, err := x.part(Field{n.kind, n.ord, byte(k)}, seg, number, at, same)
		if err != nil {
			return nil, err
		}
		if p != nil {
			h = append(h, *p)
			l.bytes += p.bytes()
			l.values += p.zone.Rows
		}
	}
	return h, nil
}

// part makes one column; nil if it has no values.
func (x *rewrite) part(f Field, seg Segment, number uint32, at []int, same bool) (*part, error) {
	n := f.name()
	fr := x.fresh.columns[f]
	b := &x.build
	typed := false
	begin := func(t Type) error {
		if !typed {
			b.reset(t)
			typed = true
		}
		if b.typ != t {
			return fmt.Errorf("field %v has another type than before: %w", f, store.ErrInvalid)
		}
		return nil
	}
	lo, hi := seg.First-x.lo, seg.First-x.lo+uint32(seg.N)
	from, to := 0, 0
	if fr != nil {
		from, to = fr.between(lo, hi)
		if err := begin(fr.typ); err != nil {
			return nil, err
		}
	}
	for i, s := range x.srcs {
		if at[i] >= len(s.names) || s.names[at[i]] != n || s.First > seg.Last() || s.Last() < seg.First {
			continue
		}
		p := s.heads[at[i]].find(f.Part)
		if p == nil {
			continue
		}
		old := &x.old
		if err := x.column(s, at[i], p, old); err != nil {
			return nil, err
		}
		if same && fr.same(old, x.fresh.loaded) {
			if p.inline != nil {
				p.zone = old.zone()
			}
			return p, nil
		}
		if err := begin(old.typ); err != nil {
			return nil, err
		}
		from = b.old(old, s.First-x.lo, lo, hi, x.fresh.loaded, fr, from)
	}
	if fr != nil {
		b.fresh(fr, from, to, lo)
	}
	if len(b.rows) == 0 {
		return nil, nil
	}
	p := &part{part: f.Part, typ: b.typ, zone: b.flat.zone()}
	body := x.enc.append(nil, &b.flat, seg.N)
	if len(body) <= x.t.inline {
		p.inline = body
		return p, nil
	}
	p.size = len(body)
	for _, w := range x.written {
		if bytes.Equal(w.body, body) {
			p.ref = w.ref
			return p, nil
		}
	}
	p.ref = ref{number, f.Part}
	x.written = append(x.written, written{p.ref, body})
	x.saves = append(x.saves, save{columnKey(n, p.ref), body, true})
	return p, nil
}

// saveHead writes the head of a name if it is not as it was.
func (x *rewrite) saveHead(n name, seg Segment, h head, at []int, same bool) {
	if !same || at[0] >= len(x.srcs[0].names) || x.srcs[0].names[at[0]] != n {
		if len(h) > 0 {
			x.saves = append(x.saves, save{headKey(n, seg.No), h.encode(), false})
		}
		return
	}
	old := x.srcs[0].heads[at[0]]
	x.drop(n, old, h)
	if len(h) == 0 {
		x.deletes = append(x.deletes, headKey(n, seg.No))
	} else if b := h.encode(); !bytes.Equal(b, x.srcs[0].raw[at[0]]) {
		x.saves = append(x.saves, save{headKey(n, seg.No), b, false})
	}
}

// write puts the new segments in the place of the old ones, in a transaction.
func (x *rewrite) write(tx *store.Tx, seen uint32) error {
	st, err := loadState(tx)
	if err != nil {
		return err
	}
	if st.Next != seen {
		return fmt.Errorf("two folds at once: %w", store.ErrConflict)
	}
	x.stats.Bytes = 0
	for _, key := range x.deletes {
		if err := tx.Delete(key); err != nil {
			return err
		}
	}
	for _, s := range x.saves {
		x.stats.Bytes += len(s.key) + len(s.body)
		if s.pieces {
			err = savePieces(tx, s.key, s.body)
		} else {
			err = tx.SaveBytes(s.key, 1, s.body)
		}
		if err != nil {
			return err
		}
	}
	for i := range x.out {
		if err := x.out[i].save(tx); err != nil {
			return err
		}
	}
	for _, run := range x.left {
		if ok, err := tx.Has(markKey(st.Epoch, run)); err != nil {
			return err
		} else if !ok {
			if err := Touch(tx, run); err != nil {
				return err
			}
		}
	}
	st.Next = x.state.Next
	st.Segments += uint32(len(x.out) - len(x.srcs))
	return st.save(tx)
}

// unmarkRuns is how many marks a transaction takes away: others wait meanwhile.
const unmarkRuns = 512

// unmark takes away the marks that were seen of the runs that are in the table
// now. Till then their records are read, which say the same.
func (x *rewrite) unmark(ctx context.Context, st *store.Store) error {
	for marks := range slices.Chunk(x.marks, unmarkRuns) {
		err := st.Update(ctx, store.Appended, func(tx *store.Tx) error {
			state, err := loadState(tx)
			if err != nil {
				return err
			}
			for _, m := range marks {
				if _, err := unmark(tx, &state, m); err != nil {
					return err
				}
			}
			return state.save(tx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
