package query_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// domains are the section names of a golden file. "quoted " before one says that
// the filter stands there as a Go string; "order " that it is an order_by clause.
var domains = map[string]tree.Domain{
	"runs": tree.Runs, "experiments": tree.Experiments, "registered models": tree.RegisteredModels,
	"model versions": tree.ModelVersions, "logged models": tree.LoggedModels, "datasets": tree.Datasets,
}

type section struct{ name, body string }

// sections reads "-- name --" lines and the text under each.
func sections(t *testing.T, data []byte) (comment string, out []section) {
	for line := range bytes.Lines(data) {
		s := strings.TrimSuffix(string(line), "\n")
		if strings.HasPrefix(s, "-- ") && strings.HasSuffix(s, " --") && len(s) > 6 {
			out = append(out, section{name: s[3 : len(s)-3]})
			continue
		}
		if len(out) == 0 {
			comment += string(line)
			continue
		}
		out[len(out)-1].body += string(line)
	}
	require.NotEmpty(t, out)
	return comment, out
}

// TestGolden holds every file of testdata: a section with a filter, then one
// with its canonical text and its tree, or its error.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			comment, list := sections(t, data)
			out := bytes.NewBufferString(comment)
			for i, s := range list {
				if s.name == "want" {
					continue
				}
				got := goldenAnswer(t, s)
				fmt.Fprintf(out, "-- %s --\n%s-- want --\n%s", s.name, s.body, got)
				if *update {
					continue
				}
				require.Less(t, i+1, len(list), "no want for %s", s.body)
				require.Equal(t, section{"want", got}, list[i+1], "filter: %s", s.body)
			}
			if *update {
				require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
			}
		})
	}
}

func goldenAnswer(t *testing.T, s section) string {
	text := strings.TrimSuffix(s.body, "\n")
	name, quoted := strings.CutPrefix(s.name, "quoted ")
	if quoted {
		var err error
		text, err = strconv.Unquote(text)
		require.NoError(t, err, s.body)
	}
	name, order := strings.CutPrefix(name, "order ")
	d, ok := domains[name]
	require.True(t, ok, "section %q", s.name)
	var b strings.Builder
	if order {
		o, err := query.ParseOrderBy(d, []string{text})
		if err != nil {
			writeError(t, &b, err)
		} else {
			writeSorts(&b, o)
		}
		return b.String()
	}
	q, err := query.Parse(d, text)
	if err != nil {
		writeError(t, &b, err)
		return b.String()
	}
	fmt.Fprintf(&b, "%s\n", q)
	dump(&b, q, true)
	return b.String()
}

func writeSorts(b *strings.Builder, sorts []tree.Sort) {
	for i := range sorts {
		fmt.Fprintf(b, "%s\n", &sorts[i])
	}
}

func writeError(t *testing.T, b *strings.Builder, err error) {
	var pe *query.ParseError
	require.ErrorAs(t, err, &pe)
	require.NotContains(t, pe.Error(), "\n")
	fmt.Fprintf(b, "error %d..%d: %s\n%s\n", pe.Pos, pe.End, pe.Msg, pe.Caret())
	if pe.Hint != "" {
		fmt.Fprintf(b, "hint: %s\n", pe.Hint)
	}
}
