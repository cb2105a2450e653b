package bench

import (
	"cmp"
	"math"
	"slices"
)

// maxTied is how many values a sample may have for tiedP, as in benchmath.
const maxTied = 25

// needsTiedP reports whether two samples are of the kind for which benchmath's
// p is not that of the U-test: with values that repeat and sizes that differ
// the distribution of U is not symmetric, and benchmath takes it to be. Its p
// is then too small, up to ten times.
func needsTiedP(a, b []float64) bool {
	if len(a) == len(b) || len(a) > maxTied || len(b) > maxTied {
		return false
	}
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return len(slices.Compact(all)) < len(a)+len(b)
}

// tiedP is the exact p of the Mann-Whitney U-test with ties: twice the part of
// all ways to choose the values of a among all values that give its sum of
// ranks or one further out.
func tiedP(a, b []float64) float64 {
	type value struct {
		v    float64
		of   int // 1 for a
		rank int // twice the mean of those of equal values
	}
	var all []value
	for _, v := range a {
		all = append(all, value{v: v, of: 1})
	}
	for _, v := range b {
		all = append(all, value{v: v})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.v, y.v) })
	most, sum := 0, 0
	for i := 0; i < len(all); {
		n := i + 1
		for n < len(all) && all[n].v == all[i].v {
			n++
		}
		for k := i; k < n; k++ {
			all[k].rank = i + n + 1
			most += all[k].rank
			sum += all[k].rank * all[k].of
		}
		i = n
	}
	// ways[k][s] counts the choices of k values whose ranks have the sum s.
	ways := make([][]float64, len(a)+1)
	for k := range ways {
		ways[k] = make([]float64, most+1)
	}
	ways[0][0] = 1
	reached := 0
	for _, v := range all {
		for k := len(a) - 1; k >= 0; k-- {
			for s, n := range ways[k][:reached+1] {
				if n > 0 {
					ways[k+1][s+v.rank] += n
				}
			}
		}
		reached += v.rank
	}
	low, high, total := 0.0, 0.0, 0.0
	for s, n := range ways[len(a)] {
		total += n
		if s <= sum {
			low += n
		}
		if s >= sum {
			high += n
		}
	}
	return min(1, 2*math.Min(low, high)/total)
}
