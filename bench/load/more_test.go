package load

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

func TestShapesHaveTheirPointsAndSeries(t *testing.T) {
	series := func(s Shape) int { return s.Runs * s.Metrics }
	require.Equal(t, 1, series(OneSeries(1_000_000)))
	require.Equal(t, 1_000_000, OneSeries(1_000_000).Points())
	require.Equal(t, Shape{Runs: 10_000, Metrics: 10, Steps: 10, Batch: 100}, Short(1_000_000))
	for _, n := range []int{10, 1000, 100_000} {
		require.Equal(t, n, series(Spread(10_000_000, n)))
		require.Equal(t, 10_000_000, Spread(10_000_000, n).Points())
	}
}

// More runs than are under way at once, each ended before the next ten begin.
func TestIngestTakesRunsInTurn(t *testing.T) {
	shape := Spread(2300, 230)
	w := shape.Workload()
	var progress []int
	w.Progress = func(points int) { progress = append(progress, points) }
	e := &recorder{}
	ids, err := Ingest(ctx, e, w)
	require.NoError(t, err)
	require.Len(t, ids, 23)
	require.Equal(t, 10, e.most)
	require.Zero(t, e.open)
	require.Len(t, progress, 23)
	require.Equal(t, 2300, progress[22])
	require.IsIncreasing(t, progress)
}

// recorder is an engine that counts runs.
type recorder struct {
	Engine
	open, most int
}

func (r *recorder) StartRun(_ context.Context, name string) (Run, error) {
	r.open++
	r.most = max(r.most, r.open)
	return recorderRun{r, name}, nil
}

type recorderRun struct {
	*recorder
	id string
}

func (r recorderRun) ID() string                                     { return r.id }
func (r recorderRun) Append(context.Context, runstone.Columns) error { return nil }
func (r recorderRun) End(context.Context) error                      { r.open--; return nil }

// rounding is an engine whose values may be off by a thousandth.
type rounding struct{ Engine }

func (rounding) Rounding() float64 { return 1e-3 }

func (r rounding) Points(ctx context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error {
	return r.Engine.Points(ctx, run, metric, func(steps, times []int64, values []float64) error {
		off := make([]float64, len(values))
		for i, v := range values {
			off[i] = v * 1.0009
		}
		return fn(steps, times, off)
	})
}

func TestCheckSeriesAllowsWhatTheEngineRounds(t *testing.T) {
	shape := Shape{Runs: 1, Metrics: 10, Steps: 50, Batch: 1000}
	e, err := Open(runstone.Appended)(t.TempDir())
	require.NoError(t, err)
	ids, err := Ingest(ctx, e, shape.Workload())
	require.NoError(t, err)
	require.NoError(t, CheckSeries(ctx, rounding{e}, ids[0], shape.Workload(), 0, "train/loss"))
	require.ErrorContains(t, CheckSeries(ctx, struct{ Engine }{rounding{e}}, ids[0], shape.Workload(), 0, "train/loss"), "logged")
	require.NoError(t, e.Close())
}

func TestClientDownsampleCountsLikeTheEngine(t *testing.T) {
	shape := OneSeries(12_345)
	e, err := Open(runstone.Appended)(t.TempDir())
	require.NoError(t, err)
	ids, err := Ingest(ctx, e, shape.Workload())
	require.NoError(t, err)
	a, err := e.Downsample(ctx, ids[0], "train/loss", shape.Steps, 100)
	require.NoError(t, err)
	b, err := ClientDownsample(ctx, e, ids[0], "train/loss", shape.Steps, 100)
	require.NoError(t, err)
	require.EqualValues(t, 12_345, a)
	require.EqualValues(t, 12_345, b)
	require.NoError(t, e.Close())
}

func TestWriters(t *testing.T) {
	e, err := Open(runstone.Synced)(t.TempDir())
	require.NoError(t, err)
	r, err := MeasureWriters(ctx, e, Writers{Writers: 8, Points: 400})
	require.NoError(t, err)
	require.Equal(t, 8, r.Writers)
	require.Equal(t, 400, r.Points)
	require.Positive(t, r.Rate())
	require.Positive(t, r.P50)
	require.LessOrEqual(t, r.P50, r.P99)
	require.LessOrEqual(t, r.P99, r.Max)
	r, err = MeasureWriters(ctx, e, Writers{Writers: 2, Time: 20 * time.Millisecond})
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Wall, 20*time.Millisecond)
	require.NoError(t, e.Close())
}

func TestWritersEndWithTheFirstError(t *testing.T) {
	bad := errors.New("full")
	var mu sync.Mutex
	calls := 0
	_, _, err := Writers{Points: 100}.Run(ctx, []WriteFunc{
		func(context.Context, int64, int64, float64) error {
			mu.Lock()
			defer mu.Unlock()
			calls++
			return nil
		},
		func(context.Context, int64, int64, float64) error { return bad },
	})
	require.ErrorIs(t, err, bad)
	require.Equal(t, 50, calls)
}

func writeCurves(t *testing.T, dir, name string, lines ...string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(append([]string{corpusHead}, lines...), "\n")), 0o600))
}

func TestCorpusIsLoggedAsATrainingLoopDoes(t *testing.T) {
	dir := t.TempDir()
	writeCurves(t, dir, "a.csv",
		"loss,0,1000,2.5", "loss,1,1010,NaN", "loss,2,1020,0.5", "loss,2,1020,0.25",
		"val=1,2,1020,7", "acc,0,1000,0.125",
		"norm,2,1020,9", "norm,0,1000,8", "norm,1,1010,7", "norm,2,1020,6")
	writeCurves(t, dir, "b.csv", "loss,20,,1\r", "loss,10,,2\r", "", "")
	_, err := ReadCorpus(dir)
	require.ErrorIs(t, err, ErrCorpus, "a line without a point")
	require.ErrorContains(t, err, "line 4")
	writeCurves(t, dir, "b.csv", "loss,20,,1\r", "loss,10,,2\r")
	w, err := ReadCorpus(dir)
	require.NoError(t, err)
	require.Equal(t, 12, w.Points)
	require.Equal(t, Series{Run: 0, Metric: "loss", Points: 4, Steps: 3}, w.Probe)

	var got []string
	for s := w.Source(0); ; {
		c, ok := s.Next()
		if !ok {
			break
		}
		require.Len(t, c.Steps, 1)
		got = append(got, strings.Join(c.Names, "+"))
	}
	require.Equal(t, []string{"loss+norm", "acc", "loss+norm", "loss+norm", "loss+norm", "series 1"}, got)

	first, _ := w.Source(1).Next()
	require.Equal(t, runstone.Columns{Names: []string{"loss"}, Steps: []int64{10}, Times: []int64{0}, Values: [][]float64{{2}}}, first)

	r, err := Measure(ctx, Open(runstone.Appended), t.TempDir(), w)
	require.NoError(t, err)
	require.Positive(t, r.Tables)
	require.Less(t, r.Tables, r.Bytes)
}

func TestCorpusRefusesOtherFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty folder": "",
		"other head":   "step,loss\n1,2\n",
		"a bad step":   corpusHead + "\nloss,x,,1\n",
		"a bad time":   corpusHead + "\nloss,1,x,1\n",
		"a bad value":  corpusHead + "\nloss,1,,x\n",
		"no name":      corpusHead + "\n,1,,2\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if text != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "x.csv"), []byte(text), 0o600))
			}
			_, err := ReadCorpus(dir)
			require.ErrorIs(t, err, ErrCorpus)
		})
	}
	_, err := ReadCorpus(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, ErrCorpus)
}

// FuzzParseCurves: whatever is read, calls neither lose a point nor make one.
func FuzzParseCurves(f *testing.F) {
	f.Add(corpusHead + "\nloss,0,1000,2.5\nloss,0,1000,2.5\nacc,0,1000,NaN\nacc,-5,,1e300\n")
	f.Add(corpusHead + "\r\na,9223372036854775807,-1,-0\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		series, err := parseCurves(strings.NewReader(text))
		if err != nil {
			return
		}
		points, sum := 0, uint64(0)
		for _, s := range series {
			points += len(s.points)
			for _, p := range s.points {
				sum += math.Float64bits(p.value) ^ uint64(p.step) ^ uint64(p.time)
			}
		}
		for _, c := range calls(series) {
			points -= len(c.Names)
			for i := range c.Names {
				sum -= math.Float64bits(c.Values[i][0]) ^ uint64(c.Steps[0]) ^ uint64(c.Times[0])
			}
		}
		require.Zero(t, points)
		require.Zero(t, sum)
	})
}
