package server

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// permit returns an error unless the user of a request may make it:
// errForbidden, or what is wrong with the arguments that say what it concerns.
func (s *Server) permit(ctx context.Context, rt *route, a args) error {
	u, rule := userOf(ctx), s.routes.rules[rt]
	if s.routes.open(rt) {
		return nil
	}
	if u == nil {
		return errForbidden // no request comes here without a user
	}
	if u.Admin {
		return s.permitAdmin(rule, &a)
	}
	if len(rule) == 0 {
		return errForbidden
	}
	for _, n := range rule {
		if err := s.meets(ctx, u, n, &a); err != nil {
			return err
		}
	}
	return a.done()
}

// permitAdmin keeps administrators from what nobody may do.
func (s *Server) permitAdmin(r rule, a *args) error {
	for _, n := range r {
		switch n.of {
		case newModel:
			return notAll(a.str("name"))
		case renamedModel:
			return notAll(a.str("new_name"))
		}
	}
	return nil
}

// notAll keeps a model from the name that in grants stands for all models.
func notAll(name string) error {
	if name == access.All {
		return badRequest("Invalid model name '*': it stands for all models where permissions are granted.")
	}
	return nil
}

func (s *Server) meets(ctx context.Context, u *access.User, n need, a *args) error {
	switch n.of {
	case everybody, anyUser:
		return nil
	case self:
		return allow(a.need("username") == u.Name)
	case experiment:
		id := a.experimentID()
		if err := a.done(); err != nil {
			return err
		}
		return onExperiment(u, id, n.level)
	case namedExp:
		return s.onNamed(ctx, u, a.need("experiment_name"), n.level, a)
	case experiments:
		return each(a.strs("experiment_ids"), func(id string) error { return onExperiment(u, id, n.level) })
	case runOf, runUUID, runsOf, runIDsOf, sourceRun:
		ids := runIDs(n.of, a)
		if err := atMost(ids); err != nil {
			return err
		}
		return each(ids, func(id string) error { return s.onRun(ctx, u, id, n.level) })
	case runOrLogged:
		run, id := a.str("run_id"), a.str("model_id")
		if (run == "") == (id == "") {
			return nil // a bad request
		}
		if run != "" {
			return s.onRun(ctx, u, a.known(run), n.level)
		}
		return s.onLogged(ctx, u, id, n.level)
	case logged:
		return s.onLogged(ctx, u, a.need("model_id"), n.level)
	case model:
		return onModel(u, a.need("name"), n.level)
	case newModel:
		return newName(u, a.str("name"))
	case renamedModel:
		return newName(u, a.str("new_name"))
	case versionFiles:
		return s.onSource(ctx, u, a, n.level)
	case file:
		return s.onFile(ctx, u, a.str("path"), n.level)
	case folderOf:
		return s.onFile(ctx, u, a.str("folder"), n.level)
	case location:
		return s.onLocation(ctx, u, a.str("artifact_location"), n.level)
	case granted:
		return s.onGrant(ctx, u, a, n.level)
	}
	return errForbidden
}

func allow(ok bool) error {
	if ok {
		return nil
	}
	return errForbidden
}

// each returns the first error of fn on the items. A request about nothing is
// refused by its handler.
func each(items []string, fn func(string) error) error {
	for _, x := range items {
		if err := fn(x); err != nil {
			return err
		}
	}
	return nil
}

// runIDs returns the runs that a request concerns: those that its handler will
// read from the same arguments.
func runIDs(of subject, a *args) []string {
	switch of {
	case runUUID:
		return []string{a.known(a.need("run_uuid"))}
	case runsOf:
		return a.strs("run_id")
	case runIDsOf:
		return a.strs("run_ids")
	case sourceRun:
		if id := a.str("source_run_id"); id != "" {
			return []string{a.known(id)}
		}
		return nil
	}
	return []string{a.runID()}
}

// mostRuns bounds the runs of a request that are looked up. A longer list is
// refused here, so that no handler can take more than was checked.
const mostRuns = maxUIRuns

func atMost(ids []string) error {
	if len(ids) > mostRuns {
		return badRequest("A request is about at most %d runs.", mostRuns)
	}
	return nil
}

func onExperiment(u *access.User, id string, level access.Level) error {
	return allow(u.Level(access.Experiment, access.CanonicalExperiment(id)) >= level)
}

func onModel(u *access.User, name string, level access.Level) error {
	return allow(name == "" || u.Level(access.Model, name) >= level) // without a name it is a bad request
}

func (s *Server) onNamed(ctx context.Context, u *access.User, name string, level access.Level, a *args) error {
	if err := a.done(); err != nil {
		return err
	}
	e, err := s.db.ExperimentByName(ctx, name)
	if err != nil {
		return err
	}
	return onExperiment(u, e.ID, level)
}

func (s *Server) onRun(ctx context.Context, u *access.User, id string, level access.Level) error {
	if id == "" {
		return nil // a bad request
	}
	info, err := s.db.RunInfo(ctx, id)
	if err != nil {
		return err
	}
	return onExperiment(u, info.ExperimentID, level)
}

func (s *Server) onLogged(ctx context.Context, u *access.User, id string, level access.Level) error {
	if id == "" {
		return nil // a bad request
	}
	m, err := s.logged(ctx, id, true)
	if err != nil {
		return err
	}
	return onExperiment(u, m.ExperimentID, level)
}

// newName lets a user name a model so, unless it was told off that name.
func newName(u *access.User, name string) error {
	if err := notAll(name); err != nil {
		return err
	}
	level, ok := u.Granted(access.Model, name)
	return allow(!ok || level != access.Deny && level != access.NoPermissions)
}

// onSource wants all that a new version is made of.
func (s *Server) onSource(ctx context.Context, u *access.User, a *args, level access.Level) error {
	source, run, id := a.str("source"), a.str("run_id"), a.str("model_id")
	if err := a.done(); err != nil {
		return err
	}
	// What does not exist is told by the handler.
	unless := func(err error) error {
		if errors.Is(err, runstone.ErrNotFound) {
			return nil
		}
		return err
	}
	if err := unless(s.onRun(ctx, u, a.known(run), level)); err != nil {
		return err
	}
	if err := unless(s.onLogged(ctx, u, id, level)); err != nil {
		return err
	}
	if lineage.IsModelURI(source) {
		return unless(s.onModelURI(ctx, u, source, level))
	}
	l, err := artifact.ParseLocation(source)
	if err == nil && l.Kind == artifact.KindRun {
		return unless(s.onRun(ctx, u, l.ID, level))
	}
	if p, ok := s.placeOf(source); ok {
		return s.onPlace(ctx, u, p, level)
	}
	return nil // of nobody here, or refused by the handler
}

// onModelURI wants a level on the model or logged model that models:/… names.
func (s *Server) onModelURI(ctx context.Context, u *access.User, uri string, level access.Level) error {
	var v *lineage.ModelVersion
	var m *lineage.LoggedModel
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		v, m, err = lineage.Resolve(tx, uri)
		return err
	})
	switch {
	case errors.Is(err, runstone.ErrInvalid):
		return nil // refused by the handler
	case err != nil:
		return err
	case v != nil:
		return onModel(u, v.Model, level)
	}
	return onExperiment(u, m.ExperimentID, level)
}

// onGrant wants the right to grant. What does not exist only administrators
// grant, as they do everything of a kind at once.
func (s *Server) onGrant(ctx context.Context, u *access.User, a *args, level access.Level) error {
	kind, id, err := a.resource()
	if err != nil {
		return err
	}
	if id == access.All || u.Level(kind, id) < level {
		return errForbidden
	}
	if kind == access.Experiment {
		_, err = s.db.Experiment(ctx, id)
		return err
	}
	return s.db.View(ctx, func(tx *store.Tx) error {
		_, err := lineage.GetModel(tx, id)
		return err
	})
}

// resource reads what a grant is about.
func (a *args) resource() (access.Kind, string, error) {
	name, id := a.need("resource_type"), a.need("resource_id")
	if err := a.done(); err != nil {
		return 0, "", err
	}
	kind, err := access.ParseKind(name)
	if kind == access.Experiment {
		id = access.CanonicalExperiment(id)
	}
	return kind, id, err
}

// The checks of handlers, which have no user where everybody does everything.

// readable returns those of the ids of experiments that the user may read.
func readable(ctx context.Context, ids []string) []string {
	u := userOf(ctx)
	if u == nil || u.SeesAll(access.Experiment) {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return onExperiment(u, id, toRead) != nil })
}

// checkLogged returns errForbidden unless the user has a level on the
// experiment of a logged model, and an error when there is no such model.
func (s *Server) checkLogged(ctx context.Context, id string, level access.Level) error {
	m, err := s.logged(ctx, id, true)
	if err != nil {
		return err
	}
	if u := userOf(ctx); u != nil {
		return onExperiment(u, m.ExperimentID, level)
	}
	return nil
}

// checkModels is checkLogged for several, of which those that do not exist are
// for the handler to refuse.
func (s *Server) checkModels(ctx context.Context, ids []string, level access.Level) error {
	if userOf(ctx) == nil {
		return nil
	}
	return each(ids, func(id string) error {
		if err := s.checkLogged(ctx, id, level); errors.Is(err, errForbidden) {
			return err
		}
		return nil
	})
}

// own gives who made a thing the right to manage it.
func (s *Server) own(ctx context.Context, kind access.Kind, id string) error {
	if s.opt.Access == nil {
		return nil
	}
	name := ""
	if u := userOf(ctx); u != nil && !u.Admin {
		name = u.Name
	}
	return s.opt.Access.Own(name, kind, id)
}

// seen searches for what the user may read.
func seen[T any](ctx context.Context, kind access.Kind, opt *runstone.SearchOptions, id func(T) string, search func(*runstone.SearchOptions) (*runstone.Page[T], error)) (*runstone.Page[T], error) {
	u := userOf(ctx)
	if u == nil || u.SeesAll(kind) {
		return search(opt)
	}
	return filtered(opt, func(x T) bool { return u.Level(kind, id(x)) >= toRead }, search)
}

func (s *Server) seenExperiments(ctx context.Context, filter string, opt *runstone.SearchOptions) (*runstone.Page[*runstone.Experiment], error) {
	return seen(ctx, access.Experiment, opt, func(e *runstone.Experiment) string { return e.ID }, func(o *runstone.SearchOptions) (*runstone.Page[*runstone.Experiment], error) {
		return s.db.SearchExperiments(ctx, filter, o)
	})
}

func (s *Server) seenModels(ctx context.Context, filter string, opt *runstone.SearchOptions) (*runstone.Page[*lineage.RegisteredModel], error) {
	return seen(ctx, access.Model, opt, func(m *lineage.RegisteredModel) string { return m.Name }, func(o *runstone.SearchOptions) (*runstone.Page[*lineage.RegisteredModel], error) {
		return s.db.SearchModels(ctx, filter, o)
	})
}

func (s *Server) seenVersions(ctx context.Context, filter string, opt *runstone.SearchOptions) (*runstone.Page[*lineage.ModelVersion], error) {
	return seen(ctx, access.Model, opt, func(v *lineage.ModelVersion) string { return v.Model }, func(o *runstone.SearchOptions) (*runstone.Page[*lineage.ModelVersion], error) {
		return s.db.SearchVersions(ctx, filter, o)
	})
}

// mayAsk refuses a query of runs that would tell of registered models to a user who
// may not read all of them. What cannot be read as a query is for the search.
func mayAsk(ctx context.Context, text string, orderBy []string) error {
	u := userOf(ctx)
	if u == nil || u.SeesAll(access.Model) {
		return nil
	}
	var err error
	look := func(x tree.Expr) {
		if x == nil {
			return
		}
		tree.Walk(x, func(x tree.Expr) bool {
			switch x := x.(type) {
			case *tree.Field:
				if x.Entity == tree.Model {
					err = &wireError{http.StatusForbidden, "PERMISSION_DENIED", "Only who may read all registered models can ask runs for theirs."}
				}
			case *tree.Lineage:
				if x.Kind == "model" && (len(x.Args) == 0 || u.Level(access.Model, x.Args[0]) < toRead) {
					err = errForbidden
				}
			}
			return err == nil
		})
	}
	for i, t := range append([]string{text}, orderBy...) {
		if i > 0 {
			t = "ORDER BY " + t
		}
		q, bad := query.Parse(tree.Runs, t)
		if bad != nil {
			continue
		}
		look(q.Filter)
		look(q.Having)
		for _, it := range q.Select {
			look(it.X)
		}
		for _, x := range q.GroupBy {
			look(x)
		}
		for _, o := range q.OrderBy {
			look(o.X)
		}
	}
	return err
}

// filtered searches and leaves out what keep does not take: a page is filled
// from the ones behind it, and its cursor is that of its last item.
func filtered[T any](opt *runstone.SearchOptions, keep func(T) bool, search func(*runstone.SearchOptions) (*runstone.Page[T], error)) (*runstone.Page[T], error) {
	want := opt.Limit
	o := *opt
	if want == 0 {
		o.Limit = 1
	}
	var out *runstone.Page[T]
	for {
		o.Limit = max(o.Limit, min(1000, 4*o.Limit))
		found, err := search(&o)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = &runstone.Page[T]{Columns: found.Columns, Table: found.Table}
		}
		for i, x := range found.Items {
			if !keep(x) {
				continue
			}
			if want == 0 { // only whether there is more was asked
				out.Total = opt.Offset + 1
				return out, nil
			}
			out.Items = append(out.Items, x)
			if len(out.Items) < want {
				continue
			}
			if i+1 == len(found.Items) {
				out.Next = found.Next
				return out, nil
			}
			o.Limit = i + 1 // the cursor behind this item
			found, err = search(&o)
			if err != nil {
				return nil, err
			}
			out.Next = found.Next
			return out, nil
		}
		if found.Next == "" {
			return out, nil
		}
		o.After, o.Offset = found.Next, 0
	}
}
