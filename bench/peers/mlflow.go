package main

import (
	"fmt"
	"strconv"
	"strings"
)

// question is a search in the part of the filter language that MLflow has too,
// so that it can be put to both: as text, see filter and orderBy, and as the
// statement that MLflow's SQL store makes of it, see statement.
type question struct {
	clauses []clause // all of them hold
	order   []sortKey
	limit   int
	offset  int
}

// clause compares a field with a value. entity is metrics, params, tags or
// attributes; the value of a metric is a float64, that of a time an int64, and
// of all others a string.
type clause struct {
	entity, key, op string
	value           any
}

// sortKey is a field to sort by.
type sortKey struct {
	entity, key string
	descending  bool
}

func fieldText(entity, key string) string { return entity + ".`" + key + "`" }

// filter is the question's filter as text.
func (q *question) filter() string {
	parts := make([]string, len(q.clauses))
	for i, c := range q.clauses {
		value := ""
		switch v := c.value.(type) {
		case float64:
			value = strconv.FormatFloat(v, 'g', -1, 64)
		case string:
			value = "'" + v + "'"
		default:
			value = fmt.Sprint(v)
		}
		parts[i] = fieldText(c.entity, c.key) + " " + c.op + " " + value
	}
	return strings.Join(parts, " and ")
}

// orderBy is the question's order as text.
func (q *question) orderBy() []string {
	out := make([]string, len(q.order))
	for i, k := range q.order {
		out[i] = fieldText(k.entity, k.key) + map[bool]string{true: " DESC", false: " ASC"}[k.descending]
	}
	return out
}

// runColumns are the columns that MLflow loads of a run.
const runColumns = `runs.run_uuid, runs.name, runs.source_type, runs.source_name, runs.entry_point_name, runs.user_id, runs.status, runs.start_time, runs.end_time, runs.deleted_time, runs.source_version, runs.lifecycle_stage, runs.artifact_uri, runs.experiment_id`

// attributeColumns are the columns of attributes; the name of a run is
// filtered by its tag.
var attributeColumns = map[string]string{
	"run_id": "run_uuid", "run_name": "name", "status": "status", "user_id": "user_id",
	"start_time": "start_time", "end_time": "end_time",
}

// valueTables are the tables of fields, with all that MLflow selects of them in
// a subquery.
var valueTables = map[string]struct{ table, columns string }{
	"metrics": {"latest_metrics", `latest_metrics."key" AS "key", latest_metrics.value AS value, latest_metrics.timestamp AS timestamp, latest_metrics.step AS step, latest_metrics.is_nan AS is_nan, latest_metrics.run_uuid AS run_uuid`},
	"params":  {"params", `params."key" AS "key", params.value AS value, params.run_uuid AS run_uuid`},
	"tags":    {"tags", `tags."key" AS "key", tags.value AS value, tags.run_uuid AS run_uuid`},
}

// statement is what MLflow 3.18 sends for the question, parameters included: a
// subquery for each clause, joined; a left join for each key of the order; and
// one run more than asked for, by which MLflow sees whether there is a next
// page.
func (q *question) statement(experiments []int64) (text string, args []any) {
	var chosen, joins, where, order strings.Builder
	var chosenArgs, joinArgs, whereArgs []any
	tables := 0
	join := func(kind, entity, conditions string) string {
		tables++
		alias := fmt.Sprintf("anon_%d", tables)
		t := valueTables[entity]
		fmt.Fprintf(&joins, " %s (SELECT %s FROM %s WHERE %s) AS %s ON runs.run_uuid = %s.run_uuid",
			kind, t.columns, t.table, conditions, alias, alias)
		return alias
	}
	// What is selected names the tables of the order first, but they are joined last.
	tables = len(q.order)
	for _, k := range q.order {
		if k.entity == "attributes" {
			tables--
		}
	}
	for _, c := range q.clauses {
		c = c.stored()
		if c.entity == "attributes" {
			fmt.Fprintf(&where, " AND runs.%s %s ?", attributeColumns[c.key], c.op)
			whereArgs = append(whereArgs, c.value)
			continue
		}
		join("JOIN", c.entity, c.conditions())
		joinArgs = append(joinArgs, c.key, c.value)
	}
	tables = 0
	byStart := false
	for i, k := range q.order {
		n := i + 1
		missing, value, extra := "", "", ""
		if k.entity == "attributes" {
			column := attributeColumns[k.key]
			byStart = byStart || column == "start_time"
			value = "runs." + column
			missing = fmt.Sprintf("CASE WHEN (%s IS NULL) THEN ? ELSE ? END", value)
			extra = fmt.Sprintf("%s AS %s__1", value, column)
			chosenArgs = append(chosenArgs, 1, 0)
		} else {
			t := valueTables[k.entity].table
			alias := join("LEFT OUTER JOIN", k.entity, t+`."key" = ?`)
			joinArgs = append(joinArgs, k.key)
			value, extra = alias+".value", alias+".value"
			if tables > 1 {
				extra += fmt.Sprintf(" AS value_%d", tables-1)
			}
			if k.entity == "metrics" {
				missing = fmt.Sprintf("CASE WHEN (%s.is_nan = 1) THEN ? WHEN (%s IS NULL) THEN ? ELSE ? END", alias, value)
				chosenArgs = append(chosenArgs, 1, 2, 0)
			} else {
				missing = fmt.Sprintf("CASE WHEN (%s IS NULL) THEN ? ELSE ? END", value)
				chosenArgs = append(chosenArgs, 1, 0)
			}
		}
		fmt.Fprintf(&chosen, ", %s AS clause_%d, %s", missing, n, extra)
		fmt.Fprintf(&order, "clause_%d, %s%s, ", n, value, map[bool]string{true: " DESC"}[k.descending])
	}
	if !byStart {
		order.WriteString("runs.start_time DESC, ")
	}
	text = fmt.Sprintf("SELECT DISTINCT %s%s FROM runs%s WHERE runs.experiment_id IN (%s) AND runs.lifecycle_stage IN (?)%s ORDER BY %sruns.run_uuid LIMIT ? OFFSET ?",
		runColumns, chosen.String(), joins.String(), placeholders(len(experiments)), where.String(), order.String())
	args = append(chosenArgs, joinArgs...)
	for _, id := range experiments {
		args = append(args, id)
	}
	args = append(append(args, "active"), whereArgs...)
	return text, append(args, q.limit+1, q.offset)
}

// stored is the clause by what MLflow asks for: the name of a run is a tag.
func (c clause) stored() clause {
	if c.entity == "attributes" && c.key == "run_name" {
		c.entity, c.key = "tags", "mlflow.runName"
	}
	return c
}

// conditions are those of the clause's subquery, whose parameters are the key
// and the value.
func (c clause) conditions() string {
	t := valueTables[c.entity].table
	key, value := t+`."key" = ? AND `, t+".value"
	switch {
	case c.entity == "metrics" && c.op == "!=":
		return fmt.Sprintf("%s(%s != ? OR %s.is_nan = 1)", key, value, t)
	case c.entity == "metrics":
		return fmt.Sprintf("%s%s %s ? AND %s.is_nan = 0", key, value, c.op, t)
	case c.op == "ILIKE":
		return fmt.Sprintf("%slower(%s) LIKE lower(?)", key, value)
	}
	return fmt.Sprintf("%s%s %s ?", key, value, c.op)
}

// placeholders are n parameters of a list.
func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// related are the statements by which MLflow loads the rest of n runs: tags,
// params and latest metrics by their ids alone, and datasets and models behind
// the parameters that are given here.
func related(n int) []relatedStatement {
	list := placeholders(n)
	return []relatedStatement{
		{text: `SELECT tags.run_uuid, tags."key", tags.value FROM tags WHERE tags.run_uuid IN (` + list + `)`},
		{text: `SELECT params.run_uuid, params."key", params.value FROM params WHERE params.run_uuid IN (` + list + `)`},
		{text: `SELECT latest_metrics.run_uuid, latest_metrics."key", latest_metrics.value, latest_metrics.timestamp, latest_metrics.step, latest_metrics.is_nan FROM latest_metrics WHERE latest_metrics.run_uuid IN (` + list + `)`},
		{text: `SELECT inputs.input_uuid AS inputs_input_uuid, inputs.destination_id AS run_uuid, datasets.dataset_uuid AS datasets_dataset_uuid, datasets.experiment_id AS datasets_experiment_id, datasets.name AS datasets_name, datasets.digest AS datasets_digest, datasets.dataset_source_type AS datasets_dataset_source_type, datasets.dataset_source AS datasets_dataset_source, datasets.dataset_schema AS datasets_dataset_schema, datasets.dataset_profile AS datasets_dataset_profile, input_tags.input_uuid AS input_tags_input_uuid, input_tags.name AS input_tags_name, input_tags.value AS input_tags_value FROM inputs JOIN datasets ON inputs.source_id = datasets.dataset_uuid LEFT OUTER JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid WHERE inputs.destination_type = ? AND inputs.destination_id IN (` + list + `) ORDER BY run_uuid`,
			before: []any{"RUN"}},
		{text: `SELECT inputs.input_uuid AS inputs_input_uuid, inputs.source_type AS inputs_source_type, inputs.source_id AS inputs_source_id, inputs.destination_type AS inputs_destination_type, inputs.destination_id AS inputs_destination_id, inputs.step AS inputs_step FROM inputs WHERE inputs.source_type = ? AND inputs.source_id IN (` + list + `) AND inputs.destination_type = ?`,
			before: []any{"RUN_OUTPUT"}, after: []any{"MODEL_OUTPUT"}},
	}
}

// relatedStatement is a statement and its parameters before and behind the ids.
type relatedStatement struct {
	text          string
	before, after []any
}
