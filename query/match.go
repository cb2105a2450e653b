package query

import (
	"errors"
	"regexp/syntax"
	"strconv"

	"github.com/runstonedb/runstone/query/tree"
)

func regexOp(s string) (kind tree.Pattern, not, ok bool) {
	switch s {
	case "~":
		return tree.Regex, false, true
	case "~*":
		return tree.IRegex, false, true
	case "!~":
		return tree.Regex, true, true
	case "!~*":
		return tree.IRegex, true, true
	}
	return 0, false, false
}

// match reads the pattern behind LIKE, ILIKE or a sign of regular expressions.
func (p *parser) match(left operand, op token, kind tree.Pattern, not bool) (operand, *ParseError) {
	name := p.text(op)
	if kind <= tree.ILike {
		name = [...]string{"LIKE", "ILIKE"}[kind]
		if not {
			name = "NOT " + name
		}
	}
	if isLiteral(left.x) {
		return operand{}, p.notIdentifier(&left)
	}
	valuePos := p.tok.pos
	right, err := p.rightSide(&left, name)
	if err != nil {
		return operand{}, err
	}
	s := right.span()
	x := &tree.Match{Span: tree.Span{Pos: left.span().Pos, End: s.End}, X: left.x, Kind: kind, Not: not}
	badOp := p.errorAt(op.pos, min(valuePos, op.pos+len(name)), p.invalidOp(left.x, name))
	switch t := right.tok; {
	case left.x.Type() != tree.String && !isField(left.x):
		return operand{}, badOp
	case left.x.Type() != tree.String:
		if right.x != nil {
			return operand{}, p.errorAt(s.Pos, s.End, p.wrongValue(left.x, p.spanText(s), false))
		}
		if _, err := p.pair(&left, &right, false); err != nil {
			return operand{}, err
		}
		return operand{}, badOp
	case right.x == nil && t.kind == tokString:
		x.Pattern = t.val
	case right.x == nil && t.kind == tokNumber && p.d == tree.LoggedModels:
		x.Pattern = p.text(t)
	default:
		return operand{}, p.errorAt(s.Pos, s.End, p.wrongValue(left.x, p.spanText(s), right.x == nil && t.kind == tokPath))
	}
	if err := p.pattern(x, s); err != nil {
		return operand{}, err
	}
	return about(&left, x), nil
}

// pattern holds the pattern of x, which stands at s, to the limits.
func (p *parser) pattern(x *tree.Match, s tree.Span) *ParseError {
	p.patterns++
	p.patternBytes += len(x.Pattern)
	switch {
	case len(x.Pattern) > MaxPattern:
		return p.errorAt(s.Pos, s.End, "the pattern is longer than 1024 bytes")
	case p.patterns > MaxPatterns:
		return p.errorAt(s.Pos, s.End, "filter string has more than 128 patterns")
	case p.patternBytes > MaxPatternBytes:
		return p.errorAt(s.Pos, s.End, "the patterns of the filter string are longer than 4096 bytes together")
	case x.Kind <= tree.ILike:
		return nil
	}
	flags := syntax.Perl
	if x.Kind == tree.IRegex {
		flags |= syntax.FoldCase
	}
	re, err := syntax.Parse(x.Pattern, flags)
	if err != nil {
		msg := err.Error()
		var bad *syntax.Error
		if errors.As(err, &bad) {
			msg = string(bad.Code) + ": " + pyRepr(bad.Expr)
		}
		return p.errorHint(s, "Invalid regular expression: "+msg, "the syntax is RE2's")
	}
	if p.instructions += regexpSize(re); p.instructions > MaxRegexp {
		return p.errorAt(s.Pos, s.End, "the regular expressions of the filter string are larger than "+strconv.Itoa(MaxRegexp)+
			" instructions together: they repeat too much")
	}
	return nil
}

// regexpSize is about the number of instructions that re compiles to, each of which
// may be looked at for each byte of a string; long texts and classes count less. The
// parser's limit of 1000 for repetitions inside each other keeps it finite.
func regexpSize(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral: // of which the patterns have but 4 KiB
		n += len(re.Rune) / 8
	case syntax.OpCharClass: // one, which searches its ranges
		n += len(re.Rune) / 64
	}
	for _, sub := range re.Sub {
		n += regexpSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max) + 1
	}
	return n
}
