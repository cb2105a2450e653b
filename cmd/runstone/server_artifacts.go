package main

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/store"
)

// mlflowRuns is where MLflow keeps artifacts that its server does not serve.
const mlflowRuns = "mlruns"

// artifactPlaces are where a server has artifacts.
type artifactPlaces struct {
	folder string // of those that go through it, "" for the one in the database
	root   string // the URI for new experiments, "" for that folder
	local  string // the folder that root names, "" when it names none
}

// serveless reports whether artifacts do not go through the server.
func (fl *serverFlags) serveless() bool { return fl.noServe || !fl.serve }

// artifactPlaces reads the flags. Nothing is made.
func (a *app) artifactPlaces(dir string, fl *serverFlags) (*artifactPlaces, error) {
	p := &artifactPlaces{}
	if fl.artifacts != "" {
		var ok bool
		if p.folder, ok = localPath(fl.artifacts); !ok {
			return nil, refusedf("give a path or a file: URI, or name the bucket with --default-artifact-root, for clients to write to by themselves",
				"--artifacts-destination %q: only local folders work so far", fl.artifacts)
		}
	}
	if err := p.chooseRoot(fl); err != nil || p.local == "" {
		return p, err
	}
	for _, other := range []struct{ path, what string }{
		{dir, "the database"},
		{cmp.Or(p.folder, store.ArtifactDir(dir)), "the artifacts that go through the server"},
		{fl.key, "the key of --tls-key"},
	} {
		if other.path == "" {
			continue
		}
		// All that is in the root can be read through the server.
		if apart, err := apart(p.local, other.path); err != nil {
			return nil, err
		} else if !apart {
			return nil, refusedf("name a folder that holds nothing but artifacts of clients",
				"--default-artifact-root %s and %s at %s are one in the other", p.local, other.what, other.path)
		}
	}
	return p, nil
}

// chooseRoot sets root and local.
func (p *artifactPlaces) chooseRoot(fl *serverFlags) error {
	name := fl.root
	if name == "" && fl.serveless() && !fl.only {
		name = mlflowRuns
	}
	if name == "" {
		return nil
	}
	if _, rest, ok := strings.Cut(name, "://"); ok { // not repeated
		host, _, _ := strings.Cut(rest, "/")
		if user, _, ok := strings.Cut(host, "@"); ok && strings.Contains(user, ":") {
			return refusedf("let clients have it in their environment", "--default-artifact-root has a password in it, and every client would see it")
		}
	}
	var err error
	if path, ok := localPath(name); ok {
		if p.local, err = filepath.Abs(path); err != nil {
			return err
		}
		p.root = filepath.ToSlash(p.local)
		if path != name {
			p.root = "file://" + (&url.URL{Path: p.root}).EscapedPath()
		}
	} else {
		p.root = name
	}
	l, err := artifact.ParseLocation(p.root)
	switch {
	case err != nil:
		return refusedf("give a path, or a URI without a query", "--default-artifact-root: %v", err)
	case l.Kind == artifact.KindRun || l.Kind == artifact.KindModel || l.Kind == artifact.KindLoggedModel:
		return refusedf("give a folder or a bucket", "--default-artifact-root %s is no place for artifacts", name)
	}
	return nil
}

// open opens the local root, and makes it where it is not there; nil when there
// is none.
func (p *artifactPlaces) open() (*artifact.Root, error) {
	if p.local == "" {
		return nil, nil
	}
	return artifact.OpenShared(p.local)
}

// apart reports whether neither of two paths, links resolved, is in the other.
func apart(a, b string) (bool, error) {
	a, err := resolved(a)
	if err != nil {
		return false, err
	}
	b, err = resolved(b)
	if err != nil {
		return false, err
	}
	inside := func(in, out string) bool {
		rel, err := filepath.Rel(out, in)
		return err == nil && filepath.IsLocal(rel)
	}
	return !inside(a, b) && !inside(b, a), nil
}

// resolved returns a path without links in what there is of it.
func resolved(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for rest := ""; ; {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		// A link that leads nowhere yet may lead anywhere later.
		if _, there := os.Lstat(path); there == nil || filepath.Dir(path) == path {
			return "", err
		}
		path, rest = filepath.Dir(path), filepath.Join(filepath.Base(path), rest)
	}
}

// tellPlaces says where artifacts go when they do not go through the server.
func (a *app) tellPlaces(ctx context.Context, db *runstone.DB, fl *serverFlags) error {
	root := db.ArtifactRoot()
	switch {
	case fl.only && fl.root != "":
		a.note("--default-artifact-root has no effect with --artifacts-only")
		return nil
	case root.Kind == artifact.KindProxied:
		return nil
	case fl.root == "":
		a.note("clients write the artifacts of new experiments to %s, as with --no-serve-artifacts they do on MLflow; choose another place with --default-artifact-root", root)
	default:
		a.note("clients write the artifacts of new experiments to %s by themselves", root)
	}
	e, err := db.Experiment(ctx, runstone.DefaultExperiment)
	if err != nil || !fl.serveless() {
		return err
	}
	if l, err := artifact.ParseLocation(e.Location); err == nil && l.Kind == artifact.KindProxied {
		a.note("experiments that are there keep their place: those at mlflow-artifacts:/, such as %s, have no artifacts while --no-serve-artifacts is given", e.Name)
	}
	return nil
}
