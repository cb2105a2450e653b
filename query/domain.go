package query

import (
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// entityNames are MLflow's names of the entities in messages.
var entityNames = [...]string{"attribute", "metric", "parameter", "tag", "dataset", "model"}

// entityPrefixes is how messages spell a field of the entity.
var entityPrefixes = [...]string{"attributes.", "metrics.", "params.", "tags.", "dataset.", "model."}

// entityAlias is one spelling of an entity and the domains that know it.
type entityAlias struct {
	name   string
	entity tree.Entity
	in     uint8 // bit set of domains
}

const (
	inRuns   = 1 << tree.Runs
	inLogged = 1 << tree.LoggedModels
	inTagged = inRuns | 1<<tree.Experiments | 1<<tree.RegisteredModels | 1<<tree.ModelVersions | inLogged
	inAll    = inTagged | 1<<tree.Datasets
)

var entityAliases = [...]entityAlias{
	{"attributes", tree.Attribute, inAll},
	{"attribute", tree.Attribute, inAll},
	{"attr", tree.Attribute, inAll},
	{"run", tree.Attribute, inRuns},
	{"metrics", tree.Metric, inRuns | inLogged},
	{"metric", tree.Metric, inRuns | inLogged},
	{"params", tree.Param, inRuns | inLogged},
	{"param", tree.Param, inRuns | inLogged},
	{"parameters", tree.Param, inRuns | inLogged},
	{"parameter", tree.Param, inRuns | inLogged},
	{"tags", tree.Tag, inTagged},
	{"tag", tree.Tag, inTagged},
	{"datasets", tree.Dataset, inRuns},
	{"dataset", tree.Dataset, inRuns},
	{"model", tree.Model, inRuns},
}

// entityOf finds what a prefix means in d.
func entityOf(d tree.Domain, name string) (tree.Entity, bool) {
	for i := range entityAliases {
		if a := &entityAliases[i]; a.name == name && a.in&(1<<d) != 0 {
			return a.entity, true
		}
	}
	return 0, false
}

func entitySpellings(d tree.Domain) []string {
	var out []string
	for _, a := range entityAliases {
		if a.in&(1<<d) != 0 {
			out = append(out, a.name)
		}
	}
	return out
}

// invalidEntity is the message of each of MLflow's three parsers.
func invalidEntity(d tree.Domain, name string) string {
	switch d {
	case tree.Runs:
		return "Invalid entity type '" + name +
			"'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
	case tree.LoggedModels:
		return "Invalid entity type: " + pyRepr(name) +
			". Expected one of ['attributes', 'metrics', 'params', 'tags']."
	}
	if d == tree.Datasets {
		return "Invalid entity type '" + name + "'. Datasets have attributes only"
	}
	return "Invalid entity type '" + name + "'. Valid entity types are ('attribute', 'tag', 'tags')"
}

// attribute is one spelling of an attribute.
type attribute struct {
	name    string
	key     string // canonical spelling
	numeric bool
	use     uint8
}

const (
	useFilter = 1 << iota
	useOrder
	useOwn  // unknown to MLflow: its messages do not list it
	useBoth = useFilter | useOrder
	useMore = useBoth | useOwn
)

// attributes lists each domain's attributes, canonical spellings first.
var attributes = [...][]attribute{
	tree.Runs: {
		{"run_id", "run_id", false, useBoth},
		{"run_name", "run_name", false, useBoth},
		{"status", "status", false, useBoth},
		{"artifact_uri", "artifact_uri", false, useBoth},
		{"user_id", "user_id", false, useBoth},
		{"start_time", "start_time", true, useBoth},
		{"end_time", "end_time", true, useBoth},
		{"duration", "duration", true, useMore},
		{"lifecycle_stage", "lifecycle_stage", false, useMore},
		{"experiment_id", "experiment_id", false, useMore},
		{"experiment_name", "experiment_name", false, useMore},
		{"parent_id", "parent_id", false, useMore},
		{"created", "start_time", true, useBoth},
		{"Created", "start_time", true, useBoth},
		{"run name", "run_name", false, useBoth},
		{"Run name", "run_name", false, useBoth},
		{"Run Name", "run_name", false, useBoth},
	},
	tree.Experiments: {
		{"name", "name", false, useBoth},
		{"experiment_id", "experiment_id", false, useBoth},
		{"creation_time", "creation_time", true, useBoth},
		{"last_update_time", "last_update_time", true, useBoth},
	},
	tree.RegisteredModels: {
		{"name", "name", false, useBoth},
		{"timestamp", "last_updated_timestamp", true, useOrder},
		{"last_updated_timestamp", "last_updated_timestamp", true, useOrder},
		{"creation_timestamp", "creation_timestamp", true, useOrder},
	},
	tree.ModelVersions: {
		{"name", "name", false, useBoth},
		{"version_number", "version_number", true, useBoth},
		{"run_id", "run_id", false, useFilter},
		{"source_path", "source_path", false, useFilter},
		{"creation_timestamp", "creation_timestamp", true, useOrder},
		{"last_updated_timestamp", "last_updated_timestamp", true, useOrder},
	},
	tree.LoggedModels: {
		{"model_id", "model_id", false, useBoth},
		{"experiment_id", "experiment_id", false, useBoth},
		{"name", "name", false, useBoth},
		{"model_type", "model_type", false, useBoth},
		{"status", "status", false, useBoth},
		{"source_run_id", "source_run_id", false, useBoth},
		{"artifact_location", "artifact_location", false, useBoth},
		{"creation_timestamp_ms", "creation_timestamp_ms", true, useBoth},
		{"last_updated_timestamp_ms", "last_updated_timestamp_ms", true, useBoth},
		{"creation_timestamp", "creation_timestamp_ms", true, useBoth},
		{"creation_time", "creation_timestamp_ms", true, useBoth},
		{"last_updated_timestamp", "last_updated_timestamp_ms", true, useBoth},
	},
	tree.Datasets: {
		{"name", "name", false, useBoth},
		{"digest", "digest", false, useBoth},
		{"source_type", "source_type", false, useBoth},
		{"source", "source", false, useBoth},
		{"experiment_id", "experiment_id", false, useBoth},
	},
}

// attributeOf finds an attribute of d by any spelling.
func attributeOf(d tree.Domain, name string, use uint8) (*attribute, bool) {
	list := attributes[d]
	for i := range list {
		if list[i].name == name && list[i].use&use != 0 {
			return &list[i], true
		}
	}
	return nil, false
}

// attributeNames lists the spellings that MLflow knows or, for own, all.
func attributeNames(d tree.Domain, use uint8, own bool) []string {
	var out []string
	for _, a := range attributes[d] {
		if a.use&use != 0 && (own || a.use&useOwn == 0) {
			out = append(out, a.name)
		}
	}
	return out
}

// invalidAttribute is MLflow's message for an attribute that d does not have.
func invalidAttribute(d tree.Domain, name string, use uint8) string {
	return "Invalid attribute key '" + name + "' specified. Valid keys are '" + pySet(attributeNames(d, use, false)) + "'"
}

// keyHint is for a name that is no attribute: it may be part of one's, or a key
// without its entity.
func keyHint(d tree.Domain, name string, use uint8) string {
	for _, a := range attributeNames(d, use, true) {
		if strings.HasSuffix(a, "_"+name) || strings.HasPrefix(a, name+"_") {
			return "did you mean '" + a + "'?"
		}
	}
	if strings.EqualFold(name, "NaN") || strings.EqualFold(name, "inf") {
		return "write IS " + strings.ToUpper(name) + " behind the value"
	}
	return "is it metrics." + name + ", params." + name + " or tags." + name + "?"
}

// subKey is one key of dataset. or model. on runs.
type subKey struct {
	name, key string
	numeric   bool
	own       bool // unknown to MLflow
}

var datasetKeys = []subKey{{"name", "name", false, false}, {"digest", "digest", false, false},
	{"context", "context", false, false}, {"role", "context", false, true}, {"version", "version", true, true}}

var modelKeys = []subKey{{"name", "name", false, false}, {"version", "version", true, false},
	{"stage", "stage", false, false}, {"alias", "alias", false, false}}

func subKeyNames(list []subKey, own bool) []string {
	var out []string
	for _, k := range list {
		if own || !k.own {
			out = append(out, k.name)
		}
	}
	return out
}

// resolve finds what the path t of src means in d.
func resolve(d tree.Domain, src string, t token, use uint8) (*tree.Field, *ParseError) {
	f := &tree.Field{Span: tree.Span{Pos: t.pos, End: t.end}, Key: t.val, Kind: tree.String, Quote: t.quote}
	fail := func(end int, msg, hint string) (*tree.Field, *ParseError) {
		return nil, &ParseError{Text: src, Pos: t.start, End: end, Msg: msg, Hint: hint}
	}
	entity, hasEntity := t.entity, t.hasEntity
	if !hasEntity && t.quote != 0 {
		// A name that is quoted as a whole is cut at its dot all the same.
		entity, _, hasEntity = strings.Cut(src[t.start:t.end], ".")
	}
	if hasEntity {
		e, ok := entityOf(d, entity)
		if !ok {
			hint := Suggest(entity, entitySpellings(d))
			if t.quote != 0 && !t.hasEntity {
				hint = "quote only the key, behind the dot"
			}
			return fail(min(t.end, t.start+len(entity)), invalidEntity(d, entity), hint)
		}
		f.Entity = e
	}
	switch f.Entity {
	case tree.Attribute:
		a, ok := attributeOf(d, t.val, use)
		if !ok {
			hint := Suggest(t.val, attributeNames(d, use, true))
			if hint == "" && !hasEntity && t.quote == 0 && len(t.val) <= 64 && (d == tree.Runs || d == tree.LoggedModels) {
				hint = keyHint(d, t.val, use)
			}
			return fail(t.end, invalidAttribute(d, t.val, use), hint)
		}
		f.Key = a.key
		if a.numeric {
			f.Kind = tree.Int
		}
	case tree.Dataset, tree.Model:
		list := datasetKeys
		if f.Entity == tree.Model {
			list = modelKeys
		}
		for _, k := range list {
			if k.name == t.val {
				f.Key, f.Many = k.key, true
				if k.numeric {
					f.Kind = tree.Int
				}
				return f, nil
			}
		}
		return fail(t.end, "Invalid "+entityNames[f.Entity]+" key '"+t.val+"' specified. Valid keys are '"+
			pySet(subKeyNames(list, false))+"'", Suggest(t.val, subKeyNames(list, true)))
	case tree.Metric:
		f.Kind, f.Many = tree.Number, d == tree.LoggedModels
	case tree.Tag:
		if t.val == promptTag && (d == tree.RegisteredModels || d == tree.ModelVersions) {
			f.Default = "false"
		}
	}
	return f, nil
}
