package graphql

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// document is a parsed request.
type document struct {
	operations []*operation
	fragments  []*fragment
	byName     map[string]*fragment
}

type operation struct {
	kind       string // query, mutation or subscription
	name       string
	vars       []variable
	directives []directive
	selections []*selection
}

type variable struct {
	name string
	typ  *typeRef
	def  *literal // nil for none
}

type fragment struct {
	name, on   string
	directives []directive
	selections []*selection
}

type selectionKind uint8

const (
	fieldSelection selectionKind = iota
	spreadSelection
	inlineSelection
)

// selection is a field, a spread of the fragment that name names, or a fragment
// without a name. nested is nil where there are no braces.
type selection struct {
	kind        selectionKind
	alias, name string
	on          string // of a fragment without a name, "" for none
	args        []argument
	directives  []directive
	nested      []*selection
}

// key is the name of a field in the answer.
func (s *selection) key() string {
	if s.alias != "" {
		return s.alias
	}
	return s.name
}

type directive struct {
	name string
	args []argument
}

type argument struct {
	name  string
	value *literal
}

type literalKind uint8

const (
	litNull literalKind = iota
	litBool
	litInt
	litFloat
	litString
	litEnum
	litVariable
	litList
	litObject
)

// literal is a value as written. text is a number as written, a string decoded,
// a name, true or false.
type literal struct {
	kind   literalKind
	text   string
	list   []*literal
	fields []argument
}

// String writes a literal as in a document.
func (l *literal) String() string {
	var b strings.Builder
	l.write(&b)
	return cut(b.String())
}

func (l *literal) write(b *strings.Builder) {
	if b.Len() > maxEcho {
		return
	}
	switch l.kind {
	case litNull:
		b.WriteString("null")
	case litString:
		b.WriteString(quote(l.text))
	case litVariable:
		b.WriteString("$" + l.text)
	case litList:
		b.WriteByte('[')
		for i, item := range l.list {
			if i > 0 {
				b.WriteString(", ")
			}
			item.write(b)
		}
		b.WriteByte(']')
	case litObject:
		b.WriteByte('{')
		for i, f := range l.fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.name + ": ")
			f.value.write(b)
		}
		b.WriteByte('}')
	default:
		b.WriteString(l.text)
	}
}

// equal compares two literals as written.
func (l *literal) equal(o *literal) bool {
	return l.kind == o.kind && l.text == o.text &&
		slices.EqualFunc(l.list, o.list, (*literal).equal) && sameArgs(l.fields, o.fields)
}

// sameArgs compares arguments, whose order is free and whose names are unique.
func sameArgs(a, b []argument) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		i := slices.IndexFunc(b, func(y argument) bool { return x.name == y.name })
		if i < 0 || !x.value.equal(b[i].value) {
			return false
		}
	}
	return true
}

// typeRef is the type of a variable, argument or field: a name, or a list of
// elem.
type typeRef struct {
	name    string
	elem    *typeRef
	nonNull bool
}

func (t *typeRef) String() string {
	s := t.name
	if t.elem != nil {
		s = "[" + t.elem.String() + "]"
	}
	if t.nonNull {
		s += "!"
	}
	return s
}

// base is the name inside of lists.
func (t *typeRef) base() string {
	for t.elem != nil {
		t = t.elem
	}
	return t.name
}

// maxNesting bounds braces and brackets inside each other, so that no text makes
// the parser's stack deep.
const maxNesting = 64

type parser struct {
	lex   lexer
	tok   token
	depth int
	err   error // the first; tok is then the end of the text
}

func newParser(text string) *parser {
	p := &parser{lex: lexer{s: text}}
	if !utf8.ValidString(text) {
		p.fail(syntaxError("Not UTF-8."))
		return p
	}
	p.advance()
	return p
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.tok = token{}
}

func (p *parser) unexpected() { p.fail(syntaxError("Unexpected %v.", p.tok)) }

func (p *parser) advance() {
	if p.err != nil {
		return
	}
	t, err := p.lex.next()
	if err != nil {
		p.fail(err)
		return
	}
	p.tok = t
}

// take takes a punctuator if it is there.
func (p *parser) take(punct string) bool {
	if p.tok.kind != tokenPunct || p.tok.text != punct {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(punct string) {
	if !p.take(punct) {
		p.fail(syntaxError("Expected '%s', found %v.", punct, p.tok))
	}
}

func (p *parser) at(word string) bool { return p.tok.kind == tokenName && p.tok.text == word }

func (p *parser) name() string {
	if p.tok.kind != tokenName {
		p.fail(syntaxError("Expected Name, found %v.", p.tok))
		return ""
	}
	s := p.tok.text
	p.advance()
	return s
}

// deeper notes that a brace opened; the caller closes it with p.depth--.
func (p *parser) deeper() {
	if p.depth++; p.depth > maxNesting {
		p.fail(syntaxError("Nested more than %d deep.", maxNesting))
	}
}

// many reads one or more of something between two punctuators.
func (p *parser) many(open, closing string, one func()) {
	p.expect(open)
	p.deeper()
	for first := true; p.err == nil && (first || !p.take(closing)); first = false {
		one()
	}
	p.depth--
}

// parseDocument reads a request. Its error is an *Error.
func parseDocument(text string) (*document, error) {
	p, d := newParser(text), &document{byName: map[string]*fragment{}}
	for first := true; p.err == nil && (first || p.tok.kind != tokenEOF); first = false {
		switch {
		case p.tok.kind == tokenPunct && p.tok.text == "{":
			d.operations = append(d.operations, &operation{kind: "query", selections: p.selections()})
		case p.at("query") || p.at("mutation") || p.at("subscription"):
			d.operations = append(d.operations, p.operation())
		case p.at("fragment"):
			f := p.fragment()
			d.fragments = append(d.fragments, f)
			d.byName[f.name] = f
		default:
			p.unexpected()
		}
	}
	return d, p.err
}

func (p *parser) operation() *operation {
	o := &operation{kind: p.name()}
	if p.tok.kind == tokenName {
		o.name = p.name()
	}
	if p.tok.kind == tokenPunct && p.tok.text == "(" {
		p.many("(", ")", func() {
			p.expect("$")
			v := variable{name: p.name()}
			p.expect(":")
			v.typ = p.typeRef()
			if p.take("=") {
				v.def = p.literal(true)
			}
			o.vars = append(o.vars, v)
		})
	}
	o.directives = p.directives()
	o.selections = p.selections()
	return o
}

func (p *parser) fragment() *fragment {
	p.advance()
	if p.at("on") {
		p.unexpected()
	}
	f := &fragment{name: p.name()}
	f.on = p.condition()
	f.directives = p.directives()
	f.selections = p.selections()
	return f
}

func (p *parser) condition() string {
	if !p.at("on") {
		p.fail(syntaxError("Expected 'on', found %v.", p.tok))
	}
	p.advance()
	return p.name()
}

func (p *parser) selections() []*selection {
	var out []*selection
	p.many("{", "}", func() { out = append(out, p.selection()) })
	return out
}

func (p *parser) selection() *selection {
	s := &selection{}
	if p.take("...") {
		switch {
		case p.at("on"):
			s.kind, s.on = inlineSelection, p.condition()
		case p.tok.kind == tokenName:
			s.kind, s.name = spreadSelection, p.name()
			s.directives = p.directives()
			return s
		default:
			s.kind = inlineSelection
		}
		s.directives = p.directives()
		s.nested = p.selections()
		return s
	}
	s.name = p.name()
	if p.take(":") {
		s.alias, s.name = s.name, p.name()
	}
	s.args = p.arguments(false)
	s.directives = p.directives()
	if p.tok.kind == tokenPunct && p.tok.text == "{" {
		s.nested = p.selections()
	}
	return s
}

func (p *parser) arguments(constant bool) []argument {
	var out []argument
	if p.tok.kind == tokenPunct && p.tok.text == "(" {
		p.many("(", ")", func() { out = append(out, p.argument(constant)) })
	}
	return out
}

func (p *parser) argument(constant bool) argument {
	a := argument{name: p.name()}
	p.expect(":")
	a.value = p.literal(constant)
	return a
}

func (p *parser) directives() []directive {
	var out []directive
	for p.take("@") {
		d := directive{name: p.name()}
		d.args = p.arguments(false)
		out = append(out, d)
	}
	return out
}

func (p *parser) typeRef() *typeRef {
	t := &typeRef{}
	if p.take("[") {
		p.deeper()
		t.elem = p.typeRef()
		p.expect("]")
		p.depth--
	} else {
		t.name = p.name()
	}
	t.nonNull = p.take("!")
	return t
}

// literal reads a value; a constant one holds no variables.
func (p *parser) literal(constant bool) *literal {
	l := &literal{text: p.tok.text}
	switch p.tok.kind {
	case tokenInt:
		l.kind = litInt
	case tokenFloat:
		l.kind = litFloat
	case tokenString:
		l.kind = litString
	case tokenName:
		switch l.text {
		case "true", "false":
			l.kind = litBool
		case "null":
			l.kind = litNull
		default:
			l.kind = litEnum
		}
	case tokenPunct:
		l.text = ""
		return p.composite(l, constant)
	default:
		p.unexpected()
	}
	p.advance()
	return l
}

func (p *parser) composite(l *literal, constant bool) *literal {
	switch {
	case p.tok.text == "$" && !constant:
		p.advance()
		l.kind, l.text = litVariable, p.name()
	case p.take("["):
		l.kind = litList
		p.deeper()
		for p.err == nil && !p.take("]") {
			l.list = append(l.list, p.literal(constant))
		}
		p.depth--
	case p.take("{"):
		l.kind = litObject
		p.deeper()
		for p.err == nil && !p.take("}") {
			l.fields = append(l.fields, p.argument(constant))
		}
		p.depth--
	default:
		p.unexpected()
	}
	return l
}
