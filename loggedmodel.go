package runstone

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// CreateLoggedModel adds a logged model to an active experiment and returns it.
// An empty ModelID, Name and ArtifactURI are made up: the files go to
// <location of the experiment>/models/<id>/artifacts. Errors: [ErrNotFound] for
// the experiment, [ErrInvalid], [ErrExists] for a taken id.
func (db *DB) CreateLoggedModel(ctx context.Context, m lineage.LoggedModel) (*lineage.LoggedModel, error) {
	if m.ModelID == "" {
		m.ModelID = "m-" + newID()
	}
	if m.Name == "" {
		m.Name = madeUpName(m.ModelID)
	}
	var made *lineage.LoggedModel
	err := db.Update(ctx, func(tx *store.Tx) error {
		_, exp, err := loadExperiment(tx, m.ExperimentID)
		if err != nil {
			return err
		}
		if exp.Deleted {
			return invalid("The experiment %s must be in the 'active' state. Current state is deleted.", m.ExperimentID)
		}
		if m.ArtifactURI == "" {
			m.ArtifactURI = strings.TrimSuffix(exp.Location, "/") + "/models/" + m.ModelID + "/artifacts"
		}
		made, err = lineage.CreateLoggedModel(tx, db.now(), m)
		return err
	})
	return made, err
}

// ModelMetric is a metric of a run that is about a logged model.
type ModelMetric struct {
	Run string // id
	MetricSummary
}

// ModelMetrics returns the metrics that runs logged about a logged model, by
// run and then by name.
func (db *DB) ModelMetrics(ctx context.Context, modelID string) ([]ModelMetric, error) {
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	var out []ModelMetric
	err = s.View(ctx, func(tx *store.Tx) error {
		out, err = modelMetrics(ctx, s, tx, modelID)
		return err
	})
	return out, err
}

func modelMetrics(ctx context.Context, s *store.Store, tx *store.Tx, modelID string) ([]ModelMetric, error) {
	var out []ModelMetric
	for run, err := range lineage.RunsOfModel(tx, lineage.ModelMetric, modelID) {
		if err != nil {
			return nil, err
		}
		id, err := tx.Text(kindRun, run)
		if err != nil {
			return nil, err
		}
		sums, err := s.Summaries(ctx, run)
		if err != nil {
			return nil, err
		}
		for _, m := range sums {
			if m.Model == modelID {
				out = append(out, ModelMetric{id, m})
			}
		}
	}
	return out, nil
}

// tagModelHistory lists the models of a run that MLflow 2 logged, as JSON.
const tagModelHistory = "mlflow.log-model.history"

// maxModelHistory bounds that tag in bytes.
const maxModelHistory = 4 << 20

// LogModelHistory appends a model, a JSON object, to the list of models that
// clients of MLflow 2 keep in a tag of the run.
func (db *DB) LogModelHistory(ctx context.Context, run, model string) error {
	return db.do(ctx, db.opt.Durability, &modelHistory{ID: run, Model: model})
}

type modelHistory struct{ ID, Model string }

func (o *modelHistory) kind() opKind { return kindModelHistory }

func (o *modelHistory) apply(tx *store.Tx) error {
	if !json.Valid([]byte(o.Model)) {
		return invalid("the model is not valid JSON")
	}
	run, _, err := loadActiveRun(tx, o.ID)
	if err != nil {
		return err
	}
	key, err := tx.Intern(kindTag, tagModelHistory)
	if err != nil {
		return err
	}
	old, err := loadText(tx, tagKey(run, key))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	var models []json.RawMessage
	if old != "" {
		if err := json.Unmarshal([]byte(old), &models); err != nil {
			return invalid("tag %s of run %s is not a list of models", tagModelHistory, o.ID)
		}
	}
	b, err := json.Marshal(append(models, json.RawMessage(o.Model)))
	if err != nil {
		return err
	}
	if len(b) > maxModelHistory {
		return invalid("tag %s of run %s would exceed %d bytes", tagModelHistory, o.ID, maxModelHistory)
	}
	if err := index.Touch(tx, run); err != nil {
		return err
	}
	return saveText(tx, tagKey(run, key), string(b))
}
