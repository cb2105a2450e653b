package server

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"strings"

	"github.com/runstonedb/runstone/access"
)

// The web UI: its files, which the binary holds, and an API of its own for what
// MLflow's has not, under ajax-api/runstone. It is for the pages of the same
// version and may change with them.
//
//	uipages.go   the files, who uses them and what they may
//	uiquery.go   runs as columns, by any query
//	uilist.go    pages far down a table
//	uifields.go  what fields there are, and their values
//	uiseries.go  curves for charts
//	uijoin.go    curves over another metric
//	uigroups.go  curves of groups of runs
//	uibench.go   benchmarks: their histories, and runs side by side
//	uimodels.go  the registry: history, versions with metrics of their runs
//	uifiles.go   files of a version, models among the files of a run
//	uilive.go    what changed, while a page is open
//	uilineage.go what came out of what
//	uistorage.go who uses the bytes
//
// It is part of package server because it is answered as everything else is: from
// the one table of routes, with its permissions, limits and errors. The sources of
// the pages are in server/ui, see the README there.

// dist holds what `make ui` built, or a placeholder only.
//
//go:embed all:ui/dist
var dist embed.FS

// pagesPolicy is the Content-Security-Policy of the pages: all that they are made of
// comes from this server, in files of its own.
const pagesPolicy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"

// noUI is the front page of a binary without the web UI.
const noUI = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Runstone</title>
<h1>Runstone</h1>
<p>This is the tracking server of a Runstone database. It answers MLflow's REST API:
point a client at this address with <code>mlflow.set_tracking_uri</code> or <code>MLFLOW_TRACKING_URI</code>.</p>
<p>The API is under <code>/api/2.0/mlflow/</code>, files are under <code>/api/2.0/mlflow-artifacts/</code>.</p>
<p>This binary was built without the web UI. In the sources, with Node.js 20.19 or later,
<code>make build</code> makes one with it. Another UI, such as that of an installed <code>mlflow</code>, is shown with <code>--ui</code> and its folder.</p>
</html>
`

// uiSession answers who uses the pages; where there are no users it is "".
func (s *Server) uiSession(ctx context.Context, a args) (any, error) {
	var answer struct {
		User  string `json:"user"`
		Admin bool   `json:"admin"`
	}
	if u := userOf(ctx); u != nil {
		answer.User, answer.Admin = u.Name, u.Admin
	}
	return answer, a.done()
}

// uiMay answers whether the user may edit and manage all of some experiments, or a
// registered model, so that pages offer nothing that would only be refused. What each
// request needs of these is in rules.go.
func (s *Server) uiMay(ctx context.Context, a args) (any, error) {
	level := access.Manage
	if u := userOf(ctx); u != nil {
		for _, id := range a.strs("experiment_ids") {
			level = min(level, u.Level(access.Experiment, access.CanonicalExperiment(id)))
		}
		if name := a.str("name"); name != "" {
			level = min(level, u.Level(access.Model, name))
		}
	}
	return struct {
		Edit   bool `json:"edit"`
		Manage bool `json:"manage"`
	}{level >= toEdit, level >= toManage}, a.done()
}

// pages answers the page that all views are drawn in.
func (s *Server) pages(w http.ResponseWriter) {
	page, err := dist.ReadFile("ui/dist/index.html")
	if err != nil {
		writePage(w, http.StatusOK, noUI)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pagesPolicy+s.ancestors)
	h.Set("Cache-Control", "no-cache")
	writePage(w, http.StatusOK, string(page))
}

// pagesFile answers a file of the pages, whose name has a digest of what is in it.
func (s *Server) pagesFile(w http.ResponseWriter, r *http.Request, name string) {
	file := "ui/dist/assets/" + name
	b, err := dist.ReadFile(file)
	if err != nil || !fs.ValidPath(file) {
		writePage(w, http.StatusNotFound, page404)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", uiType(name))
	h.Set("Content-Security-Policy", pagesPolicy+s.ancestors) // a worker is under that of its script
	if packed, err := dist.ReadFile(file + ".gz"); err == nil {
		h.Add("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			b = packed
		}
	}
	_, _ = w.Write(b) // the client may have gone
}
