package tree

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// String is the canonical text of q. Parsing it gives an equal query, unless the
// original text was close to the limits of a query and this one, which writes
// every AND and blank, is beyond them.
func (q *Query) String() string {
	if q == nil {
		return ""
	}
	var p printer
	if q.Filter != nil {
		p.expr(q.Filter)
	}
	clause := func(word string, n int, item func(i int)) {
		if n == 0 {
			return
		}
		if len(p.buf) > 0 {
			p.buf = append(p.buf, ' ')
		}
		p.buf = append(p.buf, word...)
		for i := range n {
			if i > 0 {
				p.buf = append(p.buf, ',')
			}
			p.buf = append(p.buf, ' ')
			item(i)
		}
	}
	one := func(there bool) int {
		if there {
			return 1
		}
		return 0
	}
	clause("GROUP BY", len(q.GroupBy), func(i int) { p.expr(q.GroupBy[i]) })
	clause("SELECT", len(q.Select), func(i int) { p.item(&q.Select[i]) })
	clause("HAVING", one(q.Having != nil), func(int) { p.expr(q.Having) })
	clause("ORDER BY", len(q.OrderBy), func(i int) { p.sort(&q.OrderBy[i]) })
	clause("LIMIT", one(q.Limit > 0), func(int) {
		p.buf = strconv.AppendInt(p.buf, int64(q.Limit), 10)
		if q.PerGroup {
			p.buf = append(p.buf, " PER GROUP"...)
		}
	})
	clause("OFFSET", one(q.Offset > 0), func(int) { p.buf = strconv.AppendInt(p.buf, int64(q.Offset), 10) })
	return string(p.buf)
}

// Text is the canonical text of x, "" for nil.
func Text(x Expr) string {
	if x == nil {
		return ""
	}
	var p printer
	p.expr(x)
	return string(p.buf)
}

// String is the text of the clause.
func (s *Sort) String() string {
	var p printer
	p.sort(s)
	return string(p.buf)
}

// printer writes the canonical text of a tree.
type printer struct {
	buf    []byte
	prefix string // of fields: "parent." inside what is said of the parent
}

func (p *printer) put(parts ...string) {
	for _, s := range parts {
		p.buf = append(p.buf, s...)
	}
}

func (p *printer) item(it *Item) {
	start := len(p.buf)
	p.expr(it.X)
	if string(p.buf[start:]) == it.Name {
		return
	}
	p.put(" AS ")
	if n := NameLen(it.Name); n > 0 && n == len(it.Name) && (it.Name[0] < '0' || it.Name[0] > '9') {
		p.put(it.Name)
		return
	}
	p.str(it.Name)
}

func (p *printer) sort(s *Sort) {
	p.expr(s.X)
	if s.Desc {
		p.put(" DESC")
	}
	if s.NullsFirst {
		p.put(" NULLS FIRST")
	}
}

// OpNames are the comparisons as they are written.
var OpNames = [...]string{"=", "!=", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"}

var (
	specialNames    = [...]string{"NULL", "NAN", "INF"}
	quantifierNames = [...]string{"EVER", "ALWAYS", "NEVER"}
	verbNames       = [...]string{"USED", "PRODUCED", "DERIVED FROM", "UPSTREAM OF", "DOWNSTREAM OF"}
	aggregateNames  = [...]string{"count", "count", "min", "max", "mean", "sum", "std", "ci95", "median", "first", "best", "worst"}
	entityPrefixes  = [...]string{"", "metrics.", "params.", "tags.", "dataset.", "model."}
)

func (o Op) String() string          { return OpNames[o] }
func (s Special) String() string     { return specialNames[s] }
func (q Quantifier) String() string  { return quantifierNames[q] }
func (v Verb) String() string        { return verbNames[v] }
func (f AggregateFn) String() string { return aggregateNames[f] }
func (e Entity) prefix() string      { return entityPrefixes[e] }
func (p *printer) int(i int64)       { p.buf = strconv.AppendInt(p.buf, i, 10) }
func (p *printer) quote(s, q string) { p.put(q, s, q) }
func (p *printer) not(not bool)      { p.when(not, "NOT ") }
func (p *printer) when(b bool, s string) {
	if b {
		p.put(s)
	}
}

func (p *printer) list(kids []Expr, word string, parens func(Expr) bool) {
	for i, k := range kids {
		if i > 0 {
			p.put(word)
		}
		p.wrapped(k, parens(k))
	}
}

func (p *printer) wrapped(x Expr, parens bool) {
	p.when(parens, "(")
	p.expr(x)
	p.when(parens, ")")
}

func (p *printer) expr(x Expr) {
	switch x := x.(type) {
	case *And:
		p.list(x.Kids, " AND ", func(k Expr) bool { _, or := k.(*Or); return or })
	case *Or:
		p.list(x.Kids, " OR ", func(Expr) bool { return false })
	case *Not:
		p.put("NOT ")
		_, and := x.X.(*And)
		_, or := x.X.(*Or)
		p.wrapped(x.X, and || or)
	case *Compare:
		p.expr(x.L)
		p.put(" ", x.Op.String(), " ")
		p.expr(x.R)
	case *In:
		p.in(x)
	case *Between:
		p.expr(x.X)
		p.put(" ")
		p.not(x.Not)
		p.put("BETWEEN ")
		p.expr(x.Lo)
		p.put(" AND ")
		p.expr(x.Hi)
	case *Match:
		p.match(x)
	case *Is:
		p.expr(x.X)
		p.put(" IS ")
		p.not(x.Not)
		p.put(x.What.String())
	case *Quantified:
		p.quantified(x)
	case *Relative:
		p.relative(x)
	case *Lineage:
		p.put(x.Verb.String(), " ", x.Kind, "(")
		for i, a := range x.Args {
			p.when(i > 0, ", ")
			p.str(a)
		}
		p.put(")")
	default:
		p.value(x)
	}
}

// value writes what is no condition.
func (p *printer) value(x Expr) {
	switch x := x.(type) {
	case *Literal:
		p.literal(x)
	case *Field:
		p.field(x)
	case *ToNumber:
		p.expr(x.X)
	case *Neg:
		p.put("-")
		_, literal := x.X.(*Literal) // which may have a sign of its own
		p.wrapped(x.X, literal || precedence(x.X) < 4)
	case *Arithmetic:
		own := precedence(x)
		p.wrapped(x.L, precedence(x.L) < own)
		p.put(" ", string(rune(x.Op)), " ")
		p.wrapped(x.R, precedence(x.R) <= own)
	case *Now:
		p.now(x)
	case *Scalar:
		p.put(x.Fn, "(")
		p.expr(x.X)
		p.put(")")
	case *Series:
		p.series(x)
	case *Aggregate:
		p.put(x.Fn.String(), "(")
		if x.X != nil {
			p.expr(x.X)
		}
		p.put(")")
	case *Ref:
		p.int(int64(x.Item) + 1)
	}
}

// precedence of a value's operator: sums 1, products 2, the minus 3, else 4.
func precedence(x Expr) int {
	switch x := x.(type) {
	case *Arithmetic:
		if x.Op == '+' || x.Op == '-' {
			return 1
		}
		return 2
	case *Neg:
		return 3
	case *ToNumber:
		return precedence(x.X)
	}
	return 4
}

func (p *printer) in(x *In) {
	p.expr(x.X)
	p.put(" ")
	p.not(x.Not)
	p.put("IN (")
	for i, v := range x.Values {
		p.when(i > 0, ", ")
		p.literal(v)
	}
	p.put(")")
}

func (p *printer) match(x *Match) {
	p.expr(x.X)
	p.put(" ")
	switch x.Kind {
	case Like, ILike:
		p.not(x.Not)
		p.when(x.Kind == ILike, "I")
		p.put("LIKE ")
	default:
		p.when(x.Not, "!")
		p.put("~")
		p.when(x.Kind == IRegex, "*")
		p.put(" ")
	}
	p.str(x.Pattern)
}

func (p *printer) quantified(x *Quantified) {
	p.put(x.How.String(), "(")
	p.field(x.Field)
	if x.Special {
		p.put(" IS ")
		p.not(x.Not)
		p.put(x.What.String())
	} else {
		p.put(" ", x.Op.String(), " ", formatNumber(x.X))
	}
	if x.For != 0 {
		p.put(" FOR ")
		if x.ForTime {
			p.put(FormatDuration(x.For))
		} else {
			p.int(x.For)
			p.put(" STEPS")
		}
	}
	p.put(")")
	p.window(x.Window)
}

func (p *printer) relative(x *Relative) {
	before := p.prefix
	switch x.Kin {
	case Parent:
		p.prefix += "parent."
		p.expr(x.X)
	default:
		p.prefix = ""
		word := "ANY"
		if x.Kin == AllChild {
			word = "ALL"
		}
		p.put(word, " child(")
		p.expr(x.X)
		p.put(")")
	}
	p.prefix = before
}

func (p *printer) series(x *Series) {
	p.put(x.Fn.String(), "(")
	p.field(x.Field)
	switch x.Fn {
	case At:
		p.put(", ")
		p.int(x.Step)
	case Plateau:
		p.put(", patience=")
		p.int(x.Patience)
		p.when(x.Tol != 0, ", tol="+formatNumber(x.Tol))
	}
	p.put(")")
	p.window(x.Window)
}

func (p *printer) window(w *Window) {
	if w == nil {
		return
	}
	p.put(" OVER ")
	switch w.Kind {
	case Steps:
		p.put("STEPS ")
		if w.From != math.MinInt64 || w.To == math.MaxInt64 { // one end is written
			p.int(w.From)
		}
		p.put("..")
		if w.To != math.MaxInt64 {
			p.int(w.To)
		}
	case FirstSteps:
		p.put("FIRST ", strconv.FormatInt(int64(w.N), 10), " STEPS")
	case LastSteps:
		p.put("LAST ", strconv.FormatInt(int64(w.N), 10), " STEPS")
	case LastPart:
		p.put("LAST ", formatNumber(w.N), "%")
	case LastTime:
		p.put("LAST ", FormatDuration(int64(w.N)))
	}
}

func (p *printer) now(x *Now) {
	if x.Back == 0 {
		p.put("now()")
		return
	}
	p.put("ago('", FormatDuration(x.Back), "')")
}

func (p *printer) field(f *Field) {
	p.put(p.prefix, f.Entity.prefix())
	switch {
	case isBareKey(f.Key):
		p.put(f.Key)
	case quotable(f.Key, '`'):
		p.quote(f.Key, "`")
	case quotable(f.Key, '"'):
		p.quote(f.Key, `"`)
	default:
		p.quote(f.Key, "'")
	}
	if len(f.Select) == 0 {
		return
	}
	for i, s := range f.Select {
		p.put([2]string{"{", ", "}[min(i, 1)], s.Key, "=")
		p.str(s.Value)
	}
	p.put("}")
}

// str writes a string in quotes, or in hexadecimal if no quotes hold it: one that
// ends in a backslash would take what is behind it for its own.
func (p *printer) str(s string) {
	switch {
	case quotable(s, '\''):
		p.quote(s, "'")
	case quotable(s, '"'):
		p.quote(s, `"`)
	default:
		p.put("x'", hex.EncodeToString([]byte(s)), "'")
	}
}

func (p *printer) literal(l *Literal) {
	size := int64(1)
	if l.Unit != "" {
		size, _, _ = UnitSize(l.Unit)
	}
	switch l.Kind {
	case Int:
		p.int(l.Int / size)
	case Number:
		p.put(formatFloat(l.Float / float64(size)))
	default:
		p.str(l.Str)
	}
	p.put(l.Unit)
}

// formatFloat writes f so that it reads back as the same Number, in a form that
// MLflow's own lexer takes too: no + in the exponent.
func formatFloat(f float64) string {
	s := formatNumber(f)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// formatNumber writes f, as an integer if it looks like one.
func formatNumber(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "1e999"
	case math.IsInf(f, -1):
		return "-1e999"
	}
	return strings.Replace(strconv.FormatFloat(f, 'g', -1, 64), "e+", "e", 1)
}

// FormatDuration writes milliseconds in the largest unit that divides them.
func FormatDuration(ms int64) string {
	for _, unit := range [...]string{"d", "h", "m", "s"} {
		if size, _, _ := UnitSize(unit); ms%size == 0 && ms != 0 {
			return strconv.FormatInt(ms/size, 10) + unit
		}
	}
	return strconv.FormatInt(ms, 10) + "ms"
}
