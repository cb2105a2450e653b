package main

import (
	"database/sql"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/export"
)

// TestDuckDBReadsExports lets DuckDB find the types, the partitions and every
// value of an export by itself.
func TestDuckDBReadsExports(t *testing.T) {
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer db.Close()
	const runs, steps = 4, 3000
	want, count := 0.0, 0
	for i := range runs {
		// The last has values that are not real numbers, and names and texts
		// that want quoting.
		odd := i == runs-1
		experiment := fmt.Sprintf("experiment \"%d\", part", i%2)
		run, err := db.StartRun(ctx, experiment, &runstone.RunOptions{Name: "line\nbreak, \"quoted\" Größe"})
		require.NoError(t, err)
		require.NoError(t, run.LogParam(ctx, "lr", fmt.Sprintf("0.%d", i)))
		require.NoError(t, run.SetTag(ctx, "note", "a,b\n\"c\""))
		for step := range int64(steps) {
			loss := float64((step*7919)%1000) / 8
			if step < 2500 {
				loss = math.Floor(loss) // the first rows look like integers
			}
			m := runstone.Metrics{"train/loss": loss}
			if odd {
				m["odd"] = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1}[step%5]
			}
			want += loss
			count++
			require.NoError(t, run.Log(ctx, step, m))
		}
		require.NoError(t, run.End(ctx, runstone.Finished))
	}

	duck, err := sql.Open("duckdb", "")
	require.NoError(t, err)
	defer duck.Close()
	for _, format := range []export.Format{export.Parquet, export.CSV} {
		t.Run(string(format), func(t *testing.T) {
			dir := t.TempDir()
			_, err := export.Dir(ctx, db, dir, &export.Options{Format: format})
			require.NoError(t, err)
			glob := func(table string) string {
				return "'" + filepath.ToSlash(filepath.Join(dir, table, "**", "*."+string(format))) + "'"
			}
			points := "read_parquet(" + glob("metrics") + ", hive_partitioning = 1)"
			runTable := "read_parquet(" + glob("runs") + ", hive_partitioning = 1)"
			lr, loss := "params['lr']", "metrics['train/loss']"
			if format == export.CSV {
				points = "read_csv_auto(" + glob("metrics") + ", hive_partitioning = 1)"
				runTable = "read_csv_auto(" + glob("runs") + ", hive_partitioning = 1)"
				lr, loss = "params->>'lr'", "(metrics->>'train/loss')::DOUBLE"
			}
			one := func(query string, into ...any) {
				t.Helper()
				require.NoError(t, duck.QueryRowContext(ctx, query).Scan(into...), query)
			}
			var n, parts, ids int
			var sum float64
			one("SELECT count(*), sum(value), count(DISTINCT experiment), count(DISTINCT run_id) FROM "+points+" WHERE metric = 'train/loss'", &n, &sum, &parts, &ids)
			require.Equal(t, []int{count, 2, runs}, []int{n, parts, ids})
			require.InDelta(t, want, sum, 0)

			var nan, pos, neg, zero int
			one("SELECT count(*) FILTER (isnan(value)), count(*) FILTER (value = 'inf'::DOUBLE), count(*) FILTER (value = '-inf'::DOUBLE),"+
				" count(*) FILTER (value = 0 AND signbit(value)) FROM "+points+" WHERE metric = 'odd'", &nan, &pos, &neg, &zero)
			require.Equal(t, []int{steps / 5, steps / 5, steps / 5, steps / 5}, []int{nan, pos, neg, zero})

			var step, at, value string
			one("SELECT typeof(step), typeof(timestamp), typeof(value) FROM "+points+" LIMIT 1", &step, &at, &value)
			require.Equal(t, []string{"BIGINT", "TIMESTAMP WITH TIME ZONE", "DOUBLE"}, []string{step, at, value})

			var names, lrs, took int
			one("SELECT count(*) FILTER (name = E'line\\nbreak, \"quoted\" Größe'), count(DISTINCT "+lr+"), count(duration_ms) FROM "+runTable, &names, &lrs, &took)
			require.Equal(t, []int{runs, runs, runs}, []int{names, lrs, took})
			var agree int
			one("SELECT count(*) FROM "+runTable+" r JOIN "+points+" p ON r.run_id = p.run_id AND p.metric = 'train/loss' AND p.step = 2999 AND p.value = "+loss, &agree)
			require.Equal(t, runs, agree)
			var series int
			one("SELECT count(*) FROM "+glob("series")+" WHERE metric = 'odd' AND nan_count = 600", &series)
			require.Equal(t, 1, series)
		})
	}
}
