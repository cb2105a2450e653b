package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

var ctx = context.Background()

// A peer that loses points would look fast.
func TestSQLiteKeepsEveryPoint(t *testing.T) {
	shape := load.Shape{Runs: 2, Metrics: 10, Steps: 250, Batch: 1000}
	for _, mode := range [][2]string{{"DELETE", "FULL"}, {"WAL", "NORMAL"}} {
		t.Run(mode[0], func(t *testing.T) {
			dir := t.TempDir()
			e, err := openSQLite(mode[0], mode[1])(dir)
			require.NoError(t, err)
			ids, err := load.Ingest(ctx, e, shape)
			require.NoError(t, err)
			require.NoError(t, e.Close())
			e, err = openSQLite(mode[0], mode[1])(dir)
			require.NoError(t, err)
			for run, id := range ids {
				for column := range shape.Metrics {
					require.NoError(t, load.CheckSeries(ctx, e, id, shape, run, column))
				}
			}
			n, err := e.Downsample(ctx, ids[0], "train/loss", shape.Steps, 100)
			require.NoError(t, err)
			require.EqualValues(t, 250, n)

			var journal string
			require.NoError(t, e.(*sqlite).conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal))
			require.Equal(t, strings.ToLower(mode[0]), journal)
			var synchronous int
			require.NoError(t, e.(*sqlite).conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous))
			require.Equal(t, map[string]int{"NORMAL": 1, "FULL": 2}[mode[1]], synchronous)
			require.NoError(t, e.Close())
		})
	}
}

func TestSQLiteKeepsTheLatestByStepTimeValue(t *testing.T) {
	e, err := openSQLite("WAL", "NORMAL")(t.TempDir())
	require.NoError(t, err)
	run, err := e.StartRun(ctx, "r")
	require.NoError(t, err)
	log := func(step, at int64, value float64) point {
		require.NoError(t, run.Append(ctx, runstone.Columns{
			Names: []string{"m"}, Steps: []int64{step, step - 1}, Times: []int64{at, at}, Values: [][]float64{{value, 99}},
		}))
		var p point
		require.NoError(t, e.(*sqlite).conn.QueryRowContext(ctx,
			"SELECT step, timestamp, value FROM latest_metrics WHERE key = 'm' AND run_uuid = ?", run.ID()).Scan(&p.step, &p.time, &p.value))
		return p
	}
	require.Equal(t, point{5, 10, 1}, log(5, 10, 1))
	require.Equal(t, point{5, 11, 0}, log(5, 11, 0), "the same step, later")
	require.Equal(t, point{5, 11, 0}, log(3, 99, 9), "an earlier step")
	require.Equal(t, point{7, 1, 2}, log(7, 1, 2), "a later step, an earlier time")
	// The same points again meet the primary key, and nothing of the batch stays.
	require.ErrorContains(t, run.Append(ctx, runstone.Columns{
		Names: []string{"m"}, Steps: []int64{8, 7}, Times: []int64{1, 1}, Values: [][]float64{{1, 2}},
	}), "UNIQUE")
	require.Equal(t, point{8, 2, 1}, log(8, 2, 1))
	require.NoError(t, e.Close())
}

func TestContendersRunAndReport(t *testing.T) {
	var out bytes.Buffer
	r := report{w: &out}
	shape := load.Sized(2000)
	var lines []line
	for _, c := range contenders {
		res, err := c.measure(ctx, t.TempDir(), shape)
		require.NoError(t, err, c.name)
		require.Equal(t, 2000, res.Points)
		require.Greater(t, res.Append, time.Duration(0))
		if !strings.HasPrefix(c.name, "limit") {
			require.Positive(t, res.Bytes)
			require.Positive(t, res.Read)
		}
		lines = append(lines, line{c.name, res, "0"})
	}
	for _, l := range lines {
		r.row(l)
	}
	r.ratios(lines)
	require.NoError(t, r.err)
	require.Equal(t, 4, strings.Count(out.String(), " : sqlite-"))
	require.Contains(t, out.String(), "runstone-synced : limit-fdatasync")

	_, err := choose("runstone,nobody")
	require.ErrorContains(t, err, "nobody")
}
