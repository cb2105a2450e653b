package server

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
)

// prometheus answers with what the server has counted, in Prometheus's text
// format 0.0.4. The names of the request metrics are those of MLflow's exporter.
func (s *Server) prometheus(w http.ResponseWriter, r *http.Request, _ string) {
	if s.meter == nil {
		writePage(w, http.StatusNotFound, page404)
		return
	}
	var b bytes.Buffer
	s.meter.write(&b)
	s.writeSizes(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client may have gone
}

func head(b *bytes.Buffer, name, kind, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (m *meter) write(b *bytes.Buffer) {
	list := make([]*route, 0, len(m.routes))
	for rt, rm := range m.routes {
		if rm.count() > 0 {
			list = append(list, rt)
		}
	}
	slices.SortFunc(list, func(x, y *route) int { return cmp.Compare(x.labels(), y.labels()) })

	head(b, "mlflow_http_request_total", "counter", "Requests answered, by route and status.")
	for _, rt := range list {
		rm := m.routes[rt]
		for i := range rm.status {
			if n := rm.status[i].Load(); n > 0 {
				code := "other"
				if i < len(statuses) {
					code = strconv.Itoa(statuses[i])
				}
				fmt.Fprintf(b, "mlflow_http_request_total{%s,status=%q} %d\n", rt.labels(), code, n)
			}
		}
	}
	head(b, "mlflow_http_request_duration_seconds", "histogram", "Time from a request's headers to the end of its answer.")
	for _, rt := range list {
		rm := m.routes[rt]
		var n uint64
		for i := range rm.buckets {
			n += rm.buckets[i].Load()
			le := "+Inf"
			if i < len(latencies) {
				le = strconv.FormatFloat(latencies[i].Seconds(), 'g', -1, 64)
			}
			fmt.Fprintf(b, "mlflow_http_request_duration_seconds_bucket{%s,le=%q} %d\n", rt.labels(), le, n)
		}
		fmt.Fprintf(b, "mlflow_http_request_duration_seconds_sum{%s} %g\n", rt.labels(), float64(rm.nanos.Load())/1e9)
		fmt.Fprintf(b, "mlflow_http_request_duration_seconds_count{%s} %d\n", rt.labels(), n)
	}
	head(b, "runstone_http_received_bytes_total", "counter", "Bytes of request bodies read.")
	for _, rt := range list {
		fmt.Fprintf(b, "runstone_http_received_bytes_total{%s} %d\n", rt.labels(), m.routes[rt].in.Load())
	}
	head(b, "runstone_http_sent_bytes_total", "counter", "Bytes of answers' bodies.")
	for _, rt := range list {
		fmt.Fprintf(b, "runstone_http_sent_bytes_total{%s} %d\n", rt.labels(), m.routes[rt].out.Load())
	}
	head(b, "runstone_http_in_flight", "gauge", "Requests at work, this one included.")
	fmt.Fprintf(b, "runstone_http_in_flight %d\n", m.inFlight.Load())
	head(b, "process_start_time_seconds", "gauge", "When the server was made, in Unix time.")
	fmt.Fprintf(b, "process_start_time_seconds %d\n", m.started.Unix())
}

func (rm *routeMeter) count() (n uint64) {
	for i := range rm.buckets {
		n += rm.buckets[i].Load()
	}
	return n
}

// labels names a route, not what a client asked for: that is without bound.
func (rt *route) labels() string {
	if rt == nil {
		return `method="",path="other"`
	}
	return fmt.Sprintf("method=%q,path=%q", rt.method, rt.path)
}

// writeSizes adds what is on disk and what the process holds.
func (s *Server) writeSizes(b *bytes.Buffer) {
	head(b, "runstone_store_bytes", "gauge", "Bytes of the database's files, artifacts not counted.")
	for _, part := range []string{"kv", "journal", "inbox"} {
		fmt.Fprintf(b, "runstone_store_bytes{part=%q} %d\n", part, folderBytes(filepath.Join(s.db.Dir(), part)))
	}
	samples := []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	for i, m := range [...]struct{ name, kind, help string }{
		{"go_goroutines", "gauge", "Goroutines that exist."},
		{"go_memstats_heap_alloc_bytes", "gauge", "Bytes of objects in the heap."},
		{"go_memstats_sys_bytes", "gauge", "Bytes that the Go runtime has mapped."},
		{"go_gc_cycles_total", "counter", "Garbage collections."},
		{"go_memstats_alloc_bytes_total", "counter", "Bytes allocated in the heap."},
	} {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			head(b, m.name, m.kind, m.help)
			fmt.Fprintf(b, "%s %d\n", m.name, samples[i].Value.Uint64())
		}
	}
	if n := residentBytes(); n > 0 {
		head(b, "process_resident_memory_bytes", "gauge", "Memory of the process that is not swapped out.")
		fmt.Fprintf(b, "process_resident_memory_bytes %d\n", n)
	}
}

// folderBytes adds up the files of a folder. What vanishes meanwhile is nothing.
func folderBytes(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// residentBytes is known on Linux alone.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return n * int64(os.Getpagesize())
}
