package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

// finder answers a query over things of one kind.
type finder func(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error)

// searchKinds are the keys of finders.
var searchKinds = []string{"runs", "experiments", "models", "versions", "logged-models", "datasets"}

func (a *app) finders() map[string]finder {
	return map[string]finder{
		"runs": findRuns, "experiments": findExperiments, "models": findModels, "versions": findVersions,
		"logged-models": findLoggedModels, "datasets": findDatasets,
	}
}

// options are what the search itself needs to know.
func (fl *searchFlags) options() *runstone.SearchOptions {
	opt := fl.opt
	opt.After, opt.Time, opt.Total, opt.Explain = fl.after, fl.time, true, fl.explain
	return &opt
}

// newFinding takes over a page but its items. An error that only says that the
// page is not all becomes a part of it.
func newFinding[T any](noun string, columns []string, p *runstone.Page[T], err error) (*finding, error) {
	var partial *runstone.PartialError
	if err != nil && !errors.As(err, &partial) {
		return nil, err
	}
	f := &finding{noun: noun, columns: columns, objects: []any{}, total: p.Total, next: p.Next}
	if partial != nil {
		f.partial = partial.Error()
	}
	if p.Explain != nil {
		f.explain = p.Explain
	}
	return f, nil
}

// tabled fills a finding from the table of SELECT or GROUP BY, and reports whether
// there is one.
func tabled[T any](f *finding, p *runstone.Page[T]) bool {
	if p.Columns == nil {
		return false
	}
	f.columns, f.rows, f.objects = p.Columns, p.Table, nil
	return true
}

func findRuns(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	p, err := db.SearchRuns(ctx, text, fl.options())
	columns, cerr := queryColumns(text, fl.opt.OrderBy)
	f, err := newFinding("run", nil, p, cmp.Or(err, cerr))
	if err != nil {
		return nil, err
	}
	if tabled(f, p) {
		if len(p.Items) > 0 { // SELECT of runs: say which
			f.columns = append([]string{"run_id"}, f.columns...)
			for i, r := range p.Items {
				f.rows[i] = append([]any{runRef(r.ID)}, f.rows[i]...)
			}
		}
		return f, nil
	}
	for _, c := range columns {
		f.columns = append(f.columns, c.name)
	}
	for _, r := range p.Items {
		f.addRun(columns, r)
	}
	return f, nil
}

// queryColumns are the columns of runs that the filter and the order of a query name.
func queryColumns(text string, orderBy []string) ([]searchColumn, error) {
	q, err := query.Parse(tree.Runs, text)
	if err != nil {
		return nil, err
	}
	named := []tree.Expr{q.Filter}
	order := q.OrderBy
	if len(orderBy) > 0 {
		if order, err = query.ParseOrderBy(tree.Runs, orderBy); err != nil {
			return nil, err
		}
	}
	for _, s := range order {
		named = append(named, s.X)
	}
	return namedColumns(named...), nil
}

func (f *finding) addRun(columns []searchColumn, r *runstone.RunData) {
	row := make([]any, len(columns))
	for i, c := range columns {
		row[i] = c.cell(r)
	}
	f.rows, f.objects = append(f.rows, row), append(f.objects, viewRun(r))
}

func findExperiments(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	p, err := db.SearchExperiments(ctx, text, fl.options())
	f, err := newFinding("experiment", []string{"experiment_id", "name", "lifecycle_stage", "creation_time"}, p, err)
	if err != nil || tabled(f, p) {
		return f, err
	}
	for _, e := range p.Items {
		f.rows = append(f.rows, []any{e.ID, e.Name, stage(e.Deleted), millis(e.Created.UnixMilli())})
		f.objects = append(f.objects, viewExperiment(e))
	}
	return f, nil
}

func findModels(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	p, err := db.SearchModels(ctx, text, fl.options())
	f, err := newFinding("model", []string{"name", "last_updated_timestamp", "description"}, p, err)
	if err != nil || tabled(f, p) {
		return f, err
	}
	for _, m := range p.Items {
		f.rows = append(f.rows, []any{m.Name, millis(m.UpdatedAt), m.Description})
		f.objects = append(f.objects, viewModel(m))
	}
	return f, nil
}

func findVersions(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	p, err := db.SearchVersions(ctx, text, fl.options())
	f, err := newFinding("version", []string{"name", "version", "stage", "aliases", "run_id", "creation_timestamp"}, p, err)
	if err != nil || tabled(f, p) {
		return f, err
	}
	for _, v := range p.Items {
		f.rows = append(f.rows, []any{v.Model, int64(v.Version), v.Stage, strings.Join(v.Aliases, " "), runRef(v.RunID), millis(v.CreatedAt)})
		f.objects = append(f.objects, viewVersion(v))
	}
	return f, nil
}

func findLoggedModels(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	p, err := db.SearchLoggedModels(ctx, text, &runstone.LoggedModelSearch{SearchOptions: *fl.options()})
	f, err := newFinding("logged model", []string{"model_id", "name", "model_type", "status", "source_run_id", "creation_timestamp"}, p, err)
	if err != nil || tabled(f, p) {
		return f, err
	}
	for _, m := range p.Items {
		f.rows = append(f.rows, []any{m.Model.ModelID, m.Model.Name, m.Model.ModelType, m.Model.Status, runRef(m.Model.SourceRunID), millis(m.Model.CreatedAt)})
		f.objects = append(f.objects, m)
	}
	return f, nil
}

func findDatasets(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	p, err := db.SearchDatasets(ctx, text, fl.options())
	f, err := newFinding("dataset", []string{"name", "digest", "experiment_id", "source_type"}, p, err)
	if err != nil || tabled(f, p) {
		return f, err
	}
	for _, d := range p.Items {
		f.rows = append(f.rows, []any{d.Name, d.Digest, d.ExperimentID, d.SourceType})
		f.objects = append(f.objects, d)
	}
	return f, nil
}

// queryWords completes a key behind metrics., params. or tags. at the end of a
// query, from what the newest runs have.
func (a *app) queryWords(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	at := strings.LastIndexAny(prefix, " (,<>=") + 1
	before, word := prefix[:at], prefix[at:]
	entity, start, ok := strings.Cut(word, ".")
	if !ok {
		var out []string
		for _, e := range []string{"metrics.", "params.", "tags."} {
			if strings.HasPrefix(e, word) {
				out = append(out, before+e)
			}
		}
		return out, nil
	}
	var out []string
	seen := map[string]bool{}
	offer := func(key string) {
		if strings.HasPrefix(key, start) && !seen[key] {
			seen[key] = true
			if strings.Trim(key, keyChars) != "" {
				key = "`" + key + "`"
			}
			out = append(out, before+entity+"."+key)
		}
	}
	for r, err := range db.Search(ctx, "", &runstone.SearchOptions{Limit: completedRuns}) {
		if err != nil {
			return nil, err
		}
		switch entity {
		case "metrics":
			for i := range r.Metrics {
				offer(r.Metrics[i].Metric)
			}
		case "params":
			offerKeys(r.Params, offer)
		case "tags":
			offerKeys(r.Tags, offer)
		}
	}
	return out, nil
}

// completedRuns is how many runs are asked for the keys they have.
const completedRuns = 50

// keyChars are the characters of keys that need no quotes in a query.
const keyChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-"

func offerKeys(m map[string]string, offer func(string)) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		offer(key)
	}
}
