package store

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// durableEnd returns how far a journal is written and synced, by its own mark.
func durableEnd(t *testing.T, path string) (written, durable int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var newest uint64
	for _, at := range []int{512, 1024} {
		m := b[at : at+44]
		counter := binary.LittleEndian.Uint64(m)
		if crc32.Checksum(m[:40], castagnoli) == binary.LittleEndian.Uint32(m[40:]) && counter >= newest {
			newest, written, durable = counter, int64(binary.LittleEndian.Uint64(m[8:])), int64(binary.LittleEndian.Uint64(m[16:]))
		}
	}
	return written, durable
}

// losePower does to a journal what power loss may: what was not synced is
// gone, and the machine has started again.
func losePower(t *testing.T, path string) {
	t.Helper()
	_, durable := durableEnd(t, path)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, at := range []int{512, 1024} {
		if m := b[at : at+44]; binary.LittleEndian.Uint64(m) != 0 {
			for i := 24; i < 40; i++ {
				m[i] ^= 0x55
			}
			binary.LittleEndian.PutUint32(m[40:], crc32.Checksum(m[:40], castagnoli))
		}
	}
	require.NoError(t, os.WriteFile(path, b[:durable], 0o600))
}

// TestSyncCoversEarlierJournals: what a sync acknowledges rests on all changes
// before it, also when a checkpoint has switched journals and is stuck.
func TestSyncCoversEarlierJournals(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions()
	opt.BlockPoints = 32
	s := open(t, dir, opt)
	x, err := s.OpenSeries(ctx, 7)
	require.NoError(t, err)
	defer x.Close()
	g, err := x.Groups(ctx, []SeriesName{{Metric: "m"}})
	require.NoError(t, err)
	var free atomic.Int64
	free.Store(10 << 20) // the sealer cannot write
	s.space.free = func(string) (int64, error) { return free.Load(), nil }
	s.space.credit.Store(1 << 40)
	s.space.next.Store(math.MaxInt64) // but changes are taken
	want := &curve{}
	log := func(d Durability, i int64) {
		want.add(i, i, 1)
		require.NoError(t, g[0].Append(ctx, d, []int64{i}, []int64{i}, [][]float64{{1}}))
	}
	for i := range int64(40) {
		log(Appended, i)
	}
	old := s.number
	require.ErrorIs(t, s.checkpoint(ctx), ErrNoSpace)
	log(Synced, 100)
	written, durable := durableEnd(t, journalPath(dir, old))
	require.Equal(t, written, durable)

	after := t.TempDir()
	require.NoError(t, os.CopyFS(after, os.DirFS(dir)))
	losePower(t, journalPath(after, old))
	losePower(t, journalPath(after, old+1))
	free.Store(1 << 40)
	requireCurve(t, want, readAll(t, open(t, after, opt), 7, "m"), "after power loss")
}

// TestFailedSyncStopsChanges: after a sync that failed nothing is acknowledged
// any more, and what was is there at the next open.
func TestFailedSyncStopsChanges(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, testOptions())
	require.NoError(t, err)
	save(t, s, 1, "a")
	require.NoError(t, s.journal.File().Close()) // its sync will fail
	require.Error(t, s.Checkpoint(ctx))
	for _, d := range []Durability{Appended, Synced} {
		require.Error(t, s.Update(ctx, d, func(tx *Tx) error { return tx.Save(rowKey(2), 1, testRow{}) }))
	}
	require.Error(t, s.Sync(ctx))
	require.Error(t, s.Close())
	require.Equal(t, []string{"1a"}, texts(t, open(t, dir, nil), false))
}

// TestCloseWaitsForReads: closing the key space under a read would end the
// process.
func TestCloseWaitsForReads(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for i := range uint32(5000) {
		save(t, s, i, "some text to fill tables with")
	}
	require.NoError(t, s.Close())
	s, err := Open(dir, testOptions())
	require.NoError(t, err)
	closed := make(chan error, 1)
	n := 0
	require.NoError(t, s.View(ctx, func(tx *Tx) error {
		for row, err := range tx.Prefix([]byte{'z'}, false) {
			require.NoError(t, err)
			if n++; n == 10 {
				go func() { closed <- s.Close() }()
				time.Sleep(50 * time.Millisecond)
			}
			var r testRow
			require.NoError(t, row.Decode(1, &r))
		}
		return nil
	}))
	require.Equal(t, 5000, n)
	require.NoError(t, <-closed)
	require.ErrorIs(t, s.View(ctx, func(*Tx) error { return nil }), ErrClosed)
}

// TestCloseAgainstUpdates: a change that meets Close is either refused or there
// at the next open.
func TestCloseAgainstUpdates(t *testing.T) {
	dir := t.TempDir()
	acked := map[uint32]bool{}
	for round := range uint32(15) {
		s, err := Open(dir, testOptions())
		require.NoError(t, err)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for k := range uint32(4) {
			wg.Go(func() {
				for i := range uint32(20) {
					key := round*1000 + k*100 + i
					err := s.Update(ctx, Durability(i%2), func(tx *Tx) error { return tx.Save(rowKey(key), 1, testRow{}) })
					if err != nil {
						return
					}
					mu.Lock()
					acked[key] = true
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(round) * 100 * time.Microsecond)
		require.NoError(t, s.Close())
		wg.Wait()
	}
	s := open(t, dir, nil)
	require.NoError(t, s.View(ctx, func(tx *Tx) error {
		for key := range acked {
			has, err := tx.Has(rowKey(key))
			require.NoError(t, err)
			require.True(t, has, "row %d", key)
		}
		return nil
	}))
}

func TestDownsampleExtremes(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	x, err := s.OpenSeries(ctx, 7)
	require.NoError(t, err)
	defer x.Close()
	g, err := x.Groups(ctx, []SeriesName{{Metric: "m"}})
	require.NoError(t, err)
	steps := []int64{math.MinInt64, 0, math.MaxInt64}
	require.NoError(t, g[0].Append(ctx, Appended, steps, []int64{1, 2, 3}, [][]float64{{1, 2, 3}}))
	all := []Curve{{Run: 7, Metric: "m"}}
	for _, n := range []int{1, 2, 3, 1000} {
		found, err := s.Downsample(ctx, all, AllPoints(), n)
		require.NoError(t, err)
		buckets := found[0]
		require.Len(t, buckets, min(n, 3))
		require.Equal(t, int64(math.MinInt64), buckets[0].First.Step)
		require.Equal(t, int64(math.MaxInt64), buckets[len(buckets)-1].Last.Step)
	}
	_, err = s.Downsample(ctx, all, AllPoints().Steps(1, 0), 5)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = s.Downsample(ctx, all, AllPoints().Steps(0, 1), 0)
	require.ErrorIs(t, err, ErrInvalid)
}

// TestVerifyWhileLogging finds nothing wrong with a series that grows.
func TestVerifyWhileLogging(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	x, err := s.OpenSeries(ctx, 7)
	require.NoError(t, err)
	defer x.Close()
	g, err := x.Groups(ctx, []SeriesName{{Metric: "m"}})
	require.NoError(t, err)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := g[0].Append(ctx, Appended, []int64{i}, []int64{i}, [][]float64{{1}}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 30 {
		_, err := s.Verify(ctx, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
		require.NoError(t, err)
	}
	close(stop)
	wg.Wait()
}

// TestMarksGone: a journal without a valid mark is damaged, even if its frames
// can be read.
func TestMarksGone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for i := range uint32(10) {
		save(t, s, i, "a")
	}
	path := journalPath(dir, s.number)
	s.kill(t)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[515] ^= 1
	b[1030] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
	_, err = Open(dir, testOptions())
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestCopyIsCovered: a private copy must not hold a part of a checkpoint whose
// journal it has not.
func TestCopyIsCovered(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	save(t, s, 1, "a")
	tmp := t.TempDir()
	settled, err := copyJournals(dir, tmp)
	require.NoError(t, err)
	require.True(t, settled)
	ok, err := covered(dir, tmp)
	require.NoError(t, err)
	require.True(t, ok)
	for i := range uint32(2) { // two checkpoints begin while the key space is copied
		require.NoError(t, s.Checkpoint(ctx))
		save(t, s, 2+i, "b")
	}
	ok, err = covered(dir, tmp)
	require.NoError(t, err)
	require.False(t, ok)
}

// TestCopiesBesideCheckpoints: a copy made at any moment opens and has all that
// was acknowledged before.
func TestCopiesBesideCheckpoints(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	var saved atomic.Uint32
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint32(1); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			save(t, s, i, "a")
			saved.Store(i)
			if i%20 == 0 {
				if err := s.Checkpoint(ctx); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 40 {
		least := saved.Load()
		ro, err := Open(dir, &Options{ReadOnly: true})
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(texts(t, ro, false)), int(least))
		require.NoError(t, ro.Close())
	}
	close(stop)
	wg.Wait()
}
