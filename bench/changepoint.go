package bench

import (
	"cmp"
	"math"
	"slices"
)

// ChangePointOptions are for [ChangePoints]; nil is the defaults.
type ChangePointOptions struct {
	// Alpha bounds the chance that a series without a change is given one or
	// more: 0.05, 0.01 (the default) or 0.001; others are rounded down to one
	// of these.
	Alpha float64
	// MinChange leaves out changes of the median by less than this part of it;
	// 0.01 is 1 %. 0 keeps all.
	MinChange float64
	// Exact says that the values have no noise: each change of value is a
	// change point.
	Exact bool
}

// ChangePoint is a place in a series from which on the values are others than
// before.
type ChangePoint struct {
	// Index is that of the first value after the change.
	Index int
	// From and To are the medians of the values before it, back to the change
	// before, and of those from it on, up to the next.
	From, To float64
	// Score is how far the ranks of both sides are apart, in standard
	// deviations of what chance makes of one fixed place. The least score that
	// counts depends on the length of the series. 0 with Exact.
	Score float64
	// P bounds the chance that a series of this length without a change has
	// this score anywhere: 0.05, 0.01 or 0.001. 0 with Exact.
	P float64
}

// Delta is the change as a part of what was before: 0.05 is 5 % more. It is
// infinite when that was 0.
func (c *ChangePoint) Delta() float64 {
	if c.From == c.To {
		return 0
	}
	return (c.To - c.From) / math.Abs(c.From)
}

// ChangePoints finds the places where the level of a series changes, in their
// order. Values are one for each run, such as medians, and must not be NaN.
//
// Only ranks count, so that an outlier has no more weight than any other value
// and the noise may have any distribution. The candidates are the seeded
// intervals of Kovács, Bühlmann, Li and Munk (Seeded binary segmentation,
// Biometrika 110, 2023): of each, the split with the greatest standardized
// rank sum (Mann and Whitney 1947; Pettitt, Applied Statistics 28, 1979) is a
// change when that exceeds a critical value. The narrowest such interval comes
// first (Baranowski, Chen and Fryzlewicz, JRSS B 81, 2019), then what is left
// and right of it. Each change is then searched again between its neighbours and
// dropped if it is no longer significant there; its place is where the values
// are nearest to the medians of both sides.
//
// The critical values were simulated, by length, for the greatest of all splits
// of all intervals, so that Alpha holds for the whole series. Four or five
// values after a change are the least that can be told from chance; a slow
// drift gives one change or several. The time is O(n log² n).
func ChangePoints(values []float64, opt *ChangePointOptions) []ChangePoint {
	if opt == nil {
		opt = &ChangePointOptions{}
	}
	if opt.Exact {
		return exactChanges(values, opt.MinChange)
	}
	s := &segmenter{values: values, critical: criticalValue(len(values), opt.Alpha)}
	at := s.find()
	for {
		at = s.refine(at)
		weak := weakest(values, at, opt.MinChange)
		if weak < 0 {
			break
		}
		at = slices.Delete(at, weak, weak+1)
	}
	return s.points(at)
}

func exactChanges(values []float64, minChange float64) []ChangePoint {
	var out []ChangePoint
	from := 0
	for i := 1; i <= len(values); i++ {
		if i < len(values) && values[i] == values[from] {
			continue
		}
		if i < len(values) {
			c := ChangePoint{Index: i, From: values[from], To: values[i]}
			if math.Abs(c.Delta()) >= minChange {
				out = append(out, c)
			}
		}
		from = i
	}
	return out
}

// minSegment is how few values there may be on a side of a change.
const minSegment = 2

type interval struct{ lo, hi int } // hi is not included

// seededIntervals are those of n values, the longest first.
func seededIntervals(n int) []interval {
	var out []interval
	seen := map[interval]bool{}
	for k := 0; ; k++ {
		grow := math.Pow(math.Sqrt2, float64(k))
		length := float64(n) / grow
		if length < 2*minSegment {
			return out
		}
		count := 2*int(math.Ceil(grow)) - 1
		shift := 0.0
		if count > 1 {
			shift = (float64(n) - length) / float64(count-1)
		}
		for i := range count {
			from := float64(i) * shift
			v := interval{int(from), min(n, int(math.Ceil(from+length)))}
			if !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		}
	}
}

type segmenter struct {
	values   []float64
	critical float64
	order    []int // scratch of split
	ranks    []float64
}

// split returns the best place to split an interval and its score; 0 and 0 when
// the interval is too short.
func (s *segmenter) split(v interval) (at int, score float64) {
	n := v.hi - v.lo
	if n < 2*minSegment {
		return 0, 0
	}
	s.rank(v)
	// The variance is that without ties: values that repeat make the score
	// smaller than it might be, never greater.
	sum, size := 0.0, float64(n)
	for k := 1; k <= n-minSegment; k++ {
		sum += s.ranks[k-1]
		if k < minSegment {
			continue
		}
		left := float64(k)
		z := math.Abs(sum-left*(size+1)/2) / math.Sqrt(left*(size-left)*(size+1)/12)
		if z > score {
			at, score = v.lo+k, z
		}
	}
	return at, score
}

// rank fills ranks with those of the values of an interval; equal values share
// the mean of theirs.
func (s *segmenter) rank(v interval) {
	s.order, s.ranks = s.order[:0], slices.Grow(s.ranks[:0], v.hi-v.lo)[:v.hi-v.lo]
	for i := v.lo; i < v.hi; i++ {
		s.order = append(s.order, i)
	}
	slices.SortFunc(s.order, func(a, b int) int { return cmp.Compare(s.values[a], s.values[b]) })
	for i := 0; i < len(s.order); {
		n := i + 1
		for n < len(s.order) && s.values[s.order[n]] == s.values[s.order[i]] {
			n++
		}
		for _, k := range s.order[i:n] {
			s.ranks[k-v.lo] = float64(i+n+1) / 2
		}
		i = n
	}
}

// find returns the first guess at the changes, in order.
func (s *segmenter) find() []int {
	type candidate struct {
		interval
		at    int
		score float64
	}
	var all []candidate
	for _, v := range seededIntervals(len(s.values)) {
		if at, score := s.split(v); score > s.critical {
			all = append(all, candidate{v, at, score})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.hi-a.lo, b.hi-b.lo), cmp.Compare(b.score, a.score))
	})
	var out []int
	for _, c := range all {
		// An interval that holds a change found already tells nothing new.
		if !slices.ContainsFunc(out, func(at int) bool { return c.lo < at && at < c.hi }) {
			out = append(out, c.at)
		}
	}
	slices.Sort(out)
	return out
}

// maxRefine bounds the rounds of refine, which may go in circles.
const maxRefine = 8

// refine moves each change to the best place between its neighbours and drops
// those that are not significant there.
func (s *segmenter) refine(at []int) []int {
	for range maxRefine {
		moved := false
		var kept []int
		lo := 0
		for i, old := range at {
			hi := len(s.values)
			if i+1 < len(at) {
				hi = at[i+1]
			}
			now, score := s.split(interval{lo, hi})
			if score <= s.critical {
				moved = true
				continue
			}
			now = s.settle(interval{lo, hi}, now)
			moved = moved || now != old
			kept, lo = append(kept, now), now
		}
		at = kept
		if !moved {
			break
		}
	}
	return at
}

// settle returns the place in an interval that leaves the least absolute
// distance to the medians of both sides, or at when there is none. The rank sum
// tells that there is a change, but a value that happens to lie far out draws
// its greatest score to the middle.
func (s *segmenter) settle(v interval, at int) int {
	n := v.hi - v.lo
	right := make([]float64, n+1) // what the values from each place on leave
	var m spread
	for k := n - 1; k >= 0; k-- {
		m.add(s.values[v.lo+k])
		right[k] = m.distance()
	}
	m = spread{}
	least := math.Inf(1)
	for k := 1; k <= n-minSegment; k++ {
		m.add(s.values[v.lo+k-1])
		if d := m.distance() + right[k]; k >= minSegment && d < least {
			at, least = v.lo+k, d
		}
	}
	return at
}

// weakest returns which change is the smallest of those below min, or -1.
func weakest(values []float64, at []int, min float64) int {
	found, least := -1, min
	for i := range at {
		c := changeAt(values, at, i)
		if d := math.Abs(c.Delta()); d < least {
			found, least = i, d
		}
	}
	return found
}

func changeAt(values []float64, at []int, i int) ChangePoint {
	lo, hi := 0, len(values)
	if i > 0 {
		lo = at[i-1]
	}
	if i+1 < len(at) {
		hi = at[i+1]
	}
	return ChangePoint{Index: at[i], From: Median(values[lo:at[i]]), To: Median(values[at[i]:hi])}
}

func (s *segmenter) points(at []int) []ChangePoint {
	var out []ChangePoint
	for i := range at {
		c := changeAt(s.values, at, i)
		lo, hi := 0, len(s.values)
		if i > 0 {
			lo = at[i-1]
		}
		if i+1 < len(at) {
			hi = at[i+1]
		}
		_, c.Score = s.split(interval{lo, hi})
		for _, p := range []float64{0.05, 0.01, 0.001} {
			if c.Score > criticalValue(len(s.values), p) {
				c.P = p
			}
		}
		out = append(out, c)
	}
	return out
}

// Median returns the middle of the values, NaN when there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return sorted[n/2-1] + (sorted[n/2]-sorted[n/2-1])/2
}
