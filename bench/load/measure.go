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

// Result is what [Measure] found. What the system or the engine does not tell
// is zero.
type Result struct {
	Points    int
	Append    time.Duration // all batches, each acknowledged, from the first to the end of the last run
	AppendCPU time.Duration // user and system time of the process meanwhile
	Close     time.Duration
	CloseCPU  time.Duration
	Bytes     int64 // sum of the sizes of all files after Close
	Tables    int64 // what of them an engine's tables take, see [Sizer]
	Allocated int64 // Bytes in blocks of the file system
	Peak      int64 // most resident memory that the process had until after Close, in bytes
	Base      int64 // what it had before the database was opened, or the first batch

	Reopen     time.Duration
	Read       time.Duration // one series, median of five
	Downsample time.Duration // one series to 1,000 buckets by the engine, median of five
	Client     time.Duration // the same by reading all points and putting them into buckets here
}

// Wall is the time from the first batch until everything is in closed files.
func (r *Result) Wall() time.Duration { return r.Append + r.Close }

// CPU is the process's time for the same.
func (r *Result) CPU() time.Duration { return r.AppendCPU + r.CloseCPU }

// Rate returns points a second while appending.
func (r *Result) Rate() float64 { return float64(r.Points) / r.Append.Seconds() }

// PerPoint returns bytes a point in files.
func (r *Result) PerPoint() float64 { return float64(r.Bytes) / float64(r.Points) }

// atOnce is the number of runs that are under way at the same time.
const atOnce = 10

// Ingest runs the workload and returns the ids of its runs. Ten runs log in
// turn, a batch each; when they have ended the next ten begin.
func Ingest(ctx context.Context, e Engine, w Workload) (ids []string, err error) {
	logged := 0
	for first := 0; first < w.Runs; first += atOnce {
		var runs []Run
		var sources []Source
		for i := first; i < min(first+atOnce, w.Runs); i++ {
			run, err := e.StartRun(ctx, fmt.Sprintf("run-%d", i))
			if err != nil {
				return nil, err
			}
			runs, sources, ids = append(runs, run), append(sources, w.Source(i)), append(ids, run.ID())
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
					return nil, fmt.Errorf("run %d step %d: %w", first+i, c.Steps[0], err)
				}
				logged += len(c.Names) * len(c.Steps)
				if w.Progress != nil {
					w.Progress(logged)
				}
			}
		}
		for i, run := range runs {
			if err := run.End(ctx); err != nil {
				return nil, fmt.Errorf("run %d: %w", first+i, err)
			}
		}
	}
	return ids, nil
}

// Measure runs the workload in the empty directory dir, closes the database,
// opens it again and reads from it. Peak memory is that of the whole process:
// measure each database in a process of its own.
func Measure(ctx context.Context, open OpenFunc, dir string, w Workload) (*Result, error) {
	base := peakMemory()
	e, err := open(dir)
	if err != nil {
		return nil, err
	}
	r, ids, err := measureIngest(ctx, e, w)
	if err != nil {
		return nil, err
	}
	r.Base = base
	if r.Bytes, r.Allocated, err = diskUse(dir); err != nil {
		return nil, err
	}
	lap := startLap()
	if e, err = open(dir); err != nil {
		return nil, err
	}
	r.Reopen, _ = lap.stop()
	if s, ok := e.(Sizer); ok {
		if r.Tables, err = s.TableBytes(ctx); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return r, errors.Join(r.read(ctx, e, ids, w), e.Close())
}

// MeasureIngest runs the workload and closes e. It leaves the fields on files
// and on reading zero.
func MeasureIngest(ctx context.Context, e Engine, w Workload) (*Result, error) {
	r, _, err := measureIngest(ctx, e, w)
	return r, err
}

func measureIngest(ctx context.Context, e Engine, w Workload) (r *Result, ids []string, err error) {
	r = &Result{Points: w.Points, Base: peakMemory()}
	lap := startLap()
	ids, err = Ingest(ctx, e, w)
	r.Append, r.AppendCPU = lap.stop()
	lap = startLap()
	err = errors.Join(err, e.Close())
	r.Close, r.CloseCPU = lap.stop()
	r.Peak = peakMemory()
	return r, ids, err
}

// read times reading and checks one series.
func (r *Result) read(ctx context.Context, e Engine, ids []string, w Workload) (err error) {
	p := w.Probe
	id := ids[p.Run]
	counted := func(n int64, err error) error {
		if err == nil && n != int64(p.Points) {
			err = fmt.Errorf("%d points read, %d logged", n, p.Points)
		}
		return err
	}
	r.Read, err = median(func() error {
		n := int64(0)
		err := e.Points(ctx, id, p.Metric, func(steps, _ []int64, _ []float64) error {
			n += int64(len(steps))
			return nil
		})
		return counted(n, err)
	})
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if r.Downsample, err = median(func() error { return counted(e.Downsample(ctx, id, p.Metric, p.Steps, buckets)) }); err != nil {
		return fmt.Errorf("downsample: %w", err)
	}
	if r.Client, err = median(func() error { return counted(ClientDownsample(ctx, e, id, p.Metric, p.Steps, buckets)) }); err != nil {
		return fmt.Errorf("downsample from points: %w", err)
	}
	return CheckSeries(ctx, e, id, w, p.Run, p.Metric)
}

// buckets is what a series is downsampled to: the width of a plot.
const buckets = 1000

// median runs fn five times.
func median(fn func() error) (time.Duration, error) {
	var times [5]time.Duration
	for i := range times {
		lap := startLap()
		if err := fn(); err != nil {
			return 0, err
		}
		times[i], _ = lap.stop()
	}
	slices.Sort(times[:])
	return times[len(times)/2], nil
}

// ClientDownsample does what [Engine.Downsample] does by reading every point.
func ClientDownsample(ctx context.Context, e Engine, run, metric string, steps, buckets int) (points int64, err error) {
	type bucket struct {
		n        int64
		low, top float64
	}
	found := make([]bucket, buckets)
	err = e.Points(ctx, run, metric, func(at, _ []int64, values []float64) error {
		for i, step := range at {
			b := &found[step*int64(buckets)/int64(steps)]
			if b.n == 0 {
				b.low, b.top = values[i], values[i]
			}
			b.low, b.top = min(b.low, values[i]), max(b.top, values[i])
			b.n++
		}
		return nil
	})
	for i := range found {
		points += found[i].n
	}
	return points, err
}

// CheckSeries compares what is read of a metric with what the workload logged
// for run number run, bit for bit unless the engine is a [Rounder].
func CheckSeries(ctx context.Context, e Engine, id string, w Workload, run int, metric string) error {
	source := w.Source(run)
	var want runstone.Columns
	column, at := -1, 0 // in want
	next := func() bool {
		for column < 0 || at == len(want.Steps) {
			var ok bool
			if want, ok = source.Next(); !ok {
				return false
			}
			column, at = slices.Index(want.Names, metric), 0
		}
		return true
	}
	rounding := 0.0
	if r, ok := e.(Rounder); ok {
		rounding = r.Rounding()
	}
	err := e.Points(ctx, id, metric, func(steps, times []int64, values []float64) error {
		for i := range steps {
			if !next() {
				return fmt.Errorf("run %d %s: more points than were logged", run, metric)
			}
			v := want.Values[column][at]
			same := math.Float64bits(values[i]) == math.Float64bits(v) || math.Abs(values[i]-v) <= rounding*math.Abs(v) && rounding > 0
			if steps[i] != want.Steps[at] || times[i] != want.Times[at] || !same {
				return fmt.Errorf("run %d %s: read (%d, %d, %v), logged (%d, %d, %v)", run, metric,
					steps[i], times[i], values[i], want.Steps[at], want.Times[at], v)
			}
			at++
		}
		return nil
	})
	if err == nil && next() {
		err = fmt.Errorf("run %d %s: step %d is missing", run, metric, want.Steps[at])
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
