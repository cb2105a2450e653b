package main

import (
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// What --json prints. Times are Unix ms, as in MLflow.

type experimentView struct {
	ID       string            `json:"experiment_id"`
	Name     string            `json:"name"`
	Location string            `json:"artifact_location"`
	Stage    string            `json:"lifecycle_stage"`
	Created  int64             `json:"creation_time"`
	Updated  int64             `json:"last_update_time"`
	Tags     map[string]string `json:"tags"`
}

func viewExperiment(e *runstone.Experiment) experimentView {
	return experimentView{
		ID: e.ID, Name: e.Name, Location: e.Location, Stage: stage(e.Deleted),
		Created: e.Created.UnixMilli(), Updated: e.Updated.UnixMilli(), Tags: e.Tags,
	}
}

func stage(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

type runView struct {
	ID         string            `json:"run_id"`
	Name       string            `json:"run_name"`
	Experiment string            `json:"experiment_id"`
	User       string            `json:"user_id"`
	Status     string            `json:"status"`
	Start      int64             `json:"start_time"`
	End        *int64            `json:"end_time"`
	Stage      string            `json:"lifecycle_stage"`
	Artifacts  string            `json:"artifact_uri"`
	Params     map[string]string `json:"params"`
	Tags       map[string]string `json:"tags"`
	Metrics    []metricView      `json:"metrics"`
	Inputs     []inputView       `json:"inputs,omitempty"`
	Models     []string          `json:"models,omitempty"`
}

type inputView struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Source string `json:"source"`
}

func viewRun(r *runstone.RunData) runView {
	v := runView{
		ID: r.ID, Name: r.Name, Experiment: r.ExperimentID, User: r.User, Status: r.Status.String(),
		Start: r.Start, Stage: stage(r.Deleted), Artifacts: r.ArtifactURI,
		Params: r.Params, Tags: r.Tags, Metrics: viewMetrics(r.Metrics),
	}
	if r.End != 0 {
		v.End = &r.End
	}
	for _, in := range r.Inputs {
		v.Inputs = append(v.Inputs, inputView{in.Dataset.Name, in.Dataset.Digest, in.Dataset.Source})
	}
	for _, out := range r.Models.Outputs {
		v.Models = append(v.Models, out.ModelID)
	}
	return v
}

type pointView struct {
	Step  int64  `json:"step"`
	Time  int64  `json:"time"`
	Value number `json:"value"`
}

func viewPoint(p runstone.Point) pointView { return pointView{p.Step, p.Time, number(p.Value)} }

type metricView struct {
	Metric  string    `json:"metric"`
	Model   string    `json:"model_id,omitempty"`
	Dataset string    `json:"dataset,omitempty"`
	Digest  string    `json:"dataset_digest,omitempty"`
	Count   int64     `json:"count"`
	NaN     int64     `json:"nan"`
	First   pointView `json:"first"`
	Latest  pointView `json:"latest"`
	Min     *number   `json:"min"` // none when all values are NaN
	MinStep int64     `json:"min_step"`
	Max     *number   `json:"max"`
	MaxStep int64     `json:"max_step"`
}

func viewMetrics(all []runstone.MetricSummary) []metricView {
	out := make([]metricView, 0, len(all))
	for i := range all {
		m := &all[i]
		v := metricView{
			Metric: m.Metric, Model: m.Model, Dataset: m.Dataset, Digest: m.DatasetDigest,
			Count: m.Count, NaN: m.NaN, First: viewPoint(m.First), Latest: viewPoint(m.Latest),
		}
		if m.Count > m.NaN {
			lo, hi := number(m.Min), number(m.Max)
			v.Min, v.Max, v.MinStep, v.MaxStep = &lo, &hi, m.MinStep, m.MaxStep
		}
		out = append(out, v)
	}
	return out
}

type versionView struct {
	Model       string            `json:"name"`
	Version     int               `json:"version"`
	Stage       string            `json:"stage"`
	Status      string            `json:"status"`
	Aliases     []string          `json:"aliases"`
	Source      string            `json:"source"`
	RunID       string            `json:"run_id"`
	User        string            `json:"user_id"`
	Description string            `json:"description"`
	Created     int64             `json:"creation_time"`
	Updated     int64             `json:"last_update_time"`
	Tags        map[string]string `json:"tags"`
}

func viewVersion(v *lineage.ModelVersion) versionView {
	return versionView{
		Model: v.Model, Version: v.Version, Stage: v.Stage, Status: v.Status, Aliases: append([]string{}, v.Aliases...),
		Source: v.Source, RunID: v.RunID, User: v.UserID, Description: v.Description,
		Created: v.CreatedAt, Updated: v.UpdatedAt, Tags: tagMap(v.Tags),
	}
}

type modelView struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Created     int64             `json:"creation_time"`
	Updated     int64             `json:"last_update_time"`
	LastVersion int               `json:"last_version"`
	Aliases     map[string]int    `json:"aliases"`
	Stages      map[string]int    `json:"stages"`
	Tags        map[string]string `json:"tags"`
}

func viewModel(m *lineage.RegisteredModel) modelView {
	v := modelView{
		Name: m.Name, Description: m.Description, Created: m.CreatedAt, Updated: m.UpdatedAt,
		LastVersion: m.LastVersion, Aliases: map[string]int{}, Stages: map[string]int{}, Tags: tagMap(m.Tags),
	}
	for _, a := range m.Aliases {
		v.Aliases[a.Name] = a.Version
	}
	for _, mv := range m.LatestVersions {
		if mv.Stage != lineage.StageNone {
			v.Stages[mv.Stage] = mv.Version
		}
	}
	return v
}

func tagMap(tags []lineage.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// took is how long a run took, or has taken so far.
func took(r *runstone.RunInfo, now time.Time) string {
	if r.End == 0 && r.Status != runstone.Running {
		return ""
	}
	return span(r.Duration(now))
}
