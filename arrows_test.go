package runstone

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/runstonedb/runstone"

// arrows are all imports inside the module that there may be, tests excepted.
// A new package or arrow is a change of the design: it edits this table.
var arrows = map[string][]string{
	"internal/lru":             {},
	"internal/tuple":           {},
	"internal/record":          {},
	"server/internal/graphql":  {},
	"store/internal/kv":        {},
	"store/internal/kv/kvtest": {"store/internal/kv"},
	"store/internal/badgerkv":  {"internal/record", "store/internal/kv"},
	"store/internal/journal":   {"internal/record"},
	"store/internal/block":     {"internal/record"},
	"store": {
		"internal/record", "internal/tuple",
		"store/internal/badgerkv", "store/internal/block", "store/internal/journal", "store/internal/kv",
	},
	"index":                   {"internal/lru", "internal/tuple", "store"},
	"query":                   {"query/tree"},
	"query/tree":              {},
	"query/plan":              {"index", "query/tree"},
	"artifact":                {},
	"access":                  {"internal/record"},
	"lineage":                 {"internal/record", "internal/tuple", "store"},
	".":                       {"artifact", "index", "internal/lru", "internal/record", "internal/tuple", "lineage", "query", "query/plan", "query/tree", "store"},
	"export":                  {".", "lineage", "store"},
	"migrate/internal/curves": {"."},
	"migrate":                 {".", "artifact", "lineage"},
	"migrate/mlruns":          {".", "internal/record", "lineage", "migrate", "migrate/internal/curves"},
	"migrate/rest":            {".", "artifact", "lineage", "migrate", "migrate/internal/curves", "store"},
	"migrate/sqlite":          {".", "lineage", "migrate"},
	"migrate/tensorboard":     {".", "internal/record"},
	"server":                  {".", "access", "artifact", "internal/lru", "lineage", "query", "query/tree", "server/internal/graphql", "store", "webhook"},
	"webhook":                 {"internal/record"},
	"bench":                   {".", "artifact"},
	"cmd/runstone":            {".", "access", "artifact", "bench", "bench/load", "export", "lineage", "migrate", "migrate/mlruns", "migrate/rest", "migrate/sqlite", "migrate/tensorboard", "query", "query/tree", "server", "store", "webhook"},
	"bench/load":              {"."},
	"examples/train":          {"."},
}

// outside are the imports from other modules that there may be, by prefix,
// tests excepted. Who embeds the library or the server pays for those of everything
// but bench, export, the packages below migrate and cmd/runstone.
var outside = map[string][]string{
	"internal/record":          {"github.com/vmihailenco/msgpack/v5"},
	"store":                    {"github.com/tidwall/btree", "golang.org/x/sys"},
	"index":                    {"github.com/klauspost/compress"},
	"access":                   {"golang.org/x/crypto", "golang.org/x/sys"},
	"store/internal/badgerkv":  {"github.com/dgraph-io/badger/v4", "google.golang.org/protobuf"},
	"store/internal/block":     {"github.com/klauspost/compress"},
	"store/internal/journal":   {"golang.org/x/sys"},
	"store/internal/kv/kvtest": {"github.com/stretchr/testify", "pgregory.net/rapid"},
	"export":                   {"github.com/parquet-go/parquet-go"},
	"migrate/mlruns":           {"go.yaml.in/yaml/v3"},
	"migrate/sqlite":           {"modernc.org/sqlite"},
	"migrate/tensorboard":      {"google.golang.org/protobuf"},
	"bench":                    {"golang.org/x/perf"},
	"cmd/runstone":             {"github.com/guptarohit/asciigraph", "github.com/spf13", "golang.org/x/sys", "golang.org/x/term"},
}

// web are the packages that may import net/http.
var web = []string{"server", "cmd/runstone", "migrate/rest", "webhook"}

type sourceFile struct {
	dir, path string
	test      bool
	lines     int
	ast       *ast.File
}

// sources parses every Go file of the module itself.
func sources(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	fset := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && p != "." {
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil || strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" {
				return filepath.SkipDir
			}
		}
		if e.IsDir() || filepath.Ext(p) != ".go" {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		files = append(files, sourceFile{
			dir: filepath.ToSlash(filepath.Dir(p)), path: filepath.ToSlash(p), test: strings.HasSuffix(p, "_test.go"),
			lines: strings.Count(string(text), "\n"), ast: f,
		})
		return err
	}))
	return files
}

func TestArrows(t *testing.T) {
	used := map[string]map[string]bool{}
	for _, f := range sources(t) {
		allowed, ok := arrows[f.dir]
		require.True(t, ok, "%s: package %s is not in the table of arrows", f.path, f.dir)
		for _, imp := range f.ast.Imports {
			to := strings.Trim(imp.Path.Value, `"`)
			if f.test {
				continue
			}
			rel, inside := strings.CutPrefix(to, module)
			if !inside {
				checkOutside(t, f, to)
				continue
			}
			rel = strings.TrimPrefix(rel, "/")
			if rel == "" {
				rel = "."
			}
			if !slices.Contains(allowed, rel) {
				t.Errorf("%s imports %s: no such arrow from %s", f.path, rel, f.dir)
			}
			if used[f.dir] == nil {
				used[f.dir] = map[string]bool{}
			}
			used[f.dir][rel] = true
		}
	}
	for from, tos := range arrows {
		for _, to := range tos {
			if !used[from][to] {
				t.Errorf("the arrow from %s to %s is not used", from, to)
			}
		}
	}
}

// checkOutside holds an import that is not of this module to the tables.
func checkOutside(t *testing.T, f sourceFile, to string) {
	t.Helper()
	if to == "net/http" && !slices.Contains(web, f.dir) {
		t.Errorf("%s imports net/http", f.path)
	}
	if host, _, _ := strings.Cut(to, "/"); !strings.Contains(host, ".") {
		return
	}
	for _, prefix := range outside[f.dir] {
		if to == prefix || strings.HasPrefix(to, prefix+"/") {
			return
		}
	}
	t.Errorf("%s imports %s, which is not in the table for %s", f.path, to, f.dir)
}

func TestFileLength(t *testing.T) {
	for _, f := range sources(t) {
		limit := 600
		if f.test {
			limit = 800
		}
		if f.lines > limit {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, limit)
		}
	}
}

// TestDocs: every package says what it is, and everything exported says what
// it does. A method that implements an interface is documented there.
func TestDocs(t *testing.T) {
	documented := map[string]bool{}
	packages := map[string]bool{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		packages[f.dir] = true
		documented[f.dir] = documented[f.dir] || f.ast.Doc != nil
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && d.Recv == nil {
					t.Errorf("%s: func %s has no doc comment", f.path, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil && ts.Comment == nil {
						t.Errorf("%s: type %s has no doc comment", f.path, ts.Name.Name)
					}
				}
			}
		}
	}
	for p := range packages {
		if !documented[p] {
			t.Errorf("package %s has no package comment", path.Join(module, p))
		}
	}
}
