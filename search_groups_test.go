package runstone

import (
	"fmt"
	"math"
	"slices"

	"github.com/runstonedb/runstone/query/tree"
)

// keptGroup is the rows of a group, in the order of their creation.
type keptGroup struct {
	keys []any
	rows []*keptRun
}

// groups makes the table of a query with GROUP BY, and says of how many groups.
func (n *naive) groups(q *tree.Query) (table [][]any, total int) {
	var list []*keptGroup
	found := map[string]*keptGroup{}
	all := *q
	all.OrderBy = nil
	for _, r := range n.find(&all) {
		var keys []any
		for _, k := range q.GroupBy {
			if ref, ok := k.(*tree.Ref); ok {
				k = q.Select[ref.Item].X
			}
			keys = append(keys, orNil(n.values(k, r))[0])
		}
		name := fmt.Sprintf("%#v", keys)
		g := found[name]
		if g == nil {
			g = &keptGroup{keys: keys}
			found[name] = g
			list = append(list, g)
		}
		g.rows = append(g.rows, r)
	}
	list = slices.DeleteFunc(list, func(g *keptGroup) bool { return q.Having != nil && !n.groupHolds(q, q.Having, g) })
	slices.SortStableFunc(list, func(a, b *keptGroup) int {
		for i := range q.OrderBy {
			s := &q.OrderBy[i]
			if c := compareSorted(s, n.ofGroup(q, s.X, a), n.ofGroup(q, s.X, b)); c != 0 {
				return c
			}
		}
		for i := range a.keys {
			if c := compareSorted(&tree.Sort{}, a.keys[i], b.keys[i]); c != 0 {
				return c
			}
		}
		return 0
	})
	total = len(list)
	list = list[min(q.Offset, total):]
	if q.Limit > 0 && !q.PerGroup {
		list = list[:min(q.Limit, len(list))]
	}
	for _, g := range list {
		var line, of []any
		for _, item := range q.Select {
			line = append(line, n.ofGroup(q, item.X, g))
			if a, ok := item.X.(*tree.Aggregate); ok && (a.Fn == tree.Best || a.Fn == tree.Worst) {
				of = append(of, n.extremeRun(a, g))
			}
		}
		line = append(line, of...)
		if !q.PerGroup {
			table = append(table, line)
			continue
		}
		for _, r := range n.shown(q, g) {
			table = append(table, append(slices.Clone(line), r.id))
		}
	}
	return table, total
}

// shown are the rows that LIMIT n PER GROUP shows, in order.
func (n *naive) shown(q *tree.Query, g *keptGroup) []*keptRun {
	order := []tree.Sort{{X: &tree.Field{Key: "start_time"}, Desc: true}, {X: &tree.Field{Key: "run_id"}}}
	for _, item := range slices.Backward(q.Select) {
		if a, ok := item.X.(*tree.Aggregate); ok && (a.Fn == tree.Best || a.Fn == tree.Worst) {
			order = []tree.Sort{{X: a.X, Desc: a.Fn == tree.Best}}
		}
	}
	rows := slices.Clone(g.rows)
	slices.SortStableFunc(rows, func(a, b *keptRun) int {
		for i := range order {
			if c := compareSorted(&order[i], n.sorted(q, &order[i], a), n.sorted(q, &order[i], b)); c != 0 {
				return c
			}
		}
		return 0
	})
	return rows[:min(q.Limit, len(rows))]
}

// ofGroup is the value of a key or a function of a group.
func (n *naive) ofGroup(q *tree.Query, x tree.Expr, g *keptGroup) any {
	for i, k := range q.GroupBy {
		if tree.Text(k) == tree.Text(x) {
			return g.keys[i]
		}
	}
	switch x := x.(type) {
	case *tree.Ref:
		return n.ofGroup(q, q.Select[x.Item].X, g)
	case *tree.Literal:
		return n.values(x, nil)[0]
	case *tree.Arithmetic:
		a, b := n.ofGroup(q, x.L, g), n.ofGroup(q, x.R, g)
		if a == nil || b == nil {
			return nil
		}
		return calculate(x.Op, toFloat(a), toFloat(b))
	case *tree.Aggregate:
		return n.aggregate(x, g)
	}
	panic(tree.Text(x))
}

func (n *naive) groupHolds(q *tree.Query, x tree.Expr, g *keptGroup) bool {
	switch x := x.(type) {
	case *tree.And:
		return !slices.ContainsFunc(x.Kids, func(k tree.Expr) bool { return !n.groupHolds(q, k, g) })
	case *tree.Or:
		return slices.ContainsFunc(x.Kids, func(k tree.Expr) bool { return n.groupHolds(q, k, g) })
	case *tree.Not:
		return !n.groupHolds(q, x.X, g)
	case *tree.Is:
		return (n.ofGroup(q, x.X, g) == nil) != x.Not
	case *tree.Compare:
		return holdsFor(x.Op, n.ofGroup(q, x.L, g), n.ofGroup(q, x.R, g))
	}
	panic(tree.Text(x))
}

// numbers are those of the rows of a group, without NaN.
func (n *naive) numbers(x tree.Expr, g *keptGroup) (out []float64, of []*keptRun) {
	for _, r := range g.rows {
		for _, v := range n.values(x, r) {
			if f := toFloat(v); f == f {
				out, of = append(out, f), append(of, r)
			}
		}
	}
	return out, of
}

// extremeRun is the id of the run that the best or the worst value is of.
func (n *naive) extremeRun(a *tree.Aggregate, g *keptGroup) any {
	list, of := n.numbers(a.X, g)
	if len(list) == 0 {
		return nil
	}
	if a.Fn == tree.Best {
		return of[slices.Index(list, slices.Max(list))].id
	}
	return of[slices.Index(list, slices.Min(list))].id
}

func (n *naive) aggregate(a *tree.Aggregate, g *keptGroup) any {
	switch a.Fn {
	case tree.CountRows:
		return int64(len(g.rows))
	case tree.CountOf:
		if a.X.Type() == tree.String {
			return int64(len(slices.DeleteFunc(slices.Clone(g.rows), func(r *keptRun) bool { return len(n.values(a.X, r)) == 0 })))
		}
	case tree.FirstOf:
		for _, r := range slices.Backward(g.rows) {
			if v := n.values(a.X, r); len(v) > 0 && !isNaNValue(v[0]) {
				return v[0]
			}
		}
		return nil
	}
	list, _ := n.numbers(a.X, g)
	count, sum, mean, squares := float64(len(list)), 0.0, 0.0, 0.0
	for _, v := range list {
		sum += v
		mean += v / count
	}
	for _, v := range list {
		squares += (v - mean) * (v - mean)
	}
	std := math.Sqrt(squares / (count - 1))
	switch {
	case a.Fn == tree.CountOf:
		return int64(len(list))
	case len(list) == 0:
		return nil
	case len(list) == 1 && (a.Fn == tree.StdOf || a.Fn == tree.CI95):
		return nil
	}
	slices.Sort(list)
	switch a.Fn {
	case tree.MinOf, tree.Worst:
		return list[0]
	case tree.MaxOf, tree.Best:
		return list[len(list)-1]
	case tree.MeanOf:
		return sum / count
	case tree.SumOf:
		return sum
	case tree.StdOf:
		return std
	case tree.CI95:
		return student[len(list)-1] * std / math.Sqrt(count)
	}
	k := len(list) / 2
	if len(list)%2 == 1 {
		return list[k]
	}
	return (list[k-1] + list[k]) / 2
}

// student is the value below which 97.5 % of Student's distribution lie, by
// degrees of freedom, as tables have it.
var student = []float64{0, 12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157,
	2.228139, 2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
	2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230, 2.042272, 2.039513,
	2.036933, 2.034515, 2.032245, 2.030108, 2.028094, 2.026192, 2.024394, 2.022691, 2.021075}
