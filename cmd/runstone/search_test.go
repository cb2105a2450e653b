package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

func TestNamedTerms(t *testing.T) {
	for text, want := range map[string][]string{
		"metrics.loss < 1 AND params.lr = '0.1' OR NOT tags.`a b` IS NULL":   {"metrics.loss", "params.lr", "tags.`a b`"},
		"min(metrics.loss) - metrics.loss < 0.1":                             {"min(metrics.loss)", "metrics.loss"},
		"slope(metrics.loss) OVER LAST 500 STEPS > 0":                        {"slope(metrics.loss) OVER LAST 500 STEPS"},
		"parent.params.study = 'a' AND params.b = '1'":                       {"params.b"},
		"dataset.name = 'd' AND EVER(metrics.loss > 3) AND user_id != 'eve'": {"user_id"},
	} {
		q, err := query.Parse(tree.Runs, text)
		require.NoError(t, err, text)
		require.Equal(t, want, namedTerms(text, q.Filter), text)
	}
}

// TestSearchPages follows the cursors of every kind.
func TestSearchPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, seed([]string{dir}))
	for kind, want := range map[string][]string{
		"runs": {runC, runB, runA}, "experiments": {"diag", "Default"}, "models": {"triage"}, "versions": {"2", "1"}, "datasets": nil, "logged-models": nil,
	} {
		key := map[string]string{"runs": "run_id", "versions": "version"}[kind]
		if key == "" {
			key = "name"
		}
		var got []string
		for after := ""; ; {
			args := []string{"search", "-d", dir, "--kind", kind, "--limit", "1", "--json"}
			if after != "" {
				args = append(args, "--after", after)
			}
			code, out, errs := call(t, args...)
			require.Zero(t, code, errs)
			var page struct {
				Total int
				Next  string
				Items []map[string]any
			}
			require.NoError(t, json.Unmarshal([]byte(out), &page), out)
			require.Equal(t, len(want), page.Total, kind)
			for _, item := range page.Items {
				b, err := json.Marshal(item[key])
				require.NoError(t, err)
				got = append(got, strings.Trim(string(b), `"`))
			}
			if after = page.Next; after == "" {
				break
			}
			require.Less(t, len(got), 4, kind)
		}
		require.ElementsMatch(t, want, got, kind)
		if kind == "runs" {
			require.Equal(t, want, got)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"plain-1.0": "plain-1.0", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "a\nb": "'a\nb'", "ü": "'ü'",
	} {
		require.Equal(t, want, shellQuote(word))
	}
}

// TestQueryWords: what is offered is a key as the language has it.
func TestQueryWords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db, err := runstone.Open(dir, nil)
	require.NoError(t, err)
	run, err := db.StartRun(t.Context(), "diag", &runstone.RunOptions{
		Params: map[string]string{"lr": "1", "lr-min": "2", "lr/max": "3", "l:r": "4", "été.x": "5", "seed": "6"},
	})
	require.NoError(t, err)
	require.NoError(t, run.End(t.Context(), runstone.Finished))
	require.NoError(t, db.Close())
	code, out, errs := call(t, "__complete", "search", "-d", dir, "NOT params.l")
	require.Zero(t, code, errs)
	words := strings.Split(strings.TrimSpace(out), "\n")
	require.ElementsMatch(t, []string{"NOT params.lr", "NOT params.`lr-min`", "NOT params.`lr/max`", "NOT params.`l:r`"}, words[:len(words)-1])
	for _, w := range words[:len(words)-1] {
		_, err := query.Parse(tree.Runs, w+" = '1'")
		require.NoError(t, err)
	}
}
