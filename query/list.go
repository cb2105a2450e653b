package query

import "github.com/runstonedb/runstone/query/tree"

// in reads the list behind IN: ('a', "b", …) or numbers; a comma before the
// closing parenthesis is allowed.
func (p *parser) in(left operand, not bool) (operand, *ParseError) {
	open := p.tok
	if open.kind != tokLParen {
		return operand{}, p.noList(&left, open, not)
	}
	p.advance()
	fail := func(what string) (operand, *ParseError) {
		return operand{}, p.errorAt(open.pos, p.tok.end, "While parsing a list in the query, expected a non-empty list of "+
			"string values, but got "+what)
	}
	x := &tree.In{Span: tree.Span{Pos: left.span().Pos}, X: left.x, Not: not}
	for p.tok.kind != tokRParen {
		t := p.tok
		if t.kind != tokString && t.kind != tokNumber && !saying(t, "date") && !p.isArith('-') {
			return fail("ill-formed list.")
		}
		v, err := p.prefix()
		if err == nil {
			v, err = p.value(v)
		}
		if err != nil {
			return operand{}, err
		}
		lit, ok := v.x.(*tree.Literal)
		if !ok {
			return fail("ill-formed list.")
		}
		x.Values = append(x.Values, lit)
		if p.tok.kind == tokComma {
			p.advance()
		} else if p.tok.kind != tokRParen {
			return fail("ill-formed list.")
		}
	}
	if len(x.Values) == 0 {
		return fail("empty list")
	}
	x.End = p.tok.end
	return p.endList(left, x, tree.Span{Pos: open.pos, End: p.tok.end})
}

func (p *parser) noList(left *operand, t token, not bool) *ParseError {
	name := "IN"
	if not {
		name = "NOT IN"
	}
	words := []string{p.spanText(left.span()), name}
	if t.kind != tokEOF {
		words = append(words, p.text(t))
	}
	e := p.invalid(left.span().Pos, t.end, words...)
	e.Hint = "IN is followed by a list in parentheses"
	return e
}

// endList judges the values of x, which stand at s.
func (p *parser) endList(left operand, x *tree.In, s tree.Span) (operand, *ParseError) {
	numbers := 0
	for _, v := range x.Values {
		if v.Kind != tree.String {
			numbers++
		}
	}
	n, canBe := toNumber(x.X)
	switch {
	case numbers == len(x.Values) && canBe:
		x.X = n
		for _, v := range x.Values {
			round(n, v)
		}
	case x.X.Type() != tree.String:
		return operand{}, p.errorAt(s.Pos, s.End, p.wrongValue(x.X, p.spanText(s), false))
	case numbers > 0:
		return operand{}, p.errorAt(s.Pos, s.End, "While parsing a list in the query, expected string value, punctuation, "+
			"or whitespace, but got different type in list: "+p.spanText(s))
	}
	p.advance()
	return about(&left, x), nil
}
