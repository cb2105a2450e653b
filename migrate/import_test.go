package migrate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// memory is a Source of what is in it.
type memory struct {
	experiments []*runstone.Experiment
	runs        []*runstone.ImportedRun
	logged      []*lineage.LoggedModel
	models      []*Model
	files       map[string]string // by location
	broken      error             // behind the last run
	last        float64           // the value of each run's first point
}

func (m *memory) Totals(context.Context) (Counts, error) {
	return Counts{Records: map[Kind]int64{Runs: int64(len(m.runs))}}, nil
}

func all[T any](list []T, keep func(T) bool, last error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range list {
			if keep(x) && !yield(x, nil) {
				return
			}
		}
		if last != nil {
			var none T
			yield(none, last)
		}
	}
}

// Copies, since the caller owns what is yielded.
func (m *memory) Experiments(context.Context) iter.Seq2[*runstone.Experiment, error] {
	var list []*runstone.Experiment
	for _, e := range m.experiments {
		c := *e
		list = append(list, &c)
	}
	return all(list, func(*runstone.Experiment) bool { return true }, nil)
}

func (m *memory) Runs(_ context.Context, id string) iter.Seq2[*runstone.ImportedRun, error] {
	return all(m.runs, func(r *runstone.ImportedRun) bool { return r.ExperimentID == id }, m.broken)
}

func (m *memory) Points(_ context.Context, r *runstone.ImportedRun) iter.Seq2[[]runstone.SeriesColumns, error] {
	return func(yield func([]runstone.SeriesColumns, error) bool) {
		yield([]runstone.SeriesColumns{{
			SeriesName:   runstone.SeriesName{Metric: "loss"},
			PointColumns: runstone.PointColumns{Steps: []int64{2, 1, 1}, Times: []int64{r.Start, r.Start, 0}, Values: []float64{m.last, math.NaN(), math.NaN()}},
		}}, nil)
	}
}

func (m *memory) LoggedModels(_ context.Context, id string) iter.Seq2[*lineage.LoggedModel, error] {
	var list []*lineage.LoggedModel
	for _, l := range m.logged {
		c := *l
		list = append(list, &c)
	}
	return all(list, func(l *lineage.LoggedModel) bool { return l.ExperimentID == id }, nil)
}

func (m *memory) Models(context.Context) iter.Seq2[*Model, error] {
	var list []*Model
	for _, x := range m.models {
		c := *x
		c.Versions = nil
		for _, v := range x.Versions {
			v := *v
			c.Versions = append(c.Versions, &v)
		}
		list = append(list, &c)
	}
	return all(list, func(*Model) bool { return true }, nil)
}

func (m *memory) Reach(_ context.Context, location string) error {
	if strings.HasPrefix(location, "s3:") {
		return ErrUnreachable
	}
	return nil
}

func (m *memory) Files(_ context.Context, uri string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for at, text := range m.files {
			name, ok := strings.CutPrefix(at, uri+"/")
			open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
			if ok && !yield(File{Path: name, Size: int64(len(text)), Open: open}, nil) {
				return
			}
		}
	}
}

func (m *memory) Notes() []Note { return nil }
func (m *memory) Close() error  { return nil }

func runID(c string) string { return strings.Repeat(c, 32) }

func full() *memory {
	at := time.UnixMilli(1_700_000_000_000)
	run := func(id, experiment string) *runstone.ImportedRun {
		r := &runstone.ImportedRun{}
		r.ID, r.ExperimentID, r.Name, r.Status, r.Start, r.End = id, experiment, "a run", runstone.Finished, 100, 200
		r.ArtifactURI = map[string]string{"7": "/srv/", "8": "s3://bucket/"}[experiment] + experiment + "/" + id + "/artifacts"
		r.Params, r.Tags = []runstone.KV{{Key: "lr", Value: "0.1"}}, []runstone.KV{{Key: "team", Value: "x"}}
		return r
	}
	logged := &lineage.LoggedModel{ModelID: "m-" + runID("c"), ExperimentID: "7", Name: "lm", Status: "READY", CreatedAt: 1, UpdatedAt: 2,
		ArtifactURI: "/srv/7/models/m-" + runID("c") + "/artifacts", SourceRunID: runID("a")}
	model := &Model{RegisteredModel: lineage.RegisteredModel{Name: "reg", CreatedAt: 3, UpdatedAt: 4, LastVersion: 2}, Versions: []*lineage.ModelVersion{
		{Model: "reg", Version: 2, Stage: lineage.StageProduction, Status: "READY", CreatedAt: 3, UpdatedAt: 4, RunID: runID("a"), Source: "/srv/7/" + runID("a") + "/artifacts/model"},
	}}
	return &memory{
		experiments: []*runstone.Experiment{
			{ID: "7", Name: "seven", Location: "/srv/7", Created: at, Updated: at, Tags: map[string]string{"k": "v"}},
			{ID: "8", Name: "eight", Location: "s3://bucket/8", Created: at, Updated: at},
		},
		runs:   []*runstone.ImportedRun{run(runID("a"), "7"), run(runID("b"), "8")},
		logged: []*lineage.LoggedModel{logged},
		models: []*Model{model},
		files:  map[string]string{"/srv/7/" + runID("a") + "/artifacts/model/MLmodel": "flavors"},
	}
}

func newDB(t *testing.T) *runstone.DB {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func tallies(r *Report) (added, same, conflicts, skipped int64) {
	for _, n := range r.Tallies {
		added, same, conflicts, skipped = added+n.Added, same+n.Same, conflicts+n.Conflicts, skipped+n.Skipped
	}
	return added, same, conflicts, skipped
}

func TestImport(t *testing.T) {
	ctx, db, calls := context.Background(), newDB(t), 0
	first, err := Import(ctx, db, full(), &Options{Progress: func(r *Report, total *Counts) {
		calls++
		require.EqualValues(t, 2, total.Records[Runs])
	}})
	require.NoError(t, err)
	require.Positive(t, calls)
	require.True(t, first.Changed())
	added, same, conflicts, skipped := tallies(first)
	require.Equal(t, []int64{8, 0, 0, 0}, []int64{added, same, conflicts, skipped}) // 2 experiments, 2 runs and one of each other kind
	require.Equal(t, []int64{6, 6, 2, 2, 7}, []int64{first.Points, first.PointsAdded, first.Params, first.Tags, first.ArtifactBytes})
	require.Len(t, first.Notes, 1, "the bucket is out of reach: %v", first.Notes)

	e, err := db.Experiment(ctx, "7")
	require.NoError(t, err)
	require.Equal(t, "mlflow-artifacts:/7", e.Location)
	e, err = db.Experiment(ctx, "8")
	require.NoError(t, err)
	require.Equal(t, "s3://bucket/8", e.Location)
	record, err := db.ArtifactRecord(ctx, "7/"+runID("a")+"/artifacts/model/MLmodel")
	require.NoError(t, err)
	require.EqualValues(t, 7, record.Size)

	again, err := Import(ctx, db, full(), nil)
	require.NoError(t, err)
	require.False(t, again.Changed())
	for k, n := range first.Tallies {
		require.Equal(t, n.Digest, again.Tallies[k].Digest, k)
		require.Equal(t, n.Added, again.Tallies[k].Same, k)
	}
	require.Zero(t, again.PointsAdded)
}

// TestConflicts: whatever differs is named, ends an import without Skip and
// changes nothing in the database.
func TestConflicts(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(m *memory)
		kind    Kind
		id      string
		what    string
		skipped int64
	}{
		"experiment's name": {func(m *memory) { m.experiments[0].Name = "other" }, Experiments, "7", "name", 2}, // with its run and logged model
		"name taken":        {func(m *memory) { m.experiments[1].ID = "9"; m.experiments[1].Name = "seven" }, Experiments, "9", "name 'seven'", 0},
		"experiment's tag":  {func(m *memory) { m.experiments[0].Tags = map[string]string{"k": "w"} }, Experiments, "7", "tag 'k'", 2},
		"param":             {func(m *memory) { m.runs[0].Params[0].Value = "0.2" }, Runs, runID("a"), "param 'lr'", 0},
		"status":            {func(m *memory) { m.runs[0].Status = runstone.Failed }, Runs, runID("a"), "FAILED", 0},
		"points":            {func(m *memory) { m.last = 0.75 }, Runs, runID("a"), "points", 0},
		"logged model":      {func(m *memory) { m.logged[0].Name = "other" }, LoggedModels, "m-" + runID("c"), "", 0},
		"version":           {func(m *memory) { m.models[0].Versions[0].Stage = lineage.StageArchived }, Models, "reg", "", 1},
		"file": {func(m *memory) { m.files["/srv/7/"+runID("a")+"/artifacts/model/MLmodel"] = "FLAVORS" }, Artifacts,
			"7/" + runID("a") + "/artifacts/model/MLmodel", "bytes", 0},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, db := context.Background(), newDB(t)
			first, err := Import(ctx, db, full(), nil)
			require.NoError(t, err)
			changed := full()
			c.change(changed)

			_, err = Import(ctx, db, changed, nil)
			var found *Conflict
			require.ErrorAs(t, err, &found)
			require.ErrorIs(t, err, runstone.ErrConflict)
			require.Equal(t, c.kind, found.Kind)
			require.Equal(t, c.id, found.ID)
			require.Contains(t, found.What, c.what)

			report, err := Import(ctx, db, changed, &Options{Skip: true})
			require.NoError(t, err)
			require.Contains(t, report.Conflicts, *found)
			require.Positive(t, report.Tallies[c.kind].Conflicts)
			_, _, _, skipped := tallies(report)
			require.GreaterOrEqual(t, skipped, c.skipped)

			again, err := Import(ctx, db, full(), nil)
			require.NoError(t, err)
			for k, n := range first.Tallies {
				require.Equal(t, n.Digest, again.Tallies[k].Digest, k)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	ctx, db := context.Background(), newDB(t)
	m := full()
	m.runs[0].ID = "../x"
	_, err := Import(ctx, db, m, nil)
	require.ErrorIs(t, err, runstone.ErrInvalid)
	require.ErrorContains(t, err, "run ../x")
	report, err := Import(ctx, db, m, &Options{Skip: true})
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Tallies[Runs].Skipped)
	require.EqualValues(t, 1, report.Tallies[Runs].Added)
	require.True(t, slices.ContainsFunc(report.Notes, func(n Note) bool { return n.ID == "../x" }), "%v", report.Notes)

	// A source that breaks ends the import, and the next call goes on.
	db, m = newDB(t), full()
	m.broken = errors.New("the store is gone")
	report, err = Import(ctx, db, m, nil)
	require.ErrorIs(t, err, m.broken)
	require.EqualValues(t, 1, report.Tallies[Runs].Added)
	m.broken = nil
	report, err = Import(ctx, db, m, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Tallies[Runs].Same)
	require.EqualValues(t, 1, report.Tallies[Runs].Added)
}

// TestDryRun: over a database that may only be read, the report is what an import
// would make it.
func TestDryRun(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	db, err := runstone.Open(dir, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	db, err = runstone.Open(dir, &runstone.Options{ReadOnly: true, Exclusive: true})
	require.NoError(t, err)
	dry, err := Import(ctx, db, full(), nil)
	require.NoError(t, err)
	require.True(t, dry.DryRun)
	_, err = db.Experiment(ctx, "7")
	require.ErrorIs(t, err, runstone.ErrNotFound)
	require.NoError(t, db.Close())
	done, err := Import(ctx, newDB(t), full(), nil)
	require.NoError(t, err)
	done.DryRun = true
	require.Equal(t, done, dry)
}

func TestNoArtifacts(t *testing.T) {
	ctx, db := context.Background(), newDB(t)
	report, err := Import(ctx, db, full(), &Options{NoArtifacts: true})
	require.NoError(t, err)
	require.Zero(t, report.Tallies[Artifacts].Added)
	e, err := db.Experiment(ctx, "7")
	require.NoError(t, err)
	require.Equal(t, "/srv/7", e.Location)
}

func TestRecordSum(t *testing.T) {
	var a, b, c recordSum
	x, y := (&canon{}).texts("ab", "c"), (&canon{}).texts("a", "bc")
	require.False(t, bytes.Equal(x.b, y.b), "a text ends where it ends")
	a.add(x)
	a.add(y)
	b.add(y)
	b.add(x)
	c.add(x)
	require.Equal(t, a.String(), b.String())
	require.NotEqual(t, a.String(), c.String())
	require.Len(t, c.String(), 32)
}
