package plan

import (
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

// kinSets are the ids of one relation. For Parent, yes are the runs that satisfy;
// for children, yes and no are parents of runs that do and do not.
type kinSets struct {
	yes, no map[string]struct{}
	rows    int // that satisfy
}

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
	return keepValues(r, key, sel, func(c *index.Column, vals index.Bits) {
		if c.Type != index.Strings {
			clear(vals)
			return
		}
		keepIf(vals, func(j int) bool {
			id := c.Dict[c.Codes[j]]
			_, yes := sets.yes[id]
			if yes && x.rel.Kin == tree.AllChild {
				_, no := sets.no[id]
				return !no
			}
			return yes
		})
	})
}

// gather adds the rows of a batch to the sets.
func (x *kin) gather(r *exec, rows index.Bits) error {
	sets := &r.kin[x.slot]
	if sets.yes == nil {
		sets.yes, sets.no = map[string]struct{}{}, map[string]struct{}{}
	}
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
		addIDs(r, sets.no, c, r.values(c, rest))
	}
	addIDs(r, sets.yes, c, r.values(c, sel))
	return nil
}

func addIDs(r *exec, set map[string]struct{}, c *index.Column, vals index.Bits) {
	vals.Each(func(j int) {
		id := c.Dict[c.Codes[j]]
		if _, ok := set[id]; !ok {
			set[strings.Clone(id)] = struct{}{}
			r.kept += int64(len(id)) + 32
		}
	})
}
