package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// OrderField is one field to sort by, as the search of logged models sends it.
type OrderField struct {
	Name          string // "creation_timestamp", "metrics.loss": no quotes
	Desc          bool
	DatasetName   string // only for metrics; empty means any
	DatasetDigest string
}

// ParseOrderBy reads clauses like "metrics.loss DESC" and adds MLflow's
// tie-breakers, which make the order total. No clauses make the domain's default
// order. Runs can be sorted by any value, as in "min(metrics.loss) DESC NULLS
// FIRST". Every error is a *[ParseError] with its Clause set.
func ParseOrderBy(d tree.Domain, clauses []string) ([]tree.Sort, error) {
	if int(d) >= len(attributes) {
		return nil, &ParseError{Msg: "there is no such kind of row to sort"}
	}
	if len(clauses) > MaxOrderBy {
		return nil, tooManyClauses(len(clauses))
	}
	var o order
	for i, text := range clauses {
		s, err := parseOrderClause(d, text)
		if err == nil {
			err = o.ask(d, s, func() []string { return clauses })
		}
		if err != nil {
			err.Text, err.Clause = text, i
			return nil, err.short()
		}
	}
	o.finish(d)
	return o.sorts, nil
}

// NewLoggedModelOrder is the order of [tree.LoggedModels] by fields.
func NewLoggedModelOrder(fields []OrderField) ([]tree.Sort, error) {
	if len(fields) > MaxOrderBy {
		return nil, tooManyClauses(len(fields))
	}
	var o order
	for i, f := range fields {
		entity, key, hasEntity := strings.Cut(f.Name, ".")
		t := token{val: f.Name, end: len(f.Name)}
		if hasEntity {
			t.val, t.entity, t.hasEntity = key, entity, true
		}
		s, err := orderField(tree.LoggedModels, f.Name, t)
		if err != nil {
			err.Text, err.Clause = f.Name, i
			return nil, err.short()
		}
		s.Desc, s.Dataset, s.Digest = f.Desc, f.DatasetName, f.DatasetDigest
		o.sorts = append(o.sorts, s)
	}
	o.finish(tree.LoggedModels)
	return o.sorts, nil
}

func tooManyClauses(n int) error {
	return &ParseError{Clause: MaxOrderBy, Msg: fmt.Sprintf("order_by has %d clauses; at most %d are taken", n, MaxOrderBy)}
}

// parseOrderClause reads a clause as MLflow does and, for runs, as the language
// has it. What is wrong with a clause is said in MLflow's words, unless MLflow
// has no such clauses at all.
func parseOrderClause(d tree.Domain, text string) (tree.Sort, *ParseError) {
	if len(text) > MaxFilter {
		return tree.Sort{}, &ParseError{Msg: "order_by clause is longer than 65536 bytes"}
	}
	s, bad := parseFieldClause(d, text)
	if bad == nil || d != tree.Runs {
		return s, bad
	}
	p := &parser{d: d, lex: newLexer(text, d)}
	p.advance()
	s, err := p.sortClause(&tree.Query{Domain: d})
	if err = p.failed(err); err == nil && p.tok.kind != tokEOF {
		err = p.errorAt(p.tok.pos, p.tok.end, couldNotParse(text))
	}
	if err != nil && !beyondMLflow(text, d) {
		err = bad
	}
	return s, err
}

func couldNotParse(text string) string {
	return "Invalid order_by clause '" + text + "'. Could not be parsed."
}

// beyondMLflow tells if a clause begins as none of MLflow's does.
func beyondMLflow(text string, d tree.Domain) bool {
	l := newLexer(text, d)
	first := l.next()
	second := l.next()
	switch first.kind {
	case tokLParen, tokNumber, tokArith:
		return true
	case tokPath:
		return first.parents > 0 || second.kind == tokLBrace || second.kind == tokLParen && !first.hasEntity ||
			second.kind == tokArith && second.pos > first.end
	}
	return false
}

// parseFieldClause reads a field, a direction and where missing values go.
func parseFieldClause(d tree.Domain, text string) (tree.Sort, *ParseError) {
	l := newLexer(text, d)
	bad := func(t token) (tree.Sort, *ParseError) {
		return tree.Sort{}, &ParseError{Pos: t.pos, End: t.end, Msg: couldNotParse(text)}
	}
	name := l.next()
	if !name.isName() || isDirection(name) {
		return bad(name)
	}
	dir := l.next()
	desc, nullsFirst := false, false
	if dir.kind == tokPath && !dir.hasEntity || dir.kind == tokKeyword {
		t := dir
		if isDirection(dir) {
			desc = saying(dir, "DESC")
			t = l.next()
		}
		if saying(t, "NULLS") {
			where := l.next()
			nullsFirst = saying(where, "FIRST")
			if !nullsFirst && !saying(where, "LAST") {
				return bad(where)
			}
			t = l.next()
		} else if !isDirection(dir) {
			if after := l.next(); after.kind != tokEOF {
				return bad(after)
			}
			return tree.Sort{}, &ParseError{Pos: dir.pos, End: dir.end,
				Msg:  "Invalid ordering key in order_by clause '" + text + "'.",
				Hint: Suggest(text[dir.pos:dir.end], []string{"ASC", "DESC"})}
		}
		if t.kind != tokEOF {
			return bad(t)
		}
	} else if dir.kind != tokEOF {
		return bad(dir)
	}
	s, err := orderField(d, text, name)
	s.Desc, s.NullsFirst = desc, nullsFirst
	return s, err
}

func isDirection(t token) bool { return saying(t, "ASC") || saying(t, "DESC") }

// orderField resolves a name to sort by, with each domain's own refusals.
func orderField(d tree.Domain, text string, t token) (tree.Sort, *ParseError) {
	f, err := resolve(d, text, t, useOrder)
	whole := text[t.pos:t.end]
	fail := func(msg string) (tree.Sort, *ParseError) {
		hint := ""
		if err != nil {
			hint = err.Hint
		}
		return tree.Sort{}, &ParseError{Text: text, Pos: t.pos, End: t.end, Msg: msg, Hint: hint}
	}
	switch {
	case d == tree.RegisteredModels && (err != nil || f.Entity != tree.Attribute):
		return fail("Invalid order by key '" + whole + "' specified. Valid keys are '{'name', 'timestamp'}'")
	case d == tree.LoggedModels && err != nil && !t.hasEntity:
		return fail("Invalid order by field name: " + whole)
	case d == tree.LoggedModels && (err != nil || f.Entity != tree.Attribute && f.Entity != tree.Metric):
		return fail("Invalid order by field name: " + whole + ". Only metrics are supported.")
	case err != nil:
		return tree.Sort{}, err
	case t.parents > 0:
		return fail("fields of the parent stand only in conditions")
	case d == tree.Runs && f.Many:
		return fail("Invalid identifier type '" + entityNames[f.Entity] + "'")
	case d == tree.Experiments && f.Entity != tree.Attribute:
		return fail("Invalid order_by entity: " + entityNames[f.Entity])
	case d == tree.ModelVersions && f.Entity != tree.Attribute:
		return fail("Invalid order by key '" + f.Key + "' specified. Valid keys are " + pySet(attributeNames(d, useOrder, false)))
	}
	return tree.Sort{X: f, Decimal: decimal(d, f)}, nil
}

// decimal tells if f holds numbers in strings: 9 before 10.
func decimal(d tree.Domain, x tree.Expr) bool {
	f, ok := x.(*tree.Field)
	return ok && f.Entity == tree.Attribute && f.Key == "experiment_id" && d != tree.LoggedModels
}

// orderBy reads the clause of a query's own text.
func (p *parser) orderBy(q *tree.Query) *ParseError {
	var o order
	var texts []string
	err := p.each(MaxOrderBy, "clauses of ORDER BY", func() *ParseError {
		start := p.tok.pos
		s, err := p.sortClause(q)
		if err != nil {
			return err
		}
		texts = append(texts, strings.TrimSpace(p.lex.src[start:p.tok.pos]))
		if p.grouped {
			o.sorts = append(o.sorts, s)
			return nil
		}
		return o.ask(p.d, s, func() []string { return texts })
	})
	if err != nil {
		return err
	}
	if p.grouped {
		o.finishGroups(q)
	} else {
		o.finish(p.d)
	}
	q.OrderBy = o.sorts
	return nil
}

// sortClause reads a value to sort by and its direction.
func (p *parser) sortClause(q *tree.Query) (s tree.Sort, err *ParseError) {
	if s, err = p.sortKey(q); err != nil {
		return s, err
	}
	if isDirection(p.tok) {
		s.Desc = p.says("DESC")
		p.advance()
	}
	if p.says("NULLS") {
		p.advance()
		if s.NullsFirst = p.says("FIRST"); !s.NullsFirst && !p.says("LAST") {
			return s, p.errorAt(p.tok.pos, p.tok.end, "NULLS is followed by FIRST or LAST")
		}
		p.advance()
		return s, nil
	}
	return s, nil
}

// sortKey reads an item's number or name, or a value.
func (p *parser) sortKey(q *tree.Query) (tree.Sort, *ParseError) {
	t := p.tok
	after := p.peek()
	alone := after.kind == tokEOF || after.kind == tokComma || isDirection(after) || saying(after, "NULLS")
	switch {
	case alone && t.kind == tokNumber:
		lit, err := p.literal(t)
		if err != nil {
			return tree.Sort{}, err
		}
		if lit.Kind != tree.Int || lit.Unit != "" || lit.Int < 1 || lit.Int > int64(len(q.Select)) {
			return tree.Sort{}, p.errorHint(p.nameSpan(t), "there is no item "+p.text(t)+" of SELECT to sort by",
				"the first item is 1")
		}
		return p.reference(q, t, int(lit.Int)-1)
	case alone && t.isName():
		if _, ok := p.names[t.val]; ok && !t.hasEntity && t.parents == 0 {
			i := slices.IndexFunc(q.Select, func(it tree.Item) bool { return it.Name == t.val })
			return p.reference(q, t, i)
		}
		if p.grouped {
			break
		}
		s, err := orderField(p.d, p.lex.src, t)
		if err != nil {
			return s, err
		}
		p.advance()
		return s, nil
	}
	if p.d != tree.Runs && !p.grouped && len(q.Select) == 0 {
		return tree.Sort{}, p.errorHint(p.nameSpan(t), "only fields can be sorted by here", "values are computed for runs only")
	}
	o, err := p.item(q)
	if err != nil {
		return tree.Sort{}, err
	}
	if !o.fields {
		s := o.span()
		return tree.Sort{}, p.errorAt(s.Pos, s.End, "every row has the same "+p.spanText(s))
	}
	tree.Walk(o.x, func(n tree.Expr) bool {
		if f, ok := n.(*tree.Field); ok && f.Many && p.d == tree.Runs && !p.grouped && err == nil {
			err = p.errorAt(f.Pos, f.End, "Invalid identifier type '"+entityNames[f.Entity]+"'")
		}
		return true
	})
	return tree.Sort{X: o.x, Decimal: decimal(p.d, o.x)}, err
}

func (p *parser) reference(q *tree.Query, t token, item int) (tree.Sort, *ParseError) {
	x := &tree.Ref{Span: p.nameSpan(t), Item: item, Kind: q.Select[item].X.Type()}
	p.advance()
	return tree.Sort{X: x, Decimal: decimal(p.d, q.Select[item].X)}, nil
}

// order gathers what to sort by.
type order struct{ sorts []tree.Sort }

// ask adds a clause; most domains refuse a field that is there already.
func (o *order) ask(d tree.Domain, s tree.Sort, texts func() []string) *ParseError {
	if d != tree.Experiments && d != tree.LoggedModels && isField(s.X) && o.has(s.X) {
		at := s.X.At()
		return &ParseError{Pos: at.Pos, End: at.End, Msg: "`order_by` contains duplicate fields: " + pyList(texts())}
	}
	o.sorts = append(o.sorts, s)
	return nil
}

func pyList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = pyRepr(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func (o *order) has(x tree.Expr) bool {
	text := tree.Text(x)
	return slices.ContainsFunc(o.sorts, func(s tree.Sort) bool { return tree.Text(s.X) == text })
}

// finish adds the tie-breakers of d that the clauses do not name already.
func (o *order) finish(d tree.Domain) {
	asked := len(o.sorts) > 0
	tie := func(key string, desc bool) {
		a, ok := attributeOf(d, key, useBoth)
		if !ok {
			return
		}
		f := &tree.Field{Key: key, Kind: tree.String}
		if a.numeric {
			f.Kind = tree.Int
		}
		if !o.has(f) {
			o.sorts = append(o.sorts, tree.Sort{X: f, Desc: desc, Decimal: decimal(d, f)})
		}
	}
	switch d {
	case tree.Runs:
		tie("start_time", true)
		tie("run_id", false)
	case tree.Experiments:
		if !asked {
			tie("creation_time", true)
		}
		tie("experiment_id", asked)
	case tree.RegisteredModels:
		tie("name", false)
	case tree.ModelVersions:
		if !asked {
			tie("last_updated_timestamp", true)
		}
		tie("name", false)
		tie("version_number", true)
	case tree.LoggedModels:
		tie("creation_timestamp_ms", true)
		tie("model_id", false)
	case tree.Datasets:
		tie("name", false)
		tie("digest", false)
		tie("experiment_id", false)
	}
}

// finishGroups breaks ties of groups by their keys.
func (o *order) finishGroups(q *tree.Query) {
	for _, k := range q.GroupBy {
		if !o.has(k) {
			o.sorts = append(o.sorts, tree.Sort{X: k, Decimal: decimal(q.Domain, k)})
		}
	}
}
