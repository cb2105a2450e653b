package query

import (
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// Limits of a query; beyond them Parse fails.
const (
	MaxFilter  = 64 << 10 // bytes of the whole text
	MaxTokens  = 10_000
	MaxDepth   = 100     // of parentheses, NOT, minus and sums inside each other
	MaxPattern = 1 << 10 // bytes of one pattern of LIKE or regular expression

	MaxPatterns     = 128     // patterns in a query
	MaxPatternBytes = 4 << 10 // bytes of all of them
	MaxRegexp       = 1000    // instructions of all regular expressions
	MaxRelatives    = 128     // parents and children in a query

	MaxItems   = 64      // items of SELECT
	MaxGroupBy = 16      // keys of GROUP BY
	MaxOrderBy = 16      // order_by clauses
	maxParents = 8       // parent. in a row
	maxMessage = 1 << 10 // bytes of a ParseError's message, which repeats what was read
)

// Parse reads a query over rows of d; the text of a filter alone is one too. The
// empty text is every row. OrderBy is empty unless the text has an ORDER BY;
// [ParseOrderBy] gives the usual order. Every error is a *[ParseError].
func Parse(d tree.Domain, text string) (*tree.Query, error) {
	q := &tree.Query{Domain: d}
	if int(d) >= len(attributes) {
		return nil, &ParseError{Text: text, Msg: "there is no such kind of row to filter"}
	}
	if text == "" {
		return q, nil
	}
	p := &parser{d: d, lex: newLexer(text, d)}
	if len(text) > MaxFilter {
		return nil, p.errorAt(0, 0, "filter string is longer than 65536 bytes")
	}
	if err := p.failed(p.query(q)); err != nil {
		err.Text = text
		return nil, err.short()
	}
	return q, nil
}

// parser is a Pratt parser: expr reads a prefix, then infix operators that bind
// more strongly than its caller asks.
type parser struct {
	d     tree.Domain
	lex   lexer
	tok   token
	count int         // of tokens
	long  *ParseError // that there are too many
	depth int

	patterns, patternBytes, instructions, relatives int // so far

	grouped   bool               // the query has a GROUP BY
	aggregate bool               // a function here is one of the group
	keys      map[string]bool    // the texts of the keys of GROUP BY
	names     map[string]operand // the items of SELECT that have a name of their own
}

// Binding powers, weakest first. Two comparisons side by side are ANDed.
const (
	bpNone = iota
	bpOr
	bpAnd
	bpNot
	bpCompare
	bpSum
	bpTerm
	bpMinus
)

// operand is a condition or a value, in x, or a single name, string or number
// whose meaning depends on what is beside it, in tok.
type operand struct {
	x       tree.Expr
	tok     token
	parents int // how often its fields are of the parent
	fields  bool
	depth   int // of arithmetic
}

func (o *operand) condition() bool { return o.x != nil && o.x.Type() == tree.Bool }

func (o *operand) span() tree.Span {
	if o.x != nil {
		return o.x.At()
	}
	return tree.Span{Pos: o.tok.pos, End: o.tok.end}
}

// isName tells if o may name a field where MLflow takes a name: it takes one in
// double quotes too.
func (t *token) isName() bool {
	return t.kind == tokPath || t.kind == tokString && t.quote == '"'
}

func (p *parser) errorAt(pos, end int, msg string) *ParseError {
	return &ParseError{Text: p.lex.src, Pos: pos, End: end, Msg: msg}
}

func (p *parser) errorHint(s tree.Span, msg, hint string) *ParseError {
	return &ParseError{Text: p.lex.src, Pos: s.Pos, End: s.End, Msg: msg, Hint: hint}
}

// advance reads the next token. Beyond the limit the text ends, see long.
func (p *parser) advance() {
	p.tok = p.lex.next()
	if p.count++; p.count > MaxTokens {
		if p.long == nil {
			p.long = p.errorAt(p.tok.pos, p.tok.end, "filter string has more than 10000 words")
		}
		p.lex.end = p.tok.pos
		p.tok = token{pos: p.tok.pos, end: p.tok.pos}
	}
}

// failed is the error that counts of err and that there were too many tokens,
// which comes first: what is wrong behind it only seems so.
func (p *parser) failed(err *ParseError) *ParseError {
	if p.long != nil {
		return p.long
	}
	return err
}

// peek is the token behind the current one.
func (p *parser) peek() token {
	l := p.lex
	return l.next()
}

func (p *parser) isWord(k keyword) bool { return p.tok.kind == tokKeyword && p.tok.word == k }

// saying tells if t is one of the words that are no keywords everywhere.
func saying(t token, word string) bool {
	return t.kind == tokPath && t.quote == 0 && !t.hasEntity && t.parents == 0 && strings.EqualFold(t.val, word)
}

func (p *parser) says(word string) bool { return saying(p.tok, word) }

// isArith tells if the current token is the arithmetic operator.
func (p *parser) isArith(op byte) bool {
	return p.tok.kind == tokArith && p.lex.src[p.tok.pos] == op
}

func (p *parser) text(t token) string { return p.lex.src[t.pos:t.end] }

func (p *parser) spanText(s tree.Span) string { return p.lex.src[s.Pos:s.End] }

// expr reads operators that bind more strongly than min.
func (p *parser) expr(min int) (operand, *ParseError) {
	left, err := p.prefix()
	for err == nil {
		power := p.power(&left)
		if power <= min {
			return left, nil
		}
		switch power {
		case bpOr, bpAnd:
			left, err = p.join(left, power)
		case bpCompare:
			left, err = p.comparison(left)
		default:
			left, err = p.arithmetic(left, power)
		}
	}
	return operand{}, err
}

// power is how strongly the current token binds to what stands left of it, or
// bpNone if it is not an operator there.
func (p *parser) power(left *operand) int {
	if !left.condition() {
		switch {
		case p.isArith('+'), p.isArith('-'):
			return bpSum
		case p.tok.kind == tokArith:
			return bpTerm
		case p.tok.kind == tokOp, p.isWord(kwIn), p.isWord(kwLike), p.isWord(kwILike), p.isWord(kwIs), p.isWord(kwNot),
			p.says("BETWEEN"):
			return bpCompare
		}
		return bpNone
	}
	switch p.tok.kind {
	case tokPath:
		if p.says("FOR") || p.says("OVER") {
			return bpNone
		}
		return bpAnd
	case tokString, tokNumber, tokLParen:
		return bpAnd
	case tokKeyword:
		switch p.tok.word {
		case kwOr:
			return bpOr
		case kwAnd, kwNot:
			return bpAnd
		}
	}
	return bpNone
}

func (p *parser) prefix() (operand, *ParseError) {
	t := p.tok
	switch {
	case t.kind == tokPath:
		return p.name(t)
	case t.kind == tokString || t.kind == tokNumber:
		p.advance()
		return operand{tok: t}, nil
	case t.kind == tokLParen || p.isWord(kwNot) || p.isArith('-'):
		if err := p.deeper(t); err != nil {
			return operand{}, err
		}
		x, err := p.nested(t)
		p.depth--
		return x, err
	}
	return operand{}, p.invalidToken(t)
}

// deeper counts a level of nesting; the caller takes it off again.
func (p *parser) deeper(t token) *ParseError {
	if p.depth++; p.depth > MaxDepth {
		return p.errorAt(t.pos, t.end, "filter string is nested more than 100 deep")
	}
	return nil
}

// name reads what begins with a name: a field, a function or a word with a
// grammar of its own.
func (p *parser) name(t token) (operand, *ParseError) {
	p.advance()
	bare := t.quote == 0 && !t.hasEntity && t.parents == 0
	switch {
	case bare && p.tok.kind == tokLParen:
		if err := p.deeper(t); err != nil {
			return operand{}, err
		}
		x, err := p.call(t)
		p.depth--
		return x, err
	case bare && p.tok.kind == tokPath:
		if x, ok, err := p.phrase(t); ok {
			return x, err
		}
	case t.hasEntity && p.tok.kind == tokLBrace:
		return p.selected(t)
	}
	return operand{tok: t}, nil
}

// nested reads what stands behind NOT, a minus or an opening parenthesis.
func (p *parser) nested(open token) (operand, *ParseError) {
	p.advance()
	switch open.kind {
	case tokArith:
		return p.minus(open)
	case tokKeyword:
		x, err := p.condition(bpNot)
		if err != nil {
			return operand{}, err
		}
		return operand{x: &tree.Not{Span: tree.Span{Pos: open.pos, End: x.At().End}, X: x}}, nil
	}
	x, err := p.expr(bpNone)
	if err != nil {
		return operand{}, err
	}
	if x.x == nil && p.tok.kind != tokRParen && p.tok.kind != tokEOF {
		return operand{}, p.notCondition(&x)
	}
	return x, p.closing()
}

// closing takes the parenthesis that ends what was opened.
func (p *parser) closing() *ParseError {
	if p.tok.kind != tokRParen {
		err := p.invalidToken(p.tok)
		err.Hint = "a parenthesis is not closed"
		return err
	}
	p.advance()
	return nil
}

// join reads what stands behind AND or OR. It flattens as it goes: a chain of
// thousands makes one flat node.
func (p *parser) join(left operand, power int) (operand, *ParseError) {
	if power == bpAnd {
		p.skipAnds()
		if p.tok.kind == tokEOF && p.depth == 0 {
			return left, nil
		}
	} else {
		p.advance()
	}
	right, err := p.condition(power)
	if err != nil {
		return operand{}, err
	}
	span := tree.Span{Pos: left.x.At().Pos, End: right.At().End}
	if power == bpOr {
		n, ok := left.x.(*tree.Or)
		if !ok {
			n = &tree.Or{Kids: []tree.Expr{left.x}}
		}
		if r, ok := right.(*tree.Or); ok {
			n.Kids = append(n.Kids, r.Kids...)
		} else {
			n.Kids = append(n.Kids, right)
		}
		n.Span = span
		return operand{x: n}, nil
	}
	n, ok := left.x.(*tree.And)
	if !ok {
		n = &tree.And{Kids: []tree.Expr{left.x}}
	}
	if r, ok := right.(*tree.And); ok {
		n.Kids = append(n.Kids, r.Kids...)
	} else {
		n.Kids = append(n.Kids, right)
	}
	n.Span = span
	return operand{x: n}, nil
}

// skipAnds passes over ANDs: MLflow takes one that joins nothing.
func (p *parser) skipAnds() {
	for p.isWord(kwAnd) {
		p.advance()
	}
}

func (p *parser) condition(min int) (tree.Expr, *ParseError) {
	x, err := p.expr(min)
	if err != nil {
		return nil, err
	}
	if !x.condition() {
		return nil, p.notCondition(&x)
	}
	return x.x, nil
}

// wholeCondition reads a condition up to the end of the text or clause.
func (p *parser) wholeCondition() (tree.Expr, *ParseError) {
	first := p.tok
	p.skipAnds()
	if p.tok.kind == tokEOF {
		return nil, p.invalidToken(first)
	}
	x, err := p.condition(bpNone)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEOF {
		return nil, p.invalidToken(p.tok)
	}
	return x, nil
}
