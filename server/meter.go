package server

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Counters of requests for GET /metrics. They are plain atomics written out as
// Prometheus's text format, of which these are 150 lines: its client library
// would bring protobuf and a dozen modules to everybody who embeds this package,
// and look up a label set for every request.

// meter counts requests. Counting allocates nothing.
type meter struct {
	started  time.Time
	inFlight atomic.Int64
	routes   map[*route]*routeMeter // the one of nil is of requests without a route
	writers  sync.Pool              // of *countingWriter
}

// routeMeter counts the requests of one route.
type routeMeter struct {
	status  [len(statuses) + 1]atomic.Uint64 // the last is of any other status
	buckets [len(latencies) + 1]atomic.Uint64
	nanos   atomic.Uint64 // that requests took together
	in, out atomic.Uint64 // bytes of bodies
}

// statuses are those that this server answers with.
var statuses = [...]int{
	200, 204, 206, 301, 302, 304, 308, 400, 401, 403, 404, 405, 408, 409, 413, 415, 416, 429, 499, 500, 501, 503, 504, 507,
}

// latencies are the upper ends of the histogram's buckets.
var latencies = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 60 * time.Second,
}

func newMeter(t *table) *meter {
	m := &meter{started: time.Now(), routes: map[*route]*routeMeter{nil: {}}}
	m.writers.New = func() any { return new(countingWriter) }
	for rt := range t.rules {
		m.routes[rt] = new(routeMeter)
	}
	return m
}

// begin returns the writer for a request, to be given to end.
func (m *meter) begin(w http.ResponseWriter, r *http.Request) *countingWriter {
	m.inFlight.Add(1)
	c, _ := m.writers.Get().(*countingWriter)
	c.ResponseWriter, c.start = w, time.Now()
	c.body.ReadCloser = r.Body
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &c.body
	}
	return c
}

// end counts a request. It runs also when the handler panics to break off an
// answer.
func (m *meter) end(c *countingWriter, r *http.Request) {
	m.inFlight.Add(-1)
	rm := m.routes[c.route]
	if rm == nil {
		rm = m.routes[nil]
	}
	took := time.Since(c.start)
	i := 0
	for i < len(latencies) && took > latencies[i] {
		i++
	}
	rm.buckets[i].Add(1)
	rm.nanos.Add(uint64(max(took, 0)))
	rm.in.Add(c.body.n)
	rm.out.Add(c.n)
	code := c.code
	if code == 0 {
		code = http.StatusOK
	}
	i = 0
	for i < len(statuses) && statuses[i] != code {
		i++
	}
	rm.status[i].Add(1)
	r.Body = c.body.ReadCloser // net/http looks at it again
	*c = countingWriter{}
	m.writers.Put(c)
}

// countingWriter counts what a handler sends and receives.
type countingWriter struct {
	http.ResponseWriter
	body  countingBody
	route *route
	start time.Time
	code  int
	n     uint64
}

// Unwrap is for [http.ResponseController].
func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *countingWriter) WriteHeader(code int) {
	if c.code == 0 && code >= 200 {
		c.code = code
	}
	c.ResponseWriter.WriteHeader(code)
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += uint64(n) //nolint:gosec // not negative
	return n, err
}

// ReadFrom keeps the kernel's way from file to socket.
func (c *countingWriter) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(c.ResponseWriter, r)
	c.n += uint64(n) //nolint:gosec // not negative
	return n, err
}

type countingBody struct {
	io.ReadCloser
	n uint64
}

func (c *countingBody) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n += uint64(n) //nolint:gosec // not negative
	return n, err
}
