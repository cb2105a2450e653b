package server

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"

	"github.com/runstonedb/runstone"
)

// Curves for the web UI. An answer is binary, all of it little-endian:
//
//	uint32   length of what follows up to the columns, a multiple of 8 minus 4
//	JSON     {"series": [{"run": …, "metric": …, "n": 800, "points": 1000000,
//	          "nan": 0, "raw": false}, …]}, then blanks
//	columns  for each series in turn, n float64 each: raw series have
//	           step, time, value
//	         the others, of points summed up in n buckets,
//	           step, time (of the last point), first, last, min, max, count, nan
//	         those over another metric (uijoin.go), "x" in their head, have its
//	         value before these, and those of groups of runs (uigroups.go), whose
//	         head has "grouped", "group" and "runs",
//	           step, time and elapsed (means), n, mean, deviation, min, max,
//	           how many runs are not finite there
//
// Points that were logged again for a model of the run are there once. A curve whose
// points all have one step is divided by time. A series is raw when
// every bucket has one point, so all points are there. Times are Unix ms. min and
// max are NaN where all values are.

const (
	maxUIRuns    = 500     // of a request
	maxUICurves  = 2000    // runs times metrics
	maxUIBuckets = 4000    // of a curve
	maxUICells   = 400_000 // curves times buckets
	rawColumns   = 3
	curveColumns = 8
)

// packed is an answer in bytes.
type packed []byte

type uiSeriesHead struct {
	Run    string `json:"run"`
	Metric string `json:"metric"`
	N      int    `json:"n"`
	Points int64  `json:"points"`
	NaN    int64  `json:"nan"`
	Raw    bool   `json:"raw"`

	X       bool  `json:"x,omitempty"`       // over another metric
	Left    int64 `json:"left,omitempty"`    // points that have no place there
	Windows bool  `json:"windows,omitempty"` // joined by windows, not by points
	Grouped bool  `json:"grouped,omitempty"`
	Group   int   `json:"group,omitempty"`
	Runs    int   `json:"runs,omitempty"` // of the group that have points
}

// uiRange reads the part of the curves that is asked for.
func (a *args) uiRange() runstone.PointRange {
	r := runstone.AllPoints()
	r.FromStep, r.ToStep = a.int("from_step", r.FromStep), a.int("to_step", r.ToStep)
	r.FromTime, r.ToTime = a.int("from_time", r.FromTime), a.int("to_time", r.ToTime)
	return r
}

// uiSeries answers the curves of some metrics of some runs. With "shared" all
// are divided at the same steps, without it each for itself.
func (s *Server) uiSeries(ctx context.Context, a args) (any, error) {
	runs, metrics := a.strs("run_ids"), a.strs("metric_keys")
	buckets, shared, r := int(a.int("buckets", 500)), a.bool("shared"), a.uiRange()
	over, x := a.str("x_metric"), a.uiXRange()
	groups := a.ints("group_of")
	switch curves := len(runs) * len(metrics); {
	case curves == 0:
		a.fail(badRequest("Curves are of at least one of run_ids and of metric_keys."))
	case len(runs) > maxUIRuns || curves > maxUICurves:
		a.fail(badRequest("At most %d curves of %d runs are answered at once.", maxUICurves, maxUIRuns))
	case buckets < 1 || buckets > maxUIBuckets || curves*buckets > maxUICells:
		a.fail(badRequest("A curve has 1 to %d buckets, and all curves have at most %d.", maxUIBuckets, maxUICells))
	case r.FromStep > r.ToStep || r.FromTime > r.ToTime:
		a.fail(badRequest("The range of the curves ends before it begins."))
	case groups != nil && len(groups) != len(runs):
		a.fail(badRequest("group_of has a number for each of run_ids."))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	var curves []runstone.Curve
	var of []int
	var starts []int64
	for i, run := range runs {
		info, err := s.db.RunInfo(ctx, run)
		if errors.Is(err, runstone.ErrNotFound) {
			continue // it went away since the page was drawn
		}
		if err != nil {
			return nil, err
		}
		for _, m := range metrics {
			curves = append(curves, runstone.Curve{Run: run, Metric: m, Once: true})
			if groups != nil {
				of, starts = append(of, groups[i]), append(starts, info.Start)
			}
		}
	}
	switch {
	case groups != nil && over != "":
		return s.groupJoined(ctx, curves, of, starts, over, r, x, buckets)
	case groups != nil:
		return s.groupSeries(ctx, curves, of, starts, r, buckets)
	case over != "":
		return s.joinSeries(ctx, curves, over, r, x, buckets)
	}
	var found [][]runstone.Bucket
	if shared {
		all, err := s.db.DownsampleAll(ctx, curves, r, buckets)
		if err != nil {
			return nil, err
		}
		found = all
	}
	for i := range curves {
		if !shared {
			one, err := s.db.DownsampleAll(ctx, curves[i:i+1], r, buckets)
			if err != nil {
				return nil, err
			}
			found = append(found, one[0])
		}
		if b := found[i]; len(b) == 1 && b[0].Count > 1 && b[0].Count <= maxStepless && b[0].First.Step == b[0].Last.Step {
			byTime, err := s.bucketsByTime(ctx, curves[i], r, buckets, b[0].Count)
			if err != nil {
				return nil, err
			}
			found[i] = byTime
		}
	}
	return packSeries(curves, found)
}

// maxStepless bounds the points of a curve that are read for [Server.bucketsByTime].
const maxStepless = 2_000_000

// bucketsByTime sums up a curve whose points have one step, as those have that are
// logged without any: in the order of their times, as many to each bucket.
func (s *Server) bucketsByTime(ctx context.Context, c runstone.Curve, r runstone.PointRange, buckets int, count int64) ([]runstone.Bucket, error) {
	each := (count + int64(buckets) - 1) / int64(buckets)
	var out []runstone.Bucket
	for p, err := range s.db.PointsIn(ctx, []runstone.Curve{c}, r) {
		if err != nil {
			return nil, err
		}
		for i, v := range p.Values {
			at := runstone.Point{Step: p.Steps[i], Time: p.Times[i], Value: v}
			if n := len(out); n == 0 || out[n-1].Count == each {
				out = append(out, runstone.Bucket{First: at, Min: math.NaN(), Max: math.NaN()})
			}
			b := &out[len(out)-1]
			b.Count++
			b.Last = at
			if math.IsNaN(v) {
				b.NaN++
				continue
			}
			if !(b.Min <= v) {
				b.Min = v
			}
			if !(b.Max >= v) {
				b.Max = v
			}
		}
	}
	return out, nil
}

// sheet is a curve of an answer: its head, and what gives its rows.
type sheet struct {
	head    uiSeriesHead
	columns int
	row     func(i int, row []float64)
}

// packSeries writes the answer; curves without points are left out.
func packSeries(curves []runstone.Curve, found [][]runstone.Bucket) (packed, error) {
	sheets := make([]sheet, 0, len(curves))
	for i, buckets := range found {
		if len(buckets) == 0 {
			continue
		}
		h := uiSeriesHead{Run: curves[i].Run, Metric: curves[i].Metric, N: len(buckets), Raw: true}
		for k := range buckets {
			h.Points += buckets[k].Count
			h.NaN += buckets[k].NaN
			h.Raw = h.Raw && buckets[k].Count == 1
		}
		columns := curveColumns
		if h.Raw {
			columns = rawColumns
		}
		sheets = append(sheets, sheet{h, columns, func(i int, row []float64) { curveRow(&buckets[i], h.Raw, row) }})
	}
	return packSheets(sheets)
}

func packSheets(sheets []sheet) (packed, error) {
	heads := make([]uiSeriesHead, len(sheets))
	cells := 0
	for i := range sheets {
		heads[i] = sheets[i].head
		cells += sheets[i].columns * heads[i].N
	}
	head, err := json.Marshal(struct {
		Series []uiSeriesHead `json:"series"`
	}{heads})
	if err != nil {
		return nil, err
	}
	for (4+len(head))%8 != 0 {
		head = append(head, ' ')
	}
	b := make([]byte, 0, 4+len(head)+8*cells)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	b = append(b, head...)
	for i := range sheets {
		b = sheets[i].append(b)
	}
	return b, nil
}

// append writes a sheet column by column.
func (t *sheet) append(b []byte) []byte {
	n, at := t.head.N, len(b)
	b = b[:at+8*t.columns*n]
	row := make([]float64, t.columns)
	for i := range n {
		t.row(i, row)
		for column, f := range row {
			binary.LittleEndian.PutUint64(b[at+8*(column*n+i):], math.Float64bits(f))
		}
	}
	return b
}

// curveRow are the columns of a bucket.
func curveRow(k *runstone.Bucket, raw bool, row []float64) {
	row[0], row[1] = float64(k.Last.Step), float64(k.Last.Time)
	if raw {
		row[2] = k.Last.Value
		return
	}
	row[2], row[3], row[4], row[5] = k.First.Value, k.Last.Value, k.Min, k.Max
	row[6], row[7] = float64(k.Count), float64(k.NaN)
}

// uiMetrics answers what is known of a run's metrics, as columns.
func (s *Server) uiMetrics(ctx context.Context, a args) (any, error) {
	id := a.runID()
	if err := a.done(); err != nil {
		return nil, err
	}
	sums, err := s.db.Metrics(ctx, id)
	if err != nil {
		return nil, err
	}
	page := runstone.Page[string]{Total: len(sums), Columns: []string{
		"metric", "model", "dataset", "digest", "count", "nan", "inf",
		"last", "last_step", "last_time", "first", "first_step", "min", "min_step", "max", "max_step", "mean",
	}}
	for i := range sums {
		m := &sums[i]
		row := []any{
			m.Metric, m.Model, m.Dataset, m.DatasetDigest, m.Count, m.NaN, m.PosInf + m.NegInf,
			m.Latest.Value, m.Latest.Step, m.Latest.Time, m.First.Value, m.First.Step, nil, nil, nil, nil, nil,
		}
		if m.Count > m.NaN {
			row[12], row[13], row[14], row[15], row[16] = m.Min, m.MinStep, m.Max, m.MaxStep, m.Mean()
		}
		page.Table = append(page.Table, row)
	}
	return uiAnswer(&page, false), nil
}
