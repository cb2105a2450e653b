package runstone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/store"
)

var ctx = context.Background()

func openDB(t testing.TB, dir string, opt *Options) *DB {
	t.Helper()
	db, err := Open(dir, opt)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func newRun(t testing.TB, db *DB, exp, name string) RunInfo {
	t.Helper()
	info, err := db.CreateRun(ctx, NewRun{Experiment: exp, Name: name, User: "ada"})
	require.NoError(t, err)
	return info
}

func search(t testing.TB, db *DB, filter string, opt *SearchOptions) []string {
	t.Helper()
	names := []string{}
	for r, err := range db.Search(ctx, filter, opt) {
		require.NoError(t, err)
		names = append(names, r.Name)
	}
	return names
}

func TestExperiments(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir, nil)
	def, err := db.Experiment(ctx, DefaultExperiment)
	require.NoError(t, err)
	require.Equal(t, "Default", def.Name)

	id, err := db.CreateExperiment(ctx, "a/../b é", &ExperimentOptions{Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	require.Regexp(t, `^[1-9]\d{17}$`, id)
	_, err = db.CreateExperiment(ctx, "a/../b é", nil)
	require.ErrorIs(t, err, ErrExists)
	e, err := db.ExperimentByName(ctx, "a/../b é")
	require.NoError(t, err)
	require.Equal(t, id, e.ID)
	require.Equal(t, "mlflow-artifacts:/"+id, e.Location)
	require.Equal(t, map[string]string{"k": "v"}, e.Tags)

	require.NoError(t, db.RenameExperiment(ctx, id, "renamed"))
	again, err := db.CreateExperiment(ctx, "a/../b é", nil)
	require.NoError(t, err)
	require.NotEqual(t, id, again, "the old name is free, its id is not")
	require.ErrorIs(t, db.RenameExperiment(ctx, id, "Default"), ErrExists)

	run := newRun(t, db, "renamed", "r")
	gone := newRun(t, db, "renamed", "gone")
	require.NoError(t, db.DeleteRun(ctx, gone.ID))
	require.NoError(t, db.DeleteExperiment(ctx, id))
	_, err = db.CreateExperiment(ctx, "renamed", nil)
	require.ErrorIs(t, err, ErrExists, "deleted experiments keep their names")
	require.ErrorIs(t, db.DeleteExperiment(ctx, id), ErrNotFound)
	require.ErrorIs(t, db.SetExperimentTag(ctx, id, "x", "y"), ErrInvalid)
	_, err = db.CreateRun(ctx, NewRun{ExperimentID: id})
	require.ErrorIs(t, err, ErrInvalid)
	info, err := db.RunInfo(ctx, run.ID)
	require.NoError(t, err)
	require.True(t, info.Deleted)
	require.NoError(t, db.RestoreExperiment(ctx, id))
	require.Equal(t, []string{"r"}, search(t, db, "", &SearchOptions{Experiments: []string{id}}))
	require.Equal(t, []string{"gone"}, search(t, db, "", &SearchOptions{Experiments: []string{id}, View: DeletedOnly}))

	require.NoError(t, db.SetExperimentTag(ctx, again, "k", "v"))
	require.NoError(t, db.DeleteExperimentTag(ctx, again, "k"))
	require.ErrorIs(t, db.DeleteExperimentTag(ctx, again, "k"), ErrNotFound)
}

func TestExperimentRefusals(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	for _, name := range []string{"", "  ", strings.Repeat("x", 501), "bad\xff"} {
		_, err := db.CreateExperiment(ctx, name, nil)
		require.ErrorIs(t, err, ErrInvalid, "%q", name)
	}
	for _, uri := range []string{"file:///etc", "/etc", "http://x/api", "s3://b/c", "mlflow-artifacts:/../x", "mlflow-artifacts:/a%2f..%2f.."} {
		_, err := db.CreateExperiment(ctx, "x", &ExperimentOptions{Location: uri})
		require.ErrorIs(t, err, ErrInvalid, uri)
	}
	_, err := db.Experiment(ctx, "404")
	require.ErrorIs(t, err, ErrNotFound)
	require.EqualError(t, err, "No Experiment with id=404 exists")
	n := 0
	for range db.Experiments(ctx) {
		n++
	}
	require.Equal(t, 1, n, "refusals change nothing")
}

func TestRunLifeCycle(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir, nil)
	run, err := db.StartRun(ctx, "exp", &RunOptions{
		Name: "baseline", Params: map[string]string{"lr": "0.01"}, Tags: map[string]string{"team": "bio"},
	})
	require.NoError(t, err)
	child, err := db.StartRun(ctx, "exp", &RunOptions{Parent: run})
	require.NoError(t, err)
	require.Regexp(t, `^[a-z]+-[a-z]+-\d+$`, child.Info().Name)
	require.NoError(t, child.End(ctx, Failed))
	require.NoError(t, run.LogParam(ctx, "lr", "0.01"), "the same value again")
	err = run.LogParam(ctx, "lr", "0.1")
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "Changing param values is not allowed. Param with key='lr' was already logged with value='0.01'")
	require.NoError(t, run.SetTag(ctx, "team", "chem"))
	require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 0.5, "acc": 0.1}))
	require.NoError(t, run.Log(ctx, 2, Metrics{"loss": math.NaN()}))
	require.ErrorIs(t, run.End(ctx, Running), ErrInvalid)
	require.NoError(t, run.End(ctx, Finished))
	require.NoError(t, run.End(ctx, Killed), "the second end is none")
	require.ErrorIs(t, run.Log(ctx, 3, Metrics{"loss": 1}), ErrConflict)

	check := func(db *DB) {
		d, err := db.Run(ctx, run.ID())
		require.NoError(t, err)
		require.Equal(t, "baseline", d.Name)
		require.Equal(t, Finished, d.Status)
		require.NotZero(t, d.End)
		require.Equal(t, map[string]string{"lr": "0.01"}, d.Params)
		require.Equal(t, "chem", d.Tags["team"])
		require.Equal(t, "baseline", d.Tags[TagRunName])
		require.NotEmpty(t, d.Tags[tagHost])
		require.NotEmpty(t, d.Tags[tagCommand])
		loss, ok := d.Metric("loss")
		require.True(t, ok)
		require.True(t, math.IsNaN(loss))
		acc, _ := d.Metric("acc")
		require.Equal(t, 0.1, acc)
		c, err := db.Run(ctx, child.ID())
		require.NoError(t, err)
		require.Equal(t, run.ID(), c.Tags[TagParent])
		require.Equal(t, Failed, c.Status)
	}
	check(db)
	ro := openDB(t, dir, &Options{ReadOnly: true})
	check(ro)
	_, err = ro.StartRun(ctx, "exp", nil)
	require.ErrorIs(t, err, ErrReadOnly)
	require.NoError(t, db.Close())
	db = openDB(t, dir, nil)
	check(db)

	require.NoError(t, db.DeleteRun(ctx, run.ID()))
	require.NoError(t, db.DeleteRun(ctx, run.ID()))
	require.ErrorContains(t, db.SetTags(ctx, run.ID(), KV{Key: "a", Value: "b"}), "must be in the 'active' state")
	require.ErrorIs(t, db.LogBatch(ctx, run.ID(), Batch{Metrics: []Metric{{Name: "x"}}}), ErrInvalid)
	require.NoError(t, db.RestoreRun(ctx, run.ID()))
	again, err := db.ResumeRun(ctx, run.ID())
	require.NoError(t, err)
	require.NoError(t, again.Log(ctx, 3, Metrics{"loss": 0.25}))
	require.NoError(t, again.End(ctx, Finished))
	require.Equal(t, []string{"baseline"}, search(t, db, "metrics.loss = 0.25 and attributes.status = 'FINISHED'", nil))
}

func TestEndWith(t *testing.T) {
	db := openDB(t, t.TempDir(), &Options{NoSystemInfo: true})
	track := func(ctx context.Context, fn func() error) (status RunStatus, err error) {
		var id string
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
			d, rerr := db.Run(context.Background(), id)
			require.NoError(t, rerr)
			status = d.Status
		}()
		err = db.Track(ctx, "exp", nil, func(_ context.Context, run *Run) error {
			id = run.ID()
			return fn()
		})
		return status, err
	}
	status, err := track(ctx, func() error { return nil })
	require.NoError(t, err)
	require.Equal(t, Finished, status)
	boom := errors.New("boom")
	status, err = track(ctx, func() error { return boom })
	require.ErrorIs(t, err, boom)
	require.Equal(t, Failed, status)
	status, err = track(ctx, func() error { panic("no") })
	require.EqualError(t, err, "panic: no")
	require.Equal(t, Failed, status)
	cancelled, cancel := context.WithCancel(ctx)
	status, err = track(cancelled, func() error { cancel(); return cancelled.Err() })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, Killed, status)
}

func TestNilRun(t *testing.T) {
	var run *Run
	require.NoError(t, run.Log(ctx, 1, Metrics{"a": 1}))
	require.NoError(t, run.LogAt(ctx, 1, 2, Metrics{"a": 1}))
	require.NoError(t, run.Append(ctx, Columns{Steps: []int64{1}}))
	require.NoError(t, run.LogParam(ctx, "a", "b"))
	require.NoError(t, run.SetTag(ctx, "a", "b"))
	require.NoError(t, run.LogArtifact(ctx, "a", nil))
	require.NoError(t, run.LogFile(ctx, "nowhere", ""))
	require.NoError(t, run.End(ctx, Finished))
	require.Empty(t, run.ID())
	var err error
	run.EndWith(ctx, &err)
	require.NoError(t, err)
}

// TestBadInput: what MLflow refuses is refused with a typed error, and nothing
// of the batch stays.
func TestBadInput(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	run := newRun(t, db, "exp", "r")
	before, err := db.Run(ctx, run.ID)
	require.NoError(t, err)
	for _, key := range []string{"", "a//b", "../x", "/a", "a/", ".", "..", "a\x00b", "a$b", "x\ny", "bad\xff", strings.Repeat("k", 251)} {
		good := Batch{Metrics: []Metric{{Name: "ok"}}, Params: []KV{{Key: "ok", Value: "1"}}, Tags: []KV{{Key: "ok", Value: "1"}}}
		for name, b := range map[string]Batch{
			"metric": {Metrics: append(good.Metrics, Metric{Name: key}), Params: good.Params, Tags: good.Tags},
			"param":  {Metrics: good.Metrics, Params: append(slices.Clone(good.Params), KV{Key: key}), Tags: good.Tags},
			"tag":    {Metrics: good.Metrics, Params: good.Params, Tags: append(slices.Clone(good.Tags), KV{Key: key})},
		} {
			err := db.LogBatch(ctx, run.ID, b)
			require.ErrorIs(t, err, ErrInvalid, "%s %q", name, key)
			var typed *Error
			require.ErrorAs(t, err, &typed)
		}
	}
	require.ErrorIs(t, db.LogBatch(ctx, run.ID, Batch{Metrics: []Metric{{Name: "ok", Time: -1}}}), ErrInvalid)
	require.ErrorContains(t, db.LogBatch(ctx, run.ID, Batch{Params: []KV{{Key: "dp", Value: "1"}, {Key: "dp", Value: "1"}}}), "Duplicate parameter keys have been submitted: ['dp'].")
	require.ErrorIs(t, db.LogBatch(ctx, "nope", Batch{}), ErrNotFound)
	require.ErrorIs(t, db.LogBatch(ctx, "../../etc", Batch{}), ErrNotFound)
	_, err = db.CreateRun(ctx, NewRun{Experiment: "exp", ID: "../x"})
	require.ErrorIs(t, err, ErrInvalid)
	_, err = db.CreateRun(ctx, NewRun{Experiment: "exp", ID: run.ID})
	require.ErrorIs(t, err, ErrExists)
	after, err := db.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, before, after)

	long := strings.Repeat("v", 1<<20)
	require.NoError(t, db.LogBatch(ctx, run.ID, Batch{Params: []KV{{Key: "p", Value: long}}, Tags: []KV{{Key: "t", Value: long}}}))
	after, err = db.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Len(t, after.Params["p"], MaxParamValue)
	require.Len(t, after.Tags["t"], MaxTagValue)
}

func TestBatchIsAllOrNothing(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	run := newRun(t, db, "exp", "r")
	require.NoError(t, db.LogBatch(ctx, run.ID, Batch{Params: []KV{{Key: "p", Value: "1"}}}))
	err := db.LogBatch(ctx, run.ID, Batch{
		Metrics: []Metric{{Name: "m", Value: 1}}, Params: []KV{{Key: "new", Value: "1"}, {Key: "p", Value: "2"}}, Tags: []KV{{Key: "t", Value: "1"}},
	})
	require.ErrorContains(t, err, "Params were already logged='[{'key': 'p', 'old_value': '1', 'new_value': '2'}]'")
	d, err := db.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"p": "1"}, d.Params)
	require.NotContains(t, d.Tags, "t")
	require.Empty(t, d.Metrics)
}

func TestLatestMetric(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	run := newRun(t, db, "exp", "r")
	log := func(step, at int64, v float64) {
		require.NoError(t, db.LogBatch(ctx, run.ID, Batch{Metrics: []Metric{{Name: "m", Step: step, Time: at, Value: v}}}))
	}
	want := func(v float64) {
		t.Helper()
		d, err := db.Run(ctx, run.ID)
		require.NoError(t, err)
		got, _ := d.Metric("m")
		require.Equal(t, v, got)
	}
	log(-5, 100, 1)
	want(1)
	log(1, 50, 2)
	want(2)
	log(-5, 200, 3)
	want(2)
	log(1, 50, 1.5)
	want(2)
	log(1, 51, 1)
	want(1)
}

func TestSearch(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	for i := range 30 {
		info, err := db.CreateRun(ctx, NewRun{Experiment: fmt.Sprint("e", i%2), Name: fmt.Sprintf("r%02d", i), Start: int64(1000 + i)})
		require.NoError(t, err)
		b := Batch{Params: []KV{{Key: "lr", Value: fmt.Sprint(i % 3)}}, Tags: []KV{{Key: "even", Value: fmt.Sprint(i%2 == 0)}}}
		if i%5 != 0 {
			b.Metrics = []Metric{{Name: "loss", Value: float64((i * 7) % 30)}}
		}
		require.NoError(t, db.LogBatch(ctx, info.ID, b))
	}
	e0, err := db.ExperimentByName(ctx, "e0")
	require.NoError(t, err)
	all := search(t, db, "", nil)
	require.Len(t, all, 30)
	require.Equal(t, "r29", all[0], "newest first")
	require.Equal(t, all[10:15], search(t, db, "", &SearchOptions{Offset: 10, Limit: 5}))
	require.Empty(t, search(t, db, "", &SearchOptions{Offset: 99}))
	require.Equal(t, []string{"r01", "r07"}, search(t, db, "metrics.loss = 7 or metrics.loss = 19", &SearchOptions{OrderBy: []string{"metrics.loss"}}))
	require.Len(t, search(t, db, "metrics.loss >= 0", nil), 24, "a missing metric matches nothing")
	require.Len(t, search(t, db, "tags.even = 'true' AND params.lr != '0'", &SearchOptions{Experiments: []string{e0.ID}}), 10)
	require.Equal(t, "r13", search(t, db, "", &SearchOptions{OrderBy: []string{"metrics.loss ASC"}, Limit: 3})[0])
	last := search(t, db, "", &SearchOptions{OrderBy: []string{"metrics.loss DESC"}})
	require.Equal(t, []string{"r25", "r20", "r15", "r10", "r05", "r00"}, last[24:], "missing last, then newest first")
	require.Empty(t, search(t, db, "", &SearchOptions{Experiments: []string{}}))
	for _, err := range db.Search(ctx, "metrics.loss < ", nil) {
		var pe *query.ParseError
		require.ErrorAs(t, err, &pe)
	}
}

func TestArtifacts(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	run, err := db.StartRun(ctx, "exp", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifact(ctx, "plots/roc.txt", strings.NewReader("curve")))
	file := t.TempDir() + "/model.bin"
	require.NoError(t, os.WriteFile(file, []byte("weights"), 0o600))
	require.NoError(t, run.LogFile(ctx, file, "model"))
	for _, bad := range []string{"../x", "/etc/passwd", "a/../../b", "a\x00"} {
		require.ErrorIs(t, run.LogArtifact(ctx, bad, strings.NewReader("x")), artifact.ErrPath, bad)
	}
	files, err := db.ListArtifacts(ctx, run.ID(), "")
	require.NoError(t, err)
	require.Len(t, files, 2)
	require.Equal(t, "model", files[0].Path)
	files, err = db.ListArtifacts(ctx, run.ID(), "plots")
	require.NoError(t, err)
	require.Equal(t, "plots/roc.txt", files[0].Path)
	f, err := db.OpenArtifact(ctx, run.ID(), "plots/roc.txt")
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, errors.Join(err, f.Close()))
	require.Equal(t, "curve", string(text))

	found := 0
	r, err := db.Verify(ctx, &VerifyOptions{Artifacts: true}, func(Problem) { found++ })
	require.NoError(t, err)
	require.Zero(t, found)
	require.EqualValues(t, 2, r.Artifacts)
	path := db.Dir() + "/artifacts/" + run.Info().ExperimentID + "/" + run.ID() + "/artifacts/model/model.bin"
	require.NoError(t, os.WriteFile(path, []byte("Weights"), 0o600))
	_, err = db.Verify(ctx, &VerifyOptions{Artifacts: true}, func(p Problem) {
		found++
		require.ErrorIs(t, p.Err, artifact.ErrDigest)
	})
	require.NoError(t, err)
	require.Equal(t, 1, found)
}

// TestUploadLeavesRoom: an upload ends before the database has no space left.
func TestUploadLeavesRoom(t *testing.T) {
	asked := int64(0)
	r := &roomyReader{r: strings.NewReader(strings.Repeat("x", 5<<20)), room: func(n int64) error {
		if asked += n; asked > 3<<20 {
			return ErrNoSpace
		}
		return nil
	}}
	n, err := io.Copy(io.Discard, r)
	require.ErrorIs(t, err, ErrNoSpace)
	require.EqualValues(t, 3<<20, n)
}

func TestInputsAndOutputs(t *testing.T) {
	db := openDB(t, t.TempDir(), nil)
	run := newRun(t, db, "exp", "r")
	in := lineage.Input{
		Dataset: lineage.Dataset{Name: "cohort", Digest: "abc", SourceType: "local", Source: "{}", Schema: "{}"},
		Tags:    []KV{{Key: "mlflow.data.context", Value: "train"}},
	}
	require.NoError(t, db.LogInputs(ctx, run.ID, []lineage.Input{in}, nil))
	require.NoError(t, db.LogInputs(ctx, run.ID, []lineage.Input{in}, nil), "once more is nothing")
	d, err := db.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, []lineage.Input{in}, d.Inputs)
	require.Equal(t, []string{"r"}, search(t, db, "datasets.name = 'cohort' AND dataset.context = 'train'", nil))

	m, err := db.createModel(run.ExperimentID)
	require.NoError(t, err)
	require.NoError(t, db.LogOutputs(ctx, run.ID, []lineage.Output{{ModelID: m, Step: 3}}))
	d, err = db.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, []lineage.Output{{ModelID: m, Step: 3}}, d.Models.Outputs)
}

func (db *DB) createModel(exp string) (id string, err error) {
	id = "m-" + newID()
	return id, db.Update(ctx, func(tx *store.Tx) error {
		_, err := lineage.CreateLoggedModel(tx, db.now(), lineage.LoggedModel{ModelID: id, ExperimentID: exp, Name: "m"})
		return err
	})
}

// TestLogAllocates nothing once a run knows its metrics, but for the growth of
// columns.
func TestLogAllocates(t *testing.T) {
	db := openDB(t, t.TempDir(), &Options{NoSystemInfo: true})
	run, err := db.StartRun(ctx, "exp", nil)
	require.NoError(t, err)
	m := Metrics{"loss": 1, "acc": 2, "lr": 3}
	step := int64(0)
	avg := testing.AllocsPerRun(3000, func() {
		step++
		m["loss"] = float64(step)
		if err := run.Log(ctx, step, m); err != nil {
			t.Fatal(err)
		}
	})
	require.Less(t, avg, 1.0)
}

func BenchmarkLog(b *testing.B) {
	db := openDB(b, b.TempDir(), &Options{NoSystemInfo: true})
	run, err := db.StartRun(ctx, "exp", nil)
	require.NoError(b, err)
	m := Metrics{"loss": 1, "acc": 2, "lr": 3}
	b.ReportAllocs()
	step := int64(0)
	for b.Loop() {
		step++
		m["loss"] = float64(step)
		if err := run.Log(ctx, step, m); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLevelOfNewRuns: a run that begins is as durable as what is logged to it;
// its end is synced, and so is everything before it.
func TestLevelOfNewRuns(t *testing.T) {
	for _, d := range []Durability{Appended, Synced} {
		dir := t.TempDir()
		db, err := Open(dir, &Options{Durability: d})
		require.NoError(t, err)
		x, err := db.CreateExperiment(ctx, "x", nil)
		require.NoError(t, err)
		require.Zero(t, unsynced(t, dir))
		run, err := db.CreateRun(ctx, NewRun{ExperimentID: x})
		require.NoError(t, err)
		require.Equal(t, d == Appended, unsynced(t, dir) > 0)
		_, err = db.UpdateRun(ctx, run.ID, RunUpdate{Status: Finished})
		require.NoError(t, err)
		require.Zero(t, unsynced(t, dir))
		_, err = db.CreateRun(ctx, NewRun{ExperimentID: x, Status: Failed})
		require.NoError(t, err)
		require.Zero(t, unsynced(t, dir))
		require.NoError(t, db.Close())
	}
}

// unsynced returns how many bytes of the journals power loss could take.
func unsynced(t *testing.T, dir string) int64 {
	paths, err := store.Journals(dir)
	require.NoError(t, err)
	sum := int64(0)
	for _, path := range paths {
		v, err := store.ViewJournal(path)
		require.NoError(t, err)
		for _, err := range v.Frames(ctx) {
			require.NoError(t, err)
		}
		synced := int64(0)
		for _, m := range v.Info.Marks {
			if m.Newest {
				synced = m.Synced
			}
		}
		sum += max(v.End().Offset-synced, 0)
		require.NoError(t, v.Close())
	}
	return sum
}
