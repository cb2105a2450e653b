package load

import (
	"context"
	"fmt"

	"github.com/runstonedb/runstone"
)

// Engine is a database under load. It is used from one goroutine.
type Engine interface {
	// StartRun makes a run and returns where its points go.
	StartRun(ctx context.Context, name string) (Run, error)
	// Points calls fn with all points of a metric in order of time, in pieces
	// that are valid during the call.
	Points(ctx context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error
	// Downsample divides the steps 0…steps-1 into buckets and returns the number
	// of points in all of them; it finds each bucket's minimum and maximum too.
	Downsample(ctx context.Context, run, metric string, steps, buckets int) (points int64, err error)
	// Close leaves everything in files.
	Close() error
}

// Run takes the points of one run.
type Run interface {
	ID() string
	// Append logs a batch and returns when it is acknowledged.
	Append(ctx context.Context, c runstone.Columns) error
	// End says that no more points come.
	End(ctx context.Context) error
}

// Rounder is an [Engine] that does not keep values bit for bit: what it gives
// back is off by at most Rounding times the value.
type Rounder interface{ Rounding() float64 }

// Sizer is an [Engine] that knows how many bytes of its files are its tables,
// metric blocks among them, without logs and what else there is.
type Sizer interface {
	TableBytes(ctx context.Context) (int64, error)
}

// Series names one series of a workload and says how long it is.
type Series struct {
	Run    int // number of the run, from 0
	Metric string
	Points int
	Steps  int // all steps are below it
}

// Source gives the points of one run, batch by batch.
type Source interface {
	// Next returns the next batch, valid until the call after it, and false when
	// there is none.
	Next() (runstone.Columns, bool)
}

// Workload is what is logged.
type Workload struct {
	Runs   int
	Points int
	Source func(run int) Source // of run number run, from 0
	Probe  Series               // what reading is timed on
	// Progress hears of the points logged so far, after each batch; nil is
	// nobody.
	Progress func(points int)
}

// OpenFunc opens the database in a directory and makes it if it is not there.
type OpenFunc func(dir string) (Engine, error)

// Open returns an OpenFunc for the embedded Runstone, whose batches are as
// durable as d says when Append returns.
func Open(d runstone.Durability) OpenFunc {
	return func(dir string) (Engine, error) {
		db, err := runstone.Open(dir, &runstone.Options{Durability: d, Exclusive: true, NoSystemInfo: true, User: "load"})
		if err != nil {
			return nil, err
		}
		return &embedded{db}, nil
	}
}

type embedded struct{ db *runstone.DB }

func (e *embedded) StartRun(ctx context.Context, name string) (Run, error) {
	run, err := e.db.StartRun(ctx, "load", &runstone.RunOptions{Name: name})
	if err != nil {
		return nil, err
	}
	return embeddedRun{run}, nil
}

type embeddedRun struct{ *runstone.Run }

func (r embeddedRun) End(ctx context.Context) error { return r.Run.End(ctx, runstone.Finished) }

func (e *embedded) TableBytes(ctx context.Context) (int64, error) {
	st, err := e.db.Stats(ctx)
	return st.Tables, err
}

func (e *embedded) Points(ctx context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error {
	for c, err := range e.db.Points(ctx, run, metric) {
		if err != nil {
			return err
		}
		if err := fn(c.Steps, c.Times, c.Values); err != nil {
			return err
		}
	}
	return nil
}

func (e *embedded) Downsample(ctx context.Context, run, metric string, steps, buckets int) (points int64, err error) {
	found, err := e.db.Downsample(ctx, run, metric, runstone.AllPoints().Steps(0, int64(steps-1)), buckets)
	if err != nil {
		return 0, err
	}
	if len(found) > buckets {
		return 0, fmt.Errorf("%d buckets, not %d", len(found), buckets)
	}
	for i := range found {
		points += found[i].Count
	}
	return points, nil
}

func (e *embedded) Close() error { return e.db.Close() }
