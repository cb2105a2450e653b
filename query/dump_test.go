package query_test

import (
	"fmt"
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

var (
	entities  = [...]string{"attribute", "metric", "parameter", "tag", "dataset", "model"}
	types     = [...]string{"bool", "number", "int", "string"}
	patterns  = [...]string{"LIKE", "ILIKE", "~", "~*"}
	windows   = [...]string{"steps", "first steps", "last steps", "last part", "last time"}
	relatives = [...]string{"parent", "any child", "all child"}
)

// dumper writes a tree, a node a line, with the bytes it came from if pos.
type dumper struct {
	b   *strings.Builder
	pos bool
}

func dump(b *strings.Builder, q *tree.Query, pos bool) {
	d := dumper{b, pos}
	if q.Filter != nil {
		d.expr(q.Filter, "")
	}
	for _, k := range q.GroupBy {
		b.WriteString("group by\n")
		d.expr(k, "  ")
	}
	for _, it := range q.Select {
		fmt.Fprintf(b, "select %q\n", it.Name)
		d.expr(it.X, "  ")
	}
	if q.Having != nil {
		b.WriteString("having\n")
		d.expr(q.Having, "  ")
	}
	for _, s := range q.OrderBy {
		fmt.Fprintf(b, "order by%s%s%s\n", when(s.Desc, " desc"), when(s.NullsFirst, " nulls first"), when(s.Decimal, " decimal"))
		d.expr(s.X, "  ")
	}
	if q.Limit != 0 || q.Offset != 0 {
		fmt.Fprintf(b, "limit %d offset %d%s\n", q.Limit, q.Offset, when(q.PerGroup, " per group"))
	}
}

// treeText is the tree without positions.
func treeText(q *tree.Query) string {
	var b strings.Builder
	dump(&b, q, false)
	return b.String()
}

func when(is bool, s string) string {
	if is {
		return s
	}
	return ""
}

func (d dumper) expr(x tree.Expr, indent string) {
	d.b.WriteString(indent)
	if d.pos {
		fmt.Fprintf(d.b, "%d..%d ", x.At().Pos, x.At().End)
	}
	kids := func(format string, args ...any) func(...tree.Expr) {
		fmt.Fprintf(d.b, format+"\n", args...)
		return func(list ...tree.Expr) {
			for _, k := range list {
				if k != nil {
					d.expr(k, indent+"  ")
				}
			}
		}
	}
	switch x := x.(type) {
	case *tree.And:
		kids("and")(x.Kids...)
	case *tree.Or:
		kids("or")(x.Kids...)
	case *tree.Not:
		kids("not")(x.X)
	case *tree.Compare:
		kids("compare %s", x.Op)(x.L, x.R)
	case *tree.In:
		each := kids("%sin", when(x.Not, "not "))
		each(x.X)
		for _, v := range x.Values {
			each(v)
		}
	case *tree.Between:
		kids("%sbetween", when(x.Not, "not "))(x.X, x.Lo, x.Hi)
	case *tree.Match:
		kids("match %s%s %q", when(x.Not, "not "), patterns[x.Kind], x.Pattern)(x.X)
	case *tree.Is:
		kids("is %s%s", when(x.Not, "not "), x.What)(x.X)
	case *tree.Quantified:
		d.quantified(x, kids)
	case *tree.Relative:
		kids("%s", relatives[x.Kin])(x.X)
	case *tree.Lineage:
		kids("lineage %s %s %q", x.Verb, x.Kind, x.Args)()
	case *tree.Literal:
		d.literal(x)
	case *tree.Field:
		kids("%s %q %s%s%s%s", entities[x.Entity], x.Key, types[x.Kind], when(x.Many, " many"),
			when(x.Default != "", " default "+x.Default), when(x.Select != nil, fmt.Sprintf(" %q", x.Select)))()
	case *tree.ToNumber:
		kids("to number")(x.X)
	case *tree.Neg:
		kids("minus")(x.X)
	case *tree.Arithmetic:
		kids("%c", x.Op)(x.L, x.R)
	case *tree.Now:
		kids("now less %d %s", x.Back, x.Text)()
	case *tree.Scalar:
		kids("%s", x.Fn)(x.X)
	case *tree.Series:
		kids("series %s step %d patience %d tol %g%s", x.Fn, x.Step, x.Patience, x.Tol, d.window(x.Window))(x.Field)
	case *tree.Aggregate:
		kids("aggregate %d %s", x.Fn, x.Fn)(x.X)
	case *tree.Ref:
		kids("item %d %s", x.Item, types[x.Kind])()
	default:
		panic(fmt.Sprintf("%T", x))
	}
}

func (d dumper) quantified(x *tree.Quantified, kids func(string, ...any) func(...tree.Expr)) {
	cond := fmt.Sprintf("%s %g", x.Op, x.X)
	if x.Special {
		cond = "is " + when(x.Not, "not ") + x.What.String()
	}
	kids("%s %s%s%s", x.How, cond, when(x.For != 0, fmt.Sprintf(" for %d%s", x.For, when(x.ForTime, "ms"))), d.window(x.Window))(x.Field)
}

func (d dumper) window(w *tree.Window) string {
	if w == nil {
		return ""
	}
	s := " over "
	if d.pos {
		s += fmt.Sprintf("%d..%d ", w.Pos, w.End)
	}
	if w.Kind == tree.Steps {
		return s + fmt.Sprintf("steps %d to %d", w.From, w.To)
	}
	return s + fmt.Sprintf("%s %g", windows[w.Kind], w.N)
}

func (d dumper) literal(x *tree.Literal) {
	switch x.Kind {
	case tree.String:
		fmt.Fprintf(d.b, "%q\n", x.Str)
	case tree.Int:
		fmt.Fprintf(d.b, "int %d%s\n", x.Int, when(x.Unit != "", " in "+x.Unit))
	default:
		fmt.Fprintf(d.b, "float %g%s\n", x.Float, when(x.Unit != "", " in "+x.Unit))
	}
}
