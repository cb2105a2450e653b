package server

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

func (s *Server) logInputs(ctx context.Context, a args) (any, error) {
	id := a.needRun()
	var inputs []lineage.Input
	var models []string
	for _, in := range a.objects("datasets") {
		d := in.object("dataset")
		inputs = append(inputs, lineage.Input{Tags: in.tags("tags"), Dataset: lineage.Dataset{
			Name: d.str("name"), Digest: d.str("digest"), SourceType: d.str("source_type"),
			Source: d.str("source"), Schema: d.str("schema"), Profile: d.str("profile"),
		}})
	}
	for _, m := range a.objects("models") {
		models = append(models, m.need("model_id"))
	}
	if len(inputs) > 1000 || len(models) > 1000 {
		a.fail(badRequest("A request can log at most 1000 datasets and 1000 models."))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	if err := s.checkModels(ctx, models, toRead); err != nil {
		return nil, err
	}
	return empty{}, s.db.LogInputs(ctx, id, inputs, models)
}

func (s *Server) logOutputs(ctx context.Context, a args) (any, error) {
	id := a.needRun()
	if !a.has("models") {
		a.missing("models")
	}
	var outputs []lineage.Output
	var models []string
	for _, m := range a.objects("models") {
		models = append(models, m.str("model_id"))
		outputs = append(outputs, lineage.Output{ModelID: m.need("model_id"), Step: m.int("step", 0)})
	}
	if len(outputs) > 1000 {
		a.fail(badRequest("A request can log at most 1000 models."))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	if err := s.checkModels(ctx, models, toEdit); err != nil {
		return nil, err
	}
	return empty{}, s.db.LogOutputs(ctx, id, outputs)
}

// logModel takes what clients of MLflow 2 say of a model they logged.
func (s *Server) logModel(ctx context.Context, a args) (any, error) {
	id, text := a.needRun(), a.need("model_json")
	if err := a.done(); err != nil {
		return nil, err
	}
	v, err := parseJSON(text)
	if err != nil || !json.Valid([]byte(text)) || v.kind != kindObject {
		return nil, badRequest("Malformed model info. \n %s \n is not a valid JSON.", cutEcho(text))
	}
	var missing []string
	for _, name := range []string{"artifact_path", "flavors", "run_id", "utc_time_created"} {
		if v.get(name) == nil {
			missing = append(missing, "'"+name+"'")
		}
	}
	if missing != nil {
		return nil, badRequest("Model json is missing mandatory fields: {%s}", strings.Join(missing, ", "))
	}
	return empty{}, s.db.LogModelHistory(ctx, id, text)
}

type wireDatasetUse struct {
	Experiment string `json:"experiment_id"`
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	Context    string `json:"context,omitempty"`
}

func (s *Server) searchDatasets(ctx context.Context, a args) (any, error) {
	ids := a.strs("experiment_ids")
	switch {
	case len(ids) == 0:
		a.fail(badRequest("SearchDatasets request must specify at least one experiment_id."))
	case len(ids) > 20:
		a.fail(badRequest("SearchDatasets request cannot specify more than 20 experiment_ids. Received %d experiment_ids.", len(ids)))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	answer := struct {
		Summaries []wireDatasetUse `json:"dataset_summaries,omitempty"`
	}{}
	const most = 1000
	err := s.db.View(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			var uses []wireDatasetUse
			for d, err := range lineage.DatasetsOf(tx, id) {
				if err != nil {
					return err
				}
				uses = append(uses, wireDatasetUse{id, d.Name, d.Digest, d.Context})
			}
			slices.SortFunc(uses, func(a, b wireDatasetUse) int {
				return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Digest, b.Digest), strings.Compare(a.Context, b.Context))
			})
			answer.Summaries = append(answer.Summaries, uses...)
		}
		return nil
	})
	answer.Summaries = answer.Summaries[:min(most, len(answer.Summaries))]
	return answer, err
}
