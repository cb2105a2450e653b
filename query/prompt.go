package query

import (
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// promptTag marks MLflow's prompts, which are registered models underneath.
const promptTag = "mlflow.prompt.is_prompt"

// WantsPrompts tells if a query over registered models or their versions asks
// for MLflow's prompts. If not, a search must leave out the rows that are tagged
// mlflow.prompt.is_prompt = 'true', as MLflow does; the filter itself does not.
func WantsPrompts(q *tree.Query) bool {
	if q == nil {
		return false
	}
	kids := []tree.Expr{q.Filter}
	if and, ok := q.Filter.(*tree.And); ok {
		kids = and.Kids
	}
	for _, k := range kids {
		// MLflow looks at the first clause on the tag, and at no other.
		if !aboutPrompts(k) {
			continue
		}
		c, ok := k.(*tree.Compare)
		if !ok {
			return false
		}
		lit, ok := c.R.(*tree.Literal)
		return ok && lit.Kind == tree.String && (c.Op == tree.Eq && strings.EqualFold(lit.Str, "true") ||
			c.Op == tree.Ne && strings.EqualFold(lit.Str, "false"))
	}
	return false
}

// aboutPrompts tells if x is a single comparison of the tag.
func aboutPrompts(x tree.Expr) bool {
	switch c := x.(type) {
	case *tree.Compare:
		x = c.L
	case *tree.In:
		x = c.X
	case *tree.Between:
		x = c.X
	case *tree.Match:
		x = c.X
	case *tree.Is:
		x = c.X
	default:
		return false
	}
	f, ok := plainField(x)
	return ok && f.Default != ""
}
