package lineage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// Statuses of a logged model.
const (
	LoggedPending = "PENDING"
	LoggedReady   = "READY"
	LoggedFailed  = "UPLOAD_FAILED"
)

// LoggedModel is a model that a run made, registered or not.
type LoggedModel struct {
	ModelID       string // "m-" and 32 hex digits, made by the caller
	ExperimentID  string
	Name          string
	ModelType     string
	SourceRunID   string
	Status        string
	StatusMessage string
	ArtifactURI   string
	CreatedAt     int64 // Unix ms
	UpdatedAt     int64 // Unix ms
	Params        []Tag // sorted by key
	Tags          []Tag // sorted by key
	Deleted       bool
}

type loggedRow struct {
	Experiment            uint32
	Name, ModelType       string
	SourceRunID           string
	Status, StatusMessage string
	ArtifactURI           string
	CreatedAt, UpdatedAt  int64
	Params, Tags          []Tag
	Deleted               bool
}

func loggedNotFound(id string) error {
	return store.Errorf(store.ErrNotFound, "Logged model with ID '%s' not found.", id)
}

// findLogged reads a logged model, deleted or not.
func findLogged(tx *store.Tx, id string) (uint32, *loggedRow, error) {
	ord, ok, err := tx.Ord(KindLoggedModel, id)
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, loggedNotFound(id)
	}
	row := &loggedRow{}
	err = loadSplit(tx, loggedKey(ord), row)
	if errors.Is(err, store.ErrNotFound) { // named by an edge only
		return 0, nil, loggedNotFound(id)
	}
	return ord, row, err
}

func (row *loggedRow) open(tx *store.Tx, id string) (*LoggedModel, error) {
	experiment, err := tx.Text(KindExperiment, row.Experiment)
	if err != nil {
		return nil, fmt.Errorf("logged model %s: %w", id, err)
	}
	return &LoggedModel{
		ModelID: id, ExperimentID: experiment, Name: row.Name, ModelType: row.ModelType,
		SourceRunID: row.SourceRunID, Status: row.Status, StatusMessage: row.StatusMessage,
		ArtifactURI: row.ArtifactURI, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
		Params: row.Params, Tags: row.Tags, Deleted: row.Deleted,
	}, nil
}

// changeLogged reads a logged model, deleted or not, applies fn and writes it
// back.
func changeLogged(tx *store.Tx, id string, fn func(row *loggedRow) error) (*LoggedModel, error) {
	ord, row, err := findLogged(tx, id)
	if err != nil {
		return nil, err
	}
	if err := fn(row); err != nil {
		return nil, err
	}
	if err := saveSplit(tx, loggedKey(ord), row); err != nil {
		return nil, err
	}
	return row.open(tx, id)
}

func checkLoggedStatus(status string) error {
	switch status {
	case LoggedPending, LoggedReady, LoggedFailed:
		return nil
	}
	return invalid("Unknown model status: %s", status)
}

// CreateLoggedModel adds a logged model. It takes everything of m but the
// times and Deleted; an empty Status is LoggedPending. Errors:
// store.ErrInvalid, store.ErrExists.
func CreateLoggedModel(tx *store.Tx, at int64, m LoggedModel) (*LoggedModel, error) {
	if err := validateLoggedID(m.ModelID); err != nil {
		return nil, err
	}
	if err := ValidateLoggedModelName(m.Name); err != nil {
		return nil, err
	}
	if err := validateTags(m.Params, validateLoggedItem); err != nil {
		return nil, err
	}
	if err := validateTags(m.Tags, validateLoggedItem); err != nil {
		return nil, err
	}
	if m.Status == "" {
		m.Status = LoggedPending
	}
	if err := checkLoggedStatus(m.Status); err != nil {
		return nil, err
	}
	ord, err := tx.Intern(KindLoggedModel, m.ModelID)
	if err != nil {
		return nil, err
	}
	if taken, err := tx.Has(loggedKey(ord)); err != nil {
		return nil, err
	} else if taken {
		return nil, store.Errorf(store.ErrExists, "Logged model with ID '%s' already exists.", m.ModelID)
	}
	experiment, err := tx.Intern(KindExperiment, m.ExperimentID)
	if err != nil {
		return nil, err
	}
	row := &loggedRow{
		Experiment: experiment, Name: m.Name, ModelType: m.ModelType, SourceRunID: m.SourceRunID,
		Status: m.Status, StatusMessage: m.StatusMessage, ArtifactURI: m.ArtifactURI,
		CreatedAt: at, UpdatedAt: at, Params: sortTags(m.Params), Tags: sortTags(m.Tags),
	}
	if err := saveSplit(tx, loggedKey(ord), row); err != nil {
		return nil, err
	}
	if err := tx.Save(tuple.Uint32(experimentLoggedKey(experiment), ord), 1, none{}); err != nil {
		return nil, err
	}
	return row.open(tx, m.ModelID)
}

// GetLoggedModel returns a logged model. Errors: store.ErrNotFound, also for a
// deleted one unless allowDeleted is set.
func GetLoggedModel(tx *store.Tx, id string, allowDeleted bool) (*LoggedModel, error) {
	_, row, err := findLogged(tx, id)
	if err != nil {
		return nil, err
	}
	if row.Deleted && !allowDeleted {
		return nil, loggedNotFound(id)
	}
	return row.open(tx, id)
}

// FinalizeLoggedModel sets the status, any number of times, and UpdatedAt.
// Errors: store.ErrInvalid, store.ErrNotFound.
func FinalizeLoggedModel(tx *store.Tx, at int64, id, status, message string) (*LoggedModel, error) {
	if err := checkLoggedStatus(status); err != nil {
		return nil, err
	}
	return changeLogged(tx, id, func(row *loggedRow) error {
		row.Status, row.StatusMessage, row.UpdatedAt = status, message, at
		return nil
	})
}

// DeleteLoggedModel marks a logged model as deleted and sets UpdatedAt.
func DeleteLoggedModel(tx *store.Tx, at int64, id string) error {
	_, err := changeLogged(tx, id, func(row *loggedRow) error {
		row.Deleted, row.UpdatedAt = true, at
		return nil
	})
	return err
}

// SetLoggedModelTags sets tags. It leaves UpdatedAt, like MLflow.
func SetLoggedModelTags(tx *store.Tx, id string, tags []Tag) (*LoggedModel, error) {
	if err := validateTags(tags, validateLoggedItem); err != nil {
		return nil, err
	}
	return changeLogged(tx, id, func(row *loggedRow) error {
		for _, t := range tags {
			row.Tags = setTag(row.Tags, t)
		}
		return nil
	})
}

// DeleteLoggedModelTag removes a tag. Errors: store.ErrNotFound, also for the
// tag.
func DeleteLoggedModelTag(tx *store.Tx, id, key string) error {
	_, err := changeLogged(tx, id, func(row *loggedRow) error {
		if _, found := FindTag(row.Tags, key); !found {
			return store.Errorf(store.ErrNotFound, "No tag with key %s found for model with ID %s.", repr(key), repr(id))
		}
		row.Tags = dropTag(row.Tags, key)
		return nil
	})
	return err
}

// LogModelParams adds params, which are written once: the same value again is
// no change, another one is store.ErrInvalid.
func LogModelParams(tx *store.Tx, id string, params []Tag) error {
	if err := validateTags(params, validateLoggedItem); err != nil {
		return err
	}
	_, err := changeLogged(tx, id, func(row *loggedRow) error {
		for _, p := range params {
			if old, ok := FindTag(row.Params, p.Key); ok && old != p.Value {
				return invalid("Changing param values is not allowed. Param with key='%s' was already logged with value='%s'"+
					" for model ID='%s'. Attempted logging new value '%s'.", p.Key, old, id, p.Value)
			}
			row.Params = setTag(row.Params, p)
		}
		return nil
	})
	return err
}

// tagVersion adds a version to the list in the tag mlflow.modelVersions.
func tagVersion(tx *store.Tx, id, name string, number uint32) error {
	if _, err := GetLoggedModel(tx, id, false); err != nil {
		return err
	}
	_, err := changeLogged(tx, id, func(row *loggedRow) error {
		old, _ := FindTag(row.Tags, tagModelVersions)
		row.Tags = setTag(row.Tags, Tag{tagModelVersions, appendVersion(old, name, number)})
		return nil
	})
	return err
}

// appendVersion appends to a JSON list of versions, with the spacing that
// Python's json.dumps has. What is in the list keeps its form; what is no list
// is replaced.
func appendVersion(list, name string, number uint32) string {
	entry := append([]byte(`{"name": `), appendJSON(nil, name)...)
	entry = append(strconv.AppendUint(append(entry, `, "version": `...), uint64(number), 10), '}')
	var items []json.RawMessage
	if json.Unmarshal([]byte(list), &items) != nil || len(items) == 0 {
		return "[" + string(entry) + "]"
	}
	out := []byte{'['}
	for _, item := range items {
		if bytes.Equal(item, entry) {
			return list
		}
		out = append(append(out, item...), ", "...)
	}
	return string(append(append(out, entry...), ']'))
}

// LoggedModels iterates over all logged models, deleted ones too, in the order
// in which their ids were first seen.
func LoggedModels(tx *store.Tx) iter.Seq2[*LoggedModel, error] {
	return func(yield func(*LoggedModel, error) bool) {
		for r, err := range tx.Prefix(tuple.Key('L'), false) {
			var m *LoggedModel
			if err == nil {
				row := &loggedRow{}
				if err = decodeSplit(tx, r, row); err == nil {
					m, err = row.named(tx, lastUint32(r.Key))
				}
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// LoggedModelsOf is LoggedModels for one experiment.
func LoggedModelsOf(tx *store.Tx, experimentID string) iter.Seq2[*LoggedModel, error] {
	return func(yield func(*LoggedModel, error) bool) {
		experiment, ok, err := tx.Ord(KindExperiment, experimentID)
		if err != nil {
			yield(nil, err)
		}
		if err != nil || !ok {
			return
		}
		for r, err := range tx.Prefix(experimentLoggedKey(experiment), false) {
			var m *LoggedModel
			if err == nil {
				ord, row := lastUint32(r.Key), &loggedRow{}
				if err = notMissing(loadSplit(tx, loggedKey(ord), row)); err == nil {
					m, err = row.named(tx, ord)
				}
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

func (row *loggedRow) named(tx *store.Tx, ord uint32) (*LoggedModel, error) {
	id, err := tx.Text(KindLoggedModel, ord)
	if err != nil {
		return nil, err
	}
	return row.open(tx, id)
}
