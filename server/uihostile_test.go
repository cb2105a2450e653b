package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	gobench "github.com/runstonedb/runstone/bench"
)

// The limits of what a request of the web UI may take, far above what any needs.
const (
	hostileTime   = 20 * time.Second
	hostileMemory = 256 << 20
)

// hostileLab is a database of extreme steps, times and values, and arguments that
// every route of the web UI takes.
func hostileLab(t *testing.T) (*bench, map[string]any) {
	b := newBench(t, nil)
	run, model := b.ancestry("0", "rows", "fraud")
	ends := []int64{math.MinInt64, -1, 0, 1, math.MaxInt64}
	var points []runstone.Metric
	for i, step := range ends {
		for k, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64} {
			points = append(points, runstone.Metric{Name: fmt.Sprintf("m%d", k), Value: v, Step: step, Time: 1})
			points = append(points, runstone.Metric{Name: "all", Value: v, Step: step, Time: int64(1 + i)})
		}
	}
	require.NoError(t, b.db.LogBatch(t.Context(), run, runstone.Batch{Metrics: points, Params: []runstone.KV{{Key: "p", Value: "\u202ev\U0001F600"}}}))
	extreme := "goos: linux\nBenchmarkA 1 NaN ns/op\nBenchmarkA 1 1e308 ns/op\nBenchmarkB 1 +Inf ns/op\nBenchmarkC 1 0 ns/op\nBenchmarkD 1 -1e308 x/op\nBenchmarkD 1 1e308 x/op\n"
	for i := range 8 {
		r, err := gobench.Parse(strings.NewReader(fmt.Sprintf("# commit-time: 9999-12-31T23:59:59Z\n# cpus: 8\n%sBenchmarkE 1 %g ns/op\n", extreme, 5e-324*float64(1+10*(i/4)+i%4))))
		require.NoError(t, err)
		_, err = gobench.Log(t.Context(), b.db, r, &gobench.LogOptions{Experiment: "Default"})
		require.NoError(t, err)
	}
	return b, map[string]any{
		"experiment_id": "0", "experiment_ids": []any{"0"}, "run_id": run, "run_ids": []any{run}, "metric_keys": []any{"all", "m3"}, "name": "fraud", "version": "1",
		"query": "metrics.all > 1", "columns": []any{"metrics.all"}, "order_by": []any{"metrics.all"}, "field": "params.p", "match": "v", "entities": []any{"params"},
		"kind": "run", "id": []any{run}, "expand": []any{map[string]any{"kind": "model", "id": []any{model}, "direction": "back"}},
		"a": "latest", "b": "latest~1", "unit": "ns/op", "machine": "unknown", "metrics": []any{"all"},
	}
}

// hostileArgs are the names of arguments, and hostileValues what each is set to.
var hostileArgs = []string{
	"offset", "max_results", "after", "before", "total", "explain", "top_only", "parent_id", "view", "varying", "buckets", "shared", "from_step", "to_step", "from_time",
	"to_time", "x_metric", "from_x", "to_x", "group_of", "depth", "fan", "limit", "direction", "last", "package", "config", "alpha", "fresh",
}

func hostileValues() []any {
	deep := any("x")
	for range 40 {
		deep = []any{deep}
	}
	long := slices.Repeat([]any{"0"}, 20_000)
	out := []any{
		nil, true, "", " ", "0", "-1", "1e400", "NaN", "Infinity", "-Infinity", "9223372036854775807", "-9223372036854775808", "00000000000000000000000", "all", "m3", "both", "latest~999999999",
		"latest~-1", "before:x", "tag:=", "branch:", "~", "\x00", "\x00\x01", "\u202e\U0001F600\ufffd", strings.Repeat("é", 40_000), strings.Repeat("(", 5000), "' OR 1=1", "metrics.`a\x00b`",
		"stage", "alias", "version", "dataset", "hidden", "params.lr", "count()", "metrics.all + 1", "%", "*", "..", "a.*(b+)+", "LIMIT 9223372036854775807", "OFFSET 1",
		[]any{}, []any{json.Number("0")}, []any{nil}, []any{""}, []any{1.5}, []any{map[string]any{}}, []any{"0", "0"}, []any{"fraud", "1"}, []any{"fraud", "-9223372036854775809"}, []any{"fraud", "Production"},
		[]any{"0", "rows", "d1"}, []any{"\x00"}, long, deep, map[string]any{}, map[string]any{"kind": "run"}, []any{map[string]any{"kind": "run", "id": []any{"\x00"}, "fan": -1}},
	}
	for _, n := range []string{"0", "1", "-1", "2", "1.5", "1e3", "200", "400000", "2147483647", "-2147483649", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e400", "-0"} {
		out = append(out, json.Number(n))
	}
	return out
}

// TestHostileUIRequests sends odd arguments to every route of the web UI: each is
// answered or refused, with JSON, in bounded time and memory.
func TestHostileUIRequests(t *testing.T) {
	b, base := hostileLab(t)
	names := append(slices.Sorted(maps.Keys(base)), hostileArgs...)
	values := hostileValues()
	r := rand.New(rand.NewPCG(5, 6))
	asked := map[int]int{}
	for i := range routes {
		rt := &routes[i]
		if rt.mount != own || rt.path == livePath {
			continue
		}
		for _, name := range names {
			for _, v := range values {
				if r.IntN(6) == 0 {
					asked[b.hostile(rt, base, map[string]any{name: v})]++
				}
			}
		}
		for range 100 { // several at once
			some := map[string]any{}
			for range 2 + r.IntN(3) {
				some[names[r.IntN(len(names))]] = values[r.IntN(len(values))]
			}
			asked[b.hostile(rt, base, some)]++
		}
	}
	require.Greater(t, asked[http.StatusOK], 500)
	require.Greater(t, asked[http.StatusBadRequest], 500)
}

// hostile sends a request with some arguments in place of others.
func (b *bench) hostile(rt *route, base, odd map[string]any) int {
	b.t.Helper()
	all := maps.Clone(base)
	maps.Copy(all, odd)
	path, body := uiAPI+rt.path, ""
	if rt.method == http.MethodGet {
		q := url.Values{}
		for name, v := range all {
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, x := range list[:min(len(list), 600)] {
				q.Add(name, fmt.Sprint(x))
			}
		}
		path += "?" + q.Encode()
	} else {
		text, err := json.Marshal(all)
		require.NoError(b.t, err)
		body = string(text)
	}
	before := allocated()
	began := time.Now()
	w := b.do(rt.method, path, body)
	took := time.Since(began)
	good := w.Code < 500 && took < hostileTime && allocated()-before < hostileMemory
	if w.Header().Get("Content-Type") != "application/octet-stream" {
		good = good && json.Valid(w.Body.Bytes()) && utf8.Valid(w.Body.Bytes())
	}
	if !good {
		require.FailNow(b.t, "a hostile request", "%s %s: %.300v: %d in %v: %.300s", rt.method, rt.path, odd, w.Code, took, w.Body)
	}
	return w.Code
}

// allocated is how many bytes were ever allocated, read without a stop.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestExtremeCurves sums up curves of all steps and all values that there are.
func TestExtremeCurves(t *testing.T) {
	b, base := hostileLab(t)
	curves := func(args string) ([]uiSeriesHead, [][][]float64) {
		runs, err := json.Marshal(base["run_ids"])
		require.NoError(t, err)
		return b.series(fmt.Sprintf(`{"run_ids": %s, "metric_keys": ["all"], %s}`, runs, args))
	}
	for _, buckets := range []int{1, 2, 3, 4000} {
		heads, _ := curves(fmt.Sprintf(`"buckets": %d, "group_of": [7]`, buckets))
		require.Len(t, heads, 1)
		require.EqualValues(t, 25, heads[0].Points)
		heads, columns := curves(fmt.Sprintf(`"buckets": %d, "x_metric": "all"`, buckets))
		require.Len(t, heads, 1)
		require.EqualValues(t, 25, heads[0].Points+heads[0].Left)
		require.LessOrEqual(t, heads[0].N, buckets)
		require.True(t, slices.IsSorted(columns[0][0]))
	}
}

// TestCurvesKeepNoPoints: what an answer holds of curves over another metric is of
// its buckets, not of the points that were joined for it.
func TestCurvesKeepNoPoints(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	var points []runstone.Metric
	for i := range 20_000 {
		points = append(points, runstone.Metric{Name: "y", Value: 1, Step: int64(i), Time: 1}, runstone.Metric{Name: "x", Value: float64(i % 100), Step: int64(i), Time: 1})
	}
	require.NoError(t, b.db.LogBatch(t.Context(), run, runstone.Batch{Metrics: points}))
	pair := runstone.Curve{Run: run, Metric: "y"}
	for _, x := range []xRange{{math.Inf(-1), math.Inf(1)}, {7, 7}} {
		j, err := b.s.overMetric(t.Context(), pair, "x", runstone.AllPoints(), x, 300)
		require.NoError(t, err)
		require.NotEmpty(t, j.at)
		require.LessOrEqual(t, cap(j.at), 400)
	}
}
