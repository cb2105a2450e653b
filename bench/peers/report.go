package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/runstonedb/runstone/bench/load"
)

// line is a contender's result.
type line struct {
	name   string
	result *load.Result
	load   string // load average before it ran
}

// report prints the table. The first failure to write stays in err.
type report struct {
	w   io.Writer
	err error
}

func (r *report) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(r.w, format, args...); r.err == nil {
		r.err = err
	}
}

// head prints what the figures are of, and the table's first line.
func (r *report) head(shape load.Shape, chosen []contender) {
	r.printf("points   %d (%d runs × %d metrics × %d steps, batches of %d, each acknowledged)\n",
		shape.Points(), shape.Runs, shape.Metrics, shape.Steps, shape.Batch)
	r.printf("date     %s\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	r.printf("cpu      %s, %d in use\n", field("/proc/cpuinfo", "model name"), runtime.GOMAXPROCS(0))
	r.printf("memory   %s\n", field("/proc/meminfo", "MemTotal"))
	r.printf("kernel   %s %s\n", runtime.GOOS, firstLine("/proc/sys/kernel/osrelease"))
	r.printf("go       %s\n", runtime.Version())
	r.printf("commit   %s\n\n", commit())
	for _, c := range chosen {
		r.printf("%-16s %s\n", c.name, c.about)
	}
	r.printf("\nappend, close: wall seconds. cpu: seconds of all threads until after close, making the points included.\n")
	r.printf("B/point, alloc: sizes and file-system blocks of all files after close. peak: resident memory of the process until then.\n")
	r.printf("read: one series of %d points. down: the same in 1,000 buckets. Median of five, warm. load: of the machine before.\n\n", shape.Steps)
	r.printf("%-16s %9s %7s %8s %8s %8s %8s %7s %9s %8s %8s  %s\n",
		"", "points/s", "append", "close", "cpu", "B/point", "alloc", "peak MB", "reopen ms", "read ms", "down ms", "load")
}

func (r *report) row(l line) {
	x := l.result
	r.printf("%-16s %9s %7.2f %8.3f %8.2f %8s %8s %7.0f %9s %8s %8s  %s\n",
		l.name, thousands(x.Rate()), x.Append.Seconds(), x.Close.Seconds(), x.CPU().Seconds(),
		orDash(x.PerPoint(), 2), orDash(float64(x.Allocated)/float64(x.Points), 2), float64(x.Peak)/1e6,
		orDash(ms(x.Reopen), 1), orDash(ms(x.Read), 2), orDash(ms(x.Downsample), 3), l.load)
}

// ratios prints how many times better Runstone is than each SQLite, and how it
// stands to the raw file.
func (r *report) ratios(lines []line) {
	if r.err != nil {
		return
	}
	r.printf("\nSQLite's figure over Runstone's (times better)\n")
	r.printf("%-34s %8s %13s %8s %8s %8s %8s\n", "", "append", "append+close", "cpu", "B/point", "read", "down")
	for _, a := range lines {
		for _, b := range lines {
			if !strings.HasPrefix(a.name, "runstone") || !strings.HasPrefix(b.name, "sqlite") {
				continue
			}
			x, y := a.result, b.result
			r.printf("%-34s %8.1f %13.1f %8.1f %8.1f %8.1f %8.1f\n", a.name+" : "+b.name,
				over(y.Append, x.Append), over(y.Wall(), x.Wall()), over(y.CPU(), x.CPU()),
				y.PerPoint()/x.PerPoint(), over(y.Read, x.Read), over(y.Downsample, x.Downsample))
		}
	}
	r.printf("\nRunstone's time over the limit's\n")
	for _, pair := range [][2]string{{"runstone", "limit-append"}, {"runstone-synced", "limit-fdatasync"}} {
		a, b := find(lines, pair[0]), find(lines, pair[1])
		if a != nil && b != nil {
			r.printf("%-34s %8.2f\n", pair[0]+" : "+pair[1], over(a.Append, b.Append))
		}
	}
}

func find(lines []line, name string) *load.Result {
	for _, l := range lines {
		if l.name == name {
			return l.result
		}
	}
	return nil
}

func over(a, b time.Duration) float64 { return float64(a) / float64(b) }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func orDash(v float64, digits int) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// thousands writes a rate as k or M.
func thousands(v float64) string {
	if v >= 1e6 {
		return fmt.Sprintf("%.2f M", v/1e6)
	}
	return fmt.Sprintf("%.1f k", v/1e3)
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
