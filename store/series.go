package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/runstonedb/runstone/internal/tuple"
)

// SeriesName identifies a series within its run: a metric, and the logged
// model and dataset that it is about, if any.
type SeriesName struct {
	Metric        string
	Model         string
	Dataset       string
	DatasetDigest string
}

// text is the dictionary form: the metric alone, or all four with NUL between.
func (n SeriesName) text() string {
	if n.Model == "" && n.Dataset == "" && n.DatasetDigest == "" {
		return n.Metric
	}
	return strings.Join([]string{n.Metric, n.Model, n.Dataset, n.DatasetDigest}, "\x00")
}

// Compare puts names in order: by metric, then that of the metric alone first.
func (n *SeriesName) Compare(o *SeriesName) int {
	return cmp.Or(strings.Compare(n.Metric, o.Metric), strings.Compare(n.Model, o.Model),
		strings.Compare(n.Dataset, o.Dataset), strings.Compare(n.DatasetDigest, o.DatasetDigest))
}

func parseSeriesName(text string) SeriesName {
	if strings.IndexByte(text, 0) < 0 {
		return SeriesName{Metric: text}
	}
	part := strings.SplitN(text, "\x00", 4)
	if len(part) < 4 {
		return SeriesName{Metric: text}
	}
	return SeriesName{part[0], part[1], part[2], part[3]}
}

func (n SeriesName) check() error {
	for _, part := range []string{n.Metric, n.Model, n.Dataset, n.DatasetDigest} {
		if len(part) > maxSeriesName || strings.ContainsRune(part, 0) {
			return fmt.Errorf("metric name of %d bytes: longer than %d or with a NUL: %w", len(part), maxSeriesName, ErrInvalid)
		}
	}
	if n.Metric == "" {
		return fmt.Errorf("empty metric name: %w", ErrInvalid)
	}
	return nil
}

const (
	maxSeriesName = 4096
	// MaxGroup is the number of series that may share a clock.
	MaxGroup = 500
	// maxSets bounds the groups of more than one series in a run. A program
	// that logs ever new combinations gets a group for each series instead.
	maxSets = 64
)

// seriesTable holds the loaded series of runs. An entry lives while someone
// uses the run or it has points that no checkpoint has taken yet.
type seriesTable struct {
	s    *Store
	mu   sync.Mutex
	runs map[uint32]*runSeries
	pins map[uint32]int // reads of the rows of runs that are not in runs
}

func (t *seriesTable) init(s *Store) {
	t.s, t.runs, t.pins = s, map[uint32]*runSeries{}, map[uint32]int{}
}

// runSeries are the groups of one run.
type runSeries struct {
	run    uint32
	users  int  // guarded by seriesTable.mu, like the next two
	open   int  // handles among the users
	seized bool // is being deleted

	mu     sync.Mutex // guards loading and the fields below
	loaded bool
	groups []*group          // by number
	bySet  map[string]*group // by the members' ordinals, 4 bytes each, in order
	sets   int               // groups of more than one series
}

var errSeized = Errorf(ErrConflict, "the run is being deleted for good")

// acquire returns the series of a run, loaded, and keeps them until release.
func (t *seriesTable) acquire(run uint32) (*runSeries, error) {
	t.mu.Lock()
	r := t.runs[run]
	if r == nil {
		r = &runSeries{run: run, bySet: map[string]*group{}}
		t.runs[run] = r
	}
	if r.seized {
		t.mu.Unlock()
		return nil, errSeized
	}
	r.users++
	t.mu.Unlock()

	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaded {
		return r, nil
	}
	groups, err := t.s.loadRun(r)
	if err != nil {
		t.release(r)
		return nil, err
	}
	t.mu.Lock()
	for _, g := range groups {
		r.register(g)
	}
	t.mu.Unlock()
	r.loaded = true
	return r, nil
}

func (t *seriesTable) release(r *runSeries) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.users--; r.users > 0 {
		return
	}
	t.evict(r)
	for _, g := range r.groups {
		g.trim()
	}
}

// evict forgets a run that nobody uses and that is wholly in the key space.
// Called with mu held.
func (t *seriesTable) evict(r *runSeries) {
	if r.users > 0 || r.seized {
		return
	}
	for _, g := range r.groups {
		if g.busy() {
			return
		}
	}
	if t.runs[r.run] == r {
		t.drop(r)
	}
}

// drop takes a run out of memory. Called with mu held.
func (t *seriesTable) drop(r *runSeries) {
	delete(t.runs, r.run)
	for _, g := range r.groups {
		g.mu.Lock()
		t.s.heads.Add(-g.head.memory())
		g.head = columns{}
		g.mu.Unlock()
	}
}

// dirty calls fn for every group that has points since its last checkpoint.
func (t *seriesTable) dirty(fn func(*group)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.runs {
		for _, g := range r.groups {
			if g.isDirty() {
				fn(g)
			}
		}
	}
}

// settle forgets what a checkpoint has made superfluous.
func (t *seriesTable) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.runs {
		t.evict(r)
	}
}

// unload takes heads that are in the key space out of memory.
func (t *seriesTable) unload() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.runs {
		for _, g := range r.groups {
			g.unload()
		}
	}
}

func groupPrefix(table byte, run uint32) []byte { return tuple.Uint32(tuple.Key(table), run) }
func groupKey(table byte, run, group uint32) []byte {
	return tuple.Uint32(groupPrefix(table, run), group)
}

// loadRun reads the groups of a run. Tails are read when they are needed.
func (s *Store) loadRun(r *runSeries) (groups []*group, err error) {
	err = s.view(func(tx *Tx) error {
		return eachGroup(tx, r.run, r.run, func(d *groupDef) error {
			if int(d.no) != len(groups) {
				return fmt.Errorf("run %d: group %d is missing: %w", r.run, len(groups), ErrCorrupt)
			}
			series, err := d.series()
			if err != nil {
				return err
			}
			g := newGroup(s, r, d.no, series)
			st, ok, err := loadState(tx, r.run, d.no, len(series))
			if err != nil {
				return err
			}
			if ok {
				g.restore(&st)
			}
			groups = append(groups, g)
			return nil
		})
	})
	return groups, err
}

// register adds a group under its number and its set. Called with r.mu and
// seriesTable.mu held, since checkpoints walk the groups under the latter.
func (r *runSeries) register(g *group) {
	r.groups = append(r.groups, g)
	r.bySet[setKey(g.series)] = g
	if len(g.series) > 1 {
		r.sets++
	}
}

func setKey(series []uint32) string {
	key := make([]byte, 0, 4*len(series))
	for _, ord := range series {
		key = binary.BigEndian.AppendUint32(key, ord)
	}
	return string(key)
}

// Series is a handle to the metric series of one run. Close it when the run is
// done, so that its memory can be given back.
type Series struct {
	s *Store
	r *runSeries
}

// OpenSeries returns the series of the run with ordinal run.
func (s *Store) OpenSeries(ctx context.Context, run uint32) (*Series, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	r, err := s.series.acquire(run)
	if err != nil {
		return nil, err
	}
	s.series.mu.Lock()
	r.open++
	s.series.mu.Unlock()
	return &Series{s, r}, nil
}

// Close gives the handle back. Groups got from it must not be used any more.
func (x *Series) Close() {
	x.s.series.mu.Lock()
	x.r.open--
	x.s.series.mu.Unlock()
	x.s.series.release(x.r)
}

// Idle reports whether nobody has the series of a run open: no handle, and none
// for an inbox that brings points of the run. Then [Store.SummariesOf] knows of
// all its points until the next handle is opened. It may be asked in a
// transaction too.
func (s *Store) Idle(run uint32) bool {
	s.series.mu.Lock()
	defer s.series.mu.Unlock()
	r := s.series.runs[run]
	return r == nil || r.open == 0
}

// Groups returns one or more groups that together take a value for each name,
// in the order of names, which are distinct. A set of names that was used
// before gives the same groups.
func (x *Series) Groups(ctx context.Context, names []SeriesName) ([]*Group, error) {
	if err := x.s.writable(ctx); err != nil {
		return nil, err
	}
	for _, n := range names {
		if err := n.check(); err != nil {
			return nil, err
		}
	}
	var groups []*Group
	for len(names) > 0 {
		n := min(len(names), MaxGroup)
		part, err := x.groups(ctx, names[:n])
		if err != nil {
			return nil, err
		}
		groups, names = append(groups, part...), names[n:]
	}
	return groups, nil
}

func (x *Series) groups(ctx context.Context, names []SeriesName) ([]*Group, error) {
	x.r.mu.Lock()
	defer x.r.mu.Unlock()
	ords, err := x.s.seriesOrds(ctx, names)
	if err != nil {
		return nil, err
	}
	if g := x.r.bySet[setKey(ords)]; g != nil {
		return []*Group{{g}}, nil
	}
	if len(ords) == 1 || x.r.sets < maxSets {
		g, err := x.s.newGroups(ctx, x.r, [][]uint32{ords})
		return g, err
	}
	var missing [][]uint32
	for _, ord := range ords {
		if x.r.bySet[setKey([]uint32{ord})] == nil {
			missing = append(missing, []uint32{ord})
		}
	}
	if _, err := x.s.newGroups(ctx, x.r, missing); err != nil {
		return nil, err
	}
	groups := make([]*Group, len(ords))
	for i, ord := range ords {
		groups[i] = &Group{x.r.bySet[setKey([]uint32{ord})]}
	}
	return groups, nil
}

// seriesOrds returns the ordinals of names, adding those that are new.
func (s *Store) seriesOrds(ctx context.Context, names []SeriesName) ([]uint32, error) {
	ords := make([]uint32, len(names))
	missing := false
	err := s.view(func(tx *Tx) (err error) {
		for i, n := range names {
			var ok bool
			if ords[i], ok, err = tx.Ord(KindSeries, n.text()); err != nil {
				return err
			}
			missing = missing || !ok
		}
		return nil
	})
	if err != nil || !missing {
		return ords, err
	}
	err = s.Update(ctx, Appended, func(tx *Tx) (err error) {
		for i, n := range names {
			if ords[i], err = tx.Intern(KindSeries, n.text()); err != nil {
				return err
			}
		}
		return nil
	})
	return ords, err
}

// newGroups adds groups to a run. Called with r.mu held.
func (s *Store) newGroups(ctx context.Context, r *runSeries, sets [][]uint32) ([]*Group, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	first := uint32(len(r.groups))
	err := s.Update(ctx, Appended, func(tx *Tx) error {
		for i, set := range sets {
			if err := tx.Save(groupKey('G', r.run, first+uint32(i)), 1, groupRow{set}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	groups := make([]*Group, len(sets))
	for i, set := range sets {
		g := newGroup(s, r, first+uint32(i), set)
		s.series.mu.Lock()
		r.register(g)
		s.series.mu.Unlock()
		groups[i] = &Group{g}
	}
	return groups, nil
}
