package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	b := newBench(t, &Options{Metrics: true})
	b.put("0/r/artifacts/f", "0123456789")
	require.Equal(t, 206, b.do("GET", files+"/artifacts/0/r/artifacts/f", "", "Range", "bytes=0-3").Code)
	b.refused("POST", api+"/runs/create", `{"experiment_id": "77"}`, 404, "RESOURCE_DOES_NOT_EXIST", "")
	for range 3 {
		b.do("GET", "/health", "")
		b.do("GET", "/no/such/"+strings.Repeat("x", 1000), "")
	}
	b.do("GET", "/health", "", "Host", "evil.example")
	w := b.do("GET", "/metrics", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", w.Header().Get("Content-Type"))
	text := w.Body.String()
	for _, line := range []string{
		`mlflow_http_request_total{method="PUT",path="/artifacts/{path...}",status="200"} 1`,
		`mlflow_http_request_total{method="GET",path="/artifacts/{path...}",status="206"} 1`,
		`mlflow_http_request_total{method="POST",path="/runs/create",status="404"} 1`,
		`mlflow_http_request_total{method="GET",path="/health",status="200"} 3`,
		`mlflow_http_request_total{method="",path="other",status="404"} 3`,
		`mlflow_http_request_total{method="",path="other",status="403"} 1`,
		`mlflow_http_request_duration_seconds_bucket{method="GET",path="/health",le="+Inf"} 3`,
		`mlflow_http_request_duration_seconds_count{method="GET",path="/health"} 3`,
		`runstone_http_received_bytes_total{method="PUT",path="/artifacts/{path...}"} 10`,
		`runstone_http_sent_bytes_total{method="GET",path="/artifacts/{path...}"} 4`,
		`runstone_http_in_flight 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.Regexp(t, `(?m)^runstone_store_bytes\{part="journal"\} [1-9]`, text)
	require.Regexp(t, `(?m)^go_memstats_heap_alloc_bytes [1-9]`, text)
	require.NotContains(t, text, "xxx", "names of clients' making are no labels")
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$`)
	for l := range strings.Lines(text) {
		require.Regexp(t, line, strings.TrimSuffix(l, "\n"))
	}
	require.Equal(t, 404, newBench(t, nil).do("GET", "/metrics", "").Code)
}

// bare is a ResponseWriter that costs nothing.
type bare struct{ h http.Header }

func (b bare) Header() http.Header               { return b.h }
func (bare) WriteHeader(int)                     {}
func (bare) Write(p []byte) (int, error)         { return len(p), nil }
func (bare) ReadFrom(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

// TestCountingAllocatesNothing compares a request with and without metrics.
func TestCountingAllocatesNothing(t *testing.T) {
	count := func(metrics bool) float64 {
		b := newBench(t, &Options{Metrics: metrics})
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/health", nil)
		w := bare{http.Header{}}
		return testing.AllocsPerRun(1000, func() { b.s.ServeHTTP(w, r) })
	}
	require.InDelta(t, count(false), count(true), 0.5)
}
