package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/store"
)

func nowMs() int64 { return time.Now().UnixMilli() }

type wireLogged struct {
	Info wireLoggedInfo `json:"info"`
	Data wireLoggedData `json:"data"`
}

type wireLoggedInfo struct {
	ID           string    `json:"model_id"`
	ExperimentID string    `json:"experiment_id"`
	Name         string    `json:"name"`
	Created      int64     `json:"creation_timestamp_ms"`
	Updated      int64     `json:"last_updated_timestamp_ms"`
	ArtifactURI  string    `json:"artifact_uri"`
	Status       string    `json:"status"`
	Type         string    `json:"model_type"`
	Run          string    `json:"source_run_id"`
	Message      string    `json:"status_message,omitempty"`
	Tags         []wireTag `json:"tags,omitempty"`
}

type wireLoggedData struct {
	Params  []wireTag    `json:"params,omitempty"`
	Metrics []wireMetric `json:"metrics,omitempty"`
}

type loggedAnswer struct {
	Model wireLogged `json:"model"`
}

const loggedPrefix = "LOGGED_MODEL_"

func newWireLogged(m *lineage.LoggedModel, metrics []runstone.ModelMetric) wireLogged {
	w := wireLogged{
		Info: wireLoggedInfo{
			ID: m.ModelID, ExperimentID: m.ExperimentID, Name: m.Name, Created: m.CreatedAt, Updated: m.UpdatedAt,
			ArtifactURI: m.ArtifactURI, Status: loggedPrefix + m.Status, Type: m.ModelType, Run: m.SourceRunID,
			Message: m.StatusMessage, Tags: wireTags(m.Tags),
		},
		Data: wireLoggedData{Params: wireTags(m.Params)},
	}
	for i := range metrics {
		x := &metrics[i]
		w.Data.Metrics = append(w.Data.Metrics, wireMetric{
			Key: x.Metric, Value: number(x.Latest.Value), Time: x.Latest.Time, Step: x.Latest.Step,
			Dataset: x.Dataset, DatasetDigest: x.DatasetDigest, Model: x.Model, Run: x.Run,
		})
	}
	return w
}

// loggedStatus reads MLflow's LoggedModelStatus, "" when there is none.
func (a *args) loggedStatus() string {
	name := a.enum("status", "", loggedPrefix+lineage.LoggedPending, loggedPrefix+lineage.LoggedReady, loggedPrefix+lineage.LoggedFailed)
	if name == "" {
		return ""
	}
	return name[len(loggedPrefix):]
}

// loggedExists returns an error unless there is a logged model of this id.
func (s *Server) loggedExists(ctx context.Context, id string) error {
	return s.db.View(ctx, func(tx *store.Tx) error {
		_, err := lineage.GetLoggedModel(tx, id, true)
		return err
	})
}

// withMetrics makes the answer for one logged model.
func (s *Server) withMetrics(ctx context.Context, m *lineage.LoggedModel) (any, error) {
	metrics, err := s.db.ModelMetrics(ctx, m.ModelID)
	if err != nil {
		return nil, err
	}
	return loggedAnswer{newWireLogged(m, metrics)}, nil
}

func (s *Server) createLogged(ctx context.Context, a args) (any, error) {
	m := lineage.LoggedModel{
		ExperimentID: a.experimentID(), Name: a.str("name"), ModelType: a.str("model_type"),
		SourceRunID: a.str("source_run_id"), Params: a.tags("params"), Tags: a.tags("tags"),
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	made, err := s.db.CreateLoggedModel(ctx, m)
	if err != nil {
		return nil, err
	}
	return loggedAnswer{newWireLogged(made, nil)}, nil
}

func (s *Server) getLogged(ctx context.Context, a args) (any, error) {
	id, deleted := a.need("model_id"), a.bool("allow_deleted")
	if err := a.done(); err != nil {
		return nil, err
	}
	m, err := s.logged(ctx, id, deleted)
	if err != nil {
		return nil, err
	}
	return s.withMetrics(ctx, m)
}

func (s *Server) logged(ctx context.Context, id string, deleted bool) (m *lineage.LoggedModel, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		m, err = lineage.GetLoggedModel(tx, id, deleted)
		return err
	})
	return m, err
}

// change runs fn, which changes a logged model, and answers with the result.
func (s *Server) change(ctx context.Context, fn func(*store.Tx) (*lineage.LoggedModel, error)) (any, error) {
	var m *lineage.LoggedModel
	err := s.db.Update(ctx, func(tx *store.Tx) (err error) {
		m, err = fn(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.withMetrics(ctx, m)
}

func (s *Server) finalizeLogged(ctx context.Context, a args) (any, error) {
	id, status := a.need("model_id"), a.loggedStatus()
	if status == "" {
		a.missing("status")
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.change(ctx, func(tx *store.Tx) (*lineage.LoggedModel, error) {
		return lineage.FinalizeLoggedModel(tx, nowMs(), id, status, "")
	})
}

func (s *Server) deleteLogged(ctx context.Context, a args) (any, error) {
	id := a.need("model_id")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.DeleteLoggedModel(tx, nowMs(), id) })
}

func (s *Server) setLoggedTags(ctx context.Context, a args) (any, error) {
	id, tags := a.need("model_id"), a.tags("tags")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error {
		_, err := lineage.SetLoggedModelTags(tx, id, tags)
		return err
	})
}

func (s *Server) deleteLoggedTag(ctx context.Context, a args) (any, error) {
	id, key := a.need("model_id"), a.need("tag_key")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.DeleteLoggedModelTag(tx, id, key) })
}

func (s *Server) logLoggedParams(ctx context.Context, a args) (any, error) {
	id, params := a.need("model_id"), a.tags("params")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.LogModelParams(tx, id, params) })
}

func (s *Server) listLoggedArtifacts(ctx context.Context, a args) (any, error) {
	id, name := a.need("model_id"), a.str("artifact_directory_path")
	if err := a.done(); err != nil {
		return nil, err
	}
	m, err := s.logged(ctx, id, false)
	if err != nil {
		return nil, err
	}
	return s.listIn(m.ArtifactURI, name)
}

func (s *Server) getLoggedArtifact(w http.ResponseWriter, r *http.Request, id string) {
	a := queryArgs(r)
	p, err := s.inLogged(r.Context(), &a, id, a.need("artifact_file_path"))
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	s.send(w, r, p, false)
}

func (s *Server) inLogged(ctx context.Context, a *args, id, name string) (p artifact.Path, err error) {
	if err := a.done(); err != nil {
		return p, err
	}
	m, err := s.logged(ctx, id, false)
	if err != nil {
		return p, err
	}
	dir, err := folder(m.ArtifactURI)
	if err != nil {
		return dir, err
	}
	return below(dir, name)
}

func (s *Server) searchLogged(ctx context.Context, a args) (any, error) {
	ids := a.strs("experiment_ids")
	if len(ids) == 0 {
		a.missing("experiment_ids")
	}
	var order []query.OrderField
	for _, o := range a.objects("order_by") {
		order = append(order, query.OrderField{
			Name: o.need("field_name"), Desc: o.has("ascending") && !o.bool("ascending"),
			DatasetName: o.str("dataset_name"), DatasetDigest: o.str("dataset_digest"),
		})
	}
	var datasets []query.Dataset
	for _, d := range a.objects("datasets") {
		datasets = append(datasets, query.Dataset{Name: d.need("dataset_name"), Digest: d.str("dataset_digest")})
	}
	filter, limit, offset := a.str("filter"), int(a.int("max_results", 100)), a.offset()
	if limit > 50_000 {
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be at most 50000", limit))
	}
	if limit <= 0 {
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", limit))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	found, err := s.findLogged(ctx, ids, filter, order, datasets)
	if err != nil {
		return nil, err
	}
	found, next := cut(found, offset, limit)
	answer := struct {
		Models []wireLogged `json:"models,omitempty"`
		Next   string       `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, m := range found {
		answer.Models = append(answer.Models, newWireLogged(m.model, m.metrics))
	}
	return answer, nil
}

// findLogged returns the logged models of the experiments that match a filter,
// whose metrics may be limited to some datasets, in order.
func (s *Server) findLogged(ctx context.Context, ids []string, filter string, fields []query.OrderField, datasets []query.Dataset) ([]*loggedRow, error) {
	f, err := query.Parse(query.LoggedModels, filter)
	if err != nil {
		return nil, err
	}
	order, err := query.NewLoggedModelOrder(fields)
	if err != nil {
		return nil, err
	}
	var models []*lineage.LoggedModel
	err = s.db.View(ctx, func(tx *store.Tx) error {
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			for m, err := range lineage.LoggedModelsOf(tx, id) {
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return err
				}
				if !m.Deleted {
					models = append(models, m)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Without a clause on metrics, the datasets ask for models that have any metric of them.
	wholeRow := len(datasets) > 0 && len(f.Needs().Metrics) == 0
	var found []*loggedRow
	for _, m := range models {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := &loggedRow{model: m, datasets: datasets}
		if row.metrics, err = s.db.ModelMetrics(ctx, m.ModelID); err != nil {
			return nil, err
		}
		if wholeRow && !slices.ContainsFunc(row.metrics, row.asked) {
			continue
		}
		if f.Match(row) {
			found = append(found, row)
		}
	}
	slices.SortStableFunc(found, func(a, b *loggedRow) int { return order.Compare(a, b) })
	return found, nil
}

// loggedRow is a logged model as a filter sees it.
type loggedRow struct {
	model    *lineage.LoggedModel
	metrics  []runstone.ModelMetric
	datasets []query.Dataset // what its metrics must be about; none is anything
}

// Field implements [query.Row].
func (r *loggedRow) Field(e query.Entity, key string) query.Value {
	switch e {
	case query.Metric:
		return r.DatasetMetric(key, "", "")
	case query.Param:
		return tagValue(r.model.Params, key)
	case query.Tag:
		return tagValue(r.model.Tags, key)
	}
	switch key {
	case "name":
		return query.Str(r.model.Name)
	case "model_id":
		return query.Str(r.model.ModelID)
	case "model_type":
		return query.Str(r.model.ModelType)
	case "status":
		if r.model.Status == lineage.LoggedFailed {
			return query.Str("FAILED") // MLflow's other name of it
		}
		return query.Str(r.model.Status)
	case "artifact_location":
		return query.Str(r.model.ArtifactURI)
	case "source_run_id":
		return query.Str(r.model.SourceRunID)
	case "experiment_id":
		return query.Str(r.model.ExperimentID)
	case "creation_timestamp_ms":
		return query.Int(r.model.CreatedAt)
	case "last_updated_timestamp_ms":
		return query.Int(r.model.UpdatedAt)
	}
	return query.Missing()
}

func tagValue(tags []lineage.Tag, key string) query.Value {
	if v, ok := lineage.FindTag(tags, key); ok {
		return query.Str(v)
	}
	return query.Missing()
}

// Datasets implements [query.Row].
func (r *loggedRow) Datasets() []query.Dataset { return nil }

// asked reports whether a metric is of one of the datasets that the search names.
func (r *loggedRow) asked(m runstone.ModelMetric) bool {
	return len(r.datasets) == 0 || slices.ContainsFunc(r.datasets, func(d query.Dataset) bool {
		return d.Name == m.Dataset && (d.Digest == "" || d.Digest == m.DatasetDigest)
	})
}

// MetricValues implements [query.MetricRow].
func (r *loggedRow) MetricValues(key string) []float64 {
	var out []float64
	for i := range r.metrics {
		m := &r.metrics[i]
		if m.Metric == key && r.asked(*m) {
			out = append(out, m.Latest.Value)
		}
	}
	return out
}

// DatasetMetric implements [query.MetricRow].
func (r *loggedRow) DatasetMetric(key, name, digest string) query.Value {
	var best *runstone.ModelMetric
	for i := range r.metrics {
		m := &r.metrics[i]
		if m.Metric != key || !r.asked(*m) || name != "" && m.Dataset != name || digest != "" && m.DatasetDigest != digest {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(m.Latest.Step, best.Latest.Step), cmp.Compare(m.Latest.Time, best.Latest.Time),
			cmp.Compare(m.Latest.Value, best.Latest.Value)) > 0 {
			best = m
		}
	}
	if best == nil {
		return query.Missing()
	}
	return query.Num(best.Latest.Value)
}
