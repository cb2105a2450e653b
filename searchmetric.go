package runstone

import (
	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/plan"
	"github.com/runstonedb/runstone/query/tree"
)

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
