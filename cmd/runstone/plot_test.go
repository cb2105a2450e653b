package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
)

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		lines  int
		labels []string // the least and the greatest line
	}{
		{0, 1, 6, []string{"0", "1"}},
		{0.2, 1, 5, []string{"0.2", "1"}},
		{-3.7, 12.1, 5, []string{"-5", "15"}},
		{1000.2, 1000.9, 8, []string{"1000.2", "1000.9"}},
		{0, 1e9, 3, []string{"0", "1e+09"}},
		{-1e-7, 1e-7, 5, []string{"-1e-07", "1e-07"}},
	} {
		y := newAxis(c.lo, c.hi, c.lines)
		top := y.low + float64(c.lines-1)*y.step
		require.Equal(t, c.labels, []string{y.label(y.low, false), y.label(top, false)}, "%v to %v", c.lo, c.hi)
		require.LessOrEqual(t, y.low, c.lo+y.step*1e-6)
		require.GreaterOrEqual(t, top, c.hi-y.step*1e-6)
	}
	require.True(t, newAxis(2, 2, 5).flat)
	require.True(t, newAxis(1, math.Nextafter(1, 2), 5).flat)
	require.Equal(t, "0.0316", newAxis(-2, 0, 5).label(-1.5, true))
}

// TestPlotLines draws what is awkward, and counts lines and what is left out.
func TestPlotLines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	nan, inf := math.NaN(), math.Inf(1)
	series := map[string][]float64{
		"one_nan": {1, nan, 2, 3}, "nan_last": {1, 2, nan}, "all_nan": {nan, inf, -inf}, "flat": {5, 5, 5},
		"close": {1e16, 1e16 + 2}, "tiny": {0, 5e-324}, "huge": {-math.MaxFloat64, math.MaxFloat64}, "large": {1e300, -1e300, 3},
		"minus": {-2, -1, 0, 1}, "infs": {1, inf, inf, 2},
	}
	require.NoError(t, with(context.Background(), dir, nil, func(ctx context.Context, db *runstone.DB) error {
		if _, err := db.CreateRun(ctx, runstone.NewRun{ID: "plotted", Experiment: "Default"}); err != nil {
			return err
		}
		var b runstone.Batch
		for name, values := range series {
			for i, v := range values {
				b.Metrics = append(b.Metrics, runstone.Metric{Name: name, Step: int64(i), Time: 1, Value: v})
			}
		}
		return db.LogBatch(ctx, "plotted", b)
	}))
	plot := func(args ...string) (lines int, code int, stderr string) {
		a, out, errs := newApp(strings.NewReader(""))
		code = a.main(context.Background(), append([]string{"plot", "plotted", "-d", dir, "--width", "30"}, args...))
		return strings.Count(out.String(), "\n"), code, errs.String()
	}
	for _, height := range []int{4, 5, 7, 16, 40} {
		for _, metric := range []string{"one_nan", "minus", "large", "infs"} {
			lines, code, said := plot(metric, "--height", fmt.Sprint(height))
			require.Equal(t, exitOK, code, said)
			require.Equal(t, height, lines, metric)
		}
		lines, code, said := plot("minus", "one_nan", "--log", "--height", fmt.Sprint(height))
		require.Equal(t, exitOK, code)
		require.Equal(t, height, lines)
		require.Equal(t, "runstone: left out 4 points that cannot be drawn\n", said)
	}
	for _, c := range []struct {
		metric, said string
		code         int
	}{
		{"one_nan", "left out 1 point that cannot be drawn\n", exitOK},
		{"nan_last", "left out 1 point that cannot be drawn\n", exitOK},
		{"infs", "left out 2 points that cannot be drawn\n", exitOK},
		{"all_nan", "the metric has only NaN or infinite values", exitRefused},
		{"huge", "too far apart", exitRefused},
		{"flat", "", exitOK}, {"close", "", exitOK}, {"tiny", "", exitOK},
	} {
		_, code, said := plot(c.metric)
		require.Equal(t, c.code, code, c.metric)
		if c.said == "" {
			require.Empty(t, said, c.metric)
		} else {
			require.Contains(t, said, c.said)
		}
	}
}

// TestPlotAxes: time and logarithms on the x axis, and the moving average.
func TestPlotAxes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	const start = 1767225600000
	require.NoError(t, with(context.Background(), dir, nil, func(ctx context.Context, db *runstone.DB) error {
		for i, id := range []string{"first", "other"} {
			run := runstone.NewRun{ID: id, Experiment: "Default", Start: start + int64(i)*3_600_000}
			if _, err := db.CreateRun(ctx, run); err != nil {
				return err
			}
			var b runstone.Batch
			for k := range int64(101) {
				v := float64(k % 2)
				b.Metrics = append(b.Metrics, runstone.Metric{Name: "saw", Step: k, Time: run.Start + k*1000, Value: v})
			}
			if err := db.LogBatch(ctx, id, b); err != nil {
				return err
			}
		}
		return nil
	}))
	plot := func(args ...string) (code int, out, errs string) {
		return callWith(t, "", append([]string{"plot", "first,other", "saw", "-d", dir, "--width", "40", "--height", "6"}, args...)...)
	}
	code, out, errs := plot("--x", "relative")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "elapsed 0ms to 1m40s  * saw first  + saw other")
	lines := strings.Split(out, "\n")
	require.NotContains(t, lines[0]+lines[4], "* ", "the curves lie on each other")

	_, out, _ = plot("--x", "time")
	require.Contains(t, out, moment(start)+" to "+moment(start+3_600_000+100_000))
	require.Contains(t, out, "*")
	require.Contains(t, out, "+")

	code, out, errs = plot("--log-x")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "steps 1 to 100")
	require.Contains(t, errs, "left out 2 points that cannot be drawn")

	// The average of 0 and 1 by turns comes to the middle; with colors the saw
	// itself is behind it.
	_, out, _ = plot("--smooth", "0.97")
	require.NotContains(t, strings.Split(out, "\n")[0], "+")
	found, err := smoothOf([]float64{1, math.NaN(), 0, 1, math.Inf(1)}, 0.5)
	require.NoError(t, err)
	require.Equal(t, "[1 NaN 0.3333333333333333 0.7142857142857143 +Inf]", fmt.Sprint(found))

	for _, args := range [][]string{{"--x", "epoch"}, {"--smooth", "1"}, {"--smooth", "-0.1"}, {"--smooth", "NaN"}, {"--x", "time", "--log-x"}} {
		code, _, errs = plot(args...)
		require.Equal(t, exitUsage, code, "%v %s", args, errs)
	}
}

// smoothOf is the moving average of values, each a bucket of its own.
func smoothOf(values []float64, weight float64) ([]float64, error) {
	found := make([]runstone.Bucket, len(values))
	for i, v := range values {
		found[i].Last = runstone.Point{Step: int64(i), Value: v}
	}
	out := make([]float64, len(values))
	for i, p := range smoothed(found, weight) {
		if p.Step != int64(i) {
			return nil, fmt.Errorf("step %d is at %d", i, p.Step)
		}
		out[i] = float64(p.Value)
	}
	return out, nil
}
