package runstone

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/lineage"
)

const (
	importedSteps = 125_000 // of two metrics: 250,000 points
	importedLogs  = 5_000   // steps that the source yields at once
)

var errSource = errors.New("the source broke")

// importedPoints yields the points of a run, and errSource behind the first
// steps of them unless that is all.
func importedPoints(steps int) iter.Seq2[[]SeriesColumns, error] {
	return func(yield func([]SeriesColumns, error) bool) {
		for at := 0; at < steps; at += importedLogs {
			n := min(importedLogs, steps-at)
			loss := SeriesColumns{SeriesName: SeriesName{Metric: "loss"}, PointColumns: PointColumns{
				Steps: make([]int64, n), Times: make([]int64, n), Values: make([]float64, n),
			}}
			acc := loss
			acc.Metric, acc.Values = "acc", make([]float64, n)
			for i := range n {
				step := at + i
				loss.Steps[i], loss.Times[i] = int64(step), int64(1_700_000_000_000+10*step)
				loss.Values[i], acc.Values[i] = 1/float64(1+step), math.Sin(float64(step))
				if step%1000 == 7 {
					acc.Values[i] = math.NaN()
				}
			}
			if !yield([]SeriesColumns{loss, acc}, nil) {
				return
			}
		}
		if steps < importedSteps {
			yield(nil, errSource)
		}
	}
}

func noPoints(func([]SeriesColumns, error) bool) {}

// onePoint yields one point of the metric "m".
func onePoint(value float64) iter.Seq2[[]SeriesColumns, error] {
	return func(yield func([]SeriesColumns, error) bool) {
		yield([]SeriesColumns{{SeriesName{Metric: "m"}, PointColumns{Steps: []int64{1}, Times: []int64{2}, Values: []float64{value}}}}, nil)
	}
}

func importedExperiment() Experiment {
	made := time.UnixMilli(1_600_000_000_000).UTC()
	return Experiment{ID: "77", Name: "from there", Location: "mlflow-artifacts:/77", Created: made, Updated: made.Add(time.Hour), Tags: map[string]string{"team": "vision"}}
}

func importedRun() *ImportedRun {
	return &ImportedRun{
		RunInfo: RunInfo{ID: "aaaabbbbccccddddaaaabbbbccccdddd", Name: "r", ExperimentID: "77", User: "ada", Status: Failed, Start: 5, End: 9},
		Params:  []KV{{Key: "lr", Value: "0.1"}}, Tags: []KV{{Key: "kind", Value: "old"}, {Key: "z", Value: ""}},
		Inputs: []lineage.Input{{Dataset: lineage.Dataset{Name: "iris", Digest: "abc", SourceType: "local", Source: "{}"}, Tags: []lineage.Tag{{Key: "mlflow.data.context", Value: "train"}}}},
		Models: RunModels{Outputs: []lineage.Output{{ModelID: importedLogged().ModelID, Step: 3}}},
	}
}

func importedLogged() lineage.LoggedModel {
	return lineage.LoggedModel{
		ModelID: "m-0123456789abcdef0123456789abcdef", ExperimentID: "77", Name: "net", ModelType: "classifier", SourceRunID: "aaaabbbbccccddddaaaabbbbccccdddd",
		Status: lineage.LoggedReady, ArtifactURI: "s3://b/m", CreatedAt: 3, UpdatedAt: 4,
		Params: []lineage.Tag{{Key: "depth", Value: "2"}}, Tags: []lineage.Tag{{Key: "a", Value: "b"}},
	}
}

func importedModel() (lineage.RegisteredModel, []*lineage.ModelVersion) {
	version := func(n int, stage string) *lineage.ModelVersion {
		return &lineage.ModelVersion{
			Model: "forest", Version: n, CreatedAt: 20, UpdatedAt: 30, Source: "s3://b/f", StorageLocation: "s3://b/f",
			RunID: "aaaabbbbccccddddaaaabbbbccccdddd", Status: lineage.VersionReady, Stage: stage, Tags: []lineage.Tag{{Key: "checked", Value: "yes"}},
		}
	}
	return lineage.RegisteredModel{
		Name: "forest", Description: "trees", CreatedAt: 10, UpdatedAt: 40, LastVersion: 5,
		Tags: []lineage.Tag{{Key: "task", Value: "tabular"}}, Aliases: []lineage.Alias{{Name: "champion", Version: 4}},
	}, []*lineage.ModelVersion{version(2, "Production"), version(4, lineage.StageNone)}
}

// importAll imports one of everything and reports what was added.
func importAll(t *testing.T, db *DB) []bool {
	t.Helper()
	exp, err := db.ImportExperiment(ctx, importedExperiment())
	require.NoError(t, err)
	run, err := db.ImportRun(ctx, importedRun(), onePoint(0.5))
	require.NoError(t, err)
	require.EqualValues(t, 1, run.Points)
	logged, err := db.ImportLoggedModel(ctx, importedLogged())
	require.NoError(t, err)
	m, versions := importedModel()
	model, err := db.ImportModel(ctx, m, versions)
	require.NoError(t, err)
	return []bool{exp, run.Added, logged, model}
}

// registryDigest tells what of a database is not in its digest.
func registryDigest(t *testing.T, db *DB) string {
	t.Helper()
	versions, err := db.SearchVersions(ctx, "", &SearchOptions{Limit: 100})
	require.NoError(t, err)
	logged, err := db.SearchLoggedModels(ctx, "", &LoggedModelSearch{SearchOptions: SearchOptions{Experiments: []string{"77"}, Limit: 100}})
	require.NoError(t, err)
	out := ""
	for m, err := range db.Models(ctx) {
		require.NoError(t, err)
		m.LatestVersions = nil
		out += fmt.Sprintf("%+v\n", *m)
	}
	for _, v := range versions.Items {
		out += fmt.Sprintf("%+v\n", *v)
	}
	for _, m := range logged.Items {
		out += fmt.Sprintf("%+v\n", *m.Model)
	}
	return out
}

// TestImportTwice: a second import, here and after a restart, changes nothing,
// and neither does one that is dry.
func TestImportTwice(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir, small())
	require.Equal(t, []bool{true, true, true, true}, importAll(t, db))
	state := func(db *DB) string {
		d, err := digest(db)
		require.NoError(t, err)
		return d + registryDigest(t, db)
	}
	before := state(db)
	require.Contains(t, before, "champion")
	require.Contains(t, before, "classifier")
	require.Equal(t, make([]bool, 4), importAll(t, db))
	require.Equal(t, before, state(db))
	require.NoError(t, db.Close())

	db = openDB(t, dir, small())
	require.Equal(t, make([]bool, 4), importAll(t, db))
	require.Equal(t, before, state(db))
	require.NoError(t, db.Close())

	opt := small()
	opt.ReadOnly = true
	db = openDB(t, dir, opt)
	require.Equal(t, make([]bool, 4), importAll(t, db))
	other := importedRun()
	other.ID = "new"
	out, err := db.ImportRun(ctx, other, onePoint(1))
	require.NoError(t, err)
	require.True(t, out.Added)
	require.EqualValues(t, 1, out.New)
	require.Equal(t, before, state(db))
}

// TestImportKeeps: what comes in reads back as it was, and numbers of versions
// go on where they were.
func TestImportKeeps(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	importAll(t, db)
	want := importedRun()
	r, err := db.Run(ctx, want.ID)
	require.NoError(t, err)
	want.ArtifactURI = "mlflow-artifacts:/77/" + want.ID + "/artifacts"
	require.Equal(t, want.RunInfo, r.RunInfo)
	require.Equal(t, map[string]string{"lr": "0.1"}, r.Params)
	require.Equal(t, map[string]string{"kind": "old", "z": ""}, r.Tags)
	require.Equal(t, want.Inputs, r.Inputs)
	require.Equal(t, want.Models.Outputs, r.Models.Outputs)
	e, err := db.Experiment(ctx, "77")
	require.NoError(t, err)
	e.Created, e.Updated = e.Created.UTC(), e.Updated.UTC()
	require.Equal(t, importedExperiment(), *e)
	v, err := db.ModelVersion(ctx, "models:/forest@champion")
	require.NoError(t, err)
	require.Equal(t, 4, v.Version)
	v, err = db.RegisterModel(ctx, "forest", want.ID, "folder")
	require.NoError(t, err)
	require.Equal(t, 6, v.Version, "5 was deleted there")
}

// TestImportIsFound: searches see an imported run at once, also one whose
// points are not all there yet, with the index folded and not.
func TestImportIsFound(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	for i := range 20 {
		run := newRun(t, db, "here", fmt.Sprint("h", i))
		require.NoError(t, db.LogParam(ctx, run.ID, "lr", "0.2"))
	}
	filters := map[string]string{
		"params.lr = '0.1'": "r", "tags.kind = 'old'": "r", "metrics.m > 0.4": "r", "metrics.m < 0.4": "",
		"attributes.status = 'FAILED'": "r", "dataset.name = 'iris'": "r", "attributes.start_time < 10": "r",
	}
	for filter := range filters {
		require.Empty(t, search(t, db, filter, nil), filter)
	}
	require.NoError(t, db.Fold(ctx))
	importAll(t, db)
	check := func(when string) {
		t.Helper()
		for filter, name := range filters {
			want := []string{}
			if name != "" {
				want = []string{name}
			}
			require.Equal(t, want, search(t, db, filter, nil), "%s: %s", when, filter)
		}
	}
	check("at once")
	require.NoError(t, db.Fold(ctx))
	check("folded")
	part := importedRun()
	part.ID, part.Name = "part", "part"
	_, err := db.ImportRun(ctx, part, importedPoints(importedSteps-importedLogs))
	require.ErrorIs(t, err, errSource)
	require.Equal(t, []string{"part"}, search(t, db, "metrics.loss > 0", nil))
	require.NoError(t, db.Fold(ctx))
	_, err = db.ImportRun(ctx, part, importedPoints(importedSteps))
	require.NoError(t, err)
	last := 1 / float64(importedSteps)
	require.Equal(t, []string{"part"}, search(t, db, fmt.Sprintf("metrics.loss <= %v", last), nil), "its latest value")
}

// checkImported requires that the run has exactly the points of the source.
func checkImported(t *testing.T, db *DB, run string) {
	t.Helper()
	var steps []int64
	for c, err := range db.Points(ctx, run, "acc") {
		require.NoError(t, err)
		for i, s := range c.Steps {
			if s%1000 == 7 {
				require.True(t, math.IsNaN(c.Values[i]))
			} else if c.Values[i] != math.Sin(float64(s)) || c.Times[i] != 1_700_000_000_000+10*s {
				require.Fail(t, "a point differs", "step %d", s)
			}
		}
		steps = append(steps, c.Steps...)
	}
	require.Len(t, steps, importedSteps)
	require.True(t, slices.IsSorted(steps))
	require.Len(t, slices.Compact(steps), importedSteps, "each once")
	sums, err := db.Metrics(ctx, run)
	require.NoError(t, err)
	for _, m := range sums {
		require.EqualValues(t, importedSteps, m.Count, m.Metric)
	}
}

// TestImportResumes: an import that broke in the middle of a run goes on behind
// the points that are there, also after restarts, and ends as if it never had.
func TestImportResumes(t *testing.T) {
	whole := openDB(t, t.TempDir(), small())
	_, err := whole.ImportExperiment(ctx, importedExperiment())
	require.NoError(t, err)
	want, err := whole.ImportRun(ctx, importedRun(), importedPoints(importedSteps))
	require.NoError(t, err)
	require.Equal(t, RunImport{Added: true, Points: 2 * importedSteps, New: 2 * importedSteps, Sum: want.Sum}, want)

	dir := t.TempDir()
	db := openDB(t, dir, small())
	_, err = db.ImportExperiment(ctx, importedExperiment())
	require.NoError(t, err)
	there := int64(0)
	for i, steps := range []int{10_000, 60_000, 60_000, 120_000, 60_000} {
		out, err := db.ImportRun(ctx, importedRun(), importedPoints(steps))
		require.ErrorIs(t, err, errSource)
		there += out.New
		require.LessOrEqual(t, there, int64(2*120_000))
		if i%2 == 1 {
			require.NoError(t, db.Close())
			db = openDB(t, dir, small())
		}
	}
	require.Positive(t, there)
	before, err := digest(db)
	require.NoError(t, err)

	changed := func(yield func([]SeriesColumns, error) bool) {
		first := true
		for set, err := range importedPoints(importedSteps) {
			if first {
				set[0].Values[17]++
				first = false
			}
			if !yield(set, err) {
				return
			}
		}
	}
	_, err = db.ImportRun(ctx, importedRun(), changed)
	require.ErrorIs(t, err, ErrConflict)
	require.ErrorContains(t, err, "cut short")
	_, err = db.ImportRun(ctx, importedRun(), onePoint(1))
	require.ErrorIs(t, err, ErrConflict)
	other := importedRun()
	other.Tags = nil
	_, err = db.ImportRun(ctx, other, importedPoints(importedSteps))
	require.ErrorIs(t, err, ErrConflict)
	after, err := digest(db)
	require.NoError(t, err)
	require.Equal(t, before, after, "refusals change nothing")

	got, err := db.ImportRun(ctx, importedRun(), importedPoints(importedSteps))
	require.NoError(t, err)
	require.Equal(t, RunImport{Added: true, Points: 2 * importedSteps, New: 2*importedSteps - there, Sum: want.Sum}, got)
	checkImported(t, db, importedRun().ID)
	again, err := db.ImportRun(ctx, importedRun(), importedPoints(importedSteps))
	require.NoError(t, err)
	require.Equal(t, RunImport{Points: 2 * importedSteps, Sum: want.Sum}, again)
	require.NoError(t, db.Close())
	db = openDB(t, dir, small())
	checkImported(t, db, importedRun().ID)
	report, err := db.Verify(ctx, nil, func(p Problem) { require.Fail(t, "a problem", "%v", p) })
	require.NoError(t, err)
	require.NotZero(t, report)
}

// childImporter imports a run without end, and tells when it has read some.
func childImporter(args []string) error {
	db, err := Open(args[0], small())
	if err != nil {
		return err
	}
	if _, err := db.ImportExperiment(ctx, importedExperiment()); err != nil {
		return err
	}
	_, err = db.ImportRun(ctx, importedRun(), func(yield func([]SeriesColumns, error) bool) {
		n := 0
		for set, err := range importedPoints(importedSteps) {
			if err != nil || !yield(set, nil) {
				return
			}
			n += importedLogs
			fmt.Println(n)
		}
		select {} // its end never comes
	})
	return err
}

// TestImportIsKilled: a process that is killed in the middle of a run leaves
// one that the next process finishes.
func TestImportIsKilled(t *testing.T) {
	for _, after := range []int{1, 12, 25} { // of 25 lines
		dir := t.TempDir()
		cmd := child(t, "importer", dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		in := bufio.NewScanner(out)
		for range after {
			require.True(t, in.Scan())
		}
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())

		db := openDB(t, dir, small())
		_, err = db.ImportExperiment(ctx, importedExperiment())
		require.NoError(t, err)
		got, err := db.ImportRun(ctx, importedRun(), importedPoints(importedSteps))
		require.NoError(t, err)
		require.EqualValues(t, 2*importedSteps, got.Points)
		checkImported(t, db, importedRun().ID)
		got, err = db.ImportRun(ctx, importedRun(), importedPoints(importedSteps))
		require.NoError(t, err)
		require.False(t, got.Added)
		require.NoError(t, db.Close())
	}
}

// refused requires that nothing was added, for a reason of that kind.
func refused(t *testing.T, what string, added bool, err, kind error) {
	t.Helper()
	require.False(t, added, what)
	require.ErrorIs(t, err, kind, what)
	var e *Error
	require.ErrorAs(t, err, &e, what)
	require.NotEmpty(t, e.Msg, what)
}

func TestImportConflicts(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	importAll(t, db)
	before, err := digest(db)
	require.NoError(t, err)
	registry := registryDigest(t, db)
	taken, err := db.Experiment(ctx, DefaultExperiment)
	require.NoError(t, err)

	for what, change := range map[string]func(*Experiment){
		"name": func(e *Experiment) { e.Name = "else" }, "location": func(e *Experiment) { e.Location = "s3://b" },
		"deleted": func(e *Experiment) { e.Deleted = true }, "time": func(e *Experiment) { e.Updated = e.Created },
		"tag": func(e *Experiment) { e.Tags = map[string]string{"team": "audio"} }, "no tag": func(e *Experiment) { e.Tags = nil },
		"more tags":         func(e *Experiment) { e.Tags = map[string]string{"team": "vision", "b": ""} },
		"name of another":   func(e *Experiment) { e.Name = taken.Name },
		"id of another":     func(e *Experiment) { e.ID = "78" },
		"the one that is 0": func(e *Experiment) { e.ID = DefaultExperiment },
	} {
		e := importedExperiment()
		change(&e)
		added, err := db.ImportExperiment(ctx, e)
		refused(t, what, added, err, ErrConflict)
	}
	for what, change := range map[string]func(*ImportedRun){
		"experiment": func(r *ImportedRun) { r.ExperimentID = "0" }, "name": func(r *ImportedRun) { r.Name = "" },
		"user": func(r *ImportedRun) { r.User = "bob" }, "status": func(r *ImportedRun) { r.Status = Finished },
		"start": func(r *ImportedRun) { r.Start++ }, "end": func(r *ImportedRun) { r.End = 0 },
		"deleted": func(r *ImportedRun) { r.Deleted = true }, "param": func(r *ImportedRun) { r.Params = []KV{{Key: "lr", Value: "0.2"}} },
		"more params": func(r *ImportedRun) { r.Params = append(r.Params, KV{Key: "x"}) }, "no tags": func(r *ImportedRun) { r.Tags = nil },
		"no inputs": func(r *ImportedRun) { r.Inputs = nil }, "digest": func(r *ImportedRun) { r.Inputs[0].Dataset.Digest = "abd" },
		"tag of the input": func(r *ImportedRun) { r.Inputs[0].Tags = nil }, "step of the output": func(r *ImportedRun) { r.Models.Outputs[0].Step++ },
		"used model": func(r *ImportedRun) { r.Models.Inputs = []string{importedLogged().ModelID} },
	} {
		r := importedRun()
		change(r)
		out, err := db.ImportRun(ctx, r, onePoint(0.5))
		refused(t, what, out.Added, err, ErrConflict)
	}
	for what, points := range map[string]iter.Seq2[[]SeriesColumns, error]{"value": onePoint(0.6), "NaN": onePoint(math.NaN()), "none": noPoints} {
		out, err := db.ImportRun(ctx, importedRun(), points)
		refused(t, what, out.Added, err, ErrConflict)
	}
	for what, change := range map[string]func(*lineage.LoggedModel){
		"experiment": func(m *lineage.LoggedModel) { m.ExperimentID = "0" }, "name": func(m *lineage.LoggedModel) { m.Name = "x" },
		"files": func(m *lineage.LoggedModel) { m.ArtifactURI = "s3://c" }, "status": func(m *lineage.LoggedModel) { m.Status = lineage.LoggedFailed },
		"deleted": func(m *lineage.LoggedModel) { m.Deleted = true }, "type": func(m *lineage.LoggedModel) { m.ModelType = "" },
		"time": func(m *lineage.LoggedModel) { m.UpdatedAt++ }, "params": func(m *lineage.LoggedModel) { m.Params = nil },
		"tags": func(m *lineage.LoggedModel) { m.Tags[0].Value = "c" },
	} {
		m := importedLogged()
		change(&m)
		added, err := db.ImportLoggedModel(ctx, m)
		refused(t, what, added, err, ErrConflict)
	}
	for what, change := range map[string]func(*lineage.RegisteredModel, []*lineage.ModelVersion) []*lineage.ModelVersion{
		"description": func(m *lineage.RegisteredModel, v []*lineage.ModelVersion) []*lineage.ModelVersion {
			m.Description = ""
			return v
		},
		"aliases": func(m *lineage.RegisteredModel, v []*lineage.ModelVersion) []*lineage.ModelVersion {
			m.Aliases[0].Version = 2
			return v
		},
		"last number": func(m *lineage.RegisteredModel, v []*lineage.ModelVersion) []*lineage.ModelVersion {
			m.LastVersion = 6
			return v
		},
		"stage": func(_ *lineage.RegisteredModel, v []*lineage.ModelVersion) []*lineage.ModelVersion {
			v[0].Stage = "Archived"
			return v
		},
		"source": func(_ *lineage.RegisteredModel, v []*lineage.ModelVersion) []*lineage.ModelVersion {
			v[1].Source = "s3://c"
			return v
		},
		"fewer": func(_ *lineage.RegisteredModel, v []*lineage.ModelVersion) []*lineage.ModelVersion { return v[1:] },
	} {
		m, versions := importedModel()
		versions = change(&m, versions)
		added, err := db.ImportModel(ctx, m, versions)
		refused(t, what, added, err, ErrConflict)
	}
	after, err := digest(db)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Equal(t, registry, registryDigest(t, db))
}

// TestImportRefusals: what no row could hold.
func TestImportRefusals(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	importAll(t, db)
	for what, change := range map[string]func(*Experiment){
		"id": func(e *Experiment) { e.ID = "../etc" }, "name": func(e *Experiment) { e.ID, e.Name = "9", "" },
		"location": func(e *Experiment) { e.ID, e.Name, e.Location = "9", "n", "\xff" }, "tag": func(e *Experiment) { e.ID, e.Name, e.Tags = "9", "n", map[string]string{"": "x"} },
	} {
		e := importedExperiment()
		change(&e)
		added, err := db.ImportExperiment(ctx, e)
		refused(t, what, added, err, ErrInvalid)
	}
	for what, change := range map[string]func(*ImportedRun){
		"id": func(r *ImportedRun) { r.ID = "a/b" }, "status": func(r *ImportedRun) { r.Status = 99 },
		"params": func(r *ImportedRun) { r.Params = []KV{{Key: "b"}, {Key: "a"}} }, "tags": func(r *ImportedRun) { r.Tags = []KV{{Key: "a"}, {Key: "a"}} },
		"NUL": func(r *ImportedRun) { r.Tags = []KV{{Key: "a\x00b"}} },
	} {
		r := importedRun()
		r.ID = "fresh"
		change(r)
		out, err := db.ImportRun(ctx, r, onePoint(1))
		refused(t, what, out.Added, err, ErrInvalid)
	}
	r := importedRun()
	r.ID = "ragged"
	out, err := db.ImportRun(ctx, r, func(yield func([]SeriesColumns, error) bool) {
		yield([]SeriesColumns{{SeriesName{Metric: "m"}, PointColumns{Steps: []int64{1, 2}, Times: []int64{1}, Values: []float64{1, 2}}}}, nil)
	})
	refused(t, "columns", out.Added, err, ErrInvalid)
	r.ID, r.ExperimentID = "orphan", "404"
	_, err = db.ImportRun(ctx, r, onePoint(1))
	require.ErrorIs(t, err, ErrNotFound)
	for _, id := range []string{"ragged", "orphan", "fresh"} {
		_, err := db.Run(ctx, id)
		require.ErrorIs(t, err, ErrNotFound, id)
	}
	_, err = db.ImportRun(ctx, importedRun(), func(yield func([]SeriesColumns, error) bool) { yield(nil, errSource) })
	require.ErrorIs(t, err, errSource)
}

// TestImportNeedsTheDatabase: a second process cannot import.
func TestImportNeedsTheDatabase(t *testing.T) {
	_, shared := holderAndShared(t)
	_, err := shared.ImportExperiment(ctx, importedExperiment())
	require.ErrorIs(t, err, ErrLocked)
	_, err = shared.ImportRun(ctx, importedRun(), noPoints)
	require.ErrorIs(t, err, ErrLocked)
	m, versions := importedModel()
	_, err = shared.ImportModel(ctx, m, versions)
	require.ErrorIs(t, err, ErrLocked)
}
