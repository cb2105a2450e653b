package plan

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// naive answers a filter row by row, straight from the rules of package tree.
type naive struct{ rows []testRow }

// bigOf is a number that is no NaN, exactly.
func bigOf(v Value) *big.Float {
	if v.kind == Int {
		return new(big.Float).SetPrec(64).SetInt64(v.int())
	}
	return new(big.Float).SetPrec(64).SetFloat64(v.float())
}

// naiveCompare is false for values of two sorts, and for a NaN but with Ne.
func naiveCompare(op tree.Op, a, b Value) bool {
	if op == tree.Distinct {
		return !naiveCompare(tree.NotDistinct, a, b)
	}
	if op == tree.NotDistinct {
		return a.kind == Missing && b.kind == Missing || a.isNaN() && b.isNaN() || naiveCompare(tree.Eq, a, b)
	}
	c := 0
	switch {
	case a.kind == Missing || b.kind == Missing, (a.kind == String) != (b.kind == String):
		return false
	case a.kind == String:
		c = strings.Compare(a.str, b.str)
	case a.isNaN() || b.isNaN():
		return op == tree.Ne
	default:
		c = bigOf(a).Cmp(bigOf(b))
	}
	return map[tree.Op]bool{tree.Eq: c == 0, tree.Ne: c != 0, tree.Lt: c < 0, tree.Le: c <= 0, tree.Gt: c > 0, tree.Ge: c >= 0}[op]
}

func floatOf(v Value) (float64, bool) {
	switch v.kind {
	case Int:
		return float64(v.int()), true
	case Number:
		return v.float(), true
	}
	return 0, false
}

func mapFloats(list []Value, fn func(float64) float64) (out []Value) {
	for _, v := range list {
		if f, ok := floatOf(v); ok {
			out = append(out, Num(fn(f)))
		}
	}
	return out
}

// values are those of an expression for a row; none is missing.
func (n *naive) values(x tree.Expr, row *testRow) (out []Value) {
	switch x := x.(type) {
	case *tree.Literal:
		switch x.Kind {
		case tree.String:
			return []Value{Str(x.Str)}
		case tree.Int:
			return []Value{Whole(x.Int)}
		}
		return []Value{Num(x.Float)}
	case *tree.Now:
		return []Value{Whole(testNow.UnixMilli() - x.Back)}
	case *tree.Field:
		if len(x.Select) > 0 {
			return row.series(&tree.Series{Field: x})
		}
		return row.values(Ref{Entity: x.Entity, Key: x.Key})
	case *tree.Series:
		return row.series(x)
	case *tree.ToNumber:
		for _, v := range n.values(x.X, row) {
			if f, ok := index.ParseNumber(v.str); ok {
				out = append(out, Num(f))
			}
		}
	case *tree.Neg:
		return mapFloats(n.values(x.X, row), func(f float64) float64 { return -f })
	case *tree.Scalar:
		return mapFloats(n.values(x.X, row), map[string]func(float64) float64{"abs": math.Abs, "sqrt": math.Sqrt, "floor": math.Floor}[x.Fn])
	case *tree.Arithmetic:
		for _, a := range n.values(x.L, row) {
			l, _ := floatOf(a)
			out = append(out, mapFloats(n.values(x.R, row), func(r float64) float64 {
				return map[byte]float64{'+': l + r, '-': l - r, '*': l * r, '/': l / r, '%': math.Mod(l, r)}[x.Op]
			})...)
		}
	default:
		return []Value{Whole(int64(bit(n.holds(x, row))))}
	}
	return out
}

func orMissing(list []Value, x tree.Expr, op tree.Op) []Value {
	if len(list) > 0 {
		return list
	}
	if f, ok := x.(*tree.Field); ok && f.Default != "" && (op == tree.Eq || op == tree.Ne) {
		return []Value{Str(f.Default)}
	}
	return []Value{{}}
}

func (n *naive) holds(x tree.Expr, row *testRow) bool {
	switch x := x.(type) {
	case *tree.And:
		return !slices.ContainsFunc(x.Kids, func(k tree.Expr) bool { return !n.holds(k, row) })
	case *tree.Or:
		return slices.ContainsFunc(x.Kids, func(k tree.Expr) bool { return n.holds(k, row) })
	case *tree.Not:
		return !n.holds(x.X, row)
	case *tree.Compare:
		return slices.ContainsFunc(orMissing(n.values(x.L, row), x.L, x.Op), func(a Value) bool {
			return slices.ContainsFunc(orMissing(n.values(x.R, row), x.R, x.Op), func(b Value) bool {
				return naiveCompare(x.Op, a, b)
			})
		})
	case *tree.In:
		return slices.ContainsFunc(n.values(x.X, row), func(v Value) bool {
			return x.Not != slices.ContainsFunc(x.Values, func(l *tree.Literal) bool {
				return naiveCompare(tree.Eq, v, n.values(l, row)[0])
			})
		})
	case *tree.Between:
		for _, v := range n.values(x.X, row) {
			for _, lo := range n.values(x.Lo, row) {
				for _, hi := range n.values(x.Hi, row) {
					in := naiveCompare(tree.Ge, v, lo) && naiveCompare(tree.Le, v, hi)
					ordered := !v.isNaN() && !lo.isNaN() && !hi.isNaN() && (v.kind == String) == (lo.kind == String) && (v.kind == String) == (hi.kind == String)
					if ordered && in != x.Not {
						return true
					}
				}
			}
		}
		return false
	case *tree.Match:
		return slices.ContainsFunc(n.values(x.X, row), func(v Value) bool { return naiveMatch(x, v.str) != x.Not })
	case *tree.Is:
		list := n.values(x.X, row)
		if x.What == tree.Null {
			return (len(list) == 0) != x.Not
		}
		return slices.ContainsFunc(list, func(v Value) bool {
			f, _ := floatOf(v)
			return (x.What == tree.NaN && f != f || x.What == tree.Inf && math.IsInf(f, 0)) != x.Not
		})
	case *tree.Series:
		list := n.values(x, row)
		return len(list) > 0 && list[0].int() == 1
	case *tree.Quantified:
		return row.quantified(x)
	case *tree.Lineage:
		return slices.Contains(row.used, x.Args[0])
	case *tree.Relative:
		return n.related(x, row)
	}
	panic(x)
}

func (n *naive) related(x *tree.Relative, row *testRow) bool {
	from, to := "run_id", "parent_id"
	if x.Kin == tree.Parent {
		from, to = to, from
	}
	id := row.fields[Ref{Key: from}]
	found, every := false, true
	for i := range n.rows {
		other := n.rows[i].fields[Ref{Key: to}]
		if n.rows[i].gone || len(id) == 0 || len(other) == 0 || id[0] != other[0] {
			continue
		}
		is := n.holds(x.X, &n.rows[i])
		found, every = found || is, every && is
	}
	if x.Kin == tree.AllChild {
		return found && every
	}
	return found
}

// naiveMatch turns a LIKE pattern into a regular expression.
func naiveMatch(m *tree.Match, s string) bool {
	text := m.Pattern
	if m.Kind == tree.Like || m.Kind == tree.ILike {
		text = regexp.QuoteMeta(text)
		text = "(?s)^" + strings.NewReplacer("%", ".*", "_", ".").Replace(text) + "$"
	}
	if m.Kind == tree.ILike || m.Kind == tree.IRegex {
		text = "(?i)" + text
	}
	return regexp.MustCompile(text).MatchString(s)
}

// order compares two rows by a query's clauses, then by their place.
func (n *naive) order(q *tree.Query, a, b int) int {
	for _, s := range q.OrderBy {
		v, w := n.first(q, &s, a), n.first(q, &s, b)
		class := func(v Value) int {
			switch {
			case v.kind == Missing:
				return 3
			case v.isNaN():
				return 2
			case v.kind == String:
				return 1
			}
			return 0
		}
		switch c, d := class(v), class(w); {
		case c != d && s.NullsFirst && max(c, d) > 1:
			return d - c
		case c != d:
			return c - d
		case c > 1:
			continue
		}
		less, more := naiveCompare(tree.Lt, v, w), naiveCompare(tree.Gt, v, w)
		if s.Decimal && v.kind == String {
			i, ok := new(big.Int).SetString(v.str, 10)
			j, also := new(big.Int).SetString(w.str, 10)
			switch {
			case ok && also:
				less, more = i.Cmp(j) < 0, i.Cmp(j) > 0
			case ok || also:
				less, more = ok, also
			}
		}
		if less != more {
			if less != s.Desc {
				return -1
			}
			return 1
		}
	}
	return a - b
}

func (n *naive) first(q *tree.Query, s *tree.Sort, row int) Value {
	x := s.X
	if r, ok := x.(*tree.Ref); ok {
		x = q.Select[r.Item].X
	}
	list := n.values(x, &n.rows[row])
	if f, ok := x.(*tree.Field); ok && f.Many && len(list) > 1 {
		list = list[:1]
	}
	if len(list) == 0 {
		return Value{}
	}
	return list[0]
}

// find returns the rows of a query without groups, in order.
func (n *naive) find(q *tree.Query) []int {
	out := []int{}
	for i := range n.rows {
		if !n.rows[i].gone && (q.Filter == nil || n.holds(q.Filter, &n.rows[i])) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return n.order(q, a, b) })
	return out
}
