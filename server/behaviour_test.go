package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

// steps returns the steps of an answer's metrics.
func steps(answer map[string]any) []int {
	out := []int{}
	list, _ := answer["metrics"].([]any)
	for _, m := range list {
		out = append(out, int(m.(map[string]any)["step"].(float64)))
	}
	return out
}

func TestHistory(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	point := func(value string, time, step int) string {
		return fmt.Sprintf(`{"key": "m", "value": %s, "timestamp": %d, "step": %d}`, value, time, step)
	}
	b.ok("POST", api+"/runs/log-batch", fmt.Sprintf(`{"run_id": "%s", "metrics": [%s]}`, run, strings.Join([]string{
		point("3", 5, 1), point("1", 2, 9), point("1", 2, 9), point(`"NaN"`, 2, 9), point("0", 2, 9), point("-0.0", 2, 9), point(`"NaN"`, 2, 9),
		point(`"Infinity"`, 7, 0), point("1.7976931348623157e308", 7, 0), point(`"-Infinity"`, 7, 0), point("2", 5, -4),
	}, ",")))
	// Logged again about a model, as clients do when they log a model: still one point.
	lm := b.ok("POST", api+"/logged-models", `{"experiment_id": "0"}`)["model"].(map[string]any)["info"].(map[string]any)["model_id"].(string)
	b.ok("POST", api+"/runs/log-metric", fmt.Sprintf(`{"run_id": "%s", "key": "m", "value": 3, "timestamp": 5, "step": 1, "model_id": "%s"}`, run, lm))

	get := func(query string) map[string]any {
		return b.ok("GET", api+"/metrics/get-history?run_id="+run+"&metric_key=m"+query, "")
	}
	var got []string
	for _, m := range get("")["metrics"].([]any) {
		p := m.(map[string]any)
		got = append(got, fmt.Sprint(p["timestamp"], "/", p["step"], "/", p["value"]))
	}
	require.Len(t, got, 7)
	require.ElementsMatch(t, []string{"2/9/NaN", "2/9/0"}, got[:2])
	require.Equal(t, []string{"2/9/1", "5/-4/2", "5/1/3", "7/0/-1.7976931348623157e+308", "7/0/1.7976931348623157e+308"}, got[2:])

	var paged []int
	token := ""
	for {
		page := get("&max_results=3" + token)
		paged = append(paged, steps(page)...)
		next, more := page["next_page_token"].(string)
		if !more {
			break
		}
		require.Len(t, page["metrics"], 3)
		token = "&page_token=" + url.QueryEscape(next)
	}
	require.Equal(t, steps(get("")), paged)

	// The latest is the greatest step, whatever came last.
	data := b.ok("GET", api+"/runs/get?run_id="+run, "")["run"].(map[string]any)["data"].(map[string]any)
	require.Len(t, data["metrics"], 1)
	require.EqualValues(t, 9, data["metrics"].([]any)[0].(map[string]any)["step"])
}

func TestInterval(t *testing.T) {
	b := newBench(t, nil)
	run, other := b.run(), b.run()
	var batch runstone.Batch
	for i := range 10 {
		batch.Metrics = append(batch.Metrics, runstone.Metric{Name: "m", Value: float64(i), Step: int64(i), Time: int64(i)})
	}
	require.NoError(t, b.db.LogBatch(context.Background(), run, batch))
	require.NoError(t, b.db.LogBatch(context.Background(), other, runstone.Batch{Metrics: batch.Metrics[3:6]}))
	get := func(query string) []int {
		return steps(b.ok("GET", api+"/metrics/get-history-bulk-interval?metric_key=m&"+query, ""))
	}
	require.Equal(t, []int{0, 2, 4, 6, 9}, get("max_results=5&run_ids="+run))
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, get("run_ids="+run))
	require.Equal(t, []int{2, 3, 4, 5}, get("start_step=2&end_step=5&run_ids="+run))
	require.Equal(t, []int{0, 2, 4, 6, 9, 3, 4, 5}, get("max_results=5&run_ids="+run+"&run_ids="+other))
	require.Equal(t, []int{}, get("run_ids=nope"))

	found, err := b.s.buckets(context.Background(), []string{run, "nope"}, "m", runstone.AllPoints(), 8)
	require.NoError(t, err)
	require.Equal(t, number(0), found[0].Value)
	require.Equal(t, number(9), found[len(found)-1].Value)
	require.LessOrEqual(t, len(found), 8)

	bulk := b.do("GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk?metric_key=m&max_results=4&run_id="+run+"&run_id="+other, "")
	require.True(t, json.Valid(bulk.Body.Bytes()))
	require.Equal(t, 4, strings.Count(bulk.Body.String(), `"key":"m"`))
}

func TestSearchPages(t *testing.T) {
	b := newBench(t, nil)
	for range 5 {
		b.run()
	}
	seen := map[string]bool{}
	body := `{"experiment_ids": ["0"], "max_results": 2`
	token := ""
	for range 3 {
		page := b.ok("POST", api+"/runs/search", body+token+"}")
		for _, r := range page["runs"].([]any) {
			seen[r.(map[string]any)["info"].(map[string]any)["run_id"].(string)] = true
		}
		next, _ := page["next_page_token"].(string)
		token = `, "page_token": "` + next + `"`
	}
	require.Len(t, seen, 5)
	require.Equal(t, `, "page_token": ""`, token, "the last page has no token")
	require.Empty(t, b.ok("POST", api+"/runs/search", `{}`))
	far := nextToken(1<<40, true)
	require.Empty(t, b.ok("POST", api+"/runs/search", `{"experiment_ids": ["0"], "page_token": "`+far+`"}`))
}

func TestPromptsAreHidden(t *testing.T) {
	b := newBench(t, nil)
	tag := `"tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]`
	b.ok("POST", api+"/registered-models/create", `{"name": "prompt", `+tag+`}`)
	b.ok("POST", api+"/registered-models/create", `{"name": "model"}`)
	b.ok("POST", api+"/model-versions/create", `{"name": "prompt", "source": "prompt-template", `+tag+`}`)
	names := func(path, list string) []string {
		out := []string{}
		found, _ := b.ok("GET", api+path, "")[list].([]any)
		for _, m := range found {
			out = append(out, m.(map[string]any)["name"].(string))
		}
		return out
	}
	filter := "?filter=" + url.QueryEscape("tags.`mlflow.prompt.is_prompt` = 'true'")
	not := "?filter=" + url.QueryEscape("tags.`mlflow.prompt.is_prompt` != 'true'")
	require.Equal(t, []string{"model"}, names("/registered-models/search", "registered_models"))
	require.Equal(t, []string{"model"}, names("/registered-models/search"+not, "registered_models"))
	require.Equal(t, []string{"prompt"}, names("/registered-models/search"+filter, "registered_models"))
	require.Empty(t, names("/model-versions/search", "model_versions"))
	require.Equal(t, []string{"prompt"}, names("/model-versions/search"+filter, "model_versions"))
}

func TestSearchLogged(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	ids := map[string]string{}
	for i, name := range []string{"one", "two"} {
		id := b.ok("POST", api+"/logged-models", fmt.Sprintf(`{"experiment_id": "0", "name": "%s", "params": [{"key": "n", "value": "%d"}]}`, name, i))["model"].(map[string]any)["info"].(map[string]any)["model_id"].(string)
		ids[id] = name
		for j, dataset := range []string{"train", "test"} {
			b.ok("POST", api+"/runs/log-metric", fmt.Sprintf(`{"run_id": "%s", "key": "acc", "value": %d, "timestamp": 1, "model_id": "%s", "dataset_name": "%s", "dataset_digest": "d"}`, run, 10*i+5*j, id, dataset))
		}
	}
	search := func(body string) []string {
		out := []string{}
		found, _ := b.ok("POST", api+"/logged-models/search", `{"experiment_ids": ["0"], `+body+`}`)["models"].([]any)
		for _, m := range found {
			out = append(out, ids[m.(map[string]any)["info"].(map[string]any)["model_id"].(string)])
		}
		return out
	}
	for body, want := range map[string][]string{
		`"filter": "name = 'two'"`:    {"two"},
		`"filter": "params.n = '0'"`:  {"one"},
		`"filter": "metrics.acc > 4"`: {"one", "two"},
		`"filter": "metrics.acc > 4", "datasets": [{"dataset_name": "train"}]`:      {"two"},
		`"filter": "metrics.acc > 4", "datasets": [{"dataset_name": "none"}]`:       {},
		`"filter": "status = 'PENDING' AND creation_timestamp > 0"`:                 {"one", "two"},
		`"order_by": [{"field_name": "metrics.acc", "dataset_name": "test"}]`:       {"one", "two"},
		`"order_by": [{"field_name": "metrics.acc", "ascending": false}]`:           {"two", "one"},
		`"order_by": [{"field_name": "name", "ascending": true}], "max_results": 1`: {"one"},
	} {
		got := search(body)
		if strings.Contains(body, "order_by") {
			require.Equal(t, want, got, body)
		} else {
			require.ElementsMatch(t, want, got, body)
		}
	}
	b.refused("POST", api+"/logged-models/search", `{"experiment_ids": ["0"], "filter": "foo = 'x'"}`, 400, "INVALID_PARAMETER_VALUE", "foo")
	b.refused("POST", api+"/runs/log-metric", fmt.Sprintf(`{"run_id": "%s", "key": "a", "value": 1, "timestamp": 1, "model_id": "m-no"}`, run), 404, "RESOURCE_DOES_NOT_EXIST", "m-no")
}

// TestFullServer asks a server at its limit: the client that gives up frees its
// place in the queue.
func TestFullServer(t *testing.T) {
	b := newBench(t, &Options{MaxConcurrent: 1})
	b.s.slots <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost"+api+"/experiments/search", nil)
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, r)
	require.Equal(t, statusGone, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Equal(t, 200, b.do("GET", "/health", "").Code, "probes take no place")
	require.Equal(t, 200, b.do("GET", "/version", "").Code)
	b.put("0/x", "uploads have places of their own")
	require.Equal(t, 200, b.do("GET", "/api/2.0/mlflow-artifacts/artifacts/0/x", "").Code)
	<-b.s.slots
	b.ok("GET", api+"/experiments/search", "")
}

// TestArguments tells good from bad spellings of each type.
func TestArguments(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	for field, values := range map[string]map[string]bool{
		"timestamp": {`1`: true, `"12"`: true, `2.0`: true, `1e3`: true, `1.5`: false, `"x"`: false, `9223372036854775808`: false, `true`: false, `[1]`: false, `{}`: false, `"0x10"`: false},
		"value":     {`1`: true, `"1.5"`: true, `"NaN"`: true, `"nan"`: true, `NaN`: true, `-Infinity`: true, `"1e400"`: true, `true`: true, `"abc"`: false, `[1]`: false, `"0x1p4"`: false, `""`: false},
		"step":      {`-9223372036854775808`: true, `"-4"`: true, `null`: true, `"4.5"`: false},
		"key":       {`"é :/x"`: true, `5`: false, `""`: false, `null`: false, `"a\u0000"`: false},
	} {
		for v, good := range values {
			fields := map[string]string{"run_id": `"` + run + `"`, "key": `"m"`, "value": "1", "timestamp": "1", "step": "0"}
			fields[field] = v
			var parts []string
			for k, x := range fields {
				parts = append(parts, fmt.Sprintf(`"%s": %s`, k, x))
			}
			w := b.do("POST", api+"/runs/log-metric", "{"+strings.Join(parts, ", ")+"}")
			want := 400
			if good {
				want = 200
			}
			require.Equal(t, want, w.Code, "%s: %s: %s", field, v, w.Body)
		}
	}
	// A body encoded twice, and with a parameter on its type.
	b.ok("POST", api+"/experiments/create", `"{\"name\": \"twice\"}"`)
	w := b.do("POST", api+"/experiments/create", `{"name": "charset", "more": {"x": [1]}}`, "Content-Type", "application/json; charset=utf-8")
	require.Equal(t, 200, w.Code)
	// A GET may have a body instead of a query.
	b.ok("GET", api+"/experiments/get", `{"experiment_id": "0"}`)
}

// The answer to runs/create is made without reading the run, and is what a read
// finds.
func TestCreateAnswersWithTheRun(t *testing.T) {
	s := newBench(t, nil)
	for name, body := range map[string]string{
		"nothing":      `{"experiment_id": "0"}`,
		"name":         `{"experiment_id": "0", "run_name": "n", "user_id": "me", "start_time": 7}`,
		"tags":         `{"experiment_id": "0", "tags": [{"key": "a", "value": "1"}, {"key": "b"}, {"key": "a", "value": "2"}]}`,
		"named by tag": `{"experiment_id": "0", "tags": [{"key": "mlflow.runName", "value": "tagged"}]}`,
		"no name":      `{"experiment_id": "0", "run_name": "", "tags": [{"key": "mlflow.runName", "value": ""}]}`,
		"long":         `{"experiment_id": "0", "tags": [{"key": "x", "value": "y"}, {"key": "a", "value": "` + strings.Repeat("é", 8000) + `"}, {"key": "z", "value": "z"}]}`,
	} {
		w := s.do("POST", api+"/runs/create", body)
		require.Equal(t, 200, w.Code, name)
		var made, read struct{ Run wireRun }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &made))
		require.NoError(t, json.Unmarshal(s.do("GET", api+"/runs/get?run_id="+made.Run.Info.ID, "").Body.Bytes(), &read))
		read.Run.Outputs = nil
		require.Equal(t, read, made, name)
	}
}
