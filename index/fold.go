package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/runstonedb/runstone/store"
)

// FoldOptions say what a fold does.
type FoldOptions struct {
	// Load tells what the table should hold of a run.
	Load Loader
	// Ready reports whether a run can be folded. One that is being logged is
	// better left: it would be dirty again at once. Nil takes all.
	Ready func(tx *store.Tx, run uint32) bool
	// Last is the highest ordinal of a run, from before the call.
	Last uint32
	// Min is how many runs must be dirty and ready for anything to be done.
	// About half as many, those that cost most to fold, may be left. 0 and
	// Force fold them all.
	Min   int
	Force bool
	// Progress, if not nil, hears how many of the runs to be folded are.
	Progress func(done, total int)
}

// Stats is what a fold did.
type Stats struct {
	Runs     int // folded
	Segments int // written, new or in place
	Bytes    int // of rows written
	Failed   int // runs whose records are damaged; they stay dirty
	Large    int // runs with more than a segment may have; they stay dirty
	Left     int // ready runs that are dirty still
}

// Fold brings the table up to date: it reads runs that are dirty and writes the
// segments that they fall into. New runs at the end become short segments first,
// which later folds merge; each run is written some four times until its segment
// is full. In a segment that stays, only columns that change are written. Its
// segments take effect one by one, so when it ends early what it did is not
// lost. Calls wait for each other.
func (t *Table) Fold(ctx context.Context, st *store.Store, o FoldOptions) (Stats, error) {
	t.folding.Lock()
	defer t.folding.Unlock()
	var stats Stats
	return stats, t.foldAndMend(ctx, st, &o, &stats)
}

// mendings bounds how often one fold starts over because of damage.
const mendings = 100

func (t *Table) foldAndMend(ctx context.Context, st *store.Store, o *FoldOptions, stats *Stats) error {
	for try := 0; ; try++ {
		err := t.mend(ctx, st)
		if err == nil {
			err = t.fold(ctx, st, o, stats)
		}
		if err == nil || try == mendings || !t.Distrust(err) {
			return err
		}
	}
}

// moveBytes is how much a fold writes before it waits until that is out of memory.
const moveBytes = 48 << 20

// target is a range of runs to rewrite.
type target struct {
	lo, hi uint32
	dirty  int
}

func (t *Table) fold(ctx context.Context, st *store.Store, o *FoldOptions, stats *Stats) error {
	var plan []target
	total := 0
	err := st.View(ctx, func(tx *store.Tx) error {
		s, err := t.Snapshot(tx, o.Last)
		if err != nil {
			return err
		}
		var work []uint32
		for _, run := range s.dirty {
			if run <= o.Last && (o.Ready == nil || o.Ready(tx, run)) {
				work = append(work, run)
			}
		}
		stats.Left = len(work)
		if len(work) > 0 && (o.Force || len(work) >= o.Min) {
			plan = t.plan(s.dir, work, o)
		}
		for _, p := range plan {
			total += p.dirty
		}
		return nil
	})
	if err != nil || len(plan) == 0 {
		return err
	}
	done, moved := 0, stats.Bytes
	for _, p := range plan {
		for lo := p.lo; lo <= p.hi; {
			before := stats.Runs
			hi, err := t.rewrite(ctx, st, lo, p.hi, o, stats)
			if err != nil {
				return err
			}
			done += stats.Runs - before
			stats.Left -= stats.Runs - before
			if o.Progress != nil {
				o.Progress(min(done, total), total)
			}
			lo = hi + 1
			if since := stats.Bytes - moved; since > moveBytes {
				moved = stats.Bytes
				if err := st.Checkpoint(ctx); err != nil {
					return err
				}
			}
		}
	}
	return st.Update(ctx, store.Appended, func(tx *store.Tx) error {
		state, err := loadState(tx)
		if err != nil {
			return err
		}
		return nextEpoch(tx, &state)
	})
}

// plan says which ranges to rewrite for the dirty runs, in order.
func (t *Table) plan(d *directory, work []uint32, o *FoldOptions) []target {
	var plan []target
	inside := map[int]int{} // dirty runs by segment
	for i := 0; i < len(work); {
		at, ok := d.find(work[i])
		if ok {
			inside[at]++
			i++
			continue
		}
		// A gap, up to the last run that can be folded.
		grid := uint32(t.runs)
		end := (work[i]-1)/grid*grid + grid
		if at < len(d.segs) {
			end = min(end, d.segs[at].First-1)
		}
		p := target{lo: (work[i]-1)/grid*grid + 1}
		if at > 0 {
			p.lo = max(p.lo, d.segs[at-1].Last()+1)
		}
		for ; i < len(work) && work[i] <= end; i++ {
			p.hi = work[i]
			p.dirty++
		}
		for k := t.merge(d, &p, at, p.hi == end); k < at; k++ {
			p.dirty += inside[k]
			delete(inside, k)
		}
		plan = append(plan, p)
	}
	left := 0
	var order []int
	for at, n := range inside {
		left += n
		order = append(order, at)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(inside[b]-inside[a], a-b) })
	for _, at := range order {
		if left <= o.Min/2 && !o.Force {
			break
		}
		s := d.segs[at]
		plan = append(plan, target{s.First, s.Last(), inside[at]})
		left -= inside[at]
	}
	slices.SortFunc(plan, func(a, b target) int { return cmp.Compare(a.lo, b.lo) })
	return plan
}

// merge extends a range over the segments before the at-th that are to be merged
// into it, and returns the first of them: those that are not much longer than
// what comes to them, or all once the end of the grid's cell is reached.
func (t *Table) merge(d *directory, p *target, at int, full bool) int {
	grid := uint32(t.runs)
	values, size := 0, 0
	for ; at > 0; at-- {
		s := d.segs[at-1]
		values, size = values+s.values, size+s.bytes
		n := int(p.hi-p.lo) + 1
		if s.Last()+1 != p.lo || (s.First-1)/grid != (p.lo-1)/grid || !full && s.N > 2*n || values > t.values || size > t.bytes {
			break
		}
		p.lo = s.First
	}
	return at
}

// rewrite makes the segments of a range anew and returns where it stopped,
// which is before the end of the range if that has too much for one step.
func (t *Table) rewrite(ctx context.Context, st *store.Store, lo, hi uint32, o *FoldOptions, stats *Stats) (uint32, error) {
	x := &rewrite{t: t, lo: lo, hi: hi, enc: encoder{texts: t.texts}}
	var seen uint32
	err := st.View(ctx, func(tx *store.Tx) error {
		x.tx = tx
		state, d, err := t.load(tx)
		if err != nil {
			return err
		}
		x.state, seen = state, state.Next
		for _, l := range d.segs {
			if l.Last() < lo || l.First > hi {
				continue
			}
			if l.First < lo || l.Last() > hi {
				return fmt.Errorf("runs %d to %d: a segment has others too: %w", lo, hi, store.ErrConflict)
			}
			s, err := x.load(l)
			if err != nil {
				return err
			}
			x.srcs = append(x.srcs, s)
		}
		if err := x.read(ctx, o); err != nil {
			return err
		}
		return x.encode(ctx)
	})
	if err == nil {
		err = st.Update(ctx, store.Appended, func(tx *store.Tx) error { return x.write(tx, seen) })
	}
	if err == nil {
		err = x.unmark(ctx, st)
	}
	if err != nil {
		return 0, err
	}
	stats.Runs += x.stats.Runs
	stats.Segments += len(x.out)
	stats.Bytes += x.stats.Bytes
	stats.Failed += x.stats.Failed
	stats.Large += x.stats.Large
	return x.hi, nil
}

// Rebuild gives up all segments and makes them anew. When an earlier call did
// not come to its end it goes on where that stopped. Searches beside it read the
// records of what is not there yet.
func (t *Table) Rebuild(ctx context.Context, st *store.Store, o FoldOptions) (Stats, error) {
	t.folding.Lock()
	defer t.folding.Unlock()
	var stats Stats
	var state stateRow
	err := st.View(ctx, func(tx *store.Tx) error {
		var err error
		state, err = loadState(tx)
		return err
	})
	if t.Distrust(err) || err == nil && !state.Rebuild {
		err = t.reset(ctx, st)
	}
	if err != nil {
		return stats, err
	}
	o.Force = true
	if err := t.foldAndMend(ctx, st, &o, &stats); err != nil {
		return stats, err
	}
	return stats, st.Update(ctx, store.Appended, func(tx *store.Tx) error {
		state, err := loadState(tx)
		if err != nil {
			return err
		}
		state.Rebuild = false
		return state.save(tx)
	})
}
