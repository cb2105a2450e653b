package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/runstonedb/runstone/artifact"
)

type wireFile struct {
	Path  string `json:"path"`
	IsDir bool   `json:"is_dir"`
	Size  int64  `json:"file_size,omitempty"`
}

type fileList struct {
	RootURI string     `json:"root_uri,omitempty"`
	Files   []wireFile `json:"files,omitempty"`
}

// list lists a folder with paths relative to dir, or to the folder itself.
func (s *Server) list(dir, p place) ([]wireFile, error) {
	files, err := s.filesOf(p).List(p.path)
	out := make([]wireFile, len(files))
	for i, f := range files {
		out[i] = wireFile{strings.TrimPrefix(f.Path, dir.path.String()+"/"), f.IsDir, f.Size}
	}
	return out, err
}

// listIn lists a client's path in a folder that a URI names.
func (s *Server) listIn(uri, name string) (any, error) {
	dir, err := s.folder(uri)
	if err != nil {
		return nil, err
	}
	p, err := dir.join(name)
	if err != nil {
		return nil, err
	}
	files, err := s.list(dir, p)
	return fileList{uri, files}, err
}

func (s *Server) listArtifacts(ctx context.Context, a args) (any, error) {
	id, name := a.runID(), a.str("path")
	if err := a.done(); err != nil {
		return nil, err
	}
	if _, err := artifact.ParsePath(name); err != nil {
		return nil, err
	}
	info, err := s.db.RunInfo(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.listIn(info.ArtifactURI, name)
}

func (s *Server) listFiles(_ context.Context, a args) (any, error) {
	name := a.str("path")
	if err := a.done(); err != nil {
		return nil, err
	}
	p, err := artifact.ParsePath(strings.TrimSuffix(name, "/"))
	if err != nil {
		return nil, err
	}
	files, err := s.list(place{path: p}, place{path: p})
	return fileList{Files: files}, err
}

// notServed answers on the routes of the artifact proxy when it is switched off.
func (s *Server) notServed(w http.ResponseWriter, r *http.Request, rt *route) {
	name := r.URL.Path // known to be without markup when it matched as a whole
	if at, _, ok := strings.Cut(rt.path, "{"); ok {
		if at == "/artifacts/" && r.Method != http.MethodDelete {
			writeDetail(w, http.StatusServiceUnavailable, "Artifact serving is disabled. Run `mlflow server` with `--serve-artifacts` to enable.")
			return
		}
		name = filesAPI + strings.TrimSuffix(at, "/")
	}
	writePage(w, http.StatusServiceUnavailable, "Endpoint: "+name+" disabled due to the mlflow server running with `--no-serve-artifacts`. To enable artifacts server functionality, run `mlflow server` with `--serve-artifacts`")
}

func (s *Server) getFile(w http.ResponseWriter, r *http.Request, name string) {
	p, err := artifact.ParsePath(name)
	if err != nil {
		s.writeError(w, r, err, true)
		return
	}
	s.send(w, r, place{path: p}, true)
}

// send answers with a file, or the range of it that is asked for. A browser
// stores it and never shows it as a page of this server.
func (s *Server) send(w http.ResponseWriter, r *http.Request, p place, compact bool) {
	f, err := s.filesOf(p).Open(p.path)
	switch {
	case errors.Is(err, artifact.ErrNotFound):
		err = missingThing("No such artifact: '%s'", p.path)
	case errors.Is(err, artifact.ErrIsDir):
		writeDetail(w, http.StatusBadRequest, fmt.Sprintf("Artifact path refers to a directory, not a file: '%s'", p.path))
		return
	}
	if err != nil {
		s.writeError(w, r, err, compact)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.writeError(w, r, err, compact)
		return
	}
	h, base := w.Header(), path.Base(p.path.String())
	h.Set("Content-Type", contentType(base))
	h.Set("Content-Disposition", disposition(base))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	if !p.direct { // what others write by themselves has no record
		rec, err := s.db.ArtifactRecord(r.Context(), p.path.String())
		if err == nil && rec.Size == info.Size() && !rec.At.Before(info.ModTime().Truncate(time.Millisecond)) {
			if d := reprDigest(rec.Digest); d != "" {
				h.Set("Repr-Digest", d)
			}
		}
	}
	http.ServeContent(&slowWriter{ResponseWriter: w, c: http.NewResponseController(w)}, r, "", info.ModTime(), f)
}

func disposition(base string) string {
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": base}); d != "" {
		return d
	}
	return "attachment"
}

// writeDetail answers in the form of FastAPI, which serves MLflow's artifacts.
func writeDetail(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(appendString([]byte(`{"detail":`), detail), '}')) // the client may have gone
}

// contentType names the type of a file by its name alone, the same on every
// machine.
func contentType(base string) string {
	switch ext := strings.ToLower(path.Ext(base)); ext {
	case ".txt", ".log", ".md", ".yaml", ".yml", ".csv", ".tsv", ".py", ".r", ".rst", ".cfg", ".conf", ".ini", ".toml", ".sh", ".sql", ".xml":
		return "text/plain; charset=utf-8"
	case ".json":
		return "application/json"
	case ".png", ".gif", ".webp":
		return "image/" + ext[1:]
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".pdf":
		return "application/pdf"
	}
	if base == "MLmodel" || base == "MLproject" {
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

func (s *Server) putFile(w http.ResponseWriter, r *http.Request, name string) {
	if strings.HasSuffix(name, "/") {
		if _, err := artifact.ParsePath(strings.TrimRight(name, "/")); err == nil {
			writeDetail(w, http.StatusBadRequest, "Artifact path must include a filename (cannot end with '/').")
			return
		}
	}
	s.put(w, r, s.opt.MaxArtifact, func(body io.Reader, opt artifact.PutOptions) error {
		_, err := s.db.PutArtifact(r.Context(), name, body, opt)
		return err
	})
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, limit int64, store func(io.Reader, artifact.PutOptions) error) {
	body, opt, err := s.uploadBody(w, r, limit)
	if err == nil {
		err = store(body, opt)
	}
	if err != nil {
		s.writeError(w, r, err, true)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *Server) deleteFile(w http.ResponseWriter, r *http.Request, name string) {
	err := s.db.DeleteArtifacts(r.Context(), name)
	if err != nil && !errors.Is(err, artifact.ErrNotFound) {
		s.writeError(w, r, err, true)
		return
	}
	s.writeJSON(w, r, empty{})
}

// uploadArtifact stores a small file of a run for MLflow's web UI.
func (s *Server) uploadArtifact(w http.ResponseWriter, r *http.Request, _ string) {
	a := queryArgs(r)
	id, name := a.str("run_uuid"), a.str("path")
	if id == "" {
		a.fail(badRequest("Request must specify run_uuid."))
	}
	if name == "" {
		a.fail(badRequest("Request must specify path."))
	}
	p, err := s.inRun(r.Context(), &a, id, name)
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	s.put(w, r, uploadBody, func(body io.Reader, opt artifact.PutOptions) (err error) {
		if p.direct {
			_, err = s.filesOf(p).Put(r.Context(), p.path, body, opt)
		} else {
			_, err = s.db.PutArtifact(r.Context(), p.path.String(), body, opt)
		}
		return err
	})
}

// inRun returns the place of a name in a run's artifacts.
func (s *Server) inRun(ctx context.Context, a *args, id, name string) (p place, err error) {
	if err = a.done(); err == nil {
		_, err = artifact.ParsePath(name)
	}
	if err != nil {
		return p, err
	}
	info, err := s.db.RunInfo(ctx, id)
	if err != nil {
		return p, err
	}
	return s.within(info.ArtifactURI, name)
}

func (s *Server) getRunArtifact(w http.ResponseWriter, r *http.Request, _ string) {
	a := queryArgs(r)
	id, name := a.str("run_id"), a.str("path")
	if id == "" {
		id = a.str("run_uuid")
	}
	switch {
	case id == "":
		s.writeError(w, r, missingThing("Run with id=None not found"), false)
		return
	case name == "":
		writePage(w, http.StatusBadRequest, page400)
		return
	}
	p, err := s.inRun(r.Context(), &a, id, name)
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	s.send(w, r, p, false)
}

func (s *Server) getVersionArtifact(w http.ResponseWriter, r *http.Request, _ string) {
	a := queryArgs(r)
	name, number, file := a.need("name"), a.version(), a.need("path")
	p, err := s.inVersion(r.Context(), &a, name, number, file)
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	s.send(w, r, p, false)
}

// inVersion returns the place of a name in the files of a model version.
func (s *Server) inVersion(ctx context.Context, a *args, name string, number int, file string) (p place, err error) {
	if err := a.done(); err != nil {
		return p, err
	}
	if _, err := artifact.ParsePath(file); err != nil {
		return p, err
	}
	uri, err := s.versionURI(ctx, name, number)
	if err != nil {
		return p, err
	}
	return s.within(uri, file)
}

// runURI returns where runs:/<id>/<path> is.
func (s *Server) runURI(ctx context.Context, l artifact.Location) (string, error) {
	info, err := s.db.RunInfo(ctx, l.ID)
	if err != nil || l.Path.IsRoot() {
		return info.ArtifactURI, err
	}
	return info.ArtifactURI + "/" + l.Path.String(), nil
}

// slowWriter gives every piece of a file its own time to be taken.
type slowWriter struct {
	http.ResponseWriter
	c *http.ResponseController
}

const slowPiece = 8 << 20

func (s *slowWriter) Write(b []byte) (int, error) {
	_ = s.c.SetWriteDeadline(time.Now().Add(bodyTimeout)) // tests have no deadlines
	return s.ResponseWriter.Write(b)
}

// ReadFrom keeps the kernel's own way from file to socket, which takes one
// io.LimitedReader around a file and not two.
func (s *slowWriter) ReadFrom(r io.Reader) (total int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for limited.N > 0 {
		_ = s.c.SetWriteDeadline(time.Now().Add(bodyTimeout)) // tests have no deadlines
		piece := min(limited.N, slowPiece)
		n, err := io.Copy(s.ResponseWriter, &io.LimitedReader{R: limited.R, N: piece})
		total += n
		limited.N -= n
		if err != nil || n < piece {
			return total, err
		}
	}
	return total, nil
}
