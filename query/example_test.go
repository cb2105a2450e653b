package query_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/runstonedb/runstone/query"
)

func ExampleParse() {
	f, err := query.Parse(query.Runs, `metrics.loss < .4 and (params.model = "cnn" OR tags.keep IS NOT NULL)`)
	fmt.Println(f, err)
	fmt.Println(f.Needs().Metrics, f.Needs().Params, f.Needs().Tags)
	// Output:
	// metrics.loss < 0.4 AND (params.model = 'cnn' OR tags.keep IS NOT NULL) <nil>
	// [loss] [model] [keep]
}

func ExampleParseError_Caret() {
	_, err := query.Parse(query.Runs, "metrics.loss == 1 AND status = 'FAILED'")
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

func BenchmarkMatch(b *testing.B) {
	rows := fourRuns()
	for _, text := range []string{"start_time > 150", "metrics.loss < 0.4", "params.model = 'net_50'", "params.model ILIKE '%NET%'",
		"(metrics.loss < 0.4 OR tags.env LIKE 'p%') AND NOT status = 'FAILED' AND user_id IN ('alice', 'bob')"} {
		f := parse(b, query.Runs, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Match(rows[i&3])
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parse(b, query.Runs, "metrics.loss < 0.4 AND params.model = 'net_50' AND tags.env LIKE 'p%'")
	}
}
