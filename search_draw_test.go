package runstone

import (
	"fmt"
	"strings"
)

func (d *dice) number() string {
	return d.one("0", "0.25", "0.5", "1", "-1", "100", "0.3", "2", "-0.01")
}
func (d *dice) compare() string {
	return d.one("=", "!=", "<", "<=", ">", ">=")
}

func (d *dice) metric() string {
	m := "metrics." + d.one("loss", "loss", "val_loss", "acc", "auc", "auc", "tp", "fn", "mem", "none")
	if d.n(8) == 0 || strings.HasSuffix(m, "auc") && d.n(3) == 0 {
		m += d.one("{split='holdout'}", "{context='train'}", "{dataset='cohort-a'}", "{digest='d1', context='holdout'}", "{dataset=''}")
	}
	return m
}

func (d *dice) window() string {
	switch d.n(9) {
	case 0:
		from := d.n(40)
		return fmt.Sprintf(" OVER STEPS %d..%d", from, from+d.n(20))
	case 1:
		return fmt.Sprintf(" OVER STEPS %d..", d.n(60))
	case 2:
		return fmt.Sprintf(" OVER FIRST %d STEPS", d.n(20)+1)
	case 3:
		return fmt.Sprintf(" OVER LAST %d STEPS", d.n(20)+1)
	case 4:
		return fmt.Sprintf(" OVER LAST %d%%", d.n(100)+1)
	case 5:
		return " OVER LAST " + d.one("1s", "5s", "40s", "1m", "2m")
	}
	return ""
}

// function is a function of points whose value is exact.
func (d *dice) function() string {
	if d.n(8) == 0 {
		return fmt.Sprintf("at(%s, %d)%s", d.metric(), d.n(50), d.window())
	}
	return d.one("last", "first", "min", "max", "mean", "sum", "count", "nan_count", "argmin", "argmax", "delta") + "(" + d.metric() + ")" + d.window()
}

// value is a number of a run.
func (d *dice) value() string {
	switch d.n(9) {
	case 0, 1:
		return d.metric()
	case 2, 3:
		return d.function()
	case 4:
		return d.one("duration", "start_time", "end_time")
	case 5:
		return d.one("params.lr + 0", "-params.seed", "abs(metrics.loss)", "floor(metrics.auc)")
	case 6:
		return "(" + d.metric() + " " + d.one("+", "-", "*", "/", "%") + " " + d.function() + ")"
	case 7:
		return "metrics.tp / (metrics.tp + metrics.fn)"
	}
	return d.function() + " - " + d.function()
}

func (d *dice) condition(w *twin) string {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth < 4 {
		switch d.n(10) {
		case 0, 1:
			return d.condition(w) + " AND " + d.condition(w)
		case 2:
			return "(" + d.condition(w) + " OR " + d.condition(w) + ")"
		case 3:
			return "NOT (" + d.condition(w) + ")"
		case 4:
			return d.one("ANY", "ALL") + " child(" + d.condition(w) + ")"
		}
	}
	switch d.n(14) {
	case 0, 1, 2:
		return d.value() + " " + d.compare() + " " + d.number()
	case 3:
		return d.value() + " " + d.compare() + " " + d.value()
	case 4:
		return d.value() + " " + d.one("IS NULL", "IS NOT NULL", "IS NAN", "IS NOT NAN", "IS INF", "IS NOT INF")
	case 5:
		return d.value() + d.one("", " NOT") + " " + d.one("BETWEEN "+d.number()+" AND "+d.number(), "IN (0.5, 1, 7)", "IN (-1, 0, 100, 0.25)")
	case 6, 7:
		return d.texts(w)
	case 8, 9:
		return d.quantified()
	case 10:
		return d.inexact()
	case 11:
		return d.lineage(w)
	case 12:
		return "metrics." + d.one("loss", "auc") + " " + d.compare() + " " + d.number()
	}
	return "parent." + d.one("", "parent.") + d.one("params.study = 'hpo-4'", "status = 'FINISHED'", "params.lr < 0.05", "tags.env IS NULL",
		"tags.env != 'prod'")
}

// texts are conditions on strings.
func (d *dice) texts(w *twin) string {
	field := d.one("params.model", "params.lr", "tags.env", "tags.note", "params.none", "run_name", "status", "experiment_name",
		"lifecycle_stage", "parent_id", "dataset.name", "dataset.role", "dataset.digest", "model.name", "model.stage", "model.alias", "artifact_uri")
	value := d.one("'xgb'", "'prod'", "'sepsis'", "'FAILED'", "'cohort-a'", "'holdout'", "'production'", "'Staging'", "'0.01'", "'one'", "''")
	switch d.n(10) {
	case 0, 1:
		return field + " " + d.one("=", "!=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM") + " " + value
	case 2:
		return field + d.one(" IS NULL", " IS NOT NULL")
	case 3:
		return field + d.one(" IN ", " NOT IN ") + "(" + value + ", 'stage', 'dev', 'xgb')"
	case 4:
		return field + d.one(" LIKE ", " ILIKE ", " NOT LIKE ", " NOT ILIKE ") + d.one("'%sepsis%'", "'s%'", "'%e_'", "'%'", "'XGB'", "'%o%'")
	case 5:
		return field + d.one(" ~ ", " ~* ", " !~ ", " !~* ") + d.one("'retrain(ed)?'", "'^s'", "'[0-9]+$'", "'^$'", "'o.*e|x'")
	case 6:
		return "params.lr " + d.compare() + " " + d.one("0.01", "0.05", "1", "0.001")
	case 7:
		return "start_time " + d.compare() + " " + d.one("ago('1m')", "ago('2m')", "now() - 40000", "1700000000000")
	case 8:
		return d.one("params.model = tags.env", "tags.env != tags.note", "model.version >= 2", "model.version IS NULL",
			"duration > 1h", "dataset.version >= 3", "params.seed > params.depth + 0", "model.version != 1")
	}
	if len(w.n.runs) == 0 {
		return "run_id IS NOT NULL"
	}
	return "run_id " + d.one("=", "!=") + " '" + draw(d, w.n.runs).id + "'"
}

func (d *dice) quantified() string {
	inner := d.metric() + " " + d.compare() + " " + d.number()
	if d.n(3) == 0 {
		inner = d.metric() + d.one(" IS NAN", " IS NOT NAN", " IS INF", " IS NOT INF")
	}
	if d.n(3) == 0 {
		inner += " FOR " + d.one("1 STEPS", "3 STEPS", "10 STEPS", "1s", "5s")
	}
	return d.one("EVER", "EVER", "ALWAYS", "NEVER") + "(" + inner + ")" + d.window()
}

// points are conditions on functions whose value is not exact, and plateau.
func (d *dice) inexact() string {
	if d.n(2) == 0 {
		return fmt.Sprintf("plateau(%s, patience=%d%s)%s", d.metric(), d.n(12)+1, d.one("", ", tol=0.25", ", tol=1"), d.window())
	}
	return d.one("slope", "std") + "(" + d.metric() + ")" + d.window() + " " + d.one("<", ">") + " " + d.one("0.00012345", "0.4321", "-0.01357", "1.2345")
}

func (d *dice) lineage(w *twin) string {
	run := "'none'"
	if len(w.n.runs) > 0 {
		run = "'" + draw(d, w.n.runs).id + "'"
	}
	thing := d.one("dataset('cohort-a')", "dataset('cohort-b', 'd1')", "model('sepsis-dx')", "model('sepsis-dx', '1')", "model('other')",
		"batch('B17')", "run("+run+")")
	verb := d.one("USED", "PRODUCED", "DERIVED FROM", "UPSTREAM OF", "DOWNSTREAM OF")
	if strings.HasPrefix(thing, "run") && (verb == "USED" || verb == "PRODUCED") {
		verb = "UPSTREAM OF"
	}
	return verb + " " + thing
}
