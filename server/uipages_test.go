package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

const uiAPI = "/ajax-api/runstone"

// uiPage is what search-runs answers.
type uiPage struct {
	Partial bool `json:"partial"`
	Columns []string
	Values  [][]any
	Rows    int
	IDs     bool
	Total   int
	Next    string
	Parents []string
	Hints   []string
	Problem *uiProblem
}

// column returns the values of a column by name.
func (p *uiPage) column(name string) []any {
	for i, c := range p.Columns {
		if c == name {
			return p.Values[i]
		}
	}
	return nil
}

func (b *bench) page(body string) uiPage {
	b.t.Helper()
	w := b.do("POST", uiAPI+"/search-runs", body)
	require.Equal(b.t, http.StatusOK, w.Code, "%s: %s", body, w.Body)
	var p uiPage
	require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &p), w.Body)
	return p
}

// someRuns makes n runs with a param, a metric of three points and, for every
// third, a parent.
func (b *bench) someRuns(n int) []string {
	b.t.Helper()
	ctx := context.Background()
	ids := make([]string, n)
	for i := range ids {
		run := runstone.NewRun{ExperimentID: "0", Name: fmt.Sprintf("r%03d", i), Start: int64(1000 + i)}
		if i%3 == 2 {
			run.Tags = []runstone.KV{{Key: runstone.TagParent, Value: ids[i-1]}}
		}
		info, err := b.db.CreateRun(ctx, run)
		require.NoError(b.t, err)
		ids[i] = info.ID
		batch := runstone.Batch{Params: []runstone.KV{{Key: "lr", Value: fmt.Sprint(float64(i) / 10)}, {Key: "fixed", Value: "1"}}}
		for step := range int64(3) {
			batch.Metrics = append(batch.Metrics, runstone.Metric{Name: "loss", Step: step, Time: step + 1, Value: float64(i) + float64(step)})
		}
		require.NoError(b.t, b.db.LogBatch(ctx, info.ID, batch))
	}
	return ids
}

func TestUIQueryPages(t *testing.T) {
	b := newBench(t, nil)
	ids := b.someRuns(25)
	for _, folded := range []bool{false, true} {
		if folded {
			require.NoError(t, b.db.Fold(context.Background()))
		}
		var got []any
		for offset := 0; offset < 30; offset += 10 {
			p := b.page(fmt.Sprintf(`{"experiment_ids": ["0"], "columns": ["params.lr", "min(metrics.loss)", "params.none"], "order_by": ["min(metrics.loss) ASC"], "offset": %d, "max_results": 10, "total": true}`, offset))
			require.Equal(t, 25, p.Total)
			require.True(t, p.IDs)
			require.Len(t, p.Columns, len(runColumns)+3)
			got = append(got, p.column("run_id")...)
			for i, v := range p.column("min(metrics.loss)") {
				require.EqualValues(t, offset+i, v)
				require.Nil(t, p.column("params.none")[i])
			}
		}
		require.Len(t, got, 25)
		for i, id := range got {
			require.Equal(t, ids[i], id)
		}
	}
	// A cursor, and the query's own limit.
	p := b.page(`{"experiment_ids": ["0"], "max_results": 20}`)
	rest := b.page(fmt.Sprintf(`{"experiment_ids": ["0"], "max_results": 20, "after": %q}`, p.Next))
	require.Equal(t, 5, rest.Rows)
	p = b.page(`{"experiment_ids": ["0"], "query": "LIMIT 7", "max_results": 5, "offset": 5, "total": true}`)
	require.Equal(t, []int{2, 7}, []int{p.Rows, p.Total})
	require.Zero(t, b.page(`{"experiment_ids": ["0"], "query": "LIMIT 7", "max_results": 5, "offset": 10}`).Rows)
}

func TestUIQueryMoreColumnsThanOneQueryHas(t *testing.T) {
	b := newBench(t, nil)
	b.someRuns(5)
	var columns []string
	for i := range 150 {
		columns = append(columns, fmt.Sprintf("params.lr + %d", i))
	}
	text, err := json.Marshal(columns)
	require.NoError(t, err)
	p := b.page(`{"experiment_ids": ["0"], "order_by": ["start_time ASC"], "columns": ` + string(text) + `}`)
	require.Len(t, p.Columns, len(runColumns)+150)
	for i, c := range columns {
		for k := range 5 {
			require.InDelta(t, float64(k)/10+float64(i), p.column(c)[k], 1e-9, c)
		}
	}
}

func TestUIQueryNested(t *testing.T) {
	b := newBench(t, nil)
	ids := b.someRuns(9)
	p := b.page(`{"experiment_ids": ["0"], "top_only": true, "total": true, "query": "metrics.loss >= 0 OR metrics.loss < 0"}`)
	require.Equal(t, 6, p.Total)
	require.ElementsMatch(t, []string{ids[1], ids[4], ids[7]}, p.Parents)
	kids := b.page(fmt.Sprintf(`{"experiment_ids": ["0"], "parent_id": %q}`, ids[4]))
	require.Equal(t, []any{ids[5]}, kids.column("run_id"))
	require.Zero(t, b.page(`{"experiment_ids": ["0"], "parent_id": "' OR run_id != '"}`).Rows)
}

func TestUIQueryTableAndProblems(t *testing.T) {
	b := newBench(t, nil)
	b.someRuns(4)
	p := b.page(`{"experiment_ids": ["0"], "query": "GROUP BY params.fixed SELECT params.fixed, count()"}`)
	require.False(t, p.IDs)
	require.Equal(t, [][]any{{"1"}, {float64(4)}}, p.Values)
	for body, pos := range map[string][2]int{
		`{"experiment_ids": ["0"], "query": "metrics.loss > 'é' "}`:                         {15, 18},
		`{"experiment_ids": ["0"], "query": "params.é = '😀' AND foo"}`:                      {20, 23},
		`{"experiment_ids": ["0"], "columns": ["params.lr", "min(params.lr"]}`:              {4, 13},
		`{"experiment_ids": ["0"], "columns": ["params.lr"], "order_by": ["params.lr UP"]}`: {10, 12},
	} {
		p := b.page(body)
		require.NotNil(t, p.Problem, body)
		require.NotEmpty(t, p.Problem.Message)
		require.Equal(t, pos, [2]int{p.Problem.Pos, p.Problem.End}, "%s: %+v", body, p.Problem)
	}
	w := b.ok("POST", uiAPI+"/search-check", `{"experiment_ids": ["0"], "query": "params.lr >= 0.2"}`)
	require.EqualValues(t, 2, w["total"])
	w = b.ok("POST", uiAPI+"/search-check", `{"experiment_ids": ["0"], "columns": ["params.lr", "foo("]}`)
	require.EqualValues(t, 1, w["column"])
	w = b.ok("POST", uiAPI+"/search-check", `{"experiment_ids": ["0"], "query": "params.nothing = 'x'"}`)
	require.Contains(t, fmt.Sprint(w["hints"]), "no run has params.nothing")
}

func TestUIFieldsAndValues(t *testing.T) {
	b := newBench(t, nil)
	ids := b.someRuns(12)
	other, err := b.db.CreateExperiment(context.Background(), "other", nil)
	require.NoError(t, err)
	info, err := b.db.CreateRun(context.Background(), runstone.NewRun{ExperimentID: other})
	require.NoError(t, err)
	require.NoError(t, b.db.LogBatch(context.Background(), info.ID, runstone.Batch{
		Params: []runstone.KV{{Key: "elsewhere", Value: "1"}, {Key: "fixed", Value: "2"}}, Metrics: []runstone.Metric{{Name: "loss", Value: 1}, {Name: "far", Value: 1}},
	}))
	list := func(body string) map[string]uiField {
		out := map[string]uiField{}
		w := b.do("POST", uiAPI+"/search-fields", body)
		require.Equal(t, 200, w.Code, w.Body)
		var a struct{ Fields []uiField }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a))
		for _, f := range a.Fields {
			out[f.Text] = f
		}
		return out
	}
	for _, folded := range []bool{false, true} {
		if folded {
			require.NoError(t, b.db.Fold(context.Background()))
		}
		all := list(`{"experiment_ids": ["0"]}`)
		require.NotContains(t, all, "params.elsewhere")
		require.NotContains(t, all, "metrics.far")
		require.Equal(t, uiField{"params", "lr", "params.lr", 12, true}, all["params.lr"])
		require.Equal(t, uiField{"params", "fixed", "params.fixed", 12, false}, all["params.fixed"])
		require.Equal(t, 12, all["metrics.loss"].Runs)
		require.Equal(t, uiField{"tags", "mlflow.parentRunId", "tags.mlflow.parentRunId", 4, true}, all["tags.mlflow.parentRunId"])
		require.NotContains(t, list(`{"experiment_ids": ["0"], "varying": true}`), "params.fixed")
		require.True(t, list(fmt.Sprintf(`{"experiment_ids": ["0", %q]}`, other))["params.fixed"].Varies)
		require.Len(t, list(`{"experiment_ids": ["0"], "match": "LOS"}`), 1)
		require.Len(t, list(`{"experiment_ids": ["0"], "entities": ["params"], "offset": 1, "max_results": 5}`), 1)

		w := b.do("POST", uiAPI+"/search-values", `{"experiment_ids": ["0"], "field": "params.lr", "match": "0."}`)
		var p uiPage
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Equal(t, 9, p.Rows)
		w = b.do("POST", uiAPI+"/search-values", `{"experiment_ids": ["0"], "field": "params.fixed"}`)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Equal(t, [][]any{{"1"}, {float64(12)}}, p.Values)
	}
	// A run that changed since, one that is deleted.
	require.NoError(t, b.db.DeleteRun(context.Background(), ids[0]))
	require.NoError(t, b.db.LogParam(context.Background(), ids[1], "late", "1"))
	all := list(`{"experiment_ids": ["0"]}`)
	require.Equal(t, []int{11, 1}, []int{all["params.lr"].Runs, all["params.late"].Runs})
	require.Equal(t, 1, list(`{"experiment_ids": ["0"], "view": "DELETED_ONLY"}`)["params.lr"].Runs)
}

// readSeries decodes an answer of search-series as a page does.
func readSeries(t testing.TB, b []byte) (heads []uiSeriesHead, columns [][][]float64) {
	t.Helper()
	n := binary.LittleEndian.Uint32(b)
	var head struct{ Series []uiSeriesHead }
	require.NoError(t, json.Unmarshal(b[4:4+n], &head))
	require.Zero(t, (4+n)%8)
	at := b[4+n:]
	for _, h := range head.Series {
		n := curveColumns
		switch {
		case h.Grouped:
			n = groupColumns
		case h.Raw:
			n = rawColumns
		}
		if h.X {
			n++
		}
		of := make([][]float64, n)
		for i := range of {
			for range h.N {
				of[i] = append(of[i], math.Float64frombits(binary.LittleEndian.Uint64(at)))
				at = at[8:]
			}
		}
		columns = append(columns, of)
	}
	require.Empty(t, at)
	return head.Series, columns
}

func TestUISeries(t *testing.T) {
	b := newBench(t, nil)
	ids := b.someRuns(2)
	var batch runstone.Batch
	for i := range int64(5000) {
		v := float64(i % 100)
		switch i {
		case 2500:
			v = math.NaN()
		case 2600:
			v = math.Inf(1)
		}
		batch.Metrics = append(batch.Metrics, runstone.Metric{Name: "long", Step: i, Time: 1000 + i, Value: v})
	}
	require.NoError(t, b.db.LogBatch(context.Background(), ids[0], batch))
	ask := func(body string) ([]uiSeriesHead, [][][]float64) {
		w := b.do("POST", uiAPI+"/search-series", body)
		require.Equal(t, 200, w.Code, w.Body)
		require.Equal(t, "application/octet-stream", w.Header().Get("Content-Type"))
		return readSeries(t, w.Body.Bytes())
	}
	heads, columns := ask(fmt.Sprintf(`{"run_ids": [%q, "00000000000000000000000000000000", %q], "metric_keys": ["loss", "long"], "buckets": 100, "shared": true}`, ids[0], ids[1]))
	require.Len(t, heads, 3)
	require.Equal(t, uiSeriesHead{Run: ids[0], Metric: "long", N: 100, Points: 5000, NaN: 1}, heads[1])
	long := columns[1]
	require.Equal(t, 4999.0, long[0][99])
	require.Equal(t, 5999.0, long[1][99])
	require.Equal(t, 1.0, long[7][50])
	require.True(t, math.IsInf(long[5][52], 1))
	var count float64
	for _, n := range long[6] {
		count += n
	}
	require.Equal(t, 5000.0, count)
	heads, columns = ask(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["long"], "from_step": 2490, "to_step": 2509, "buckets": 50}`, ids[0]))
	require.True(t, heads[0].Raw)
	require.Equal(t, 20, heads[0].N)
	require.True(t, math.IsNaN(columns[0][2][10]))
	heads, _ = ask(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["long"], "from_time": 1100, "to_time": 1199, "buckets": 500}`, ids[0]))
	require.EqualValues(t, 100, heads[0].Points)
	// Points that were logged without a step.
	batch = runstone.Batch{}
	for i := range int64(1000) {
		v := float64(i)
		if i == 15 {
			v = math.NaN()
		}
		batch.Metrics = append(batch.Metrics, runstone.Metric{Name: "stepless", Time: 5000 + i, Value: v})
	}
	require.NoError(t, b.db.LogBatch(context.Background(), ids[1], batch))
	heads, columns = ask(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["stepless"], "buckets": 100, "shared": true}`, ids[1]))
	require.Equal(t, uiSeriesHead{Run: ids[1], Metric: "stepless", N: 100, Points: 1000, NaN: 1}, heads[0])
	require.Equal(t, []float64{0, 5019, 10, 19, 10, 19, 10, 1}, []float64{
		columns[0][0][1], columns[0][1][1], columns[0][2][1], columns[0][3][1], columns[0][4][1], columns[0][5][1], columns[0][6][1], columns[0][7][1],
	})
	heads, _ = ask(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["nothing"]}`, ids[0]))
	require.Empty(t, heads)
}

// TestUIRefuses asks for more than there is a limit for, and for what cannot be.
func TestUIRefuses(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	many := func(n int) string { return `"` + strings.Repeat(`x", "`, n-1) + `x"` }
	for path, bodies := range map[string][]string{
		"/search-runs": {
			`{}`, `{"experiment_ids": []}`, `{"experiment_ids": ["0"], "max_results": 1001}`, `{"experiment_ids": ["0"], "max_results": 0}`, `{"experiment_ids": ["0"], "offset": -1}`,
			`{"experiment_ids": ["0"], "columns": [` + many(maxUIColumns+1) + `]}`, `{"experiment_ids": ["0"], "after": "zz"}`,
			`{"experiment_ids": ["0"], "columns": ["run_id LIMIT 3"]}`, `{"experiment_ids": ["0"], "columns": ["run_id ORDER BY 1"]}`, `{"experiment_ids": "0"}`,
		},
		"/search-check":  {`{"query": "x"}`, `{"experiment_ids": ["0"], "query": 3}`},
		"/search-fields": {`{}`, `{"experiment_ids": ["0"], "max_results": 2001}`, `{"experiment_ids": ["0"], "offset": -1}`, `{"experiment_ids": ["0"], "entities": ["runs"]}`},
		"/search-values": {`{"experiment_ids": ["0"]}`, `{"experiment_ids": ["0"], "field": "metrics.loss"}`, `{"experiment_ids": ["0"], "field": "params.a", "match": "` + strings.Repeat("a", 201) + `"}`},
		"/search-series": {
			`{}`, `{"run_ids": ["` + run + `"]}`, `{"run_ids": ["` + run + `"], "metric_keys": ["a"], "buckets": 4001}`, `{"run_ids": ["` + run + `"], "metric_keys": ["a"], "from_step": 2, "to_step": 1}`,
			`{"run_ids": ["` + run + `"], "metric_keys": ["a"], "group_of": [0, 1]}`, `{"run_ids": ["` + run + `"], "metric_keys": ["a"], "group_of": ["a"]}`,
			`{"run_ids": ["` + run + `"], "metric_keys": ["a"], "group_of": [0, 1], "x_metric": "b"}`, `{"run_ids": ["` + run + `"], "metric_keys": ["a"], "x_metric": "b", "from_x": 2, "to_x": 1}`,
			`{"run_ids": ["` + run + `"], "metric_keys": ["a"], "x_metric": "b", "from_x": "NaN"}`,
			`{"run_ids": [` + many(501) + `], "metric_keys": ["a"]}`, `{"run_ids": [` + many(200) + `], "metric_keys": ["a"], "buckets": 2001}`,
		},
	} {
		for _, body := range bodies {
			w := b.do("POST", uiAPI+path, body)
			require.Equal(t, 400, w.Code, "%s %s: %s", path, body, w.Body)
			require.Contains(t, w.Body.String(), "error_code")
		}
	}
	w := b.do("POST", uiAPI+"/search-runs", `{"experiment_ids": ["0"]}`, "Content-Type", "text/plain")
	require.Equal(t, 400, w.Code, "a form of another page may send text")
	w = b.do("POST", uiAPI+"/search-runs", `{"experiment_ids": ["0"]}`, "Content-Type", "application/json", "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, 403, w.Code)
}

func TestUIFiles(t *testing.T) {
	b := newBench(t, &Options{StaticPrefix: "/lab"})
	w := b.do("GET", "/lab/", "")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), "Runstone")
	require.NotContains(t, w.Body.String(), "<style", "nothing inline")
	_, err := dist.ReadFile("ui/dist/index.html")
	if err == nil {
		require.Equal(t, pagesPolicy+b.s.ancestors, w.Header().Get("Content-Security-Policy"))
		require.NotContains(t, w.Body.String(), `"/assets`, "addresses are below the page")
		files, err := dist.ReadDir("ui/dist/assets")
		require.NoError(t, err)
		require.Equal(t, pagesPolicy+b.s.ancestors, b.do("GET", "/lab/assets/"+files[0].Name(), "").Header().Get("Content-Security-Policy"), "a worker asks under the policy of its script")
	}
	for _, path := range []string{"/lab/assets/none.js", "/lab/assets/../index.html", "/lab/assets/%2e%2e/index.html", "/lab/assets/..%2findex.html", "/lab/assets/", "/assets/x"} {
		require.Equal(t, 404, b.do("GET", path, "").Code, path)
	}
}

// TestUILive listens over a real connection: events come, their number is
// bounded, and listeners do not hold up the end of the server.
func TestUILive(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	ctx, stop := context.WithCancel(context.Background())
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- b.s.Serve(ctx, l) }()
	listen := func(query string) *bufio.Scanner {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+l.Addr().String()+uiAPI+livePath+query, nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { answer.Body.Close() })
		require.Equal(t, 200, answer.StatusCode)
		require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
		return bufio.NewScanner(answer.Body)
	}
	heard := func(s *bufio.Scanner) liveEvent {
		for s.Scan() {
			if data, ok := bytes.CutPrefix(s.Bytes(), []byte("data: ")); ok {
				var e liveEvent
				require.NoError(t, json.Unmarshal(data, &e))
				return e
			}
		}
		require.Fail(t, "no event")
		return liveEvent{}
	}
	ofRun, ofExperiment := listen("?run_ids="+run), listen("?experiment_ids=0")
	require.Equal(t, liveEvent{Runs: []string{run}}, heard(ofRun), "it has not ended")
	require.Equal(t, liveEvent{Runs: []string{run}}, heard(ofExperiment))
	require.NoError(t, b.db.LogBatch(ctx, run, runstone.Batch{Metrics: []runstone.Metric{{Name: "m", Value: 1}}}))
	require.Equal(t, liveEvent{Runs: []string{run}}, heard(ofRun))
	require.Equal(t, []string{run}, heard(ofExperiment).Runs)
	b.run()
	for !heard(ofExperiment).List {
	}
	require.Len(t, b.s.listeners, 2)
	require.Empty(t, b.s.downloads)
	begun := time.Now()
	stop()
	require.NoError(t, <-ended)
	require.Less(t, time.Since(begun), drainTimeout, "listeners go when the server does")

	w := b.do("GET", uiAPI+livePath+"?run_ids="+strings.Repeat("x&run_ids=", maxWatched)+"x", "")
	require.Equal(t, 400, w.Code)
	require.NoError(t, b.s.listeners.take(context.Background(), maxListeners))
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, b.s.listeners.take(gone, 1), context.Canceled)
}

// TestUIQueryPartial: a page that is not whole, for whatever part of it, says so.
func TestUIQueryPartial(t *testing.T) {
	b := newBench(t, nil)
	b.someRuns(30)
	columns := make([]string, query.MaxItems+5)
	for i := range columns {
		columns[i] = fmt.Sprintf(`"metrics.loss + %d"`, i)
	}
	wide := `"columns": [` + strings.Join(columns, ",") + `]`
	whole := b.page(`{"experiment_ids": ["0"], ` + wide + `}`)
	require.False(t, whole.Partial)
	ctx := context.Background()
	q, err := query.Parse(tree.Runs, "")
	require.NoError(t, err)
	item, err := parseColumn("metrics.loss")
	require.NoError(t, err)
	id, err := parseColumn("run_id")
	require.NoError(t, err)
	opt := &runstone.SearchOptions{Experiments: []string{"0"}, Time: time.Minute}
	page, partial, err := b.s.uiTop(ctx, q, &runstone.SearchOptions{Experiments: []string{"0"}, Limit: 100, Time: time.Minute}, []tree.Item{id, item})
	require.NoError(t, err)
	require.False(t, partial)
	require.Len(t, page.Table, 30)
	opt.Time = 1 // ns
	for what, read := range map[string]func() (bool, error){
		"columns": func() (bool, error) { return b.s.uiMore(ctx, page, []tree.Item{item}, opt) },
		"parents": func() (bool, error) {
			_, cut, err := b.s.uiParents(ctx, page, opt)
			return cut, err
		},
	} {
		cut, err := read()
		require.NoError(t, err, what)
		require.True(t, cut, what)
	}
	b.s.uiTime = 1
	require.True(t, b.page(`{"experiment_ids": ["0"], `+wide+`}`).Partial)
}

// TestUIQueryTextLimit: one long tag in many columns is no answer of gigabytes.
func TestUIQueryTextLimit(t *testing.T) {
	b := newBench(t, nil)
	ctx := context.Background()
	for range 60 {
		_, err := b.db.CreateRun(ctx, runstone.NewRun{ExperimentID: "0", Tags: []runstone.KV{{Key: "t", Value: strings.Repeat("x", 5000)}}})
		require.NoError(t, err)
	}
	ask := func(n int) *httptest.ResponseRecorder {
		return b.do("POST", uiAPI+"/search-runs", `{"experiment_ids": ["0"], "columns": [`+strings.Repeat(`"tags.t",`, n-1)+`"tags.t"]}`)
	}
	require.Equal(t, 200, ask(50).Code)
	for _, n := range []int{120, maxUIColumns} {
		w := ask(n)
		require.Equal(t, 400, w.Code)
		require.Contains(t, w.Body.String(), "fewer runs or columns")
	}
}
