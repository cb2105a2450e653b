package load

import (
	"testing"

	"github.com/runstonedb/runstone"
)

func BenchmarkIngest100k(b *testing.B)       { benchmark(b, runstone.Appended, 100_000) }
func BenchmarkIngest1M(b *testing.B)         { benchmark(b, runstone.Appended, 1_000_000) }
func BenchmarkIngest1MSynced(b *testing.B)   { benchmark(b, runstone.Synced, 1_000_000) }
func BenchmarkIngest100kSynced(b *testing.B) { benchmark(b, runstone.Synced, 100_000) }

// benchmark runs whole workloads; an op is one, from the first batch to Close.
func benchmark(b *testing.B, d runstone.Durability, points int) {
	b.ReportAllocs()
	var last *Result
	for b.Loop() {
		r, err := Measure(ctx, Open(d), b.TempDir(), Sized(points))
		if err != nil {
			b.Fatal(err)
		}
		last = r
	}
	b.ReportMetric(last.Rate()/1e6, "Mpoints/s")
	b.ReportMetric(last.PerPoint(), "B/point")
	b.ReportMetric(float64(last.Close.Microseconds())/1000, "close-ms")
	b.ReportMetric(float64(last.Reopen.Microseconds())/1000, "reopen-ms")
	b.ReportMetric(float64(last.Read.Microseconds()), "read-µs")
	b.ReportMetric(float64(last.Downsample.Microseconds()), "downsample-µs")
}

// BenchmarkSource is what of the other benchmarks the workload itself costs.
func BenchmarkSource(b *testing.B) {
	b.ReportAllocs()
	s := NewSource(Full, 0)
	for b.Loop() {
		if _, ok := s.Next(); !ok {
			s = NewSource(Full, 0)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
}
