package query

import (
	"slices"
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

var scalars = []string{"abs", "sqrt", "exp", "log", "floor", "ceil", "round"}

// aggregates are the functions of groups by name; count is two of them.
var aggregates = map[string]tree.AggregateFn{
	"count": tree.CountOf, "min": tree.MinOf, "max": tree.MaxOf, "mean": tree.MeanOf, "sum": tree.SumOf, "std": tree.StdOf,
	"ci95": tree.CI95, "median": tree.Median, "first": tree.FirstOf, "best": tree.Best, "worst": tree.Worst,
}

func functionNames() []string {
	out := slices.Concat(scalars, tree.SeriesFnNames[:], []string{"now", "ago", "date", "ever", "always", "never"})
	for name := range aggregates {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// call reads a function's arguments; the current token is the parenthesis that
// opens them.
func (p *parser) call(name token) (operand, *ParseError) {
	p.advance()
	fn := strings.ToLower(name.val)
	switch fn {
	case "ever":
		return p.quantified(name, tree.Ever)
	case "always":
		return p.quantified(name, tree.Always)
	case "never":
		return p.quantified(name, tree.Never)
	case "now", "ago", "date":
		return p.timeCall(name, fn)
	}
	isScalar := slices.Contains(scalars, fn)
	series := slices.Index(tree.SeriesFnNames[:], fn)
	if t := p.tok; t.kind == tokRParen && (isScalar || series >= 0) && fn != "count" {
		return operand{}, p.errorAt(name.pos, t.end, fn+"() needs an argument")
	}
	if isScalar {
		return p.scalar(name, fn)
	}
	agg, isAgg := aggregates[fn]
	switch {
	case p.aggregate && isAgg:
		return p.aggregated(name, agg)
	case p.aggregate && series >= 0:
		return operand{}, p.errorHint(p.nameSpan(name), fn+"() is a function of one run, and this is about groups",
			"put it inside one, as in mean("+fn+"(…))")
	case series >= 0 && p.tok.kind != tokRParen:
		return p.series(name, tree.SeriesFn(series))
	case isAgg:
		return operand{}, p.errorHint(p.nameSpan(name), fn+"() is a function of groups",
			"it needs GROUP BY and stands in SELECT, HAVING or ORDER BY")
	}
	return operand{}, p.errorHint(p.nameSpan(name), "Unknown function "+p.text(name)+"()", Suggest(fn, functionNames()))
}

func (p *parser) nameSpan(t token) tree.Span { return tree.Span{Pos: t.pos, End: t.end} }

// endCall takes the closing parenthesis; the span is that of the whole call.
func (p *parser) endCall(name token) (tree.Span, *ParseError) {
	s := tree.Span{Pos: name.pos, End: p.tok.end}
	if p.tok.kind == tokComma {
		return s, p.errorAt(p.tok.pos, p.tok.end, p.text(name)+"() takes no more arguments")
	}
	return s, p.closing()
}

func (p *parser) scalar(name token, fn string) (operand, *ParseError) {
	x, err := p.expr(bpNone)
	if err != nil {
		return operand{}, err
	}
	s, err := p.endCall(name)
	if err != nil {
		return operand{}, err
	}
	if x, err = p.number(x); err != nil {
		return operand{}, err
	}
	if x.depth++; x.depth > MaxDepth {
		return operand{}, p.errorAt(name.pos, name.end, "filter string is nested more than 100 deep")
	}
	x.x = &tree.Scalar{Span: s, Fn: fn, X: x.x}
	return x, nil
}

// timeCall reads now(), ago('7d') and date('2026-03-01').
func (p *parser) timeCall(name token, fn string) (operand, *ParseError) {
	arg := p.tok
	if fn == "now" {
		s, err := p.endCall(name)
		return operand{x: &tree.Now{Span: s, Text: "now()"}}, err
	}
	want := "a time span such as ago('7d')"
	if fn == "date" {
		want = "a day or a time such as date('2026-03-01') or date('2026-03-01T12:00:00Z')"
	}
	bad := func() (operand, *ParseError) {
		return operand{}, p.errorAt(arg.pos, arg.end, fn+"() takes "+want+". Found "+p.text(arg))
	}
	if arg.kind != tokString {
		return bad()
	}
	p.advance()
	s, err := p.endCall(name)
	if err != nil {
		return operand{}, err
	}
	if fn == "date" {
		ms, ok := parseDate(arg.val)
		if !ok {
			return bad()
		}
		return operand{x: &tree.Literal{Span: s, Kind: tree.Int, Int: ms, Float: float64(ms)}}, nil
	}
	back, ok := duration(arg.val)
	if !ok {
		return bad()
	}
	x := &tree.Now{Span: s, Back: back}
	x.Text = tree.Text(x)
	return operand{x: x}, nil
}

// aggregated reads a function of groups, inside which functions are of a run.
func (p *parser) aggregated(name token, fn tree.AggregateFn) (operand, *ParseError) {
	if fn == tree.CountOf && p.tok.kind == tokRParen {
		s, err := p.endCall(name)
		return operand{x: &tree.Aggregate{Span: s, Fn: tree.CountRows}, fields: true}, err
	}
	p.aggregate = false
	x, err := p.expr(bpNone)
	p.aggregate = true
	if err != nil {
		return operand{}, err
	}
	s, err := p.endCall(name)
	if err != nil {
		return operand{}, err
	}
	if x, err = p.value(x); err == nil && fn != tree.CountOf && fn != tree.FirstOf {
		x, err = p.number(x)
	}
	if err == nil {
		err = p.own(&x)
	}
	if err == nil && p.says("OVER") {
		err = p.errorHint(p.nameSpan(p.tok), p.text(name)+"() is a function of groups and has no window",
			"give the window to a function inside it, as in mean(min(metrics.loss) OVER LAST 10 STEPS)")
	}
	if err != nil {
		return operand{}, err
	}
	return operand{x: &tree.Aggregate{Span: s, Fn: fn, X: x.x}, fields: true}, nil
}

// own refuses a value of the parent's where only the row's own may stand.
func (p *parser) own(x *operand) *ParseError {
	if x.fields && x.parents > 0 {
		s := x.span()
		return p.errorAt(s.Pos, s.End, "fields of the parent stand only in conditions")
	}
	return nil
}
