package main

import (
	"context"
	"slices"
	"time"

	"github.com/runstonedb/runstone/bench/load"
)

// The sweeps of the table: what grows from row to row.
const (
	byRuns    = "runs"
	byColumns = "columns"
	byPassing = "% passing"
)

// searchScaleContenders are databases of a thousandth of the runs to all of
// them. The largest is also asked about more columns, and with other numbers of
// runs that pass.
func searchScaleContenders(s spec) (list []contender) {
	sizes := []int{max(1, s.runs/1000), max(1, s.runs/100), max(1, s.runs/10), s.runs}
	for _, n := range slices.Compact(sizes) {
		list = append(list, contender{count(n) + "-runs", "the question of search", func(ctx context.Context, dir string, s spec) (*outcome, error) {
			questions := []asked{{name: "runs " + count(n), q: standard(), sweep: byRuns, x: float64(n)}}
			if n == s.runs {
				questions = append(questions, columnSweep()...)
				questions = append(questions, passingSweep()...)
			}
			return measureSearch(ctx, dir, s, load.Runs{Runs: n}, questions)
		}})
	}
	list[len(list)-1].about += "; filters that name more columns; filters that more or fewer runs pass"
	return list
}

// columnSweep are questions about 1 to 20 columns: metrics, then params, then
// tags. The order is that of the first.
func columnSweep() (list []asked) {
	clauses := []clause{{"metrics", "auc", ">", 0.9}}
	for _, name := range (load.Runs{}).MetricNames()[1:] {
		clauses = append(clauses, clause{"metrics", name, ">", -1e9})
	}
	for _, name := range (load.Runs{}).ParamNames() {
		clauses = append(clauses, clause{"params", name, "!=", "none"})
	}
	for _, name := range (load.Runs{}).TagNames()[:2] {
		clauses = append(clauses, clause{"tags", name, "!=", "none"})
	}
	for _, n := range []int{1, 2, 3, 5, 8, 12, 16, 20} {
		list = append(list, asked{
			name: "columns " + count(n), sweep: byColumns, x: float64(n),
			q: question{clauses: clauses[:n], order: []sortKey{{"metrics", "auc", true}}, limit: 100},
		})
	}
	return list
}

// passingSweep are questions that 0.01 % to 100 % of the runs pass.
func passingSweep() (list []asked) {
	for _, p := range []struct {
		name    string
		percent float64
	}{{"0.01", 0.01}, {"0.1", 0.1}, {"1", 1}, {"10", 10}, {"50", 50}, {"100", 100}} {
		list = append(list, asked{
			name: "passing " + p.name + " %", sweep: byPassing, x: p.percent,
			q: question{
				clauses: []clause{{"metrics", "auc", ">=", 1 - p.percent/200}}, // auc is uniform from 0.5 to 1
				order:   []sortKey{{"metrics", "loss", false}}, limit: 100,
			},
		})
	}
	return list
}

// searchPanels are the sweeps of the table as plots.
func searchPanels(lines []line) (panels []panel) {
	for _, sweep := range []struct{ name, title string }{
		{byRuns, "runs in the database"}, {byColumns, "columns that the filter names"}, {byPassing, "% of the runs that pass"},
	} {
		curves := []curve{{name: "SQLite"}, {name: "Runstone, just opened"}, {name: "Runstone"}}
		for _, l := range lines {
			if l.outcome == nil {
				continue
			}
			for _, a := range l.outcome.Search.Answers {
				if a.Sweep != sweep.name {
					continue
				}
				for i, d := range []time.Duration{a.SQLite, a.Cold, a.Warm} {
					if d > 0 {
						curves[i].x, curves[i].y = append(curves[i].x, a.X), append(curves[i].y, float64(d)/1e6)
					}
				}
			}
		}
		panels = append(panels, panel{title: sweep.title, curves: curves})
	}
	return panels
}
