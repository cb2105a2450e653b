package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryRouteHasItsRules fails for a route that says not who may use it, or
// takes a body of any size.
func TestEveryRouteHasItsRules(t *testing.T) {
	streams := map[string]bool{"/artifacts/{path...}": true, "/upload-artifact": true, "/mpu/part/{part...}": true}
	seen := map[string]bool{}
	for _, rt := range routes {
		name := rt.method + " " + rt.path
		require.NotZero(t, rt.use, name)
		require.LessOrEqual(t, rt.use, signed, name)
		require.NotZero(t, rt.mount, name)
		require.True(t, (rt.call == nil) != (rt.raw == nil), name)
		if rt.limit == 0 {
			require.True(t, streams[rt.path], "%s takes a body of any size", name)
		}
		if rt.method != "GET" && !strings.Contains(rt.path, "search") && !strings.Contains(rt.path, "get-latest") && rt.path != "/graphql" && rt.path != "/artifacts/presigned-download-url" && rt.path != "/traces/metrics" && rt.path != "/lineage" {
			require.Contains(t, []use{write, signed}, rt.use, "%s changes something", name)
		}
		if rt.method == "GET" {
			require.NotEqual(t, write, rt.use, "%s: a GET changes nothing", name)
		}
		for _, prefix := range rt.mount.prefixes("") {
			key := rt.method + " " + prefix + rt.path
			require.False(t, seen[key], "%s twice", key)
			seen[key] = true
		}
	}
	// Each has a rule, and each rule a route.
	ruled := map[string]bool{}
	for _, rt := range routes {
		name := rt.method + " " + rt.path
		ruled[name] = true
		require.NotEmpty(t, rules[name], "%s: server/rules.go says not who may use it", name)
		for _, n := range rules[name] {
			require.True(t, n.of >= everybody && n.of <= granted, name)
			require.LessOrEqual(t, n.level, toManage, name)
			if n.of == everybody {
				require.Contains(t, []use{always, signed}, rt.use, name)
				require.Len(t, rules[name], 1, name)
			}
		}
	}
	for name := range rules {
		require.True(t, ruled[name], "%s has a rule and is no route", name)
	}
	open := map[use][]string{}
	for _, rt := range routes {
		if rt.use == always || rt.use == signed {
			open[rt.use] = append(open[rt.use], rt.path)
		}
	}
	require.Equal(t, []string{"/", "", "/static-files/{path...}", "/assets/{path...}", "/health", "/version", "/server-info"}, open[always])
	require.Equal(t, []string{"/mpu/part/{part...}", "/signed/{path...}"}, open[signed])
}

// TestEveryRoute asks every route once for something good and once for
// something bad. $R, $L are a run and a logged model.
func TestEveryRoute(t *testing.T) {
	b := newBench(t, nil)
	r := b.run()
	b.put("0/"+r+"/artifacts/m/MLmodel", "flavors: {}\n")
	l := b.ok("POST", api+"/logged-models", `{"experiment_id": "0", "name": "lm"}`)["model"].(map[string]any)["info"].(map[string]any)["model_id"].(string)
	b.put("0/models/"+l+"/artifacts/MLmodel", "flavors: {}\n")
	fill := strings.NewReplacer("$R", r, "$L", l).Replace
	files, ui := "/api/2.0/mlflow-artifacts", "/ajax-api/runstone"
	cases := []struct {
		route       string // method and path of the table
		path        string // below the API, or whole
		good        string
		bad         string // body, or path when it begins with a slash or '?'
		badStatus   int
		badContains string
	}{
		{"GET /", "/", "", "/?x#", 0, ""},
		{"GET ", "/", "", "", 0, ""},
		{"GET /static-files/{path...}", "/", "", "/static-files/none", 404, "Not Found"},
		{"GET /assets/{path...}", "", "", "/assets/../index.html", 404, "Not Found"},
		{"GET /health", "/health", "", "", 0, ""},
		{"GET /version", "/version", "", "", 0, ""},
		{"GET /metrics", "", "", "/metrics", 404, "Not Found"},
		{"GET /server-info", "/api/3.0/mlflow/server-info", "", "", 0, ""},
		{"GET /graphql", "/graphql?query={__typename}", "", "/graphql?query={__typename}&variables=1", 400, "Variables"},
		{"POST /graphql", "/graphql", `{"query": "{ __typename }"}`, `{"query": 1}`, 400, "'query'"},
		{"POST /experiments/create", "/experiments/create", `{"name": "e"}`, `{"name": "e"}`, 400, "Experiment(name=e) already exists."},
		{"GET /experiments/get", "/experiments/get?experiment_id=0", "", "?experiment_id=x", 400, "must be a valid integer"},
		{"GET /experiments/get-by-name", "/experiments/get-by-name?experiment_name=e", "", "?experiment_name=zz", 404, "Could not find experiment with name 'zz'"},
		{"GET /experiments/search", "/experiments/search?max_results=5", "", "?max_results=0", 400, "positive integer"},
		{"POST /experiments/search", "/experiments/search", `{}`, `{"filter": "name ="}`, 400, "Invalid clause(s)"},
		{"POST /experiments/set-experiment-tag", "/experiments/set-experiment-tag", `{"experiment_id": "0", "key": "k", "value": "v"}`, `{"experiment_id": "0"}`, 400, "'key'"},
		{"POST /experiments/delete-experiment-tag", "/experiments/delete-experiment-tag", `{"experiment_id": "0", "key": "k"}`, `{"experiment_id": "0", "key": "k"}`, 404, "No tag with name: k"},
		{"POST /experiments/delete", "/experiments/delete", `{"experiment_id": "0"}`, `{"experiment_id": "0"}`, 404, "No Experiment with id=0 exists"},
		{"POST /experiments/restore", "/experiments/restore", `{"experiment_id": "0"}`, `{"experiment_id": "0"}`, 404, "No Experiment with id=0 exists"},
		{"POST /experiments/update", "/experiments/update", `{"experiment_id": "0", "new_name": "Def"}`, `{"experiment_id": "0", "new_name": "e"}`, 400, "already exists"},
		{"POST /runs/create", "/runs/create", `{"experiment_id": "0", "user_id": "u", "start_time": 1}`, `{"experiment_id": "77"}`, 404, "No Experiment with id=77 exists"},
		{"GET /runs/get", "/runs/get?run_id=$R", "", "?run_id=x", 404, "Run with id=x not found"},
		{"POST /runs/update", "/runs/update", `{"run_id": "$R", "status": "FINISHED", "end_time": "7"}`, `{"run_id": "$R", "end_time": "x"}`, 400, "'end_time'"},
		{"POST /runs/search", "/runs/search", `{"experiment_ids": ["0"]}`, `{"experiment_ids": ["0"], "page_token": "zz"}`, 400, "could not base64-decode"},
		{"POST /runs/log-metric", "/runs/log-metric", `{"run_id": "$R", "key": "m", "value": 1, "timestamp": 1}`, `{"run_id": "$R", "key": "m", "timestamp": 1}`, 400, "'value'"},
		{"POST /runs/log-parameter", "/runs/log-parameter", `{"run_id": "$R", "key": "p", "value": "1"}`, `{"run_id": "$R", "key": "p", "value": "2"}`, 400, "Changing param values is not allowed"},
		{"POST /runs/log-batch", "/runs/log-batch", `{"run_id": "$R", "metrics": [{"key": "m", "value": "NaN", "timestamp": 2, "step": 1}], "tags": [{"key": "t"}]}`, `{"run_id": "$R", "tags": [{"key": ".."}]}`, 400, "'tags[0].key'"},
		{"POST /runs/set-tag", "/runs/set-tag", `{"run_id": "$R", "key": "t", "value": "v"}`, `{"run_id": "$R", "key": "a//b", "value": "v"}`, 400, "resolve to 'a/b'"},
		{"POST /runs/delete-tag", "/runs/delete-tag", `{"run_id": "$R", "key": "t"}`, `{"run_id": "$R", "key": "t"}`, 404, "No tag with name: t"},
		{"POST /runs/log-model", "/runs/log-model", `{"run_id": "$R", "model_json": "{\"artifact_path\": \"m\", \"flavors\": {}, \"run_id\": \"x\", \"utc_time_created\": \"now\"}"}`, `{"run_id": "$R", "model_json": "{"}`, 400, "is not a valid JSON"},
		{"POST /runs/log-inputs", "/runs/log-inputs", `{"run_id": "$R", "datasets": [{"dataset": {"name": "d", "digest": "x", "source_type": "t", "source": "s"}}], "models": [{"model_id": "$L"}]}`, `{"run_id": "$R", "datasets": [{"dataset": {"name": "d"}}]}`, 400, "digest"},
		{"POST /runs/outputs", "/runs/outputs", `{"run_id": "$R", "models": [{"model_id": "$L", "step": 1}]}`, `{"run_id": "$R", "models": [{}]}`, 400, "'models[0].model_id'"},
		{"POST /experiments/search-datasets", "/ajax-api/2.0/mlflow/experiments/search-datasets", `{"experiment_ids": ["0"]}`, `{}`, 400, "at least one experiment_id"},
		{"GET /metrics/get-history", "/metrics/get-history?run_id=$R&metric_key=m", "", "?run_id=$R", 400, "'metric_key'"},
		{"GET /metrics/get-history-bulk-interval", "/metrics/get-history-bulk-interval?run_ids=$R&metric_key=m", "", "?run_ids=$R&metric_key=m&start_step=1", 400, "both must be specified"},
		{"GET /metrics/get-history-bulk", "/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id=$R&metric_key=m2", "", "?run_id=$R", 400, "metric_key"},
		{"GET /artifacts/list", "/artifacts/list?run_id=$R", "", "?run_id=$R&path=../x", 400, "Invalid path"},
		{"POST /upload-artifact", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=$R&path=up/x", "body", "?run_uuid=$R", 400, "must specify path"},
		{"GET /get-artifact", "/get-artifact?run_id=$R&path=m/MLmodel", "", "?run_id=$R&path=zz", 404, "No such artifact"},
		{"GET /artifacts", files + "/artifacts?path=0/$R", "", "?path=/etc", 400, "Invalid path"},
		{"GET /artifacts/{path...}", files + "/artifacts/0/$R/artifacts/m/MLmodel", "", files + "/artifacts/0/$R/artifacts/m", 400, "refers to a directory"},
		{"PUT /artifacts/{path...}", files + "/artifacts/0/$R/artifacts/new", "body", files + "/artifacts/0/$R/artifacts/m", 400, "is a directory"},
		{"DELETE /artifacts/{path...}", files + "/artifacts/0/$R/artifacts/new", "", files + "/artifacts/%2e%2e/x", 400, "Invalid path"},
		{"POST /mpu/create/{folder...}", files + "/mpu/create/0/$R/artifacts", `{"path": "big.bin", "num_parts": 2}`, `{"path": "big.bin"}`, 400, "'num_parts'"},
		{"PUT /mpu/part/{part...}", "", "", files + "/mpu/part/ABC/1", 404, "No such part"},
		{"POST /mpu/complete/{folder...}", "", "", files + "/mpu/complete/x", 400, "'path'"},
		{"POST /mpu/abort/{folder...}", "", "", files + "/mpu/abort/x", 400, "'path'"},
		{"GET /presigned/{path...}", files + "/presigned/0/$R/artifacts/m/MLmodel", "", files + "/presigned/0/x", 404, "No such artifact"},
		{"GET /signed/{path...}", "", "", files + "/signed/0/$R/artifacts/m/MLmodel?expires=99999999999&signature=", 403, "not signed"},
		{"POST /logged-models", "/logged-models", `{"experiment_id": "0"}`, `{"experiment_id": "0", "name": "a/b"}`, 400, "Invalid model name"},
		{"POST /logged-models/search", "/logged-models/search", `{"experiment_ids": ["0"], "order_by": [{"field_name": "creation_timestamp", "ascending": false}]}`, `{}`, 400, "'experiment_ids'"},
		{"GET /logged-models/{model_id}", "/logged-models/$L", "", api + "/logged-models/m-no", 404, "Logged model with ID 'm-no' not found."},
		{"PATCH /logged-models/{model_id}", "/logged-models/$L", `{"model_id": "$L", "status": "LOGGED_MODEL_READY"}`, `{"status": "FOO"}`, 400, "'status'"},
		{"PATCH /logged-models/{model_id}/tags", "/logged-models/$L/tags", `{"tags": [{"key": "a/b", "value": "1"}]}`, `{"tags": "x"}`, 400, "'tags'"},
		{"DELETE /logged-models/{model_id}/tags/{tag_key}", "/logged-models/$L/tags/a%2Fb", "", api + "/logged-models/$L/tags/zz", 404, "No tag with key 'zz'"},
		{"POST /logged-models/{model_id}/params", "/logged-models/$L/params", `{"params": [{"key": "a", "value": "1"}]}`, `{"params": [{"key": "a", "value": "2"}]}`, 400, ""},
		{"GET /logged-models/{model_id}/artifacts/directories", "/logged-models/$L/artifacts/directories", "", "?artifact_directory_path=../..", 400, "Invalid path"},
		{"GET /logged-models/{model_id}/artifacts/files", "/ajax-api/2.0/mlflow/logged-models/$L/artifacts/files?artifact_file_path=MLmodel", "", "?x=1", 400, "'artifact_file_path'"},
		{"POST /registered-models/create", "/registered-models/create", `{"name": "reg", "tags": [{"key": "a", "value": "b"}]}`, `{"name": "reg"}`, 400, "Registered Model (name=reg) already exists."},
		{"PATCH /registered-models/update", "/registered-models/update", `{"name": "reg", "description": "d"}`, `{"name": "no"}`, 404, "Registered Model with name=no not found"},
		{"GET /registered-models/get", "/registered-models/get?name=reg", "", "?name=no", 404, "not found"},
		{"GET /registered-models/search", "/registered-models/search", "", "?max_results=1001", 400, "'max_results'"},
		{"POST /model-versions/create", "/model-versions/create", `{"name": "reg", "source": "mlflow-artifacts:/0/$R/artifacts/m", "run_id": "$R"}`, `{"name": "reg", "source": "mlflow-artifacts:/0/$R/artifacts/m"}`, 400, "must identify the resource"},
		{"PATCH /model-versions/update", "/model-versions/update", `{"name": "reg", "version": "1", "description": "d"}`, `{"name": "reg", "version": "x"}`, 400, "must be an integer, got 'x'"},
		{"GET /model-versions/get", "/model-versions/get?name=reg&version=1", "", "?name=reg&version=9", 404, "Model Version (name=reg, version=9) not found"},
		{"GET /model-versions/search", "/model-versions/search?filter=name%3D'reg'", "", "?filter=foo%3D'x'", 400, "Invalid attribute key 'foo'"},
		{"GET /model-versions/get-download-uri", "/model-versions/get-download-uri?name=reg&version=1", "", "?name=reg&version=9", 404, "not found"},
		{"GET /model-versions/get-artifact", "/model-versions/get-artifact?name=reg&version=1&path=MLmodel", "", "?name=reg&version=1&path=../MLmodel", 400, "Invalid path"},
		{"POST /model-versions/transition-stage", "/model-versions/transition-stage", `{"name": "reg", "version": "1", "stage": "production", "archive_existing_versions": true}`, `{"name": "reg", "version": "1", "stage": "Foo"}`, 400, "Invalid Model Version stage: Foo."},
		{"POST /model-versions/set-tag", "/model-versions/set-tag", `{"name": "reg", "version": "1", "key": "k", "value": "v"}`, `{"name": "reg", "version": "1"}`, 400, "'key'"},
		{"DELETE /model-versions/delete-tag", "/model-versions/delete-tag", `{"name": "reg", "version": "1", "key": "k"}`, `{"name": "reg", "version": "9", "key": "k"}`, 404, "not found"},
		{"GET /registered-models/get-latest-versions", "/registered-models/get-latest-versions?name=reg", "", "?name=no", 404, "not found"},
		{"POST /registered-models/get-latest-versions", "/registered-models/get-latest-versions", `{"name": "reg", "stages": ["Production"]}`, `{"name": "reg", "stages": ["Foo"]}`, 400, "Foo"},
		{"POST /registered-models/set-tag", "/registered-models/set-tag", `{"name": "reg", "key": "k", "value": "v"}`, `{"name": "no", "key": "k"}`, 404, "not found"},
		{"DELETE /registered-models/delete-tag", "/registered-models/delete-tag", `{"name": "reg", "key": "k"}`, `{"name": "no", "key": "k"}`, 404, "not found"},
		{"POST /registered-models/alias", "/registered-models/alias", `{"name": "reg", "alias": "a", "version": "1"}`, `{"name": "reg", "alias": "latest", "version": "1"}`, 400, "reserved"},
		{"GET /registered-models/alias", "/registered-models/alias?name=reg&alias=a", "", "?name=reg&alias=zz", 400, "Registered model alias zz not found."},
		{"DELETE /registered-models/alias", "/registered-models/alias", `{"name": "reg", "alias": "a"}`, `{"name": "no", "alias": "a"}`, 404, "not found"},
		{"GET /model-history", ui + "/model-history?name=reg", "", "?name=x", 404, "not found"},
		{"GET /model-versions", ui + "/model-versions?name=reg", "", "?name=x", 404, "not found"},
		{"GET /model-files", ui + "/model-files?name=reg&version=1", "", "?name=reg&version=99", 404, "not found"},
		{"POST /registered-models/rename", "/registered-models/rename", `{"name": "reg", "new_name": "reg2"}`, `{"name": "reg2", "new_name": "a/b"}`, 400, "Names cannot contain"},
		{"DELETE /model-versions/delete", "/model-versions/delete", `{"name": "reg2", "version": "1"}`, `{"name": "reg2", "version": "1"}`, 404, "not found"},
		{"DELETE /registered-models/delete", "/registered-models/delete", `{"name": "reg2"}`, `{"name": "reg2"}`, 404, "not found"},
		{"DELETE /logged-models/{model_id}", "/logged-models/$L", "", api + "/logged-models/m-no", 404, "not found"},
		{"POST /runs/delete", "/runs/delete", `{"run_id": "$R"}`, `{"run_id": "x"}`, 404, "not found"},
		{"POST /runs/restore", "/runs/restore", `{"run_id": "$R"}`, `{"run_id": "x"}`, 404, "not found"},
		{"POST /artifacts/presigned-upload-url", "", "", api + "/artifacts/presigned-upload-url", 400, "'path'"},
		{"POST /artifacts/presigned-download-url", "", "", api + "/artifacts/presigned-download-url", 400, "'run_id'"},
		{"POST /webhooks", "", "", api + "/webhooks", 400, "'name'"},
		{"GET /webhooks", "/webhooks", "", "?max_results=-1", 400, "between 1 and 1000"},
		{"GET /webhooks/{webhook_id}", "", "", api + "/webhooks/x", 404, "Webhook with ID x not found."},
		{"PATCH /webhooks/{webhook_id}", "", "", api + "/webhooks/x", 404, "Webhook with ID x not found."},
		{"DELETE /webhooks/{webhook_id}", "", "", api + "/webhooks/x", 404, "Webhook with ID x not found."},
		{"POST /webhooks/{webhook_id}/test", "", "", api + "/webhooks/x/test", 404, "Webhook with ID x not found."},
		{"POST /search-runs", ui + "/search-runs", `{"experiment_ids": ["0"], "columns": ["params.p", "min(metrics.m)"]}`, `{"experiment_ids": ["0"], "columns": ["params.p, run_id"]}`, 400, "A column is one value"},
		{"POST /search-check", ui + "/search-check", `{"experiment_ids": ["0"], "query": "metrics.m >"}`, `{}`, 400, "'experiment_ids'"},
		{"POST /search-fields", ui + "/search-fields", `{"experiment_ids": ["0"]}`, `{"experiment_ids": ["0"], "entities": ["x"]}`, 400, "none of metrics"},
		{"POST /search-values", ui + "/search-values", `{"experiment_ids": ["0"], "field": "params.p"}`, `{"experiment_ids": ["0"], "field": "metrics.m"}`, 400, "not a field of texts"},
		{"POST /search-series", ui + "/search-series", `{"run_ids": ["$R"], "metric_keys": ["m"]}`, `{"run_ids": ["$R"], "metric_keys": ["m"], "buckets": 0}`, 400, "buckets"},
		{"GET /run-metrics", ui + "/run-metrics?run_id=$R", "", "?run_id=x", 404, "not found"},
		{"GET /bench-list", ui + "/bench-list?experiment_id=0", "", "?experiment_id=0&last=0", 400, "1 to 1000 runs"},
		{"GET /bench-trend", "", "", ui + "/bench-trend?experiment_id=0&name=A&unit=ns/op&machine=m", 404, "No run of experiment"},
		{"GET /bench-compare", "", "", ui + "/bench-compare?experiment_id=0&a=latest", 400, "'b'"},
		{"GET /run-models", ui + "/run-models?run_id=$R", "", "?run_id=x", 404, "not found"},
		{"POST /lineage", ui + "/lineage", `{"kind": "run", "id": ["$R"]}`, `{"kind": "run", "id": []}`, 400, "is a list of 1"},
		{"GET /lineage-starts", ui + "/lineage-starts", "", "", 0, ""},
		{"GET /storage", ui + "/storage", "", "", 0, ""},
		{"GET /session", ui + "/session", "", "", 0, ""},
		{"GET /may", ui + "/may?experiment_ids=0", "", "", 0, ""},
		{"GET /live", "", "", ui + "/live", 400, "A listener hears"},
		{"GET /traces", "/traces?experiment_ids=0", "", "", 0, ""},
		{"POST /traces/search", "/api/3.0/mlflow/traces/search", `{}`, "", 0, ""},
		{"POST /traces/metrics", "/api/3.0/mlflow/traces/metrics", `{}`, "", 0, ""},
		{"POST /issues/search", "/api/3.0/mlflow/issues/search", `{}`, "", 0, ""},
		{"POST /datasets/search", "/api/3.0/mlflow/datasets/search", `{}`, "", 0, ""},
		{"GET /scorers/list", "/api/3.0/mlflow/scorers/list", "", "", 0, ""},
		{"GET /gateway-proxy", "/ajax-api/2.0/mlflow/gateway-proxy", "", "", 0, ""},
		{"GET /ui-telemetry", "/api/3.0/mlflow/ui-telemetry", "", "", 0, ""},
		{"GET /assistant/config", "/api/3.0/mlflow/assistant/config", "", "", 0, ""},
		{"GET /assistant/providers", "/api/3.0/mlflow/assistant/providers", "", "", 0, ""},
	}
	asked := map[string]bool{}
	for _, c := range cases {
		method, _, _ := strings.Cut(c.route, " ")
		path, bad := fill(c.path), fill(c.bad)
		if path != "" && !frontRoute(c.route) && !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/ajax-api/") {
			path = api + path
		}
		asked[c.route] = true
		if path != "" {
			w := b.do(method, path, fill(c.good), "Content-Type", "application/json")
			require.Equal(t, 200, w.Code, "%s: %s", c.route, w.Body)
		}
		if c.badStatus == 0 {
			continue
		}
		badPath, body := path, bad
		switch {
		case strings.HasPrefix(bad, "?"):
			badPath, _, _ = strings.Cut(path, "?")
			badPath, body = badPath+bad, ""
		case strings.HasPrefix(bad, "/"):
			badPath, body = bad, ""
		}
		w := b.do(method, badPath, body, "Content-Type", "application/json")
		require.Equal(t, c.badStatus, w.Code, "%s: %s", c.route, w.Body)
		require.Contains(t, w.Body.String(), c.badContains, c.route)
	}
	for _, rt := range routes {
		if rt.mount == users2 || rt.mount == users3 {
			continue // TestUsersAPI asks them
		}
		require.True(t, asked[rt.method+" "+rt.path], "%s %s is never asked", rt.method, rt.path)
	}
}

// frontRoute reports whether a route is under the static prefix.
func frontRoute(route string) bool {
	for _, rt := range routes {
		if rt.mount == frontend && rt.method+" "+rt.path == route {
			return true
		}
	}
	return false
}

// TestAliases asks both mounts of a route: they are one handler.
func TestAliases(t *testing.T) {
	b := newBench(t, nil)
	for _, path := range []string{"/api/2.0/mlflow/experiments/get?experiment_id=0", "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0"} {
		require.Equal(t, 200, b.do("GET", path, "").Code)
	}
	b.put("0/x", "1")
	require.Equal(t, 200, b.do("GET", "/ajax-api/2.0/mlflow-artifacts/artifacts/0/x", "").Code)
}
