package main

import (
	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query/tree"
)

// searchColumn is a column of found runs: what it is called, and a run's cell,
// nil for a run that has none.
type searchColumn struct {
	name string
	cell func(*runstone.RunData) any
}

// baseColumns are those that every list of found runs begins with.
func baseColumns() []searchColumn {
	return []searchColumn{
		{"run_id", func(r *runstone.RunData) any { return runRef(r.ID) }},
		{"run_name", func(r *runstone.RunData) any { return r.Name }},
		{"status", func(r *runstone.RunData) any { return r.Status.String() }},
		{"start_time", func(r *runstone.RunData) any { return millis(r.Start) }},
	}
}

// namedColumns returns baseColumns and the fields that expressions name, in
// order, as far as a run shows them without reading points.
func namedColumns(exprs ...tree.Expr) []searchColumn {
	columns := baseColumns()
	seen := map[string]bool{}
	for _, c := range columns {
		seen[c.name] = true
	}
	add := func(c searchColumn) {
		if c.cell != nil && !seen[c.name] {
			seen[c.name] = true
			columns = append(columns, c)
		}
	}
	for _, x := range exprs {
		if x == nil {
			continue
		}
		tree.Walk(x, func(x tree.Expr) bool {
			switch x := x.(type) {
			case *tree.Relative: // its fields are those of other runs
				return false
			case *tree.Series:
				add(seriesColumn(x))
				return false
			case *tree.Field:
				add(fieldColumn(x))
			}
			return true
		})
	}
	return columns
}

func fieldColumn(f *tree.Field) searchColumn {
	switch key := f.Key; f.Entity {
	case tree.Attribute:
		return searchColumn{key, attributeCell(key)}
	case tree.Metric:
		if len(f.Select) > 0 {
			return searchColumn{}
		}
		return searchColumn{"metrics." + key, func(r *runstone.RunData) any {
			if v, ok := r.Metric(key); ok {
				return v
			}
			return nil
		}}
	case tree.Param:
		return searchColumn{"params." + key, func(r *runstone.RunData) any { return textCell(r.Params, key) }}
	case tree.Tag:
		return searchColumn{"tags." + key, func(r *runstone.RunData) any { return textCell(r.Tags, key) }}
	}
	return searchColumn{}
}

func textCell(m map[string]string, key string) any {
	if v, ok := m[key]; ok {
		return v
	}
	return nil
}

// attributeCell returns nil for what baseColumns has, and what a run has not.
func attributeCell(key string) func(*runstone.RunData) any {
	switch key {
	case "experiment_id":
		return func(r *runstone.RunData) any { return r.ExperimentID }
	case "user_id":
		return func(r *runstone.RunData) any { return r.User }
	case "artifact_uri":
		return func(r *runstone.RunData) any { return r.ArtifactURI }
	case "lifecycle_stage":
		return func(r *runstone.RunData) any { return stage(r.Deleted) }
	case "end_time":
		return func(r *runstone.RunData) any {
			if r.End == 0 {
				return nil
			}
			return millis(r.End)
		}
	case "duration":
		return func(r *runstone.RunData) any {
			if r.End == 0 {
				return nil
			}
			return r.End - r.Start
		}
	}
	return nil
}

// seriesColumn is a function of a whole metric that its summary tells.
func seriesColumn(s *tree.Series) searchColumn {
	if s.Window != nil || len(s.Field.Select) > 0 {
		return searchColumn{}
	}
	var of func(*runstone.MetricSummary) any
	switch s.Fn {
	case tree.Last:
		of = func(m *runstone.MetricSummary) any { return m.Latest.Value }
	case tree.First:
		of = func(m *runstone.MetricSummary) any { return m.First.Value }
	case tree.Min:
		of = func(m *runstone.MetricSummary) any { return finite(m, m.Min) }
	case tree.Max:
		of = func(m *runstone.MetricSummary) any { return finite(m, m.Max) }
	case tree.ArgMin:
		of = func(m *runstone.MetricSummary) any { return finite(m, m.MinStep) }
	case tree.ArgMax:
		of = func(m *runstone.MetricSummary) any { return finite(m, m.MaxStep) }
	case tree.Count:
		of = func(m *runstone.MetricSummary) any { return m.Count }
	case tree.NaNCount:
		of = func(m *runstone.MetricSummary) any { return m.NaN }
	default:
		return searchColumn{}
	}
	key := s.Field.Key
	return searchColumn{s.Fn.String() + "(metrics." + key + ")", func(r *runstone.RunData) any {
		// A metric that was logged about several models or datasets has no
		// summary of all its points.
		var found *runstone.MetricSummary
		for i := range r.Metrics {
			if r.Metrics[i].Metric == key {
				if found != nil {
					return nil
				}
				found = &r.Metrics[i]
			}
		}
		if found == nil {
			return nil
		}
		return of(found)
	}}
}

// finite is v unless all values of the metric are NaN.
func finite[T any](m *runstone.MetricSummary, v T) any {
	if m.Count == m.NaN {
		return nil
	}
	return v
}
