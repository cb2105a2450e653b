package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// curvesAsked is the outcome of questions to whole curves.
type curvesAsked struct {
	Runs, Points int
	Load         time.Duration
	Answers      []curveAnswer
}

// curveAnswer is one of them. Blocks, Decoded and Bytes are what EXPLAIN says:
// blocks that were looked at, blocks read to their points, bytes of columns and
// points read.
type curveAnswer struct {
	Name                   string
	Found                  int
	Blocks, Decoded, Bytes int64
	Cold, Warm, Median     time.Duration
}

// curveMetric is what the curves are of: a loss that falls.
const curveMetric = "train/loss"

// everContenders are a hundredth as many runs as are searched elsewhere, with
// short and long curves.
func everContenders(s spec) (list []contender) {
	runs := max(10, s.runs/100)
	for _, steps := range []int{1000, 10_000} {
		list = append(list, contender{count(steps) + "-steps", "of one metric on each of " + count(runs) + " runs", func(ctx context.Context, dir string, s spec) (*outcome, error) {
			x, err := measureEver(ctx, dir, s, load.Shape{Runs: runs, Metrics: 1, Steps: steps, Batch: 1000})
			return &outcome{Ever: x}, err
		}})
	}
	return list
}

func openPlain(dir string) (*runstone.DB, error) {
	return runstone.Open(dir, &runstone.Options{Exclusive: true, NoSystemInfo: true, User: load.RunsUser})
}

// measureEver loads the shape and asks about its curves.
func measureEver(ctx context.Context, dir string, s spec, shape load.Shape) (x *curvesAsked, err error) {
	dir = inside(dir)
	e, err := load.Open(runstone.Appended)(dir)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	ids, err := load.Ingest(ctx, e, shape.Workload())
	if err = errors.Join(err, e.Close()); err != nil {
		return nil, err
	}
	x = &curvesAsked{Runs: shape.Runs, Points: shape.Points(), Load: time.Since(began)}
	curves := make([]runstone.Curve, len(ids))
	for i, id := range ids {
		curves[i] = runstone.Curve{Run: id, Metric: curveMetric}
	}
	db, err := openPlain(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// A window whose ends are inside blocks, late enough for the loss to be flat.
	all := runstone.AllPoints()
	from, to := int64(shape.Steps)*7/10+1, int64(shape.Steps)*9/10+1
	over := fmt.Sprintf(" OVER STEPS %d..%d", from, to)
	for _, q := range []struct {
		name, text string // the condition
		in         runstone.PointRange
		over       string
		share      float64 // of the curves are below what it compares with
	}{
		{"ever", "EVER(metrics.`train/loss` > %v)", all, "", 0.9},
		{"ever, in a fifth", "EVER(metrics.`train/loss` > %v)", all.Steps(from, to), over, 0.9},
		{"always, in a fifth", "ALWAYS(metrics.`train/loss` <= %v)", all.Steps(from, to), over, 0.1},
	} {
		limit, err := quantileOfMax(ctx, db, curves, q.in, q.share)
		if err != nil {
			return nil, err
		}
		text, opt := fmt.Sprintf(q.text, limit)+q.over, &runstone.SearchOptions{}
		var found *runstone.Page[string]
		ask := func() (err error) {
			found, err = db.SearchRunIDs(ctx, text, opt)
			return err
		}
		a := curveAnswer{Name: q.name}
		for range 3 {
			if err := db.Close(); err != nil {
				return nil, err
			}
			if db, err = openPlain(dir); err != nil {
				return nil, err
			}
			began := time.Now()
			if err := ask(); err != nil {
				return nil, err
			}
			leastNonZero(&a.Cold, time.Since(began))
		}
		if a.Warm, a.Median, _, err = repeated(10, 50, s.writing/3, ask); err != nil {
			return nil, err
		}
		opt.Explain = true
		if err := ask(); err != nil {
			return nil, err
		}
		a.Found = len(found.Items)
		if cost := found.Explain.Stats; cost != nil {
			a.Blocks, a.Decoded, a.Bytes = cost.Blocks, cost.Decoded, cost.Bytes
		}
		x.Answers = append(x.Answers, a)
	}
	return x, nil
}

// quantileOfMax returns the value below which the greatest values of so great a
// share of the curves are.
func quantileOfMax(ctx context.Context, db *runstone.DB, curves []runstone.Curve, in runstone.PointRange, share float64) (float64, error) {
	sums, err := db.Aggregates(ctx, curves, in)
	if err != nil {
		return 0, err
	}
	tops := make([]float64, len(sums))
	for i := range sums {
		tops[i] = sums[i].Max
	}
	slices.Sort(tops)
	i := int(math.Round(share*float64(len(tops)))) - 1
	return tops[min(max(i, 0), len(tops)-1)], nil
}
