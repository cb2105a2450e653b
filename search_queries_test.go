package runstone

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/plan"
	"github.com/runstonedb/runstone/query/tree"
)

// queries are those that the language was made for. A name with a letter is of a
// variant.
var queries = []struct{ name, text string }{
	{"1", "metrics.accuracy > 0.92"},
	{"2", "params.model = 'logreg' AND params.lr < 0.01"},
	{"3", "status = 'FAILED' OR (metrics.loss IS NAN AND duration > 1h)"},
	{"4", "NOT tags.env IN ('prod','stage') AND start_time > ago('7d')"},
	{"5", "run_name ILIKE '%sepsis%' AND params.seed BETWEEN 1 AND 10"},
	{"6", "tags.note ~* 'retrain(ed)?'"},
	{"7", "min(metrics.val_loss) < 0.3 ORDER BY argmin(metrics.val_loss) LIMIT 20"},
	{"8", "last(metrics.val_loss) - min(metrics.val_loss) > 0.05"},
	{"9", "at(metrics.acc, 1000) > 0.8"},
	{"10", "EVER(metrics.loss IS NAN)"},
	{"11", "EVER(metrics.loss > 100) OVER STEPS 1000..5000"},
	{"12", "ALWAYS(metrics.grad_norm < 10) OVER LAST 20%"},
	{"13", "EVER(metrics.gpu_mem > 0.95 FOR 50 STEPS)"},
	{"14", "slope(metrics.val_loss) OVER LAST 500 STEPS > 0"},
	{"15", "plateau(metrics.val_loss, patience=200, tol=1e-4)"},
	{"15a", "plateau(metrics.val_loss, patience=200, tol=1e-4) OVER STEPS ..1500"},
	{"16", "metrics.auc{split='holdout'} >= 0.9 AND metrics.auc{split='train'} - metrics.auc{split='holdout'} < 0.05"},
	{"17", "metrics.tp / (metrics.tp + metrics.fn) > 0.95 ORDER BY metrics.fp"},
	{"18", "params.model = 'xgb' GROUP BY params.depth SELECT count(), mean(metrics.auc), ci95(metrics.auc) ORDER BY 3 DESC"},
	{"19", "GROUP BY params.model SELECT best(metrics.auc) AS r LIMIT 1 PER GROUP"},
	{"19a", "GROUP BY params.model SELECT params.model, count() AS n HAVING n > 20 ORDER BY n DESC LIMIT 2 PER GROUP"},
	{"20", "dataset.name = 'cohort-a' AND dataset.version >= 3 AND dataset.role = 'train'"},
	{"20a", "dataset.name = 'cohort-a' AND dataset.role = 'train' AND NOT dataset.name = 'cohort-b'"},
	{"21", "USED batch('B17')"},
	{"21a", "USED dataset('cohort-b')"},
	{"22", "DOWNSTREAM OF batch('B17') AND model.alias = 'production'"},
	{"22a", "DOWNSTREAM OF dataset('cohort-b') AND model.alias = 'production'"},
	{"23", "parent.params.study = 'hpo-4' AND ANY child(metrics.auc > 0.9)"},
	{"23a", "params.study = 'hpo-4' AND ANY child(metrics.auc > 0.9) AND NOT ALL child(status = 'FINISHED')"},
	{"24", "bench.name = 'Encode/format=json' AND bench.unit = 'sec/op' AND change_at(bench.value) >= date('2026-03-01')"},
	{"25", "model.name = 'sepsis-dx' AND alias_at('production', date('2026-01-15'))"},
	{"25a", "model.name = 'sepsis-dx' AND model.stage = 'Production'"},
}

const queriesGolden = "testdata/queries.txt"

// TestQueries asks all queries of a database whose runs are all to be read from
// their records, are all in the index, and are half in it. The answers are the
// naive evaluator's and the same each time; the golden file has the trees, the
// answers, and how the index gave them.
func TestQueries(t *testing.T) {
	w := newTwin(t, t.TempDir(), small())
	defer func() { require.NoError(t, w.db.Close()) }()
	w.study()
	var live, folded, mixed strings.Builder
	w.answers(&live, nil)
	require.NoError(t, w.db.Fold(ctx))
	w.reopen(small()) // so that no points are in memory, which cost nothing
	var golden strings.Builder
	w.answers(&folded, &golden)
	for i, r := range w.n.runs {
		if i%2 == 0 && !r.deleted {
			w.tag(r, "seen", "again")
		}
	}
	w.answers(&mixed, nil)
	require.Equal(t, live.String(), folded.String())
	require.Equal(t, live.String(), mixed.String())
	if *update {
		require.NoError(t, os.WriteFile(queriesGolden, []byte(golden.String()), 0o600))
	}
	want, err := os.ReadFile(queriesGolden)
	require.NoError(t, err)
	require.Equal(t, string(want), golden.String())
}

// answers writes the answer to each query and, if plans is not nil, all that the
// golden file has of it there.
func (w *twin) answers(out, plans *strings.Builder) {
	for _, q := range queries {
		p, err := w.db.SearchRuns(ctx, q.text, &SearchOptions{Total: true, Explain: plans != nil})
		answer := &strings.Builder{}
		if err != nil {
			var perr *query.ParseError
			require.ErrorAs(w.t, err, &perr)
			fmt.Fprintf(answer, "%s\n", indent(perr.Error()))
		} else {
			w.same(w.db, q.text, SearchOptions{})
			fmt.Fprintf(answer, "  %d found\n", p.Total)
			var names []string
			for _, r := range p.Items {
				names = append(names, r.Name)
			}
			for len(names) > 0 {
				n := min(10, len(names))
				fmt.Fprintf(answer, "    %s\n", strings.Join(names[:n], " "))
				names = names[n:]
			}
			if p.Table != nil {
				fmt.Fprintf(answer, "    %s\n", strings.Join(p.Columns, " | "))
			}
			for _, line := range p.Table {
				fmt.Fprintf(answer, "    %s\n", w.line(line))
			}
		}
		fmt.Fprintf(out, "%s\n%s", q.name, answer)
		if plans == nil {
			continue
		}
		fmt.Fprintf(plans, "%s. %s\n", q.name, q.text)
		if err == nil {
			parsed, err := query.Parse(tree.Runs, q.text)
			require.NoError(w.t, err)
			fmt.Fprintf(plans, "  is   %s\n", parsed)
			writePlan(plans, p.Explain)
		}
		fmt.Fprintf(plans, "%s\n", answer)
	}
}

// line is a line of a table, in which runs stand by name.
func (w *twin) line(cells []any) string {
	var out []string
	for _, c := range cells {
		if f, ok := c.(float64); ok {
			c = math.Round(f*1e6) / 1e6
		}
		for _, r := range w.n.runs {
			if c == r.id {
				c = r.name
			}
		}
		out = append(out, fmt.Sprint(c))
	}
	return strings.Join(out, " | ")
}

// writePlan writes what does not depend on the sizes of rows and caches.
func writePlan(out *strings.Builder, e *plan.Explain) {
	for _, p := range e.Parts {
		fmt.Fprintf(out, "  by   %s: %s", p.How, p.Text)
		switch {
		case p.Skipped > 0:
			fmt.Fprintf(out, ", skipped by its zone\n")
		case p.Passed > 0:
			fmt.Fprintf(out, ", true by its zone\n")
		default:
			fmt.Fprintf(out, ", %d of %d rows\n", p.Out, p.In)
		}
	}
	for _, k := range e.Kin {
		fmt.Fprintf(out, "  kin  %s: %d rows, %d ids\n", k.Text, k.Rows, k.IDs)
	}
	s := e.Stats
	fmt.Fprintf(out, "  read %d segments, %d live rows", s.Segments, s.Live)
	if s.Curves > 0 {
		fmt.Fprintf(out, "; %d curves of %d blocks, %d decided, %d decoded", s.Curves, s.Blocks, s.Decided, s.Decoded)
	}
	fmt.Fprintln(out)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}
