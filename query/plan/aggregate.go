package plan

import (
	"math"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// aggregate is a function of the rows of a group.
type aggregate struct {
	fn tree.AggregateFn
	x  expr // nil for CountRows
}

// bestOf is which aggregate an item is, if it is a best or worst value; else -1.
func (s *groupSets) bestOf(p *Plan, x tree.Expr) int {
	a, ok := x.(*tree.Aggregate)
	if !ok || a.Fn != tree.Best && a.Fn != tree.Worst {
		return -1
	}
	st, ok := p.group.after.items[slices.IndexFunc(p.q.Select, func(i tree.Item) bool { return i.X == x })].(*stored)
	if !ok {
		return -1
	}
	for i := range p.group.aggs {
		if groupRef(groupAggregate, i) == st.ref {
			return i
		}
	}
	return -1
}

// totals are the states of one aggregate, by group.
type totals struct {
	fn    tree.AggregateFn
	kept  *int64
	n     []int64
	a, b  []float64 // mean and squares; sum and what was rounded off; extreme
	rows  []uint32  // of the extreme, or of first
	lists [][]float64
	first []Value
}

func (t *totals) grow(n int) {
	more := n - len(t.n)
	if more <= 0 {
		return
	}
	*t.kept += int64(more) * 24
	t.n = append(t.n, make([]int64, more)...)
	switch t.fn {
	case tree.CountRows, tree.CountOf:
	case tree.Median:
		t.lists = append(t.lists, make([][]float64, more)...)
	case tree.FirstOf:
		t.rows = append(t.rows, make([]uint32, more)...)
		t.first = append(t.first, make([]Value, more)...)
	default:
		t.a = append(t.a, make([]float64, more)...)
		t.b = append(t.b, make([]float64, more)...)
		t.rows = append(t.rows, make([]uint32, more)...)
	}
}

// add takes the rows of sel into account, of which ids has the groups.
func (t *totals) add(r *exec, c *index.Column, sel index.Bits, ids []uint32) {
	switch {
	case t.fn == tree.CountRows:
		sel.Each(func(i int) { t.n[ids[i]]++ })
		return
	case c == nil:
		return
	case t.fn == tree.FirstOf:
		t.addFirst(r, c, sel, ids)
		return
	case c.Type == index.Strings && t.fn == tree.CountOf:
		sel.Each(func(i int) {
			if j, end := spanOf(c, i); j < end {
				t.n[ids[i]]++
			}
		})
		return
	case c.Type == index.Strings:
		return
	}
	f := r.floatsOf(c)
	b := r.batch
	sel.Each(func(i int) {
		j, end := spanOf(c, i)
		if j == end {
			return
		}
		v, g := f[j], ids[i]
		if v != v {
			return
		}
		t.n[g]++
		switch t.fn {
		case tree.MinOf, tree.Worst:
			if t.n[g] == 1 || v < t.a[g] || v == t.a[g] && b.Row(i) < t.rows[g] {
				t.a[g], t.rows[g] = v, b.Row(i)
			}
		case tree.MaxOf, tree.Best:
			if t.n[g] == 1 || v > t.a[g] || v == t.a[g] && b.Row(i) < t.rows[g] {
				t.a[g], t.rows[g] = v, b.Row(i)
			}
		case tree.SumOf, tree.MeanOf:
			t.sum(g, v)
		case tree.StdOf, tree.CI95: // Welford's
			d := v - t.a[g]
			t.a[g] += d / float64(t.n[g])
			t.b[g] += d * (v - t.a[g])
		case tree.Median:
			t.lists[g] = append(t.lists[g], v)
			*t.kept += 8
		}
	})
}

// sum is Neumaier's, whose error does not grow with the number of rows.
func (t *totals) sum(g uint32, v float64) {
	s := t.a[g] + v
	if math.Abs(t.a[g]) >= math.Abs(v) {
		t.b[g] += (t.a[g] - s) + v
	} else {
		t.b[g] += (v - s) + t.a[g]
	}
	t.a[g] = s
}

// addFirst keeps the value of the row with the greatest number, the newest.
func (t *totals) addFirst(r *exec, c *index.Column, sel index.Bits, ids []uint32) {
	sel.Each(func(i int) {
		v, g, row := rowValue(c, i), ids[i], r.batch.Row(i)
		if v.kind == Missing || v.isNaN() || t.n[g] > 0 && t.rows[g] > row {
			return
		}
		t.n[g]++
		v.str = strings.Clone(v.str)
		*t.kept += int64(len(v.str) - len(t.first[g].str))
		t.first[g], t.rows[g] = v, row
	})
}

// values are the results of n groups.
func (t *totals) values(n int) []Value {
	t.grow(n)
	out := make([]Value, n)
	for g := range out {
		out[g] = t.value(g)
	}
	return out
}

func (t *totals) value(g int) Value {
	n := float64(t.n[g])
	switch {
	case t.fn == tree.CountRows || t.fn == tree.CountOf:
		return Whole(t.n[g])
	case n == 0:
		return Value{}
	}
	switch t.fn {
	case tree.SumOf, tree.MeanOf:
		v := t.a[g]
		if b := t.b[g]; !math.IsInf(v, 0) && b == b {
			v += b
		}
		if t.fn == tree.MeanOf {
			v /= n
		}
		return Num(v)
	case tree.StdOf, tree.CI95:
		if n < 2 {
			return Value{}
		}
		std := math.Sqrt(t.b[g] / (n - 1))
		if t.fn == tree.StdOf {
			return Num(std)
		}
		return Num(student975(int(t.n[g]-1)) * std / math.Sqrt(n))
	case tree.Median:
		list := t.lists[g]
		slices.Sort(list)
		k := len(list) / 2
		if len(list)%2 == 1 {
			return Num(list[k])
		}
		return Num(list[k-1]/2 + list[k]/2)
	case tree.FirstOf:
		return t.first[g]
	}
	return Num(t.a[g])
}

// student975 is the value below which 97.5 % of Student's distribution with v
// degrees of freedom lie: for few by its distribution function, for many by the
// expansion around the normal distribution. Abramowitz and Stegun, Handbook of
// Mathematical Functions, 26.7.3, 26.7.4 and 26.7.5.
func student975(v int) float64 {
	if v > 60 {
		const z = 1.959963984540054
		n, z2 := float64(v), z*z
		return z * (1 + (z2+1)/(4*n) + ((5*z2+16)*z2+3)/(96*n*n) + (((3*z2+19)*z2+17)*z2-15)/(384*n*n*n))
	}
	lo, hi := 1.0, 16.0
	for range 60 {
		if mid := (lo + hi) / 2; studentWithin(mid, v) < 0.95 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// studentWithin is the probability of a value between -t and t.
func studentWithin(t float64, v int) float64 {
	angle := math.Atan(t / math.Sqrt(float64(v)))
	sin, cos := math.Sincos(angle)
	sum, term, k := 0.0, 1.0, 1
	if v%2 == 1 {
		term, k = cos, 2
	}
	for ; k < v; k += 2 {
		sum += term
		term *= cos * cos * float64(k) / float64(k+1)
	}
	if v%2 == 1 {
		return 2 / math.Pi * (angle + sin*sum)
	}
	return sin * sum
}
