package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/tuple"
)

var ctx = context.Background()

type testRow struct {
	N    int
	Text string
}

func rowKey(n uint32) []byte { return tuple.Uint32(tuple.Key('z'), n) }

// runKind is the dictionary of run ids in these tests.
const runKind Kind = 200

// testOptions take ops of the form "text" as rows of table 'z' by length, and
// runs by name.
func testOptions() *Options {
	return &Options{
		InboxInterval: -1,
		Apply: func(tx *Tx, op []byte) error {
			if string(op) == "bad" {
				return Errorf(ErrInvalid, "bad op")
			}
			if run, ok := cutPrefix(op, "run "); ok {
				_, err := tx.Intern(runKind, run)
				return err
			}
			return tx.Save(rowKey(binary.LittleEndian.Uint32(op)), 1, testRow{Text: string(op[4:])})
		},
		Run: func(tx *Tx, id string) (uint32, error) {
			ord, ok, err := tx.Ord(runKind, id)
			if err == nil && !ok {
				err = Errorf(ErrNotFound, "no run %s", id)
			}
			return ord, err
		},
	}
}

func cutPrefix(b []byte, prefix string) (string, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return "", false
	}
	return string(b[len(prefix):]), true
}

func open(t testing.TB, dir string, opt *Options) *Store {
	t.Helper()
	if opt == nil {
		opt = testOptions()
	}
	s, err := Open(dir, opt)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func save(t testing.TB, s *Store, n uint32, text string) {
	t.Helper()
	require.NoError(t, s.Update(ctx, Appended, func(tx *Tx) error {
		return tx.Save(rowKey(n), 1, testRow{int(n), text})
	}))
}

func texts(t testing.TB, s *Store, reverse bool) []string {
	t.Helper()
	var out []string
	require.NoError(t, s.View(ctx, func(tx *Tx) error {
		for row, err := range tx.Prefix(tuple.Key('z'), reverse) {
			if err != nil {
				return err
			}
			var r testRow
			if err := row.Decode(1, &r); err != nil {
				return err
			}
			out = append(out, fmt.Sprint(r.N, r.Text))
		}
		return nil
	}))
	return out
}

func TestRowsSurviveCheckpointAndReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for i := range uint32(5) {
		save(t, s, 2*i, "a")
	}
	require.NoError(t, s.Checkpoint(ctx))
	save(t, s, 3, "new")
	save(t, s, 4, "changed")
	require.NoError(t, s.Update(ctx, Synced, func(tx *Tx) error { return tx.Delete(rowKey(0)) }))
	want := []string{"2a", "3new", "4changed", "6a", "8a"}
	require.Equal(t, want, texts(t, s, false))
	back := slices.Clone(want)
	slices.Reverse(back)
	require.Equal(t, back, texts(t, s, true))
	require.NoError(t, s.Checkpoint(ctx))
	require.Equal(t, want, texts(t, s, false))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.View(ctx, func(*Tx) error { return nil }), ErrClosed)

	s = open(t, dir, nil)
	require.Equal(t, want, texts(t, s, false))
	require.Equal(t, back, texts(t, s, true))
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	save(t, s, 1, "a")
	err := s.Update(ctx, Appended, func(tx *Tx) error {
		require.NoError(t, tx.Save(rowKey(1), 1, testRow{1, "b"}))
		var r testRow
		require.NoError(t, tx.Load(rowKey(1), 1, &r))
		require.Equal(t, "b", r.Text, "reads its own writes")
		require.NoError(t, tx.Save(rowKey(2), 1, testRow{2, "b"}))
		return ErrConflict
	})
	require.ErrorIs(t, err, ErrConflict)
	require.Equal(t, []string{"1a"}, texts(t, s, false))
	require.NoError(t, s.View(ctx, func(tx *Tx) error {
		require.ErrorIs(t, tx.Save(rowKey(9), 1, testRow{}), ErrReadOnly)
		return nil
	}))
}

func TestViewIsASnapshot(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	save(t, s, 1, "old")
	require.NoError(t, s.View(ctx, func(tx *Tx) error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			save(t, s, 1, "new")
			save(t, s, 2, "new")
			if err := s.Checkpoint(ctx); err != nil {
				t.Error(err)
			}
			save(t, s, 3, "new")
			if err := s.Checkpoint(ctx); err != nil {
				t.Error(err)
			}
		}()
		<-done
		var r testRow
		require.NoError(t, tx.Load(rowKey(1), 1, &r))
		require.Equal(t, "old", r.Text)
		n := 0
		for range tx.Prefix(tuple.Key('z'), false) {
			n++
		}
		require.Equal(t, 1, n)
		return nil
	}))
	require.Equal(t, []string{"1new", "2new", "3new"}, texts(t, s, false))
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for i := range 300 {
		require.NoError(t, s.Update(ctx, Appended, func(tx *Tx) error {
			ord, err := tx.Intern(99, fmt.Sprint("name", i%100))
			require.Equal(t, uint32(i%100+1), ord)
			return err
		}))
		if i == 50 {
			require.NoError(t, s.Checkpoint(ctx))
		}
	}
	require.NoError(t, s.Close())
	s = open(t, dir, nil)
	require.NoError(t, s.View(ctx, func(tx *Tx) error {
		text, err := tx.Text(99, 42)
		require.NoError(t, err)
		require.Equal(t, "name41", text)
		_, ok, err := tx.Ord(99, "other")
		require.NoError(t, err)
		require.False(t, ok)
		_, err = tx.Text(99, 101)
		require.ErrorIs(t, err, ErrCorrupt, "rows refer to names that exist")
		return nil
	}))
}

func TestOpenRefusals(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	_, err := Open(dir, nil)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, fmt.Sprint(os.Getpid()))
	require.NoError(t, s.Close())

	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.tex"), []byte("x"), 0o600))
	for _, ro := range []bool{false, true} {
		_, err = Open(foreign, &Options{ReadOnly: ro})
		require.ErrorIs(t, err, ErrNotDatabase)
		_, err = Open(filepath.Join(foreign, "thesis.tex"), &Options{ReadOnly: ro})
		require.Error(t, err)
	}
	entries, err := os.ReadDir(foreign)
	require.NoError(t, err)
	require.Len(t, entries, 1, "a refused directory is left as it was")

	_, err = Open(filepath.Join(t.TempDir(), "absent"), &Options{ReadOnly: true})
	require.ErrorIs(t, err, os.ErrNotExist)

	text, err := os.ReadFile(formatPath(dir))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(formatPath(dir), []byte(`{"product":"runstone","format":99,"database":"00"}`), 0o600))
	_, err = Open(dir, nil)
	require.ErrorIs(t, err, ErrFuture)
	require.NoError(t, os.WriteFile(formatPath(dir), text, 0o600))
	_, err = Open(dir, nil)
	require.NoError(t, err)
}

func TestEmptyDatabaseIsSmall(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	size := func() (n int64) {
		require.NoError(t, filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
			if err == nil {
				n += info.Size()
			}
			return err
		}))
		return n
	}
	require.LessOrEqual(t, size(), int64(8e6), "open")
	require.NoError(t, s.Close())
	require.LessOrEqual(t, size(), int64(8e6), "closed")
}

// curve is what a test logged to one series.
type curve struct {
	steps, times []int64
	values       []float64
}

func (c *curve) add(step, time int64, v float64) {
	c.steps, c.times, c.values = append(c.steps, step), append(c.times, time), append(c.values, v)
}

// history returns the points as they must come back.
func (c *curve) history() Columns {
	idx := make([]int, len(c.steps))
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int {
		switch {
		case c.times[a] != c.times[b]:
			return sign(c.times[a] < c.times[b])
		case c.steps[a] != c.steps[b]:
			return sign(c.steps[a] < c.steps[b])
		case orZero(c.values[a]) != orZero(c.values[b]):
			return sign(orZero(c.values[a]) < orZero(c.values[b]))
		}
		return 0
	})
	var out Columns
	for _, i := range idx {
		out.Steps, out.Times, out.Values = append(out.Steps, c.steps[i]), append(out.Times, c.times[i]), append(out.Values, c.values[i])
	}
	return out
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

func readAll(t testing.TB, s *Store, run uint32, metric string) Columns {
	t.Helper()
	var out Columns
	for c, err := range s.Points(ctx, run, metric, AllPoints()) {
		require.NoError(t, err)
		out.Steps = append(out.Steps, c.Steps...)
		out.Times = append(out.Times, c.Times...)
		out.Values = append(out.Values, c.Values...)
	}
	return out
}

// bits makes floats comparable to the bit.
func bits(values []float64) []uint64 {
	out := make([]uint64, len(values))
	for i, v := range values {
		out[i] = math.Float64bits(v)
	}
	return out
}

func requireCurve(t testing.TB, want *curve, got Columns, msg string) {
	t.Helper()
	h := want.history()
	require.Equal(t, len(h.Steps), len(got.Steps), msg)
	require.Equal(t, h.Steps, got.Steps, msg)
	require.Equal(t, h.Times, got.Times, msg)
	require.Equal(t, bits(h.Values), bits(got.Values), msg)
}

var odd = []float64{
	math.NaN(), math.Float64frombits(0x7ff8000000001234), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1),
	math.SmallestNonzeroFloat64, math.MaxFloat64, 1, 0.1, 1e-300,
}

// TestSeriesModel logs random points in random company, with checkpoints and
// reopens between, and compares everything that can be read with plain slices.
func TestSeriesModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { seriesModel(t, seed) })
	}
}

func seriesModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	dir := t.TempDir()
	opt := testOptions()
	opt.BlockPoints = 16 + int(seed)*40
	opt.HeadBytes = int64(seed%2) << 12 // every second one is always short of memory
	s := open(t, dir, opt)
	names := []string{"loss", "acc", "lr", "gpu/0"}
	want := map[string]*curve{}
	for run := range 2 {
		for _, n := range names {
			want[fmt.Sprint(run, n)] = &curve{}
		}
	}
	now := int64(1_700_000_000_000)
	for op := range 300 {
		run := rng.IntN(2)
		x, err := s.OpenSeries(ctx, uint32(run))
		require.NoError(t, err)
		var set []SeriesName
		for _, i := range rng.Perm(len(names))[:1+rng.IntN(len(names))] {
			n := SeriesName{Metric: names[i]}
			if rng.IntN(5) == 0 {
				n.Model = "m-1"
			}
			set = append(set, n)
		}
		slices.SortFunc(set, func(a, b SeriesName) int { return sign(a.Metric < b.Metric) })
		groups, err := x.Groups(ctx, set)
		require.NoError(t, err)
		require.Len(t, groups, 1)
		n := 1 + rng.IntN(40)
		c := columns{values: make([][]float64, len(set))}
		for k := range n {
			now += int64(rng.IntN(3))
			step := int64(op*40 + k)
			switch rng.IntN(20) {
			case 0:
				step = -step
			case 1:
				step = math.MaxInt64 - int64(rng.IntN(2))
			case 2:
				step = math.MinInt64
			}
			at := now
			if rng.IntN(10) == 0 {
				at -= int64(rng.IntN(1000))
			}
			c.steps, c.times = append(c.steps, step), append(c.times, at)
			for i := range set {
				v := rng.NormFloat64()
				if rng.IntN(10) == 0 {
					v = odd[rng.IntN(len(odd))]
				}
				c.values[i] = append(c.values[i], v)
				want[fmt.Sprint(run, set[i].Metric)].add(step, at, v)
			}
		}
		require.NoError(t, groups[0].Append(ctx, Durability(rng.IntN(2)), c.steps, c.times, c.values))
		x.Close()
		switch rng.IntN(25) {
		case 0:
			require.NoError(t, s.Checkpoint(ctx))
		case 1:
			require.NoError(t, s.Close())
			s = open(t, dir, opt)
		case 2:
			s.kill(t)
			s = open(t, dir, opt)
		}
		if op%50 == 0 || op == 299 {
			checkModel(t, s, names, want)
		}
	}
	view := open(t, dir, &Options{ReadOnly: true, BlockPoints: opt.BlockPoints, Run: opt.Run, Apply: opt.Apply})
	checkModel(t, view, names, want)
}

// TestHeadsAreBounded: many series that grow side by side, in one run and in
// runs that are left open, take no more memory than HeadBytes and a little for
// each group.
func TestHeadsAreBounded(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions()
	opt.HeadBytes = 1 << 20
	s := open(t, dir, opt)
	const runs, points = 400, 500
	var groups []*Group
	for run := range runs {
		x, err := s.OpenSeries(ctx, uint32(run))
		require.NoError(t, err)
		defer x.Close()
		g, err := x.Groups(ctx, []SeriesName{{Metric: "a"}})
		require.NoError(t, err)
		groups = append(groups, g...)
	}
	row := make([]int64, 20)
	values := [][]float64{make([]float64, len(row))}
	for at := 0; at < points; at += len(row) {
		for i := range row {
			row[i], values[0][i] = int64(at+i), float64(at+i)
		}
		for _, g := range groups {
			require.NoError(t, g.Append(ctx, Appended, row, row, values))
		}
		require.LessOrEqual(t, s.heads.Load(), opt.HeadBytes+runs*2*minShort*24)
	}
	require.NoError(t, s.Checkpoint(ctx))
	require.LessOrEqual(t, s.heads.Load(), opt.HeadBytes/2)
	for _, g := range groups[:100] { // some that are out of memory, and some not
		require.NoError(t, g.Append(ctx, Appended, []int64{points}, []int64{points}, [][]float64{{points}}))
	}
	s.kill(t)
	s = open(t, dir, opt)
	for run := range runs {
		n := 0
		for c, err := range s.Points(ctx, uint32(run), "a", AllPoints()) {
			require.NoError(t, err)
			for i := range c.Steps {
				require.EqualValues(t, n, c.Steps[i])
				require.EqualValues(t, n, c.Values[i])
				n++
			}
		}
		want := points
		if run < 100 {
			want++
		}
		require.Equal(t, want, n)
	}
	require.NoError(t, s.Checkpoint(ctx))
	require.Zero(t, s.heads.Load(), "what nobody uses is not in memory")
}

// kill drops the store as the end of its process would: nothing is written.
func (s *Store) kill(t testing.TB) {
	t.Helper()
	s.closed.Store(true)
	s.stop()
	s.inbox.stop()
	s.workers.Wait()
	s.sealer.stop()
	require.NoError(t, s.journal.Close())
	require.NoError(t, s.engine.Close())
	require.NoError(t, s.mark.file.Close())
	require.NoError(t, s.lock.release())
}

func checkModel(t *testing.T, s *Store, names []string, want map[string]*curve) {
	t.Helper()
	for run := range 2 {
		sums, err := s.Summaries(ctx, uint32(run))
		require.NoError(t, err)
		byName := map[string]*Summary{}
		for _, m := range sums {
			if byName[m.Metric] == nil {
				byName[m.Metric] = &Summary{}
			}
			byName[m.Metric].Merge(&m.Summary)
		}
		for _, n := range names {
			w := want[fmt.Sprint(run, n)]
			got := readAll(t, s, uint32(run), n)
			requireCurve(t, w, got, n)
			var sum Summary
			for i := range got.Steps {
				sum.add(Point{got.Steps[i], got.Times[i], got.Values[i]})
			}
			if len(got.Steps) == 0 {
				require.Nil(t, byName[n])
				continue
			}
			have := byName[n]
			require.Equal(t, sum.Count, have.Count)
			require.Equal(t, sum.NaN, have.NaN)
			require.Equal(t, sum.Latest.Step, have.Latest.Step)
			require.Equal(t, sum.Latest.Time, have.Latest.Time)
			require.Equal(t, orZero(sum.Latest.Value), orZero(have.Latest.Value))
			require.Equal(t, sum.First.Step, have.First.Step)
			if sum.Count > sum.NaN {
				require.Equal(t, sum.Min, have.Min)
				require.Equal(t, sum.Max, have.Max)
			}
			checkBuckets(t, s, uint32(run), n, got)
		}
	}
}

func checkBuckets(t *testing.T, s *Store, run uint32, name string, all Columns) {
	t.Helper()
	for _, r := range []Range{AllPoints(), AllPoints().Steps(0, 4000), AllPoints().Steps(-50, 50), AllPoints().Steps(7, 7)} {
		buckets, err := s.Downsample(ctx, []Curve{{Run: run, Metric: name}}, r, 9)
		require.NoError(t, err)
		requireBuckets(t, all, r, 9, buckets[0])
	}
}

func TestConcurrentWritersAndReaders(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions()
	opt.BlockPoints, opt.CheckpointBytes = 64, 64<<10
	s := open(t, dir, opt)
	const writers, points = 6, 3000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			x, err := s.OpenSeries(ctx, uint32(w/2))
			require.NoError(t, err)
			defer x.Close()
			groups, err := x.Groups(ctx, []SeriesName{{Metric: "a"}, {Metric: fmt.Sprint("b", w%2)}})
			require.NoError(t, err)
			for i := range points {
				v := float64(w*points + i)
				require.NoError(t, groups[0].Append(ctx, Appended, []int64{int64(i)}, []int64{int64(i)}, [][]float64{{v}, {-v}}))
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			readAll(t, s, 1, "a")
			_, err := s.Summaries(ctx, 2)
			require.NoError(t, err)
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	check := func() {
		for run := range uint32(writers / 2) {
			got := readAll(t, s, run, "a")
			require.Len(t, got.Steps, 2*points)
			seen := map[float64]bool{}
			for _, v := range got.Values {
				seen[v] = true
			}
			require.Len(t, seen, 2*points)
		}
	}
	check()
	s.kill(t)
	s = open(t, dir, opt)
	check()
}
