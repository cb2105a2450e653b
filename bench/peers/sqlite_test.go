package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

func TestSQLiteIsAsDurableAsItsModeSays(t *testing.T) {
	for _, mode := range [][2]string{{"DELETE", "FULL"}, {"WAL", "NORMAL"}, {"WAL", "FULL"}} {
		e, err := openSQLite(mode[0], mode[1])(t.TempDir())
		require.NoError(t, err)
		var journal string
		require.NoError(t, e.(*sqlite).conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal))
		require.Equal(t, strings.ToLower(mode[0]), journal)
		var synchronous int
		require.NoError(t, e.(*sqlite).conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous))
		require.Equal(t, map[string]int{"NORMAL": 1, "FULL": 2}[mode[1]], synchronous)
		require.NoError(t, e.Close())
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
