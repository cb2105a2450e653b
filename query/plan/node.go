package plan

import (
	"slices"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// node is a condition.
type node interface {
	// keep keeps in sel the rows for which it is true.
	keep(r *exec, sel index.Bits) error
	// zone tells what is known of a batch before its columns are read.
	zone(b Batch) verdict
	cost() cost
}

// verdict is what zones say about the rows of a batch.
type verdict uint8

const (
	some    verdict = iota // nobody knows
	nothing                // no row satisfies
	all                    // every row does
)

func (v verdict) not() verdict {
	switch v {
	case nothing:
		return all
	case all:
		return nothing
	}
	return some
}

// fixed is true or false for every row.
type fixed bool

func (x fixed) cost() cost { return costColumn }

func (x fixed) zone(Batch) verdict {
	if x {
		return all
	}
	return nothing
}

func (x fixed) keep(_ *exec, sel index.Bits) error {
	if !x {
		clear(sel)
	}
	return nil
}

// and has its parts in order of cost.
type and []node

func newAnd(kids []node) and {
	slices.SortStableFunc(kids, func(a, b node) int { return int(a.cost()) - int(b.cost()) })
	return kids
}

func (x and) cost() cost { return x[len(x)-1].cost() }

func (x and) zone(b Batch) verdict {
	out := all
	for _, k := range x {
		switch k.zone(b) {
		case nothing:
			return nothing
		case some:
			out = some
		}
	}
	return out
}

func (x and) keep(r *exec, sel index.Bits) error {
	for _, k := range x {
		if !sel.Any() {
			return nil
		}
		if err := keepZoned(r, k, sel); err != nil {
			return err
		}
	}
	return nil
}

// keepZoned asks the zones first.
func keepZoned(r *exec, x node, sel index.Bits) error {
	switch x.zone(r.batch) {
	case all:
		return nil
	case nothing:
		clear(sel)
		return nil
	}
	return r.keep(x, sel)
}

// or has its parts in order of cost.
type or []node

func (x or) cost() cost { return x[len(x)-1].cost() }

func (x or) zone(b Batch) verdict {
	out := nothing
	for _, k := range x {
		switch k.zone(b) {
		case all:
			return all
		case some:
			out = some
		}
	}
	return out
}

func (x or) keep(r *exec, sel index.Bits) error {
	left, part := r.arena.copy(sel), r.arena.bits(r.n)
	clear(sel)
	for _, k := range x {
		if !left.Any() {
			return nil
		}
		copy(part, left)
		if err := keepZoned(r, k, part); err != nil {
			return err
		}
		sel.Or(part)
		left.AndNot(part)
	}
	return nil
}

type not struct{ x node }

func (x not) cost() cost           { return x.x.cost() }
func (x not) zone(b Batch) verdict { return x.x.zone(b).not() }

func (x not) keep(r *exec, sel index.Bits) error {
	part := r.arena.copy(sel)
	if err := keepZoned(r, x.x, part); err != nil {
		return err
	}
	sel.AndNot(part)
	return nil
}

// isTrue takes a truth that a source computes: plateau.
type isTrue struct{ x expr }

func (x *isTrue) cost() cost         { return x.x.cost() }
func (x *isTrue) zone(Batch) verdict { return some }

func (x *isTrue) keep(r *exec, sel index.Bits) error {
	return keepValues(r, x.x, sel, func(c *index.Column, vals index.Bits) {
		keepNumbers(vals, c, tree.Ne, Whole(0))
	})
}

// lineageNode asks the source.
type lineageNode struct{ l *tree.Lineage }

func (x *lineageNode) cost() cost                         { return costLineage }
func (x *lineageNode) zone(Batch) verdict                 { return some }
func (x *lineageNode) keep(r *exec, sel index.Bits) error { return r.batch.Lineage(r.ctx, x.l, sel) }

// keepValues keeps the rows of which a value passes what narrow leaves.
func keepValues(r *exec, x expr, sel index.Bits, narrow func(c *index.Column, vals index.Bits)) error {
	c, err := x.eval(r, sel)
	if err != nil {
		return err
	}
	if c == nil {
		clear(sel)
		return nil
	}
	vals := r.values(c, sel)
	narrow(c, vals)
	r.lift(c, sel, vals)
	return nil
}
