package query

// Domain is the kind of row that a filter is about; it decides which fields
// there are.
type Domain uint8

// The domains.
const (
	Runs Domain = iota
	Experiments
	RegisteredModels
	ModelVersions
	LoggedModels
)

var domainNames = [...]string{"runs", "experiments", "registered models", "model versions", "logged models"}

func (d Domain) String() string {
	if int(d) < len(domainNames) {
		return domainNames[d]
	}
	return "unknown domain"
}

// Entity is the part of a row that a field belongs to.
type Entity uint8

// The entities.
const (
	Attribute Entity = iota
	Metric
	Param
	Tag
	DatasetInput
)

// entityNames are MLflow's names of the entities in messages.
var entityNames = [...]string{"attribute", "metric", "parameter", "tag", "dataset"}

// entityPrefix is how a canonical filter spells a field of the entity.
var entityPrefix = [...]string{"", "metrics.", "params.", "tags.", "dataset."}

func (e Entity) String() string { return entityNames[e] }

// entityAlias is one spelling of an entity and the domains that know it.
type entityAlias struct {
	name   string
	entity Entity
	in     uint8 // bit set of domains
}

const (
	inRuns   = 1 << Runs
	inLogged = 1 << LoggedModels
	inAll    = inRuns | 1<<Experiments | 1<<RegisteredModels | 1<<ModelVersions | inLogged
)

var entityAliases = [...]entityAlias{
	{"attributes", Attribute, inAll},
	{"attribute", Attribute, inAll},
	{"attr", Attribute, inAll},
	{"run", Attribute, inRuns},
	{"metrics", Metric, inRuns | inLogged},
	{"metric", Metric, inRuns | inLogged},
	{"params", Param, inRuns | inLogged},
	{"param", Param, inRuns | inLogged},
	{"parameters", Param, inRuns | inLogged},
	{"parameter", Param, inRuns | inLogged},
	{"tags", Tag, inAll},
	{"tag", Tag, inAll},
	{"datasets", DatasetInput, inRuns},
	{"dataset", DatasetInput, inRuns},
}

// entity finds what a prefix means in d.
func (d Domain) entity(name string) (Entity, bool) {
	for i := range entityAliases {
		if a := &entityAliases[i]; a.name == name && a.in&(1<<d) != 0 {
			return a.entity, true
		}
	}
	return 0, false
}

func (d Domain) entitySpellings() []string {
	var out []string
	for _, a := range entityAliases {
		if a.in&(1<<d) != 0 {
			out = append(out, a.name)
		}
	}
	return out
}

// invalidEntity is the message of each of MLflow's three parsers.
func (d Domain) invalidEntity(name string) string {
	switch d {
	case Runs:
		return "Invalid entity type '" + name +
			"'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
	case LoggedModels:
		return "Invalid entity type: " + pyRepr(name) +
			". Expected one of ['attributes', 'metrics', 'params', 'tags']."
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
	useBoth = useFilter | useOrder
)

// attributes lists each domain's attributes, canonical spellings first.
var attributes = [...][]attribute{
	Runs: {
		{"run_id", "run_id", false, useBoth},
		{"run_name", "run_name", false, useBoth},
		{"status", "status", false, useBoth},
		{"artifact_uri", "artifact_uri", false, useBoth},
		{"user_id", "user_id", false, useBoth},
		{"start_time", "start_time", true, useBoth},
		{"end_time", "end_time", true, useBoth},
		{"created", "start_time", true, useBoth},
		{"Created", "start_time", true, useBoth},
		{"run name", "run_name", false, useBoth},
		{"Run name", "run_name", false, useBoth},
		{"Run Name", "run_name", false, useBoth},
	},
	Experiments: {
		{"name", "name", false, useBoth},
		{"experiment_id", "experiment_id", false, useBoth},
		{"creation_time", "creation_time", true, useBoth},
		{"last_update_time", "last_update_time", true, useBoth},
	},
	RegisteredModels: {
		{"name", "name", false, useBoth},
		{"timestamp", "last_updated_timestamp", true, useOrder},
		{"last_updated_timestamp", "last_updated_timestamp", true, useOrder},
		{"creation_timestamp", "creation_timestamp", true, useOrder},
	},
	ModelVersions: {
		{"name", "name", false, useBoth},
		{"version_number", "version_number", true, useBoth},
		{"run_id", "run_id", false, useFilter},
		{"source_path", "source_path", false, useFilter},
		{"creation_timestamp", "creation_timestamp", true, useOrder},
		{"last_updated_timestamp", "last_updated_timestamp", true, useOrder},
	},
	LoggedModels: {
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
}

// attribute finds an attribute of d by any spelling.
func (d Domain) attribute(name string, use uint8) (*attribute, bool) {
	list := attributes[d]
	for i := range list {
		if list[i].name == name && list[i].use&use != 0 {
			return &list[i], true
		}
	}
	return nil, false
}

func (d Domain) attributeNames(use uint8) []string {
	var out []string
	for _, a := range attributes[d] {
		if a.use&use != 0 {
			out = append(out, a.name)
		}
	}
	return out
}

// invalidAttribute is MLflow's message for an attribute that d does not have.
func (d Domain) invalidAttribute(name string, use uint8) string {
	return "Invalid attribute key '" + name + "' specified. Valid keys are '" + pySet(d.attributeNames(use)) + "'"
}

var datasetKeys = []string{"name", "digest", "context"}
