package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench"
	"github.com/spf13/cobra"
)

const benchTrendLong = `Show how benchmarks developed over the runs of an experiment, and where their
level changed: the median of each run, by the time of its commit, or of the run
where the commit is not known. Each kind of machine (system, processor, number
of CPUs) has a history of its own.

A change point is where the ranks of the medians before and behind it differ
more than chance explains, at the level --alpha for the whole history, and the
level changed by --min-change or more. Outliers do not count more than other
values. Four or five runs on either side are the least that can tell; the ten
first runs of a history cannot tell at --alpha 0.01.

Up to three series are drawn; of more there is a line each.`

type benchTrendFlags struct {
	experiment, machine, minChange string
	only                           benchMatch
	alpha                          float64
	last                           int
	changed                        bool
	plot                           plotFlags
}

// maxTrendPlots is how many histories are drawn at once.
const maxTrendPlots = 3

func (a *app) benchTrend() *cobra.Command {
	var fl benchTrendFlags
	cmd := &cobra.Command{
		Use: "trend [REGEXP]", Short: "Show the history of benchmarks and where it changed", Args: cobra.MaximumNArgs(1), Long: benchTrendLong,
		Example: `  runstone bench trend --changed
  runstone bench trend 'DecodeValues/loss' --unit ns/op --last 100`,
		ValidArgsFunction: a.completeArgs(a.benchNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				fl.only.pattern = args[0]
			}
			opt, err := fl.options(a)
			if err != nil {
				return err
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				trends, err := bench.Trends(ctx, db, opt)
				if err != nil {
					return benchFault(err)
				}
				if fl.changed {
					trends = slices.DeleteFunc(trends, func(t *bench.Trend) bool { return len(t.Changes) == 0 })
				}
				return a.showTrends(trends, &fl)
			})
		},
	}
	f := cmd.Flags()
	a.experimentFlag(cmd, &fl.experiment)
	fl.only.unitFlag(a, cmd)
	f.StringVar(&fl.machine, "machine", "", "only machines whose names contain this")
	f.IntVar(&fl.last, "last", 0, "only so many of the newest runs; 0 is all")
	f.BoolVar(&fl.changed, "changed", false, "only series with a change point")
	f.Float64Var(&fl.alpha, "alpha", 0.01, "chance of a change point in a history without one: 0.05, 0.01 or 0.001")
	f.StringVar(&fl.minChange, "min-change", "1%", "leave out changes of less than this")
	f.IntVar(&fl.plot.width, "width", 0, "columns of a drawing; 0 fits the terminal")
	f.IntVar(&fl.plot.height, "height", 0, "lines of a drawing, 4 at least; 0 fits the terminal")
	a.completeWords(cmd, "alpha", "0.05", "0.01", "0.001")
	return cmd
}

func (fl *benchTrendFlags) options(a *app) (*bench.TrendOptions, error) {
	match, err := fl.only.match()
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]float64{0.05, 0.01, 0.001}, fl.alpha) {
		return nil, usagef("--alpha is 0.05, 0.01 or 0.001")
	}
	part, err := parsePercent(fl.minChange)
	if err != nil {
		return nil, usagef("--min-change: %v", err)
	}
	if fl.last < 0 {
		return nil, usagef("--last is 0 or more")
	}
	if fl.plot.width < 0 || fl.plot.width > 10_000 || fl.plot.height < 0 || fl.plot.height > 1_000 {
		return nil, usagef("--width takes 0 to 10000 and --height 0 to 1000")
	}
	return &bench.TrendOptions{
		Experiment: fl.experiment, Match: match, Machine: fl.machine, Last: fl.last,
		Changes: bench.ChangePointOptions{Alpha: fl.alpha, MinChange: part},
		Skipped: func(run string, err error) { a.note("left out: %s", oneLine(err.Error())) },
	}, nil
}

// benchNames completes names of benchmarks from the newest run.
func (a *app) benchNames(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	id, err := a.benchRun(ctx, db, bench.Experiment, "latest")
	if err != nil {
		return nil, err
	}
	r, err := bench.Load(ctx, db, id)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range r.Series {
		if strings.HasPrefix(s.Name, prefix) && !slices.Contains(out, s.Name) {
			out = append(out, s.Name)
		}
	}
	return out, nil
}

func (a *app) showTrends(trends []*bench.Trend, fl *benchTrendFlags) error {
	if a.json {
		list := jsonList{a: a}
		for _, t := range trends {
			if err := list.add(t); err != nil {
				return err
			}
		}
		return list.end()
	}
	if len(trends) == 0 {
		what := "no run in experiment %s has such a benchmark"
		if fl.changed {
			what = "no such benchmark in experiment %s changed"
		}
		return notFoundf(`"go test -bench . | runstone bench log" logs runs`, what, fl.experiment)
	}
	if len(trends) <= maxTrendPlots {
		for i, t := range trends {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			if err := a.drawTrend(t, &fl.plot); err != nil {
				return err
			}
		}
		return nil
	}
	machine := ""
	var t *table
	for i, trend := range trends {
		if t == nil || trend.Machine != machine {
			if t != nil {
				if err := a.print(t); err != nil {
					return err
				}
				fmt.Fprintln(a.stdout)
			}
			machine = trend.Machine
			fmt.Fprintln(a.stdout, oneCell(machine))
			t = newTable("BENCHMARK", "UNIT", ">RUNS", "TREND", ">LATEST", ">CHANGES", "LAST CHANGE")
		}
		last := trend.Points[len(trend.Points)-1]
		change := ""
		if n := len(trend.Changes); n > 0 {
			change = changeText(trend, &trend.Changes[n-1])
		}
		t.add(trend.Benchmark(), trend.Unit, strconv.Itoa(len(trend.Points)), sparkline(trend.Values()),
			bench.Format(last.Median, trend.Unit), strconv.Itoa(len(trend.Changes)), change)
		if i == len(trends)-1 {
			return a.print(t)
		}
	}
	return nil
}

// sparkWidth is how many values a sparkline shows.
const sparkWidth = 20

// sparkline draws the last values in one line, "" when there are none.
func sparkline(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	values = values[max(0, len(values)-sparkWidth):]
	lo, hi := slices.Min(values), slices.Max(values)
	marks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range values {
		i := 0
		// Less than a part in ten of the value is not drawn as a cliff.
		if span := max(hi-lo, math.Abs(hi)/10); span > 0 {
			i = int((v - lo) / span * float64(len(marks)-1))
		}
		b.WriteRune(marks[min(max(i, 0), len(marks)-1)])
	}
	return b.String()
}

// changeText says what a change is and between which commits it came.
func changeText(t *bench.Trend, c *bench.ChangePoint) string {
	return fmt.Sprintf("%s%s %s..%s", bench.Percent(c.Delta()), judgement(t, c), pointName(&t.Points[c.Index-1]), pointName(&t.Points[c.Index]))
}

func judgement(t *bench.Trend, c *bench.ChangePoint) string {
	return []string{" worse", "", " better"}[t.Judge(c)+1]
}

// pointName is the commit of a run, or its id where that is not known.
func pointName(p *bench.TrendPoint) string {
	switch {
	case p.Commit == "":
		return "run " + shortID(p.Run)
	case p.Dirty:
		return oneCell(shortCommit(p.Commit)) + "+changes"
	}
	return oneCell(shortCommit(p.Commit))
}

// drawTrend draws a history with its levels, and lists the changes.
func (a *app) drawTrend(t *bench.Trend, fl *plotFlags) error {
	fmt.Fprintf(a.stdout, "%s %s\n%s, %s\n", oneCell(t.Benchmark()), oneCell(t.Unit), oneCell(t.Machine), plural(int64(len(t.Points)), "run"))
	width, height := a.plotSize(fl)
	if fl.height == 0 {
		height = min(height, 14)
	}
	if fl.width == 0 {
		width = min(width, max(24, 4*len(t.Points)))
	}
	medians, levels := &curve{}, &curve{}
	level, next := 0.0, 0
	lo, hi := math.Inf(1), math.Inf(-1)
	if len(t.Changes) > 0 {
		level = t.Changes[0].From
	} else {
		level = bench.Median(t.Values())
	}
	for i, v := range t.Values() {
		if next < len(t.Changes) && t.Changes[next].Index == i {
			level = t.Changes[next].To
			next++
		}
		medians.Points = append(medians.Points, vertex{Step: int64(i), Value: number(v), x: float64(i)})
		levels.Points = append(levels.Points, vertex{Step: int64(i), Value: number(level), x: float64(i)})
		lo, hi = min(lo, v), max(hi, v)
	}
	y := newAxis(lo, hi, height)
	last := int64(len(t.Points) - 1)
	data := [][]float64{columns(levels.Points, 0, float64(last), width), columns(medians.Points, 0, float64(last), width)}
	opts := y.options(false)
	if a.colors() {
		opts = append(opts, asciigraph.SeriesColors(asciigraph.Red, asciigraph.Blue))
	} else {
		opts = append(opts, asciigraph.SeriesChars(asciigraph.CreateCharSet("-"), asciigraph.CreateCharSet("*")))
	}
	drawing := asciigraph.PlotMany(data, opts...)
	fmt.Fprintln(a.stdout, drawing)
	if len(t.Changes) > 0 {
		fmt.Fprintln(a.stdout, changeMarks(t, drawing, width))
	}
	first, end := &t.Points[0], &t.Points[last]
	fmt.Fprintf(a.stdout, "%s %s to %s %s\n", pointName(first), first.Time.Format(time.DateOnly), pointName(end), end.Time.Format(time.DateOnly))
	for i := range t.Changes {
		c := &t.Changes[i]
		fmt.Fprintf(a.stdout, "  %d: %s\n", i+1, oneCell(fmt.Sprintf("%s (%s → %s) on %s", changeText(t, c), bench.Format(c.From, t.Unit),
			bench.Format(c.To, t.Unit), t.Points[c.Index].Time.Format(time.DateOnly))))
	}
	if len(t.Changes) == 0 {
		_, err := fmt.Fprintln(a.stdout, "  no change of level")
		return err
	}
	return nil
}

// changeMarks is the line below a drawing that numbers the change points.
func changeMarks(t *bench.Trend, drawing string, width int) string {
	line, _, _ := strings.Cut(drawing, "\n")
	axis := 0
	for i, r := range []rune(line) {
		if r == '┤' || r == '┼' {
			axis = i + 1
			break
		}
	}
	marks := []rune(strings.Repeat(" ", axis+width+8))
	free := 0
	for i := range t.Changes {
		at := 0
		if n := len(t.Points) - 1; n > 0 {
			at = int(math.Round(float64(t.Changes[i].Index) / float64(n) * float64(width-1)))
		}
		label := []rune("^" + strconv.Itoa(i+1))
		at = min(max(axis+at, free), len(marks)-len(label))
		copy(marks[at:], label)
		free = at + len(label)
	}
	return strings.TrimRight(string(marks), " ")
}
