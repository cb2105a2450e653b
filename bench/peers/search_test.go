package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/bench/load"
)

// What MLflow 3.18 sent to SQLite, with its parameters.
func TestStatementsAreThoseOfMLflow(t *testing.T) {
	const chosen = "SELECT DISTINCT " + runColumns
	for name, c := range map[string]struct {
		q    question
		text string
		args []any
	}{
		"two clauses, by a metric": {
			standard(),
			chosen + `, CASE WHEN (anon_1.is_nan = 1) THEN ? WHEN (anon_1.value IS NULL) THEN ? ELSE ? END AS clause_1, anon_1.value
FROM runs JOIN (SELECT latest_metrics."key" AS "key", latest_metrics.value AS value, latest_metrics.timestamp AS timestamp, latest_metrics.step AS step, latest_metrics.is_nan AS is_nan, latest_metrics.run_uuid AS run_uuid
FROM latest_metrics
WHERE latest_metrics."key" = ? AND latest_metrics.value > ? AND latest_metrics.is_nan = 0) AS anon_2 ON runs.run_uuid = anon_2.run_uuid JOIN (SELECT params."key" AS "key", params.value AS value, params.run_uuid AS run_uuid
FROM params
WHERE params."key" = ? AND params.value = ?) AS anon_3 ON runs.run_uuid = anon_3.run_uuid LEFT OUTER JOIN (SELECT latest_metrics."key" AS "key", latest_metrics.value AS value, latest_metrics.timestamp AS timestamp, latest_metrics.step AS step, latest_metrics.is_nan AS is_nan, latest_metrics.run_uuid AS run_uuid
FROM latest_metrics
WHERE latest_metrics."key" = ?) AS anon_1 ON runs.run_uuid = anon_1.run_uuid
WHERE runs.experiment_id IN (?, ?) AND runs.lifecycle_stage IN (?) ORDER BY clause_1, anon_1.value, runs.start_time DESC, runs.run_uuid
 LIMIT ? OFFSET ?`,
			[]any{1, 2, 0, "auc", 0.9, "lr", "0.01", "loss", int64(1), int64(2), "active", 101, 0},
		},
		"by start": {
			newest(),
			chosen + `, CASE WHEN (runs.start_time IS NULL) THEN ? ELSE ? END AS clause_1, runs.start_time AS start_time__1
FROM runs
WHERE runs.experiment_id IN (?, ?) AND runs.lifecycle_stage IN (?) ORDER BY clause_1, runs.start_time DESC, runs.run_uuid
 LIMIT ? OFFSET ?`,
			[]any{1, 0, int64(1), int64(2), "active", 101, 0},
		},
		"tag and attribute, by two": {
			question{
				clauses: []clause{{"tags", "t", "=", "v"}, {"attributes", "status", "=", "FINISHED"}, {"metrics", "auc", "!=", 0.9}},
				order:   []sortKey{{"params", "lr", true}, {"metrics", "auc", true}}, limit: 1, offset: 7,
			},
			chosen + `, CASE WHEN (anon_1.value IS NULL) THEN ? ELSE ? END AS clause_1, anon_1.value, CASE WHEN (anon_2.is_nan = 1) THEN ? WHEN (anon_2.value IS NULL) THEN ? ELSE ? END AS clause_2, anon_2.value AS value_1
FROM runs JOIN (SELECT tags."key" AS "key", tags.value AS value, tags.run_uuid AS run_uuid
FROM tags
WHERE tags."key" = ? AND tags.value = ?) AS anon_3 ON runs.run_uuid = anon_3.run_uuid JOIN (SELECT latest_metrics."key" AS "key", latest_metrics.value AS value, latest_metrics.timestamp AS timestamp, latest_metrics.step AS step, latest_metrics.is_nan AS is_nan, latest_metrics.run_uuid AS run_uuid
FROM latest_metrics
WHERE latest_metrics."key" = ? AND (latest_metrics.value != ? OR latest_metrics.is_nan = 1)) AS anon_4 ON runs.run_uuid = anon_4.run_uuid LEFT OUTER JOIN (SELECT params."key" AS "key", params.value AS value, params.run_uuid AS run_uuid
FROM params
WHERE params."key" = ?) AS anon_1 ON runs.run_uuid = anon_1.run_uuid LEFT OUTER JOIN (SELECT latest_metrics."key" AS "key", latest_metrics.value AS value, latest_metrics.timestamp AS timestamp, latest_metrics.step AS step, latest_metrics.is_nan AS is_nan, latest_metrics.run_uuid AS run_uuid
FROM latest_metrics
WHERE latest_metrics."key" = ?) AS anon_2 ON runs.run_uuid = anon_2.run_uuid
WHERE runs.experiment_id IN (?, ?) AND runs.lifecycle_stage IN (?) AND runs.status = ? ORDER BY clause_1, anon_1.value DESC, clause_2, anon_2.value DESC, runs.start_time DESC, runs.run_uuid
 LIMIT ? OFFSET ?`,
			[]any{1, 0, 1, 2, 0, "t", "v", "auc", 0.9, "lr", "auc", int64(1), int64(2), "active", "FINISHED", 2, 7},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, args := c.q.statement([]int64{1, 2})
			require.Equal(t, strings.Join(strings.Fields(c.text), " "), text)
			require.Equal(t, c.args, args)
		})
	}
}

// A table of times is worth nothing when the answers differ.
func TestBothFindTheSameRuns(t *testing.T) {
	w := load.Runs{Runs: 2000}
	b, err := openBoth(ctx, t.TempDir(), spec{}, w)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	middle := w.Run(1000)
	for _, c := range []struct {
		least, most int // runs that are found
		clauses     []clause
		order       []sortKey
	}{
		{20, 80, standard().clauses, standard().order},
		{2000, 2000, nil, newest().order},
		{2000, 2000, nil, nil},
		{2000, 2000, nil, []sortKey{{"attributes", "end_time", false}}},
		{2000, 2000, nil, []sortKey{{"metrics", "nowhere", true}}},
		{2000, 2000, nil, []sortKey{{"params", "fold", true}, {"metrics", "accuracy", false}}},
		{2000, 2000, nil, []sortKey{{"tags", "team", false}, {"params", "lr", true}}},
		{2000, 2000, nil, []sortKey{{"attributes", "run_name", true}}},
		{300, 500, []clause{{"metrics", "auc", "<=", 0.6}}, nil},
		{2000, 2000, []clause{{"metrics", "auc", "!=", 0.75}}, []sortKey{{"metrics", "auc", true}}},
		{1, 1, []clause{{"metrics", "loss", "=", middle.Metrics[1].Value}}, nil},
		{0, 0, []clause{{"metrics", "nowhere", "<", 1}}, nil},
		{900, 1100, []clause{{"metrics", "loss", "<", 2.0}}, []sortKey{{"params", "model", false}}},
		{1700, 1900, []clause{{"params", "lr", "!=", "0.01"}}, nil},
		{0, 0, []clause{{"params", "nowhere", "!=", "0.01"}}, nil},
		{500, 700, []clause{{"params", "lr", "LIKE", "0.0_"}, {"params", "fold", "!=", "x"}}, nil},
		{350, 650, []clause{{"params", "model", "ILIKE", "RESNET%"}}, []sortKey{{"metrics", "f1", true}}},
		{0, 0, []clause{{"params", "model", "LIKE", "RESNET%"}}, nil},
		{80, 320, []clause{{"tags", "team", "=", "health"}, {"tags", "stage", "!=", "final"}, {"params", "optimizer", "LIKE", "adam%"}}, nil},
		{1, 1, []clause{{"tags", "mlflow.runName", "=", "run-77"}}, nil},
		{11, 111, []clause{{"attributes", "run_name", "LIKE", "run-77%"}, {"attributes", "status", "=", "FINISHED"}}, nil},
		{0, 0, []clause{{"attributes", "status", "!=", "FINISHED"}}, nil},
		{999, 1000, []clause{{"attributes", "start_time", ">", middle.Start}}, []sortKey{{"attributes", "start_time", false}}},
		{1, 1, []clause{{"attributes", "run_id", "=", middle.ID}}, nil},
		{2000, 2000, []clause{{"attributes", "end_time", ">=", middle.Start - 1e9}}, []sortKey{{"metrics", "val_loss", false}}},
	} {
		q := question{clauses: c.clauses, order: c.order, limit: 5000}
		t.Run(q.filter()+" by "+strings.Join(q.orderBy(), ","), func(t *testing.T) {
			found, err := b.sql.search(ctx, &q, false)
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(found), c.least)
			require.LessOrEqual(t, len(found), c.most)
			ids, _, err := b.page(ctx, &q, "")
			require.NoError(t, err)
			require.NoError(t, sameRuns(ids, found))
		})
	}

	t.Run("whole runs", func(t *testing.T) {
		q := standard()
		want, err := b.cached.search(ctx, &q, true)
		require.NoError(t, err)
		runs, err := b.whole(ctx, &q)
		require.NoError(t, err)
		require.Len(t, runs, len(want))
		for i, r := range runs {
			x := want[i]
			require.Equal(t, x.id, r.ID)
			require.Equal(t, x.name.String, r.Name)
			require.Equal(t, x.status.String, r.Status.String())
			require.Equal(t, []int64{x.start.Int64, x.end.Int64}, []int64{r.Start, r.End})
			require.Equal(t, b.Experiments[x.experiment.Int64-1], r.ExperimentID)
			require.Equal(t, x.params, r.Params)
			require.Equal(t, x.tags, r.Tags)
			require.Len(t, r.Metrics, len(x.metrics))
			for _, m := range r.Metrics {
				require.Equal(t, x.metrics[m.Metric], point{m.Latest.Step, m.Latest.Time, m.Latest.Value})
			}
		}
	})
	t.Run("pages", func(t *testing.T) {
		q := newest()
		var all []string
		for after := ""; len(all) < w.Runs; {
			var ids []string
			ids, after, err = b.page(ctx, &q, after)
			require.NoError(t, err)
			require.Len(t, ids, q.limit)
			all = append(all, ids...)
		}
		q.limit = w.Runs
		found, err := b.sql.search(ctx, &q, false)
		require.NoError(t, err)
		require.NoError(t, sameRuns(all, found))
		after, err := b.cursor(ctx, &q, 1500)
		require.NoError(t, err)
		q.limit = 10
		ids, _, err := b.page(ctx, &q, after)
		require.NoError(t, err)
		require.Equal(t, all[1500:1510], ids)
		_, err = b.cursor(ctx, &q, w.Runs+1)
		require.ErrorContains(t, err, "there are not more than 2001 runs")
	})
}

func TestRunsAreLoadedOnceForAllTables(t *testing.T) {
	s := spec{shared: t.TempDir()}
	b, err := openBoth(ctx, filepath.Join(t.TempDir(), "not", "used"), s, load.Runs{Runs: 20})
	require.NoError(t, err)
	first := b.loaded
	require.Equal(t, 20, first.Runs)
	require.Positive(t, first.RunstoneBytes)
	require.Positive(t, first.SQLiteBytes)
	require.NoError(t, b.Close())
	b, err = openBoth(ctx, t.TempDir(), s, load.Runs{Runs: 20})
	require.NoError(t, err)
	require.Equal(t, first, b.loaded)
	require.NoError(t, b.Close())
}

func TestSQLiteThatTakesTooLongIsGivenUp(t *testing.T) {
	b, err := openBoth(ctx, t.TempDir(), spec{}, load.Runs{Runs: 1000})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	q := passingSweep()[5].q
	late, err := b.late(ctx, b.sql, &q, time.Nanosecond)
	require.NoError(t, err)
	require.True(t, late)
	late, err = b.late(ctx, b.sql, &q, time.Hour)
	require.NoError(t, err)
	require.False(t, late)
}

func TestDifferentAnswersAreAnError(t *testing.T) {
	runs := []*sqlRun{{id: "a"}, {id: "b"}}
	require.NoError(t, sameRuns([]string{"a", "b"}, runs))
	require.ErrorContains(t, sameRuns([]string{"a"}, runs), "1 runs found by Runstone, 2 by SQLite")
	require.ErrorContains(t, sameRuns([]string{"a", "c"}, runs), "run 1 of the answer is c in Runstone and b in SQLite")
}

func TestRepeated(t *testing.T) {
	n, nap := 0, time.Duration(0)
	fn := func() error { n++; time.Sleep(nap); return nil }
	for name, c := range map[string]struct {
		long, nap     time.Duration
		called, times int
	}{
		"quick":      {time.Hour, 0, 11, 10},
		"far longer": {time.Microsecond, 10 * time.Millisecond, 1, 1},
	} {
		n, nap = 0, c.nap
		best, median, times, err := repeated(3, 10, c.long, fn)
		require.NoError(t, err, name)
		require.Equal(t, []int{c.called, c.times}, []int{n, times}, name)
		require.GreaterOrEqual(t, best, c.nap)
		require.LessOrEqual(t, best, median)
	}
	bad := errors.New("bad")
	_, _, _, err := repeated(3, 10, 0, func() error { return bad })
	require.ErrorIs(t, err, bad)
}

func TestPlot(t *testing.T) {
	require.Nil(t, drawPanels(searchPanels([]line{{name: "failed", err: io.EOF}})))
	var lines []line
	for _, n := range []float64{10, 1000} {
		lines = append(lines, line{outcome: &outcome{Search: &searched{Answers: []answered{
			{Sweep: byRuns, X: n, SQLite: time.Second, Cold: 10 * time.Millisecond, Warm: 30 * time.Microsecond},
			{Sweep: byColumns, X: 1, SQLite: time.Millisecond, Cold: time.Millisecond, Warm: time.Millisecond},
		}}}})
	}
	text := drawPanels(searchPanels(lines))
	require.Equal(t, 2, bytes.Count(text, []byte("<g ")), "panels without points are left out")
	lines[0].outcome.Search.Answers[1].SQLite = 0 // given up
	require.Equal(t, 11, bytes.Count(drawPanels(searchPanels(lines)), []byte("<circle ")))
	require.Equal(t, 12, bytes.Count(text, []byte("<circle ")))
	for _, want := range []string{"prefers-color-scheme: dark", ">1k<", ">1 s<", ">0.01 ms<", "Runstone, just opened", "runs in the database"} {
		require.Contains(t, string(text), want)
	}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.NotContains(t, string(text), "NaN")
	require.NotContains(t, string(text), "Inf")
}

func TestBestOfSearches(t *testing.T) {
	a := &outcome{Search: &searched{Open: 5, Answers: []answered{{Name: "q", Cold: 9, Warm: 2, Median: 4, SQLite: 8, SQLiteMedian: 9, SQLiteCached: 7, WarmTimes: 3}}}}
	b := &outcome{Search: &searched{Open: 4, Answers: []answered{{Name: "q", Cold: 8, Warm: 3, Median: 3, SQLite: 9, SQLiteMedian: 8, SQLiteCached: 9, WarmTimes: 4}}}}
	want := &outcome{Search: &searched{Open: 4, Answers: []answered{{Name: "q", Cold: 8, Warm: 2, Median: 3, SQLite: 8, SQLiteMedian: 8, SQLiteCached: 7, WarmTimes: 7}}}}
	require.Equal(t, want, a.best(b))
	require.Equal(t, want, b.best(a))
	require.EqualValues(t, 9, a.Search.Answers[0].Cold)

	x := &outcome{Ever: &curvesAsked{Answers: []curveAnswer{{Cold: 3, Warm: 2, Median: 5}}}}
	y := &outcome{Ever: &curvesAsked{Answers: []curveAnswer{{Cold: 4, Warm: 1, Median: 4}}}}
	require.Equal(t, &outcome{Ever: &curvesAsked{Answers: []curveAnswer{{Cold: 3, Warm: 1, Median: 4}}}}, x.best(y))

	fast, slow := busy{Wall: time.Second, Points: 9, Searches: 9}, busy{Wall: time.Second, Points: 5, Searches: 5}
	u, v := &outcome{Beside: &beside{Writing: fast, Searching: slow, Together: fast}}, &outcome{Beside: &beside{Writing: slow, Searching: fast, Together: slow}}
	require.Equal(t, &outcome{Beside: &beside{Writing: fast, Searching: fast, Together: fast}}, u.best(v))
}
