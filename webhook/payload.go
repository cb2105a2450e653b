package webhook

import "strings"

// Payload is the data of a delivery. Which fields an event has is MLflow's
// choice; an absent one is left out, and of those that may be nothing it is null.
type Payload map[string]any

// Example returns the data that a test of an event sends.
func Example(e Event) Payload {
	noun := "model"
	if strings.HasPrefix(e.Entity, "prompt") {
		noun = "prompt"
	}
	p := Payload{"name": "example_" + noun}
	version := func() { p["version"] = "1" }
	described := func(what string) {
		p["tags"] = map[string]string{"example_key": "example_value"}
		p["description"] = "An example " + what
	}
	switch e.Entity {
	case "registered_model":
		described("registered model")
	case "prompt":
		described("prompt")
	case "model_version":
		version()
		p["source"], p["run_id"] = "models:/123", "abcd1234abcd5678"
		described("model version")
	case "prompt_version":
		version()
		p["template"] = "Hello {{name}}!"
		described("prompt version")
	case "model_version_tag", "prompt_version_tag", "prompt_tag":
		if e.Entity != "prompt_tag" {
			version()
		}
		p["key"] = "example_key"
		if e.Action == "set" {
			p["value"] = "example_value"
		}
	case "model_version_alias", "prompt_alias":
		p["alias"] = "example_alias"
		if e.Action == "created" {
			version()
		}
	case "budget_policy":
		return Payload{
			"budget_policy_id": "bp-abc123", "budget_unit": "USD", "budget_amount": 100.0, "current_spend": 105.50,
			"duration_unit": "MONTHS", "duration_value": 1, "target_scope": "ENDPOINT", "workspace": "default",
			"target_value": "ep-abc123", "window_start": 1704067200000,
		}
	}
	return p
}
