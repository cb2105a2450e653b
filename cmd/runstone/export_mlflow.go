package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/migrate/rest"
	"github.com/spf13/cobra"
)

const exportMLflowLong = `Bring the database into a running MLflow server through its REST API:
experiments, runs with all their points, params and tags, datasets, logged
models, artifacts, and the registry with version numbers, stages and aliases.

MLflow gives runs, experiments and logged models new ids. The old ones become
tags such as runstone.runId, by which an export finds what it brought before: a
second one changes nothing, one after new runs brings those, and one that was
interrupted goes on. What names an id, such as the parent of a run, follows.
docs/MIGRATE.md tells what a server cannot keep.

Experiments and models of the same name are taken for the same. A model with
versions that are not from here is left out and reported.

Credentials come from the environment as for MLflow's clients:
MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN,
MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_INSECURE_TLS.`

func (a *app) exportMLflow() *cobra.Command {
	var opt rest.ExportOptions
	var experiments []string
	cmd := &cobra.Command{
		Use: "mlflow URL", Short: "Bring everything into a running MLflow server", Long: exportMLflowLong, Args: cobra.ExactArgs(1),
		Example: `  runstone export mlflow http://localhost:5000
  runstone export mlflow https://mlflow.example.com --experiment diagnostics --no-artifacts`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				for _, name := range experiments {
					e, err := findExperiment(ctx, db, name)
					if err != nil {
						return err
					}
					opt.Experiments = append(opt.Experiments, e.ID)
				}
				return a.runExportMLflow(ctx, db, args[0], &opt)
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&experiments, "experiment", "e", nil, "only this experiment, by name or id, and no registry; may be repeated")
	f.BoolVar(&opt.NoArtifacts, "no-artifacts", false, "send no artifacts")
	a.completeFlag(cmd, "experiment", a.experimentNames)
	return cmd
}

func (a *app) runExportMLflow(ctx context.Context, db *runstone.DB, address string, opt *rest.ExportOptions) error {
	start, last := time.Now(), time.Time{}
	if a.watched() {
		opt.Progress = func(r *rest.ExportReport) {
			if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
				last = now
				runs := r.Tallies[migrate.Runs]
				fmt.Fprintf(a.err, "\r\x1b[K%s, %s, %s of artifacts, %v", plural(runs.Added+runs.Updated+runs.Same, "run"), plural(r.Points, "point"),
					size(r.ArtifactBytes), now.Sub(start).Round(time.Second))
			}
		}
	}
	r, err := rest.Export(ctx, db, address, a.serverAccess(), opt)
	if opt.Progress != nil {
		fmt.Fprintln(a.err)
	}
	if said := (*rest.Error)(nil); errors.As(err, &said) || r == nil && err != nil {
		return serverFault(err)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(r)
	}
	t := newTable("WHAT", ">ADDED", ">UPDATED", ">SAME", ">SKIPPED")
	for _, k := range migrate.Kinds {
		n := r.Tallies[k]
		t.add(string(k), grouped(n.Added), grouped(n.Updated), grouped(n.Same), grouped(n.Skipped))
	}
	if err := a.print(t); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\n%s sent, %s of artifacts, %v\n", plural(r.Points, "point"), size(r.ArtifactBytes), time.Since(start).Round(10*time.Millisecond))
	for _, n := range r.Notes {
		subject := grouped(n.N) + " " + string(n.Kind) + ": "
		if n.ID != "" {
			subject = string(n.Kind) + " " + n.ID + ": "
		}
		fmt.Fprintf(a.stdout, "note: %s\n", oneCell(subject+n.Text))
	}
	if !r.Changed() {
		fmt.Fprintln(a.stdout, "everything was there already; nothing was changed")
	}
	return nil
}
