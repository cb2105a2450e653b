package index

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

var benchRuns = flag.Int("runs", 100_000, "runs of the benchmarks' table")

// Kinds of the benchmarks' fields.
const (
	benchAttribute = iota + 1
	benchParam
	benchTag
	benchMetric
)

// benchCells are those of the workload: 7 attributes, 10 params of few distinct
// values, 5 tags, 8 metrics of 1,000 points with ten aggregates each.
func benchCells(run uint32, add func(Cell)) {
	rng := rand.New(rand.NewPCG(uint64(run), 7))
	str := func(kind byte, ord uint32, s string) {
		add(Cell{Field: Field{Kind: kind, Ord: ord}, Type: Strings, Text: s})
	}
	num := func(kind byte, ord uint32, part byte, v int64) {
		add(Cell{Field: Field{kind, ord, part}, Type: Ints, Int: v})
	}
	str(benchAttribute, 1, fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()))
	str(benchAttribute, 2, fmt.Sprintf("%s-%s-%d", words[rng.IntN(len(words))], words[rng.IntN(len(words))], rng.IntN(1000)))
	str(benchAttribute, 3, "alice")
	num(benchAttribute, 4, 0, 3)
	num(benchAttribute, 5, 0, 1_700_000_000_000+int64(run)*20_000+rng.Int64N(20_000))
	num(benchAttribute, 6, 0, 1_700_000_600_000+int64(run)*20_000+rng.Int64N(600_000))
	num(benchAttribute, 7, 0, int64(run/20_000))
	for p := range uint32(10) {
		str(benchParam, p, fmt.Sprint(float64(rng.IntN(10))/100))
	}
	for p := range uint32(5) {
		str(benchTag, p, fmt.Sprintf("value-%d", rng.IntN(20)))
	}
	for m := range uint32(8) {
		last := rng.Float64()
		for part, v := range []float64{last, 1 + rng.Float64(), last * rng.Float64(), 1 + 2*rng.Float64(), rng.Float64() * 700, rng.Float64() * 600} {
			add(Cell{Field: Field{benchMetric, m, byte(part)}, Type: Floats, Float: v})
		}
		num(benchMetric, m, 10, 1000)
		num(benchMetric, m, 11, 0)
		num(benchMetric, m, 12, rng.Int64N(1000))
		num(benchMetric, m, 13, 999)
	}
}

var words = []string{"swift", "calm", "bold", "crane", "otter", "finch", "lynx", "heron", "proud", "quiet", "rare", "vivid"}

func benchLoad(_ *store.Tx, run uint32, add func(Cell)) error {
	benchCells(run, add)
	return nil
}

// benchTable is a store with the workload, folded in steps as if runs came in.
func benchTable(b *testing.B, runs int, step int) (*store.Store, string, Stats) {
	b.Helper()
	dir := b.TempDir()
	st, err := store.Open(dir, &store.Options{InboxInterval: -1})
	require.NoError(b, err)
	var sum Stats
	t := NewTable(0)
	for last := step; last < runs+step; last += step {
		s, err := t.Fold(b.Context(), st, FoldOptions{Load: benchLoad, Last: uint32(min(last, runs))})
		require.NoError(b, err)
		sum.Runs += s.Runs
		sum.Segments += s.Segments
		sum.Bytes += s.Bytes
	}
	return st, dir, sum
}

func BenchmarkFold(b *testing.B) {
	cells := 0
	start := time.Now()
	for run := range uint32(4096) {
		benchCells(run, func(Cell) { cells++ })
	}
	b.Logf("%d cells a run, made in %v each", cells/4096, time.Since(start)/4096)
	for _, step := range []int{256, 4096, 1 << 30} {
		b.Run(fmt.Sprintf("step=%d", min(step, 8192)), func(b *testing.B) {
			least := time.Hour
			for b.Loop() {
				start := time.Now()
				runs := 8192
				st, _, sum := benchTable(b, runs, min(step, runs))
				b.ReportMetric(float64(sum.Bytes)/float64(runs), "bytes-written/run")
				least = min(least, time.Since(start))
				require.NoError(b, st.Close())
			}
			b.ReportMetric(float64(least.Microseconds())/8192, "least-µs/run")
		})
	}
}

// BenchmarkEdit folds edits of old runs.
func BenchmarkEdit(b *testing.B) {
	st, _, _ := benchTable(b, 8192, 8192)
	t := NewTable(0)
	tagged := false
	load := func(tx *store.Tx, run uint32, add func(Cell)) error {
		benchCells(run, add)
		if tagged {
			add(Cell{Field: Field{Kind: benchTag, Ord: 99}, Type: Strings, Text: fmt.Sprint(rand.Uint64())})
		}
		return nil
	}
	for _, n := range []int{1, 256} {
		b.Run(fmt.Sprintf("runs=%d", n), func(b *testing.B) {
			tagged = true
			for b.Loop() {
				require.NoError(b, st.Update(b.Context(), store.Appended, func(tx *store.Tx) error {
					for range n {
						if err := Touch(tx, 1+rand.Uint32N(4096)); err != nil {
							return err
						}
					}
					return nil
				}))
				s, err := t.Fold(b.Context(), st, FoldOptions{Load: load, Last: 8192})
				require.NoError(b, err)
				require.Equal(b, 1, s.Segments)
				b.ReportMetric(float64(s.Bytes), "bytes-written")
			}
		})
	}
	require.NoError(b, st.Close())
}

func BenchmarkTouch(b *testing.B) {
	st, _, _ := benchTable(b, 256, 256)
	for b.Loop() {
		require.NoError(b, st.Update(b.Context(), store.Appended, func(tx *store.Tx) error {
			for i := range uint32(1000) {
				if err := Touch(tx, 1+i); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/touch")
	require.NoError(b, st.Close())
}

// BenchmarkRead reads three columns of all runs: a param, a metric's last value
// and another's minimum.
func BenchmarkRead(b *testing.B) {
	st, dir, _ := benchTable(b, *benchRuns, *benchRuns)
	require.NoError(b, st.Close())
	st, err := store.Open(dir, &store.Options{InboxInterval: -1})
	require.NoError(b, err)
	size, err := st.Stats(b.Context())
	require.NoError(b, err)
	b.Logf("%d runs: %d bytes each", *benchRuns, size.Tables/int64(*benchRuns))
	fields := []Field{{benchParam, 3, 0}, {benchMetric, 2, 0}, {benchMetric, 5, 2}}
	for _, bytes := range []int64{0, 1 << 30} {
		b.Run(map[bool]string{true: "cold", false: "warm"}[bytes == 0], func(b *testing.B) {
			t := NewTable(bytes)
			least := time.Hour
			for b.Loop() {
				start := time.Now()
				read := 0
				require.NoError(b, st.View(b.Context(), func(tx *store.Tx) error {
					s, err := t.Snapshot(tx, uint32(*benchRuns))
					require.NoError(b, err)
					require.Empty(b, s.Dirty())
					for _, seg := range s.Segments() {
						for _, f := range fields {
							c, n, err := s.Column(seg, f)
							if err != nil || c == nil {
								b.Fatal(err)
							}
							read += n
						}
					}
					return nil
				}))
				least = min(least, time.Since(start))
				b.ReportMetric(float64(read), "bytes-read")
			}
			b.ReportMetric(float64(least.Microseconds())/1000, "least-ms")
		})
	}
	require.NoError(b, st.Close())
}

func BenchmarkDecode(b *testing.B) {
	const n = 4096
	rng := rand.New(rand.NewPCG(1, 2))
	floats := func(fn func(i int) float64) *flat {
		f := &flat{typ: Floats}
		for i := range n {
			f.rows, f.floats = append(f.rows, uint32(i)), append(f.floats, fn(i))
		}
		return f
	}
	ints := func(bits int) *flat {
		f := &flat{typ: Ints}
		for i := range n {
			f.rows, f.ints = append(f.rows, uint32(i)), append(f.ints, rng.Int64N(1<<bits))
		}
		return f
	}
	strs := func(distinct int, fn func(i int) string) *flat {
		bd := &builder{}
		bd.reset(Strings)
		for i := range n {
			bd.rows, bd.codes = append(bd.rows, uint32(i)), append(bd.codes, bd.code(fn(rng.IntN(distinct))))
		}
		return &bd.flat
	}
	half := ints(20)
	half.rows, half.ints = half.rows[:0], half.ints[:n/2]
	for i := range n / 2 {
		half.rows = append(half.rows, uint32(2*i))
	}
	t := NewTable(0)
	e := encoder{texts: t.texts}
	for _, c := range []struct {
		name string
		f    *flat
	}{
		{"constant", ints(0)}, {"ints-10", ints(10)}, {"ints-41", ints(41)}, {"half-of-rows", half},
		{"raw-floats", floats(func(int) float64 { return rng.NormFloat64() })},
		{"float32", floats(func(int) float64 { return float64(float32(rng.Float64())) })},
		{"decimals", floats(func(int) float64 { return math.Round(rng.Float64()*1e4) / 1e4 })},
		{"few-strings", strs(10, func(i int) string { return fmt.Sprint(i) })},
		{"hex-ids", strs(1<<30, func(i int) string { return fmt.Sprintf("%016x%016x", rng.Uint64(), i) })},
		{"names", strs(1<<30, func(i int) string { return fmt.Sprintf("%s-%s-%d", words[i%11], words[i%12], i%1000) })},
	} {
		body := e.append(nil, c.f, n)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			least := time.Hour
			for b.Loop() {
				start := time.Now()
				if _, err := t.texts.column(body, n); err != nil {
					b.Fatal(err)
				}
				least = min(least, time.Since(start))
			}
			b.ReportMetric(float64(least.Nanoseconds())/n, "least-ns/value")
			b.ReportMetric(float64(len(body))/n, "bytes/value")
		})
	}
}
