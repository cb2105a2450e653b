package query_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

func ExampleParse() {
	q, err := query.Parse(tree.Runs, `min(metrics.loss) < .4 and (params.model = "cnn" OR tags.keep IS NOT NULL) limit 5`)
	fmt.Println(q, err)
	tree.Walk(q.Filter, func(x tree.Expr) bool {
		if f, ok := x.(*tree.Field); ok {
			fmt.Println(f.Key)
		}
		return true
	})
	// Output:
	// min(metrics.loss) < 0.4 AND (params.model = 'cnn' OR tags.keep IS NOT NULL) LIMIT 5 <nil>
	// loss
	// model
	// keep
}

func ExampleParseError_Caret() {
	_, err := query.Parse(tree.Runs, "metrics.loss == 1 AND status = 'FAILED'")
	var bad *query.ParseError
	if errors.As(err, &bad) {
		fmt.Println(bad.Caret())
		fmt.Println(bad.Hint)
	}
	// Output:
	// metrics.loss == 1 AND status = 'FAILED'
	//              ^^
	// did you mean '='?
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parse(b, tree.Runs, "metrics.loss < 0.4 AND params.model = 'net_50' AND tags.env LIKE 'p%'")
	}
}

func parse(t testing.TB, d tree.Domain, text string) *tree.Query {
	t.Helper()
	q, err := query.Parse(d, text)
	require.NoError(t, err, text)
	return q
}
