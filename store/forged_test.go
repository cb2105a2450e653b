package store

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/block"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// forge seals another body in place of that of a stored row.
func forge(t testing.TB, s *Store, key []byte, change func(body []byte) []byte) {
	t.Helper()
	require.NoError(t, s.engine.Update(func(w kv.Writer) error {
		row, err := w.Get(key)
		require.NoError(t, err)
		version, body, err := record.Open(key, row)
		require.NoError(t, err)
		return w.Set(key, record.Seal(nil, key, version, change(slices.Clone(body))))
	}))
}

// askAll puts every question to curves that may be forged: an answer or
// ErrCorrupt.
func askAll(t testing.TB, s *Store, run uint32) {
	t.Helper()
	var curves []Curve
	for _, name := range curveNames {
		curves = append(curves, Curve{Run: run, Metric: name})
	}
	check := func(err error) {
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	}
	for _, r := range []Range{AllPoints(), AllPoints().Steps(100, 2500), AllPoints().Times(1767225600000, 1767227000000)} {
		for _, n := range []int{1, 3, 5000} {
			for _, c := range curves { // one by one, as one error ends all
				all, err := s.Downsample(ctx, []Curve{c}, r, n)
				check(err)
				if err == nil {
					require.LessOrEqual(t, len(all[0]), n)
				}
			}
		}
		for _, c := range curves {
			one := []Curve{c}
			for op := Less; op <= NotInf; op++ {
				_, err := s.Ever(ctx, one, []Range{r}, op, 0.5)
				check(err)
				_, err = s.Always(ctx, one, []Range{r}, op, math.Inf(1))
				check(err)
				_, err = s.EverFor(ctx, one, []Range{r}, op, 0.5, 700, op%2 == 0)
				check(err)
			}
			_, err := s.Aggregates(ctx, one, []Range{r})
			check(err)
			_, err = s.Spreads(ctx, one, []Range{r})
			check(err)
			_, err = s.Slope(ctx, one, []Range{r})
			check(err)
			_, err = s.At(ctx, one, []int64{700})
			check(err)
			for _, err := range s.PointsOf(ctx, one, r) {
				check(err)
			}
			for b, err := range s.Blocks(ctx, run, c.Metric) {
				check(err)
				check(b.Err)
			}
		}
	}
	_, err := s.Space(ctx, &SpaceOptions{TopRuns: 2, TopMetrics: 2})
	check(err)
}

// TestForgedBlocks: blocks that nobody's encoder made, under the right
// checksums, make wrong answers at worst.
func TestForgedBlocks(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1100
	s := open(t, t.TempDir(), opt)
	logCurves(t, s, 1, 0, 2600)
	require.NoError(t, s.Checkpoint(ctx))
	var sound [][]byte
	for column := range uint16(len(curveNames) + 1) {
		forge(t, s, columnKey('b', 1, 0, column, 1), func(body []byte) []byte {
			sound = append(sound, slices.Clone(body))
			return body
		})
	}
	r := rand.New(rand.NewPCG(4, 1))
	for range 60 {
		for column := range uint16(len(sound)) {
			forge(t, s, columnKey('b', 1, 0, column, 1), func([]byte) []byte {
				body := slices.Clone(sound[column])
				for range r.IntN(3) {
					body[r.IntN(min(len(body), 120))] = byte(r.Uint32())
				}
				return body
			})
		}
		askAll(t, s, 1)
	}

}

// TestVerifyForgedSummaries: a summary that is not that of its points is found,
// whichever number of it is wrong, in blocks and in tails.
func TestVerifyForgedSummaries(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1100
	s := open(t, t.TempDir(), opt)
	logCurves(t, s, 1, 0, 2600)
	require.NoError(t, s.Checkpoint(ctx))
	problems := func() (all []error) {
		_, err := s.Verify(ctx, func(p Problem) { all = append(all, p.Err) })
		require.NoError(t, err)
		return all
	}
	require.Empty(t, problems())
	tail := uint32(0)
	for b, err := range s.Blocks(ctx, 1, "noise") {
		require.NoError(t, err)
		if b.Kind == "tail" {
			tail = b.Number
		}
	}
	for _, row := range []struct {
		table  byte
		number uint32
	}{{'b', 1}, {'t', tail}} {
		for column := range uint16(len(curveNames) + 1) {
			key := columnKey(row.table, 1, 0, column, row.number)
			var sound []byte
			forge(t, s, key, func(body []byte) []byte { sound = body; return slices.Clone(body) })
			info, err := inspectColumn(key, record.Seal(nil, key, 1, sound), column)
			require.NoError(t, err)
			at, found := 0, 0
			for _, p := range info.Parts {
				from := at
				at += p.Bytes
				if p.Name != "zone" && p.Name != "pyramid" {
					continue
				}
				for i := from; i < at; i += 1 + p.Bytes/12 {
					forge(t, s, key, func([]byte) []byte {
						body := slices.Clone(sound)
						body[i] ^= 1
						return body
					})
					if len(problems()) > 0 {
						found++
						continue
					}
					// A byte may have no meaning: the rest of a frame's last byte.
					require.Equal(t, "pyramid", p.Name, "table %c column %d byte %d", row.table, column, i)
				}
			}
			forge(t, s, key, func([]byte) []byte { return sound })
			if column > 1 || column == 0 && row.table == 'b' { // others have neither
				require.Greater(t, found, 4)
			}
		}
	}
	require.Empty(t, problems())
}

// TestForgedClock: a clock that says it goes up in steps that wrap.
func TestForgedClock(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1100
	s := open(t, t.TempDir(), opt)
	logCurves(t, s, 1, 0, 2600)
	require.NoError(t, s.Checkpoint(ctx))
	forge(t, s, columnKey('b', 1, 0, 0, 1), func(body []byte) []byte {
		body = append(body[:3], 15) // behind version and n: both are strides and do not descend
		for _, x := range []int64{0, 1 << 58, 1767225600000, 1} {
			body = binary.AppendVarint(body, x)
		}
		_, _, err := block.DecodeClock(nil, nil, body)
		require.NoError(t, err)
		return body
	})
	askAll(t, s, 1)
	found := 0
	_, err := s.Verify(ctx, func(p Problem) {
		require.ErrorIs(t, p.Err, errSummary)
		found++
	})
	require.NoError(t, err)
	require.Equal(t, 1, found)
}

// TestForgedCount: values of another number than the steps are damage to every
// question, also where summaries alone are read.
func TestForgedCount(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1100
	s := open(t, t.TempDir(), opt)
	logCurves(t, s, 1, 0, 1100)
	require.NoError(t, s.Checkpoint(ctx))
	for i, name := range curveNames {
		forge(t, s, columnKey('b', 1, 0, uint16(i+1), 0), func(body []byte) []byte {
			values, err := block.DecodeValues(nil, body)
			require.NoError(t, err)
			return block.AppendValues(nil, values[:1090])
		})
		for _, n := range []int{1, 4, 900} {
			_, err := s.Downsample(ctx, []Curve{{Run: 1, Metric: name}}, AllPoints(), n)
			require.ErrorIs(t, err, ErrCorrupt, "%s in %d", name, n)
		}
	}
}

// TestTailLongerThanBlock: a store may be opened with shorter blocks than it
// was written with.
func TestTailLongerThanBlock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	logCurves(t, s, 1, 0, 300)
	require.NoError(t, s.Close())
	opt := testOptions()
	opt.BlockPoints = 100
	s = open(t, dir, opt)
	logCurves(t, s, 1, 300, 250)
	require.NoError(t, s.Checkpoint(ctx))
	require.Len(t, readAll(t, s, 1, "decimal").Steps, 550)
	require.NoError(t, s.Close())
	s = open(t, dir, opt)
	require.Len(t, readAll(t, s, 1, "decimal").Steps, 550)
}

// TestLongestBlock: the rows of a block fit the key space whatever is in them,
// and however long a block is asked for.
func TestLongestBlock(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1 << 20
	s := open(t, t.TempDir(), opt)
	x, err := s.OpenSeries(ctx, 1)
	require.NoError(t, err)
	defer x.Close()
	groups, err := x.Groups(ctx, []SeriesName{{Metric: "noise"}})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(8, 1))
	c := columns{values: make([][]float64, 1)}
	for range maxBlockPoints + 500 {
		c.steps, c.times = append(c.steps, int64(r.Uint64())), append(c.times, int64(r.Uint64()))
		c.values[0] = append(c.values[0], math.Float64frombits(r.Uint64()))
	}
	require.NoError(t, groups[0].Append(ctx, Appended, c.steps, c.times, c.values))
	require.NoError(t, s.Checkpoint(ctx))
	require.Equal(t, maxBlockPoints, firstBlock(t, s, 1, "noise").Points)
}

func firstBlock(t testing.TB, s *Store, run uint32, metric string) *SeriesBlock {
	t.Helper()
	for b, err := range s.Blocks(ctx, run, metric) {
		require.NoError(t, err)
		require.NoError(t, b.Err)
		return b
	}
	require.Fail(t, "no blocks")
	return nil
}
