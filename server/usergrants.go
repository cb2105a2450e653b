package server

import (
	"context"
	"errors"

	"github.com/runstonedb/runstone/access"
)

// grants are the four requests of MLflow 2 on the grants of one kind: those on
// an experiment have an experiment_id, those on a registered model a name.
type grants access.Kind

// of reads what a request is about.
func (g grants) of(ctx context.Context, s *Server, a *args) (u *access.User, id string, err error) {
	if access.Kind(g) == access.Experiment {
		id = access.CanonicalExperiment(a.experimentID())
	} else {
		id = a.need("name")
	}
	name := a.need("username")
	if err := a.done(); err != nil {
		return nil, "", err
	}
	if id == access.All && !userOf(ctx).Admin {
		return nil, "", errForbidden
	}
	u, err = s.user(name)
	return u, id, err
}

func (g grants) answer(u *access.User, id string, level access.Level) any {
	if access.Kind(g) == access.Experiment {
		return map[string]any{"experiment_permission": wireExperimentGrant{id, u.ID, level.String()}}
	}
	return map[string]any{"registered_model_permission": wireModelGrant{id, u.ID, level.String()}}
}

func (g grants) missing(u *access.User, id string) error {
	if access.Kind(g) == access.Experiment {
		return missingThing("Experiment permission with experiment_id=%s and username=%s not found", id, u.Name)
	}
	return missingThing("Registered model permission with name=%s and username=%s not found", cutEcho(id), u.Name)
}

func (g grants) create(s *Server, ctx context.Context, a args) (any, error) {
	u, id, err := g.of(ctx, s, &a)
	if err != nil {
		return nil, err
	}
	level, err := a.level()
	if err != nil {
		return nil, err
	}
	if err := s.opt.Access.AddGrant(u.Name, access.Grant{Kind: access.Kind(g), ID: id, Level: level}); err != nil {
		return nil, err
	}
	return g.answer(u, id, level), nil
}

func (g grants) get(s *Server, ctx context.Context, a args) (any, error) {
	u, id, err := g.of(ctx, s, &a)
	if err != nil {
		return nil, err
	}
	level, ok := u.Granted(access.Kind(g), id)
	if !ok {
		return nil, g.missing(u, id)
	}
	return g.answer(u, id, level), nil
}

func (g grants) update(s *Server, ctx context.Context, a args) (any, error) {
	u, id, err := g.of(ctx, s, &a)
	if err != nil {
		return nil, err
	}
	level, err := a.level()
	if err != nil {
		return nil, err
	}
	if _, ok := u.Granted(access.Kind(g), id); !ok {
		return nil, g.missing(u, id)
	}
	return empty{}, s.opt.Access.Grant(u.Name, access.Grant{Kind: access.Kind(g), ID: id, Level: level})
}

func (g grants) remove(s *Server, ctx context.Context, a args) (any, error) {
	u, id, err := g.of(ctx, s, &a)
	if err != nil {
		return nil, err
	}
	err = s.opt.Access.Revoke(u.Name, access.Kind(g), id)
	if errors.Is(err, access.ErrNotFound) {
		err = g.missing(u, id)
	}
	return empty{}, err
}
