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
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// domains are the section names of a golden file. "quoted " before one says that
// the filter stands there as a Go string; "order " that it is an order_by clause.
var domains = map[string]query.Domain{
	"runs": query.Runs, "experiments": query.Experiments, "registered models": query.RegisteredModels,
	"model versions": query.ModelVersions, "logged models": query.LoggedModels,
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
// with its tree, canonical text and needs, or its error.
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
			writeNeeds(&b, o.Needs())
		}
		return b.String()
	}
	f, err := query.Parse(d, text)
	if err != nil {
		writeError(t, &b, err)
		return b.String()
	}
	fmt.Fprintf(&b, "%s\n", f)
	writeNeeds(&b, f.Needs())
	if f.Root() != nil {
		writeTree(&b, f.Root(), "", true)
	}
	return b.String()
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

func writeNeeds(b *strings.Builder, n query.Needs) {
	for _, p := range []struct {
		name string
		list []string
	}{{"attributes", n.Attributes}, {"metrics", n.Metrics}, {"params", n.Params}, {"tags", n.Tags}} {
		if len(p.list) > 0 {
			fmt.Fprintf(b, "needs %s %q\n", p.name, p.list)
		}
	}
	if n.Datasets {
		b.WriteString("needs datasets\n")
	}
}

// writeTree writes a node a line, with positions if pos.
func writeTree(b *strings.Builder, n query.Node, indent string, pos bool) {
	b.WriteString(indent)
	if pos {
		fmt.Fprintf(b, "%d ", n.Pos())
	}
	kids := func(word string, list ...query.Node) {
		b.WriteString(word + "\n")
		for _, k := range list {
			writeTree(b, k, indent+"  ", pos)
		}
	}
	switch n := n.(type) {
	case *query.And:
		kids("and", n.Kids...)
	case *query.Or:
		kids("or", n.Kids...)
	case *query.Not:
		kids("not", n.X)
	case *query.Pred:
		fmt.Fprintf(b, "%s %q %s", n.Field.Entity, n.Field.Key, n.Op)
		for _, v := range n.Values {
			b.WriteByte(' ')
			if pos {
				fmt.Fprintf(b, "%d:", v.At)
			}
			switch v.Kind {
			case query.LitString:
				fmt.Fprintf(b, "%q", v.Str)
			case query.LitInt:
				fmt.Fprintf(b, "int %d", v.Int)
			case query.LitFloat:
				fmt.Fprintf(b, "float %g", v.Float)
			}
		}
		b.WriteByte('\n')
	}
}

func treeText(f *query.Filter) string {
	if f.Root() == nil {
		return ""
	}
	var b strings.Builder
	writeTree(&b, f.Root(), "", false)
	return b.String()
}
