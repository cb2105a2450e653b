package query

import (
	"math"
	"strconv"
	"strings"
)

// Node is a part of a filter's tree: *[And], *[Or], *[Not] or *[Pred]. Trees are
// read-only.
type Node interface {
	// Pos is the byte offset in the parsed text at which the node begins.
	Pos() int
	appendTo(p *printer)
}

// And matches if all of its two or more parts match. No part is an And.
type And struct{ Kids []Node }

// Or matches if any of its two or more parts matches. No part is an Or.
type Or struct{ Kids []Node }

// Not matches if its part does not.
type Not struct {
	At int
	X  Node
}

// Pred compares one field of a row with literals: none for [IsNull] and
// [IsNotNull], one or more for [In] and [NotIn], else one.
type Pred struct {
	Field  Field
	Op     Op
	OpPos  int
	Values []Literal

	like *pattern
	// promptTag: MLflow's tag of prompts, which rows without it have as 'false'.
	promptTag bool
}

// Field names a part of the row. Key is an attribute's canonical spelling.
type Field struct {
	Entity  Entity
	Key     string
	Numeric bool
	At, End int
	quote   byte
}

// LitKind tells which part of a [Literal] counts.
type LitKind uint8

// The kinds of literals. A LitInt has its Float too, rounded to nearest.
const (
	LitString LitKind = iota
	LitInt
	LitFloat
)

// Literal is a value written in the filter.
type Literal struct {
	Kind    LitKind
	Str     string
	Int     int64
	Float   float64 // ±Inf if the text was too large
	At, End int
	quote   byte
}

// Op is a comparator.
type Op uint8

// The comparators.
const (
	Eq Op = iota
	Ne
	Lt
	Le
	Gt
	Ge
	Like
	NotLike
	ILike
	NotILike
	In
	NotIn
	IsNull
	IsNotNull
)

var opNames = [...]string{"=", "!=", "<", "<=", ">", ">=", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE",
	"IN", "NOT IN", "IS NULL", "IS NOT NULL"}

func (o Op) String() string { return opNames[o] }

// Pos is the offset of the first part.
func (n *And) Pos() int { return n.Kids[0].Pos() }

// Pos is the offset of the first part.
func (n *Or) Pos() int { return n.Kids[0].Pos() }

// Pos is the offset of the word NOT.
func (n *Not) Pos() int { return n.At }

// Pos is the offset of the field.
func (n *Pred) Pos() int { return n.Field.At }

// printer writes the canonical text of a tree.
type printer struct {
	buf []byte
	// verbatim keeps every string in the quotes it came in. A string that ends
	// in a backslash is one only because nothing behind it closes it; changing
	// the quotes of its neighbours would move its end.
	verbatim bool
}

func (p *printer) join(kids []Node, word string, wrap func(Node) bool) {
	for i, k := range kids {
		if i > 0 {
			p.buf = append(p.buf, word...)
		}
		p.wrapped(k, wrap(k))
	}
}

func (p *printer) wrapped(n Node, parens bool) {
	if parens {
		p.buf = append(p.buf, '(')
	}
	n.appendTo(p)
	if parens {
		p.buf = append(p.buf, ')')
	}
}

func (n *And) appendTo(p *printer) {
	p.join(n.Kids, " AND ", func(k Node) bool { _, or := k.(*Or); return or })
}

func (n *Or) appendTo(p *printer) {
	p.join(n.Kids, " OR ", func(Node) bool { return false })
}

func (n *Not) appendTo(p *printer) {
	p.buf = append(p.buf, "NOT "...)
	switch n.X.(type) {
	case *And, *Or:
		p.wrapped(n.X, true)
	default:
		p.wrapped(n.X, false)
	}
}

func (n *Pred) appendTo(p *printer) {
	p.field(&n.Field)
	p.buf = append(append(p.buf, ' '), opNames[n.Op]...)
	switch n.Op {
	case IsNull, IsNotNull:
	case In, NotIn:
		p.buf = append(p.buf, " ("...)
		for i := range n.Values {
			if i > 0 {
				p.buf = append(p.buf, ", "...)
			}
			p.literal(&n.Values[i])
		}
		p.buf = append(p.buf, ')')
	default:
		p.buf = append(p.buf, ' ')
		p.literal(&n.Values[0])
	}
}

func (p *printer) field(f *Field) {
	p.buf = append(p.buf, entityPrefix[f.Entity]...)
	switch {
	case isBareKey(f.Key):
		p.buf = append(p.buf, f.Key...)
	case quotable(f.Key, '`'):
		p.quoted(f.Key, '`')
	default:
		p.quoted(f.Key, f.quote)
	}
}

func (p *printer) quoted(s string, q byte) {
	p.buf = append(append(append(p.buf, q), s...), q)
}

func (p *printer) literal(l *Literal) {
	switch l.Kind {
	case LitInt:
		p.buf = strconv.AppendInt(p.buf, l.Int, 10)
	case LitFloat:
		p.buf = append(p.buf, formatFloat(l.Float)...)
	default:
		q := l.quote
		if !p.verbatim && !strings.Contains(l.Str, "'") {
			q = '\''
		}
		p.quoted(l.Str, q)
	}
}

// formatFloat writes f so that it reads back as the same LitFloat, in a form
// that MLflow's own lexer takes too: no + in the exponent.
func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "1e999"
	case math.IsInf(f, -1):
		return "-1e999"
	}
	s := strings.Replace(strconv.FormatFloat(f, 'g', -1, 64), "e+", "e", 1)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// isBareKey tells if a key needs no quotes behind its entity.
func isBareKey(s string) bool {
	for {
		n := nameLen(s)
		if n == 0 {
			return false
		}
		if n == len(s) {
			return true
		}
		if s[n] != '.' {
			return false
		}
		s = s[n+1:]
	}
}

// quotable tells if s between two q is one quoted text again.
func quotable(s string, q byte) bool {
	n, complete := quotedLen(string(q) + s + string(q))
	return complete && n == len(s)+2
}

// walk calls fn for every comparison under n, from left to right.
func walk(n Node, fn func(*Pred)) {
	switch n := n.(type) {
	case *And:
		for _, k := range n.Kids {
			walk(k, fn)
		}
	case *Or:
		for _, k := range n.Kids {
			walk(k, fn)
		}
	case *Not:
		walk(n.X, fn)
	case *Pred:
		fn(n)
	}
}
