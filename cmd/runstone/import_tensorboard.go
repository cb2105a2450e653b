package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/migrate/tensorboard"
	"github.com/spf13/cobra"
)

const importTensorboardLong = `Bring TensorBoard's event files into the database. Each folder at or below DIR
that holds some is a run, named by its path below DIR as TensorBoard names it:
scalars become metrics, hyperparameters params, and texts tags. What else there
is (images, histograms, graphs …) is counted and left out.

Doing it again adds only what is new. With --follow it goes on with what is
still being written, and with new runs, until Ctrl-C; "runstone server" may
serve the same directory meanwhile.

Points that a program logged again after a restart from a checkpoint are left
out as TensorBoard leaves them out. Damaged records are left out and reported.`

func (a *app) importTensorboard() *cobra.Command {
	var opt tensorboard.Options
	var follow bool
	cmd := &cobra.Command{
		Use: "tensorboard DIR", Short: "Import TensorBoard event files, also live", Long: importTensorboardLong, Args: cobra.ExactArgs(1),
		Example: `  runstone import tensorboard runs
  runstone import tensorboard lightning_logs --experiment diagnostics --follow`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runImportTensorboard(cmd.Context(), args[0], follow, &opt)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opt.Experiment, "experiment", "e", "", "name of the experiment that runs go to (default: the name of DIR)")
	f.BoolVarP(&follow, "follow", "f", false, "go on with what is new until Ctrl-C")
	f.DurationVar(&opt.Interval, "interval", time.Second, "how often --follow looks for what is new")
	a.completeFlag(cmd, "experiment", a.experimentNames)
	return cmd
}

func (a *app) runImportTensorboard(ctx context.Context, dir string, follow bool, opt *tensorboard.Options) error {
	if opt.Interval < 10*time.Millisecond {
		return usagef("--interval is at least 10ms")
	}
	if a.watched() {
		opt.Progress = func(r *tensorboard.Report) {
			fmt.Fprintf(a.err, "\r%s of %s ", plural(r.Points, "point"), plural(r.Runs, "run"))
		}
	}
	var report *tensorboard.Report
	// A folder that is not there must not leave a new database behind.
	if err := isFolder(dir); err != nil {
		return err
	}
	err := a.create(ctx, func(ctx context.Context, db *runstone.DB) (err error) {
		do := tensorboard.Import
		if follow {
			a.note("following %s; Ctrl-C ends it", dir)
			do = tensorboard.Follow
		}
		report, err = do(ctx, db, dir, opt)
		return err
	})
	if opt.Progress != nil {
		fmt.Fprintln(a.err)
	}
	if err != nil {
		return err
	}
	if report.Runs == 0 {
		a.note("no event files below %s", dir)
	}
	return a.printTensorboard(report)
}

// isFolder refuses what is not there or no folder.
func isFolder(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return refusedf("name the folder that TensorBoard would be given as --logdir", "%s is not a folder", dir)
	}
	return err
}

func (a *app) printTensorboard(r *tensorboard.Report) error {
	for _, p := range r.Problems {
		a.note("left out %s", p)
	}
	if r.Late > 0 {
		a.note("%s after their orphaned points were imported: curves go back there", plural(r.Late, "restart"))
	}
	if r.CorruptRecords+r.CorruptBytes+r.TooLong > 0 {
		a.note("left out %s, %s between records and %s",
			plural(r.CorruptRecords, "damaged record"), size(r.CorruptBytes), plural(r.TooLong, "record")+" that are too long")
	}
	if a.json {
		return a.writeJSON(r)
	}
	t := newTable("WHAT", ">NUMBER")
	t.add("runs", grouped(r.Runs))
	t.add("runs added", grouped(r.Added))
	t.add("points added", grouped(r.Points))
	t.add("params added", grouped(r.Params))
	t.add("texts set", grouped(r.Texts))
	if r.Orphaned > 0 {
		t.add("points orphaned by restarts", grouped(r.Orphaned))
	}
	for _, what := range slices.Sorted(maps.Keys(r.Skipped)) {
		t.add(what+" left out", grouped(r.Skipped[what]))
	}
	return a.print(t)
}
