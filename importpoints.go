package runstone

import (
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// flushPoints is how many points of a run an import writes at once.
const flushPoints = 100_000

// PointSum is a checksum over points that does not depend on their order: two
// sets of points of a run with equal sums are equal but for a chance of one in
// 2^64, or for somebody who aims at it.
type PointSum struct{ A, B uint64 }

// add adds points of a series.
func (s *PointSum) add(name uint64, steps, times []int64, values []float64) {
	for i, v := range values {
		b := math.Float64bits(v)
		if v != v {
			b = math.Float64bits(math.NaN()) // whatever its payload
		}
		x := mix(name^uint64(steps[i]), 0x9e3779b97f4a7c15)
		x = mix(x^uint64(times[i]), 0xd6e8feb86659fd93)
		x = mix(x^b, 0xa0761d6478bd642f)
		s.A += x
		s.B += mix(x, 0xe7037ed1a0b428db)
	}
}

// mix spreads the bits of x over all of the result.
func mix(x, by uint64) uint64 {
	hi, lo := bits.Mul64(x^0x8ebc6af09c88c6e3, by)
	return hi ^ lo ^ x>>32
}

// seriesSum is what the name of a series adds to a PointSum: FNV-1a.
func seriesSum(n *SeriesName) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, s := range []string{n.Metric, n.Model, n.Dataset, n.DatasetDigest} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 0x100000001b3
		}
		h = (h ^ 0xff) * 0x100000001b3
	}
	return mix(h, 0x589965cc75374cc3)
}

// seriesBuffer holds points until they are written.
type seriesBuffer struct {
	index  map[SeriesName]int
	series []seriesColumns
	n      int // points
}

type seriesColumns struct {
	name         SeriesName
	sum          uint64
	steps, times []int64
	values       []float64
}

func (b *seriesBuffer) add(c *SeriesColumns) error {
	if len(c.Steps) != len(c.Times) || len(c.Steps) != len(c.Values) {
		return invalid("columns of %d, %d and %d points", len(c.Steps), len(c.Times), len(c.Values))
	}
	i, ok := b.index[c.SeriesName]
	if !ok {
		if b.index == nil {
			b.index = map[SeriesName]int{}
		}
		i = len(b.series)
		name := SeriesName{
			Metric: strings.Clone(c.Metric), Model: strings.Clone(c.Model),
			Dataset: strings.Clone(c.Dataset), DatasetDigest: strings.Clone(c.DatasetDigest),
		}
		b.index[name] = i
		b.series = append(b.series, seriesColumns{name: name, sum: seriesSum(&name)})
	}
	s := &b.series[i]
	s.steps, s.times, s.values = append(s.steps, c.Steps...), append(s.times, c.Times...), append(s.values, c.Values...)
	b.n += len(c.Steps)
	return nil
}

// addTo adds the points to a sum.
func (b *seriesBuffer) addTo(sum *PointSum) {
	for i := range b.series {
		s := &b.series[i]
		sum.add(s.sum, s.steps, s.times, s.values)
	}
}

// clear forgets the points and keeps the memory.
func (b *seriesBuffer) clear() {
	for i := range b.series {
		s := &b.series[i]
		s.steps, s.times, s.values = s.steps[:0], s.times[:0], s.values[:0]
	}
	b.n = 0
}

// groups returns the series that have points, sorted into sets that share
// their steps and times. They are sorted by name in each.
func (b *seriesBuffer) groups() [][]*seriesColumns {
	var out [][]*seriesColumns
	byClock := map[uint64][]int{}
	order := make([]*seriesColumns, 0, len(b.series))
	for i := range b.series {
		if s := &b.series[i]; len(s.steps) > 0 {
			order = append(order, s)
		}
	}
	slices.SortFunc(order, func(x, y *seriesColumns) int { return x.name.Compare(&y.name) })
next:
	for _, s := range order {
		clock := uint64(len(s.steps))
		for i, step := range s.steps {
			clock = mix(mix(clock^uint64(step), 0x9e3779b97f4a7c15)^uint64(s.times[i]), 0xd6e8feb86659fd93)
		}
		for _, g := range byClock[clock] {
			if with := out[g][0]; len(out[g]) < store.MaxGroup && slices.Equal(with.steps, s.steps) && slices.Equal(with.times, s.times) {
				out[g] = append(out[g], s)
				continue next
			}
		}
		byClock[clock] = append(byClock[clock], len(out))
		out = append(out, []*seriesColumns{s})
	}
	return out
}

// flush writes the points that were gathered, together with how many there are
// now; last says that no more come.
func (in *runImporter) flush(last bool) error {
	defer in.points.clear()
	in.points.addTo(&in.out.Sum)
	in.out.Points += int64(in.points.n)
	if in.skip > 0 {
		if err := in.passOver(last); err != nil || !last {
			return err // the row stays as it is: it counts points that are there
		}
	} else if in.mode != comparing {
		in.out.New += int64(in.points.n)
	}
	if in.mode != writing || !in.marked {
		return nil
	}
	pieces, models, err := in.pieces()
	if err != nil {
		return err
	}
	return in.db.imports(in.ctx, func(tx *store.Tx, _ bool) error {
		if err := index.Touch(tx, in.ord); err != nil {
			return err
		}
		for _, id := range models {
			if err := lineage.LogModelMetric(tx, in.ord, id); err != nil {
				return err
			}
		}
		for i := range pieces {
			if err := pieces[i].appendTo(tx); err != nil {
				return err
			}
		}
		if last {
			return tx.Delete(importingKey(in.ord))
		}
		return tx.Save(importingKey(in.ord), 1, importingRow{in.out.Points, in.out.Sum})
	})
}

// passOver drops points that an earlier call wrote.
func (in *runImporter) passOver(last bool) error {
	n := int64(in.points.n)
	in.points.clear()
	in.skip -= n
	switch {
	case in.skip < 0, in.skip > 0 && last, in.skip == 0 && in.out.Sum != in.old:
		return importConflict("an earlier import of it was cut short, and its first points have changed since")
	}
	return nil
}

// pointPiece is a set of series that share a clock, and where they go.
type pointPiece struct {
	groups []*store.Group
	series []*seriesColumns
}

func (p *pointPiece) appendTo(tx *store.Tx) error {
	of := p.series
	for _, g := range p.groups {
		values := make([][]float64, g.Width())
		for i := range values {
			values[i] = of[i].values
		}
		if err := tx.Append(g, of[0].steps, of[0].times, values); err != nil {
			return err
		}
		of = of[len(values):]
	}
	return nil
}

// pieces sorts the points that were gathered, and returns the logged models
// that they are about.
func (in *runImporter) pieces() (pieces []pointPiece, models []string, err error) {
	if in.points.n > 0 && in.series == nil {
		if in.series, err = in.s.OpenSeries(in.ctx, in.ord); err != nil {
			return nil, nil, err
		}
	}
	for _, set := range in.points.groups() {
		names := make([]store.SeriesName, len(set))
		for i, s := range set {
			names[i] = s.name
			if id := s.name.Model; id != "" && !slices.Contains(models, id) {
				models = append(models, id)
			}
		}
		groups, err := in.series.Groups(in.ctx, names)
		if err != nil {
			return nil, nil, err
		}
		pieces = append(pieces, pointPiece{groups, set})
	}
	return pieces, models, nil
}

// comparePoints returns an [ErrConflict] unless the run here has the points of
// the source.
func (in *runImporter) comparePoints() error {
	sums, err := in.s.Summaries(in.ctx, in.ord)
	if err != nil {
		return err
	}
	curves := make([]store.Curve, len(sums))
	names := make([]uint64, len(sums))
	points := int64(0)
	for i := range sums {
		points += sums[i].Count
		n := sums[i].SeriesName
		curves[i] = store.Curve{Run: in.ord, Metric: n.Metric, Series: []store.SeriesName{n}}
		names[i] = seriesSum(&n)
	}
	if points != in.out.Points {
		return importConflict("its metrics have %d points here and %d there", points, in.out.Points)
	}
	var sum PointSum
	for c, err := range in.s.PointsOf(in.ctx, curves, store.AllPoints()) {
		if err != nil {
			return err
		}
		sum.add(names[c.Curve], c.Steps, c.Times, c.Values)
	}
	if sum != in.out.Sum {
		return importConflict("points of its metrics differ")
	}
	return nil
}
