package query

import (
	"slices"
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// onlyRuns refuses what no other rows than runs have.
func (p *parser) onlyRuns(s tree.Span, what string) *ParseError {
	if p.d != tree.Runs {
		return p.errorAt(s.Pos, s.End, "only runs have "+what)
	}
	return nil
}

// metric is the metric that o names, for a function of its points.
func (p *parser) metric(o operand, fn string) (*tree.Field, operand, *ParseError) {
	o, err := p.value(o)
	if err != nil {
		return nil, o, err
	}
	f, ok := o.x.(*tree.Field)
	if !ok || f.Entity != tree.Metric {
		s := o.span()
		return nil, o, p.errorAt(s.Pos, s.End, fn+"() takes a metric. Found "+p.spanText(s))
	}
	return f, o, nil
}

// series reads a function of a metric's points and its window.
func (p *parser) series(name token, fn tree.SeriesFn) (operand, *ParseError) {
	if err := p.onlyRuns(p.nameSpan(name), fn.String()+"()"); err != nil {
		return operand{}, err
	}
	o, err := p.expr(bpNone)
	if err != nil {
		return operand{}, err
	}
	x := &tree.Series{Fn: fn}
	if x.Field, o, err = p.metric(o, fn.String()); err != nil {
		return operand{}, err
	}
	switch fn {
	case tree.At:
		err = p.atArgument(x)
	case tree.Plateau:
		err = p.plateauArguments(x, name)
	}
	if err != nil {
		return operand{}, err
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
	if fn == tree.Plateau {
		return about(&o, x), nil
	}
	o.x = x
	return o, nil
}

func (p *parser) atArgument(x *tree.Series) (err *ParseError) {
	const want = "at() takes a metric and a step, as in at(metrics.loss, 1000)"
	if p.tok.kind != tokComma {
		return p.errorAt(p.tok.pos, p.tok.end, want)
	}
	p.advance()
	x.Step, err = p.integer(want)
	return err
}

func (p *parser) plateauArguments(x *tree.Series, name token) *ParseError {
	const want = "plateau() takes a metric, patience in steps and a tolerance, as in plateau(metrics.loss, patience=200, tol=1e-4)"
	seen := [2]bool{}
	for n := 0; p.tok.kind == tokComma; n++ {
		p.advance()
		which := n
		if t := p.tok; t.kind == tokPath && !t.hasEntity {
			if which = slices.Index([]string{"patience", "tol"}, strings.ToLower(t.val)); which < 0 {
				return p.errorHint(p.nameSpan(t), want, Suggest(t.val, []string{"patience", "tol"}))
			}
			p.advance()
			if p.tok.kind != tokOp || p.text(p.tok) != "=" {
				return p.errorAt(p.tok.pos, p.tok.end, want)
			}
			p.advance()
		}
		at := p.tok
		lit, err := p.numberLiteral(want)
		if err != nil {
			return err
		}
		switch {
		case which > 1 || seen[which]:
			return p.errorAt(at.pos, at.end, want)
		case which == 0 && (lit.Kind != tree.Int || lit.Int < 1 || lit.Unit != ""):
			return p.errorAt(at.pos, at.end, "patience is a number of steps, at least 1. Found "+p.text(at))
		case which == 1 && !(lit.Float >= 0):
			return p.errorAt(at.pos, at.end, "tol is not negative. Found "+p.text(at))
		case which == 0:
			x.Patience = lit.Int
		default:
			x.Tol = lit.Float + 0 // no -0
		}
		seen[which] = true
	}
	if !seen[0] {
		return p.errorAt(name.pos, p.tok.pos, want)
	}
	return nil
}

// numberLiteral reads a number, which may have a sign.
func (p *parser) numberLiteral(want string) (*tree.Literal, *ParseError) {
	t := p.tok
	if p.isArith('-') || t.kind == tokNumber {
		o, err := p.expr(bpTerm)
		if err == nil {
			o, err = p.value(o)
		}
		if err != nil {
			return nil, err
		}
		if lit, ok := o.x.(*tree.Literal); ok && lit.Kind != tree.String {
			return lit, nil
		}
	}
	return nil, p.errorAt(t.pos, t.end, want)
}

// integer reads a whole number without unit.
func (p *parser) integer(want string) (int64, *ParseError) {
	t := p.tok
	lit, err := p.numberLiteral(want)
	if err != nil {
		return 0, err
	}
	if lit.Kind != tree.Int || lit.Unit != "" {
		return 0, p.errorAt(t.pos, t.end, want)
	}
	return lit.Int, nil
}

// selected reads the braces behind a metric: metrics.auc{context='test'}.
func (p *parser) selected(t token) (operand, *ParseError) {
	f, err := p.field(t)
	if err != nil {
		return operand{}, err
	}
	open := p.nameSpan(p.tok)
	if f.Entity != tree.Metric {
		return operand{}, p.errorAt(open.Pos, open.End, "only metrics have something in braces")
	}
	if err := p.onlyRuns(open, "points about one dataset"); err != nil {
		return operand{}, err
	}
	const want = "braces hold conditions such as metrics.auc{dataset='d', context='test'}"
	keys := []string{"dataset", "digest", "context", "split", "model"}
	for {
		p.advance()
		if p.tok.kind == tokRBrace && len(f.Select) > 0 {
			break
		}
		k := p.tok
		if k.kind != tokPath || k.hasEntity || k.quote != 0 || k.parents > 0 {
			return operand{}, p.errorAt(k.pos, k.end, want)
		}
		if !slices.Contains(keys, k.val) {
			return operand{}, p.errorHint(p.nameSpan(k), "Invalid key '"+k.val+"' in braces. Valid keys are '"+pySet(keys)+"'",
				Suggest(k.val, keys))
		}
		p.advance()
		if p.tok.kind != tokOp || p.text(p.tok) != "=" {
			return operand{}, p.errorAt(p.tok.pos, p.tok.end, want)
		}
		p.advance()
		if p.tok.kind != tokString {
			return operand{}, p.errorAt(p.tok.pos, p.tok.end, want)
		}
		sel := tree.Selector{Key: k.val, Value: p.tok.val}
		if sel.Key == "split" {
			sel.Key = "context"
		}
		if slices.ContainsFunc(f.Select, func(s tree.Selector) bool { return s.Key == sel.Key }) {
			return operand{}, p.errorAt(k.pos, k.end, "braces say twice what "+sel.Key+" is")
		}
		f.Select = append(f.Select, sel)
		p.advance()
		if p.tok.kind == tokRBrace {
			break
		}
		if p.tok.kind != tokComma {
			return operand{}, p.errorAt(p.tok.pos, p.tok.end, want)
		}
	}
	f.End = p.tok.end
	p.advance()
	return p.fieldOperand(f, t), nil
}
