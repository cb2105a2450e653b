package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/export"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const exportLong = `Write runs and all their points as files that DuckDB, pandas, Polars and Spark
read as they are: Parquet, or CSV.

DIR becomes a folder with the tables experiments, runs, series (a metric of a
run a row: its count, first, latest and extreme values), metrics (a point a
row), datasets, logged_models, models and versions; those that have to do with
runs are divided by experiment. docs/EXPORT.md lists their columns.

With - for DIR the table of runs goes to standard output as one file. "runstone
export mlflow" brings everything into a running MLflow server instead.

A folder with files in it is refused. With --force an earlier export there is
replaced as a whole once the new one is complete; files that no export wrote are
never touched.`

// exportFlags are the flags of the command export.
type exportFlags struct {
	opt          export.Options
	format, view string
	experiments  []string
}

func (a *app) exportCommand() *cobra.Command {
	fl := exportFlags{}
	cmd := &cobra.Command{
		Use: "export DIR|-", Short: "Write runs and points as Parquet or CSV", Long: exportLong, Args: cobra.ExactArgs(1),
		Example: `  runstone export lake
  runstone export lake --force --experiment diagnostics --metrics "val/*"
  runstone export - --format csv --filter "metrics.loss < 0.4" > runs.csv
  duckdb -c "SELECT run_id, max(value) FROM 'lake/metrics/**/*.parquet' WHERE metric = 'acc' GROUP BY ALL"`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if fl.opt.Format, err = export.ParseFormat(fl.format); err != nil {
				return usagef("--format is parquet or csv, not %q", fl.format)
			}
			if fl.opt.View, err = parseView(fl.view); err != nil {
				return err
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				for _, name := range fl.experiments {
					e, err := findExperiment(ctx, db, name)
					if err != nil {
						return err
					}
					fl.opt.Experiments = append(fl.opt.Experiments, e.ID)
				}
				if args[0] == "-" {
					return a.exportStream(ctx, db, &fl.opt)
				}
				return a.export(ctx, db, args[0], &fl.opt)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&fl.format, "format", string(export.Parquet), "parquet or csv")
	f.StringVar(&fl.opt.Filter, "filter", "", "only runs that match, see docs/QUERY.md")
	f.StringArrayVarP(&fl.experiments, "experiment", "e", nil, "only runs of this experiment, by name or id; may be repeated")
	f.StringVar(&fl.view, "view", "active", "active, deleted or all runs")
	f.StringArrayVar(&fl.opt.Metrics, "metrics", nil, "only metrics whose name matches, where * is any text and ? a character; may be repeated")
	f.BoolVar(&fl.opt.NoMetrics, "no-metrics", false, "leave the points out")
	f.BoolVar(&fl.opt.RunsOnly, "runs-only", false, "write only the table of runs")
	f.BoolVar(&fl.opt.Replace, "force", false, "write into a folder that is not empty, and replace an earlier export there")
	a.completeFlag(cmd, "experiment", a.experimentNames)
	a.completeWords(cmd, "view", "active", "deleted", "all")
	a.completeWords(cmd, "format", string(export.Parquet), string(export.CSV))
	cmd.AddCommand(a.exportMLflow())
	return cmd
}

// exportStream writes the runs to standard output.
func (a *app) exportStream(ctx context.Context, db *runstone.DB, opt *export.Options) error {
	if a.json {
		return usagef("--json and - exclude each other")
	}
	if f, ok := a.out.(*os.File); ok && opt.Format == export.Parquet && term.IsTerminal(int(f.Fd())) {
		return usagef("Parquet is nothing for a terminal; write it to a file with >")
	}
	_, err := export.Runs(ctx, db, a.stdout, opt)
	return err
}

func (a *app) export(ctx context.Context, db *runstone.DB, dir string, opt *export.Options) error {
	if a.watched() {
		opt.Progress = func(p export.Progress) {
			fmt.Fprintf(a.err, "\r%s, %s, %s ", plural(p.Runs, "run"), plural(p.Rows, "row"), size(p.Bytes))
		}
	}
	report, err := export.Dir(ctx, db, dir, opt)
	if opt.Progress != nil {
		fmt.Fprintln(a.err)
	}
	switch {
	case errors.Is(err, export.ErrNotEmpty):
		return &fault{code: exitRefused, msg: dir + " is not empty", hint: "--force writes into it and replaces an earlier export", cause: err}
	case errors.Is(err, export.ErrForeign):
		return &fault{code: exitRefused, msg: strings.ReplaceAll(err.Error(), "export: ", ""), hint: "move them away, or export to another folder", cause: err}
	case err != nil:
		return err
	case a.json:
		return a.writeJSON(report)
	}
	t := newTable("TABLE", ">FILES", ">ROWS", ">SIZE")
	files := 0
	for _, of := range report.Tables {
		t.add(of.Name, grouped(int64(len(of.Files))), grouped(of.Rows), size(of.Bytes))
		files += len(of.Files)
	}
	t.add("all", grouped(int64(files)), grouped(report.Rows), size(report.Bytes))
	return a.print(t)
}
