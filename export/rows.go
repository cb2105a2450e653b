package export

import (
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// millis is a time in Unix ms, which CSV shows as a date.
type millis int64

// The rows of the tables. Tags name the columns, for CSV too; "optional" makes
// the zero value, or a nil pointer, no value.

type experimentRow struct {
	ID        string            `parquet:"experiment_id"`
	Name      string            `parquet:"name"`
	Location  string            `parquet:"artifact_location"`
	Lifecycle string            `parquet:"lifecycle_stage,dict"`
	Created   millis            `parquet:"creation_time,timestamp(millisecond)"`
	Updated   millis            `parquet:"last_update_time,timestamp(millisecond)"`
	Tags      map[string]string `parquet:"tags" parquet-key:",dict" parquet-value:",dict"`
}

type runRow struct {
	ID             string             `parquet:"run_id"`
	Name           string             `parquet:"name,dict"`
	ExperimentID   string             `parquet:"experiment_id,dict"`
	ExperimentName string             `parquet:"experiment_name,dict"`
	User           string             `parquet:"user_id,dict"`
	Status         string             `parquet:"status,dict"`
	Start          millis             `parquet:"start_time,timestamp(millisecond)"`
	End            millis             `parquet:"end_time,timestamp(millisecond),optional"`
	Duration       *int64             `parquet:"duration_ms,optional"`
	Lifecycle      string             `parquet:"lifecycle_stage,dict"`
	ArtifactURI    string             `parquet:"artifact_uri"`
	Parent         string             `parquet:"parent_run_id,dict,optional"`
	Params         map[string]string  `parquet:"params" parquet-key:",dict" parquet-value:",dict"`
	Tags           map[string]string  `parquet:"tags" parquet-key:",dict" parquet-value:",dict"`
	Metrics        map[string]float64 `parquet:"metrics" parquet-key:",dict"`
	ModelInputs    []string           `parquet:"input_models,list" parquet-element:",dict"`
	ModelOutputs   []string           `parquet:"output_models,list" parquet-element:",dict"`
}

type seriesRow struct {
	Run         string   `parquet:"run_id,dict"`
	Metric      string   `parquet:"metric,dict"`
	Model       string   `parquet:"model_id,dict,optional"`
	Dataset     string   `parquet:"dataset_name,dict,optional"`
	Digest      string   `parquet:"dataset_digest,dict,optional"`
	Count       int64    `parquet:"count"`
	NaN         int64    `parquet:"nan_count"`
	FirstStep   int64    `parquet:"first_step"`
	FirstTime   millis   `parquet:"first_time,timestamp(millisecond)"`
	First       float64  `parquet:"first"`
	LatestStep  int64    `parquet:"latest_step"`
	LatestTime  millis   `parquet:"latest_time,timestamp(millisecond)"`
	Latest      float64  `parquet:"latest"`
	Min         *float64 `parquet:"min,optional"` // none when all values are NaN
	MinStep     *int64   `parquet:"min_step,optional"`
	Max         *float64 `parquet:"max,optional"`
	MaxStep     *int64   `parquet:"max_step,optional"`
	MinimumTime millis   `parquet:"min_time,timestamp(millisecond)"`
	MaximumTime millis   `parquet:"max_time,timestamp(millisecond)"`
}

type pointRow struct {
	Run     string  `parquet:"run_id,dict"`
	Metric  string  `parquet:"metric,dict"`
	Model   string  `parquet:"model_id,dict,optional"`
	Dataset string  `parquet:"dataset_name,dict,optional"`
	Digest  string  `parquet:"dataset_digest,dict,optional"`
	Step    int64   `parquet:"step,delta"`
	Time    millis  `parquet:"timestamp,timestamp(millisecond),delta"`
	Value   float64 `parquet:"value,split"`
}

type datasetRow struct {
	Run        string            `parquet:"run_id,dict"`
	Name       string            `parquet:"name,dict"`
	Digest     string            `parquet:"digest,dict"`
	Context    string            `parquet:"context,dict,optional"`
	SourceType string            `parquet:"source_type,dict"`
	Source     string            `parquet:"source,dict"`
	Schema     string            `parquet:"schema,dict,optional"`
	Profile    string            `parquet:"profile,dict,optional"`
	Tags       map[string]string `parquet:"tags" parquet-key:",dict" parquet-value:",dict"`
}

type loggedModelRow struct {
	ID            string            `parquet:"model_id"`
	ExperimentID  string            `parquet:"experiment_id,dict"`
	Name          string            `parquet:"name,dict"`
	Type          string            `parquet:"model_type,dict,optional"`
	SourceRun     string            `parquet:"source_run_id,dict,optional"`
	Status        string            `parquet:"status,dict"`
	StatusMessage string            `parquet:"status_message,optional"`
	ArtifactURI   string            `parquet:"artifact_uri"`
	Created       millis            `parquet:"creation_time,timestamp(millisecond)"`
	Updated       millis            `parquet:"last_update_time,timestamp(millisecond)"`
	Lifecycle     string            `parquet:"lifecycle_stage,dict"`
	Params        map[string]string `parquet:"params" parquet-key:",dict" parquet-value:",dict"`
	Tags          map[string]string `parquet:"tags" parquet-key:",dict" parquet-value:",dict"`
}

type modelRow struct {
	Name        string            `parquet:"name"`
	Description string            `parquet:"description,optional"`
	Created     millis            `parquet:"creation_time,timestamp(millisecond)"`
	Updated     millis            `parquet:"last_update_time,timestamp(millisecond)"`
	LastVersion int64             `parquet:"last_version"`
	Aliases     map[string]int64  `parquet:"aliases" parquet-key:",dict"`
	Tags        map[string]string `parquet:"tags" parquet-key:",dict" parquet-value:",dict"`
}

type versionRow struct {
	Model         string            `parquet:"model,dict"`
	Version       int64             `parquet:"version"`
	Stage         string            `parquet:"stage,dict"`
	Aliases       []string          `parquet:"aliases,list" parquet-element:",dict"`
	Status        string            `parquet:"status,dict"`
	StatusMessage string            `parquet:"status_message,optional"`
	Source        string            `parquet:"source"`
	Run           string            `parquet:"run_id,dict,optional"`
	LoggedModel   string            `parquet:"model_id,dict,optional"`
	User          string            `parquet:"user_id,dict,optional"`
	Description   string            `parquet:"description,optional"`
	Created       millis            `parquet:"creation_time,timestamp(millisecond)"`
	Updated       millis            `parquet:"last_update_time,timestamp(millisecond)"`
	Tags          map[string]string `parquet:"tags" parquet-key:",dict" parquet-value:",dict"`
}

// text is s as UTF-8, which Parquet's strings must be.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func texts(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[text(k)] = text(v)
	}
	return out
}

func tagTexts(tags []lineage.Tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[text(t.Key)] = text(t.Value)
	}
	return out
}

func lifecycle(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

func newExperimentRow(e *runstone.Experiment) experimentRow {
	return experimentRow{
		ID: e.ID, Name: e.Name, Location: text(e.Location), Lifecycle: lifecycle(e.Deleted),
		Created: millis(e.Created.UnixMilli()), Updated: millis(e.Updated.UnixMilli()), Tags: texts(e.Tags),
	}
}

// newRunRow takes the latest values of the metrics that keep wants.
func newRunRow(r *runstone.RunData, experiment string, keep func(string) bool) runRow {
	row := runRow{
		ID: r.ID, Name: text(r.Name), ExperimentID: r.ExperimentID, ExperimentName: experiment, User: text(r.User),
		Status: r.Status.String(), Start: millis(r.Start), End: millis(r.End), Lifecycle: lifecycle(r.Deleted),
		ArtifactURI: text(r.ArtifactURI), Parent: text(r.Tags[runstone.TagParent]),
		Params: texts(r.Params), Tags: texts(r.Tags), Metrics: map[string]float64{}, ModelInputs: r.Models.Inputs,
	}
	if r.End != 0 {
		took := r.End - r.Start
		row.Duration = &took
	}
	for i := range r.Metrics {
		name := r.Metrics[i].Metric
		if _, seen := row.Metrics[name]; !seen && keep(name) {
			row.Metrics[name], _ = r.Metric(name)
		}
	}
	for _, m := range r.Models.Outputs {
		row.ModelOutputs = append(row.ModelOutputs, m.ModelID)
	}
	return row
}

func newSeriesRow(run string, m *runstone.MetricSummary) seriesRow {
	row := seriesRow{
		Run: run, Metric: text(m.Metric), Model: text(m.Model), Dataset: text(m.Dataset), Digest: text(m.DatasetDigest),
		Count: m.Count, NaN: m.NaN,
		FirstStep: m.First.Step, FirstTime: millis(m.First.Time), First: m.First.Value,
		LatestStep: m.Latest.Step, LatestTime: millis(m.Latest.Time), Latest: m.Latest.Value,
		MinimumTime: millis(m.MinTime), MaximumTime: millis(m.MaxTime),
	}
	if m.Count > m.NaN {
		row.Min, row.MinStep, row.Max, row.MaxStep = &m.Min, &m.MinStep, &m.Max, &m.MaxStep
	}
	return row
}

// tagContext is the tag of an input that says what the run used it for.
const tagContext = "mlflow.data.context"

func newDatasetRow(run string, in *lineage.Input) datasetRow {
	d := &in.Dataset
	context, _ := lineage.FindTag(in.Tags, tagContext)
	return datasetRow{
		Run: run, Name: text(d.Name), Digest: text(d.Digest), Context: text(context),
		SourceType: text(d.SourceType), Source: text(d.Source), Schema: text(d.Schema), Profile: text(d.Profile), Tags: tagTexts(in.Tags),
	}
}

func newLoggedModelRow(m *lineage.LoggedModel) loggedModelRow {
	return loggedModelRow{
		ID: m.ModelID, ExperimentID: m.ExperimentID, Name: text(m.Name), Type: text(m.ModelType), SourceRun: text(m.SourceRunID),
		Status: text(m.Status), StatusMessage: text(m.StatusMessage), ArtifactURI: text(m.ArtifactURI),
		Created: millis(m.CreatedAt), Updated: millis(m.UpdatedAt), Lifecycle: lifecycle(m.Deleted),
		Params: tagTexts(m.Params), Tags: tagTexts(m.Tags),
	}
}

func newModelRow(m *lineage.RegisteredModel) modelRow {
	row := modelRow{
		Name: text(m.Name), Description: text(m.Description), Created: millis(m.CreatedAt), Updated: millis(m.UpdatedAt),
		LastVersion: int64(m.LastVersion), Aliases: map[string]int64{}, Tags: tagTexts(m.Tags),
	}
	for _, a := range m.Aliases {
		row.Aliases[text(a.Name)] = int64(a.Version)
	}
	return row
}

func newVersionRow(v *lineage.ModelVersion) versionRow {
	row := versionRow{
		Model: text(v.Model), Version: int64(v.Version), Stage: text(v.Stage), Status: text(v.Status), StatusMessage: text(v.StatusMessage),
		Source: text(v.Source), Run: text(v.RunID), LoggedModel: text(v.LoggedModelID()), User: text(v.UserID), Description: text(v.Description),
		Created: millis(v.CreatedAt), Updated: millis(v.UpdatedAt), Tags: tagTexts(v.Tags),
	}
	for _, a := range v.Aliases {
		row.Aliases = append(row.Aliases, text(a))
	}
	return row
}
