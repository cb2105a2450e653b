package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/bench/load"
)

var ctx = context.Background()

// TestMain lets the test's program stand in for the command, which starts
// itself.
func TestMain(m *testing.M) {
	if os.Getenv("PEERS_COMMAND") != "" {
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A peer that loses points, or changes them, would look fast and small.
func TestPeersKeepEveryPoint(t *testing.T) {
	all := append([]peer{
		runstoneAppended, {"sqlite-delete", "", openSQLite("DELETE", "FULL")}, {"sqlite-full", "", openSQLite("WAL", "FULL")},
	}, peers...)
	shapes := map[string]load.Shape{
		"ten metrics": {Runs: 3, Metrics: 10, Steps: 250, Batch: 1000},
		"one series":  {Runs: 1, Metrics: 1, Steps: 9001, Batch: 1000},
		"single":      {Runs: 2, Metrics: 1, Steps: 40, Batch: 1},
	}
	for _, p := range all {
		for name, shape := range shapes {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "db")
				e, err := p.open(dir)
				require.NoError(t, err)
				w := shape.Workload()
				ids, err := load.Ingest(ctx, e, w)
				require.NoError(t, err)
				require.NoError(t, e.Close())
				e, err = p.open(dir)
				require.NoError(t, err)
				for run, id := range ids {
					for _, metric := range shape.Names() {
						require.NoError(t, load.CheckSeries(ctx, e, id, w, run, metric))
					}
				}
				n, err := e.Downsample(ctx, ids[0], "train/loss", shape.Steps, 100)
				require.NoError(t, err)
				require.EqualValues(t, shape.Steps, n)
				require.NoError(t, e.Close())
			})
		}
	}
}

// Whatever a table lists can be measured, and its figures are shown.
func TestTables(t *testing.T) {
	for _, table := range tables {
		if table.name == "crash" || table.name == "servers" {
			continue // they start processes
		}
		t.Run(table.name, func(t *testing.T) {
			var out bytes.Buffer
			r := report{w: &out}
			s := spec{points: 2000, runs: 200, writing: 20 * time.Millisecond}
			var err error
			s.batchBytes, err = table.batchBytes(ctx, s)
			require.NoError(t, err)
			contenders := table.contenders(s)
			r.head(table, s, contenders)
			var lines []line
			for _, c := range contenders {
				o, err := c.measure(ctx, t.TempDir(), s)
				require.NoError(t, err, c.name)
				l := line{name: c.name, outcome: o, load: "0"}
				table.row(&r, l)
				lines = append(lines, l)
			}
			if table.ratios != nil {
				table.ratios(&r, lines)
				require.Contains(t, out.String(), "runstone : sqlite-wal")
			}
			require.NoError(t, r.err)
			require.NotContains(t, out.String(), "failed")
			for _, c := range contenders {
				require.Contains(t, out.String(), "\n"+c.name+" ")
			}
		})
	}
}

func TestBatchBytesAreThoseOfTheJournal(t *testing.T) {
	for _, table := range tables {
		n, err := table.batchBytes(ctx, spec{points: 1_000_000})
		require.NoError(t, err)
		switch table.name {
		case "points", "series": // 1,000 points, and what they share or not
			require.Greater(t, n, 1000)
			require.Less(t, n, 26_000)
		case "writers":
			require.Greater(t, n, 8)
			require.Less(t, n, 100)
		default:
			require.Zero(t, n)
		}
	}
}

// command runs this program as the command.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "PEERS_COMMAND=1")
	cmd.Stderr = t.Output() // some peers complain there whoever asks for them
	out, err := cmd.Output()
	return string(out), err
}

func TestCommandPrintsTablesAndKeepsNothing(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "out.txt")
	out, err := command(t, "-points", "2000", "-writing", "20ms", "-tables", "series,writers,crash",
		"-only", "runstone,limit-scan,limit-group", "-repeat", "2", "-dir", dir, "-out", file)
	require.NoError(t, err, out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, out, string(text))
	require.NotContains(t, out, "failed")
	require.Contains(t, out, "== series")
	require.Contains(t, out, "runstone : limit-group")
	require.NoFileExists(t, strings.TrimSuffix(file, ".txt")+"-searchscale.svg")
	i := strings.LastIndex(out, "\nrunstone ")
	fields := strings.Fields(out[i:])
	require.Equal(t, fields[2], fields[3], "points acknowledged and found after the crash: %s", out[i:])
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestCommandDraws(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "out.txt")
	out, err := command(t, "-runs", "100", "-writing", "1ms", "-tables", "search,searchscale", "-only", "10-runs,100-runs", "-dir", dir, "-out", file)
	require.NoError(t, err, out)
	require.NotContains(t, out, "failed")
	text, err := os.ReadFile(strings.TrimSuffix(file, ".txt") + "-searchscale.svg")
	require.NoError(t, err)
	require.Contains(t, string(text), "</svg>")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestCommandRefuses(t *testing.T) {
	for _, args := range [][]string{{"-points", "0"}, {"-runs", "0"}, {"-tables", "nothing"}, {"-only", "nobody"}, {"argument"}, {"-child", "points/nobody"}} {
		_, err := command(t, args...)
		require.Error(t, err, "%v", args)
	}
}

// A contender that fails is a row, and not the end.
func TestFailureIsARow(t *testing.T) {
	var out bytes.Buffer
	r := report{w: &out}
	bad := line{name: "sqlite-wal", err: fmt.Errorf("no\nspace")}
	for _, row := range []func(*report, line){loadRow, writersRow, crashRow, searchRow, everRow, besideRow} {
		row(&r, bad)
	}
	require.Equal(t, 6, strings.Count(out.String(), "failed: no; space\n"))
	pointsRatios(&r, []line{bad})
	seriesRatios(&r, []line{bad})
	writersRatios(&r, []line{bad})
	require.NoError(t, r.err)

	t.Setenv("PEERS_COMMAND", "1")
	err := startSelf(ctx, new(outcome), "-child", "points/nobody", "-dir", t.TempDir())
	require.ErrorContains(t, err, `no contender is named "points/nobody"`)
	_, err = inChild(ctx, "points/sqlite-wal", t.TempDir(), spec{points: 1_000_000, runs: 1, writing: time.Second}, 50*time.Millisecond)
	require.ErrorContains(t, err, "took longer than 50ms")
}

func TestOutcomeSurvivesJSON(t *testing.T) {
	want := outcome{Crash: &crash{Journal: 1, Points: 2, Found: 2, Open: []time.Duration{3}}, Load: &load.Result{Points: 7, Client: 9}}
	b, err := json.Marshal(want)
	require.NoError(t, err)
	var got outcome
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, want, got)
}

func TestNamesAreDistinct(t *testing.T) {
	for _, table := range tables {
		var names []string
		for _, c := range table.contenders(spec{points: 10_000_000}) {
			names = append(names, c.name)
		}
		slices.Sort(names)
		require.Equal(t, slices.Compact(slices.Clone(names)), names)
	}
}

func TestVictoriaColumnsAreMerged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var c victoriaColumns
		for range rng.IntN(6) {
			for at, n := rng.Int64N(50), rng.IntN(20); n > 0; n-- {
				at += rng.Int64N(9)
				c.times, c.values = append(c.times, at), append(c.values, float64(at)/2)
			}
		}
		want := slices.Sorted(slices.Values(c.times))
		c.sort()
		require.Equal(t, want, append([]int64(nil), c.times...))
		for i, at := range c.times {
			require.Equal(t, float64(at)/2, c.values[i])
		}
	}
}

func TestBestIsTheLeastOfEachFigure(t *testing.T) {
	a := &outcome{Load: &load.Result{Points: 5, Append: 10, Close: 1, AppendCPU: 9, Peak: 100, Base: 50, Bytes: 70, Tables: 60, Read: 3, Client: 8}}
	b := &outcome{Load: &load.Result{Points: 5, Append: 8, Close: 2, AppendCPU: 11, Peak: 110, Base: 70, Bytes: 80, Tables: 50, Read: 4, Client: 7}}
	want := &outcome{Load: &load.Result{Points: 5, Append: 8, Close: 2, AppendCPU: 9, Peak: 110, Base: 70, Bytes: 70, Tables: 60, Read: 3, Client: 7}}
	require.Equal(t, want, a.best(b))
	require.Equal(t, want, b.best(a))
	require.Equal(t, a, a.best(nil))
	require.Equal(t, load.Result{Points: 5, Append: 10, Close: 1, AppendCPU: 9, Peak: 100, Base: 50, Bytes: 70, Tables: 60, Read: 3, Client: 8}, *a.Load)

	fast := &outcome{Writers: &load.WritersResult{Points: 9, Wall: 1}}
	slow := &outcome{Writers: &load.WritersResult{Points: 9, Wall: 2}}
	require.Equal(t, fast, fast.best(slow))
	require.Equal(t, fast, slow.best(fast))

	x, y := &outcome{Crash: &crash{Points: 1, Open: []time.Duration{2, 5}}}, &outcome{Crash: &crash{Points: 1, Open: []time.Duration{1, 9}}}
	require.Equal(t, &outcome{Crash: &crash{Points: 1, Open: []time.Duration{1, 2, 5, 9}}}, x.best(y))
}
