package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// openPrometheus uses the time-series database of Prometheus. It keeps times
// and values, but no steps: what is read back gets its number in the series for
// a step, which is right for this workload only. One block spans all times, so
// that runs may be hours apart; a batch is one commit to its write-ahead log.
func openPrometheus(dir string) (load.Engine, error) {
	opt := tsdb.DefaultOptions()
	month := (31 * 24 * time.Hour).Milliseconds()
	opt.MinBlockDuration, opt.MaxBlockDuration, opt.RetentionDuration = month, month, 1200*month
	db, err := tsdb.Open(dir, nil, nil, opt, nil)
	if err != nil {
		return nil, err
	}
	return &prometheus{db: db, dir: dir}, nil
}

type prometheus struct {
	db   *tsdb.DB
	dir  string
	runs int
}

func (p *prometheus) StartRun(context.Context, string) (load.Run, error) {
	p.runs++
	return &prometheusRun{p: p, id: fmt.Sprint(p.runs), series: map[string]*prometheusSeries{}}, nil
}

type prometheusRun struct {
	p      *prometheus
	id     string
	series map[string]*prometheusSeries
}

// prometheusSeries spares the database from looking up the labels again.
type prometheusSeries struct {
	ref    storage.SeriesRef
	labels labels.Labels
}

func (r *prometheusRun) ID() string                { return r.id }
func (r *prometheusRun) End(context.Context) error { return nil }

func (r *prometheusRun) Append(ctx context.Context, c runstone.Columns) error {
	app := r.p.db.Appender(ctx)
	for k, name := range c.Names {
		s := r.series[name]
		if s == nil {
			s = &prometheusSeries{labels: labels.FromStrings("metric", name, "run", r.id)}
			r.series[name] = s
		}
		for i, at := range c.Times {
			var err error
			if s.ref, err = app.Append(s.ref, s.labels, at, c.Values[k][i]); err != nil {
				return errors.Join(err, app.Rollback())
			}
		}
	}
	return app.Commit()
}

func (p *prometheus) Points(ctx context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) (err error) {
	q, err := p.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	set := q.Select(ctx, false, nil,
		labels.MustNewMatcher(labels.MatchEqual, "metric", metric), labels.MustNewMatcher(labels.MatchEqual, "run", run))
	const piece = 4096
	steps, times, values := make([]int64, 0, piece), make([]int64, 0, piece), make([]float64, 0, piece)
	n := int64(0)
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			at, value := it.At()
			steps, times, values = append(steps, n), append(times, at), append(values, value)
			if n++; len(steps) < piece {
				continue
			}
			if err := fn(steps, times, values); err != nil {
				return err
			}
			steps, times, values = steps[:0], times[:0], values[:0]
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	if err := set.Err(); err != nil {
		return err
	}
	return fn(steps, times, values)
}

func (p *prometheus) Downsample(ctx context.Context, run, metric string, steps, buckets int) (int64, error) {
	return load.ClientDownsample(ctx, p, run, metric, steps, buckets)
}

// Close makes a block of what is in memory and drops the log of it, as
// Prometheus does by itself in the hours that follow.
func (p *prometheus) Close() error {
	head := p.db.Head()
	if head.NumSeries() == 0 {
		return p.db.Close()
	}
	err := p.db.CompactHead(tsdb.NewRangeHead(head, head.MinTime(), head.MaxTime()))
	if err = errors.Join(err, p.db.Close()); err != nil {
		return err
	}
	for _, name := range []string{"wal", "chunks_head"} {
		if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
			return err
		}
	}
	return nil
}
