package query_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/stretchr/testify/require"
)

func sortedNames[R query.Row](o *query.Order, rows []R, name func(R) string) string {
	slices.SortStableFunc(rows, func(a, b R) int { return o.Compare(a, b) })
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = name(r)
	}
	return strings.Join(names, " ")
}

// TestOrderRuns holds MLflow 3.17's answers on SQLite for the same four runs.
func TestOrderRuns(t *testing.T) {
	tests := []struct{ clauses, want string }{
		{"", "R4 r3 r2 r1"},
		{"metrics.loss", "r3 R4 r1 r2"},
		{"metrics.loss DESC", "r1 R4 r3 r2"},
		{"metrics.loss desc", "r1 R4 r3 r2"},
		{" metrics.`a b`  DESC ", "r1 R4 r3 r2"},
		{`metrics."a b"`, "r1 R4 r3 r2"},
		{"params.lr", "r1 r2 R4 r3"},
		{"params.lr DESC", "R4 r2 r1 r3"},
		{"tags.env", "R4 r2 r1 r3"},
		{"tags.env DESC", "r1 r2 R4 r3"},
		{"start_time", "r1 r2 R4 r3"},
		{"created DESC", "R4 r3 r2 r1"},
		{"attributes.end_time ASC", "r1 R4 r3 r2"},
		{"end_time DESC", "r3 R4 r1 r2"},
		{"run_name", "R4 r1 r2 r3"},
		{"status DESC", "r2 R4 r1 r3"},
		{"user_id", "R4 r2 r1 r3"},
		{"metrics.inf DESC", "r1 r3 R4 r2"},
		{"metrics.inf", "r3 r1 R4 r2"},
		{"metrics.m.n DESC", "r1 R4 r3 r2"},
		{"tags.env DESC|start_time", "r1 r2 R4 r3"},
		{"user_id|metrics.loss DESC", "r1 R4 r2 r3"},
		{"run_id DESC", "r3 r2 R4 r1"},
	}
	for _, tt := range tests {
		var clauses []string
		if tt.clauses != "" {
			clauses = strings.Split(tt.clauses, "|")
		}
		o, err := query.ParseOrderBy(query.Runs, clauses)
		require.NoError(t, err, tt.clauses)
		rows := fourRuns()
		// r3 and R4 began together; MLflow breaks the tie by run id.
		require.Equal(t, tt.want, sortedNames(o, rows, rowName), tt.clauses)
		slices.Reverse(rows)
		require.Equal(t, tt.want, sortedNames(o, rows, rowName), tt.clauses)
	}
}

// TestOrderMissingLast: values, then NaN, then missing, in both directions.
func TestOrderMissingLast(t *testing.T) {
	rows := []*testRow{
		{name: "none"}, {name: "nan", metrics: map[string]float64{"m": math.NaN()}},
		{name: "one", metrics: map[string]float64{"m": 1}}, {name: "inf", metrics: map[string]float64{"m": math.Inf(1)}},
		{name: "two", metrics: map[string]float64{"m": 2}}, {name: "-inf", metrics: map[string]float64{"m": math.Inf(-1)}},
	}
	for clause, want := range map[string]string{
		"metrics.m": "-inf one two inf nan none", "metrics.m DESC": "inf two one -inf nan none",
	} {
		o, err := query.ParseOrderBy(query.Runs, []string{clause})
		require.NoError(t, err)
		require.Equal(t, want, sortedNames(o, rows, rowName))
	}
}

func TestOrderOtherDomains(t *testing.T) {
	row := func(name, id string, created, updated, version int64) *testRow {
		return &testRow{name: id, attrs: map[string]query.Value{
			"name": query.Str(name), "experiment_id": query.Str(id), "model_id": query.Str(id),
			"creation_time": query.Int(created), "creation_timestamp": query.Int(created),
			"creation_timestamp_ms": query.Int(created), "last_update_time": query.Int(updated),
			"last_updated_timestamp": query.Int(updated), "version_number": query.Int(version),
		}}
	}
	rows := func() []*testRow {
		return []*testRow{
			row("m", "9", 10, 50, 1), row("m", "10", 10, 40, 2), row("a", "2", 30, 40, 1), row("m", "11", 20, 40, 10),
		}
	}
	tests := []struct {
		d             query.Domain
		clauses, want string
	}{
		{query.Experiments, "", "2 11 9 10"},
		{query.Experiments, "name", "2 11 10 9"},
		{query.Experiments, "experiment_id", "2 9 10 11"},
		{query.Experiments, "attribute.creation_time DESC|experiment_id DESC", "2 11 10 9"},
		{query.Experiments, "name DESC|name", "11 10 9 2"},
		{query.RegisteredModels, "timestamp|name DESC", "10 11 2 9"},
		{query.RegisteredModels, "last_updated_timestamp DESC", "9 2 10 11"},
		{query.RegisteredModels, "creation_timestamp", "9 10 11 2"},
		{query.RegisteredModels, "", "2 9 10 11"},
		{query.ModelVersions, "", "9 2 11 10"},
		{query.ModelVersions, "name", "2 11 10 9"},
		{query.ModelVersions, "version_number", "2 9 10 11"},
		{query.ModelVersions, "attribute.last_updated_timestamp", "2 11 10 9"},
		{query.LoggedModels, "", "2 11 10 9"},
		{query.LoggedModels, "creation_time", "10 9 11 2"},
		{query.LoggedModels, "model_id DESC", "9 2 11 10"},
	}
	for _, tt := range tests {
		var clauses []string
		if tt.clauses != "" {
			clauses = strings.Split(tt.clauses, "|")
		}
		o, err := query.ParseOrderBy(tt.d, clauses)
		require.NoError(t, err, tt.clauses)
		require.Equal(t, tt.want, sortedNames(o, rows(), rowName), "%v %s", tt.d, tt.clauses)
	}
}

func TestOrderLoggedModelFields(t *testing.T) {
	mk := func(name string, points ...modelPoint) *modelRow {
		return &modelRow{testRow: testRow{name: name, attrs: map[string]query.Value{
			"creation_timestamp_ms": query.Int(1), "model_id": query.Str(name)}}, points: points}
	}
	rows := []*modelRow{
		mk("c"), mk("b", modelPoint{"a loss", "train", "1", 5}, modelPoint{"a loss", "test", "1", 1}),
		mk("a", modelPoint{"a loss", "train", "1", 3}, modelPoint{"a loss", "train", "2", 9}),
	}
	name := func(r *modelRow) string { return r.name }
	tests := []struct {
		f    query.OrderField
		want string
	}{
		{query.OrderField{Name: "metrics.a loss"}, "b a c"},
		{query.OrderField{Name: "metrics.a loss", Desc: true}, "a b c"},
		{query.OrderField{Name: "metrics.a loss", DatasetName: "test"}, "b a c"},
		{query.OrderField{Name: "metrics.a loss", DatasetName: "train", DatasetDigest: "1"}, "a b c"},
		{query.OrderField{Name: "metrics.a loss", DatasetName: "train", DatasetDigest: "1", Desc: true}, "b a c"},
		{query.OrderField{Name: "creation_time", Desc: true}, "a b c"},
	}
	for _, tt := range tests {
		o, err := query.NewLoggedModelOrder([]query.OrderField{tt.f})
		require.NoError(t, err)
		require.Equal(t, tt.want, sortedNames(o, rows, name), tt.f)
	}
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
}

func TestOrderDuplicates(t *testing.T) {
	_, err := query.ParseOrderBy(query.Runs, []string{"start_time", "metrics.a", "Created DESC"})
	var pe *query.ParseError
	require.ErrorAs(t, err, &pe)
	require.Equal(t, 2, pe.Clause)
	require.Equal(t, "`order_by` contains duplicate fields: ['start_time', 'metrics.a', 'Created DESC']", pe.Msg)
	var none *query.Order
	require.Zero(t, none.Compare(&testRow{}, &testRow{}))
	require.Equal(t, query.Needs{}, none.Needs())
}
