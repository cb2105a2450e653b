package lineage

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/runstonedb/runstone/store"
)

// The look-ups of who walks from thing to thing. Each reads what it yields and no
// more, so that a caller who stops early pays for little; runs and datasets come
// newest first, in the reverse order of their ordinals.

// DatasetRead is a dataset that a run used, without its long texts.
type DatasetRead struct {
	DatasetHead
	Context string // value of the input's tag mlflow.data.context, or ""
}

// DatasetsOfRun iterates over the datasets that a run used, in the order in which
// they were first logged by any run.
func DatasetsOfRun(tx *store.Tx, run uint32) iter.Seq2[DatasetRead, error] {
	return func(yield func(DatasetRead, error) bool) {
		for e, err := range edges(tx, run, DatasetInput) {
			var d DatasetRead
			if err == nil {
				d.Context, _ = FindTag(e.row.Tags, tagDatasetContext)
				d.DatasetHead, err = datasetAt(tx, e.object)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// ModelsOfRun iterates over the ids of the logged models that a run has an edge to:
// [ModelInput], [ModelOutput] or [ModelMetric].
func ModelsOfRun(tx *store.Tx, run uint32, role Role) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range edges(tx, run, role) {
			id := ""
			if err == nil {
				id, err = tx.Text(KindLoggedModel, e.object)
			}
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}

// HasModel reports whether a run has an edge of a role to a logged model.
func HasModel(tx *store.Tx, run uint32, role Role, modelID string) (bool, error) {
	object, ok, err := tx.Ord(KindLoggedModel, modelID)
	if err != nil || !ok {
		return false, err
	}
	return tx.Has(edgeKey(run, role, object))
}

// FindDataset is [GetDataset] without the long texts. Errors: store.ErrNotFound.
func FindDataset(tx *store.Tx, experimentID, name, digest string) (DatasetHead, error) {
	experiment, ok, err := tx.Ord(KindExperiment, experimentID)
	var ord uint32
	if err == nil && ok {
		ord, ok, err = findDataset(tx, experiment, name, digest)
	}
	switch {
	case err != nil:
		return DatasetHead{}, err
	case !ok:
		return DatasetHead{}, store.Errorf(store.ErrNotFound, "Dataset (name=%s, digest=%s) not found in experiment %s", name, digest, experimentID)
	}
	return datasetAt(tx, ord)
}

// NewestDatasets is [Datasets], newest first.
func NewestDatasets(tx *store.Tx) iter.Seq2[DatasetHead, error] {
	return func(yield func(DatasetHead, error) bool) {
		last, _, err := lookup(tx, table('s', 'D'))
		if err != nil {
			yield(DatasetHead{}, err)
			return
		}
		for ord := last; ord > 0; ord-- {
			d, err := datasetAt(tx, ord)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// NewestRuns iterates over the runs that used the dataset, which must come from a
// function of this package.
func (d DatasetHead) NewestRuns(tx *store.Tx) iter.Seq2[uint32, error] {
	return newestRuns(tx, DatasetInput, d.ord)
}

// NewestRunsOfModel is [RunsOfModel], newest first.
func NewestRunsOfModel(tx *store.Tx, role Role, modelID string) iter.Seq2[uint32, error] {
	return func(yield func(uint32, error) bool) {
		object, ok, err := tx.Ord(KindLoggedModel, modelID)
		if err != nil {
			yield(0, err)
		}
		if err == nil && ok {
			newestRuns(tx, role, object)(yield)
		}
	}
}

func newestRuns(tx *store.Tx, role Role, object uint32) iter.Seq2[uint32, error] {
	return func(yield func(uint32, error) bool) {
		for r, err := range tx.Prefix(backEdgesKey(role, object), true) {
			var run uint32
			if err == nil {
				run = lastUint32(r.Key)
			}
			if !yield(run, err) || err != nil {
				return
			}
		}
	}
}

// VersionsInStage iterates over the versions of a model in a stage, the highest
// first. Errors: store.ErrNotFound, store.ErrInvalid.
func VersionsInStage(tx *store.Tx, name, stage string) iter.Seq2[*ModelVersion, error] {
	return func(yield func(*ModelVersion, error) bool) {
		in, err := stageByte(stage)
		var ord uint32
		var m *modelRow
		if err == nil {
			ord, m, err = findModel(tx, name)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for r, err := range tx.Prefix(stageKey(ord, in), true) {
			var v *ModelVersion
			if err == nil {
				v, err = openVersion(tx, ord, m, lastUint32(r.Key))
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// maxListed bounds the versions that are looked for because a tag lists them:
// clients may write into it what they like.
const maxListed = 1000

// VersionsOfLogged iterates over the versions made from a logged model: those that
// its tag mlflow.modelVersions lists, which every new version enters at the end, of
// these the last 1000, and those of its run, each once. One that was deleted is left
// out.
func VersionsOfLogged(tx *store.Tx, m *LoggedModel) iter.Seq2[*ModelVersion, error] {
	return func(yield func(*ModelVersion, error) bool) {
		type key struct {
			model   string
			version int
		}
		seen := map[key]bool{}
		var listed []struct {
			Name    string `json:"name"`
			Version int    `json:"version"`
		}
		text, _ := FindTag(m.Tags, tagModelVersions)
		if json.Unmarshal([]byte(text), &listed) != nil {
			listed = nil // a client wrote something else into the tag
		}
		for _, l := range listed[max(0, len(listed)-maxListed):] {
			if seen[key{l.Name, l.Version}] {
				continue
			}
			seen[key{l.Name, l.Version}] = true
			v, err := GetVersion(tx, l.Name, l.Version)
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) || err == nil && v.LoggedModelID() != m.ModelID {
				continue
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
		if m.SourceRunID == "" {
			return
		}
		for v, err := range VersionsByRun(tx, m.SourceRunID) {
			if err == nil && (v.LoggedModelID() != m.ModelID || seen[key{v.Model, v.Version}]) {
				continue
			}
			if err != nil {
				err = fmt.Errorf("versions of logged model %s: %w", m.ModelID, err)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}
