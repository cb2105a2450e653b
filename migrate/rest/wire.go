package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// Messages of MLflow's API, as far as they are used.

// integer is an int64, which some servers write as a string.
type integer int64

// UnmarshalJSON takes 5, "5" and 5.0.
func (n *integer) UnmarshalJSON(b []byte) error {
	b = bytes.Trim(b, `"`)
	if string(b) == "null" || len(b) == 0 {
		return nil
	}
	if v, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*n = integer(v)
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("%.40s is not a whole number", b)
	}
	*n = integer(f)
	return nil
}

// double is a float64, which is a string when it is not finite.
type double float64

// UnmarshalJSON takes 0.5, "0.5", "NaN" and "-Infinity".
func (x *double) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64)
	if err != nil {
		if string(b) == "null" {
			return nil
		}
		return fmt.Errorf("%.40s is not a number", b)
	}
	*x = double(v)
	return nil
}

// MarshalJSON is the inverse.
func (x double) MarshalJSON() ([]byte, error) {
	switch f := float64(x); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	}
	return json.Marshal(float64(x))
}

type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type experiment struct {
	ID       string     `json:"experiment_id"`
	Name     string     `json:"name"`
	Location string     `json:"artifact_location"`
	Stage    string     `json:"lifecycle_stage"`
	Created  integer    `json:"creation_time"`
	Updated  integer    `json:"last_update_time"`
	Tags     []keyValue `json:"tags"`
}

type runInfo struct {
	ID           string  `json:"run_id"`
	UUID         string  `json:"run_uuid"`
	Name         string  `json:"run_name"`
	ExperimentID string  `json:"experiment_id"`
	User         string  `json:"user_id"`
	Status       string  `json:"status"`
	Start        integer `json:"start_time"`
	End          integer `json:"end_time"`
	Stage        string  `json:"lifecycle_stage"`
	ArtifactURI  string  `json:"artifact_uri"`
}

type metric struct {
	Key           string  `json:"key"`
	Value         double  `json:"value"`
	Time          integer `json:"timestamp"`
	Step          integer `json:"step"`
	Model         string  `json:"model_id,omitempty"`
	Dataset       string  `json:"dataset_name,omitempty"`
	DatasetDigest string  `json:"dataset_digest,omitempty"`
	Run           string  `json:"run_id,omitempty"`
}

type dataset struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

type datasetInput struct {
	Tags    []keyValue `json:"tags,omitempty"`
	Dataset dataset    `json:"dataset"`
}

type modelRef struct {
	ID   string  `json:"model_id"`
	Step integer `json:"step,omitempty"`
}

type run struct {
	Info runInfo `json:"info"`
	Data struct {
		Metrics []metric   `json:"metrics"`
		Params  []keyValue `json:"params"`
		Tags    []keyValue `json:"tags"`
	} `json:"data"`
	Inputs struct {
		Datasets []datasetInput `json:"dataset_inputs"`
		Models   []modelRef     `json:"model_inputs"`
	} `json:"inputs"`
	Outputs struct {
		Models []modelRef `json:"model_outputs"`
	} `json:"outputs"`
}

type loggedModel struct {
	Info struct {
		ID            string     `json:"model_id"`
		ExperimentID  string     `json:"experiment_id"`
		Name          string     `json:"name"`
		Created       integer    `json:"creation_timestamp_ms"`
		Updated       integer    `json:"last_updated_timestamp_ms"`
		ArtifactURI   string     `json:"artifact_uri"`
		Status        string     `json:"status"`
		StatusMessage string     `json:"status_message"`
		Type          string     `json:"model_type"`
		SourceRun     string     `json:"source_run_id"`
		Tags          []keyValue `json:"tags"`
	} `json:"info"`
	Data struct {
		Params  []keyValue `json:"params"`
		Metrics []metric   `json:"metrics"`
	} `json:"data"`
}

type registered struct {
	Name        string     `json:"name"`
	Created     integer    `json:"creation_timestamp"`
	Updated     integer    `json:"last_updated_timestamp"`
	Description string     `json:"description"`
	Tags        []keyValue `json:"tags"`
	Aliases     []alias    `json:"aliases"`
}

type alias struct {
	Alias   string  `json:"alias"`
	Version integer `json:"version"`
}

type version struct {
	Name          string     `json:"name"`
	Version       integer    `json:"version"`
	Created       integer    `json:"creation_timestamp"`
	Updated       integer    `json:"last_updated_timestamp"`
	User          string     `json:"user_id"`
	Stage         string     `json:"current_stage"`
	Description   string     `json:"description"`
	Source        string     `json:"source"`
	Run           string     `json:"run_id"`
	RunLink       string     `json:"run_link"`
	Model         string     `json:"model_id"`
	Status        string     `json:"status"`
	StatusMessage string     `json:"status_message"`
	Tags          []keyValue `json:"tags"`
	Aliases       []string   `json:"aliases"`
}

type fileInfo struct {
	Path  string  `json:"path"`
	IsDir bool    `json:"is_dir"`
	Size  integer `json:"file_size"`
}

type listing struct {
	Files []fileInfo `json:"files"`
	Next  string     `json:"next_page_token"`
}

const stageOfDeleted = "deleted"

func sorted(list []keyValue) []lineage.Tag {
	out := make([]lineage.Tag, len(list))
	for i, kv := range list {
		out[i] = lineage.Tag(kv)
	}
	slices.SortFunc(out, func(a, b lineage.Tag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func pairs(list []lineage.Tag) []keyValue {
	out := make([]keyValue, len(list))
	for i, t := range list {
		out[i] = keyValue(t)
	}
	return out
}

func find(list []keyValue, key string) string {
	for _, kv := range list {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}

// imported is a run as an import takes it.
func (r *run) imported() *runstone.ImportedRun {
	out := &runstone.ImportedRun{}
	out.ID, out.Name, out.ExperimentID, out.User = r.id(), r.Info.Name, r.Info.ExperimentID, r.Info.User
	out.Status, _ = runstone.ParseRunStatus(r.Info.Status) // 0 is refused by the import, by the run's name
	out.Start, out.End = int64(r.Info.Start), int64(r.Info.End)
	out.Deleted, out.ArtifactURI = r.Info.Stage == stageOfDeleted, r.Info.ArtifactURI
	for _, t := range sorted(r.Data.Params) {
		out.Params = append(out.Params, runstone.KV(t))
	}
	for _, t := range sorted(r.Data.Tags) {
		out.Tags = append(out.Tags, runstone.KV(t))
	}
	if out.Name == "" {
		out.Name, _ = lineage.FindTag(out.Tags, runstone.TagRunName)
	}
	for _, in := range r.Inputs.Datasets {
		out.Inputs = append(out.Inputs, lineage.Input{Dataset: lineage.Dataset(in.Dataset), Tags: sorted(in.Tags)})
	}
	for _, m := range r.Inputs.Models {
		out.Models.Inputs = append(out.Models.Inputs, m.ID)
	}
	for _, m := range r.Outputs.Models {
		out.Models.Outputs = append(out.Models.Outputs, lineage.Output{ModelID: m.ID, Step: int64(m.Step)})
	}
	return out
}

func (r *run) id() string {
	if r.Info.ID != "" {
		return r.Info.ID
	}
	return r.Info.UUID
}
