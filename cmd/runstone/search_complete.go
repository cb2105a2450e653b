package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query/tree"
)

// queryWords completes a key behind metrics., params. or tags. at the end of a
// query, from what the newest runs have.
func (a *app) queryWords(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	at := strings.LastIndexAny(prefix, " (,<>=") + 1
	before, word := prefix[:at], prefix[at:]
	name, start, ok := strings.Cut(word, ".")
	entities := map[string]tree.Entity{"metrics": tree.Metric, "params": tree.Param, "tags": tree.Tag}
	var out []string
	if !ok {
		for _, e := range slices.Sorted(maps.Keys(entities)) {
			if strings.HasPrefix(e, word) {
				out = append(out, before+e+".")
			}
		}
		return out, nil
	}
	entity, ok := entities[name]
	if !ok {
		return nil, nil
	}
	seen := map[string]bool{}
	offer := func(key string) {
		if strings.HasPrefix(key, start) && !seen[key] {
			seen[key] = true
			out = append(out, before+tree.Text(&tree.Field{Entity: entity, Key: key}))
		}
	}
	for r, err := range db.Search(ctx, "", &runstone.SearchOptions{Limit: completedRuns}) {
		if err != nil {
			return nil, err
		}
		switch entity {
		case tree.Metric:
			for i := range r.Metrics {
				offer(r.Metrics[i].Metric)
			}
		case tree.Param:
			offerKeys(r.Params, offer)
		case tree.Tag:
			offerKeys(r.Tags, offer)
		}
	}
	return out, nil
}

// completedRuns is how many runs are asked for the keys they have.
const completedRuns = 50

func offerKeys(m map[string]string, offer func(string)) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		offer(key)
	}
}
