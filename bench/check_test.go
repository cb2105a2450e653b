package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// manyBenchmarks is a text of n benchmarks with so many samples each; scale is what the
// samples of a benchmark are multiplied by.
func manyBenchmarks(t *testing.T, rnd *rand.Rand, n, samples int, scale func(i int) float64) *Results {
	t.Helper()
	var b strings.Builder
	for i := range n {
		for range samples {
			fmt.Fprintf(&b, "BenchmarkB%d 100 %.4f ns/op\n", i, 100*scale(i)*(1+0.1*rnd.NormFloat64()))
		}
	}
	return parseText(t, b.String())
}

func same(int) float64 { return 1 }

// TestCheckNothingChanged: alpha holds for all series of a check together. A
// limit of 0 leaves everything to the test.
func TestCheckNothingChanged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const rounds, alpha = 300, 0.05
	failed, failedEach := 0, 0
	for range rounds {
		a, b := manyBenchmarks(t, rnd, 60, 10, same), manyBenchmarks(t, rnd, 60, 10, same)
		c := Check(a, b, nil)
		require.Equal(t, 60, c.Tested)
		failed += min(1, c.Count(Regressed)+c.Count(Improved))
		failedEach += min(1, Check(a, b, &CheckOptions{Each: true}).Count(Regressed))
	}
	require.LessOrEqual(t, float64(failed), 1.5*alpha*rounds)
	require.Greater(t, failedEach, rounds/2, "the correction is what holds alpha")
}

// TestCheckOneOfMany: what changed by much is found among many, and nothing
// else with it, though half of the others became faster.
func TestCheckOneOfMany(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	scale := func(i int) float64 {
		switch {
		case i == 7:
			return 1.6
		case i >= 30:
			return 0.5
		}
		return 1
	}
	c := Check(manyBenchmarks(t, rnd, 60, 10, same), manyBenchmarks(t, rnd, 60, 10, scale), &CheckOptions{MaxRegress: 0.05})
	require.Equal(t, 1, c.Count(Regressed))
	require.Equal(t, "B7", c.Verdicts[0].Name)
	require.Equal(t, 30, c.Count(Improved))
}

// TestCheckHolm: p is multiplied by the number of series that are left, and
// never less than that of the series before.
func TestCheckHolm(t *testing.T) {
	a := parseText(t, lines("A", "ns/op", 1, 2, 3, 4, 5)+lines("B", "ns/op", 1, 2, 3, 4, 5)+lines("C", "ns/op", 1, 2, 3, 4, 5)+
		lines("Flat", "ns/op", 7, 7, 7, 7, 7)+lines("Few", "ns/op", 7)+"Unit apples assume=exact\nUnit apples better=higher\n"+lines("Exact", "apples", 3))
	b := parseText(t, lines("A", "ns/op", 11, 12, 13, 14, 15)+lines("B", "ns/op", 4.5, 12, 13, 14, 15)+lines("C", "ns/op", 1.1, 2.1, 3.1, 4.1, 5.1)+
		lines("Flat", "ns/op", 7, 7, 7, 7, 7)+lines("Few", "ns/op", 8)+lines("Exact", "apples", 2))
	c := Check(a, b, &CheckOptions{MaxRegress: 0.05})
	require.Equal(t, map[string]string{"A": Regressed, "B": Regressed, "C": Fine, "Flat": Fine, "Few": Few, "Exact": Regressed}, verdicts(c))
	require.Equal(t, 3, c.Tested, "what cannot differ and what has no noise does not count")
	require.Equal(t, 5, c.Needed)
	byName := map[string]Verdict{}
	for _, v := range c.Verdicts {
		byName[v.Name] = v
	}
	require.InDelta(t, 2.0/252, byName["A"].P, 1e-12)
	require.InDelta(t, 3*2.0/252, byName["A"].PAdjusted, 1e-12)
	require.InDelta(t, 2*4.0/252, byName["B"].PAdjusted, 1e-12)
	require.InDelta(t, byName["C"].P, byName["C"].PAdjusted, 1e-12)
	second := byName["B"]
	require.Equal(t, "B ns/op: +333.33% (3.000ns/op → 13.00ns/op, p=0.016 adjusted 0.032 n=5+5)", second.String())

	// At a stricter level neither can be told, A since no five samples could.
	c = Check(a, b, &CheckOptions{MaxRegress: 0.05, CompareOptions: CompareOptions{Alpha: 0.02}})
	require.Equal(t, map[string]string{"A": Few, "B": Few, "C": Fine, "Flat": Fine, "Few": Few, "Exact": Regressed}, verdicts(c))
	require.Equal(t, 6, c.Needed)
}

func TestCheckUnclear(t *testing.T) {
	var a, b strings.Builder
	for i := range 20 {
		name := fmt.Sprintf("B%d", i)
		a.WriteString(lines(name, "ns/op", 1, 2, 3, 4, 5, 6, 7, 8))
		worse := []float64{1, 2, 3, 4, 5, 6, 7, 8}
		if i == 3 {
			worse = []float64{4, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5}
		}
		b.WriteString(lines(name, "ns/op", worse...))
	}
	before, after := parseText(t, a.String()), parseText(t, b.String())
	c := Check(before, after, &CheckOptions{MaxRegress: 0.05})
	require.Equal(t, Unclear, c.Verdicts[0].Verdict)
	require.Equal(t, "B3", c.Verdicts[0].Name)
	require.Less(t, c.Verdicts[0].P, 0.05)
	require.Greater(t, c.Verdicts[0].PAdjusted, 0.05)
	require.Equal(t, Regressed, Check(before, after, &CheckOptions{MaxRegress: 0.05, Each: true}).Verdicts[0].Verdict)
}
