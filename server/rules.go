package server

import "github.com/runstonedb/runstone/access"

// subject is what a request concerns, found in its arguments.
type subject uint8

// The zero subject is nothing: a route that has it is for administrators, and a
// test fails on it.
const (
	everybody    subject = iota + 1 // needs no user
	anyUser                         // the handler shows and does what its user may
	onlyAdmin                       // administrators
	self                            // the user that "username" names
	experiment                      // "experiment_id"
	namedExp                        // "experiment_name"
	experiments                     // each of "experiment_ids"
	runOf                           // "run_id" or "run_uuid"
	runUUID                         // "run_uuid" alone
	runsOf                          // each of "run_id"
	runIDsOf                        // each of "run_ids"
	sourceRun                       // "source_run_id", where there is one
	runOrLogged                     // "run_id" or "model_id", one of them
	logged                          // "model_id", a logged model
	model                           // "name", a registered model
	newModel                        // "name", which nobody has yet
	renamedModel                    // "new_name"
	versionFiles                    // "source", "run_id" and "model_id" of a new version
	file                            // "path", a file or folder below the artifact root
	folderOf                        // "folder", where a file is put in parts
	location                        // "artifact_location" of a new experiment
	granted                         // "resource_type" and "resource_id"
)

// need is one thing that a user must be allowed.
type need struct {
	of    subject
	level access.Level
}

// rule is all that a user needs to use a route.
type rule []need

// Levels of the rules, with the names of package access.
const (
	toRead   = access.Read
	toEdit   = access.Edit
	toManage = access.Manage
)

func needs(of subject, level access.Level, more ...need) rule {
	return append(rule{{of, level}}, more...)
}

// rules are who may use each route where there are users: by method and path of
// the table of routes. A route that is not here is for administrators, and a
// test fails. What a handler of anyUser does is its own to check, by seesRun and
// its like.
var rules = map[string]rule{
	"GET /":                 needs(anyUser, 0),
	"GET /assets/{path...}": needs(everybody, 0),
	"GET /health":           needs(everybody, 0),
	"GET /version":          needs(everybody, 0),
	"GET /server-info":      needs(everybody, 0),
	"GET /metrics":          needs(anyUser, 0), // numbers of requests and bytes, of nobody in particular
	"GET ":                  needs(anyUser, 0),

	"GET /static-files/{path...}": needs(anyUser, 0),
	"GET /graphql":                needs(anyUser, 0), // each field is checked as its route
	"POST /graphql":               needs(anyUser, 0),

	"POST /experiments/create":                needs(anyUser, 0, need{location, toEdit}),
	"GET /experiments/get":                    needs(experiment, toRead),
	"GET /experiments/get-by-name":            needs(namedExp, toRead),
	"GET /experiments/search":                 needs(anyUser, 0),
	"POST /experiments/search":                needs(anyUser, 0),
	"POST /experiments/delete":                needs(experiment, toManage),
	"POST /experiments/restore":               needs(experiment, toManage),
	"POST /experiments/update":                needs(experiment, toEdit),
	"POST /experiments/set-experiment-tag":    needs(experiment, toEdit),
	"POST /experiments/delete-experiment-tag": needs(experiment, toEdit),
	"POST /experiments/search-datasets":       needs(experiments, toRead),

	"POST /runs/create":        needs(experiment, toEdit),
	"GET /runs/get":            needs(runOf, toRead),
	"POST /runs/update":        needs(runOf, toEdit),
	"POST /runs/delete":        needs(runOf, toManage),
	"POST /runs/restore":       needs(runOf, toManage),
	"POST /runs/search":        needs(anyUser, 0),
	"POST /runs/log-metric":    needs(runOf, toEdit),
	"POST /runs/log-parameter": needs(runOf, toEdit),
	"POST /runs/log-batch":     needs(runOf, toEdit),
	"POST /runs/set-tag":       needs(runOf, toEdit),
	"POST /runs/delete-tag":    needs(runOf, toEdit),
	"POST /runs/log-model":     needs(runOf, toEdit),
	"POST /runs/log-inputs":    needs(runOf, toEdit),
	"POST /runs/outputs":       needs(runOf, toEdit),

	"GET /metrics/get-history":               needs(runOf, toRead),
	"GET /metrics/get-history-bulk-interval": needs(runIDsOf, toRead),
	"GET /metrics/get-history-bulk":          needs(runsOf, toRead),

	"GET /artifacts/list":   needs(runOf, toRead),
	"POST /upload-artifact": needs(runUUID, toEdit),

	"POST /artifacts/presigned-upload-url":   needs(runOrLogged, toEdit),
	"POST /artifacts/presigned-download-url": needs(runOf, toRead),

	"GET /get-artifact":                needs(runOf, toRead),
	"GET /model-versions/get-artifact": needs(model, toRead),
	"GET /artifacts":                   needs(file, toRead),
	"GET /artifacts/{path...}":         needs(file, toRead),
	"PUT /artifacts/{path...}":         needs(file, toEdit),
	"DELETE /artifacts/{path...}":      needs(file, toManage),
	"POST /mpu/create/{folder...}":     needs(folderOf, toEdit),
	"POST /mpu/complete/{folder...}":   needs(folderOf, toEdit),
	"POST /mpu/abort/{folder...}":      needs(folderOf, toEdit),
	"PUT /mpu/part/{part...}":          needs(everybody, 0), // whom the URL was given to
	"GET /signed/{path...}":            needs(everybody, 0),
	"GET /presigned/{path...}":         needs(file, toRead),

	"POST /logged-models":                                 needs(experiment, toEdit, need{sourceRun, toRead}),
	"POST /logged-models/search":                          needs(anyUser, 0),
	"GET /logged-models/{model_id}":                       needs(logged, toRead),
	"PATCH /logged-models/{model_id}":                     needs(logged, toEdit),
	"DELETE /logged-models/{model_id}":                    needs(logged, toManage),
	"PATCH /logged-models/{model_id}/tags":                needs(logged, toEdit),
	"DELETE /logged-models/{model_id}/tags/{tag_key}":     needs(logged, toManage),
	"POST /logged-models/{model_id}/params":               needs(logged, toEdit),
	"GET /logged-models/{model_id}/artifacts/directories": needs(logged, toRead),
	"GET /logged-models/{model_id}/artifacts/files":       needs(logged, toRead),

	"POST /registered-models/create":              needs(newModel, 0),
	"POST /registered-models/rename":              needs(model, toEdit, need{renamedModel, 0}),
	"PATCH /registered-models/update":             needs(model, toEdit),
	"DELETE /registered-models/delete":            needs(model, toManage),
	"GET /registered-models/get":                  needs(model, toRead),
	"GET /registered-models/search":               needs(anyUser, 0),
	"GET /registered-models/get-latest-versions":  needs(model, toRead),
	"POST /registered-models/get-latest-versions": needs(model, toRead),
	"POST /registered-models/set-tag":             needs(model, toEdit),
	"DELETE /registered-models/delete-tag":        needs(model, toEdit),
	"POST /registered-models/alias":               needs(model, toEdit),
	"DELETE /registered-models/alias":             needs(model, toManage),
	"GET /registered-models/alias":                needs(model, toRead),

	"POST /webhooks":                   needs(onlyAdmin, 0),
	"GET /webhooks":                    needs(onlyAdmin, 0),
	"GET /webhooks/{webhook_id}":       needs(onlyAdmin, 0),
	"PATCH /webhooks/{webhook_id}":     needs(onlyAdmin, 0),
	"DELETE /webhooks/{webhook_id}":    needs(onlyAdmin, 0),
	"POST /webhooks/{webhook_id}/test": needs(onlyAdmin, 0),

	"POST /model-versions/create":           needs(model, toEdit, need{versionFiles, toRead}),
	"PATCH /model-versions/update":          needs(model, toEdit),
	"DELETE /model-versions/delete":         needs(model, toManage),
	"GET /model-versions/get":               needs(model, toRead),
	"GET /model-versions/search":            needs(anyUser, 0),
	"GET /model-versions/get-download-uri":  needs(model, toRead),
	"POST /model-versions/transition-stage": needs(model, toEdit),
	"POST /model-versions/set-tag":          needs(model, toEdit),
	"DELETE /model-versions/delete-tag":     needs(model, toManage),

	"GET /session":        needs(anyUser, 0),
	"GET /may":            needs(anyUser, 0), // tells users of their own levels, of nothing whether it is there
	"POST /search-runs":   needs(experiments, toRead),
	"POST /search-check":  needs(experiments, toRead),
	"POST /search-fields": needs(experiments, toRead),
	"POST /search-values": needs(experiments, toRead),
	"POST /search-series": needs(runIDsOf, toRead),
	"GET /run-metrics":    needs(runOf, toRead),
	"GET /bench-list":     needs(experiment, toRead),
	"GET /bench-trend":    needs(experiment, toRead),
	"GET /bench-compare":  needs(experiment, toRead),
	"GET /model-history":  needs(model, toRead),
	"GET /model-versions": needs(model, toRead), // of runs that the user may not read only the ids
	"GET /model-files":    needs(model, toRead),
	"GET /run-models":     needs(runOf, toRead),
	"GET /live":           needs(experiments, toRead, need{runIDsOf, toRead}),

	"POST /lineage":       needs(anyUser, 0), // a node is shown to who may read it
	"GET /lineage-starts": needs(anyUser, 0),
	"GET /storage":        needs(onlyAdmin, 0),

	"POST /users/create":           needs(onlyAdmin, 0),
	"GET /users/get":               needs(self, 0),
	"GET /users/list":              needs(anyUser, 0),
	"GET /users/current":           needs(anyUser, 0),
	"PATCH /users/update-password": needs(self, 0),
	"PATCH /users/update-admin":    needs(onlyAdmin, 0),
	"DELETE /users/delete":         needs(onlyAdmin, 0),

	"GET /users/current/permissions": needs(anyUser, 0),
	"GET /users/permissions/list":    needs(self, 0),
	"GET /users/permissions/get":     needs(self, 0),
	"POST /users/permissions/grant":  needs(granted, toManage),
	"POST /users/permissions/revoke": needs(granted, toManage),

	"POST /experiments/permissions/create":         needs(experiment, toManage),
	"GET /experiments/permissions/get":             needs(experiment, toManage),
	"PATCH /experiments/permissions/update":        needs(experiment, toManage),
	"DELETE /experiments/permissions/delete":       needs(experiment, toManage),
	"POST /registered-models/permissions/create":   needs(model, toManage),
	"GET /registered-models/permissions/get":       needs(model, toManage),
	"PATCH /registered-models/permissions/update":  needs(model, toManage),
	"DELETE /registered-models/permissions/delete": needs(model, toManage),

	"GET /traces":              needs(anyUser, 0),
	"POST /traces/search":      needs(anyUser, 0),
	"POST /traces/metrics":     needs(anyUser, 0),
	"POST /issues/search":      needs(anyUser, 0),
	"POST /datasets/search":    needs(anyUser, 0),
	"GET /scorers/list":        needs(anyUser, 0),
	"GET /gateway-proxy":       needs(anyUser, 0),
	"GET /ui-telemetry":        needs(anyUser, 0),
	"GET /assistant/config":    needs(anyUser, 0),
	"GET /assistant/providers": needs(anyUser, 0),
}

// open reports whether a route needs no user.
func (t *table) open(rt *route) bool {
	return rt != nil && len(t.rules[rt]) == 1 && t.rules[rt][0].of == everybody
}
