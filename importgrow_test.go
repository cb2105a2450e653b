package runstone

import (
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/lineage"
)

// growing is a run that goes on in another store, as it is after some steps, and its
// points.
func growing(steps int) (*ImportedRun, iter.Seq2[[]SeriesColumns, error]) {
	r := importedRun()
	r.Status, r.End, r.Inputs, r.Models = Running, 0, nil, RunModels{}
	return r, func(yield func([]SeriesColumns, error) bool) {
		for _, metric := range []string{"acc", "loss"} { // one after the other, as folders of files have them
			c := SeriesColumns{SeriesName: SeriesName{Metric: metric}}
			for i := range steps {
				c.Steps, c.Times, c.Values = append(c.Steps, int64(i)), append(c.Times, int64(10*i)), append(c.Values, float64(i)/8)
			}
			if !yield([]SeriesColumns{c}, nil) {
				return
			}
		}
	}
}

// grown is the run at its end.
func grown(steps int) (*ImportedRun, iter.Seq2[[]SeriesColumns, error]) {
	r, points := growing(steps)
	end := importedRun()
	r.Status, r.End, r.Inputs, r.Models = Finished, 900, end.Inputs, end.Models
	r.Params = append(r.Params, KV{Key: "seed", Value: "7"})
	r.Tags = append(r.Tags, KV{Key: "zz", Value: "late"})
	return r, points
}

func openGrowing(t *testing.T) *DB {
	t.Helper()
	db := openDB(t, t.TempDir(), small())
	_, err := db.ImportExperiment(ctx, importedExperiment())
	require.NoError(t, err)
	_, err = db.ImportRun(ctx, first(growing(40)), second(growing(40)))
	require.NoError(t, err)
	return db
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

// TestImportOfRunThatWentOn: a run that had not ended gets what came since, and is
// then as if it had been imported at its end.
func TestImportOfRunThatWentOn(t *testing.T) {
	whole := openDB(t, t.TempDir(), small())
	_, err := whole.ImportExperiment(ctx, importedExperiment())
	require.NoError(t, err)
	r, points := grown(100)
	want, err := whole.ImportRun(ctx, r, points)
	require.NoError(t, err)

	db := openGrowing(t)
	require.NoError(t, db.Fold(ctx))
	r, points = growing(40)
	out, err := db.ImportRun(ctx, r, points)
	require.NoError(t, err)
	require.False(t, out.Added || out.Grown, "nothing came")
	r, points = growing(70)
	out, err = db.ImportRun(ctx, r, points)
	require.NoError(t, err)
	require.Equal(t, RunImport{Grown: true, Points: 140, New: 60, Sum: out.Sum}, out)
	require.NoError(t, db.Fold(ctx))
	r, points = grown(100)
	out, err = db.ImportRun(ctx, r, points)
	require.NoError(t, err)
	require.Equal(t, RunImport{Grown: true, Points: 200, New: 60, Sum: want.Sum}, out)
	require.Equal(t, []string{"r"}, search(t, db, "params.seed = '7' AND tags.zz = 'late' AND status = 'FINISHED' AND metrics.acc > 12 AND dataset.name = 'iris'", nil))

	atOnce, err := whole.Run(ctx, r.ID)
	require.NoError(t, err)
	went, err := db.Run(ctx, r.ID)
	require.NoError(t, err)
	require.Equal(t, atOnce, went)
	out, err = db.ImportRun(ctx, r, points)
	require.NoError(t, err)
	require.False(t, out.Added || out.Grown)
	require.Zero(t, out.New)
	_, err = db.Verify(ctx, nil, func(p Problem) { require.Fail(t, "a problem", "%v", p) })
	require.NoError(t, err)
}

// TestImportOfRunThatWentOnBreaks: what a broken import left is still the beginning
// of the run.
func TestImportOfRunThatWentOnBreaks(t *testing.T) {
	db := openGrowing(t)
	r, points := grown(2 * flushPoints)
	calls := 0
	_, err := db.ImportRun(ctx, r, func(yield func([]SeriesColumns, error) bool) {
		calls++
		for set, err := range points {
			if !yield(set, err) {
				return
			}
			if calls == 2 { // the one that writes
				yield(nil, errSource)
				return
			}
		}
	})
	require.ErrorIs(t, err, errSource)
	info, err := db.RunInfo(ctx, r.ID)
	require.NoError(t, err)
	require.Equal(t, Running, info.Status)
	out, err := db.ImportRun(ctx, r, points)
	require.NoError(t, err)
	require.True(t, out.Grown)
	metrics, err := db.Metrics(ctx, r.ID)
	require.NoError(t, err)
	for _, m := range metrics {
		require.EqualValues(t, 2*flushPoints, m.Count, m.Metric)
	}
}

// TestImportOfRunThatWasChanged: what was changed on either side is a conflict, and
// nothing is written.
func TestImportOfRunThatWasChanged(t *testing.T) {
	const id = "aaaabbbbccccddddaaaabbbbccccdddd"
	for name, change := range map[string]func(t *testing.T, db *DB, r *ImportedRun){
		"a point here": func(t *testing.T, db *DB, _ *ImportedRun) {
			require.NoError(t, db.LogBatch(ctx, id, Batch{Metrics: []Metric{{Name: "acc", Value: 3, Step: 40, Time: 1}}}))
		},
		"a tag here": func(t *testing.T, db *DB, _ *ImportedRun) {
			require.NoError(t, db.SetTags(ctx, id, KV{Key: "seen", Value: "by me"}))
		},
		"a tag there":     func(_ *testing.T, _ *DB, r *ImportedRun) { r.Tags[0].Value = "new" },
		"a param missing": func(_ *testing.T, _ *DB, r *ImportedRun) { r.Params = r.Params[1:] },
		"ended here": func(t *testing.T, db *DB, _ *ImportedRun) {
			_, err := db.UpdateRun(ctx, id, RunUpdate{Status: Finished, End: 5})
			require.NoError(t, err)
		},
		"a dataset here": func(t *testing.T, db *DB, _ *ImportedRun) {
			require.NoError(t, db.LogInputs(ctx, id, []lineage.Input{{Dataset: lineage.Dataset{Name: "x", Digest: "y", SourceType: "local", Source: "z"}}}, nil))
		},
		"deleted there": func(_ *testing.T, _ *DB, r *ImportedRun) { r.Deleted = true },
	} {
		t.Run(name, func(t *testing.T) {
			db := openGrowing(t)
			r, points := grown(100)
			change(t, db, r)
			before, err := digest(db)
			require.NoError(t, err)
			_, err = db.ImportRun(ctx, r, points)
			require.ErrorIs(t, err, ErrConflict)
			after, err := digest(db)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
	t.Run("points there", func(t *testing.T) {
		db := openGrowing(t)
		r, points := grown(100)
		_, err := db.ImportRun(ctx, r, func(yield func([]SeriesColumns, error) bool) {
			for set, err := range points {
				set[0].Values = slices.Clone(set[0].Values)
				set[0].Values[3]++
				if !yield(set, err) {
					return
				}
			}
		})
		require.ErrorIs(t, err, ErrConflict)
		require.ErrorContains(t, err, "points of its metrics differ")
	})
}
