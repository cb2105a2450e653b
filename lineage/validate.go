package lineage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/runstonedb/runstone/store"
)

// Limits, in characters unless they say bytes.
const (
	MaxTagKey          = 250     // of a registered model or version
	MaxTagValue        = 100_000 // of a registered model or version
	MaxAlias           = 255
	MaxLoggedKey       = 255     // tag or param of a logged model
	MaxLoggedValue     = 1 << 20 // tag or param of a logged model
	MaxDatasetName     = 500
	MaxDatasetDigest   = 36
	MaxDatasetSource   = 65_535
	MaxDatasetSchema   = 1_048_575
	MaxDatasetProfile  = 16_777_215 // bytes
	MaxInputTagKey     = 255
	MaxInputTagValue   = 500
	maxLoggedID        = 255
	tagPrompt          = "mlflow.prompt.is_prompt"
	tagPromptText      = "mlflow.prompt.text"
	tagModelVersions   = "mlflow.modelVersions"
	tagDatasetContext  = "mlflow.data.context"
	modelNameForbidden = "/:"
	loggedForbidden    = `/:.%"'`
)

func invalid(format string, args ...any) error {
	return store.Errorf(store.ErrInvalid, format, args...)
}

func tooLong(what string, limit int) error {
	return invalid("'%s' exceeds the maximum length of %d characters", what, limit)
}

func checkLength(what, value string, limit int) error {
	if len(value) > limit && utf8.RuneCountInString(value) > limit {
		return tooLong(what, limit)
	}
	return nil
}

// badPath returns the refusal of a name that is no plain relative path, or nil.
func badPath(param, name string) error {
	norm := normPath(name)
	if norm == name && norm != "." && !strings.HasPrefix(norm, "..") && !strings.HasPrefix(norm, "/") {
		return nil
	}
	return invalid("Invalid value %s for parameter '%s' supplied: Names may be treated as files in certain cases,"+
		" and must not resolve to other names when treated as such. This name would resolve to %s",
		appendJSON(nil, name), param, repr(norm))
}

// ValidateModelName checks the name of a registered model.
func ValidateModelName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("Missing value for required parameter 'name'.")
	case strings.ContainsAny(name, modelNameForbidden):
		return invalid("Invalid model name '%s'. Names cannot contain '/' or ':'.", name)
	}
	return badPath("name", name)
}

func validateNewName(name string) error {
	if strings.TrimSpace(name) == "" {
		return invalid("Missing value for required parameter 'new_name'.")
	}
	return ValidateModelName(name)
}

// ValidateAlias checks the form of an alias, reserved ones included.
func ValidateAlias(alias string) error {
	if alias == "" {
		return invalid("Registered model alias name cannot be empty.")
	}
	for _, r := range alias {
		if r != '-' && !isWord(r) {
			return invalid("Invalid alias name: '%s'. Names may only contain alphanumerics, underscores (_), and dashes (-).", alias)
		}
	}
	return checkLength("Registered model alias name", alias, MaxAlias)
}

// validateNewAlias also refuses the aliases that name versions by themselves.
func validateNewAlias(alias string) error {
	if err := ValidateAlias(alias); err != nil {
		return err
	}
	if strings.EqualFold(alias, "latest") {
		return invalid("'latest' alias name (case insensitive) is reserved.")
	}
	if rest := alias[1:]; (alias[0] == 'v' || alias[0] == 'V') && rest != "" &&
		strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsDigit(r) }) < 0 {
		return invalid("Version alias name '%s' is reserved.", alias)
	}
	return nil
}

// ValidateTagKey checks the characters of a registry tag's key.
func ValidateTagKey(key string) error {
	for _, r := range key {
		if !isWord(r) && !strings.ContainsRune("/.- :", r) {
			return invalid("Invalid value %s for parameter 'key' supplied: Names may only contain alphanumerics,"+
				" underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).", appendJSON(nil, key))
		}
	}
	return badPath("key", key)
}

// ValidateTag checks a tag of a registered model or of a model version.
func ValidateTag(t Tag) error {
	if err := ValidateTagKey(t.Key); err != nil {
		return err
	}
	if err := checkLength("key", t.Key, MaxTagKey); err != nil {
		return err
	}
	return checkLength("value", t.Value, MaxTagValue)
}

// validateVersionTag is ValidateTag with MLflow's own text for prompts.
func validateVersionTag(t Tag) error {
	if t.Key == tagPromptText && utf8.RuneCountInString(t.Value) > MaxTagValue {
		return invalid("Prompt text exceeds max length of %d characters.", MaxTagValue)
	}
	return ValidateTag(t)
}

func validateTags(tags []Tag, check func(Tag) error) error {
	for _, t := range tags {
		if err := check(t); err != nil {
			return err
		}
	}
	return nil
}

// ValidateLoggedModelName checks the name of a logged model.
func ValidateLoggedModelName(name string) error {
	if name == "" || strings.ContainsAny(name, loggedForbidden) {
		return invalid("Invalid model name (%s) provided. Model name must be a non-empty string"+
			` and cannot contain the following characters: ('/', ':', '.', '%%', '"', "'")`, repr(name))
	}
	return nil
}

func validateLoggedID(id string) error {
	if id == "" || len(id) > maxLoggedID || strings.IndexFunc(id, func(r rune) bool { return r != '-' && !isWord(r) }) >= 0 {
		return invalid("Invalid logged model ID: %s", repr(id))
	}
	return nil
}

func validateLoggedItem(t Tag) error {
	if t.Key == "" {
		return invalid("Missing value for required parameter 'key'.")
	}
	if err := checkLength("key", t.Key, MaxLoggedKey); err != nil {
		return err
	}
	return checkLength("value", t.Value, MaxLoggedValue)
}

// ValidateDataset checks the texts of a dataset.
func ValidateDataset(d *Dataset) error {
	switch {
	case d.Name == "":
		return invalid("Dataset name cannot be None")
	case d.Digest == "":
		return invalid("Dataset digest cannot be None")
	}
	for _, f := range []struct {
		what, value string
		limit       int
	}{
		{"name", d.Name, MaxDatasetName}, {"digest", d.Digest, MaxDatasetDigest},
		{"source", d.Source, MaxDatasetSource}, {"schema", d.Schema, MaxDatasetSchema},
	} {
		if err := checkLength(f.what, f.value, f.limit); err != nil {
			return err
		}
	}
	if len(d.Profile) > MaxDatasetProfile {
		return tooLong("profile", MaxDatasetProfile)
	}
	return nil
}

func validateInputTag(t Tag) error {
	if err := checkLength("key", t.Key, MaxInputTagKey); err != nil {
		return err
	}
	return checkLength("value", t.Value, MaxInputTagValue)
}
