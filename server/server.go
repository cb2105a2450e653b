package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/internal/lru"
	"github.com/runstonedb/runstone/server/internal/graphql"
	"github.com/runstonedb/runstone/webhook"
)

// Options configure [New]. The zero value and nil are the defaults.
type Options struct {
	// AllowedHosts are the values of the Host header that are answered, as
	// "name" for any port or "name:port". nil is localhost, 127.0.0.1 and
	// [::1]. The address that a connection came in at is always allowed. "*" is
	// all hosts: then any web page can reach a server that asks for no password.
	AllowedHosts []string
	// TrustedOrigins are origins such as "https://ui.example.org" whose pages
	// may read and change things, besides the server's own. "*" is all origins,
	// whose pages send no credentials.
	TrustedOrigins []string
	// XFrameOptions is SAMEORIGIN, DENY, or NONE for no such header; "" is the
	// first.
	XFrameOptions string
	// StaticPrefix is put before every path but those under /api/.
	StaticPrefix string
	// UI is the folder of a web UI, whose index.html is answered at the front and
	// whose files under /static-files/; nil is none. The caller closes it.
	UI *os.Root
	// UIScripts lets HTML files of runs run their scripts where the UI previews
	// them, also scripts from elsewhere. A frame without an origin must hold them,
	// as MLflow's does: the browser no longer stops scripts in the UI's own pages.
	UIScripts bool
	// MLflowVersion is what GET /version answers; "" is 3.18.0.
	MLflowVersion string
	// NoArtifacts switches the artifact proxy off.
	NoArtifacts bool
	// RootFiles is the folder that the database's ArtifactRoot names, where that
	// is a local one: clients write there, and the server lists and sends what is
	// there. nil is none, and the server opens nothing that is below the
	// ArtifactRoot. The caller closes it.
	RootFiles *artifact.Root
	// ArtifactsOnly leaves nothing but the artifact proxy and the probes.
	ArtifactsOnly bool
	// MaxArtifact is the size in bytes of the largest artifact that is taken;
	// 0 is no limit.
	MaxArtifact int64
	// SourceSchemes are the schemes of remote locations that a model version
	// may name as its source, such as "s3". The server never opens them.
	SourceSchemes []string
	// PublicURL is how clients reach the server where the Host header does not
	// say it, such as "https://lab.example.org/tracking" behind a proxy: URLs
	// that the server gives out begin with it.
	PublicURL string
	// MaxConcurrent bounds the requests that are worked on at once, besides 32
	// uploads, 128 downloads, 64 listeners to changes and any number of probes; 0
	// is 256. Of uploads, downloads and listeners a user
	// has at most half, and so have all signed URLs together.
	MaxConcurrent int
	// MaxConnections bounds the connections that Serve holds; 0 is 1,024.
	MaxConnections int
	// Access knows the users. With it every request but those for health,
	// version and features needs a name and password or a token, and users do
	// what they were granted; nil is no authentication: everybody does everything.
	Access *access.Store
	// Metrics counts requests and answers GET /metrics for Prometheus.
	Metrics bool
	// Webhooks configures how webhooks are delivered while Serve runs; nil is
	// its defaults.
	Webhooks *webhook.Options
	// Logger hears of errors and refusals; nil is silence.
	Logger *slog.Logger
}

// Limits of the server.
const (
	maxHeader      = 256 << 10        // bytes of request line and headers
	headerTimeout  = 10 * time.Second // for reading them
	idleTimeout    = 2 * time.Minute  // of a connection between requests
	firstTimeout   = 15 * time.Second // for the first 64 KiB of a JSON body, or what an answer leaves unread
	bodyTimeout    = time.Minute      // for a JSON body, or for taking any 8 MiB of a file
	pieceTimeout   = 30 * time.Second // for any 64 KiB of an upload
	readTimeout    = 30 * time.Second // for working on a request that changes nothing
	answerTimeout  = 2 * time.Minute  // for taking a JSON answer
	queueTimeout   = 10 * time.Second // for a request that finds no room
	drainTimeout   = 10 * time.Second // for running requests when Serve ends
	defaultVersion = "3.18.0"

	maxUploads   = 32
	maxDownloads = 128
	maxBodies    = 256 << 20 // bytes of bodies in memory, beyond each one's first 64 KiB
)

// Server answers MLflow's REST API over a database. Of its own it knows only
// the uploads in parts that have begun. Its methods may be called from any number of goroutines.
type Server struct {
	db     *runstone.DB
	opt    Options
	log    *slog.Logger
	routes *table
	schema *graphql.Schema
	hosts  map[string]bool // "name" or "name:port"
	cross  *http.CrossOriginProtection

	anyHost, anyOrigin bool
	frame, policy      string // X-Frame-Options, Content-Security-Policy
	ancestors          string // the part of the second that says the first

	key   [32]byte // signs URLs
	parts openUploads
	hooks *webhook.Hooks
	meter *meter // nil without metrics

	shares shares
	uiTime time.Duration // that a search of the web UI takes
	stored storageSeen

	slots     places // requests at work
	uploads   places
	downloads places
	listeners places
	benchWork places
	lists     *uiLists
	memory    places // for bodies, in units of blockSize
	buffers   sync.Pool

	benches *lru.Cache[string, keptBench] // by run
}

// New returns a server over db, which must be open for longer than it is
// used. What is to be durable when it is acknowledged asks for a db with
// Options.Durability [runstone.Synced].
func New(db *runstone.DB, opt *Options) (*Server, error) {
	s := &Server{db: db, log: slog.New(slog.DiscardHandler), cross: http.NewCrossOriginProtection(), hosts: map[string]bool{}}
	if opt != nil {
		s.opt = *opt
	}
	if s.opt.Logger != nil {
		s.log = s.opt.Logger
	}
	if s.opt.MLflowVersion == "" {
		s.opt.MLflowVersion = defaultVersion
	}
	if s.opt.MaxConcurrent <= 0 {
		s.opt.MaxConcurrent = 256
	}
	if s.opt.MaxConnections <= 0 {
		s.opt.MaxConnections = 1024
	}
	if s.opt.AllowedHosts == nil {
		s.opt.AllowedHosts = []string{"localhost", "127.0.0.1", "[::1]"}
	}
	for _, h := range s.opt.AllowedHosts {
		if h == anyName {
			s.anyHost = true
			continue
		}
		host, port, ok := splitHost(h)
		if !ok || strings.ContainsAny(h, "*?/ ") {
			return nil, fmt.Errorf("allowed host %q: must be a name or an address, with or without a port", h)
		}
		if port != "" {
			host += ":" + port
		}
		s.hosts[host] = true
	}
	if err := errors.Join(s.setOrigins(), s.setFrame()); err != nil {
		return nil, err
	}
	if p := s.opt.StaticPrefix; p != "" && (p[0] != '/' || p[len(p)-1] == '/') {
		return nil, fmt.Errorf("static prefix %q: must begin with a slash and not end with one", p)
	}
	if err := checkPublicURL(s.opt.PublicURL); err != nil {
		return nil, err
	}
	_, _ = rand.Read(s.key[:]) // never fails
	var hooks webhook.Options
	if s.opt.Webhooks != nil {
		hooks = *s.opt.Webhooks
	}
	if hooks.Logger == nil {
		hooks.Logger = s.log
	}
	var err error
	if s.hooks, err = webhook.Open(filepath.Join(db.Dir(), "webhooks"), &hooks); err != nil {
		return nil, err
	}
	s.parts.m = map[string]*partsUpload{}
	s.slots = make(places, s.opt.MaxConcurrent)
	s.uploads, s.downloads = make(places, maxUploads), make(places, maxDownloads)
	s.memory, s.listeners, s.lists = make(places, maxBodies/blockSize), make(places, maxListeners), newUILists()
	s.uiTime = uiTime
	s.shares.of, s.stored.work = map[share]*shared{}, make(places, 1)
	s.benchWork, s.benches = make(places, maxBenchWork), lru.New[string, keptBench](keptBenchText)
	s.routes = newTable(s.opt.StaticPrefix, s.opt.Access != nil)
	if s.opt.Metrics {
		s.meter = newMeter(s.routes)
	}
	if s.schema, err = s.newGraphQL(); err != nil {
		return nil, err
	}
	return s, nil
}

// Serve answers the connections that l accepts until ctx is done, then lets
// running requests end for up to ten seconds. It closes l. It returns nil after
// ctx is done, unless requests were cut off.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	conns := newCrowd(l, s.opt.MaxConnections)
	srv := &http.Server{
		Handler:           s,
		ConnState:         conns.state,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext: func(net.Listener) context.Context { // who listens for changes goes when ctx is done
			return context.WithValue(context.Background(), stoppingKey{}, ctx.Done())
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	working, endWork := context.WithCancel(ctx)
	var owned sync.WaitGroup
	owned.Go(func() { s.sweep(working) })
	owned.Go(func() { s.hooks.Run(working) })
	defer owned.Wait()
	defer endWork()
	stopped := make(chan error, 1)
	failed := make(chan struct{})
	go func() {
		select {
		case <-failed:
			stopped <- nil
			return
		case <-ctx.Done():
		}
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		err := srv.Shutdown(drain)
		if err != nil {
			err = errors.Join(fmt.Errorf("requests were cut off: %w", err), srv.Close())
		}
		stopped <- err
	}()
	err := srv.Serve(conns)
	if !errors.Is(err, http.ErrServerClosed) {
		close(failed)
		return errors.Join(err, <-stopped)
	}
	return <-stopped
}

func checkPublicURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("public URL %q: must be like https://host/path", text)
	}
	return nil
}

// loopback reports whether a host of [splitHost] is this machine.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// splitHost takes a Host header apart. The name comes in lower case, an IPv6
// address without brackets, a missing port as "".
func splitHost(h string) (host, port string, ok bool) {
	host = strings.ToLower(h)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host, port = host[:i], host[i+1:]
		if port == "" || strings.Trim(port, "0123456789") != "" {
			return "", "", false
		}
	}
	if inner, bracket := strings.CutPrefix(host, "["); bracket {
		inner, closed := strings.CutSuffix(inner, "]")
		if _, err := netip.ParseAddr(inner); err != nil || !closed {
			return "", "", false
		}
		return inner, port, true
	}
	return host, port, host != "" && !strings.ContainsAny(host, ":[]")
}

// allowedHost reports whether a request names this server. The name is compared
// as a whole, or as an address with the one that the connection came in at.
func (s *Server) allowedHost(r *http.Request) bool {
	host, port, ok := splitHost(r.Host)
	if !ok || s.anyHost {
		return ok
	}
	if s.hosts[host] || port != "" && s.hosts[host+":"+port] {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap().WithZone("") == addr.Unmap()
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.meter == nil {
		s.serve(w, r, nil)
		return
	}
	c := s.meter.begin(w, r)
	defer s.meter.end(c, r)
	s.serve(c, r, c)
}

// serve answers a request. count is nil or hears which route it took.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, count *countingWriter) {
	if r.ContentLength != 0 {
		// net/http reads what a handler leaves of a body. Tests have no deadlines.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(firstTimeout))
	}
	h := w.Header()
	s.guardHeaders(h)
	if !s.allowedHost(r) {
		s.log.WarnContext(r.Context(), "host refused", "host", r.Host, "from", r.RemoteAddr)
		writeText(w, http.StatusForbidden, "Invalid Host header - possible DNS rebinding attack detected")
		return
	}
	if s.refuseOrigin(r) {
		s.log.WarnContext(r.Context(), "origin refused", "origin", r.Header.Get("Origin"), "from", r.RemoteAddr, "path", r.URL.Path)
		writeText(w, http.StatusForbidden, "Cross-origin request blocked")
		return
	}
	if s.crossOrigin(w, r) {
		return
	}
	rt, params, allow := s.routes.find(r)
	if count != nil {
		count.route = rt
	}
	if s.opt.Access != nil && !s.routes.open(rt) {
		if r = s.identify(w, r); r == nil {
			return
		}
	}
	switch {
	case allow == "":
		writePage(w, http.StatusNotFound, page404)
	case s.opt.ArtifactsOnly && rt != nil && rt.mount != files2 && rt.use != always && rt.path != "/metrics":
		writeText(w, http.StatusServiceUnavailable, "Endpoint: "+strings.TrimPrefix(r.URL.Path, s.opt.StaticPrefix)+
			" disabled due to the mlflow server running in `--artifacts-only` mode. To enable tracking server functionality, run `mlflow server` without `--artifacts-only`")
	case s.opt.NoArtifacts && rt != nil && rt.mount == files2:
		s.notServed(w, r, rt)
	case r.Method == http.MethodOptions:
		h.Set("Allow", allow)
		w.WriteHeader(http.StatusNoContent)
	case rt == nil:
		h.Set("Allow", allow)
		writePage(w, http.StatusMethodNotAllowed, page405)
	default:
		s.answer(w, r, rt, params)
	}
}

// answer runs a route's handler when there is room for it. A body is read
// before, so that a client that is slow to send one takes no place.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, rt *route, params []param) {
	body := ""
	if rt.call != nil && !wantsQuery(r) {
		err := checkContentType(r)
		if err == nil {
			var held int
			body, held, err = s.readBody(w, r, rt.limit)
			defer s.memory.leave(held)
		}
		if err != nil {
			s.refuse(w, r, err)
			return
		}
	}
	leave, err := s.enter(r.Context(), s.pool(rt))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer leave()
	// A ResponseWriter without deadlines, as tests have, is as good.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	if s.opt.Access != nil && rt.raw != nil {
		a := queryArgs(r)
		for _, p := range params {
			a.set(p.name, p.value)
		}
		if err := s.permit(r.Context(), rt, a); err != nil {
			s.writeError(w, r, err, false)
			return
		}
	}
	if rt.raw != nil {
		rest := ""
		if len(params) > 0 {
			rest = params[0].value
		}
		rt.raw(s, w, r, rest)
		return
	}
	a, err := parseArgs(r, body)
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	for _, p := range params {
		a.set(p.name, p.value)
	}
	// Changes have no deadline: one that was broken off may have been made.
	ctx := r.Context()
	if rt.use == read {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readTimeout)
		defer cancel()
	}
	if s.opt.Access != nil {
		if err := s.permit(ctx, rt, a); err != nil {
			s.writeError(w, r, err, false)
			return
		}
	}
	v, err := rt.call(s, ctx, a)
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	if st, ok := v.(stream); ok {
		s.writeStream(w, r, st)
		return
	}
	s.fire(ctx, rt, &a, v)
	s.writeJSON(w, r, v)
}

// refuse answers a request that was not begun.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var e *wireError
	if errors.Is(err, context.Canceled) || errors.As(err, &e) && e.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	s.writeError(w, r, err, false)
}
