package server

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/access"
)

// use is how a route is used: which requests it shares its room with, whether
// it has a deadline, and whether it stays where there is nothing but artifacts.
// Who may use it is another question, which rules answer: a search that is open
// to everybody and one for administrators are used alike.
type use uint8

// The zero use is none: a test fails on a route that has it.
const (
	always use = iota + 1 // probes and pages, which wait for no room
	read                  // changes nothing
	write
	signed // by a URL that is its own proof, which the handler checks
)

// mount says under which paths a route is found.
type mount uint8

const (
	api2     mount = iota + 1 // /api/2.0/mlflow and ajax-api/2.0/mlflow
	api3                      // /api/3.0/mlflow and ajax-api/3.0/mlflow
	ajax2                     // ajax-api/2.0/mlflow alone
	files2                    // /api/2.0/mlflow-artifacts and the same under ajax-api
	frontend                  // the static prefix
	users2                    // as api2, where there are users
	users3                    // as api3, where there are users
	own                       // ajax-api/runstone: what the web UI needs besides MLflow's API
)

// Limits of request bodies in bytes.
const (
	noBody     = 64 << 10
	smallBody  = 4 << 20 // texts such as descriptions reach a megabyte
	batchBody  = 16 << 20
	inputsBody = 64 << 20 // a dataset's profile alone may have 16 MiB
	uploadBody = 10 << 20 // upload-artifact, as in MLflow
)

// route is one entry of the table. A {name} in its path takes one segment, a
// {name...} at the end what is left.
type route struct {
	method string
	mount  mount
	path   string
	use    use
	limit  int64 // of the body; 0 for handlers that stream
	// One of the two. call gets arguments and returns a message; raw gets what
	// the first part in braces took.
	call func(*Server, context.Context, args) (any, error)
	raw  func(*Server, http.ResponseWriter, *http.Request, string)
}

// routes is everything that the server answers.
var routes = []route{
	{"GET", frontend, "/", always, noBody, nil, (*Server).front},
	{"GET", frontend, "", always, noBody, nil, (*Server).toFront},
	{"GET", frontend, "/static-files/{path...}", always, noBody, nil, (*Server).staticFile},
	{"GET", frontend, "/assets/{path...}", always, noBody, nil, (*Server).pagesFile},
	{"GET", frontend, "/health", always, noBody, nil, (*Server).health},
	{"GET", frontend, "/version", always, noBody, nil, (*Server).version},
	{"GET", frontend, "/metrics", read, noBody, nil, (*Server).prometheus},
	{"GET", api3, "/server-info", always, noBody, nil, (*Server).info},

	{"GET", frontend, "/graphql", read, smallBody, (*Server).graphql, nil},
	{"POST", frontend, "/graphql", read, smallBody, (*Server).graphql, nil},

	{"POST", api2, "/experiments/create", write, smallBody, (*Server).createExperiment, nil},
	{"GET", api2, "/experiments/get", read, noBody, (*Server).getExperiment, nil},
	{"GET", api2, "/experiments/get-by-name", read, noBody, (*Server).getExperimentByName, nil},
	{"GET", api2, "/experiments/search", read, noBody, (*Server).searchExperiments, nil},
	{"POST", api2, "/experiments/search", read, smallBody, (*Server).searchExperiments, nil},
	{"POST", api2, "/experiments/delete", write, smallBody, (*Server).deleteExperiment, nil},
	{"POST", api2, "/experiments/restore", write, smallBody, (*Server).restoreExperiment, nil},
	{"POST", api2, "/experiments/update", write, smallBody, (*Server).updateExperiment, nil},
	{"POST", api2, "/experiments/set-experiment-tag", write, smallBody, (*Server).setExperimentTag, nil},
	{"POST", api2, "/experiments/delete-experiment-tag", write, smallBody, (*Server).deleteExperimentTag, nil},
	{"POST", ajax2, "/experiments/search-datasets", read, smallBody, (*Server).searchDatasets, nil},

	{"POST", api2, "/runs/create", write, smallBody, (*Server).createRun, nil},
	{"GET", api2, "/runs/get", read, noBody, (*Server).getRun, nil},
	{"POST", api2, "/runs/update", write, smallBody, (*Server).updateRun, nil},
	{"POST", api2, "/runs/delete", write, smallBody, (*Server).deleteRun, nil},
	{"POST", api2, "/runs/restore", write, smallBody, (*Server).restoreRun, nil},
	{"POST", api2, "/runs/search", read, smallBody, (*Server).searchRuns, nil},
	{"POST", api2, "/runs/log-metric", write, smallBody, (*Server).logMetric, nil},
	{"POST", api2, "/runs/log-parameter", write, smallBody, (*Server).logParam, nil},
	{"POST", api2, "/runs/log-batch", write, batchBody, (*Server).logBatch, nil},
	{"POST", api2, "/runs/set-tag", write, smallBody, (*Server).setTag, nil},
	{"POST", api2, "/runs/delete-tag", write, smallBody, (*Server).deleteTag, nil},
	{"POST", api2, "/runs/log-model", write, smallBody, (*Server).logModel, nil},
	{"POST", api2, "/runs/log-inputs", write, inputsBody, (*Server).logInputs, nil},
	{"POST", api2, "/runs/outputs", write, smallBody, (*Server).logOutputs, nil},

	{"GET", api2, "/metrics/get-history", read, noBody, (*Server).metricHistory, nil},
	{"GET", api2, "/metrics/get-history-bulk-interval", read, noBody, (*Server).metricInterval, nil},
	{"GET", ajax2, "/metrics/get-history-bulk", read, noBody, nil, (*Server).metricBulk},

	{"GET", api2, "/artifacts/list", read, noBody, (*Server).listArtifacts, nil},
	{"POST", api2, "/artifacts/presigned-upload-url", write, smallBody, (*Server).presignUpload, nil},
	{"POST", api2, "/artifacts/presigned-download-url", read, smallBody, (*Server).presignDownload, nil},
	{"POST", ajax2, "/upload-artifact", write, 0, nil, (*Server).uploadArtifact},
	{"GET", frontend, "/get-artifact", read, noBody, nil, (*Server).getRunArtifact},
	{"GET", frontend, "/model-versions/get-artifact", read, noBody, nil, (*Server).getVersionArtifact},
	{"GET", files2, "/artifacts", read, noBody, (*Server).listFiles, nil},
	{"GET", files2, "/artifacts/{path...}", read, noBody, nil, (*Server).getFile},
	{"PUT", files2, "/artifacts/{path...}", write, 0, nil, (*Server).putFile},
	{"DELETE", files2, "/artifacts/{path...}", write, noBody, nil, (*Server).deleteFile},
	{"POST", files2, "/mpu/create/{folder...}", write, smallBody, nil, (*Server).beginUpload},
	{"PUT", files2, "/mpu/part/{part...}", signed, 0, nil, (*Server).putPart},
	{"POST", files2, "/mpu/complete/{folder...}", write, smallBody, (*Server).completeUpload, nil},
	{"POST", files2, "/mpu/abort/{folder...}", write, smallBody, (*Server).abortUpload, nil},
	{"GET", files2, "/presigned/{path...}", read, noBody, nil, (*Server).signDownload},
	{"GET", files2, "/signed/{path...}", signed, noBody, nil, (*Server).getSigned},

	{"POST", api2, "/logged-models", write, smallBody, (*Server).createLogged, nil},
	{"POST", api2, "/logged-models/search", read, smallBody, (*Server).searchLogged, nil},
	{"GET", api2, "/logged-models/{model_id}", read, noBody, (*Server).getLogged, nil},
	{"PATCH", api2, "/logged-models/{model_id}", write, smallBody, (*Server).finalizeLogged, nil},
	{"DELETE", api2, "/logged-models/{model_id}", write, noBody, (*Server).deleteLogged, nil},
	{"PATCH", api2, "/logged-models/{model_id}/tags", write, smallBody, (*Server).setLoggedTags, nil},
	{"DELETE", api2, "/logged-models/{model_id}/tags/{tag_key}", write, noBody, (*Server).deleteLoggedTag, nil},
	{"POST", api2, "/logged-models/{model_id}/params", write, smallBody, (*Server).logLoggedParams, nil},
	{"GET", api2, "/logged-models/{model_id}/artifacts/directories", read, noBody, (*Server).listLoggedArtifacts, nil},
	{"GET", ajax2, "/logged-models/{model_id}/artifacts/files", read, noBody, nil, (*Server).getLoggedArtifact},

	{"POST", api2, "/registered-models/create", write, smallBody, (*Server).createModel, nil},
	{"POST", api2, "/registered-models/rename", write, smallBody, (*Server).renameModel, nil},
	{"PATCH", api2, "/registered-models/update", write, smallBody, (*Server).updateModel, nil},
	{"DELETE", api2, "/registered-models/delete", write, smallBody, (*Server).deleteModel, nil},
	{"GET", api2, "/registered-models/get", read, noBody, (*Server).getModel, nil},
	{"GET", api2, "/registered-models/search", read, noBody, (*Server).searchModels, nil},
	{"GET", api2, "/registered-models/get-latest-versions", read, noBody, (*Server).latestVersions, nil},
	{"POST", api2, "/registered-models/get-latest-versions", read, smallBody, (*Server).latestVersions, nil},
	{"POST", api2, "/registered-models/set-tag", write, smallBody, (*Server).setModelTag, nil},
	{"DELETE", api2, "/registered-models/delete-tag", write, smallBody, (*Server).deleteModelTag, nil},
	{"POST", api2, "/registered-models/alias", write, smallBody, (*Server).setAlias, nil},
	{"DELETE", api2, "/registered-models/alias", write, smallBody, (*Server).deleteAlias, nil},
	{"GET", api2, "/registered-models/alias", read, noBody, (*Server).getByAlias, nil},

	{"POST", api2, "/model-versions/create", write, smallBody, (*Server).createVersion, nil},
	{"PATCH", api2, "/model-versions/update", write, smallBody, (*Server).updateVersion, nil},
	{"DELETE", api2, "/model-versions/delete", write, smallBody, (*Server).deleteVersion, nil},
	{"GET", api2, "/model-versions/get", read, noBody, (*Server).getVersion, nil},
	{"GET", api2, "/model-versions/search", read, noBody, (*Server).searchVersions, nil},
	{"GET", api2, "/model-versions/get-download-uri", read, noBody, (*Server).downloadURI, nil},
	{"POST", api2, "/model-versions/transition-stage", write, smallBody, (*Server).transitionStage, nil},
	{"POST", api2, "/model-versions/set-tag", write, smallBody, (*Server).setVersionTag, nil},
	{"DELETE", api2, "/model-versions/delete-tag", write, smallBody, (*Server).deleteVersionTag, nil},

	{"POST", own, "/search-runs", read, smallBody, (*Server).uiQuery, nil},
	{"POST", own, "/search-check", read, smallBody, (*Server).uiCheck, nil},
	{"POST", own, "/search-fields", read, smallBody, (*Server).uiFields, nil},
	{"POST", own, "/search-values", read, smallBody, (*Server).uiValues, nil},
	{"POST", own, "/search-series", read, smallBody, (*Server).uiSeries, nil},
	{"GET", own, "/session", read, noBody, (*Server).uiSession, nil},
	{"GET", own, "/may", read, noBody, (*Server).uiMay, nil},
	{"GET", own, "/run-metrics", read, noBody, (*Server).uiMetrics, nil},
	{"GET", own, "/bench-list", read, noBody, (*Server).uiBenchList, nil},
	{"GET", own, "/bench-trend", read, noBody, (*Server).uiBenchTrend, nil},
	{"GET", own, "/bench-compare", read, noBody, (*Server).uiBenchCompare, nil},
	{"GET", own, "/model-history", read, noBody, (*Server).uiHistory, nil},
	{"GET", own, "/model-versions", read, noBody, (*Server).uiVersions, nil},
	{"GET", own, "/model-files", read, noBody, (*Server).uiModelFiles, nil},
	{"GET", own, "/run-models", read, noBody, (*Server).uiRunModels, nil},
	{"GET", own, livePath, read, noBody, nil, (*Server).uiLive},

	{"POST", own, "/lineage", read, smallBody, (*Server).uiLineage, nil},
	{"GET", own, "/lineage-starts", read, noBody, (*Server).uiLineageStarts, nil},
	{"GET", own, "/storage", read, noBody, (*Server).uiStorage, nil},

	{"POST", users2, "/users/create", write, noBody, (*Server).createUser, nil},
	{"GET", users2, "/users/get", read, noBody, (*Server).getUser, nil},
	{"GET", users2, "/users/list", read, noBody, (*Server).listUsers, nil},
	{"GET", users2, "/users/current", read, noBody, (*Server).currentUser, nil},
	{"PATCH", users2, "/users/update-password", write, noBody, (*Server).updatePassword, nil},
	{"PATCH", users2, "/users/update-admin", write, noBody, (*Server).updateAdmin, nil},
	{"DELETE", users2, "/users/delete", write, noBody, (*Server).deleteUser, nil},
	{"GET", users3, "/users/current/permissions", read, noBody, (*Server).currentPermissions, nil},
	{"GET", users3, "/users/permissions/list", read, noBody, (*Server).listPermissions, nil},
	{"GET", users3, "/users/permissions/get", read, noBody, (*Server).checkPermission, nil},
	{"POST", users3, "/users/permissions/grant", write, noBody, (*Server).grantPermission, nil},
	{"POST", users3, "/users/permissions/revoke", write, noBody, (*Server).revokePermission, nil},
	{"POST", users2, "/experiments/permissions/create", write, noBody, grants(access.Experiment).create, nil},
	{"GET", users2, "/experiments/permissions/get", read, noBody, grants(access.Experiment).get, nil},
	{"PATCH", users2, "/experiments/permissions/update", write, noBody, grants(access.Experiment).update, nil},
	{"DELETE", users2, "/experiments/permissions/delete", write, noBody, grants(access.Experiment).remove, nil},
	{"POST", users2, "/registered-models/permissions/create", write, noBody, grants(access.Model).create, nil},
	{"GET", users2, "/registered-models/permissions/get", read, noBody, grants(access.Model).get, nil},
	{"PATCH", users2, "/registered-models/permissions/update", write, noBody, grants(access.Model).update, nil},
	{"DELETE", users2, "/registered-models/permissions/delete", write, noBody, grants(access.Model).remove, nil},

	{"POST", api2, "/webhooks", write, smallBody, (*Server).createHook, nil},
	{"GET", api2, "/webhooks", read, noBody, (*Server).listHooks, nil},
	{"GET", api2, "/webhooks/{webhook_id}", read, noBody, (*Server).getHook, nil},
	{"PATCH", api2, "/webhooks/{webhook_id}", write, smallBody, (*Server).updateHook, nil},
	{"DELETE", api2, "/webhooks/{webhook_id}", write, noBody, (*Server).deleteHook, nil},
	{"POST", api2, "/webhooks/{webhook_id}/test", write, smallBody, (*Server).testHook, nil},

	{"GET", api2, "/traces", read, noBody, (*Server).nothing, nil},
	{"POST", api3, "/traces/search", read, smallBody, (*Server).nothing, nil},
	{"POST", api3, "/traces/metrics", read, smallBody, (*Server).nothing, nil},
	{"POST", api3, "/issues/search", read, smallBody, (*Server).nothing, nil},
	{"POST", api3, "/datasets/search", read, smallBody, (*Server).nothing, nil},
	{"GET", api3, "/scorers/list", read, noBody, (*Server).nothing, nil},
	{"GET", ajax2, "/gateway-proxy", read, noBody, (*Server).noGateway, nil},
	{"GET", api3, "/ui-telemetry", read, noBody, (*Server).noTelemetry, nil},
	{"GET", api3, "/assistant/config", read, noBody, (*Server).noAssistant, nil},
	{"GET", api3, "/assistant/providers", read, noBody, (*Server).noProviders, nil},
}

// prefixes returns what comes before the paths of a mount.
func (m mount) prefixes(static string) []string {
	switch m {
	case api2, users2:
		return []string{"/api/2.0/mlflow", static + "/ajax-api/2.0/mlflow"}
	case api3, users3:
		return []string{"/api/3.0/mlflow", static + "/ajax-api/3.0/mlflow"}
	case ajax2:
		return []string{static + "/ajax-api/2.0/mlflow"}
	case files2:
		return []string{"/api/2.0/mlflow-artifacts", static + "/ajax-api/2.0/mlflow-artifacts"}
	case own:
		return []string{static + "/ajax-api/runstone"}
	}
	return []string{static}
}

// table finds the route of a request.
type table struct {
	exact    map[string][]*route
	patterns []pattern
	rules    map[*route]rule
}

// pattern is a path with parts in braces.
type pattern struct {
	segments []string
	routes   []*route // of all methods
}

type param struct{ name, value string }

func newTable(static string, users bool) *table {
	t := &table{exact: map[string][]*route{}, rules: map[*route]rule{}}
	for i := range routes {
		rt := &routes[i]
		if (rt.mount == users2 || rt.mount == users3) && !users {
			continue
		}
		t.rules[rt] = rules[rt.method+" "+rt.path]
		for _, prefix := range rt.mount.prefixes(static) {
			path := prefix + rt.path
			if !strings.Contains(path, "{") {
				t.exact[path] = append(t.exact[path], rt)
				continue
			}
			segments := strings.Split(path, "/")
			at := slices.IndexFunc(t.patterns, func(p pattern) bool { return slices.Equal(p.segments, segments) })
			if at < 0 {
				at = len(t.patterns)
				t.patterns = append(t.patterns, pattern{segments: segments})
			}
			t.patterns[at].routes = append(t.patterns[at].routes, rt)
		}
	}
	return t
}

// find returns the route for a request, nil when its path takes other methods
// only, and these as allow, "" when there is no such path.
func (t *table) find(r *http.Request) (rt *route, params []param, allow string) {
	path := r.URL.EscapedPath()
	found := t.exact[path]
	for i := 0; found == nil && i < len(t.patterns); i++ {
		if p, ok := t.patterns[i].match(path); ok {
			found, params = t.patterns[i].routes, p
		}
	}
	if found == nil {
		return nil, nil, ""
	}
	methods := []string{"OPTIONS"}
	for _, f := range found {
		methods = append(methods, f.method)
		if f.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		if f.method == r.Method || f.method == http.MethodGet && r.Method == http.MethodHead {
			rt = f
		}
	}
	if rt == nil && r.Method != http.MethodOptions && strings.HasPrefix(found[0].path, "/traces") {
		return nil, nil, "" // what is not there of generative AI is not found
	}
	return rt, params, strings.Join(methods, ", ")
}

// match compares an escaped path with a pattern. What the braces take is
// decoded once.
func (p *pattern) match(path string) ([]param, bool) {
	var params []param
	for i, want := range p.segments {
		if name, ok := strings.CutSuffix(want, "...}"); ok {
			value, err := url.PathUnescape(path)
			return append(params, param{name[1:], value}), err == nil && path != ""
		}
		seg, rest, more := strings.Cut(path, "/")
		if more == (i == len(p.segments)-1) {
			return nil, false
		}
		if strings.HasPrefix(want, "{") {
			value, err := url.PathUnescape(seg)
			if err != nil || value == "" {
				return nil, false
			}
			params = append(params, param{want[1 : len(want)-1], value})
		} else if seg != want {
			return nil, false
		}
		path = rest
	}
	return params, true
}
