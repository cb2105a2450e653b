package plan

import (
	"testing"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestKernels compares the loops over words with one value at a time.
func TestKernels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := &draw{t: rt}
		n := d.n(200) + 1
		seed := rapid.SliceOfN(rapid.IntRange(0, 1<<20), 7, 7).Draw(rt, "seed")
		at := func(i, of int) int { return seed[i%7] / (i%11 + 1) % of }
		floats := &index.Column{Type: index.Floats, Floats: make([]float64, n)}
		ints := &index.Column{Type: index.Ints, Ints: make([]int64, n)}
		codes := make([]uint32, n)
		sel := index.NewBits(n)
		sparse := d.n(3) == 0
		for i := range n {
			floats.Floats[i] = someFloats[at(i, len(someFloats))]
			ints.Ints[i] = someInts[at(i+3, len(someInts))]
			codes[i] = uint32(at(i, 60))
			if !sparse && at(i, 9) > 0 || at(i, 23) == 5 {
				sel.Set(i)
			} else {
				codes[i] = 1 << 31 // of a row without a value: any
			}
		}
		op := pick(d, comparisons[:6]...)
		c := pick(d, Num(pick(d, someFloats...)), Whole(pick(d, someInts...)))
		check := func(got index.Bits, want func(i int) bool) {
			for i := range n {
				require.Equal(rt, sel.Has(i) && want(i), got.Has(i), "%d of %d: %v %v", i, n, op, c.Any())
			}
		}
		copied := func() index.Bits { return append(index.Bits(nil), sel...) }
		for _, col := range []*index.Column{floats, ints} {
			got := copied()
			keepNumbers(got, col, op, c)
			check(got, func(i int) bool { return naiveCompare(op, valueAt(col, i), c) })
		}
		got := copied()
		reversed := append([]float64(nil), floats.Floats[n/2:]...)
		reversed = append(reversed, floats.Floats[:n/2]...)
		keepPairs(got, floats.Floats, reversed, op)
		check(got, func(i int) bool { return naiveCompare(op, Num(floats.Floats[i]), Num(reversed[i])) })
		for _, dict := range []int{60, 100} {
			ok := index.NewBits(dict)
			for i := range 60 {
				if at(i, 2) == 0 {
					ok.Set(i)
				}
			}
			got = copied()
			keepCodes(got, codes, ok)
			check(got, func(i int) bool { return ok.Has(int(codes[i])) })
		}
	})
}

// TestConstants: what stands in a filter beside another constant.
func TestConstants(t *testing.T) {
	src := &testSource{rows: fourRuns(), size: 4, zones: true}
	d := []struct {
		x    tree.Expr
		want bool
	}{
		{cmp2(tree.Lt, num(1), whole(2)), true},
		{cmp2(tree.Eq, str("a"), str("b")), false},
		{cmp2(tree.Gt, &tree.Arithmetic{Op: '-', L: num(1), R: &tree.Neg{X: whole(1)}}, num(1.5)), true},
		{cmp2(tree.Eq, &tree.Arithmetic{Op: '-', L: num(1), R: &tree.ToNumber{X: str("x")}}, num(1)), false},
		{cmp2(tree.Eq, &tree.ToNumber{X: str("12")}, num(12)), true},
		{&tree.Is{X: num(1)}, false},
		{&tree.Is{X: num(1), Not: true}, true},
		{&tree.Is{X: num(inf), What: tree.Inf}, true},
		{&tree.Is{X: &tree.ToNumber{X: str("nan")}, What: tree.NaN}, true},
		{&tree.Is{X: &tree.ToNumber{X: str("x")}, What: tree.NaN, Not: true}, false},
		{&tree.In{X: num(3), Values: []*tree.Literal{whole(2), whole(3)}}, true},
		{&tree.In{X: num(3), Values: []*tree.Literal{whole(2), whole(3)}, Not: true}, false},
		{&tree.In{X: &tree.ToNumber{X: str("x")}, Values: []*tree.Literal{whole(2)}, Not: true}, false},
		{&tree.In{X: str("x"), Values: []*tree.Literal{str("x")}}, true},
		{&tree.Match{X: str("abc"), Pattern: "a%"}, true},
		{cmp2(tree.Ne, metric("m"), &tree.ToNumber{X: str("x")}), false},
		{cmp2(tree.Lt, &tree.ToNumber{X: str("nan")}, attr("start_time")), false},
		{cmp2(tree.Ne, &tree.ToNumber{X: str("nan")}, attr("start_time")), true},
		{and2(), true},
		{or2(), false},
	}
	for i, test := range d {
		require.Equal(t, test.want, len(run(t, &tree.Query{Filter: test.x}, src, nil).Hits) == 4, "%d", i)
		require.Equal(t, test.want, (&naive{src.rows}).holds(test.x, &src.rows[0]), "%d", i)
	}
}
