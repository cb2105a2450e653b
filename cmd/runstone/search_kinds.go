package main

import (
	"context"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query/tree"
)

// searchKinds are the values of --kind.
var searchKinds = []string{"runs", "experiments", "models", "versions", "datasets", "logged-models"}

// finderOf returns how things of one of searchKinds are found.
func finderOf(kind string) (finder, bool) {
	switch kind {
	case "runs":
		return (&searchKind[*runstone.RunData]{
			domain: tree.Runs, noun: "run", columns: []string{"run_id", "run_name", "status", "start_time"},
			search: func(ctx context.Context, db *runstone.DB, text string, opt *runstone.SearchOptions) (*runstone.Page[*runstone.RunData], error) {
				return db.SearchRuns(ctx, text, opt)
			},
			row: func(r *runstone.RunData) []any {
				return []any{runRef(r.ID), r.Name, r.Status.String(), millis(r.Start)}
			},
			view: func(r *runstone.RunData) any { return viewRun(r) },
		}).find, true
	case "experiments":
		return (&searchKind[*runstone.Experiment]{
			domain: tree.Experiments, noun: "experiment", columns: []string{"experiment_id", "name", "lifecycle_stage", "creation_time"},
			search: func(ctx context.Context, db *runstone.DB, text string, opt *runstone.SearchOptions) (*runstone.Page[*runstone.Experiment], error) {
				return db.SearchExperiments(ctx, text, opt)
			},
			row: func(e *runstone.Experiment) []any {
				return []any{e.ID, e.Name, stage(e.Deleted), millis(e.Created.UnixMilli())}
			},
			view: func(e *runstone.Experiment) any { return viewExperiment(e) },
		}).find, true
	case "models":
		return (&searchKind[*lineage.RegisteredModel]{
			domain: tree.RegisteredModels, noun: "model", columns: []string{"name", "versions", "stages", "aliases", "updated"},
			search: func(ctx context.Context, db *runstone.DB, text string, opt *runstone.SearchOptions) (*runstone.Page[*lineage.RegisteredModel], error) {
				return db.SearchModels(ctx, text, opt)
			},
			row: func(m *lineage.RegisteredModel) []any {
				return []any{m.Name, int64(m.LastVersion), stagesOf(m), aliasesOf(m), millis(m.UpdatedAt)}
			},
			view: func(m *lineage.RegisteredModel) any { return viewModel(m) },
		}).find, true
	case "versions":
		return (&searchKind[*lineage.ModelVersion]{
			domain: tree.ModelVersions, noun: "version", columns: []string{"name", "version_number", "stage", "aliases", "run_id", "created"},
			search: func(ctx context.Context, db *runstone.DB, text string, opt *runstone.SearchOptions) (*runstone.Page[*lineage.ModelVersion], error) {
				return db.SearchVersions(ctx, text, opt)
			},
			row: func(v *lineage.ModelVersion) []any {
				return []any{v.Model, int64(v.Version), v.Stage, strings.Join(v.Aliases, ", "), runRef(v.RunID), millis(v.CreatedAt)}
			},
			view: func(v *lineage.ModelVersion) any { return viewVersion(v) },
		}).find, true
	case "datasets":
		return (&searchKind[lineage.DatasetHead]{
			domain: tree.Datasets, noun: "dataset", columns: []string{"name", "digest", "source_type", "experiment_id"},
			search: func(ctx context.Context, db *runstone.DB, text string, opt *runstone.SearchOptions) (*runstone.Page[lineage.DatasetHead], error) {
				return db.SearchDatasets(ctx, text, opt)
			},
			row:  func(d lineage.DatasetHead) []any { return []any{d.Name, d.Digest, d.SourceType, d.ExperimentID} },
			view: viewDataset,
		}).find, true
	case "logged-models":
		return (&searchKind[runstone.FoundModel]{
			domain: tree.LoggedModels, noun: "logged model", columns: []string{"model_id", "name", "status", "source_run_id", "creation_time"},
			search: func(ctx context.Context, db *runstone.DB, text string, opt *runstone.SearchOptions) (*runstone.Page[runstone.FoundModel], error) {
				return db.SearchLoggedModels(ctx, text, &runstone.LoggedModelSearch{SearchOptions: *opt})
			},
			row: func(f runstone.FoundModel) []any {
				m := f.Model
				return []any{m.ModelID, m.Name, m.Status, runRef(m.SourceRunID), millis(m.CreatedAt)}
			},
			view: func(f runstone.FoundModel) any { return viewLoggedModel(f.Model) },
		}).find, true
	}
	return nil, false
}

func viewDataset(d lineage.DatasetHead) any {
	return map[string]any{"experiment_id": d.ExperimentID, "name": d.Name, "digest": d.Digest, "source_type": d.SourceType, "source": d.Source}
}

func viewLoggedModel(m *lineage.LoggedModel) any {
	return map[string]any{
		"model_id": m.ModelID, "experiment_id": m.ExperimentID, "name": m.Name, "model_type": m.ModelType, "source_run_id": m.SourceRunID,
		"status": m.Status, "artifact_uri": m.ArtifactURI, "creation_time": m.CreatedAt, "last_update_time": m.UpdatedAt,
		"params": tagMap(m.Params), "tags": tagMap(m.Tags),
	}
}
