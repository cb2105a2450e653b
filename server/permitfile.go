package server

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/artifact"
)

// onFile wants a level on what owns a path below the artifact root.
func (s *Server) onFile(ctx context.Context, u *access.User, name string, level access.Level) error {
	p, err := artifact.ParsePath(strings.TrimRight(name, "/"))
	if err != nil {
		return err
	}
	return s.onPlace(ctx, u, place{path: p}, level)
}

// onPlace wants a level on the experiment that owns a place. What nobody owns,
// such as a root, is read by who reads all experiments and changed by
// administrators alone.
func (s *Server) onPlace(ctx context.Context, u *access.User, p place, level access.Level) error {
	id, err := s.ownerOf(ctx, p)
	if err != nil {
		return err
	}
	if id == "" {
		return allow(level <= access.Read && u.SeesAll(access.Experiment))
	}
	return onExperiment(u, id, level)
}

// ownerOf returns the experiment that owns a place, "" when none does. Ids in
// the path only lead to the run or logged model: its own location decides.
func (s *Server) ownerOf(ctx context.Context, p place) (string, error) {
	segments := strings.Split(p.path.String(), "/")
	for i, seg := range segments {
		if i+1 < len(segments) && segments[i+1] != "artifacts" || seg == "" || len(seg) > maxEcho {
			continue
		}
		id, uri, err := s.holder(ctx, seg, i > 0 && segments[i-1] == "models")
		if err != nil {
			return "", err
		}
		if dir, ok := s.placeOf(uri); id != "" && ok && !dir.path.IsRoot() && dir.contains(p) {
			return id, nil
		}
	}
	if first := segments[0]; first != "" && strings.Trim(first, "0123456789") == "" {
		e, err := s.db.Experiment(ctx, first)
		if err == nil {
			if dir, ok := s.placeOf(e.Location); ok && dir.contains(p) {
				return e.ID, nil
			}
		} else if !errors.Is(err, runstone.ErrNotFound) {
			return "", err
		}
	}
	owner, longest := "", 0
	err := s.eachExperiment(ctx, func(e *runstone.Experiment) {
		if dir, ok := s.placeOf(e.Location); ok && !dir.path.IsRoot() && dir.contains(p) && len(dir.path.String()) > longest {
			owner, longest = e.ID, len(dir.path.String())
		}
	})
	return owner, err
}

// holder returns experiment and location of a run, or of a logged model; ""
// when there is none of this id.
func (s *Server) holder(ctx context.Context, id string, isModel bool) (experiment, uri string, err error) {
	if isModel {
		m, err := s.logged(ctx, id, true)
		if err == nil {
			return m.ExperimentID, m.ArtifactURI, nil
		}
		if !errors.Is(err, runstone.ErrNotFound) {
			return "", "", err
		}
	}
	info, err := s.db.RunInfo(ctx, id)
	if errors.Is(err, runstone.ErrNotFound) || errors.Is(err, runstone.ErrInvalid) {
		return "", "", nil
	}
	return info.ExperimentID, info.ArtifactURI, err
}

// eachExperiment calls fn for all experiments, deleted ones too.
func (s *Server) eachExperiment(ctx context.Context, fn func(*runstone.Experiment)) error {
	opt := &runstone.SearchOptions{View: runstone.All, Limit: 10_000}
	for {
		found, err := s.db.SearchExperiments(ctx, "", opt)
		if err != nil {
			return err
		}
		for _, e := range found.Items {
			fn(e)
		}
		if found.Next == "" {
			return nil
		}
		opt.After = found.Next
	}
}

// onLocation wants a new experiment's folder to be nobody else's: not within
// one of another experiment, unless the user may change that, not around one,
// and not where an experiment that has no folder yet will have it.
func (s *Server) onLocation(ctx context.Context, u *access.User, uri string, level access.Level) error {
	if uri == "" {
		return nil
	}
	p, ok := s.placeOf(uri)
	if !ok {
		return nil // refused by the handler
	}
	if p.path.IsRoot() {
		return errForbidden
	}
	owner, err := s.ownerOf(ctx, p)
	if err != nil {
		return err
	}
	if owner != "" {
		return onExperiment(u, owner, level)
	}
	if first, _, _ := strings.Cut(p.path.String(), "/"); strings.Trim(first, "0123456789") == "" {
		return errForbidden
	}
	var inside []string
	err = s.eachExperiment(ctx, func(e *runstone.Experiment) {
		if dir, ok := s.placeOf(e.Location); ok && p.contains(dir) {
			inside = append(inside, e.ID)
		}
	})
	if err != nil {
		return err
	}
	return allow(!slices.ContainsFunc(inside, func(id string) bool { return onExperiment(u, id, level) != nil }))
}
