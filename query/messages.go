package query

import (
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// invalid is MLflow's message for words that make no comparison.
func (p *parser) invalid(pos, end int, words ...string) *ParseError {
	if p.d == tree.LoggedModels {
		return p.errorAt(pos, end, "Invalid filter string: "+pyRepr(p.lex.src)+". Expected a list of comparisons "+
			"separated by 'AND' (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01').")
	}
	if p.d == tree.Runs {
		for i, w := range words {
			words[i] = "'" + w + "'"
		}
	}
	return p.errorAt(pos, end, "Invalid clause(s) in filter string: "+strings.Join(words, ", "))
}

// invalidToken is the error for a token that has no business where it stands.
func (p *parser) invalidToken(t token) *ParseError {
	if t.kind == tokEOF {
		return p.errorAt(t.pos, t.end, "Invalid filter "+pyRepr(p.lex.src)+". It ends too early.")
	}
	err := p.invalid(t.pos, t.end, p.text(t))
	switch {
	case t.kind == tokSemi:
		if strings.TrimSpace(p.lex.src[t.end:]) != "" {
			err.Msg = severalStatements(p.d, p.lex.src)
		}
	case t.kind == tokBad:
		err.Hint = p.badHint(t)
	case saying(t, "OVER"):
		err.Hint = "OVER stands behind a function or EVER, ALWAYS, NEVER: min(metrics.loss) OVER LAST 10 STEPS"
	case saying(t, "FOR"):
		err.Hint = "FOR stands inside EVER: EVER(metrics.loss > 1 FOR 10 STEPS)"
	}
	return err
}

func severalStatements(d tree.Domain, src string) string {
	if d == tree.LoggedModels {
		return "Invalid filter string: " + pyRepr(src) + ". Expected a single SQL expression."
	}
	return "Search filter contained multiple expression " + pyRepr(src) + ". Provide AND-ed expression list."
}

func blank(d tree.Domain, src string) string {
	if d == tree.LoggedModels {
		return severalStatements(d, src)
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

// notCondition is the error for a value or name that stands alone.
func (p *parser) notCondition(o *operand) *ParseError {
	s := o.span()
	err := p.invalid(s.Pos, s.End, p.spanText(s))
	next := p.tok
	if o.x != nil {
		err.Hint = "it has a value, but nothing compares it"
		return err
	}
	t := o.tok
	switch {
	case next.kind == tokBad && next.pos == t.end && (t.kind == tokPath || t.kind == tokNumber):
		err.End = next.end
		err.Hint = "put a key with such characters in `backticks`"
	case next.kind == tokPath && t.kind == tokPath && strings.EqualFold(p.text(t), "WHERE"):
		err.Hint = "there is no WHERE: the condition comes first"
	case next.kind == tokPath && t.kind == tokPath && (strings.EqualFold(p.text(t), "ORDER") || strings.EqualFold(p.text(t), "GROUP")):
		err.Hint = "write " + strings.ToUpper(p.text(t)) + " BY"
	case next.kind == tokPath && t.kind == tokPath:
		err.Hint = "'" + p.text(next) + "' is no comparator; put a key with blanks in `backticks`"
	}
	return err
}

var (
	numericOps = []string{"=", "!=", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL"}
	stringOps  = []string{"=", "!=", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"}
)

// opHint is the comparator that one of another language stands for.
func opHint(op string) string {
	for _, h := range [...][2]string{{"==", "="}, {"<>", "!="}, {"=<", "<="}, {"=>", ">="}, {"~=", "~"}, {"=~", "~"}} {
		if h[0] == op {
			return "did you mean '" + h[1] + "'?"
		}
	}
	return ""
}

// invalidOp is MLflow's message for a comparator that the left side does not have.
func (p *parser) invalidOp(left tree.Expr, op string) string {
	f, ok := plainField(left)
	if !ok {
		return "Invalid comparator '" + op + "' for " + p.spanText(left.At())
	}
	ops := stringOps
	if f.Kind != tree.String {
		ops = numericOps
	}
	switch {
	case p.d == tree.LoggedModels:
		return "Invalid comparison operator for " + entityPrefixes[f.Entity] + f.Key + ": " + pyRepr(op) +
			". Expected one of (" + strings.Trim(pySet(ops), "{}") + ")."
	case p.d == tree.Runs, p.d == tree.Experiments && f.Entity == tree.Attribute:
		return "Invalid comparator '" + op + "' not one of '" + pySet(ops) + "'"
	case f.Entity == tree.Tag:
		return "Invalid comparator for tag: " + op
	case f.Kind != tree.String:
		return "Invalid comparator for attribute " + f.Key + ": " + op
	}
	return "Invalid comparator for attribute: " + op
}

// plainField is the field that x is, be it as a number.
func plainField(x tree.Expr) (*tree.Field, bool) {
	if n, ok := x.(*tree.ToNumber); ok {
		x = n.X
	}
	f, ok := x.(*tree.Field)
	return f, ok
}

// wrongValue is MLflow's message for a value of the wrong type right of left;
// word tells that it is a name that means nothing.
func (p *parser) wrongValue(left tree.Expr, text string, word bool) string {
	f, ok := plainField(left)
	numeric := left.Type() != tree.String
	switch {
	case ok && f.Entity == tree.Metric:
		return "Expected numeric value type for metric. Found " + text
	case ok && f.Entity == tree.Attribute && numeric:
		return "Expected numeric value type for numeric attribute: " + f.Key + ". Found " + text
	case numeric:
		return "Expected a number to compare " + p.spanText(left.At()) + " with. Found " + text
	case word:
		return "Parameter value is either not quoted or unidentified quote types used for string value " + text +
			". Use either single or double quotes."
	case !ok:
		return "Expected a quoted string to compare " + p.spanText(left.At()) + " with. Found " + text
	case f.Entity == tree.Dataset || f.Entity == tree.Model:
		return "Expected a quoted string value for " + entityNames[f.Entity] + " attributes. Got value " + text
	case f.Entity != tree.Attribute:
		return "Expected a quoted string value for " + entityNames[f.Entity] + " (e.g. 'my-value'). Got value " + text
	case p.d == tree.ModelVersions:
		return "Only the '{'version_number', 'last_updated_timestamp', 'creation_timestamp'}' attributes support " +
			"comparison with numeric values."
	case p.d == tree.RegisteredModels:
		return "Expected a quoted string value or a list of quoted string values for attributes. Got value " + text
	}
	return "Expected a quoted string value for attributes. Got value " + text
}
