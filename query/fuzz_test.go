package query_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

// seeds are the filters of the golden files.
func seeds(f *testing.F) []string {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden files", err)
	}
	var out []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(data), "\n-- ") {
			name, body, _ := strings.Cut(part, " --\n")
			if name != "want" {
				if s, err := strconv.Unquote(body); err == nil {
					body = s
				}
				out = append(out, body)
			}
		}
	}
	return out
}

// checkError holds an error to what every error promises.
func checkError(t testing.TB, err error, text string) {
	var pe *query.ParseError
	if !errors.As(err, &pe) || pe.Pos < 0 || pe.End < pe.Pos || pe.End > len(text) || pe.Text != text {
		t.Fatalf("bad error %#v for %q", err, text)
	}
	if strings.Contains(pe.Error(), "\n") || strings.Count(pe.Caret(), "\n") != 1 || len(pe.Msg) > 1100 {
		t.Fatalf("lines in %q, %q", pe.Error(), pe.Caret())
	}
}

// checkSpans holds every node to a place in the text.
func checkSpans(t interface{ Fatalf(string, ...any) }, q *tree.Query, text string) {
	look := func(x tree.Expr) {
		if x == nil {
			return
		}
		tree.Walk(x, func(n tree.Expr) bool {
			if s := n.At(); s.Pos < 0 || s.End < s.Pos || s.End > len(text) {
				t.Fatalf("%T at %v of %q", n, s, text)
			}
			return true
		})
	}
	look(q.Filter)
	look(q.Having)
	for _, x := range q.GroupBy {
		look(x)
	}
	for _, it := range q.Select {
		look(it.X)
	}
	for _, s := range q.OrderBy {
		look(s.X)
	}
}

// FuzzParse: never a panic, errors point into the text, parse of print is identity.
func FuzzParse(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(uint8(i), s)
	}
	f.Fuzz(func(t *testing.T, domain uint8, text string) {
		d := tree.Domain(domain % 6)
		q, err := query.Parse(d, text)
		if err != nil {
			checkError(t, err, text)
			return
		}
		checkSpans(t, q, text)
		printed := q.String()
		if len(printed) > query.MaxFilter/4 {
			return // canonical text may be beyond the limits
		}
		again, err := query.Parse(d, printed)
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, printed, err)
		}
		if again.String() != printed || treeText(again) != treeText(q) {
			t.Fatalf("%q printed as %q, then as %q\n%s\n%s", text, printed, again, treeText(q), treeText(again))
		}
	})
}

func FuzzOrderBy(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(uint8(i), s)
	}
	f.Fuzz(func(t *testing.T, domain uint8, text string) {
		d := tree.Domain(domain % 6)
		o, err := query.ParseOrderBy(d, []string{text})
		if err != nil {
			checkError(t, err, text)
			return
		}
		printed := o[0].String()
		again, err := query.ParseOrderBy(d, []string{printed})
		if err != nil || sortText(again) != sortText(o) {
			t.Fatalf("%q printed as %q: %v, %q", text, printed, err, sortText(again))
		}
	})
}

func sortText(sorts []tree.Sort) string {
	return treeText(&tree.Query{OrderBy: sorts})
}
