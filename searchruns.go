package runstone

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query/plan"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// runSource gives the runs to a search: whole segments of the index, and the
// runs that changed since in batches of their own, read from the records.
type runSource struct {
	s      *store.Store
	tx     *store.Tx
	snap   *index.Snapshot
	pages  *runCache
	now    int64 // Unix ms
	view   ViewType
	within []bool // experiments by ordinal; nil is all
	stats  *plan.Stats

	experiments map[uint32]*Experiment // by ordinal
	versions    map[string][]*lineage.ModelVersion
	relations   map[*tree.Lineage]map[uint32]bool
}

// heldColumns is how many columns are kept that had to be made.
const heldColumns = 128

// liveBatch is how many changed runs are read together.
const liveBatch = 1024

// Batches implements [plan.Source].
func (r *runSource) Batches(ctx context.Context) iter.Seq2[plan.Batch, error] {
	return r.batches(ctx, r.snap.Segments())
}

// Value implements [plan.Pointed].
func (r *runSource) Value(ref plan.Ref, run uint32) (plan.Value, error) {
	if d := r.pages.get(r.snap, run); d != nil {
		if ref.Key == "run_id" {
			return plan.Str(d.ID), nil
		}
		return plan.Whole(d.Start), nil
	}
	if ref.Key == "run_id" {
		id, err := r.tx.Text(kindRun, run)
		return plan.Str(id), err
	}
	var row runRow
	err := r.tx.Load(runKey(run), 1, &row)
	return plan.Whole(row.Start), err
}

// Leading implements [plan.Leading].
func (r *runSource) Leading(ctx context.Context, ref plan.Ref, desc bool) iter.Seq2[plan.Batch, error] {
	segs := slices.Clone(r.snap.Segments())
	best := make(map[uint32]float64, len(segs))
	for _, seg := range segs {
		z, ok := (&segmentBatch{runSource: r, seg: seg}).Zone(ref)
		switch {
		case !ok || z.Rows == z.NaN:
			best[seg.First] = math.Inf(1)
		case desc:
			best[seg.First] = -z.Max
		default:
			best[seg.First] = z.Min
		}
	}
	slices.SortStableFunc(segs, func(a, b index.Segment) int { return cmp.Compare(best[a.First], best[b.First]) })
	return r.batches(ctx, segs)
}

func (r *runSource) batches(ctx context.Context, segs []index.Segment) iter.Seq2[plan.Batch, error] {
	return func(yield func(plan.Batch, error) bool) {
		r.stats.Segments += int64(len(segs))
		for _, seg := range segs {
			b := &segmentBatch{runSource: r, seg: seg}
			rows, err := b.present()
			if err != nil {
				yield(nil, err)
				return
			}
			if rows == nil {
				continue
			}
			b.rows = rows
			if !yield(b, nil) {
				return
			}
		}
		for runs := range slices.Chunk(r.snap.Dirty(), liveBatch) {
			b, err := r.load(ctx, runs)
			if err == nil && len(b.runs) == 0 {
				continue
			}
			if err == nil {
				r.stats.Live += int64(len(b.runs))
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// ord returns the ordinal of a name, 0 if it has none.
func (r *runSource) ord(k store.Kind, name string) (uint32, error) {
	ord, _, err := r.tx.Ord(k, name)
	return ord, err
}

// field returns the column of the index that holds a field by itself; ok is
// false where there is none because no run ever had the field.
func (r *runSource) field(ref plan.Ref) (f index.Field, ok bool, err error) {
	var ord uint32
	switch ref.Entity {
	case tree.Param:
		f.Kind = fieldParam
		ord, err = r.ord(kindParam, ref.Key)
	case tree.Tag:
		f.Kind = fieldTag
		ord, err = r.ord(kindTag, ref.Key)
	case tree.Metric:
		f.Kind, f.Part = fieldMetric, byte(ref.Fn)
		ord, err = r.ord(store.KindSeries, ref.Key)
	case tree.Dataset:
		f.Kind, ord = fieldDataset, datasetOrds[ref.Key]
	case tree.Attribute:
		f.Kind, ord = fieldAttribute, attributeOrds[ref.Key]
	}
	f.Ord = ord
	return f, ord != 0, err
}

// attributeOrds are the attributes that the index has as they are.
var attributeOrds = map[string]uint32{
	"run_id": attrID, "run_name": attrName, "user_id": attrUser, "status": attrStatus,
	"start_time": attrStart, "end_time": attrEnd, "parent_id": attrParent,
}

var datasetOrds = map[string]uint32{"name": datasetName, "digest": datasetDigest, "context": datasetContext}

// segmentBatch is a segment of the index.
type segmentBatch struct {
	*runSource
	seg  index.Segment
	rows index.Bits
	made map[plan.Ref]*index.Column // columns that are not stored
}

// present returns the rows that the search sees, nil when there are none.
func (b *segmentBatch) present() (index.Bits, error) {
	// Zones tell at once of segments that are wholly out of question.
	deleted, ok, err := b.snap.Zone(b.seg, attribute(attrDeleted))
	if err != nil {
		return nil, err
	}
	if b.view == DeletedOnly && !ok {
		return nil, nil
	}
	whole := true // all experiments that the segment may have are asked for
	if b.within != nil {
		exps, ok, err := b.snap.Zone(b.seg, attribute(attrExperiment))
		if err != nil || !ok {
			return nil, err
		}
		meets := false
		for exp := int(exps.Min); exp <= int(exps.Max) && exp < len(b.within); exp++ {
			meets, whole = meets || b.within[exp], whole && b.within[exp]
		}
		if !meets {
			return nil, nil
		}
	}
	rows, err := b.snap.Rows(b.seg)
	if err != nil {
		return nil, err
	}
	rows = slices.Clone(rows)
	if b.view != All && deleted.Rows > 0 {
		c, err := b.stored(attrDeleted)
		if err != nil {
			return nil, err
		}
		gone := index.NewBits(int(b.seg.N))
		for i := range int(b.seg.N) {
			if isSet(c, i) {
				gone.Set(i)
			}
		}
		if b.view == DeletedOnly {
			rows.And(gone)
		} else {
			rows.AndNot(gone)
		}
	}
	if !whole {
		exps, err := b.stored(attrExperiment)
		if err != nil {
			return nil, err
		}
		asked := index.NewBits(int(b.seg.N))
		for i, exp := range exps.Ints { // 0 where there is no run, which none is
			if uint64(exp) < uint64(len(b.within)) && b.within[exp] {
				asked[i>>6] |= 1 << (i & 63)
			}
		}
		rows.And(asked)
	}
	if !rows.Any() {
		return nil, nil
	}
	return rows, nil
}

// Len implements [plan.Batch].
func (b *segmentBatch) Len() int { return int(b.seg.N) }

// Rows implements [plan.Batch].
func (b *segmentBatch) Rows() index.Bits { return b.rows }

// Row implements [plan.Batch].
func (b *segmentBatch) Row(i int) uint32 { return b.seg.First + uint32(i) }

func (b *segmentBatch) stored(attr uint32) (*index.Column, error) { return b.column(attribute(attr)) }

// column reads a column and counts its cost.
func (b *segmentBatch) column(f index.Field) (*index.Column, error) {
	c, read, err := b.snap.Column(b.seg, f)
	if read > 0 {
		b.stats.ColumnsRead++
		b.stats.Bytes += int64(read)
	} else if c != nil {
		b.stats.ColumnsCached++
	}
	return c, err
}

// Zone implements [plan.Batch]. It knows of fields that are stored as they are.
func (b *segmentBatch) Zone(ref plan.Ref) (index.Zone, bool) {
	if ref.Entity == tree.Metric && ref.Fn != tree.Last || ref.Entity == tree.Dataset || ref.Entity == tree.Model {
		return index.Zone{}, false
	}
	f, known, err := b.field(ref)
	if err != nil {
		return index.Zone{}, false
	}
	if !known { // computed, or nobody ever had it
		return index.Zone{}, ref.Entity != tree.Attribute
	}
	z, ok, err := b.snap.Zone(b.seg, f)
	if err != nil {
		return index.Zone{}, false
	}
	if !ok { // the segment has no such column
		return index.Zone{}, true
	}
	return z, true
}

// Column implements [plan.Batch].
func (b *segmentBatch) Column(ctx context.Context, ref plan.Ref) (*index.Column, error) {
	if ref.Entity == tree.Metric && ref.Fn != tree.Last {
		return b.remember(ref, func() (*index.Column, error) { return b.metric(ref) })
	}
	f, known, err := b.field(ref)
	if err != nil {
		return nil, err
	}
	if known {
		return b.column(f)
	}
	switch ref.Entity {
	case tree.Attribute:
		return b.remember(ref, func() (*index.Column, error) { return b.computed(ref.Key, b.Len(), b.stored) })
	case tree.Model:
		return b.remember(ref, func() (*index.Column, error) {
			ids, err := b.stored(attrID)
			if err != nil {
				return nil, err
			}
			return b.models(ctx, ref.Key, ids, b.Len())
		})
	}
	return nil, nil
}

func (b *segmentBatch) remember(ref plan.Ref, read func() (*index.Column, error)) (*index.Column, error) {
	if c, ok := b.made[ref]; ok {
		return c, nil
	}
	c, err := read()
	if err != nil {
		return nil, err
	}
	if b.made == nil || len(b.made) == heldColumns {
		b.made = map[plan.Ref]*index.Column{}
	}
	b.made[ref] = c
	return c, nil
}
