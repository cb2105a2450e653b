package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
)

// Limits of uploads in parts.
const (
	maxParts      = 4900             // of one file: what a request to complete can name
	maxOpenFiles  = 1000             // uploads in parts that have begun
	uploadIdle    = 2 * time.Hour    // then an upload, or what a killed server left of one, is dropped
	uploadMemory  = 10 * time.Minute // for which a completed upload answers the same again
	sweepInterval = 15 * time.Minute
)

// partsUpload is a file that arrives in parts.
type partsUpload struct {
	*runstone.Upload
	parts int    // announced
	user  string // who began it

	mu      sync.Mutex
	touched time.Time
	done    chan struct{} // not nil once the parts are being joined; closed after
	whole   bool          // joined, from the digests in names
	names   []artifact.Digest
}

func (u *partsUpload) touch(now time.Time) {
	u.mu.Lock()
	u.touched = now
	u.mu.Unlock()
}

// idle reports whether nothing has happened to an upload for its time.
func (u *partsUpload) idle(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done != nil {
		return u.whole && now.Sub(u.touched) > uploadMemory
	}
	return now.Sub(u.touched) > uploadIdle
}

// openUploads are the uploads in parts of a server, by ids that nobody guesses.
type openUploads struct {
	mu sync.Mutex
	m  map[string]*partsUpload
}

// add keeps a new upload where there is room for it.
func (o *openUploads) add(id string, parts int, user string, begin func() (*runstone.Upload, error)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.m) >= maxOpenFiles {
		return &wireError{http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED", "Too many uploads have begun and not ended."}
	}
	up, err := begin()
	if err == nil {
		o.m[id] = &partsUpload{Upload: up, parts: parts, user: user, touched: time.Now()}
	}
	return err
}

func (o *openUploads) get(id string) *partsUpload {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.m[id]
}

func (o *openUploads) drop(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.m, id)
}

// expire drops idle uploads. Those that it could not remove from disk are left
// to the sweep.
func (o *openUploads) expire(now time.Time) error {
	o.mu.Lock()
	var gone []*partsUpload
	for id, u := range o.m {
		if u.idle(now) {
			gone = append(gone, u)
			delete(o.m, id)
		}
	}
	o.mu.Unlock()
	var errs []error
	for _, u := range gone {
		if err := u.Abort(); !errors.Is(err, artifact.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweep drops idle uploads, and what killed servers left among the artifacts,
// until ctx is done.
func (s *Server) sweep(ctx context.Context) {
	t := time.NewTicker(sweepInterval)
	defer t.Stop()
	for {
		err := s.parts.expire(time.Now())
		for _, root := range []*artifact.Root{s.db.Artifacts(), s.opt.RootFiles} {
			if root != nil {
				_, serr := root.Sweep(uploadIdle)
				err = errors.Join(err, serr)
			}
		}
		if err != nil {
			s.log.WarnContext(ctx, "unfinished uploads stay", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// address returns how the client of a request reaches this server, as
// "https://host:port".
func (s *Server) address(r *http.Request) string {
	if s.opt.PublicURL != "" {
		return strings.TrimSuffix(s.opt.PublicURL, "/")
	}
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https://"
	}
	return scheme + r.Host
}

// knowsAddress reports whether address is right for sure. Behind a proxy it may
// not be; on this machine it is, but there parts bring nothing.
func (s *Server) knowsAddress(r *http.Request) bool {
	if s.opt.PublicURL != "" {
		return true
	}
	for _, h := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	host, _, ok := splitHost(r.Host)
	return ok && !loopback(host)
}

// filesAPI is where the artifact routes are for programs.
const filesAPI = "/api/2.0/mlflow-artifacts"

type partTarget struct {
	URL     string            `json:"url"`
	Part    int               `json:"part_number"`
	Headers map[string]string `json:"headers"`
}

type uploadBegun struct {
	ID      string       `json:"upload_id"`
	Targets []partTarget `json:"credentials"`
}

// uploadPath returns the file that a request about an upload names: a folder in
// its URL and the base name of a path on the client's machine. The user must be
// allowed to write it.
func (s *Server) uploadPath(ctx context.Context, a *args) (artifact.Path, error) {
	folder, name := a.str("folder"), a.need("path")
	if err := a.done(); err != nil {
		return artifact.Path{}, err
	}
	dir, err := artifact.ParsePath(strings.TrimSuffix(folder, "/"))
	if err != nil {
		return dir, err
	}
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if name == "" || name == "." {
		return dir, badRequest("Invalid path")
	}
	p, err := place{path: dir}.join(name)
	if u := userOf(ctx); u != nil && !u.Admin && err == nil {
		err = s.onPlace(ctx, u, p, toEdit)
	}
	return p.path, err
}

// userName is whose an upload is, "" where there are no users.
func userName(ctx context.Context) string {
	if u := userOf(ctx); u != nil {
		return u.Name
	}
	return ""
}

// beginUpload answers with the URLs for the parts of a file, on this server.
func (s *Server) beginUpload(w http.ResponseWriter, r *http.Request, folder string) {
	err := checkContentType(r)
	var body string
	if err == nil {
		var held int
		body, held, err = s.readBody(w, r, smallBody)
		defer s.memory.leave(held)
	}
	var begun uploadBegun
	if err == nil {
		var a args
		if a, err = parseArgs(r, body); err == nil {
			a.set("folder", folder)
			begun, err = s.begin(r.Context(), &a, s.address(r))
		}
	}
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	s.writeJSON(w, r, begun)
}

func (s *Server) begin(ctx context.Context, a *args, base string) (begun uploadBegun, err error) {
	p, err := s.uploadPath(ctx, a)
	n := int(a.int("num_parts", 0))
	if err == nil {
		err = a.done()
	}
	switch {
	case err != nil:
		return begun, err
	case n < 1:
		return begun, badRequest("Parameter 'num_parts' must be at least 1, got %d.", n)
	case n > maxParts: // upon which clients send the file whole
		return begun, &wireError{http.StatusNotImplemented, "NOT_IMPLEMENTED", fmt.Sprintf("%s: %d parts are more than %d", noParts, n, maxParts)}
	}
	id := rand.Text()
	if err := s.parts.add(id, n, userName(ctx), func() (*runstone.Upload, error) { return s.db.NewUpload(p.String()) }); err != nil {
		return begun, err
	}
	begun = uploadBegun{ID: id, Targets: make([]partTarget, n)}
	base += filesAPI + "/mpu/part/" + id + "/"
	for i := range begun.Targets {
		begun.Targets[i] = partTarget{base + strconv.Itoa(i+1), i + 1, map[string]string{}}
	}
	return begun, nil
}

const noParts = "Multipart upload is not supported for the current artifact repository"

// putPart stores the part of an upload whose secret id the URL holds: who began
// the upload gave it out. It is <id>/<number>.
func (s *Server) putPart(w http.ResponseWriter, r *http.Request, rest string) {
	id, number, _ := strings.Cut(rest, "/")
	u := s.parts.get(id)
	n, err := strconv.Atoi(number)
	if u == nil || err != nil || n < 1 || n > u.parts || strconv.Itoa(n) != number {
		s.writeError(w, r, missingThing("No such part of an upload"), true)
		return
	}
	u.touch(time.Now())
	body, opt, err := s.uploadBody(w, r, s.opt.MaxArtifact)
	var info artifact.Info
	if err == nil {
		info, err = u.PutPart(r.Context(), n, body, opt)
	}
	if err != nil {
		s.writeError(w, r, err, true)
		return
	}
	u.touch(time.Now())
	h := w.Header()
	h.Set("ETag", partTag(info.Digest))
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

func partTag(d artifact.Digest) string {
	_, hex, _ := strings.Cut(string(d), ":")
	return `"` + hex + `"`
}

// theUpload returns the upload that a request names by path and id.
func (s *Server) theUpload(ctx context.Context, a *args) (id string, u *partsUpload, err error) {
	p, err := s.uploadPath(ctx, a)
	if err != nil {
		return "", nil, err
	}
	id = a.need("upload_id")
	if err := a.done(); err != nil {
		return "", nil, err
	}
	u = s.parts.get(id)
	if u == nil || u.Path() != p.String() || u.user != userName(ctx) {
		return "", nil, missingThing("No such upload of '%s'", p)
	}
	return id, u, nil
}

// completeUpload joins the parts. A client that asks again, because it heard no
// answer, gets the answer of the first time.
func (s *Server) completeUpload(ctx context.Context, a args) (any, error) {
	id, u, err := s.theUpload(ctx, &a)
	if err != nil {
		return nil, err
	}
	var names []artifact.Digest
	for i, part := range a.objects("parts") {
		tag := strings.Trim(part.str("etag"), `"`)
		if n := part.int("part_number", 0); n != int64(i+1) {
			part.fail(badRequest("Parts must be in order from 1: part %d comes as %d.", n, i+1))
		}
		names = append(names, artifact.Digest("sha256:"+tag))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	if len(names) != u.parts {
		return nil, badRequest("The upload has %d parts, not %d.", u.parts, len(names))
	}
	for {
		u.mu.Lock()
		running, whole, same := u.done, u.whole, slices.Equal(u.names, names)
		if running == nil {
			u.done, u.names = make(chan struct{}), names
		}
		u.mu.Unlock()
		switch {
		case whole && same:
			return empty{}, nil
		case whole:
			return nil, badRequest("The upload was completed with other parts.")
		case running == nil:
			return empty{}, s.join(ctx, id, u, names)
		}
		select {
		case <-running:
			if s.parts.get(id) == nil {
				return nil, missingThing("No such upload of '%s'", u.Path())
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// join joins the parts of an upload of which the caller has set done. A client
// that goes away does not stop it: it may ask again.
func (s *Server) join(ctx context.Context, id string, u *partsUpload, names []artifact.Digest) error {
	_, err := u.Complete(context.WithoutCancel(ctx), names)
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.done)
	u.touched = time.Now()
	switch {
	case err == nil:
		u.whole = true
	case errors.Is(err, artifact.ErrDigest), errors.Is(err, runstone.ErrNoSpace): // it goes on
		u.done, u.names = nil, nil
	default:
		s.parts.drop(id)
	}
	return err
}

func (s *Server) abortUpload(ctx context.Context, a args) (any, error) {
	id, u, err := s.theUpload(ctx, &a)
	if err != nil {
		return nil, err
	}
	s.parts.drop(id)
	if err := u.Abort(); err != nil && !errors.Is(err, artifact.ErrNotFound) {
		return nil, err
	}
	return empty{}, nil
}

// escapePath writes a path of artifacts into a URL.
func escapePath(p artifact.Path) string {
	segments := strings.Split(p.String(), "/")
	for i, seg := range segments {
		segments[i] = url.PathEscape(seg)
	}
	return strings.Join(segments, "/")
}
