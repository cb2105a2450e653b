package plan

import (
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

// mutator makes texts: of the grammar, of golden texts, and of those with bytes
// and words changed, taken out, put in and repeated.
type mutator struct {
	r     *rand.Rand
	seeds []string
	buf   []byte
}

func choose[T any](m *mutator, list ...T) T { return list[m.r.IntN(len(list))] }

func (m *mutator) chance(n int) bool { return m.r.IntN(n) == 0 }

// text is mostly short; one in thousands is as long as a text may be.
func (m *mutator) text() string {
	m.buf = m.buf[:0]
	switch m.r.IntN(8) {
	case 0, 1, 2:
		m.query()
	case 3:
		m.order()
	default:
		m.buf = append(m.buf, choose(m, m.seeds...)...)
	}
	if len(m.buf) > 2000 && !m.chance(50) {
		m.buf = m.buf[:m.r.IntN(500)]
	}
	if m.chance(2) {
		for range m.r.IntN(5) {
			m.mutate()
		}
	}
	switch m.r.IntN(10_000) {
	case 0:
		m.blow()
	case 1:
		m.long()
	}
	return string(m.buf)
}

var fuzzWords = []string{
	"AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "IS", "NULL", "NAN", "INF", "DISTINCT FROM", "BETWEEN", "EVER(", "ALWAYS(", "NEVER(", "FOR", "STEPS",
	"OVER", "LAST", "FIRST", "TIME", "ANY child(", "ALL child(", "USED", "PRODUCED", "DERIVED FROM", "UPSTREAM OF", "DOWNSTREAM OF", "GROUP BY",
	"SELECT", "HAVING", "ORDER BY", "LIMIT", "OFFSET", "PER GROUP", "AS", "ASC", "DESC", "NULLS FIRST", "(", ")", "{", "}", ",", ";", "..", "=", "!=",
	"<", "<=", ">", ">=", "~", "~*", "!~", "!~*", "+", "-", "*", "/", "%", "'", "\"", "`", "''", "\\'", "x'00'", "x'", "parent.", "metrics.a",
	"params.k", "tags.t", "dataset.name", "model.version", "status", "start_time", "name", "model_id", "version_number", "experiment_id", "1", "0",
	"-1", "1e999", "9223372036854775807", "-9223372036854775808", "0x10", "1_0", "1.5h", "8EiB", "9000PiB", "1e308w", "min(", "at(", "plateau(",
	"patience=", "tol=", "count()", "best(", "ci95(", "median(", "now()", "ago('", "date('", "'0000-01-01'", "'99999999d'", "{context='x'}",
	"\x00", "\xff", "é", "\u2028", "\U0001F600", "\t", "\n", " ", "\\", "--", "/*", "😀", "'(a{999}){9}'", "'%_%_%'", "1e-400", ".5", "5.", "..5",
}

func (m *mutator) mutate() {
	n := len(m.buf)
	i := m.r.IntN(n + 1)
	j := min(n, i+m.r.IntN(12))
	switch m.r.IntN(9) {
	case 0:
		if i < n {
			m.buf[i] ^= 1 << m.r.IntN(8)
		}
	case 1:
		m.buf = slices.Insert(m.buf, i, byte(m.r.Uint32()))
	case 2:
		m.buf = slices.Delete(m.buf, i, j)
	case 3:
		m.buf = slices.Insert(m.buf, i, slices.Clone(m.buf[i:j])...)
	case 4, 5:
		m.buf = slices.Insert(m.buf, i, []byte(choose(m, fuzzWords...))...)
	case 6:
		m.buf = slices.Insert(m.buf, i, []byte(" "+choose(m, fuzzWords...)+" ")...)
	case 7:
		m.buf = slices.Replace(m.buf, i, j, []byte(choose(m, fuzzWords...))...)
	default: // what another one has
		other := choose(m, m.seeds...)
		from := m.r.IntN(len(other) + 1)
		m.buf = slices.Insert(m.buf, i, []byte(other[from:from+m.r.IntN(min(40, len(other)-from)+1)])...)
	}
}

// blow repeats a part or a word until the text is about as long as it may be.
func (m *mutator) blow() {
	i := m.r.IntN(len(m.buf) + 1)
	j := min(len(m.buf), i+m.r.IntN(80))
	part := string(m.buf[i:j])
	if part == "" || m.chance(3) {
		part = choose(m, fuzzWords...)
		if m.chance(2) {
			part += " "
		}
	}
	times := (query.MaxFilter + 10 - len(m.buf)) / len(part) >> m.r.IntN(8)
	if times > 0 {
		m.buf = slices.Insert(m.buf, j, []byte(strings.Repeat(part, times))...)
	}
}

// long is a query of very many parts, most of them taken.
func (m *mutator) long() {
	m.buf = m.buf[:0]
	most := (query.MaxFilter - 1000) >> m.r.IntN(4)
	switch m.r.IntN(5) {
	case 0: // all different
		for i := 0; len(m.buf) < most; i++ {
			m.put(choose(m, "EVER(", "NEVER("), "metrics.k", strconv.Itoa(i), " > 1) OVER LAST ", strconv.Itoa(i+1), " STEPS OR ")
		}
		m.put("status = 'x'")
	case 1:
		m.put("params.k IN (")
		for len(m.buf) < most {
			m.text1()
			m.put(",")
		}
		m.put("'')")
	case 2:
		deep := m.r.IntN(query.MaxDepth)
		for range deep {
			m.put(choose(m, "NOT (", "(", "ANY child(", "metrics.a > 1 OR ("))
		}
		m.condition(3)
		m.put(strings.Repeat(")", deep))
	case 3:
		m.put("GROUP BY params.k SELECT ")
		for i := range query.MaxItems {
			m.put("mean(metrics.k", strconv.Itoa(i), " + metrics.a) + max(", choose(m, "at(metrics.a, 1)", "min(metrics.b) OVER LAST 2 STEPS"), ") AS n", strconv.Itoa(i), ", ")
		}
		m.buf = m.buf[:len(m.buf)-2]
		m.put(" HAVING n1 > n2 AND n3 + n4 * n5 < n6 ORDER BY n7, n8 DESC, n9 / n10 LIMIT 2")
	default:
		for len(m.buf) < most {
			m.condition(1)
			m.put(choose(m, " OR ", " AND "))
		}
		m.put("run_id = 'a'")
	}
}

func (m *mutator) put(parts ...string) {
	for _, p := range parts {
		m.buf = append(m.buf, p...)
	}
}

func (m *mutator) maybe(parts ...string) {
	if m.chance(2) {
		m.put(parts...)
	}
}

// number and word are fields; those of tags, names and times are of most domains.
func (m *mutator) number() {
	m.put(choose(m, "metrics.a", "metrics.b", "metrics.`x y`", "metrics.a{context='x'}", "params.lr", "tags.n", "start_time", "duration", "creation_time",
		"creation_timestamp", "version_number", "model.version", "metrics.a", "params.k", "tags.t"))
}

func (m *mutator) word() {
	m.put(choose(m, "params.k", "tags.t", "status", "run_id", "name", "experiment_id", "model_id", "dataset.name", "digest", "tags.`a b`", "source_type"))
}

func (m *mutator) text1() {
	m.put(choose(m, "'a'", "\"it's\"", "''", "x'5c27'", "'it\\'s'", "'C:\\'", "'日本'", "'d'"))
}

func (m *mutator) metric() {
	m.put(choose(m, "metrics.a", "metrics.a", "metrics.b", "metrics.none", "metrics.a{dataset='d', split=\"x\"}"))
}

func (m *mutator) literal() {
	switch m.r.IntN(5) {
	case 0:
		m.buf = strconv.AppendInt(m.buf, int64(m.r.Uint64())>>m.r.IntN(64), 10)
	case 1:
		m.buf = strconv.AppendFloat(m.buf, math.Float64frombits(m.r.Uint64()), 'g', -1, 64)
	case 2:
		m.buf = strconv.AppendInt(m.buf, m.r.Int64N(100), 10)
		m.put(choose(m, "ms", "s", "m", "h", "d", "w", "B", "kB", "GiB", "PiB"))
	case 3:
		m.put(choose(m, "0", "1", "-1", "0.5", "1e5", "now()", "ago('7d')", "date('2026-03-01')", "9223372036854775807"))
	default:
		m.put(choose(m, "1.5", "10", "-3", ".5"))
	}
}

func (m *mutator) value(depth int) {
	switch k := m.r.IntN(10); {
	case k < 4 || depth <= 0:
		m.number()
	case k == 4:
		m.literal()
	case k == 5:
		m.put(choose(m, tree.SeriesFnNames[:13]...), "(")
		m.metric()
		m.put(")")
		m.window()
	case k == 6:
		m.put(choose(m, "abs(", "sqrt(", "exp(", "log(", "floor(", "-(", "("))
		m.value(depth - 1)
		m.put(")")
	case k == 7:
		m.put("at(")
		m.metric()
		m.put(", ")
		m.buf = strconv.AppendInt(m.buf, int64(m.r.Uint64())>>m.r.IntN(64), 10)
		m.put(")")
	default:
		m.value(depth - 1)
		m.put(choose(m, " + ", " - ", " * ", " / ", " % "))
		m.value(depth - 1)
	}
}

func (m *mutator) window() {
	if m.chance(2) {
		return
	}
	m.put(" OVER ", choose(m, "STEPS 1..5", "STEPS ..0", "STEPS -9223372036854775808..", "FIRST 3 STEPS", "LAST 9007199254740992 STEPS", "LAST 1e-300%",
		"LAST 20%", "LAST 10m", "TIME 1ms"))
}

func (m *mutator) condition(depth int) {
	if m.chance(20) {
		m.put("parent.")
	}
	k := m.r.IntN(18)
	if depth <= 0 {
		k = m.r.IntN(10)
	}
	switch k {
	case 0, 1, 15:
		m.word()
		m.put(choose(m, " = ", " != ", " IS DISTINCT FROM "))
		m.text1()
	case 2:
		m.word()
		m.put(choose(m, " IN (", " NOT IN ("))
		for range m.r.IntN(3) {
			m.text1()
			m.put(", ")
		}
		m.text1()
		m.put(")")
	case 3:
		m.value(depth)
		m.put(choose(m, "=", "<", " != "))
		m.value(depth)
	case 4:
		m.word()
		m.put(choose(m, " LIKE ", " NOT LIKE ", " ILIKE ", " ~ ", " ~* ", " !~ "))
		m.put(choose(m, "'a%'", "'%_a%b_%'", "'%'", "'^a|b$'", "'(a*)*b'", "'[^x]{1,50}y'", "'\\pL+'", "'_'", "'x{500}'"))
	case 5:
		m.number()
		m.put(choose(m, " IN (", " NOT IN ("))
		for range m.r.IntN(4) {
			m.literal()
			m.put(", ")
		}
		m.literal()
		m.put(")")
	case 6:
		m.value(depth)
		m.put(choose(m, " BETWEEN ", " NOT BETWEEN "))
		m.value(0)
		m.put(" AND ")
		m.literal()
	case 7:
		m.value(depth)
		m.put(" IS ", choose(m, "NULL", "NOT NULL", "NAN", "NOT NAN", "INF", "NOT INF"))
	case 8:
		m.put(choose(m, "EVER(", "ALWAYS(", "NEVER("))
		m.metric()
		m.put(choose(m, " > 0.5", " IS NAN", " != -1e999", " = 1"))
		m.put(choose(m, "", "", " FOR 5 STEPS", " FOR 10m", " FOR 9223372036854775807 STEPS"), ")")
		m.window()
	case 9:
		m.put(choose(m, "USED ", "PRODUCED ", "DERIVED FROM ", "UPSTREAM OF ", "DOWNSTREAM OF "))
		m.put(choose(m, "dataset('x')", "dataset('x', 'y')", "run('a')", "model('m', '3')", "batch('B')"))
	case 10, 11:
		m.condition(depth - 1)
		m.put(choose(m, " AND ", " OR ", " ", " AND AND "))
		m.condition(depth - 1)
	case 12:
		m.put("NOT (")
		m.condition(depth - 1)
		m.put(")")
	case 13:
		m.put(choose(m, "ANY child(", "ALL child(", "("))
		m.condition(depth - 1)
		m.put(")")
	case 14:
		m.put("plateau(")
		m.metric()
		m.put(", patience=3", choose(m, "", ", tol=1e-4"), ")")
		m.window()
	default:
		m.value(depth)
		m.put(choose(m, " = ", " != ", " < ", " <= ", " > ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM "))
		m.literal()
	}
}

func (m *mutator) query() {
	if !m.chance(6) {
		m.condition(m.r.IntN(4))
	}
	switch m.r.IntN(6) {
	case 0:
		m.put(" GROUP BY ")
		m.value(1)
		m.put(" SELECT ", choose(m, "count()", "1 + count()", "params.k", "mean(metrics.a)", "best(metrics.a) AS b", "first(status)"))
		m.maybe(", ci95(min(metrics.a) OVER LAST 3 STEPS) AS n, median(params.lr)")
		m.maybe(" HAVING count() > 1")
		m.maybe(" ORDER BY 1 DESC")
		m.maybe(" LIMIT 3 PER GROUP")
	case 1:
		m.put(" SELECT ")
		m.value(2)
		m.maybe(" AS n, run_id")
		m.maybe(" ORDER BY ", choose(m, "n", "1", "n + metrics.a"), " NULLS FIRST")
		m.maybe(" LIMIT 2")
	case 2:
		m.put(" ORDER BY ")
		m.value(2)
		m.maybe(" LIMIT 2147483647 OFFSET 2147483647")
		m.maybe(" LIMIT 1 OFFSET 1")
	}
}

func (m *mutator) order() {
	if m.chance(2) {
		m.word()
	} else {
		m.value(2)
	}
	m.maybe(choose(m, " ASC", " DESC"))
	m.maybe(choose(m, " NULLS FIRST", " NULLS LAST"))
}

// campaignRuns are a few runs with what the texts are about.
func campaignRuns() Source {
	rows := make([]testRow, 12)
	for i := range rows {
		id := string(rune('a' + i))
		attribute := func(key string) Ref { return Ref{Key: key} }
		r := &rows[i]
		r.fields = map[Ref][]Value{
			attribute("run_id"): {Str(id)}, attribute("status"): {Str([]string{"RUNNING", "FINISHED"}[i%2])},
			attribute("start_time"): {Whole(int64(i) * 1e11)}, attribute("duration"): {Whole(int64(i))},
			attribute("experiment_id"):     {Str(strconv.Itoa(i % 3))},
			{Entity: tree.Param, Key: "k"}: {Str(someTexts[i])}, {Entity: tree.Metric, Key: "b"}: {Num(someFloats[i])},
			{Entity: tree.Dataset, Key: "name"}: {Str("d"), Str(id)}, {Entity: tree.Model, Key: "version"}: {Whole(1), Whole(int64(i))},
		}
		if i%3 > 0 {
			r.fields[attribute("parent_id")] = []Value{Str("a")}
			r.fields[Ref{Entity: tree.Param, Key: "lr"}] = []Value{Str(strconv.Itoa(i))}
			r.points = map[string][]float64{"a": someFloats[:i]}
			r.used = []string{"x"}
		}
	}
	return campaignSource(rows)
}

// campaignSource is a source that any number may use at the same time.
type campaignSource []testRow

func (s campaignSource) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return (&testSource{rows: s, size: 5, zones: true}).Batches(ctx)
}

// campaignRow has a value of every field, by its kind alone.
type campaignRow int

func campaignRows() (rows []campaignRow) {
	for i := range 12 {
		rows = append(rows, campaignRow(i))
	}
	return rows
}

func (r campaignRow) Field(ref Ref) Value {
	switch {
	case r%4 == 3:
		return Value{}
	case ref.Entity == tree.Metric:
		return Num(someFloats[r])
	case ref.Entity == tree.Attribute && (strings.Contains(ref.Key, "time") || ref.Key == "version_number"):
		return Whole(someInts[r])
	}
	return Str(someTexts[r])
}

func (r campaignRow) Values(ref Ref) ([]Value, bool) {
	if ref.Entity != tree.Metric {
		return nil, false
	}
	return []Value{Num(float64(r)), Num(someFloats[r])}[:r%3], true
}
