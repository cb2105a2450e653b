package server

import (
	"context"

	"github.com/runstonedb/runstone"
)

var runStatuses = []string{"", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}

// status reads a run's status, 0 when there is none.
func (a *args) status() runstone.RunStatus {
	st, err := runstone.ParseRunStatus(a.enum("status", runStatuses...))
	if err != nil {
		return 0
	}
	return st
}

type runAnswer struct {
	Run wireRun `json:"run"`
}

type runsAnswer struct {
	Runs []wireRun `json:"runs,omitempty"`
	Next string    `json:"next_page_token,omitempty"`
}

func (s *Server) createRun(ctx context.Context, a args) (any, error) {
	n := runstone.NewRun{
		ExperimentID: a.experimentID(), User: a.str("user_id"), Name: a.str("run_name"),
		Start: a.int("start_time", 0), ZeroStart: true, Tags: a.tags("tags"),
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	info, err := s.db.CreateRun(ctx, n)
	if err != nil {
		return nil, err
	}
	r := &runstone.RunData{RunInfo: info, Tags: make(map[string]string, len(n.Tags)+1)}
	for _, t := range n.Tags {
		if len(t.Value) > runstone.MaxTagValue { // it may have been cut
			if r, err = s.db.Run(ctx, info.ID); err != nil {
				return nil, err
			}
			break
		}
		r.Tags[t.Key] = t.Value
	}
	r.Tags[runstone.TagRunName] = info.Name
	run := newWireRun(r)
	run.Outputs = nil
	return runAnswer{run}, nil
}

func (s *Server) getRun(ctx context.Context, a args) (any, error) {
	id := a.runID()
	if err := a.done(); err != nil {
		return nil, err
	}
	r, err := s.db.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	return runAnswer{newWireRun(r)}, nil
}

func (s *Server) updateRun(ctx context.Context, a args) (any, error) {
	id := a.runID()
	if v := a.get("status"); v != nil && (v.kind == kindObject || v.kind == kindList) {
		a.wrongType("status", v)
	}
	u := runstone.RunUpdate{Status: a.status(), End: a.int("end_time", 0), Name: a.str("run_name")}
	if err := a.done(); err != nil {
		return nil, err
	}
	info, err := s.db.UpdateRun(ctx, id, u)
	if err != nil {
		return nil, err
	}
	return struct {
		Info wireRunInfo `json:"run_info"`
	}{newWireRunInfo(&info)}, nil
}

func (s *Server) deleteRun(ctx context.Context, a args) (any, error) {
	id := a.needRun()
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.DeleteRun(ctx, id)
}

func (s *Server) restoreRun(ctx context.Context, a args) (any, error) {
	id := a.needRun()
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.RestoreRun(ctx, id)
}

func (s *Server) searchRuns(ctx context.Context, a args) (any, error) {
	limit := a.cappedResults(1000, 50_000)
	if limit <= 0 {
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", limit))
	}
	page := a.page()
	opt := &runstone.SearchOptions{
		Experiments: readable(ctx, append([]string{}, a.strs("experiment_ids")...)), // no ids are no runs
		View:        a.view("run_view_type"), OrderBy: a.strs("order_by"),
		Offset: page.Offset, After: page.After, Limit: limit,
	}
	filter := a.str("filter")
	if err := a.done(); err != nil {
		return nil, err
	}
	if err := mayAsk(ctx, filter, opt.OrderBy); err != nil {
		return nil, err
	}
	found, err := s.db.SearchRuns(ctx, filter, opt)
	if err == nil {
		err = onlyRows(found)
	}
	if err != nil {
		return nil, err
	}
	answer := runsAnswer{Runs: make([]wireRun, 0, len(found.Items))}
	for _, r := range found.Items {
		answer.Runs = append(answer.Runs, newWireRun(r))
	}
	answer.Next = searchToken(found.Next)
	return answer, nil
}

func (s *Server) setTag(ctx context.Context, a args) (any, error) {
	id, key, value := a.runID(), a.need("key"), a.str("value")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.SetTags(ctx, id, runstone.KV{Key: key, Value: value})
}

func (s *Server) deleteTag(ctx context.Context, a args) (any, error) {
	id, key := a.needRun(), a.need("key")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.DeleteTag(ctx, id, key)
}

func (s *Server) logParam(ctx context.Context, a args) (any, error) {
	id, key, value := a.runID(), a.need("key"), a.str("value")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.LogParam(ctx, id, key, value)
}

// metric reads one metric.
func (a *args) metric() runstone.Metric {
	m := runstone.Metric{
		Name: a.need("key"), Value: a.needFloat("value"), Time: a.needInt("timestamp"), Step: a.int("step", 0),
		Model: a.str("model_id"), Dataset: a.str("dataset_name"), DatasetDigest: a.str("dataset_digest"),
	}
	if a.done() != nil {
		return m
	}
	if runstone.CheckKey(m.Name, "", "") != nil { // the path is only made for the message
		a.fail(runstone.CheckKey(m.Name, "Metric name", a.path()+"name"))
	}
	if m.Time < 0 {
		a.fail(badRequest("Invalid value %d for parameter '%stimestamp' supplied: metric '%s' (value=%s). Timestamp must be a nonnegative long (64-bit integer) ",
			m.Time, a.path(), m.Name, appendFloat(nil, m.Value)))
	}
	return m
}

func (s *Server) logMetric(ctx context.Context, a args) (any, error) {
	id := a.runID()
	b := runstone.Batch{Metrics: []runstone.Metric{a.metric()}}
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.logChecked(ctx, id, b)
}

func (s *Server) logBatch(ctx context.Context, a args) (any, error) {
	id := a.needRun()
	var b runstone.Batch
	metrics, params, tags := a.objects("metrics"), a.objects("params"), a.objects("tags")
	a.atMost("metrics", len(metrics), 1000)
	a.atMost("params", len(params), 100)
	a.atMost("tags", len(tags), 100)
	a.atMost("metrics, params, and tags", len(metrics)+len(params)+len(tags), 1000)
	if err := a.done(); err != nil {
		return nil, err
	}
	b.Metrics = make([]runstone.Metric, 0, len(metrics))
	for _, m := range metrics {
		b.Metrics = append(b.Metrics, m.metric())
	}
	for _, p := range params {
		b.Params = append(b.Params, p.pair("Param key"))
	}
	for _, t := range tags {
		b.Tags = append(b.Tags, t.pair(t.path()+"key"))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.logChecked(ctx, id, b)
}

// pair reads a param or tag of a batch. what names its key in the message on
// its length.
func (a *args) pair(what string) runstone.KV {
	kv := runstone.KV{Key: a.need("key"), Value: a.str("value")}
	if kv.Key != "" {
		if err := runstone.CheckKey(kv.Key, what, a.path()+"key"); err != nil {
			a.fail(err)
		}
	}
	return kv
}

func (a *args) atMost(what string, n, limit int) {
	if n > limit {
		a.fail(badRequest("A batch logging request can contain at most %d %s. Got %d %s. Please split up %s across multiple requests and try again.", limit, what, n, what, what))
	}
}

// logChecked logs a batch whose metrics are about logged models that exist.
func (s *Server) logChecked(ctx context.Context, run string, b runstone.Batch) error {
	seen := ""
	for i := range b.Metrics {
		id := b.Metrics[i].Model
		if id == "" || id == seen {
			continue
		}
		seen = id
		if err := s.checkLogged(ctx, id, toEdit); err != nil {
			return err
		}
	}
	return s.db.LogBatch(ctx, run, b)
}
