package server

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
	"github.com/runstonedb/runstone/webhook"
)

type wireEvent struct {
	Entity string `json:"entity"`
	Action string `json:"action"`
}

// wireHook is a webhook as clients see it: its secret is never shown.
type wireHook struct {
	ID          string      `json:"webhook_id"`
	Name        string      `json:"name"`
	URL         string      `json:"url"`
	Events      []wireEvent `json:"events"`
	Description string      `json:"description,omitempty"`
	Status      string      `json:"status"`
	Created     int64       `json:"creation_timestamp"`
	Updated     int64       `json:"last_updated_timestamp"`
}

type hookAnswer struct {
	Hook wireHook `json:"webhook"`
}

func newWireHook(w *webhook.Webhook) wireHook {
	out := wireHook{
		ID: w.ID, Name: w.Name, URL: w.URL, Description: w.Description, Status: "ACTIVE",
		Created: w.Created, Updated: w.Updated,
	}
	if w.Disabled {
		out.Status = "DISABLED"
	}
	for _, e := range w.Events {
		out.Events = append(out.Events, wireEvent{strings.ToUpper(e.Entity), strings.ToUpper(e.Action)})
	}
	return out
}

// enumNames returns names as protobuf has them, after the value for none.
func enumNames(none string, names []string) []string {
	out := []string{none}
	for _, n := range names {
		out = append(out, strings.ToUpper(n))
	}
	return out
}

// event reads a webhook's event.
func (a *args) event() webhook.Event {
	e := webhook.Event{
		Entity: strings.ToLower(a.enum("entity", enumNames("ENTITY_UNSPECIFIED", webhook.Entities())...)),
		Action: strings.ToLower(a.enum("action", enumNames("ACTION_UNSPECIFIED", webhook.Actions())...)),
	}
	if err := e.Check(); err != nil {
		a.fail(err)
	}
	return e
}

func (a *args) events() (list []webhook.Event) {
	for _, e := range a.objects("events") {
		list = append(list, e.event())
	}
	return list
}

func (a *args) disabled() bool {
	return a.enum("status", "", "ACTIVE", "DISABLED") == "DISABLED"
}

func (s *Server) createHook(ctx context.Context, a args) (any, error) {
	w := webhook.Webhook{Name: a.need("name"), URL: a.need("url")}
	if len(a.items("events")) == 0 {
		a.missing("events")
	}
	w.Events, w.Description, w.Secret, w.Disabled = a.events(), a.str("description"), a.str("secret"), a.disabled()
	if err := a.done(); err != nil {
		return nil, err
	}
	w, err := s.hooks.Create(ctx, w)
	if err != nil {
		return nil, err
	}
	return hookAnswer{newWireHook(&w)}, nil
}

func (s *Server) listHooks(_ context.Context, a args) (any, error) {
	n, offset := a.int("max_results", 0), a.offset()
	if n == 0 {
		n = 100
	}
	if n < 1 || n > 1000 {
		a.fail(badRequest("max_results must be between 1 and 1000."))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	answer := struct {
		Hooks []wireHook `json:"webhooks,omitempty"`
		Next  string     `json:"next_page_token,omitempty"`
	}{}
	list := s.hooks.List()
	list = list[min(max(offset, 0), len(list)):]
	more := len(list) > int(n)
	for _, w := range list[:min(int(n), len(list))] {
		answer.Hooks = append(answer.Hooks, newWireHook(&w))
	}
	answer.Next = nextToken(offset+int(n), more)
	return answer, nil
}

// noHook says in MLflow's words that there is no such webhook; other errors it
// leaves as they are.
func noHook(id string, err error) error {
	if errors.Is(err, webhook.ErrNotFound) {
		return missingThing("Webhook with ID %s not found.", cutEcho(id))
	}
	return err
}

func (s *Server) getHook(_ context.Context, a args) (any, error) {
	id := a.need("webhook_id")
	w, err := s.hooks.Get(id)
	if err != nil {
		return nil, noHook(id, err)
	}
	return hookAnswer{newWireHook(&w)}, nil
}

func (s *Server) updateHook(ctx context.Context, a args) (any, error) {
	id, name, url, events := a.need("webhook_id"), a.str("name"), a.str("url"), a.events()
	description, secret, disabled := a.str("description"), a.str("secret"), a.disabled()
	if err := a.done(); err != nil {
		return nil, err
	}
	w, err := s.hooks.Update(ctx, id, func(w *webhook.Webhook) {
		if name != "" {
			w.Name = name
		}
		if url != "" {
			w.URL = url
		}
		if len(events) > 0 {
			w.Events = events
		}
		if a.has("description") {
			w.Description = description
		}
		if a.has("secret") {
			w.Secret = secret
		}
		if a.has("status") {
			w.Disabled = disabled
		}
	})
	if err != nil {
		return nil, noHook(id, err)
	}
	return hookAnswer{newWireHook(&w)}, nil
}

func (s *Server) deleteHook(_ context.Context, a args) (any, error) {
	id := a.need("webhook_id")
	if err := s.hooks.Delete(id); err != nil {
		return nil, noHook(id, err)
	}
	return empty{}, nil
}

// testHook has no body of the other side in its answer: whoever may test a
// webhook could read with it what only this machine reaches.
func (s *Server) testHook(ctx context.Context, a args) (any, error) {
	id := a.need("webhook_id")
	var e webhook.Event
	if a.has("event") {
		part := a.object("event")
		e = part.event()
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	r, err := s.hooks.Test(ctx, id, e)
	if err != nil {
		return nil, noHook(id, err)
	}
	type result struct {
		OK     bool   `json:"success"`
		Status int    `json:"response_status,omitempty"`
		Error  string `json:"error_message,omitempty"`
	}
	return map[string]result{"result": {r.OK, r.Status, r.Error}}, nil
}

// Tags of prompts, which are registered models. Webhooks tell of them by other
// names and without these tags.
const (
	tagIsPrompt   = "mlflow.prompt.is_prompt"
	tagPromptType = "_mlflow_prompt_type"
	tagPromptText = "mlflow.prompt.text"
)

// fire tells the webhooks what a request has changed in the registry. What
// other programs change in the database fires nothing.
func (s *Server) fire(ctx context.Context, rt *route, a *args, answer any) {
	if !s.hooks.Active() {
		return
	}
	name, key := a.str("name"), a.str("key")
	named := func(fields ...string) webhook.Payload {
		p := webhook.Payload{"name": name}
		for _, f := range fields {
			p[f] = a.text(f)
		}
		return p
	}
	prompt := false
	one := func(entity, prompts, action string, p webhook.Payload) {
		if prompt {
			entity = prompts
		}
		if entity != "" {
			s.hooks.Fire(webhook.Event{Entity: entity, Action: action}, p)
		}
	}
	switch rt.method + " " + rt.path {
	case "POST /registered-models/create":
		tags := a.tagMap()
		prompt = strings.EqualFold(tags[tagIsPrompt], "true")
		if prompt {
			dropKeys(tags, tagIsPrompt, tagPromptType)
		}
		one("registered_model", "prompt", "created", webhook.Payload{"name": name, "tags": tags, "description": a.str("description")})
	case "POST /model-versions/create":
		s.fireVersion(a, answer, one, &prompt)
	case "POST /registered-models/set-tag":
		prompt = s.isPrompt(ctx, name)
		one("", "prompt_tag", "set", named("key", "value"))
	case "DELETE /registered-models/delete-tag":
		prompt = key == tagIsPrompt || s.isPrompt(ctx, name)
		one("", "prompt_tag", "deleted", named("key"))
	case "POST /model-versions/set-tag":
		prompt = s.isPrompt(ctx, name)
		one("model_version_tag", "prompt_version_tag", "set", named("version", "key", "value"))
	case "DELETE /model-versions/delete-tag":
		prompt = s.isPrompt(ctx, name)
		one("model_version_tag", "prompt_version_tag", "deleted", named("version", "key"))
	case "POST /registered-models/alias":
		prompt = s.isPrompt(ctx, name)
		one("model_version_alias", "prompt_alias", "created", named("alias", "version"))
	case "DELETE /registered-models/alias":
		prompt = s.isPrompt(ctx, name)
		one("model_version_alias", "prompt_alias", "deleted", named("alias"))
	}
}

func (s *Server) fireVersion(a *args, answer any, one func(entity, prompts, action string, p webhook.Payload), prompt *bool) {
	v, ok := answer.(versionAnswer)
	if !ok {
		return
	}
	tags := a.tagMap()
	p := webhook.Payload{"name": v.Version.Name, "version": v.Version.Version, "tags": tags, "description": orNull(a.str("description"))}
	*prompt = strings.EqualFold(tags[tagIsPrompt], "true")
	if *prompt {
		p["template"] = orNull(tags[tagPromptText])
		dropKeys(tags, tagIsPrompt, tagPromptType, tagPromptText)
	} else {
		p["source"], p["run_id"] = v.Version.Source, orNull(v.Version.Run)
	}
	one("model_version", "prompt_version", "created", p)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func dropKeys(m map[string]string, keys ...string) {
	for _, k := range keys {
		delete(m, k)
	}
}

// text returns an argument that is a string or a number as text.
func (a *args) text(name string) string {
	if v := a.get(name); v != nil {
		return v.text
	}
	return ""
}

// tagMap returns tags by key. Of equal ones the last counts.
func (a *args) tagMap() map[string]string {
	m := map[string]string{}
	for _, t := range a.tags("tags") {
		m[t.Key] = t.Value
	}
	return m
}

func (s *Server) isPrompt(ctx context.Context, name string) (is bool) {
	_ = s.db.View(ctx, func(tx *store.Tx) error { // a model that is gone by now is none
		m, err := lineage.GetModel(tx, name)
		is = err == nil && slices.ContainsFunc(m.Tags, func(t lineage.Tag) bool {
			return t.Key == tagIsPrompt && strings.EqualFold(t.Value, "true")
		})
		return err
	})
	return is
}
