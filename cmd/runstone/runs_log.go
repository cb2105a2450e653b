package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const runsLogLong = `Log metrics from CSV, TSV or JSON lines to a run, from a file or stdin.

In CSV the first line names the columns, with commas (or in TSV tabs) between
them. The column "step" is the step, or the first column where none has that
name; the column "time" or "timestamp", if there is one, is the time; each other
column is a metric. A field that is empty or null is no value. In JSON lines
each line is one flat object with the same keys; null is no value, and NaN and
Infinity are taken as Python writes them. Text is refused, but not in what
--only leaves out.

A time is Unix milliseconds (1767225600000), Unix seconds with a decimal point
(1767225600.5) or RFC 3339; without one it is the time of reading.

The run starts with the first line that has a value: input that is refused
before it, or has none, makes no run and no database and changes no run of
--run; the exit code is 4. Lines are logged while they come in. A line that
cannot be read ends it: the lines before it are logged, it and those behind it
are not, the run ends as FAILED and the exit code is 4. Put the line right and
continue the run from there with --run. The end of the input ends the run as
FINISHED, an interrupt as KILLED.

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
		f, err := openFile(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	} else if f, ok := a.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.note("reading from the terminal; Ctrl-D ends the input")
	}
	ctx := cmd.Context()
	l := &lineLogger{a: a, batches: map[string]*lineBatch{}}
	l.start(ctx, in, fl)
	first, err := l.first(ctx, fl)
	if err != nil {
		return err
	}
	open := a.create
	if fl.run != "" {
		open = a.write
	}
	return open(ctx, func(ctx context.Context, db *runstone.DB) error {
		if l.run, err = startLog(ctx, db, fl, params, tags); err != nil {
			return err
		}
		return a.endLog(ctx, l, fl, l.logAll(ctx, first))
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
	if err == nil {
		for _, name := range fl.only {
			if !l.known[name] {
				a.note("no line has a value of %q", clip(name))
			}
		}
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
