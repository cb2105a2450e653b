package runstone

import (
	"context"
	"errors"
	"os/user"
	"slices"
	"strings"
	"sync"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/store"
)

// Metrics are values logged together, by name.
type Metrics map[string]float64

// RunOptions are for [DB.StartRun]; nil is none of them.
type RunOptions struct {
	Name   string            // "" makes one up
	Params map[string]string // logged at the start
	Tags   map[string]string
	Parent *Run // nests the run under another
}

// Run is a run that is being logged. All methods may be called on a nil *Run,
// which logs nothing: a program switches tracking off by not starting one.
// They may be called from any number of goroutines.
type Run struct {
	db   *DB
	info RunInfo

	appends sync.RWMutex // held shared by Append; End waits for it

	mu     sync.Mutex
	series *store.Series // nil when the database is shared
	sets   []*metricSet
	last   columnSet // of the last Append
	ended  bool

	recorders []*Recorder
}

// columnSet is where the columns of an Append go.
type columnSet struct {
	names  []string
	order  []int // of names, sorted
	groups []pointGroup
}

// pointGroup is where the points of a set of series go: the database itself or
// its inbox.
type pointGroup interface {
	Append(ctx context.Context, d Durability, steps, times []int64, values [][]float64) error
	Width() int
}

// metricSet is one combination of metrics that was logged together.
type metricSet struct {
	index  map[string]int // column by name
	names  []string       // sorted
	groups []pointGroup
	step   [1]int64
	time   [1]int64
	values [][]float64 // one value for each column
}

// StartRun makes a run in the experiment of this name, which it makes too if
// needed, with tags on the machine, the program and its commit, and starts to
// log to it. End the run with [Run.End] or [Run.EndWith].
func (db *DB) StartRun(ctx context.Context, experiment string, opt *RunOptions) (*Run, error) {
	if opt == nil {
		opt = &RunOptions{}
	}
	n := NewRun{Experiment: experiment, Name: opt.Name, User: db.userName()}
	tags := map[string]string{TagUser: n.User}
	if !db.opt.NoSystemInfo {
		systemTags(ctx, tags)
	}
	if opt.Parent != nil {
		tags[TagParent] = opt.Parent.ID()
	}
	for k, v := range opt.Tags {
		if err := CheckKey(k, "key", "key"); err != nil {
			return nil, err
		}
		tags[k] = v
	}
	n.Tags = sortedKVs(tags)
	params := Batch{Params: sortedKVs(opt.Params)}
	if _, err := params.fields(""); err != nil { // before there is a run
		return nil, err
	}
	info, err := db.CreateRun(ctx, n)
	if err != nil {
		return nil, err
	}
	if len(params.Params) > 0 {
		err = db.LogBatch(ctx, info.ID, params)
	}
	var run *Run
	if err == nil {
		run, err = db.attach(ctx, info)
	}
	if err != nil { // nobody will end it
		u := RunUpdate{Status: Failed, End: db.now()}
		_, uerr := db.UpdateRun(context.WithoutCancel(ctx), info.ID, u)
		return nil, errors.Join(err, uerr)
	}
	return run, nil
}

// ResumeRun goes on logging to a run that is there, and sets it Running.
func (db *DB) ResumeRun(ctx context.Context, id string) (*Run, error) {
	info, err := db.RunInfo(ctx, id)
	if err != nil {
		return nil, err
	}
	if info.Status != Running {
		if _, err := db.UpdateRun(ctx, id, RunUpdate{Status: Running}); err != nil {
			return nil, err
		}
		info.Status = Running
	}
	return db.attach(ctx, info)
}

func (db *DB) attach(ctx context.Context, info RunInfo) (*Run, error) {
	r := &Run{db: db, info: info}
	if db.store == nil {
		return r, nil
	}
	series, err := db.openSeries(ctx, info.ID)
	if err != nil {
		return nil, err
	}
	// Points pass by the rows, so the run index is told beforehand. The handle
	// was there first, see store.Store.Idle.
	err = db.store.Update(ctx, Appended, func(tx *store.Tx) error {
		run, err := runOrd(tx, info.ID)
		if err != nil {
			return err
		}
		return index.Touch(tx, run)
	})
	if err != nil {
		series.Close()
		return nil, err
	}
	r.series = series
	return r, nil
}

// openSeries opens the series of an active run.
func (db *DB) openSeries(ctx context.Context, id string) (*store.Series, error) {
	var ord uint32
	find := func(tx *store.Tx) (err error) {
		ord, _, err = loadActiveRun(tx, id)
		return err
	}
	if err := db.store.View(ctx, find); err != nil {
		return nil, err
	}
	series, err := db.store.OpenSeries(ctx, ord)
	if err != nil {
		return nil, err
	}
	// From here on it cannot be purged, but it may have been.
	if err := db.store.View(ctx, find); err != nil {
		series.Close()
		return nil, err
	}
	return series, nil
}

func (db *DB) userName() string {
	if db.opt.User != "" {
		return db.opt.User
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// ID returns the run's id, "" for a nil run.
func (r *Run) ID() string {
	if r == nil {
		return ""
	}
	return r.info.ID
}

// Info returns the run's attributes as they were when it was started.
func (r *Run) Info() RunInfo {
	if r == nil {
		return RunInfo{}
	}
	return r.info
}

// Log logs one value of each metric at a step, with the present time. Metrics
// that are logged together share their step and time on disk. An error means
// that none was logged, unless there are more than 500.
func (r *Run) Log(ctx context.Context, step int64, m Metrics) error {
	if r == nil || len(m) == 0 {
		return nil
	}
	return r.LogAt(ctx, step, r.db.now(), m)
}

// LogAt is Log at a time in Unix ms, not before 1970.
func (r *Run) LogAt(ctx context.Context, step, at int64, m Metrics) error {
	if r == nil || len(m) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	set, err := r.set(ctx, m)
	if err != nil {
		return err
	}
	if at < 0 {
		return invalid("Timestamp must be a nonnegative long (64-bit integer), not %d", at)
	}
	set.step[0], set.time[0] = step, at
	values := set.values
	for _, g := range set.groups {
		n := g.Width()
		if err := g.Append(ctx, r.db.opt.Durability, set.step[:], set.time[:], values[:n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// set returns the set of the metrics' names with the values filled in. Called
// with mu held.
func (r *Run) set(ctx context.Context, m Metrics) (*metricSet, error) {
	if r.ended {
		return nil, r.over()
	}
	for i, s := range r.sets {
		if s.fill(m) {
			if i > 0 { // the next call is likely to be like this one
				r.sets[0], r.sets[i] = s, r.sets[0]
			}
			return s, nil
		}
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	s, err := r.newSet(ctx, names)
	if err != nil {
		return nil, err
	}
	s.fill(m)
	r.sets = append([]*metricSet{s}, r.sets...)
	if len(r.sets) > maxMetricSets {
		r.sets = r.sets[:maxMetricSets]
	}
	return s, nil
}

// over is the error of logging to a run that this program has ended.
func (r *Run) over() error {
	return store.Errorf(ErrConflict, "run %s has ended; ResumeRun goes on with it", r.info.ID)
}

// maxMetricSets bounds the combinations that a run remembers.
const maxMetricSets = 64

// fill takes over the values if the set has exactly the names of m.
func (s *metricSet) fill(m Metrics) bool {
	if len(m) != len(s.names) {
		return false
	}
	for name, v := range m {
		i, ok := s.index[name]
		if !ok {
			return false
		}
		s.values[i][0] = v
	}
	return true
}

func (r *Run) newSet(ctx context.Context, names []string) (*metricSet, error) {
	s := &metricSet{index: make(map[string]int, len(names)), names: names}
	series := make([]store.SeriesName, len(names))
	flat := make([]float64, len(names))
	for i, name := range names {
		if err := CheckKey(name, "Metric name", "name"); err != nil {
			return nil, err
		}
		s.index[name] = i
		series[i].Metric = name
		s.values = append(s.values, flat[i:i+1:i+1])
	}
	var err error
	s.groups, err = r.groups(ctx, series)
	return s, err
}

// groups returns where points of the series go. Called with mu held.
func (r *Run) groups(ctx context.Context, series []store.SeriesName) ([]pointGroup, error) {
	var out []pointGroup
	if r.series != nil {
		groups, err := r.series.Groups(ctx, series)
		for _, g := range groups {
			out = append(out, g)
		}
		return out, err
	}
	for part := range slices.Chunk(series, store.MaxGroup) {
		g, err := r.db.inbox.Group(ctx, r.info.ID, part)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// Columns are many points of several metrics that share their steps and times.
type Columns struct {
	Names  []string
	Steps  []int64
	Times  []int64     // Unix ms; nil is the present time
	Values [][]float64 // one slice for each name, as long as Steps
}

// Append logs columns. The slices are not kept. Columns of more than some
// 260,000 numbers go in pieces, of which an error may leave the first logged.
func (r *Run) Append(ctx context.Context, c Columns) error {
	if r == nil || len(c.Steps) == 0 {
		return nil
	}
	if len(c.Values) != len(c.Names) {
		return invalid("%d columns for %d names", len(c.Values), len(c.Names))
	}
	if c.Times == nil {
		c.Times = slices.Repeat([]int64{r.db.now()}, len(c.Steps))
	}
	for _, at := range c.Times {
		if at < 0 {
			return invalid("Timestamp must be a nonnegative long (64-bit integer), not %d", at)
		}
	}
	r.appends.RLock()
	defer r.appends.RUnlock()
	set, err := r.columnSet(ctx, c.Names)
	if err != nil {
		return err
	}
	values := make([][]float64, len(set.order))
	for k, i := range set.order {
		values[k] = c.Values[i]
	}
	for _, g := range set.groups {
		n := g.Width()
		if err := g.Append(ctx, r.db.opt.Durability, c.Steps, c.Times, values[:n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// columnSet returns where columns of these names go.
func (r *Run) columnSet(ctx context.Context, names []string) (columnSet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return columnSet{}, r.over()
	}
	if slices.Equal(names, r.last.names) {
		return r.last, nil
	}
	set := columnSet{names: slices.Clone(names), order: make([]int, len(names))}
	for i := range set.order {
		set.order[i] = i
	}
	slices.SortFunc(set.order, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	series := make([]store.SeriesName, len(names))
	for k, i := range set.order {
		if err := CheckKey(names[i], "Metric name", "name"); err != nil {
			return columnSet{}, err
		}
		if k > 0 && names[i] == series[k-1].Metric {
			return columnSet{}, invalid("metric %q twice in one call", names[i])
		}
		series[k].Metric = names[i]
	}
	var err error
	if set.groups, err = r.groups(ctx, series); err != nil {
		return columnSet{}, err
	}
	r.last = set
	return set, nil
}

// LogParam sets a param, which keeps its first value.
func (r *Run) LogParam(ctx context.Context, key, value string) error {
	if r == nil {
		return nil
	}
	return r.db.LogParam(ctx, r.info.ID, key, value)
}

// SetTag sets a tag.
func (r *Run) SetTag(ctx context.Context, key, value string) error {
	if r == nil {
		return nil
	}
	return r.db.SetTags(ctx, r.info.ID, KV{Key: key, Value: value})
}

// End ends the run with a status and makes everything logged to it survive
// power loss. Logging to it afterwards fails with [ErrConflict]; ending it
// again does nothing.
func (r *Run) End(ctx context.Context, status RunStatus) error {
	if r == nil {
		return nil
	}
	r.appends.Lock()
	defer r.appends.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	if !status.ended() {
		return invalid("a run ends as FINISHED, FAILED or KILLED, not %v", status)
	}
	defer func() {
		for _, rec := range r.recorders { // none when the run has ended
			rec.reopen()
		}
	}()
	for _, rec := range r.recorders {
		if err := rec.end(ctx); err != nil {
			return err
		}
	}
	if _, err := r.db.UpdateRun(ctx, r.info.ID, RunUpdate{Status: status, End: r.db.now()}); err != nil {
		return err
	}
	r.ended, r.recorders = true, nil
	if r.series != nil {
		r.series.Close()
	}
	return nil
}

// EndWith ends the run by how the function went in which it is deferred:
//
//	defer run.EndWith(ctx, &err)
//
// Finished when *err is nil; Killed when *err or ctx is a cancellation; Failed
// for other errors and for a panic, which goes on. An error in ending the run
// goes to *err if that is nil.
func (r *Run) EndWith(ctx context.Context, err *error) {
	panicked := recover()
	status := Finished
	switch {
	case panicked != nil:
		status = Failed
	case ctx.Err() != nil || err != nil && errors.Is(*err, context.Canceled):
		status = Killed
	case err != nil && *err != nil:
		status = Failed
	}
	// The end is recorded even though ctx is over.
	ended := r.End(context.WithoutCancel(ctx), status)
	if err != nil && *err == nil {
		*err = ended
	}
	if panicked != nil {
		panic(panicked)
	}
}

// Track starts a run, calls fn with it and ends it by how fn went, see
// [Run.EndWith].
func (db *DB) Track(ctx context.Context, experiment string, opt *RunOptions, fn func(ctx context.Context, run *Run) error) (err error) {
	run, err := db.StartRun(ctx, experiment, opt)
	if err != nil {
		return err
	}
	defer run.EndWith(ctx, &err)
	return fn(ctx, run)
}
