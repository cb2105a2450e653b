package bench

import (
	"context"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// CompareOptions are for [Compare]; nil is the defaults.
type CompareOptions struct {
	// Alpha is the chance of calling equal samples different that is put up
	// with; 0 is 0.05.
	Alpha float64
	// Confidence is that of the intervals; 0 is 0.95.
	Confidence float64
	// Match limits the comparison to these series; nil is all.
	Match func(*ID) bool
}

func (o *CompareOptions) alpha() float64 {
	if o == nil || o.Alpha == 0 {
		return benchmath.DefaultThresholds.CompareAlpha
	}
	return o.Alpha
}

func (o *CompareOptions) confidence() float64 {
	if o == nil || o.Confidence == 0 {
		return 0.95
	}
	return o.Confidence
}

func (o *CompareOptions) match(id *ID) bool { return o == nil || o.Match == nil || o.Match(id) }

// Comparison is what [Compare] found, by unit.
type Comparison struct {
	Alpha float64 `json:"alpha"`
	Units []Unit  `json:"units"`
	// Keys are the file keys that differ, such as another cpu: then the
	// figures may not be comparable. pkg is not among them.
	Keys []KeyDiff `json:"differing_keys,omitempty"`
}

// Has reports whether the comparison has a unit.
func (c *Comparison) Has(unit string) bool {
	return slices.ContainsFunc(c.Units, func(u Unit) bool { return u.Unit == unit })
}

// KeyDiff is a file key with its values on both sides.
type KeyDiff struct {
	Key string `json:"key"`
	A   string `json:"a"`
	B   string `json:"b"`
}

// Unit is the part of a comparison that is in one unit.
type Unit struct {
	Unit   string `json:"unit"`
	Better int    `json:"better"` // 1 the greater value, -1 the lesser, 0 not known
	Rows   []Row  `json:"rows"`
	// Geomeans of the rows that both sides have, 0 where one of the values is
	// not above 0; GeomeanDelta is the change of it as a part.
	GeomeanA     float64 `json:"geomean_a,omitempty"`
	GeomeanB     float64 `json:"geomean_b,omitempty"`
	GeomeanDelta float64 `json:"geomean_delta,omitempty"`
}

// Row compares one series.
type Row struct {
	ID
	A *Summary `json:"a"` // nil when that side does not have it
	B *Summary `json:"b"`
	// Delta is the change of the center as a part: 0.05 is 5 % more. 0 when one
	// side is missing or A is 0.
	Delta float64 `json:"delta"`
	// P is the chance that samples of one distribution are this far apart, by
	// the Mann-Whitney U-test; 0 for units that are exact.
	P float64 `json:"p"`
	// Differs is set when P is at most alpha, or an exact value is another.
	Differs bool `json:"differs"`
	// Few is set when there are too few values to find any difference.
	Few bool `json:"too_few,omitempty"`
}

// Summary is the median of a sample, or the mode for units that are exact, and
// its confidence interval.
type Summary struct {
	Center float64 `json:"center"`
	// Lo and Hi are the ends of the interval, 0 and 0 when there are too few
	// values for one.
	Lo float64 `json:"lo,omitempty"`
	Hi float64 `json:"hi,omitempty"`
	N  int     `json:"n"`
}

// Compare compares B to A, which came before, in benchstat's manner: medians
// with confidence intervals from order statistics, a Mann-Whitney U-test and
// geometric means, by golang.org/x/perf/benchmath except for the p of samples
// of different sizes with values that repeat. Nothing is assumed of the
// distribution. Rows are in the order of A, followed by what only B has.
func Compare(a, b *Results, opt *CompareOptions) *Comparison {
	c, _ := CompareContext(context.Background(), a, b, opt) // it ends by itself
	return c
}

// CompareContext is [Compare] until ctx is done, whose error it returns then.
func CompareContext(ctx context.Context, a, b *Results, opt *CompareOptions) (*Comparison, error) {
	c := &Comparison{Alpha: opt.alpha(), Keys: keyDiffs(a, b)}
	inA, inB := byID(a), byID(b)
	var order []string
	rows := map[string][]Row{}
	add := func(id ID, sa, sb *Series) {
		if !opt.match(&id) {
			return
		}
		if rows[id.Unit] == nil {
			order = append(order, id.Unit)
		}
		assume := benchmath.Assumption(benchmath.AssumeNothing)
		if a.Exact(id.Unit) || b.Exact(id.Unit) {
			assume = benchmath.AssumeExact
		}
		rows[id.Unit] = append(rows[id.Unit], compareRow(id, sa, sb, assume, opt))
	}
	for _, s := range a.Series {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		add(s.ID, s, inB[s.ID])
	}
	for _, s := range b.Series {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if inA[s.ID] == nil {
			add(s.ID, nil, s)
		}
	}
	for _, name := range order {
		u := Unit{Unit: name, Better: b.Better(name), Rows: rows[name]}
		if u.Better == 0 {
			u.Better = a.Better(name)
		}
		u.geomeans()
		c.Units = append(c.Units, u)
	}
	return c, nil
}

func byID(r *Results) map[ID]*Series {
	m := make(map[ID]*Series, len(r.Series))
	for _, s := range r.Series {
		m[s.ID] = s
	}
	return m
}

// keyDiffs are the file keys that a and b share with other values. What tells
// where they are from may differ.
func keyDiffs(a, b *Results) []KeyDiff {
	var out []KeyDiff
	for k, va := range a.Keys {
		if vb, ok := b.Keys[k]; ok && va != vb && k != "pkg" && !slices.Contains(originKeys, k) {
			out = append(out, KeyDiff{k, va, vb})
		}
	}
	slices.SortFunc(out, func(a, b KeyDiff) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return out
}

func compareRow(id ID, a, b *Series, assume benchmath.Assumption, opt *CompareOptions) Row {
	row := Row{ID: id, P: 1}
	th := &benchmath.Thresholds{CompareAlpha: opt.alpha()}
	var sa, sb *benchmath.Sample
	sa, row.A = summarize(a, assume, th, opt.confidence())
	sb, row.B = summarize(b, assume, th, opt.confidence())
	if a == nil || b == nil {
		return row
	}
	if row.A.Center != 0 {
		row.Delta = (row.B.Center - row.A.Center) / math.Abs(row.A.Center)
	}
	cmp := assume.Compare(sa, sb)
	row.P = cmp.P
	if assume == benchmath.Assumption(benchmath.AssumeExact) {
		row.Differs = row.A.Center != row.B.Center
		return row
	}
	if needsTiedP(a.Values, b.Values) {
		row.P = tiedP(a.Values, b.Values)
	}
	row.Differs = row.P <= opt.alpha()
	row.Few = !row.Differs && leastP(len(a.Values), len(b.Values)) > opt.alpha()
	return row
}

func summarize(s *Series, assume benchmath.Assumption, th *benchmath.Thresholds, confidence float64) (*benchmath.Sample, *Summary) {
	if s == nil {
		return nil, nil
	}
	sample := benchmath.NewSample(slices.Clone(s.Values), th)
	sum := assume.Summary(sample, confidence)
	out := &Summary{Center: sum.Center, Lo: sum.Lo, Hi: sum.Hi, N: len(s.Values)}
	if math.IsInf(out.Lo, 0) || math.IsInf(out.Hi, 0) {
		out.Lo, out.Hi = 0, 0
	}
	return sample, out
}

// interval95 returns the 95 % interval of the median of a series, 0 and 0 when it
// has too few values for one.
func interval95(s *Series) (lo, hi float64) {
	th := benchmath.DefaultThresholds
	_, sum := summarize(s, benchmath.AssumeNothing, &th, 0.95)
	return sum.Lo, sum.Hi
}

// leastP is the least p that samples of these sizes can have: two orders of
// all there are.
func leastP(n, m int) float64 {
	p := 2.0
	for i := 1; i <= n; i++ {
		p *= float64(i) / float64(m+i)
	}
	return p
}

// geomeans fills in the geometric means of the rows that both sides have.
func (u *Unit) geomeans() {
	var la, lb float64
	n := 0
	for i := range u.Rows {
		r := &u.Rows[i]
		if r.A == nil || r.B == nil {
			continue
		}
		if r.A.Center <= 0 || r.B.Center <= 0 {
			return
		}
		la, lb = la+math.Log(r.A.Center), lb+math.Log(r.B.Center)
		n++
	}
	if n == 0 {
		return
	}
	u.GeomeanA, u.GeomeanB = math.Exp(la/float64(n)), math.Exp(lb/float64(n))
	u.GeomeanDelta = math.Expm1((lb - la) / float64(n))
}

// Regressed reports whether the row is worse by more than a part (0.05 is 5 %)
// and not by chance alone.
func (r *Row) Regressed(better int, part float64) bool {
	return r.Differs && better != 0 && r.change()*float64(better) < 0 && math.Abs(r.change()) > part
}

// change is Delta, but infinite where A is 0 and B is not.
func (r *Row) change() float64 {
	if r.A != nil && r.B != nil && r.A.Center == 0 && r.B.Center != 0 {
		return math.Copysign(math.Inf(1), r.B.Center)
	}
	return r.Delta
}

// DeltaText writes the change as benchstat does: "~" when there is none to be
// seen, "?" when it has no size.
func (r *Row) DeltaText() string {
	switch {
	case r.A == nil || r.B == nil:
		return ""
	case !r.Differs:
		return "~"
	case r.A.Center == r.B.Center:
		return "0.00%"
	case r.A.Center == 0:
		return "?"
	}
	return Percent(r.Delta)
}

// Percent writes a part: 0.05 is +5.00%.
func Percent(part float64) string {
	if math.IsInf(part, 0) {
		return "?"
	}
	const wide = 1e7
	if math.Abs(part) >= wide {
		return fmt.Sprintf("%+.3g%%", part*100)
	}
	return fmt.Sprintf("%+.2f%%", part*100)
}
