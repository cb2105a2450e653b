package plan

import (
	"slices"
	"time"

	"github.com/runstonedb/runstone/query/tree"
)

// Plan is how a query is answered. It is read-only.
type Plan struct {
	q     *tree.Query
	parts []part // of the filter, all of which must hold, the cheap ones first
	order []sortKey
	items []expr
	group *grouping // nil without GROUP BY
	kin   []*kin
	hash  uint64 // of filter and order
	// Sizes of what a run keeps by slot.
	refs, series, dicts int
}

// part is a part of the filter.
type part struct {
	node
	x tree.Expr
}

// New makes a plan of a query at a time, which now() is. The query must not be
// changed after it. An error wraps [ErrQuery].
func New(q *tree.Query, now time.Time) (*Plan, error) {
	p := &Plan{q: q, hash: printHash(q.Domain, q.Filter, q.GroupBy, q.Having, q.OrderBy, orderItems(q))}
	c := newCompiler(q, now)
	var err error
	if p.parts, err = c.parts(q.Filter); err != nil {
		return nil, err
	}
	if isGrouped(q) {
		err = p.groups(c, now)
	} else {
		err = p.rows(c)
	}
	if err != nil {
		return nil, err
	}
	p.sizes(c)
	return p, nil
}

// sizes takes over what the compiler has counted.
func (p *Plan) sizes(c *compiler) {
	p.kin, p.refs, p.series, p.dicts = c.kin, len(c.refs), len(c.series), c.dicts
}

// rows compiles the order and the items of a query without groups.
func (p *Plan) rows(c *compiler) (err error) {
	if p.order, err = c.order(p.q.OrderBy); err != nil {
		return err
	}
	for _, item := range p.q.Select {
		x, err := c.one(item.X)
		if err != nil {
			return err
		}
		p.items = append(p.items, x)
	}
	return nil
}

// parts compiles a filter.
func (c *compiler) parts(filter tree.Expr) ([]part, error) {
	if filter == nil {
		return nil, nil
	}
	kids := []tree.Expr{filter}
	if x, ok := filter.(*tree.And); ok {
		kids = x.Kids
	}
	nodes, err := c.nodes(kids)
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	parts := make([]part, len(nodes))
	for i, n := range nodes {
		parts[i] = part{n, kids[i]}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return int(a.cost()) - int(b.cost()) })
	return parts, nil
}

// orderItems are the items of SELECT that an order names by number.
func orderItems(q *tree.Query) []tree.Expr {
	var out []tree.Expr
	for _, s := range q.OrderBy {
		tree.Walk(s.X, func(x tree.Expr) bool {
			if r, ok := x.(*tree.Ref); ok && r.Item >= 0 && r.Item < len(q.Select) {
				out = append(out, q.Select[r.Item].X)
			}
			return true
		})
	}
	return out
}
