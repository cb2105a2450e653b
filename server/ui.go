package server

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// A web UI of others, which Options.UI puts in the place of our own (uipages.go),
// is a folder with an index.html that finds its files under
// static-files/, as the one in MLflow's wheel does.

// uiPolicy is the Content-Security-Policy of the pages and scripts of a web UI.
// MLflow's makes styles and workers at run time, draws pictures and previews
// from data: and blob:, shows the HTML and PDF files of runs in frames of blob:,
// and compiles WebAssembly and code for its charts. It talks to nobody but this
// server.
const uiPolicy = "default-src 'none'; " + uiScripts + "; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; frame-src 'self' blob: data:; manifest-src 'self'; " +
	"connect-src 'self' data: blob:; form-action 'self'; base-uri 'none'; object-src 'none'"

const (
	uiScripts    = "script-src 'self' 'unsafe-eval'"
	uiAllScripts = uiScripts + " 'unsafe-inline' https:" // with Options.UIScripts
	uiIndex      = "index.html"
	cacheHash    = "public, max-age=2419200" // of files with a digest in their names: 28 days
)

// uiType returns the content type of a UI's file by the end of its name: the
// tables of the system differ from machine to machine.
func uiType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs", ".cjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".ico":
		return "image/vnd.microsoft.icon"
	case ".woff":
		return "font/woff"
	case ".woff2":
		return "font/woff2"
	case ".ttf":
		return "font/ttf"
	case ".eot":
		return "application/vnd.ms-fontobject"
	case ".wasm":
		return "application/wasm"
	}
	return "application/octet-stream"
}

// front is the first page: that of the UI, if there is one.
func (s *Server) front(w http.ResponseWriter, r *http.Request, _ string) {
	if s.opt.UI == nil {
		s.pages(w)
		return
	}
	s.sendUI(w, r, uiIndex)
}

// toFront sends a browser from the static prefix to the front page, whose links
// need the slash at its end.
func (s *Server) toFront(w http.ResponseWriter, r *http.Request, _ string) {
	http.Redirect(w, r, s.opt.StaticPrefix+"/", http.StatusPermanentRedirect)
}

func (s *Server) staticFile(w http.ResponseWriter, r *http.Request, name string) {
	if s.opt.UI == nil {
		writePage(w, http.StatusNotFound, page404)
		return
	}
	s.sendUI(w, r, name)
}

func (s *Server) uiPolicy() string {
	if s.opt.UIScripts {
		return strings.Replace(uiPolicy, uiScripts, uiAllScripts, 1)
	}
	return uiPolicy
}

// sendUI answers with a file of the UI. What is not a file in its folder, also
// behind a symbolic link, is not found.
func (s *Server) sendUI(w http.ResponseWriter, r *http.Request, name string) {
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00") {
		writePage(w, http.StatusNotFound, page404)
		return
	}
	info, err := s.opt.UI.Stat(name) // before opening: a pipe would wait for a writer
	if err != nil || !info.Mode().IsRegular() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.WarnContext(r.Context(), "file of the web UI refused", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
		}
		writePage(w, http.StatusNotFound, page404)
		return
	}
	f, err := s.opt.UI.Open(name)
	if err != nil {
		s.log.WarnContext(r.Context(), "file of the web UI cannot be read", "path", r.URL.Path, "error", err)
		writePage(w, http.StatusNotFound, page404)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", uiType(name))
	h.Set("Content-Security-Policy", s.uiPolicy()+s.ancestors)
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "static/") {
		h.Set("Cache-Control", cacheHash)
	}
	http.ServeContent(w, r, "", info.ModTime(), f)
}
