package lineage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// Role says what an edge of a run leads to.
type Role byte

// Roles. Values are part of row keys.
const (
	DatasetInput Role = 1
	ModelInput   Role = 2
	ModelOutput  Role = 3
	ModelMetric  Role = 4 // the run logged metrics about the model
)

func (r Role) String() string {
	switch r {
	case DatasetInput:
		return "dataset input"
	case ModelInput:
		return "model input"
	case ModelOutput:
		return "model output"
	case ModelMetric:
		return "model metric"
	}
	return fmt.Sprintf("role %d", byte(r))
}

// Input is a dataset that a run used.
type Input struct {
	Dataset Dataset
	Tags    []Tag // sorted by key
}

// Output is a logged model that a run made.
type Output struct {
	ModelID string
	Step    int64
}

type edgeRow struct {
	Step int64
	Tags []Tag
}

func addEdge(tx *store.Tx, run uint32, role Role, object uint32, row edgeRow) error {
	if err := saveSplit(tx, edgeKey(run, role, object), row); err != nil {
		return err
	}
	return tx.Save(backEdgeKey(role, object, run), 1, none{})
}

// LogInput records that a run of an experiment used a dataset, and reports
// whether that is new: a second call for the same run and dataset changes
// nothing, tags included. Errors: store.ErrInvalid.
func LogInput(tx *store.Tx, experimentID string, run uint32, d Dataset, tags []Tag) (bool, error) {
	if err := ValidateDataset(&d); err != nil {
		return false, err
	}
	if err := validateTags(tags, validateInputTag); err != nil {
		return false, err
	}
	experiment, err := tx.Intern(KindExperiment, experimentID)
	if err != nil {
		return false, err
	}
	ord, err := addDataset(tx, experiment, &d)
	if err != nil {
		return false, err
	}
	if known, err := tx.Has(edgeKey(run, DatasetInput, ord)); err != nil || known {
		return false, err
	}
	tags = sortTags(tags)
	context, has := FindTag(tags, tagDatasetContext)
	if err := tx.Save(contextKey(experiment, ord, has, context), 1, contextRow{context, has}); err != nil {
		return false, err
	}
	return true, addEdge(tx, run, DatasetInput, ord, edgeRow{Tags: tags})
}

// Inputs returns the datasets that a run used, in the order in which they were
// first logged by any run.
func Inputs(tx *store.Tx, run uint32) ([]Input, error) {
	var out []Input
	for e, err := range edges(tx, run, DatasetInput) {
		if err != nil {
			return nil, err
		}
		d, err := loadDataset(tx, e.object)
		if err != nil {
			return nil, err
		}
		out = append(out, Input{*d, e.row.Tags})
	}
	return out, nil
}

// InputUses is Inputs without sources, schemas, profiles and tags: what a
// filter over datasets compares.
func InputUses(tx *store.Tx, run uint32) ([]DatasetUse, error) {
	var out []DatasetUse
	for e, err := range edges(tx, run, DatasetInput) {
		if err != nil {
			return nil, err
		}
		head, err := loadDatasetHead(tx, e.object)
		if err != nil {
			return nil, err
		}
		context, has := FindTag(e.row.Tags, tagDatasetContext)
		out = append(out, DatasetUse{head.Name, head.Digest, context, has})
	}
	return out, nil
}

// LogModelInput records that a run used a logged model. A second call changes
// nothing. The model need not be known here. Errors: store.ErrInvalid.
func LogModelInput(tx *store.Tx, run uint32, modelID string) error {
	return logModel(tx, run, ModelInput, Output{ModelID: modelID})
}

// LogModelOutput records that a run made a logged model; the step of a second
// call replaces that of the first. The model need not be known here. Errors:
// store.ErrInvalid.
func LogModelOutput(tx *store.Tx, run uint32, o Output) error {
	return logModel(tx, run, ModelOutput, o)
}

// LogModelMetric records that a run logged metrics about a logged model. A
// second call changes nothing. Errors: store.ErrInvalid.
func LogModelMetric(tx *store.Tx, run uint32, modelID string) error {
	return logModel(tx, run, ModelMetric, Output{ModelID: modelID})
}

func logModel(tx *store.Tx, run uint32, role Role, o Output) error {
	if err := validateLoggedID(o.ModelID); err != nil {
		return err
	}
	ord, err := tx.Intern(KindLoggedModel, o.ModelID)
	if err != nil {
		return err
	}
	var old edgeRow
	err = loadSplit(tx, edgeKey(run, role, ord), &old)
	if err == nil && old.Step == o.Step {
		return nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return addEdge(tx, run, role, ord, edgeRow{Step: o.Step})
}

// ModelInputs returns the ids of the logged models that a run used, in the
// order in which the ids were first seen.
func ModelInputs(tx *store.Tx, run uint32) ([]string, error) {
	var ids []string
	for e, err := range edges(tx, run, ModelInput) {
		if err != nil {
			return nil, err
		}
		id, err := tx.Text(KindLoggedModel, e.object)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Outputs returns the logged models that a run made, in the order in which
// their ids were first seen.
func Outputs(tx *store.Tx, run uint32) ([]Output, error) {
	var out []Output
	for e, err := range edges(tx, run, ModelOutput) {
		if err != nil {
			return nil, err
		}
		id, err := tx.Text(KindLoggedModel, e.object)
		if err != nil {
			return nil, err
		}
		out = append(out, Output{id, e.row.Step})
	}
	return out, nil
}

// RunEdges is everything that a run used and made.
type RunEdges struct {
	Inputs      []Input
	ModelInputs []string // ids
	Outputs     []Output
}

// OfRun returns the edges of a run with one scan: [Inputs], [ModelInputs] and
// [Outputs] together.
func OfRun(tx *store.Tx, run uint32) (RunEdges, error) {
	var all RunEdges
	for r, err := range tx.Prefix(edgesKey(run, 0)[:5], false) {
		if err != nil {
			return all, err
		}
		var row edgeRow
		object := lastUint32(r.Key)
		if err := decodeSplit(tx, r, &row); err != nil {
			return all, err
		}
		switch role := Role(r.Key[5]); role {
		case DatasetInput:
			d, err := loadDataset(tx, object)
			if err != nil {
				return all, err
			}
			all.Inputs = append(all.Inputs, Input{*d, row.Tags})
		case ModelInput, ModelOutput:
			id, err := tx.Text(KindLoggedModel, object)
			if err != nil {
				return all, err
			}
			if role == ModelInput {
				all.ModelInputs = append(all.ModelInputs, id)
			} else {
				all.Outputs = append(all.Outputs, Output{id, row.Step})
			}
		}
	}
	return all, nil
}

type edge struct {
	object uint32
	row    edgeRow
}

func edges(tx *store.Tx, run uint32, role Role) iter.Seq2[edge, error] {
	return func(yield func(edge, error) bool) {
		for r, err := range tx.Prefix(edgesKey(run, role), false) {
			var e edge
			if err == nil {
				e.object = lastUint32(r.Key)
				err = decodeSplit(tx, r, &e.row)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// RunsOfDataset iterates over the runs that used a dataset of this name, in any
// experiment, by dataset and then by ordinal. An empty digest is any.
func RunsOfDataset(tx *store.Tx, name, digest string) iter.Seq2[uint32, error] {
	return func(yield func(uint32, error) bool) {
		for d, err := range Datasets(tx) {
			if err != nil {
				yield(0, err)
				return
			}
			if d.Name != name || digest != "" && d.Digest != digest {
				continue
			}
			more := true
			runsOf(tx, DatasetInput, func() (uint32, bool, error) { return d.ord, true, nil })(func(run uint32, err error) bool {
				more = yield(run, err) && err == nil
				return more
			})
			if !more {
				return
			}
		}
	}
}

// RunsOfModel iterates over the runs that have a logged model as their
// [ModelInput] or [ModelOutput], or logged a [ModelMetric] about it, by ordinal.
func RunsOfModel(tx *store.Tx, role Role, modelID string) iter.Seq2[uint32, error] {
	return runsOf(tx, role, func() (uint32, bool, error) { return tx.Ord(KindLoggedModel, modelID) })
}

func runsOf(tx *store.Tx, role Role, find func() (uint32, bool, error)) iter.Seq2[uint32, error] {
	return func(yield func(uint32, error) bool) {
		object, ok, err := find()
		if err != nil {
			yield(0, err)
		}
		if err != nil || !ok {
			return
		}
		for r, err := range tx.Prefix(backEdgesKey(role, object), false) {
			if err != nil {
				yield(0, err)
				return
			}
			if !yield(lastUint32(r.Key), nil) {
				return
			}
		}
	}
}

// DropRun removes the edges of a run. What they led to stays.
func DropRun(tx *store.Tx, run uint32) error {
	prefix := tuple.Uint32(tuple.Key('K'), run)
	for r, err := range tx.Prefix(prefix, false) {
		if err != nil {
			return err
		}
		role, object := Role(r.Key[len(prefix)]), binary.BigEndian.Uint32(r.Key[len(prefix)+1:])
		if err := tx.Delete(backEdgeKey(role, object, run)); err != nil {
			return err
		}
		if err := deleteSplit(tx, edgeKey(run, role, object)); err != nil {
			return err
		}
	}
	return nil
}
