package store

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/block"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// kindsOfCurves are values that want different codecs.
var kindsOfCurves = map[string]func(i int, r *rand.Rand) float64{
	"constant": func(int, *rand.Rand) float64 { return 3 },
	"decimal":  func(i int, _ *rand.Rand) float64 { return float64(i%97) / 100 },
	"float32":  func(_ int, r *rand.Rand) float64 { return float64(r.Float32()) },
	"noise":    func(_ int, r *rand.Rand) float64 { return r.NormFloat64() },
	"random":   func(_ int, r *rand.Rand) float64 { return math.Float64frombits(r.Uint64()) },
	"smooth":   func(i int, _ *rand.Rand) float64 { return math.Sin(float64(i) / 100) },
}

var curveNames = []string{"constant", "decimal", "float32", "noise", "random", "smooth"}

// logCurves logs n points from step on of every kind of curve to a run.
func logCurves(t testing.TB, s *Store, run uint32, from, n int) {
	t.Helper()
	x, err := s.OpenSeries(ctx, run)
	require.NoError(t, err)
	defer x.Close()
	var names []SeriesName
	for _, name := range curveNames {
		names = append(names, SeriesName{Metric: name})
	}
	groups, err := x.Groups(ctx, names)
	require.NoError(t, err)
	require.Len(t, groups, 1)
	rng := rand.New(rand.NewPCG(uint64(run), uint64(from)))
	c := columns{values: make([][]float64, len(names))}
	for i := range n {
		c.steps = append(c.steps, int64(from+i))
		c.times = append(c.times, 1767225600000+int64(from+i)*1000+rng.Int64N(20))
		for k, name := range curveNames {
			c.values[k] = append(c.values[k], kindsOfCurves[name](from+i, rng))
		}
	}
	require.NoError(t, groups[0].Append(ctx, Appended, c.steps, c.times, c.values))
}

var zTable = []Table{{Byte: 'z', Name: "test rows"}}

// TestSpaceAddsUp compares Space with sums made another way.
func TestSpaceAddsUp(t *testing.T) {
	for _, limit := range []int{4096, 300, 7} {
		dir := t.TempDir()
		opt := testOptions()
		opt.BlockPoints = limit
		s := open(t, dir, opt)
		for i := range uint32(300) {
			save(t, s, i, fmt.Sprint("row ", i))
		}
		logCurves(t, s, 1, 0, 1000)
		logCurves(t, s, 2, 0, 4100)
		logCurves(t, s, 3, 0, 3)
		require.NoError(t, s.Checkpoint(ctx))
		save(t, s, 5, "changed, in the overlay alone")
		require.NoError(t, s.Update(ctx, Appended, func(tx *Tx) error { return tx.Delete(rowKey(6)) }))
		logCurves(t, s, 3, 3, 2)

		var last int64
		sp, err := s.Space(ctx, &SpaceOptions{Tables: zTable, TopRuns: 2, TopMetrics: 100, Progress: func(done, total int64) {
			require.GreaterOrEqual(t, done, last)
			require.GreaterOrEqual(t, total, done)
			last = done
		}})
		require.NoError(t, err)
		require.Zero(t, sp.Damaged)
		require.EqualValues(t, 6*(1000+4100+5), sp.Points)
		require.EqualValues(t, 18, sp.Series)

		rows, bytes := map[byte]int64{}, map[byte]int64{}
		perRun := map[uint32]int64{}
		require.NoError(t, s.View(ctx, func(tx *Tx) error {
			for row, err := range tx.Scan(nil, nil, false) {
				require.NoError(t, err)
				rows[row.Key[0]]++
				n := int64(len(row.Key) + len(row.value))
				bytes[row.Key[0]] += n
				if c, ok := parseColumnKey(row.Key); ok {
					perRun[c.run] += n
				} else if row.Key[0] == 'G' || row.Key[0] == 'g' {
					perRun[uint32(row.Key[4])] += n
				}
			}
			return nil
		}))
		require.EqualValues(t, 299, rows['z'])
		var stored, points, pairs, columnValues, live int64
		for _, table := range sp.Tables {
			require.NotEmpty(t, table.Name, "table %c has no owner", table.Byte)
			rows[table.Byte] -= table.Rows
			bytes[table.Byte] -= table.Bytes()
			live += table.Bytes()
			switch table.Columns {
			case ValueColumns:
				points += table.Points
				columnValues += table.Values
				stored += table.Bytes()
			case ClockColumns:
				pairs += table.Points
				columnValues += table.Values
				stored += table.Bytes()
			default:
				require.Zero(t, table.Points)
			}
		}
		for b := range rows {
			require.Zero(t, rows[b], "rows of %c", b)
			require.Zero(t, bytes[b], "bytes of %c", b)
		}
		// Of run 3 only what the checkpoint saw is in rows, or its first block.
		require.GreaterOrEqual(t, points, int64(6*5103))
		require.EqualValues(t, points, 6*pairs)
		require.InDelta(t, live, sp.Stored, 2000, "all but the overlay is stored")

		var parts int64
		for _, p := range sp.Parts {
			parts += p.Bytes
		}
		require.Equal(t, columnValues, parts, "the parts cover the rows")
		codecPoints := map[string]int64{}
		for _, c := range sp.Codecs {
			codecPoints[c.Column] += c.Points
		}
		require.Equal(t, map[string]int64{"values": points, "steps": pairs, "times": pairs}, codecPoints)

		require.Len(t, sp.Runs, 2)
		require.EqualValues(t, 2, sp.Runs[0].Run)
		require.Equal(t, perRun[2], sp.Runs[0].Bytes)
		require.EqualValues(t, 6*4100, sp.Runs[0].Points)
		require.EqualValues(t, 1, sp.Runs[1].Run)
		require.Equal(t, perRun[1], sp.Runs[1].Bytes)
		require.Len(t, sp.Metrics, 6)
		require.Equal(t, "constant", sp.Metrics[5].Metric)
		for _, m := range sp.Metrics {
			stored -= m.Bytes
			points -= m.Points
		}
		require.Zero(t, stored, "metrics share out all of the blocks and tails")
		require.Zero(t, points)

		view := open(t, dir, &Options{ReadOnly: true, BlockPoints: limit})
		again, err := view.Space(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, sp.Points, again.Points)
		require.Equal(t, byte('z'), again.Tables[len(again.Tables)-1].Byte)
		require.Empty(t, again.Tables[len(again.Tables)-1].Name, "nobody said whose it is")
	}
}

func TestSpaceIsCalledOff(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	for i := range uint32(600) {
		save(t, s, i, "row")
	}
	require.NoError(t, s.Checkpoint(ctx))
	c, cancel := context.WithCancel(ctx)
	_, err := s.Space(c, &SpaceOptions{Progress: func(int64, int64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}

// damageColumn changes a stored row of a block; cut removes it.
func damageColumn(t *testing.T, s *Store, key []byte, change func([]byte) []byte) {
	t.Helper()
	require.NoError(t, s.engine.Update(func(w kv.Writer) error {
		row, err := w.Get(key)
		require.NoError(t, err)
		if row = change(row); row == nil {
			return w.Delete(key)
		}
		return w.Set(key, row)
	}))
}

func TestSpaceOfDamage(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 100
	s := open(t, t.TempDir(), opt)
	logCurves(t, s, 1, 0, 450)
	require.NoError(t, s.Checkpoint(ctx))
	flip := func(row []byte) []byte { row[len(row)-1] ^= 1; return row }
	damageColumn(t, s, columnKey('b', 1, 0, 0, 2), flip)
	damageColumn(t, s, columnKey('b', 1, 0, 4, 2), flip)
	damageColumn(t, s, columnKey('b', 1, 0, 5, 3), func(row []byte) []byte { return row[:3] })
	sp, err := s.Space(ctx, &SpaceOptions{TopMetrics: 3})
	require.NoError(t, err)
	require.EqualValues(t, 3, sp.Damaged)
	require.EqualValues(t, 6*450, sp.Points)
	for _, table := range sp.Tables {
		switch table.Name {
		case "clock blocks":
			require.EqualValues(t, 4, table.Rows)
			require.EqualValues(t, 300, table.Points)
		case "value blocks":
			require.EqualValues(t, 24, table.Rows)
			require.EqualValues(t, 2200, table.Points)
		}
	}

	// The list goes on behind damage.
	damageColumn(t, s, columnKey('b', 1, 0, 4, 1), func([]byte) []byte { return nil })
	var errs []bool
	for b, err := range s.Blocks(ctx, 1, "noise") {
		require.NoError(t, err)
		errs = append(errs, b.Err != nil)
		if b.Err != nil {
			require.ErrorIs(t, b.Err, ErrCorrupt)
		}
		if b.Number == 2 && b.Kind == "block" {
			require.False(t, b.Clock.Sound)
			require.Empty(t, b.Clock.Parts)
			require.NotEmpty(t, b.Clock.Row)
		}
	}
	require.Equal(t, []bool{false, true, true, false, false}, errs)
}

// TestBlocks: the rows of blocks are listed with all their bytes, for every
// kind of codec.
func TestBlocks(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1000
	dir := t.TempDir()
	s := open(t, dir, opt)
	logCurves(t, s, 1, 0, 2700)
	require.NoError(t, s.Checkpoint(ctx))
	codecs := map[string]bool{}
	check := func(metric string, want ...string) {
		t.Helper()
		var kinds []string
		at := int64(0)
		for b, err := range s.Blocks(ctx, 1, metric) {
			require.NoError(t, err)
			require.NoError(t, b.Err)
			kinds = append(kinds, fmt.Sprint(b.Kind, " ", b.Points))
			require.Equal(t, metric, b.Metric)
			require.Equal(t, 6, b.Width)
			require.Equal(t, at, b.MinStep)
			require.Equal(t, at+int64(b.Points)-1, b.MaxStep)
			require.Less(t, b.MinTime, b.MaxTime)
			at += int64(b.Points)
			if b.Kind == "memory" {
				require.Nil(t, b.Clock)
				require.Nil(t, b.Values)
				continue
			}
			for _, c := range []*ColumnBytes{b.Clock, b.Values} {
				require.True(t, c.Sound)
				offset := 0
				for _, p := range c.Parts {
					require.Equal(t, offset, p.Offset)
					require.NotEmpty(t, p.Note, p.Name)
					offset += p.Bytes
				}
				require.Equal(t, len(c.Row), offset, "the parts cover the row")
				require.Equal(t, record.HeaderSize, c.Part("seal"))
				require.NotEmpty(t, c.Codecs)
			}
			codecs[b.Values.Codecs] = true
			values, err := block.DecodeValues(nil, b.Values.Row[record.HeaderSize:])
			require.NoError(t, err)
			require.Len(t, values, b.Points)
		}
		require.Equal(t, want, kinds, metric)
	}
	for _, name := range curveNames {
		check(name, "block 1000", "block 1000", "tail 700")
	}
	require.GreaterOrEqual(t, len(codecs), 5, "%v", codecs)

	logCurves(t, s, 1, 2700, 40)
	check("noise", "block 1000", "block 1000", "tail 700", "memory 40")
	logCurves(t, s, 1, 2740, 300)
	require.NoError(t, s.sealer.wait(s.sealer.mark()))
	check("noise", "block 1000", "block 1000", "block 1000", "memory 40")
	for range s.Blocks(ctx, 1, "other") {
		t.Fatal("no such metric")
	}
	for range s.Blocks(ctx, 99, "noise") {
		t.Fatal("no such run")
	}
	for range s.Blocks(ctx, 1, "noise") {
		break
	}
	c, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range s.Blocks(c, 1, "noise") {
		require.ErrorIs(t, err, context.Canceled)
	}

	view := open(t, dir, &Options{ReadOnly: true, BlockPoints: 1000})
	require.NoError(t, view.sealer.wait(view.sealer.mark()))
	s = view
	check("noise", "block 1000", "block 1000", "block 1000", "memory 40")
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	save(t, s, 1, "a")
	require.NoError(t, s.Close())
	put := func(name string, size int64) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(size))
		require.NoError(t, f.Close())
	}
	put("artifacts/a/b/c.bin", 1<<20)
	put("artifacts/d", 10)
	put("inbox/x.rejected", 20)
	put("journal/0000000000000007.log", 30)
	put("tmp/view-mine/kv/000001.sst", 40)
	put("tmp/view-other/kv/000001.sst", 50)
	files, err := Files(ctx, dir, filepath.Join(dir, "tmp", "view-mine"))
	require.NoError(t, err)
	got := map[string]FileSpace{}
	var total int64
	for _, f := range files {
		got[f.Kind] = f
		total += f.Bytes
	}
	require.Len(t, got, 8)
	require.EqualValues(t, 2, got["artifacts"].Files)
	require.EqualValues(t, 1<<20+10, got["artifacts"].Bytes)
	require.EqualValues(t, 20, got["inboxes"].Bytes)
	require.EqualValues(t, 30, got["journals"].Bytes)
	require.EqualValues(t, 50, got["copies"].Bytes)
	require.EqualValues(t, 3, got["other"].Files, "RUNSTONE, LOCK and MARK")
	require.Positive(t, got[KeySpaceTables].Bytes)
	all, err := Files(ctx, dir, "")
	require.NoError(t, err)
	for _, f := range all {
		total -= f.Bytes
	}
	require.EqualValues(t, -40, total)
	_, err = Files(ctx, filepath.Join(dir, "absent"), "")
	require.ErrorIs(t, err, os.ErrNotExist)
	c, cancel := context.WithCancel(ctx)
	cancel()
	_, err = Files(c, dir, "")
	require.ErrorIs(t, err, context.Canceled)
}

// TestBlocksBesideCheckpoints: a tail that a checkpoint replaces is no damage.
func TestBlocksBesideCheckpoints(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	logCurves(t, s, 1, 0, 10)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 10; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			logCurves(t, s, 1, i, 1)
			if err := s.Checkpoint(ctx); err != nil {
				t.Error(err)
			}
		}
	}()
	defer func() {
		close(stop)
		<-done
	}()
	last := 0
	for range 300 {
		points := 0
		for b, err := range s.Blocks(ctx, 1, "noise") {
			require.NoError(t, err)
			require.NoError(t, b.Err)
			points += b.Points
		}
		require.GreaterOrEqual(t, points, last)
		last = points
	}
}
