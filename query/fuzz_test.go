package query_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
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

// FuzzParse: never a panic, errors point into the text, parse of print is identity.
func FuzzParse(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(uint8(i), s)
	}
	rows := fourRuns()
	f.Fuzz(func(t *testing.T, domain uint8, text string) {
		d := query.Domain(domain % 5)
		filter, err := query.Parse(d, text)
		if err != nil {
			var pe *query.ParseError
			if !errors.As(err, &pe) || pe.Pos < 0 || pe.End < pe.Pos || pe.End > len(text) || pe.Text != text {
				t.Fatalf("bad error %#v for %q", err, text)
			}
			if strings.Contains(pe.Error(), "\n") || strings.Count(pe.Caret(), "\n") != 1 {
				t.Fatalf("lines in %q, %q", pe.Error(), pe.Caret())
			}
			return
		}
		printed := filter.String()
		if len(printed) > query.MaxFilter/4 {
			return // canonical text may be beyond the limits
		}
		again, err := query.Parse(d, printed)
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, printed, err)
		}
		if again.String() != printed || treeText(again) != treeText(filter) {
			t.Fatalf("%q printed as %q, then as %q", text, printed, again)
		}
		for _, r := range rows {
			if filter.Match(r) != again.Match(r) {
				t.Fatalf("%q and %q differ on %s", text, printed, r.name)
			}
		}
	})
}

func FuzzOrderBy(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(uint8(i), s)
	}
	rows := fourRuns()
	f.Fuzz(func(t *testing.T, domain uint8, text string) {
		o, err := query.ParseOrderBy(query.Domain(domain%5), []string{text})
		var pe *query.ParseError
		if err != nil {
			if !errors.As(err, &pe) || pe.Pos < 0 || pe.End < pe.Pos || pe.End > len(text) {
				t.Fatalf("bad error %#v for %q", err, text)
			}
			return
		}
		if o.Compare(rows[0], rows[1]) != -o.Compare(rows[1], rows[0]) {
			t.Fatalf("%q is no order", text)
		}
	})
}
