package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	maxAnswer = 256 << 20 // bytes of a JSON answer
	maxTries  = 6
)

// Options say how to reach a server; nil is none of them.
type Options struct {
	// Username and Password are for basic authentication, Token is a bearer
	// token and goes first.
	Username, Password, Token string
	// CAFile names a file of certificates to trust instead of the system's,
	// Insecure trusts any.
	CAFile   string
	Insecure bool
	// Pause is before the first time that a request is tried again; 0 is a
	// quarter of a second.
	Pause time.Duration
}

// client talks to one server. It may be used from several goroutines.
type client struct {
	base  *url.URL
	opt   Options
	http  *http.Client
	tries int
}

// Error is an answer that says no.
type Error struct {
	Status  int
	Code    string // MLflow's error_code
	Message string
	path    string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("%s: status %d", e.path, e.Status)
	}
	return fmt.Sprintf("%s: %s", e.path, e.Message)
}

// ErrUnauthorized is what an [Error] is for a server that wants to know who
// asks, or does not let them.
var ErrUnauthorized = errors.New("the server refuses these credentials")

// Is tells [ErrUnauthorized].
func (e *Error) Is(target error) bool {
	return target == ErrUnauthorized && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// statusOf returns the status of an answer that says no, or 0.
func statusOf(err error) int {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Status
	}
	return 0
}

var errRedirect = errors.New("the server sends elsewhere, which is not followed; name the address that it sends to")

// newClient returns a client for the server at an http or https URL, which may
// have a path and credentials. Nothing is sent yet.
func newClient(address string, opt *Options) (*client, error) {
	u, err := url.Parse(address)
	if err != nil { // which repeats the address, that may hold a password
		return nil, errors.New("the address of the server is not a URL, such as http://localhost:5000")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the address of a server, such as http://localhost:5000", u.Redacted())
	}
	c := &client{tries: maxTries}
	if opt != nil {
		c.opt = *opt
	}
	if u.User != nil && c.opt.Username == "" && c.opt.Token == "" {
		c.opt.Username = u.User.Username()
		c.opt.Password, _ = u.User.Password()
	}
	u.User = nil
	u.Path = strings.TrimRight(u.Path, "/")
	c.base = u
	if c.opt.Pause == 0 {
		c.opt.Pause = time.Second / 4
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.opt.Insecure} //nolint:gosec // the user asked for it
	if c.opt.CAFile != "" {
		pem, err := os.ReadFile(c.opt.CAFile)
		if err != nil {
			return nil, err
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", c.opt.CAFile)
		}
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, MaxIdleConnsPerHost: concurrency,
			ResponseHeaderTimeout: 5 * time.Minute, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *client) Close() { c.http.CloseIdleConnections() }

// String returns the server's address without credentials.
func (c *client) String() string { return c.base.String() }

// escape returns a path with its segments escaped.
func escape(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}

// send sends a request, again when the server has no time. body makes its body
// each time, nil for none. Who calls closes the body of the answer, whose status
// is 200.
func (c *client) send(ctx context.Context, method, path string, query url.Values, kind string, body func() (io.Reader, int64, error)) (*http.Response, error) {
	pause := c.opt.Pause
	for try := 1; ; try++ {
		res, err := c.once(ctx, method, path, query, kind, body)
		if err == nil || try >= c.tries || !again(ctx, err) || creates(method, path) && !unheard(err) {
			return res, err
		}
		wait := pause/2 + rand.N(pause) //nolint:gosec // spreads load, keeps no secret
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		pause = min(2*pause, 10*time.Second)
	}
}

// again reports whether a request may succeed when it is sent again.
func again(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, errRedirect) || errors.Is(err, errBody) {
		return false
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		switch e.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		case http.StatusInternalServerError:
			return e.Code != "" // MLflow's own, such as a locked database
		}
		return false
	}
	var bad *tls.CertificateVerificationError
	return !errors.As(err, &bad)
}

// creates reports whether a request makes something anew each time that it
// arrives.
func creates(method, path string) bool {
	return method == http.MethodPost && (strings.HasSuffix(path, "/create") || path == api+"/logged-models")
}

// unheard reports whether a request that failed certainly did nothing.
func unheard(err error) bool {
	status := statusOf(err)
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// errBody is what went wrong here, not with the server.
var errBody = errors.New("the body of the request cannot be made")

func (c *client) once(ctx context.Context, method, path string, query url.Values, kind string, body func() (io.Reader, int64, error)) (*http.Response, error) {
	u := *c.base
	u.RawPath = escape(u.Path) + path
	unescaped, err := url.PathUnescape(u.RawPath)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawQuery = unescaped, query.Encode()
	var r io.Reader
	var n int64
	if body != nil {
		if r, n, err = body(); err != nil {
			return nil, fmt.Errorf("%w: %w", errBody, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), r)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = n
		req.Header.Set("Content-Type", kind)
	}
	switch {
	case c.opt.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.opt.Token)
	case c.opt.Username != "":
		req.SetBasicAuth(c.opt.Username, c.opt.Password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	e := &Error{Status: res.StatusCode, path: path}
	var said struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &said) == nil {
		e.Code, e.Message = said.Code, printable(said.Message)
	}
	return nil, e
}

// printable cuts what a server says to a line that a terminal can show.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if len(s) > 1000 {
		s = strings.ToValidUTF8(s[:1000], "") + "…"
	}
	return s
}

const (
	api  = "/api/2.0/mlflow"
	ajax = "/ajax-api/2.0/mlflow"
	host = "/api/2.0/mlflow-artifacts/artifacts"
)

// get asks for an object, into out.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	res, err := c.send(ctx, http.MethodGet, path, query, "", nil)
	if err != nil {
		return err
	}
	return decode(res, path, out)
}

// post sends an object, and takes the answer into out unless it is nil.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out)
}

func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	res, err := c.send(ctx, method, path, nil, "application/json", func() (io.Reader, int64, error) { return bytes.NewReader(b), int64(len(b)), nil })
	if err != nil {
		return err
	}
	if out == nil {
		out = &struct{}{}
	}
	return decode(res, path, out)
}

func decode(res *http.Response, path string, out any) error {
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > maxAnswer {
		return fmt.Errorf("%s: the answer has more than %d MiB", path, maxAnswer>>20)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s: the answer is not MLflow's: %w", path, err)
	}
	return nil
}
