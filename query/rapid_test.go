package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// texts writes random queries of the grammar, in random spelling.
type texts struct{ t *rapid.T }

func (g texts) of(options ...string) string {
	s := rapid.SampledFrom(options).Draw(g.t, "of")
	// A word of the language may be written in any case.
	if strings.ToUpper(s) == s && rapid.Bool().Draw(g.t, "lower") {
		s = strings.ToLower(s)
	}
	return s
}

func (g texts) maybe(s string) string {
	if rapid.Bool().Draw(g.t, "maybe") {
		return s
	}
	return ""
}

func (g texts) key() string {
	return g.of("k", "a.b", "`a b`", `"x/y"`, "'q`q'", "from", "min", "é", "1")
}

func (g texts) str() string {
	return g.of("'a'", `"b"`, `"it's"`, `'say "x"'`, "'a''b'", `'it\'s'`, "''", "x'275c22'", "'日本'")
}

func (g texts) kin() string { return strings.Repeat("parent.", rapid.IntRange(0, 2).Draw(g.t, "kin")) }

func (g texts) metric(kin string) string {
	return kin + g.of("metrics.", "metric.") + g.key() + g.maybe("{"+g.of("context", "split", "dataset")+"="+g.str()+"}")
}

func (g texts) text(kin string) string {
	return kin + g.of("params.k", "tag.`a b`", "status", "run_name", "params.lr")
}

func (g texts) literal() string {
	return g.of("0", "-1", "2.5", "-.5e3", "1e400", "3d", "1.5h", "4KiB", "-7m", "9223372036854775807", "- 3", "date('2026-03-01')", "0.1w")
}

func (g texts) window() string {
	return g.maybe(" " + g.of("OVER") + " " + g.of("STEPS 1..5", "STEPS -5..", "STEPS ..-5", "LAST 5 STEPS", "FIRST 9 STEPS", "LAST 12.5%",
		"LAST 90m", "TIME 1.5s"))
}

func (g texts) number(kin string, depth int) string {
	kind := rapid.IntRange(0, 11).Draw(g.t, "number")
	if depth == 0 && kind > 6 {
		kind -= 6
	}
	switch kind {
	case 0, 1:
		return g.metric(kin)
	case 2:
		return g.literal()
	case 3:
		return kin + g.of("start_time", "duration", "created")
	case 4:
		return g.of("last", "MIN", "max ", "mean", "sum", "count", "nan_count", "argmin", "argmax", "std", "slope", "delta", "first") +
			"(" + g.metric(kin) + ")" + g.window()
	case 5:
		return "at(" + g.metric(kin) + ", " + g.of("-5", "1000") + ")"
	case 6:
		return g.of("now()", "ago('7d')", "ago('90s')")
	case 7:
		return "-" + g.maybe(" ") + "(" + g.number(kin, depth-1) + ")"
	case 8:
		return g.of("abs", "sqrt", "round") + "(" + g.number(kin, depth-1) + ")"
	case 9:
		return "(" + g.number(kin, depth-1) + ")"
	default:
		return g.number(kin, depth-1) + g.of(" + ", " - ", "*", " / ", "%") + g.number(kin, depth-1)
	}
}

func (g texts) pred(depth int) string {
	kin := g.kin()
	switch rapid.IntRange(0, 13).Draw(g.t, "pred") {
	case 0:
		return g.metric(kin) + g.of("=", " != ", "<", " <=", ">", ">= ") + g.number(kin, depth)
	case 1:
		return g.number(kin, depth) + g.of("=", " != ", "<", " <=", ">", ">= ") + g.metric(kin)
	case 2:
		return g.text(kin) + g.of("=", "!=") + g.str()
	case 3:
		return kin + "params.k" + g.of("<", ">=") + g.number(kin, depth)
	case 4:
		return g.text(kin) + " " + g.of("LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE", "~", "~*", "!~", "!~*") + " " + g.str()
	case 5:
		return g.text(kin) + g.of(" IN (", " NOT IN(") + g.str() + ", " + g.str() + g.maybe(",") + ")"
	case 6:
		return kin + g.of("metrics.k", "params.k", "duration") + g.of(" IN (", " NOT IN(") + g.literal() + ")"
	case 7:
		return g.metric(kin) + g.of(" BETWEEN ", " NOT BETWEEN ") + g.number(kin, depth) + " AND " + g.number(kin, depth)
	case 8:
		return g.metric(kin) + " IS " + g.of("NULL", "NOT NULL", "NAN", "NOT NAN", "INF", "NOT INF")
	case 9:
		return g.metric(kin) + " IS " + g.of("DISTINCT FROM ", "NOT DISTINCT FROM ") + g.number(kin, depth)
	case 10:
		return g.of("EVER", "ALWAYS", "NEVER") + "(" + g.metric(kin) + g.of(" > 1", "<-0.5", " IS NAN", " IS NOT INF") +
			g.of("", " FOR 5 STEPS", " FOR 90m") + ")" + g.window()
	case 11:
		return "plateau(" + g.metric(kin) + ", patience=" + g.of("1", "200") + g.maybe(", tol=1e-4") + ")" + g.window()
	case 12:
		return g.of("USED", "PRODUCED", "DERIVED FROM", "UPSTREAM OF", "DOWNSTREAM OF") + " " +
			g.of("run", "batch", "model", "dataset") + "(" + g.str() + ")"
	default:
		return g.of("dataset.role", "dataset.name", "model.alias") + " = " + g.str()
	}
}

func (g texts) condition(depth int) string {
	kind := rapid.IntRange(0, 6).Draw(g.t, "condition")
	if depth == 0 {
		kind = 0
	}
	switch kind {
	case 0, 1:
		return g.pred(depth)
	case 2:
		return g.of("NOT") + " (" + g.condition(depth-1) + ")"
	case 3:
		return "(" + g.condition(depth-1) + ")" + g.of(" AND ", " ", " and and ") + "(" + g.condition(depth-1) + ")"
	case 4:
		return g.condition(depth-1) + g.of(" OR ") + g.condition(depth-1)
	case 5:
		return g.of("ANY", "ALL") + " " + g.of("child", "CHILD ") + "(" + g.condition(depth-1) + ")"
	default:
		return "(" + g.condition(depth-1) + ")"
	}
}

func (g texts) query() string {
	parts := []string{g.maybe(g.condition(3))}
	clauses := []string{}
	key := g.of("params.k", "floor(metrics.k / 10)", "min(metrics.k)", "experiment_id")
	order := g.of("1 DESC", "n", "2 NULLS FIRST")
	switch rapid.IntRange(0, 2).Draw(g.t, "shape") {
	case 0:
		clauses = append(clauses, "ORDER BY "+g.number("", 2)+" + metrics.z"+g.of("", " DESC", " ASC NULLS FIRST"))
	case 1:
		clauses = append(clauses, "SELECT "+g.metric("")+" AS n, "+g.number("", 2)+", run_id", "ORDER BY "+order)
	case 2:
		item := g.of("count()", "mean(metrics.a)", "best(min(metrics.b) OVER LAST 5 STEPS) * 2", "ci95(params.k)", "first(status)")
		clauses = append(clauses, "GROUP BY "+key+", tags.t", "SELECT "+key+", "+item+" AS "+g.of("n", `"n"`, "`n`"), "ORDER BY "+order,
			g.maybe("HAVING count() > 1 AND "+g.of("n", "median(metrics.b)")+" IS NOT NULL"))
	}
	clauses = append(clauses, g.maybe("LIMIT 5"), g.maybe("OFFSET 3"))
	return strings.Join(append(parts, rapid.Permutation(clauses).Draw(g.t, "clauses")...), " ")
}

// TestPrintParse: random queries of the grammar are all taken, and their
// canonical text is the same query and its own canonical text.
func TestPrintParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := texts{t}.query()
		if strings.TrimSpace(text) == "" {
			return
		}
		q, err := query.Parse(tree.Runs, text)
		if onlyLiterals(err) {
			return
		}
		require.NoError(t, err, text)
		checkSpans(t, q, text)
		printed := q.String()
		again, err := query.Parse(tree.Runs, printed)
		require.NoError(t, err, "%s\n%s", text, printed)
		require.Equal(t, treeText(q), treeText(again), "%s\n%s", text, printed)
		require.Equal(t, printed, again.String())
	})
}

// onlyLiterals tells if a random comparison came out without a field.
func onlyLiterals(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "Expected 'Identifier'") || strings.Contains(err.Error(), "its parent, not both"))
}

// TestText: the text of a part is that part again.
func TestText(t *testing.T) {
	q := parse(t, tree.Runs, "metrics.a > 1 AND (params.b = 'x' OR NOT min(metrics.c) < -metrics.d * 2)")
	tree.Walk(q.Filter, func(x tree.Expr) bool {
		if x.Type() == tree.Bool {
			require.Equal(t, tree.Text(x), parse(t, tree.Runs, tree.Text(x)).String(), fmt.Sprintf("%T", x))
		}
		return true
	})
	require.Empty(t, tree.Text(nil))
}
