package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// secret is in every name and value of what one user has and another may not read.
const secret = "qqsecret"

// TestUISecrets: none of the web UI's routes tells a user names, values or counts of
// what the user may not read, whatever is asked.
func TestUISecrets(t *testing.T) {
	g := newGuarded(t)
	mine, theirs := g.things(1), g.things(2)
	ctx := t.Context()
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: mine.experiment, Level: access.Manage}))
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Model, ID: mine.model, Level: access.Manage}))
	hidden, _ := g.ancestry(theirs.experiment, secret+"-rows", secret+"-model")
	require.NoError(t, g.db.LogBatch(ctx, hidden, runstone.Batch{
		Metrics: []runstone.Metric{{Name: secret + "_metric", Value: 7777, Step: 1, Time: 1}, {Name: "shared", Value: 7777, Step: 1, Time: 1}},
		Params:  []runstone.KV{{Key: secret + "_param", Value: secret}}, Tags: []runstone.KV{{Key: secret + "_tag", Value: secret}},
	}))
	r := benchTexts(1)[0]
	g.logBench("", strings.ReplaceAll(strings.ReplaceAll(r, "Step", secret), "Flat", "B"+secret))
	// What eve has points at what eve may not read.
	require.NoError(t, g.db.LogBatch(ctx, mine.run, runstone.Batch{
		Metrics: []runstone.Metric{{Name: "shared", Value: 1, Step: 1, Time: 1}}, Tags: []runstone.KV{{Key: "mlflow.parentRunId", Value: hidden}},
	}))
	require.NoError(t, g.db.Update(ctx, func(tx *store.Tx) error {
		_, err := lineage.CreateVersion(tx, lineage.Author{At: 1}, mine.model, lineage.NewVersion{Source: "runs:/" + hidden + "/m", RunID: hidden})
		return err
	}))
	scope := fmt.Sprintf(`"experiment_ids": [%q]`, mine.experiment)
	posts := map[string][]string{
		"/search-runs": {}, "/search-check": {}, "/search-fields": {scope, scope + `, "match": "qq"`, scope + `, "varying": true, "entities": ["metrics", "params", "tags"]`}, "/search-values": {},
		"/lineage": {
			fmt.Sprintf(`"kind": "run", "id": [%q]`, mine.run), fmt.Sprintf(`"kind": "version", "id": [%q, "2"]`, mine.model), fmt.Sprintf(`"kind": "run", "id": [%q]`, hidden),
			`"kind": "version", "id": ["` + secret[:2] + `-model", "1"]`, fmt.Sprintf(`"kind": "dataset", "id": [%q, "rows", "d1"]`, theirs.experiment),
		},
		"/search-series": {fmt.Sprintf(`"run_ids": [%q], "metric_keys": ["shared"], "x_metric": "qqsecre_metric"`, mine.run)},
	}
	for _, q := range []string{
		"metrics.qqsecre_metric > 1", "params.qqsecret_para = 'x'", "tags.qqsecret_ta = 'x'", "parent.metrics.qqsecret_metri > 1", "ANY child(params.qqsecret_para = 'x')", "status = 'RUNING'",
		"SELECT parent.run_id", "GROUP BY tags.mlflow.source.name SELECT count()", "DERIVED FROM model('qqsecre-model', '1')", "metrics.shared > 5000", "",
	} {
		text, err := json.Marshal(q)
		require.NoError(t, err)
		for _, more := range []string{"", `, "explain": true, "total": true`, `, "top_only": true`, `, "parent_id": "` + hidden + `"`, `, "columns": ["metrics.qqsecre_metric", "tags.qq"]`, fmt.Sprintf(`, "offset": %d`, listFrom)} {
			body := scope + `, "query": ` + string(text) + more
			posts["/search-runs"], posts["/search-check"] = append(posts["/search-runs"], body), append(posts["/search-check"], body)
		}
	}
	for _, field := range []string{"params.qqsecret_param", "tags.qqsecret_tag", "run_name", "parent.params.qqsecret_param"} {
		posts["/search-values"] = append(posts["/search-values"], scope+fmt.Sprintf(`, "field": %q, "match": "q"`, field))
	}
	gets := map[string][]url.Values{
		"/session": {{}}, "/may": {{"experiment_ids": {mine.experiment, "12345"}}, {"name": {mine.model}}, {"name": {secret + "-model"}}}, "/lineage-starts": {{}}, "/run-metrics": {{"run_id": {mine.run}}}, "/run-models": {{"run_id": {mine.run}}},
		"/bench-list": {{"experiment_id": {mine.experiment}}}, "/bench-trend": {{"experiment_id": {mine.experiment}, "name": {"B"}, "unit": {"ns/op"}, "machine": {"m"}}},
		"/model-history": {{"name": {mine.model}}}, "/model-versions": {{"name": {mine.model}, "metrics": {"shared", secret + "_metric"}}}, "/model-files": {{"name": {mine.model}, "version": {"1"}}},
	}
	for _, spec := range []string{"latest", hidden, hidden[:6], "before:" + hidden, "tag:" + secret + "_tag=" + secret, "branch:main", "0000000"} {
		gets["/bench-compare"] = append(gets["/bench-compare"], url.Values{"experiment_id": {mine.experiment}, "a": {spec}, "b": {"latest"}})
	}
	asked := map[string]bool{}
	tells := func(user, method, path, body string) bool {
		code, text := g.as(user, method, uiAPI+path, body)
		require.Less(t, code, 500, "%s %s", path, body)
		if user == "eve" {
			asked[method+" "+strings.Split(path, "?")[0]] = true
			text = strings.ReplaceAll(text, secret+"_metric\":", "") // what was asked for
			for _, word := range []string{secret, "7777"} {
				require.False(t, strings.Contains(text, word) && !strings.Contains(path+body, word), "%s %s tells of %s: %s", path, body, word, text)
			}
		}
		return strings.Contains(text, secret)
	}
	told := 0
	for path, bodies := range posts {
		for _, body := range bodies {
			tells("eve", "POST", path, "{"+body+"}")
			if tells("reader", "POST", path, "{"+body+"}") {
				told++
			}
		}
	}
	for path, queries := range gets {
		for _, q := range queries {
			tells("eve", "GET", path+"?"+q.Encode(), "")
		}
	}
	require.Positive(t, told, "the same asked by who may read it")
	for i := range routes {
		if rt := &routes[i]; rt.mount == own && rt.path != livePath && rt.path != "/storage" {
			require.True(t, asked[rt.method+" "+rt.path], "%s: not asked", rt.path)
		}
	}
	// Rights that were taken away hold at once, kept lists and results or not.
	require.NoError(t, g.users.Revoke("eve", access.Experiment, mine.experiment))
	g.want(http.StatusForbidden, "eve", "POST", uiAPI+"/search-runs", fmt.Sprintf(`{%s, "offset": %d}`, scope, listFrom))
	g.want(http.StatusForbidden, "eve", "GET", uiAPI+"/bench-list?experiment_id="+mine.experiment, "")
}

// TestListKeys: no two searches share a list, whatever stands in their texts.
func TestListKeys(t *testing.T) {
	q := &tree.Query{Domain: tree.Runs}
	ask := func(experiments, order []string) string {
		return listKey(q, &runstone.SearchOptions{Experiments: experiments, OrderBy: order})
	}
	keys := map[string]bool{}
	for _, experiments := range [][]string{{"1"}, {"1", "2"}, {"1\x002"}, {"1 2"}, {`1" "2`}, {"1\x012"}, {}} {
		for _, order := range [][]string{nil, {"a"}, {"a", "b"}, {"a\x00b"}, {`a" "b`}} {
			key := ask(experiments, order)
			require.False(t, keys[key], "%q %q", experiments, order)
			keys[key] = true
		}
	}
}

// TestListenersAreAskedAgain: who listens hears nothing more once rights change, and
// has to come again.
func TestListenersAreAskedAgain(t *testing.T) {
	g := newGuarded(t)
	th := g.things(1)
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: th.experiment, Level: access.Read}))
	ctx, leave := context.WithTimeout(t.Context(), 30*time.Second)
	defer leave()
	listen := func() *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:5000"+uiAPI+livePath+"?experiment_ids="+th.experiment, nil)
		r.Header.Set("Authorization", "Bearer "+g.tokens["eve"])
		w := httptest.NewRecorder()
		g.s.ServeHTTP(w, r)
		return w
	}
	ended := make(chan int)
	go func() { ended <- listen().Code }()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, g.users.Revoke("eve", access.Experiment, th.experiment))
	require.Equal(t, http.StatusOK, <-ended)
	require.NoError(t, ctx.Err(), "the listener was let go")
	require.Equal(t, http.StatusForbidden, listen().Code)
}

// TestModelsOfOthers: who may not read a registered model does not hear of it by its
// runs, nor of values in other experiments by how a search was made.
func TestModelsOfOthers(t *testing.T) {
	g := newGuarded(t)
	mine, theirs := g.things(1), g.things(2)
	ctx := t.Context()
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: mine.experiment, Level: access.Read}))
	require.NoError(t, g.db.Update(ctx, func(tx *store.Tx) error {
		_, err := lineage.CreateVersion(tx, lineage.Author{At: 1}, theirs.model, lineage.NewVersion{Source: "runs:/" + mine.run + "/m", RunID: mine.run})
		return err
	}))
	require.NoError(t, g.db.LogBatch(ctx, theirs.run, runstone.Batch{Metrics: []runstone.Metric{{Name: "acc", Value: 0.98765, Step: 1, Time: 1}}}))
	require.NoError(t, g.db.Fold(ctx))
	search := func(user, more string) (int, string) {
		return g.as(user, "POST", uiAPI+"/search-runs", fmt.Sprintf(`{"experiment_ids": [%q]%s}`, mine.experiment, more))
	}
	rest := func(user, more string) (int, string) {
		return g.as(user, "POST", api+"/runs/search", fmt.Sprintf(`{"experiment_ids": [%q]%s}`, mine.experiment, more))
	}
	text := func(q string) string {
		b, err := json.Marshal(q)
		require.NoError(t, err)
		return string(b)
	}
	for _, q := range []string{
		"SELECT run_id, model.name", "GROUP BY model.name SELECT count()", "model.name = 'x'", "model.stage = 'None'", "NOT (metrics.lr = 1 AND model.stage = 'None')",
		"UPSTREAM OF model('" + theirs.model + "')", "UPSTREAM OF model('nobody')",
	} {
		code, answer := search("eve", `, "query": `+text(q))
		require.Equal(t, 403, code, "%s: %s", q, answer)
		require.NotContains(t, answer, theirs.model)
		code, answer = search("admin", `, "query": `+text(q))
		require.Equal(t, 200, code, "%s: %s", q, answer)
		if !strings.HasPrefix(q, "SELECT") && !strings.HasPrefix(q, "GROUP") {
			code, _ = rest("eve", `, "filter": `+text(q))
			require.Equal(t, 403, code, q)
			code, answer = rest("admin", `, "filter": `+text(q))
			require.Equal(t, 200, code, "%s: %s", q, answer)
		}
	}
	code, _ := search("eve", `, "columns": ["model.name"]`)
	require.Equal(t, 403, code)
	code, _ = g.as("eve", "POST", uiAPI+"/search-values", fmt.Sprintf(`{"experiment_ids": [%q], "field": "model.name"}`, mine.experiment))
	require.Equal(t, 403, code)

	for _, q := range []string{"metrics.acc > 0.9876", "metrics.acc > 0.9877"} {
		code, answer := search("eve", `, "explain": true, "query": `+text(q))
		require.Equal(t, 200, code)
		require.NotContains(t, answer, "explain", q)
		_, answer = search("admin", `, "explain": true, "query": `+text(q))
		require.Contains(t, answer, `"explained"`, q)
	}
}

// TestSignedShare: signed URLs, which name no user, have one share of the places.
func TestSignedShare(t *testing.T) {
	g := newGuarded(t)
	ctx, cancel := context.WithCancel(t.Context())
	var leave []func()
	for range maxUploads / 2 {
		f, err := g.s.enter(ctx, g.s.uploads)
		require.NoError(t, err)
		leave = append(leave, f)
	}
	cancel()
	_, err := g.s.enter(ctx, g.s.uploads)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, g.s.uploads, maxUploads/2)
	require.Len(t, g.s.shares.of, 1)
	for _, f := range leave {
		f()
	}
	require.Empty(t, g.s.uploads)
	require.Empty(t, g.s.shares.of)
}
