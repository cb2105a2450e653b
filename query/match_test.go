package query_test

import (
	"math"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/stretchr/testify/require"
)

func runAttrs(id, name, status, user string, start int64, end query.Value) map[string]query.Value {
	return map[string]query.Value{
		"run_id": query.Str(id), "run_name": query.Str(name), "status": query.Str(status), "user_id": query.Str(user),
		"artifact_uri": query.Str("/art/1/" + id), "start_time": query.Int(start), "end_time": end,
	}
}

// fourRuns were given to MLflow 3.17 on SQLite too; the tests below hold what it
// answered, but for what it refuses.
func fourRuns() []*testRow {
	return []*testRow{
		{
			name: "r1", attrs: runAttrs("a1", "r1", "FINISHED", "alice", 100, query.Int(200)),
			metrics:  map[string]float64{"loss": 0.5, "a b": 1, "x/y": 2, "m.n": 3, "count": 5, "inf": math.Inf(1)},
			params:   map[string]string{"lr": "0.01", "model": "Net_50%"},
			tags:     map[string]string{"env": "prod", "mlflow.source.name": "a.py", "q": "it's", "mlflow.runName": "r1"},
			datasets: []query.Dataset{{Name: "d1", Digest: "x1", Context: "train"}, {Name: "d2", Digest: "x2", Context: "test"}},
		},
		{
			name: "r2", attrs: runAttrs("b2", "r2", "RUNNING", "alice", 200, query.Missing()),
			metrics:  map[string]float64{"loss": math.NaN()},
			params:   map[string]string{"lr": "0.1", "model": "net_50"},
			tags:     map[string]string{"env": "dev", "mlflow.runName": "r2"},
			datasets: []query.Dataset{{Name: "d1", Digest: "x1"}},
		},
		{
			name: "r3", attrs: runAttrs("c3", "r3", "FAILED", "bob", 300, query.Int(400)),
			metrics: map[string]float64{"loss": -1.5, "inf": math.Inf(-1)},
			params:  map[string]string{"model": ""},
			tags:    map[string]string{"mlflow.runName": "r3"},
		},
		{
			name: "R4", attrs: runAttrs("a4", "R4", "FINISHED", "alice", 300, query.Int(350)),
			metrics: map[string]float64{"loss": 0},
			params:  map[string]string{"lr": "a.c"},
			tags:    map[string]string{"env": "Prod", "q": `say "hi"`, "mlflow.runName": "R4"},
		},
	}
}

func TestMatchRuns(t *testing.T) {
	all := []string{"r1", "r2", "r3", "R4"}
	tests := []struct {
		filter string
		want   []string
	}{
		{"", all},
		// Metrics: numbers only, NaN satisfies nothing but !=, missing nothing.
		{"metrics.loss < 0.5", []string{"r3", "R4"}},
		{"metrics.loss <= 0.5", []string{"r1", "r3", "R4"}},
		{"metric.loss > 0", []string{"r1"}},
		{"metrics.loss >= -1.5", []string{"r1", "r3", "R4"}},
		{"metrics.loss = 0", []string{"R4"}},
		{"metrics.loss != 0", []string{"r1", "r2", "r3"}},
		{"metrics.loss > 1e-3", []string{"r1"}},
		{"metrics.loss>-1.e0", []string{"r1", "R4"}},
		{"metrics.inf > 1e400", nil},
		{"metrics.inf >= 1e400", []string{"r1"}},
		{"metrics.inf < 0", []string{"r3"}},
		{"metrics.inf != 3", []string{"r1", "r3"}},
		{"metrics.count > 1 AND metrics.loss > 0", []string{"r1"}},
		{"metrics.gone != 1", nil},
		{"metrics.gone IS NULL", all},
		{"metrics.loss IS NOT NULL", all},
		{"metrics.inf is null", []string{"r2", "R4"}},
		// Keys in every quoting.
		{"metrics.`a b` = 1", []string{"r1"}},
		{`metrics."a b" = 1`, []string{"r1"}},
		{"metrics.'a b' = 1", []string{"r1"}},
		{"metrics.`x/y` = 2", []string{"r1"}},
		{"metrics.m.n = 3", []string{"r1"}},
		{"metrics.`m.n` = 3", []string{"r1"}},
		{"`metrics`.loss = 0.5", []string{"r1"}},
		{"tags.mlflow.source.name = 'a.py'", []string{"r1"}},
		{"tags.`mlflow.source.name` = 'a.py'", []string{"r1"}},
		// Params and tags: quoted strings only, compared byte for byte.
		{"params.lr = '0.01'", []string{"r1"}},
		{`params.lr = "0.01"`, []string{"r1"}},
		{"params.lr != '0.01'", []string{"r2", "R4"}},
		{"params.model = ''", []string{"r3"}},
		{"params.model != 'x'", []string{"r1", "r2", "r3"}},
		{"tags.env != 'dev'", []string{"r1", "R4"}},
		{`tags.q = "it's"`, []string{"r1"}},
		{`tags.q = 'it''s'`, nil},
		{`tags.q = 'say "hi"'`, []string{"R4"}},
		{`tags.q = "say ""hi"""`, nil},
		{"params.lr IS NULL", []string{"r3"}},
		{"params.lr IS NOT NULL", []string{"r1", "r2", "R4"}},
		{"params.lr is null AND metrics.loss < 0", []string{"r3"}},
		// LIKE: % and _ only.
		{"params.lr LIKE 'a_c'", []string{"R4"}},
		{"params.lr LIKE 'A.C'", nil},
		{"params.lr ILIKE 'A.C'", []string{"R4"}},
		{"params.model LIKE 'Net_50%'", []string{"r1"}},
		{`params.model LIKE 'net\_50'`, nil},
		{"params.model ILIKE '%NET%'", []string{"r1", "r2"}},
		{"tags.env ilike 'PROD'", []string{"r1", "R4"}},
		// Attributes and their aliases.
		{"status = 'FINISHED'", []string{"r1", "R4"}},
		{"attribute.status != 'FINISHED'", []string{"r2", "r3"}},
		{"attr.status LIKE 'F%'", []string{"r1", "r3", "R4"}},
		{`run.status = "finished"`, nil},
		{"start_time > 150.5", []string{"r2", "r3", "R4"}},
		{"Created = 100 and created < 101", []string{"r1"}},
		{"end_time > 0", []string{"r1", "r3", "R4"}},
		{"end_time != 200", []string{"r3", "R4"}},
		{"end_time IS NULL", []string{"r2"}},
		{"`run name` = 'r1'", []string{"r1"}},
		{`"run name" = 'r1'`, []string{"r1"}},
		{"attributes.`Run Name` LIKE 'r%'", []string{"r1", "r2", "r3"}},
		{"run_id IN ('a1')", []string{"r1"}},
		{"run_id not in (\"a1\", 'ABC',)", []string{"r2", "r3", "R4"}},
		{"user_id = 'bob'", []string{"r3"}},
		{"artifact_uri LIKE '/art/%'", all},
		// Datasets: any input may match.
		{"dataset.name = 'd1'", []string{"r1", "r2"}},
		{"dataset.name != 'd1'", []string{"r1"}},
		{"dataset.name NOT IN ('d1')", []string{"r1"}},
		{"datasets.digest LIKE 'x%'", []string{"r1", "r2"}},
		{"dataset.context IN ('train','eval')", []string{"r1"}},
		{"dataset.name = 'd1' AND dataset.context = 'test'", []string{"r1"}},
		{"dataset.context != 'train'", []string{"r1"}},
		{"dataset.context IS NULL", []string{"r2", "r3", "R4"}},
		{"dataset.name IS NOT NULL", []string{"r1", "r2"}},
		// What MLflow passes over.
		{"AND metrics.loss > 0 AND AND params.lr = '0.01' AND", []string{"r1"}},
		{"metrics.loss > 0 params.lr = '0.01'", []string{"r1"}},
		// The superset.
		{"params.lr IN ('0.01', 'a.c')", []string{"r1", "R4"}},
		{"tags.env NOT IN ('prod')", []string{"r2", "R4"}},
		{"tags.env NOT LIKE 'p%'", []string{"r2", "R4"}},
		{"status in ('FAILED', 'RUNNING')", []string{"r2", "r3"}},
		{"metrics.loss = 0.5 OR params.model = ''", []string{"r1", "r3"}},
		{"status = 'FAILED' OR status = 'FINISHED' AND metrics.loss = 0", []string{"r3", "R4"}},
		{"(status = 'FAILED' OR status = 'FINISHED') AND metrics.loss >= 0", []string{"r1", "R4"}},
		{"NOT tags.env = 'prod'", []string{"r2", "r3", "R4"}},
		{"NOT dataset.name = 'd1'", []string{"r3", "R4"}},
		{"NOT (metrics.loss > 0 OR user_id = 'bob') status != 'x'", []string{"r2", "R4"}},
		{"NOT metrics.loss < 0 AND NOT metrics.loss >= 0", []string{"r2"}},
	}
	for _, tt := range tests {
		if tt.want == nil {
			tt.want = []string{}
		}
		f := parse(t, query.Runs, tt.filter)
		require.Equal(t, tt.want, namesOf(f, fourRuns(), rowName), tt.filter)
		again := parse(t, query.Runs, f.String())
		require.Equal(t, tt.want, namesOf(again, fourRuns(), rowName), "%s as %s", tt.filter, f)
	}
}

// TestMatchExact: int64 attributes do not go through float64.
func TestMatchExact(t *testing.T) {
	const big = 1<<53 + 1
	row := &testRow{attrs: map[string]query.Value{"start_time": query.Int(big), "end_time": query.Int(math.MaxInt64)}}
	low := &testRow{attrs: map[string]query.Value{"start_time": query.Int(math.MinInt64)}}
	for filter, want := range map[string]bool{
		"start_time = 9007199254740993":           true,
		"start_time = 9007199254740992":           false,
		"start_time > 9007199254740992":           true,
		"start_time > 9007199254740992.0":         true,
		"start_time < 9007199254740994.0":         true,
		"start_time != 9007199254740993":          false,
		"end_time = 9223372036854775807":          true,
		"end_time < 9223372036854775808":          true,
		"end_time >= 9223372036854775808":         false,
		"end_time > -1e400 AND end_time < 1e400":  true,
		"end_time > 0.5":                          true,
		"start_time < 9007199254740993.5":         true, // reads as …994
		"start_time IN ('9')":                     false,
		"start_time IS NOT NULL AND end_time > 1": true,
	} {
		f, err := query.Parse(query.Runs, filter)
		if filter == "start_time IN ('9')" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err, filter)
		require.Equal(t, want, f.Match(row), filter)
	}
	require.True(t, parse(t, query.Runs, "start_time = -9223372036854775808").Match(low))
	require.True(t, parse(t, query.Runs, "start_time < -0.5").Match(low))
	minus := &testRow{attrs: map[string]query.Value{"start_time": query.Int(-1)}}
	require.True(t, parse(t, query.Runs, "start_time > -1.5 AND start_time < -0.5").Match(minus))
}

// TestMatchWrongKind: a row that answers with the wrong kind matches nothing.
func TestMatchWrongKind(t *testing.T) {
	row := &testRow{attrs: map[string]query.Value{"start_time": query.Str("1"), "status": query.Int(1)}}
	for _, filter := range []string{"start_time = 1", "start_time != 2", "status != 'x'", "status = '1'"} {
		require.False(t, parse(t, query.Runs, filter).Match(row), filter)
	}
}

func TestMatchOtherDomains(t *testing.T) {
	row := &testRow{
		name: "x",
		attrs: map[string]query.Value{
			"name": query.Str("Net"), "experiment_id": query.Str("7"), "creation_time": query.Int(10),
			"version_number": query.Int(3), "source_path": query.Str("s3://b/m"), "run_id": query.Missing(),
			"creation_timestamp_ms": query.Int(5), "status": query.Str("READY"),
		},
		params: map[string]string{"lr": "0.01"},
		tags:   map[string]string{"env": "prod"},
	}
	tests := []struct {
		d      query.Domain
		filter string
		want   bool
	}{
		{query.Experiments, "name ILIKE 'n%' AND experiment_id IN ('7', '8') AND creation_time >= 10", true},
		{query.Experiments, "tag.env != 'prod'", false},
		{query.Experiments, "tags.gone IS NULL", true},
		{query.RegisteredModels, "attribute.name = 'Net' AND tags.env = 'prod'", true},
		{query.RegisteredModels, "`name` NOT IN ('Net')", false},
		{query.ModelVersions, "version_number > 2 AND version_number = '3' AND source_path LIKE 's3:%'", true},
		{query.ModelVersions, "run_id != 'x'", false},
		{query.LoggedModels, "creation_time > 4 AND attributes.creation_timestamp = 5 AND status = 'READY'", true},
		{query.LoggedModels, "params.lr = 0.01 AND params.lr IN ('0.01')", true},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, parse(t, tt.d, tt.filter).Match(row), tt.filter)
	}
}

// TestMatchModelMetrics: any of a logged model's values may match.
func TestMatchModelMetrics(t *testing.T) {
	row := &modelRow{points: []modelPoint{{"loss", "train", "d", 0.1}, {"loss", "test", "d", 0.9}, {"nan", "", "", math.NaN()}}}
	for filter, want := range map[string]bool{
		"metrics.loss < 0.5": true, "metrics.loss > 0.5": true, "metrics.loss = 0.5": false, "metrics.loss != 0.1": true,
		"metrics.gone != 1": false, "metrics.gone IS NULL": true, "metrics.loss IS NOT NULL": true,
		"metrics.loss IS NULL": false, "metrics.nan > 0": false, "metrics.nan != 0": true,
		"metrics.loss < 0.5 AND metrics.loss > 0.5": true,
	} {
		require.Equal(t, want, parse(t, query.LoggedModels, filter).Match(row), filter)
	}
}

func TestPrompts(t *testing.T) {
	prompt := &testRow{name: "prompt", tags: map[string]string{"mlflow.prompt.is_prompt": "true"}}
	model := &testRow{name: "model"}
	tests := []struct {
		filter string
		wants  bool
		match  []string
	}{
		{"", false, []string{"prompt", "model"}},
		{"tags.`mlflow.prompt.is_prompt` = 'true'", true, []string{"prompt"}},
		{"tags.`mlflow.prompt.is_prompt` != 'true'", false, []string{"model"}},
		{"tags.mlflow.prompt.is_prompt = 'false'", false, []string{"model"}},
		{"tags.`mlflow.prompt.is_prompt` != 'false'", true, []string{"prompt"}},
		{"tags.`mlflow.prompt.is_prompt` IS NULL", false, []string{"model"}},
		{"tags.`mlflow.prompt.is_prompt` = 'True' AND tags.x IS NULL", true, []string{}},
		{"tags.`mlflow.prompt.is_prompt` != 'x' AND tags.`mlflow.prompt.is_prompt` = 'true'", false, []string{"prompt"}},
		{"NOT tags.`mlflow.prompt.is_prompt` = 'true'", false, []string{"model"}},
	}
	for _, tt := range tests {
		for _, d := range []query.Domain{query.RegisteredModels, query.ModelVersions} {
			f := parse(t, d, tt.filter)
			require.Equal(t, tt.wants, f.WantsPrompts(), tt.filter)
			require.Equal(t, tt.match, namesOf(f, []*testRow{prompt, model}, rowName), tt.filter)
		}
	}
	// For runs the tag is a tag like any other.
	require.False(t, parse(t, query.Runs, "tags.`mlflow.prompt.is_prompt` != 'true'").Match(model))
}

func TestMatchDoesNotAllocate(t *testing.T) {
	f := parse(t, query.Runs, "(metrics.loss > 0 OR metrics.loss != 7) AND params.model ILIKE '%NET%50%' AND NOT tags.env "+
		"IN ('a','b') AND dataset.name LIKE 'd_' AND start_time < 1e3 AND run_name LIKE 'r%' AND end_time IS NOT NULL")
	o, err := query.ParseOrderBy(query.Runs, []string{"metrics.loss DESC", "tags.env"})
	require.NoError(t, err)
	var a, b query.Row = fourRuns()[0], fourRuns()[1]
	require.True(t, f.Match(a))
	require.Zero(t, testing.AllocsPerRun(100, func() { f.Match(a); o.Compare(a, b) }))
}

func TestNilFilter(t *testing.T) {
	var f *query.Filter
	require.True(t, f.Match(&testRow{}))
	require.Empty(t, f.String())
	require.Equal(t, query.Needs{}, f.Needs())
	require.Nil(t, f.Root())
	require.False(t, f.WantsPrompts())
}

func TestNeedsAdd(t *testing.T) {
	f := parse(t, query.Runs, "metrics.b > 1 AND metrics.a > 1 AND metrics.b < 9 AND tags.t = 'x' AND status = 'y'")
	o, err := query.ParseOrderBy(query.Runs, []string{"params.p", "metrics.c"})
	require.NoError(t, err)
	n := f.Needs()
	n.Add(o.Needs())
	n.Add(parse(t, query.Runs, "dataset.name = 'x'").Needs())
	require.Equal(t, query.Needs{
		Attributes: []string{"run_id", "start_time", "status"}, Metrics: []string{"a", "b", "c"},
		Params: []string{"p"}, Tags: []string{"t"}, Datasets: true,
	}, n)
}
