package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/webhook"
)

// TestWebhooks makes every change of the registry that webhooks are told of.
func TestWebhooks(t *testing.T) {
	type told struct {
		Entity, Action string
		Data           map[string]any
	}
	got := make(chan told, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m told
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		got <- m
	}))
	defer receiver.Close()
	b := newBench(t, &Options{Webhooks: &webhook.Options{Schemes: []string{"http"}, AllowPrivate: true, Workers: 1}})
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() { b.s.hooks.Run(ctx) })
	defer g.Wait()
	defer cancel()

	hook := b.ok("POST", api+"/webhooks", `{"name": "all", "url": "`+receiver.URL+`", "secret": "hush", "events": [
		{"entity": "REGISTERED_MODEL", "action": "CREATED"}, {"entity": "MODEL_VERSION", "action": "CREATED"},
		{"entity": "MODEL_VERSION_TAG", "action": "SET"}, {"entity": "MODEL_VERSION_TAG", "action": "DELETED"},
		{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}, {"entity": "MODEL_VERSION_ALIAS", "action": "DELETED"},
		{"entity": "PROMPT", "action": "CREATED"}, {"entity": "PROMPT_VERSION", "action": "CREATED"},
		{"entity": "PROMPT_TAG", "action": "SET"}, {"entity": "PROMPT_TAG", "action": "DELETED"},
		{"entity": "PROMPT_VERSION_TAG", "action": "SET"}, {"entity": "PROMPT_ALIAS", "action": "CREATED"}]}`)["webhook"].(map[string]any)
	require.Equal(t, "ACTIVE", hook["status"])
	require.NotContains(t, hook, "secret")

	run := b.run()
	b.put("0/"+run+"/artifacts/m/MLmodel", "x")
	source := "mlflow-artifacts:/0/" + run + "/artifacts/m"
	const prompt = `"tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "mlflow.prompt.text", "value": "Hi"}, {"key": "k", "value": "v"}]`
	for _, c := range []struct {
		method, path, body string
		want               string // entity.action, "" for nothing
		data               string
	}{
		{"POST", "/registered-models/create", `{"name": "m", "tags": [{"key": "a", "value": "b"}], "description": "d"}`, "registered_model.created", `{"name": "m", "tags": {"a": "b"}, "description": "d"}`},
		{"POST", "/registered-models/create", `{"name": "p", ` + prompt + `}`, "prompt.created", `{"name": "p", "tags": {"k": "v", "mlflow.prompt.text": "Hi"}, "description": ""}`},
		{"POST", "/model-versions/create", `{"name": "m", "source": "` + source + `", "run_id": "` + run + `"}`, "model_version.created", `{"name": "m", "version": "1", "source": "` + source + `", "run_id": "` + run + `", "tags": {}, "description": null}`},
		{"POST", "/model-versions/create", `{"name": "p", "source": "dummy-source", ` + prompt + `}`, "prompt_version.created", `{"name": "p", "version": "1", "template": "Hi", "tags": {"k": "v"}, "description": null}`},
		{"POST", "/registered-models/set-tag", `{"name": "m", "key": "k", "value": "v"}`, "", ""},
		{"POST", "/registered-models/set-tag", `{"name": "p", "key": "k2", "value": "v"}`, "prompt_tag.set", `{"name": "p", "key": "k2", "value": "v"}`},
		{"DELETE", "/registered-models/delete-tag", `{"name": "p", "key": "k2"}`, "prompt_tag.deleted", `{"name": "p", "key": "k2"}`},
		{"POST", "/model-versions/set-tag", `{"name": "m", "version": "1", "key": "k", "value": "v"}`, "model_version_tag.set", `{"name": "m", "version": "1", "key": "k", "value": "v"}`},
		{"POST", "/model-versions/set-tag", `{"name": "p", "version": "1", "key": "k", "value": "v"}`, "prompt_version_tag.set", `{"name": "p", "version": "1", "key": "k", "value": "v"}`},
		{"DELETE", "/model-versions/delete-tag", `{"name": "m", "version": "1", "key": "k"}`, "model_version_tag.deleted", `{"name": "m", "version": "1", "key": "k"}`},
		{"POST", "/registered-models/alias", `{"name": "m", "alias": "a", "version": "1"}`, "model_version_alias.created", `{"name": "m", "alias": "a", "version": "1"}`},
		{"POST", "/registered-models/alias", `{"name": "p", "alias": "a", "version": "1"}`, "prompt_alias.created", `{"name": "p", "alias": "a", "version": "1"}`},
		{"DELETE", "/registered-models/alias", `{"name": "m", "alias": "a"}`, "model_version_alias.deleted", `{"name": "m", "alias": "a"}`},
	} {
		b.ok(c.method, api+c.path, c.body)
		if c.want == "" {
			continue
		}
		select {
		case m := <-got:
			require.Equal(t, c.want, m.Entity+"."+m.Action)
			data, err := json.Marshal(m.Data)
			require.NoError(t, err)
			require.JSONEq(t, c.data, string(data))
		case <-time.After(20 * time.Second):
			t.Fatal("nothing came of", c.path)
		}
	}
	// What fails changes nothing, and nobody is told.
	b.refused("POST", api+"/registered-models/create", `{"name": "m"}`, 400, "RESOURCE_ALREADY_EXISTS", "exists")
	id := hook["webhook_id"].(string)
	result := b.ok("POST", api+"/webhooks/"+id+"/test", `{"event": {"entity": "MODEL_VERSION", "action": "CREATED"}}`)["result"]
	require.Equal(t, map[string]any{"success": true, "response_status": 200.0}, result)
	require.Equal(t, "model_version", (<-got).Entity)

	up := b.ok("PATCH", api+"/webhooks/"+id, `{"status": "DISABLED", "name": "new", "description": "d", "events": [{"entity": "PROMPT", "action": "CREATED"}]}`)["webhook"].(map[string]any)
	require.Equal(t, []any{"new", "DISABLED", "d", []any{map[string]any{"entity": "PROMPT", "action": "CREATED"}}}, []any{up["name"], up["status"], up["description"], up["events"]})
	require.False(t, b.s.hooks.Active())
	b.ok("POST", api+"/registered-models/create", `{"name": "p2", `+prompt+`}`)
	require.Empty(t, got)
}

func TestWebhookRequests(t *testing.T) {
	b := newBench(t, &Options{Webhooks: &webhook.Options{Resolve: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
	}}})
	const events = `"events": [{"entity": "PROMPT", "action": "CREATED"}]`
	for body, message := range map[string]string{
		`{"url": "https://x.example", ` + events + `}`:                                                 "'name'",
		`{"name": "n", ` + events + `}`:                                                                "'url'",
		`{"name": "n", "url": "https://x.example"}`:                                                    "'events'",
		`{"name": "n", "url": "https://x.example", "events": []}`:                                      "'events'",
		`{"name": "n", "url": "https://x.example", "events": "x"}`:                                     "'events'",
		`{"name": "n", "url": "https://x.example", "events": [{"entity": "PROMPT", "action": "SET"}]}`: "Invalid action 'set' for entity 'prompt'. Valid actions are: ['created']",
		`{"name": "n", "url": "http://x.example", ` + events + `}`:                                     "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.",
		`{"name": "n", "url": "https://169.254.169.254/latest", ` + events + `}`:                       "non-public IP address",
		`{"name": "!", "url": "https://x.example", ` + events + `}`:                                    "Webhook name '!' is invalid",
	} {
		b.refused("POST", api+"/webhooks", body, 400, "INVALID_PARAMETER_VALUE", message)
	}
	for i, name := range []string{"a", "b", "c"} {
		w := b.ok("POST", api+"/webhooks", `{"name": "`+name+`", "url": "https://x.example", `+events+`}`)["webhook"].(map[string]any)
		if i == 2 {
			require.Equal(t, w, b.ok("GET", api+"/webhooks/"+w["webhook_id"].(string), "")["webhook"])
			b.ok("DELETE", api+"/webhooks/"+w["webhook_id"].(string), "")
			b.refused("GET", api+"/webhooks/"+w["webhook_id"].(string), "", 404, "RESOURCE_DOES_NOT_EXIST", "not found.")
		}
	}
	page := b.ok("GET", api+"/webhooks?max_results=1", "")
	require.Equal(t, "b", page["webhooks"].([]any)[0].(map[string]any)["name"])
	page = b.ok("GET", api+"/webhooks?max_results=1&page_token="+page["next_page_token"].(string), "")
	require.Equal(t, "a", page["webhooks"].([]any)[0].(map[string]any)["name"])
	require.NotContains(t, page, "next_page_token")
	b.refused("GET", api+"/webhooks?max_results=1001", "", 400, "INVALID_PARAMETER_VALUE", "between 1 and 1000")
}
