package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/migrate/sqlite"
	"github.com/spf13/cobra"
)

const importMLflowLong = `Bring a store of MLflow into the database: experiments, runs with the whole
history of their metrics, datasets, logged models, artifacts and the model
registry, with all their ids, times and version numbers. docs/MIGRATE.md tells
what is kept.

SOURCE is the database file of MLflow, as a path or as sqlite:///PATH; a folder
of MLflow's files, usually mlruns, as a path or as file:///PATH; or the address
of a running server, http://… or https://…. Without it, it is
$MLFLOW_BACKEND_STORE_URI, else mlflow.db or mlruns in the current folder. It is
only read: a server may go on using it, but what it writes meanwhile is not seen
and may have to wait, so better stop it first.

A server is asked with the credentials that MLflow's clients take from the
environment (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD,
MLFLOW_TRACKING_TOKEN), and gives the artifacts that it can reach itself.

Artifacts are copied when they are in the folder of the database file or below
it, or in the folders that --artifacts names. A folder mlartifacts beside the
file is taken for the one that the MLflow server served. All others, such as
those in a bucket, stay where they are and keep their URIs.

The database may hold other data: what is imported is added to it. Nothing that
is there is overwritten. An id, a name of an experiment or a registered model
that is there with other content is a conflict, which ends the import; with
--skip it is left out, with all that belongs to it.

An import that was interrupted goes on where it was when it is called again. A
second one finds everything and changes nothing.`

// importFlags are the flags of "import mlflow".
type importFlags struct {
	artifacts   []string
	noArtifacts bool
	dry, skip   bool
}

func (a *app) importCommand() *cobra.Command {
	return newGroup("import", "Bring in what other tools recorded", a.importMLflowCommand(), a.importTensorboard())
}

func (a *app) importMLflowCommand() *cobra.Command {
	fl := importFlags{}
	cmd := &cobra.Command{
		Use: "mlflow [SOURCE]", Short: "Import a store of MLflow", Long: importMLflowLong, Args: cobra.MaximumNArgs(1),
		Example: `  runstone import mlflow mlflow.db --dry-run
  runstone import mlflow sqlite:////srv/mlflow/mlflow.db --artifacts /srv/mlflow/mlartifacts
  runstone import mlflow mlruns
  runstone import mlflow https://mlflow.example.com
  runstone import mlflow mlflow.db -d data && runstone server -d data`,
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := a.importSource(args)
			if err != nil {
				return err
			}
			src, err := a.openImport(cmd.Context(), uri, &fl)
			if err != nil {
				return err
			}
			err = a.importFrom(cmd.Context(), src, &fl)
			if cerr := src.Close(); err == nil {
				err = cerr
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&fl.artifacts, "artifacts", nil, "a folder that artifacts may be copied from, such as the --artifacts-destination of the MLflow server; may be repeated")
	f.BoolVar(&fl.noArtifacts, "no-artifacts", false, "copy no artifacts")
	f.BoolVar(&fl.dry, "dry-run", false, "read all of the source, and only tell what would be imported")
	f.BoolVar(&fl.skip, "skip", false, "leave out what is in conflict or cannot be kept, and go on")
	return cmd
}

// importSource returns what to import from.
func (a *app) importSource(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	if uri := a.getenv("MLFLOW_BACKEND_STORE_URI"); uri != "" {
		return uri, nil
	}
	if _, err := os.Stat("mlflow.db"); err == nil {
		return "mlflow.db", nil
	}
	if isDir("mlruns") {
		return "mlruns", nil
	}
	return "", usagef("name the store to import: there is no mlflow.db and no mlruns here and $MLFLOW_BACKEND_STORE_URI is not set")
}

// openImport opens a store by its URI or path.
func (a *app) openImport(ctx context.Context, uri string, fl *importFlags) (migrate.Source, error) {
	scheme, _, ok := strings.Cut(uri, ":")
	scheme, _, _ = strings.Cut(strings.ToLower(scheme), "+") // the driver of Python
	if ok && len(scheme) > 1 {
		switch scheme {
		case "sqlite", "file":
		case "http", "https":
			return a.openServer(ctx, uri)
		case "postgresql", "postgres", "mysql", "mssql", "oracle":
			return nil, &fault{
				code: exitUsage, msg: "a " + scheme + " database is not read directly",
				hint: `let MLflow serve it ("mlflow server --backend-store-uri ` + scheme + `://…") and import from that server: runstone import mlflow http://localhost:5000`,
			}
		default:
			return nil, usagef("there is no import from %s:", scheme)
		}
	}
	path, err := databasePath(uri)
	if err != nil {
		return nil, err
	}
	if isDir(path) {
		return openRuns(path, fl)
	}
	src, err := sqlite.Open(ctx, path, &sqlite.Options{Artifacts: fl.artifacts})
	switch {
	case errors.Is(err, sqlite.ErrNotMLflow):
		return nil, &fault{code: exitRefused, msg: err.Error(), hint: "name the file that MLflow's --backend-store-uri names", cause: err}
	case errors.Is(err, os.ErrNotExist):
		return nil, notFoundf("name the file that MLflow's --backend-store-uri names", "%v", err)
	case err != nil:
		return nil, err
	}
	return src, nil
}

// databasePath returns the path of an SQLite database, which SQLAlchemy writes
// sqlite:///relative and sqlite:////absolute.
func databasePath(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if scheme, _, _ := strings.Cut(strings.ToLower(scheme), "+"); !ok || scheme != "sqlite" {
		if p, ok := localPath(uri); ok {
			return p, nil
		}
		return "", usagef("%q is no path on this machine", uri)
	}
	rest, _, _ = strings.Cut(rest, "?")
	p, ok := strings.CutPrefix(rest, "///")
	if !ok || p == "" || p == ":memory:" {
		return "", usagef("%q names no file: it is sqlite:///PATH, with four slashes for one from the root", uri)
	}
	p, err := url.PathUnescape(p)
	if err != nil {
		return "", usagef("%q: %v", uri, err)
	}
	return filepath.FromSlash(p), nil
}

func (a *app) importFrom(ctx context.Context, src migrate.Source, fl *importFlags) error {
	dir, opt := a.dir(), &runstone.Options{Exclusive: true}
	if fl.dry {
		opt.ReadOnly = true
		if _, err := a.find(); err != nil { // all of it would be new
			tmp, err := os.MkdirTemp("", "runstone-dry-run-")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(tmp) }()
			if err := with(ctx, tmp, nil, func(context.Context, *runstone.DB) error { return nil }); err != nil {
				return err
			}
			dir = tmp
		}
	}
	return with(ctx, dir, opt, func(ctx context.Context, db *runstone.DB) error {
		start := time.Now()
		report, err := migrate.Import(ctx, db, src, &migrate.Options{Skip: fl.skip, NoArtifacts: fl.noArtifacts, Progress: a.importProgress(start)})
		if a.watched() {
			fmt.Fprintln(a.err)
		}
		var c *migrate.Conflict
		if errors.As(err, &c) {
			err = &fault{code: exitRefused, msg: err.Error(), hint: "--dry-run --skip lists all conflicts; --skip leaves them out; another --data-dir has none", cause: err}
		}
		if err != nil {
			return err
		}
		return a.importDone(report, time.Since(start))
	})
}

// importProgress shows how far the import is, some times a second.
func (a *app) importProgress(start time.Time) func(*migrate.Report, *migrate.Counts) {
	if !a.watched() {
		return nil
	}
	var last time.Time
	return func(r *migrate.Report, total *migrate.Counts) {
		now := time.Now()
		if now.Sub(last) < 200*time.Millisecond {
			return
		}
		last = now
		runs := r.Tallies[migrate.Runs]
		of := ""
		if n := total.Records[migrate.Runs]; n > 0 {
			of = " of " + grouped(n)
		}
		fmt.Fprintf(a.err, "\r\x1b[K%s%s runs, %s points, %s files, %s, %v", grouped(runs.Added+runs.Same+runs.Conflicts+runs.Skipped), of, grouped(r.Points),
			grouped(r.Tallies[migrate.Artifacts].Added+r.Tallies[migrate.Artifacts].Same), size(r.ArtifactBytes), now.Sub(start).Round(time.Second))
	}
}

func (a *app) importDone(r *migrate.Report, took time.Duration) error {
	if a.json {
		return a.writeJSON(r)
	}
	t := newTable("WHAT", ">ADDED", ">SAME", ">CONFLICTS", ">SKIPPED", "DIGEST")
	for _, k := range migrate.Kinds {
		n := r.Tallies[k]
		t.add(string(k), grouped(n.Added), grouped(n.Same), grouped(n.Conflicts), grouped(n.Skipped), n.Digest)
	}
	if err := a.print(t); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\n%s points (%s added), %s params, %s tags, %s of datasets, %s of artifacts, %v\n", grouped(r.Points), grouped(r.PointsAdded),
		grouped(r.Params), grouped(r.Tags), plural(r.Inputs, "use"), size(r.ArtifactBytes), took.Round(10*time.Millisecond))
	for _, n := range r.Notes {
		subject := ""
		switch {
		case n.Kind != "" && n.ID != "":
			subject = strings.TrimSuffix(string(n.Kind), "s") + " " + n.ID + ": "
		case n.Kind != "":
			subject = grouped(n.N) + " " + string(n.Kind) + ": "
		case n.N > 1:
			subject = grouped(n.N) + " "
		}
		fmt.Fprintf(a.stdout, "note: %s\n", oneCell(subject+n.Text))
	}
	for _, c := range r.Conflicts {
		fmt.Fprintf(a.stdout, "conflict: %s\n", oneCell(c.Error()))
	}
	switch {
	case r.DryRun:
		fmt.Fprintln(a.stdout, "nothing was written: this was a dry run")
	case !r.Changed():
		fmt.Fprintln(a.stdout, "everything was there already; nothing was changed")
	}
	return nil
}
