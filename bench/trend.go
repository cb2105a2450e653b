package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
)

// TrendOptions are for [Trends]; nil is the defaults.
type TrendOptions struct {
	Experiment string // by name; "" is Experiment
	// Match limits the trends to these series; nil is all.
	Match func(*ID) bool
	// Machine limits them to machines whose names contain this.
	Machine string
	// Last limits the history to so many of the newest runs; 0 is all.
	Last int
	// Changes say what a change point is; Exact is set by the results.
	Changes ChangePointOptions
	// Load reads the results of a run; nil is [Load]. Who asks often may keep them.
	Load func(ctx context.Context, db *runstone.DB, run string) (*Results, error)
	// Skipped hears of runs that cannot be read; nil makes them an error.
	Skipped func(run string, err error)
}

// Trend is the history of one series on one kind of machine.
type Trend struct {
	ID
	Machine string // such as "linux/amd64, AMD EPYC, 2 CPUs"
	Better  int    // see Results.Better
	// Points are one for each run, by the time of the commit, or of the run
	// where that is not known, and then by that of the run.
	Points  []TrendPoint
	Changes []ChangePoint // by index of Points
}

// TrendPoint is a run in a trend.
type TrendPoint struct {
	Run    string
	Commit string
	Dirty  bool
	Start  time.Time // of the run
	Time   time.Time // of the commit, or Start
	Median float64
	// Lo and Hi are the ends of the 95 % interval of the median, as in
	// [Summary]; Min and Max are the least and the greatest value.
	Lo, Hi, Min, Max float64
	N                int
}

// Values returns the medians.
func (t *Trend) Values() []float64 {
	out := make([]float64, len(t.Points))
	for i := range t.Points {
		out[i] = t.Points[i].Median
	}
	return out
}

// Judge tells what a change is to who measures: 1 better, -1 worse, 0 not known.
func (t *Trend) Judge(c *ChangePoint) int {
	switch {
	case t.Better == 0 || c.To == c.From:
		return 0
	case (c.To > c.From) == (t.Better > 0):
		return 1
	}
	return -1
}

// Machine names the kind of machine that results are from: goos, goarch, cpu
// and the number of CPUs, as far as they say.
func (r *Results) Machine() string {
	var out []string
	if os, arch := r.Keys["goos"], r.Keys["goarch"]; os != "" || arch != "" {
		out = append(out, os+"/"+arch)
	}
	if cpu := r.Keys["cpu"]; cpu != "" {
		out = append(out, cpu)
	}
	if r.Origin.CPUs > 0 {
		out = append(out, fmt.Sprintf("%d CPUs", r.Origin.CPUs))
	}
	if out == nil {
		return "unknown"
	}
	return strings.Join(out, ", ")
}

// Trends returns the history of each series over the runs of an experiment, in
// the order in which the newest runs have them, with their change points.
func Trends(ctx context.Context, db *runstone.DB, opt *TrendOptions) ([]*Trend, error) {
	if opt == nil {
		opt = &TrendOptions{}
	}
	t := &trendTable{opt: opt, byKey: map[trendKey]*Trend{}, exact: map[string]bool{}}
	n, load := 0, opt.Load
	if load == nil {
		load = Load
	}
	var failed error
	err := Runs(ctx, db, opt.Experiment, func(run *runstone.RunData) bool {
		r, err := load(ctx, db, run.ID)
		switch {
		case err == nil:
			t.add(&run.RunInfo, r)
			n++
		case opt.Skipped == nil || ctx.Err() != nil || errors.Is(err, runstone.ErrCorrupt):
			failed = err
			return false
		default:
			opt.Skipped(run.ID, err)
		}
		return opt.Last <= 0 || n < opt.Last
	})
	if err = cmp.Or(failed, err); err != nil {
		return nil, err
	}
	for _, trend := range t.all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		trend.finish(opt.Changes, t.exact[trend.Unit])
	}
	return t.all, nil
}

type trendKey struct {
	ID
	machine string
}

type trendTable struct {
	opt   *TrendOptions
	all   []*Trend
	byKey map[trendKey]*Trend
	exact map[string]bool // by unit
}

func (t *trendTable) add(run *runstone.RunInfo, r *Results) {
	machine := r.Machine()
	if !strings.Contains(machine, t.opt.Machine) {
		return
	}
	p := TrendPoint{Run: run.ID, Commit: r.Origin.Commit, Dirty: r.Origin.Dirty == "true", Start: r.Origin.Start, Time: r.Origin.CommitTime}
	if p.Start.IsZero() {
		p.Start = time.UnixMilli(run.Start).UTC()
	}
	if p.Time.IsZero() {
		p.Time = p.Start
	}
	for _, s := range r.Series {
		if t.opt.Match != nil && !t.opt.Match(&s.ID) {
			continue
		}
		key := trendKey{s.ID, machine}
		trend := t.byKey[key]
		if trend == nil {
			trend = &Trend{ID: s.ID, Machine: machine, Better: r.Better(s.Unit)}
			t.byKey[key] = trend
			t.all = append(t.all, trend)
		}
		t.exact[s.Unit] = t.exact[s.Unit] || r.Exact(s.Unit)
		p.Median, p.N = Median(s.Values), len(s.Values)
		p.Min, p.Max = slices.Min(s.Values), slices.Max(s.Values)
		p.Lo, p.Hi = interval95(s)
		trend.Points = append(trend.Points, p)
	}
}

func (t *Trend) finish(opt ChangePointOptions, exact bool) {
	slices.SortStableFunc(t.Points, func(a, b TrendPoint) int {
		return cmp.Or(a.Time.Compare(b.Time), a.Start.Compare(b.Start), cmp.Compare(a.Run, b.Run))
	})
	opt.Exact = opt.Exact || exact
	t.Changes = ChangePoints(t.Values(), &opt)
}
