package server

import (
	"context"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

type wireModel struct {
	Name        string        `json:"name"`
	Created     int64         `json:"creation_timestamp"`
	Updated     int64         `json:"last_updated_timestamp"`
	Description string        `json:"description,omitempty"`
	Latest      []wireVersion `json:"latest_versions,omitempty"`
	Tags        []wireTag     `json:"tags,omitempty"`
	Aliases     []wireAlias   `json:"aliases,omitempty"`
}

type wireAlias struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

type modelAnswer struct {
	Model wireModel `json:"registered_model"`
}

func newWireModel(m *lineage.RegisteredModel) wireModel {
	w := wireModel{Name: m.Name, Created: m.CreatedAt, Updated: m.UpdatedAt, Description: m.Description, Tags: wireTags(m.Tags)}
	for _, v := range m.LatestVersions {
		w.Latest = append(w.Latest, newWireVersion(v, false))
	}
	for _, a := range m.Aliases {
		w.Aliases = append(w.Aliases, wireAlias{a.Name, strconv.Itoa(a.Version)})
	}
	return w
}

// author is who makes the request, for the history of a model. The reason is
// "comment", a field of Databricks' API that MLflow's clients do not send.
func (a *args) author(ctx context.Context) lineage.Author {
	by := lineage.Author{At: nowMs(), Reason: strings.TrimSpace(a.str("comment"))}
	if u := userOf(ctx); u != nil {
		by.Name = u.Name
	}
	return by
}

// changeModel runs fn, which changes a registered model, and answers with it.
func (s *Server) changeModel(ctx context.Context, fn func(*store.Tx) (*lineage.RegisteredModel, error)) (any, error) {
	var m *lineage.RegisteredModel
	err := s.db.Update(ctx, func(tx *store.Tx) (err error) {
		m, err = fn(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return modelAnswer{newWireModel(m)}, nil
}

func (s *Server) createModel(ctx context.Context, a args) (any, error) {
	name, tags, description := a.need("name"), a.tags("tags"), a.str("description")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	answer, err := s.changeModel(ctx, func(tx *store.Tx) (*lineage.RegisteredModel, error) {
		return lineage.CreateModel(tx, by, name, description, tags)
	})
	if err == nil {
		err = s.own(ctx, access.Model, name)
	}
	return answer, err
}

func (s *Server) renameModel(ctx context.Context, a args) (any, error) {
	name, newName := a.need("name"), a.need("new_name")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	answer, err := s.changeModel(ctx, func(tx *store.Tx) (*lineage.RegisteredModel, error) {
		return lineage.RenameModel(tx, by, name, newName)
	})
	if err == nil && s.opt.Access != nil {
		err = s.opt.Access.Rename(access.Model, name, newName)
	}
	return answer, err
}

func (s *Server) updateModel(ctx context.Context, a args) (any, error) {
	name, description := a.need("name"), a.str("description")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.changeModel(ctx, func(tx *store.Tx) (*lineage.RegisteredModel, error) {
		return lineage.UpdateModel(tx, by, name, description)
	})
}

func (s *Server) deleteModel(ctx context.Context, a args) (any, error) {
	name := a.need("name")
	if err := a.done(); err != nil {
		return nil, err
	}
	err := s.db.Update(ctx, func(tx *store.Tx) error { return lineage.DeleteModel(tx, name) })
	if err == nil && s.opt.Access != nil {
		err = s.opt.Access.Drop(access.Model, name)
	}
	return empty{}, err
}

func (s *Server) getModel(ctx context.Context, a args) (any, error) {
	name := a.need("name")
	if err := a.done(); err != nil {
		return nil, err
	}
	var m *lineage.RegisteredModel
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		m, err = lineage.GetModel(tx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return modelAnswer{newWireModel(m)}, nil
}

func (s *Server) searchModels(ctx context.Context, a args) (any, error) {
	opt, filter := a.registrySearch(100, 1000)
	if err := a.done(); err != nil {
		return nil, err
	}
	found, err := s.seenModels(ctx, filter, opt)
	if err == nil {
		err = onlyRows(found)
	}
	if err != nil {
		return nil, err
	}
	answer := struct {
		Models []wireModel `json:"registered_models,omitempty"`
		Next   string      `json:"next_page_token,omitempty"`
	}{}
	if opt.Limit == 0 {
		answer.Next = nextToken(opt.Offset, found.Total > opt.Offset) // as MLflow does
		return answer, nil
	}
	answer.Next = searchToken(found.Next)
	for _, m := range found.Items {
		answer.Models = append(answer.Models, newWireModel(m))
	}
	return answer, nil
}

// registrySearch reads the arguments of a search of models or versions.
func (a *args) registrySearch(def, limit int64) (*runstone.SearchOptions, string) {
	n, page := a.cappedResults(def, limit), a.page()
	if n < 0 {
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", n))
	}
	opt := &runstone.SearchOptions{
		OrderBy: a.strs("order_by"), Offset: page.Offset, After: page.After, Limit: n, Total: n == 0,
	}
	return opt, a.str("filter")
}

func (s *Server) setModelTag(ctx context.Context, a args) (any, error) {
	name, t := a.need("name"), lineage.Tag{Key: a.need("key"), Value: a.str("value")}
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.SetModelTag(tx, by, name, t) })
}

func (s *Server) deleteModelTag(ctx context.Context, a args) (any, error) {
	name, key := a.need("name"), a.need("key")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.DeleteModelTag(tx, by, name, key) })
}

func (s *Server) setAlias(ctx context.Context, a args) (any, error) {
	name, alias, version := a.need("name"), a.need("alias"), a.version()
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.SetAlias(tx, by, name, alias, version) })
}

func (s *Server) deleteAlias(ctx context.Context, a args) (any, error) {
	name, alias := a.need("name"), a.need("alias")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.DeleteAlias(tx, by, name, alias) })
}

func (s *Server) getByAlias(ctx context.Context, a args) (any, error) {
	name, alias := a.need("name"), a.need("alias")
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.viewVersion(ctx, func(tx *store.Tx) (*lineage.ModelVersion, error) { return lineage.VersionByAlias(tx, name, alias) })
}
