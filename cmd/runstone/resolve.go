package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/runstonedb/runstone"
)

// minPrefix is how much of a run's id is needed at least.
const minPrefix = 4

// findRun returns the run with an id, or with an id that begins so.
func findRun(ctx context.Context, db *runstone.DB, id string) (runstone.RunInfo, error) {
	info, err := db.RunInfo(ctx, id)
	if !errors.Is(err, runstone.ErrNotFound) {
		return info, err
	}
	var found []runstone.RunInfo
	if len(id) >= minPrefix {
		if found, err = runsWithPrefix(ctx, db, id, maxShownRuns+1); err != nil {
			return info, err
		}
	}
	switch {
	case len(found) == 0:
		return info, noRun(ctx, db, id)
	case len(found) > 1:
		return info, refusedf("give more digits", "several runs have an id that begins with %q: %s", id, idsOf(found))
	}
	return found[0], nil
}

// maxShownRuns is how many ids an error names at most.
const maxShownRuns = 3

func idsOf(runs []runstone.RunInfo) string {
	var ids []string
	for _, r := range runs[:min(maxShownRuns, len(runs))] {
		ids = append(ids, r.ID)
	}
	if len(runs) > maxShownRuns {
		return strings.Join(ids, ", ") + " and more"
	}
	return strings.Join(ids, ", ")
}

// noRun says that no run has an id, and which run has that name.
func noRun(ctx context.Context, db *runstone.DB, id string) error {
	named, err := runsNamed(ctx, db, id, maxShownRuns+1)
	hint := `"runstone runs list" shows the runs there are`
	switch {
	case err != nil:
		return err
	case len(named) == 1:
		return notFoundf("its id is "+named[0].ID, "%q is the name of a run, and runs are named by id", id)
	case len(named) > 1:
		return notFoundf("their ids are "+idsOf(named), "%q is the name of several runs, and runs are named by id", id)
	case len(id) < minPrefix:
		return notFoundf(hint, "no run has the id %q, and a short id takes %d digits or more", id, minPrefix)
	}
	return notFoundf(hint, "no run has an id that begins with %q", id)
}

// runsNamed returns up to limit runs, deleted ones too, that have a name.
func runsNamed(ctx context.Context, db *runstone.DB, name string, limit int) ([]runstone.RunInfo, error) {
	quote := "'"
	if strings.Contains(name, quote) {
		quote = `"`
	}
	if name == "" || strings.Contains(name, quote) {
		return nil, nil // a filter has no way to say it
	}
	var found []runstone.RunInfo
	filter := "attributes.run_name = " + quote + name + quote
	for r, err := range db.Search(ctx, filter, &runstone.SearchOptions{View: runstone.All, Limit: limit}) {
		if err != nil {
			return nil, err
		}
		found = append(found, r.RunInfo)
	}
	return found, nil
}

// runsWithPrefix returns up to limit runs, deleted ones too, whose ids begin
// with prefix.
func runsWithPrefix(ctx context.Context, db *runstone.DB, prefix string, limit int) ([]runstone.RunInfo, error) {
	if strings.Trim(prefix, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") != "" {
		return nil, nil // no id has such characters, and a filter gives some a meaning
	}
	var found []runstone.RunInfo
	filter := fmt.Sprintf("attributes.run_id LIKE '%s%%'", prefix)
	for r, err := range db.Search(ctx, filter, &runstone.SearchOptions{View: runstone.All}) {
		if err != nil {
			return nil, err
		}
		// The filter takes '_' for any character.
		if strings.HasPrefix(r.ID, prefix) {
			if found = append(found, r.RunInfo); len(found) == limit {
				break
			}
		}
	}
	return found, nil
}

// findExperiment returns the experiment with an id or else a name.
func findExperiment(ctx context.Context, db *runstone.DB, name string) (*runstone.Experiment, error) {
	e, err := db.Experiment(ctx, name)
	if errors.Is(err, runstone.ErrNotFound) {
		e, err = db.ExperimentByName(ctx, name)
	}
	if errors.Is(err, runstone.ErrNotFound) {
		return nil, notFoundf(`"runstone experiments list --view all" shows the experiments there are`, "no experiment has the id or name %q", name)
	}
	return e, err
}

// findMetric refuses a metric that a run does not have, with exit code 3, and
// names those it has.
func findMetric(ctx context.Context, db *runstone.DB, run, metric string) error {
	all, err := db.Metrics(ctx, run)
	if err != nil {
		return err
	}
	var names []string
	for i := range all {
		if all[i].Metric == metric {
			return nil
		}
		if len(names) == 0 || names[len(names)-1] != all[i].Metric {
			names = append(names, all[i].Metric)
		}
	}
	hint := "it has no metrics"
	if len(names) > 0 {
		hint = "it has " + strings.Join(names[:min(8, len(names))], ", ")
		if len(names) > 8 {
			hint += " and more, see \"runstone metrics list\""
		}
	}
	return notFoundf(hint, "run %s has no metric %q", shortID(run), metric)
}

// parseView reads the flag --view.
func parseView(name string) (runstone.ViewType, error) {
	switch name {
	case "active":
		return runstone.ActiveOnly, nil
	case "deleted":
		return runstone.DeletedOnly, nil
	case "all":
		return runstone.All, nil
	}
	return 0, usagef("--view is active, deleted or all, not %q", name)
}

// parsePairs reads flags of the form key=value.
func parsePairs(flag string, pairs []string) (map[string]string, error) {
	out := make(map[string]string, len(pairs))
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("--%s takes key=value, not %q", flag, p)
		}
		out[k] = v
	}
	return out, nil
}
