package runstone

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCurves reads the curves of two runs in every way the API has.
func TestCurves(t *testing.T) {
	db, err := Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer db.Close()
	curves := make([]Curve, 2)
	for i := range curves {
		run, err := db.StartRun(ctx, "curves", nil)
		require.NoError(t, err)
		for step := range int64(10) {
			require.NoError(t, run.Log(ctx, step, Metrics{"loss": float64(step * int64(i+1)), "other": 1}))
		}
		require.NoError(t, run.End(ctx, Finished))
		curves[i] = Curve{Run: run.ID(), Metric: "loss"}
	}
	part := AllPoints().Steps(2, 5)
	got := make([][]float64, 2)
	for c, err := range db.PointsIn(ctx, curves, part) {
		require.NoError(t, err)
		got[c.Curve] = append(got[c.Curve], c.Values...)
	}
	require.Equal(t, [][]float64{{2, 3, 4, 5}, {4, 6, 8, 10}}, got)

	found, err := db.DownsampleAll(ctx, curves, part, 2)
	require.NoError(t, err)
	for i, buckets := range found {
		require.Len(t, buckets, 2)
		require.EqualValues(t, 2, buckets[1].Count)
		require.EqualValues(t, []int64{4, 5}, []int64{buckets[1].First.Step, buckets[1].Last.Step})
		require.InDelta(t, 5*(i+1), buckets[1].Max, 0)
	}
	one, err := db.Downsample(ctx, curves[1].Run, "loss", part, 2)
	require.NoError(t, err)
	require.Equal(t, found[1], one)

	ever, err := db.Ever(ctx, curves, AllPoints(), Greater, 10)
	require.NoError(t, err)
	require.Equal(t, []bool{false, true}, []bool{ever[0].Holds, ever[1].Holds})
	always, err := db.Always(ctx, curves, part, LessEqual, 5)
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, []bool{always[0].Holds, always[1].Holds})
	sums, err := db.Aggregates(ctx, curves, part)
	require.NoError(t, err)
	require.InDelta(t, 7, sums[1].Mean(), 0)
	at, err := db.ValuesAt(ctx, curves, 9)
	require.NoError(t, err)
	require.InDelta(t, 18, at[1].Value, 0)
	lines, err := db.Slopes(ctx, curves, AllPoints())
	require.NoError(t, err)
	require.InDelta(t, 2, lines[1].Slope, 1e-12)

	spreads, err := db.Spreads(ctx, curves, part)
	require.NoError(t, err)
	require.InDelta(t, 2*spreads[0].Std, spreads[1].Std, 1e-12)
	require.InDelta(t, math.Sqrt(5.0/3), spreads[0].Std, 1e-12)
	for span, holds := range map[int64]bool{3: true, 4: false} {
		long, err := db.EverFor(ctx, curves, part, Greater, 1, span, false)
		require.NoError(t, err)
		require.Equal(t, []bool{holds, holds}, []bool{long[0].Holds, long[1].Holds})
	}
	ever, err = db.Ever(ctx, curves, AllPoints(), IsNaN, 0)
	require.NoError(t, err)
	require.Equal(t, []bool{false, false}, []bool{ever[0].Holds, ever[1].Holds})

	absent := []Curve{curves[0], {Run: curves[0].Run, Metric: "absent"}}
	ever, err = db.Ever(ctx, absent, AllPoints(), NotEqual, math.NaN())
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, []bool{ever[0].Holds, ever[1].Holds})
	nobody := []Curve{curves[0], {Run: "nobody", Metric: "loss"}}
	for _, err := range db.PointsIn(ctx, nobody, AllPoints()) {
		require.ErrorIs(t, err, ErrNotFound)
	}
	_, err = db.DownsampleAll(ctx, nobody, AllPoints(), 2)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = db.Ever(ctx, curves, AllPoints().Steps(2, 1), Less, 0)
	require.ErrorIs(t, err, ErrInvalid)
}

// TestSeriesPoints tells apart what one metric says about different models and
// datasets.
func TestSeriesPoints(t *testing.T) {
	db, err := Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer db.Close()
	run, err := db.CreateRun(ctx, NewRun{Experiment: "about"})
	require.NoError(t, err)
	b := Batch{}
	names := []SeriesName{{Metric: "loss"}, {Metric: "loss", Dataset: "a", DatasetDigest: "1"}, {Metric: "loss", Dataset: "a", DatasetDigest: "2"}}
	want := make([][]float64, len(names))
	for step := range int64(50) {
		for i, n := range names {
			v := float64(step*10 + int64(i))
			want[i] = append(want[i], v)
			b.Metrics = append(b.Metrics, Metric{Name: n.Metric, Dataset: n.Dataset, DatasetDigest: n.DatasetDigest, Step: step, Time: step, Value: v})
		}
	}
	require.NoError(t, db.LogBatch(ctx, run.ID, b))
	got := make([][]float64, len(names)+1)
	for c, err := range db.SeriesPoints(ctx, run.ID, append(names, SeriesName{Metric: "absent"}), AllPoints()) {
		require.NoError(t, err)
		got[c.Curve] = append(got[c.Curve], c.Values...)
	}
	require.Equal(t, append(want, nil), got)
	for _, err := range db.SeriesPoints(ctx, "nobody", names, AllPoints()) {
		require.ErrorIs(t, err, ErrNotFound)
	}
}
