package runstone

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/internal/record"
)

// TestExtremeSteps: windows and steps at the ends of what an int64 holds.
func TestExtremeSteps(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	run, err := db.StartRun(ctx, "steps", &RunOptions{Name: "wide"})
	require.NoError(t, err)
	for i, step := range []int64{math.MinInt64, -1 << 62, 0, 1 << 62, math.MaxInt64} {
		require.NoError(t, run.Log(ctx, step, Metrics{"a": float64(i)}))
	}
	for query, found := range map[string]bool{
		"count(metrics.a) OVER LAST 90% = 4":                                       true,
		"count(metrics.a) OVER LAST 30% = 2":                                       true,
		"count(metrics.a) OVER LAST 100% = 5":                                      true,
		"count(metrics.a) OVER LAST 1e-300% = 1":                                   true,
		"count(metrics.a) OVER LAST 9007199254740992 STEPS = 1":                    true,
		"count(metrics.a) OVER FIRST 9007199254740992 STEPS = 1":                   true,
		"count(metrics.a) OVER STEPS -9223372036854775808.. = 5":                   true,
		"count(metrics.a) OVER STEPS ..-9223372036854775808 = 1":                   true,
		"count(metrics.a) OVER STEPS 9223372036854775807.. = 1":                    true,
		"count(metrics.a) OVER LAST 142000d = 5":                                   true,
		"at(metrics.a, -9223372036854775808) = 0":                                  true,
		"at(metrics.a, 9223372036854775807) = 4":                                   true,
		"at(metrics.a, 5) IS NULL":                                                 true,
		"EVER(metrics.a >= 0 FOR 9223372036854775807 STEPS)":                       true,
		"EVER(metrics.a >= 3 FOR 9223372036854775807 STEPS)":                       false,
		"plateau(metrics.a, patience=9223372036854775807)":                         true,
		"plateau(metrics.a, patience=1)":                                           true,
		"slope(metrics.a) > 0":                                                     true,
		"argmax(metrics.a) = 9223372036854775807":                                  true,
		"argmax(metrics.a) > 9223372036854775806":                                  true,
		"start_time > date('9999-12-31') OR start_time < date('0000-01-01')":       false,
		"start_time < 8e3PB AND start_time > -9223372036854775808":                 true,
		"start_time > ago('142000d') AND start_time < 9223372036854775807 - 1e300": false,
	} {
		names := search(t, db, query, nil)
		require.Equal(t, found, len(names) == 1, query)
	}
}

func TestStepBack(t *testing.T) {
	for _, tt := range []struct {
		from int64
		n    float64
		want int64
	}{
		{10, 3, 7}, {-10, 3, -13}, {math.MinInt64, 0, math.MinInt64}, {math.MinInt64, 1, math.MinInt64}, {math.MaxInt64, 1 << 63, -1},
		{math.MaxInt64, 1.5 * (1 << 63), -1 - 1<<62}, {math.MaxInt64, 1 << 64, math.MinInt64}, {math.MaxInt64, math.Inf(1), math.MinInt64},
		{0, 1 << 63, math.MinInt64}, {0, 1 << 62, -1 << 62},
	} {
		require.Equal(t, tt.want, stepBack(tt.from, tt.n), "%d - %g", tt.from, tt.n)
	}
}

// searchable fills a database with runs of all kinds, of which some are folded.
func searchable(t testing.TB, db *DB, runs int) {
	t.Helper()
	parent := ""
	for i := range runs {
		info := newRun(t, db, fmt.Sprint("exp", i%3), fmt.Sprintf("run%04d", i))
		b := Batch{
			Params: []KV{{Key: "k", Value: fmt.Sprint(i % 7)}, {Key: "text", Value: strings.Repeat("x", i%50)}},
			Tags:   []KV{{Key: "t", Value: fmt.Sprint(i % 5)}},
		}
		if i%4 == 3 {
			b.Tags = append(b.Tags, KV{Key: TagParent, Value: parent})
		} else {
			parent = info.ID
		}
		for step := range int64(5) {
			b.Metrics = append(b.Metrics, Metric{Name: "a", Step: step, Value: float64((i*7 + int(step)) % 100)})
		}
		require.NoError(t, db.LogBatch(ctx, info.ID, b))
	}
}

var attacks = []string{
	"", "metrics.a > 50", "params.k = '3' AND NOT tags.t = '1'", "params.text LIKE '%xx_x'", "parent.params.k = '2'", "ANY child(metrics.a < 50)",
	"slope(metrics.a) > 0.5", "EVER(metrics.a > 90) OVER LAST 3 STEPS", "run_name ~ '7$'", "duration >= 0", "ORDER BY max(metrics.a) DESC, params.k",
	"experiment_name = 'exp1' AND min(metrics.a) < argmax(metrics.a)", "dataset.name IS NULL", "model.name IS NULL AND params.k < 3",
	"USED dataset('none') OR status = 'RUNNING'",
}

var groupAttacks = []string{
	"GROUP BY params.k SELECT params.k, count(), mean(metrics.a) ORDER BY 3", "GROUP BY run_id SELECT median(slope(metrics.a)) LIMIT 2 PER GROUP",
	"GROUP BY parent_id SELECT count() HAVING count() > 1",
}

// TestBounds: a search that may take no time or no bytes ends with a page of what
// it has, whatever it is of.
func TestBounds(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	searchable(t, db, 40)
	searches := map[string]func(text string, opt *SearchOptions) (bool, error){
		"runs": func(text string, opt *SearchOptions) (bool, error) {
			p, err := db.SearchRuns(ctx, text, opt)
			return p != nil, err
		},
		"experiments": func(_ string, opt *SearchOptions) (bool, error) {
			p, err := db.SearchExperiments(ctx, "name LIKE 'e%'", opt)
			return p != nil, err
		},
		"models": func(_ string, opt *SearchOptions) (bool, error) {
			p, err := db.SearchModels(ctx, "", opt)
			return p != nil, err
		},
		"versions": func(_ string, opt *SearchOptions) (bool, error) {
			p, err := db.SearchVersions(ctx, "", opt)
			return p != nil, err
		},
		"datasets": func(_ string, opt *SearchOptions) (bool, error) {
			p, err := db.SearchDatasets(ctx, "", opt)
			return p != nil, err
		},
		"logged models": func(_ string, opt *SearchOptions) (bool, error) {
			p, err := db.SearchLoggedModels(ctx, "metrics.a > 1", &LoggedModelSearch{SearchOptions: *opt})
			return p != nil, err
		},
	}
	for range 2 {
		for name, find := range searches {
			for _, text := range slices.Concat(attacks, groupAttacks) {
				page, err := find(text, &SearchOptions{Time: 1})
				var partial *PartialError
				require.ErrorAs(t, err, &partial, "%s %s", name, text)
				require.Equal(t, "time", partial.Limit)
				require.True(t, page)
				_, err = find(text, &SearchOptions{Time: time.Hour, Bytes: 1 << 40})
				require.NoError(t, err)
				if name != "runs" {
					break
				}
			}
		}
		late, cancel := context.WithTimeout(ctx, 0)
		_, err := db.SearchRuns(late, "", &SearchOptions{Time: time.Hour})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = db.SearchExperiments(late, "", &SearchOptions{Time: time.Hour})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		require.NoError(t, db.Fold(ctx))
	}
}

// TestForgedIndex: whatever the rows of the run index hold, searches give what the
// records say, or an error that says they are damaged, and the next fold mends. A
// row that was changed is noticed by its checksum; one that was forged with a new
// one may lie, but not break anything.
func TestForgedIndex(t *testing.T) {
	dir := t.TempDir()
	opt := func() *Options {
		o := small()
		return o
	}
	db, err := Open(dir, opt())
	require.NoError(t, err)
	searchable(t, db, 300)
	require.NoError(t, db.Fold(ctx))
	newRun(t, db, "exp0", "late")
	want := answers(t, db)
	require.NoError(t, db.Close())

	r := rand.New(rand.NewPCG(1, 2))
	for round := range campaign(6, 300) {
		forged := round%3 == 2
		what := damageIndex(t, dir, r, forged)
		db, err := Open(dir, opt())
		require.NoError(t, err, what)
		if !forged {
			require.Equal(t, want, answers(t, db), what)
		} else {
			for _, text := range attacks {
				_, err := db.SearchRuns(ctx, text, nil)
				if err != nil {
					require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotFound), "%s: %s: %v", what, text, err)
				}
			}
		}
		_, err = db.Verify(ctx, nil, func(Problem) {})
		require.NoError(t, err, what)
		require.NoError(t, db.Fold(ctx), what)
		if !forged {
			require.Equal(t, want, answers(t, db), what)
		}
		require.NoError(t, db.Reindex(ctx, nil), what)
		require.Equal(t, want, answers(t, db), what)
		report, err := db.Verify(ctx, nil, func(p Problem) { t.Log(p) })
		require.NoError(t, err)
		require.Zero(t, report.Problems, what)
		require.NoError(t, db.Close())
	}
}

// answers are the names that each attack finds.
func answers(t testing.TB, db *DB) map[string][]string {
	out := map[string][]string{}
	for _, text := range attacks {
		out[text] = search(t, db, text, nil)
	}
	return out
}

// damageIndex changes a row or a few of the run index behind the database's back.
func damageIndex(t testing.TB, dir string, r *rand.Rand, forged bool) string {
	b, err := badger.Open(badger.DefaultOptions(filepath.Join(dir, "kv")).WithLogger(nil).WithCompression(options.None).
		WithMemTableSize(2 << 20).WithValueThreshold(128<<10 + 1).WithValueLogFileSize(1 << 20))
	require.NoError(t, err)
	var what strings.Builder
	require.NoError(t, b.Update(func(tx *badger.Txn) error {
		var keys [][]byte
		it := tx.NewIterator(badger.DefaultIteratorOptions)
		for _, table := range index.Tables() {
			if table.Byte == 'x' { // no part of it
				continue
			}
			for it.Seek([]byte{table.Byte}); it.ValidForPrefix([]byte{table.Byte}); it.Next() {
				keys = append(keys, it.Item().KeyCopy(nil))
			}
		}
		it.Close()
		for range 1 + r.IntN(3) {
			key := keys[r.IntN(len(keys))]
			item, err := tx.Get(key)
			require.NoError(t, err)
			value, err := item.ValueCopy(nil)
			require.NoError(t, err)
			from := 0
			if forged {
				from = record.HeaderSize
			}
			if from == len(value) {
				continue
			}
			for range 1 + r.IntN(4) {
				value[from+r.IntN(len(value)-from)] ^= byte(1 + r.IntN(255))
			}
			if forged {
				value = record.Seal(nil, key, value[0], value[from:])
			}
			fmt.Fprintf(&what, "%x ", key)
			if err := tx.Set(key, value); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, b.Close())
	return what.String()
}

// TestManyMetrics: a query of more metrics and functions than are held at a time is
// right, over records and over the index.
func TestManyMetrics(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	for i := range 5 {
		info := newRun(t, db, "many", fmt.Sprint(i))
		b := Batch{}
		for k := range 300 {
			for step := range int64(2) {
				b.Metrics = append(b.Metrics, Metric{Name: fmt.Sprint("m", k), Step: step, Value: float64(k + i + int(step))})
			}
		}
		require.NoError(t, db.LogBatch(ctx, info.ID, b))
	}
	var text strings.Builder
	for range 2 {
		for k := range 220 {
			fmt.Fprintf(&text, "min(metrics.m%d) >= %d max(metrics.m%d) <= %d slope(metrics.m%d) = 1 ", k, k+2, k, k+4, k%200)
		}
	}
	for range 2 {
		require.Equal(t, []string{"3", "2"}, search(t, db, text.String(), nil))
		require.NoError(t, db.Fold(ctx))
	}
}
