package query

import "github.com/runstonedb/runstone/query/tree"

// arithmetic reads an operator of the given power and its right side.
func (p *parser) arithmetic(left operand, power int) (operand, *ParseError) {
	op := p.tok
	p.advance()
	// metrics.a-b is a key without its backticks, unless a and b both are fields.
	glued := left.x == nil && left.tok.kind == tokPath && left.tok.quote == 0 && left.tok.end == op.pos &&
		p.tok.kind == tokPath && p.tok.pos == op.end && p.tok.quote == 0 && !p.tok.hasEntity
	right, err := p.expr(power)
	if err != nil {
		return operand{}, err
	}
	l, err := p.number(left)
	if err == nil {
		right, err = p.number(right)
	}
	if err != nil {
		if glued {
			return operand{}, p.unquotedKey(left.tok, op)
		}
		return operand{}, err
	}
	o, err := p.merge(&l, &right)
	if err != nil {
		return operand{}, err
	}
	if o.depth++; o.depth > MaxDepth {
		return operand{}, p.errorAt(op.pos, op.end, "filter string is nested more than 100 deep")
	}
	o.x = &tree.Arithmetic{Span: tree.Span{Pos: l.span().Pos, End: right.span().End}, Op: p.lex.src[op.pos], L: l.x, R: right.x}
	return o, nil
}

func (p *parser) unquotedKey(key, sign token) *ParseError {
	err := p.invalid(key.pos, key.end, p.text(key))
	err.End = sign.end
	err.Hint = "put a key with such characters in `backticks`"
	return err
}

// number is the value o, which must be one to compute with.
func (p *parser) number(o operand) (operand, *ParseError) {
	o, err := p.value(o)
	if err != nil {
		return o, err
	}
	n, ok := toNumber(o.x)
	if !ok {
		s := o.span()
		return o, p.errorAt(s.Pos, s.End, "Expected a number. Found "+p.spanText(s))
	}
	o.x = n
	return o, nil
}

// minus reads what stands behind a minus.
func (p *parser) minus(sign token) (operand, *ParseError) {
	if t := p.tok; t.kind == tokNumber && p.lex.src[t.pos] != '-' {
		// The sign belongs to the number: -9223372036854775808 is an integer.
		lit := p.numeral("-"+p.lex.src[t.pos:t.end-len(t.val)], t)
		lit.Pos = sign.pos
		p.advance()
		return operand{x: lit}, nil
	}
	x, err := p.expr(bpMinus)
	if err != nil {
		return operand{}, err
	}
	if x, err = p.number(x); err != nil {
		return operand{}, err
	}
	span := tree.Span{Pos: sign.pos, End: x.span().End}
	if lit, ok := x.x.(*tree.Literal); ok && (lit.Kind == tree.Number || lit.Int != -1<<63) {
		neg := *lit
		neg.Span, neg.Int, neg.Float = span, -lit.Int, -lit.Float
		if lit.Kind == tree.Int {
			neg.Float = float64(neg.Int)
		}
		x.x = &neg
		return x, nil
	}
	if x.depth++; x.depth > MaxDepth {
		return operand{}, p.errorAt(sign.pos, sign.end, "filter string is nested more than 100 deep")
	}
	x.x = &tree.Neg{Span: span, X: x.x}
	return x, nil
}
