package bench

import (
	"fmt"
	"slices"
)

// CheckOptions are for [Check]; nil is the defaults.
type CheckOptions struct {
	CompareOptions
	// MaxRegress is how much worse, as a part, a median may get: 0.05 is 5 %.
	MaxRegress float64
	// ByUnit overrides MaxRegress for a unit as printed, such as ns/op.
	ByUnit map[string]float64
	// MinSamples is how many values each side needs to be judged; 0 is as many
	// as Alpha needs.
	MinSamples int
}

// The verdicts on a series.
const (
	Fine      = "fine"
	Regressed = "regressed" // worse by more than allowed, and not by chance alone
	Improved  = "improved"  // better by as much
	Few       = "too_few"   // too few samples to tell
	Missing   = "missing"   // only the baseline has it
	Added     = "added"     // the baseline does not have it
)

// Verdict is the judgement on one series of a check.
type Verdict struct {
	Row
	Verdict string  `json:"verdict"`
	Allowed float64 `json:"allowed"` // the part that applied
}

// CheckResult is what [Check] found.
type CheckResult struct {
	Verdicts   []Verdict   `json:"verdicts"`
	Comparison *Comparison `json:"comparison"`
}

// Count returns how many series have a verdict.
func (c *CheckResult) Count(verdict string) int { return len(c.Of(verdict)) }

// Of returns the series that have a verdict.
func (c *CheckResult) Of(verdict string) []Verdict {
	var out []Verdict
	for _, v := range c.Verdicts {
		if v.Verdict == verdict {
			out = append(out, v)
		}
	}
	return out
}

// Check judges now against a baseline. A series regressed when its median is
// worse by more than allowed and the U-test of [Compare] tells both samples
// apart. Units of which it is not known what is better, see [Results.Better],
// are left out, unless ByUnit has them: then less is better.
func Check(baseline, now *Results, opt *CheckOptions) *CheckResult {
	if opt == nil {
		opt = &CheckOptions{}
	}
	out := &CheckResult{Comparison: Compare(baseline, now, &opt.CompareOptions)}
	for i := range out.Comparison.Units {
		u := &out.Comparison.Units[i]
		allowed, ok := opt.ByUnit[u.Unit]
		if !ok {
			allowed = opt.MaxRegress
		}
		if u.Better == 0 && ok {
			u.Better = -1
		}
		if u.Better == 0 {
			continue
		}
		for _, r := range u.Rows {
			exact := baseline.Exact(u.Unit) || now.Exact(u.Unit)
			out.Verdicts = append(out.Verdicts, Verdict{Row: r, Allowed: allowed, Verdict: opt.judge(&r, u.Better, allowed, exact)})
		}
	}
	// The worst of each kind first.
	slices.SortStableFunc(out.Verdicts, func(a, b Verdict) int { return order(a.Verdict) - order(b.Verdict) })
	return out
}

func order(verdict string) int {
	return slices.Index([]string{Regressed, Missing, Few, Improved, Added, Fine}, verdict)
}

func (o *CheckOptions) judge(r *Row, better int, allowed float64, exact bool) string {
	switch {
	case r.B == nil:
		return Missing
	case r.A == nil:
		return Added
	case !exact && min(r.A.N, r.B.N) < o.MinSamples:
		return Few
	case r.Few && r.A.Center != r.B.Center:
		return Few
	case r.Regressed(better, allowed):
		return Regressed
	case r.Regressed(-better, allowed):
		return Improved
	}
	return Fine
}

// Needed returns how many samples on each side are the least that can differ
// at a level, given that both have as many.
func Needed(alpha float64) int {
	for n := 1; ; n++ {
		if leastP(n, n) <= alpha || n == 100 {
			return n
		}
	}
}

func (v *Verdict) String() string {
	switch v.Verdict {
	case Missing:
		return fmt.Sprintf("%s %s: not in the new results", v.Benchmark(), v.Unit)
	case Added:
		return fmt.Sprintf("%s %s: not in the baseline", v.Benchmark(), v.Unit)
	case Few:
		return fmt.Sprintf("%s %s: too few samples to tell (n=%d+%d, %s)", v.Benchmark(), v.Unit, v.A.N, v.B.N, Percent(v.change()))
	}
	return fmt.Sprintf("%s %s: %s (%s → %s, p=%.3f n=%d+%d)", v.Benchmark(), v.Unit, Percent(v.change()),
		Format(v.A.Center, v.Unit), Format(v.B.Center, v.Unit), v.P, v.A.N, v.B.N)
}
