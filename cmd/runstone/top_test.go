package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
)

// topTestRun is a run with curves of n points: loss falls, acc rises.
func topTestRun(i int, status runstone.RunStatus, n int64) *topRun {
	start := time.Date(2026, 3, 1, 10, 0, i, 0, time.UTC).UnixMilli()
	r := &runstone.RunData{RunInfo: runstone.RunInfo{ID: fmt.Sprintf("%08x%024x", i+0xa0000000, 0), Name: fmt.Sprintf("run-%d", i), ExperimentID: "1", Status: status, Start: start},
		Params: map[string]string{"lr": "0.01", "model": "x\x1b[31mgb"}}
	if status != runstone.Running {
		r.End = start + 65_000
	}
	metric := func(name string, last float64) {
		m := runstone.MetricSummary{}
		m.Metric, m.Count, m.Min, m.Max = name, n, last, 2
		m.Latest = runstone.Point{Step: n - 1, Value: last}
		r.Metrics = append(r.Metrics, m)
	}
	metric("acc", 1-1/float64(i+2))
	metric("loss", 1/float64(i+1))
	metric("system/cpu_utilization_percentage", 50+float64(i))
	return &topRun{RunData: r, experiment: "demo", points: 3 * n, step: n - 1, pace: 12.5 * float64(i), spark: []float64{1, 0.8, 0.5, 0.2, 0.1}}
}

func topTestModel(n, width, height int) *topModel {
	m := &topModel{dir: "./data", metrics: []string{"loss", "acc"}}
	m.resize(width, height)
	d := &topData{at: time.Date(2026, 3, 1, 10, 2, 0, 0, time.UTC), total: n, names: []string{"acc", "loss"}}
	for i := range n {
		status := runstone.Finished
		if i == 0 {
			status = runstone.Running
		}
		d.runs = append(d.runs, topTestRun(i, status, 100))
	}
	m.take(d)
	return m
}

// screenOf is the screen as text, without the clock of the first line.
func screenOf(m *topModel) string {
	clock := m.data.at.Local().Format(time.TimeOnly)
	lines := m.lines(noPaint)
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	lines[0] = strings.TrimRight(strings.TrimSuffix(lines[0], clock), " ")
	lines[1], _, _ = strings.Cut(lines[1], " · began ") // in the time of the place
	return strings.Join(lines, "\n") + "\n"
}

// goldenScreen compares the screen with a file of testdata/top.
func goldenScreen(t *testing.T, m *topModel, name string) {
	t.Helper()
	name = filepath.Join("testdata", "top", name+".txt")
	text := screenOf(m)
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), text)
}

func TestTopList(t *testing.T) {
	m := topTestModel(4, 110, 10)
	goldenScreen(t, m, "list")
	// Keys: down twice, sorted by points per second, another metric.
	for _, k := range []string{"j", "down", "s", "s", "s"} {
		require.False(t, m.key(k))
	}
	require.True(t, m.key("m"), "another metric is read")
	require.Equal(t, []string{"acc", "loss"}, m.metrics)
	goldenScreen(t, m, "sorted")
	// A narrow screen has fewer columns and no wider line; the cursor stays in sight.
	m.resize(44, 8)
	m.key("G")
	goldenScreen(t, m, "narrow")
	m.key("?")
	m.resize(80, 24)
	goldenScreen(t, m, "help")
}

func TestTopScrolls(t *testing.T) {
	m := topTestModel(40, 80, 12)
	for range 20 {
		m.key("j")
	}
	require.Contains(t, screenOf(m), "\n> run-20 ")
	m.key("pgdn")
	m.key("pgdn")
	m.key("pgdn")
	m.key("pgdn")
	require.Contains(t, screenOf(m), "\n> run-39 ")
	m.key("home")
	require.Equal(t, 0, m.first)
	// The cursor stays on its run when others come before it, and finds another
	// when it is gone.
	m.key("j")
	chosen := m.chosen
	d := *m.data
	d.runs = append([]*topRun{topTestRun(90, runstone.Running, 5)}, d.runs...)
	m.take(&d)
	require.Equal(t, chosen, m.chosen)
	require.Contains(t, screenOf(m), "\n> run-1 ")
	d.runs = d.runs[3:]
	m.take(&d)
	require.Regexp(t, "(?m)^> run-", screenOf(m))
	m.take(&topData{})
	require.Contains(t, screenOf(m), "no runs yet")
	m.key("enter")
	require.Empty(t, m.detail)
}

func TestTopDetail(t *testing.T) {
	m := topTestModel(3, 72, 22)
	m.key("j")
	require.True(t, m.key("enter"))
	require.Contains(t, screenOf(m), "reading…")
	ask := m.ask()
	require.Equal(t, m.data.runs[1].ID, ask.detail)
	require.Equal(t, "loss", ask.curve)
	d := *m.data
	d.detail = d.runs[1]
	for i := range int64(20) {
		p := runstone.Point{Step: i * 5, Value: 2 * math.Exp(-float64(i)/6)}
		d.buckets = append(d.buckets, runstone.Bucket{Count: 1, First: p, Last: p, Min: p.Value, Max: p.Value})
	}
	d.sparks = map[string][]float64{"loss": {3, 2, 1}}
	m.take(&d)
	goldenScreen(t, m, "detail")
	require.True(t, m.key("j"), "another metric is read")
	require.Equal(t, "system/cpu_utilization_percentage", m.curve)
	m.key("k")
	m.key("k")
	require.Equal(t, "acc", m.curve)
	m.key("l")
	m.key("e")
	require.Contains(t, screenOf(m), "acc  0.6667 at step 99  log axis  smoothed 0.6")
	require.True(t, m.key("esc"))
	require.Equal(t, d.runs[1].ID, m.chosen)
	require.Empty(t, m.detail)
}

func TestTopFilter(t *testing.T) {
	m := topTestModel(2, 80, 10)
	for _, k := range append([]string{"/"}, strings.Split("metrics.loss < 0.3x", "")...) {
		require.False(t, m.key(k))
	}
	m.key("backspace")
	require.Contains(t, screenOf(m), "\nfilter: metrics.loss < 0.3█\n")
	require.True(t, m.key("enter"))
	require.Equal(t, "metrics.loss < 0.3", m.ask().filter)
	m.key("/")
	m.key("ctrl-u")
	m.key("q")
	require.False(t, m.quit, "q is a letter while a filter is written")
	m.key("esc")
	require.Equal(t, "metrics.loss < 0.3", m.filter)
	m.answer(&topAnswer{err: topFilter("metrics.loss <")})
	require.Contains(t, screenOf(m), "a value is missing")
	require.True(t, m.key("esc"))
	require.Empty(t, m.filter)
	m.key("?")
	require.Contains(t, screenOf(m), "any key goes back")
	m.key("x")
	m.key("q")
	require.True(t, m.quit)
	require.Error(t, topFilter("LIMIT 5"))
	require.Error(t, topFilter("GROUP BY status"))
	require.NoError(t, topFilter(""))
}

// TestTopScreensFit: no line is wider than the screen and none is missing,
// whatever the size; what others wrote moves nothing.
func TestTopScreensFit(t *testing.T) {
	m := topTestModel(30, 80, 24)
	evil := m.data.runs[2]
	evil.Name = "\x1b]0;owned\x07\x1b[2J\u202e日本語 run\nnext\u009b31m"
	evil.experiment, evil.ExperimentID = "\x1b[H", "2"
	evil.Metrics[0].Metric = "a\x1b[5mcc"
	m.metrics = []string{"loss", "a\x1b[5mcc", "acc"}
	for _, keys := range []string{"", "enter", "enter l e", "/ x", "?"} {
		m.detail, m.help, m.editing = "", false, false
		m.chosen = evil.ID
		for _, k := range strings.Fields(keys) {
			m.key(k)
		}
		d := *m.data
		d.detail = evil
		d.buckets = []runstone.Bucket{{Count: 1, First: runstone.Point{Value: 1}, Last: runstone.Point{Value: 1}, Min: 1, Max: 1}}
		m.take(&d)
		for _, size := range [][2]int{{200, 60}, {80, 24}, {40, 10}, {20, 8}, {5, 3}} {
			m.resize(size[0], size[1])
			lines := m.lines(noPaint)
			require.Len(t, lines, m.height, "%s %v", keys, size)
			for _, l := range lines {
				require.LessOrEqual(t, cellWidth(l), m.width, "%s %v: %q", keys, size, l)
				require.NotContains(t, l, "\x1b")
				require.NotContains(t, l, "\u009b")
				require.NotContains(t, l, "\u202e")
				require.NotContains(t, l, "\n")
			}
		}
	}
}

func TestParseKeys(t *testing.T) {
	for in, want := range map[string]string{
		"jk": "j k", "\x1b[A\x1bOB": "up down", "\x1b": "esc", "\x1b[5~x": "pgup x", "\r\x7f\x03\x15": "enter backspace ctrl-c ctrl-u",
		"é日": "é 日", "\x1b[200~q": "q", "\x1b[1;5C": "", "\x1b[": "", "\xff\x00": "", "\x1bj": "esc j", "": "",
	} {
		require.Equal(t, want, strings.Join(parseKeys([]byte(in)), " "), "%q", in)
	}
}

func TestBraille(t *testing.T) {
	d := newDots(2, 2)
	d.line(0, 0, 3, 7)
	require.Equal(t, []string{"⢣", " ⢣"}, []string{d.row(0), d.row(1)})
	fl := &plotFlags{}
	require.Contains(t, brailleChart(&curve{}, fl, 10, 5)[0], "nothing to draw")
	require.Contains(t, brailleChart(&curve{Points: []vertex{{Value: -1}}}, &plotFlags{log: true}, 10, 5)[0], "no positive values")
	require.Contains(t, brailleChart(&curve{Points: []vertex{{Value: -math.MaxFloat64}, {Value: math.MaxFloat64, x: 1}}}, fl, 10, 5)[0], "too far apart")
	require.Len(t, brailleChart(&curve{Points: []vertex{{Value: 5}}}, fl, 10, 5), 5, "one value")
}

func TestCellWidth(t *testing.T) {
	require.Equal(t, 6, cellWidth("日本語"))
	require.Equal(t, 1, cellWidth("é"))
	require.Equal(t, "日…", fit("日本語", 4))
	require.Equal(t, "…", fit("日本語", 1))
	require.Equal(t, "", fit("abc", 0))
	require.Equal(t, "  ab", pad("ab", 4, true))
}

// TestTopLoad reads a database beside the process that holds it.
func TestTopLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	ctx := context.Background()
	db, err := runstone.Open(dir, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var ids []string
	for i := range 5 {
		run, err := db.CreateRun(ctx, runstone.NewRun{Experiment: fmt.Sprintf("e%d", i%2), Name: fmt.Sprintf("r%d", i), Start: int64(1e12) + int64(i)})
		require.NoError(t, err)
		ids = append(ids, run.ID)
		for step := range int64(50) {
			require.NoError(t, db.LogBatch(ctx, run.ID, runstone.Batch{Metrics: []runstone.Metric{
				{Name: "loss", Step: step, Time: 1, Value: 1 / float64(step+1)}, {Name: "system/gpu_0_utilization_percentage", Step: step, Time: 1, Value: float64(step)}}}))
		}
		if i > 0 {
			_, err = db.UpdateRun(ctx, run.ID, runstone.RunUpdate{Status: runstone.Finished, End: int64(1e12) + 10_000})
			require.NoError(t, err)
		}
	}
	l := newTopLoader(dir, nil, 3)
	d, err := l.load(ctx, &topAsk{})
	require.NoError(t, err)
	require.Equal(t, 5, d.total)
	var names []string
	for _, r := range d.runs {
		names = append(names, r.Name)
	}
	require.Equal(t, []string{"r0", "r4", "r3"}, names, "what runs is first, then the newest")
	require.Equal(t, []string{"loss"}, d.names)
	require.EqualValues(t, 100, d.runs[0].points)
	require.EqualValues(t, 49, d.runs[0].step)
	require.InDelta(t, 10, d.runs[1].pace, 0.1)
	require.NotEmpty(t, d.runs[0].spark)
	gpu, ok := d.runs[0].system("gpu_*_utilization_percentage")
	require.True(t, ok)
	require.EqualValues(t, 49, gpu)

	// More points, some time later: the pace is of that time.
	l.paces[ids[0]][0].at = l.paces[ids[0]][0].at.Add(-2 * time.Second)
	require.NoError(t, db.LogBatch(ctx, ids[0], runstone.Batch{Metrics: []runstone.Metric{{Name: "loss", Step: 50, Time: 1, Value: 7}}}))
	d, err = l.load(ctx, &topAsk{filter: "attributes.run_name = 'r0' OR attributes.run_name = 'r2'"})
	require.NoError(t, err)
	require.Equal(t, 2, d.total)
	require.InDelta(t, 0.5, d.runs[0].pace, 0.4)
	require.Len(t, l.paces, 1)

	d, err = l.load(ctx, &topAsk{detail: ids[1], curve: "loss", seen: []string{"loss"}})
	require.NoError(t, err)
	require.Equal(t, ids[1], d.detail.ID)
	require.NotEmpty(t, d.buckets)
	require.NotEmpty(t, d.sparks["loss"])
	_, err = l.load(ctx, &topAsk{detail: "nope"})
	require.ErrorIs(t, err, runstone.ErrNotFound)
	_, err = newTopLoader(dir, []string{"nope"}, 3).load(ctx, &topAsk{})
	require.Equal(t, exitNotFound, asFault(err).code)

	code, out, errs := callWith(t, "", "top", "-d", dir, "-e", "e1", "--metric", "loss")
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `^NAME +STATUS +TIME +STEP +loss +TREND +POINTS/S +GPU +ID\nr3 `, out)
	code, out, _ = callWith(t, "", "top", "--once", "--json", "-d", dir, "--limit", "1")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, `"run_name":"r0","experiment":"e0","status":"RUNNING"`)
	require.Contains(t, out, `"metrics":{"loss":7,`)
	for args, want := range map[string]int{"--limit=0": exitUsage, "--filter=metrics.": exitRefused, "--filter=LIMIT 3": exitRefused, "--experiment=nope": exitNotFound} {
		code, _, errs = callWith(t, "", "top", args, "-d", dir)
		require.Equal(t, want, code, "%s: %s", args, errs)
	}
	code, _, _ = callWith(t, "", "top", "-d", filepath.Join(dir, "no"))
	require.Equal(t, exitNotFound, code)
}

// TestTopPanic: a mistake while reading comes to the goroutine that leaves the
// screen.
func TestTopPanic(t *testing.T) {
	var l *topLoader // whose use is a mistake
	found := l.answer(context.Background(), &topAsk{})
	require.Error(t, found.err)
	require.Panics(t, func() { (&topModel{}).answer(&found) })
}

// TestScreen: lines are drawn once, and what was before comes back.
func TestScreenDraws(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer f.Close()
	s := &screen{out: f}
	require.NoError(t, s.draw([]string{"a", "b"}))
	require.NoError(t, s.draw([]string{"a", "b"}))
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "\x1b[?2026h\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J\x1b[?2026l", string(text))
	width, height := s.size()
	require.Equal(t, []int{80, 24}, []int{width, height})
}
