package query_test

import (
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

func sortList(sorts []tree.Sort) string {
	var out []string
	for i := range sorts {
		s := sorts[i].String()
		if sorts[i].Decimal {
			s += " (decimal)"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// TestOrder holds the tie-breakers of MLflow 3.17, and the orders that it has
// without a clause.
func TestOrder(t *testing.T) {
	tests := []struct {
		d             tree.Domain
		clauses, want string
	}{
		{tree.Runs, "", "start_time DESC, run_id"},
		{tree.Runs, "metrics.loss", "metrics.loss, start_time DESC, run_id"},
		{tree.Runs, " metrics.`a b`  DESC ", "metrics.`a b` DESC, start_time DESC, run_id"},
		{tree.Runs, "start_time", "start_time, run_id"},
		{tree.Runs, "created DESC", "start_time DESC, run_id"},
		{tree.Runs, "tags.env DESC|start_time", "tags.env DESC, start_time, run_id"},
		{tree.Runs, "run_id DESC", "run_id DESC, start_time DESC"},
		{tree.Runs, "experiment_id|min(metrics.a) DESC", "experiment_id (decimal), min(metrics.a) DESC, start_time DESC, run_id"},
		{tree.Experiments, "", "creation_time DESC, experiment_id (decimal)"},
		{tree.Experiments, "name", "name, experiment_id DESC (decimal)"},
		{tree.Experiments, "experiment_id", "experiment_id (decimal)"},
		{tree.Experiments, "attribute.creation_time DESC|experiment_id DESC", "creation_time DESC, experiment_id DESC (decimal)"},
		{tree.Experiments, "name DESC|name", "name DESC, name, experiment_id DESC (decimal)"},
		{tree.RegisteredModels, "timestamp|name DESC", "last_updated_timestamp, name DESC"},
		{tree.RegisteredModels, "creation_timestamp", "creation_timestamp, name"},
		{tree.RegisteredModels, "", "name"},
		{tree.ModelVersions, "", "last_updated_timestamp DESC, name, version_number DESC"},
		{tree.ModelVersions, "name", "name, version_number DESC"},
		{tree.ModelVersions, "version_number", "version_number, name"},
		{tree.LoggedModels, "", "creation_timestamp_ms DESC, model_id"},
		{tree.LoggedModels, "creation_time|metrics.a", "creation_timestamp_ms, metrics.a, model_id"},
		{tree.LoggedModels, "experiment_id", "experiment_id, creation_timestamp_ms DESC, model_id"},
		{tree.Datasets, "", "name, digest, experiment_id (decimal)"},
	}
	for _, tt := range tests {
		var clauses []string
		if tt.clauses != "" {
			clauses = strings.Split(tt.clauses, "|")
		}
		o, err := query.ParseOrderBy(tt.d, clauses)
		require.NoError(t, err, tt.clauses)
		require.Equal(t, tt.want, sortList(o), "%d %s", tt.d, tt.clauses)
		if tt.clauses == "" {
			continue
		}
		q := parse(t, tt.d, "ORDER BY "+strings.Join(clauses, ", "))
		require.Equal(t, tt.want, sortList(q.OrderBy), "%d %s", tt.d, tt.clauses)
	}
}

func TestOrderLoggedModelFields(t *testing.T) {
	o, err := query.NewLoggedModelOrder([]query.OrderField{
		{Name: "metrics.a loss", DatasetName: "train", DatasetDigest: "1", Desc: true}, {Name: "creation_time"}})
	require.NoError(t, err)
	require.Equal(t, "metrics.`a loss` DESC, creation_timestamp_ms, model_id", sortList(o))
	require.Equal(t, "train", o[0].Dataset)
	require.Equal(t, "1", o[0].Digest)
	require.Equal(t, tree.Number, o[0].X.Type())
	for bad, msg := range map[string]string{
		"params.x": "Invalid order by field name: params.x. Only metrics are supported.",
		"foo":      "Invalid order by field name: foo", "": "Invalid order by field name: ",
	} {
		_, err := query.NewLoggedModelOrder([]query.OrderField{{Name: "name"}, {Name: bad}})
		var pe *query.ParseError
		require.ErrorAs(t, err, &pe)
		require.Equal(t, msg, pe.Msg)
		require.Equal(t, 1, pe.Clause)
	}
	_, err = query.NewLoggedModelOrder(make([]query.OrderField, query.MaxOrderBy+1))
	require.ErrorContains(t, err, "order_by has 17 clauses")
}

func TestOrderDuplicates(t *testing.T) {
	_, err := query.ParseOrderBy(tree.Runs, []string{"start_time", "metrics.a", "Created DESC"})
	var pe *query.ParseError
	require.ErrorAs(t, err, &pe)
	require.Equal(t, 2, pe.Clause)
	require.Equal(t, "`order_by` contains duplicate fields: ['start_time', 'metrics.a', 'Created DESC']", pe.Msg)
	_, err = query.ParseOrderBy(tree.Runs, []string{"metrics.a", "metrics.a{context='x'}", "min(metrics.a)", "min(metrics.a)"})
	require.NoError(t, err)
	_, err = query.ParseOrderBy(tree.Runs, make([]string, query.MaxOrderBy+1))
	require.ErrorContains(t, err, "order_by has 17 clauses")
}

func TestPrompts(t *testing.T) {
	tests := []struct {
		filter string
		wants  bool
	}{
		{"", false},
		{"tags.`mlflow.prompt.is_prompt` = 'true'", true},
		{"'true' = tags.`mlflow.prompt.is_prompt`", true},
		{"tags.`mlflow.prompt.is_prompt` != 'true'", false},
		{"tags.mlflow.prompt.is_prompt = 'false'", false},
		{"tags.`mlflow.prompt.is_prompt` != 'false'", true},
		{"tags.`mlflow.prompt.is_prompt` IS NULL", false},
		{"tags.`mlflow.prompt.is_prompt` = 'True' AND tags.x IS NULL", true},
		{"tags.`mlflow.prompt.is_prompt` != 'x' AND tags.`mlflow.prompt.is_prompt` = 'true'", false},
		{"tags.`mlflow.prompt.is_prompt` LIKE 'x' AND tags.`mlflow.prompt.is_prompt` = 'true'", false},
		{"tags.`mlflow.prompt.is_prompt` IN ('x') AND tags.`mlflow.prompt.is_prompt` = 'true'", false},
		{"tags.`mlflow.prompt.is_prompt` > 3 AND tags.`mlflow.prompt.is_prompt` = 'true'", false},
		{"NOT tags.`mlflow.prompt.is_prompt` = 'true'", false},
		{"name = 'x' OR tags.`mlflow.prompt.is_prompt` = 'true'", false},
		{"name = 'x' AND tags.`mlflow.prompt.is_prompt` = 'true'", true},
	}
	for _, tt := range tests {
		for _, d := range []tree.Domain{tree.RegisteredModels, tree.ModelVersions} {
			q := parse(t, d, tt.filter)
			require.Equal(t, tt.wants, query.WantsPrompts(q), tt.filter)
			if q.Filter == nil {
				continue
			}
			tree.Walk(q.Filter, func(x tree.Expr) bool {
				if f, ok := x.(*tree.Field); ok && f.Key == "mlflow.prompt.is_prompt" {
					require.Equal(t, "false", f.Default)
				}
				return true
			})
		}
	}
	require.False(t, query.WantsPrompts(nil))
	// For runs the tag is a tag like any other.
	q := parse(t, tree.Runs, "tags.`mlflow.prompt.is_prompt` != 'false'")
	require.False(t, query.WantsPrompts(q))
}

func TestSuggest(t *testing.T) {
	known := []string{"loss", "val_loss", "accuracy", "Learning", "a"}
	for name, want := range map[string]string{
		"los": "loss", "lsos": "loss", "val_los": "val_loss", "accurcy": "accuracy", "ACCURACY": "accuracy",
		"larning": "Learning", "b": "", "xyz": "", "": "", strings.Repeat("loss", 20): "", strings.Repeat("Ⱥ", 30): "",
	} {
		if want != "" {
			want = "did you mean '" + want + "'?"
		}
		require.Equal(t, want, query.Suggest(name, known), name)
	}
	require.Empty(t, query.Suggest("x", []string{strings.Repeat("Ⱥ", 60)}))
}
