package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// The messages of MLflow's API, in its order of fields. What protobuf calls
// not set is left out; 64-bit integers are numbers.

// number is a double: NaN is a string, ±Inf the largest double, as MLflow
// reads back what it stored.
type number float64

// MarshalJSON implements [json.Marshaler].
func (n number) MarshalJSON() ([]byte, error) { return n.append(nil), nil }

func clamp(f float64) float64 {
	return max(-math.MaxFloat64, min(f, math.MaxFloat64))
}

type wireTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func wireTags(tags []lineage.Tag) []wireTag {
	out := make([]wireTag, len(tags))
	for i, t := range tags {
		out[i] = wireTag(t)
	}
	return out
}

func wireMap(m map[string]string) []wireTag {
	out := make([]wireTag, 0, len(m))
	for k, v := range m {
		out = append(out, wireTag{k, v})
	}
	slices.SortFunc(out, func(a, b wireTag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

type wireExperiment struct {
	ID        string    `json:"experiment_id"`
	Name      string    `json:"name"`
	Location  string    `json:"artifact_location"`
	Stage     string    `json:"lifecycle_stage"`
	Updated   int64     `json:"last_update_time"`
	Created   int64     `json:"creation_time"`
	Tags      []wireTag `json:"tags,omitempty"`
	Workspace string    `json:"workspace"`
}

func newWireExperiment(e *runstone.Experiment) wireExperiment {
	return wireExperiment{
		ID: e.ID, Name: e.Name, Location: e.Location, Stage: lifecycle(e.Deleted),
		Updated: e.Updated.UnixMilli(), Created: e.Created.UnixMilli(), Tags: wireMap(e.Tags), Workspace: "default",
	}
}

func lifecycle(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

type wireRunInfo struct {
	UUID         string `json:"run_uuid"`
	ExperimentID string `json:"experiment_id"`
	Name         string `json:"run_name"`
	User         string `json:"user_id"`
	Status       string `json:"status"`
	Start        int64  `json:"start_time"`
	End          int64  `json:"end_time,omitempty"`
	ArtifactURI  string `json:"artifact_uri"`
	Stage        string `json:"lifecycle_stage"`
	ID           string `json:"run_id"`
}

func newWireRunInfo(r *runstone.RunInfo) wireRunInfo {
	return wireRunInfo{
		UUID: r.ID, ExperimentID: r.ExperimentID, Name: r.Name, User: r.User, Status: r.Status.String(),
		Start: r.Start, End: r.End, ArtifactURI: r.ArtifactURI, Stage: lifecycle(r.Deleted), ID: r.ID,
	}
}

type wireMetric struct {
	Key           string `json:"key"`
	Value         number `json:"value"`
	Time          int64  `json:"timestamp"`
	Step          int64  `json:"step"`
	Dataset       string `json:"dataset_name,omitempty"`
	DatasetDigest string `json:"dataset_digest,omitempty"`
	Model         string `json:"model_id,omitempty"`
	Run           string `json:"run_id,omitempty"`
}

type wireRun struct {
	Info    wireRunInfo  `json:"info"`
	Data    wireRunData  `json:"data"`
	Inputs  wireInputs   `json:"inputs"`
	Outputs *wireOutputs `json:"outputs,omitempty"`
}

type wireRunData struct {
	Metrics []wireMetric `json:"metrics,omitempty"`
	Params  []wireTag    `json:"params,omitempty"`
	Tags    []wireTag    `json:"tags,omitempty"`
}

type wireInputs struct {
	Datasets []wireInput  `json:"dataset_inputs,omitempty"`
	Models   []wireModels `json:"model_inputs,omitempty"`
}

type wireInput struct {
	Tags    []wireTag   `json:"tags,omitempty"`
	Dataset wireDataset `json:"dataset"`
}

type wireDataset struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

type wireModels struct {
	ID   string `json:"model_id"`
	Step *int64 `json:"step,omitempty"`
}

type wireOutputs struct {
	Models []wireModels `json:"model_outputs,omitempty"`
}

func newWireRun(r *runstone.RunData) wireRun {
	run := wireRun{
		Info:    newWireRunInfo(&r.RunInfo),
		Data:    wireRunData{Metrics: latestMetrics(r.Metrics), Params: wireMap(r.Params), Tags: wireMap(r.Tags)},
		Outputs: &wireOutputs{},
	}
	for _, in := range r.Inputs {
		run.Inputs.Datasets = append(run.Inputs.Datasets, wireInput{wireTags(in.Tags), wireDataset(in.Dataset)})
	}
	for _, id := range r.Models.Inputs {
		run.Inputs.Models = append(run.Inputs.Models, wireModels{ID: id})
	}
	for _, out := range r.Models.Outputs {
		run.Outputs.Models = append(run.Outputs.Models, wireModels{out.ModelID, &out.Step})
	}
	return run
}

// latestMetrics returns the latest value of each metric, whatever model or
// dataset it is about. The summaries are in order of their metrics' names.
func latestMetrics(sums []runstone.MetricSummary) []wireMetric {
	out := make([]wireMetric, 0, len(sums))
	for i := 0; i < len(sums); {
		best := &sums[i]
		for i++; i < len(sums) && sums[i].Metric == best.Metric; i++ {
			if sums[i].After(&best.Summary) {
				best = &sums[i]
			}
		}
		out = append(out, wireMetric{Key: best.Metric, Value: number(best.Latest.Value), Time: best.Latest.Time, Step: best.Latest.Step})
	}
	return out
}

// empty is the answer of requests that return nothing.
type empty struct{}

// prepared is an answer that is JSON already.
type prepared []byte

// writeJSON answers with a message, indented by two blanks as MLflow does.
func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	if m, ok := v.(metricsAnswer); ok {
		v = metricList(m.Metrics, "")
	}
	switch v := v.(type) {
	case prepared:
		writeBody(w, v)
		return
	case encodable:
		buf := s.buffer()
		e := encoder{b: (*buf)[:0]}
		v.encode(&e)
		writeBody(w, e.b)
		*buf = e.b
		s.reuse(buf)
		return
	}
	if b, ok := v.(packed); ok {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(b) // the client may have gone
		return
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		s.writeError(w, r, err, false)
		return
	}
	writeBody(w, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// writeBody answers with JSON. Its length is told, so that it goes out as it is
// and not in chunks.
func writeBody(w http.ResponseWriter, b []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // the client may have gone
}

// keptBuffer is the largest buffer that is kept for the next answer, in bytes.
const keptBuffer = 1 << 20

// buffer returns a buffer for an answer, to be given back with reuse.
func (s *Server) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func (s *Server) reuse(b *[]byte) {
	if cap(*b) <= keptBuffer {
		s.buffers.Put(b)
	}
}

// stream is a JSON answer that is written as it is made, after the handler has
// returned. ctx is the request's own.
type stream func(ctx context.Context, w io.Writer) error

// streamPiece is how much of a stream is held before it is written, in bytes.
const streamPiece = 64 << 10

// writeStream answers with a stream. An error before its first write is an
// answer like any other; after it the connection breaks off.
func (s *Server) writeStream(w http.ResponseWriter, r *http.Request, st stream) {
	out := &streamWriter{w: w}
	err := st(r.Context(), out)
	switch {
	case err == nil || out.failed:
	case !out.begun:
		s.writeError(w, r, err, false)
	default:
		if toWire(err).status != statusGone {
			s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler) // net/http's way to end an answer short
	}
}

type streamWriter struct {
	w             http.ResponseWriter
	begun, failed bool
}

func (s *streamWriter) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/json")
	}
	n, err := s.w.Write(b)
	s.failed = s.failed || err != nil
	return n, err
}
