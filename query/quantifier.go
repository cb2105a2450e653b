package query

import "github.com/runstonedb/runstone/query/tree"

// quantified reads what stands inside EVER, ALWAYS or NEVER, and the window.
func (p *parser) quantified(name token, how tree.Quantifier) (operand, *ParseError) {
	if err := p.onlyRuns(p.nameSpan(name), how.String()+"()"); err != nil {
		return operand{}, err
	}
	inner, err := p.expr(bpNone)
	if err != nil {
		return operand{}, err
	}
	x := &tree.Quantified{How: how}
	parents, err := p.pointCondition(x, inner)
	if err != nil {
		return operand{}, err
	}
	if p.says("FOR") {
		if err := p.lasting(x); err != nil {
			return operand{}, err
		}
	}
	if x.Span, err = p.endCall(name); err != nil {
		return operand{}, err
	}
	if x.Window, err = p.window(); err != nil {
		return operand{}, err
	}
	if x.Window != nil {
		x.End = x.Window.End
	}
	return about(&operand{parents: parents, fields: true}, x), nil
}

// pointCondition takes apart the condition that points are to satisfy; parents
// is whose points.
func (p *parser) pointCondition(x *tree.Quantified, o operand) (parents int, err *ParseError) {
	how := x.How.String()
	if !o.condition() {
		return 0, p.errorHint(o.span(), how+"() takes a comparison of a metric. Found "+p.spanText(o.span()),
			"as in "+how+"(metrics.loss > 100)")
	}
	e := o.x
	for {
		r, ok := e.(*tree.Relative)
		if !ok || r.Kin != tree.Parent {
			break
		}
		parents++
		e = r.X
	}
	switch c := e.(type) {
	case *tree.Compare:
		f, isField := c.L.(*tree.Field)
		lit, isLit := c.R.(*tree.Literal)
		if isField && isLit && f.Entity == tree.Metric && c.Op <= tree.Ge {
			x.Field, x.Op, x.X = f, c.Op, lit.Float+0 // no -0
			return parents, nil
		}
	case *tree.Is:
		if f, ok := c.X.(*tree.Field); ok && f.Entity == tree.Metric && c.What != tree.Null {
			x.Field, x.Special, x.What, x.Not = f, true, c.What, c.Not
			return parents, nil
		}
	}
	hint := "points are compared with one number, as in " + how + "(metrics.loss > 100)"
	_, and := e.(*tree.And)
	_, or := e.(*tree.Or)
	switch {
	case or && x.How == tree.Ever:
		hint = "write EVER(…) OR EVER(…)"
	case and && x.How == tree.Always, or && x.How == tree.Never:
		hint = "write " + how + "(…) AND " + how + "(…)"
	case and || or:
		hint = "write " + how + "(…) once for each comparison; whether one point satisfies two cannot be asked"
	}
	s := o.span()
	return 0, p.errorHint(s, how+"() takes one comparison of one metric with a number, or IS [NOT] NAN or INF. Found "+p.spanText(s), hint)
}

// lasting reads FOR n STEPS or FOR 10m.
func (p *parser) lasting(x *tree.Quantified) *ParseError {
	const want = "FOR is followed by n STEPS or by a time span such as 10m"
	p.advance()
	t := p.tok
	lit, err := p.numberLiteral(want)
	if err != nil {
		return err
	}
	_, isTime, _ := tree.UnitSize(t.val)
	switch {
	case t.val == "" && lit.Kind == tree.Int && lit.Int > 0 && p.says("STEPS"):
		x.For = lit.Int
		p.advance()
		return nil
	case isTime:
		ms, ok := wholeMillis(lit.Float)
		if ok && ms > 0 {
			x.For, x.ForTime = ms, true
			return nil
		}
	}
	return p.errorAt(t.pos, max(t.end, p.tok.pos), want)
}
