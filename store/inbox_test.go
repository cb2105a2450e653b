package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTouch: each transaction that brings points from an inbox tells of their
// runs, and its rows come and go with the points.
func TestTouch(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions()
	opt.Touch = func(tx *Tx, run uint32) error {
		var row testRow
		if err := tx.Load(rowKey(run), 1, &row); err != nil && !isNotFound(err) {
			return err
		}
		row.N++
		return tx.Save(rowKey(run), 1, row)
	}
	s := open(t, dir, opt)
	touches := func(s *Store, run uint32) int {
		var row testRow
		err := s.View(ctx, func(tx *Tx) error { return tx.Load(rowKey(run), 1, &row) })
		if err != nil {
			require.ErrorIs(t, err, ErrNotFound)
		}
		return row.N
	}
	in, err := OpenInbox(dir)
	require.NoError(t, err)
	require.NoError(t, in.Op(ctx, Appended, []byte("run x")))
	require.NoError(t, in.Op(ctx, Appended, []byte("run y")))
	a, err := in.Group(ctx, "x", []SeriesName{{Metric: "a"}, {Metric: "b"}})
	require.NoError(t, err)
	b, err := in.Group(ctx, "x", []SeriesName{{Metric: "c"}})
	require.NoError(t, err)
	one := []int64{1}
	log := func() {
		require.NoError(t, a.Append(ctx, Appended, one, one, [][]float64{{1}, {2}}))
		require.NoError(t, b.Append(ctx, Appended, one, one, [][]float64{{3}}))
	}
	for pass := 1; pass <= 3; pass++ {
		log()
		require.Equal(t, pass-1, touches(s, 1))
		require.NoError(t, s.inbox.drain(ctx))
		require.GreaterOrEqual(t, touches(s, 1), pass)
		require.Zero(t, touches(s, 2), "it has no points")
		require.False(t, s.Idle(1), "more may come")
		require.True(t, s.Idle(2))
		require.NoError(t, s.inbox.drain(ctx))
		before := touches(s, 1)
		require.NoError(t, s.inbox.drain(ctx))
		require.Equal(t, before, touches(s, 1), "nothing came")
		if pass == 1 { // the first pass made the groups, in transactions before
			require.NoError(t, s.Update(ctx, Appended, func(tx *Tx) error { return tx.Save(rowKey(1), 1, testRow{N: 1}) }))
		}
		require.EqualValues(t, pass, allOf(t, s, []uint32{1})[1][SeriesName{Metric: "c"}].Count)
	}
	require.NoError(t, in.Close())
	require.NoError(t, s.inbox.drain(ctx))
	require.True(t, s.Idle(1))

	// A transaction that fails brings neither points nor rows.
	failing := testOptions()
	failing.Touch = func(tx *Tx, run uint32) error {
		if err := opt.Touch(tx, run); err != nil {
			return err
		}
		return Errorf(ErrNoSpace, "no room")
	}
	require.NoError(t, s.Close())
	s = open(t, dir, failing)
	before := touches(s, 1)
	in, err = OpenInbox(dir)
	require.NoError(t, err)
	c, err := in.Group(ctx, "x", []SeriesName{{Metric: "c"}})
	require.NoError(t, err)
	require.NoError(t, c.Append(ctx, Appended, one, one, [][]float64{{4}}))
	require.ErrorIs(t, s.inbox.drain(ctx), ErrNoSpace)
	require.Equal(t, before, touches(s, 1))
	require.EqualValues(t, 3, allOf(t, s, []uint32{1})[1][SeriesName{Metric: "c"}].Count)
	require.NoError(t, in.Close())
}

// TestVerifyWaiting: inbox files that are still there but applied, as those a
// reader's private copy has, do not wait.
func TestVerifyWaiting(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	waiting := func(s *Store) int {
		report, err := s.Verify(ctx, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
		require.NoError(t, err)
		return report.Waiting
	}
	for _, run := range []string{"x", "y", "z"} {
		in, err := OpenInbox(dir)
		require.NoError(t, err)
		require.NoError(t, in.Op(ctx, Appended, []byte("run "+run)))
		g, err := in.Group(ctx, run, []SeriesName{{Metric: "m"}})
		require.NoError(t, err)
		require.NoError(t, g.Append(ctx, Appended, []int64{1}, []int64{1}, [][]float64{{1}}))
		if run == "z" {
			require.NoError(t, in.Close())
		} else {
			defer func() { require.NoError(t, in.Close()) }()
		}
	}
	require.Equal(t, 3, waiting(s), "nobody has looked")
	require.NoError(t, s.Close())

	view := open(t, dir, &Options{ReadOnly: true, Apply: testOptions().Apply, Run: testOptions().Run})
	files, err := view.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, files.Waiting)
	require.EqualValues(t, 3, files.Points)
	require.Zero(t, waiting(view))

	s = open(t, dir, nil)
	require.Zero(t, waiting(s), "two writers live")
}
