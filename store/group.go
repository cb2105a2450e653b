package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/runstonedb/runstone/store/internal/journal"
)

// Group takes points of series that are logged together: they share steps and
// times, and these are stored once.
type Group struct{ g *group }

// Width returns the number of series in the group.
func (x *Group) Width() int { return len(x.g.series) }

// group is the memory of one group. Its points are, in order: stored blocks in
// the key space, pending blocks on their way there, and the head.
type group struct {
	s      *Store
	r      *runSeries
	no     uint32
	series []uint32

	mu      sync.Mutex
	state   stateRow // as of the last checkpoint
	tailed  bool     // the state's tail is in head
	stored  uint32   // blocks that can be read from the key space
	pending []*sealed
	head    columns
	sums    []Summary
	changed bool // points were added since the last checkpoint began
	moving  bool // a checkpoint is moving points of this group
}

// columns are points that share a clock. The slices only grow, so a copy of
// the struct stays valid while points are added.
type columns struct {
	steps, times []int64
	values       [][]float64 // one slice a series
}

func (c *columns) len() int { return len(c.steps) }

// sealed is a full block that is not in the key space yet.
type sealed struct {
	g  *group
	no uint32
	columns
}

func newGroup(s *Store, r *runSeries, no uint32, series []uint32) *group {
	g := &group{s: s, r: r, no: no, series: series, tailed: true, sums: make([]Summary, len(series))}
	g.head.values = make([][]float64, len(series))
	return g
}

// restore takes over the state of the last checkpoint.
func (g *group) restore(st *stateRow) {
	g.state, g.stored, g.tailed = *st, st.Blocks, st.Tail == 0
	copy(g.sums, st.Sums)
	g.state.Sums = nil
}

// busy reports whether the group holds what the key space does not.
func (g *group) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed || g.moving || len(g.pending) > 0
}

func (g *group) isDirty() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// Append adds n points to each series of the group: steps and times (Unix ms)
// have length n, values has one slice of length n for each name that
// [Series.Groups] was given for this group. The slices are not kept. When it
// returns nil the points are as durable as d says. More than some 260,000
// numbers go in pieces, of which an error may leave the first ones logged; with
// fewer, an error means that none is. Errors: [ErrInvalid], [ErrNoSpace],
// [ErrClosed], [ErrReadOnly].
func (x *Group) Append(ctx context.Context, d Durability, steps, times []int64, values [][]float64) error {
	g := x.g
	c := columns{steps, times, values}
	if err := checkColumns(c, len(g.series)); err != nil {
		return err
	}
	return c.pieces(func(c columns) error { return g.log(ctx, d, c) })
}

// pieces calls fn for parts that fit a frame and keep the head short.
func (c columns) pieces(fn func(columns) error) error {
	size := max(1, maxPiece/(len(c.values)+2))
	for c.len() > size {
		if err := fn(c.slice(0, size)); err != nil {
			return err
		}
		c = c.slice(size, c.len())
	}
	if c.len() == 0 {
		return nil
	}
	return fn(c)
}

func checkColumns(c columns, series int) error {
	if len(c.steps) != len(c.times) || len(c.values) != series {
		return fmt.Errorf("%d steps, %d times, %d columns for %d series: %w", len(c.steps), len(c.times), len(c.values), series, ErrInvalid)
	}
	for _, v := range c.values {
		if len(v) != len(c.steps) {
			return fmt.Errorf("%d values for %d steps: %w", len(v), len(c.steps), ErrInvalid)
		}
	}
	return nil
}

// maxPiece is the number of 8-byte words in one journal frame of points.
const maxPiece = 1 << 18

// slice returns the points from i to j. It allocates only when it must cut.
func (c columns) slice(i, j int) columns {
	if i == 0 && j == c.len() {
		return c
	}
	cut := columns{c.steps[i:j], c.times[i:j], make([][]float64, len(c.values))}
	for k, v := range c.values {
		cut.values[k] = v[i:j]
	}
	return cut
}

// log makes points durable and adds them to the head.
func (g *group) log(ctx context.Context, d Durability, c columns) error {
	s := g.s
	if err := s.writable(ctx); err != nil {
		return err
	}
	if err := s.sealer.admit(ctx); err != nil {
		return err
	}
	w, end, err := g.journal(c, d)
	if err != nil {
		return err
	}
	return s.acknowledge(w, end, d)
}

func (g *group) journal(c columns, d Durability) (w *journal.Writer, end int64, err error) {
	s := g.s
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed.Load() {
		return nil, 0, ErrClosed
	}
	if err := g.loadTail(); err != nil {
		return nil, 0, err
	}
	buf := frames.Get().(*[]byte)
	defer frames.Put(buf)
	*buf = appendPoints((*buf)[:journal.FrameHeader], g.r.run, g.no, c)
	if err := s.append(framePoints, *buf, d, &w, &end); err != nil {
		return nil, 0, err
	}
	g.add(c)
	return w, end, nil
}

var frames = sync.Pool{New: func() any {
	b := make([]byte, journal.FrameHeader, 4096)
	return &b
}}

// add puts points into the head and cuts blocks off it.
func (g *group) add(c columns) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changed = true
	limit := g.s.opt.blockPoints()
	for c.len() > 0 {
		// A tail may be longer, if blocks were when it was written.
		n := max(0, min(c.len(), limit-g.head.len()))
		before := g.head.memory()
		room := g.head.len() + n
		if room > few && g.s.heads.Load() < g.s.opt.headBytes()/4 {
			room = limit // it will be a block; growing in steps would copy it
		}
		g.head.reserve(room, limit)
		used := g.s.heads.Add(g.head.memory() - before)
		ascend := ascending(c.steps[:n], c.times[:n])
		for i, v := range c.values {
			g.sums[i].addAll(c.steps[:n], c.times[:n], v[:n], ascend)
			g.head.values[i] = append(g.head.values[i], v[:n]...)
		}
		g.head.steps = append(g.head.steps, c.steps[:n]...)
		g.head.times = append(g.head.times, c.times[:n]...)
		if n < c.len() {
			c = c.slice(n, c.len())
		} else {
			c = columns{}
		}
		if g.head.len() >= limit || used > g.s.opt.headBytes() && g.head.len() >= minShort {
			g.seal()
		}
	}
}

// minShort is the number of points from which a head may become a block
// because memory is short: a hundred thousand series that grow side by side
// must not fill it.
const minShort = 64

// few is the number of points up to which a head is not taken for the
// beginning of a block.
const few = 256

// memory returns the bytes that the columns take.
func (c *columns) memory() int64 { return int64(cap(c.steps)) * int64(len(c.values)+2) * 8 }

// reserve makes room for n points, of at most limit. It grows fourfold, so that
// a series of few points costs little and one of many is seldom copied.
func (c *columns) reserve(n, limit int) {
	room := cap(c.steps)
	if n <= room {
		return
	}
	for room < n {
		room = max(4*room, 4)
	}
	room = min(room, limit)
	c.steps = append(make([]int64, 0, room), c.steps...)
	c.times = append(make([]int64, 0, room), c.times...)
	for i, v := range c.values {
		c.values[i] = append(make([]float64, 0, room), v...)
	}
}

// trim gives back the room of a short head that nobody is adding to.
func (g *group) trim() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.head.len(); n > few || n == cap(g.head.steps) {
		return
	}
	before := g.head.memory()
	g.head.steps, g.head.times = slices.Clone(g.head.steps), slices.Clone(g.head.times)
	for i, v := range g.head.values {
		g.head.values[i] = slices.Clone(v)
	}
	g.s.heads.Add(g.head.memory() - before)
}

// seal hands the head to the sealer and starts a new one. Called with mu held.
func (g *group) seal() {
	g.s.heads.Add(-g.head.memory())
	b := &sealed{g: g, no: g.stored + uint32(len(g.pending)), columns: g.head}
	g.pending = append(g.pending, b)
	g.head = columns{values: make([][]float64, len(g.series))}
	g.s.sealer.enqueue(b)
}

// loadTail brings the tail of the last checkpoint into the head, where it stays
// as long as the caller holds the gate.
func (g *group) loadTail() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.loadTailLocked()
}

func (g *group) loadTailLocked() error {
	if g.tailed {
		return nil
	}
	c, err := g.s.readTail(g.r.run, g.no, g.state.TailNumber, len(g.series))
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	if c.len() != int(g.state.Tail) {
		return fmt.Errorf("run %d group %d: tail has %d points, not %d: %w", g.r.run, g.no, c.len(), g.state.Tail, ErrCorrupt)
	}
	g.head, g.tailed = c, true
	g.s.heads.Add(c.memory())
	return nil
}

// unload forgets a head that the key space holds as a tail.
func (g *group) unload() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.changed || g.moving || len(g.pending) > 0 || !g.tailed {
		return
	}
	g.s.heads.Add(-g.head.memory())
	g.head = columns{values: make([][]float64, len(g.series))}
	g.tailed = g.state.Tail == 0
}

// Points in a journal frame, all integers little-endian: uint32 run, uint32
// group, uint16 series, uint32 points, the steps, the times (int64 each), and
// the values (float64) of one series after the other.

const pointsHeader = 14

func appendPoints(dst []byte, run, group uint32, c columns) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, run)
	dst = binary.LittleEndian.AppendUint32(dst, group)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(c.values)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(c.len()))
	for _, v := range c.steps {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	for _, v := range c.times {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	for _, column := range c.values {
		for _, v := range column {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		}
	}
	return dst
}

// pointsFrame is a points frame and the memory of its columns.
type pointsFrame struct {
	run, group uint32
	columns
	words  []int64
	floats []float64
}

// parse reads a frame in place of the one before.
func (f *pointsFrame) parse(b []byte) error {
	if len(b) < pointsHeader {
		return errPoints
	}
	f.run, f.group = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	m, n := int(binary.LittleEndian.Uint16(b[8:])), int(binary.LittleEndian.Uint32(b[10:]))
	b = b[pointsHeader:]
	if uint64(len(b)) != uint64(n)*uint64(m+2)*8 {
		return errPoints
	}
	f.words = slices.Grow(f.words[:0], 2*n)[:2*n]
	f.floats = slices.Grow(f.floats[:0], n*m)[:n*m]
	for i := range f.words {
		f.words[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	b = b[16*n:]
	for i := range f.floats {
		f.floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	f.steps, f.times = f.words[:n:n], f.words[n:]
	f.values = slices.Grow(f.values[:0], m)[:m]
	for i := range f.values {
		f.values[i] = f.floats[i*n : (i+1)*n : (i+1)*n]
	}
	return nil
}

var errPoints = fmt.Errorf("points: wrong length: %w", ErrCorrupt)
