package query

import (
	"strconv"

	"github.com/runstonedb/runstone/query/tree"
)

// comparison reads a comparator and its right side. The left side is judged
// first, then the value, then whether the two may be compared so: that is the
// order of MLflow's messages.
func (p *parser) comparison(left operand) (operand, *ParseError) {
	if left.x == nil {
		t := left.tok
		if x, ok := p.named(t); ok {
			left = x
		} else if t.isName() {
			f, err := p.field(t)
			if err != nil {
				return operand{}, err
			}
			left = p.fieldOperand(f, t)
		} else {
			lit, err := p.literal(t)
			if err != nil {
				return operand{}, err
			}
			left = operand{x: lit}
		}
	}
	t := p.tok
	if _, literal := left.x.(*tree.Literal); literal && t.kind != tokOp && !saying(t, "BETWEEN") {
		return operand{}, p.notIdentifier(&left)
	}
	not := p.isWord(kwNot)
	if not {
		p.advance()
	}
	op := p.tok
	p.advance()
	switch {
	case op.kind == tokOp:
		return p.compare(left, op)
	case op.kind == tokKeyword && op.word == kwIn:
		return p.in(left, not)
	case op.kind == tokKeyword && op.word == kwLike:
		return p.match(left, t, tree.Like, not)
	case op.kind == tokKeyword && op.word == kwILike:
		return p.match(left, t, tree.ILike, not)
	case op.kind == tokKeyword && op.word == kwIs && !not:
		return p.is(left, t)
	case saying(op, "BETWEEN"):
		return p.between(left, t, not)
	}
	return operand{}, p.invalidToken(t)
}

// field resolves the name left of a comparator.
func (p *parser) field(t token) (*tree.Field, *ParseError) {
	if t.parents > maxParents {
		return nil, p.errorAt(t.pos, t.end, "there are more than 8 parents in a row")
	}
	if err := p.related(t.parents, p.nameSpan(t)); err != nil {
		return nil, err
	}
	return resolve(p.d, p.lex.src, t, useFilter)
}

func (p *parser) fieldOperand(f *tree.Field, t token) operand {
	return operand{x: f, parents: t.parents, fields: true}
}

func (p *parser) notIdentifier(o *operand) *ParseError {
	s := o.span()
	return p.errorAt(s.Pos, s.End, "Invalid comparison clause. Expected 'Identifier' found '"+p.spanText(s)+"'")
}

// rightSide reads what stands behind the comparator op.
func (p *parser) rightSide(left *operand, op string) (operand, *ParseError) {
	t := p.tok
	switch {
	case t.kind == tokBad && t.end-t.pos > 1:
		return operand{}, p.errorAt(t.pos, t.end, p.wrongValue(left.x, p.text(t), false))
	case t.kind == tokString, t.kind == tokNumber, t.kind == tokPath, t.kind == tokLParen, p.isArith('-') && p.peek().kind != tokEOF:
		return p.expr(bpCompare)
	}
	words := []string{p.spanText(left.span()), op}
	if t.kind != tokEOF {
		words = append(words, p.text(t))
	}
	e := p.invalid(left.span().Pos, t.end, words...)
	switch {
	case t.kind == tokBad:
		e.Hint = p.badHint(t)
	case p.isArith('+'):
		e.Hint = "a number has no plus in front"
	default:
		e.Hint = "a value is missing"
	}
	return operand{}, e
}

// value gives o a meaning of its own.
func (p *parser) value(o operand) (operand, *ParseError) {
	switch {
	case o.condition():
		s := o.span()
		return o, p.errorHint(s, "Invalid clause(s) in filter string: '"+p.spanText(s)+"' is true or false",
			"a condition cannot be compared, sorted by or computed with")
	case o.x != nil:
		return o, nil
	case o.tok.kind == tokPath:
		if x, ok := p.named(o.tok); ok {
			return x, nil
		}
		f, err := p.field(o.tok)
		if err != nil {
			return o, err
		}
		return p.fieldOperand(f, o.tok), nil
	}
	lit, err := p.literal(o.tok)
	return operand{x: lit}, err
}

// named is the item of SELECT that a bare name stands for.
func (p *parser) named(t token) (operand, bool) {
	// Inside a function of groups it would be one inside another.
	if t.kind != tokPath || t.hasEntity || t.parents > 0 || len(p.names) == 0 || p.grouped && !p.aggregate {
		return operand{}, false
	}
	o, ok := p.names[t.val]
	if ok {
		// It counts as if it stood here: a query that names a long item often
		// is a long one.
		p.count += len(tree.Text(o.x)) / 4
		o.x = tree.Moved(o.x, p.nameSpan(t))
	}
	return o, ok
}

// merge makes sure that l and r are about the same run.
func (p *parser) merge(l, r *operand) (operand, *ParseError) {
	o := operand{parents: l.parents, fields: l.fields || r.fields, depth: max(l.depth, r.depth)}
	switch {
	case !l.fields:
		o.parents = r.parents
	case r.fields && l.parents != r.parents:
		s := tree.Span{Pos: min(l.span().Pos, r.span().Pos), End: max(l.span().End, r.span().End)}
		return o, p.errorHint(s, "a comparison is about a run or about its parent, not both: "+p.spanText(s),
			"every field of it needs the same number of parent.")
	}
	return o, nil
}

// about makes x the condition that it is of the run that o is of.
func about(o *operand, x tree.Expr) operand {
	if o.fields {
		for range o.parents {
			x = &tree.Relative{Span: x.At(), Kin: tree.Parent, X: x}
		}
	}
	return operand{x: x}
}

// compare reads what is behind a comparator of signs.
func (p *parser) compare(left operand, opTok token) (operand, *ParseError) {
	text := p.text(opTok)
	if kind, not, ok := regexOp(text); ok {
		return p.match(left, opTok, kind, not)
	}
	op, known := tree.Eq, false
	for o := tree.Eq; o <= tree.Ge; o++ {
		if tree.OpNames[o] == text {
			op, known = o, true
		}
	}
	right, err := p.rightSide(&left, text)
	if err != nil {
		return operand{}, err
	}
	c := &tree.Compare{Op: op, Span: tree.Span{Pos: left.span().Pos, End: right.span().End}}
	if _, literal := left.x.(*tree.Literal); literal && known {
		if right, err = p.value(right); err != nil {
			return operand{}, err
		}
		if _, both := right.x.(*tree.Literal); both {
			return operand{}, p.notIdentifier(&left)
		}
		left, right, c.Op = right, left, mirror(op)
	}
	both, err := p.pair(&left, &right, c.Op == tree.Eq || c.Op == tree.Ne)
	if err != nil {
		return operand{}, err
	}
	if c.L, c.R = left.x, right.x; !known || c.Op >= tree.Lt && c.L.Type() == tree.String {
		e := p.errorHint(tree.Span{Pos: opTok.pos, End: opTok.end}, p.invalidOp(c.L, text), opHint(text))
		if f, ok := c.L.(*tree.Field); ok && known && numeral(f) && isField(c.R) {
			e.Hint = "strings have no order; " + tree.Text(f) + " + 0 is its number"
		}
		return operand{}, e
	}
	round(c.L, c.R)
	round(c.R, c.L)
	return about(&both, c), nil
}

// round makes an integer that no float64 is the nearest one where x has values of
// 64-bit floating point, as MLflow does.
func round(x, literal tree.Expr) {
	l, ok := literal.(*tree.Literal)
	if ok && x.Type() == tree.Number && l.Kind == tree.Int && (l.Float >= 1<<63 || int64(l.Float) != l.Int) {
		l.Kind, l.Int = tree.Number, 0
	}
}

func isField(x tree.Expr) bool {
	_, ok := x.(*tree.Field)
	return ok
}

// mirror is the comparison with its sides exchanged.
func mirror(op tree.Op) tree.Op {
	switch op {
	case tree.Lt:
		return tree.Gt
	case tree.Le:
		return tree.Ge
	case tree.Gt:
		return tree.Lt
	case tree.Ge:
		return tree.Le
	}
	return op
}

// numeral tells if a string may spell a number: those of params and tags.
func numeral(x tree.Expr) bool {
	f, ok := x.(*tree.Field)
	return ok && (f.Entity == tree.Param || f.Entity == tree.Tag)
}

// pair gives the two sides of a comparison the same kind. Where a param or tag
// meets a number, it is the number that it spells; equality of a logged model's
// takes a bare number for its text, as MLflow does.
func (p *parser) pair(left, right *operand, equality bool) (operand, *ParseError) {
	t := right.tok
	if right.x == nil && t.kind == tokPath {
		r, err := p.value(*right)
		if err != nil {
			e := p.errorAt(t.pos, t.end, p.wrongValue(left.x, p.text(t), true))
			if t.quote == 0 && (left.x.Type() != tree.String || err.Hint != keyHint(p.d, t.val, useFilter)) {
				e.Hint = err.Hint
			}
			return operand{}, e
		}
		*right = r
	}
	r, err := p.value(*right)
	if err != nil {
		return operand{}, err
	}
	*right = r
	both, err := p.merge(left, right)
	if err != nil {
		return operand{}, err
	}
	lit, isLit := r.x.(*tree.Literal)
	switch ln, rn := left.x.Type() != tree.String, r.x.Type() != tree.String; {
	case ln == rn:
	case ln && numeral(r.x):
		right.x = &tree.ToNumber{X: r.x}
	case ln && isLit && p.d == tree.ModelVersions && isField(left.x):
		// MLflow takes version_number = '2' too.
		i, err := strconv.ParseInt(lit.Str, 10, 64)
		if err != nil {
			f, _ := plainField(left.x)
			return operand{}, p.errorAt(lit.Pos, lit.End, "Invalid value for numeric attribute '"+f.Key+"': "+pyRepr(lit.Str))
		}
		right.x = &tree.Literal{Span: lit.Span, Kind: tree.Int, Int: i, Float: float64(i)}
	case rn && isLit && equality && p.d == tree.LoggedModels:
		right.x = &tree.Literal{Span: lit.Span, Kind: tree.String, Str: p.spelled(lit), Quote: '\''}
	case rn && numeral(left.x):
		left.x = &tree.ToNumber{X: left.x}
	default:
		s := r.span()
		e := p.errorAt(s.Pos, s.End, p.wrongValue(left.x, p.spanText(s), false))
		if isLit && ln {
			if _, ok := parseDate(lit.Str); ok {
				e.Hint = "write date(" + p.spanText(s) + ") for the time"
			}
		}
		return operand{}, e
	}
	return both, nil
}

// spelled is the text of a number that is taken for a string.
func (p *parser) spelled(lit *tree.Literal) string {
	if t := p.spanText(lit.Span); numberLen(t) == len(t) {
		return t
	}
	return tree.Text(lit)
}

// is reads what is behind IS.
func (p *parser) is(left operand, op token) (operand, *ParseError) {
	x := &tree.Is{Span: tree.Span{Pos: left.span().Pos}, X: left.x, Not: p.isWord(kwNot)}
	if x.Not {
		p.advance()
	}
	x.End = p.tok.end
	switch {
	case p.isWord(kwNull):
		p.advance()
		return about(&left, x), nil
	case p.says("NAN"), p.says("INF"):
		if x.What = tree.NaN; p.says("INF") {
			x.What = tree.Inf
		}
		n, ok := toNumber(x.X)
		if !ok {
			return operand{}, p.errorAt(op.pos, x.End, p.invalidOp(left.x, "IS "+x.What.String()))
		}
		x.X = n
		p.advance()
		return about(&left, x), nil
	case p.says("DISTINCT") && saying(p.peek(), "FROM"):
		p.advance()
		p.advance()
		return p.distinct(left, x.Not)
	}
	e := p.invalidToken(op)
	e.Hint = "IS is followed by [NOT] NULL, NAN, INF or DISTINCT FROM"
	return operand{}, e
}

func (p *parser) distinct(left operand, not bool) (operand, *ParseError) {
	c := &tree.Compare{Op: tree.Distinct}
	if not {
		c.Op = tree.NotDistinct
	}
	right, err := p.rightSide(&left, c.Op.String())
	if err != nil {
		return operand{}, err
	}
	c.Span = tree.Span{Pos: left.span().Pos, End: right.span().End}
	both, err := p.pair(&left, &right, true)
	c.L, c.R = left.x, right.x
	if err != nil {
		return operand{}, err
	}
	return about(&both, c), nil
}

// toNumber is x as a number, if it may be one.
func toNumber(x tree.Expr) (tree.Expr, bool) {
	switch {
	case x.Type() == tree.Number || x.Type() == tree.Int:
		return x, true
	case numeral(x):
		return &tree.ToNumber{X: x}, true
	}
	return nil, false
}

// between reads what is behind BETWEEN.
func (p *parser) between(left operand, op token, not bool) (operand, *ParseError) {
	lo, err := p.rightSide(&left, "BETWEEN")
	if err != nil {
		return operand{}, err
	}
	if !p.isWord(kwAnd) {
		e := p.invalidToken(p.tok)
		e.Hint = "BETWEEN is followed by two values with AND between them"
		return operand{}, e
	}
	p.advance()
	hi, err := p.rightSide(&left, "BETWEEN")
	if err != nil {
		return operand{}, err
	}
	x := &tree.Between{Span: tree.Span{Pos: left.span().Pos, End: hi.span().End}, Not: not}
	n, ok := toNumber(left.x)
	if !ok {
		return operand{}, p.errorAt(op.pos, op.end, p.invalidOp(left.x, "BETWEEN"))
	}
	left.x = n
	first := left
	both, err := p.pair(&left, &lo, false)
	if err != nil {
		return operand{}, err
	}
	both.x = n
	if both, err = p.pair(&both, &hi, false); err != nil {
		return operand{}, err
	}
	round(n, lo.x)
	round(n, hi.x)
	if x.X, x.Lo, x.Hi = n, lo.x, hi.x; !both.fields && isLiteral(n) && isLiteral(lo.x) && isLiteral(hi.x) {
		return operand{}, p.notIdentifier(&first)
	}
	return about(&both, x), nil
}

func isLiteral(x tree.Expr) bool {
	_, ok := x.(*tree.Literal)
	return ok
}
