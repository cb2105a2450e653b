package server

import (
	"context"
	"net/http"
	"time"

	"github.com/runstonedb/runstone"
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

func (s *Server) inLogged(ctx context.Context, a *args, id, name string) (p place, err error) {
	if err := a.done(); err != nil {
		return p, err
	}
	m, err := s.logged(ctx, id, false)
	if err != nil {
		return p, err
	}
	return s.within(m.ArtifactURI, name)
}

func (s *Server) searchLogged(ctx context.Context, a args) (any, error) {
	ids := a.strs("experiment_ids")
	if len(ids) == 0 {
		a.missing("experiment_ids")
	}
	opt := &runstone.LoggedModelSearch{}
	for _, o := range a.objects("order_by") {
		opt.Order = append(opt.Order, query.OrderField{
			Name: o.need("field_name"), Desc: o.has("ascending") && !o.bool("ascending"),
			DatasetName: o.str("dataset_name"), DatasetDigest: o.str("dataset_digest"),
		})
	}
	for _, d := range a.objects("datasets") {
		opt.Datasets = append(opt.Datasets, runstone.DatasetRef{Name: d.need("dataset_name"), Digest: d.str("dataset_digest")})
	}
	filter, limit, page := a.str("filter"), int(a.int("max_results", 100)), a.page()
	if limit > 50_000 {
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be at most 50000", limit))
	}
	if limit <= 0 {
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", limit))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	opt.SearchOptions = runstone.SearchOptions{Experiments: readable(ctx, ids), Offset: page.Offset, After: page.After, Limit: limit}
	found, err := s.db.SearchLoggedModels(ctx, filter, opt)
	if err == nil {
		err = onlyRows(found)
	}
	if err != nil {
		return nil, err
	}
	answer := struct {
		Models []wireLogged `json:"models,omitempty"`
		Next   string       `json:"next_page_token,omitempty"`
	}{Next: searchToken(found.Next)}
	for _, m := range found.Items {
		answer.Models = append(answer.Models, newWireLogged(m.Model, m.Metrics))
	}
	return answer, nil
}
