package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
)

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
