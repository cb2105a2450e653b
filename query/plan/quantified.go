package plan

import (
	"math"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// quantified asks the points of a metric only where its stored extremes and
// counts do not tell.
type quantified struct {
	q                    *tree.Quantified
	low, high, nan, size *stored
	// part says that the condition is about some of the points, or a row of
	// them: then no point of all that satisfies means none of those, and
	// nothing else follows.
	part bool
}

func (c *compiler) quantified(q *tree.Quantified) node {
	ref := func(fn tree.SeriesFn, kind tree.Type) *stored {
		return c.stored(Ref{Entity: tree.Metric, Key: q.Field.Key, Fn: fn}, kind)
	}
	return &quantified{
		q: q, low: ref(tree.Min, tree.Number), high: ref(tree.Max, tree.Number),
		nan: ref(tree.NaNCount, tree.Int), size: ref(tree.Count, tree.Int),
		part: q.Window != nil || q.For != 0 || len(q.Field.Select) > 0,
	}
}

func (x *quantified) cost() cost { return costPoints }

// zone knows no more than that no point of the batch satisfies.
func (x *quantified) zone(b Batch) verdict {
	if z, ok := b.Zone(x.size.ref); ok && z.Rows == 0 {
		return nothing
	}
	if x.q.How == tree.Never {
		return some
	}
	e := extremes{}
	low, ok := b.Zone(x.low.ref)
	high, also := b.Zone(x.high.ref)
	nan, know := b.Zone(x.nan.ref)
	if !ok || !also || !know {
		return some
	}
	if low.Rows > 0 && high.Rows > 0 {
		e.has, e.low, e.high = true, low.Min, high.Max
	}
	e.nan = nan.Max > 0
	if satisfiedBy(x.q, e, false) == no {
		return nothing
	}
	return some
}

func (x *quantified) keep(r *exec, sel index.Bits) error {
	size, err := x.size.eval(r, sel)
	if err != nil {
		return err
	}
	low, err := x.low.eval(r, sel)
	if err != nil {
		return err
	}
	high, err := x.high.eval(r, sel)
	if err != nil {
		return err
	}
	nan, err := x.nan.eval(r, sel)
	if err != nil {
		return err
	}
	ask := r.arena.bits(r.n)
	keepIf(sel, func(i int) bool {
		n, ok := rowValue(size, i).number()
		if !ok || n == 0 {
			return ok && x.q.How == tree.Never && !x.part
		}
		lo, ok := rowValue(low, i).number()
		hi, also := rowValue(high, i).number()
		nans, _ := rowValue(nan, i).number()
		switch x.decide(extremes{ok && also, lo, hi, nans > 0}) {
		case yes:
			return true
		case unknown:
			ask.Set(i)
		}
		return false
	})
	if !ask.Any() {
		return nil
	}
	if err := r.pointsOf(x.q, ask); err != nil {
		return err
	}
	sel.Or(ask)
	return nil
}

// extremes are what is stored of all points of a metric. The least and the
// greatest value are there if any is no NaN, and are values of points.
type extremes struct {
	has       bool
	low, high float64
	nan       bool // there is a NaN
}

// answer is a truth that may not be known.
type answer uint8

const (
	unknown answer = iota
	no
	yes
)

func known(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (a answer) not() answer {
	switch a {
	case no:
		return yes
	case yes:
		return no
	}
	return unknown
}

// either is the answer to "a or b".
func either(a, b answer) answer {
	switch {
	case a == yes || b == yes:
		return yes
	case a == no:
		return b
	case b == no:
		return a
	}
	return unknown
}

func (x *quantified) decide(e extremes) answer {
	is := satisfiedBy(x.q, e, false)
	if x.part {
		switch {
		case is != no:
			return unknown
		case x.q.How != tree.Never:
			return no
		case len(x.q.Field.Select) == 0:
			return yes
		}
		return unknown
	}
	switch x.q.How {
	case tree.Ever:
		return is
	case tree.Never:
		return is.not()
	}
	return satisfiedBy(x.q, e, true).not()
}

// satisfiedBy tells if some point satisfies the condition or, with not, if some
// point does not.
func satisfiedBy(q *tree.Quantified, e extremes, not bool) answer {
	if !q.Special {
		return comparedBy(q, e, not)
	}
	not = not != q.Not
	if q.What == tree.NaN {
		if not {
			return known(e.has)
		}
		return known(e.nan)
	}
	low, high := e.has && math.IsInf(e.low, 0), e.has && math.IsInf(e.high, 0)
	switch {
	case !not:
		return known(low || high)
	case e.nan || e.has && (!low || !high):
		return yes
	case e.has && e.low != e.high:
		return unknown // from -Inf to +Inf, and perhaps something between
	}
	return no
}

func comparedBy(q *tree.Quantified, e extremes, not bool) answer {
	op := q.Op
	nan := e.nan && op == tree.Ne // a NaN satisfies
	if not {
		op, nan = opposite[op], e.nan && op != tree.Ne
	}
	if q.X != q.X {
		// Nothing is ordered with a NaN, so every point satisfies Ne alone.
		if (q.Op == tree.Ne) != not {
			return known(e.has || e.nan)
		}
		return no
	}
	found := no
	if e.has {
		switch op {
		case tree.Lt, tree.Le:
			found = known(holds(op, e.low, q.X))
		case tree.Gt, tree.Ge:
			found = known(holds(op, e.high, q.X))
		case tree.Ne:
			found = known(e.low != q.X || e.high != q.X)
		case tree.Eq:
			switch {
			case e.low == q.X || e.high == q.X:
				found = yes
			case e.low < q.X && q.X < e.high:
				found = unknown
			}
		}
	}
	return either(found, known(nan))
}

var opposite = [...]tree.Op{tree.Eq: tree.Ne, tree.Ne: tree.Eq, tree.Lt: tree.Ge, tree.Le: tree.Gt, tree.Gt: tree.Le, tree.Ge: tree.Lt}
