package bench

import (
	"cmp"
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
	// Each tests every series at Alpha on its own. Of a hundred that did not
	// change, five are then told apart. By default Alpha holds for all series
	// together.
	Each bool
}

// The verdicts on a series.
const (
	Fine      = "fine"
	Regressed = "regressed" // worse by more than allowed, and not by chance alone
	Unclear   = "unclear"   // worse by more than allowed, but that may be chance in one of so many series
	Improved  = "improved"  // better by as much as would be a regression
	Few       = "too_few"   // too few samples to tell
	Missing   = "missing"   // only the baseline has it
	Added     = "added"     // the baseline does not have it
)

// Verdict is the judgement on one series of a check.
type Verdict struct {
	Row
	Verdict string  `json:"verdict"`
	Allowed float64 `json:"allowed"` // the part that applied
	// PAdjusted is P corrected for the number of series tested, or P when the
	// series was not tested.
	PAdjusted float64 `json:"p_adjusted"`

	better int
	tested bool
}

// CheckResult is what [Check] found.
type CheckResult struct {
	Verdicts   []Verdict   `json:"verdicts"`
	Comparison *Comparison `json:"comparison"`
	// Tested is how many series share Alpha; 1 when each has its own.
	Tested int `json:"tested"`
	// Needed is how many samples on each side let the U-test find a regression
	// of any one of them.
	Needed int `json:"needed"`
	// Unjudged are the units of which it is not known what is better.
	Unjudged []string `json:"unjudged_units,omitempty"`
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
//
// Alpha bounds the chance that anything is found among all series of which the
// source did not change, whatever became of the others and however series
// depend on each other, by the correction of Holm (A simple sequentially
// rejective multiple test procedure, Scandinavian Journal of Statistics 6,
// 1979). Series in which no difference could be found do not count among them:
// those with too few samples and those with one and the same value everywhere
// (Tarone, Biometrics 46, 1990). Nor do exact units, which have no noise.
func Check(baseline, now *Results, opt *CheckOptions) *CheckResult {
	if opt == nil {
		opt = &CheckOptions{}
	}
	out := &CheckResult{Comparison: Compare(baseline, now, &opt.CompareOptions)}
	inA, inB := byID(baseline), byID(now)
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
			out.Unjudged = append(out.Unjudged, u.Unit)
			continue
		}
		exact := baseline.Exact(u.Unit) || now.Exact(u.Unit)
		for _, r := range u.Rows {
			v := Verdict{Row: r, Allowed: allowed, PAdjusted: r.P, better: u.Better}
			v.Verdict = opt.unfit(&r, exact)
			v.tested = v.Verdict == "" && !exact && !constant(inA[r.ID], inB[r.ID])
			out.Verdicts = append(out.Verdicts, v)
		}
	}
	out.correct(opt)
	for i := range out.Verdicts {
		if v := &out.Verdicts[i]; v.Verdict == "" {
			v.Verdict = out.judge(v, opt.alpha())
		}
	}
	// The worst of each kind first.
	slices.SortStableFunc(out.Verdicts, func(a, b Verdict) int {
		return cmp.Or(order(a.Verdict)-order(b.Verdict), cmp.Compare(b.worse(), a.worse()))
	})
	return out
}

func order(verdict string) int {
	return slices.Index([]string{Regressed, Unclear, Missing, Few, Improved, Added, Fine}, verdict)
}

// unfit is the verdict on a row that has no samples to test, or "".
func (o *CheckOptions) unfit(r *Row, exact bool) string {
	switch {
	case r.B == nil:
		return Missing
	case r.A == nil:
		return Added
	case !exact && min(r.A.N, r.B.N) < o.MinSamples:
		return Few
	case r.Few && r.A.Center != r.B.Center:
		return Few
	}
	return ""
}

// constant reports whether two samples have one value only: no order of them
// is another.
func constant(a, b *Series) bool {
	for _, s := range []*Series{a, b} {
		for _, v := range s.Values {
			if v != a.Values[0] {
				return false
			}
		}
	}
	return true
}

// correct fills in Tested, Needed and the adjusted p.
func (c *CheckResult) correct(opt *CheckOptions) {
	var tested []*Verdict
	few := 0
	for i := range c.Verdicts {
		switch v := &c.Verdicts[i]; {
		case v.tested:
			tested = append(tested, v)
		case v.Verdict == Few:
			few++
		}
	}
	c.Tested = len(tested)
	if opt.Each {
		c.Tested, few = min(1, c.Tested), 0
	}
	c.Needed = max(opt.MinSamples, Needed(opt.alpha()/float64(max(1, c.Tested+few))))
	if opt.Each {
		return
	}
	slices.SortStableFunc(tested, func(a, b *Verdict) int { return cmp.Compare(a.P, b.P) })
	least := 0.0
	for i, v := range tested {
		least = max(least, min(1, v.P*float64(len(tested)-i)))
		v.PAdjusted = least
	}
}

func (c *CheckResult) judge(v *Verdict, alpha float64) string {
	r := v.Row
	worse := r.Regressed(v.better, v.Allowed)
	if v.tested && v.PAdjusted > alpha {
		switch {
		case !worse:
			return Fine
		case leastP(r.A.N, r.B.N)*float64(c.Tested) > alpha:
			return Few
		}
		return Unclear
	}
	switch {
	case worse:
		return Regressed
	case r.Regressed(-v.better, v.Allowed):
		return Improved
	}
	return Fine
}

// worse is by which part the series is worse; negative when it is better.
func (v *Verdict) worse() float64 {
	if v.A == nil || v.B == nil {
		return 0
	}
	return -v.change() * float64(v.better)
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
	p := fmt.Sprintf("p=%.3f", v.P)
	if v.PAdjusted != v.P {
		p += fmt.Sprintf(" adjusted %.3f", v.PAdjusted)
	}
	return fmt.Sprintf("%s %s: %s (%s → %s, %s n=%d+%d)", v.Benchmark(), v.Unit, Percent(v.change()),
		Format(v.A.Center, v.Unit), Format(v.B.Center, v.Unit), p, v.A.N, v.B.N)
}
