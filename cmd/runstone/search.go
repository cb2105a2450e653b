package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/export"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const searchLong = `Find runs, or other things with --kind, that match a query; docs/QUERY.md
describes the language. Without a query all are found.

A line shows the id, name and status of a run, how long ago it began, and what
the query and the order name: params, tags, latest metrics, and functions of
whole metrics such as min(metrics.loss). A query with SELECT or GROUP BY says
itself which columns there are; one with SELECT has the id in front of them.

Where there is more than --limit, the command line of the next page is printed
on stderr. --time bounds the search: what was found till then is printed, and
that it is not all.

With --json the answer is an object: "items" are the things found as the other
commands print them, or objects by column; "total" how many match; "next" what
--after takes; "partial" is true where the time ran out. --csv has ids in full,
times in Unix ms and all digits; --parquet writes the same columns to a file.`

// searchFlags are the flags of the command search.
type searchFlags struct {
	opt         runstone.SearchOptions
	kind, view  string
	experiments []string
	csv         bool
	parquet     string
	count       bool
	explain     bool
	limited     bool // --limit was given
}

func (a *app) searchCommand() *cobra.Command {
	fl := searchFlags{}
	cmd := &cobra.Command{
		Use: "search [QUERY]", Short: "Find runs and other things with a query", Long: searchLong,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("the query is one argument: put it in quotes")
			}
			return nil
		},
		Example: `  runstone search "metrics.acc > 0.92 AND params.model = 'logreg'"
  runstone search "min(metrics.loss) < 0.3" --order-by "min(metrics.loss)" --limit 10
  runstone search "params.model = 'xgb' GROUP BY params.depth SELECT params.depth, count(), mean(metrics.auc)" --csv
  runstone search --kind versions "tags.reviewed IS NULL" --json`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 || fl.kind != "runs" {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			words, _ := a.complete(cmd, a.queryWords, args, prefix)
			return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			text := strings.Join(args, "")
			if fl.opt.View, err = parseView(fl.view); err != nil {
				return err
			}
			find, ok := finderOf(fl.kind)
			fl.limited = fl.count || cmd.Flags().Changed("limit")
			switch {
			case !ok:
				return usagef("--kind is one of %s, not %q", strings.Join(searchKinds, ", "), fl.kind)
			case len(fl.experiments) > 0 && !slices.Contains([]string{"runs", "datasets", "logged-models"}, fl.kind):
				return usagef("--kind %s takes no --experiment", fl.kind)
			case fl.view != "active" && fl.kind != "runs" && fl.kind != "experiments":
				return usagef("--kind %s takes no --view", fl.kind)
			case fl.opt.Limit < 0:
				return usagef("--limit is 0 or more, not %d", fl.opt.Limit)
			case fl.opt.Time < 0:
				return usagef("--time is not negative")
			case fl.csv && a.json:
				return usagef("--csv and --json exclude each other")
			case fl.count && (fl.csv || fl.parquet != "" || fl.explain):
				return usagef("--count prints a number, and takes no --csv, --parquet or --explain")
			case fl.csv && fl.explain:
				return usagef("--csv and --explain exclude each other")
			}
			switch {
			case fl.count:
				fl.opt.Limit = 1
			case fl.parquet != "" && !fl.limited: // a file holds all: the next page would take its place
				fl.opt.Limit = 0
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				for _, name := range fl.experiments {
					e, err := findExperiment(ctx, db, name)
					if err != nil {
						return err
					}
					fl.opt.Experiments = append(fl.opt.Experiments, e.ID)
				}
				found, err := find(ctx, db, text, &fl)
				if err != nil {
					return err
				}
				return a.showFound(found, &fl, func() string { return nextPage(cmd, args, found.next) })
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&fl.kind, "kind", "k", "runs", "what to find: "+strings.Join(searchKinds, ", "))
	f.StringArrayVarP(&fl.experiments, "experiment", "e", nil, "only runs, datasets or logged models of this experiment, by name or id; may be repeated")
	f.StringVar(&fl.view, "view", "active", "active, deleted or all runs or experiments")
	f.StringArrayVar(&fl.opt.OrderBy, "order-by", nil, "order, such as \"metrics.loss ASC\"; may be repeated")
	f.IntVar(&fl.opt.Limit, "limit", defaultLimit, "print at most so many; 0 is all, or the LIMIT of the query; --parquet without it writes all")
	f.StringVar(&fl.opt.After, "after", "", "go on behind a page, as the line below it says")
	f.DurationVar(&fl.opt.Time, "time", 0, "search for at most so long, such as 10s; 0 is no bound")
	f.BoolVar(&fl.explain, "explain", false, "also say how the answer was found and what was read")
	f.BoolVar(&fl.count, "count", false, "print only how many match")
	f.BoolVar(&fl.csv, "csv", false, "print CSV")
	f.StringVar(&fl.parquet, "parquet", "", "write the answer to a Parquet `file`")
	a.completeFlag(cmd, "experiment", a.experimentNames)
	a.completeWords(cmd, "view", "active", "deleted", "all")
	a.completeWords(cmd, "kind", searchKinds...)
	return cmd
}

// finding is what a search found of any kind.
type finding struct {
	noun string // "run"
	// perGroup: the query has LIMIT n PER GROUP, and a group several rows.
	perGroup bool
	columns  []string
	rows     [][]any // nil, string, runRef, millis, int64, float64 or bool
	objects  []any   // what --json prints of each; nil if the query chose columns
	total    int
	next     string
	partial  string // why this is not all
	explain  *runstone.Explain
	hints    []string // why there may be nothing
}

// runRef is the id of a run, which people see the first digits of.
type runRef string

func (a *app) showFound(f *finding, fl *searchFlags, next func() string) error {
	if f.partial != "" {
		a.note("%s: this is not all", f.partial)
	}
	switch {
	case fl.count && a.json:
		return a.writeJSON(map[string]any{"total": f.total, "partial": f.partial != ""})
	case fl.count:
		_, err := fmt.Fprintln(a.stdout, f.total)
		return err
	case fl.parquet != "":
		if err := writeWhole(fl.parquet, func(w io.Writer) error { return export.Cells(w, export.Parquet, f.columns, f.cells()) }); err != nil {
			return err
		}
	case fl.csv:
		if err := export.Cells(a.stdout, export.CSV, f.columns, f.cells()); err != nil {
			return err
		}
	}
	switch {
	case a.json:
		return a.writeJSON(f.json(fl.explain))
	case fl.parquet == "" && !fl.csv:
		if err := a.print(f.table(time.Now())); err != nil {
			return err
		}
	}
	if fl.explain && f.explain != nil {
		fmt.Fprintf(a.stdout, "\n%s\n", strings.TrimSuffix(f.explain.String(), "\n"))
	}
	for _, hint := range f.hints {
		a.note("%s", hint)
	}
	seen := fmt.Sprintf("%s of %s", grouped(int64(len(f.rows))), plural(int64(f.total), f.noun))
	if f.perGroup {
		seen = fmt.Sprintf("%s, of %s", plural(int64(len(f.rows)), "row"), plural(int64(f.total), f.noun))
	}
	if f.next != "" {
		seen += "; the next: " + next()
	}
	a.note("%s", seen)
	return nil
}

// cells are the rows in the types that files have.
func (f *finding) cells() [][]any {
	for _, row := range f.rows {
		for i, c := range row {
			switch v := c.(type) {
			case runRef:
				row[i] = string(v)
			case millis:
				row[i] = int64(v)
			}
		}
	}
	return f.rows
}

func (f *finding) json(explain bool) any {
	answer := struct {
		Total   int               `json:"total"`
		Next    string            `json:"next,omitempty"`
		Partial bool              `json:"partial,omitempty"`
		Columns []string          `json:"columns,omitempty"`
		Items   []any             `json:"items"`
		Hints   []string          `json:"hints,omitempty"`
		Explain *runstone.Explain `json:"explain,omitempty"`
	}{Total: f.total, Next: f.next, Partial: f.partial != "", Items: f.objects, Hints: f.hints}
	if explain {
		answer.Explain = f.explain
	}
	if f.objects != nil {
		return answer
	}
	answer.Columns, answer.Items = f.columns, make([]any, 0, len(f.rows))
	for _, row := range f.cells() {
		object := make(map[string]any, len(row))
		for i, c := range row {
			if v, ok := c.(float64); ok {
				c = number(v)
			}
			object[f.columns[i]] = c
		}
		answer.Items = append(answer.Items, object)
	}
	return answer
}

// shownNames are columns that people see under another name.
var shownNames = map[string]string{"run_name": "NAME", "start_time": "STARTED", "end_time": "ENDED"}

// table is the answer for people; columns of numbers are aligned at the right.
func (f *finding) table(now time.Time) *table {
	head := make([]string, len(f.columns))
	for i, name := range f.columns {
		if head[i] = shownNames[name]; i == 0 && name == "run_id" {
			head[i] = "ID"
		} else if head[i] == "" {
			head[i] = strings.ToUpper(name)
			if strings.ContainsAny(name, ".(") {
				head[i] = name // keys tell upper case from lower
			}
		}
		for _, row := range f.rows {
			if row[i] != nil {
				switch withUnit(name, row[i]).(type) {
				case int64, float64:
					head[i] = ">" + head[i]
				}
				break
			}
		}
	}
	t := newTable(head...)
	for _, row := range f.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = shown(withUnit(f.columns[i], c), now)
		}
		t.add(cells...)
	}
	return t
}

// withUnit makes the numbers of columns that are times and durations such ones.
func withUnit(column string, c any) any {
	ms, ok := c.(int64)
	switch {
	case !ok:
	case column == "duration":
		return time.Duration(ms) * time.Millisecond
	case slices.Contains([]string{"start_time", "end_time", "creation_time", "last_update_time", "creation_timestamp_ms", "last_updated_timestamp_ms"}, column):
		return millis(ms)
	}
	return c
}

func shown(c any, now time.Time) string {
	switch v := c.(type) {
	case nil:
		return ""
	case time.Duration:
		return span(v)
	case runRef:
		return shortID(string(v))
	case millis:
		return ago(now, int64(v))
	case float64:
		return value(v)
	}
	return fmt.Sprint(c)
}

// writeWhole writes a file under a temporary name and gives it its own once it
// is whole.
func writeWhole(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// nextPage is the command line that prints the page behind this one.
func nextPage(cmd *cobra.Command, args []string, after string) string {
	line := cmd.CommandPath()
	for _, arg := range args {
		line += " " + shellQuote(arg)
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			switch {
			case f.Name == "after":
			case f.Value.Type() == "bool":
				line += " --" + f.Name
			default:
				line += " --" + f.Name + " " + shellQuote(v)
			}
		}
	})
	return line + " --after " + shellQuote(after)
}

// shellQuote writes a word so that a POSIX shell reads it as it is.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
