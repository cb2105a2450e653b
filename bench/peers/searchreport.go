package main

import (
	"fmt"
	"time"
)

// pairHead says what the columns of searchRow are.
func (r *report) pairHead() {
	r.printf("Runstone and SQLite with MLflow's tables and statements, the same runs, in one process; all answers are compared.\n")
	r.printf("opened: the first search after opening, best of %d (the system keeps the files in memory); empty: best of 10 or more with a\n", colds)
	r.printf("cache that keeps no column; warm, median: of 10 or more with the default cache. sqlite, median: of up to 10 with its cache of 2 MB\n")
	r.printf("as in MLflow, whose pages the system keeps in memory; 1 GB: best with such a cache. All in ms.\n")
	r.printf("A dash: SQLite took longer than ten times -writing, or there is no such figure. Last: SQLite's best over Runstone's opened, empty and warm.\n\n")
}

func searchHead(r *report, _ spec) {
	r.printf("filter: metrics.auc > 0.9 and params.lr = '0.01' order by metrics.loss limit 100; newest: no filter, the 100 latest.\n")
	r.printf("whole: 100 runs with all their fields; else ids in Runstone, and in SQLite the rows of the runs without their fields.\n")
	r.printf("page at: 100 runs behind so many, by cursor in Runstone, by offset in SQLite as MLflow does.\n")
	r.pairHead()
}

func namesHead(r *report, _ spec) {
	r.printf("on all: metrics.auc > 0.9 and metrics.loss < 1 order by metrics.loss limit 100; these two are on every run.\n")
	r.printf("on some: the same with two of the others, which are on the fewer runs the more names there are.\n")
	r.pairHead()
}

func searchScaleHead(r *report, _ spec) {
	r.printf("runs: the question of search. columns: a filter that names so many, of which a fifth of the runs pass the first and\n")
	r.printf("all pass the others. passing: metrics.auc >= x order by metrics.loss limit 100, which so many of the runs pass.\n")
	r.pairHead()
}

func searchRow(r *report, l line) {
	if r.failed(l) {
		return
	}
	x := l.outcome.Search
	r.printf("%-16s runstone: loaded in %s s (close %s), %s runs/s, %s B/run, open %s ms; sqlite: loaded in %s s, %s B/run; load %s\n", l.name,
		orDash(x.Loaded.Runstone.Seconds(), 1), orDash(x.Loaded.Close.Seconds(), 2), thousands(float64(x.Loaded.Runs)/x.Loaded.Runstone.Seconds()),
		orDash(float64(x.Loaded.RunstoneBytes)/float64(x.Loaded.Runs), 0), orDash(ms(x.Open), 1),
		orDash(x.Loaded.SQLite.Seconds(), 1), orDash(float64(x.Loaded.SQLiteBytes)/float64(x.Loaded.Runs), 0), l.load)
	r.printf("  %-16s %6s %9s %9s %9s %9s %9s %9s %9s %8s %8s %8s\n", "", "found", "opened", "empty", "warm", "median", "sqlite", "median", "1 GB", "opened", "empty", "warm")
	for _, a := range x.Answers {
		r.printf("  %-16s %6d %9s %9s %9s %9s %9s %9s %9s %8s %8s %8s\n", a.Name, a.Found, short(a.Cold), short(a.Empty), short(a.Warm), short(a.Median),
			short(a.SQLite), short(a.SQLiteMedian), short(a.SQLiteCached),
			ratio(float64(a.SQLite), float64(a.Cold)), ratio(float64(a.SQLite), float64(a.Empty)), ratio(float64(a.SQLite), float64(a.Warm)))
	}
}

// short writes a time in ms with three digits that count.
func short(d time.Duration) string {
	v := float64(d.Nanoseconds()) / 1e6
	switch {
	case d == 0: // not measured
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func everHead(r *report, _ spec) {
	r.printf("Each is a search of all runs: EVER(metrics.`train/loss` > x) [OVER STEPS a..b]. ever: some value is above x, always: none is above another x;\n")
	r.printf("a tenth of the curves pass. In a fifth: of the steps, from and to the inside of blocks. blocks, decoded, read: of all curves,\n")
	r.printf("blocks that were looked at, blocks decoded to their points, bytes. cold: the first after opening; ms.\n\n")
}

func everRow(r *report, l line) {
	if r.failed(l) {
		return
	}
	x := l.outcome.Ever
	r.printf("%-16s %d runs, %d points, loaded in %.1f s; load %s\n", l.name, x.Runs, x.Points, x.Load.Seconds(), l.load)
	r.printf("  %-18s %6s %9s %9s %9s %10s %10s %10s\n", "", "found", "blocks", "decoded", "read MB", "cold", "warm", "median")
	for _, a := range x.Answers {
		r.printf("  %-18s %6d %9d %9d %9.2f %10s %10s %10s\n", a.Name, a.Found, a.Blocks, a.Decoded, float64(a.Bytes)/1e6, short(a.Cold), short(a.Warm), short(a.Median))
	}
}

func besideHead(r *report, s spec) {
	r.printf("For %v each: the searcher alone, the writer alone, both together. p50, p99: of one search, ms.\n\n", s.writing)
}

func besideRow(r *report, l line) {
	if r.failed(l) {
		return
	}
	x := l.outcome.Beside
	r.printf("%-16s load %s\n", l.name, l.load)
	r.printf("  %-16s %10s %10s %10s %10s %10s\n", "", "points/s", "runs/s", "searches/s", "p50", "p99")
	for _, part := range []struct {
		name string
		b    *busy
	}{{"searches alone", &x.Searching}, {"writer alone", &x.Writing}, {"together", &x.Together}} {
		b := part.b
		r.printf("  %-16s %10s %10s %10s %10s %10s\n", part.name, thousands(b.PointRate()), orDash(b.RunRate(), 1), orDash(b.SearchRate(), 1), short(b.P50), short(b.P99))
	}
	r.printf("  %-16s %10s %10s %10s\n", "kept", share(x.Together.PointRate(), x.Writing.PointRate()), "", share(x.Together.SearchRate(), x.Searching.SearchRate()))
}

// share is a of b in percent, and a dash where b was not measured.
func share(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*a/b)
}
