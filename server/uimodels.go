package server

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// The registry for the web UI. See uipages.go for what its API has in common.

const (
	maxUIChanges    = 1000 // of a page of history
	maxUIVersions   = 200  // of a page
	maxUIMetrics    = 20   // columns of a page of versions
	maxUIMetricKeys = 500  // that a page offers as columns
)

type uiChange struct {
	Number  int    `json:"number"`
	Time    int64  `json:"time"`
	User    string `json:"user"`
	Reason  string `json:"reason"`
	Action  string `json:"action"`
	Version int    `json:"version"` // 0: of the model itself
	Key     string `json:"key"`     // of the tag or alias
	Old     string `json:"old"`
	New     string `json:"new"`
}

// uiHistory lists changes of a model, or of one version, the newest first: those
// before the number "before". "next" is that of the page behind this one, 0 at the
// end.
func (s *Server) uiHistory(ctx context.Context, a args) (any, error) {
	name, before, limit := a.need("name"), int(a.int("before", 0)), a.maxResults(100, maxUIChanges)
	version := int(a.int("version", 0)) // 0: everything
	if err := a.done(); err != nil {
		return nil, err
	}
	answer := struct {
		Changes []uiChange `json:"changes"`
		Next    int        `json:"next"`
	}{Changes: []uiChange{}}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		for c, err := range lineage.History(tx, name, before) {
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return err
			}
			if version > 0 && c.Version != version {
				continue
			}
			if len(answer.Changes) == limit {
				answer.Next = answer.Changes[limit-1].Number
				return nil
			}
			answer.Changes = append(answer.Changes, uiChange{
				Number: c.Number, Time: c.Author.At, User: c.Author.Name, Reason: c.Author.Reason,
				Action: c.Action.String(), Version: c.Version, Key: c.Name, Old: c.Old, New: c.New,
			})
		}
		return nil
	})
	return answer, err
}

type uiVersion struct {
	wireVersion
	ModelID string            `json:"model_id,omitempty"`
	MadeBy  *uiSourceRun      `json:"source_run,omitempty"` // missing when it is gone or not for this user
	Metrics map[string]number `json:"metrics"`
}

type uiSourceRun struct {
	ID         string `json:"run_id"`
	Name       string `json:"run_name"`
	Experiment string `json:"experiment_id"`
	Status     string `json:"status"`
	Start      int64  `json:"start_time"`
	Deleted    bool   `json:"deleted"`
}

type uiVersionsAnswer struct {
	Versions []uiVersion `json:"versions"`
	Next     int         `json:"next"` // below which number the next page is, 0 at the end
	Total    int         `json:"total"`
	Keys     []string    `json:"metric_keys"` // of the runs of this page, at most maxUIMetricKeys
}

// uiVersions lists versions of a model, the newest first, with the run that made
// each and the last values of the metrics asked for.
func (s *Server) uiVersions(ctx context.Context, a args) (any, error) {
	name, metrics := a.need("name"), a.strs("metrics")
	before, limit := int(a.int("before", 0)), a.maxResults(50, maxUIVersions)
	if before < 0 || len(metrics) > maxUIMetrics {
		a.fail(badRequest("A page of versions has at most %d metrics and begins before a number from 1.", maxUIMetrics))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	answer := uiVersionsAnswer{Versions: []uiVersion{}, Keys: []string{}}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		for v, err := range lineage.NewestVersions(tx, name, before) {
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return err
			}
			if len(answer.Versions) < limit {
				answer.Versions = append(answer.Versions, uiVersion{wireVersion: newWireVersion(v, true), ModelID: v.LoggedModelID(), Metrics: map[string]number{}})
			} else if answer.Next == 0 {
				answer.Next = v.Version + 1
			}
			answer.Total++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	known := map[string]*uiMade{}
	for i := range answer.Versions {
		v := &answer.Versions[i]
		if v.Run == "" {
			continue
		}
		made := known[v.Run]
		if made == nil {
			if made, err = s.uiMade(ctx, v.Run); err != nil {
				return nil, err
			}
			known[v.Run] = made
			for key := range made.last {
				answer.Keys = append(answer.Keys, key)
			}
		}
		v.MadeBy = made.run
		for _, key := range metrics {
			if x, ok := made.last[key]; ok {
				v.Metrics[key] = x
			}
		}
	}
	slices.Sort(answer.Keys)
	answer.Keys = slices.Compact(answer.Keys)
	answer.Keys = answer.Keys[:min(len(answer.Keys), maxUIMetricKeys)]
	return answer, nil
}

// uiMade is what a run has to say about the versions made from it.
type uiMade struct {
	run  *uiSourceRun
	last map[string]number
}

// uiMade reads a run, of which nothing is told when it is gone or the user may
// not read it.
func (s *Server) uiMade(ctx context.Context, id string) (*uiMade, error) {
	info, err := s.db.RunInfo(ctx, id)
	if errors.Is(err, runstone.ErrNotFound) {
		return &uiMade{}, nil
	}
	if err != nil {
		return nil, err
	}
	if u := userOf(ctx); u != nil && onExperiment(u, info.ExperimentID, toRead) != nil {
		return &uiMade{}, nil
	}
	made := &uiMade{last: map[string]number{}, run: &uiSourceRun{
		ID: info.ID, Name: info.Name, Experiment: info.ExperimentID, Status: info.Status.String(), Start: info.Start,
		Deleted: info.Deleted,
	}}
	all, err := s.db.Metrics(ctx, id)
	if err != nil && !errors.Is(err, runstone.ErrNotFound) { // purged meanwhile
		return nil, err
	}
	at := map[string]int64{} // of series about several models or datasets the one logged last counts
	for i := range all {
		m := &all[i]
		if old, ok := at[m.Metric]; !ok || m.Latest.Time >= old {
			made.last[m.Metric], at[m.Metric] = number(m.Latest.Value), m.Latest.Time
		}
	}
	return made, nil
}
