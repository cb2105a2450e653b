package runstone

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// twin is a database and what a test keeps of it: every change goes to both.
type twin struct {
	t    require.TestingT
	dir  string
	db   *DB
	n    *naive
	exps []*keptExperiment
	open map[*keptRun]*Run
}

// tiny makes blocks so small that curves of some points have several.
func tiny() *Options {
	return &Options{NoSystemInfo: true, User: "ada", tune: func(o *store.Options) {
		o.BlockPoints, o.CheckpointBytes, o.HeadBytes = 8, 256<<10, 64<<10
	}}
}

const twinStart = 1_700_000_000_000

func newTwin(t require.TestingT, dir string, opt *Options) *twin {
	w := &twin{t: t, dir: dir, n: &naive{now: twinStart}, open: map[*keptRun]*Run{}}
	w.reopen(opt)
	return w
}

func (w *twin) ok(err error) { require.NoError(w.t, err) }

// reopen closes the database and opens it again.
func (w *twin) reopen(opt *Options) {
	if w.db != nil {
		clear(w.open)
		w.ok(w.db.Close())
	}
	var err error
	w.db, err = Open(w.dir, opt)
	w.ok(err)
	w.db.now = func() int64 { return w.n.now }
}

func (w *twin) tick(ms int64) { w.n.now += ms }

func (w *twin) experiment(name string) *keptExperiment {
	for _, e := range w.exps {
		if e.name == name {
			return e
		}
	}
	id, err := w.db.CreateExperiment(ctx, name, nil)
	w.ok(err)
	e := &keptExperiment{id: id, name: name}
	w.exps = append(w.exps, e)
	return e
}

// run makes a run.
func (w *twin) run(e *keptExperiment, name string, start int64, params, tags map[string]string) *keptRun {
	// Ids tell the order where start times do not, so they are not made up.
	id := fmt.Sprintf("%032x", (len(w.n.runs)+1)*0x9e3779b1%(1<<32))
	info, err := w.db.CreateRun(ctx, NewRun{ID: id, ExperimentID: e.id, Name: name, User: "ada", Start: start, Tags: sortedKVs(tags)})
	w.ok(err)
	w.ok(w.db.LogBatch(ctx, info.ID, Batch{Params: sortedKVs(params)}))
	r := &keptRun{
		id: info.ID, name: info.Name, user: info.User, uri: info.ArtifactURI, exp: e, status: info.Status, start: info.Start,
		params: params, tags: map[string]string{}, points: map[string][]keptPoint{},
	}
	for k, v := range tags {
		r.tags[k] = v
	}
	w.n.runs = append(w.n.runs, r)
	return r
}

// start begins a run that stays open for logging.
func (w *twin) start(e *keptExperiment, name string, params, tags map[string]string) *keptRun {
	r := w.run(e, name, w.n.now, params, tags)
	run, err := w.db.ResumeRun(ctx, r.id)
	w.ok(err)
	w.open[r] = run
	return r
}

// log logs points in one batch; the name of each is that of its metric.
func (w *twin) log(r *keptRun, batch ...Metric) {
	w.ok(w.db.LogBatch(ctx, r.id, Batch{Metrics: batch}))
	for _, m := range batch {
		r.take(m)
	}
}

func (r *keptRun) take(m Metric) {
	r.points[m.Name] = append(r.points[m.Name], keptPoint{m.Step, m.Time, m.Value, m.Dataset, m.DatasetDigest, m.Model})
}

// curve logs a curve through a run that is opened for it, a point for each step
// from 0 and a second for each.
func (w *twin) curve(r *keptRun, metric string, n int, at func(step int) float64) {
	run, err := w.db.ResumeRun(ctx, r.id)
	w.ok(err)
	defer run.series.Close()
	r.status = Running
	c := Columns{Names: []string{metric}, Values: [][]float64{nil}}
	for step := range n {
		c.Steps, c.Times = append(c.Steps, int64(step)), append(c.Times, r.start+1000*int64(step))
		c.Values[0] = append(c.Values[0], at(step))
		r.take(Metric{Name: metric, Value: at(step), Step: int64(step), Time: r.start + 1000*int64(step)})
	}
	w.ok(run.Append(ctx, c))
}

func (w *twin) end(r *keptRun, status RunStatus, end int64) {
	_, err := w.db.UpdateRun(ctx, r.id, RunUpdate{Status: status, End: end})
	w.ok(err)
	if status != 0 {
		r.status = status
	}
	if end != 0 {
		r.end = end
	}
}

func (w *twin) rename(r *keptRun, name string) {
	_, err := w.db.UpdateRun(ctx, r.id, RunUpdate{Name: name})
	w.ok(err)
	r.name = name
}

func (w *twin) tag(r *keptRun, key, value string) {
	w.ok(w.db.SetTags(ctx, r.id, KV{Key: key, Value: value}))
	r.tags[key] = value
}

func (w *twin) untag(r *keptRun, key string) {
	w.ok(w.db.DeleteTag(ctx, r.id, key))
	delete(r.tags, key)
}

func (w *twin) input(r *keptRun, name, digest, context string) {
	in := lineage.Input{Dataset: lineage.Dataset{Name: name, Digest: digest, SourceType: "local", Source: "x"}}
	if context != "" {
		in.Tags = []lineage.Tag{{Key: "mlflow.data.context", Value: context}}
	}
	w.ok(w.db.LogInputs(ctx, r.id, []lineage.Input{in}, nil))
	if !slices.ContainsFunc(r.inputs, func(k keptInput) bool { return k.name == name && k.digest == digest }) {
		r.inputs = append(r.inputs, keptInput{name, digest, context})
	}
}

// model makes a logged model, of a run or of nobody.
func (w *twin) model(e *keptExperiment, r *keptRun) string {
	m := lineage.LoggedModel{ExperimentID: e.id, ModelID: fmt.Sprintf("m-%032x", w.n.now), Status: lineage.LoggedReady}
	if r != nil {
		m.SourceRunID = r.id
	}
	made, err := w.db.CreateLoggedModel(ctx, m)
	w.ok(err)
	w.tick(1)
	if r != nil {
		w.ok(w.db.LogOutputs(ctx, r.id, []lineage.Output{{ModelID: made.ModelID}}))
		r.makes = append(r.makes, made.ModelID)
	}
	return made.ModelID
}

func (w *twin) reads(r *keptRun, model string) {
	w.ok(w.db.LogInputs(ctx, r.id, nil, []string{model}))
	if !slices.Contains(r.reads, model) {
		r.reads = append(r.reads, model)
	}
}

// version registers a version of a model, made of a run or of a logged model.
func (w *twin) version(name string, r *keptRun, model string) *keptVersion {
	v := &keptVersion{name: name, number: 1, stage: "None", model: model}
	err := w.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := lineage.GetModel(tx, name); err != nil {
			if _, err := lineage.CreateModel(tx, lineage.Author{At: w.n.now}, name, "", nil); err != nil {
				return err
			}
		}
		made := lineage.NewVersion{Source: "mlflow-artifacts:/x", ModelID: model}
		if r != nil {
			made.RunID = r.id
		}
		m, err := lineage.CreateVersion(tx, lineage.Author{At: w.n.now}, name, made)
		if err == nil {
			v.number, v.run = m.Version, m.RunID
		}
		return err
	})
	w.ok(err)
	w.n.versions = append(w.n.versions, v)
	return v
}

func (w *twin) alias(v *keptVersion, alias string) {
	w.ok(w.db.Update(ctx, func(tx *store.Tx) error { return lineage.SetAlias(tx, lineage.Author{}, v.name, alias, v.number) }))
	for _, o := range w.n.versions {
		if o.name == v.name {
			o.aliases = slices.DeleteFunc(o.aliases, func(a string) bool { return a == alias })
		}
	}
	v.aliases = append(v.aliases, alias)
}

func (w *twin) stage(v *keptVersion, stage string) {
	_, err := w.db.PromoteModel(ctx, v.name, v.number, stage, nil)
	w.ok(err)
	v.stage = stage
}

func (w *twin) delete(r *keptRun) {
	w.ok(w.db.DeleteRun(ctx, r.id))
	r.deleted = true
}

func (w *twin) restore(r *keptRun) {
	w.ok(w.db.RestoreRun(ctx, r.id))
	r.deleted, r.withExp = false, false
}

func (w *twin) purge(r *keptRun) {
	_, err := w.db.Purge(ctx, &PurgeOptions{Runs: []string{r.id}})
	w.ok(err)
	r.purged = true
}

func (w *twin) deleteExperiment(e *keptExperiment) {
	w.ok(w.db.DeleteExperiment(ctx, e.id))
	e.deleted = true
	for _, r := range w.n.runs {
		if r.exp == e && !r.deleted {
			r.deleted, r.withExp = true, true
		}
	}
}

func (w *twin) restoreExperiment(e *keptExperiment) {
	w.ok(w.db.RestoreExperiment(ctx, e.id))
	e.deleted = false
	for _, r := range w.n.runs {
		if r.exp == e && r.withExp {
			r.deleted, r.withExp = false, false
		}
	}
}

// live are the runs that take changes.
func (w *twin) live() []*keptRun {
	return slices.DeleteFunc(slices.Clone(w.n.runs), func(r *keptRun) bool { return r.deleted || r.purged })
}

// same compares an answer of a database with the naive one, page by page to the
// end.
func (w *twin) same(db *DB, text string, opt SearchOptions) {
	what := func() string {
		return fmt.Sprintf("%s\norder %q, limit %d, offset %d, view %d", text, opt.OrderBy, opt.Limit, opt.Offset, opt.View)
	}
	n := *w.n
	n.view, n.within = opt.View, opt.Experiments
	opt.Total = true
	q, err := opt.parse(0, text)
	require.NoError(w.t, err, what())
	page, err := db.SearchRunIDs(ctx, text, &opt)
	require.NoError(w.t, err, what())
	if q.GroupBy != nil {
		table, total := n.groups(q)
		require.Equal(w.t, total, page.Total, what())
		requireTable(w.t, table, page.Table, what())
		return
	}
	w.wholes(db, text, opt)
	found := n.find(q)
	require.Equal(w.t, len(found), page.Total, what())
	want := []string{}
	for _, r := range found[min(q.Offset, len(found)):] {
		want = append(want, r.id)
	}
	got, table := append([]string{}, page.Items...), page.Table
	for page.Next != "" {
		require.Len(w.t, page.Items, q.Limit, what())
		next := opt
		next.After = page.Next
		page, err = db.SearchRunIDs(ctx, text, &next)
		require.NoError(w.t, err, what())
		got, table = append(got, page.Items...), append(table, page.Table...)
		require.LessOrEqual(w.t, len(got), len(want), what())
	}
	require.Equal(w.t, w.names(want), w.names(got), what())
	require.Equal(w.t, want, got, what())
	if q.Select != nil {
		lines := [][]any{}
		for _, r := range found[min(q.Offset, len(found)):] {
			var line []any
			for _, item := range q.Select {
				line = append(line, orNil(n.values(item.X, r))[0])
			}
			lines = append(lines, line)
		}
		requireTable(w.t, lines, table, what())
	}
}

// wholes holds the runs of a page, some of which were kept, against the records.
func (w *twin) wholes(db *DB, text string, opt SearchOptions) {
	page, err := db.SearchRuns(ctx, text, &opt)
	require.NoError(w.t, err, text)
	for _, got := range page.Items {
		want, err := db.Run(ctx, got.ID)
		require.NoError(w.t, err)
		require.Equal(w.t, textOf(want), textOf(got), text)
		spoil(got) // which is the caller's
	}
}

func (w *twin) names(ids []string) []string {
	out := []string{}
	for _, id := range ids {
		for i, r := range w.n.runs {
			if r.id == id {
				out = append(out, strconv.Itoa(i)+":"+r.name)
			}
		}
	}
	return out
}

func requireTable(t require.TestingT, want, got [][]any, what string) {
	require.Len(t, got, len(want), what)
	for i := range want {
		require.Len(t, got[i], len(want[i]), what)
		for k, v := range want[i] {
			f, ok := v.(float64)
			g, also := got[i][k].(float64)
			if !ok || !also {
				require.Equal(t, v, got[i][k], "line %d, cell %d of\n%s", i, k, what)
				continue
			}
			near := f == g || f != f && g != g || math.Abs(f-g) <= 1e-6*max(1, math.Abs(f))
			require.True(t, near, "%v is not %v in line %d, cell %d of\n%s", g, f, i, k, what)
		}
	}
}
