package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/runstonedb/runstone/bench/load"
)

// line is a contender's result.
type line struct {
	name    string
	outcome *outcome // nil with err
	err     error
	load    string // load average before it ran
}

// report prints the tables. The first failure to write stays in err.
type report struct {
	w   io.Writer
	err error
}

func (r *report) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(r.w, format, args...); r.err == nil {
		r.err = err
	}
}

// head prints what a table is and its first line.
func (r *report) head(t table, s spec, contenders []contender) {
	r.printf("\n== %s\n\n", t.name)
	for _, c := range contenders {
		r.printf("%-16s %s\n", c.name, c.about)
	}
	r.printf("\n")
	t.head(r, s)
}

func pointsHead(r *report, s spec) {
	shape := pointsShape(s)
	r.printf("%d points: %d runs × %d metrics × %d steps, batches of %d, each acknowledged, %d bytes in Runstone's journal.\n",
		shape.Points(), shape.Runs, shape.Metrics, shape.Steps, shape.Batch, s.batchBytes)
	r.loadHead(shape.Steps)
}

func seriesHead(r *report, s spec) {
	shape := seriesShape(s)
	r.printf("%d points of one metric of one run, batches of %d.\n", shape.Points(), shape.Batch)
	r.loadHead(shape.Steps)
}

func scaleHead(r *report, _ spec) {
	r.printf("read, down, client: of one series of the middle run, whose length differs from row to row.\n")
	r.loadHead(0)
}

// loadHead says what the columns of loadRow are.
func (r *report) loadHead(steps int) {
	of := "one series"
	if steps > 0 {
		of = fmt.Sprintf("one series of %d points", steps)
	}
	r.printf("append, close: wall seconds. cpu: seconds of all threads until after close, making the points included.\n")
	r.printf("B/point, alloc: sizes and file-system blocks of all files after close. tables: what of B/point is tables,\n")
	r.printf("where the engine tells. peak: resident memory of the process until after close; base: before it began.\n")
	r.printf("read: %s. down: the same in 1,000 buckets by the engine (SQL GROUP BY where there is SQL).\n", of)
	r.printf("client: the same by reading all points. Median of five, warm. load: of the machine before.\n\n")
	r.printf("%-16s %9s %7s %8s %8s %8s %8s %8s %7s %5s %9s %8s %8s %9s  %s\n",
		"", "points/s", "append", "close", "cpu", "B/point", "alloc", "tables", "peak MB", "base", "reopen ms", "read ms", "down ms", "client ms", "load")
}

// failed prints the row of a contender that failed.
func (r *report) failed(l line) bool {
	if l.err != nil {
		r.printf("%-16s failed: %s\n", l.name, strings.ReplaceAll(l.err.Error(), "\n", "; "))
	}
	return l.err != nil
}

func loadRow(r *report, l line) {
	if r.failed(l) {
		return
	}
	x := l.outcome.Load
	rate := "-"
	if x.Append > 0 {
		rate = thousands(x.Rate())
	}
	r.printf("%-16s %9s %7s %8s %8s %8s %8s %8s %7s %5s %9s %8s %8s %9s  %s\n",
		l.name, rate, orDash(x.Append.Seconds(), 2), orDash(x.Close.Seconds(), 3), orDash(x.CPU().Seconds(), 2),
		orDash(x.PerPoint(), 2), orDash(float64(x.Allocated)/float64(x.Points), 2), orDash(float64(x.Tables)/float64(x.Points), 2),
		orDash(float64(x.Peak)/1e6, 0), orDash(float64(x.Base)/1e6, 0), orDash(ms(x.Reopen), 1), orDash(ms(x.Read), 2), orDash(ms(x.Downsample), 3), orDash(ms(x.Client), 2), l.load)
}

func writersHead(r *report, s spec) {
	r.printf("%d goroutines (one where the name says so), each of which logs one point after the other for %v and waits\nuntil it survives power loss.\n", writers, s.writing)
	r.printf("p50, p99, max: of one point. A point takes %d bytes in Runstone's journal.\n\n", s.batchBytes)
	r.printf("%-16s %9s %8s %8s %8s %8s  %s\n", "", "points/s", "points", "p50 ms", "p99 ms", "max ms", "load")
}

func writersRow(r *report, l line) {
	if r.failed(l) {
		return
	}
	x := l.outcome.Writers
	r.printf("%-16s %9s %8d %8.2f %8.2f %8.1f  %s\n", l.name, thousands(x.Rate()), x.Points, ms(x.P50), ms(x.P99), ms(x.Max), l.load)
}

func crashHead(r *report, _ spec) {
	r.printf("open: in a new process, until the database is ready; least, median and most. All that was\n")
	r.printf("acknowledged is counted afterwards: a difference is a failure.\n\n")
	r.printf("%-16s %11s %10s %10s %8s %8s %8s  %s\n", "", "journal MiB", "points", "found", "least ms", "median", "most", "load")
}

func crashRow(r *report, l line) {
	if r.failed(l) {
		return
	}
	x := l.outcome.Crash
	r.printf("%-16s %11.1f %10d %10d %8.1f %8.1f %8.1f  %s\n", l.name, float64(x.Journal)/(1<<20), x.Points, x.Found,
		ms(x.Open[0]), ms(x.Open[len(x.Open)/2]), ms(x.Open[len(x.Open)-1]), l.load)
}

// pointsRatios prints how many times better Runstone is than each peer, and
// how it stands to the limits.
func pointsRatios(r *report, lines []line) {
	r.printf("\nThe peer's figure over Runstone's (times better; below 1 is worse; peak without base)\n")
	r.printf("%-34s %8s %13s %8s %8s %8s %8s %8s %8s\n", "", "append", "append+close", "cpu", "B/point", "peak", "read", "down", "client")
	for _, a := range []string{"runstone", "runstone-synced"} {
		for _, b := range lines {
			if x, y := loadOf(lines, a), b.outcome; x != nil && y != nil && isPeer(b.name) {
				r.loadRatio(a+" : "+b.name, x, y.Load)
			}
		}
	}
	r.printf("\nRunstone's figure over the limit's\n")
	over := func(a, b, what string, of func(*load.Result) time.Duration) {
		if x, y := loadOf(lines, a), loadOf(lines, b); x != nil && y != nil {
			r.printf("%-34s %8s %s\n", a+" : "+b, ratio(float64(of(x)), float64(of(y))), what)
		}
	}
	appending := func(x *load.Result) time.Duration { return x.Append }
	over("runstone", "limit-append", "append", appending)
	over("runstone-synced", "limit-fdatasync", "append", appending)
	over("runstone", "runstone-tmpfs", "append", appending)
	over("runstone", "limit-scan", "read", func(x *load.Result) time.Duration { return x.Read })
	over("runstone", "limit-scan", "down", func(x *load.Result) time.Duration { return x.Downsample })
}

func seriesRatios(r *report, lines []line) {
	r.printf("\nThe peer's figure over Runstone's (times better; below 1 is worse; peak without base)\n")
	r.printf("%-34s %8s %13s %8s %8s %8s %8s %8s %8s\n", "", "append", "append+close", "cpu", "B/point", "peak", "read", "down", "client")
	x := loadOf(lines, "runstone")
	for _, b := range lines {
		if x != nil && b.outcome != nil && b.name != "runstone" {
			r.loadRatio("runstone : "+b.name, x, b.outcome.Load)
		}
	}
}

// isPeer tells peers from Runstone and the limits.
func isPeer(name string) bool {
	return !strings.HasPrefix(name, "runstone") && !strings.HasPrefix(name, "limit-")
}

func (r *report) loadRatio(name string, x, y *load.Result) {
	seconds := func(a, b time.Duration) string { return ratio(float64(a), float64(b)) }
	r.printf("%-34s %8s %13s %8s %8s %8s %8s %8s %8s\n", name,
		seconds(y.Append, x.Append), seconds(y.Wall(), x.Wall()), seconds(y.CPU(), x.CPU()), ratio(float64(y.Bytes), float64(x.Bytes)),
		ratio(float64(y.Peak-y.Base), float64(x.Peak-x.Base)), seconds(y.Read, x.Read), seconds(y.Downsample, x.Downsample), seconds(y.Client, x.Client))
}

func writersRatios(r *report, lines []line) {
	r.printf("\nRunstone's points a second over the other's\n")
	for _, b := range lines {
		a := "runstone"
		if strings.HasSuffix(b.name, "-one") {
			a = "runstone-one"
		}
		if x := outcomeOf(lines, a); x != nil && b.outcome != nil && b.name != a {
			r.printf("%-34s %8s\n", a+" : "+b.name, ratio(x.Writers.Rate(), b.outcome.Writers.Rate()))
		}
	}
}

func outcomeOf(lines []line, name string) *outcome {
	for _, l := range lines {
		if l.name == name {
			return l.outcome
		}
	}
	return nil
}

func loadOf(lines []line, name string) *load.Result {
	if o := outcomeOf(lines, name); o != nil {
		return o.Load
	}
	return nil
}

// ratio is a over b, and a dash where one of them was not measured.
func ratio(a, b float64) string {
	switch {
	case a == 0 || b == 0:
		return "-"
	case a/b < 10:
		return fmt.Sprintf("%.2f", a/b)
	}
	return fmt.Sprintf("%.1f", a/b)
}

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
