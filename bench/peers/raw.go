package main

import (
	"context"
	"encoding/binary"
	"errors"
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
	buf  []byte
}

func (r *raw) StartRun(context.Context, string) (load.Run, error) { return r, nil }
func (r *raw) ID() string                                         { return "raw" }

// Append writes the columns as they are in memory, which is what Runstone's
// journal holds too, less its 30 or so bytes of header.
func (r *raw) Append(_ context.Context, c runstone.Columns) error {
	if r.file == nil {
		return nil
	}
	b := r.buf[:0]
	for i := range c.Steps {
		b = binary.LittleEndian.AppendUint64(b, uint64(c.Steps[i]))
	}
	for i := range c.Times {
		b = binary.LittleEndian.AppendUint64(b, uint64(c.Times[i]))
	}
	for _, column := range c.Values {
		for _, v := range column {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	r.buf = b
	if _, err := r.file.Write(b); err != nil {
		return err
	}
	if r.sync {
		return fdatasync(r.file)
	}
	return nil
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

func workloadAlone(ctx context.Context, _ string, shape load.Shape) (*load.Result, error) {
	return load.MeasureIngest(ctx, &raw{}, shape)
}

func rawFile(sync bool) func(context.Context, string, load.Shape) (*load.Result, error) {
	return func(ctx context.Context, dir string, shape load.Shape) (*load.Result, error) {
		f, err := os.Create(filepath.Join(dir, "raw"))
		if err != nil {
			return nil, err
		}
		r, err := load.MeasureIngest(ctx, &raw{file: f, sync: sync}, shape)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(f.Name())
		if err == nil {
			r.Bytes = info.Size()
		}
		return r, err
	}
}
