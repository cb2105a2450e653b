package runstone

import (
	"context"
	"errors"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query/plan"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// recordBatch is some runs as their records have them now: those that are being
// logged, and those that changed since they came into the index.
type recordBatch struct {
	*runSource
	runs []uint32
	rows []runRow
	sums [][]store.Summary // by metric asked for, then by run
	of   map[string]int    // index in sums
	made map[plan.Ref]*index.Column
}

// load reads the rows of runs and leaves out those that the search does not see.
func (r *runSource) load(ctx context.Context, runs []uint32) (*recordBatch, error) {
	b := &recordBatch{runSource: r, of: map[string]int{}, made: map[plan.Ref]*index.Column{}}
	for _, run := range runs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var row runRow
		err := r.tx.Load(runKey(run), 1, &row)
		if errors.Is(err, ErrNotFound) {
			continue // an ordinal whose run never came to be
		}
		if err != nil {
			return nil, err
		}
		if row.Status == runPurged || !r.view.sees(row.Deleted) || r.within != nil && !r.within[row.Experiment] {
			continue
		}
		b.runs, b.rows = append(b.runs, run), append(b.rows, row)
	}
	return b, nil
}

// Len implements [plan.Batch].
func (b *recordBatch) Len() int { return len(b.runs) }

// Rows implements [plan.Batch].
func (b *recordBatch) Rows() index.Bits { return nil }

// Row implements [plan.Batch].
func (b *recordBatch) Row(i int) uint32 { return b.runs[i] }

// Zone implements [plan.Batch].
func (b *recordBatch) Zone(plan.Ref) (index.Zone, bool) { return index.Zone{}, false }

// Column implements [plan.Batch].
func (b *recordBatch) Column(ctx context.Context, ref plan.Ref) (*index.Column, error) {
	if c, ok := b.made[ref]; ok {
		return c, nil
	}
	c, err := b.make(ctx, ref)
	if err != nil {
		return nil, err
	}
	if len(b.made) == heldColumns {
		clear(b.made)
	}
	b.made[ref] = c
	return c, nil
}

func (b *recordBatch) make(ctx context.Context, ref plan.Ref) (*index.Column, error) {
	switch ref.Entity {
	case tree.Metric:
		return b.metric(ctx, ref)
	case tree.Dataset:
		return b.datasets(ref.Key)
	case tree.Model:
		ids, err := b.attribute(attrID)
		if err != nil {
			return nil, err
		}
		return b.models(ctx, ref.Key, ids, b.Len())
	case tree.Attribute:
		if attr, ok := attributeOrds[ref.Key]; ok {
			return b.attribute(attr)
		}
		return b.computed(ref.Key, b.Len(), b.attribute)
	}
	f, known, err := b.field(ref)
	if err != nil || !known {
		return nil, err
	}
	return b.values(f)
}

// heldMetrics is of how many metrics the summaries are kept, for other functions of
// them.
const heldMetrics = 16

// textColumn is a column of strings in the making.
type textColumn struct {
	index.Column
	codes map[string]uint32
}

func newTextColumn(n int) *textColumn {
	return &textColumn{index.Column{Type: index.Strings, Has: index.NewBits(n), Codes: make([]uint32, n)}, map[string]uint32{}}
}

// newTextLists makes one with several values of each row: those that are added
// until Starts says that they end.
func newTextLists(n int) *textColumn {
	return &textColumn{index.Column{Type: index.Strings, Starts: make([]uint32, n+1)}, map[string]uint32{}}
}

func (c *textColumn) add(s string) { c.Codes = append(c.Codes, c.code(s)) }

func (c *textColumn) set(i int, s string) {
	c.Has.Set(i)
	c.Codes[i] = c.code(s)
}

func (c *textColumn) code(s string) uint32 {
	code, ok := c.codes[s]
	if !ok {
		code = uint32(len(c.Dict))
		c.codes[s], c.Dict = code, append(c.Dict, s)
	}
	return code
}

// values reads a param or a tag of all runs.
func (b *recordBatch) values(f index.Field) (*index.Column, error) {
	key := paramKey
	if f.Kind == fieldTag {
		key = tagKey
	}
	c := newTextColumn(b.Len())
	for i, run := range b.runs {
		value, err := loadText(b.tx, key(run, f.Ord))
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.set(i, value)
	}
	return &c.Column, nil
}

// attribute makes a column that the index has too.
func (b *recordBatch) attribute(attr uint32) (*index.Column, error) {
	n := b.Len()
	switch attr {
	case attrExperiment, attrStart, attrEnd, attrDeleted:
		c := &index.Column{Type: index.Ints, Has: index.NewBits(n), Ints: make([]int64, n)}
		for i := range b.rows {
			row := &b.rows[i]
			switch attr {
			case attrExperiment:
				c.Ints[i] = int64(row.Experiment)
			case attrStart:
				c.Ints[i] = row.Start
			case attrEnd:
				c.Ints[i] = row.End
			case attrDeleted:
				if row.Deleted {
					c.Ints[i] = 1
				}
			}
			if attr != attrEnd || row.End != 0 {
				c.Has.Set(i)
			}
		}
		return c, nil
	case attrParent:
		ord, err := b.ord(kindTag, TagParent)
		if err != nil || ord == 0 {
			return nil, err
		}
		return b.values(index.Field{Kind: fieldTag, Ord: ord})
	}
	c := newTextColumn(n)
	for i := range b.rows {
		row := &b.rows[i]
		switch attr {
		case attrID:
			id, err := b.tx.Text(kindRun, b.runs[i])
			if err != nil {
				return nil, err
			}
			c.set(i, id)
		case attrName:
			c.set(i, row.Name)
		case attrUser:
			c.set(i, row.User)
		case attrStatus:
			c.set(i, row.status().String())
		}
	}
	return &c.Column, nil
}

// datasets reads a field of the dataset inputs of all runs.
func (b *recordBatch) datasets(key string) (*index.Column, error) {
	c := newTextLists(b.Len())
	for i, run := range b.runs {
		uses, err := lineage.InputUses(b.tx, run)
		if err != nil {
			return nil, err
		}
		for _, u := range uses {
			switch key {
			case "name":
				c.add(u.Name)
			case "digest":
				c.add(u.Digest)
			case "context":
				if u.Context != "" {
					c.add(u.Context)
				}
			}
		}
		c.Starts[i+1] = uint32(len(c.Codes))
	}
	return &c.Column, nil
}

// summaries returns what is known of a metric of all runs.
func (b *recordBatch) summaries(ctx context.Context, metric string) ([]store.Summary, error) {
	if at, ok := b.of[metric]; ok {
		return b.sums[at], nil
	}
	sums := make([]store.Summary, b.Len())
	err := b.eachSummary(ctx, b.runs, metric, func(i int, _ *store.SeriesName, m *store.Summary) error {
		sums[i].Merge(m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(b.sums) == heldMetrics {
		clear(b.of)
		b.sums = nil
	}
	b.of[metric] = len(b.sums)
	b.sums = append(b.sums, sums)
	return sums, nil
}

// metric makes the column of an aggregate.
func (b *recordBatch) metric(ctx context.Context, ref plan.Ref) (*index.Column, error) {
	sums, err := b.summaries(ctx, ref.Key)
	if err != nil {
		return nil, err
	}
	return summaryColumn(ref.Fn, sums), nil
}

// summaryColumn makes the column of an aggregate; a Summary without points has
// none.
func summaryColumn(fn tree.SeriesFn, sums []store.Summary) *index.Column {
	n := len(sums)
	c := &index.Column{Type: index.Floats, Has: index.NewBits(n)}
	switch fn {
	case tree.Count, tree.NaNCount, tree.ArgMin, tree.ArgMax:
		c.Type, c.Ints = index.Ints, make([]int64, n)
	default:
		c.Floats = make([]float64, n)
	}
	for i := range sums {
		m := &sums[i]
		if m.Count == 0 {
			continue
		}
		ok := true
		switch fn {
		case tree.Last:
			c.Floats[i] = m.Latest.Value
		case tree.First:
			c.Floats[i] = m.First.Value
		case tree.Delta:
			c.Floats[i] = m.Latest.Value - m.First.Value
		case tree.Count:
			c.Ints[i] = m.Count
		case tree.NaNCount:
			c.Ints[i] = m.NaN
		default:
			if ok = m.Count > m.NaN; !ok {
				break
			}
			switch fn {
			case tree.Min:
				c.Floats[i] = m.Min
			case tree.Max:
				c.Floats[i] = m.Max
			case tree.Mean:
				c.Floats[i] = m.Mean()
			case tree.Sum:
				c.Floats[i] = total(m.Sum, m.PosInf, m.NegInf)
			case tree.ArgMin:
				c.Ints[i] = m.MinStep
			case tree.ArgMax:
				c.Ints[i] = m.MaxStep
			}
		}
		if ok {
			c.Has.Set(i)
		}
	}
	return c
}
