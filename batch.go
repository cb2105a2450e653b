package runstone

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/store"
)

// Metric is one point of a metric, for [DB.LogBatch].
type Metric struct {
	Name  string
	Value float64
	Step  int64
	Time  int64 // Unix ms

	// What the value is about, if it is about a logged model or a dataset.
	Model         string // id
	Dataset       string // name
	DatasetDigest string
}

func (m *Metric) series() store.SeriesName {
	return store.SeriesName{Metric: m.Name, Model: m.Model, Dataset: m.Dataset, DatasetDigest: m.DatasetDigest}
}

// Batch is what [DB.LogBatch] logs together.
type Batch struct {
	Metrics []Metric
	Params  []KV
	Tags    []KV
}

// LogBatch logs metrics, params and tags to an active run: all of them, or
// none when it returns an error. Errors: [ErrNotFound] for the run, and
// [ErrInvalid] for a deleted run, a bad key, a param that has another value
// already, or one key twice among the params. Long values are cut. A shared
// database finds out about the run and its params later, and takes the params
// and tags as one change and each set of metrics as another.
func (db *DB) LogBatch(ctx context.Context, run string, b Batch) error {
	o, err := b.fields(run)
	if err != nil {
		return err
	}
	if err := b.checkMetrics(); err != nil {
		return err
	}
	rows := b.rows()
	if db.store == nil {
		return db.leaveBatch(ctx, o, rows)
	}
	series, err := db.openSeries(ctx, run)
	if err != nil {
		return err
	}
	defer series.Close()
	groups := make([][]*store.Group, len(rows))
	for i := range rows {
		if groups[i], err = series.Groups(ctx, rows[i].names); err != nil {
			return err
		}
	}
	defer db.keeper.changed()
	return db.store.Update(ctx, db.opt.Durability, func(tx *store.Tx) error {
		if err := o.apply(tx); err != nil {
			return err
		}
		for i := range rows {
			if err := rows[i].appendTo(tx, groups[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// LogParam is LogBatch for one param.
func (db *DB) LogParam(ctx context.Context, run, key, value string) error {
	o, err := (&Batch{Params: []KV{{Key: key, Value: value}}}).fields(run)
	if err != nil {
		return err
	}
	o.Single = true
	return db.do(ctx, db.opt.Durability, o)
}

// fields returns the op for the batch's params and tags.
func (b *Batch) fields(run string) (*runFields, error) {
	o := &runFields{ID: run, Params: slices.Clone(b.Params), Tags: slices.Clone(b.Tags), Models: b.models()}
	seen := make(map[string]bool, len(o.Params))
	var twice []string
	for i := range o.Params {
		p := &o.Params[i]
		if err := CheckKey(p.Key, "Param key", "key"); err != nil {
			return nil, err
		}
		p.Value = cut(p.Value, MaxParamValue)
		if seen[p.Key] && !slices.Contains(twice, quotePython(p.Key)) {
			twice = append(twice, quotePython(p.Key))
		}
		seen[p.Key] = true
	}
	if twice != nil {
		return nil, invalid("Duplicate parameter keys have been submitted: [%s]. Please ensure the request contains only one param value per param key.", strings.Join(twice, ", "))
	}
	for i := range o.Tags {
		if err := CheckKey(o.Tags[i].Key, "key", "key"); err != nil {
			return nil, err
		}
		o.Tags[i].Value = cut(o.Tags[i].Value, MaxTagValue)
	}
	return o, nil
}

// models returns the logged models that metrics are about, each once.
func (b *Batch) models() []string {
	var ids []string
	for i := range b.Metrics {
		if id := b.Metrics[i].Model; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (b *Batch) checkMetrics() error {
	for i := range b.Metrics {
		m := &b.Metrics[i]
		if CheckKey(m.Name, "", "") != nil { // the place is only written for the message
			return CheckKey(m.Name, "Metric name", fmt.Sprintf("metrics[%d].name", i))
		}
		if m.Time < 0 {
			return invalid("Invalid value %d for parameter 'metrics[%d].timestamp' supplied: metric '%s' (value=%v). Timestamp must be a nonnegative long (64-bit integer) ", m.Time, i, m.Name, m.Value)
		}
	}
	return nil
}

// clockRows are points of one set of series: one row for each step and time.
type clockRows struct {
	names        []store.SeriesName // sorted by series, distinct
	steps, times []int64
	values       [][]float64 // by series
}

// rows sorts the metrics of a batch into sets that share a clock: points of
// different series that follow each other with one step and time.
func (b *Batch) rows() []clockRows {
	var out []clockRows
	byNames := map[string]int{}
	var last rowShape
	for i := 0; i < len(b.Metrics); {
		n := last.next(b.Metrics[i:])
		if n == 0 {
			row := b.Metrics[i:]
			for n = 1; n < len(row) && n < store.MaxGroup && row[n].at(&row[0]) && !containsSeries(row[:n], &row[n]); {
				n++
			}
			last.set(row[:n])
			key := ""
			for _, k := range last.order {
				key += seriesKey(&row[k]) + "\x01"
			}
			var ok bool
			if last.rows, ok = byNames[key]; !ok {
				last.rows = len(out)
				byNames[key] = last.rows
				c := clockRows{values: make([][]float64, n)}
				for _, k := range last.order {
					c.names = append(c.names, row[k].series())
				}
				out = append(out, c)
			}
		}
		c := &out[last.rows]
		c.steps, c.times = append(c.steps, b.Metrics[i].Step), append(c.times, b.Metrics[i].Time)
		for column, k := range last.order {
			c.values[column] = append(c.values[column], b.Metrics[i+k].Value)
		}
		i += n
	}
	return out
}

// rowShape is what a row and those like it have in common: a training loop logs
// the same series step after step.
type rowShape struct {
	metrics []Metric // of the row, as they were logged
	order   []int    // of metrics by series
	rows    int      // where such rows go
}

func (r *rowShape) set(row []Metric) {
	r.metrics, r.order = row, make([]int, len(row))
	for k := range row {
		r.order[k] = k
	}
	slices.SortFunc(r.order, func(i, j int) int { return strings.Compare(seriesKey(&row[i]), seriesKey(&row[j])) })
}

// next returns the length of the row that metrics begin with if it is of the
// shape, else 0.
func (r *rowShape) next(metrics []Metric) int {
	n := len(r.metrics)
	if n == 0 || n > len(metrics) {
		return 0
	}
	for k := range n {
		if !metrics[k].at(&metrics[0]) || !metrics[k].sameSeries(&r.metrics[k]) {
			return 0
		}
	}
	// The row may be longer than those before.
	if n < len(metrics) && n < store.MaxGroup && metrics[n].at(&metrics[0]) && !containsSeries(metrics[:n], &metrics[n]) {
		return 0
	}
	return n
}

// at reports whether two points have one clock.
func (m *Metric) at(other *Metric) bool { return m.Step == other.Step && m.Time == other.Time }

func (m *Metric) sameSeries(other *Metric) bool {
	return m.Name == other.Name && m.Model == other.Model && m.Dataset == other.Dataset && m.DatasetDigest == other.DatasetDigest
}

func seriesKey(m *Metric) string {
	if m.Model == "" && m.Dataset == "" && m.DatasetDigest == "" {
		return m.Name
	}
	return m.Name + "\x00" + m.Model + "\x00" + m.Dataset + "\x00" + m.DatasetDigest
}

func containsSeries(metrics []Metric, m *Metric) bool {
	for i := range metrics {
		if metrics[i].sameSeries(m) {
			return true
		}
	}
	return false
}

// appendTo adds the rows in a transaction.
func (c *clockRows) appendTo(tx *store.Tx, groups []*store.Group) error {
	values := c.values
	for _, g := range groups {
		n := g.Width()
		if err := tx.Append(g, c.steps, c.times, values[:n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// leaveBatch puts a batch into the inbox of a shared database.
func (db *DB) leaveBatch(ctx context.Context, o *runFields, rows []clockRows) error {
	if len(o.Params) > 0 || len(o.Tags) > 0 || len(o.Models) > 0 {
		if err := db.do(ctx, db.opt.Durability, o); err != nil {
			return err
		}
	}
	for i := range rows {
		c := &rows[i]
		g, err := db.inbox.Group(ctx, o.ID, c.names)
		if err == nil {
			err = g.Append(ctx, db.opt.Durability, c.steps, c.times, c.values)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
