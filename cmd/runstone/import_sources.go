package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/migrate/mlruns"
	"github.com/runstonedb/runstone/migrate/rest"
)

// openServer opens a running server as the source of an import.
func (a *app) openServer(ctx context.Context, address string) (migrate.Source, error) {
	src, err := rest.Open(ctx, address, a.serverAccess())
	if err != nil {
		return nil, serverFault(err)
	}
	return src, nil
}

// serverAccess is how MLflow's clients are told to reach a server.
func (a *app) serverAccess() *rest.Options {
	insecure := strings.ToLower(a.getenv("MLFLOW_TRACKING_INSECURE_TLS"))
	return &rest.Options{
		Username: a.getenv("MLFLOW_TRACKING_USERNAME"), Password: a.getenv("MLFLOW_TRACKING_PASSWORD"), Token: a.getenv("MLFLOW_TRACKING_TOKEN"),
		CAFile: a.getenv("MLFLOW_TRACKING_SERVER_CERT_PATH"), Insecure: insecure == "true" || insecure == "1",
	}
}

// serverFault says what to do when a server does not answer as it should.
func serverFault(err error) error {
	f := &fault{code: exitError, msg: err.Error(), cause: err, hint: "check the address and that the server runs"}
	if errors.Is(err, rest.ErrUnauthorized) {
		f.code, f.hint = exitRefused, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
	}
	return f
}

// openRuns opens a folder of MLflow's as the source of an import.
func openRuns(dir string, fl *importFlags) (migrate.Source, error) {
	src, err := mlruns.Open(dir, &mlruns.Options{Artifacts: fl.artifacts})
	if errors.Is(err, mlruns.ErrNotStore) {
		return nil, &fault{code: exitRefused, msg: err.Error(), hint: "name the folder, by default mlruns, that holds the folders of the experiments", cause: err}
	}
	if err != nil {
		return nil, err
	}
	return src, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
