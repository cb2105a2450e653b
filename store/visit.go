package store

import (
	"context"
	"fmt"

	"github.com/runstonedb/runstone/store/internal/block"
)

// Cost is what an answer about one curve took. Blocks are all rows that hold
// values of the curve: full blocks, and tails of series that nobody logs to.
// Decided are those of them that summaries decided, Decoded those whose points
// were read, some of them only for their steps. The rest, if any, was never
// looked at: the answer was clear before. Points in memory are no blocks.
type Cost struct {
	Blocks, Decided, Decoded int
	Bytes                    int64 // of rows read
}

// Add adds another cost.
func (c *Cost) Add(o Cost) {
	c.Blocks += o.Blocks
	c.Decided += o.Decided
	c.Decoded += o.Decoded
	c.Bytes += o.Bytes
}

// visitor works out an answer about one curve from summaries where they will
// do and from points where they will not.
type visitor interface {
	// series is asked first, about a series all of whose points are in the
	// range. It reports whether its summary was enough.
	series(sum *Summary) bool
	// zone is asked about each block, whole or with some points outside the
	// range. It reports whether it needs no points of the block.
	zone(z *zoned) (bool, error)
	// points gets the points in the range, of a block or in memory.
	points(c Columns)
	// done reports whether the answer is clear.
	done() bool
}

// zoned is a block to be decided by its zone maps.
type zoned struct {
	piece
	whole  bool // all its points are in the range
	hasEnd bool // its first or last point is
	column *columnRows
}

// values reads the zone map of the values.
func (z *zoned) values() (block.Zone, error) {
	body, err := z.column.head(z.number)
	if err != nil {
		return block.Zone{}, err
	}
	zone, err := block.ReadZone(body)
	if err == nil && zone.Count != z.n {
		err = fmt.Errorf("%d values for %d steps: %w", zone.Count, z.n, ErrCorrupt)
	}
	if err != nil {
		err = z.column.fault(z.number, err)
	}
	return zone, err
}

// ask answers a question about each of the curves in its range: make returns
// the visitor for the curve with an index.
func (s *Store) ask(ctx context.Context, curves []Curve, ranges []Range, make func(i int) (visitor, *Cost)) error {
	if err := checkRanges(ranges, len(curves)); err != nil {
		return err
	}
	return s.snap(ctx, curves, func(x *snapshot) error {
		var buf askBuffers
		for i, parts := range x.parts {
			v, cost := make(i)
			if err := x.visit(parts, rangeOf(ranges, i), v, cost, &buf); err != nil {
				return err
			}
		}
		return nil
	})
}

// askBuffers are used again for curve after curve.
type askBuffers struct {
	clock   Columns // steps and times
	values  []float64
	inside  Columns
	open    []undecided
	columns []*columnRows
}

// undecided is a block that its zone maps did not decide.
type undecided struct {
	of    *part
	piece piece
}

// visit shows a visitor what it needs of a curve: memory first, then the
// summaries of all blocks, and only then the points of those left open.
func (x *snapshot) visit(parts []part, r Range, v visitor, cost *Cost, buf *askBuffers) (err error) {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	buf.open, buf.columns = buf.open[:0], buf.columns[:0]
	defer func() {
		for _, rows := range buf.columns {
			cost.Bytes += rows.bytes
			rows.close()
		}
	}()
	for i := range parts {
		cost.Blocks += parts[i].of.blocks()
	}
	for i := range parts {
		p := &parts[i]
		in := p.bounds()
		if !in.meets(r) || in.within(r) && v.series(&p.sum) {
			cost.Decided += p.of.blocks()
			continue
		}
		for k := range p.of.memory {
			c := &p.of.memory[k]
			v.points(buf.cut(Columns{c.steps, c.times, c.values[p.column][:c.len()]}, r))
		}
		if err := x.zones(p, r, v, cost, buf); err != nil {
			return err
		}
		if v.done() {
			return nil
		}
	}
	var of *part
	var table byte
	var clocks, values *columnRows
	for i := range buf.open {
		if v.done() {
			return nil
		}
		if err := x.ctx.Err(); err != nil {
			return err
		}
		o := &buf.open[i]
		if o.of != of || o.piece.table != table {
			of, table = o.of, o.piece.table
			clocks = x.rowsOf(of.of, table, 0, len(buf.open), buf)
			values = x.rowsOf(of.of, table, uint16(of.column+1), len(buf.open), buf)
		}
		cost.Decoded++
		if err := buf.decode(&o.piece, clocks, values); err != nil {
			return err
		}
		v.points(buf.cut(Columns{buf.clock.Steps, buf.clock.Times, buf.values}, r))
	}
	return nil
}

// blocks returns how many rows hold values of each series.
func (h *held) blocks() int {
	if h.tail > 0 {
		return int(h.stored) + 1
	}
	return int(h.stored)
}

// rowsOf returns a reader of about n rows of a column; visit closes it.
func (x *snapshot) rowsOf(of *held, table byte, column uint16, n int, buf *askBuffers) *columnRows {
	limit := of.stored
	if table == 't' {
		limit, n = of.number+1, 1
	}
	rows := newColumnRows(x.r, table, of.run, of.no, column, limit, n)
	buf.columns = append(buf.columns, rows)
	return rows
}

// zones asks about the blocks of a part and puts those left open aside.
func (x *snapshot) zones(p *part, r Range, v visitor, cost *Cost, buf *askBuffers) error {
	of := p.of
	for _, table := range []byte{'b', 't'} {
		from, to := uint32(0), of.stored
		if table == 't' {
			if of.tail == 0 {
				continue
			}
			from, to = of.number, of.number+1
		}
		if from == to {
			continue
		}
		clocks := x.rowsOf(of, table, 0, int(to-from), buf)
		values := x.rowsOf(of, table, uint16(p.column+1), int(to-from), buf)
		for number := from; number < to && !v.done(); number++ {
			body, err := clocks.head(number)
			if err != nil {
				return err
			}
			cz, err := block.ReadClockZone(body)
			if err != nil {
				return clocks.fault(number, err)
			}
			z := zoned{piece: newRowPiece(0, table, number, &cz), column: values}
			if !z.meets(r) {
				cost.Decided++
				continue
			}
			z.whole = z.within(r)
			z.hasEnd = r.has(cz.FirstStep, cz.FirstTime) || r.has(cz.LastStep, cz.LastTime)
			decided, err := v.zone(&z)
			if err != nil {
				return err
			}
			if decided {
				cost.Decided++
			} else {
				buf.open = append(buf.open, undecided{of: p, piece: z.piece})
			}
		}
	}
	return nil
}

// decode reads the points of a block.
func (buf *askBuffers) decode(p *piece, clocks, values *columnRows) (err error) {
	if buf.clock.Steps, buf.clock.Times, err = clocks.clock(p.number, buf.clock.Steps[:0], buf.clock.Times[:0]); err != nil {
		return err
	}
	buf.values, err = values.values(p.number, buf.values[:0], p.n)
	return err
}

// cut returns the points of c that are in r.
func (buf *askBuffers) cut(c Columns, r Range) Columns {
	if b := boundsOf(c.Steps, c.Times); b.within(r) {
		return c
	}
	in := Columns{buf.inside.Steps[:0], buf.inside.Times[:0], buf.inside.Values[:0]}
	for i, step := range c.Steps {
		if r.has(step, c.Times[i]) {
			in.Steps, in.Times, in.Values = append(in.Steps, step), append(in.Times, c.Times[i]), append(in.Values, c.Values[i])
		}
	}
	buf.inside = in
	return in
}
