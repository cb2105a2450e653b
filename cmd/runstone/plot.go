package main

import (
	"context"
	"math"
	"slices"
	"strings"

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
	smooth        float64
	x             plotX
}

func (a *app) plotCommand() *cobra.Command {
	var fl plotFlags
	cmd := &cobra.Command{
		Use: "plot RUN[,RUN...] METRIC...", Short: "Draw metrics in the terminal", Args: cobra.MinimumNArgs(2),
		Long: `Draw metrics of one or more runs over their steps, or over time.

Where a column of the drawing covers many points it shows the least and the
greatest of them side by side, so that no spike is lost. NaN and
infinite values are left out, and counted on stderr. A metric that one of
several runs does not have is left out with a note.

--smooth draws the moving average of the web UI, with exponential weights; the
values themselves stay behind it in gray where there are colors.`,
		Example: `  runstone plot 3f2a loss val_loss
  runstone plot 3f2a,91bc loss --log --steps 1000:
  runstone plot 3f2a,91bc loss --x relative --smooth 0.9`,
		ValidArgsFunction: a.completeMany(a.runIDs, a.metricNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := parseSteps(fl.steps)
			if err != nil {
				return err
			}
			if fl.width < 0 || fl.width > 10_000 || fl.height < 0 || fl.height > 1_000 {
				return usagef("--width takes 0 to 10000 and --height 0 to 1000")
			}
			if err := fl.check(); err != nil {
				return err
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				width, height := a.plotSize(&fl)
				curves, err := a.loadCurves(ctx, db, strings.Split(args[0], ","), args[1:], r, width, &fl)
				if err != nil {
					return err
				}
				if a.json {
					return a.writeJSON(curves)
				}
				if err := a.clean(ctx, db, curves, r, &fl); err != nil {
					return err
				}
				return a.plot(curves, &fl, width, height)
			})
		},
	}
	f := cmd.Flags()
	f.IntVar(&fl.width, "width", 0, "columns of the drawing; 0 fits the terminal")
	f.IntVar(&fl.height, "height", 0, "lines of the drawing in all, 4 at least; 0 fits the terminal")
	f.BoolVar(&fl.log, "log", false, "logarithmic y axis; values that are not positive are left out")
	f.StringVar(&fl.steps, "steps", "", "only steps FROM:TO, both included; either may be left out")
	f.StringVar(&fl.x.of, "x", xStep, "what the x axis shows: step, time, or relative, the time since the run began")
	f.BoolVar(&fl.x.log, "log-x", false, "logarithmic x axis; points that are not right of 0 are left out")
	f.Float64Var(&fl.smooth, "smooth", 0, "weight of the moving average, 0 for none to 0.99")
	a.completeWords(cmd, "x", xStep, xTime, xRelative)
	return cmd
}

// smoothBuckets is how many values a moving average goes over, about as many as in
// the web UI, so that one weight gives one picture.
const smoothBuckets = 500

// buckets is into how many parts a curve is summed up: two columns each, unless
// what is drawn follows from more of them.
func (fl *plotFlags) buckets(width int) int {
	n := max(1, width/2)
	if fl.smooth > 0 {
		n = max(n, smoothBuckets)
	}
	if fl.x.log {
		const finest = 64 // the first steps have most of the room
		n = max(n, finest*width)
	}
	return n
}

func (fl *plotFlags) check() error {
	switch {
	case !slices.Contains([]string{xStep, xTime, xRelative}, fl.x.of):
		return usagef("--x is step, time or relative, not %q", fl.x.of)
	case fl.x.log && fl.x.of == xTime:
		return usagef("--log-x goes with --x step and --x relative")
	case !(fl.smooth >= 0 && fl.smooth <= 0.99):
		return usagef("--smooth takes 0 to 0.99")
	}
	return nil
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
	ghost  []vertex // what was smoothed
	start  int64    // of the run, Unix ms
	nan    int64    // points that are NaN
}

type vertex struct {
	Step  int64   `json:"step"`
	Value number  `json:"value"`
	time  int64   // Unix ms
	x     float64 // where it is drawn
}

// loadCurves loads each metric of each run, and says which run has not which.
func (a *app) loadCurves(ctx context.Context, db *runstone.DB, runs, metrics []string, r runstone.PointRange, width int, fl *plotFlags) ([]*curve, error) {
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
			found, err := db.Downsample(ctx, run.ID, metric, r, fl.buckets(width))
			if err != nil {
				return nil, err
			}
			c := newCurve(run.ID, metric, run.Start, found, fl)
			if len(runs) > 1 {
				c.name = metric + " " + shortID(run.ID)
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
func (a *app) clean(ctx context.Context, db *runstone.DB, curves []*curve, r runstone.PointRange, fl *plotFlags) error {
	var left int64
	drawn, empty := 0, true
	for _, c := range curves {
		empty = empty && len(c.Points) == 0
		if c.drop(fl) > 0 || c.nan > 0 {
			// The outline shows only some of them.
			n, err := countUnfit(ctx, db, c, r, fl)
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
	if fl.log {
		return refusedf("leave --log out", "%s no positive values in these steps", what)
	}
	if fl.x.log {
		return refusedf("leave --log-x out", "%s no values right of 0", what)
	}
	return refusedf("\"runstone metrics history\" prints them", "%s only NaN or infinite values in these steps", what)
}

// countUnfit counts the points that cannot be drawn.
func countUnfit(ctx context.Context, db *runstone.DB, c *curve, r runstone.PointRange, fl *plotFlags) (int64, error) {
	var n int64
	for cols, err := range db.PointsIn(ctx, []runstone.Curve{{Run: c.Run, Metric: c.Metric}}, r) {
		if err != nil {
			return n, err
		}
		for i, v := range cols.Values {
			p := vertex{Step: cols.Steps[i], time: cols.Times[i]}
			if fl.x.place(&p, c.start); !fits(v, fl.log) || math.IsNaN(p.x) {
				n++
			}
		}
	}
	return n, nil
}

func fits(v float64, log bool) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}
