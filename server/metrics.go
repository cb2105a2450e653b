package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/runstonedb/runstone"
)

// history iterates over the points in r of a metric as MLflow returns them: by
// time, step and value, no point twice, ±Inf as the largest double. A run that
// is not there has none.
func (s *Server) history(ctx context.Context, run, metric string, r runstone.PointRange) iter.Seq2[runstone.Point, error] {
	return func(yield func(runstone.Point, error) bool) {
		var last runstone.Point // the last point that was not NaN
		var seen, seenNaN bool  // in the points of last's time and step: any, a NaN
		var nan runstone.Point
		for c, err := range s.db.PointsIn(ctx, []runstone.Curve{{Run: run, Metric: metric}}, r) {
			if errors.Is(err, runstone.ErrNotFound) {
				return
			}
			if err != nil {
				yield(runstone.Point{}, err)
				return
			}
			for i, step := range c.Steps {
				p := runstone.Point{Step: step, Time: c.Times[i], Value: clamp(c.Values[i])}
				if math.IsNaN(p.Value) {
					if seenNaN && nan.Step == p.Step && nan.Time == p.Time {
						continue
					}
					seenNaN, nan = true, p
				} else {
					if seen && p == last {
						continue
					}
					seen, last = true, p
				}
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// metricKey reads the argument metric_key.
func (a *args) metricKey() string { return a.need("metric_key") }

func (s *Server) metricHistory(ctx context.Context, a args) (any, error) {
	run, key := a.runID(), a.metricKey()
	limit, offset := int(a.int("max_results", math.MaxInt32)), a.offset()
	if limit <= 0 {
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer.", limit))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return stream(func(ctx context.Context, w io.Writer) error {
		return s.writeHistory(ctx, w, run, key, offset, limit)
	}), nil
}

// writeHistory writes what metricList would of a page of a metric's history, in
// pieces: without max_results a page is all of it.
func (s *Server) writeHistory(ctx context.Context, w io.Writer, run, key string, offset, limit int) error {
	buf := s.buffer()
	defer s.reuse(buf)
	if cap(*buf) < streamPiece+1<<10 {
		*buf = make([]byte, 0, streamPiece+1<<10)
	}
	b := append((*buf)[:0], '{')
	next, at := "", 0
	for p, err := range s.history(ctx, run, key, runstone.AllPoints()) {
		if err != nil {
			return err
		}
		if at++; at <= offset {
			continue
		}
		if at-offset > limit {
			next = nextToken(offset+limit, true)
			break
		}
		if at == offset+1 {
			b = append(b, "\n  \"metrics\": ["...)
		}
		b = (&wireMetric{Key: key, Value: number(p.Value), Time: p.Time, Step: p.Step}).append(b)
		if len(b) >= streamPiece { // the comma stays: the end takes it away
			if _, err := w.Write(b[:len(b)-1]); err != nil {
				return err
			}
			b = append(b[:0], ',')
		}
	}
	if at > offset {
		b = append(b[:len(b)-1], "\n  ],"...)
	}
	_, err := w.Write(endList(b, next))
	return err
}

type metricsAnswer struct {
	Metrics []wireMetric `json:"metrics"`
}

// metricList writes {"metrics": […], "next_page_token": …} as writeJSON would.
// It is not an encoder's: histories are long, and with their fixed depth and
// fields they are written 1.4 times as fast as by one (BenchmarkHistory).
func metricList(metrics []wireMetric, next string) prepared {
	b := make([]byte, 0, 16+128*len(metrics))
	b = append(b, '{')
	if len(metrics) > 0 {
		b = append(b, "\n  \"metrics\": ["...)
		for i := range metrics {
			b = metrics[i].append(b)
		}
		b = append(b[:len(b)-1], "\n  ],"...)
	}
	return endList(b, next)
}

// endList ends an object of which there is the brace, or fields and a comma.
func endList(b []byte, next string) []byte {
	if next != "" {
		b = append(appendString(append(b, "\n  \"next_page_token\": "...), next), ',')
	}
	if b[len(b)-1] == ',' {
		b = append(b[:len(b)-1], '\n')
	}
	return append(b, '}')
}

// append writes a metric of a run's history and a comma.
func (m *wireMetric) append(b []byte) []byte {
	b = appendString(append(b, "\n    {\n      \"key\": "...), m.Key)
	b = append(b, ",\n      \"value\": "...)
	b = m.Value.append(b)
	b = strconv.AppendInt(append(b, ",\n      \"timestamp\": "...), m.Time, 10)
	b = strconv.AppendInt(append(b, ",\n      \"step\": "...), m.Step, 10)
	if m.Run != "" {
		b = appendString(append(b, ",\n      \"run_id\": "...), m.Run)
	}
	return append(b, "\n    },"...)
}

// Limits of the histories of several runs.
const (
	maxBulkRuns     = 100
	maxBulkPoints   = 25_000
	maxInterval     = 2500
	maxIntervalRead = 2 << 20 // points; above, runs are sampled each on its own
)

// metricBulk answers in the way of Flask's jsonify: compact, keys sorted.
func (s *Server) metricBulk(w http.ResponseWriter, r *http.Request, _ string) {
	b, err := s.bulk(r.Context(), queryArgs(r))
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // the client may have gone
}

func (s *Server) bulk(ctx context.Context, a args) ([]byte, error) {
	runs := a.strs("run_id")
	switch {
	case len(runs) == 0:
		a.fail(badRequest("GetMetricHistoryBulk request must specify at least one run_id."))
	case len(runs) > maxBulkRuns:
		a.fail(badRequest("GetMetricHistoryBulk request cannot specify more than %d run_ids. Received %d run_ids.", maxBulkRuns, len(runs)))
	}
	key := a.str("metric_key")
	if key == "" {
		a.fail(badRequest("GetMetricHistoryBulk request must specify a metric_key."))
	}
	left := min(a.int("max_results", maxBulkPoints), maxBulkPoints)
	if err := a.done(); err != nil {
		return nil, err
	}
	slices.Sort(runs)
	b := []byte(`{"metrics":[`)
	for _, run := range slices.Compact(runs) {
		for p, err := range s.history(ctx, run, key, runstone.AllPoints()) {
			if err != nil {
				return nil, err
			}
			if left--; left < 0 {
				break
			}
			b = append(appendString(append(b, `{"key":`...), key), `,"run_id":`...)
			b = append(appendString(b, run), `,"step":`...)
			b = append(strconv.AppendInt(b, p.Step, 10), `,"timestamp":`...)
			b = append(strconv.AppendInt(b, p.Time, 10), `,"value":`...)
			b = append(appendFloat(b, p.Value), "},"...)
		}
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, "]}\n"...), nil
}

func (s *Server) metricInterval(ctx context.Context, a args) (any, error) {
	runs, key := a.strs("run_ids"), ""
	if len(runs) == 0 {
		a.missing("run_ids")
	}
	key = a.metricKey()
	limit := a.int("max_results", maxInterval)
	if limit < 1 || limit > maxInterval {
		a.fail(badRequest("max_results must be between 1 and %d. %s", maxInterval, seeDocs))
	}
	if len(runs) > maxBulkRuns {
		a.fail(badRequest("GetMetricHistoryBulkInterval request must specify at most %d run_ids. Received %d run_ids. %s", maxBulkRuns, len(runs), seeDocs))
	}
	steps := runstone.AllPoints().Steps(a.int("start_step", math.MinInt64), a.int("end_step", math.MaxInt64))
	switch {
	case a.has("start_step") != a.has("end_step"):
		a.fail(badRequest("If either start step or end step are specified, both must be specified."))
	case steps.FromStep > steps.ToStep:
		a.fail(badRequest("end_step must be greater than start_step. Found start_step=%d and end_step=%d.", steps.FromStep, steps.ToStep))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	metrics, err := s.interval(ctx, runs, key, steps, int(limit))
	return metricsAnswer{metrics}, err
}

// interval returns the points of each run, or where there are more than limit,
// the first of each of limit equal shares of them, and the last.
func (s *Server) interval(ctx context.Context, runs []string, key string, r runstone.PointRange, limit int) ([]wireMetric, error) {
	var count int64
	for _, run := range runs {
		n, err := s.countPoints(ctx, run, key)
		if err != nil {
			return nil, err
		}
		count += n
	}
	if count > maxIntervalRead {
		return s.buckets(ctx, runs, key, r, limit)
	}
	var out []wireMetric
	var points []runstone.Point
	for _, run := range runs {
		points = points[:0]
		for p, err := range s.history(ctx, run, key, r) {
			if err != nil {
				return nil, err
			}
			points = append(points, p)
		}
		slices.SortFunc(points, func(a, b runstone.Point) int {
			return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Time, b.Time), cmp.Compare(a.Value, b.Value))
		})
		for _, p := range sample(points, limit) {
			out = append(out, wireMetric{Key: key, Value: number(p.Value), Time: p.Time, Step: p.Step, Run: run})
		}
	}
	return out, nil
}

// sample picks limit of the points in place: the first of each share, the last
// for that of the last. Shares differ by one point at most, the larger come first.
func sample(points []runstone.Point, limit int) []runstone.Point {
	n := len(points)
	if n <= limit {
		return points
	}
	last, at := points[n-1], 0
	for i := range limit {
		points[i] = points[at]
		at += n / limit
		if i < n%limit {
			at++
		}
	}
	points[limit-1] = last
	return points[:limit]
}

func (s *Server) countPoints(ctx context.Context, run, key string) (int64, error) {
	sums, err := s.db.Metrics(ctx, run)
	if errors.Is(err, runstone.ErrNotFound) {
		return 0, nil
	}
	var n int64
	for i := range sums {
		if sums[i].Metric == key {
			n += sums[i].Count
		}
	}
	return n, err
}

// buckets is interval for more points than a request should read: of ranges of
// each run's steps the first and last points stay, and beside them the least
// and the greatest value, whatever step in between they are of.
func (s *Server) buckets(ctx context.Context, runs []string, key string, r runstone.PointRange, limit int) ([]wireMetric, error) {
	var out []wireMetric
	for _, run := range runs {
		found, err := s.db.Downsample(ctx, run, key, r, max(limit/4, 1))
		if errors.Is(err, runstone.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, b := range found {
			low, high := b.First, b.Last
			low.Value, high.Value = b.Min, b.Max
			if b.First.Value > b.Last.Value {
				low.Value, high.Value = b.Max, b.Min
			}
			points := []runstone.Point{b.First, low, high, b.Last}
			if b.NaN == b.Count {
				points = []runstone.Point{b.First, b.Last}
			}
			for _, p := range slices.Compact(points) {
				out = append(out, wireMetric{Key: key, Value: number(p.Value), Time: p.Time, Step: p.Step, Run: run})
			}
		}
	}
	return out, nil
}
