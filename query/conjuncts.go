package query

import "github.com/runstonedb/runstone/query/tree"

// Conjunct is one of the conditions that a filter joins with AND, with the
// parentheses around it: bytes Pos ≤ i < End of the text.
type Conjunct struct {
	tree.Span
	// Loose is set for conditions that OR joins and nothing holds together: they
	// need parentheses before another condition can stand beside them.
	Loose bool
}

// Conjuncts returns the conditions that the filter of a query joins with AND, in
// the order of the text; none when there is no filter. Each can be taken out of the
// text, with the AND beside it, or put in another's place, and what is left can be
// read. Conditions that share parentheses are one. Errors are those of [Parse].
func Conjuncts(d tree.Domain, text string) ([]Conjunct, error) {
	q, err := Parse(d, text)
	if err != nil || q.Filter == nil {
		return nil, err
	}
	kids := []tree.Expr{q.Filter}
	if and, ok := q.Filter.(*tree.And); ok {
		kids = and.Kids
	}
	p := &parser{d: d, lex: newLexer(text, d)}
	parts, perr := p.split()
	if perr != nil {
		return nil, perr
	}
	l := p.lex
	l.end = parts[clFilter].end
	var out []Conjunct
	var open *Conjunct // that the tokens belong to
	depth, next := 0, 0
	whole := false // what is open has a condition and may end here
	for t := l.next(); t.kind != tokEOF; t = l.next() {
		begins := next < len(kids) && kids[next].At().Pos < t.end
		inside := next > 0 && t.pos < kids[next-1].At().End
		if depth == 0 && !inside {
			and := t.kind == tokKeyword && t.word == kwAnd
			if open != nil && whole && (and || begins || t.kind == tokLParen) {
				out, open = append(out, *open), nil
			}
			if and {
				continue
			}
		}
		if open == nil {
			open = &Conjunct{Span: tree.Span{Pos: t.pos}}
			whole = false
		}
		open.End = t.end
		open.Loose = open.Loose || depth == 0 && t.kind == tokKeyword && t.word == kwOr
		if begins {
			next++
			whole = true
		}
		switch t.kind {
		case tokLParen, tokLBrace:
			depth++
		case tokRParen, tokRBrace:
			depth--
		}
	}
	if open != nil {
		out = append(out, *open)
	}
	return out, nil
}
