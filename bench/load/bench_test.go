package load

import (
	"os"
	"testing"

	"github.com/runstonedb/runstone"
)

func BenchmarkPoints100k(b *testing.B)       { benchmark(b, runstone.Appended, Sized(100_000)) }
func BenchmarkPoints1M(b *testing.B)         { benchmark(b, runstone.Appended, Sized(1_000_000)) }
func BenchmarkPoints10M(b *testing.B)        { benchmark(b, runstone.Appended, Full) }
func BenchmarkPoints1MSynced(b *testing.B)   { benchmark(b, runstone.Synced, Sized(1_000_000)) }
func BenchmarkPoints100kSynced(b *testing.B) { benchmark(b, runstone.Synced, Sized(100_000)) }
func BenchmarkSeries1M(b *testing.B)         { benchmark(b, runstone.Appended, OneSeries(1_000_000)) }
func BenchmarkShort100k(b *testing.B)        { benchmark(b, runstone.Appended, Short(100_000)) }

// BenchmarkSpread puts a million points into few and into many series.
func BenchmarkSpread(b *testing.B) {
	for name, series := range map[string]int{"10": 10, "1k": 1000, "10k": 10_000} {
		b.Run(name, func(b *testing.B) { benchmark(b, runstone.Appended, Spread(1_000_000, series)) })
	}
}

// BenchmarkCorpus logs the real curves in the folder that RUNSTONE_CORPUS names.
func BenchmarkCorpus(b *testing.B) {
	dir := os.Getenv("RUNSTONE_CORPUS")
	if dir == "" {
		b.Skip("RUNSTONE_CORPUS names no folder of curves")
	}
	w, err := ReadCorpus(dir)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkWorkload(b, runstone.Appended, w)
}

// BenchmarkWriters lets 64 goroutines wait for durable points; an op is a point.
func BenchmarkWriters(b *testing.B) {
	e, err := Open(runstone.Synced)(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	r, err := MeasureWriters(ctx, e, Writers{Writers: 64, Points: max(64, b.N)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(r.Rate(), "points/s")
	b.ReportMetric(float64(r.P50.Microseconds()), "p50-µs")
	b.ReportMetric(float64(r.P99.Microseconds()), "p99-µs")
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchmark(b *testing.B, d runstone.Durability, shape Shape) {
	benchmarkWorkload(b, d, shape.Workload())
}

// benchmarkWorkload runs whole workloads; an op is one, from the first batch to
// Close.
func benchmarkWorkload(b *testing.B, d runstone.Durability, w Workload) {
	b.ReportAllocs()
	var last *Result
	for b.Loop() {
		r, err := Measure(ctx, Open(d), b.TempDir(), w)
		if err != nil {
			b.Fatal(err)
		}
		last = r
	}
	b.ReportMetric(last.Rate()/1e6, "Mpoints/s")
	b.ReportMetric(last.PerPoint(), "B/point")
	b.ReportMetric(float64(last.Tables)/float64(last.Points), "table-B/point")
	b.ReportMetric(float64(last.Close.Microseconds())/1000, "close-ms")
	b.ReportMetric(float64(last.Reopen.Microseconds())/1000, "reopen-ms")
	b.ReportMetric(float64(last.Read.Microseconds()), "read-µs")
	b.ReportMetric(float64(last.Downsample.Microseconds()), "downsample-µs")
}

// BenchmarkGenerator is what of the other benchmarks the workload itself costs.
func BenchmarkGenerator(b *testing.B) {
	b.ReportAllocs()
	s := NewGenerator(Full, 0)
	for b.Loop() {
		if _, ok := s.Next(); !ok {
			s = NewGenerator(Full, 0)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
}

// BenchmarkRuns10k loads whole runs with fields; an op is ten thousand.
func BenchmarkRuns10k(b *testing.B) {
	w := Runs{Runs: 10_000}
	for b.Loop() {
		db, err := runstone.Open(b.TempDir(), &runstone.Options{Exclusive: true})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Load(ctx, db); err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*w.Runs)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkSearch10k puts questions to ten thousand runs.
func BenchmarkSearch10k(b *testing.B) {
	db, err := runstone.Open(b.TempDir(), &runstone.Options{Exclusive: true})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := (Runs{Runs: 10_000}).Load(ctx, db); err != nil {
		b.Fatal(err)
	}
	for _, q := range []struct{ name, filter, order string }{
		{"filter", "metrics.auc > 0.9 and params.lr = '0.01'", "metrics.loss ASC"},
		{"newest", "", "attributes.start_time DESC"},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range db.Search(ctx, q.filter, &runstone.SearchOptions{OrderBy: []string{q.order}, Limit: 100}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 100 {
					b.Fatalf("%d runs found", n)
				}
			}
		})
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
