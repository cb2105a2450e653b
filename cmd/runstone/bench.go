package main

import (
	"context"
	"errors"
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

// benchRun returns the id of the run that a spec names. Ids are of any
// experiment, the other names of one.
func (a *app) benchRun(ctx context.Context, db *runstone.DB, experiment, spec string) (string, error) {
	id, before := strings.CutPrefix(spec, "before:")
	if before || !strings.ContainsAny(spec, ":~") && spec != "latest" {
		info, err := findRun(ctx, db, id)
		switch {
		case err == nil && before:
			spec = "before:" + info.ID
		case err == nil:
			return info.ID, nil
		case before || asFault(err).code != exitNotFound || len(spec) < bench.MinCommit:
			return "", err
		}
	}
	id, err := bench.Find(ctx, db, experiment, spec)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, runstone.ErrInvalid):
		return "", asUsage(err)
	case errors.Is(err, runstone.ErrConflict):
		return "", refusedf("give more digits", "%v", err)
	case before && errors.Is(err, runstone.ErrNotFound):
		return "", notFoundf("name a baseline with --against", "%v", err)
	case errors.Is(err, runstone.ErrNotFound):
		return "", notFoundf(`"go test -bench . | runstone bench log" makes runs, and "runstone runs list -e `+experiment+`" shows them`, "%v", err)
	}
	return "", err
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
