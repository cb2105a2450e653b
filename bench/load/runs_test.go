package load

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

func TestRunsAreSpreadAsTheySay(t *testing.T) {
	w := Runs{Runs: 20_000}
	ids, losses := map[string]bool{}, map[float64]bool{}
	above, slow, both := 0, 0, 0
	perExperiment := make([]int, len(w.Experiments()))
	var last int64
	for i := range w.Runs {
		f := w.Run(i)
		require.Equal(t, f, w.Run(i))
		require.Len(t, f.ID, 32)
		require.Len(t, f.Params, 10)
		require.Len(t, f.Tags, 4)
		require.Greater(t, f.Start, last)
		require.Greater(t, f.End, f.Start)
		last = f.Start
		ids[f.ID], losses[f.Metrics[1].Value] = true, true
		perExperiment[f.Experiment]++
		var names []string
		for _, m := range f.Metrics {
			names = append(names, m.Name)
		}
		require.Equal(t, w.MetricNames(), names)
		auc, lr := f.Metrics[0].Value > 0.9, f.Params[0] == runstone.KV{Key: "lr", Value: "0.01"}
		for _, c := range []struct {
			n    *int
			hold bool
		}{{&above, auc}, {&slow, lr}, {&both, auc && lr}} {
			if c.hold {
				*c.n++
			}
		}
	}
	require.Len(t, ids, w.Runs)
	require.Len(t, losses, w.Runs)
	require.InDelta(t, 0.2, float64(above)/float64(w.Runs), 0.01)
	require.InDelta(t, 0.1, float64(slow)/float64(w.Runs), 0.01)
	require.InDelta(t, 0.02, float64(both)/float64(w.Runs), 0.005)
	for _, n := range perExperiment {
		require.InDelta(t, w.Runs/len(perExperiment), n, 200)
	}
}

func TestRunsWithManyNames(t *testing.T) {
	w := Runs{Runs: 3000, Names: 102}
	on := map[string]int{}
	for i := range w.Runs {
		f := w.Run(i)
		require.Len(t, f.Metrics, 20)
		names := map[string]bool{}
		for _, m := range f.Metrics {
			names[m.Name] = true
			on[m.Name]++
		}
		require.Len(t, names, 20)
	}
	require.Len(t, on, 102)
	require.Equal(t, 3000, on["auc"])
	require.Equal(t, 3000, on["loss"])
	for k := range 100 {
		require.InDelta(t, 540, on[OtherMetric(k)], 120)
	}
}

func TestRunsAreLoadedWhole(t *testing.T) {
	for name, w := range map[string]Runs{"eight": {Runs: 150}, "many": {Runs: 100, Names: 1000}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			db, err := runstone.Open(t.TempDir(), &runstone.Options{Exclusive: true})
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			experiments, err := w.Load(ctx, db)
			require.NoError(t, err)
			require.Len(t, experiments, len(w.Experiments()))
			for i := range w.Runs {
				f := w.Run(i)
				r, err := db.Run(ctx, f.ID)
				require.NoError(t, err)
				require.Equal(t, f.Name, r.Name)
				require.Equal(t, runstone.Finished, r.Status)
				require.Equal(t, []int64{f.Start, f.End}, []int64{r.Start, r.End})
				require.Equal(t, experiments[f.Experiment], r.ExperimentID)
				require.Equal(t, values(f.Params), r.Params)
				tags := values(f.Tags)
				tags[runstone.TagRunName] = f.Name
				require.Equal(t, tags, r.Tags)
				want, got := map[string]float64{}, map[string]float64{}
				for _, m := range f.Metrics {
					want[m.Name] = m.Value
				}
				for _, m := range r.Metrics {
					got[m.Metric] = m.Latest.Value
				}
				require.Equal(t, want, got)
			}
			n := 0
			for _, err := range db.Search(ctx, "", nil) {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, w.Runs, n)
			_, err = w.Load(ctx, db)
			require.ErrorIs(t, err, runstone.ErrExists)
		})
	}
}

func values(kvs []runstone.KV) map[string]string {
	m := map[string]string{}
	for _, kv := range kvs {
		m[kv.Key] = kv.Value
	}
	return m
}

func TestNamesOfRunsAreThoseOfARun(t *testing.T) {
	f := Runs{}.Run(7)
	require.ElementsMatch(t, Runs{}.ParamNames(), slices.Collect(maps.Keys(values(f.Params))))
	require.ElementsMatch(t, Runs{}.TagNames(), slices.Collect(maps.Keys(values(f.Tags))))
}
