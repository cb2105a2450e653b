package runstone

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/store"
)

// ViewType says whether a search sees active or deleted things.
type ViewType int

// What a search sees.
const (
	ActiveOnly ViewType = iota
	DeletedOnly
	All
)

func (v ViewType) sees(deleted bool) bool {
	return v == All || deleted == (v == DeletedOnly)
}

// SearchOptions are for [DB.Search]; nil is none of them.
type SearchOptions struct {
	// Experiments limits the search to these ids; nil is all.
	Experiments []string
	View        ViewType
	// OrderBy are clauses such as "metrics.loss ASC"; none is the newest
	// first.
	OrderBy []string
	Offset  int
	Limit   int // 0 is no limit
}

// Search iterates over the runs that match a filter, see docs/QUERY.md; ""
// matches all. A filter or order that cannot be read gives a
// *[query.ParseError].
func (db *DB) Search(ctx context.Context, filter string, opt *SearchOptions) iter.Seq2[*RunData, error] {
	return func(yield func(*RunData, error) bool) {
		if opt == nil {
			opt = &SearchOptions{}
		}
		s, done, err := db.reader()
		if err != nil {
			yield(nil, err)
			return
		}
		defer done()
		found, err := searchRuns(ctx, s, filter, opt)
		if err != nil {
			yield(nil, err)
			return
		}
		stopped := false
		err = s.View(ctx, func(tx *store.Tx) error {
			for _, run := range found {
				data, err := loadRunAt(ctx, s, tx, run)
				if errors.Is(err, ErrNotFound) { // purged meanwhile
					continue
				}
				if err != nil {
					return err
				}
				if stopped = !yield(data, nil); stopped {
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

func loadRunAt(ctx context.Context, s *store.Store, tx *store.Tx, run uint32) (*RunData, error) {
	id, err := tx.Text(kindRun, run)
	if err != nil {
		return nil, err
	}
	var row runRow
	if err := tx.Load(runKey(run), 1, &row); err != nil {
		return nil, present(err, "run", id)
	}
	if row.Status == runPurged {
		return nil, notFound("Run with id=%s not found", id)
	}
	data, err := loadRunData(tx, run, &row, id)
	if err == nil {
		data.Metrics, err = s.Summaries(ctx, run)
	}
	return data, err
}

// searchRuns returns the ordinals of the matching runs in order.
func searchRuns(ctx context.Context, s *store.Store, filter string, opt *SearchOptions) ([]uint32, error) {
	f, err := query.Parse(query.Runs, filter)
	if err != nil {
		return nil, err
	}
	order, err := query.ParseOrderBy(query.Runs, opt.OrderBy)
	if err != nil {
		return nil, err
	}
	if opt.Offset < 0 || opt.Limit < 0 {
		return nil, invalid("offset %d and limit %d must not be negative", opt.Offset, opt.Limit)
	}
	needs := f.Needs()
	needs.Add(order.Needs())
	keep := int(^uint(0) >> 1)
	if opt.Limit > 0 && opt.Offset < keep-opt.Limit {
		keep = opt.Offset + opt.Limit
	}
	top := index.NewTop(keep, func(a, b *searchRow) int { return order.Compare(a, b) })
	err = s.View(ctx, func(tx *store.Tx) error {
		l := &rowLoader{ctx: ctx, s: s, tx: tx, needs: needs}
		for run, err := range candidates(tx, opt.Experiments) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			row, err := l.load(run, opt.View)
			if err != nil {
				return err
			}
			if row != nil && f.Match(row) {
				top.Add(row)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows := top.Sorted()
	rows = rows[min(opt.Offset, len(rows)):]
	found := make([]uint32, len(rows))
	for i, r := range rows {
		found[i] = r.run
	}
	return found, nil
}

// candidates iterates over the runs of some experiments, or of all. Unknown
// experiments have none.
func candidates(tx *store.Tx, experiments []string) iter.Seq2[uint32, error] {
	return func(yield func(uint32, error) bool) {
		if experiments == nil {
			last, err := tx.LastOrd(kindRun)
			if err != nil {
				yield(0, err)
				return
			}
			for run := uint32(1); run <= last; run++ {
				if !yield(run, nil) {
					return
				}
			}
			return
		}
		experiments = slices.Compact(slices.Sorted(slices.Values(experiments)))
		for _, id := range experiments {
			exp, ok, err := tx.Ord(kindExperiment, id)
			if err != nil {
				yield(0, err)
				return
			}
			if !ok {
				continue
			}
			for run, err := range index.Runs(tx, exp) {
				if !yield(run, err) || err != nil {
					return
				}
			}
		}
	}
}

// searchRow is a run as a filter and an order see it: only what they need.
type searchRow struct {
	run      uint32
	id       string
	exp      string
	location string
	row      runRow
	metrics  map[string]float64
	params   map[string]string
	tags     map[string]string
	datasets []query.Dataset
}

// rowLoader makes search rows in one transaction.
type rowLoader struct {
	ctx         context.Context
	s           *store.Store
	tx          *store.Tx
	needs       query.Needs
	experiments map[uint32]*experimentRow
	paramKeys   map[string]uint32
	tagKeys     map[string]uint32
}

// load returns nil for a run that the view does not show.
func (l *rowLoader) load(run uint32, view ViewType) (*searchRow, error) {
	r := &searchRow{run: run}
	var err error
	if r.id, err = l.tx.Text(kindRun, run); err != nil {
		return nil, err
	}
	if err := l.tx.Load(runKey(run), 1, &r.row); err != nil {
		return nil, present(err, "run", r.id)
	}
	if r.row.Status == runPurged || !view.sees(r.row.Deleted) {
		return nil, nil
	}
	if r.exp, err = l.tx.Text(kindExperiment, r.row.Experiment); err != nil {
		return nil, err
	}
	if r.location, err = l.location(r.row.Experiment); err != nil {
		return nil, err
	}
	if r.params, err = l.values(l.needs.Params, kindParam, &l.paramKeys, func(key uint32) []byte { return paramKey(run, key) }); err != nil {
		return nil, err
	}
	if r.tags, err = l.values(l.needs.Tags, kindTag, &l.tagKeys, func(key uint32) []byte { return tagKey(run, key) }); err != nil {
		return nil, err
	}
	if len(l.needs.Metrics) > 0 {
		sums, err := l.s.Summaries(l.ctx, run)
		if err != nil {
			return nil, err
		}
		r.metrics = latest(sums, l.needs.Metrics)
	}
	if l.needs.Datasets {
		if r.datasets, err = datasetsOf(l.tx, run); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (l *rowLoader) location(exp uint32) (string, error) {
	e := l.experiments[exp]
	if e == nil {
		e = &experimentRow{}
		if err := l.tx.Load(experimentKey(exp), 1, e); err != nil {
			return "", err
		}
		if l.experiments == nil {
			l.experiments = map[uint32]*experimentRow{}
		}
		l.experiments[exp] = e
	}
	return e.Location, nil
}

// values reads the named params or tags of a run. keys remembers their
// ordinals; a name without one is on no run.
func (l *rowLoader) values(names []string, kind store.Kind, keys *map[string]uint32, key func(uint32) []byte) (map[string]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	if *keys == nil {
		*keys = map[string]uint32{}
		for _, name := range names {
			ord, ok, err := l.tx.Ord(kind, name)
			if err != nil {
				return nil, err
			}
			if ok {
				(*keys)[name] = ord
			}
		}
	}
	values := make(map[string]string, len(*keys))
	for name, ord := range *keys {
		var v valueRow
		err := l.tx.Load(key(ord), 1, &v)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		values[name] = v.Value
	}
	return values, nil
}

// latest picks the latest values of the named metrics.
func latest(sums []MetricSummary, names []string) map[string]float64 {
	values := make(map[string]float64, len(names))
	best := map[string]*MetricSummary{}
	for i := range sums {
		m := &sums[i]
		if !slices.Contains(names, m.Metric) {
			continue
		}
		if b := best[m.Metric]; b == nil || m.After(&b.Summary) {
			best[m.Metric] = m
			values[m.Metric] = m.Latest.Value
		}
	}
	return values
}

func datasetsOf(tx *store.Tx, run uint32) ([]query.Dataset, error) {
	uses, err := lineage.InputUses(tx, run)
	if err != nil {
		return nil, err
	}
	out := make([]query.Dataset, len(uses))
	for i, u := range uses {
		out[i] = query.Dataset{Name: u.Name, Digest: u.Digest, Context: u.Context}
	}
	return out, nil
}

// Field implements [query.Row].
func (r *searchRow) Field(e query.Entity, key string) query.Value {
	switch e {
	case query.Metric:
		if v, ok := r.metrics[key]; ok {
			return query.Num(v)
		}
	case query.Param:
		if v, ok := r.params[key]; ok {
			return query.Str(v)
		}
	case query.Tag:
		if v, ok := r.tags[key]; ok {
			return query.Str(v)
		}
	case query.Attribute:
		return r.attribute(key)
	}
	return query.Missing()
}

func (r *searchRow) attribute(key string) query.Value {
	switch key {
	case "run_id":
		return query.Str(r.id)
	case "run_name":
		return query.Str(r.row.Name)
	case "status":
		return query.Str(r.row.status().String())
	case "artifact_uri":
		return query.Str(runArtifactURI(r.location, r.id))
	case "user_id":
		return query.Str(r.row.User)
	case "experiment_id":
		return query.Str(r.exp)
	case "lifecycle_stage":
		return query.Str(lifecycle(r.row.Deleted))
	case "start_time":
		return query.Int(r.row.Start)
	case "end_time":
		if r.row.End != 0 {
			return query.Int(r.row.End)
		}
	}
	return query.Missing()
}

func lifecycle(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

// Datasets implements [query.Row].
func (r *searchRow) Datasets() []query.Dataset { return r.datasets }

// SearchExperiments returns the experiments that match a filter, in order.
// opt.Experiments is not used.
func (db *DB) SearchExperiments(ctx context.Context, filter string, opt *SearchOptions) ([]*Experiment, error) {
	if opt == nil {
		opt = &SearchOptions{}
	}
	f, err := query.Parse(query.Experiments, filter)
	if err != nil {
		return nil, err
	}
	order, err := query.ParseOrderBy(query.Experiments, opt.OrderBy)
	if err != nil {
		return nil, err
	}
	var found []*Experiment
	for e, err := range db.Experiments(ctx) {
		if err != nil {
			return nil, err
		}
		if opt.View.sees(e.Deleted) && f.Match((*experimentFields)(e)) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b *Experiment) int {
		return order.Compare((*experimentFields)(a), (*experimentFields)(b))
	})
	found = found[min(max(opt.Offset, 0), len(found)):]
	if opt.Limit > 0 {
		found = found[:min(opt.Limit, len(found))]
	}
	return found, nil
}

// experimentFields is an experiment as a filter sees it.
type experimentFields Experiment

// Field implements [query.Row].
func (e *experimentFields) Field(entity query.Entity, key string) query.Value {
	if entity == query.Tag {
		if v, ok := e.Tags[key]; ok {
			return query.Str(v)
		}
		return query.Missing()
	}
	switch key {
	case "name":
		return query.Str(e.Name)
	case "experiment_id":
		return query.Str(e.ID)
	case "lifecycle_stage":
		return query.Str(lifecycle(e.Deleted))
	case "creation_time":
		return query.Int(e.Created.UnixMilli())
	case "last_update_time":
		return query.Int(e.Updated.UnixMilli())
	}
	return query.Missing()
}

// Datasets implements [query.Row].
func (e *experimentFields) Datasets() []query.Dataset { return nil }
