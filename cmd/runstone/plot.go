package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/guptarohit/asciigraph"
	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

// Sizes of a plot where there is no terminal.
const (
	plotWidth  = 72
	plotHeight = 16
	plotMargin = 14 // columns for the numbers of the y axis
)

type plotFlags struct {
	width, height int
	log           bool
	steps         string
}

func (a *app) plotCommand() *cobra.Command {
	var fl plotFlags
	cmd := &cobra.Command{
		Use: "plot RUN[,RUN...] METRIC...", Short: "Draw metrics in the terminal", Args: cobra.MinimumNArgs(2),
		Long: `Draw metrics of one or more runs over their steps.

Where a column of the drawing covers many points it shows the least and the
greatest of them side by side, so that no spike is lost. NaN and
infinite values are left out, and counted on stderr. A metric that one of
several runs does not have is left out with a note.`,
		Example: `  runstone plot 3f2a loss val_loss
  runstone plot 3f2a,91bc loss --log --steps 1000:`,
		ValidArgsFunction: a.completeMany(a.runIDs, a.metricNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := parseSteps(fl.steps)
			if err != nil {
				return err
			}
			if fl.width < 0 || fl.width > 10_000 || fl.height < 0 || fl.height > 1_000 {
				return usagef("--width takes 0 to 10000 and --height 0 to 1000")
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				width, height := a.plotSize(&fl)
				curves, err := a.loadCurves(ctx, db, strings.Split(args[0], ","), args[1:], r, width)
				if err != nil {
					return err
				}
				if a.json {
					return a.writeJSON(curves)
				}
				if err := a.clean(ctx, db, curves, r, fl.log); err != nil {
					return err
				}
				return a.plot(curves, fl.log, width, height)
			})
		},
	}
	f := cmd.Flags()
	f.IntVar(&fl.width, "width", 0, "columns of the drawing; 0 fits the terminal")
	f.IntVar(&fl.height, "height", 0, "lines of the drawing in all, 4 at least; 0 fits the terminal")
	f.BoolVar(&fl.log, "log", false, "logarithmic y axis; values that are not positive are left out")
	f.StringVar(&fl.steps, "steps", "", "only steps FROM:TO, both included; either may be left out")
	return cmd
}

func (a *app) plotSize(fl *plotFlags) (width, height int) {
	width, height = fl.width, fl.height
	w, h := a.terminal()
	if width == 0 {
		width = plotWidth
		if w > 0 {
			width = max(10, w-plotMargin)
		}
	}
	if height == 0 {
		height = plotHeight
		if h > 0 {
			height = max(5, min(h-2, 30))
		}
	}
	return max(width, 2), max(height, 4)
}

// curve is what is drawn of one metric of one run.
type curve struct {
	Run    string   `json:"run_id"`
	Metric string   `json:"metric"`
	Points []vertex `json:"points"`
	name   string
	nan    int64 // points that are NaN
}

type vertex struct {
	Step  int64  `json:"step"`
	Value number `json:"value"`
}

// loadCurves loads each metric of each run, and says which run has not which.
func (a *app) loadCurves(ctx context.Context, db *runstone.DB, runs, metrics []string, r runstone.PointRange, width int) ([]*curve, error) {
	var curves []*curve
	var missing []error
	for _, id := range runs {
		run, err := findRun(ctx, db, id)
		if err != nil {
			return nil, err
		}
		for _, metric := range metrics {
			err := findMetric(ctx, db, run.ID, metric)
			if err != nil && asFault(err).code == exitNotFound {
				missing = append(missing, err)
				continue
			}
			if err != nil {
				return nil, err
			}
			found, err := db.Downsample(ctx, run.ID, metric, r, max(1, width/2))
			if err != nil {
				return nil, err
			}
			c := &curve{Run: run.ID, Metric: metric, Points: []vertex{}, name: metric}
			if len(runs) > 1 {
				c.name = metric + " " + shortID(run.ID)
			}
			c.Points = append(c.Points, outline(found)...)
			for i := range found {
				c.nan += found[i].NaN
			}
			curves = append(curves, c)
		}
	}
	if len(curves) == 0 {
		return nil, missing[0]
	}
	for _, err := range missing {
		a.note("left out: %s", oneLine(err.Error()))
	}
	return curves, nil
}

// clean takes out of the curves what the drawing cannot show and says how many
// points that concerns.
func (a *app) clean(ctx context.Context, db *runstone.DB, curves []*curve, r runstone.PointRange, log bool) error {
	var left int64
	drawn, empty := 0, true
	for _, c := range curves {
		empty = empty && len(c.Points) == 0
		if c.drop(log) > 0 || c.nan > 0 {
			// The outline shows only some of them.
			n, err := countUnfit(ctx, db, c, r, log)
			if err != nil {
				return err
			}
			left += n
		}
		drawn += len(c.Points)
	}
	switch {
	case drawn > 0:
		if left > 0 {
			a.note("left out %s that cannot be drawn", plural(left, "point"))
		}
		return nil
	case empty:
		return refusedf("choose other steps", "no points in these steps")
	}
	what := "the metric has"
	if len(curves) > 1 {
		what = "the metrics have"
	}
	if log {
		return refusedf("leave --log out", "%s no positive values in these steps", what)
	}
	return refusedf("\"runstone metrics history\" prints them", "%s only NaN or infinite values in these steps", what)
}

// countUnfit counts the points that cannot be drawn.
func countUnfit(ctx context.Context, db *runstone.DB, c *curve, r runstone.PointRange, log bool) (int64, error) {
	var n int64
	for cols, err := range db.PointsIn(ctx, []runstone.Curve{{Run: c.Run, Metric: c.Metric}}, r) {
		if err != nil {
			return n, err
		}
		for _, v := range cols.Values {
			if !fits(v, log) {
				n++
			}
		}
	}
	return n, nil
}

func fits(v float64, log bool) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}

// outline is the extreme points of each bucket, and the ends of the curve.
func outline(found []runstone.Bucket) []vertex {
	if len(found) == 0 {
		return nil
	}
	first, last := &found[0].First, &found[len(found)-1].Last
	out := []vertex{{first.Step, number(first.Value)}}
	for i := range found {
		out = append(out, corners(&found[i])...)
	}
	out = append(out, vertex{last.Step, number(last.Value)})
	return slices.CompactFunc(out, func(p, q vertex) bool {
		return p.Step == q.Step && math.Float64bits(float64(p.Value)) == math.Float64bits(float64(q.Value))
	})
}

// corners are the extreme values of a bucket at its ends, in the order in which
// its curve goes on the whole: a bucket is two columns of the drawing.
func corners(b *runstone.Bucket) []vertex {
	from, to := b.First.Step, b.Last.Step
	switch {
	case b.Count == b.NaN:
		return nil
	case b.Min == b.Max:
		return []vertex{{from, number(b.Min)}}
	case b.First.Value > b.Last.Value:
		return []vertex{{from, number(b.Max)}, {to, number(b.Min)}}
	}
	return []vertex{{from, number(b.Min)}, {to, number(b.Max)}}
}

// plot draws curves that clean has left something of.
func (a *app) plot(curves []*curve, log bool, width, height int) error {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		for _, p := range c.Points {
			from, to = min(from, p.Step), max(to, p.Step)
			lo, hi = min(lo, float64(p.Value)), max(hi, float64(p.Value))
		}
	}
	if math.IsInf(4*(hi-lo), 0) {
		return refusedf("choose other steps, or --log", "the values are too far apart to be drawn")
	}
	y := newAxis(lo, hi, height-1) // the last line is the legend
	data := make([][]float64, len(curves))
	names := make([]string, len(curves))
	for i, c := range curves {
		if y.flat {
			for k := range c.Points {
				c.Points[k].Value = number(lo)
			}
		}
		data[i], names[i] = c.columns(from, to, width), oneCell(c.name)
	}
	opts := y.options(log)
	colors := seriesColors(len(curves))
	if a.colors() {
		opts = append(opts, asciigraph.SeriesColors(colors...))
	} else if len(curves) > 1 {
		opts = append(opts, asciigraph.SeriesChars(seriesChars(len(curves))...))
	}
	fmt.Fprintln(a.stdout, asciigraph.PlotMany(data, opts...))
	fmt.Fprintf(a.stdout, "steps %d to %d", from, to)
	for i, n := range names {
		switch {
		case a.colors():
			n = colors[i].String() + "■ " + n + asciigraph.Default.String()
		case len(names) > 1:
			n = seriesMarks[i%len(seriesMarks)] + " " + n
		}
		fmt.Fprint(a.stdout, "  ", n)
	}
	_, err := fmt.Fprintln(a.stdout)
	return err
}

// drop takes out what the axis cannot show, takes logarithms if asked to, and
// returns how many were taken out.
func (c *curve) drop(log bool) int {
	n := len(c.Points)
	c.Points = slices.DeleteFunc(c.Points, func(p vertex) bool {
		return !fits(float64(p.Value), log)
	})
	if log {
		for i := range c.Points {
			c.Points[i].Value = number(math.Log10(float64(c.Points[i].Value)))
		}
	}
	return n - len(c.Points)
}

// columns spreads the points over the columns of the drawing, with straight
// lines between them and NaN outside.
func (c *curve) columns(from, to int64, width int) []float64 {
	out := make([]float64, width)
	for i := range out {
		out[i] = math.NaN()
	}
	last := -1
	for _, p := range c.Points {
		at := 0
		if to > from {
			// float64 keeps the difference of any two int64 from overflowing.
			at = int(math.Round((float64(p.Step) - float64(from)) / (float64(to) - float64(from)) * float64(width-1)))
		}
		at = min(max(at, last, 0), width-1)
		v := float64(p.Value)
		switch {
		case last < 0:
		case at == last:
			// Of two points in one column the one further from the column
			// before is the spike.
			if last > 0 && !math.IsNaN(out[last-1]) && math.Abs(v-out[last-1]) < math.Abs(out[last]-out[last-1]) {
				continue
			}
		default:
			for k := last + 1; k < at; k++ {
				out[k] = out[last] + (v-out[last])*float64(k-last)/float64(at-last)
			}
		}
		out[at], last = v, at
	}
	if last == 0 && width > 1 {
		out[1] = out[0] // a lone point needs two columns to be seen
	}
	return out
}

var seriesMarks = []string{"*", "+", "o", "x", "#", "%", "@", "="}

func seriesChars(n int) []asciigraph.CharSet {
	sets := make([]asciigraph.CharSet, n)
	for i := range sets {
		sets[i] = asciigraph.CreateCharSet(seriesMarks[i%len(seriesMarks)])
	}
	return sets
}

func seriesColors(n int) []asciigraph.AnsiColor {
	palette := []asciigraph.AnsiColor{asciigraph.Blue, asciigraph.Red, asciigraph.Green, asciigraph.Yellow, asciigraph.Magenta, asciigraph.Cyan}
	out := make([]asciigraph.AnsiColor, n)
	for i := range out {
		out[i] = palette[i%len(palette)]
	}
	return out
}
