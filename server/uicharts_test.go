package server

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

// series asks search-series.
func (b *bench) series(body string) ([]uiSeriesHead, [][][]float64) {
	b.t.Helper()
	w := b.do("POST", uiAPI+"/search-series", body)
	require.Equal(b.t, 200, w.Code, w.Body)
	return readSeries(b.t, w.Body.Bytes())
}

// log logs a metric to a run, value by step.
func (b *bench) log(run, metric string, steps []int64, value func(step int64) float64) {
	b.t.Helper()
	for some := range slices.Chunk(steps, 1000) {
		var batch runstone.Batch
		for _, step := range some {
			batch.Metrics = append(batch.Metrics, runstone.Metric{Name: metric, Step: step, Time: 10_000 + step, Value: value(step)})
		}
		require.NoError(b.t, b.db.LogBatch(context.Background(), run, batch))
	}
}

func stepsTo(n, by int64) []int64 {
	var out []int64
	for i := int64(0); i < n; i += by {
		out = append(out, i)
	}
	return out
}

func TestUISeriesOverAnotherMetric(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	nan := math.NaN()
	// The epoch is logged every tenth step, from the fifth on, once as NaN, and one
	// step late in time.
	b.log(run, "epoch", []int64{25, 5, 15, 35}, func(s int64) float64 {
		if s == 25 {
			return nan
		}
		return float64(s / 10)
	})
	b.log(run, "loss", stepsTo(40, 1), func(s int64) float64 { return float64(-s) })
	heads, columns := b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "epoch", "buckets": 100}`, run))
	require.Equal(t, uiSeriesHead{Run: run, Metric: "loss", N: 35, Points: 35, Raw: true, X: true, Left: 5}, heads[0])
	xs, steps, values := columns[0][0], columns[0][1], columns[0][3]
	for i := range 35 {
		step := 5 + i
		want := 0.0
		switch {
		case step >= 35:
			want = 3
		case step >= 15:
			want = 1
		}
		require.Equal(t, []float64{want, float64(step), float64(-step)}, []float64{xs[i], steps[i], values[i]})
	}
	heads, columns = b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "epoch", "from_x": 0.5, "to_x": 2}`, run))
	require.Equal(t, 20, heads[0].N)
	require.Equal(t, 15.0, columns[0][1][0])

	// A place that goes down, summed up: what stands there is in its order.
	b.log(run, "temperature", stepsTo(40, 1), func(s int64) float64 { return float64(100 - s) })
	heads, columns = b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "temperature", "buckets": 4}`, run))
	require.Equal(t, 4, heads[0].N)
	require.False(t, heads[0].Raw)
	require.True(t, slices.IsSorted(columns[0][0]))
	require.Equal(t, []float64{-39, -30}, []float64{columns[0][3][0], columns[0][4][0]}, "first and last by place")
	var n float64
	for _, c := range columns[0][7] {
		n += c
	}
	require.Equal(t, 40.0, n)
	heads, _ = b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "none"}`, run))
	require.Equal(t, uiSeriesHead{Run: run, Metric: "loss", Raw: true, X: true, Left: 40}, heads[0])
}

// TestUISeriesOnce asks for curves of a run some of whose points were logged again
// for a model, as MLflow's log_model does.
func TestUISeriesOnce(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	b.log(run, "loss", stepsTo(60, 1), func(s int64) float64 { return float64(-s) })
	b.log(run, "epoch", stepsTo(60, 10), func(s int64) float64 { return float64(s / 10) })
	tied := func(metric, model string, step int64, value float64) {
		t.Helper()
		require.NoError(t, b.db.LogBatch(context.Background(), run, runstone.Batch{Metrics: []runstone.Metric{{Name: metric, Model: model, Step: step, Time: 10_000 + step, Value: value}}}))
	}
	tied("loss", "m-1", 0, 0)
	tied("loss", "m-2", 59, -59)
	tied("epoch", "m-2", 50, 5)
	tied("only", "m-1", 3, 1)
	heads, _ := b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss", "epoch", "only"], "shared": true}`, run))
	require.Equal(t, []int64{60, 6, 1}, []int64{heads[0].Points, heads[1].Points, heads[2].Points})
	heads, columns := b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "epoch"}`, run))
	require.EqualValues(t, 60, heads[0].Points)
	require.Zero(t, heads[0].Left)
	require.Equal(t, 5.0, columns[0][0][59])
	heads, _ = b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "group_of": [0]}`, run))
	require.EqualValues(t, 60, heads[0].Points)

	// What only the model has stays.
	tied("loss", "m-3", 59, -58)
	heads, _ = b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"]}`, run))
	require.EqualValues(t, 61, heads[0].Points)

	// Without steps all points have step 0, and each is logged again.
	var batch runstone.Batch
	for i := range int64(20) {
		for _, model := range []string{"", "m-1"} {
			batch.Metrics = append(batch.Metrics, runstone.Metric{Name: "stepless", Model: model, Time: 10_000 + i, Value: float64(i)})
		}
	}
	require.NoError(t, b.db.LogBatch(context.Background(), run, batch))
	heads, columns = b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["stepless"]}`, run))
	require.EqualValues(t, 20, heads[0].Points)
	require.Equal(t, 20, heads[0].N)
	require.Equal(t, 19.0, columns[0][2][19])
}

func TestUISeriesOverAnotherMetricByWindows(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	const n = 60_000
	b.log(run, "loss", stepsTo(n, 1), func(s int64) float64 { return float64(s) })
	b.log(run, "tokens", stepsTo(n, 1), func(s int64) float64 { return 10 * float64(s) })
	heads, columns := b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "tokens", "buckets": 200}`, run))
	require.True(t, heads[0].Windows)
	require.EqualValues(t, n, heads[0].Points)
	require.LessOrEqual(t, heads[0].N, 200)
	xs, last := columns[0][0], columns[0][4]
	width := float64(n) / 200
	for i := range xs {
		require.InDelta(t, last[i], xs[i]/10, 2*width, "off by a window at most")
	}
	// A zoom reads points.
	heads, columns = b.series(fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "tokens", "buckets": 200, "from_x": 300000, "to_x": 301000}`, run))
	require.False(t, heads[0].Windows)
	require.True(t, heads[0].Raw)
	require.Equal(t, 101, heads[0].N)
	for i, x := range columns[0][0] {
		require.Equal(t, columns[0][3][i], x/10)
	}
}

func TestUISeriesOfGroups(t *testing.T) {
	b := newBench(t, nil)
	var runs []string
	var of []string
	for g := range 5 {
		for seed := range 10 {
			info, err := b.db.CreateRun(context.Background(), runstone.NewRun{ExperimentID: "0", Start: 4000})
			require.NoError(t, err)
			b.log(info.ID, "loss", stepsTo(100, 1), func(s int64) float64 { return float64(100*g+seed) + float64(s) })
			runs, of = append(runs, `"`+info.ID+`"`), append(of, fmt.Sprint(g))
		}
	}
	ask := func(runs, of []string, more string) ([]uiSeriesHead, [][][]float64) {
		return b.series(`{"run_ids": [` + strings.Join(runs, ",") + `], "group_of": [` + strings.Join(of, ",") + `], "metric_keys": ["loss"]` + more + `}`)
	}
	heads, columns := ask(runs, of, `, "buckets": 500`)
	require.Len(t, heads, 5)
	for g, h := range heads {
		require.Equal(t, uiSeriesHead{Metric: "loss", N: 100, Points: 1000, Grouped: true, Group: g, Runs: 10}, h)
		for i := range 100 {
			row := make([]float64, groupColumns)
			for k := range row {
				row[k] = columns[g][k][i]
			}
			mean := float64(100*g) + 4.5 + float64(i)
			require.InDeltaSlice(t, []float64{float64(i), 10_000 + float64(i), 6000 + float64(i), 10, mean, 3.0276503540974917, mean - 4.5, mean + 4.5, 0}, row, 1e-9)
		}
	}
	heads, columns = ask(runs, of, `, "buckets": 10`)
	require.LessOrEqual(t, heads[0].N, 11)
	require.InDelta(t, 103.5, columns[0][4][heads[0].N-1], 1e-9)
	require.EqualValues(t, 1000, heads[0].Points)

	// Runs at other steps, one that ends early, one with NaN.
	early, odd := b.run(), b.run()
	b.log(early, "acc", []int64{0, 10, 20}, func(s int64) float64 { return float64(s) })
	b.log(odd, "acc", []int64{0, 5, 15, 40, 41}, func(s int64) float64 {
		if s == 40 {
			return math.NaN()
		}
		return float64(s) + 2
	})
	heads, columns = b.series(fmt.Sprintf(`{"run_ids": [%q, %q], "group_of": [7, 7], "metric_keys": ["acc"], "buckets": 1000}`, early, odd))
	require.Equal(t, []int{7, 2}, []int{heads[0].Group, heads[0].Runs})
	c := columns[0]
	require.Equal(t, []float64{0, 5, 10, 15, 20, 40, 41}, c[0])
	require.Equal(t, []float64{2, 2, 2, 2, 1, 0, 1}, c[3], "none between a value and NaN, none behind the end")
	require.Equal(t, []float64{1, 6, 11, 16, 20}, c[4][:5])
	require.True(t, math.IsNaN(c[4][5]))
	require.Equal(t, 43.0, c[4][6])
	require.Equal(t, []float64{0, 0, 0, 0, 0, 1, 0}, c[8])
	require.True(t, math.IsNaN(c[5][6]), "one run has no deviation")
}

// TestUISeriesOfGroupsOverAnotherMetric groups runs whose epochs have other lengths:
// what is alike is what they have at the same epoch.
func TestUISeriesOfGroupsOverAnotherMetric(t *testing.T) {
	b := newBench(t, nil)
	short, long, bare := b.run(), b.run(), b.run()
	value := func(size, shift int64) func(int64) float64 {
		return func(step int64) float64 { return float64(step)/float64(size) + float64(shift) }
	}
	for _, r := range []struct {
		run         string
		size, shift int64
	}{{short, 10, 0}, {long, 40, 2}} {
		b.log(r.run, "loss", stepsTo(5*r.size, 1), value(r.size, r.shift))
		b.log(r.run, "epoch", stepsTo(5*r.size, r.size), value(r.size, 0))
	}
	b.log(bare, "loss", stepsTo(7, 1), value(1, 0))
	ask := func(more string) (uiSeriesHead, [][]float64) {
		t.Helper()
		heads, columns := b.series(fmt.Sprintf(`{"run_ids": [%q, %q, %q], "group_of": [3, 3, 3], "metric_keys": ["loss"], "x_metric": "epoch"%s}`, short, long, bare, more))
		require.Len(t, heads, 1)
		return heads[0], columns[0]
	}
	h, c := ask(`, "buckets": 500`)
	require.Equal(t, uiSeriesHead{Metric: "loss", N: 5, Points: 250, X: true, Left: 7, Grouped: true, Group: 3, Runs: 2}, h)
	require.Equal(t, []float64{0, 1, 2, 3, 4}, c[0])
	for i := range 5 {
		// The last of each run at the epoch: 0.9 and 0.975 of it are done.
		require.InDelta(t, float64(i)+(0.9+2.975)/2, c[5][i], 1e-9)
		require.Equal(t, []float64{float64(10*i+9+40*i+39) / 2, 2}, []float64{c[1][i], c[4][i]}, "steps and runs")
	}
	h, c = ask(`, "from_x": 0.5, "to_x": 2`)
	require.Equal(t, []float64{1, 2}, c[0])
	require.EqualValues(t, 100, h.Points)

	// Where one run has no point of its own it has one on the line between its others.
	fine, coarse := b.run(), b.run()
	b.log(fine, "loss", stepsTo(9, 1), func(s int64) float64 { return float64(s) })
	b.log(fine, "tokens", stepsTo(9, 1), func(s int64) float64 { return float64(10 * s) })
	b.log(coarse, "loss", []int64{0, 1}, func(s int64) float64 { return float64(4 * s) })
	b.log(coarse, "tokens", []int64{0, 1}, func(s int64) float64 { return float64(40 * s) })
	heads, columns := b.series(fmt.Sprintf(`{"run_ids": [%q, %q], "group_of": [0, 0], "metric_keys": ["loss"], "x_metric": "tokens", "buckets": 100}`, fine, coarse))
	require.Equal(t, 9, heads[0].N)
	require.Equal(t, []float64{0, 10, 20, 30, 40, 50, 60, 70, 80}, columns[0][0])
	require.Equal(t, []float64{0, 1, 2, 3, 4, 5, 6, 7, 8}, columns[0][5])
	require.Equal(t, []float64{2, 2, 2, 2, 2, 1, 1, 1, 1}, columns[0][4])
	heads, columns = b.series(fmt.Sprintf(`{"run_ids": [%q, %q], "group_of": [0, 0], "metric_keys": ["loss"], "x_metric": "tokens", "buckets": 4}`, fine, coarse))
	require.LessOrEqual(t, heads[0].N, 5)
	require.Equal(t, 80.0, columns[0][0][heads[0].N-1])
	heads, _ = b.series(fmt.Sprintf(`{"run_ids": [%q], "group_of": [0], "metric_keys": ["loss"], "x_metric": "tokens"}`, bare))
	require.Equal(t, uiSeriesHead{Metric: "loss", X: true, Left: 7, Grouped: true}, heads[0])
}

// TestUIDeepPages reads a long table from its end, where pages come of a kept list.
func TestUIDeepPages(t *testing.T) {
	b := newBench(t, nil)
	const total = listFrom + 300
	ids := make([]string, total)
	for i := range ids {
		info, err := b.db.CreateRun(context.Background(), runstone.NewRun{ExperimentID: "0", Start: int64(1000 + i), Tags: []runstone.KV{{Key: "n", Value: fmt.Sprint(i)}}})
		require.NoError(t, err)
		ids[i] = info.ID
	}
	var columns []string
	for i := range 100 {
		columns = append(columns, fmt.Sprintf("start_time + %d", i))
	}
	more, err := json.Marshal(columns)
	require.NoError(t, err)
	ask := func(offset int, rest string) uiPage {
		return b.page(fmt.Sprintf(`{"experiment_ids": ["0"], "order_by": ["start_time ASC"], "offset": %d, "max_results": 50, "columns": %s%s}`, offset, more, rest))
	}
	for _, offset := range []int{listFrom, listFrom + 20, total - 10, listFrom - 1} {
		p := ask(offset, `, "total": true`)
		require.Equal(t, total, p.Total)
		require.Equal(t, min(50, total-offset), p.Rows)
		require.True(t, p.IDs)
		require.Equal(t, append(slices.Clone(runColumns[:]), columns...), p.Columns)
		for i, id := range p.column("run_id") {
			require.Equal(t, ids[offset+i], id)
			require.EqualValues(t, 1000+offset+i+99, p.column("start_time + 99")[i])
		}
	}
	require.Zero(t, ask(total+5, "").Rows)
	// What a page shows is as it is now, and who is gone is not shown.
	require.NoError(t, b.db.DeleteRun(context.Background(), ids[listFrom+1]))
	p := ask(listFrom, "")
	require.Equal(t, []any{ids[listFrom], ids[listFrom+2]}, p.column("run_id")[:2])
	// Other searches have lists of their own.
	p = b.page(fmt.Sprintf(`{"experiment_ids": ["0"], "query": "tags.n != '2050'", "order_by": ["start_time DESC"], "offset": %d, "max_results": 5}`, listFrom))
	require.Equal(t, ids[total-listFrom-3], p.column("run_id")[0])
	// A list that is older than a look is compared with what there is.
	_, err = b.db.CreateRun(context.Background(), runstone.NewRun{ExperimentID: "0", Start: 1})
	require.NoError(t, err)
	time.Sleep(listFresh + 50*time.Millisecond)
	p = ask(listFrom, "")
	require.Equal(t, ids[listFrom-1], p.column("run_id")[0])
}

// TestUISeriesOverWhatWasBefore: the place of a range's points is the last finite
// value of the other metric before it, however far back that is.
func TestUISeriesOverWhatWasBefore(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	const n = 250_000 // of which more stand together than are read at once
	finite := int64(4321)
	b.log(run, "epoch", stepsTo(n, 1), func(s int64) float64 {
		switch {
		case s <= finite:
			return float64(s)
		case s%2 == 0 && s < n/2:
			return math.NaN()
		}
		return math.Inf(1)
	})
	b.log(run, "loss", []int64{n + 5, n + 6}, func(s int64) float64 { return float64(s) })
	body := fmt.Sprintf(`{"run_ids": [%q], "metric_keys": ["loss"], "x_metric": "epoch", "from_step": %d}`, run, n+1)
	require.NoError(t, b.db.Fold(context.Background()))
	heads, columns := b.series(body)
	require.EqualValues(t, 2, heads[0].Points)
	require.Zero(t, heads[0].Left)
	require.Equal(t, []float64{float64(finite), float64(finite)}, columns[0][0])
}
