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
