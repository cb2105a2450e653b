package plan

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// grouping is how rows become groups. The groups are rows themselves, of a second
// plan that answers HAVING, ORDER BY and SELECT.
type grouping struct {
	keys  []expr
	aggs  []aggregate
	after *Plan
	// The rows that are shown of each group, their order and what is shown of
	// them beside what is the group's: an expression for each item, or nil.
	rows  int
	order []sortKey
	items []expr
}

// The columns of groups, named by their place.
const (
	groupKey = tree.Entity(200 + iota)
	groupAggregate
	groupNone // of an item that is not the group's
)

func groupRef(e tree.Entity, i int) Ref { return Ref{Entity: e, Key: strconv.Itoa(i)} }

// isGrouped tells if a query gives groups; without GROUP BY, an aggregate makes
// one of all rows.
func isGrouped(q *tree.Query) bool {
	found := len(q.GroupBy) > 0
	eachAggregate(q, func(*tree.Aggregate) { found = true })
	return found
}

func eachAggregate(q *tree.Query, fn func(*tree.Aggregate)) {
	walk := func(x tree.Expr) {
		if x == nil {
			return
		}
		tree.Walk(x, func(x tree.Expr) bool {
			a, ok := x.(*tree.Aggregate)
			if ok {
				fn(a)
			}
			return !ok
		})
	}
	for _, item := range q.Select {
		walk(item.X)
	}
	walk(q.Having)
	for _, s := range q.OrderBy {
		walk(s.X)
	}
}

// groups compiles a query with groups.
func (p *Plan) groups(c *compiler, now time.Time) error {
	q, g := p.q, &grouping{}
	p.group = g
	after := newCompiler(q, now)
	after.named = map[string]Ref{}
	sorts := make([]tree.Sort, 0, len(q.OrderBy)+len(q.GroupBy))
	for i, x := range q.GroupBy {
		if r, ok := x.(*tree.Ref); ok && r.Item >= 0 && r.Item < len(q.Select) {
			x = q.Select[r.Item].X
		}
		k, err := c.one(x)
		if err != nil {
			return err
		}
		g.keys = append(g.keys, k)
		after.named[fingerprint(x)] = groupRef(groupKey, i)
		sorts = append(sorts, tree.Sort{X: x})
	}
	var err error
	eachAggregate(q, func(a *tree.Aggregate) {
		print := fingerprint(a)
		if _, ok := after.named[print]; ok || err != nil {
			return
		}
		after.named[print] = groupRef(groupAggregate, len(g.aggs))
		agg := aggregate{fn: a.Fn}
		if a.Fn != tree.CountRows {
			agg.x, err = c.one(a.X)
		}
		g.aggs = append(g.aggs, agg)
	})
	if err != nil {
		return err
	}
	return p.groupPlan(c, after, sorts)
}

// groupPlan compiles what is asked of the groups. Every order ends with their
// keys, so that it is total. With LIMIT n PER GROUP, an order by something that is
// not the group's is one of the rows in it.
func (p *Plan) groupPlan(c, after *compiler, sorts []tree.Sort) error {
	q, g := p.q, p.group
	of := &tree.Query{Domain: q.Domain, Filter: q.Having, Limit: q.Limit, Offset: q.Offset}
	if q.PerGroup {
		g.rows, of.Limit = max(q.Limit, 1), 0
	}
	next := &Plan{q: of, hash: p.hash}
	var err error
	if next.parts, err = after.parts(q.Having); err != nil {
		return err
	}
	for _, s := range q.OrderBy {
		k, err := after.order([]tree.Sort{s})
		if err == nil {
			next.order = append(next.order, k...)
			continue
		}
		if !q.PerGroup {
			return err
		}
		if k, err = c.order([]tree.Sort{s}); err != nil {
			return err
		}
		g.order = append(g.order, k...)
	}
	if q.PerGroup {
		rest, err := c.order(g.rest(q))
		if err != nil {
			return err
		}
		g.order = append(g.order, rest...)
	}
	last, err := after.order(sorts)
	if err != nil {
		return err
	}
	next.order = append(next.order, last...)
	for i, item := range q.Select {
		x, err := after.one(item.X)
		var row expr
		if err != nil && q.PerGroup {
			x = after.stored(groupRef(groupNone, i), item.X.Type())
			row, err = c.one(item.X)
		}
		if err != nil {
			return err
		}
		next.items, g.items = append(next.items, x), append(g.items, row)
	}
	of.Select = q.Select
	next.sizes(after)
	g.after = next
	return nil
}

// rest is how the rows of a group are ordered beyond what the query says: by the
// best or worst value that it shows, so that the row of that comes first, else as
// rows are without groups.
func (g *grouping) rest(q *tree.Query) []tree.Sort {
	if len(g.order) == 0 {
		for _, item := range q.Select {
			if a, ok := item.X.(*tree.Aggregate); ok && (a.Fn == tree.Best || a.Fn == tree.Worst) {
				return []tree.Sort{{X: a.X, Desc: a.Fn == tree.Best}}
			}
		}
	}
	if q.Domain != tree.Runs {
		return nil
	}
	return []tree.Sort{
		{X: &tree.Field{Key: "start_time", Kind: tree.Int}, Desc: true},
		{X: &tree.Field{Key: "run_id", Kind: tree.String}},
	}
}

// groups makes groups of the matching rows, then asks the second plan.
func (r *exec) groups(ctx context.Context, src Source, res *Result) error {
	g := r.plan.group
	sets := newGroupSets(g, &r.kept)
	limit := r.opt.Groups
	if limit <= 0 {
		limit = MaxGroups
	}
	err := r.scan(src, func(b Batch) error {
		sel, err := r.filter()
		if err != nil || !sel.Any() {
			return err
		}
		if err := sets.add(r, sel); err != nil {
			return err
		}
		if sets.n > limit {
			return r.partial("groups")
		}
		return nil
	})
	if err != nil && !isPartial(err) {
		return err
	}
	r.seen.Groups = sets.n
	of := newExec(ctx, g.after, &Options{Cursor: r.opt.Cursor, Total: r.opt.Total})
	if !r.deadline.IsZero() { // what was found is shown if that is quickly done
		of.deadline = later(r.deadline, time.Now().Add(grace))
	}
	batch := &groupBatch{sets: sets, columns: map[Ref]*index.Column{}}
	found := &Result{Total: -1}
	if late := of.rows(batch, found); late != nil {
		if !isPartial(late) {
			return late
		}
		if err == nil {
			err = r.partial("time")
		}
		found = &Result{Total: -1}
	}
	if found.Table == nil {
		found.Table = newTable(r.plan.q.Select)
		found.Table.Lines = make([]Line, len(found.Hits))
	}
	res.Total, res.Next, res.Table = found.Total, found.Next, found.Table
	sets.best(r.plan, found)
	if g.rows == 0 {
		return err
	}
	for i, h := range found.Hits {
		l := &res.Table.Lines[i]
		if int(h.Row) < len(sets.tops) { // else no row was found
			l.Hits = sets.tops[h.Row].sorted()
		}
		l.Shown = make([][]any, len(l.Hits))
	}
	if err == nil && slices.ContainsFunc(g.items, func(x expr) bool { return x != nil }) {
		err = r.shown(src, res.Table)
	}
	return err
}

// grace is how much longer than asked for a search may take to put groups in order.
const grace = 20 * time.Millisecond

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// shown fills in what is shown of the rows of the groups.
func (r *exec) shown(src Source, t *Table) error {
	g := r.plan.group
	var hits []Hit
	for _, l := range t.Lines {
		hits = append(hits, l.Hits...)
	}
	cells, err := r.cells(src, hits, g.items)
	for i := range t.Lines {
		l := &t.Lines[i]
		for k := range l.Shown {
			l.Shown[k] = cells.Lines[k].Cells
		}
		cells.Lines = cells.Lines[len(l.Hits):]
	}
	return err
}

// groupBatch is the groups as the one batch of a source.
type groupBatch struct {
	rowBatch[Row] // for what groups do not have
	sets          *groupSets
	columns       map[Ref]*index.Column
}

func (b *groupBatch) Batches(context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) { yield(b, nil) }
}

func (b *groupBatch) Len() int { return b.sets.n }

func (b *groupBatch) Column(_ context.Context, ref Ref) (*index.Column, error) {
	if c, ok := b.columns[ref]; ok {
		return c, nil
	}
	if ref.Entity == groupNone {
		return nil, nil
	}
	i, err := strconv.Atoi(ref.Key)
	if err != nil {
		return nil, err
	}
	var values []Value
	if ref.Entity == groupKey {
		values = b.sets.keyValues(i)
	} else {
		values = b.sets.totals[i].values(b.sets.n)
	}
	b.columns[ref] = newColumn(values, nil)
	return b.columns[ref], nil
}
