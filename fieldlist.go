package runstone

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/store"
)

// RunField is a metric, param or tag that runs have.
type RunField struct {
	Entity string // "metrics", "params" or "tags", as a query names it
	Key    string
	// Runs is how many of the runs have it, -1 where the time ended before they
	// were counted.
	Runs int
	// Varies tells of a param or tag whether the runs differ in it: one has
	// another value than another, or none. A metric varies.
	Varies bool
}

// FieldOptions are for [DB.RunFields]; nil is none of them.
type FieldOptions struct {
	// Experiments limits the runs to those of these ids; nil is all.
	Experiments []string
	View        ViewType
	// Entities are some of "metrics", "params" and "tags"; nil is all of them.
	Entities []string
	// Match is a part of the key, in upper or lower case; "" is any.
	Match string
	// Varying leaves out params and tags that do not vary.
	Varying bool
	Offset  int
	Limit   int // 0 is none
	// Time bounds the counting; 0 is no bound.
	Time time.Duration
}

// FieldPage is what [DB.RunFields] found: Fields, of Total in all, of as many
// Runs. Partial tells that the time ended: fields without a count may be of no
// run at all.
type FieldPage struct {
	Fields  []RunField
	Total   int
	Runs    int
	Partial bool
}

// RunFields lists what runs have: metrics, params and tags in this order, each
// in the order in which they came to be. It reads heads and columns of the run
// index and no run that is in it, so that thousands of fields are no trouble.
func (db *DB) RunFields(ctx context.Context, opt *FieldOptions) (page *FieldPage, err error) {
	if opt == nil {
		opt = &FieldOptions{}
	}
	if opt.Offset < 0 || opt.Limit < 0 {
		return nil, invalid("offset %d and limit %d must not be negative", opt.Offset, opt.Limit)
	}
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	err = s.View(ctx, func(tx *store.Tx) error {
		for {
			page, err = db.listFields(ctx, s, tx, opt)
			if err == nil || !db.runs.Distrust(err) {
				return err
			}
			db.keeper.changed()
		}
	})
	return page, err
}

func (db *DB) listFields(ctx context.Context, s *store.Store, tx *store.Tx, opt *FieldOptions) (*FieldPage, error) {
	src, err := db.runSource(ctx, s, tx, &SearchOptions{Experiments: opt.Experiments, View: opt.View})
	if err != nil {
		return nil, err
	}
	l := fieldLister{runSource: src, ctx: ctx, opt: opt, match: strings.ToLower(opt.Match), page: &FieldPage{}}
	if opt.Time > 0 {
		l.until = time.Now().Add(opt.Time)
	}
	if err := l.segments(); err != nil {
		return nil, err
	}
	if err := l.changed(); err != nil {
		return nil, err
	}
	for _, e := range [...]struct {
		entity string
		kind   store.Kind
		field  byte
	}{{"metrics", store.KindSeries, fieldMetric}, {"params", kindParam, fieldParam}, {"tags", kindTag, fieldTag}} {
		if opt.Entities != nil && !slices.Contains(opt.Entities, e.entity) {
			continue
		}
		if err := l.list(e.entity, e.kind, e.field); err != nil {
			return nil, err
		}
	}
	return l.page, nil
}

// fieldLister counts fields over segments of the index and over the runs that
// changed since.
type fieldLister struct {
	*runSource
	ctx   context.Context
	opt   *FieldOptions
	match string
	until time.Time
	page  *FieldPage

	segs  []countedSegment
	dirty map[index.Field]*fieldTally // of runs that are not in segs
}

type countedSegment struct {
	*segmentBatch
	rows  index.Bits
	whole bool // every row counts
}

// fieldTally is what is known of a param or tag, or of a metric but for values.
type fieldTally struct {
	runs   int
	value  string
	differ bool
}

func (t *fieldTally) add(value string) {
	t.differ = t.differ || t.runs > 0 && value != t.value
	t.value = value
	t.runs++
}

func (l *fieldLister) late() bool {
	return !l.until.IsZero() && time.Now().After(l.until)
}

func (l *fieldLister) segments() error {
	for _, seg := range l.snap.Segments() {
		b := &segmentBatch{runSource: l.runSource, seg: seg}
		rows, err := b.present()
		if err != nil {
			return err
		}
		if rows == nil {
			continue
		}
		n := rows.Count()
		l.page.Runs += n
		l.segs = append(l.segs, countedSegment{b, rows, n == seg.N})
	}
	return nil
}

// changed counts the fields of runs that are read from their records.
func (l *fieldLister) changed() error {
	l.dirty = map[index.Field]*fieldTally{}
	tally := func(f index.Field, value string) {
		t := l.dirty[f]
		if t == nil {
			t = &fieldTally{}
			l.dirty[f] = t
		}
		t.add(value)
	}
	b, err := l.load(l.ctx, l.snap.Dirty())
	if err != nil {
		return err
	}
	l.page.Runs += len(b.runs)
	for _, run := range b.runs {
		if l.late() {
			l.page.Partial = true
			return nil
		}
		for _, of := range [...]struct {
			kind byte
			key  []byte
		}{{fieldParam, paramKey(run, 0)}, {fieldTag, tagKey(run, 0)}} {
			err := eachValue(l.tx, of.key[:5], func(key uint32, value string) error {
				tally(index.Field{Kind: of.kind, Ord: key}, value)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	plain := map[uint32]uint32{}
	type seenMetric struct{ run, metric uint32 }
	seen := map[seenMetric]bool{}
	return l.s.SummariesOf(l.ctx, b.runs, func(run, series uint32, _ *store.Summary) error {
		ord, ok := plain[series]
		if !ok {
			name, err := l.tx.SeriesName(series)
			if err == nil {
				ord, err = l.ord(store.KindSeries, name.Metric)
			}
			if err != nil {
				return err
			}
			plain[series] = ord
		}
		if at := (seenMetric{run, ord}); !seen[at] {
			seen[at] = true
			tally(metricField(ord, 0), "")
		}
		return nil
	})
}

// list adds the fields of one kind to the page.
func (l *fieldLister) list(entity string, kind store.Kind, field byte) error {
	last, err := l.tx.LastOrd(kind)
	if err != nil {
		return err
	}
	for ord := uint32(1); ord <= last; ord++ {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		text, err := l.name(kind, ord)
		if err != nil {
			return err
		}
		if text == "" || l.match != "" && !strings.Contains(strings.ToLower(text), l.match) {
			continue
		}
		f := RunField{Entity: entity, Key: text, Runs: -1, Varies: true}
		if !l.page.Partial && l.late() {
			l.page.Partial = true
		}
		if !l.page.Partial {
			t, err := l.tally(index.Field{Kind: field, Ord: ord})
			if err != nil {
				return err
			}
			if t.runs == 0 {
				continue
			}
			f.Runs, f.Varies = t.runs, field == fieldMetric || t.differ || t.runs < l.page.Runs
		}
		if l.opt.Varying && !f.Varies {
			continue
		}
		if at := l.page.Total; at >= l.opt.Offset && (l.opt.Limit == 0 || at < l.opt.Offset+l.opt.Limit) {
			l.page.Fields = append(l.page.Fields, f)
		}
		l.page.Total++
	}
	return nil
}

// name returns the key with an ordinal, "" for a series that is about a model or
// dataset: the index counts it under its metric.
func (l *fieldLister) name(kind store.Kind, ord uint32) (string, error) {
	if kind != store.KindSeries {
		return l.tx.Text(kind, ord)
	}
	n, err := l.tx.SeriesName(ord)
	if n.Model != "" || n.Dataset != "" || n.DatasetDigest != "" {
		return "", err
	}
	return n.Metric, err
}

// tally counts a field. Values are read only until two differ.
func (l *fieldLister) tally(f index.Field) (fieldTally, error) {
	var t fieldTally
	if d := l.dirty[f]; d != nil {
		t = *d
	}
	for i := range l.segs {
		seg := &l.segs[i]
		z, ok, err := l.snap.Zone(seg.seg, f)
		if err != nil {
			return t, err
		}
		if !ok {
			continue
		}
		if seg.whole && (f.Kind == fieldMetric || t.differ) {
			t.runs += z.Rows
			continue
		}
		c, err := seg.column(f)
		if err != nil {
			return t, err
		}
		t.addColumn(c, seg)
	}
	return t, nil
}

func (t *fieldTally) addColumn(c *index.Column, seg *countedSegment) {
	if c == nil {
		return
	}
	seg.rows.Each(func(i int) {
		switch {
		case c.Has != nil && !c.Has.Has(i):
		case c.Type == index.Strings && !t.differ:
			t.add(c.Dict[c.Codes[i]])
		default:
			t.runs++
		}
	})
}
