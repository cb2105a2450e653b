package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// versions are the modules that are named above the figures.
var versions = []string{
	"github.com/VictoriaMetrics/VictoriaMetrics",
	"github.com/cockroachdb/pebble/v2",
	"github.com/dgraph-io/badger/v4",
	"github.com/duckdb/duckdb-go/v2",
	"github.com/mattn/go-sqlite3",
	"github.com/parquet-go/parquet-go",
	"github.com/prometheus/prometheus",
}

// machine prints what the figures are of.
func (r *report) machine() {
	r.printf("date     %s\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	r.printf("cpu      %s, %d in use\n", field("/proc/cpuinfo", "model name"), runtime.GOMAXPROCS(0))
	r.printf("memory   %s\n", field("/proc/meminfo", "MemTotal"))
	r.printf("kernel   %s %s\n", runtime.GOOS, firstLine("/proc/sys/kernel/osrelease"))
	r.printf("go       %s\n", runtime.Version())
	r.printf("commit   %s\n", commit())
	for i, v := range moduleVersions() {
		r.printf("%-8s %s\n", map[bool]string{true: "peers"}[i == 0], v)
	}
}

// moduleVersions returns the versions that were compiled in.
func moduleVersions() (out []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, m := range info.Deps {
		if slices.Contains(versions, m.Path) {
			out = append(out, m.Path+" "+m.Version)
		}
	}
	return out
}

// field returns a value of one of Linux's "name : value" files.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for l := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first
}

// firstOf is the first line that a command prints.
func firstOf(args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

func loadAverage() string {
	average, _, _ := strings.Cut(firstLine("/proc/loadavg"), " ")
	return average
}

// commit names the sources; go run leaves no trace of it in the binary.
func commit() string {
	id, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(id))
	if changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", ":/").Output(); err != nil || len(changes) > 0 {
		name += " with changes"
	}
	return name
}

// count writes a round number short: 10M, 100k, 64.
func count(n int) string {
	switch {
	case n >= 1e6 && n%1e6 == 0:
		return fmt.Sprintf("%dM", n/1e6)
	case n >= 1e3 && n%1e3 == 0:
		return fmt.Sprintf("%dk", n/1e3)
	}
	return fmt.Sprint(n)
}
