package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	var ids []string
	for i, commit := range []string{"abcdef0111", "abcdef0222", "abcdef0222", "fedcba9333"} {
		branch := []string{"main", "faster"}[i%2]
		text := fmt.Sprintf("# date: 2026-01-0%dT00:00:00Z\n# commit: %s\n# branch: %s\nBenchmarkA 1 %d ns/op\n", i+1, commit, branch, i+5)
		r, err := Parse(strings.NewReader(text))
		require.NoError(t, err)
		id, err := Log(ctx, db, r, &LogOptions{Tags: map[string]string{"lab": branch}})
		require.NoError(t, err)
		ids = append(ids, id)
	}
	for spec, want := range map[string]string{
		"latest": ids[3], "latest~3": ids[0], "before:" + ids[3]: ids[2], "branch:main": ids[2], "branch:main~1": ids[0], "branch:faster": ids[3],
		"tag:lab=main": ids[2], "tag:lab=main~1": ids[0], ids[1]: ids[1], ids[1][:12]: ids[1], "abcdef0111": ids[0], "abcdef01": ids[0], "abcdef0222": ids[2], "fedcba9": ids[3],
	} {
		got, err := Find(ctx, db, "", spec)
		require.NoError(t, err, spec)
		require.Equal(t, want, got, spec)
	}
	for spec, kind := range map[string]error{
		"latest~4": runstone.ErrNotFound, "branch:none": runstone.ErrNotFound, "tag:lab=x": runstone.ErrNotFound, "before:" + ids[0]: runstone.ErrNotFound, "before:x": runstone.ErrNotFound,
		"": runstone.ErrNotFound, "abc": runstone.ErrNotFound, "zzzzzzzz": runstone.ErrNotFound, "branch:": runstone.ErrNotFound,
		"latest~": runstone.ErrInvalid, "latest~-1": runstone.ErrInvalid, ids[0] + "~1": runstone.ErrInvalid, "abcdef0": runstone.ErrConflict,
	} {
		_, err := Find(ctx, db, "", spec)
		require.ErrorIs(t, err, kind, spec)
	}
	_, err := Find(ctx, db, "elsewhere", ids[0])
	require.ErrorIs(t, err, runstone.ErrNotFound)
}

// TestTrendSpread: of each run the interval of the median and the extremes, and of
// a change a bound of p.
func TestTrendSpread(t *testing.T) {
	ctx, db := t.Context(), openDB(t)
	for i := range 24 {
		var b strings.Builder
		fmt.Fprintf(&b, "# date: 2026-01-%02dT00:00:00Z\n", i+1)
		level := 100 + 50*(i/12)
		for k := range 7 {
			fmt.Fprintf(&b, "BenchmarkA 1 %d ns/op\n", level+k+i%3)
		}
		b.WriteString("BenchmarkFew 1 5 ns/op\nBenchmarkFew 1 9 ns/op\n")
		r, err := Parse(strings.NewReader(b.String()))
		require.NoError(t, err)
		_, err = Log(ctx, db, r, nil)
		require.NoError(t, err)
	}
	asked := 0
	trends, err := Trends(ctx, db, &TrendOptions{Load: func(ctx2 context.Context, db *runstone.DB, run string) (*Results, error) {
		asked++
		return Load(ctx2, db, run)
	}})
	require.NoError(t, err)
	require.Equal(t, 24, asked)
	p := trends[0].Points[0]
	require.Equal(t, TrendPoint{Run: p.Run, Start: p.Start, Time: p.Time, Median: 103, Lo: 100, Hi: 106, Min: 100, Max: 106, N: 7}, p)
	require.Len(t, trends[0].Changes, 1)
	c := trends[0].Changes[0]
	require.Equal(t, []float64{12, 0.001}, []float64{float64(c.Index), c.P})
	require.Equal(t, 0, trends[1].Judge(&ChangePoint{From: 5, To: 5}))
	require.Equal(t, -1, trends[0].Judge(&c))
	require.Equal(t, 1, trends[0].Judge(&ChangePoint{From: 5, To: 4}))
	few := trends[1].Points[0]
	require.Equal(t, []float64{7, 0, 0, 5, 9}, []float64{few.Median, few.Lo, few.Hi, few.Min, few.Max})

	text, err := trends[0].MarshalJSON()
	require.NoError(t, err)
	require.Contains(t, string(text), `"name":"A","unit":"ns/op","machine":"unknown","better":-1,"points":[{"run_id":"`+p.Run+`","commit":"","dirty":false,`)
	require.Contains(t, string(text), `"median":103,"lo":100,"hi":106,"min":100,"max":106,"n":7}`)
	require.Contains(t, string(text), `"index":12,"p":0.001,`)
	from0 := &Trend{Points: make([]TrendPoint, 2), Changes: []ChangePoint{{Index: 1, To: 5}}}
	text, err = from0.MarshalJSON()
	require.NoError(t, err)
	require.Contains(t, string(text), `"delta":"Infinity"`)
}

func TestScaleAndCells(t *testing.T) {
	for _, c := range []struct {
		unit   string
		value  float64
		factor float64
		name   string
	}{
		{"ns/op", 12_350, 1e-3, "µs/op"}, {"ns/op", 5, 1, "ns/op"}, {"ns/op", 2e9, 1e-9, "s/op"}, {"allocs/op", 3, 1, "allocs/op"}, {"allocs/op", 12_000, 1e-3, "k allocs/op"},
		{"B/op", 2048, 1.0 / 1024, "KiB/op"}, {"widgets", 7, 1, "widgets"},
	} {
		factor, name := Scale(c.unit, c.value)
		require.Equal(t, c.name, name, c.unit)
		require.InEpsilon(t, c.factor, factor, 1e-9, c.unit)
	}
	a := &Summary{Center: 100, Lo: 99, Hi: 102, N: 6}
	r := Row{ID: ID{Unit: "ns/op"}, A: a, B: &Summary{Center: 120, N: 5}, Delta: 0.2, P: 0.004, Differs: true}
	require.Equal(t, [4]string{"100.0n ±  2%", "120.0n ± ∞", "+20.00%", "(p=0.004 n=6+5)"}, r.Cells())
	r.B = nil
	require.Equal(t, [4]string{"100.0n ±  2%", "-", "", ""}, r.Cells())
}
