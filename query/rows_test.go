package query_test

import (
	"slices"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/stretchr/testify/require"
)

// testRow is a Row kept in maps.
type testRow struct {
	name     string
	attrs    map[string]query.Value
	metrics  map[string]float64
	params   map[string]string
	tags     map[string]string
	datasets []query.Dataset
}

func (r *testRow) Field(e query.Entity, key string) query.Value {
	switch e {
	case query.Attribute:
		return r.attrs[key]
	case query.Metric:
		if v, ok := r.metrics[key]; ok {
			return query.Num(v)
		}
	case query.Param:
		if v, ok := r.params[key]; ok {
			return query.Str(v)
		}
	case query.Tag:
		if v, ok := r.tags[key]; ok {
			return query.Str(v)
		}
	}
	return query.Missing()
}

func (r *testRow) Datasets() []query.Dataset { return r.datasets }

// modelRow is a logged model: its metrics have a value per dataset.
type modelRow struct {
	testRow
	points []modelPoint // oldest first
}

type modelPoint struct {
	key, dataset, digest string
	value                float64
}

func (r *modelRow) MetricValues(key string) []float64 {
	var out []float64
	for _, p := range r.points {
		if p.key == key {
			out = append(out, p.value)
		}
	}
	return out
}

func (r *modelRow) DatasetMetric(key, name, digest string) query.Value {
	for _, p := range slices.Backward(r.points) {
		if p.key == key && (name == "" || name == p.dataset) && (digest == "" || digest == p.digest) {
			return query.Num(p.value)
		}
	}
	return query.Missing()
}

func parse(t testing.TB, d query.Domain, filter string) *query.Filter {
	t.Helper()
	f, err := query.Parse(d, filter)
	require.NoError(t, err, filter)
	return f
}

// namesOf lists the rows that match, in the order given.
func namesOf[R query.Row](f *query.Filter, rows []R, name func(R) string) []string {
	out := []string{}
	for _, r := range rows {
		if f.Match(r) {
			out = append(out, name(r))
		}
	}
	return out
}

func rowName(r *testRow) string { return r.name }
