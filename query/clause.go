package query

import (
	"math"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// clauseKind is a part of a query, in the order in which they are read: what an
// item means depends on the groups, what ORDER BY means on the items.
type clauseKind uint8

const (
	clFilter clauseKind = iota
	clGroupBy
	clSelect
	clHaving
	clOrderBy
	clLimit
	clOffset
	clauseKinds
)

var clauseWords = [...]string{clGroupBy: "GROUP", clSelect: "SELECT", clHaving: "HAVING", clOrderBy: "ORDER",
	clLimit: "LIMIT", clOffset: "OFFSET"}

// clause is where the words of a clause begin behind its name, and where they
// end.
type clause struct {
	there      bool
	word       token
	start, end int
}

// split finds the clauses of the text. They begin with a word outside
// parentheses that stands where no name could.
func (p *parser) split() (parts [clauseKinds]clause, err *ParseError) {
	l := p.lex
	parts[clFilter] = clause{there: true, end: l.end}
	last := clFilter
	depth := 0
	var before token
	afterAs := false
	for t := l.next(); t.kind != tokEOF && t.kind != tokBad; {
		next := l.next()
		switch t.kind {
		case tokLParen, tokLBrace:
			depth++
		case tokRParen, tokRBrace:
			depth--
		}
		kind := startsClause(t, next)
		if kind != clFilter && depth == 0 && before.kind != tokOp && !afterAs {
			if parts[kind].there {
				return parts, p.errorAt(t.pos, t.end, "there are two clauses that begin with "+clauseWords[kind])
			}
			parts[last].end = t.pos
			last = kind
			parts[kind] = clause{there: true, word: t, start: t.end, end: l.end}
			if kind == clGroupBy || kind == clOrderBy {
				parts[kind].start = next.end
				next = l.next()
			}
		}
		afterAs = saying(t, "AS") && !afterAs
		before, t = t, next
	}
	return parts, nil
}

func startsClause(t, next token) clauseKind {
	if t.kind != tokPath || next.kind == tokOp {
		return clFilter
	}
	for k := clGroupBy; k < clauseKinds; k++ {
		if saying(t, clauseWords[k]) {
			if (k == clGroupBy || k == clOrderBy) && !saying(next, "BY") {
				return clFilter
			}
			return k
		}
	}
	return clFilter
}

// enter makes the parser read the words of c.
func (p *parser) enter(c *clause) {
	p.lex.pos, p.lex.end, p.lex.operand = c.start, c.end, false
	p.depth = 0
	p.advance()
}

// query reads the whole text into q.
func (p *parser) query(q *tree.Query) *ParseError {
	parts, err := p.split()
	if err != nil {
		return err
	}
	p.grouped = parts[clGroupBy].there
	read := [clauseKinds]func(*tree.Query) *ParseError{p.filter, p.groupBy, p.selectItems, p.having, p.orderBy, p.limit, p.offset}
	for k := range parts {
		if !parts[k].there {
			continue
		}
		p.enter(&parts[k])
		if k > 0 && p.tok.kind == tokEOF {
			return p.errorAt(parts[k].word.pos, parts[k].start, "there is nothing behind "+p.lex.src[parts[k].word.pos:parts[k].start])
		}
		if clauseKind(k) == clFilter && p.tok.kind == tokEOF && strings.TrimSpace(p.lex.src) != "" {
			continue // clauses alone
		}
		if err := read[k](q); err != nil {
			return err
		}
		if p.tok.kind != tokEOF {
			return p.invalidToken(p.tok)
		}
	}
	if q.PerGroup && !p.grouped {
		w := parts[clLimit]
		return p.errorAt(w.word.pos, w.end, "LIMIT … PER GROUP needs a GROUP BY")
	}
	if len(q.Select) == 0 && p.grouped {
		w := parts[clGroupBy].word
		return p.errorHint(p.nameSpan(w), "a query with GROUP BY needs a SELECT", "as in GROUP BY params.model SELECT params.model, count()")
	}
	return nil
}

func (p *parser) filter(q *tree.Query) (err *ParseError) {
	if p.tok.kind == tokEOF {
		return p.errorAt(0, len(p.lex.src), blank(p.d, p.lex.src))
	}
	q.Filter, err = p.wholeCondition()
	return err
}

// each calls read for every item of a list with commas.
func (p *parser) each(most int, what string, read func() *ParseError) *ParseError {
	for n := 0; ; n++ {
		if n == most {
			return p.errorAt(p.tok.pos, p.tok.end, "there are more than "+strconv.Itoa(most)+" "+what)
		}
		if err := read(); err != nil {
			return err
		}
		if p.tok.kind != tokComma {
			return nil
		}
		p.advance()
	}
}

// ownValue reads a value of the row itself, to show, group or sort by.
func (p *parser) ownValue() (operand, *ParseError) {
	o, err := p.expr(bpCompare)
	if err == nil {
		o, err = p.value(o)
	}
	if err == nil {
		err = p.own(&o)
	}
	return o, err
}

func (p *parser) groupBy(q *tree.Query) *ParseError {
	p.keys = map[string]bool{}
	return p.each(MaxGroupBy, "keys to group by", func() *ParseError {
		o, err := p.ownValue()
		if err != nil {
			return err
		}
		if !o.fields {
			s := o.span()
			return p.errorAt(s.Pos, s.End, "a key of GROUP BY is a field or computed of some. Found "+p.spanText(s))
		}
		text := tree.Text(o.x)
		if p.keys[text] {
			s := o.span()
			return p.errorAt(s.Pos, s.End, "there are two keys "+text+" of GROUP BY")
		}
		p.keys[text] = true
		q.GroupBy = append(q.GroupBy, o.x)
		return nil
	})
}

// item reads a value for SELECT or ORDER BY. In a query with groups the
// outermost functions are those of groups, unless the whole is a key.
func (p *parser) item(q *tree.Query) (operand, *ParseError) {
	if !p.grouped {
		return p.ownValue()
	}
	saved := *p
	for _, k := range q.GroupBy {
		if _, plain := k.(*tree.Field); plain {
			continue
		}
		if o, err := p.ownValue(); err == nil && p.isKey(o.x) {
			return o, nil
		}
		*p = saved
		break
	}
	p.aggregate = true
	o, err := p.ownValue()
	p.aggregate = false
	if err != nil {
		return o, err
	}
	return o, p.ofGroup(o.x)
}

func (p *parser) isKey(x tree.Expr) bool { return p.keys[tree.Text(x)] }

// ofGroup refuses what a group has no single value of.
func (p *parser) ofGroup(x tree.Expr) (err *ParseError) {
	found := false
	tree.Walk(x, func(n tree.Expr) bool {
		if err != nil {
			return false
		}
		switch n.(type) {
		case *tree.Aggregate:
			found = true
			return false
		case *tree.Field, *tree.Series, *tree.Quantified, *tree.Relative, *tree.Lineage:
			if p.isKey(n) {
				found = true
				return false
			}
			s := n.At()
			err = p.errorAt(s.Pos, s.End, p.spanText(s)+" is neither a key of GROUP BY nor inside a function of groups")
			if n.Type() != tree.Bool {
				err.Hint = "write for example mean(" + p.spanText(s) + ")"
			}
			return false
		case *tree.Arithmetic, *tree.Scalar:
			if p.isKey(n) {
				found = true
				return false
			}
		}
		return true
	})
	if err == nil && !found {
		s := x.At()
		err = p.errorAt(s.Pos, s.End, p.spanText(s)+" is neither a key of GROUP BY nor a function of groups")
	}
	return err
}

func (p *parser) selectItems(q *tree.Query) *ParseError {
	names := map[string]operand{}
	err := p.each(MaxItems, "items to select", func() *ParseError {
		o, err := p.item(q)
		if err != nil {
			return err
		}
		it := tree.Item{X: o.x, Name: tree.Text(o.x)}
		if p.says("AS") {
			p.advance()
			t := p.tok
			name := t.val
			if t.kind == tokKeyword {
				name = p.text(t)
			}
			if t.kind != tokPath && t.kind != tokString && t.kind != tokKeyword || t.hasEntity || t.parents > 0 || name == "" {
				return p.errorAt(t.pos, t.end, "AS is followed by a name")
			}
			if name != it.Name {
				if _, twice := names[name]; twice {
					return p.errorAt(t.pos, t.end, "two items of SELECT are called "+name)
				}
				if _, hides := attributeOf(p.d, name, useBoth); hides {
					return p.errorAt(t.pos, t.end, "an item of SELECT cannot be called "+name+": an attribute is")
				}
				names[name] = o
				it.Name = name
			}
			p.advance()
		}
		q.Select = append(q.Select, it)
		return nil
	})
	p.names = names
	return err
}

func (p *parser) having(q *tree.Query) (err *ParseError) {
	if !p.grouped {
		return p.errorAt(p.tok.pos, p.lex.end, "HAVING needs a GROUP BY")
	}
	p.aggregate = true
	q.Having, err = p.wholeCondition()
	p.aggregate = false
	if err != nil {
		return err
	}
	return p.ofGroup(q.Having)
}

func (p *parser) limit(q *tree.Query) *ParseError {
	const want = "LIMIT is followed by a number from 1 to 2147483647"
	t := p.tok
	n, err := p.integer(want)
	if err != nil {
		return err
	}
	if n < 1 || n > math.MaxInt32 {
		return p.errorAt(t.pos, t.end, want)
	}
	q.Limit = int(n)
	if p.says("PER") {
		p.advance()
		if !p.says("GROUP") {
			return p.errorAt(p.tok.pos, p.tok.end, "PER is followed by GROUP")
		}
		q.PerGroup = true
		p.advance()
		return nil
	}
	return nil
}

func (p *parser) offset(q *tree.Query) *ParseError {
	const want = "OFFSET is followed by a number from 0 to 2147483647"
	t := p.tok
	n, err := p.integer(want)
	if err != nil {
		return err
	}
	if n < 0 || n > math.MaxInt32 {
		return p.errorAt(t.pos, t.end, want)
	}
	q.Offset = int(n)
	return nil
}
