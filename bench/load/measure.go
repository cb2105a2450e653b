package load

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/runstonedb/runstone"
)

// Result is what [Measure] found. Where the system does not tell, CPU, Peak and
// Allocated are zero.
type Result struct {
	Points    int
	Append    time.Duration // all batches, each acknowledged, from the first to the last
	AppendCPU time.Duration // user and system time of the process meanwhile
	Close     time.Duration
	CloseCPU  time.Duration
	Bytes     int64 // sum of the sizes of all files after Close
	Allocated int64 // the same in blocks of the file system
	Peak      int64 // most memory that the process had until after Close, in bytes

	Reopen     time.Duration
	Read       time.Duration // one series, median of five
	Downsample time.Duration // one series to 1,000 buckets, median of five
}

// Wall is the time from the first batch until everything is in closed files.
func (r *Result) Wall() time.Duration { return r.Append + r.Close }

// CPU is the process's time for the same.
func (r *Result) CPU() time.Duration { return r.AppendCPU + r.CloseCPU }

// Rate returns points a second while appending.
func (r *Result) Rate() float64 { return float64(r.Points) / r.Append.Seconds() }

// PerPoint returns bytes a point in files.
func (r *Result) PerPoint() float64 { return float64(r.Bytes) / float64(r.Points) }

// Ingest runs the workload and returns the ids of its runs.
func Ingest(ctx context.Context, e Engine, shape Shape) (ids []string, err error) {
	runs, sources := make([]Run, shape.Runs), make([]*Source, shape.Runs)
	for i := range runs {
		if runs[i], err = e.StartRun(ctx, fmt.Sprintf("run-%d", i)); err != nil {
			return nil, err
		}
		ids = append(ids, runs[i].ID())
		sources[i] = NewSource(shape, i)
	}
	for more := true; more; {
		more = false
		for i, s := range sources {
			c, ok := s.Next()
			if !ok {
				continue
			}
			more = true
			if err := runs[i].Append(ctx, c); err != nil {
				return nil, fmt.Errorf("run %d step %d: %w", i, c.Steps[0], err)
			}
		}
	}
	return ids, nil
}

// Measure runs the workload in the empty directory dir, closes the database,
// opens it again and reads from it. Peak memory is that of the whole process:
// measure each database in a process of its own.
func Measure(ctx context.Context, open OpenFunc, dir string, shape Shape) (*Result, error) {
	e, err := open(dir)
	if err != nil {
		return nil, err
	}
	r, ids, err := measureIngest(ctx, e, shape)
	if err != nil {
		return nil, err
	}
	if r.Bytes, r.Allocated, err = diskUse(dir); err != nil {
		return nil, err
	}
	lap := startLap()
	if e, err = open(dir); err != nil {
		return nil, err
	}
	r.Reopen, _ = lap.stop()
	return r, errors.Join(r.read(ctx, e, ids, shape), e.Close())
}

// MeasureIngest runs the workload and closes e. It leaves the fields on files
// and on reading zero.
func MeasureIngest(ctx context.Context, e Engine, shape Shape) (*Result, error) {
	r, _, err := measureIngest(ctx, e, shape)
	return r, err
}

func measureIngest(ctx context.Context, e Engine, shape Shape) (r *Result, ids []string, err error) {
	r = &Result{Points: shape.Points()}
	lap := startLap()
	ids, err = Ingest(ctx, e, shape)
	r.Append, r.AppendCPU = lap.stop()
	lap = startLap()
	err = errors.Join(err, e.Close())
	r.Close, r.CloseCPU = lap.stop()
	r.Peak = peakMemory()
	return r, ids, err
}

// read times reading and checks one series bit for bit.
func (r *Result) read(ctx context.Context, e Engine, ids []string, shape Shape) error {
	const repeat = 5
	run := shape.Runs / 2
	id, metric := ids[run], shape.Names()[0]
	var reads, downsamples []time.Duration
	for range repeat {
		n := 0
		lap := startLap()
		err := e.Points(ctx, id, metric, func(steps, _ []int64, _ []float64) error {
			n += len(steps)
			return nil
		})
		wall, _ := lap.stop()
		if err != nil {
			return err
		}
		if n != shape.Steps {
			return fmt.Errorf("%d points read, %d logged", n, shape.Steps)
		}
		reads = append(reads, wall)
	}
	for range repeat {
		lap := startLap()
		n, err := e.Downsample(ctx, id, metric, shape.Steps, 1000)
		wall, _ := lap.stop()
		if err != nil {
			return err
		}
		if n != int64(shape.Steps) {
			return fmt.Errorf("%d points in buckets, %d logged", n, shape.Steps)
		}
		downsamples = append(downsamples, wall)
	}
	slices.Sort(reads)
	slices.Sort(downsamples)
	r.Read, r.Downsample = reads[repeat/2], downsamples[repeat/2]
	return CheckSeries(ctx, e, id, shape, run, 0)
}

// CheckSeries compares what is read of a metric, by column, with what the
// workload logged for run number run, bit for bit.
func CheckSeries(ctx context.Context, e Engine, id string, shape Shape, run, column int) error {
	source := NewSource(shape, run)
	var want runstone.Columns
	at := 0 // in want
	next := func() bool {
		if at < len(want.Steps) {
			return true
		}
		var ok bool
		want, ok = source.Next()
		at = 0
		return ok
	}
	name := shape.Names()[column]
	err := e.Points(ctx, id, name, func(steps, times []int64, values []float64) error {
		for i := range steps {
			if !next() {
				return fmt.Errorf("run %d %s: more points than were logged", run, name)
			}
			v := want.Values[column][at]
			if steps[i] != want.Steps[at] || times[i] != want.Times[at] || math.Float64bits(values[i]) != math.Float64bits(v) {
				return fmt.Errorf("run %d %s: read (%d, %d, %v), logged (%d, %d, %v)", run, name,
					steps[i], times[i], values[i], want.Steps[at], want.Times[at], v)
			}
			at++
		}
		return nil
	})
	if err == nil && next() {
		err = fmt.Errorf("run %d %s: step %d is missing", run, name, want.Steps[at])
	}
	return err
}

// diskUse sums up the sizes of all files under dir and the blocks they take.
func diskUse(dir string) (bytes, allocated int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
			allocated += allocatedBytes(info)
		}
		return err
	})
	return bytes, allocated, err
}

// lap is a running measurement of wall and CPU time.
type lap struct {
	wall time.Time
	cpu  time.Duration
}

func startLap() lap { return lap{time.Now(), cpuTime()} }

func (l lap) stop() (wall, cpu time.Duration) { return time.Since(l.wall), cpuTime() - l.cpu }
