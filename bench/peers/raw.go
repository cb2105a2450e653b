package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// raw is an engine that only takes points: the limits of the machine.
type raw struct {
	file *os.File // nil: the points are dropped
	sync bool
	size int // of a full batch in the file
	buf  []byte
}

func (r *raw) StartRun(context.Context, string) (load.Run, error) { return r, nil }
func (r *raw) ID() string                                         { return "raw" }
func (r *raw) End(context.Context) error                          { return nil }

// Append writes the columns as they are in memory, cut or filled up to the size
// that Runstone's journal takes for a batch.
func (r *raw) Append(_ context.Context, c runstone.Columns) error {
	if r.file == nil {
		return nil
	}
	r.buf = appendColumns(r.buf[:0], c.Steps, c.Times, c.Values...)
	for len(r.buf) < r.size {
		r.buf = append(r.buf, 0)
	}
	if _, err := r.file.Write(r.buf[:r.size]); err != nil {
		return err
	}
	if r.sync {
		return fdatasync(r.file)
	}
	return nil
}

func appendColumns(b []byte, steps, times []int64, values ...[]float64) []byte {
	for _, column := range [][]int64{steps, times} {
		for _, v := range column {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	}
	for _, column := range values {
		for _, v := range column {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b
}

func (r *raw) Points(context.Context, string, string, func(steps, times []int64, values []float64) error) error {
	return errRaw
}

func (r *raw) Downsample(context.Context, string, string, int, int) (int64, error) { return 0, errRaw }

func (r *raw) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

var errRaw = errors.New("a limit holds nothing to read")

func workloadAlone(ctx context.Context, _ string, s spec) (*outcome, error) {
	r, err := load.MeasureIngest(ctx, &raw{}, pointsShape(s).Workload())
	return &outcome{Load: r}, err
}

func rawFile(sync bool) func(context.Context, string, spec) (*outcome, error) {
	return func(ctx context.Context, dir string, s spec) (*outcome, error) {
		f, err := os.Create(filepath.Join(dir, "raw"))
		if err != nil {
			return nil, err
		}
		r, err := load.MeasureIngest(ctx, &raw{file: f, sync: sync, size: s.batchBytes}, pointsShape(s).Workload())
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(f.Name())
		if err == nil {
			r.Bytes = info.Size()
		}
		return &outcome{Load: r}, err
	}
}

// scan is an engine that keeps one series as plain columns in a file: what
// reading costs at least.
type scan struct {
	path                string
	probe               load.Series
	started             int
	steps, times, value []byte

	file    []byte // read into again and again, as are the columns
	at, ms  []int64
	numbers []float64
}

// scanFile measures reading alone.
func scanFile(shape func(spec) load.Shape) func(context.Context, string, spec) (*outcome, error) {
	return func(ctx context.Context, dir string, s spec) (*outcome, error) {
		w := shape(s).Workload()
		open := func(dir string) (load.Engine, error) {
			return &scan{path: filepath.Join(dir, "columns"), probe: w.Probe}, os.MkdirAll(dir, 0o755)
		}
		r, err := load.Measure(ctx, open, inside(dir), w)
		if err != nil {
			return nil, err
		}
		return &outcome{Load: &load.Result{Points: r.Points, Read: r.Read, Downsample: r.Downsample, Client: r.Client}}, nil
	}
}

func (s *scan) StartRun(context.Context, string) (load.Run, error) {
	s.started++
	return scanRun{s, s.started-1 == s.probe.Run}, nil
}

type scanRun struct {
	s    *scan
	keep bool
}

func (r scanRun) ID() string                { return "scan" }
func (r scanRun) End(context.Context) error { return nil }

func (r scanRun) Append(_ context.Context, c runstone.Columns) error {
	if r.keep {
		r.s.steps = appendColumns(r.s.steps, c.Steps, nil)
		r.s.times = appendColumns(r.s.times, c.Times, nil)
		r.s.value = appendColumns(r.s.value, nil, nil, c.Values[0]) // the probe is the first metric
	}
	return nil
}

func (s *scan) Points(_ context.Context, _, _ string, fn func(steps, times []int64, values []float64) error) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	n := s.probe.Points
	if s.file == nil {
		s.file, s.at, s.ms, s.numbers = make([]byte, 24*n), make([]int64, n), make([]int64, n), make([]float64, n)
	}
	if _, err := io.ReadFull(f, s.file); err != nil {
		return err
	}
	steps, times, values := s.file[:8*n], s.file[8*n:16*n], s.file[16*n:]
	for i := range n {
		s.at[i] = int64(binary.LittleEndian.Uint64(steps[8*i:]))
		s.ms[i] = int64(binary.LittleEndian.Uint64(times[8*i:]))
		s.numbers[i] = math.Float64frombits(binary.LittleEndian.Uint64(values[8*i:]))
	}
	return fn(s.at, s.ms, s.numbers)
}

func (s *scan) Downsample(ctx context.Context, run, metric string, steps, buckets int) (int64, error) {
	return load.ClientDownsample(ctx, s, run, metric, steps, buckets)
}

func (s *scan) Close() error {
	if s.started == 0 { // opened for reading
		return nil
	}
	return os.WriteFile(s.path, append(append(s.steps, s.times...), s.value...), 0o600)
}
