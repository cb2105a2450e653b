package runstone

import (
	"context"
	"iter"
	"math"

	"github.com/runstonedb/runstone/store"
)

// Point is one measurement of a metric: Step, Time (Unix ms) and Value.
type Point = store.Point

// PointColumns are points of one metric as columns of one length: Steps, Times
// (Unix ms) and Values. They are valid until the iterator goes on.
type PointColumns = store.Columns

// Bucket is what [DB.Downsample] keeps of the points in a range of steps: From
// and To (steps, both included), Count and NaN (numbers of points), First,
// Last, Min and Max (points).
type Bucket = store.Bucket

// Points iterates over all points of a metric of a run, as columns of some
// thousand points, by time, then step, then value, as MLflow orders a history.
// Every point logged is there, repeated ones too. [ErrNotFound] for the run; a
// metric that was never logged has no points.
func (db *DB) Points(ctx context.Context, run, metric string) iter.Seq2[PointColumns, error] {
	return func(yield func(PointColumns, error) bool) {
		s, done, err := db.reader()
		if err != nil {
			yield(PointColumns{}, err)
			return
		}
		defer done()
		ord, err := existingRun(ctx, s, run)
		if err != nil {
			yield(PointColumns{}, err)
			return
		}
		for c, err := range s.Points(ctx, ord, metric) {
			if !yield(c, err) {
				return
			}
		}
	}
}

// Metrics returns what is known of a run's metrics, in order of their names.
func (db *DB) Metrics(ctx context.Context, run string) ([]MetricSummary, error) {
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	ord, err := existingRun(ctx, s, run)
	if err != nil {
		return nil, err
	}
	return s.Summaries(ctx, ord)
}

func existingRun(ctx context.Context, s *store.Store, run string) (ord uint32, err error) {
	err = s.View(ctx, func(tx *store.Tx) error {
		ord, _, err = loadRun(tx, run)
		return err
	})
	return ord, err
}

// StepRange is a range of steps, both ends included.
type StepRange struct{ From, To int64 }

// AllSteps returns the range of every step there can be.
func AllSteps() StepRange { return StepRange{math.MinInt64, math.MaxInt64} }

// Downsample divides the metric's steps in the range into at most buckets
// ranges of one width and returns those that have points: count, first, last,
// minimum and maximum of each, so that no spike is lost. The range is first
// narrowed to the steps that the metric has; one that was never logged has no
// buckets.
func (db *DB) Downsample(ctx context.Context, run, metric string, r StepRange, buckets int) ([]Bucket, error) {
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	ord, err := existingRun(ctx, s, run)
	if err != nil {
		return nil, err
	}
	sums, err := s.Summaries(ctx, ord)
	if err != nil {
		return nil, err
	}
	has := StepRange{math.MaxInt64, math.MinInt64}
	for i := range sums {
		if m := &sums[i]; m.Metric == metric {
			has.From, has.To = min(has.From, m.First.Step), max(has.To, m.Latest.Step)
		}
	}
	r.From, r.To = max(r.From, has.From), min(r.To, has.To)
	if r.From > r.To {
		return nil, nil
	}
	return s.Downsample(ctx, ord, metric, r.From, r.To, buckets)
}
