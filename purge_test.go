package runstone

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/artifact"
)

// deletedRunWith makes a deleted run with some of everything.
func deletedRunWith(t *testing.T, db *DB, points int) *Run {
	t.Helper()
	run, err := db.StartRun(ctx, "old", &RunOptions{Params: map[string]string{"lr": "1"}})
	require.NoError(t, err)
	c := Columns{Names: []string{"loss", "acc"}, Steps: make([]int64, points), Values: [][]float64{make([]float64, points), make([]float64, points)}}
	for i := range c.Steps {
		c.Steps[i], c.Values[0][i], c.Values[1][i] = int64(i), 1/float64(i+1), float64(i)
	}
	require.NoError(t, run.Append(ctx, c))
	require.NoError(t, run.LogArtifact(ctx, "notes/a.txt", strings.NewReader("twelve bytes")))
	require.NoError(t, run.End(ctx, Finished))
	require.NoError(t, db.DeleteRun(ctx, run.ID()))
	return run
}

func TestPurge(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UnixMilli()
	open := func() *DB {
		db, err := Open(dir, small())
		require.NoError(t, err)
		db.now = func() int64 { return now }
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db
	}
	db := open()
	old := deletedRunWith(t, db, 1000)
	now += time.Hour.Milliseconds()
	young := deletedRunWith(t, db, 10)
	alive, err := db.StartRun(ctx, "old", nil)
	require.NoError(t, err)
	require.NoError(t, alive.Log(ctx, 1, Metrics{"loss": 1}))

	_, err = db.Purge(ctx, &PurgeOptions{Runs: []string{old.ID(), alive.ID()}})
	require.ErrorIs(t, err, ErrConflict)
	_, err = db.Purge(ctx, &PurgeOptions{Runs: []string{"none"}})
	require.ErrorIs(t, err, ErrNotFound)

	r, err := db.Purge(ctx, &PurgeOptions{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, &PurgeReport{Runs: []string{old.ID(), young.ID()}, Points: 2020, Artifacts: 2, ArtifactBytes: 24}, r)
	_, err = db.Run(ctx, old.ID())
	require.NoError(t, err, "a dry run removes nothing")

	r, err = db.Purge(ctx, &PurgeOptions{OlderThan: time.Minute})
	require.NoError(t, err)
	require.Equal(t, []string{old.ID()}, r.Runs)
	require.EqualValues(t, 2000, r.Points)
	gone := func(db *DB, run *Run) {
		t.Helper()
		_, err := db.Run(ctx, run.ID())
		require.ErrorIs(t, err, ErrNotFound)
		_, err = db.Metrics(ctx, run.ID())
		require.ErrorIs(t, err, ErrNotFound)
		for _, err := range db.Points(ctx, run.ID(), "loss") {
			require.ErrorIs(t, err, ErrNotFound)
		}
		require.ErrorIs(t, db.RestoreRun(ctx, run.ID()), ErrNotFound)
		require.ErrorIs(t, db.SetTags(ctx, run.ID(), KV{Key: "a", Value: "b"}), ErrNotFound)
		_, err = db.CreateRun(ctx, NewRun{ID: run.ID(), Experiment: "old"})
		require.ErrorIs(t, err, ErrExists, "its id is not used again")
		dir, err := run.info.artifactDir()
		require.NoError(t, err)
		p, err := artifact.ParsePath(dir)
		require.NoError(t, err)
		for range db.Artifacts().Walk(p) {
			t.Fatal("a file is left")
		}
	}
	gone(db, old)
	found := map[string]bool{}
	for r, err := range db.Search(ctx, "", &SearchOptions{View: All}) {
		require.NoError(t, err)
		found[r.ID] = true
	}
	require.Equal(t, map[string]bool{young.ID(): true, alive.ID(): true}, found)
	require.NoError(t, db.RestoreRun(ctx, young.ID()))

	require.NoError(t, db.Close())
	db = open()
	gone(db, old)
	data, err := db.Run(ctx, young.ID())
	require.NoError(t, err)
	require.Len(t, data.Metrics, 2)
	report, err := db.Verify(ctx, &VerifyOptions{Artifacts: true}, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Runs)
	require.EqualValues(t, 1, report.Artifacts)
	require.Zero(t, report.Problems)
}

// A run that is still being logged in this process stays until it is let go.
func TestPurgeLeavesWhatIsInUse(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	run, err := db.StartRun(ctx, "old", nil)
	require.NoError(t, err)
	require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 1}))
	require.NoError(t, db.DeleteRun(ctx, run.ID()))
	r, err := db.Purge(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, []string{run.ID()}, r.InUse)
	require.Empty(t, r.Runs)
	require.NoError(t, db.RestoreRun(ctx, run.ID()))
	require.NoError(t, run.End(ctx, Finished))
	require.NoError(t, db.DeleteRun(ctx, run.ID()))
	r, err = db.Purge(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, []string{run.ID()}, r.Runs)
}

// TestPurgeNamedTwice: an id that repeats is one run.
func TestPurgeNamedTwice(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	run := deletedRunWith(t, db, 10)
	for _, dry := range []bool{true, false} {
		r, err := db.Purge(ctx, &PurgeOptions{Runs: []string{run.ID(), run.ID()}, DryRun: dry})
		require.NoError(t, err)
		require.Equal(t, []string{run.ID()}, r.Runs)
		require.EqualValues(t, 20, r.Points)
		require.Equal(t, 1, r.Artifacts)
	}
	for f, err := range db.artifacts.Walk(artifact.Path{}) {
		require.NoError(t, err)
		require.NotContains(t, f.Path, run.ID(), "no empty folder of the run is left")
	}
}

// TestPurgeAndRestore: a run that is restored in time keeps everything, and one
// that is being purged cannot be restored.
func TestPurgeAndRestore(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	kept, gone := deletedRunWith(t, db, 10), deletedRunWith(t, db, 10)
	found, err := db.purgeable(ctx, &PurgeOptions{})
	require.NoError(t, err)
	require.Len(t, found, 2)

	require.NoError(t, db.RestoreRun(ctx, kept.ID()))
	r := &PurgeReport{}
	require.NoError(t, db.purgeRun(ctx, &found[0], false, r))
	require.Equal(t, &PurgeReport{InUse: []string{kept.ID()}}, r)
	files, err := db.ListArtifacts(ctx, kept.ID(), "notes")
	require.NoError(t, err)
	require.Len(t, files, 1, "its files too")

	require.NoError(t, db.store.DropRun(ctx, found[1].ord, func() error {
		require.NoError(t, db.store.Update(ctx, Synced, found[1].claim))
		require.ErrorIs(t, db.RestoreRun(ctx, gone.ID()), ErrConflict)
		return nil
	}, found[1].drop))
	require.ErrorIs(t, db.RestoreRun(ctx, gone.ID()), ErrNotFound)
}

func TestPurgeWantsTheDatabaseForItself(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, small())
	require.NoError(t, err)
	defer db.Close()
	shared, err := Open(dir, small())
	require.NoError(t, err)
	defer shared.Close()
	_, err = shared.Purge(ctx, nil)
	require.ErrorIs(t, err, ErrLocked)
}

// childPurger makes runs, keeps every second one, and purges the others again
// and again, until it is killed: DIR. It prints the id of each run that stays.
func childPurger(args []string) error {
	db, err := Open(args[0], small())
	if err != nil {
		return err
	}
	c := Columns{Names: []string{"a", "b"}, Steps: make([]int64, purgerPoints), Values: [][]float64{make([]float64, purgerPoints), make([]float64, purgerPoints)}}
	for n := 0; ; n++ {
		for i := range c.Steps {
			c.Steps[i] = int64(i)
			c.Values[0][i], c.Values[1][i] = math.Sqrt(float64(n*i)), float64(i*i%1009)
		}
		run, err := db.StartRun(ctx, "purge", nil)
		if err == nil {
			err = run.Append(ctx, c)
		}
		if err == nil {
			err = run.End(ctx, Finished)
		}
		if err == nil && n%2 == 0 {
			err = db.DeleteRun(ctx, run.ID())
		}
		if err == nil && n%6 == 5 {
			_, err = db.Purge(ctx, nil)
		}
		if err != nil {
			return err
		}
		if n%2 == 1 {
			fmt.Println(run.ID())
		}
	}
}

const purgerPoints = 1500

// TestTortureKillWhilePurging kills a process that purges: what was not purged
// is whole, and nothing is left of what was.
func TestTortureKillWhilePurging(t *testing.T) {
	dir := t.TempDir()
	cycles := 12
	if torture() {
		cycles = 300
	}
	var kept []string
	rng := rand.New(rand.NewPCG(5, 6))
	for range cycles {
		cmd := child(t, "purger", dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(20+rng.IntN(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			kept = append(kept, lines.Text())
		}
		require.Error(t, cmd.Wait())
		timer.Stop()
		db := openDB(t, dir, small())
		for _, id := range kept {
			m, err := db.Metrics(ctx, id)
			require.NoError(t, err)
			require.Len(t, m, 2)
			require.EqualValues(t, purgerPoints, m[0].Count)
		}
		if rng.IntN(2) == 0 {
			_, err = db.Purge(ctx, nil)
			require.NoError(t, err)
		}
		r, err := db.Verify(ctx, nil, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
		require.NoError(t, err)
		require.Zero(t, r.Problems)
		require.NoError(t, db.Close())
	}
	require.Greater(t, len(kept), cycles)
	db := openDB(t, dir, small())
	_, err := db.Purge(ctx, nil)
	require.NoError(t, err)
	sp, err := db.Space(ctx, nil)
	require.NoError(t, err)
	runs, err := db.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, runs.Points, sp.Points, "no point of a purged run is left")
	t.Logf("%d kills, %d runs kept, %d points", cycles, len(kept), sp.Points)
}

// TestPurgeGoesOnAfterACrash: a run whose artifacts may be gone does not come
// back, and the next purge goes on with it.
func TestPurgeGoesOnAfterACrash(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	require.NoError(t, err)
	defer db.Close()
	run := deletedRunWith(t, db, 10)
	found, err := db.purgeable(ctx, &PurgeOptions{})
	require.NoError(t, err)
	require.NoError(t, db.RestoreRun(ctx, run.ID()))
	require.ErrorIs(t, db.store.Update(ctx, Synced, found[0].claim), ErrConflict, "it was restored first")
	require.NoError(t, db.DeleteRun(ctx, run.ID()))

	require.NoError(t, db.store.Update(ctx, Synced, found[0].claim)) // and then a crash
	require.ErrorIs(t, db.RestoreRun(ctx, run.ID()), ErrConflict)
	require.NoError(t, db.DeleteExperiment(ctx, run.Info().ExperimentID))
	require.NoError(t, db.RestoreExperiment(ctx, run.Info().ExperimentID))
	_, err = db.ResumeRun(ctx, run.ID())
	require.ErrorIs(t, err, ErrInvalid, "it is still deleted")
	r, err := db.Purge(ctx, &PurgeOptions{Runs: []string{run.ID(), run.ID()}})
	require.NoError(t, err)
	require.Equal(t, []string{run.ID()}, r.Runs)
	require.EqualValues(t, 1, r.Artifacts)
}
