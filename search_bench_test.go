package runstone

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// benchRuns makes runs of 10 params, 5 tags and 8 metrics of one point each.
func benchRuns(b *testing.B, db *DB, from, n int) {
	b.Helper()
	for start := from; start < from+n; start += 200 {
		end := min(start+200, from+n)
		require.NoError(b, db.store.Update(ctx, Appended, func(tx *store.Tx) error {
			for i := start; i < end; i++ {
				tags := []KV{{Key: "mlflow.source.name", Value: "train.py"}, {Key: "mlflow.user", Value: "ada"},
					{Key: "team", Value: fmt.Sprint("team ", i%7)}, {Key: "machine", Value: fmt.Sprint("host", i%50)}}
				o := &createRun{ID: fmt.Sprintf("%032x", i), Experiment: fmt.Sprint("exp ", i%4), Name: fmt.Sprint("run ", i),
					User: "ada", Status: uint8(Finished), Start: int64(i), Tags: tags, At: 1}
				if err := o.apply(tx); err != nil {
					return err
				}
			}
			return nil
		}))
		for i := start; i < end; i++ {
			var batch Batch
			for k := range 10 {
				batch.Params = append(batch.Params, KV{Key: fmt.Sprint("param", k), Value: fmt.Sprint(i * (k + 1) % 997)})
			}
			for k := range 8 {
				batch.Metrics = append(batch.Metrics, Metric{Name: fmt.Sprint("metric", k), Value: float64(i*(k+3)%1009) / 7, Step: 1, Time: int64(i)})
			}
			require.NoError(b, db.LogBatch(ctx, fmt.Sprintf("%032x", i), batch))
		}
	}
}

// scattered is an order that has nothing to do with that of the runs.
var scattered = SearchOptions{OrderBy: []string{"metrics.metric3 ASC"}, Limit: 100}

func least(b *testing.B, n int, fn func()) {
	best := time.Duration(1 << 62)
	for b.Loop() {
		start := time.Now()
		fn()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(best.Microseconds())/float64(n), "least-µs/run")
}

func BenchmarkRuns(b *testing.B) {
	const runs = 20_000
	dir := b.TempDir()
	opt := &Options{Durability: Appended, NoSystemInfo: true}
	db, err := Open(dir, opt)
	require.NoError(b, err)
	db.keeper.stop()
	start := time.Now()
	benchRuns(b, db, 0, runs)
	b.Logf("create: %v", time.Since(start))
	start = time.Now()
	require.NoError(b, db.store.Checkpoint(ctx))
	b.Logf("checkpoint: %v", time.Since(start))
	start = time.Now()
	require.NoError(b, db.Close())
	b.Logf("close with its fold: %v", time.Since(start))
	db = openDB(b, dir, opt)
	for _, n := range []int{10, 100, 1000} {
		opt := scattered
		opt.Limit = n
		b.Run(fmt.Sprint("ids/", n), func(b *testing.B) {
			b.ReportAllocs()
			least(b, n, func() {
				p, err := db.SearchRunIDs(ctx, "", &opt)
				require.NoError(b, err)
				require.Len(b, p.Items, n)
			})
		})
		b.Run(fmt.Sprint("page/", n), func(b *testing.B) {
			b.ReportAllocs()
			least(b, n, func() {
				p, err := db.SearchRuns(ctx, "", &opt)
				require.NoError(b, err)
				require.Len(b, p.Items, n)
			})
		})
	}
	b.Run("newest/100", func(b *testing.B) {
		b.ReportAllocs()
		least(b, 100, func() {
			p, err := db.SearchRuns(ctx, "", &SearchOptions{Limit: 100})
			require.NoError(b, err)
			require.Len(b, p.Items, 100)
		})
	})
	b.Run("reindex", func(b *testing.B) {
		b.ReportAllocs()
		least(b, runs, func() { require.NoError(b, db.Reindex(ctx, nil)) })
	})
	changed := func(name string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			least(b, 500, func() {
				p, err := db.SearchRunIDs(ctx, "metrics.metric1 > 1 and params.param2 = '4' and tags.team like 't%'", &SearchOptions{Limit: 10})
				require.NoError(b, err)
				require.NotNil(b, p)
			})
		})
	}
	db.keeper.stop()
	benchRuns(b, db, runs, 500)
	changed("new/500")
	require.NoError(b, db.Fold(ctx))
	for i := range 500 {
		id := fmt.Sprintf("%032x", i*40%runs+i%2)
		require.NoError(b, db.SetTags(ctx, id, KV{Key: "dirty", Value: "yes"}))
	}
	changed("dirty/500")
}
