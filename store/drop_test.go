package store

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func nothing() error { return nil }

// fill logs n points of one metric to a run.
func fill(t testing.TB, s *Store, run uint32, n int) {
	t.Helper()
	x, err := s.OpenSeries(ctx, run)
	require.NoError(t, err)
	defer x.Close()
	g, err := x.Groups(ctx, []SeriesName{{Metric: "a"}, {Metric: "b"}})
	require.NoError(t, err)
	steps, values := make([]int64, n), make([]float64, n)
	noise := uint64(run) + 1
	for i := range steps {
		noise = noise*6364136223846793005 + 1442695040888963407
		steps[i], values[i] = int64(i), float64(noise>>11)
	}
	require.NoError(t, g[0].Append(ctx, Appended, steps, steps, [][]float64{values, values}))
}

func points(t testing.TB, s *Store, run uint32) (n int) {
	t.Helper()
	for c, err := range s.Points(ctx, run, "a", AllPoints()) {
		require.NoError(t, err)
		n += len(c.Steps)
	}
	return n
}

func TestDropRunGivesItsSpaceBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for run := range uint32(20) {
		fill(t, s, run, 60_000)
	}
	require.NoError(t, s.Checkpoint(ctx))
	for run := range uint32(10) {
		require.NoError(t, s.DropRun(ctx, run, nothing, func(*Tx) error { return nil }))
		require.Zero(t, points(t, s, run))
	}
	require.NoError(t, s.Checkpoint(ctx))
	before, err := s.engine.Stats()
	require.NoError(t, err)
	got, err := s.Reclaim(ctx)
	require.NoError(t, err)
	after, err := s.engine.Stats()
	require.NoError(t, err)
	t.Logf("tables before and after, given back: %d, %d, %d", before.Tables, after.Tables, got)
	require.Less(t, after.Tables, before.Tables*65/100) // half of the points, and what of the rest was not in tables before
	require.Equal(t, before.Tables-after.Tables, got)
	got, err = s.Reclaim(ctx)
	require.NoError(t, err)
	require.Zero(t, got, "nothing is left to do")
	check := func() {
		for run := range uint32(20) {
			want := 0
			if run >= 10 {
				want = 60_000
			}
			require.Equal(t, want, points(t, s, run), "run %d", run)
		}
		r, err := s.Verify(ctx, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
		require.NoError(t, err)
		require.Zero(t, r.Problems)
	}
	check()
	require.NoError(t, s.Close())
	s = open(t, dir, nil)
	check()
}

// TestDropRunAtEveryMoment: points in the journal, in the memory, in tails and
// in blocks; a crash before and after the space is given back.
func TestDropRunAtEveryMoment(t *testing.T) {
	for name, between := range map[string]func(s *Store){
		"points in the journal": func(*Store) {},
		"points in the key space": func(s *Store) {
			require.NoError(t, s.Checkpoint(ctx))
		},
		"some in both": func(s *Store) {
			require.NoError(t, s.Checkpoint(ctx))
			fill(t, s, 1, 500)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, reclaim := range []bool{false, true} {
				dir := t.TempDir()
				opt := testOptions()
				opt.BlockPoints = 100
				s := open(t, dir, opt)
				fill(t, s, 1, 250)
				fill(t, s, 2, 250)
				between(s)
				save(t, s, 7, "of run 1")
				require.NoError(t, s.DropRun(ctx, 1, nothing, func(tx *Tx) error { return tx.Delete(rowKey(7)) }))
				if reclaim {
					_, err := s.Reclaim(ctx)
					require.NoError(t, err)
				}
				fill(t, s, 2, 50)
				s.kill(t)
				s = open(t, dir, opt)
				require.Zero(t, points(t, s, 1))
				require.Equal(t, 300, points(t, s, 2))
				require.Empty(t, texts(t, s, false))
				_, err := s.Reclaim(ctx)
				require.NoError(t, err)
				fill(t, s, 1, 30) // the store itself allows a new life
				require.Equal(t, 30, points(t, s, 1))
				r, err := s.Verify(ctx, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
				require.NoError(t, err)
				require.Zero(t, r.Problems)
				require.NoError(t, s.Close())
			}
		})
	}
}

func TestDropRunRefuses(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	fill(t, s, 1, 10)
	x, err := s.OpenSeries(ctx, 1)
	require.NoError(t, err)
	require.ErrorIs(t, s.DropRun(ctx, 1, nothing, func(*Tx) error { return nil }), ErrConflict)
	x.Close()
	wrong := errors.New("wrong")
	require.ErrorIs(t, s.DropRun(ctx, 1, func() error { return wrong }, nil), wrong)
	require.ErrorIs(t, s.DropRun(ctx, 1, nothing, func(*Tx) error { return wrong }), wrong)
	require.Equal(t, 10, points(t, s, 1), "a failed drop changes nothing")
	require.NoError(t, s.DropRun(ctx, 1, func() error {
		_, err := s.OpenSeries(ctx, 1)
		require.ErrorIs(t, err, ErrConflict)
		_, err = s.Summaries(ctx, 1)
		require.NoError(t, err, "a search over deleted runs goes on")
		return nil
	}, func(*Tx) error { return nil }))
	require.Zero(t, points(t, s, 1))
}

// TestDropRunCrashInsideCheckpoint: the checkpoint that takes a run's rows away
// stops half-way, with points of the run in the journal before them.
func TestDropRunCrashInsideCheckpoint(t *testing.T) {
	for _, reclaim := range []bool{false, true} {
		dir := t.TempDir()
		opt := testOptions()
		opt.BlockPoints = 100
		s := open(t, dir, opt)
		fill(t, s, 1, 250)
		fill(t, s, 2, 250)
		require.NoError(t, s.Checkpoint(ctx))
		fill(t, s, 1, 130)
		require.NoError(t, s.DropRun(ctx, 1, nothing, func(*Tx) error { return nil }))
		next, err := s.createJournal(s.number + 1)
		require.NoError(t, err)
		c, err := s.cut(next)
		require.NoError(t, err)
		require.NoError(t, s.sealer.wait(c.blocks))
		require.NoError(t, s.writeTails(c))
		require.NoError(t, s.writeRows(c))
		if reclaim {
			require.NoError(t, s.engine.Drop(groupPrefix('b', 1), groupPrefix('t', 1), groupPrefix('g', 1)))
		}
		ro := open(t, dir, &Options{ReadOnly: true, BlockPoints: 100})
		require.Zero(t, points(t, ro, 1))
		require.NoError(t, ro.Close())
		s.kill(t)
		s = open(t, dir, opt)
		require.Zero(t, points(t, s, 1))
		require.Equal(t, 250, points(t, s, 2))
		_, err = s.Reclaim(ctx)
		require.NoError(t, err)
		r, err := s.Verify(ctx, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
		require.NoError(t, err)
		require.Zero(t, r.Problems)
		require.NoError(t, s.Close())
	}
}

// TestCloseWhileReclaiming: the key space is not closed under what gives space
// back, nor under a read that has not taken its view yet.
func TestCloseWhileReclaiming(t *testing.T) {
	for range 8 {
		dir := t.TempDir()
		opt := testOptions()
		opt.BlockPoints = 100
		s := open(t, dir, opt)
		for run := range uint32(4) {
			fill(t, s, run, 5050)
		}
		require.NoError(t, s.Checkpoint(ctx))
		require.NoError(t, s.DropRun(ctx, 1, nothing, func(*Tx) error { return nil }))
		var wg sync.WaitGroup
		allowed := func(err error) {
			if err != nil {
				require.ErrorIs(t, err, ErrClosed)
			}
		}
		wg.Go(func() {
			_, err := s.Reclaim(ctx)
			allowed(err)
		})
		wg.Go(func() {
			x, err := s.OpenSeries(ctx, 2)
			allowed(err)
			for err == nil {
				_, err = s.Aggregates(ctx, []Curve{{Run: 2, Metric: "a"}}, []Range{AllPoints()})
			}
			allowed(err)
			if x != nil {
				x.Close()
			}
		})
		require.NoError(t, s.Close())
		wg.Wait()
		s = open(t, dir, opt)
		require.Zero(t, points(t, s, 1))
		require.Equal(t, 5050, points(t, s, 2))
		require.NoError(t, s.Close())
	}
}
