package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/bench"
	"github.com/spf13/cobra"
)

type benchCompareFlags struct {
	experiment string
	alpha      float64
	only       benchMatch
}

func (fl *benchCompareFlags) flags(a *app, cmd *cobra.Command) {
	a.experimentFlag(cmd, &fl.experiment)
	cmd.Flags().Float64Var(&fl.alpha, "alpha", 0.05, "chance of calling equal samples different")
	fl.only.flags(a, cmd)
}

func (fl *benchCompareFlags) options() (bench.CompareOptions, error) {
	if !(fl.alpha > 0 && fl.alpha < 1) {
		return bench.CompareOptions{}, usagef("--alpha is between 0 and 1")
	}
	match, err := fl.only.match()
	return bench.CompareOptions{Alpha: fl.alpha, Match: match}, err
}

func (a *app) benchCompare() *cobra.Command {
	var fl benchCompareFlags
	cmd := &cobra.Command{
		Use: "compare [A] [B]", Short: "Compare benchmark results side by side", Args: cobra.MaximumNArgs(2),
		Long: `Compare the results B to A, which came before: of each benchmark and unit the
medians with 95 % confidence intervals, the change, and p of a Mann-Whitney
U-test with the numbers of values; "~" where chance alone may be the reason.
Without arguments the newest run is compared to the one before it; with one,
the newest run to that.

` + benchSources,
		Example: `  runstone bench compare
  runstone bench compare latest~5 latest --unit ns/op
  runstone bench compare 0529c7d branch:faster --bench 'Decode|Encode'
  go test -bench . -count 10 | runstone bench compare latest -`,
		ValidArgsFunction: a.completeMany(a.benchSpecs),
		RunE: func(cmd *cobra.Command, args []string) error {
			specs := append(append([]string{}, args...), []string{"latest~1", "latest"}[len(args):]...)
			opt, err := fl.options()
			if err != nil {
				return err
			}
			sets, err := a.benchSets(cmd.Context(), fl.experiment, specs...)
			if err != nil {
				return err
			}
			before, after := sets[0], sets[1]
			c := bench.Compare(before.Results, after.Results, &opt)
			if a.json {
				return a.writeJSON(struct {
					A any `json:"a"`
					B any `json:"b"`
					*bench.Comparison
				}{before.view(), after.view(), c})
			}
			if len(c.Units) == 0 {
				return notFoundf("leave out --bench and --unit to see all", "neither has such a benchmark")
			}
			fmt.Fprintf(a.stdout, "A  %s\nB  %s\n\n", before.title(), after.title())
			return c.WriteText(a.stdout, "A "+before.label(), "B "+after.label())
		},
	}
	fl.flags(a, cmd)
	return cmd
}

const benchCheckLong = `Check results, the newest run unless others are named, for regressions against a
baseline, which is the run before (the newest run when the results come from a
file or standard input).

A benchmark regressed in a unit when its median is worse by more than
--max-regress allows and a Mann-Whitney U-test tells both samples apart. Which
direction is worse follows from the unit, or from a line "Unit X better=higher"
in the results; units of which it is not known are not judged unless
--max-regress names them: then less is better.

--alpha bounds the chance that anything is found when nothing changed, however
many benchmarks and units there are (Holm's correction). A benchmark that is
worse and would be told apart on its own is reported as unclear. --each tests
each on its own instead.

The exit code is 9 when a benchmark regressed, and otherwise 1 when the results
have a failure of go test. A benchmark that the new results do not have, or of
which there are too few samples to tell, is reported, and counts as a regression
with --fail-missing and --fail-few. At --alpha 0.05 four samples on each side
are the least that can tell anything of one benchmark, and seven that can of
eighty; ten are better.

` + benchSources

type benchCheckFlags struct {
	benchCompareFlags
	against              string
	maxRegress           []string
	minSamples           int
	failMissing, failFew bool
	each                 bool
}

func (a *app) benchCheck() *cobra.Command {
	var fl benchCheckFlags
	cmd := &cobra.Command{
		Use: "check [RESULTS]", Short: "Fail when benchmarks regressed", Args: cobra.MaximumNArgs(1), Long: benchCheckLong,
		Example: `  runstone bench check --max-regress 5%
  runstone bench check --against tag:baseline=v1 --max-regress 3% --max-regress B/op=0%
  go test -bench . -count 10 | runstone bench check - --against branch:main --fail-missing`,
		ValidArgsFunction: a.completeArgs(a.benchSpecs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runBenchCheck(cmd, args, &fl)
		},
	}
	f := cmd.Flags()
	f.StringVar(&fl.against, "against", "", "the baseline (default: the run before)")
	f.StringArrayVar(&fl.maxRegress, "max-regress", []string{"5%"}, "how much worse is allowed, for all units or as UNIT=PERCENT; may be repeated")
	f.IntVar(&fl.minSamples, "min-samples", 0, "judge only with so many samples on each side; 0 is as many as --alpha needs")
	f.BoolVar(&fl.each, "each", false, "test each series at --alpha on its own: finds more, and more that is not there")
	f.BoolVar(&fl.failMissing, "fail-missing", false, "fail too when a benchmark of the baseline is missing")
	f.BoolVar(&fl.failFew, "fail-few", false, "fail too when there are too few samples to tell")
	fl.flags(a, cmd)
	a.completeFlag(cmd, "against", a.benchSpecs)
	return cmd
}

func (fl *benchCheckFlags) checkOptions() (*bench.CheckOptions, error) {
	opt := &bench.CheckOptions{MaxRegress: 0.05, ByUnit: map[string]float64{}, MinSamples: fl.minSamples, Each: fl.each}
	var err error
	if opt.CompareOptions, err = fl.options(); err != nil {
		return nil, err
	}
	for _, s := range fl.maxRegress {
		unit, percent, ok := strings.Cut(s, "=")
		if !ok {
			percent = s
		}
		part, err := parsePercent(percent)
		switch {
		case err != nil:
			return nil, usagef("--max-regress: %v", err)
		case ok:
			opt.ByUnit[unit] = part
		default:
			opt.MaxRegress = part
		}
	}
	if fl.minSamples < 0 {
		return nil, usagef("--min-samples is 0 or more")
	}
	return opt, nil
}

func (a *app) runBenchCheck(cmd *cobra.Command, args []string, fl *benchCheckFlags) error {
	opt, err := fl.checkOptions()
	if err != nil {
		return err
	}
	spec, against := "latest", fl.against
	if len(args) == 1 {
		spec = args[0]
	}
	var sets []*benchSet
	if against != "" {
		sets, err = a.benchSets(cmd.Context(), fl.experiment, against, spec)
	} else {
		sets, err = a.benchBefore(cmd, fl.experiment, spec)
	}
	if err != nil {
		return err
	}
	base, now := sets[0], sets[1]
	if base.Run != "" && base.Run == now.Run {
		return refusedf("name another with --against", "run %s would be checked against itself", shortID(now.Run))
	}
	c := bench.Check(base.Results, now.Results, opt)
	for _, unit := range slices.Sorted(maps.Keys(opt.ByUnit)) {
		if !c.Comparison.Has(unit) {
			a.note("neither has the unit %s that --max-regress names", oneCell(unit))
		}
	}
	failed := benchFailures(c, fl)
	if n := len(now.Failures); n > 0 && failed == nil {
		failed = &fault{code: exitError, msg: "go test failed: " + now.Failures[0].Msg, hint: "what it did not measure is not checked"}
	}
	if a.json {
		err = a.writeJSON(struct {
			Baseline any  `json:"baseline"`
			Results  any  `json:"results"`
			OK       bool `json:"ok"`
			*bench.CheckResult
		}{base.view(), now.view(), failed == nil, c})
	} else {
		err = a.printCheck(base, now, c)
	}
	if err != nil {
		return err
	}
	if len(c.Verdicts) == 0 {
		return refusedf("name units with --max-regress UNIT=PERCENT", "there is nothing to judge")
	}
	return failed
}

// benchBefore loads results and what came before them: the run before a run in
// its list, and the newest run for a file.
func (a *app) benchBefore(cmd *cobra.Command, experiment, spec string) ([]*benchSet, error) {
	file, err := a.benchSets(cmd.Context(), experiment, spec)
	if err != nil {
		return nil, err
	}
	before := "latest"
	if file[0].Run != "" {
		before = "before:" + file[0].Run
	}
	base, err := a.benchSets(cmd.Context(), experiment, before)
	if err != nil {
		return nil, err
	}
	return append(base, file...), nil
}

// benchFailures is the error of a check that failed, or nil.
func benchFailures(c *bench.CheckResult, fl *benchCheckFlags) error {
	var parts []string
	count := func(verdict, what string) {
		if n := c.Count(verdict); n > 0 {
			parts = append(parts, fmt.Sprintf("%d series %s", n, what))
		}
	}
	count(bench.Regressed, "regressed")
	if fl.failMissing {
		count(bench.Missing, "missing")
	}
	if fl.failFew {
		count(bench.Few, "with too few samples")
	}
	if parts == nil {
		return nil
	}
	return &fault{code: exitRegressed, msg: fmt.Sprintf("%s, of %d checked", strings.Join(parts, " and "), len(c.Verdicts)),
		hint: `"runstone bench compare" shows all`}
}

func (a *app) printCheck(base, now *benchSet, c *bench.CheckResult) error {
	fmt.Fprintf(a.stdout, "baseline  %s\nchecked   %s\n", base.title(), now.title())
	for _, d := range c.Comparison.Keys {
		fmt.Fprintf(a.stdout, "%s differs: %s and %s\n", oneCell(d.Key), oneCell(d.A), oneCell(d.B))
	}
	for _, part := range []struct{ verdict, title string }{
		{bench.Regressed, "regressed"},
		{bench.Unclear, fmt.Sprintf("worse, but chance may explain it in one of %d series; more samples tell: go test -count 20", c.Tested)},
		{bench.Missing, "missing"},
		{bench.Few, fmt.Sprintf("too few samples to tell; %d on each side are needed: go test -count %d", c.Needed, max(c.Needed, 10))},
		{bench.Improved, "improved"}, {bench.Added, "new"},
	} {
		for i, v := range c.Of(part.verdict) {
			if i == 0 {
				fmt.Fprintf(a.stdout, "\n%s\n", part.title)
			}
			fmt.Fprintf(a.stdout, "  %s\n", oneCell(v.String()))
		}
	}
	if n := len(c.Unjudged); n > 0 {
		fmt.Fprintf(a.stdout, "\nnot judged, since it is not known what is better: %s\n", oneCell(clip(strings.Join(c.Unjudged, ", "))))
	}
	_, err := fmt.Fprintf(a.stdout, "\n%d checked: %d fine, %d regressed, %d unclear, %d improved, %d too few samples, %d missing, %d new\n", len(c.Verdicts),
		c.Count(bench.Fine), c.Count(bench.Regressed), c.Count(bench.Unclear), c.Count(bench.Improved), c.Count(bench.Few), c.Count(bench.Missing), c.Count(bench.Added))
	return err
}
