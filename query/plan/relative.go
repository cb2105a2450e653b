package plan

import (
	"slices"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// kin is a relation: a pass over all rows finds the ids that it joins by, before
// the rows are asked.
type kin struct {
	slot, depth int
	rel         *tree.Relative
	x           node
	id, parent  *stored
}

// kinSets are the ids of one relation, by their numbers in exec.ids. For Parent,
// yes are the runs that satisfy; for children, yes and no are parents of runs that
// do and do not.
type kinSets struct {
	yes, no index.Bits
	rows    int // that satisfy
}

// idNumbers are the numbers of the strings of a dictionary.
type idNumbers struct {
	dict []string
	of   []uint32 // number+1 by code; 0 is not known
}

func (n *idNumbers) take(dict []string) {
	if sameDict(n.dict, dict) {
		return
	}
	n.dict, n.of = dict, slices.Grow(n.of[:0], len(dict))[:len(dict)]
	clear(n.of)
}

// idOf is the number of a string of a column that was taken up; with add, one that
// has none gets the next.
func (r *exec) idOf(n *idNumbers, code uint32, add bool) (uint32, bool) {
	if known := n.of[code]; known > 0 {
		return known - 1, true
	}
	id, ok := r.ids[n.dict[code]]
	if !ok {
		if !add {
			return 0, false
		}
		text := strings.Clone(n.dict[code])
		id = uint32(len(r.ids))
		r.ids[text] = id
		r.kept += int64(len(text)) + 64
	}
	n.of[code] = id + 1
	return id, true
}

func inSet(set index.Bits, id uint32) bool { return int(id/64) < len(set) && set.Has(int(id)) }

func (c *compiler) relative(x *tree.Relative) (node, error) {
	c.depth++
	n, err := c.node(x.X)
	c.depth--
	if err != nil {
		return nil, err
	}
	k := &kin{
		slot: len(c.kin), depth: c.depth, rel: x, x: n,
		id: c.stored(refRunID, tree.String), parent: c.stored(refParentID, tree.String),
	}
	c.kin = append(c.kin, k)
	return k, nil
}

func (x *kin) cost() cost { return costKin }

func (x *kin) zone(b Batch) verdict {
	if x.rel.Kin == tree.Parent {
		if z, ok := b.Zone(refParentID); ok && z.Rows == 0 {
			return nothing
		}
	}
	return some
}

func (x *kin) keep(r *exec, sel index.Bits) error {
	sets := &r.kin[x.slot]
	key := x.id
	if x.rel.Kin == tree.Parent {
		key = x.parent
	}
	if len(sets.yes) == 0 {
		clear(sel)
		return nil
	}
	numbers := r.numbersOf(key == x.id)
	return keepValues(r, key, sel, func(c *index.Column, vals index.Bits) {
		if c.Type != index.Strings {
			clear(vals)
			return
		}
		numbers.take(c.Dict)
		keepIf(vals, func(j int) bool {
			id, ok := r.idOf(numbers, c.Codes[j], false)
			return ok && inSet(sets.yes, id) && !(x.rel.Kin == tree.AllChild && inSet(sets.no, id))
		})
	})
}

// numbersOf are those of the column of runs' own ids, or of their parents'.
func (r *exec) numbersOf(own bool) *idNumbers { return &r.numbers[bit(own)] }

// gather adds the rows of a batch to the sets.
func (x *kin) gather(r *exec, rows index.Bits) error {
	sets := &r.kin[x.slot]
	sel := r.arena.copy(rows)
	if err := keepZoned(r, x.x, sel); err != nil {
		return err
	}
	sets.rows += sel.Count()
	key := x.parent
	if x.rel.Kin == tree.Parent {
		key = x.id
	}
	if x.rel.Kin != tree.AllChild && !sel.Any() {
		return nil
	}
	c, err := r.eval(key, rows)
	if err != nil || c == nil || c.Type != index.Strings {
		return err
	}
	if x.rel.Kin == tree.AllChild {
		rest := r.arena.copy(rows)
		rest.AndNot(sel)
		r.addIDs(&sets.no, key == x.id, c, r.values(c, rest))
	}
	r.addIDs(&sets.yes, key == x.id, c, r.values(c, sel))
	return nil
}

func (r *exec) addIDs(set *index.Bits, own bool, c *index.Column, vals index.Bits) {
	numbers := r.numbersOf(own)
	numbers.take(c.Dict)
	vals.Each(func(j int) {
		id, _ := r.idOf(numbers, c.Codes[j], true)
		if more := int(id/64) + 1 - len(*set); more > 0 {
			*set = append(*set, make(index.Bits, more)...)
			r.kept += int64(8 * more)
		}
		set.Set(int(id))
	})
}
