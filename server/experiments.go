package server

import (
	"context"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
)

func (s *Server) createExperiment(ctx context.Context, a args) (any, error) {
	opt := &runstone.ExperimentOptions{Tags: map[string]string{}}
	name := a.need("name")
	opt.Location = a.str("artifact_location")
	for _, t := range a.tags("tags") {
		opt.Tags[t.Key] = t.Value
	}
	if strings.ContainsAny(opt.Location, "?#;") {
		a.fail(badRequest("'artifact_location' URL can't include fragments or params."))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	id, err := s.db.CreateExperiment(ctx, name, opt)
	if err == nil {
		err = s.own(ctx, access.Experiment, id)
	}
	return struct {
		ID string `json:"experiment_id"`
	}{id}, err
}

type experimentAnswer struct {
	Experiment wireExperiment `json:"experiment"`
}

func (s *Server) getExperiment(ctx context.Context, a args) (any, error) {
	id := a.experimentID()
	if err := a.done(); err != nil {
		return nil, err
	}
	e, err := s.db.Experiment(ctx, id)
	if err != nil {
		return nil, err
	}
	return experimentAnswer{newWireExperiment(e)}, nil
}

func (s *Server) getExperimentByName(ctx context.Context, a args) (any, error) {
	name := a.need("experiment_name")
	if err := a.done(); err != nil {
		return nil, err
	}
	e, err := s.db.ExperimentByName(ctx, name)
	if err != nil {
		return nil, err
	}
	return experimentAnswer{newWireExperiment(e)}, nil
}

func (s *Server) searchExperiments(ctx context.Context, a args) (any, error) {
	limit := a.maxResults(1000, 50_000)
	page := a.page()
	opt := &runstone.SearchOptions{
		View: a.view("view_type"), OrderBy: a.strs("order_by"),
		Offset: page.Offset, After: page.After, Limit: limit,
	}
	filter := a.str("filter")
	if err := a.done(); err != nil {
		return nil, err
	}
	found, err := s.seenExperiments(ctx, filter, opt)
	if err == nil {
		err = onlyRows(found)
	}
	if err != nil {
		return nil, err
	}
	answer := struct {
		Experiments []wireExperiment `json:"experiments,omitempty"`
		Next        string           `json:"next_page_token,omitempty"`
	}{Next: searchToken(found.Next)}
	for _, e := range found.Items {
		answer.Experiments = append(answer.Experiments, newWireExperiment(e))
	}
	return answer, nil
}

// view reads MLflow's ViewType.
func (a *args) view(name string) runstone.ViewType {
	switch a.enum(name, "", "ACTIVE_ONLY", "DELETED_ONLY", "ALL") {
	case "DELETED_ONLY":
		return runstone.DeletedOnly
	case "ALL":
		return runstone.All
	}
	return runstone.ActiveOnly
}

func (s *Server) deleteExperiment(ctx context.Context, a args) (any, error) {
	id := a.experimentID()
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.DeleteExperiment(ctx, id)
}

func (s *Server) restoreExperiment(ctx context.Context, a args) (any, error) {
	id := a.experimentID()
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.RestoreExperiment(ctx, id)
}

func (s *Server) updateExperiment(ctx context.Context, a args) (any, error) {
	id, name := a.experimentID(), a.need("new_name")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.RenameExperiment(ctx, id, name)
}

func (s *Server) setExperimentTag(ctx context.Context, a args) (any, error) {
	id, key, value := a.experimentID(), a.need("key"), a.str("value")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.SetExperimentTag(ctx, id, key, value)
}

func (s *Server) deleteExperimentTag(ctx context.Context, a args) (any, error) {
	id, key := a.experimentID(), a.need("key")
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.DeleteExperimentTag(ctx, id, key)
}
