package query_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestConjuncts(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		"ORDER BY start_time":       nil,
		"metrics.a > 1":             {"metrics.a > 1"},
		"AND metrics.a > 1 AND":     {"metrics.a > 1"},
		"metrics.a > 1 metrics.b<2": {"metrics.a > 1", "metrics.b<2"},
		"metrics.a BETWEEN 1 AND 2 AND params.x = 'a AND b'":                    {"metrics.a BETWEEN 1 AND 2", "params.x = 'a AND b'"},
		"(metrics.a > 1 OR params.b = 'y') AND AND ((status = 'FAILED'))":       {"(metrics.a > 1 OR params.b = 'y')", "((status = 'FAILED'))"},
		"(metrics.a > 1 AND metrics.b > 1) AND NOT (metrics.c > 1)":             {"(metrics.a > 1 AND metrics.b > 1)", "NOT (metrics.c > 1)"},
		"metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1":                      {"metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1"},
		"params.é = '😀' AND ANY child(metrics.a > 1 AND metrics.b > 2) LIMIT 3": {"params.é = '😀'", "ANY child(metrics.a > 1 AND metrics.b > 2)"},
		"EVER(metrics.a > 3) AND parent.metrics.a > 2 ORDER BY metrics.a":       {"EVER(metrics.a > 3)", "parent.metrics.a > 2"},
		"(((metrics.a))) > 1 AND (metrics.b + 1) * 2 > 3":                       {"(((metrics.a))) > 1", "(metrics.b + 1) * 2 > 3"},
	} {
		found, err := query.Conjuncts(tree.Runs, text)
		require.NoError(t, err, text)
		var got []string
		for _, c := range found {
			got = append(got, text[c.Pos:c.End])
		}
		require.Equal(t, want, got, text)
	}
	for text, loose := range map[string]bool{"status = 'A' OR status = 'B'": true, "(status = 'A' OR status = 'B')": false, "(status = 'A') OR (status = 'B')": true, "status = 'A'": false} {
		found, err := query.Conjuncts(tree.Runs, text)
		require.NoError(t, err)
		require.Equal(t, loose, found[0].Loose, text)
	}
	_, err := query.Conjuncts(tree.Runs, "metrics.a >")
	var pe *query.ParseError
	require.ErrorAs(t, err, &pe)
}

// TestConjunctsOfGoldens takes the filters of all golden files apart: each part can
// be read, all but one can, and all of them together mean what the filter did.
func TestConjunctsOfGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	several := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		_, list := sections(t, data)
		for _, s := range list {
			name, quoted := strings.CutPrefix(s.name, "quoted ")
			d, ok := domains[name]
			text := strings.TrimSuffix(s.body, "\n")
			if quoted {
				text, err = strconv.Unquote(text)
				require.NoError(t, err)
			}
			if !ok {
				continue
			}
			if checkConjuncts(t, d, text) > 1 {
				several++
			}
		}
	}
	require.Greater(t, several, 20)
}

func TestConjunctsOfRandomQueries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkConjuncts(t, tree.Runs, texts{t}.query()) })
}

// checkConjuncts takes a query apart and returns how many conditions it has.
func checkConjuncts(t require.TestingT, d tree.Domain, text string) int {
	q, err := query.Parse(d, text)
	if err != nil || q.Filter == nil {
		return 0
	}
	found, err := query.Conjuncts(d, text)
	require.NoError(t, err)
	require.NotEmpty(t, found, text)
	var all bytes.Buffer
	end := 0
	for i, c := range found {
		require.GreaterOrEqual(t, c.Pos, end, text)
		require.Greater(t, c.End, c.Pos, text)
		end = c.End
		one, err := query.Parse(d, text[c.Pos:c.End])
		require.NoError(t, err, "%q of %q", text[c.Pos:c.End], text)
		require.NotNil(t, one.Filter)
		if i > 0 {
			all.WriteString(" AND ")
		}
		all.WriteString(text[c.Pos:c.End])
		if i > 0 {
			less := text[:found[i-1].End] + text[c.End:]
			_, err = query.Parse(d, less)
			require.NoError(t, err, "%q of %q", less, text)
		}
	}
	again, err := query.Parse(d, all.String())
	require.NoError(t, err, "%q of %q", all.String(), text)
	require.Equal(t, tree.Text(q.Filter), tree.Text(again.Filter), text)
	if len(found) > 1 {
		_, err = query.Parse(d, text[found[1].Pos:])
		require.NoError(t, err, text)
	}
	return len(found)
}
