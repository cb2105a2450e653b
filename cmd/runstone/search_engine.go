package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

// finder answers a query over things of one kind.
type finder func(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error)

// searchKinds are the keys of finders.
var searchKinds = []string{"runs", "experiments"}

func (a *app) finders() map[string]finder {
	return map[string]finder{"runs": findRuns, "experiments": findExperiments}
}

// page reads --after, which is how many things the pages before have.
func (fl *searchFlags) page() (from int, err error) {
	if fl.after == "" {
		return 0, nil
	}
	if from, err = strconv.Atoi(fl.after); err != nil || from < 0 {
		return 0, usagef("--after takes what the line below a page says, not %q", fl.after)
	}
	return from, nil
}

// take counts one more thing, and tells if it is on the page.
func (f *finding) take(from, limit int) bool {
	f.total++
	switch {
	case f.total <= from:
		return false
	case limit > 0 && f.total > from+limit:
		f.next = strconv.Itoa(from + limit)
		return false
	}
	return true
}

// bounded is ctx with the bound of --time.
func (fl *searchFlags) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if fl.time == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, fl.time)
}

func findRuns(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	from, err := fl.page()
	if err != nil {
		return nil, err
	}
	filter, err := query.Parse(query.Runs, text)
	if err != nil {
		return nil, err
	}
	order, err := query.ParseOrderBy(query.Runs, fl.opt.OrderBy)
	if err != nil {
		return nil, err
	}
	needs := filter.Needs()
	needs.Add(order.Needs())
	columns := namedColumns(neededFields(needs)...)
	f := newRunFinding(columns)
	opt := fl.opt
	opt.Limit = 0
	ctx, done := fl.bounded(ctx)
	defer done()
	for r, err := range db.Search(ctx, text, &opt) {
		if errors.Is(err, context.DeadlineExceeded) {
			f.partial = "the search took longer than " + fl.time.String()
			break
		}
		if err != nil {
			return nil, err
		}
		if f.take(from, fl.opt.Limit) {
			f.addRun(columns, r)
		}
	}
	return f, nil
}

func newRunFinding(columns []searchColumn) *finding {
	f := &finding{noun: "run", objects: []any{}}
	for _, c := range columns {
		f.columns = append(f.columns, c.name)
	}
	return f
}

func (f *finding) addRun(columns []searchColumn, r *runstone.RunData) {
	row := make([]any, len(columns))
	for i, c := range columns {
		row[i] = c.cell(r)
	}
	f.rows, f.objects = append(f.rows, row), append(f.objects, viewRun(r))
}

func neededFields(n query.Needs) (fields []tree.Expr) {
	for _, key := range n.Params {
		fields = append(fields, &tree.Field{Entity: tree.Param, Key: key})
	}
	for _, key := range n.Tags {
		fields = append(fields, &tree.Field{Entity: tree.Tag, Key: key})
	}
	for _, key := range n.Metrics {
		fields = append(fields, &tree.Field{Entity: tree.Metric, Key: key})
	}
	return fields
}

func findExperiments(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	from, err := fl.page()
	if err != nil {
		return nil, err
	}
	found, err := db.SearchExperiments(ctx, text, &runstone.SearchOptions{View: fl.opt.View, OrderBy: fl.opt.OrderBy})
	if err != nil {
		return nil, err
	}
	f := &finding{noun: "experiment", columns: []string{"experiment_id", "name", "lifecycle_stage", "creation_time"}, objects: []any{}}
	for _, e := range found {
		if f.take(from, fl.opt.Limit) {
			f.rows = append(f.rows, []any{e.ID, e.Name, stage(e.Deleted), millis(e.Created.UnixMilli())})
			f.objects = append(f.objects, viewExperiment(e))
		}
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
