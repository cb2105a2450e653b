package bench

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lines writes results of one benchmark and unit.
func lines(name, unit string, values ...float64) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "Benchmark%s 100 %v %s\n", name, v, unit)
	}
	return b.String()
}

const head = "goos: linux\ngoarch: amd64\npkg: p\ncpu: Old\n"

func oldAndNew(t *testing.T) (before, after *Results) {
	t.Helper()
	before = parseText(t, head+
		lines("Slower-2", "ns/op", 100, 101, 102, 99, 100, 98)+
		lines("Same-2", "ns/op", 1000, 1010, 990, 1005, 995, 1000)+
		lines("Faster-2", "ns/op", 2000, 2010, 1990, 2005)+
		lines("Gone-2", "ns/op", 5)+
		lines("Few-2", "ns/op", 5, 6)+
		lines("Rate-2", "MB/s", 50, 51, 52, 49, 50)+
		lines("Zero-2", "allocs/op", 0, 0, 0, 0)+
		lines("Shape-2", "apples", 1, 1, 1, 1))
	after = parseText(t, strings.ReplaceAll(head, "Old", "New")+
		lines("Slower-2", "ns/op", 120, 121, 122, 119, 120, 118)+
		lines("Same-2", "ns/op", 1001, 1009, 991, 1004, 996, 1000)+
		lines("Faster-2", "ns/op", 1000, 1005, 995, 1002)+
		lines("Few-2", "ns/op", 50, 60)+
		lines("Rate-2", "MB/s", 40, 41, 42, 39, 40)+
		lines("Zero-2", "allocs/op", 1, 1, 1, 1)+
		lines("Shape-2", "apples", 9, 9, 9, 9)+
		lines("Added-2", "ns/op", 7))
	return before, after
}

func TestCompare(t *testing.T) {
	before, after := oldAndNew(t)
	c := Compare(before, after, nil)
	require.Equal(t, []KeyDiff{{"cpu", "Old", "New"}}, c.Keys)
	require.Len(t, c.Units, 4)
	times := c.Units[0]
	require.Equal(t, "ns/op", times.Unit)
	require.Equal(t, -1, times.Better)
	byName := map[string]Row{}
	for _, u := range c.Units {
		for _, r := range u.Rows {
			byName[r.Name] = r
		}
	}
	slower := byName["Slower-2"]
	require.Equal(t, &Summary{Center: 100, Lo: 98, Hi: 102, N: 6}, slower.A)
	require.Equal(t, 120.0, slower.B.Center)
	require.InDelta(t, 0.2, slower.Delta, 1e-12)
	require.InDelta(t, 2.0/924, slower.P, 1e-3, "two orders of all C(12,6), but for a tie")
	require.True(t, slower.Differs)
	require.False(t, byName["Same-2"].Differs)
	require.True(t, byName["Faster-2"].Differs)
	require.InDelta(t, 2.0/70, byName["Faster-2"].P, 1e-9)
	require.Equal(t, &Summary{Center: 2002.5, N: 4}, byName["Faster-2"].A, "four values have no interval at 95 %")
	require.Nil(t, byName["Gone-2"].B)
	require.Nil(t, byName["Added-2"].A)
	require.True(t, byName["Few-2"].Few)
	require.False(t, byName["Same-2"].Few)
	ratio := (120.0 / 100) * (byName["Same-2"].B.Center / byName["Same-2"].A.Center) * (1001.0 / 2002.5) * 10
	require.InDelta(t, ratio, pow4(1+times.GeomeanDelta), 1e-9)

	only := Compare(before, after, &CompareOptions{Match: func(id *ID) bool { return id.Unit == "MB/s" }})
	require.Len(t, only.Units, 1)
	require.Equal(t, 1, only.Units[0].Better)
	strict := Compare(before, after, &CompareOptions{Alpha: 0.001})
	require.False(t, strict.Units[0].Rows[0].Differs)
	require.True(t, strict.Units[0].Rows[0].Few)
}

func pow4(v float64) float64 { return v * v * v * v }

func TestCompareText(t *testing.T) {
	before, after := oldAndNew(t)
	var b bytes.Buffer
	require.NoError(t, Compare(before, after, nil).WriteText(&b, "old", "new"))
	require.Equal(t, `cpu differs: Old and New
pkg: p
                   old            new  vs base
                sec/op         sec/op
Slower-2  100.0n ±  2%   120.0n ±  2%  +20.00% (p=0.002 n=6)
Same-2    1.000µ ±  1%   1.000µ ±  1%        ~ (p=0.942 n=6)
Faster-2  2.003µ ± ∞ ¹   1.001µ ± ∞ ¹  -50.01% (p=0.029 n=4)
Gone-2    5.000n ± ∞ ¹              -
Few-2     5.500n ± ∞ ¹  55.000n ± ∞ ¹        ~ (p=0.333 n=2) ²
Added-2              -   7.000n ± ∞ ¹
geomean         182.2n         285.1n  +56.52%

                  old            new  vs base
                  B/s            B/s
Rate-2  47.68Mi ± ∞ ¹  38.15Mi ± ∞ ¹  -20.00% (p=0.008 n=5)
`, firstTables(b.String()))
	require.Contains(t, b.String(), "² too few samples to tell any difference\n")
	require.Contains(t, b.String(), "¹ need 6 samples or more for a confidence interval\n")
}

// firstTables returns the first two tables of a text.
func firstTables(s string) string {
	parts := strings.SplitAfterN(s, "\n\n", 3)
	return strings.TrimSuffix(strings.Join(parts[:2], ""), "\n")
}

// TestCompareExact: values without noise differ when they are others, however
// few there are.
func TestCompareExact(t *testing.T) {
	unit := "Unit allocs/op assume=exact\n"
	c := Compare(parseText(t, unit+lines("A", "allocs/op", 5)+lines("B", "allocs/op", 5)), parseText(t, unit+lines("A", "allocs/op", 6)+lines("B", "allocs/op", 5)), nil)
	rows := c.Units[0].Rows
	require.True(t, rows[0].Differs)
	require.Zero(t, rows[0].P)
	require.False(t, rows[1].Differs)
	require.False(t, rows[1].Few)
}

func verdicts(c *CheckResult) map[string]string {
	out := map[string]string{}
	for _, v := range c.Verdicts {
		out[v.Name] = v.Verdict
	}
	return out
}

func TestCheck(t *testing.T) {
	before, after := oldAndNew(t)
	c := Check(before, after, &CheckOptions{MaxRegress: 0.05, Each: true})
	want := map[string]string{
		"Slower-2": Regressed, "Same-2": Fine, "Faster-2": Improved, "Gone-2": Missing, "Added-2": Added, "Few-2": Few, "Rate-2": Regressed, "Zero-2": Regressed,
	}
	require.Equal(t, want, verdicts(c))
	require.Equal(t, 3, c.Count(Regressed))
	require.Equal(t, Regressed, c.Verdicts[0].Verdict, "the worst first")
	require.Equal(t, "p.Zero-2 allocs/op: ? (0.000 allocs/op → 1.000 allocs/op, p=0.029 n=4+4)", c.Of(Regressed)[0].String(), "the worst is first")
	require.Equal(t, "p.Slower-2 ns/op: +20.00% (100.0ns/op → 120.0ns/op, p=0.002 n=6+6)", c.Of(Regressed)[1].String())
	require.Equal(t, 1, c.Tested)
	require.Equal(t, 4, c.Needed)
	require.Equal(t, []string{"apples"}, c.Unjudged)
	require.Equal(t, "p.Gone-2 ns/op: not in the new results", c.Of(Missing)[0].String())
	require.Equal(t, "p.Added-2 ns/op: not in the baseline", c.Of(Added)[0].String())
	require.Equal(t, "p.Few-2 ns/op: too few samples to tell (n=2+2, +900.00%)", c.Of(Few)[0].String())

	want["Slower-2"], want["Shape-2"] = Fine, Regressed
	require.Equal(t, want, verdicts(Check(before, after, &CheckOptions{MaxRegress: 0.05, Each: true, ByUnit: map[string]float64{"ns/op": 0.25, "apples": 0}})))

	few := Check(before, after, &CheckOptions{MinSamples: 6})
	require.Equal(t, map[string]string{
		"Slower-2": Regressed, "Same-2": Fine, "Faster-2": Few, "Gone-2": Missing, "Added-2": Added, "Few-2": Few, "Rate-2": Few, "Zero-2": Few,
	}, verdicts(few))

	require.Zero(t, Check(before, before, nil).Count(Regressed))
}

func TestNeeded(t *testing.T) {
	require.Equal(t, 4, Needed(0.05))
	require.Equal(t, 5, Needed(0.01))
	require.Equal(t, 1, Needed(1))
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{12350, "ns/op", "12.35µs/op"}, {3.5e9, "ns/op", "3.500s/op"}, {1536, "B/op", "1.500KiB/op"}, {10, "MB/s", "9.537MiB/s"},
		{3, "allocs/op", "3.000 allocs/op"}, {5, "p99-ns", "5.000n p99-sec"}, {0, "ns/op", "0.000s/op"},
	} {
		require.Equal(t, c.want, Format(c.v, c.unit))
	}
}

// TestTextOfOthers: nothing of a text reaches the terminal as a command, turns
// the direction of what is beside it, or moves the columns of other rows away.
func TestTextOfOthers(t *testing.T) {
	long := strings.Repeat("long", 30)
	r := parseText(t, "pkg: \x1b[2Jp\n"+lines("A\x1b[31m\u202e\u2066", "u\x1b[2J\u202e/op", 1)+lines(long, "ns/op", 1)+lines("B", "ns/op", 1e40))
	var b bytes.Buffer
	require.NoError(t, Compare(r, r, nil).WriteText(&b, "\x1b[3Ja", "b"))
	require.NotContains(t, b.String(), "\x1b")
	require.NotContains(t, b.String(), "\u202e")
	require.NotContains(t, b.String(), "\u2066")
	require.Contains(t, b.String(), "\nB         1e+31 ± ∞ ¹   1e+31 ± ∞ ¹        ~ (p=1.000 n=1) ²\n")
	require.Contains(t, b.String(), "\n"+long+"  1.000n")
}
