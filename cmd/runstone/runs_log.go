package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const runsLogLong = `Log metrics from CSV, TSV or JSON lines to a run, from a file or stdin.

In CSV the first line names the columns. The column "step" is the step, or the
first column where none has that name; the column "time" or "timestamp", if
there is one, is the time; each other column is a metric. An empty field is no
value. In JSON lines each line is one flat object with the same keys; null is
no value, and NaN and Infinity are taken as Python writes them.

A time is Unix milliseconds (1767225600000), Unix seconds with a decimal point
(1767225600.5) or RFC 3339; without one it is the time of reading.

Lines are logged while they come in. A line that cannot be read ends it: the
lines before it are logged, it and those behind it are not, the run ends as
FAILED and the exit code is 4. Put the line right and continue the run from
there with --run. The end of the input ends the run as FINISHED, an interrupt
as KILLED.

The id of the run goes to stdout. The database and the experiment are made when
they are not there.`

type logFlags struct {
	run, experiment, name, format string
	params, tags, only            []string
	keepOpen                      bool
}

func (a *app) runsLog() *cobra.Command {
	var fl logFlags
	cmd := &cobra.Command{
		Use: "log [FILE]", Short: "Log metrics from CSV or JSON lines", Long: runsLogLong,
		Args: cobra.MaximumNArgs(1),
		Example: `  runstone runs log metrics.csv --experiment diagnostics --param lr=0.01
  ./train | runstone runs log --experiment diagnostics
  runstone runs log --run 3f2a more.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runLog(cmd, args, &fl)
		},
	}
	f := cmd.Flags()
	f.StringVar(&fl.run, "run", "", "continue this run instead of starting one")
	f.StringVarP(&fl.experiment, "experiment", "e", "Default", "experiment of the new run, by name or id")
	f.StringVar(&fl.name, "name", "", "name of the new run (default: one is made up)")
	f.StringArrayVar(&fl.params, "param", nil, "set a param, as key=value; may be repeated")
	f.StringArrayVar(&fl.tags, "tag", nil, "set a tag, as key=value; may be repeated")
	f.StringVar(&fl.format, "format", "auto", "auto, csv, tsv or jsonl")
	f.StringSliceVar(&fl.only, "only", nil, "log only these metrics")
	f.BoolVar(&fl.keepOpen, "keep-open", false, "leave the run RUNNING at the end of the input")
	a.completeFlag(cmd, "run", a.runIDs)
	a.completeFlag(cmd, "experiment", a.experimentNames)
	a.completeWords(cmd, "format", "auto", "csv", "tsv", "jsonl")
	return cmd
}

func (a *app) runLog(cmd *cobra.Command, args []string, fl *logFlags) error {
	if fl.run != "" && (cmd.Flags().Changed("experiment") || fl.name != "") {
		return usagef("--run continues a run that has an experiment and a name")
	}
	params, err := parsePairs("param", fl.params)
	if err != nil {
		return err
	}
	tags, err := parsePairs("tag", fl.tags)
	if err != nil {
		return err
	}
	switch fl.format {
	case "auto", "csv", "tsv", "jsonl":
	default:
		return usagef("--format is auto, csv, tsv or jsonl, not %q", fl.format)
	}
	in := a.in
	if len(args) == 1 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	} else if f, ok := a.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.note("reading from the terminal; Ctrl-D ends the input")
	}
	open := a.create
	if fl.run != "" {
		open = a.write
	}
	return open(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
		run, err := startLog(ctx, db, fl, params, tags)
		if err != nil {
			return err
		}
		l := &lineLogger{a: a, run: run, batches: map[string]*lineBatch{}}
		err = l.logAll(ctx, in, fl)
		return a.endLog(ctx, l, fl, err)
	})
}

func startLog(ctx context.Context, db *runstone.DB, fl *logFlags, params, tags map[string]string) (*runstone.Run, error) {
	if fl.run == "" {
		name := fl.experiment
		if e, err := findExperiment(ctx, db, name); err == nil {
			name = e.Name
		} else if asFault(err).code != exitNotFound {
			return nil, err
		}
		return db.StartRun(ctx, name, &runstone.RunOptions{Name: fl.name, Params: params, Tags: tags})
	}
	info, err := findRun(ctx, db, fl.run)
	if err != nil {
		return nil, err
	}
	if info.Deleted {
		return nil, refusedf(fmt.Sprintf("restore it with \"runstone runs restore %s\"", shortID(info.ID)), "run %s is deleted", shortID(info.ID))
	}
	b := runstone.Batch{}
	for k, v := range params {
		b.Params = append(b.Params, runstone.KV{Key: k, Value: v})
	}
	for k, v := range tags {
		b.Tags = append(b.Tags, runstone.KV{Key: k, Value: v})
	}
	if len(params)+len(tags) > 0 {
		if err := db.LogBatch(ctx, info.ID, b); err != nil {
			return nil, err
		}
	}
	return db.ResumeRun(ctx, info.ID)
}

// endLog ends the run by how the logging went and reports both.
func (a *app) endLog(ctx context.Context, l *lineLogger, fl *logFlags, err error) error {
	status := runstone.Finished
	switch {
	case ctx.Err() != nil:
		status, err = runstone.Killed, context.Cause(ctx)
	case err != nil:
		status = runstone.Failed
	}
	ctx = context.WithoutCancel(ctx) // the end is recorded whatever ended it
	if fl.keepOpen && err == nil {
		status = runstone.Running
	} else if eerr := l.run.End(ctx, status); eerr != nil && err == nil {
		return eerr
	}
	a.note("logged %s from %s to run %s, now %s", plural(l.points, "point"), plural(l.lines, "line"), shortID(l.run.ID()), status)
	object := map[string]any{"run_id": l.run.ID(), "status": status.String(), "lines": l.lines, "points": l.points}
	if derr := a.done(object, "%s", l.run.ID()); err == nil {
		err = derr
	}
	var bad *lineError
	if errors.As(err, &bad) {
		return &fault{code: exitRefused, msg: fmt.Sprintf("line %d: %s", bad.line, bad.msg), cause: err,
			hint: fmt.Sprintf("%s before it logged; put it right and continue from there with --run %s", plural(l.lines, "line"), shortID(l.run.ID()))}
	}
	return err
}

const (
	batchRows  = 4096                   // rows of a batch at most
	batchSets  = 64                     // combinations of metrics at once
	batchDelay = 200 * time.Millisecond // how long a row may wait for others

	maxKnownNames = 100_000
)

// lineBatch collects rows with the same metrics.
type lineBatch struct {
	cols runstone.Columns
}

// lineLogger logs rows in batches as they come.
type lineLogger struct {
	a       *app
	run     *runstone.Run
	batches map[string]*lineBatch // by names
	key     []byte
	waiting int64     // rows in batches
	held    int64     // points in batches
	lines   int64     // logged
	points  int64     // logged
	shown   time.Time // when progress was
}

// logAll logs the rows of in until its end or a bad one.
func (l *lineLogger) logAll(ctx context.Context, in io.Reader, fl *logFlags) error {
	rows := make(chan logRow, 1024)
	failed := make(chan error, 1)
	// A read of a pipe cannot be called off: after an interrupt this ends
	// with the process.
	go func() {
		defer close(rows)
		failed <- readRows(ctx, in, fl, rows)
	}()
	tick := time.NewTicker(batchDelay)
	defer tick.Stop()
	for {
		select {
		case row, ok := <-rows:
			if !ok {
				err := <-failed
				if ferr := l.flush(ctx); ferr != nil {
					err = ferr
				}
				l.progress(true)
				return err
			}
			if err := l.add(ctx, row); err != nil {
				return err
			}
		case <-tick.C:
			if err := l.flush(ctx); err != nil {
				return err
			}
			l.progress(false)
		case <-ctx.Done():
			return errors.Join(l.flush(context.WithoutCancel(ctx)), ctx.Err())
		}
	}
}

var errEnd = io.EOF

func readRows(ctx context.Context, in io.Reader, fl *logFlags, rows chan<- logRow) error {
	r, err := newRowReader(in, fl.format, fl.only)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for {
		row, err := r.read()
		if errors.Is(err, errEnd) {
			return nil
		}
		if err == nil {
			err = checkNames(row, known)
		}
		if err != nil {
			return err
		}
		select {
		case rows <- row:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkNames refuses a metric's name with the number of its line. It looks at
// each name once.
func checkNames(row logRow, known map[string]bool) error {
	for _, name := range row.names {
		if known[name] {
			continue
		}
		if err := runstone.CheckKey(name, "Metric name", "name"); err != nil {
			return badLine(row.line, "%s", oneLine(asFault(err).msg))
		}
		if len(known) < maxKnownNames {
			known[name] = true
		}
	}
	return nil
}

func (l *lineLogger) add(ctx context.Context, row logRow) error {
	if row.time < 0 {
		row.time = time.Now().UnixMilli()
	}
	l.key = l.key[:0]
	for _, name := range row.names {
		l.key = append(append(l.key, name...), 0)
	}
	b := l.batches[string(l.key)]
	if b == nil {
		if len(l.batches) == batchSets {
			if err := l.flush(ctx); err != nil {
				return err
			}
			clear(l.batches)
		}
		b = &lineBatch{}
		b.cols.Names, b.cols.Values = row.names, make([][]float64, len(row.names))
		l.batches[string(l.key)] = b
	}
	b.cols.Steps, b.cols.Times = append(b.cols.Steps, row.step), append(b.cols.Times, row.time)
	for i, v := range row.values {
		b.cols.Values[i] = append(b.cols.Values[i], v)
	}
	l.waiting++
	l.held += int64(len(row.values))
	if l.waiting < batchRows {
		return nil
	}
	err := l.flush(ctx)
	l.progress(false)
	return err
}

// flush logs what waits.
func (l *lineLogger) flush(ctx context.Context) error {
	if l.waiting == 0 {
		return nil
	}
	for _, b := range l.batches {
		c := &b.cols
		if len(c.Steps) > 0 && len(c.Names) > 0 {
			if err := l.run.Append(ctx, *c); err != nil {
				return err
			}
		}
		c.Steps, c.Times = c.Steps[:0], c.Times[:0]
		for i := range c.Values {
			c.Values[i] = c.Values[i][:0]
		}
	}
	l.lines, l.points = l.lines+l.waiting, l.points+l.held
	l.waiting, l.held = 0, 0
	return nil
}

// progress shows a person how far it is.
func (l *lineLogger) progress(last bool) {
	now := time.Now()
	if !l.a.watched() || !last && now.Sub(l.shown) < batchDelay {
		return
	}
	l.shown = now
	end := ""
	if last {
		end = "\n"
	}
	fmt.Fprintf(l.a.err, "\r%s lines, %s points%s", grouped(l.lines), grouped(l.points), end)
}
