package lineage

import (
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/store"
)

const modelScheme = "models:"

// IsModelURI reports whether uri names a model of this registry.
func IsModelURI(uri string) bool {
	return len(uri) >= len(modelScheme) && strings.EqualFold(uri[:len(modelScheme)], modelScheme)
}

// Resolve finds what a models:/ URI names: a version for models:/name/3,
// models:/name/Production, models:/name/latest and models:/name@alias, a logged
// model for models:/m-…. One of the two is nil. Errors: store.ErrInvalid,
// store.ErrNotFound.
func Resolve(tx *store.Tx, uri string) (*ModelVersion, *LoggedModel, error) {
	bad := func() (*ModelVersion, *LoggedModel, error) {
		return nil, nil, invalid("Not a proper models:/ URI: %s. Models URIs must be of the form 'models:/model_name/suffix'"+
			" or 'models:/model_name@alias' where suffix is a model version, stage, or the string 'latest'"+
			" and where alias is a registered model alias. Only one of suffix or alias can be defined at a time.", uri)
	}
	if !IsModelURI(uri) {
		return bad()
	}
	path, ok := strings.CutPrefix(uri[len(modelScheme):], "/")
	path = strings.TrimLeft(path, "/")
	name, suffix, slash := strings.Cut(path, "/")
	if !ok || strings.TrimSpace(name) == "" || slash && (strings.TrimSpace(suffix) == "" || strings.Contains(suffix, "/")) {
		return bad()
	}
	if slash {
		v, err := resolveSuffix(tx, name, suffix)
		return v, nil, err
	}
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		if strings.TrimSpace(name[i+1:]) == "" {
			return bad()
		}
		v, err := VersionByAlias(tx, name[:i], name[i+1:])
		return v, nil, err
	}
	l, err := GetLoggedModel(tx, name, false)
	return nil, l, err
}

// LoggedModelID returns the id of the logged model that the version was made from, ""
// if there is none: its ModelID, or what its source names, as MLflow's SQL stores
// keep no other word of it and a client need not send one.
func (v *ModelVersion) LoggedModelID() string {
	if v.ModelID != "" || !IsModelURI(v.Source) {
		return v.ModelID
	}
	id := strings.TrimLeft(v.Source[len(modelScheme):], "/")
	if validateLoggedID(id) != nil { // a version by number, stage or alias
		return ""
	}
	return id
}

// resolveSuffix finds the version for what follows the name: a number, "latest"
// or a stage.
func resolveSuffix(tx *store.Tx, name, suffix string) (*ModelVersion, error) {
	if strings.Trim(suffix, "0123456789") == "" {
		number, err := strconv.Atoi(suffix)
		if err != nil {
			return nil, store.Errorf(store.ErrNotFound, "Model Version (name=%s, version=%s) not found", name, suffix)
		}
		return GetVersion(tx, name, number)
	}
	if strings.EqualFold(suffix, "latest") {
		return VersionByAlias(tx, name, suffix)
	}
	found, err := LatestVersions(tx, name, []string{suffix})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, store.Errorf(store.ErrNotFound, "No versions of model with name '%s' and stage '%s' found", name, suffix)
	}
	return found[0], nil
}
