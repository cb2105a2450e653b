package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// beside is what a writer and a searcher do alone and together.
type beside struct {
	Runs                         int // when it begins
	Writing, Searching, Together busy
}

// busy is what was done in some time.
type busy struct {
	Wall                   time.Duration
	Points, Runs, Searches int
	P50, P99               time.Duration // of a search
}

// PointRate, RunRate and SearchRate are a second.
func (b *busy) PointRate() float64  { return float64(b.Points) / b.Wall.Seconds() }
func (b *busy) RunRate() float64    { return float64(b.Runs) / b.Wall.Seconds() }
func (b *busy) SearchRate() float64 { return float64(b.Searches) / b.Wall.Seconds() }

func besideContenders(s spec) []contender {
	n := max(1, s.runs/10)
	return []contender{{count(n) + "-runs", "a writer that logs whole runs of 20,000 points, and the question of search in a loop", func(ctx context.Context, dir string, s spec) (*outcome, error) {
		x, err := measureBeside(ctx, dir, s, n)
		return &outcome{Beside: x}, err
	}}}
}

// measureBeside makes a database of its own, which it writes to.
func measureBeside(ctx context.Context, dir string, s spec, n int) (x *beside, err error) {
	b := &both{dir: dir}
	if err := b.openRunstone(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.closeRunstone()) }()
	if b.Experiments, err = (load.Runs{Runs: n}).Load(ctx, b.db); err != nil {
		return nil, err
	}
	if err := b.closeRunstone(); err != nil { // the index has all runs before the first search
		return nil, err
	}
	if err := b.openRunstone(); err != nil {
		return nil, err
	}
	x = &beside{Runs: n}
	for _, part := range []struct {
		to            *busy
		write, search bool
	}{{&x.Searching, false, true}, {&x.Writing, true, false}, {&x.Together, true, true}} {
		if *part.to, err = b.keepBusy(ctx, s.writing, part.write, part.search); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// keepBusy writes and searches for some time, each from one goroutine.
func (b *both) keepBusy(ctx context.Context, long time.Duration, write, search bool) (r busy, err error) {
	began := time.Now()
	over := func() bool { return time.Since(began) >= long }
	written := make(chan error, 1)
	if write {
		go func() { written <- b.writeUntil(ctx, over, &r) }()
	} else {
		written <- nil
	}
	var took []time.Duration
	q := standard()
	for search && err == nil && !over() {
		at := time.Now()
		_, _, err = b.page(ctx, &q, "")
		took = append(took, time.Since(at))
	}
	err = errors.Join(err, <-written)
	r.Wall = time.Since(began)
	slices.Sort(took)
	if r.Searches = len(took); r.Searches > 0 {
		r.P50, r.P99 = took[r.Searches/2], took[r.Searches*99/100]
	}
	return r, err
}

// writeUntil logs one run after the other: its fields, which the question asks
// for, and points by the thousand.
func (b *both) writeUntil(ctx context.Context, over func() bool, r *busy) error {
	shape := load.Shape{Runs: 1, Metrics: 10, Steps: 2000, Batch: 1000}
	for !over() {
		fields := (load.Runs{}).Run(r.Runs + 1<<30)
		opt := &runstone.RunOptions{Name: fields.Name, Params: map[string]string{}, Tags: map[string]string{}}
		for _, p := range fields.Params {
			opt.Params[p.Key] = p.Value
		}
		for _, t := range fields.Tags {
			opt.Tags[t.Key] = t.Value
		}
		run, err := b.db.StartRun(ctx, load.Runs{}.Experiments()[fields.Experiment], opt)
		if err != nil {
			return fmt.Errorf("run %d: %w", r.Runs, err)
		}
		source := load.NewGenerator(shape, r.Runs)
		for c, ok := source.Next(); ok && !over(); c, ok = source.Next() {
			c.Names = slices.Clone(c.Names)
			c.Names[0], c.Names[1] = "loss", "auc"
			if err := run.Append(ctx, c); err != nil {
				return fmt.Errorf("run %d: %w", r.Runs, err)
			}
			r.Points += len(c.Names) * len(c.Steps)
		}
		if err := run.End(ctx, runstone.Finished); err != nil {
			return fmt.Errorf("run %d: %w", r.Runs, err)
		}
		r.Runs++
	}
	return nil
}
