package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// Format is a kind of files, and how their names end.
type Format string

// The formats.
const (
	Parquet Format = "parquet"
	CSV     Format = "csv"
)

// ParseFormat reads the name of a format. [runstone.ErrInvalid].
func ParseFormat(name string) (Format, error) {
	if f := Format(name); f == Parquet || f == CSV {
		return f, nil
	}
	return "", fmt.Errorf("the formats are parquet and csv, not %q: %w", name, runstone.ErrInvalid)
}

// Options say what is written and how; nil is all active runs as Parquet.
type Options struct {
	Format Format // "" is Parquet
	// Filter and View choose the runs, as for [runstone.DB.Search].
	Filter string
	View   runstone.ViewType
	// Experiments limits the export to these ids; nil is all.
	Experiments []string
	// Metrics are patterns of names, where * stands for any text and ? for a
	// character; other metrics are left out. None is all metrics.
	Metrics []string
	// NoMetrics leaves the points out, not the series.
	NoMetrics bool
	// RunsOnly leaves everything but the runs out.
	RunsOnly bool
	// Replace lets [Dir] take the place of an earlier export, or write into a
	// folder with other files.
	Replace bool
	// Progress, if set, is told now and then what has been done so far.
	Progress func(Progress)
}

// Progress is how much has been done: runs, rows of all tables, and bytes of
// the files that are complete.
type Progress struct{ Runs, Rows, Bytes int64 }

// Report is what an export wrote; it is also kept beside the files as
// runstone-export.json.
type Report struct {
	Version int       `json:"runstone_export"` // 1
	Format  Format    `json:"format"`
	Filter  string    `json:"filter,omitempty"`
	At      time.Time `json:"at"`
	Runs    int64     `json:"runs"`
	Rows    int64     `json:"rows"`
	Bytes   int64     `json:"bytes"`
	Tables  []Table   `json:"tables"`
}

// Table is what an export wrote of one table.
type Table struct {
	Name  string `json:"table"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	Files []File `json:"files"`
}

// File is a file of a table.
type File struct {
	Path  string `json:"path"` // below the folder, with slashes
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

const reportVersion = 1

// noExperiment is the partition of a table's only file when it has no rows.
const noExperiment = runstone.DefaultExperiment

// exporter is one export.
type exporter struct {
	db       *runstone.DB
	opt      Options
	keep     func(metric string) bool
	temp     string    // the folder that is being filled
	stream   io.Writer // what Runs writes to instead
	report   Report
	shown    time.Time
	sequence []experiment
}

type experiment struct{ id, name string }

func newExporter(db *runstone.DB, opt *Options) (*exporter, error) {
	x := &exporter{db: db}
	if opt != nil {
		x.opt = *opt
	}
	if x.opt.Format == "" {
		x.opt.Format = Parquet
	}
	if _, err := ParseFormat(string(x.opt.Format)); err != nil {
		return nil, err
	}
	x.keep = matcher(x.opt.Metrics)
	x.report = Report{Version: reportVersion, Format: x.opt.Format, Filter: x.opt.Filter, At: time.Now().UTC().Truncate(time.Millisecond)}
	return x, nil
}

// Runs writes the table of runs to w as one file. Options that are about other
// tables do nothing.
func Runs(ctx context.Context, db *runstone.DB, w io.Writer, opt *Options) (*Report, error) {
	x, err := newExporter(db, opt)
	if err != nil {
		return nil, err
	}
	x.stream = w
	x.opt.RunsOnly = true
	if err := x.listExperiments(ctx, nil); err != nil {
		return nil, err
	}
	runs := newTable[runRow](x, "runs")
	for _, e := range x.sequence {
		if err := x.eachRun(ctx, e, func(r *runstone.RunData) error { return x.addRun(runs, e, r) }); err != nil {
			return nil, err
		}
	}
	if err := runs.finish(false); err != nil {
		return nil, err
	}
	return &x.report, nil
}

// fill writes all tables to the folder.
func (x *exporter) fill(ctx context.Context) (err error) {
	experiments := newTable[experimentRow](x, "experiments")
	defer experiments.abort()
	if err := x.listExperiments(ctx, experiments); err != nil {
		return err
	}
	if !x.opt.RunsOnly {
		if err := experiments.finish(false); err != nil {
			return err
		}
	}
	if err := x.runTables(ctx); err != nil || x.opt.RunsOnly {
		return err
	}
	return x.db.View(ctx, func(tx *store.Tx) error {
		for _, write := range []func(*store.Tx) error{x.loggedModels, x.models, x.versions} {
			if err := errors.Join(write(tx), ctx.Err()); err != nil {
				return err
			}
		}
		return nil
	})
}

// listExperiments finds the experiments to write and adds those that the view
// shows to the table, which may be nil.
func (x *exporter) listExperiments(ctx context.Context, to *table[experimentRow]) error {
	add := func(e *runstone.Experiment) error {
		x.sequence = append(x.sequence, experiment{e.ID, e.Name})
		if to == nil || x.opt.RunsOnly || x.opt.View != runstone.All && e.Deleted != (x.opt.View == runstone.DeletedOnly) {
			return nil
		}
		row := newExperimentRow(e)
		return to.write(weight(row.Tags), row)
	}
	if x.opt.Experiments == nil {
		for e, err := range x.db.Experiments(ctx) {
			if err == nil {
				err = add(e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	seen := map[string]bool{}
	for _, id := range x.opt.Experiments {
		if seen[id] {
			continue
		}
		seen[id] = true
		e, err := x.db.Experiment(ctx, id)
		if err == nil {
			err = add(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachRun calls fn for the runs of an experiment that are asked for, by id.
func (x *exporter) eachRun(ctx context.Context, e experiment, fn func(*runstone.RunData) error) error {
	opt := runstone.SearchOptions{Experiments: []string{e.id}, View: x.opt.View, OrderBy: []string{"attributes.run_id ASC"}}
	for r, err := range x.db.Search(ctx, x.opt.Filter, &opt) {
		if err == nil {
			err = fn(r)
		}
		if err != nil {
			return err
		}
		x.report.Runs++
		x.progress(false)
	}
	return nil
}

// progress reports at most some times a second.
func (x *exporter) progress(last bool) {
	if x.opt.Progress == nil {
		return
	}
	if now := time.Now(); last || now.Sub(x.shown) >= 200*time.Millisecond {
		x.shown = now
		x.opt.Progress(Progress{x.report.Runs, x.report.Rows, x.report.Bytes})
	}
}

func (x *exporter) addRun(to *table[runRow], e experiment, r *runstone.RunData) error {
	row := newRunRow(r, text(e.name), x.keep)
	return to.write(weight(row.Params)+weight(row.Tags)+40*len(row.Metrics), row)
}

// runTables writes the tables that are divided by experiment and follow runs.
func (x *exporter) runTables(ctx context.Context) error {
	runs := newTable[runRow](x, "runs", "run_id")
	series := newTable[seriesRow](x, "series", "run_id", "metric")
	points := newTable[pointRow](x, "metrics", "run_id", "metric")
	datasets := newTable[datasetRow](x, "datasets", "run_id")
	defer runs.abort()
	defer series.abort()
	defer points.abort()
	defer datasets.abort()
	p := pointWriter{x: x, to: points}
	for _, e := range x.sequence {
		part := partition(e.id)
		if err := errors.Join(runs.to(part), series.to(part), points.to(part), datasets.to(part)); err != nil {
			return err
		}
		err := x.eachRun(ctx, e, func(r *runstone.RunData) error {
			err := x.addRun(runs, e, r)
			if err != nil || x.opt.RunsOnly {
				return err
			}
			for i := range r.Inputs {
				row := newDatasetRow(r.ID, &r.Inputs[i])
				if err := datasets.write(len(row.Schema)+len(row.Profile)+len(row.Source), row); err != nil {
					return err
				}
			}
			var names []runstone.MetricSummary
			for i := range r.Metrics {
				if m := &r.Metrics[i]; x.keep(m.Metric) {
					if err := series.write(200, newSeriesRow(r.ID, m)); err != nil {
						return err
					}
					names = append(names, *m)
				}
			}
			if x.opt.NoMetrics {
				return nil
			}
			return p.run(ctx, r.ID, names)
		})
		if err != nil {
			return err
		}
	}
	err := runs.finish(true)
	if x.opt.RunsOnly {
		return err
	}
	err = errors.Join(err, series.finish(true))
	if !x.opt.NoMetrics {
		err = errors.Join(err, points.finish(true))
	}
	return errors.Join(err, datasets.finish(true))
}

func (x *exporter) loggedModels(tx *store.Tx) error {
	t := newTable[loggedModelRow](x, "logged_models")
	defer t.abort()
	for _, e := range x.sequence {
		if err := t.to(partition(e.id)); err != nil {
			return err
		}
		for m, err := range lineage.LoggedModelsOf(tx, e.id) {
			if err != nil {
				return err
			}
			if x.opt.View != runstone.All && m.Deleted != (x.opt.View == runstone.DeletedOnly) {
				continue
			}
			row := newLoggedModelRow(m)
			if err := t.write(weight(row.Params)+weight(row.Tags), row); err != nil {
				return err
			}
		}
	}
	return t.finish(true)
}

func (x *exporter) models(tx *store.Tx) error {
	t := newTable[modelRow](x, "models")
	defer t.abort()
	for m, err := range lineage.Models(tx) {
		if err != nil {
			return err
		}
		row := newModelRow(m)
		if err := t.write(weight(row.Tags)+len(row.Description), row); err != nil {
			return err
		}
	}
	return t.finish(false)
}

func (x *exporter) versions(tx *store.Tx) error {
	t := newTable[versionRow](x, "versions")
	defer t.abort()
	for v, err := range lineage.Versions(tx) {
		if err != nil {
			return err
		}
		row := newVersionRow(v)
		if err := t.write(weight(row.Tags)+len(row.Description), row); err != nil {
			return err
		}
	}
	return t.finish(false)
}

// partition is the folder of an experiment.
func partition(id string) string { return "experiment=" + url.PathEscape(id) }

func weight(m map[string]string) int {
	n := 200
	for k, v := range m {
		n += len(k) + len(v)
	}
	return n
}

// matcher returns whether a name matches one of the patterns, or there is none.
func matcher(patterns []string) func(string) bool {
	if len(patterns) == 0 {
		return func(string) bool { return true }
	}
	var b strings.Builder
	for i, p := range patterns {
		if i > 0 {
			b.WriteByte('|')
		}
		p = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p))
		b.WriteString(p)
	}
	return regexp.MustCompile(`^(?s:` + b.String() + `)$`).MatchString
}
