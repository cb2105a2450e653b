package bench

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
)

// EnvDir is the variable that names the database which [Record] logs to.
const EnvDir = "RUNSTONE_DATA_DIR"

// Record logs the result of a benchmark to the database that the variable
// RUNSTONE_DATA_DIR names, in the experiment [Experiment]; without it Record
// does nothing. Call it anywhere in the benchmark, before or after the loop:
//
//	func BenchmarkDecode(b *testing.B) {
//		bench.Record(b)
//		for b.Loop() {
//			…
//		}
//	}
//
// All benchmarks of a test process are one run, as [Log] would make it: ns/op,
// what ReportMetric was given, MB/s after SetBytes, B/op and allocs/op; of a
// loop over b.N only the call with the final N counts, and each of -count is
// one more value. A benchmark that fails or is skipped, and one that only holds
// others, has no result. Trouble with the database is a line of the
// benchmark's log and no failure.
//
// Nothing happens while the timer runs: the result is taken when the benchmark
// has returned. The database is open only for that moment, and shared with
// other test processes.
func Record(b *testing.B) {
	if dir := os.Getenv(EnvDir); dir != "" {
		process.record(b, dir)
	}
}

// process is what Record has logged in this process: testing has no place for
// it, and one run for the process is what Record promises.
var process recorder

type recorder struct {
	mu     sync.Mutex
	text   []byte // results so far, without the head
	origin Origin
	run    runstone.RunInfo // ID "" before the first result
	counts map[string]int64 // repetitions, by metric
}

// record takes the result of b when it has returned. b.Cleanup runs after each
// call of the function; a call that is not final is left out.
func (p *recorder) record(b *testing.B, dir string) {
	b.Helper()
	b.Cleanup(func() {
		if b.Failed() || b.Skipped() || !final(b) {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if err := p.save(context.Background(), dir, resultLine(b)); err != nil {
			b.Logf("runstone: %s is not recorded in %s: %v", b.Name(), dir, err)
		}
	})
}

// final reports whether this was the call that testing takes the result of. It
// is the one that ran for -benchtime, or as often as that says.
func final(b *testing.B) bool {
	if hasSub(b) || b.Name() == "" || b.N <= 0 {
		return false
	}
	want := "1s"
	if f := flag.Lookup("test.benchtime"); f != nil {
		want = f.Value.String()
	}
	if n, ok := strings.CutSuffix(want, "x"); ok {
		count, err := strconv.Atoi(n)
		return err == nil && b.N == count
	}
	d, err := time.ParseDuration(want)
	const most = 1e9 // iterations, after which testing stops whatever the time
	return err == nil && (b.Elapsed() >= d || b.N >= most)
}

// resultLine writes the result of b as testing prints it. What testing.B does
// not export is read by reflection; a field that a later Go does not have is
// left out, and the time per operation is always there.
func resultLine(b *testing.B) string {
	v := reflect.ValueOf(b).Elem()
	n := float64(b.N)
	var line strings.Builder
	line.WriteString(b.Name())
	if procs := runtime.GOMAXPROCS(0); procs != 1 {
		fmt.Fprintf(&line, "-%d", procs)
	}
	fmt.Fprintf(&line, "\t%d", b.N)
	seen := map[string]bool{}
	put := func(value float64, unit string) {
		if !seen[unit] {
			seen[unit] = true
			fmt.Fprintf(&line, "\t%s %s", strconv.FormatFloat(value, 'g', -1, 64), unit)
		}
	}
	extra := reported(v)
	// ReportMetric(0, "ns/op") is how a benchmark says that it has none.
	if ns, ok := extra["ns/op"]; !ok {
		put(float64(b.Elapsed().Nanoseconds())/n, "ns/op")
	} else if ns != 0 {
		put(ns, "ns/op")
	}
	if bytes, ok := integer(v, "bytes"); ok && bytes > 0 && b.Elapsed() > 0 {
		if _, ok := extra["MB/s"]; !ok {
			put(bytes*n/1e6/b.Elapsed().Seconds(), "MB/s")
		}
	}
	for _, unit := range sortedKeys(extra) {
		if unit != "ns/op" {
			put(extra[unit], unit)
		}
	}
	if bytes, ok := integer(v, "netBytes"); ok {
		put(float64(int64(bytes/n)), "B/op")
	}
	if allocs, ok := integer(v, "netAllocs"); ok {
		put(float64(int64(allocs/n)), "allocs/op")
	}
	return line.String()
}

func sortedKeys(m map[string]float64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// reported returns what ReportMetric was given, by unit.
func reported(b reflect.Value) map[string]float64 {
	out := map[string]float64{}
	extra := b.FieldByName("extra")
	if !extra.IsValid() || extra.Type() != reflect.TypeFor[map[string]float64]() {
		return out
	}
	for it := extra.MapRange(); it.Next(); {
		out[it.Key().String()] = it.Value().Float()
	}
	return out
}

func integer(b reflect.Value, field string) (float64, bool) {
	f := b.FieldByName(field)
	switch {
	case !f.IsValid():
		return 0, false
	case f.CanInt():
		return float64(f.Int()), true
	case f.CanUint():
		return float64(f.Uint()), true
	}
	return 0, false
}

// hasSub reports whether b.Run was called. Such a benchmark has no result of
// its own.
func hasSub(b *testing.B) bool {
	f := reflect.ValueOf(b).Elem().FieldByName("hasSub") // an atomic.Bool
	if !f.IsValid() || f.Kind() != reflect.Struct {
		return false
	}
	v := f.FieldByName("v")
	return v.IsValid() && v.CanUint() && v.Uint() != 0
}

// testPackage returns the import path of the package under test, which Go gives
// the test program as its own with ".test" behind it.
func testPackage() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return strings.TrimSuffix(info.Path, ".test")
}

// cpuName returns the name of the processor as testing prints it, where the
// system has a file that tells.
func cpuName() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// save adds a line to the run. Called with mu held.
func (p *recorder) save(ctx context.Context, dir, line string) (err error) {
	db, err := runstone.Open(dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if p.run.ID == "" {
		if err := p.start(ctx, db); err != nil {
			return err
		}
	}
	p.text = append(append(p.text, line...), '\n')
	p.origin.End = time.Now().UTC()
	r, err := Parse(bytes.NewReader(append(p.origin.header(), p.text...)))
	if err != nil {
		return err
	}
	if err := putText(ctx, db, &p.run, r.Text()); err != nil {
		return err
	}
	if err := db.LogBatch(ctx, p.run.ID, runstone.Batch{Metrics: p.news(r)}); err != nil {
		return err
	}
	_, err = db.UpdateRun(ctx, p.run.ID, runstone.RunUpdate{Status: runstone.Finished, End: p.origin.End.UnixMilli()})
	return err
}

// news are the measurements that are not logged yet.
func (p *recorder) news(r *Results) []runstone.Metric {
	var out []runstone.Metric
	for _, m := range points(r, time.Now().UnixMilli()) {
		if m.Step == p.counts[m.Name] {
			out = append(out, m)
			p.counts[m.Name]++
		}
	}
	return out
}

func (p *recorder) start(ctx context.Context, db *runstone.DB) error {
	p.counts = map[string]int64{}
	p.origin = Here(ctx, "", "")
	p.origin.Go = runtime.Version()
	p.text = fmt.Appendf(nil, "\ngoos: %s\ngoarch: %s\npkg: %s\n", runtime.GOOS, runtime.GOARCH, testPackage())
	if cpu := cpuName(); cpu != "" {
		p.text = fmt.Appendf(p.text, "cpu: %s\n", cpu)
	}
	head := &Results{Keys: map[string]string{"goos": runtime.GOOS, "goarch": runtime.GOARCH}}
	n := newRun(head, &p.origin, &LogOptions{})
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		n.Tags = append(n.Tags, runstone.KV{Key: "runstone.go.module", Value: info.Main.Path})
	}
	var err error
	p.run, err = db.CreateRun(ctx, n)
	return err
}
