package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
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

	read  victoriaColumns // read into again and again
	steps []int64
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
	c := victoriaColumns{v.read.times[:0], v.read.values[:0]}
	var block storage.Block
	for search.NextMetricBlock() {
		search.MetricBlockRef.BlockRef.MustReadBlock(&block)
		if err := block.UnmarshalData(); err != nil {
			return err
		}
		c.times, c.values = block.AppendRowsWithTimeRangeFilter(c.times, c.values, all)
	}
	if err := search.Error(); err != nil {
		return err
	}
	c.sort()
	v.read = c
	for len(v.steps) < len(c.times) {
		v.steps = append(v.steps, int64(len(v.steps)))
	}
	return fn(v.steps[:len(c.times)], c.times, c.values)
}

// victoriaColumns are points. The blocks of a series may overlap in time, since
// its rows are spread over several buffers, so reading merges them.
type victoriaColumns struct {
	times  []int64
	values []float64
}

// sort merges neighbouring runs that ascend until there is one.
func (c *victoriaColumns) sort() {
	ends := []int{0}
	for i := 1; i < len(c.times); i++ {
		if c.times[i] < c.times[i-1] {
			ends = append(ends, i)
		}
	}
	if ends = append(ends, len(c.times)); len(ends) <= 2 {
		return
	}
	for out := (victoriaColumns{make([]int64, 0, len(c.times)), make([]float64, 0, len(c.times))}); len(ends) > 2; {
		out.times, out.values = out.times[:0], out.values[:0]
		left := []int{0}
		for i := 0; i+1 < len(ends); i += 2 {
			last := ends[min(i+2, len(ends)-1)]
			out.merge(c, ends[i], ends[i+1], last)
			left = append(left, last)
		}
		*c, out, ends = out, *c, left
	}
}

// merge appends the points from a to b and those from b to end of src, both of
// which ascend, in order.
func (c *victoriaColumns) merge(src *victoriaColumns, a, b, end int) {
	for i, j := a, b; i < b || j < end; {
		k := j
		if j == end || i < b && src.times[i] <= src.times[j] {
			k = i
			i++
		} else {
			j++
		}
		c.times, c.values = append(c.times, src.times[k]), append(c.values, src.values[k])
	}
}

func (v *victoria) Downsample(ctx context.Context, run, metric string, steps, buckets int) (int64, error) {
	return load.ClientDownsample(ctx, v, run, metric, steps, buckets)
}

// Close merges all parts and leaves out the folder of caches, which it can do
// without.
func (v *victoria) Close() error {
	v.db.DebugFlush()
	for range 100 { // merges that are under way keep their parts out of it
		if v.runs == 0 || v.parts() <= 1 {
			break
		}
		if err := v.db.ForceMergePartitions(""); err != nil {
			return err
		}
		if v.parts() > 1 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	v.db.MustClose()
	return os.RemoveAll(filepath.Join(v.dir, "cache"))
}

// parts returns the number of sorted pieces that the points are in.
func (v *victoria) parts() uint64 {
	var m storage.Metrics
	v.db.UpdateMetrics(&m)
	t := &m.TableMetrics
	return t.InmemoryPartsCount + t.SmallPartsCount + t.BigPartsCount
}
