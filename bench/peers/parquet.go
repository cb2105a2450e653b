package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// openParquet writes one Parquet file: a row for each point, and a row group
// for each series. Steps and times are delta-packed integers, values are split
// by bytes, and zstd packs all of it. A Parquet file is written once, so all
// points stay in memory until Close: nothing survives the process before.
func openParquet(dir string) (load.Engine, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p := &parquetFile{path: filepath.Join(dir, "metrics.parquet")}
	f, err := os.Open(p.path)
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		p.file = f
		p.read, err = parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true))
	}
	if err == nil {
		series, _ := p.read.Lookup(seriesOfFile)
		err = json.Unmarshal([]byte(series), &p.series)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// seriesOfFile is the key of the series' numbers in the file's footer, since
// the library has no search by the statistics of row groups.
const seriesOfFile = "series"

type parquetFile struct {
	path string
	runs []*parquetRun

	file   *os.File // of one that is read
	read   *parquet.File
	series map[string]int // row group by run and metric

	steps, times []int64 // read into again and again
	values       []float64
}

// parquetRow is the schema.
type parquetRow struct {
	Run    uint32  `parquet:"run,dict,zstd"`
	Metric string  `parquet:"metric,dict,zstd"`
	Step   int64   `parquet:"step,delta,zstd"`
	Time   int64   `parquet:"time,delta,zstd"`
	Value  float64 `parquet:"value,split,zstd"`
}

type parquetRun struct {
	no           int
	names        []string
	steps, times [][]int64 // of each metric: other programs log them apart
	values       [][]float64
}

func (p *parquetFile) StartRun(context.Context, string) (load.Run, error) {
	r := &parquetRun{no: len(p.runs)}
	p.runs = append(p.runs, r)
	return r, nil
}

func (r *parquetRun) ID() string                { return fmt.Sprint(r.no) }
func (r *parquetRun) End(context.Context) error { return nil }

func (r *parquetRun) Append(_ context.Context, c runstone.Columns) error {
	for k, name := range c.Names {
		i := k
		for ; i < len(r.names) && r.names[i] != name; i++ {
		}
		if i >= len(r.names) {
			i = len(r.names)
			r.names, r.steps, r.times, r.values = append(r.names, name), append(r.steps, nil), append(r.times, nil), append(r.values, nil)
		}
		r.steps[i], r.times[i], r.values[i] = append(r.steps[i], c.Steps...), append(r.times[i], c.Times...), append(r.values[i], c.Values[k]...)
	}
	return nil
}

func (p *parquetFile) Close() error {
	if p.file != nil {
		return p.file.Close()
	}
	f, err := os.Create(p.path)
	if err != nil {
		return err
	}
	return errors.Join(p.write(f), f.Close())
}

func (p *parquetFile) write(f io.Writer) error {
	w := parquet.NewGenericWriter[parquetRow](f)
	series := map[string]int{}
	rows := make([]parquetRow, 4096)
	for _, r := range p.runs {
		for k, name := range r.names {
			series[r.ID()+"/"+name] = len(series)
			for at := 0; at < len(r.steps[k]); at += len(rows) {
				n := min(len(rows), len(r.steps[k])-at)
				for i := range n {
					rows[i] = parquetRow{uint32(r.no), name, r.steps[k][at+i], r.times[k][at+i], r.values[k][at+i]}
				}
				if _, err := w.Write(rows[:n]); err != nil {
					return err
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	text, err := json.Marshal(series)
	if err != nil {
		return err
	}
	w.SetKeyValueMetadata(seriesOfFile, string(text))
	return w.Close()
}

func (p *parquetFile) Points(_ context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error {
	group, ok := p.series[run+"/"+metric]
	if !ok {
		return fmt.Errorf("no metric %q", metric)
	}
	columns := p.read.RowGroups()[group].ColumnChunks()
	steps, times, values := p.steps[:0], p.times[:0], p.values[:0]
	for i, take := range map[int]func(parquet.Page){
		2: func(page parquet.Page) { data := page.Data(); steps = append(steps, data.Int64()...) },
		3: func(page parquet.Page) { data := page.Data(); times = append(times, data.Int64()...) },
		4: func(page parquet.Page) { data := page.Data(); values = append(values, data.Double()...) },
	} {
		if err := eachPage(columns[i], take); err != nil {
			return err
		}
	}
	p.steps, p.times, p.values = steps, times, values
	return fn(steps, times, values)
}

func eachPage(column parquet.ColumnChunk, take func(parquet.Page)) (err error) {
	pages := column.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		take(page)
		parquet.Release(page)
	}
}

func (p *parquetFile) Downsample(ctx context.Context, run, metric string, steps, buckets int) (int64, error) {
	return load.ClientDownsample(ctx, p, run, metric, steps, buckets)
}
