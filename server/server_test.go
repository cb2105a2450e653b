package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

const api = "/api/2.0/mlflow"

// bench is a server over a database of its own.
type bench struct {
	t  testing.TB
	db *runstone.DB
	s  *Server
}

func newBench(t testing.TB, opt *Options) *bench {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), &runstone.Options{NoSystemInfo: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err := New(db, opt)
	require.NoError(t, err)
	return &bench{t, db, s}
}

// do sends a request. A body without headers is JSON.
func (b *bench) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	ctx := b.t.Context()
	if strings.Contains(path, livePath+"?") { // goes on until the listener leaves
		var leave context.CancelFunc
		ctx, leave = context.WithTimeout(ctx, 50*time.Millisecond)
		defer leave()
	}
	r := httptest.NewRequestWithContext(ctx, method, "http://localhost:5000/", strings.NewReader(body))
	// Not through url.Parse: traversal must arrive as it was written.
	rawPath, query, _ := strings.Cut(path, "?")
	u, err := r.URL.Parse("/")
	require.NoError(b.t, err)
	r.URL = u
	require.NoError(b.t, setPath(r, rawPath))
	r.URL.RawQuery = query
	if body != "" && len(header) == 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, r)
	if method == http.MethodHead { // net/http leaves the body out, a recorder does not
		w.Body.Reset()
	}
	return w
}

func setPath(r *http.Request, raw string) error {
	u, err := r.URL.Parse("http://x" + raw)
	if err != nil {
		return err
	}
	r.URL.Path, r.URL.RawPath = u.Path, u.RawPath
	if u.EscapedPath() != raw { // Parse resolved the dots
		r.URL.Path, r.URL.RawPath = raw, raw
	}
	return nil
}

// ok sends JSON and returns the answer, which must be good.
func (b *bench) ok(method, path, body string) map[string]any {
	b.t.Helper()
	w := b.do(method, path, body)
	require.Equal(b.t, http.StatusOK, w.Code, "%s %s: %s", method, path, w.Body)
	out := map[string]any{}
	if w.Body.Len() > 0 {
		require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &out))
	}
	return out
}

// refused sends JSON and wants an error of MLflow's form.
func (b *bench) refused(method, path, body string, status int, code, message string) {
	b.t.Helper()
	w := b.do(method, path, body)
	require.Equal(b.t, status, w.Code, "%s %s: %s", method, path, w.Body)
	require.Equal(b.t, "application/json", w.Header().Get("Content-Type"))
	var e struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &e))
	require.Equal(b.t, code, e.Code)
	require.Contains(b.t, e.Message, message)
}

// run makes a run and returns its id.
func (b *bench) run() string {
	b.t.Helper()
	info, err := b.db.CreateRun(context.Background(), runstone.NewRun{ExperimentID: "0", Name: "r"})
	require.NoError(b.t, err)
	return info.ID
}

func (b *bench) put(path, body string) {
	b.t.Helper()
	w := b.do("PUT", "/api/2.0/mlflow-artifacts/artifacts/"+path, body, "Content-Type", "application/octet-stream")
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
}

func TestNewRefusesOptions(t *testing.T) {
	for name, opt := range map[string]Options{
		"pattern":        {AllowedHosts: []string{"*.example.org"}},
		"frame":          {XFrameOptions: "ALLOW-FROM x"},
		"address range":  {AllowedHosts: []string{"10.0.0.0/8"}},
		"bad port":       {AllowedHosts: []string{"a:b"}},
		"open bracket":   {AllowedHosts: []string{"[::1"}},
		"bare IPv6":      {AllowedHosts: []string{"::1"}},
		"origin":         {TrustedOrigins: []string{"example.org"}},
		"relative":       {StaticPrefix: "mlflow"},
		"trailing slash": {StaticPrefix: "/mlflow/"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(nil, &opt)
			require.Error(t, err)
		})
	}
}

func TestHost(t *testing.T) {
	b := newBench(t, &Options{AllowedHosts: []string{"localhost", "[::1]", "tracking.example.org:8080"}})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:5000": 200, "LOCALHOST:1": 200, "[::1]": 200, "[::1]:5000": 200,
		"tracking.example.org:8080": 200, "tracking.example.org": 403, "tracking.example.org:80": 403,
		"evil.example": 403, "localhost.evil.example": 403, "10.attacker.example": 403, "192.168.attacker.example": 403,
		"127.0.0.1": 403, "": 403, "localhost:": 403, "localhost:5000:1": 403, "[::1": 403, "::1": 403, "localhost.": 403,
		"*": 403, "local*": 403, "localhost@evil.example": 403,
	} {
		w := b.do("GET", "/health", "", "Host", host)
		require.Equal(t, want, w.Code, host)
		if want == 403 {
			require.Equal(t, "Invalid Host header - possible DNS rebinding attack detected", w.Body.String())
		}
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	}
}

func TestOrigin(t *testing.T) {
	b := newBench(t, &Options{TrustedOrigins: []string{"https://ui.example.org"}})
	for _, c := range []struct {
		method, header, value string
		want                  int
	}{
		{"POST", "Origin", "http://evil.example", 403},
		{"POST", "Origin", "null", 403},
		{"POST", "Origin", "http://localhost:3000", 403},
		{"POST", "Sec-Fetch-Site", "cross-site", 403},
		{"POST", "Sec-Fetch-Site", "same-site", 403},
		{"POST", "Origin", "http://localhost:5000", 200},
		{"POST", "Origin", "https://ui.example.org", 200},
		{"POST", "Sec-Fetch-Site", "same-origin", 200},
		{"GET", "Origin", "http://evil.example", 200},
	} {
		w := b.do(c.method, api+"/experiments/search", "{}", "Content-Type", "application/json", c.header, c.value)
		require.Equal(t, c.want, w.Code, "%s %s", c.header, c.value)
		if c.value == "https://ui.example.org" {
			require.Equal(t, c.value, w.Header().Get("Access-Control-Allow-Origin"))
			require.Equal(t, "true", w.Header().Get("Access-Control-Allow-Credentials"))
		} else {
			require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
		}
	}
	w := b.do("DELETE", "/api/2.0/mlflow-artifacts/artifacts/x", "", "Origin", "http://evil.example")
	require.Equal(t, 403, w.Code)
	w = b.do("PUT", "/api/2.0/mlflow-artifacts/artifacts/x", "body", "Origin", "http://evil.example")
	require.Equal(t, 403, w.Code)
}

// TestCORS asks as a browser does before it sends a page's request.
func TestCORS(t *testing.T) {
	b := newBench(t, &Options{TrustedOrigins: []string{"https://ui.example.org"}})
	ask := func(b *bench, origin string) http.Header {
		w := b.do("OPTIONS", api+"/experiments/search", "", "Origin", origin,
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-a")
		require.Equal(t, 204, w.Code)
		return w.Header()
	}
	h := ask(b, "https://ui.example.org")
	require.Equal(t, "https://ui.example.org", h.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "content-type,x-a", h.Get("Access-Control-Allow-Headers"))
	require.Contains(t, h.Get("Access-Control-Allow-Methods"), "PATCH")
	for _, origin := range []string{"https://ui.example.org.evil.example", "http://ui.example.org", "null", "http://localhost:3000"} {
		require.Empty(t, ask(b, origin).Get("Access-Control-Allow-Origin"), origin)
	}
	b = newBench(t, &Options{TrustedOrigins: []string{"*"}})
	h = ask(b, "http://evil.example")
	require.Equal(t, "*", h.Get("Access-Control-Allow-Origin"))
	require.Empty(t, h.Get("Access-Control-Allow-Credentials"))
	require.Equal(t, 200, b.do("POST", api+"/experiments/search", "{}", "Content-Type", "application/json", "Origin", "http://evil.example").Code)

	b = newBench(t, &Options{AllowedHosts: []string{"*"}, XFrameOptions: "none"})
	w := b.do("GET", "/health", "", "Host", "any.example")
	require.Equal(t, 200, w.Code)
	require.NotContains(t, w.Header(), "X-Frame-Options")
	require.NotContains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors")
	require.Equal(t, "DENY", newBench(t, &Options{XFrameOptions: "deny"}).do("GET", "/health", "").Header().Get("X-Frame-Options"))
}

func TestStaticPrefix(t *testing.T) {
	b := newBench(t, &Options{StaticPrefix: "/mlflow", MLflowVersion: "9.9.9"})
	for path, want := range map[string]int{
		"/mlflow/health": 200, "/health": 404, "/mlflow/": 200, "/": 404,
		"/mlflow/ajax-api/2.0/mlflow/experiments/search": 200, "/ajax-api/2.0/mlflow/experiments/search": 404,
		"/api/2.0/mlflow/experiments/search": 200, "/mlflow/api/2.0/mlflow/experiments/search": 404,
	} {
		require.Equal(t, want, b.do("GET", path, "").Code, path)
	}
	require.Equal(t, "9.9.9", b.do("GET", "/mlflow/version", "").Body.String())
}

func TestMethods(t *testing.T) {
	b := newBench(t, nil)
	w := b.do("GET", api+"/runs/create", "")
	require.Equal(t, 405, w.Code)
	require.Equal(t, "OPTIONS, POST", w.Header().Get("Allow"))
	require.Equal(t, page405, w.Body.String())
	w = b.do("OPTIONS", api+"/experiments/search", "")
	require.Equal(t, 204, w.Code)
	require.Equal(t, "OPTIONS, GET, HEAD, POST", w.Header().Get("Allow"))
	w = b.do("HEAD", api+"/experiments/get?experiment_id=0", "")
	require.Equal(t, 200, w.Code)
	w = b.do("GET", "/nope", "")
	require.Equal(t, 404, w.Code)
	require.Equal(t, page404, w.Body.String())
}

func TestFrontPage(t *testing.T) {
	w := newBench(t, nil).do("GET", "/", "")
	require.Equal(t, 200, w.Code)
	for policy := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), "; ") { // the same with the web UI and without
		require.NotContains(t, policy, "unsafe")
		require.NotContains(t, policy, "http")
	}
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors 'self'")
}

func TestBodyLimits(t *testing.T) {
	b := newBench(t, nil)
	big := `{"name": "` + strings.Repeat("x", smallBody) + `"}`
	b.refused("POST", api+"/experiments/create", big, 413, "BAD_REQUEST", "over the limit")
	deep := `{"name": ` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	b.refused("POST", api+"/experiments/create", deep, 400, "INVALID_PARAMETER_VALUE", "nested too deeply")
	b.refused("POST", api+"/experiments/create", `[1]`, 400, "INVALID_PARAMETER_VALUE", "must be a JSON object")
	b.refused("POST", api+"/experiments/create", `{"name`, 400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'")
}

func TestErrorBytes(t *testing.T) {
	b := newBench(t, nil)
	w := b.do("GET", api+"/runs/get?run_id=nope", "")
	require.Equal(t, 404, w.Code)
	require.Equal(t, `{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run with id=nope not found", "sqlstate": "KAM00", "error_class": "RESOURCE_NOT_FOUND"}`, w.Body.String())
	w = b.do("GET", "/api/2.0/mlflow-artifacts/artifacts/../x", "")
	require.Equal(t, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path","sqlstate":"KAM00","error_class":"INVALID_PARAMETER_VALUE"}`, w.Body.String())
	w = b.do("POST", api+"/experiments/create", `{"name": "a"}`)
	require.Regexp(t, `^\{\n  "experiment_id": "\d+"\n\}$`, w.Body.String())
}

func TestClosedDatabase(t *testing.T) {
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	s, err := New(db, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	b := &bench{t, db, s}
	b.refused("POST", api+"/runs/create", `{"experiment_id": "0"}`, 503, "TEMPORARILY_UNAVAILABLE", "not available")
}

func TestArtifactsOff(t *testing.T) {
	b := newBench(t, &Options{NoArtifacts: true})
	for _, m := range []string{"GET", "PUT", "DELETE"} {
		require.Equal(t, 503, b.do(m, "/api/2.0/mlflow-artifacts/artifacts/x", "").Code, m)
	}
	require.Equal(t, 503, b.do("GET", "/api/2.0/mlflow-artifacts/artifacts?path=x", "").Code)
	require.Equal(t, false, b.ok("GET", "/api/3.0/mlflow/server-info", "")["artifact_serving_enabled"])
}
