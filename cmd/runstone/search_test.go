package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query/tree"
)

func TestNamedColumns(t *testing.T) {
	metric := func(key string) *tree.Field { return &tree.Field{Entity: tree.Metric, Key: key} }
	whole := func(fn tree.SeriesFn, key string) *tree.Series { return &tree.Series{Fn: fn, Field: metric(key)} }
	filter := &tree.And{Kids: []tree.Expr{
		&tree.Compare{L: metric("loss"), R: &tree.Literal{}},
		&tree.Compare{L: &tree.Arithmetic{L: whole(tree.Min, "loss"), R: whole(tree.ArgMin, "loss")}, R: &tree.Literal{}},
		&tree.Is{X: &tree.Field{Entity: tree.Tag, Key: "a"}, What: tree.Null},
		&tree.Compare{L: &tree.Field{Entity: tree.Attribute, Key: "run_name"}, R: &tree.Literal{}},
		&tree.Relative{X: &tree.Compare{L: metric("of the parent"), R: &tree.Literal{}}},
		&tree.Compare{L: &tree.Series{Fn: tree.Slope, Field: metric("slope")}, R: &tree.Literal{}},
		&tree.Compare{L: &tree.Series{Fn: tree.Max, Field: metric("part"), Window: &tree.Window{}}, R: &tree.Literal{}},
	}}
	columns := namedColumns(filter, nil, metric("loss"), whole(tree.Max, "nan"), whole(tree.Count, "nan"),
		&tree.Field{Entity: tree.Attribute, Key: "end_time"}, &tree.Field{Entity: tree.Param, Key: "lr"}, whole(tree.Min, "twice"))
	r := &runstone.RunData{RunInfo: runstone.RunInfo{ID: runA, Name: "n", Status: runstone.Running, Start: 5}, Params: map[string]string{"lr": ""}}
	series := func(name string, m runstone.MetricSummary) {
		m.Metric = name
		r.Metrics = append(r.Metrics, m)
	}
	loss := runstone.MetricSummary{}
	loss.Count, loss.Latest.Value, loss.Min, loss.MinStep = 3, 0.5, 0.25, 7
	series("loss", loss)
	nan := runstone.MetricSummary{}
	nan.Count, nan.NaN, nan.Max = 2, 2, math.NaN()
	series("nan", nan)
	series("twice", loss)
	loss.Dataset = "d"
	series("twice", loss)

	got := map[string]any{}
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
		got[c.name] = c.cell(r)
	}
	require.Equal(t, []string{"run_id", "run_name", "status", "start_time", "metrics.loss", "min(metrics.loss)", "argmin(metrics.loss)",
		"tags.a", "max(metrics.nan)", "count(metrics.nan)", "end_time", "params.lr", "min(metrics.twice)"}, names)
	require.Equal(t, map[string]any{
		"run_id": runRef(runA), "run_name": "n", "status": "RUNNING", "start_time": millis(5), "metrics.loss": 0.5, "min(metrics.loss)": 0.25,
		"argmin(metrics.loss)": int64(7), "tags.a": nil, "max(metrics.nan)": nil, "count(metrics.nan)": int64(2), "end_time": nil,
		"params.lr": "", "min(metrics.twice)": nil,
	}, got)
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"plain-1.0": "plain-1.0", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "a\nb": "'a\nb'", "ü": "'ü'",
	} {
		require.Equal(t, want, shellQuote(word))
	}
}
