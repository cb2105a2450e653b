// Package webhook tells other servers of changes in the model registry, in the
// form of MLflow's webhooks.
//
//	hooks, err := webhook.Open(filepath.Join(dir, "webhooks"), nil)
//	go hooks.Run(ctx) // delivers until ctx is done
//	hooks.Fire(webhook.Event{Entity: "model_version", Action: "created"}, payload)
//
// The webhooks are one sealed file of package record that only its owner may
// read: version 1, then their list as JSON. It holds the secrets as they are.
//
// A delivery is a POST of
//
//	{"entity": "model_version", "action": "created", "timestamp": "2026-01-02T03:04:05.678901+00:00", "data": {…}}
//
// with the headers X-MLflow-Delivery-Id, X-MLflow-Timestamp (Unix seconds) and,
// for a webhook with a secret, X-MLflow-Signature: "v1," and the base64 of the
// HMAC-SHA256 of "<delivery id>.<timestamp>.<body>".
//
// Whoever may make webhooks can make this machine connect somewhere. So a URL is
// https, and its address must be public when it is connected to, whatever a name
// resolved to before ([Public]); no redirect is followed, no proxy used, nothing
// of the answer but its status is kept. [Options.AllowPrivate] lifts the rule of
// addresses.
package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ErrNotFound is a webhook that does not exist.
var ErrNotFound = errors.New("webhook: not found")

// An InvalidError says what is wrong with a webhook, in MLflow's words.
type InvalidError struct{ Msg string }

func (e *InvalidError) Error() string { return e.Msg }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// An Event is a kind of change: "model_version" and "created".
type Event struct {
	Entity string `json:"entity"`
	Action string `json:"action"`
}

// String returns "model_version.created".
func (e Event) String() string { return e.Entity + "." + e.Action }

// actions returns what can happen to an entity, nil for an unknown one.
func actions(entity string) []string {
	switch entity {
	case "registered_model", "model_version", "prompt", "prompt_version":
		return []string{"created"}
	case "model_version_tag", "prompt_tag", "prompt_version_tag":
		return []string{"deleted", "set"}
	case "model_version_alias", "prompt_alias":
		return []string{"created", "deleted"}
	case "budget_policy":
		return []string{"exceeded"}
	}
	return nil
}

// Entities are what an [Event] can be about, in MLflow's order.
func Entities() []string {
	return []string{
		"registered_model", "model_version", "model_version_tag", "model_version_alias", "prompt", "prompt_version",
		"prompt_tag", "prompt_version_tag", "prompt_alias", "budget_policy",
	}
}

// Actions are what can happen to any entity.
func Actions() []string { return []string{"created", "updated", "deleted", "set", "exceeded"} }

// Check says whether there is such an event.
func (e Event) Check() error {
	valid := actions(e.Entity)
	if valid == nil || !slices.Contains(valid, e.Action) {
		return invalid("Invalid action '%s' for entity '%s'. Valid actions are: ['%s']", e.Action, e.Entity, strings.Join(valid, "', '"))
	}
	return nil
}

// A Webhook is where to tell of some events.
type Webhook struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	URL         string  `json:"url"`
	Events      []Event `json:"events"`
	Description string  `json:"description,omitempty"`
	Disabled    bool    `json:"disabled,omitempty"`
	Secret      string  `json:"secret,omitempty"` // never shown to anybody
	Created     int64   `json:"created"`          // Unix milliseconds, as Updated
	Updated     int64   `json:"updated"`
}

// Limits of a webhook's fields in bytes, and of their number.
const (
	maxURL         = 2048
	maxDescription = 5000
	maxSecret      = 1000
	maxHooks       = 1000
	maxFile        = 64 << 20
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// check says what is wrong with a webhook, by its text alone.
func (w *Webhook) check(opt *Options) (host string, err error) {
	if !namePattern.MatchString(w.Name) {
		return "", invalid("Webhook name %s is invalid. It must start and end with a letter or digit, "+
			"be less than 63 characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-).", repr(w.Name))
	}
	if host, err = checkURL(w.URL, opt); err != nil {
		return "", err
	}
	switch {
	case len(w.Events) == 0:
		return "", invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].")
	case len(w.Description) > maxDescription:
		return "", invalid("Webhook description is longer than %d bytes", maxDescription)
	case len(w.Secret) > maxSecret:
		return "", invalid("Webhook secret is longer than %d bytes", maxSecret)
	}
	for _, e := range w.Events {
		if err := e.Check(); err != nil {
			return "", err
		}
	}
	return host, nil
}

// checkURL returns the host of a URL that may be called.
func checkURL(text string, opt *Options) (host string, err error) {
	if strings.TrimSpace(text) == "" {
		return "", invalid("Webhook URL cannot be empty or just whitespace: %s", repr(text))
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL {
		return "", invalid("Invalid webhook URL %s", repr(text))
	}
	schemes := opt.schemes()
	switch {
	case !slices.Contains(schemes, u.Scheme):
		return "", invalid("Invalid webhook URL scheme: %s. Allowed schemes are: %s.", repr(u.Scheme), strings.Join(schemes, ", "))
	case u.Hostname() == "":
		return "", invalid("Webhook URL must include a hostname: %s", repr(text))
	case u.User != nil || u.Opaque != "":
		return "", invalid("Webhook URL must not have a user: %s", repr(u.Redacted()))
	}
	host = u.Hostname()
	if _, err := netip.ParseAddr(host); err != nil && (strings.Trim(host, "0123456789.") == "" || strings.Contains(host, ":")) {
		// 127.1, which some resolvers take for an address.
		return "", invalid("Webhook URL host %s is not a canonical IP address literal.", repr(host))
	}
	return host, nil
}

// repr quotes text as MLflow's messages do.
func repr(s string) string {
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	b, _ := json.Marshal(s) // of a string: never fails
	inner := strings.ReplaceAll(string(b[1:len(b)-1]), `\"`, `"`)
	return "'" + strings.ReplaceAll(inner, "'", `\'`) + "'"
}
