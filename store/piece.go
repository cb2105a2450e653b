package store

import (
	"cmp"
	"fmt"

	"github.com/runstonedb/runstone/store/internal/block"
)

// bundle is curves that are read together, because they share their clocks:
// columns of one group, or one curve that several groups have parts of.
type bundle struct {
	x       *snapshot
	sources []*held
	lanes   []lane
	pieces  []piece // that may have points in the range
	spans   []block.ClockSpan
	kept    int // bytes of clocks in pieces
}

// lane is one curve of a bundle.
type lane struct {
	curve   int
	columns []int // in each source
}

// maxScans bounds the scans that are open at a time.
const maxScans = 32

// bundles divides the curves of a snapshot that have points.
func (x *snapshot) bundles() []*bundle {
	var all []*bundle
	shared := map[*held]*bundle{}
	for i, parts := range x.parts {
		if len(parts) == 0 {
			continue
		}
		l := lane{curve: i}
		for _, p := range parts {
			l.columns = append(l.columns, p.column)
		}
		if b := shared[parts[0].of]; b != nil && len(parts) == 1 && len(b.lanes) < maxScans {
			b.lanes = append(b.lanes, l)
			continue
		}
		b := &bundle{x: x, lanes: []lane{l}}
		for _, p := range parts {
			b.sources = append(b.sources, p.of)
		}
		all = append(all, b)
		if len(parts) == 1 {
			shared[parts[0].of] = b
		}
	}
	return all
}

// piece is a run of points of a bundle with one clock: a block, a tail, or
// columns in memory.
type piece struct {
	source int
	table  byte   // 'b', 't', or 0 for memory
	number uint32 // of the row
	memory *columns
	clock  []byte // the clock's block, if it was kept
	n      int
	bounds
	sorted bool              // neither steps nor times descend
	strict bool              // every step is above the one before it
	stride int64             // between its steps, 0 when that is not even
	spans  []block.ClockSpan // of a block that has them stored, if asked for
	ends   block.ClockSpan   // of the whole piece; for rows only
}

type position struct{ time, step int64 }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.time, q.time), cmp.Compare(p.step, q.step))
}

// lo and hi bound the piece in the order of a history.
func (p *piece) lo() position { return position{p.minTime, p.minStep} }
func (p *piece) hi() position { return position{p.maxTime, p.maxStep} }

// measure finds the pieces of a bundle that may have points in a range, in the
// order in which they were logged to each source.
func (b *bundle) measure(r Range, spans bool) error {
	for i, of := range b.sources {
		if err := b.measureRows(r, i, 'b', 0, of.stored, spans); err != nil {
			return err
		}
		if of.tail > 0 {
			if err := b.measureRows(r, i, 't', of.number, of.number+1, false); err != nil {
				return err
			}
		}
		for k := range of.memory {
			c := &of.memory[k]
			p := piece{source: i, memory: c, n: c.len(), bounds: boundsOf(c.steps, c.times)}
			p.order(c.steps, c.times)
			b.keep(r, p)
		}
	}
	return nil
}

// order finds out how points in memory are sorted.
func (p *piece) order(steps, times []int64) {
	p.sorted, p.strict = true, true
	for i := 1; i < len(steps); i++ {
		p.strict = p.strict && steps[i] > steps[i-1]
		p.sorted = p.sorted && steps[i] >= steps[i-1] && times[i] >= times[i-1]
	}
}

// minSummed is the least number of points whose summary is worth reading.
const minSummed = 4 * block.PyramidSpan

func (b *bundle) keep(r Range, p piece) {
	if p.meets(r) {
		b.pieces = append(b.pieces, p)
	}
}

// keepClocks is how many bytes of clocks are kept from measuring to reading.
const keepClocks = 1 << 20

func (b *bundle) measureRows(r Range, source int, table byte, from, to uint32, spans bool) error {
	of := b.sources[source]
	rows := newColumnRows(b.x.r, table, of.run, of.no, 0, to, int(to-from))
	defer rows.close()
	for number := from; number < to; number++ {
		body, err := rows.body(number)
		if err != nil {
			return err
		}
		z, err := block.ReadClockZone(body)
		if err != nil {
			return rows.fault(number, err)
		}
		p := newRowPiece(source, table, number, &z)
		if !p.meets(r) {
			continue
		}
		if spans && p.strict && z.Count > minSummed {
			at := len(b.spans)
			if n := (z.Count + block.PyramidSpan - 1) / block.PyramidSpan; cap(b.spans)-at < n {
				// The pieces before keep the spans they have.
				b.spans, at = make([]block.ClockSpan, 0, n*min(int(to-number), 64)), 0
			}
			if b.spans, err = block.ReadClockPyramid(b.spans, body); err != nil {
				return rows.fault(number, err)
			}
			p.spans = b.spans[at:]
		} else if !spans && b.kept < keepClocks {
			b.kept += len(body)
			p.clock = append([]byte(nil), body...)
		}
		b.pieces = append(b.pieces, p)
	}
	return nil
}

func newRowPiece(source int, table byte, number uint32, z *block.ClockZone) piece {
	return piece{
		source: source, table: table, number: number, n: z.Count,
		bounds: bounds{z.MinStep, z.MaxStep, z.MinTime, z.MaxTime},
		sorted: z.StepsAscend && z.TimesAscend,
		strict: z.Count == 1 || z.StepsAscend && z.StepsStride && z.StepStride > 0,
		stride: z.StepStride,
		ends:   block.ClockSpan{FirstStep: z.FirstStep, LastStep: z.LastStep, FirstTime: z.FirstTime, LastTime: z.LastTime},
	}
}

// reader reads the points of a bundle's pieces. Close it.
type reader struct {
	b      *bundle
	clocks []*columnRows   // of the blocks of each source
	values [][]*columnRows // by lane and source
	expect int             // rows of a column
}

func (b *bundle) reader() *reader {
	rd := &reader{b: b, clocks: make([]*columnRows, len(b.sources)), values: make([][]*columnRows, len(b.lanes))}
	for i := range rd.values {
		rd.values[i] = make([]*columnRows, len(b.sources))
	}
	for i := range b.pieces {
		if b.pieces[i].table == 'b' {
			rd.expect++
		}
	}
	return rd
}

func (rd *reader) close() {
	for _, c := range rd.clocks {
		if c != nil {
			c.close()
		}
	}
	for _, lane := range rd.values {
		for _, c := range lane {
			if c != nil {
				c.close()
			}
		}
	}
}

// rows returns the rows of a column that p is one of.
func (rd *reader) rows(p *piece, of **columnRows, column uint16) *columnRows {
	src := rd.b.sources[p.source]
	if p.table == 't' {
		return newColumnRows(rd.b.x.r, 't', src.run, src.no, column, p.number+1, 1)
	}
	if *of == nil {
		*of = newColumnRows(rd.b.x.r, 'b', src.run, src.no, column, src.stored, rd.expect)
	}
	return *of
}

func (rd *reader) valueRows(p *piece, lane int) *columnRows {
	return rd.rows(p, &rd.values[lane][p.source], uint16(rd.b.lanes[lane].columns[p.source]+1))
}

// clock appends the steps and times of a piece.
func (rd *reader) clock(p *piece, steps, times []int64) ([]int64, []int64, error) {
	switch {
	case p.memory != nil:
		return append(steps, p.memory.steps...), append(times, p.memory.times...), nil
	case p.clock == nil:
		return rd.rows(p, &rd.clocks[p.source], 0).clock(p.number, steps, times)
	}
	steps, times, err := block.DecodeClock(steps, times, p.clock)
	if err != nil {
		of := rd.b.sources[p.source]
		err = fmt.Errorf("run %d group %d block %d: %w", of.run, of.no, p.number, err)
	}
	return steps, times, err
}

// column appends the values of a piece in one lane.
func (rd *reader) column(p *piece, lane int, dst []float64) ([]float64, error) {
	if p.memory != nil {
		return append(dst, p.memory.values[rd.b.lanes[lane].columns[p.source]][:p.n]...), nil
	}
	return rd.valueRows(p, lane).values(p.number, dst, p.n)
}
