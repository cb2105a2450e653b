package store

import (
	"cmp"

	"github.com/runstonedb/runstone/store/internal/block"
)

// stretchPiece is a block, a tail, or columns in memory.
type stretchPiece struct {
	piece
	kind      stretchKind
	whole     bool // all its points are in the range
	low, high int64
	// The least low and greatest high from here to the end of the pieces that
	// may be one stretch.
	restLow, restHigh int64
}

type stretchKind byte

const (
	failing  stretchKind = iota // no point satisfies the condition
	mixed                       // nobody knows
	holding                     // all do
	unfound                     // none does, but no point may be in the range
	inMemory                    // to be looked at
)

// inOrder looks for a stretch in a part whose pieces follow each other. It
// reports false when they do not.
func (q *stretchSearch) inOrder(p *part) (bool, error) {
	ordered, err := q.measure(p)
	if !ordered || err != nil {
		return ordered, err
	}
	if ordered = q.known(p); ordered && !q.found {
		q.end()
		ordered, err = q.search(p)
	}
	q.cost.Decided = q.cost.Blocks - q.cost.Decoded
	return ordered, err
}

// measure lists the pieces of a part that may have points in the range. It
// reports false when they are not in order.
func (q *stretchSearch) measure(p *part) (bool, error) {
	q.pieces = q.pieces[:0]
	of := p.of
	for _, table := range []byte{'b', 't'} {
		from, to := uint32(0), of.stored
		if table == 't' {
			from, to = of.number, of.number+1
		}
		if from == to || table == 't' && of.tail == 0 {
			continue
		}
		if ordered, err := q.measureRows(p, table, from, to); !ordered || err != nil {
			return ordered, err
		}
	}
	for k := range of.memory {
		c := &of.memory[k]
		sp := stretchPiece{piece: piece{memory: c, n: c.len(), bounds: boundsOf(c.steps, c.times)}, kind: inMemory}
		if !sp.meets(q.r) {
			continue
		}
		sp.order(c.steps, c.times)
		last := c.len() - 1
		sp.piece.ends = block.ClockSpan{FirstStep: c.steps[0], FirstTime: c.times[0], LastStep: c.steps[last], LastTime: c.times[last]}
		if !q.follow(sp) {
			return false, nil
		}
	}
	return true, nil
}

func (q *stretchSearch) measureRows(p *part, table byte, from, to uint32) (bool, error) {
	clocks := q.x.rowsOf(p.of, table, 0, int(to-from), q.buf)
	values := q.x.rowsOf(p.of, table, uint16(p.column+1), int(to-from), q.buf)
	for number := from; number < to; number++ {
		body, err := clocks.head(number)
		if err != nil {
			return false, err
		}
		cz, err := block.ReadClockZone(body)
		if err != nil {
			return false, clocks.fault(number, err)
		}
		sp := stretchPiece{piece: newRowPiece(0, table, number, &cz)}
		if !sp.meets(q.r) {
			continue
		}
		z := zoned{piece: sp.piece, column: values}
		zone, err := z.values()
		if err != nil {
			return false, err
		}
		sp.whole = sp.within(q.r)
		hasEnd := q.r.has(cz.FirstStep, cz.FirstTime) || q.r.has(cz.LastStep, cz.LastTime)
		switch of := tallyOf(&zone); {
		case q.holds.judge(of) == none && (sp.whole || hasEnd):
			sp.kind = failing
		case q.holds.judge(of) == none:
			sp.kind = unfound
		case q.fails.judge(of) == none:
			sp.kind = holding
		default:
			sp.kind = mixed
		}
		if !q.follow(sp) {
			return false, nil
		}
	}
	return true, nil
}

// follow appends a piece, if its points are in order and after those before.
func (q *stretchSearch) follow(p stretchPiece) bool {
	if !p.strict && !p.sorted {
		return false
	}
	if n := len(q.pieces); n > 0 {
		a, b := &q.pieces[n-1].piece.ends, &p.piece.ends
		if cmp.Or(cmp.Compare(a.LastStep, b.FirstStep), cmp.Compare(a.LastTime, b.FirstTime)) >= 0 {
			return false
		}
	}
	p.low, p.high = q.ends(&p.bounds, q.r)
	q.pieces = append(q.pieces, p)
	return true
}

// known looks for a stretch in what is known without decoding.
func (q *stretchSearch) known(p *part) (ordered bool) {
	for i := range q.pieces {
		sp := &q.pieces[i]
		switch {
		case sp.kind == inMemory:
			if !q.walk(q.memory(p, sp.memory)) {
				return false
			}
		case sp.kind != holding || !sp.whole || !q.add(sp.low, sp.high, !q.byTime || sp.sorted):
			q.end()
		}
		if q.found {
			break
		}
	}
	return true
}

// memory returns the points of a column in memory that are in the range.
func (q *stretchSearch) memory(p *part, c *columns) Columns {
	return q.buf.cut(Columns{c.steps, c.times, c.values[p.column][:c.len()]}, q.r)
}

// search decodes what it must.
func (q *stretchSearch) search(p *part) (ordered bool, err error) {
	for i := len(q.pieces) - 1; i >= 0; i-- {
		sp := &q.pieces[i]
		sp.restLow, sp.restHigh = sp.low, sp.high
		if i+1 < len(q.pieces) && q.pieces[i+1].kind != failing {
			sp.restLow, sp.restHigh = min(sp.low, q.pieces[i+1].restLow), max(sp.high, q.pieces[i+1].restHigh)
		}
	}
	var clocks, values *columnRows
	table := byte(0)
	for i := 0; i < len(q.pieces) && !q.found; i++ {
		sp := &q.pieces[i]
		if sp.kind == failing {
			q.end()
			continue
		}
		low := sp.restLow
		if q.open {
			low = min(low, q.low)
		}
		if !q.reach(low, sp.restHigh) { // nothing up to the next failing piece is enough
			q.end()
			for i+1 < len(q.pieces) && q.pieces[i+1].kind != failing {
				i++
			}
			continue
		}
		if sp.kind == inMemory {
			if !q.walk(q.memory(p, sp.memory)) {
				return false, nil
			}
			continue
		}
		if sp.kind == holding && sp.whole && q.add(sp.low, sp.high, !q.byTime || sp.sorted) {
			continue
		}
		if err := q.x.ctx.Err(); err != nil {
			return false, err
		}
		if sp.table != table {
			table = sp.table
			clocks = q.x.rowsOf(p.of, table, 0, len(q.pieces), q.buf)
			values = q.x.rowsOf(p.of, table, uint16(p.column+1), len(q.pieces), q.buf)
		}
		q.cost.Decoded++
		if err := q.buf.decode(&sp.piece, clocks, values); err != nil {
			return false, err
		}
		if !q.walk(q.buf.cut(Columns{q.buf.clock.Steps, q.buf.clock.Times, q.buf.values}, q.r)) {
			return false, nil
		}
	}
	return true, nil
}
