package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

func (a *app) metricsCommand() *cobra.Command {
	return newGroup("metrics", "Show metrics of a run and their points", a.metricsList(), a.metricsHistory())
}

func (a *app) metricsList() *cobra.Command {
	return &cobra.Command{
		Use: "list RUN", Short: "List the metrics of a run", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.runIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err != nil {
					return err
				}
				all, err := db.Metrics(ctx, run.ID)
				if err != nil {
					return err
				}
				if a.json {
					return a.writeJSON(viewMetrics(all))
				}
				return a.print(metricTable(all))
			})
		},
	}
}

func metricTable(all []runstone.MetricSummary) *table {
	t := newTable("METRIC", ">LATEST", ">STEP", ">MIN", ">MAX", ">POINTS", ">NAN", "ABOUT")
	for i := range all {
		m := &all[i]
		lo, hi := "", ""
		if m.Count > m.NaN {
			lo, hi = value(m.Min), value(m.Max)
		}
		about := strings.TrimSpace(m.Model + " " + m.Dataset)
		t.add(m.Metric, value(m.Latest.Value), strconv.FormatInt(m.Latest.Step, 10), lo, hi, grouped(m.Count), grouped(m.NaN), about)
	}
	return t
}

func (a *app) metricsHistory() *cobra.Command {
	var asCSV bool
	var steps string
	var ranges int
	cmd := &cobra.Command{
		Use: "history RUN METRIC", Short: "Print the points of a metric", Args: cobra.ExactArgs(2),
		Long: `Print every point of a metric, by time, then step, then value.

With --downsample the points are put into buckets of about the same number of
steps, and each is one line: its first and last step, how many points, the
first, the last, the least and the greatest value, so that no spike is lost.`,
		Example: `  runstone metrics history 3f2a loss --csv > loss.csv
  runstone metrics history 3f2a loss --downsample 100 --steps 1000:2000`,
		ValidArgsFunction: a.completeArgs(a.runIDs, a.metricNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := parseSteps(steps)
			if err != nil {
				return err
			}
			down := cmd.Flags().Changed("downsample")
			if down && (ranges < 1 || ranges > 100_000) {
				return usagef("--downsample takes 1 to 100000, not %d", ranges)
			}
			if asCSV && a.json {
				return usagef("--csv and --json exclude each other")
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err == nil {
					err = findMetric(ctx, db, run.ID, args[1])
				}
				if err != nil {
					return err
				}
				w := a.rowWriter(asCSV)
				if down {
					err = downsample(ctx, db, run.ID, args[1], r, ranges, w)
				} else {
					err = history(ctx, db, run.ID, args[1], r, w)
				}
				if err != nil {
					return err
				}
				return w.end()
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asCSV, "csv", false, "print CSV with all digits and times in Unix ms")
	f.StringVar(&steps, "steps", "", "only steps FROM:TO, both included; either may be left out")
	f.IntVar(&ranges, "downsample", 0, "sum up the points in at most so many buckets")
	return cmd
}

// parseSteps reads FROM:TO.
func parseSteps(s string) (runstone.PointRange, error) {
	r := runstone.AllPoints()
	if s == "" {
		return r, nil
	}
	from, to, ok := strings.Cut(s, ":")
	var err error
	if ok && from != "" {
		r.FromStep, err = strconv.ParseInt(from, 10, 64)
	}
	if ok && err == nil && to != "" {
		r.ToStep, err = strconv.ParseInt(to, 10, 64)
	}
	if !ok || err != nil || r.FromStep > r.ToStep {
		return r, usagef("--steps takes FROM:TO with FROM not above TO, not %q", s)
	}
	return r, nil
}

func history(ctx context.Context, db *runstone.DB, run, metric string, r runstone.PointRange, w rowWriter) error {
	if err := w.head("step", "time", "value"); err != nil {
		return err
	}
	for c, err := range db.PointsIn(ctx, []runstone.Curve{{Run: run, Metric: metric}}, r) {
		if err != nil {
			return err
		}
		for i, step := range c.Steps {
			if err := w.row(step, millis(c.Times[i]), number(c.Values[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

func downsample(ctx context.Context, db *runstone.DB, run, metric string, r runstone.PointRange, n int, w rowWriter) error {
	if err := w.head("from", "to", "count", "nan", "first", "last", "min", "max"); err != nil {
		return err
	}
	found, err := db.Downsample(ctx, run, metric, r, n)
	if err != nil {
		return err
	}
	for i := range found {
		b := &found[i]
		err := w.row(b.First.Step, b.Last.Step, b.Count, b.NaN, number(b.First.Value), number(b.Last.Value), number(b.Min), number(b.Max))
		if err != nil {
			return err
		}
	}
	return nil
}

// millis is a time in Unix ms, which people see as a date.
type millis int64

// rowWriter prints rows of int64, millis and number as they come.
type rowWriter interface {
	head(names ...string) error
	row(cells ...any) error
	end() error
}

func (a *app) rowWriter(asCSV bool) rowWriter {
	switch {
	case a.json:
		return &jsonRowWriter{list: jsonList{a: a}}
	case asCSV:
		return &csvRowWriter{w: csv.NewWriter(a.stdout)}
	}
	return &textRowWriter{a: a}
}

type jsonRowWriter struct {
	list  jsonList
	names []string
}

func (w *jsonRowWriter) head(names ...string) error { w.names = names; return nil }

func (w *jsonRowWriter) row(cells ...any) error {
	m := make(map[string]any, len(cells))
	for i, c := range cells {
		m[w.names[i]] = c
	}
	return w.list.add(m)
}

func (w *jsonRowWriter) end() error { return w.list.end() }

type csvRowWriter struct {
	w      *csv.Writer
	fields []string
}

func (w *csvRowWriter) head(names ...string) error { return w.w.Write(names) }

func (w *csvRowWriter) row(cells ...any) error {
	w.fields = w.fields[:0]
	for _, c := range cells {
		switch v := c.(type) {
		case number:
			w.fields = append(w.fields, exact(float64(v)))
		case millis:
			w.fields = append(w.fields, strconv.FormatInt(int64(v), 10))
		case int64:
			w.fields = append(w.fields, strconv.FormatInt(v, 10))
		}
	}
	return w.w.Write(w.fields)
}

func (w *csvRowWriter) end() error {
	w.w.Flush()
	return w.w.Error()
}

// textRowWriter prints columns of a fixed width: a long history is not kept in
// memory to find out how wide it gets.
type textRowWriter struct{ a *app }

const textColumn = 12

func (w *textRowWriter) head(names ...string) error {
	for i, n := range names {
		width := textColumn
		if n == "time" {
			width = len(time.DateTime) + 4
		}
		if i > 0 {
			fmt.Fprint(w.a.stdout, "  ")
		}
		fmt.Fprintf(w.a.stdout, "%*s", width, strings.ToUpper(n))
	}
	_, err := fmt.Fprintln(w.a.stdout)
	return err
}

func (w *textRowWriter) row(cells ...any) error {
	for i, c := range cells {
		text := ""
		switch v := c.(type) {
		case number:
			text = value(float64(v))
		case millis:
			text = time.UnixMilli(int64(v)).Local().Format("2006-01-02 15:04:05.000")
		case int64:
			text = strconv.FormatInt(v, 10)
		}
		if i > 0 {
			_, _ = w.a.stdout.WriteString("  ")
		}
		fmt.Fprintf(w.a.stdout, "%*s", textColumn, text)
	}
	return w.a.stdout.WriteByte('\n')
}

func (w *textRowWriter) end() error { return nil }
