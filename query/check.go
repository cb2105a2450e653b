package query

import (
	"strconv"
	"strings"
)

var (
	numericOps = []string{"=", "!=", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL"}
	stringOps  = []string{"=", "!=", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"}
)

// opHints are the comparators of other languages.
var opHints = map[string]string{"==": "=", "<>": "!=", "=<": "<=", "=>": ">=", "~=": "LIKE", "=~": "LIKE", "~": "LIKE"}

// comparison reads a comparator and its right side; left is the token before it.
// The field is judged first, then the value, then whether the two may be
// compared so: that is the order of MLflow's messages.
func (p *parser) comparison(left token) (operand, *ParseError) {
	f, err := p.field(left)
	if err != nil {
		return operand{}, err
	}
	c := &Pred{Field: f, OpPos: p.tok.pos}
	c.promptTag = f.Entity == Tag && f.Key == promptTag && (p.d == RegisteredModels || p.d == ModelVersions)
	opText, known, err := p.operator(c)
	if err != nil {
		return operand{}, err
	}
	opEnd := p.tok.pos
	if c.Op != IsNull && c.Op != IsNotNull || !known {
		if opEnd, err = p.values(c, left, opText); err != nil {
			return operand{}, err
		}
	}
	if !known || !c.allowed() {
		e := p.errorAt(c.OpPos, min(opEnd, c.OpPos+len(opText)), p.invalidOp(&f, opText))
		if want, ok := opHints[opText]; ok {
			e.Hint = "did you mean '" + want + "'?"
		}
		return operand{}, e
	}
	if c.Op >= Like && c.Op <= NotILike {
		v := &c.Values[0]
		p.patterns++
		p.patternBytes += len(v.Str)
		switch {
		case len(v.Str) > MaxPattern:
			return operand{}, p.errorAt(v.At, v.End, "the pattern is longer than 1024 bytes")
		case p.patterns > MaxPatterns:
			return operand{}, p.errorAt(v.At, v.End, "filter string has more than 128 patterns")
		case p.patternBytes > MaxPatternBytes:
			return operand{}, p.errorAt(v.At, v.End, "the patterns of the filter string are longer than 4096 bytes together")
		}
		c.like = newPattern(v.Str, c.Op == ILike || c.Op == NotILike)
	}
	return operand{node: c}, nil
}

func (c *Pred) allowed() bool {
	switch c.Op {
	case IsNull, IsNotNull, Eq, Ne:
		return true
	case Lt, Le, Gt, Ge:
		return c.Field.Numeric
	}
	return !c.Field.Numeric
}

// operator reads the comparator at the current token into c.Op. A run of signs
// that is none is still taken, so that the value behind it is judged first.
func (p *parser) operator(c *Pred) (text string, known bool, err *ParseError) {
	t := p.tok
	if err := p.advance(); err != nil {
		return "", false, err
	}
	if t.kind == tokOp {
		text = p.text(t)
		for op := Eq; op <= Ge; op++ {
			if opNames[op] == text {
				c.Op = op
				return text, true, nil
			}
		}
		return text, false, nil
	}
	switch t.word {
	case kwIn:
		c.Op = In
	case kwLike:
		c.Op = Like
	case kwILike:
		c.Op = ILike
	case kwNot:
		switch {
		case p.isWord(kwIn):
			c.Op = NotIn
		case p.isWord(kwLike):
			c.Op = NotLike
		case p.isWord(kwILike):
			c.Op = NotILike
		default:
			return "", false, p.invalidToken(t)
		}
		err = p.advance()
	case kwIs:
		c.Op = IsNull
		if p.isWord(kwNot) {
			c.Op = IsNotNull
			if err := p.advance(); err != nil {
				return "", false, err
			}
		}
		if !p.isWord(kwNull) {
			e := p.invalidToken(t)
			e.Hint = "IS is followed by NULL or NOT NULL"
			return "", false, e
		}
		err = p.advance()
	}
	return opNames[c.Op], true, err
}

func (p *parser) invalidOp(f *Field, op string) string {
	ops := stringOps
	if f.Numeric {
		ops = numericOps
	}
	switch {
	case p.d == LoggedModels:
		entity := "attributes."
		if f.Entity != Attribute {
			entity = entityPrefix[f.Entity]
		}
		return "Invalid comparison operator for " + entity + f.Key + ": " + pyRepr(op) +
			". Expected one of (" + strings.Trim(pySet(ops), "{}") + ")."
	case p.d == Runs, p.d == Experiments && f.Entity == Attribute:
		return "Invalid comparator '" + op + "' not one of '" + pySet(ops) + "'"
	case f.Entity == Tag:
		return "Invalid comparator for tag: " + op
	case f.Numeric:
		return "Invalid comparator for attribute " + f.Key + ": " + op
	}
	return "Invalid comparator for attribute: " + op
}

// field resolves the name left of a comparator.
func (p *parser) field(t token) (Field, *ParseError) {
	name := t.kind == tokPath || t.kind == tokString && t.quote == '"'
	if !name {
		return Field{}, p.errorAt(t.pos, t.end, "Invalid comparison clause. Expected 'Identifier' found '"+p.text(t)+"'")
	}
	return p.d.resolve(p.lex.src, t, useFilter)
}

// resolve finds what the path t of src means in d.
func (d Domain) resolve(src string, t token, use uint8) (Field, *ParseError) {
	f := Field{Key: t.val, At: t.pos, End: t.end, quote: t.quote}
	fail := func(end int, msg, hint string) (Field, *ParseError) {
		return f, &ParseError{Text: src, Pos: t.pos, End: end, Msg: msg, Hint: hint}
	}
	entity, hasEntity := t.entity, t.hasEntity
	if !hasEntity && t.quote != 0 {
		// A name that is quoted as a whole is cut at its dot all the same.
		entity, _, hasEntity = strings.Cut(src[t.pos:t.end], ".")
	}
	if hasEntity {
		e, ok := d.entity(entity)
		if !ok {
			hint := didYouMean(entity, d.entitySpellings())
			if t.quote != 0 && !t.hasEntity {
				hint = "quote only the key, behind the dot"
			}
			return fail(min(t.end, t.pos+len(entity)), d.invalidEntity(entity), hint)
		}
		f.Entity = e
	}
	switch f.Entity {
	case Attribute:
		a, ok := d.attribute(t.val, use)
		if !ok {
			return fail(t.end, d.invalidAttribute(t.val, use), didYouMean(t.val, d.attributeNames(use)))
		}
		f.Key, f.Numeric = a.key, a.numeric
	case DatasetInput:
		for _, k := range datasetKeys {
			if k == t.val {
				return f, nil
			}
		}
		return fail(t.end, "Invalid dataset key '"+t.val+"' specified. Valid keys are '"+pySet(datasetKeys)+"'",
			didYouMean(t.val, datasetKeys))
	case Metric:
		f.Numeric = true
	}
	return f, nil
}

// values reads the right side of c and reports where it begins.
func (p *parser) values(c *Pred, left token, op string) (pos int, err *ParseError) {
	t := p.tok
	if t.kind == tokLParen {
		return t.pos, p.list(c)
	}
	usable := t.kind == tokString || t.kind == tokNumber || t.kind == tokPath || t.kind == tokBad && t.end-t.pos > 1
	if c.Op == In || c.Op == NotIn || !usable {
		words := []string{p.text(left), op}
		if t.kind != tokEOF {
			words = append(words, p.text(t))
		}
		e := p.invalid(left.pos, t.end, words...)
		switch {
		case c.Op == In || c.Op == NotIn:
			e.Hint = "IN is followed by a list in parentheses"
		case t.kind == tokBad:
			e.Hint = p.badHint(t)
		default:
			e.Hint = "a value is missing"
		}
		return t.pos, e
	}
	v, err := p.value(&c.Field, t)
	if err != nil {
		return t.pos, err
	}
	c.Values = []Literal{v}
	return t.pos, p.advance()
}

// value judges one literal.
func (p *parser) value(f *Field, t token) (Literal, *ParseError) {
	v := Literal{At: t.pos, End: t.end, Str: t.val, quote: t.quote}
	if f.Numeric && t.kind == tokString && p.d == ModelVersions {
		// MLflow takes version_number = '2' too.
		i, err := strconv.ParseInt(t.val, 10, 64)
		if err != nil {
			return v, p.errorAt(t.pos, t.end, "Invalid value for numeric attribute '"+f.Key+"': "+pyRepr(t.val))
		}
		return Literal{Kind: LitInt, Int: i, Float: float64(i), At: t.pos, End: t.end}, nil
	}
	switch {
	case f.Numeric && t.kind == tokNumber:
		return p.number(t), nil
	case !f.Numeric && t.kind == tokString:
		return v, nil
	case !f.Numeric && t.kind == tokNumber && p.d == LoggedModels:
		v.Str, v.quote = p.text(t), '\''
		return v, nil
	}
	return v, p.errorAt(t.pos, t.end, p.wrongValue(f, p.text(t), t.kind == tokPath))
}

func (p *parser) number(t token) Literal {
	text := p.text(t)
	v := Literal{Kind: LitFloat, At: t.pos, End: t.end}
	// Out of range the result is ±Inf or 0, as in MLflow; no other error is left.
	v.Float, _ = strconv.ParseFloat(text, 64)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		v.Kind, v.Int, v.Float = LitInt, i, float64(i)
	}
	return v
}

// wrongValue is MLflow's message for a value of the wrong type.
func (p *parser) wrongValue(f *Field, text string, word bool) string {
	switch {
	case f.Entity == Metric:
		return "Expected numeric value type for metric. Found " + text
	case f.Numeric:
		return "Expected numeric value type for numeric attribute: " + f.Key + ". Found " + text
	case word:
		return "Parameter value is either not quoted or unidentified quote types used for string value " + text +
			". Use either single or double quotes."
	case f.Entity == DatasetInput:
		return "Expected a quoted string value for dataset attributes. Got value " + text
	case f.Entity != Attribute:
		return "Expected a quoted string value for " + f.Entity.String() + " (e.g. 'my-value'). Got value " + text
	case p.d == ModelVersions:
		return "Only the '{'version_number', 'last_updated_timestamp', 'creation_timestamp'}' attributes support " +
			"comparison with numeric values."
	case p.d == RegisteredModels:
		return "Expected a quoted string value or a list of quoted string values for attributes. Got value " + text
	}
	return "Expected a quoted string value for attributes. Got value " + text
}

// list reads ('a', "b", …); a comma before the closing parenthesis is allowed.
func (p *parser) list(c *Pred) *ParseError {
	open := p.tok
	fail := func(end int, what string) *ParseError {
		return p.errorAt(open.pos, end, "While parsing a list in the query, expected "+what)
	}
	wrongType := false
	for comma := true; ; {
		if err := p.advance(); err != nil {
			return err
		}
		t := p.tok
		switch {
		case t.kind == tokRParen:
			if len(c.Values) == 0 {
				return fail(t.end, "a non-empty list of string values, but got empty list")
			}
			return p.endList(c, open, t, wrongType)
		case comma && (t.kind == tokString || t.kind == tokNumber):
			wrongType = wrongType || t.kind == tokNumber
			c.Values = append(c.Values, Literal{Str: t.val, At: t.pos, End: t.end, quote: t.quote})
			comma = false
		case t.kind == tokComma && !comma:
			comma = true
		default:
			return fail(t.end, "a non-empty list of string values, but got ill-formed list.")
		}
	}
}

func (p *parser) endList(c *Pred, open, last token, wrongType bool) *ParseError {
	text := p.lex.src[open.pos:last.end]
	switch {
	case c.Field.Numeric || c.Op != In && c.Op != NotIn:
		return p.errorAt(open.pos, last.end, p.wrongValue(&c.Field, text, false))
	case wrongType:
		return p.errorAt(open.pos, last.end, "While parsing a list in the query, expected string value, punctuation, "+
			"or whitespace, but got different type in list: "+text)
	}
	return p.advance()
}
