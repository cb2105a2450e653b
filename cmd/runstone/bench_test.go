package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runstonedb/runstone/bench"
	"github.com/stretchr/testify/require"
)

// callWith runs the program on an input and returns its exit code and what it
// printed.
func callWith(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	a, o, e := newApp(strings.NewReader(in))
	code = a.main(context.Background(), args)
	return code, o.String(), e.String()
}

// benchHistory writes texts of 40 runs; at the 21st the level of Step rises by
// 20 %, that of Flat stays.
func benchHistory(t *testing.T) (files []string) {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		level := 100.0
		if i >= 20 {
			level = 120
		}
		day := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		var b bytes.Buffer
		fmt.Fprintf(&b, "# date: %s\n# end: %s\n# commit: %040x\n# commit-time: %s\n# cpus: 8\n\ngoos: linux\ngoarch: amd64\npkg: example.com/x\ncpu: Example\n", day, day, i+0xabc, day)
		for range 5 {
			fmt.Fprintf(&b, "BenchmarkStep-8 100 %.3f ns/op 5 allocs/op\nBenchmarkFlat-8 100 %.3f ns/op 7 B/op\n", level+r.NormFloat64(), 50+r.NormFloat64())
		}
		files = append(files, filepath.Join(dir, fmt.Sprintf("%03d.txt", i)))
		require.NoError(t, os.WriteFile(files[i], b.Bytes(), 0o600))
	}
	return files
}

func TestBenchTrend(t *testing.T) {
	db := filepath.Join(t.TempDir(), "db")
	code, _, errs := callWith(t, "", append([]string{"bench", "log", "-q", "-d", db}, benchHistory(t)...)...)
	require.Equal(t, exitOK, code, errs)

	code, out, errs := callWith(t, "", "bench", "trend", "-d", db)
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `(?m)^linux/amd64, Example, 8 CPUs\nBENCHMARK +UNIT +RUNS +TREND +LATEST +CHANGES  LAST CHANGE$`, out)
	require.Regexp(t, `(?m)^example.com/x.Step-8  ns/op +40  ▁*[▁▂▃]+ .*ns/op +1  \+[12].\..+% worse 000000000000\.\.000000000000$`, strings.ReplaceAll(out, "█", "▁"))
	require.Regexp(t, `(?m)^example.com/x.Flat-8  ns/op +40 .* 0  -$`, out)

	code, out, errs = callWith(t, "", "bench", "trend", "Step", "--unit", "ns/op", "-d", db, "--width", "60", "--height", "8")
	require.Equal(t, exitOK, code, errs)
	lines := strings.Split(out, "\n")
	require.Equal(t, "example.com/x.Step-8 ns/op", lines[0])
	require.Equal(t, "linux/amd64, Example, 8 CPUs, 40 runs", lines[1])
	require.Regexp(t, `^ +\^1$`, lines[10])
	mark := strings.Index(lines[10], "^")
	require.InDelta(t, 6+30, mark, 2, "the mark is below the middle:\n%s", out)
	require.Regexp(t, `^  1: \+[12].\..+% worse .* \(.*ns/op → .*ns/op\) on 2026-01-21$`, lines[12])

	code, out, errs = callWith(t, "", "bench", "trend", "--changed", "--json", "-d", db)
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, 3, strings.Count(out, "\n"), out)
	require.Contains(t, out, fmt.Sprintf(`"commit":"%040x","commit_before":"%040x"`, 20+0xabc, 19+0xabc))
	require.Contains(t, out, `"index":20`)

	code, out, _ = callWith(t, "", "bench", "trend", "Flat", "--unit", "B/op", "--last", "3", "-d", db)
	require.Equal(t, exitOK, code)
	require.Contains(t, out, "  no change of level\n")
	for args, want := range map[string]int{
		"Nothing": exitNotFound, "--machine=arm": exitNotFound, "(": exitUsage, "--alpha=0.2": exitUsage, "--min-change=5": exitUsage,
		"--last=-1": exitUsage, "--width=-1": exitUsage, "--experiment=other": exitNotFound,
	} {
		code, _, errs = callWith(t, "", "bench", "trend", args, "-d", db)
		require.Equal(t, want, code, "%s: %s", args, errs)
	}
}

// TestBenchSave: the saved text of a run makes the same run elsewhere.
func TestBenchSave(t *testing.T) {
	dir := t.TempDir()
	saved, one, two := filepath.Join(dir, "history"), filepath.Join(dir, "one"), filepath.Join(dir, "two")
	code, id, errs := callWith(t, "pkg: p\nBenchmarkA-2 100 5 ns/op\n", "bench", "log", "--save", saved, "--commit", "feature/x", "-d", one)
	require.Equal(t, exitOK, code, errs)
	files, err := filepath.Glob(filepath.Join(saved, "*.txt"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Contains(t, files[0], "-feature_x-")
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	for _, in := range [][]string{{files[0]}, {"-"}} {
		code, again, errs := callWith(t, string(text), append([]string{"bench", "log", "-d", two}, in...)...)
		require.Equal(t, exitOK, code, errs)
		require.Equal(t, id, again)
	}
	r := oneRun(t, two)
	require.Equal(t, strings.TrimSpace(id), r.ID)
	require.Equal(t, "feature/x", r.Tags["mlflow.source.git.commit"])
	res, err := bench.Parse(bytes.NewReader(text))
	require.NoError(t, err)
	require.False(t, res.Origin.Start.IsZero())
	require.False(t, res.Origin.End.IsZero())
}

// TestBenchEcho: what comes in is seen as it comes.
func TestBenchEcho(t *testing.T) {
	in := "BenchmarkA-2 100 5 ns/op\n"
	code, out, errs := callWith(t, in, "bench", "log", "--echo", "--json", "-d", filepath.Join(t.TempDir(), "db"))
	require.Equal(t, exitOK, code)
	require.Contains(t, errs, in)
	require.Contains(t, out, `"values":1`)
}

func TestSparkline(t *testing.T) {
	require.Equal(t, "▁▁▁", sparkline([]float64{5, 5, 5}))
	require.Equal(t, "▁█▄", sparkline([]float64{0, 10, 5}))
	require.Equal(t, "▁▁", sparkline([]float64{0, 0}))
	require.Len(t, []rune(sparkline(make([]float64, 100))), sparkWidth)
	require.Equal(t, "▁▁", sparkline([]float64{100, 100.1}), "a small change is no cliff")
}

// benchSamples is a text of n benchmarks with six samples each; those of the
// first are multiplied.
func benchSamples(n int, factor float64) string {
	var b strings.Builder
	b.WriteString("Unit apples better=higher\n")
	for i := range n {
		for k := range 6 {
			v := 100 + float64(k)
			if i == 0 {
				v *= factor
			}
			fmt.Fprintf(&b, "BenchmarkB%d 100 %g ns/op 3 widgets/op\n", i, v)
		}
	}
	return b.String()
}

// TestBenchCheckOfMany: what six samples tell of one benchmark they do not tell
// of one in thirty, and check says how many would.
func TestBenchCheckOfMany(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	old, slower := file("old.txt", benchSamples(30, 1)), file("slower.txt", benchSamples(30, 1.2))
	code, out, errs := callWith(t, "", "bench", "check", slower, "--against", old)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "too few samples to tell; 7 on each side are needed: go test -count 10\n  B0 ns/op")
	require.Contains(t, out, "\nnot judged, since it is not known what is better: widgets/op\n")
	require.Contains(t, out, "30 checked: 29 fine, 0 regressed, 0 unclear, 0 improved, 1 too few samples, 0 missing, 0 new")
	for _, args := range [][]string{{"--each"}, {"--bench", "^B0$"}, {"--alpha", "0.1"}, {"--fail-few"}} {
		code, out, errs = callWith(t, "", append([]string{"bench", "check", slower, "--against", old}, args...)...)
		require.Equal(t, exitRegressed, code, "%v: %s%s", args, out, errs)
	}
	code, _, errs = callWith(t, "", "bench", "check", old, "--against", old, "--max-regress", "widget/op=1%")
	require.Equal(t, exitOK, code)
	require.Contains(t, errs, "neither has the unit widget/op that --max-regress names")
}

// TestBenchCheckFailure: results that go test did not finish are not fine, and
// a regression among them is told first.
func TestBenchCheckFailure(t *testing.T) {
	old := filepath.Join(t.TempDir(), "old.txt")
	require.NoError(t, os.WriteFile(old, []byte(benchSamples(1, 1)), 0o600))
	code, out, errs := callWith(t, benchSamples(1, 1)+"--- FAIL: BenchmarkC\x1b[2J\nFAIL\n", "bench", "check", "-", "--against", old)
	require.Equal(t, exitError, code)
	require.Contains(t, out, "1 checked: 1 fine")
	require.Contains(t, errs, "go test failed: --- FAIL: BenchmarkC [2J; what it did not measure is not checked")
	code, out, _ = callWith(t, benchSamples(1, 1)+"--- FAIL: BenchmarkC\nFAIL\n", "bench", "check", "-", "--against", old, "--json")
	require.Equal(t, exitError, code)
	require.Contains(t, out, `"ok":false`)
	code, _, _ = callWith(t, benchSamples(1, 2)+"--- FAIL: BenchmarkC\nFAIL\n", "bench", "check", "-", "--against", old)
	require.Equal(t, exitRegressed, code)
}
