package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/runstonedb/runstone/store/internal/kv"
)

// Curve is all points of a metric of a run, whatever model or dataset they are
// about.
type Curve struct {
	Run    uint32
	Metric string
	// Series, if not nil, limits the curve to these series of the metric.
	Series []SeriesName
	// Once leaves out series about a model whose points are all among those about
	// none: clients log what a run has measured again for the models it makes.
	Once bool
}

// snapshot is what a read sees of some curves: all that was logged before it,
// and of each group what it had at one moment since.
type snapshot struct {
	ctx   context.Context
	s     *Store
	r     kv.Reader
	parts [][]part // of the curves as they were asked for
}

// part is one column of a group.
type part struct {
	of     *held
	column int // from 0
	series uint32
	sum    Summary
}

// bounds returns those of all its points.
func (p *part) bounds() bounds {
	return bounds{p.sum.First.Step, p.sum.Latest.Step, p.sum.MinTime, p.sum.MaxTime}
}

// held is a group as a read sees it: blocks below stored are in the key space,
// then comes a tail there or columns in memory.
type held struct {
	run, no uint32
	stored  uint32
	tail    uint32 // points in the tail in the key space
	number  uint32 // of its rows
	memory  []columns
}

// snap runs fn on a snapshot of curves. A run that is being logged is in
// memory; of others only the rows are read that the curves need.
func (s *Store) snap(ctx context.Context, curves []Curve, fn func(*snapshot) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.reads.enter() // tails may be read before the view is taken
	defer s.reads.leave()
	if s.closed.Load() {
		return ErrClosed
	}
	x := &snapshot{ctx: ctx, s: s, parts: make([][]part, len(curves))}
	w := newWanted(s, curves)
	var used []*runSeries
	var cold []wantedRun
	defer func() {
		for _, r := range used {
			s.series.release(r)
		}
		s.series.unpin(cold)
	}()
	for _, run := range w.runs {
		pinned, err := s.series.pin(run.run)
		if err != nil {
			return err
		}
		if pinned {
			cold = append(cold, run)
			continue
		}
		loaded, err := s.series.acquire(run.run)
		if err != nil {
			return err
		}
		used = append(used, loaded)
		if err := x.fromMemory(w, run, loaded); err != nil {
			return err
		}
	}
	// The view comes last: it holds every block that memory counts as stored.
	// A run may come into memory before it does, but then what was there when
	// snap was called is in its rows.
	return s.view(func(tx *Tx) error {
		if err := x.fromRows(tx, w, cold); err != nil {
			return err
		}
		x.r = tx.base
		if err := x.dropCopies(w); err != nil {
			return err
		}
		return fn(x)
	})
}

// pin keeps a run that is not in memory from being dropped while its rows are
// read. It reports false for one that is in memory, and then does nothing.
func (t *seriesTable) pin(run uint32) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.runs[run]; r != nil {
		if r.seized {
			return false, errSeized
		}
		return false, nil
	}
	t.pins[run]++
	return true, nil
}

func (t *seriesTable) unpin(runs []wantedRun) {
	if len(runs) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range runs {
		if t.pins[r.run]--; t.pins[r.run] == 0 {
			delete(t.pins, r.run)
		}
	}
}

// seriesText returns the name of a series in its dictionary.
func (s *Store) seriesText(series uint32) (text string, err error) {
	if text, ok := s.names.text(KindSeries, series); ok {
		return text, nil
	}
	err = s.view(func(tx *Tx) error {
		text, err = tx.Text(KindSeries, series)
		return err
	})
	return text, err
}

// wanted finds the curves that a series belongs to.
type wanted struct {
	s      *Store
	curves []Curve
	runs   []wantedRun
	names  map[uint32]SeriesName
}

// wantedRun is a run and its curves, as indices.
type wantedRun struct {
	run    uint32
	curves []int
}

func newWanted(s *Store, curves []Curve) *wanted {
	w := &wanted{s: s, curves: curves, names: map[uint32]SeriesName{}}
	order := make([]int, len(curves))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(curves[a].Run, curves[b].Run) })
	for at := 0; at < len(order); {
		end := at + 1
		for end < len(order) && curves[order[end]].Run == curves[order[at]].Run {
			end++
		}
		w.runs = append(w.runs, wantedRun{curves[order[at]].Run, order[at:end]})
		at = end
	}
	return w
}

// name returns the name of a series.
func (w *wanted) name(tx *Tx, series uint32) (SeriesName, error) {
	if n, ok := w.names[series]; ok {
		return n, nil
	}
	var n SeriesName
	var err error
	if tx != nil {
		n, err = tx.SeriesName(series)
	} else {
		n, err = w.s.SeriesName(series)
	}
	if err != nil {
		return n, err
	}
	w.names[series] = n
	return n, nil
}

// match is a column that a curve wants.
type match struct {
	column, curve int
	series        uint32
}

// match appends the columns of a group that some of the run's curves want.
func (w *wanted) match(found []match, tx *Tx, run wantedRun, series []uint32) ([]match, error) {
	for column, ord := range series {
		n, err := w.name(tx, ord)
		if err != nil {
			return found, err
		}
		for _, i := range run.curves {
			if c := &w.curves[i]; c.Metric == n.Metric && (c.Series == nil || slices.Contains(c.Series, n)) {
				found = append(found, match{column, i, ord})
			}
		}
	}
	return found, nil
}

// fromMemory adds what memory holds of a run.
func (x *snapshot) fromMemory(w *wanted, run wantedRun, loaded *runSeries) (err error) {
	loaded.mu.Lock()
	groups := loaded.groups
	loaded.mu.Unlock()
	var found []match
	for _, g := range groups {
		found, err = w.match(found[:0], nil, run, g.series)
		if err == nil && len(found) > 0 {
			err = x.addGroup(g, found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *snapshot) addGroup(g *group, found []match) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	memory, err := g.memoryLocked()
	if err != nil {
		return err
	}
	of := &held{run: g.r.run, no: g.no, stored: g.stored, memory: memory}
	for _, m := range found {
		x.add(m, of, g.sums[m.column])
	}
	return nil
}

func (x *snapshot) add(m match, of *held, sum Summary) {
	if sum.Count > 0 {
		x.parts[m.curve] = append(x.parts[m.curve], part{of, m.column, m.series, sum})
	}
}

// memoryLocked returns what follows the stored blocks of a group. Called with
// mu held.
func (g *group) memoryLocked() ([]columns, error) {
	if err := g.loadTailLocked(); err != nil {
		return nil, err
	}
	var memory []columns
	for _, b := range g.pending {
		memory = append(memory, b.columns)
	}
	if g.head.len() > 0 {
		head := g.head
		head.values = slices.Clone(g.head.values)
		memory = append(memory, head)
	}
	return memory, nil
}
