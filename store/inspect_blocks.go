package store

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/block"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// SeriesBlock is a stretch of the points of one series, and the two rows that
// hold it. Its bytes are valid until the iterator goes on.
type SeriesBlock struct {
	SeriesName
	Kind             string // "block", "tail", or "memory" for points that journals and no rows hold
	Group            uint32 // in its run
	Column           uint16 // of the series in its group, from 1
	Width            int    // series of the group, which share the clock
	Number           uint32 // of the block in its group; of the tail, the checkpoint that wrote it
	Points           int
	MinStep, MaxStep int64
	MinTime, MaxTime int64        // Unix ms
	Clock, Values    *ColumnBytes // nil for memory, and for a row that is missing
	Err              error        // what is wrong with it; wraps ErrCorrupt or ErrFuture
}

// ColumnBytes is the row of a clock or value column.
type ColumnBytes struct {
	Key, Row []byte       // Row is sealed
	Sound    bool         // the checksum of the row is right and it can be decoded
	Codecs   string       // of its columns
	Parts    []ColumnPart // in the order of their bytes, which they cover; none unless sound
}

// ColumnPart is a stretch of the bytes of a row.
type ColumnPart struct {
	Name   string // "seal", "header", "zone", "pyramid", "body", "steps" or "times"
	Codec  string // such as "decimal packed delta"; "" for what has none
	Offset int    // in Row
	Bytes  int
	Note   string // what it says, for people
}

// Part returns the bytes of all parts with a name together.
func (c *ColumnBytes) Part(name string) int {
	n := 0
	for i := range c.Parts {
		if c.Parts[i].Name == name {
			n += c.Parts[i].Bytes
		}
	}
	return n
}

// Blocks iterates over the blocks of a metric of a run, group by group, each in
// the order in which the points were logged; then the group's tail and what is
// in memory only. Damage of a block is in its Err and does not end the
// iteration.
func (s *Store) Blocks(ctx context.Context, run uint32, metric string) iter.Seq2[*SeriesBlock, error] {
	return func(yield func(*SeriesBlock, error) bool) {
		err := s.eachBlock(ctx, run, metric, func(b *SeriesBlock) bool { return yield(b, nil) })
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

func (s *Store) eachBlock(ctx context.Context, run uint32, metric string, yield func(*SeriesBlock) bool) error {
	if s.closed.Load() {
		return ErrClosed
	}
	x, err := s.series.acquire(run)
	if err != nil {
		return err
	}
	defer s.series.release(x)
	x.mu.Lock()
	groups := x.groups
	x.mu.Unlock()
	for _, g := range groups {
		for column, ord := range g.series {
			text, err := s.seriesText(ord)
			if err != nil {
				return err
			}
			name := parseSeriesName(text)
			if name.Metric != metric {
				continue
			}
			b := SeriesBlock{SeriesName: name, Group: g.no, Column: uint16(column + 1), Width: len(g.series)}
			if err := s.blocksOf(ctx, g, b, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// blocksOf yields the blocks of one series of a group.
func (s *Store) blocksOf(ctx context.Context, g *group, like SeriesBlock, yield func(*SeriesBlock) bool) error {
	g.mu.Lock()
	memory, err := g.memoryLocked()
	if err != nil { // a damaged tail, which is named below; nothing was added to it
		memory = nil
	}
	state, stored := g.state, g.stored
	tail := state.Tail > 0 && stored == state.Blocks && len(g.pending) == 0
	g.mu.Unlock()
	return s.read(func(r kv.Reader) error {
		read := func(kind string, table byte, number uint32) *SeriesBlock {
			b := like
			b.Kind, b.Number = kind, number
			b.load(r, table, g.r.run)
			return &b
		}
		for number := range stored {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(read("block", 'b', number)) {
				return errStop
			}
		}
		skip := 0 // points in memory that the tail's rows hold
		if tail {
			b := read("tail", 't', state.TailNumber)
			// A checkpoint may have replaced the tail before the view was made.
			if b.Err == nil || g.tailNumber() == state.TailNumber {
				if !yield(b) {
					return errStop
				}
				skip = int(state.Tail)
			}
		}
		b := like
		b.Kind = "memory"
		b.measure(memory, skip)
		if b.Points > 0 && !yield(&b) {
			return errStop
		}
		return ctx.Err()
	})
}

// tailNumber returns the number of the rows that hold the tail.
func (g *group) tailNumber() uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.TailNumber
}

// measure counts the points in memory but the first skip.
func (b *SeriesBlock) measure(memory []columns, skip int) {
	for i := range memory {
		c := memory[i].slice(min(skip, memory[i].len()), memory[i].len())
		skip -= memory[i].len() - c.len()
		if c.len() == 0 {
			continue
		}
		in := boundsOf(c.steps, c.times)
		if b.Points == 0 {
			b.MinStep, b.MaxStep, b.MinTime, b.MaxTime = in.minStep, in.maxStep, in.minTime, in.maxTime
		}
		b.MinStep, b.MaxStep = min(b.MinStep, in.minStep), max(b.MaxStep, in.maxStep)
		b.MinTime, b.MaxTime = min(b.MinTime, in.minTime), max(b.MaxTime, in.maxTime)
		b.Points += c.len()
	}
}

// load reads the rows of a block or tail.
func (b *SeriesBlock) load(r kv.Reader, table byte, run uint32) {
	var clock, values block.Info
	var cerr, verr error
	b.Clock, clock, cerr = loadColumn(r, columnKey(table, run, b.Group, 0, b.Number), 0)
	b.Values, values, verr = loadColumn(r, columnKey(table, run, b.Group, b.Column, b.Number), b.Column)
	b.Points = max(clock.Count, values.Count)
	if cerr == nil {
		z, err := block.ReadClockZone(b.Clock.Row[record.HeaderSize:])
		b.MinStep, b.MaxStep, b.MinTime, b.MaxTime = z.MinStep, z.MaxStep, z.MinTime, z.MaxTime
		b.Clock.note("header", fmt.Sprintf("version %d, %d points, steps %d to %d, times %d to %d", clock.Version, clock.Count, z.MinStep, z.MaxStep, z.MinTime, z.MaxTime))
		cerr = err
	}
	if verr == nil {
		z, err := block.ReadZone(b.Values.Row[record.HeaderSize:])
		b.Values.note("header", fmt.Sprintf("version %d, %d values", values.Version, values.Count))
		b.Values.note("zone", fmt.Sprintf("first %g, last %g, min %g at %d, max %g at %d, sum %g, %d NaN, %d +Inf, %d -Inf",
			z.First, z.Last, z.Min, z.ArgMin, z.Max, z.ArgMax, z.Sum, z.NaN, z.PosInf, z.NegInf))
		b.Values.note("pyramid", fmt.Sprintf("first, last, min and max of every %d values", block.PyramidSpan))
		verr = err
	}
	if b.Err = errors.Join(cerr, verr); b.Err == nil && clock.Count != values.Count {
		b.Err = fmt.Errorf("%d values for %d steps: %w", values.Count, clock.Count, ErrCorrupt)
	}
}

// loadColumn reads one row of a block or tail. The row is there, without parts,
// also when it is damaged.
func loadColumn(r kv.Reader, key []byte, column uint16) (*ColumnBytes, block.Info, error) {
	row, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, block.Info{}, fmt.Errorf("row %x is missing: %w", key, ErrCorrupt)
	}
	if err != nil {
		return nil, block.Info{}, err
	}
	c := &ColumnBytes{Key: key, Row: row}
	info, err := inspectColumn(key, row, column)
	if err != nil {
		return c, info, err
	}
	c.Sound = true
	c.Parts = []ColumnPart{{Name: "seal", Bytes: record.HeaderSize, Note: fmt.Sprintf("row version %d, CRC-32C of key, version and body: right", row[0])}}
	at := record.HeaderSize
	for _, p := range info.Parts {
		part := ColumnPart{Name: p.Name, Codec: p.Codec, Offset: at, Bytes: p.Bytes}
		if p.Codec != "" {
			part.Note = fmt.Sprintf("%s, %.3f bytes a point", p.Codec, float64(p.Bytes)/float64(max(1, info.Count)))
			if c.Codecs != "" {
				c.Codecs += ", "
			}
			c.Codecs += p.Codec
		}
		c.Parts = append(c.Parts, part)
		at += p.Bytes
	}
	return c, info, nil
}

func (c *ColumnBytes) note(part, text string) {
	for i := range c.Parts {
		if c.Parts[i].Name == part {
			c.Parts[i].Note = text
		}
	}
}
