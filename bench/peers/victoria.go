package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompbmarshal"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/storage"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// openVictoria uses the storage of VictoriaMetrics. It keeps times and values,
// but no steps: what is read back gets its number in the series for a step. It
// turns values into decimals of some 12 digits. There is no log: a batch is in
// memory for up to 5 seconds, and lost with the process.
func openVictoria(dir string) (load.Engine, error) {
	if !flag.Parsed() { // the package reads its settings from flags
		if err := flag.CommandLine.Parse(nil); err != nil {
			return nil, err
		}
	}
	if err := flag.Set("loggerLevel", "ERROR"); err != nil {
		return nil, err
	}
	century := 100 * 365 * 24 * time.Hour
	return &victoria{db: storage.MustOpenStorage(dir, storage.OpenOptions{Retention: century}), dir: dir}, nil
}

type victoria struct {
	db   *storage.Storage
	dir  string
	runs int
	seen bool // what was logged can be searched
}

// Rounding implements [load.Rounder].
func (v *victoria) Rounding() float64 { return 1e-11 }

func (v *victoria) StartRun(context.Context, string) (load.Run, error) {
	v.runs++
	return &victoriaRun{v: v, id: fmt.Sprint(v.runs), names: map[string][]byte{}}, nil
}

type victoriaRun struct {
	v     *victoria
	id    string
	names map[string][]byte
	rows  []storage.MetricRow
}

func (r *victoriaRun) ID() string                { return r.id }
func (r *victoriaRun) End(context.Context) error { return nil }

func (r *victoriaRun) Append(_ context.Context, c runstone.Columns) error {
	rows := r.rows[:0]
	for k, name := range c.Names {
		raw := r.names[name]
		if raw == nil {
			raw = storage.MarshalMetricNameRaw(nil, []prompbmarshal.Label{{Name: "__name__", Value: name}, {Name: "run", Value: r.id}})
			r.names[name] = raw
		}
		for i, at := range c.Times {
			rows = append(rows, storage.MetricRow{MetricNameRaw: raw, Timestamp: at, Value: c.Values[k][i]})
		}
	}
	r.rows = rows
	r.v.db.AddRows(rows, 64)
	return nil
}

func (v *victoria) Points(_ context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error {
	if !v.seen {
		v.db.DebugFlush()
		v.seen = true
	}
	filters := storage.NewTagFilters()
	for _, f := range [][2]string{{"", metric}, {"run", run}} {
		if err := filters.Add([]byte(f[0]), []byte(f[1]), false, false); err != nil {
			return err
		}
	}
	var search storage.Search
	all := storage.TimeRange{MinTimestamp: 0, MaxTimestamp: math.MaxInt64 / 2}
	search.Init(nil, v.db, []*storage.TagFilters{filters}, all, 1000, math.MaxUint64)
	defer search.MustClose()
	type piece struct {
		times  []int64
		values []float64
	}
	var pieces []piece
	var block storage.Block
	for search.NextMetricBlock() {
		search.MetricBlockRef.BlockRef.MustReadBlock(&block)
		if err := block.UnmarshalData(); err != nil {
			return err
		}
		var p piece
		p.times, p.values = block.AppendRowsWithTimeRangeFilter(nil, nil, all)
		if len(p.times) > 0 {
			pieces = append(pieces, p)
		}
	}
	if err := search.Error(); err != nil {
		return err
	}
	// The workload logs each series in order of time: its blocks do not overlap.
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.times[0], b.times[0]) })
	steps, n := []int64(nil), int64(0)
	for _, p := range pieces {
		steps = steps[:0]
		for range p.times {
			steps = append(steps, n)
			n++
		}
		if err := fn(steps, p.times, p.values); err != nil {
			return err
		}
	}
	return nil
}

func (v *victoria) Downsample(ctx context.Context, run, metric string, steps, buckets int) (int64, error) {
	return load.ClientDownsample(ctx, v, run, metric, steps, buckets)
}

// Close merges all parts and leaves out the folder of caches, which it can do
// without.
func (v *victoria) Close() error {
	v.db.DebugFlush()
	if v.runs > 0 {
		if err := v.db.ForceMergePartitions(""); err != nil {
			return err
		}
	}
	v.db.MustClose()
	return os.RemoveAll(filepath.Join(v.dir, "cache"))
}
