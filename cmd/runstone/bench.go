package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench"
	"github.com/spf13/cobra"
)

func (a *app) benchCommand() *cobra.Command {
	return newGroup("bench", "Log, compare and watch Go benchmarks; measure Runstone itself",
		a.benchLog(), a.benchCompare(), a.benchCheck(), a.benchTrend(), a.newBenchLoadCommand())
}

// benchSources is how results are named, for help texts.
const benchSources = `Results are named by

  latest, latest~N     the newest benchmark run, or the Nth before it
  before:RUN           the run before that
  RUN                  the id of a run, or the first digits of it
  COMMIT               the newest run of a commit, of which seven digits do
  branch:NAME          the newest run of a branch, also with ~N
  tag:KEY=VALUE        the newest run that has a tag, also with ~N
  FILE                 a file that go test -bench wrote
  -                    standard input`

// benchSet are results and where they are from.
type benchSet struct {
	*bench.Results
	Spec string // as it was given
	Run  string // "" for files
}

// label names the set in a table.
func (s *benchSet) label() string {
	switch {
	case s.Run != "":
		return shortID(s.Run)
	case s.Spec == "-":
		return "stdin"
	}
	return filepath.Base(s.Spec)
}

// title says more of the set in a line.
func (s *benchSet) title() string {
	parts := []string{s.label()}
	if c := s.Origin.Commit; c != "" {
		c = shortCommit(c)
		if s.Origin.Dirty == "true" {
			c += " with changes"
		}
		parts = append(parts, c)
	}
	if s.Origin.Branch != "" {
		parts = append(parts, s.Origin.Branch)
	}
	if !s.Origin.Start.IsZero() {
		parts = append(parts, s.Origin.Start.Local().Format("2006-01-02 15:04"))
	}
	return oneCell(strings.Join(append(parts, s.Machine()), ", "))
}

func (s *benchSet) view() map[string]any {
	v := map[string]any{"source": s.Spec, "machine": s.Machine()}
	for key, value := range map[string]string{"run_id": s.Run, "commit": s.Origin.Commit, "branch": s.Origin.Branch, "go": s.Origin.Go, "dirty": s.Origin.Dirty} {
		if value != "" {
			v[key] = value
		}
	}
	if !s.Origin.Start.IsZero() {
		v["date"] = s.Origin.Start.Format(time.RFC3339)
	}
	return v
}

// shortCommit is what people see of a commit.
func shortCommit(c string) string { return c[:min(len(c), 12)] }

// benchSets loads what the specs name. The database is opened only for runs.
func (a *app) benchSets(ctx context.Context, experiment string, specs ...string) ([]*benchSet, error) {
	sets := make([]*benchSet, len(specs))
	if i := slices.Index(specs, "-"); i >= 0 && slices.Contains(specs[i+1:], "-") {
		return nil, usagef("standard input can be read only once")
	}
	var runs []int
	for i, spec := range specs {
		r, err := a.benchFile(spec)
		if err != nil {
			return nil, err
		}
		if r == nil {
			runs = append(runs, i)
			continue
		}
		sets[i] = &benchSet{Results: r, Spec: spec}
	}
	if runs == nil {
		return sets, nil
	}
	return sets, a.read(ctx, func(ctx context.Context, db *runstone.DB) error {
		for _, i := range runs {
			id, err := a.benchRun(ctx, db, experiment, specs[i])
			if err != nil {
				return err
			}
			r, err := bench.Load(ctx, db, id)
			if err != nil {
				return benchFault(err)
			}
			a.benchNotes(specs[i], r)
			sets[i] = &benchSet{Results: r, Spec: specs[i], Run: id}
		}
		return nil
	})
}

// benchFile reads results from a file or stdin, and returns nil when a spec
// names neither.
func (a *app) benchFile(spec string) (*bench.Results, error) {
	in := a.in
	if spec != "-" {
		info, err := os.Stat(spec)
		if err != nil || info.IsDir() {
			if strings.ContainsAny(spec, `/\`) && !strings.Contains(spec, ":") {
				return nil, &fs.PathError{Op: "open", Path: spec, Err: fs.ErrNotExist}
			}
			return nil, nil
		}
		f, err := openFile(spec)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	r, err := bench.Parse(in)
	if err != nil {
		return nil, benchFault(fmt.Errorf("%s: %w", spec, err))
	}
	a.benchNotes(spec, r)
	return r, nil
}

// benchFault makes what is wrong with results a refusal.
func benchFault(err error) error {
	if f := asFault(err); f.code != exitError {
		return err
	}
	return &fault{code: exitRefused, msg: err.Error(), hint: `"runstone bench log --help" says what is read`, cause: err}
}

// maxNotes is how many problems of a text are told.
const maxNotes = 5

func (a *app) benchNotes(name string, r *bench.Results) {
	for i, p := range slices.Concat(r.Failures, r.Problems) {
		if i == maxNotes {
			a.note("%s: and more", name)
			break
		}
		a.note("%s: %s", name, oneLine(p.String()))
	}
}

// benchRun returns the id of the run that a spec names.
func (a *app) benchRun(ctx context.Context, db *runstone.DB, experiment, spec string) (string, error) {
	base, back, ok := strings.Cut(spec, "~")
	n := 0
	if ok {
		var err error
		if n, err = strconv.Atoi(back); err != nil || n < 0 {
			return "", usagef("%q: a number follows the ~", spec)
		}
	}
	kind, arg, _ := strings.Cut(base, ":")
	switch {
	case base == "latest":
		return nthBenchRun(ctx, db, experiment, spec, n, func(*runstone.RunData) bool { return true })
	case kind == "before":
		return runBefore(ctx, db, experiment, arg)
	case kind == "branch" && arg != "":
		return nthBenchRun(ctx, db, experiment, spec, n, func(r *runstone.RunData) bool { return r.Tags["mlflow.source.git.branch"] == arg })
	case kind == "tag" && strings.Contains(arg, "="):
		key, value, _ := strings.Cut(arg, "=")
		return nthBenchRun(ctx, db, experiment, spec, n, func(r *runstone.RunData) bool { v, has := r.Tags[key]; return has && v == value })
	case ok:
		return "", usagef("%q: ~ follows latest, branch:NAME or tag:KEY=VALUE", spec)
	}
	info, err := findRun(ctx, db, spec)
	if err == nil || asFault(err).code != exitNotFound || len(spec) < minCommit {
		return info.ID, err
	}
	id, cerr := commitBenchRun(ctx, db, experiment, spec)
	if cerr != nil || id != "" {
		return id, cerr
	}
	return "", notFoundf(`"runstone runs list -e `+experiment+`" shows the runs there are`, "no file, run or commit of a benchmark run is named %q", spec)
}

// minCommit is how much of a commit is needed at least.
const minCommit = 7

// commitBenchRun returns the newest run of the commit that begins so, "" when
// there is none.
func commitBenchRun(ctx context.Context, db *runstone.DB, experiment, prefix string) (string, error) {
	id, commit := "", ""
	var ambiguous error
	err := bench.Runs(ctx, db, experiment, func(r *runstone.RunData) bool {
		c := r.Tags["mlflow.source.git.commit"]
		switch {
		case !strings.HasPrefix(c, prefix):
		case id == "":
			id, commit = r.ID, c
		case c != commit:
			ambiguous = refusedf("give more digits", "several commits begin with %q: %s, %s", prefix, shortCommit(commit), shortCommit(c))
			return false
		}
		return true
	})
	if ambiguous != nil {
		return "", ambiguous
	}
	return id, err
}

// nthBenchRun returns the run that is n before the newest of those that match.
func nthBenchRun(ctx context.Context, db *runstone.DB, experiment, spec string, n int, match func(*runstone.RunData) bool) (string, error) {
	id, seen := "", 0
	err := bench.Runs(ctx, db, experiment, func(r *runstone.RunData) bool {
		if match(r) {
			if seen == n {
				id = r.ID
				return false
			}
			seen++
		}
		return true
	})
	if err != nil || id != "" {
		return id, err
	}
	what := "is no benchmark run"
	switch {
	case seen == 1:
		what = "is only one benchmark run"
	case seen > 1:
		what = "are only " + plural(int64(seen), "benchmark run")
	}
	return "", notFoundf(`"go test -bench . | runstone bench log" makes one`, "there %s for %q in experiment %s", what, spec, experiment)
}

// runBefore returns the run before a run in the list of its experiment.
func runBefore(ctx context.Context, db *runstone.DB, experiment, id string) (string, error) {
	info, err := findRun(ctx, db, id)
	if err != nil {
		return "", err
	}
	before, found := "", false
	err = bench.Runs(ctx, db, experiment, func(r *runstone.RunData) bool {
		if found {
			before = r.ID
			return false
		}
		found = r.ID == info.ID
		return true
	})
	if err == nil && before == "" {
		err = notFoundf("name a baseline with --against", "there is no benchmark run before %s in experiment %s", shortID(info.ID), experiment)
	}
	return before, err
}

// benchMatch are the flags that choose series.
type benchMatch struct {
	pattern string
	units   []string
}

func (m *benchMatch) flags(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.pattern, "bench", "", "only benchmarks whose package and name match this regular expression")
	m.unitFlag(a, cmd)
}

func (m *benchMatch) unitFlag(a *app, cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&m.units, "unit", nil, "only these units, such as ns/op")
	a.completeWords(cmd, "unit", "ns/op", "B/op", "allocs/op", "MB/s")
}

// match returns what tells whether a series is chosen.
func (m *benchMatch) match() (func(*bench.ID) bool, error) {
	re, err := regexp.Compile(m.pattern)
	if err != nil {
		return nil, usagef("%q is not a regular expression: %v", m.pattern, err)
	}
	return func(id *bench.ID) bool {
		return (len(m.units) == 0 || slices.Contains(m.units, id.Unit)) && re.MatchString(id.Benchmark())
	}, nil
}

// experimentFlag is where benchmark runs are.
func (a *app) experimentFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVarP(name, "experiment", "e", bench.Experiment, "experiment of the benchmark runs")
	a.completeFlag(cmd, "experiment", a.experimentNames)
}

// benchSpecs completes names of results.
func (a *app) benchSpecs(ctx context.Context, db *runstone.DB, args []string, prefix string) ([]string, error) {
	var out []string
	for _, s := range []string{"latest", "latest~1"} {
		if strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	ids, err := a.runIDs(ctx, db, args, prefix)
	return append(out, ids...), err
}

// parsePercent reads 5% as 0.05.
func parsePercent(s string) (float64, error) {
	num, ok := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(num, 64)
	if !ok || err != nil || !(v >= 0 && v <= 1e6) {
		return 0, fmt.Errorf("%q is not a percentage such as 5%%", s)
	}
	return v / 100, nil
}
