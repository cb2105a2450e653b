package query

import "strings"

// Limits of a filter; beyond them Parse fails.
const (
	MaxFilter  = 64 << 10 // bytes
	MaxTokens  = 10_000
	MaxDepth   = 100     // of parentheses and NOT inside each other
	MaxPattern = 1 << 10 // bytes of one LIKE or ILIKE pattern

	MaxPatterns     = 128     // patterns in a filter
	MaxPatternBytes = 4 << 10 // bytes of all of them

	MaxOrderBy = 16      // order_by clauses
	maxMessage = 1 << 10 // bytes of a ParseError's message, which repeats what was read
)

// Parse reads a filter over rows of d. The empty filter matches every row.
// Every error is a *[ParseError].
func Parse(d Domain, filter string) (*Filter, error) {
	f := &Filter{domain: d}
	if int(d) >= len(attributes) {
		return nil, &ParseError{Text: filter, Msg: "there is no such kind of row to filter"}
	}
	if filter == "" {
		return f, nil
	}
	p := &parser{d: d, lex: lexer{src: filter}}
	if len(filter) > MaxFilter {
		return nil, p.errorAt(0, 0, "filter string is longer than 65536 bytes")
	}
	root, err := p.filter()
	if err != nil {
		err.Text = filter
		return nil, err.short()
	}
	f.root = root
	walk(root, func(c *Pred) { f.needs.note(&c.Field) })
	f.needs.normalize()
	return f, nil
}

// parser is a Pratt parser: expr reads a prefix, then infix operators that bind
// at least as strongly as its caller asks. Both sides are operands, so that
// operators on values can join the table without a change to the shape.
type parser struct {
	d     Domain
	lex   lexer
	tok   token
	count int
	depth int

	patterns, patternBytes int // of LIKE and ILIKE so far
}

// Binding powers, weakest first. Two comparisons side by side are ANDed.
const (
	bpNone = iota
	bpOr
	bpAnd
	bpNot
	bpCompare
)

// operand is either a condition (node) or a single value or name (tok).
type operand struct {
	node Node
	tok  token
}

func (p *parser) errorAt(pos, end int, msg string) *ParseError {
	return &ParseError{Text: p.lex.src, Pos: pos, End: end, Msg: msg}
}

func (p *parser) advance() *ParseError {
	p.tok = p.lex.next()
	if p.count++; p.count > MaxTokens {
		return p.errorAt(p.tok.pos, p.tok.end, "filter string has more than 10000 words")
	}
	return nil
}

func (p *parser) isWord(k keyword) bool { return p.tok.kind == tokKeyword && p.tok.word == k }

func (p *parser) text(t token) string { return p.lex.src[t.pos:t.end] }

// invalid is MLflow's message for words that make no comparison.
func (p *parser) invalid(pos, end int, words ...string) *ParseError {
	if p.d == LoggedModels {
		return p.errorAt(pos, end, "Invalid filter string: "+pyRepr(p.lex.src)+". Expected a list of comparisons "+
			"separated by 'AND' (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01').")
	}
	if p.d == Runs {
		for i, w := range words {
			words[i] = "'" + w + "'"
		}
	}
	return p.errorAt(pos, end, "Invalid clause(s) in filter string: "+strings.Join(words, ", "))
}

func (p *parser) invalidToken(t token) *ParseError {
	if t.kind == tokEOF {
		return p.errorAt(t.pos, t.end, "Invalid filter "+pyRepr(p.lex.src)+". It ends too early.")
	}
	err := p.invalid(t.pos, t.end, p.text(t))
	switch t.kind {
	case tokSemi:
		if strings.TrimSpace(p.lex.src[t.end:]) != "" {
			err.Msg = p.d.severalStatements(p.lex.src)
		}
	case tokBad:
		err.Hint = p.badHint(t)
	}
	return err
}

func (d Domain) severalStatements(src string) string {
	if d == LoggedModels {
		return "Invalid filter string: " + pyRepr(src) + ". Expected a single SQL expression."
	}
	return "Search filter contained multiple expression " + pyRepr(src) + ". Provide AND-ed expression list."
}

func (d Domain) blank(src string) string {
	if d == LoggedModels {
		return d.severalStatements(src)
	}
	return "Invalid filter '" + src + "'. Could not be parsed."
}

func (p *parser) badHint(t token) string {
	switch text := p.text(t); {
	case text == "'" || text == `"` || text == "`":
		return "the quote is not closed"
	case t.hasEntity:
		return "put the key in `backticks`"
	}
	return ""
}

func (p *parser) filter() (Node, *ParseError) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEOF {
		return nil, p.errorAt(0, len(p.lex.src), p.d.blank(p.lex.src))
	}
	// MLflow passes over an AND that joins nothing.
	first := p.tok
	if err := p.skipAnds(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEOF {
		return nil, p.invalidToken(first)
	}
	x, err := p.expr(bpNone)
	if err != nil {
		return nil, err
	}
	if x.node == nil {
		return nil, p.notCondition(x.tok)
	}
	if p.tok.kind != tokEOF {
		return nil, p.invalidToken(p.tok)
	}
	return x.node, nil
}

func (p *parser) skipAnds() *ParseError {
	for p.isWord(kwAnd) {
		if err := p.advance(); err != nil {
			return err
		}
	}
	return nil
}

// notCondition is the error for a value or name that stands alone.
func (p *parser) notCondition(t token) *ParseError {
	err := p.invalid(t.pos, t.end, p.text(t))
	next := p.tok
	switch {
	case next.kind == tokBad && next.pos == t.end && (t.kind == tokPath || t.kind == tokNumber):
		err.End = next.end
		err.Hint = "put a key with such characters in `backticks`"
	case next.kind == tokPath && t.kind == tokPath:
		err.Hint = "'" + p.text(next) + "' is no comparator; put a key with blanks in `backticks`"
	}
	return err
}

// expr reads operators that bind more strongly than min.
func (p *parser) expr(min int) (operand, *ParseError) {
	left, err := p.prefix()
	for err == nil {
		power := p.power(left)
		if power <= min {
			return left, nil
		}
		switch power {
		case bpOr:
			left, err = p.or(left)
		case bpAnd:
			left, err = p.and(left)
		default:
			left, err = p.comparison(left.tok)
		}
	}
	return operand{}, err
}

// power is how strongly the current token binds to what stands left of it, or
// bpNone if it is not an operator there.
func (p *parser) power(left operand) int {
	if left.node == nil {
		switch {
		case p.tok.kind == tokOp, p.isWord(kwIn), p.isWord(kwLike), p.isWord(kwILike), p.isWord(kwIs), p.isWord(kwNot):
			return bpCompare
		}
		return bpNone
	}
	switch p.tok.kind {
	case tokPath, tokString, tokNumber, tokLParen:
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
	case t.kind == tokPath || t.kind == tokString || t.kind == tokNumber:
		return operand{tok: t}, p.advance()
	case t.kind == tokLParen || p.isWord(kwNot):
		if p.depth++; p.depth > MaxDepth {
			return operand{}, p.errorAt(t.pos, t.end, "filter string is nested more than 100 deep")
		}
		x, err := p.nested(t)
		p.depth--
		return x, err
	}
	return operand{}, p.invalidToken(t)
}

// nested reads what stands behind NOT or an opening parenthesis.
func (p *parser) nested(open token) (operand, *ParseError) {
	if err := p.advance(); err != nil {
		return operand{}, err
	}
	not := open.kind == tokKeyword
	min := bpNone
	if not {
		min = bpNot
	}
	x, err := p.expr(min)
	if err != nil {
		return operand{}, err
	}
	if x.node == nil {
		return operand{}, p.notCondition(x.tok)
	}
	if not {
		return operand{node: &Not{At: open.pos, X: x.node}}, nil
	}
	if p.tok.kind != tokRParen {
		err := p.invalidToken(p.tok)
		err.Hint = "a parenthesis is not closed"
		return operand{}, err
	}
	return x, p.advance()
}

// or and and flatten as they go: a chain of thousands makes one flat node.
func (p *parser) or(left operand) (operand, *ParseError) {
	if err := p.advance(); err != nil {
		return operand{}, err
	}
	right, err := p.condition(bpOr)
	if err != nil {
		return operand{}, err
	}
	n, ok := left.node.(*Or)
	if !ok {
		n = &Or{Kids: []Node{left.node}}
	}
	if r, ok := right.(*Or); ok {
		n.Kids = append(n.Kids, r.Kids...)
	} else {
		n.Kids = append(n.Kids, right)
	}
	return operand{node: n}, nil
}

func (p *parser) and(left operand) (operand, *ParseError) {
	if err := p.skipAnds(); err != nil {
		return operand{}, err
	}
	if p.tok.kind == tokEOF && p.depth == 0 {
		return left, nil
	}
	right, err := p.condition(bpAnd)
	if err != nil {
		return operand{}, err
	}
	n, ok := left.node.(*And)
	if !ok {
		n = &And{Kids: []Node{left.node}}
	}
	if r, ok := right.(*And); ok {
		n.Kids = append(n.Kids, r.Kids...)
	} else {
		n.Kids = append(n.Kids, right)
	}
	return operand{node: n}, nil
}

func (p *parser) condition(min int) (Node, *ParseError) {
	x, err := p.expr(min)
	if err != nil {
		return nil, err
	}
	if x.node == nil {
		return nil, p.notCondition(x.tok)
	}
	return x.node, nil
}
