package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoSpace: near a full disk changes are refused and reads go on, and when
// there is room again so do changes.
func TestNoSpace(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	save(t, s, 1, "before")
	free := int64(1 << 40)
	s.space.free = func(string) (int64, error) { return free, nil }
	s.space.next.Store(0)
	save(t, s, 2, "room")

	free = 30 << 20
	s.space.next.Store(0)
	err := s.Update(ctx, Synced, func(tx *Tx) error { return tx.Save(rowKey(3), 1, testRow{}) })
	require.ErrorIs(t, err, ErrNoSpace)
	x, err := s.OpenSeries(ctx, 1)
	require.NoError(t, err)
	defer x.Close()
	_, err = x.Groups(ctx, []SeriesName{{Metric: "m"}})
	require.ErrorIs(t, err, ErrNoSpace)
	require.Equal(t, []string{"1before", "2room"}, texts(t, s, false))
	free = 10 << 20
	require.ErrorIs(t, s.Checkpoint(ctx), ErrNoSpace, "the key space must not meet a full disk")
	require.Equal(t, []string{"1before", "2room"}, texts(t, s, false))

	free = 1 << 40
	save(t, s, 4, "again")
	require.NoError(t, s.Checkpoint(ctx), "the unfinished checkpoint is finished")
	require.NoError(t, s.Close())
	s = open(t, dir, nil)
	require.Equal(t, []string{"1before", "2room", "4again"}, texts(t, s, false))
}

// TestCrashInsideCheckpoint stops a checkpoint at each of its steps, as a kill
// would, and looks for every row and point after it.
func TestCrashInsideCheckpoint(t *testing.T) {
	for stage := range 5 {
		t.Run(fmt.Sprint(stage), func(t *testing.T) {
			dir := t.TempDir()
			opt := testOptions()
			opt.BlockPoints = 32
			s := open(t, dir, opt)
			want := &curve{}
			log := func(from, to int64) {
				x, err := s.OpenSeries(ctx, 7)
				require.NoError(t, err)
				defer x.Close()
				groups, err := x.Groups(ctx, []SeriesName{{Metric: "m"}})
				require.NoError(t, err)
				for i := from; i < to; i++ {
					want.add(i, i, float64(i))
					require.NoError(t, groups[0].Append(ctx, Appended, []int64{i}, []int64{i}, [][]float64{{float64(i)}}))
				}
			}
			save(t, s, 1, "a")
			log(0, 50)
			require.NoError(t, s.Checkpoint(ctx))
			save(t, s, 2, "b")
			log(50, 120)
			next, err := s.createJournal(s.number + 1)
			require.NoError(t, err)
			var c *checkpoint
			if stage > 0 {
				c, err = s.cut(next)
				require.NoError(t, err)
				save(t, s, 3, "c")
				log(120, 130)
			} else {
				require.NoError(t, next.Close())
			}
			if stage > 1 { // blocks and tails are there, the states are not
				require.NoError(t, s.sealer.wait(c.blocks))
				require.NoError(t, s.writeTails(c))
			}
			if stage > 2 {
				require.NoError(t, s.writeRows(c))
			}
			if stage > 3 { // the states are there, the mark is not
				require.NoError(t, s.writeStates(c))
			}
			s.kill(t)
			s = open(t, dir, opt)
			requireCurve(t, want, readAll(t, s, 7, "m"), "points")
			rows := []string{"1a", "2b", "3c"}
			if stage == 0 {
				rows = rows[:2]
			}
			require.Equal(t, rows, texts(t, s, false))
			_, err = s.Verify(ctx, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
			require.NoError(t, err)
		})
	}
}

// TestInbox: ops and points of other writers take effect once, also when the
// holder dies while it applies them, and bad ones are counted.
func TestInbox(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions()
	s := open(t, dir, opt)
	want := map[string]*curve{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			in, err := OpenInbox(dir)
			require.NoError(t, err)
			run := fmt.Sprint("run", w)
			require.NoError(t, in.Op(ctx, Synced, []byte("run "+run)))
			require.NoError(t, in.Op(ctx, Appended, []byte("bad")))
			g, err := in.Group(ctx, run, []SeriesName{{Metric: "m"}, {Metric: "n"}})
			require.NoError(t, err)
			c := &curve{}
			for i := range int64(500) {
				c.add(i, i, float64(w)*1000+float64(i))
				require.NoError(t, g.Append(ctx, Appended, []int64{i}, []int64{i}, [][]float64{{c.values[i]}, {0}}))
				if i == 250 {
					require.NoError(t, in.Op(ctx, Appended, append([]byte{byte(w), 0, 0, 0}, run...)))
				}
			}
			mu.Lock()
			want[run] = c
			mu.Unlock()
			if w > 0 { // the first one's process just ends
				require.NoError(t, in.Close())
			} else {
				require.NoError(t, in.writer.Close())
			}
		})
	}
	for range 20 { // while they write
		require.NoError(t, s.inbox.drain(ctx))
	}
	s.kill(t)
	wg.Wait()
	check := func(s *Store) {
		require.Equal(t, []string{"0run0", "0run1", "0run2"}, texts(t, s, false))
		for run, c := range want {
			var ord uint32
			require.NoError(t, s.View(ctx, func(tx *Tx) (err error) {
				ord, err = opt.Run(tx, run)
				return err
			}))
			requireCurve(t, c, readAll(t, s, ord, "m"), run)
		}
	}
	ro := open(t, dir, &Options{ReadOnly: true, Apply: opt.Apply, Run: opt.Run})
	check(ro)
	s = open(t, dir, opt)
	check(s)
	left, err := filepath.Glob(inboxPath(dir) + "/*")
	require.NoError(t, err)
	require.Len(t, left, 3)
	for _, path := range left {
		require.Equal(t, ".rejected", filepath.Ext(path), "what was refused is kept")
	}
	require.NoError(t, s.View(ctx, func(tx *Tx) error {
		n := 0
		for row, err := range tx.Prefix([]byte{'w'}, false) {
			require.NoError(t, err)
			var r inboxRow
			require.NoError(t, row.Decode(1, &r))
			require.EqualValues(t, 1, r.Rejected)
			require.Equal(t, "bad op", r.Reason)
			n++
		}
		require.Equal(t, 3, n)
		return nil
	}))
}

// TestInboxHandedOver: the next holder goes on with a long inbox where the one
// before stopped, however much of it is applied already.
func TestInboxHandedOver(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions()
	s := open(t, dir, opt)
	in, err := OpenInbox(dir)
	require.NoError(t, err)
	require.NoError(t, in.Op(ctx, Synced, []byte("run r")))
	g, err := in.Group(ctx, "r", []SeriesName{{Metric: "m"}})
	require.NoError(t, err)
	want := &curve{}
	log := func(n int) {
		steps, values := make([]int64, n), make([]float64, n)
		for i := range steps {
			steps[i], values[i] = int64(len(want.steps)), float64(len(want.steps))
			want.add(steps[i], steps[i], values[i])
		}
		require.NoError(t, g.Append(ctx, Appended, steps, steps, [][]float64{values}))
	}
	for range 40 { // several times inboxBatch
		log(4000)
	}
	require.NoError(t, s.inbox.drain(ctx))
	s.kill(t)
	log(1000)
	ro := open(t, dir, &Options{ReadOnly: true, Apply: opt.Apply, Run: opt.Run})
	requireCurve(t, want, readAll(t, ro, 1, "m"), "read-only")
	s = open(t, dir, opt)
	requireCurve(t, want, readAll(t, s, 1, "m"), "the next holder")
	require.NoError(t, s.Close())
	log(1000)
	require.NoError(t, in.Close())
	s = open(t, dir, opt)
	requireCurve(t, want, readAll(t, s, 1, "m"), "the one after it")
	left, err := os.ReadDir(inboxPath(dir))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestReadOnlyChangesNothing: not a byte, also after a crash.
func TestReadOnlyChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	save(t, s, 1, "a")
	s.kill(t)
	tree := func() map[string]string {
		files := map[string]string{}
		require.NoError(t, filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() {
				return err
			}
			data, err := os.ReadFile(p)
			files[p] = string(data)
			return err
		}))
		return files
	}
	before := tree()
	ro, err := Open(dir, &Options{ReadOnly: true})
	require.NoError(t, err)
	require.Equal(t, []string{"1a"}, texts(t, ro, false))
	require.ErrorIs(t, ro.Update(ctx, Appended, func(*Tx) error { return nil }), ErrReadOnly)
	require.ErrorIs(t, ro.Checkpoint(ctx), ErrReadOnly)
	require.NoError(t, ro.Close())
	require.Equal(t, before, tree())
}

// TestCopyEndsWhereItsJournalDid: a private copy whose writer is about to go to
// the next journal does not read that one behind half of this one.
func TestCopyEndsWhereItsJournalDid(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	s := open(t, dir, nil)
	save(t, s, 1, "a")
	next, err := s.createJournal(s.number + 1)
	require.NoError(t, err)
	require.NoError(t, copyDatabase(dir, tmp))
	m, err := readMark(tmp)
	require.NoError(t, err)
	require.Equal(t, next.Header.Number, m.journal)
	c := newStore(tmp, &Options{ReadOnly: true})
	last, err := c.lastOfCopy([]uint64{m.journal}, &m)
	require.NoError(t, err)
	require.True(t, last)
	save(t, s, 2, "b") // may come behind what the copy has read
	s.unfinished, err = s.cut(next)
	require.NoError(t, err)
	save(t, s, 3, "c")
	last, err = c.lastOfCopy([]uint64{m.journal}, &m)
	require.NoError(t, err)
	require.False(t, last, "nothing comes behind the journal any more")
	require.NoError(t, s.Close())
}
