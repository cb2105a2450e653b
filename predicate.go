package runstone

import (
	"context"

	"github.com/runstonedb/runstone/store"
)

// Op is a condition on a value. It compares with a number, as the filter
// language does: NaN satisfies [NotEqual] and no other comparison, and
// infinities compare as numbers do. Or it is about the kind of the value, and
// the number does not count.
type Op = store.Op

// The conditions.
const (
	Less         = store.Less
	LessEqual    = store.LessEqual
	Greater      = store.Greater
	GreaterEqual = store.GreaterEqual
	Equal        = store.Equal
	NotEqual     = store.NotEqual
	IsNaN        = store.IsNaN
	NotNaN       = store.NotNaN
	IsInf        = store.IsInf // positive or negative
	NotInf       = store.NotInf
)

// ReadCost is what an answer about a curve took: Blocks (that there are),
// Decided (by their summaries), Decoded (to their points) and Bytes read.
type ReadCost = store.Cost

// Answer is whether something Holds for a curve, and its Cost. Nothing holds
// for a curve without points in the range.
type Answer = store.Answer

// Aggregate sums up a curve: Count, NaN, PosInf and NegInf (numbers of points),
// First and Last (points, by step), Min, MinStep, Max and MaxStep (at the least
// step that has them), Sum (of the finite values), Mean() and Cost.
type Aggregate = store.Aggregate

// ValueAt is the point of a curve at a step, if Found, and the Cost.
type ValueAt = store.Value

// Line is a straight line fitted to a curve: Count (of finite values), Slope
// (per step), Step and Value (a point of the line, the mean), Residual (sum of
// squared distances) and Cost.
type Line = store.Line

// Spread is how far the finite values of a curve lie apart: Count, Mean, Std
// (of a sample: divided by Count-1) and Cost.
type Spread = store.Spread

// Ever answers for each curve whether some point in r satisfies op x. Except
// for [Equal], summaries decide for all blocks of points that are wholly in r,
// and for whole curves without reading a block: asking ten thousand runs is
// cheap. [ErrNotFound] for a run, [ErrInvalid] for an empty r or an unknown op.
func (db *DB) Ever(ctx context.Context, curves []Curve, r PointRange, op Op, x float64) (out []Answer, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		out, err = s.Ever(ctx, of, []store.Range{r}, op, x)
		return err
	})
	return out, err
}

// Always answers for each curve whether it has points in r and all of them
// satisfy op x. See [DB.Ever]; here it is [NotEqual] that may need points.
func (db *DB) Always(ctx context.Context, curves []Curve, r PointRange, op Op, x float64) (out []Answer, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		out, err = s.Always(ctx, of, []store.Range{r}, op, x)
		return err
	})
	return out, err
}

// EverFor answers for each curve whether the condition held for a while: for
// some points that follow each other in r, by step, then time, of which the
// last is at least span steps, or byTime span ms, after the first. Blocks of
// points that all satisfy it, or none, are not read. [ErrNotFound] for a run,
// [ErrInvalid] for an empty r, an unknown op and a negative span.
func (db *DB) EverFor(ctx context.Context, curves []Curve, r PointRange, op Op, x float64, span int64, byTime bool) (out []Answer, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		out, err = s.EverFor(ctx, of, []store.Range{r}, op, x, span, byTime)
		return err
	})
	return out, err
}

// Aggregates sums up each curve over r; one without points there has Count 0.
// Curves that are wholly in r are not read, nor blocks of points in r whose
// steps ascend. [ErrNotFound] for a run, [ErrInvalid] for an empty r.
func (db *DB) Aggregates(ctx context.Context, curves []Curve, r PointRange) (out []Aggregate, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		out, err = s.Aggregates(ctx, of, []store.Range{r})
		return err
	})
	return out, err
}

// ValuesAt returns for each curve its point at a step: of several the latest
// by time, then value. [ErrNotFound] for a run.
func (db *DB) ValuesAt(ctx context.Context, curves []Curve, step int64) (out []ValueAt, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		out, err = s.At(ctx, of, []int64{step})
		return err
	})
	return out, err
}

// Slopes fits a line through the finite values of each curve in r, by least
// squares. The Slope of a curve without two steps in r is NaN. [ErrNotFound]
// for a run, [ErrInvalid] for an empty r.
func (db *DB) Slopes(ctx context.Context, curves []Curve, r PointRange) (out []Line, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		out, err = s.Slope(ctx, of, []store.Range{r})
		return err
	})
	return out, err
}

// Spreads returns mean and standard deviation of the finite values of each
// curve in r. [ErrNotFound] for a run, [ErrInvalid] for an empty r.
func (db *DB) Spreads(ctx context.Context, curves []Curve, r PointRange) (out []Spread, err error) {
	err = db.readCurves(ctx, curves, func(s *store.Store, of []store.Curve) error {
		out, err = s.Spreads(ctx, of, []store.Range{r})
		return err
	})
	return out, err
}
