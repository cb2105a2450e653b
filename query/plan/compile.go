package plan

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/runstonedb/runstone/query/tree"
)

// compiler makes nodes and expressions of a tree. Nodes that keep something
// during a run have a slot for it.
type compiler struct {
	now    int64 // Unix ms
	items  []tree.Item
	refs   map[Ref]int    // slots
	series map[string]int // slots by fingerprint
	dicts  int
	kin    []*kin
	depth  int // of relations around
	item   bool
	// named, if not nil, are the expressions that a group has a value of; no
	// field is seen elsewhere.
	named map[string]Ref
}

func newCompiler(q *tree.Query, now time.Time) *compiler {
	return &compiler{now: now.UnixMilli(), items: q.Select, refs: map[Ref]int{}, series: map[string]int{}}
}

func (c *compiler) stored(ref Ref, kind tree.Type) *stored {
	slot, ok := c.refs[ref]
	if !ok {
		slot = len(c.refs)
		c.refs[ref] = slot
	}
	return &stored{slot: slot, ref: ref, kind: kind}
}

func (c *compiler) field(f *tree.Field, fn tree.SeriesFn, one bool) expr {
	if f.Entity == tree.Metric && len(f.Select) > 0 {
		return c.points(&tree.Series{Span: f.Span, Fn: fn, Field: f})
	}
	kind := f.Kind
	if f.Entity == tree.Metric {
		kind = (&tree.Series{Fn: fn}).Type()
	}
	return c.stored(Ref{Entity: f.Entity, Key: f.Key, Fn: fn, One: one && f.Many}, kind)
}

func (c *compiler) points(s *tree.Series) expr {
	print := fingerprint(s)
	slot, ok := c.series[print]
	if !ok {
		slot = len(c.series)
		c.series[print] = slot
	}
	return &series{slot: slot, fn: s}
}

// one compiles an expression that has one value in each row, as an order and a
// group need.
func (c *compiler) one(x tree.Expr) (expr, error) { return c.expr(x, true) }

func (c *compiler) expr(x tree.Expr, one bool) (expr, error) {
	if c.named != nil {
		if ref, ok := c.named[fingerprint(x)]; ok {
			return c.stored(ref, x.Type()), nil
		}
	}
	switch x := x.(type) {
	case *tree.Literal:
		return &constant{literal(x)}, nil
	case *tree.Now:
		return &constant{Whole(c.now - x.Back)}, nil
	case *tree.Field:
		if c.named != nil {
			return nil, invalid(x, "%s is neither grouped by nor in an aggregate", x.Key)
		}
		return c.field(x, tree.Last, one), nil
	case *tree.Series:
		if c.named != nil {
			return nil, invalid(x, "%s(%s) is neither grouped by nor in an aggregate", x.Fn, x.Field.Key)
		}
		return c.function(x), nil
	case *tree.ToNumber:
		k, err := c.expr(x.X, one)
		if v, ok := k.(*constant); ok && err == nil {
			return &constant{spelled(v.value)}, nil
		}
		return &toNumber{k}, err
	case *tree.Neg:
		return c.unary(negate, x.X, one)
	case *tree.Scalar:
		fn := functions[x.Fn]
		if fn == nil {
			return nil, invalid(x, "there is no function %s", x.Fn)
		}
		return c.unary(fn, x.X, one)
	case *tree.Arithmetic:
		l, err := c.expr(x.L, one)
		if err != nil {
			return nil, err
		}
		r, err := c.expr(x.R, one)
		return join(x.Op, l, r), err
	case *tree.Ref:
		if c.item || x.Item < 0 || x.Item >= len(c.items) {
			return nil, invalid(x, "there is no item %d", x.Item+1)
		}
		c.item = true
		defer func() { c.item = false }()
		return c.expr(c.items[x.Item].X, one)
	case *tree.Aggregate:
		return nil, invalid(x, "an aggregate stands where there is no group")
	case nil:
		return nil, ErrQuery
	}
	if x.Type() != tree.Bool {
		return nil, invalid(x, "not a value")
	}
	n, err := c.node(x)
	return &truth{n}, err
}

func (c *compiler) function(x *tree.Series) expr {
	if x.Window == nil && len(x.Field.Select) == 0 {
		if x.Fn <= tree.ArgMax {
			return c.field(x.Field, x.Fn, false)
		}
		if x.Fn == tree.Delta {
			return newArithmetic('-', c.field(x.Field, tree.Last, false), c.field(x.Field, tree.First, false))
		}
	}
	return c.points(x)
}

func (c *compiler) unary(fn func(float64) float64, x tree.Expr, one bool) (expr, error) {
	k, err := c.expr(x, one)
	if v, ok := k.(*constant); ok && err == nil {
		if f, ok := v.value.number(); ok {
			return &constant{Num(fn(f))}, nil
		}
		return &constant{}, nil
	}
	return &function{fn, k}, err
}

func join(op byte, l, r expr) expr {
	a, ok := l.(*constant)
	b, also := r.(*constant)
	if !ok || !also {
		return newArithmetic(op, l, r)
	}
	v, ok := a.value.number()
	w, also := b.value.number()
	if !ok || !also {
		return &constant{}
	}
	return &constant{Num(apply(op, v, w))}
}

func literal(x *tree.Literal) Value {
	switch x.Kind {
	case tree.String:
		return Str(x.Str)
	case tree.Int:
		return Whole(x.Int)
	}
	return Num(x.Float)
}

func (c *compiler) node(x tree.Expr) (node, error) {
	if c.named != nil && x != nil && x.Type() == tree.Bool {
		if ref, ok := c.named[fingerprint(x)]; ok {
			return &isTrue{c.stored(ref, tree.Bool)}, nil
		}
	}
	switch x := x.(type) {
	case *tree.And:
		kids, err := c.nodes(x.Kids)
		if err != nil || len(kids) == 0 {
			return fixed(true), err
		}
		return newAnd(kids), nil
	case *tree.Or:
		kids, err := c.nodes(x.Kids)
		if err != nil || len(kids) == 0 {
			return fixed(false), err
		}
		return or(newAnd(kids)), nil
	case *tree.Not:
		k, err := c.node(x.X)
		return not{k}, err
	case *tree.Compare:
		return c.compare(x)
	case *tree.In:
		return c.in(x)
	case *tree.Between:
		return c.between(x)
	case *tree.Match:
		test, re, err := matcher(x)
		if err != nil {
			return nil, err
		}
		t := &stringIs{price: costPattern, work: 2 + len(x.Pattern)/32, regex: re, not: x.Not}
		if re != nil { // each byte may look at each instruction
			t.work = 1000
		}
		if x.Not {
			fits := test
			test = func(s string) bool { return !fits(s) }
		}
		return c.strings(x.X, test, t)
	case *tree.Is:
		k, err := c.expr(x.X, false)
		if v, ok := k.(*constant); ok && err == nil {
			return fixed(isConstant(v.value, x)), nil
		}
		return &is{k, x.What, x.Not}, err
	case *tree.Series:
		if x.Fn == tree.Plateau && c.named == nil {
			return &isTrue{c.points(x)}, nil
		}
	case *tree.Quantified:
		if c.named == nil {
			return c.quantified(x), nil
		}
	case *tree.Relative:
		if c.named == nil {
			return c.relative(x)
		}
	case *tree.Lineage:
		if c.named == nil {
			return &lineageNode{x}, nil
		}
	case *tree.Ref:
		k, err := c.expr(x, true)
		return &isTrue{k}, err
	case nil:
		return nil, ErrQuery
	}
	return nil, invalid(x, "not a condition here")
}

func (c *compiler) nodes(list []tree.Expr) ([]node, error) {
	out := make([]node, 0, len(list))
	for _, x := range list {
		n, err := c.node(x)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// strings compiles a test of a string; t says what there is to say of it.
func (c *compiler) strings(x tree.Expr, test func(string) bool, t *stringIs) (node, error) {
	k, err := c.expr(x, false)
	if err != nil {
		return nil, err
	}
	if v, ok := k.(*constant); ok {
		return fixed(v.value.kind == String && test(v.value.str)), nil
	}
	t.slot, t.x, t.test = c.dicts, k, test
	c.dicts++
	return t, nil
}

func (c *compiler) test(x expr, test func(string) bool, price cost) *stringIs {
	c.dicts++
	return &stringIs{slot: c.dicts - 1, x: x, test: test, price: price, work: 1}
}

func isConstant(v Value, x *tree.Is) bool {
	if x.What == tree.Null {
		return (v.kind == Missing) != x.Not
	}
	if v.kind == Missing {
		return false
	}
	f, ok := v.number()
	if x.What == tree.NaN {
		return (ok && f != f) != x.Not
	}
	return (v.kind == Number && math.IsInf(f, 0)) != x.Not
}

var flipped = [...]tree.Op{tree.Eq, tree.Ne, tree.Gt, tree.Ge, tree.Lt, tree.Le, tree.Distinct, tree.NotDistinct}

func (c *compiler) compare(x *tree.Compare) (node, error) {
	l, err := c.expr(x.L, false)
	if err != nil {
		return nil, err
	}
	r, err := c.expr(x.R, false)
	if err != nil {
		return nil, err
	}
	op, field := x.Op, x.L
	if _, ok := l.(*constant); ok {
		l, r, op, field = r, l, flipped[op], x.R
	}
	k, ok := r.(*constant)
	if !ok {
		return &pair{l: l, r: r, op: op, lef: defaultOf(op, x.L), ref: defaultOf(op, x.R)}, nil
	}
	if v, ok := l.(*constant); ok {
		return fixed(compares(op, v.value, k.value)), nil
	}
	switch {
	case op >= tree.Distinct:
		return &pair{l: l, r: r, op: op}, nil
	case k.value.kind == Missing:
		return fixed(false), nil
	case k.value.isNaN():
		if op == tree.Ne {
			return &is{l, tree.Null, true}, nil
		}
		return fixed(false), nil
	case k.value.kind != String:
		return &numberIs{l, op, k.value}, nil
	}
	n := c.test(l, compareString(op, k.value.str), costStrings)
	if op == tree.Eq {
		n.equal = &k.value.str
	}
	if d := defaultOf(op, field); d != "" {
		n.missing = n.test(d)
	}
	return n, nil
}

// defaultOf is what stands in for a missing value of x.
func defaultOf(op tree.Op, x tree.Expr) string {
	if f, ok := x.(*tree.Field); ok && op <= tree.Ne {
		return f.Default
	}
	return ""
}

func (c *compiler) in(x *tree.In) (node, error) {
	if x.X.Type() != tree.String {
		k, err := c.expr(x.X, false)
		n := newNumberIn(k, x.Values, x.Not)
		if v, ok := k.(*constant); ok && err == nil {
			if v.value.kind == Missing {
				return fixed(false), nil
			}
			found := slices.ContainsFunc(x.Values, func(l *tree.Literal) bool { return compares(tree.Eq, v.value, literal(l)) })
			return fixed(found != x.Not), nil
		}
		return n, err
	}
	set := make(map[string]bool, len(x.Values))
	for _, l := range x.Values {
		set[l.Str] = true
	}
	return c.strings(x.X, func(s string) bool { return set[s] != x.Not }, &stringIs{price: costStrings, work: 1})
}

func (c *compiler) between(x *tree.Between) (node, error) {
	var k [3]expr
	for i, e := range []tree.Expr{x.X, x.Lo, x.Hi} {
		var err error
		if k[i], err = c.expr(e, false); err != nil {
			return nil, err
		}
	}
	lo, ok := k[1].(*constant)
	hi, also := k[2].(*constant)
	_, single := k[0].(*stored)
	single = single && !many(x.X)
	if !ok || !also || !single || cmp.Compare(min(lo.value.kind, Number), min(hi.value.kind, Number)) != 0 ||
		lo.value.kind == Missing || lo.value.isNaN() || hi.value.isNaN() {
		return &between{k[0], k[1], k[2], x.Not}, nil
	}
	left, right := tree.Ge, tree.Le
	if x.Not {
		left, right = tree.Lt, tree.Gt
	}
	parts := []node{c.constantIs(k[0], left, lo.value), c.constantIs(k[0], right, hi.value)}
	if x.Not {
		return or(parts), nil
	}
	return and(parts), nil
}

func (c *compiler) constantIs(x expr, op tree.Op, v Value) node {
	if v.kind == String {
		return c.test(x, compareString(op, v.str), costStrings)
	}
	return &numberIs{x, op, v}
}

// many tells if an expression may have several values.
func many(x tree.Expr) bool {
	found := false
	tree.Walk(x, func(x tree.Expr) bool {
		if f, ok := x.(*tree.Field); ok && f.Many {
			found = true
		}
		return !found
	})
	return found
}
