package store

import (
	"fmt"
	"math"
)

// Range is a set of points: those with FromStep ≤ step ≤ ToStep and FromTime ≤
// time ≤ ToTime, times in Unix ms. [AllPoints] is the widest. The zero value
// holds step 0 at time 0 only.
type Range struct {
	FromStep, ToStep int64
	FromTime, ToTime int64
}

// AllPoints returns the range of every point there can be.
func AllPoints() Range {
	return Range{math.MinInt64, math.MaxInt64, math.MinInt64, math.MaxInt64}
}

// Steps returns the part of r with steps from…to, both included.
func (r Range) Steps(from, to int64) Range {
	r.FromStep, r.ToStep = max(r.FromStep, from), min(r.ToStep, to)
	return r
}

// Times returns the part of r with times from…to in Unix ms, both included.
func (r Range) Times(from, to int64) Range {
	r.FromTime, r.ToTime = max(r.FromTime, from), min(r.ToTime, to)
	return r
}

func (r Range) check() error {
	if r.FromStep > r.ToStep || r.FromTime > r.ToTime {
		return fmt.Errorf("steps %d to %d, times %d to %d: %w", r.FromStep, r.ToStep, r.FromTime, r.ToTime, ErrInvalid)
	}
	return nil
}

// checkRanges refuses an empty range, and ranges that are neither one nor one
// for each of n curves.
func checkRanges(ranges []Range, n int) error {
	if len(ranges) != 1 && len(ranges) != n {
		return fmt.Errorf("%d ranges for %d curves: %w", len(ranges), n, ErrInvalid)
	}
	for _, r := range ranges {
		if err := r.check(); err != nil {
			return err
		}
	}
	return nil
}

// rangeOf returns the range of a curve.
func rangeOf(ranges []Range, curve int) Range {
	if len(ranges) == 1 {
		return ranges[0]
	}
	return ranges[curve]
}

func (r Range) has(step, time int64) bool {
	return step >= r.FromStep && step <= r.ToStep && time >= r.FromTime && time <= r.ToTime
}

// bounds are the least and greatest steps and times of some points.
type bounds struct{ minStep, maxStep, minTime, maxTime int64 }

// within reports whether r holds all points of these bounds.
func (b *bounds) within(r Range) bool {
	return r.has(b.minStep, b.minTime) && r.has(b.maxStep, b.maxTime)
}

// meets reports whether r may hold a point of these bounds.
func (b *bounds) meets(r Range) bool {
	return b.minStep <= r.ToStep && b.maxStep >= r.FromStep && b.minTime <= r.ToTime && b.maxTime >= r.FromTime
}

func boundsOf(steps, times []int64) bounds {
	b := bounds{math.MaxInt64, math.MinInt64, math.MaxInt64, math.MinInt64}
	for i, step := range steps {
		b.minStep, b.maxStep = min(b.minStep, step), max(b.maxStep, step)
		b.minTime, b.maxTime = min(b.minTime, times[i]), max(b.maxTime, times[i])
	}
	return b
}
