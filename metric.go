package runstone

import (
	"context"
	"iter"

	"github.com/runstonedb/runstone/store"
)

// Point is one measurement of a metric: Step, Time (Unix ms) and Value.
type Point = store.Point

// PointColumns are points of one metric as columns of one length: Steps, Times
// (Unix ms) and Values. They are valid until the iterator goes on and must not
// be changed.
type PointColumns = store.Columns

// CurveColumns are points of one of several curves: Curve (its index) and the
// columns of [PointColumns].
type CurveColumns = store.CurveColumns

// PointRange is a set of points, by step and by time in Unix ms, both ends
// included. Begin with [AllPoints] and narrow it:
// AllPoints().Steps(1000, 2000).
type PointRange = store.Range

// AllPoints returns the range of every point there can be.
func AllPoints() PointRange { return store.AllPoints() }

// Curve is all points of a metric of a run, whatever model or dataset they are
// about.
type Curve struct {
	Run    string // its id
	Metric string
	// Once leaves out series about a model whose points are all among those about
	// none: MLflow's clients log what a run has measured again for the models it makes.
	Once bool
}

// Bucket is what [DB.Downsample] keeps of points that follow each other by
// step: Count and NaN (numbers of points), First and Last (points), Min and
// Max (values, NaN when there is none).
type Bucket = store.Bucket

// Points iterates over all points of a metric of a run, as columns of some
// thousand points, by time, then step, then value, as MLflow orders a history.
// Every point logged is there, repeated ones too. [ErrNotFound] for the run; a
// metric that was never logged has no points.
func (db *DB) Points(ctx context.Context, run, metric string) iter.Seq2[PointColumns, error] {
	return func(yield func(PointColumns, error) bool) {
		for c, err := range db.PointsIn(ctx, []Curve{{Run: run, Metric: metric}}, AllPoints()) {
			if !yield(c.Columns, err) {
				return
			}
		}
	}
}

// PointsIn is [DB.Points] for the points in r of several curves. All that was
// logged before the call is there; of what is logged meanwhile, metrics that
// are logged together have the same points. The points of one curve come in
// order, those of different curves in turns. Blocks of points outside r are not
// decoded, and what curves share, as metrics that are logged together share
// their steps and times, is decoded once. [ErrNotFound] for a run, [ErrInvalid]
// for an empty r.
func (db *DB) PointsIn(ctx context.Context, curves []Curve, r PointRange) iter.Seq2[CurveColumns, error] {
	return func(yield func(CurveColumns, error) bool) {
		err := db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
			for c, err := range s.PointsOf(ctx, of, r) {
				if !yield(c, err) {
					break
				}
			}
			return nil
		})
		if err != nil {
			yield(CurveColumns{}, err)
		}
	}
}

// SeriesName says which series of a run: its metric, and the logged model and
// dataset that it is about, if any.
type SeriesName = store.SeriesName

// SeriesPoints is [DB.PointsIn] for series of one run, which are told apart by
// the models and datasets that they are about, see [MetricSummary].SeriesName.
// CurveColumns.Curve is an index into names. A series that is not there has no
// points.
func (db *DB) SeriesPoints(ctx context.Context, run string, names []SeriesName, r PointRange) iter.Seq2[CurveColumns, error] {
	return func(yield func(CurveColumns, error) bool) {
		s, done, err := db.reader()
		if err == nil {
			defer done()
			var ord uint32
			if ord, err = existingRun(ctx, s, run); err == nil {
				curves := make([]store.Curve, len(names))
				for i, n := range names {
					curves[i] = store.Curve{Run: ord, Metric: n.Metric, Series: []SeriesName{n}}
				}
				for c, err := range s.PointsOf(ctx, curves, r) {
					if !yield(c, err) {
						return
					}
				}
				return
			}
		}
		yield(CurveColumns{}, err)
	}
}

// readCurves runs fn with the curves as the store knows them.
func (db *DB) readCurves(ctx context.Context, curves []Curve, fn func(*store.Store, []store.Curve) error) error {
	s, done, err := db.reader()
	if err != nil {
		return err
	}
	defer done()
	of := make([]store.Curve, len(curves))
	err = s.View(ctx, func(tx *store.Tx) error {
		for i, c := range curves {
			of[i].Metric, of[i].Once = c.Metric, c.Once
			if i > 0 && c.Run == curves[i-1].Run {
				of[i].Run = of[i-1].Run
			} else if of[i].Run, _, err = loadRun(tx, c.Run); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fn(s, of)
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

// Downsample sums up the points of a metric in r, in at most buckets buckets
// in order of their steps: see [DB.DownsampleAll]. A metric that was never
// logged has no buckets.
func (db *DB) Downsample(ctx context.Context, run, metric string, r PointRange, buckets int) ([]Bucket, error) {
	found, err := db.DownsampleAll(ctx, []Curve{{Run: run, Metric: metric}}, r, buckets)
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// DownsampleAll sums up each curve for a chart, as [DB.PointsIn] sees them.
// The steps in r that the curves have among them are divided into buckets
// ranges of one width, and a bucket has the points of one range. Where points
// are many, 128 or more to a range, some that were stored together may go to
// the range of the first of them as a whole: so charts of long curves read
// summaries and no points. Every point is in one bucket, the steps of buckets
// do not overlap, and all that a bucket says is exact, so that no spike is
// lost. Ranges without points have no bucket. [ErrNotFound] for a run,
// [ErrInvalid] for an empty r or buckets that are not 1 to 100,000.
func (db *DB) DownsampleAll(ctx context.Context, curves []Curve, r PointRange, buckets int) (found [][]Bucket, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		found, err = s.Downsample(ctx, of, r, buckets)
		return err
	})
	return found, err
}
