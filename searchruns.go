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
	now    int64 // Unix ms
	view   ViewType
	within map[uint32]bool // experiments; nil is all
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

// RunID implements [plan.Naming].
func (r *runSource) RunID(row uint32) (string, error) { return r.tx.Text(kindRun, row) }

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

// experiment returns an experiment by ordinal.
func (r *runSource) experiment(ord uint32) (*Experiment, error) {
	if e := r.experiments[ord]; e != nil {
		return e, nil
	}
	e, err := experimentAt(r.tx, ord)
	if err == nil {
		if r.experiments == nil {
			r.experiments = map[uint32]*Experiment{}
		}
		r.experiments[ord] = e
	}
	return e, err
}

// ofExperiment makes a column of what text says of the experiment of each row.
func (r *runSource) ofExperiment(exps *index.Column, text func(*Experiment) string) (*index.Column, error) {
	if exps == nil {
		return nil, nil
	}
	c := &index.Column{Type: index.Strings, Has: exps.Has, Codes: make([]uint32, len(exps.Ints))}
	codes := map[int64]uint32{}
	for i, exp := range exps.Ints {
		if exps.Has != nil && !exps.Has.Has(i) {
			continue
		}
		code, ok := codes[exp]
		if !ok {
			e, err := r.experiment(uint32(exp))
			if err != nil {
				return nil, err
			}
			code = uint32(len(c.Dict))
			codes[exp], c.Dict = code, append(c.Dict, text(e))
		}
		c.Codes[i] = code
	}
	return c, nil
}

// computed are the attributes that follow from others.
func (r *runSource) computed(key string, n int, stored func(uint32) (*index.Column, error)) (*index.Column, error) {
	switch key {
	case "experiment_id", "experiment_name":
		exps, err := stored(attrExperiment)
		if err != nil {
			return nil, err
		}
		return r.ofExperiment(exps, func(e *Experiment) string {
			if key == "experiment_id" {
				return e.ID
			}
			return e.Name
		})
	case "lifecycle_stage":
		deleted, err := stored(attrDeleted)
		if err != nil {
			return nil, err
		}
		c := &index.Column{Type: index.Strings, Dict: []string{lifecycle(false), lifecycle(true)}, Codes: make([]uint32, n)}
		for i := range n {
			if isSet(deleted, i) {
				c.Codes[i] = 1
			}
		}
		return c, nil
	case "duration":
		start, err := stored(attrStart)
		if err != nil || start == nil {
			return nil, err
		}
		end, err := stored(attrEnd)
		if err != nil {
			return nil, err
		}
		c := &index.Column{Type: index.Ints, Has: start.Has, Ints: make([]int64, n)}
		for i, from := range start.Ints {
			to := r.now
			if has(end, i) {
				to = end.Ints[i]
			}
			c.Ints[i] = to - from
		}
		return c, nil
	case "artifact_uri":
		exps, err := stored(attrExperiment)
		if err != nil || exps == nil {
			return nil, err
		}
		ids, err := stored(attrID)
		if err != nil || ids == nil {
			return nil, err
		}
		c := &index.Column{Type: index.Strings, Has: exps.Has, Codes: make([]uint32, n)}
		for i := range n {
			if !has(exps, i) {
				continue
			}
			e, err := r.experiment(uint32(exps.Ints[i]))
			if err != nil {
				return nil, err
			}
			c.Codes[i] = uint32(len(c.Dict))
			c.Dict = append(c.Dict, runArtifactURI(e.Location, ids.Dict[ids.Codes[i]]))
		}
		return c, nil
	}
	return nil, nil
}

// has reports whether row i of a column with single values has one.
func has(c *index.Column, i int) bool { return c != nil && (c.Has == nil || c.Has.Has(i)) }

func isSet(c *index.Column, i int) bool { return has(c, i) && c.Ints[i] != 0 }

// models makes the column of a field of the versions that were made of each run.
func (r *runSource) models(ctx context.Context, key string, ids *index.Column, n int) (*index.Column, error) {
	if r.versions == nil {
		versions := map[string][]*lineage.ModelVersion{}
		for v, err := range lineage.Versions(r.tx) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			if v.RunID != "" {
				versions[v.RunID] = append(versions[v.RunID], v)
			}
		}
		r.versions = versions
	}
	c := &index.Column{Type: index.Strings, Starts: make([]uint32, n+1)}
	if key == "version" {
		c.Type = index.Ints
	}
	codes := map[string]uint32{}
	text := func(s string) {
		code, ok := codes[s]
		if !ok {
			code = uint32(len(c.Dict))
			codes[s], c.Dict = code, append(c.Dict, s)
		}
		c.Codes = append(c.Codes, code)
	}
	for i := range n {
		if has(ids, i) {
			for _, v := range r.versions[ids.Dict[ids.Codes[i]]] {
				switch key {
				case "name":
					text(v.Model)
				case "stage":
					text(v.Stage)
				case "version":
					c.Ints = append(c.Ints, int64(v.Version))
				case "alias":
					for _, a := range v.Aliases {
						text(a)
					}
				}
			}
		}
		c.Starts[i+1] = uint32(max(len(c.Codes), len(c.Ints)))
	}
	return c, nil
}

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
	if b.within != nil {
		exps, ok, err := b.snap.Zone(b.seg, attribute(attrExperiment))
		if err != nil {
			return nil, err
		}
		meets := false
		for exp := range b.within {
			meets = meets || ok && float64(exp) >= exps.Min && float64(exp) <= exps.Max
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
	if b.within != nil {
		exps, err := b.stored(attrExperiment)
		if err != nil {
			return nil, err
		}
		rows.Each(func(i int) {
			if !has(exps, i) || !b.within[uint32(exps.Ints[i])] {
				rows.Clear(i)
			}
		})
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

// metric reads an aggregate and fills in what addMetric left out: of a metric
// with one point, everything follows from its value.
func (b *segmentBatch) metric(ref plan.Ref) (*index.Column, error) {
	f, known, err := b.field(ref)
	if err != nil || !known {
		return nil, err
	}
	c, err := b.column(f)
	if err != nil {
		return nil, err
	}
	last, err := b.column(metricField(f.Ord, tree.Last))
	if err != nil || last == nil {
		return nil, err
	}
	counts, err := b.column(metricField(f.Ord, tree.Count))
	if err != nil {
		return nil, err
	}
	switch ref.Fn {
	case tree.Count, tree.NaNCount, tree.ArgMin, tree.ArgMax:
		return b.metricInts(ref.Fn, c, last, counts, f.Ord)
	}
	if counts == nil && ref.Fn == tree.First {
		return last, nil
	}
	if allHave(c, last) {
		return c, nil
	}
	out := &index.Column{Type: index.Floats, Has: index.NewBits(b.Len()), Floats: make([]float64, b.Len())}
	for i := range b.Len() {
		v, ok := 0.0, false
		switch {
		case has(c, i):
			v, ok = c.Floats[i], true
		case has(last, i) && !has(counts, i): // its only point
			v = last.Floats[i]
			ok = ref.Fn == tree.First || v == v
		}
		if ok {
			out.Has.Set(i)
			out.Floats[i] = v
		}
	}
	return out, nil
}

// allHave reports whether c has a value wherever last has.
func allHave(c, last *index.Column) bool {
	if c == nil {
		return false
	}
	if c.Has == nil {
		return true
	}
	if last.Has == nil {
		return false
	}
	for k, w := range last.Has {
		if w&^c.Has[k] != 0 {
			return false
		}
	}
	return true
}

func (b *segmentBatch) metricInts(fn tree.SeriesFn, c, last, counts *index.Column, metric uint32) (*index.Column, error) {
	var nan *index.Column
	if fn == tree.ArgMin || fn == tree.ArgMax {
		var err error
		if nan, err = b.column(metricField(metric, tree.NaNCount)); err != nil {
			return nil, err
		}
	}
	out := &index.Column{Type: index.Ints, Has: index.NewBits(b.Len()), Ints: make([]int64, b.Len())}
	for i := range b.Len() {
		if !has(last, i) {
			continue
		}
		out.Has.Set(i)
		switch isNaN := last.Floats[i] != last.Floats[i]; {
		case has(c, i):
			out.Ints[i] = c.Ints[i]
		case fn == tree.Count:
			out.Ints[i] = 1
		case fn == tree.NaNCount:
			if isNaN && !has(counts, i) {
				out.Ints[i] = 1
			}
		case isNaN && !has(counts, i), has(nan, i) && nan.Ints[i] == counts.Ints[i]:
			out.Has.Clear(i) // without a value there is no step of an extreme one
		}
	}
	return out, nil
}
