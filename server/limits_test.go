package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

// TestMemoryOfBodies sends bodies that would be large in memory: each costs
// about three times its size at most, and 32 MiB.
func TestMemoryOfBodies(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	list := func(n int) string { return `{"a":[` + strings.Repeat("0,", n/2-10) + `0]}` }
	twice := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"list":              {"/runs/log-metric", list(4 << 20), 400},
		"list, batch":       {"/runs/log-batch", list(16 << 20), 400},
		"list, inputs":      {"/runs/log-inputs", list(64 << 20), 400},
		"encoded twice":     {"/runs/log-inputs", twice(list(63 << 20)), 400},
		"members":           {"/runs/log-metric", `{` + strings.Repeat(`"":0,`, 700_000) + `"a":0}`, 400},
		"objects":           {"/runs/log-batch", `{"metrics":[` + strings.Repeat("{},", 5_000_000) + `{}]}`, 400},
		"lists":             {"/runs/log-batch", `{"metrics":[` + strings.Repeat("[],", 5_000_000) + `[]]}`, 400},
		"deep":              {"/runs/log-metric", strings.Repeat("[", 3_000_000), 400},
		"one string":        {"/runs/log-inputs", `{"run_id": "` + strings.Repeat("x", 60<<20) + `"}`, 404},
		"one long escape":   {"/runs/log-inputs", `{"run_id": "` + strings.Repeat(`\n`, 30<<20) + `"}`, 404},
		"string as objects": {"/runs/log-inputs", `{"run_id": "x", "datasets": "` + strings.Repeat("é", 30<<20) + `"}`, 400},
		"long dataset":      {"/runs/log-inputs", `{"run_id": "` + run + `", "datasets": [{"dataset": {"name": "` + strings.Repeat("x", 60<<20) + `", "digest": "d"}}]}`, 400},
		"long key":          {"/runs/log-batch", `{"run_id": "x", "metrics": [{"key": "` + strings.Repeat("x", 15<<20) + `", "value": 1, "timestamp": 1}]}`, 400},
		"over the limit":    {"/runs/log-metric", `{"a": "` + strings.Repeat("x", 5<<20) + `"}`, 413},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t, b.db, b.s}
			r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost"+api+c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b.s.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			require.Equal(t, c.status, w.Code, "%s", w.Body)
			require.Less(t, w.Body.Len(), 16<<10)
			require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(3*len(c.body)+32<<20))
			require.Empty(t, b.s.memory, "all memory is given back")
		})
	}
}

// TestValues counts: what MLflow's client sends at most is taken.
func TestValues(t *testing.T) {
	b := newBench(t, nil)
	b.refused("POST", api+"/runs/search", `{"a": [`+strings.Repeat("0,", maxValues)+`0]}`, 400, "INVALID_PARAMETER_VALUE", "more than 20000 values")
	b.refused("POST", api+"/runs/search", `"{\"a\": [`+strings.Repeat("0,", maxValues)+`0]}"`, 400, "INVALID_PARAMETER_VALUE", "more than 20000 values")
	run := b.run()
	var batch, inputs []string
	for i := range 1000 {
		batch = append(batch, fmt.Sprintf(`{"key": "m", "value": %d, "timestamp": 1, "step": %d, "model_id": "", "dataset_name": "d", "dataset_digest": "e", "run_id": "r"}`, i, i))
		inputs = append(inputs, fmt.Sprintf(`{"tags": [{"key": "a", "value": "b"}, {"key": "mlflow.data.context", "value": "train"}], "dataset": {"name": "d%d", "digest": "e", "source_type": "t", "source": "s", "schema": "c", "profile": "p"}}`, i))
	}
	b.ok("POST", api+"/runs/log-batch", `{"run_id": "`+run+`", "metrics": [`+strings.Join(batch, ",")+`]}`)
	b.ok("POST", api+"/runs/log-inputs", `{"run_id": "`+run+`", "datasets": [`+strings.Join(inputs, ",")+`]}`)
	b.refused("GET", api+"/experiments/search?"+strings.Repeat("a&", maxQuery), "", 400, "INVALID_PARAMETER_VALUE", "more than 2000 parts")
}

// TestBodyMemoryIsShared fills the budget: a large body waits or is refused, a
// small one passes.
func TestBodyMemoryIsShared(t *testing.T) {
	b := newBench(t, nil)
	require.NoError(t, b.s.memory.take(t.Context(), cap(b.s.memory)))
	b.ok("POST", api+"/experiments/search", `{}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "POST", "http://localhost"+api+"/experiments/search", strings.NewReader(`{"a": "`+strings.Repeat("x", 1<<20)+`"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, r)
	require.Equal(t, statusGone, w.Code)
	require.Len(t, b.s.memory, cap(b.s.memory), "nothing but its own is given back")
}

// TestBodyOfUnknownLength is taken up to the limit, and what breaks off is the
// client's fault.
func TestBodyOfUnknownLength(t *testing.T) {
	b := newBench(t, nil)
	send := func(body io.Reader) int {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost"+api+"/experiments/search", body)
		r.ContentLength = -1
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		b.s.ServeHTTP(w, r)
		return w.Code
	}
	fill := func(n int) string { return `{"a": "` + strings.Repeat("x", n-9) + `"}` }
	for _, n := range []int{100, freeBody - 1, freeBody, freeBody + 1, 1 << 20, smallBody} {
		require.Equal(t, 200, send(strings.NewReader(fill(n))), n)
	}
	require.Equal(t, 413, send(strings.NewReader(fill(smallBody+1))))
	require.Equal(t, 400, send(io.MultiReader(strings.NewReader("{"), brokenReader{})))
	require.Empty(t, b.s.memory)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestHalfSentRequests holds connections with requests that never end: probes
// and requests are answered all the same.
func TestHalfSentRequests(t *testing.T) {
	b := newBench(t, &Options{MaxConcurrent: 2})
	base, _ := b.live()
	addr := strings.TrimPrefix(base, "http://")
	hold := func(request string) {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = io.WriteString(conn, request)
		require.NoError(t, err)
	}
	for i := range 40 {
		hold("POST " + api + "/runs/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
		hold(fmt.Sprintf("PUT /api/2.0/mlflow-artifacts/artifacts/slow/%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx", i))
	}
	require.Eventually(t, func() bool { return len(b.s.uploads) == maxUploads }, 10*time.Second, time.Millisecond)
	for range 3 {
		r, err := http.Get(base + "/health")
		require.NoError(t, err)
		r.Body.Close()
		require.Equal(t, 200, r.StatusCode)
		status, _, err := post(http.DefaultClient, base+api+"/experiments/search", `{}`)
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
	require.Empty(t, b.s.slots)
	http.DefaultClient.CloseIdleConnections()
}

// TestShares lets a user fill what one may have of the places of uploads: others
// upload all the same.
func TestShares(t *testing.T) {
	g := newGuarded(t)
	th := g.things(0)
	base, _ := g.live()
	put := func(user string, i, size int) net.Conn {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = fmt.Fprintf(conn, "PUT /api/2.0/mlflow-artifacts/artifacts/%s/%s/artifacts/u%d HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\nx", th.experiment, th.run, i, g.tokens[user], size)
		require.NoError(t, err)
		return conn
	}
	for i := range maxUploads {
		put("editor", i, 100)
	}
	require.Eventually(t, func() bool { return len(g.s.uploads) == maxUploads/2 }, 10*time.Second, time.Millisecond)
	conn := put("manager", maxUploads, 1)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, 200, r.StatusCode)
	require.Len(t, g.s.uploads, maxUploads/2)
}

// TestConnections fills a server with connections: idle ones make room, busy
// ones do not.
func TestConnections(t *testing.T) {
	b := newBench(t, &Options{MaxConnections: 3})
	base, _ := b.live()
	addr := strings.TrimPrefix(base, "http://")
	get := func() (net.Conn, error) {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			r.Body.Close()
			require.Equal(t, 200, r.StatusCode)
		}
		return conn, err
	}
	for range 20 {
		_, err := get()
		require.NoError(t, err)
	}
	// Connections in the midst of a request keep their places until they go.
	var busy []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		busy = append(busy, conn)
		_, err = io.WriteString(conn, "POST "+api+"/runs/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
		require.NoError(t, err)
	}
	for _, conn := range busy {
		require.NoError(t, conn.Close())
	}
	_, err := get()
	require.NoError(t, err)
}

// TestSlowReader reads an upload, which must come at some rate.
func TestSlowReader(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	w := &deadlines{Conn: server}
	s := &slowReader{r: io.LimitReader(server, 3*uploadPiece), c: http.NewResponseController(w)}
	go func() { _, _ = client.Write(make([]byte, 3*uploadPiece)) }() // ends with the pipe
	n, err := io.Copy(io.Discard, onlyReader{s})
	require.NoError(t, err)
	require.EqualValues(t, 3*uploadPiece, n)
	require.LessOrEqual(t, w.set, 5, "a deadline for every piece, not for every byte")
	require.True(t, w.last.IsZero(), "none is left at the end")
	require.NoError(t, server.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = (&slowReader{r: server, c: http.NewResponseController(httptest.NewRecorder())}).Read(make([]byte, 1))
	require.Equal(t, http.StatusRequestTimeout, toWire(err).status)
}

type onlyReader struct{ io.Reader }

// deadlines is a ResponseWriter that counts read deadlines.
type deadlines struct {
	net.Conn
	http.ResponseWriter
	set  int
	last time.Time
}

func (d *deadlines) Write(b []byte) (int, error) { return len(b), nil }

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set++
	d.last = t
	return nil
}

// TestLongMessages repeats nothing that is long.
func TestLongMessages(t *testing.T) {
	b := newBench(t, nil)
	long := strings.Repeat("x", 60_000)
	for _, c := range [][2]string{
		{"/runs/search", `{"experiment_ids": ["0"], "order_by": ["` + long + ` foo"]}`},
		{"/runs/search", `{"experiment_ids": ["0"], "order_by": ["metrics.` + long + `", "metrics.` + long + `"]}`},
		{"/runs/search", `{"experiment_ids": ["0"], "order_by": ["` + strings.Repeat(`a", "`, 16) + `a"]}`},
		{"/runs/search", `{"experiment_ids": ["0"], "filter": "` + long + `"}`},
		{"/runs/search", `{"experiment_ids": ["0"], "filter": "metrics.a = ` + long + `"}`},
		{"/logged-models/search", `{"experiment_ids": ["0"], "order_by": [{"field_name": "` + long + `"}]}`},
		{"/logged-models/search", `{"experiment_ids": ["0"], "order_by": [` + strings.Repeat(`{"field_name": "name"},`, 16) + `{"field_name": "name"}]}`},
		{"/runs/create", `{"experiment_id": "` + long + `"}`},
		{"/runs/create", `{"experiment_id": {"` + long + `": ["` + long + `"]}}`},
	} {
		w := b.do("POST", api+c[0], c[1])
		require.Equal(t, 400, w.Code, "%s", w.Body)
		require.Less(t, w.Body.Len(), 2*maxEcho)
	}
	w := b.do("GET", api+"/runs/get?run_id="+long, "")
	require.Equal(t, 404, w.Code)
	require.Less(t, w.Body.Len(), 2*maxEcho)
}

func TestDeadline(t *testing.T) {
	e := toWire(fmt.Errorf("search: %w", context.DeadlineExceeded))
	require.Equal(t, 400, e.status)
	b := newBench(t, nil)
	for range 3 {
		b.run()
	}
	b.ok("POST", api+"/registered-models/create", `{"name": "m"}`)
	b.ok("POST", api+"/logged-models", `{"experiment_id": "0", "name": "m"}`)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	a, err := parseArgs(httptest.NewRequest("POST", "/", nil), `{"experiment_ids": ["0"]}`)
	require.NoError(t, err)
	for name, call := range map[string]func(context.Context, args) (any, error){
		"runs": b.s.searchRuns, "models": b.s.searchModels, "versions": b.s.searchVersions, "logged": b.s.searchLogged,
	} {
		_, err := call(ctx, a)
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
	}
}

// TestHistoryIsStreamed reads a long history: it comes in pieces, in the same
// bytes as one that is made at once.
func TestHistoryIsStreamed(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	var want []wireMetric
	batch := runstone.Batch{}
	for i := range 5000 {
		batch.Metrics = append(batch.Metrics, runstone.Metric{Name: "m", Value: float64(i) / 3, Step: int64(i), Time: int64(i)})
		want = append(want, wireMetric{Key: "m", Value: number(float64(i) / 3), Step: int64(i), Time: int64(i)})
	}
	require.NoError(t, b.db.LogBatch(t.Context(), run, batch))
	for query, list := range map[string]string{
		"":                  string(metricList(want, "")),
		"&max_results=4999": string(metricList(want[:4999], nextToken(4999, true))),
		"&max_results=5000": string(metricList(want, "")),
		"&max_results=1":    string(metricList(want[:1], nextToken(1, true))),
		"&page_token=" + url.QueryEscape(nextToken(4998, true)): string(metricList(want[4998:], "")),
		"&page_token=" + url.QueryEscape(nextToken(5000, true)): string(metricList(nil, "")),
	} {
		w := &pieces{ResponseRecorder: httptest.NewRecorder()}
		b.s.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+api+"/metrics/get-history?run_id="+run+"&metric_key=m"+query, nil))
		require.Equal(t, 200, w.Code)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Equal(t, list, w.Body.String(), query)
		require.Less(t, w.largest, streamPiece+2<<10)
	}
	// The client that leaves ends the work.
	gone := &pieces{ResponseRecorder: httptest.NewRecorder(), err: errors.New("gone")}
	b.s.ServeHTTP(gone, httptest.NewRequest("GET", "http://localhost"+api+"/metrics/get-history?run_id="+run+"&metric_key=m", nil))
	require.Equal(t, 1, gone.count)
	// An error after the first piece breaks the answer off; before, it is told.
	w := httptest.NewRecorder()
	broken := runstone.ErrCorrupt
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		b.s.writeStream(w, httptest.NewRequest("GET", "/", nil), func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "{")
			return errors.Join(err, broken)
		})
	})
	w = httptest.NewRecorder()
	b.s.writeStream(w, httptest.NewRequest("GET", "/", nil), func(context.Context, io.Writer) error { return broken })
	require.Equal(t, 500, w.Code)
}

// pieces is a recorder that knows its writes.
type pieces struct {
	*httptest.ResponseRecorder
	largest, count int
	err            error
}

func (p *pieces) Write(b []byte) (int, error) {
	p.largest, p.count = max(p.largest, len(b)), p.count+1
	if p.err != nil {
		return 0, p.err
	}
	return p.ResponseRecorder.Write(b)
}

// TestUnknownTraces: what is not there of generative AI is not found, whatever
// the method.
func TestUnknownTraces(t *testing.T) {
	b := newBench(t, nil)
	for _, c := range [][2]string{
		{"POST", "/api/3.0/mlflow/traces"}, {"POST", "/api/2.0/mlflow/traces"}, {"DELETE", "/ajax-api/2.0/mlflow/traces"}, {"GET", "/api/3.0/mlflow/traces/search"},
		{"GET", "/api/3.0/mlflow/traces/tr-1"}, {"POST", "/api/3.0/mlflow/traces/delete-traces"}, {"GET", "/api/3.0/mlflow/scorers/get"},
	} {
		require.Equal(t, 404, b.do(c[0], c[1], "").Code, c)
	}
	b.ok("GET", api+"/traces", "")
}
