package export

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

var ctx = context.Background()

func open(t *testing.T) *runstone.DB {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// nasty are texts that a careless format loses.
var nasty = []string{
	"plain", "", " ", "a,b", `say "hi"`, "line\nbreak", "line\r\nbreak", "tab\tand\x01control", "Größe 数据 🎉",
	`{"json": [1, null]}`, "NULL", "null", "NaN", "1e5", "0012", "-0", "2026-01-01", "true", `back\slash`, "'", "=1+1", "\u2028",
}

// logged is what a test wrote: points by run, metric, model and dataset.
type logged map[pointRow][]runstone.Point

func (l logged) log(t testing.TB, db *runstone.DB, run string, metrics ...runstone.Metric) {
	require.NoError(t, db.LogBatch(ctx, run, runstone.Batch{Metrics: metrics}))
	for _, m := range metrics {
		k := pointRow{Run: run, Metric: m.Name, Model: m.Model, Dataset: m.Dataset, Digest: m.DatasetDigest}
		l[k] = append(l[k], runstone.Point{Step: m.Step, Time: m.Time, Value: m.Value})
	}
}

// rows returns what the table of points must hold of some runs, in order.
func (l logged) rows(runs ...string) []pointRow {
	var out []pointRow
	for k, points := range l {
		for _, p := range points {
			if slices.Contains(runs, k.Run) {
				k.Step, k.Time, k.Value = p.Step, millis(p.Time), p.Value
				out = append(out, k)
			}
		}
	}
	orZero := func(v float64) float64 {
		if math.IsNaN(v) {
			return 0
		}
		return v
	}
	slices.SortFunc(out, func(a, b pointRow) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Model, b.Model),
			cmp.Compare(a.Dataset, b.Dataset), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Step, b.Step),
			cmp.Compare(a.Time, b.Time), cmp.Compare(orZero(a.Value), orZero(b.Value)), cmp.Compare(math.Float64bits(a.Value), math.Float64bits(b.Value)))
	})
	return out
}

// samePoints compares bit for bit. Points of one step, time and rank of value
// may come in any order.
func samePoints(t require.TestingT, want, got []pointRow) {
	require.Len(t, got, len(want))
	line := func(p pointRow) string {
		return fmt.Sprintf("%s|%s|%s|%s|%s|%d|%d|%x", p.Run, p.Metric, p.Model, p.Dataset, p.Digest, p.Step, p.Time, math.Float64bits(p.Value))
	}
	place := func(p pointRow) pointRow { p.Value = 0; return p }
	var a, b []string
	for i := range want {
		require.Equal(t, place(want[i]), place(got[i]), "row %d", i)
		a, b = append(a, line(want[i])), append(b, line(got[i]))
	}
	slices.Sort(a)
	slices.Sort(b)
	require.Equal(t, a, b)
}

func readParquet[T any](t require.TestingT, name string) []T {
	rows, err := parquet.ReadFile[T](name)
	require.NoError(t, err)
	return rows
}

// readCSV returns the rows of a file by the names of its columns.
func readCSV(t require.TestingT, name string) []map[string]string {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, rec := range all[1:] {
		row := map[string]string{}
		for i, cell := range rec {
			row[all[0][i]] = cell
		}
		out = append(out, row)
	}
	return out
}

func csvPoints(t require.TestingT, name string) []pointRow {
	var out []pointRow
	for _, r := range readCSV(t, name) {
		p := pointRow{Run: r["run_id"], Metric: r["metric"], Model: r["model_id"], Dataset: r["dataset_name"], Digest: r["dataset_digest"]}
		var err error
		p.Step, err = strconv.ParseInt(r["step"], 10, 64)
		require.NoError(t, err)
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", r["timestamp"]); err == nil {
			p.Time = millis(at.UnixMilli())
		} else {
			ms, err := strconv.ParseInt(r["timestamp"], 10, 64)
			require.NoError(t, err)
			p.Time = millis(ms)
		}
		p.Value, err = strconv.ParseFloat(r["value"], 64)
		require.NoError(t, err)
		out = append(out, p)
	}
	return out
}

// seed makes two experiments with three runs, one of them deleted, full of
// values that are easily lost, and a registry.
func seed(t *testing.T, db *runstone.DB) (exps, runs []string, l logged) {
	t.Helper()
	l = logged{}
	for _, name := range []string{"a, \"b\"", "Größe"} {
		id, err := db.CreateExperiment(ctx, name, &runstone.ExperimentOptions{Tags: map[string]string{"note": nasty[5]}})
		require.NoError(t, err)
		exps = append(exps, id)
	}
	model := "m-00000000000000000000000000000001"
	for i, exp := range []string{exps[0], exps[1], exps[0]} {
		id := fmt.Sprintf("%032x", i+1)
		n := runstone.NewRun{ID: id, ExperimentID: exp, Name: nasty[5+i], User: "ad\xffa", Start: 1767225600000 + int64(i)}
		if i == 2 {
			n.Tags = []runstone.KV{{Key: runstone.TagParent, Value: runs[0]}}
		}
		_, err := db.CreateRun(ctx, n)
		require.NoError(t, err)
		runs = append(runs, id)
		var b runstone.Batch
		for k, text := range nasty {
			b.Params = append(b.Params, runstone.KV{Key: fmt.Sprintf("p/%d", k), Value: text})
			b.Tags = append(b.Tags, runstone.KV{Key: fmt.Sprintf("t %d ü", k), Value: text})
		}
		require.NoError(t, db.LogBatch(ctx, id, b))
		require.NoError(t, db.LogInputs(ctx, id, []lineage.Input{{
			Dataset: lineage.Dataset{Name: "digits", Digest: "d1", SourceType: "local", Source: `{"uri": "x"}`, Schema: "{}"},
			Tags:    []lineage.Tag{{Key: tagContext, Value: "train"}},
		}}, nil))
		if i == 0 {
			_, err := db.CreateLoggedModel(ctx, lineage.LoggedModel{ModelID: model, ExperimentID: exp, Name: "net", SourceRunID: id, Params: []lineage.Tag{{Key: "k", Value: nasty[4]}}})
			require.NoError(t, err)
			require.NoError(t, db.LogOutputs(ctx, id, []lineage.Output{{ModelID: model, Step: 3}}))
		}
		at := int64(1767225600000)
		values := []float64{1, math.NaN(), math.Copysign(0, -1), 0, math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324, 0.1, 1e21, -3}
		var metrics []runstone.Metric
		for s, v := range values {
			metrics = append(metrics,
				runstone.Metric{Name: "train/loss", Step: int64(s), Time: at + int64(s), Value: v},
				runstone.Metric{Name: "acc über", Step: 7, Time: at, Value: v},                              // one step
				runstone.Metric{Name: "back", Step: int64(100 - s), Time: at + int64(s), Value: float64(s)}) // descends
		}
		metrics = append(metrics,
			runstone.Metric{Name: "nan", Step: 1, Time: at, Value: math.NaN()},
			runstone.Metric{Name: "ends", Step: math.MinInt64, Time: 0, Value: 1},
			runstone.Metric{Name: "ends", Step: math.MaxInt64, Time: math.MaxInt64, Value: 2},
			runstone.Metric{Name: "about", Step: 1, Time: at, Value: 1},
			runstone.Metric{Name: "about", Step: 1, Time: at, Value: 2, Dataset: "digits", DatasetDigest: "d1"},
			runstone.Metric{Name: "about", Step: 1, Time: at, Value: 3, Model: model, Dataset: "digits", DatasetDigest: "d1"})
		l.log(t, db, id, metrics...)
		_, err = db.UpdateRun(ctx, id, runstone.RunUpdate{Status: runstone.Finished, End: n.Start + 1500})
		require.NoError(t, err)
	}
	require.NoError(t, db.DeleteRun(ctx, runs[2]))
	require.NoError(t, db.Update(ctx, func(tx *store.Tx) error {
		if _, err := lineage.CreateModel(tx, lineage.Author{At: 5}, "triage", nasty[4], nil); err != nil {
			return err
		}
		for range 2 {
			if _, err := lineage.CreateVersion(tx, lineage.Author{At: 6}, "triage", lineage.NewVersion{Source: "runs:/x", RunID: runs[0], Tags: []lineage.Tag{{Key: "k", Value: nasty[5]}}}); err != nil {
				return err
			}
		}
		if _, err := lineage.Transition(tx, lineage.Author{At: 7}, "triage", 2, lineage.StageProduction, false); err != nil {
			return err
		}
		return lineage.SetAlias(tx, lineage.Author{}, "triage", "champion", 1)
	}))
	return exps, runs, l
}

func fields(prefix, suffix string) map[string]string {
	m := map[string]string{}
	for k, v := range nasty {
		m[fmt.Sprintf("%s%d%s", prefix, k, suffix)] = v
	}
	return m
}

func TestParquet(t *testing.T) {
	db := open(t)
	exps, runs, l := seed(t, db)
	dir := filepath.Join(t.TempDir(), "out")
	report, err := Dir(ctx, db, dir, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Runs)

	part := func(table string, i int) string {
		return filepath.Join(dir, table, "experiment="+exps[i], "part-0.parquet")
	}
	for i, run := range runs[:2] {
		samePoints(t, l.rows(run), readParquet[pointRow](t, part("metrics", i)))

		rows := readParquet[runRow](t, part("runs", i))
		require.Len(t, rows, 1)
		r := rows[0]
		require.Equal(t, fields("p/", ""), r.Params)
		tags := fields("t ", " ü")
		tags[runstone.TagRunName] = nasty[5+i]
		require.Equal(t, tags, r.Tags)
		require.Equal(t, []any{run, nasty[5+i], exps[i], "ad\uFFFDa", "FINISHED", "active", ""},
			[]any{r.ID, r.Name, r.ExperimentID, r.User, r.Status, r.Lifecycle, r.Parent})
		require.Equal(t, []millis{1767225600000 + millis(i), 1767225601500 + millis(i)}, []millis{r.Start, r.End})
		require.EqualValues(t, 1500, *r.Duration)
		require.InDelta(t, 2, r.Metrics["ends"], 0)
		require.True(t, math.IsNaN(r.Metrics["nan"]))
		require.Len(t, r.Metrics, 6)

		series := readParquet[seriesRow](t, part("series", i))
		require.Len(t, series, 8)
		for _, s := range series {
			points := l[pointRow{Run: run, Metric: s.Metric, Model: s.Model, Dataset: s.Dataset, Digest: s.Digest}]
			require.EqualValues(t, len(points), s.Count, s.Metric)
			require.Equal(t, s.Metric == "nan", s.Min == nil && s.MaxStep == nil)
		}
		require.Equal(t, []string{"about", "about", "about", "acc über", "back", "ends", "nan", "train/loss"}, func() (names []string) {
			for _, s := range series {
				names = append(names, s.Metric)
			}
			return names
		}())
		data := readParquet[datasetRow](t, part("datasets", i))
		require.Equal(t, []datasetRow{{Run: run, Name: "digits", Digest: "d1", Context: "train", SourceType: "local", Source: `{"uri": "x"}`, Schema: "{}", Tags: map[string]string{tagContext: "train"}}}, data)
	}
	require.Equal(t, []string{"m-00000000000000000000000000000001"}, readParquet[runRow](t, part("runs", 0))[0].ModelOutputs)
	lm := readParquet[loggedModelRow](t, part("logged_models", 0))
	require.Equal(t, map[string]string{"k": nasty[4]}, lm[0].Params)
	all := readParquet[experimentRow](t, filepath.Join(dir, "experiments", "part-0.parquet"))
	require.Len(t, all, 3) // and Default
	require.Equal(t, map[string]string{"note": nasty[5]}, all[1].Tags)
	models := readParquet[modelRow](t, filepath.Join(dir, "models", "part-0.parquet"))
	require.Equal(t, map[string]int64{"champion": 1}, models[0].Aliases)
	versions := readParquet[versionRow](t, filepath.Join(dir, "versions", "part-0.parquet"))
	require.Equal(t, []string{"None", "Production"}, []string{versions[0].Stage, versions[1].Stage})
	require.Equal(t, []string{"champion"}, versions[0].Aliases)
	require.Equal(t, map[string]string{"k": nasty[5]}, versions[1].Tags)

	// What the report says is there, and nothing else.
	text, err := os.ReadFile(filepath.Join(dir, reportName))
	require.NoError(t, err)
	var kept Report
	require.NoError(t, json.Unmarshal(text, &kept))
	require.Equal(t, *report, kept)
	listed, bytes, rows := map[string]bool{reportName: true}, int64(0), int64(0)
	for _, table := range kept.Tables {
		for _, f := range table.Files {
			listed[f.Path] = true
			bytes, rows = bytes+f.Bytes, rows+f.Rows
			info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Path)))
			require.NoError(t, err)
			require.Equal(t, info.Size(), f.Bytes)
		}
	}
	require.Equal(t, []int64{bytes, rows}, []int64{kept.Bytes, kept.Rows})
	require.Equal(t, listed, tree(t, dir))
}

// tree returns the files below a folder.
func tree(t *testing.T, dir string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			out[filepath.ToSlash(rel)] = true
		}
		return err
	}))
	return out
}

func TestCSV(t *testing.T) {
	db := open(t)
	exps, runs, l := seed(t, db)
	dir := t.TempDir()
	report, err := Dir(ctx, db, dir, &Options{Format: CSV, View: runstone.All})
	require.NoError(t, err)
	require.EqualValues(t, 3, report.Runs)
	part := func(table string, i int) string {
		return filepath.Join(dir, table, "experiment="+exps[i], "part-0.csv")
	}
	samePoints(t, l.rows(runs[0], runs[2]), csvPoints(t, part("metrics", 0)))
	samePoints(t, l.rows(runs[1]), csvPoints(t, part("metrics", 1)))

	rows := readCSV(t, part("runs", 0))
	require.Len(t, rows, 2)
	require.Equal(t, []string{runs[0], "deleted", "2026-01-01T00:00:00.002Z", "2026-01-01T00:00:01.502Z", "1500"},
		[]string{rows[1]["parent_run_id"], rows[1]["lifecycle_stage"], rows[1]["start_time"], rows[1]["end_time"], rows[1]["duration_ms"]})
	require.Equal(t, `["m-00000000000000000000000000000001"]`, rows[0]["output_models"])
	require.Equal(t, "[]", rows[1]["output_models"])
	var params map[string]string
	require.NoError(t, json.Unmarshal([]byte(rows[0]["params"]), &params))
	require.Equal(t, fields("p/", ""), params)
	var metrics map[string]any
	require.NoError(t, json.Unmarshal([]byte(rows[0]["metrics"]), &metrics))
	require.Equal(t, "NaN", metrics["nan"])
	require.InDelta(t, -3, metrics["train/loss"], 0)
	series := readCSV(t, part("series", 1))
	require.Equal(t, []string{"nan", "", "1"}, []string{series[6]["metric"], series[6]["min"], series[6]["nan_count"]})
	require.Equal(t, "1.0", series[0]["latest"])
	versions := readCSV(t, filepath.Join(dir, "versions", "part-0.csv"))
	require.Equal(t, `["champion"]`, versions[0]["aliases"])
}

func TestChoice(t *testing.T) {
	db := open(t)
	exps, runs, _ := seed(t, db)
	for name, c := range map[string]struct {
		opt    Options
		points map[string]int // rows of points by metric
		runs   []string
	}{
		"filter":     {Options{Filter: "attributes.run_id LIKE '%2'", Metrics: []string{"nan"}}, map[string]int{"nan": 1}, runs[1:2]},
		"experiment": {Options{Experiments: []string{exps[1], exps[1]}, Metrics: []string{"a*"}}, map[string]int{"about": 3, "acc über": 11}, runs[1:2]},
		"deleted":    {Options{View: runstone.DeletedOnly, Metrics: []string{"?nds", "*/loss"}}, map[string]int{"ends": 2, "train/loss": 11}, runs[2:]},
		"no points":  {Options{NoMetrics: true}, map[string]int{}, runs[:2]},
		"runs only":  {Options{RunsOnly: true}, map[string]int{}, runs[:2]},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			report, err := Dir(ctx, db, dir, &c.opt)
			require.NoError(t, err)
			points, found := map[string]int{}, []string{}
			for _, table := range report.Tables {
				for _, f := range table.Files {
					file := filepath.Join(dir, filepath.FromSlash(f.Path))
					switch table.Name {
					case "metrics":
						for _, p := range readParquet[pointRow](t, file) {
							points[p.Metric]++
						}
					case "runs":
						for _, r := range readParquet[runRow](t, file) {
							found = append(found, r.ID)
							if len(c.opt.Metrics) > 0 {
								require.Len(t, r.Metrics, len(c.points))
							}
						}
					}
				}
			}
			require.Equal(t, c.points, points)
			require.ElementsMatch(t, c.runs, found)
			if c.opt.RunsOnly {
				require.Len(t, report.Tables, 1)
			}
		})
	}
	for _, opt := range []Options{{Filter: "metrics.loss <"}, {Format: "orc"}, {Experiments: []string{"12"}}} {
		dir := filepath.Join(t.TempDir(), "sub")
		_, err := Dir(ctx, db, dir, &opt)
		require.Error(t, err)
		require.NoDirExists(t, dir)
	}
	_, err := Dir(ctx, db, filepath.Join(db.Dir(), "sub"), nil)
	require.ErrorIs(t, err, runstone.ErrInvalid)
}

// TestEmpty: without runs every table still has a file with its columns.
func TestEmpty(t *testing.T) {
	db := open(t)
	for _, f := range []Format{Parquet, CSV} {
		dir := t.TempDir()
		report, err := Dir(ctx, db, dir, &Options{Format: f})
		require.NoError(t, err)
		require.Len(t, report.Tables, len(tableNames))
		require.Len(t, tree(t, dir), len(tableNames)+1)
		name := filepath.Join(dir, "metrics", "experiment=0", "part-0."+string(f))
		if f == CSV {
			require.Empty(t, readCSV(t, name))
		} else {
			require.Empty(t, readParquet[pointRow](t, name))
		}
	}
}

func TestReplace(t *testing.T) {
	db := open(t)
	exps, _, _ := seed(t, db)
	dir := t.TempDir()
	_, err := Dir(ctx, db, dir, nil)
	require.NoError(t, err)
	before := tree(t, dir)
	_, err = Dir(ctx, db, dir, nil)
	require.ErrorIs(t, err, ErrNotEmpty)

	// An export that fails leaves the earlier one.
	_, err = Dir(ctx, db, dir, &Options{Replace: true, Filter: "metrics."})
	require.Error(t, err)
	require.Equal(t, before, tree(t, dir))
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = Dir(canceled, db, dir, &Options{Replace: true})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, before, tree(t, dir))

	// A smaller one leaves nothing of it, but the files of others.
	other := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(other, []byte("mine"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, tempPrefix+"killed"), 0o700))
	_, err = Dir(ctx, db, dir, &Options{Replace: true, Experiments: exps[:1], RunsOnly: true})
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"notes.txt": true, reportName: true, "runs/experiment=" + exps[0] + "/part-0.parquet": true}, tree(t, dir))
	require.NoDirExists(t, filepath.Join(dir, tempPrefix+"killed"))

	foreign := filepath.Join(dir, "runs", "events.out")
	require.NoError(t, os.WriteFile(foreign, []byte("mine"), 0o600))
	_, err = Dir(ctx, db, dir, &Options{Replace: true})
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "events.out")
	require.FileExists(t, foreign)
}

func TestRuns(t *testing.T) {
	db := open(t)
	_, runs, _ := seed(t, db)
	var b bytes.Buffer
	report, err := Runs(ctx, db, &b, &Options{View: runstone.All})
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), report.Bytes)
	rows, err := parquet.Read[runRow](bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	require.Len(t, rows, len(runs))
	again := bytes.Buffer{}
	_, err = Runs(ctx, db, &again, &Options{View: runstone.All})
	require.NoError(t, err)
	require.True(t, bytes.Equal(b.Bytes(), again.Bytes()), "the same runs make the same bytes")
}

// TestOrder logs points in any order and reads them with little memory.
func TestOrder(t *testing.T) {
	db := open(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		run := fmt.Sprintf("%032x", n)
		_, err := db.CreateRun(ctx, runstone.NewRun{ID: run, Experiment: "order"})
		require.NoError(rt, err)
		steps := rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, math.MaxInt64}))
		l := logged{}
		var all []runstone.Metric
		for range rapid.IntRange(0, 200).Draw(rt, "points") {
			all = append(all, runstone.Metric{
				Name: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "metric"), Dataset: rapid.SampledFrom([]string{"", "d"}).Draw(rt, "dataset"),
				Step: steps.Draw(rt, "step"), Time: rapid.Int64Range(0, 50).Draw(rt, "time"), Value: rapid.Float64().Draw(rt, "value"),
			})
			if d := &all[len(all)-1]; d.Dataset != "" {
				d.DatasetDigest = "1"
			}
		}
		if len(all) > 0 {
			l.log(t, db, run, all...)
		}
		x, err := newExporter(db, nil)
		require.NoError(rt, err)
		dir, err := os.MkdirTemp(t.TempDir(), "order")
		require.NoError(rt, err)
		x.temp = dir
		to := newTable[pointRow](x, "metrics")
		w := pointWriter{x: x, to: to, max: rapid.IntRange(1, 60).Draw(rt, "memory")}
		sums, err := db.Metrics(ctx, run)
		require.NoError(rt, err)
		require.NoError(rt, w.run(ctx, run, sums))
		require.NoError(rt, to.finish(false))
		samePoints(rt, l.rows(run), readParquet[pointRow](rt, filepath.Join(dir, "metrics", "part-0.parquet")))
	})
}
