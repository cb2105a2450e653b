package store

import (
	"math"
	"slices"

	"github.com/stretchr/testify/require"
)

// requireBuckets checks buckets against the points in r that they are to sum
// up.
func requireBuckets(t require.TestingT, all Columns, r Range, n int, buckets []Bucket) {
	require.LessOrEqual(t, len(buckets), n)
	for i := range buckets[min(1, len(buckets)):] {
		require.Greater(t, buckets[i+1].First.Step, buckets[i].Last.Step)
	}
	want := make([]Bucket, len(buckets))
	for i, step := range all.Steps {
		if !r.has(step, all.Times[i]) {
			continue
		}
		at, _ := slices.BinarySearchFunc(buckets, step, func(b Bucket, step int64) int {
			if b.Last.Step < step {
				return -1
			}
			return 1
		})
		require.Less(t, at, len(buckets), "every point is in one bucket")
		require.GreaterOrEqual(t, step, buckets[at].First.Step)
		addPoint(&want[at], Point{step, all.Times[i], all.Values[i]})
	}
	want = filled(want)
	require.Len(t, want, len(buckets))
	for i := range buckets {
		b, w := &buckets[i], &want[i]
		require.Equal(t, [2]int64{w.Count, w.NaN}, [2]int64{b.Count, b.NaN})
		require.Equal(t, [2]int64{w.First.Step, w.First.Time}, [2]int64{b.First.Step, b.First.Time})
		require.Equal(t, orZero(w.First.Value), orZero(b.First.Value)) //nolint:testifylint // exact
		require.Equal(t, [2]int64{w.Last.Step, w.Last.Time}, [2]int64{b.Last.Step, b.Last.Time})
		require.Equal(t, orZero(w.Last.Value), orZero(b.Last.Value)) //nolint:testifylint // exact
		if b.Count == b.NaN {
			require.True(t, math.IsNaN(b.Min) && math.IsNaN(b.Max))
		} else {
			require.True(t, w.Min == b.Min && w.Max == b.Max)
		}
	}
}

// addPoint is what a bucket is made of, one point after the other.
func addPoint(k *Bucket, p Point) {
	if k.Count == 0 {
		k.First, k.Last, k.Min, k.Max = p, p, math.Inf(1), math.Inf(-1)
	}
	if later(k.First, p) {
		k.First = p
	}
	if later(p, k.Last) {
		k.Last = p
	}
	k.Count++
	if math.IsNaN(p.Value) {
		k.NaN++
		return
	}
	k.Min, k.Max = math.Min(k.Min, p.Value), math.Max(k.Max, p.Value)
}
