package bench

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
)

func openDB(t *testing.T) *runstone.DB {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func seriesOf(t *testing.T, db *runstone.DB, run, metric string) []float64 {
	t.Helper()
	var out []float64
	for c, err := range db.Points(t.Context(), run, metric) {
		require.NoError(t, err)
		out = append(out, c.Values...)
	}
	return out
}

func TestLog(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	r := parseFile(t, "two.txt")
	id, err := Log(ctx, db, r, &LogOptions{Tags: map[string]string{"baseline": "v1"}})
	require.NoError(t, err)
	run, err := db.Run(ctx, id)
	require.NoError(t, err)
	require.Equal(t, runstone.Finished, run.Status)
	require.Equal(t, "0529c7d5570f", run.Name)
	require.Equal(t, time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).UnixMilli(), run.Start)
	require.Equal(t, time.Date(2026, 3, 1, 10, 2, 0, 0, time.UTC).UnixMilli(), run.End)
	require.Equal(t, map[string]string{"goos": "linux", "goarch": "amd64", "cpu": "Example CPU @ 2.00GHz", "note": "cold"}, run.Params)
	for key, want := range map[string]string{
		"mlflow.source.git.commit": "0529c7d5570ff7b8751b399c2c8b0cc383aa3a25", "mlflow.source.git.branch": "main", "runstone.git.dirty": "false",
		"runstone.go.version": "go1.26.8", "runstone.host": "builder", "runstone.platform": "linux/amd64, 8 CPUs",
		"runstone.bench.commit-time": "2026-02-28T17:31:31Z", "runstone.bench": "1", "baseline": "v1",
	} {
		require.Equal(t, want, run.Tags[key], key)
	}
	e, err := db.Experiment(ctx, run.ExperimentID)
	require.NoError(t, err)
	require.Equal(t, "benchmarks", e.Name)
	require.Len(t, run.Metrics, len(r.Series))
	for _, s := range r.Series {
		require.Equal(t, s.Values, seriesOf(t, db, id, s.Metric()), s.Metric())
	}
	require.Equal(t, []float64{1200, 1210}, seriesOf(t, db, id, "example.com/codec Decode/size:10/k:v-8 ns/op"))

	back, err := Load(ctx, db, id)
	require.NoError(t, err)
	require.Equal(t, r.Series, back.Series)
	require.Equal(t, r.Origin, back.Origin)
	require.Equal(t, r.Text(), back.Text())

	again, err := Log(ctx, db, back, nil)
	require.ErrorIs(t, err, runstone.ErrExists)
	require.Equal(t, id, again)
}

// TestLogGoesOn: what logged a run was stopped on the way, and logging it again
// completes it without doubling a point.
func TestLogGoesOn(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	r := parseFile(t, "two.txt")
	r.SetOrigin(&Origin{Host: "elsewhere"})
	whole, err := Log(ctx, openDB(t), r, nil)
	require.NoError(t, err)
	for name, stop := range map[string]func(info *runstone.RunInfo){
		"created":  func(*runstone.RunInfo) {},
		"has text": func(info *runstone.RunInfo) { require.NoError(t, putText(ctx, db, info, r.Text())) },
		"has all":  func(info *runstone.RunInfo) { require.NoError(t, fill(ctx, db, info, r)) },
	} {
		experiment := "stopped when it " + name
		r.SetOrigin(&Origin{Host: name}) // another text
		other, err := Log(ctx, openDB(t), r, nil)
		require.NoError(t, err)
		require.NotEqual(t, whole, other)
		n := newRun(r, &r.Origin, &LogOptions{Experiment: experiment})
		n.ID = other
		info, err := db.CreateRun(ctx, n)
		require.NoError(t, err)
		stop(&info)
		id, err := Log(ctx, db, r, &LogOptions{Experiment: experiment})
		require.NoError(t, err)
		require.Equal(t, other, id)
		info, err = db.RunInfo(ctx, id)
		require.NoError(t, err)
		require.Equal(t, runstone.Finished, info.Status)
		for _, s := range r.Series {
			require.Equal(t, s.Values, seriesOf(t, db, id, s.Metric()), name)
		}
	}
}

func TestLogFailure(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	id, err := Log(ctx, db, parseText(t, "BenchmarkA 1 5 ns/op\n--- FAIL: BenchmarkB\nFAIL\tp\t1s\n"), &LogOptions{Name: "mine", Experiment: "x"})
	require.NoError(t, err)
	run, err := db.Run(ctx, id)
	require.NoError(t, err)
	require.Equal(t, runstone.Failed, run.Status)
	require.Equal(t, "2", run.Tags[TagFailures])
	require.Equal(t, "mine", run.Name)
	_, err = Log(ctx, db, parseText(t, "BenchmarkA 1 6 ns/op\n"), &LogOptions{Tags: map[string]string{"bad\x00key": "v"}})
	require.ErrorIs(t, err, runstone.ErrInvalid)
}

func TestLoadErrors(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	_, err := Load(ctx, db, "nope")
	require.ErrorIs(t, err, runstone.ErrNotFound)
	run, err := db.StartRun(ctx, "other", nil)
	require.NoError(t, err)
	_, err = Load(ctx, db, run.ID())
	require.ErrorIs(t, err, ErrNotBenchmark)
	require.NoError(t, run.LogArtifact(ctx, Artifact, strings.NewReader("hello\n")))
	_, err = Load(ctx, db, run.ID())
	require.ErrorIs(t, err, ErrNoResults)
}

// TestLogShared logs through the inbox of a database that is open already.
func TestLogShared(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	shared, err := runstone.Open(db.Dir(), nil)
	require.NoError(t, err)
	require.True(t, shared.Shared())
	r := parseFile(t, "two.txt")
	id, err := Log(ctx, shared, r, nil)
	require.NoError(t, err)
	again, err := Log(ctx, shared, r, nil)
	require.ErrorIs(t, err, runstone.ErrExists)
	require.Equal(t, id, again)
	require.NoError(t, shared.Close())
	require.Eventually(t, func() bool {
		info, err := db.RunInfo(ctx, id)
		return err == nil && info.Status == runstone.Finished
	}, 20*time.Second, 20*time.Millisecond)
	back, err := Load(ctx, db, id)
	require.NoError(t, err)
	require.Equal(t, r.Series, back.Series)
	for _, s := range r.Series {
		require.Equal(t, s.Values, seriesOf(t, db, id, s.Metric()))
	}
}

// history logs runs of one benchmark on two machines; the level rises by 20 %
// at the 21st of 40. The runs are logged in the wrong order.
func history(t *testing.T, db *runstone.DB) {
	t.Helper()
	r := rng(6)
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, i := range r.Perm(40) {
		level := 100.0
		if i >= 20 {
			level = 120
		}
		var text strings.Builder
		cpu := []string{"Old", "New"}[i%2]
		if cpu == "New" {
			level /= 2
		}
		fmt.Fprintf(&text, "goos: linux\ngoarch: amd64\ncpu: %s\npkg: p\n", cpu)
		for range 5 {
			fmt.Fprintf(&text, "BenchmarkX-2 100 %.3f ns/op 5 allocs/op\n", level*(1+0.01*r.NormFloat64()))
		}
		res := parseText(t, text.String())
		res.SetOrigin(&Origin{Start: day.AddDate(1, 0, -i), Commit: fmt.Sprintf("%040d", i), CommitTime: day.AddDate(0, 0, i)})
		_, err := Log(t.Context(), db, res, nil)
		require.NoError(t, err)
	}
}

func TestTrends(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	none, err := Trends(ctx, db, nil)
	require.NoError(t, err)
	require.Empty(t, none)
	history(t, db)
	trends, err := Trends(ctx, db, &TrendOptions{Match: func(id *ID) bool { return id.Unit == "ns/op" }, Changes: ChangePointOptions{MinChange: 0.01}})
	require.NoError(t, err)
	require.Len(t, trends, 2)
	for _, trend := range trends {
		require.Equal(t, -1, trend.Better)
		require.Len(t, trend.Points, 20)
		require.True(t, slices.IsSortedFunc(trend.Points, func(a, b TrendPoint) int { return strings.Compare(a.Commit, b.Commit) }))
		near(t, []int{10}, 0, trend.Changes)
		require.InDelta(t, 0.2, trend.Changes[0].Delta(), 0.03)
		require.Equal(t, 5, trend.Points[0].N)
	}
	one, err := Trends(ctx, db, &TrendOptions{Machine: "New", Last: 7})
	require.NoError(t, err)
	require.Len(t, one, 2)
	require.Equal(t, "linux/amd64, New", one[0].Machine)
	require.Empty(t, one[1].Changes)

	run, err := db.StartRun(ctx, Experiment, &runstone.RunOptions{Tags: map[string]string{TagFormat: "1"}})
	require.NoError(t, err)
	_, err = Trends(ctx, db, nil)
	require.ErrorIs(t, err, ErrNotBenchmark)
	var skipped []string
	all, err := Trends(ctx, db, &TrendOptions{Skipped: func(id string, err error) { skipped = append(skipped, id) }})
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Equal(t, []string{run.ID()}, skipped)
}

func TestHere(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	o := Here(ctx, dir, "")
	require.Empty(t, o.Commit)
	require.Positive(t, o.CPUs)
	require.WithinDuration(t, time.Now(), o.Start, 10*time.Second)
	require.Equal(t, "--output=x", Here(ctx, dir, "--output=x").Commit, "git does not see it as a flag")
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"}, args...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("checkout", "-q", "-b", "trunk")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), nil, 0o600))
	git("add", "a")
	git("commit", "-q", "-m", "one")
	o = Here(ctx, dir, "")
	require.Equal(t, git("rev-parse", "HEAD"), o.Commit)
	require.Equal(t, "trunk", o.Branch)
	require.Equal(t, "false", o.Dirty)
	require.WithinDuration(t, time.Now(), o.CommitTime, time.Minute)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("changed"), 0o600))
	require.Equal(t, "true", Here(ctx, dir, "").Dirty)
	old := Here(ctx, dir, o.Commit[:9])
	require.Equal(t, o.Commit, old.Commit)
	require.Empty(t, old.Branch+old.Dirty)
}

// Benchmarks that the test below runs in a process of their own.

func BenchmarkRecordLoop(b *testing.B) {
	Record(b)
	b.ReportAllocs()
	b.SetBytes(1 << 10)
	for b.Loop() {
		sink = make([]byte, 1<<10)
	}
	b.ReportMetric(42, "answers")
}

func BenchmarkRecordN(b *testing.B) {
	for _, size := range []int{1, 2} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			Record(b)
			for range b.N {
				time.Sleep(time.Duration(size) * 100 * time.Microsecond)
			}
		})
	}
	Record(b) // it holds others and has no result
	b.Run("skipped", func(b *testing.B) {
		Record(b)
		b.Skip()
	})
}

var sink []byte

// TestRecord runs the benchmarks above in another process, and finds in the
// database what that printed.
func TestRecord(t *testing.T) {
	for _, benchtime := range []string{"3ms", "20x", "1x"} {
		dir := filepath.Join(t.TempDir(), "db")
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkRecord", "-test.count=3", "-test.cpu=2", "-test.benchmem", "-test.benchtime="+benchtime)
		cmd.Env = append(os.Environ(), EnvDir+"="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		printed := parseText(t, string(out))
		require.NotContains(t, string(out), "not recorded")

		db, err := runstone.Open(dir, nil)
		require.NoError(t, err)
		var runs []*runstone.RunData
		require.NoError(t, Runs(t.Context(), db, "", func(r *runstone.RunData) bool { runs = append(runs, r); return true }))
		require.Len(t, runs, 1, "one run for the process")
		require.Equal(t, runstone.Finished, runs[0].Status)
		require.NotZero(t, runs[0].End)
		recorded, err := Load(t.Context(), db, runs[0].ID)
		require.NoError(t, err)
		require.Equal(t, printed.Keys["goos"], recorded.Keys["goos"])
		require.Equal(t, "github.com/runstonedb/runstone/bench", recorded.Keys["pkg"])
		require.Len(t, printed.Series, 5+3+3, "%s", out)
		require.Equal(t, names(printed), names(recorded))
		for _, s := range recorded.Series {
			require.Len(t, s.Values, 3)
			require.Equal(t, s.Values, seriesOf(t, db, runs[0].ID, s.Metric()))
			p := printed.Find(ID{Name: s.Name, Package: s.Package, Unit: s.Unit})
			require.NotNil(t, p, "%s %s is not printed", s.Name, s.Unit)
			require.Equal(t, p.Iters, s.Iters)
			for i := range p.Values { // go test rounds
				require.InEpsilon(t, p.Values[i]+1, s.Values[i]+1, 0.02, "%s %s", s.Name, s.Unit)
			}
		}
		require.NoError(t, db.Close())
	}
}

func names(r *Results) []string {
	set := map[string]bool{}
	for _, s := range r.Series {
		set[s.Name+" "+s.Unit] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// TestRecordShared: processes that log at once to a database that another one
// holds lose nothing.
func TestRecordShared(t *testing.T) {
	db := openDB(t)
	const processes, counts = 3, 4
	var group errgroup
	for range processes {
		group.run(func() error {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkRecordLoop", fmt.Sprintf("-test.count=%d", counts), "-test.benchtime=5x")
			cmd.Env = append(os.Environ(), EnvDir+"="+db.Dir())
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), "not recorded") {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
	require.NoError(t, group.wait())
	var runs []*runstone.RunData
	require.Eventually(t, func() bool {
		runs = runs[:0]
		err := Runs(t.Context(), db, "", func(r *runstone.RunData) bool { runs = append(runs, r); return true })
		return err == nil && len(runs) == processes && !slices.ContainsFunc(runs, func(r *runstone.RunData) bool {
			return r.Status != runstone.Finished || len(r.Metrics) == 0 || r.Metrics[0].Count < counts
		})
	}, 20*time.Second, 20*time.Millisecond)
	for _, r := range runs {
		back, err := Load(t.Context(), db, r.ID)
		require.NoError(t, err)
		for _, s := range back.Series {
			require.Len(t, s.Values, counts)
			require.Equal(t, s.Values, seriesOf(t, db, r.ID, s.Metric()))
		}
	}
	rejected, err := filepath.Glob(filepath.Join(db.Dir(), "*", "*.rejected"))
	require.NoError(t, err)
	require.Empty(t, rejected)
}

// errgroup waits for functions and joins their errors.
type errgroup struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (g *errgroup) run(fn func() error) {
	g.wg.Go(func() {
		err := fn()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.errs = append(g.errs, err)
	})
}

func (g *errgroup) wait() error {
	g.wg.Wait()
	return errors.Join(g.errs...)
}

// TestRecordOff: without the variable nothing is opened.
func TestRecordOff(t *testing.T) {
	t.Setenv(EnvDir, "")
	res := testing.Benchmark(func(b *testing.B) {
		Record(b)
		for b.Loop() {
			sink = nil
		}
	})
	require.Positive(t, res.N)
	require.Empty(t, process.run.ID)
}
