package runstone

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestSearchModel holds searches against the naive evaluator: random changes of
// a database, and between them random queries made of those of docs/QUERY.md.
func TestSearchModel(t *testing.T) {
	times := 1
	if torture() {
		times = 50
	}
	for range times {
		modelCheck(t)
	}
}

func modelCheck(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		d := &dice{t: rt}
		d.dense = d.n(2) == 0
		where := filepath.Join(dir, strconv.Itoa(n))
		w := newTwin(rt, where, tiny())
		defer func() {
			_ = w.db.Close()
			_ = os.RemoveAll(where)
		}()
		d.changes(w, 8)
		for range 3 {
			d.changes(w, d.n(6))
			if d.n(2) == 0 {
				w.ok(w.db.Fold(ctx))
				d.changes(w, d.n(3))
			}
			for range 8 {
				w.same(w.db, d.query(w), d.options(w))
			}
		}
		if d.n(3) > 0 {
			return
		}
		ro, err := Open(where, &Options{ReadOnly: true, tune: tiny().tune})
		w.ok(err)
		ro.now = w.db.now
		for range 6 {
			w.same(ro, d.query(w), d.options(w))
		}
		w.ok(ro.Close())
	})
}

// dice draws changes and queries.
type dice struct {
	t     *rapid.T
	depth int
	dense bool // all runs have some metrics, so that the index may know more of them
}

func (d *dice) n(to int) int { return rapid.IntRange(0, to-1).Draw(d.t, "n") }
func (d *dice) one(list ...string) string {
	return rapid.SampledFrom(list).Draw(d.t, "one")
}

func draw[T any](d *dice, list []T) T { return rapid.SampledFrom(list).Draw(d.t, "draw") }

var keptValues = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 0.25, 0.5, 0.5, 1, -1, 2, 100, -0.25, 0.75}

// maybe makes a map of some keys, of which values may be missing.
func (d *dice) maybe(keys string, values ...string) map[string]string {
	out := map[string]string{}
	for i, k := range strings.Fields(keys) {
		if v := d.one(strings.Fields(values[i])...); v != "-" {
			out[k] = v
		}
	}
	return out
}

func (d *dice) params() map[string]string {
	return d.maybe("model lr depth seed study", "logreg xgb xgb mlp -", "0.01 0.1 1e-3 0.010 x -", "3 4 10 -", "1 2 7 12 -", "hpo-4 hpo-5 -")
}

func (d *dice) tags(w *twin) map[string]string {
	tags := d.maybe("env note", "prod stage dev -", "retrained RETRAIN fresh -")
	if len(w.n.runs) > 0 && d.n(3) == 0 {
		tags[TagParent] = draw(d, w.n.runs).id
	}
	return tags
}

func (d *dice) experiment(w *twin) *keptExperiment {
	e := w.experiment(d.one("one", "two", "three"))
	if e.deleted {
		w.restoreExperiment(e)
	}
	return e
}

var (
	metricNames = []string{"loss", "val_loss", "acc", "auc", "tp", "fn", "mem"}
	runNames    = []string{"sepsis", "Sepsis-2", "other", "x"}
)

func (d *dice) changes(w *twin, n int) {
	for range n {
		w.tick(int64(d.n(3)) * 40_000)
		d.change(w)
	}
}

// change does one thing to a database.
func (d *dice) change(w *twin) {
	live := w.live()
	if len(live) == 0 || d.n(5) == 0 {
		e := d.experiment(w)
		var r *keptRun
		if d.n(4) == 0 {
			r = w.start(e, draw(d, runNames), d.params(), d.tags(w))
		} else {
			r = w.run(e, draw(d, runNames), w.n.now-int64(d.n(5))*1000, d.params(), d.tags(w))
		}
		if d.dense {
			for _, name := range []string{"loss", "auc"} {
				w.log(r, Metric{Name: name, Value: draw(d, keptValues[3:]), Time: w.n.now})
			}
		}
		return
	}
	r := draw(d, live)
	switch d.n(22) {
	case 0, 1, 2, 3, 4, 5:
		d.points(w, r)
	case 6:
		w.tag(r, d.one("env", "note"), d.one("prod", "dev", "retrain it", ""))
	case 7:
		if _, ok := r.tags["env"]; ok {
			w.untag(r, "env")
		}
	case 8:
		w.tag(r, TagParent, draw(d, w.n.runs).id)
	case 9:
		w.end(r, draw(d, []RunStatus{Finished, Failed, Killed, Running, 0}), draw(d, []int64{0, w.n.now, r.start + 3_600_001}))
	case 10:
		w.rename(r, draw(d, runNames))
	case 11:
		w.delete(r)
	case 12:
		d.gone(w)
	case 13:
		d.experiments(w)
	case 14, 15:
		w.input(r, d.one("cohort-a", "cohort-b"), d.one("d1", "d2"), d.one("train", "holdout", ""))
	case 16, 17:
		d.models(w, r)
	case 18, 19:
		w.ok(w.db.Fold(ctx))
	case 20:
		w.ok(w.db.Reindex(ctx, nil))
	default:
		w.reopen(tiny())
	}
}

// gone restores or purges a run.
func (d *dice) gone(w *twin) {
	deleted := slices.DeleteFunc(slices.Clone(w.n.runs), func(r *keptRun) bool {
		return r.purged || !r.deleted || w.open[r] != nil || r.exp.deleted
	})
	if len(deleted) == 0 {
		return
	}
	if r := draw(d, deleted); d.n(2) == 0 {
		w.restore(r)
	} else {
		w.purge(r)
	}
}

func (d *dice) experiments(w *twin) {
	e := draw(d, w.exps)
	switch {
	case e.deleted:
		w.restoreExperiment(e)
	case d.n(3) == 0:
		name := e.name + "'"
		w.ok(w.db.RenameExperiment(ctx, e.id, name))
		e.name = name
	default:
		w.deleteExperiment(e)
	}
}

// points logs some points, out of order too.
func (d *dice) points(w *twin, r *keptRun) {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(metricNames), 1, 3, rapid.ID[string]).Draw(d.t, "names")
	about := Metric{}
	if d.n(4) == 0 {
		about.Dataset, about.DatasetDigest = d.one("cohort-a", "cohort-b"), d.one("d1", "d2", "")
	}
	steps := d.n(20) + 1
	from, by := int64(d.n(40)), draw(d, []int64{1, 1, 1, 3, -1, 0})
	if run := w.open[r]; run != nil && d.n(2) == 0 {
		values := Metrics{}
		for _, name := range names {
			values[name] = draw(d, keptValues)
			r.take(Metric{Name: name, Step: from, Time: w.n.now, Value: values[name]})
		}
		w.ok(run.LogAt(ctx, from, w.n.now, values))
		w.tick(1)
		return
	}
	values := keptValues
	if d.n(8) == 0 {
		values = keptValues[:1] // NaN, and nothing else
	}
	var batch []Metric
	for i := range steps {
		for _, name := range names {
			m := about
			m.Name, m.Step, m.Time, m.Value = name, from+by*int64(i), w.n.now, draw(d, values)
			batch = append(batch, m)
		}
		w.tick(int64(d.n(3)*500 + 1))
	}
	w.log(r, batch...)
}

func (d *dice) models(w *twin, r *keptRun) {
	switch d.n(6) {
	case 0, 1:
		w.model(r.exp, r)
	case 2:
		var made []string
		for _, o := range w.n.runs {
			made = append(made, o.makes...)
		}
		if len(made) > 0 {
			w.reads(r, draw(d, made))
		}
	case 3:
		model := ""
		if len(r.makes) > 0 && d.n(2) == 0 {
			model = draw(d, r.makes)
		}
		w.version(d.one("sepsis-dx", "other"), r, model)
	default:
		if len(w.n.versions) == 0 {
			return
		}
		v := draw(d, w.n.versions)
		if d.n(2) == 0 {
			w.alias(v, d.one("production", "canary"))
		} else {
			w.stage(v, d.one("Staging", "Production", "Archived"))
		}
	}
}

// options are those of a search that are not in its text.
func (d *dice) options(w *twin) SearchOptions {
	opt := SearchOptions{View: draw(d, []ViewType{ActiveOnly, ActiveOnly, ActiveOnly, All, DeletedOnly})}
	if d.n(4) == 0 {
		opt.Experiments = []string{}
		for range d.n(3) {
			opt.Experiments = append(opt.Experiments, draw(d, w.exps).id)
		}
	}
	return opt
}

func (d *dice) query(w *twin) string {
	if d.n(5) == 0 {
		return d.grouped(w)
	}
	text := ""
	if d.n(12) > 0 {
		text = d.condition(w)
	}
	if d.n(5) == 0 {
		text += " SELECT " + d.value() + ", run_id, " + d.value() + " AS v"
	}
	if d.n(2) == 0 {
		sorts := []string{}
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			"metrics.loss", "max(metrics.auc)", // oftener, because the index knows their bounds
			"metrics.acc", "metrics.auc", "params.lr", "params.lr + 0", "argmin(metrics.val_loss)", "start_time", "end_time",
			"min(metrics.loss)", "run_name", "experiment_id", "duration", "tags.env", "metrics.tp / metrics.fn", "status",
			"count(metrics.loss) OVER LAST 5 STEPS", "metrics.auc{context='holdout'}",
		}), 1, 3, rapid.ID[string]).Draw(d.t, "sorts")
		for _, k := range keys {
			sorts = append(sorts, k+d.one("", " DESC", " ASC", " DESC NULLS FIRST", " NULLS FIRST"))
		}
		text += " ORDER BY " + strings.Join(sorts, ", ")
	}
	if d.n(2) == 0 {
		text += fmt.Sprint(" LIMIT ", d.n(5)+1)
		if d.n(3) == 0 {
			text += fmt.Sprint(" OFFSET ", d.n(4))
		}
	}
	return text
}

func (d *dice) grouped(w *twin) string {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"params.model", "params.depth", "status", "tags.env", "floor(metrics.loss)", "experiment_name", "metrics.acc", "start_time % 2000",
	}), 1, 2, rapid.ID[string]).Draw(d.t, "keys")
	text := ""
	if d.n(2) == 0 {
		text = d.condition(w)
	}
	of := func() string {
		return d.one("metrics.auc", "metrics.loss", "min(metrics.val_loss)", "count(metrics.loss)", "metrics.tp / 4", "params.seed + 0", "start_time - 1700000000000")
	}
	exact := func() string {
		return d.one("count()", "count("+of()+")", d.one("min", "max", "sum", "median", "best", "worst", "mean")+"("+of()+")")
	}
	text += " GROUP BY " + strings.Join(keys, ", ") + " SELECT " + keys[0] + ", " + exact() + " AS b, " +
		d.one("ci95", "std", "mean") + "(" + of() + "), " + d.one("first(params.model)", "count(tags.note)", exact())
	per := d.n(3) == 0
	if d.n(3) == 0 {
		text += " HAVING " + d.one("count() > 1", "NOT b > 0", "b IS NULL OR count() = 1", "max(metrics.loss) - min(metrics.loss) >= 0")
	}
	if d.n(2) == 0 {
		text += " ORDER BY " + d.one("2", "b DESC", "count() DESC", keys[0]+" DESC NULLS FIRST")
	}
	if per {
		return text + fmt.Sprintf(" LIMIT %d PER GROUP", d.n(3)+1)
	}
	if d.n(3) == 0 {
		text += fmt.Sprint(" LIMIT ", d.n(4)+1)
	}
	return text
}
