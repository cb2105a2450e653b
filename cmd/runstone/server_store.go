package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/runstonedb/runstone/migrate/mlruns"
)

// serverDir returns the directory to serve. --data-dir and --backend-store-uri
// go before RUNSTONE_DATA_DIR. A store of MLflow is refused with the command
// that imports it: a server that started empty beside it would look as if all
// were lost.
func (a *app) serverDir(fl *serverFlags) (string, error) {
	if fl.backend == "" {
		a.noteMLflow()
		return a.dir(), nil
	}
	scheme, _, _ := strings.Cut(fl.backend, ":")
	scheme, driver, _ := strings.Cut(scheme, "+") // the driver of Python
	switch strings.ToLower(scheme) {
	case "sqlite":
		return a.importFirst(fl, "is an SQLite database of MLflow", fl.backend)
	case "postgresql", "postgres", "mysql", "mssql", "oracle":
		// The URI holds a password: it is not repeated.
		if a.instead("the " + scheme + " database") {
			return a.dir(), nil
		}
		return "", refusedf(fmt.Sprintf(`let MLflow serve it once ("mlflow server --backend-store-uri %s://…") and import from there: runstone import mlflow http://localhost:5000 -d %s`,
			scheme, quoteArg(a.target())), "%s: is a database that runstone does not use; its content can be imported", strings.TrimSuffix(scheme+"+"+driver, "+"))
	case "http", "https":
		source := scheme + "://…" // what cannot be parsed may hold a password too
		if u, err := url.Parse(fl.backend); err == nil {
			u.User = nil // credentials go in MLflow's variables
			source = u.String()
		}
		return a.importFirst(fl, "is a running server", source)
	}
	dir, ok := localPath(fl.backend)
	if !ok {
		return "", refusedf("name a directory with --data-dir", "%q is not a path or a file: URI", fl.backend)
	}
	if mlruns.IsStore(dir) {
		return a.importFirst(fl, "is a folder of MLflow's file store", dir)
	}
	if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
		return a.importFirst(fl, "is a file, perhaps an SQLite database of MLflow", dir)
	}
	if a.dataDir != "" && filepath.Clean(a.dataDir) != filepath.Clean(dir) {
		return "", usagef("--data-dir and --backend-store-uri name different directories")
	}
	return dir, nil
}

// target is where an import would go.
func (a *app) target() string {
	if a.dataDir != "" || a.getenv(envDataDir) != "" {
		return a.dir()
	}
	return "data"
}

// instead reports whether a database is named beside the store of MLflow that it
// was imported from, and is there: flags and variables of "mlflow server" may then
// stay as they are.
func (a *app) instead(store string) bool {
	if a.dataDir == "" && a.getenv(envDataDir) == "" || !isDatabase(a.dir()) {
		return false
	}
	a.note("%s is served; %s, which --backend-store-uri names, is not read", a.dir(), store)
	return true
}

// importFirst refuses a store of MLflow and says how to go on with what is in it.
func (a *app) importFirst(fl *serverFlags, what, source string) (string, error) {
	if a.instead(source) {
		return a.dir(), nil
	}
	dir, files := quoteArg(a.target()), ""
	if path, ok := localPath(fl.artifacts); ok && path != "" {
		files = " --artifacts " + quoteArg(path)
	}
	return "", refusedf(fmt.Sprintf("import it and serve that: runstone import mlflow %s%s -d %s && runstone server -d %s", quoteArg(source), files, dir, dir),
		"%s %s, which runstone imports and does not serve", source, what)
}

// isDatabase reports whether a directory is a database of Runstone.
func isDatabase(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "RUNSTONE"))
	return err == nil
}

// noteMLflow tells of the store that "mlflow server" would have served here.
func (a *app) noteMLflow() {
	if isDatabase(a.dir()) {
		return
	}
	source := ""
	if info, err := os.Stat("mlflow.db"); err == nil && info.Mode().IsRegular() {
		source = "mlflow.db"
	} else if mlruns.IsStore("mlruns") {
		source = "mlruns"
	}
	if source != "" {
		a.note("there is a store of MLflow here, which is not served: to import it, stop this server and run: runstone import mlflow %s -d %s", source, quoteArg(a.dir()))
	}
}
