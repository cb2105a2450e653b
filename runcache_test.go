package runstone

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// textOf is a text that tells whether two runs are the same, NaN included.
func textOf(r *RunData) string { return fmt.Sprintf("%+v", *r) }

// spoil changes whatever of a run can be changed.
func spoil(r *RunData) {
	r.Name, r.Deleted = "spoilt", !r.Deleted
	clear(r.Params)
	r.Tags["spoilt"] = "yes"
	for i := range r.Metrics {
		r.Metrics[i].Metric, r.Metrics[i].Latest.Value = "spoilt", -1
	}
	for i := range r.Inputs {
		r.Inputs[i].Dataset.Name = "spoilt"
		for k := range r.Inputs[i].Tags {
			r.Inputs[i].Tags[k].Value = "spoilt"
		}
	}
	for i := range r.Models.Inputs {
		r.Models.Inputs[i] = "spoilt"
	}
	for i := range r.Models.Outputs {
		r.Models.Outputs[i].ModelID = "spoilt"
	}
}

// kept reports whether a search that begins now takes a run from the cache.
func kept(t *testing.T, db *DB, id string) (yes bool) {
	t.Helper()
	require.NoError(t, db.View(ctx, func(tx *store.Tx) error {
		run, err := runOrd(tx, id)
		require.NoError(t, err)
		src, err := db.runSource(ctx, db.store, tx, &SearchOptions{})
		require.NoError(t, err)
		yes = db.pages.get(src.snap, run) != nil
		return nil
	}))
	return yes
}

// TestPagesKept: a page that is asked for again comes from memory, and every
// change of a run shows, before and after the fold that follows it.
func TestPagesKept(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	db.keeper.stop() // folds are made here
	db.keeper.done.Wait()
	exp, err := db.CreateExperiment(ctx, "exp", nil)
	require.NoError(t, err)
	ids := make([]string, 6)
	for i := range ids {
		info, err := db.CreateRun(ctx, NewRun{ExperimentID: exp, Name: fmt.Sprint("run ", i), Start: int64(i + 1)})
		require.NoError(t, err)
		ids[i] = info.ID
		require.NoError(t, db.LogBatch(ctx, info.ID, Batch{
			Params:  []KV{{Key: "lr", Value: "0.1"}},
			Metrics: []Metric{{Name: "loss", Value: float64(i), Time: 1}},
		}))
	}
	check := func() {
		t.Helper()
		for range 2 {
			page, err := db.SearchRuns(ctx, "", &SearchOptions{View: All})
			require.NoError(t, err)
			for _, got := range page.Items {
				want, err := db.Run(ctx, got.ID)
				require.NoError(t, err)
				require.Equal(t, textOf(want), textOf(got))
				spoil(got)
			}
		}
	}
	id := ids[2]
	check()
	require.False(t, kept(t, db, id), "the index has it not")
	input := lineage.Input{
		Dataset: lineage.Dataset{Name: "d", Digest: "1", SourceType: "local", Source: "x", Schema: "{}"},
		Tags:    []lineage.Tag{{Key: "mlflow.data.context", Value: "train"}},
	}
	steps := []struct {
		name   string
		change func() error
	}{
		{"nothing", func() error { return db.SetTags(ctx, id) }},
		{"tag", func() error { return db.SetTags(ctx, id, KV{Key: "a", Value: "b"}) }},
		{"no tag", func() error { return db.DeleteTag(ctx, id, "a") }},
		{"param", func() error { return db.LogParam(ctx, id, "late", "1") }},
		{"point", func() error { return db.LogBatch(ctx, id, Batch{Metrics: []Metric{{Name: "loss", Value: 7, Step: 1}}}) }},
		{"point of a dataset", func() error {
			return db.LogBatch(ctx, id, Batch{Metrics: []Metric{{Name: "acc", Value: 7, Step: 1, Dataset: "d", DatasetDigest: "1"}}})
		}},
		{"curve", func() error {
			run, err := db.ResumeRun(ctx, id)
			require.NoError(t, err)
			require.NoError(t, run.Log(ctx, 3, Metrics{"loss": 1}))
			check()
			require.NoError(t, db.Fold(ctx)) // which leaves it alone
			require.NoError(t, run.Log(ctx, 4, Metrics{"loss": 2}))
			check()
			return run.End(ctx, Finished)
		}},
		{"input", func() error { return db.LogInputs(ctx, id, []lineage.Input{input}, nil) }},
		{"model read", func() error { return db.LogInputs(ctx, id, nil, []string{"m-1"}) }},
		{"model made", func() error { return db.LogOutputs(ctx, id, []lineage.Output{{ModelID: "m-2", Step: 1}}) }},
		{"model made later", func() error { return db.LogOutputs(ctx, id, []lineage.Output{{ModelID: "m-2", Step: 2}}) }},
		{"model history", func() error { return db.LogModelHistory(ctx, id, `{"a": 1}`) }},
		{"name", func() error { _, err := db.UpdateRun(ctx, id, RunUpdate{Name: "new"}); return err }},
		{"delete", func() error { return db.DeleteRun(ctx, id) }},
		{"restore", func() error { return db.RestoreRun(ctx, id) }},
		{"name of the experiment", func() error { return db.RenameExperiment(ctx, exp, "other") }},
		{"delete the experiment", func() error { return db.DeleteExperiment(ctx, exp) }},
		{"restore the experiment", func() error { return db.RestoreExperiment(ctx, exp) }},
		{"reindex", func() error { return db.Reindex(ctx, nil) }},
		{"lost index", func() error {
			require.NoError(t, db.Update(ctx, func(tx *store.Tx) error { return tx.SaveBytes([]byte{'X'}, 1, []byte("no state")) }))
			check()
			require.False(t, kept(t, db, id))
			return db.SetTags(ctx, id, KV{Key: "unmarked", Value: "yes"})
		}},
		{"purge", func() error {
			require.NoError(t, db.DeleteRun(ctx, ids[4]))
			_, err := db.Purge(ctx, nil)
			return err
		}},
	}
	for _, s := range steps {
		require.NoError(t, db.Fold(ctx), s.name)
		check()
		require.True(t, kept(t, db, id), s.name)
		require.NoError(t, s.change(), s.name)
		check()
		require.NoError(t, db.Fold(ctx), s.name)
		check()
		require.True(t, kept(t, db, id), s.name)
	}
	require.NoError(t, db.Close())
	db = openDB(t, db.Dir(), &Options{ReadOnly: true})
	check()
	require.True(t, kept(t, db, id))
}

// TestPagesBounded: what is kept stays within its bytes, and 1 keeps nothing.
func TestPagesBounded(t *testing.T) {
	for _, limit := range []int64{1, 64 << 10} {
		opt := small()
		opt.SearchCache = limit
		db := openDB(t, t.TempDir(), opt)
		ids := []string{}
		for i := range 20 {
			info, err := db.CreateRun(ctx, NewRun{Experiment: "exp", Start: int64(i + 1), Tags: []KV{{Key: "long", Value: strings.Repeat("x", 2000)}}})
			require.NoError(t, err)
			ids = append(ids, info.ID)
		}
		require.NoError(t, db.Fold(ctx))
		require.Len(t, search(t, db, "", nil), 20)
		_, err := db.SearchRuns(ctx, "", nil)
		require.NoError(t, err)
		n := 0
		for _, id := range ids {
			if kept(t, db, id) {
				n++
			}
		}
		require.Equal(t, limit > 1, n > 0)
		require.LessOrEqual(t, n*2000, int(limit/3))
	}
}

// TestPagesKeptTogether: beside folds and searches of others, who changed a run
// finds it changed.
func TestPagesKeptTogether(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	ids := make([]string, 8)
	for i := range ids {
		info, err := db.CreateRun(ctx, NewRun{Experiment: "exp", Start: int64(i + 1)})
		require.NoError(t, err)
		ids[i] = info.ID
	}
	var writers, others sync.WaitGroup
	stop := make(chan struct{})
	until := func(fn func()) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					fn()
				}
			}
		})
	}
	until(func() { _ = db.Fold(ctx) })
	until(func() { _, _ = db.SearchRuns(ctx, "", nil) })
	for _, id := range ids[:4] {
		writers.Go(func() {
			for i := range 40 {
				value := fmt.Sprint(i)
				if !noError(t, db.SetTags(ctx, id, KV{Key: "i", Value: value})) ||
					!noError(t, db.LogBatch(ctx, id, Batch{Metrics: []Metric{{Name: "loss", Value: float64(i), Step: int64(i)}}})) {
					return
				}
				page, err := db.SearchRuns(ctx, "", nil)
				if !noError(t, err) {
					return
				}
				for _, r := range page.Items {
					if loss, _ := r.Metric("loss"); r.ID == id && (r.Tags["i"] != value || loss != float64(i)) {
						t.Errorf("run %s has tag %s and loss %v after change %d", id, r.Tags["i"], loss, i)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	others.Wait()
}

func noError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
