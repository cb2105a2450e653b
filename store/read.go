package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/block"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// Columns are points of one series. The slices have one length and are valid
// until the iterator goes on.
type Columns struct {
	Steps  []int64
	Times  []int64 // Unix ms
	Values []float64
}

// NamedSummary is a series and what is known of it.
type NamedSummary struct {
	SeriesName
	Summary
}

// Summaries returns the series of a run in order of their names.
func (s *Store) Summaries(ctx context.Context, run uint32) ([]NamedSummary, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	sums := map[uint32]*Summary{}
	add := func(ord uint32, m Summary) {
		if m.Count == 0 {
			return
		}
		if sums[ord] == nil {
			sums[ord] = &Summary{}
		}
		sums[ord].merge(m)
	}
	// A run that is being logged is in memory; one that is not may come into
	// it at any time, but what was there before is in its rows.
	if s.series.inMemory(run) {
		x, err := s.series.acquire(run)
		if err != nil {
			return nil, err
		}
		defer s.series.release(x)
		x.mu.Lock()
		groups := x.groups
		x.mu.Unlock()
		for _, g := range groups {
			g.mu.Lock()
			for i, ord := range g.series {
				add(ord, g.sums[i])
			}
			g.mu.Unlock()
		}
	} else if err := s.storedSummaries(run, add); err != nil {
		return nil, err
	}
	out := make([]NamedSummary, 0, len(sums))
	err := s.view(func(tx *Tx) error {
		for ord, m := range sums {
			text, err := tx.Text(KindSeries, ord)
			if err != nil {
				return err
			}
			out = append(out, NamedSummary{parseSeriesName(text), *m})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b NamedSummary) int {
		return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.text(), b.text()))
	})
	return out, err
}

func (s *Store) storedSummaries(run uint32, add func(uint32, Summary)) error {
	return s.view(func(tx *Tx) error {
		for row, err := range tx.Prefix(groupPrefix('G', run), false) {
			if err != nil {
				return err
			}
			var def groupRow
			if err := row.Decode(1, &def); err != nil {
				return err
			}
			var st stateRow
			err := tx.Load(groupKey('g', run, binary.BigEndian.Uint32(row.Key[5:])), 1, &st)
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			if len(st.Sums) != len(def.Series) {
				return fmt.Errorf("run %d: group state has %d series, not %d: %w", run, len(st.Sums), len(def.Series), ErrCorrupt)
			}
			for i, ord := range def.Series {
				add(ord, st.Sums[i].summary())
			}
		}
		return nil
	})
}

// piece is a run of points of one series: a block in the key space, or columns
// in memory.
type piece struct {
	g      *group
	column int // of the series in its group, from 0
	number uint32
	memory *columns // nil for a block
	lo, hi position // bounds of its points
	sorted bool     // by time and step
	steps  [2]int64 // least and greatest
}

type position struct{ time, step int64 }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.time, q.time), cmp.Compare(p.step, q.step))
}

// source is a group that holds a metric, as it was at one moment: blocks below
// stored are in the key space, what follows is in memory.
type source struct {
	g      *group
	column int
	stored uint32
	memory []columns
}

// sources returns the groups of a run that hold a metric.
func (s *Store) sources(groups []*group, metric string) ([]source, error) {
	var out []source
	for _, g := range groups {
		for column, ord := range g.series {
			name, err := s.seriesText(ord)
			if err != nil {
				return nil, err
			}
			if name.Metric != metric {
				continue
			}
			src, err := g.source(column)
			if err != nil {
				return nil, err
			}
			out = append(out, src)
		}
	}
	return out, nil
}

func (g *group) source(column int) (source, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sourceLocked(column)
}

func (g *group) sourceLocked(column int) (source, error) {
	if err := g.loadTailLocked(); err != nil {
		return source{}, err
	}
	src := source{g: g, column: column, stored: g.stored}
	for _, b := range g.pending {
		src.memory = append(src.memory, b.columns)
	}
	if g.head.len() > 0 {
		head := g.head
		head.values = slices.Clone(g.head.values)
		src.memory = append(src.memory, head)
	}
	return src, nil
}

func (s *Store) seriesText(ord uint32) (SeriesName, error) {
	if text, ok := s.names.text(KindSeries, ord); ok {
		return parseSeriesName(text), nil
	}
	var name SeriesName
	err := s.view(func(tx *Tx) error {
		text, err := tx.Text(KindSeries, ord)
		name = parseSeriesName(text)
		return err
	})
	return name, err
}

// pieces appends the pieces of a source.
func (src *source) pieces(out []piece, r kv.Reader) ([]piece, error) {
	g := src.g
	for number := range src.stored {
		body, err := readColumn(r, 'b', g.r.run, g.no, number, 0)
		if err != nil {
			return nil, err
		}
		z, err := block.ReadClockZone(body)
		if err != nil {
			return nil, fmt.Errorf("run %d group %d block %d: %w", g.r.run, g.no, number, err)
		}
		out = append(out, piece{
			g: g, column: src.column, number: number, sorted: z.StepsAscend && z.TimesAscend,
			lo: position{z.MinTime, z.MinStep}, hi: position{z.MaxTime, z.MaxStep},
			steps: [2]int64{z.MinStep, z.MaxStep},
		})
	}
	for i := range src.memory {
		c := &src.memory[i]
		p := piece{g: g, column: src.column, memory: c}
		p.measure(c.steps, c.times)
		out = append(out, p)
	}
	return out, nil
}

// measure sets the bounds of points in memory.
func (p *piece) measure(steps, times []int64) {
	p.sorted = true
	p.lo, p.hi = position{times[0], steps[0]}, position{times[0], steps[0]}
	for i := range steps {
		if i > 0 && (steps[i] < steps[i-1] || times[i] < times[i-1]) {
			p.sorted = false
		}
		p.lo = position{min(p.lo.time, times[i]), min(p.lo.step, steps[i])}
		p.hi = position{max(p.hi.time, times[i]), max(p.hi.step, steps[i])}
	}
	p.steps = [2]int64{p.lo.step, p.hi.step}
}

// load appends the points of a piece to c.
func (p *piece) load(r kv.Reader, c *Columns) error {
	if p.memory != nil {
		c.Steps = append(c.Steps, p.memory.steps...)
		c.Times = append(c.Times, p.memory.times...)
		c.Values = append(c.Values, p.memory.values[p.column][:p.memory.len()]...)
		return nil
	}
	got, err := loadColumns(r, 'b', p.g.r.run, p.g.no, p.number, []int{p.column}, columns{
		steps: c.Steps, times: c.Times, values: [][]float64{c.Values},
	})
	if err != nil {
		return err
	}
	c.Steps, c.Times, c.Values = got.steps, got.times, got.values[0]
	return nil
}

// Points iterates over all points of a metric of a run, whatever model or
// dataset they are about, in the order of MLflow's history: by time, then
// step, then value (NaN as 0). No point is dropped or merged.
func (s *Store) Points(ctx context.Context, run uint32, metric string) iter.Seq2[Columns, error] {
	return func(yield func(Columns, error) bool) {
		err := s.readPieces(ctx, run, metric, func(r kv.Reader, pieces []piece) error {
			slices.SortStableFunc(pieces, func(a, b piece) int { return a.lo.compare(b.lo) })
			var c Columns
			for len(pieces) > 0 {
				n := cluster(pieces)
				c = Columns{c.Steps[:0], c.Times[:0], c.Values[:0]}
				for i := range pieces[:n] {
					if err := pieces[i].load(r, &c); err != nil {
						return err
					}
				}
				if n > 1 || !pieces[0].sorted || hasTies(&c) {
					sort.Stable(history(c))
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if !yield(c, nil) {
					return errStop
				}
				pieces = pieces[n:]
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Columns{}, err)
		}
	}
}

var errStop = errors.New("stop")

func (s *Store) readPieces(ctx context.Context, run uint32, metric string, fn func(kv.Reader, []piece) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
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
	sources, err := s.sources(groups, metric)
	if err != nil {
		return err
	}
	// The view comes last: it holds every block that a source counts as stored.
	return s.read(func(r kv.Reader) error {
		var pieces []piece
		for i := range sources {
			if pieces, err = sources[i].pieces(pieces, r); err != nil {
				return err
			}
		}
		return fn(r, pieces)
	})
}

// cluster returns how many of the pieces, sorted by lower bound, must be read
// together because their ranges meet.
func cluster(pieces []piece) int {
	hi := pieces[0].hi
	n := 1
	for n < len(pieces) && pieces[n].lo.compare(hi) <= 0 {
		if pieces[n].hi.compare(hi) > 0 {
			hi = pieces[n].hi
		}
		n++
	}
	return n
}

// history sorts columns in MLflow's history order.
type history Columns

func (h history) Len() int { return len(h.Steps) }

func (h history) Swap(i, j int) {
	h.Steps[i], h.Steps[j] = h.Steps[j], h.Steps[i]
	h.Times[i], h.Times[j] = h.Times[j], h.Times[i]
	h.Values[i], h.Values[j] = h.Values[j], h.Values[i]
}

func (h history) Less(i, j int) bool {
	if h.Times[i] != h.Times[j] {
		return h.Times[i] < h.Times[j]
	}
	if h.Steps[i] != h.Steps[j] {
		return h.Steps[i] < h.Steps[j]
	}
	return orZero(h.Values[i]) < orZero(h.Values[j])
}

func hasTies(c *Columns) bool {
	for i := 1; i < len(c.Steps); i++ {
		if c.Steps[i] == c.Steps[i-1] && c.Times[i] == c.Times[i-1] {
			return true
		}
	}
	return false
}

// Bucket is what Downsample keeps of the points in a range of steps.
type Bucket struct {
	From, To    int64 // steps, both included
	Count, NaN  int64
	First, Last Point // by step, then time, then value
	Min, Max    Point // of the values but NaN; mean nothing when Count is NaN
}

// maxBuckets bounds the answer of Downsample.
const maxBuckets = 100_000

// Downsample divides the steps from…to, both included, into at most buckets
// ranges of one width and returns those that have points, in order. No
// minimum, maximum, first or last value is lost. ErrInvalid when from > to or
// buckets is not 1 to 100,000.
func (s *Store) Downsample(ctx context.Context, run uint32, metric string, from, to int64, buckets int) ([]Bucket, error) {
	if from > to || buckets < 1 || buckets > maxBuckets {
		return nil, fmt.Errorf("steps %d to %d in %d buckets: %w", from, to, buckets, ErrInvalid)
	}
	// In uint64 the distance of any two steps is exact.
	span := uint64(to) - uint64(from)
	width := span/uint64(buckets) + 1
	if buckets == 1 {
		width = max(span, 1) // span + 1 may not fit; the last step is clamped below
	}
	acc := make([]Bucket, min(span/width+1, uint64(buckets)))
	err := s.readPieces(ctx, run, metric, func(r kv.Reader, pieces []piece) error {
		var c Columns
		for i := range pieces {
			p := &pieces[i]
			if p.steps[1] < from || p.steps[0] > to {
				continue
			}
			c = Columns{c.Steps[:0], c.Times[:0], c.Values[:0]}
			if err := p.load(r, &c); err != nil {
				return err
			}
			for k, step := range c.Steps {
				if step >= from && step <= to {
					at := min((uint64(step)-uint64(from))/width, uint64(buckets-1))
					acc[at].add(Point{step, c.Times[k], c.Values[k]})
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := acc[:0]
	for i, b := range acc {
		if b.Count == 0 {
			continue
		}
		b.From = int64(uint64(from) + uint64(i)*width)
		b.To = to
		if i < len(acc)-1 {
			b.To = int64(uint64(b.From) + width - 1)
		}
		out = append(out, b)
	}
	return out, nil
}

func (b *Bucket) add(p Point) {
	b.Count++
	if b.Count == 1 {
		b.First, b.Last = p, p
	} else {
		if later(b.First, p) {
			b.First = p
		}
		if later(p, b.Last) {
			b.Last = p
		}
	}
	if p.Value != p.Value {
		b.NaN++
		return
	}
	first := b.Count-b.NaN == 1
	if first || p.Value < b.Min.Value || p.Value == b.Min.Value && later(b.Min, p) {
		b.Min = p
	}
	if first || p.Value > b.Max.Value || p.Value == b.Max.Value && later(b.Max, p) {
		b.Max = p
	}
}

// readColumn returns the body of one row of a block or tail.
func readColumn(r kv.Reader, table byte, run, group, number uint32, column uint16) ([]byte, error) {
	key := columnKey(table, run, group, number, column)
	value, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, fmt.Errorf("run %d group %d: block %d column %d is missing: %w", run, group, number, column, ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	version, body, err := record.Open(key, value)
	if err != nil {
		return nil, fmt.Errorf("run %d group %d block %d: %w", run, group, number, err)
	}
	if version > 1 {
		return nil, fmt.Errorf("run %d group %d block %d: version %d: %w", run, group, number, version, ErrFuture)
	}
	return body, nil
}

// loadColumns appends the clock and the given series of a block or tail to c.
func loadColumns(r kv.Reader, table byte, run, group, number uint32, series []int, c columns) (columns, error) {
	body, err := readColumn(r, table, run, group, number, 0)
	if err != nil {
		return c, err
	}
	if c.steps, c.times, err = block.DecodeClock(c.steps, c.times, body); err != nil {
		return c, fmt.Errorf("run %d group %d block %d: %w", run, group, number, err)
	}
	for i, column := range series {
		if body, err = readColumn(r, table, run, group, number, uint16(column+1)); err != nil {
			return c, err
		}
		if c.values[i], err = block.DecodeValues(c.values[i], body); err != nil {
			return c, fmt.Errorf("run %d group %d block %d column %d: %w", run, group, number, column, err)
		}
		if len(c.values[i]) != len(c.steps) {
			return c, fmt.Errorf("run %d group %d block %d: %d values for %d steps: %w", run, group, number, len(c.values[i]), len(c.steps), ErrCorrupt)
		}
	}
	return c, nil
}

// readTail returns all columns of a tail.
func (s *Store) readTail(run, group, number uint32, width int) (c columns, err error) {
	c.values = make([][]float64, width)
	all := make([]int, width)
	for i := range all {
		all[i] = i
	}
	err = s.engine.View(func(r kv.Reader) error { // also while closing
		c, err = loadColumns(r, 't', run, group, number, all, c)
		return err
	})
	return c, err
}
