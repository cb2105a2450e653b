package block

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func perPoint(b *testing.B, points, size int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(points), "ns/point")
	b.ReportMetric(float64(size)/float64(points), "B/point")
}

// lengths are those of a full block, of a tail, and of short curves.
var lengths = []int{sealAt, 500, 30}

// BenchmarkEncode makes value blocks of every kind of series.
func BenchmarkEncode(b *testing.B) {
	for _, k := range kinds {
		for _, n := range lengths {
			b.Run(fmt.Sprintf("%s/%d", k.name, n), func(b *testing.B) {
				values := k.generate(1, n).values
				dst := AppendValues(nil, values)
				b.ReportAllocs()
				for b.Loop() {
					dst = AppendValues(dst[:0], values)
				}
				perPoint(b, n, len(dst))
			})
		}
	}
}

// BenchmarkDecode reads value blocks of every kind of series.
func BenchmarkDecode(b *testing.B) {
	for _, k := range kinds {
		for _, n := range lengths {
			b.Run(fmt.Sprintf("%s/%d", k.name, n), func(b *testing.B) {
				src := AppendValues(nil, k.generate(1, n).values)
				dst := make([]float64, 0, n)
				b.ReportAllocs()
				for b.Loop() {
					got, err := DecodeValues(dst, src)
					if err != nil || len(got) != n {
						b.Fatal(len(got), err)
					}
				}
				perPoint(b, n, len(src))
			})
		}
	}
}

// BenchmarkWhole is a group of ten series with one clock, as the store seals
// it: ns and bytes for each of its 40,960 points.
func BenchmarkWhole(b *testing.B) {
	var columns [][]float64
	var blocks [][]byte
	var s series
	size := 0
	for i := range 10 {
		s = kinds[4+i%7].generate(uint64(i), sealAt)
		columns = append(columns, s.values)
		blocks = append(blocks, AppendValues(nil, s.values))
		size += len(blocks[i])
	}
	clock := AppendClock(nil, s.steps, s.times)
	size += len(clock)
	b.Run("encode", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = AppendClock(dst[:0], s.steps, s.times)
			for _, values := range columns {
				dst = AppendValues(dst[:0], values)
			}
		}
		perPoint(b, 10*sealAt, size)
	})
	b.Run("decode", func(b *testing.B) {
		steps, times := make([]int64, 0, sealAt), make([]int64, 0, sealAt)
		values := make([]float64, 0, sealAt)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := DecodeClock(steps, times, clock); err != nil {
				b.Fatal(err)
			}
			for _, src := range blocks {
				if _, err := DecodeValues(values, src); err != nil {
					b.Fatal(err)
				}
			}
		}
		perPoint(b, 10*sealAt, size)
	})
}

func BenchmarkClock(b *testing.B) {
	s := kinds[0].generate(1, sealAt)
	src := AppendClock(nil, s.steps, s.times)
	b.Run("encode", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = AppendClock(dst[:0], s.steps, s.times)
		}
		perPoint(b, sealAt, len(dst))
	})
	b.Run("decode", func(b *testing.B) {
		steps, times := make([]int64, 0, sealAt), make([]int64, 0, sealAt)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := DecodeClock(steps, times, src); err != nil {
				b.Fatal(err)
			}
		}
		perPoint(b, sealAt, len(src))
	})
}

func BenchmarkHeaders(b *testing.B) {
	src := AppendValues(nil, kinds[4].generate(1, sealAt).values)
	b.Run("zone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ReadZone(src); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pyramid", func(b *testing.B) {
		spans := make([]Span, 0, spansOf(sealAt))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ReadPyramid(spans, src); err != nil {
				b.Fatal(err)
			}
		}
	})
	clock := AppendClock(nil, kinds[0].generate(1, sealAt).steps, kinds[0].generate(1, sealAt).times)
	b.Run("clock pyramid", func(b *testing.B) {
		spans := make([]ClockSpan, 0, spansOf(sealAt))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ReadClockPyramid(spans, clock); err != nil {
				b.Fatal(err)
			}
		}
	})
	values := kinds[4].generate(1, sealAt).values
	b.Run("zone of values", func(b *testing.B) {
		for b.Loop() {
			if ZoneOf(values).Count != sealAt {
				b.Fatal("lost values")
			}
		}
		perPoint(b, sealAt, 0)
	})
}

// BenchmarkCorpus encodes and decodes the value columns of the curves in the
// folder RUNSTONE_CORPUS.
func BenchmarkCorpus(b *testing.B) {
	dir := os.Getenv("RUNSTONE_CORPUS")
	if dir == "" {
		b.Skip("RUNSTONE_CORPUS names no folder of curves")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	require.NoError(b, err)
	var columns [][]float64
	var blocks [][]byte
	points, size := 0, 0
	for _, path := range files {
		for _, s := range readCorpus(b, path) {
			for at := 0; at < len(s.values); at += sealAt {
				v := s.values[at:min(at+sealAt, len(s.values))]
				columns = append(columns, v)
				blocks = append(blocks, AppendValues(nil, v))
				points += len(v)
				size += len(blocks[len(blocks)-1])
			}
		}
	}
	b.Run("encode", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			for _, v := range columns {
				dst = AppendValues(dst[:0], v)
			}
		}
		perPoint(b, points, size)
	})
	b.Run("decode", func(b *testing.B) {
		dst := make([]float64, 0, sealAt)
		b.ReportAllocs()
		for b.Loop() {
			for _, src := range blocks {
				if _, err := DecodeValues(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		}
		perPoint(b, points, size)
	})
}
