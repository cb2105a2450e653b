package badgerkv

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/kv"
	"github.com/runstonedb/runstone/store/internal/kv/kvtest"
)

func mustOpen(t testing.TB, dir string, opt Options) *DB {
	t.Helper()
	d, err := Open(dir, opt)
	require.NoError(t, err)
	return d
}

func TestConformance(t *testing.T) {
	kvtest.Run(t, func(t testing.TB) kv.Engine { return mustOpen(t, t.TempDir(), Options{}) })
}

func TestModel(t *testing.T) {
	// The smallest memtable that takes a row makes tables all the time.
	opt := Options{memTable: 16 << 10}
	dirs := map[kv.Engine]string{}
	kvtest.RunModel(t, func(t testing.TB) kv.Engine {
		dir := filepath.Join(t.TempDir(), "kv")
		d := mustOpen(t, dir, opt)
		dirs[d] = dir
		return d
	}, func(t testing.TB, e kv.Engine) kv.Engine {
		require.NoError(t, e.Close())
		d := mustOpen(t, dirs[e], opt)
		dirs[d] = dirs[e]
		return d
	})
}

// tree returns the sum of the file sizes in dir.
func tree(t testing.TB, dir string) (sum int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		sum += info.Size()
	}
	return sum
}

func TestEmptyIsSmall(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	require.LessOrEqual(t, tree(t, dir), int64(7_500_000))
	s, err := d.Stats()
	require.NoError(t, err)
	require.Equal(t, tree(t, dir), s.Tables+s.Logs+s.Other)
	require.Zero(t, s.Tables)
	require.NoError(t, d.Close())
	require.Less(t, tree(t, dir), int64(1000), "closed")

	d = mustOpen(t, dir, Options{})
	require.LessOrEqual(t, tree(t, dir), int64(7_500_000), "opened again")
	require.NoError(t, d.Close())
}

func TestValuesStayOutOfTheValueLog(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	for i := range 40 {
		require.NoError(t, d.Update(func(w kv.Writer) error {
			return w.Set(fmt.Appendf(nil, "%d", i), bytes.Repeat([]byte{byte(i + 1)}, kv.MaxValue))
		}))
	}
	f, err := listFiles(dir)
	require.NoError(t, err)
	require.NoError(t, f.checkValueLogs())
	require.NoError(t, d.Sync())
	require.NoError(t, d.Verify(t.Context()))
	require.NoError(t, d.Close())
}

func TestLogger(t *testing.T) {
	var buf bytes.Buffer
	log := slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := mustOpen(t, t.TempDir(), Options{Logger: log})
	require.NoError(t, d.Close())
	require.Contains(t, buf.String(), "engine=badger")
}

func TestOpenTwiceIsRefused(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{})
	require.ErrorContains(t, err, "Another process is using")
	require.NotErrorIs(t, err, record.ErrCorrupt)
	require.NoError(t, d.Close())
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	d := mustOpen(t, t.TempDir(), Options{})
	require.NoError(t, d.Close())
	goleak.VerifyNone(t, before)
}

func TestPanicOfYieldPasses(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	require.NoError(t, d.Update(func(w kv.Writer) error { return w.Set([]byte("a"), nil) }))
	require.PanicsWithValue(t, "mine", func() {
		_ = d.View(func(r kv.Reader) error {
			return r.Scan(nil, nil, false, func(_, _ []byte) bool { panic("mine") })
		})
	})
	require.NoError(t, d.Close())
}

// The guard asks that versions have no holes, also when transactions fail.
func TestFailedCommitsLeaveNoHole(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{memTable: 64 << 10})
	big := 0
	for n := range 4000 {
		err := d.Update(func(w kv.Writer) error {
			if n%4 != 0 {
				return w.Set(fmt.Appendf(nil, "%d", n), make([]byte, 50))
			}
			for i := range n { // grows past the limits of rows and of bytes
				if err := w.Set(fmt.Appendf(nil, "k%d", i), make([]byte, n%100)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, kv.ErrTooBig)
			big++
		}
		if n%500 == 0 {
			requireGuard(t, dir)
		}
	}
	require.NotZero(t, big)
	require.NoError(t, d.Close())
	d = mustOpen(t, dir, Options{})
	require.NoError(t, d.Close())
}

// requireGuard checks a copy of the live directory.
func requireGuard(t testing.TB, dir string) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, CopyTo(t.Context(), dir, to))
	require.NoError(t, guard(to, &Options{}))
}

func BenchmarkUpdate(b *testing.B) {
	d := mustOpen(b, b.TempDir(), Options{})
	value := make([]byte, 300)
	key := make([]byte, 16)
	for n := 0; b.Loop(); n++ {
		copy(key, fmt.Sprintf("%016d", n))
		err := d.Update(func(w kv.Writer) error { return w.Set(bytes.Clone(key), value) })
		if err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, d.Close())
}

func benchRows(b *testing.B) *DB {
	d := mustOpen(b, b.TempDir(), Options{})
	for n := 0; n < 20000; n += 500 {
		require.NoError(b, d.Update(func(w kv.Writer) error {
			for i := n; i < n+500; i++ {
				if err := w.Set(fmt.Appendf(nil, "%016d", i), make([]byte, 300)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return d
}

func BenchmarkScan(b *testing.B) {
	d := benchRows(b)
	for b.Loop() {
		n := 0
		err := d.View(func(r kv.Reader) error {
			return r.Scan(nil, nil, false, func(_, _ []byte) bool { n++; return true })
		})
		if err != nil || n != 20000 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20000, "ns/row")
	require.NoError(b, d.Close())
}

func BenchmarkGet(b *testing.B) {
	d := benchRows(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		key := fmt.Appendf(nil, "%016d", n*7919%20000)
		err := d.View(func(r kv.Reader) error {
			_, err := r.Get(key)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, d.Close())
}
