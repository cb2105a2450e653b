package runstone

import (
	"context"
	"sync"
)

const (
	// recorderPoints and recorderAge (ms) bound what a Recorder has not logged.
	recorderPoints = 512
	recorderAge    = 1000
)

// Recorder logs one value of each of its metrics a call, for loops so tight
// that [Run.Log] would be felt: it keeps points in memory and logs them
// together. At most 512 calls, and none older than a second when Record is
// called, are not logged yet: they are lost when the process dies. Flush and
// [Run.End] log what is left. A Recorder may be used from any number of
// goroutines; all methods of a nil one do nothing.
type Recorder struct {
	run *Run
	set columnSet

	mu     sync.Mutex
	ended  bool // the run has, so that its series may be closed
	steps  []int64
	times  []int64
	values [][]float64 // in the order of set
	logged int         // groups of set that an unfinished flush has logged to
}

// Recorder returns a recorder of metrics, which are named once. It is valid
// until the run ends: then its methods fail with [ErrConflict].
func (r *Run) Recorder(ctx context.Context, names ...string) (*Recorder, error) {
	if r == nil {
		return nil, nil
	}
	if len(names) == 0 {
		return nil, invalid("a recorder wants the names of its metrics")
	}
	set, err := r.columnSet(ctx, names)
	if err != nil {
		return nil, err
	}
	rec := &Recorder{
		run: r, set: set, values: make([][]float64, len(names)),
		steps: make([]int64, 0, recorderPoints), times: make([]int64, 0, recorderPoints),
	}
	for i := range rec.values {
		rec.values[i] = make([]float64, 0, recorderPoints)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil, r.over()
	}
	r.recorders = append(r.recorders, rec)
	return rec, nil
}

// Record takes one value of each metric, in the order of their names, at a step
// and the present time. It waits only when points are logged. After an error
// the values of this call are not recorded; those of earlier calls still are,
// and are logged by the next call that can.
func (rec *Recorder) Record(ctx context.Context, step int64, values ...float64) error {
	if rec == nil {
		return nil
	}
	now := rec.run.db.now()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(values) != len(rec.values) {
		return invalid("%d values for %d metrics", len(values), len(rec.values))
	}
	if rec.ended {
		return rec.run.over()
	}
	if n := len(rec.steps); n == recorderPoints || n > 0 && (now-rec.times[0] >= recorderAge || rec.logged > 0) {
		if err := rec.flush(ctx); err != nil {
			return err
		}
	}
	rec.steps, rec.times = append(rec.steps, step), append(rec.times, now)
	for k, i := range rec.set.order {
		rec.values[k] = append(rec.values[k], values[i])
	}
	return nil
}

// Flush logs what was recorded. When it returns nil all of it is as durable as
// the database's Durability says.
func (rec *Recorder) Flush(ctx context.Context) error {
	if rec == nil {
		return nil
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.ended {
		return rec.run.over()
	}
	return rec.flush(ctx)
}

// end logs what is left and refuses more.
func (rec *Recorder) end(ctx context.Context) error {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	err := rec.flush(ctx)
	rec.ended = err == nil
	return err
}

// reopen undoes end when the run did not end after all.
func (rec *Recorder) reopen() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.ended = false
}

func (rec *Recorder) flush(ctx context.Context) error {
	if len(rec.steps) == 0 {
		return nil
	}
	values := rec.values
	for i, g := range rec.set.groups {
		n := g.Width()
		if i >= rec.logged { // or they would be logged twice
			if err := g.Append(ctx, rec.run.db.opt.Durability, rec.steps, rec.times, values[:n]); err != nil {
				return err
			}
			rec.logged++
		}
		values = values[n:]
	}
	rec.logged = 0
	rec.steps, rec.times = rec.steps[:0], rec.times[:0]
	for i := range rec.values {
		rec.values[i] = rec.values[i][:0]
	}
	return nil
}
