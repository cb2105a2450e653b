package query

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Order is a total order of the rows of a domain: the clauses asked for, then
// MLflow's tie-breakers. Missing values come last, NaN just before them, both
// ways. The nil Order holds every two rows equal.
type Order struct {
	keys  []orderKey
	needs Needs
}

type orderKey struct {
	field  Field
	desc   bool
	id     bool // decimal numbers in strings: 9 before 10
	name   string
	digest string
}

// OrderField is one field to sort by, as the search of logged models sends it.
type OrderField struct {
	Name          string // "creation_timestamp", "metrics.loss": no quotes
	Desc          bool
	DatasetName   string // only for metrics; empty means any
	DatasetDigest string
}

// ParseOrderBy reads clauses like "metrics.loss DESC". No clauses make the
// domain's default order. Every error is a *[ParseError] with its Clause set.
func ParseOrderBy(d Domain, clauses []string) (*Order, error) {
	if int(d) >= len(attributes) {
		return nil, &ParseError{Msg: "there is no such kind of row to sort"}
	}
	if len(clauses) > MaxOrderBy {
		return nil, tooManyClauses(len(clauses))
	}
	o := &Order{}
	for i, text := range clauses {
		k, err := parseOrderClause(d, text)
		if err == nil && d != Experiments && d != LoggedModels && o.has(k.field.Entity, k.field.Key) {
			err = &ParseError{Pos: k.field.At, End: k.field.End,
				Msg: "`order_by` contains duplicate fields: " + pyList(clauses)}
		}
		if err != nil {
			err.Text, err.Clause = text, i
			return nil, err.short()
		}
		o.add(k)
	}
	o.finish(d)
	return o, nil
}

// NewLoggedModelOrder is the order of [LoggedModels] by fields.
func NewLoggedModelOrder(fields []OrderField) (*Order, error) {
	if len(fields) > MaxOrderBy {
		return nil, tooManyClauses(len(fields))
	}
	o := &Order{}
	for i, f := range fields {
		entity, key, hasEntity := strings.Cut(f.Name, ".")
		t := token{val: f.Name, end: len(f.Name)}
		if hasEntity {
			t.val, t.entity, t.hasEntity = key, entity, true
		}
		k, err := orderField(LoggedModels, f.Name, t)
		if err != nil {
			err.Text, err.Clause = f.Name, i
			return nil, err.short()
		}
		k.desc, k.name, k.digest = f.Desc, f.DatasetName, f.DatasetDigest
		o.add(k)
	}
	o.finish(LoggedModels)
	return o, nil
}

func tooManyClauses(n int) error {
	return &ParseError{Clause: MaxOrderBy, Msg: fmt.Sprintf("order_by has %d clauses; at most %d are taken", n, MaxOrderBy)}
}

func parseOrderClause(d Domain, text string) (orderKey, *ParseError) {
	l := lexer{src: text}
	bad := func(t token) (orderKey, *ParseError) {
		return orderKey{}, &ParseError{Pos: t.pos, End: t.end,
			Msg: "Invalid order_by clause '" + text + "'. Could not be parsed."}
	}
	if len(text) > MaxFilter {
		return orderKey{}, &ParseError{Msg: "order_by clause is longer than 65536 bytes"}
	}
	name := l.next()
	if name.kind != tokPath && (name.kind != tokString || name.quote != '"') || isDirection(text, name) {
		return bad(name)
	}
	dir := l.next()
	desc := false
	if dir.kind == tokPath && !dir.hasEntity || dir.kind == tokKeyword {
		if after := l.next(); after.kind != tokEOF {
			return bad(after)
		}
		if !isDirection(text, dir) {
			return orderKey{}, &ParseError{Pos: dir.pos, End: dir.end,
				Msg:  "Invalid ordering key in order_by clause '" + text + "'.",
				Hint: didYouMean(text[dir.pos:dir.end], []string{"ASC", "DESC"})}
		}
		desc = strings.EqualFold(text[dir.pos:dir.end], "DESC")
	} else if dir.kind != tokEOF {
		return bad(dir)
	}
	k, err := orderField(d, text, name)
	k.desc = desc
	return k, err
}

func isDirection(text string, t token) bool {
	s := text[t.pos:t.end]
	return strings.EqualFold(s, "ASC") || strings.EqualFold(s, "DESC")
}

// orderField resolves a name to sort by, with each domain's own refusals.
func orderField(d Domain, text string, t token) (orderKey, *ParseError) {
	f, err := d.resolve(text, t, useOrder)
	whole := text[t.pos:t.end]
	fail := func(msg string) (orderKey, *ParseError) {
		hint := ""
		if err != nil {
			hint = err.Hint
		}
		return orderKey{}, &ParseError{Text: text, Pos: t.pos, End: t.end, Msg: msg, Hint: hint}
	}
	switch {
	case d == RegisteredModels && (err != nil || f.Entity != Attribute):
		return fail("Invalid order by key '" + whole + "' specified. Valid keys are '{'name', 'timestamp'}'")
	case d == LoggedModels && err != nil && !t.hasEntity:
		return fail("Invalid order by field name: " + whole)
	case d == LoggedModels && (err != nil || f.Entity != Attribute && f.Entity != Metric):
		return fail("Invalid order by field name: " + whole + ". Only metrics are supported.")
	case err != nil:
		return orderKey{}, err
	case d == Runs && f.Entity == DatasetInput:
		return fail("Invalid identifier type 'dataset'")
	case d == Experiments && f.Entity != Attribute:
		return fail("Invalid order_by entity: " + f.Entity.String())
	case d == ModelVersions && f.Entity != Attribute:
		return fail("Invalid order by key '" + f.Key + "' specified. Valid keys are " + pySet(d.attributeNames(useOrder)))
	}
	return orderKey{field: f, id: d == Experiments && f.Key == "experiment_id"}, nil
}

func pyList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = pyRepr(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func (o *Order) has(e Entity, key string) bool {
	return slices.ContainsFunc(o.keys, func(k orderKey) bool { return k.field.Entity == e && k.field.Key == key })
}

func (o *Order) add(k orderKey) {
	o.keys = append(o.keys, k)
	o.needs.note(&k.field)
}

// finish adds the tie-breakers of d that the clauses do not name already.
func (o *Order) finish(d Domain) {
	asked := len(o.keys) > 0
	tie := func(key string, desc bool) {
		if a, ok := d.attribute(key, useBoth); ok && !o.has(Attribute, key) {
			o.add(orderKey{field: Field{Key: key, Numeric: a.numeric}, desc: desc,
				id: d == Experiments && key == "experiment_id"})
		}
	}
	switch d {
	case Runs:
		tie("start_time", true)
		tie("run_id", false)
	case Experiments:
		if !asked {
			tie("creation_time", true)
		}
		tie("experiment_id", asked)
	case RegisteredModels:
		tie("name", false)
	case ModelVersions:
		if !asked {
			tie("last_updated_timestamp", true)
		}
		tie("name", false)
		tie("version_number", true)
	case LoggedModels:
		tie("creation_timestamp_ms", true)
		tie("model_id", false)
	}
	o.needs.normalize()
}

// Needs is what Compare reads. The caller must not change its slices.
func (o *Order) Needs() Needs {
	if o == nil {
		return Needs{}
	}
	return o.needs
}

// Compare is negative if a comes before b, positive if behind. It does not
// allocate.
func (o *Order) Compare(a, b Row) int {
	if o == nil {
		return 0
	}
	for i := range o.keys {
		k := &o.keys[i]
		if c := k.compare(k.value(a), k.value(b)); c != 0 {
			return c
		}
	}
	return 0
}

func (k *orderKey) value(r Row) Value {
	if k.field.Entity == Metric {
		if m, ok := r.(MetricRow); ok {
			return m.DatasetMetric(k.field.Key, k.name, k.digest)
		}
	}
	return r.Field(k.field.Entity, k.field.Key)
}

// compare puts values before NaN before missing, whatever the direction.
func (k *orderKey) compare(a, b Value) int {
	if c := rank(a) - rank(b); c != 0 {
		return c
	}
	c := 0
	switch a.kind {
	case KindString:
		c = compareString(a.str, b.str, k.id)
	case KindInt, KindNumber:
		c = compareValues(a, b)
	}
	if k.desc {
		return -c
	}
	return c
}

func rank(v Value) int {
	switch v.kind {
	case KindMissing:
		return 3
	case KindString:
		return 1
	case KindNumber:
		if math.IsNaN(v.float()) {
			return 2
		}
	}
	return 0
}

// compareString is by bytes; decimal ids are longer when they are larger.
func compareString(a, b string, id bool) int {
	if id && isDecimal(a) && isDecimal(b) {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return compareInt(int64(len(a)), int64(len(b)))
		}
	}
	return strings.Compare(a, b)
}

func isDecimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// compareValues orders two numbers; a NaN here meets only NaN.
func compareValues(a, b Value) int {
	c := 0
	switch {
	case a.kind == KindInt && b.kind == KindInt:
		return compareInt(a.int(), b.int())
	case a.kind == KindInt:
		c, _ = compareIntFloat(a.int(), b.float())
	case b.kind == KindInt:
		c, _ = compareIntFloat(b.int(), a.float())
		c = -c
	default:
		c, _ = compareFloat(a.float(), b.float())
	}
	return c
}
