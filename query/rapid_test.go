package query_test

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runstonedb/runstone/query"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// naive is a condition that writes its own filter text and decides for itself,
// the slow and obvious way.
type naive struct {
	text string
	hold func(r *testRow) bool
}

var (
	genString = rapid.SampledFrom([]string{"", "a", "A", "ab", "a%b", "a_b", "b", "é", "É.", "日本", "it's", `C:\x`, "a\nb"})
	genNumber = rapid.SampledFrom([]float64{0, 1, -1, 0.5, -2.5, 1e300, 3, math.Inf(1), math.Inf(-1)})
	genKey    = rapid.SampledFrom([]string{"k", "a.b", "a b", "x/y"})
)

func genRow(t *rapid.T) *testRow {
	r := &testRow{attrs: map[string]query.Value{}}
	if rapid.Bool().Draw(t, "status") {
		r.attrs["status"] = query.Str(genString.Draw(t, "status"))
	}
	if rapid.Bool().Draw(t, "start") {
		r.attrs["start_time"] = query.Int(rapid.Int64Range(-3, 3).Draw(t, "start_time"))
	}
	r.metrics = rapid.MapOfN(genKey, rapid.OneOf(genNumber, rapid.Just(math.NaN())), 0, 3).Draw(t, "metrics")
	r.params = rapid.MapOfN(genKey, genString, 0, 3).Draw(t, "params")
	r.tags = rapid.MapOfN(genKey, genString, 0, 3).Draw(t, "tags")
	for range rapid.IntRange(0, 2).Draw(t, "datasets") {
		r.datasets = append(r.datasets, query.Dataset{Name: genString.Draw(t, "name"), Digest: "x",
			Context: rapid.SampledFrom([]string{"", "train", "a"}).Draw(t, "context")})
	}
	return r
}

func quoteText(t *rapid.T, s string) string {
	if !strings.ContainsAny(s, `'"`) && rapid.Bool().Draw(t, "quote") || strings.Contains(s, "'") {
		return `"` + s + `"`
	}
	return "'" + s + "'"
}

func quoteKey(t *rapid.T, k string) string {
	if k == "k" || k == "a.b" {
		return rapid.SampledFrom([]string{k, "`" + k + "`", `"` + k + `"`}).Draw(t, "key")
	}
	return rapid.SampledFrom([]string{"`" + k + "`", `"` + k + `"`, "'" + k + "'"}).Draw(t, "key")
}

// likeRegexp is LIKE by another road.
func likeRegexp(pattern string, fold bool) *regexp.Regexp {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(strings.ReplaceAll(expr, "%", ".*"), "_", ".")
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	return regexp.MustCompile(flags + "^" + expr + "$")
}

func genStringPred(t *rapid.T, field string, values func(*testRow) []string) naive {
	keyword := func(s string) string {
		if rapid.Bool().Draw(t, "lower") {
			return strings.ToLower(s)
		}
		return s
	}
	anyOf := func(ok func(string) bool) func(*testRow) bool {
		return func(r *testRow) bool {
			for _, v := range values(r) {
				if ok(v) {
					return true
				}
			}
			return false
		}
	}
	v := genString.Draw(t, "value")
	op := rapid.SampledFrom([]string{"=", "!=", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"}).Draw(t, "op")
	text := field + " " + keyword(op)
	switch op {
	case "IS NULL":
		return naive{text, func(r *testRow) bool { return len(values(r)) == 0 }}
	case "IS NOT NULL":
		return naive{text, func(r *testRow) bool { return len(values(r)) > 0 }}
	case "IN", "NOT IN":
		w := genString.Draw(t, "second")
		text += " (" + quoteText(t, v) + "," + quoteText(t, w) + ")"
		return naive{text, anyOf(func(s string) bool { return (s == v || s == w) == (op == "IN") })}
	case "=", "!=":
		return naive{text + quoteText(t, v), anyOf(func(s string) bool { return (s == v) == (op == "=") })}
	}
	re := likeRegexp(v, strings.HasSuffix(op, "ILIKE"))
	return naive{text + quoteText(t, v), anyOf(func(s string) bool { return re.MatchString(s) != strings.HasPrefix(op, "NOT") })}
}

func genNumberPred(t *rapid.T, field string, value func(*testRow) (float64, bool)) naive {
	lit := genNumber.Draw(t, "literal")
	text := fmt.Sprintf("%g", lit)
	if math.IsInf(lit, 0) {
		text = strings.Replace(fmt.Sprintf("%g", lit), "Inf", "1e999", 1)
		text = strings.TrimPrefix(text, "+")
	}
	op := rapid.SampledFrom([]string{"=", "!=", "<", "<=", ">", ">="}).Draw(t, "op")
	return naive{field + op + " " + text, func(r *testRow) bool {
		x, ok := value(r)
		if !ok {
			return false
		}
		if math.IsNaN(x) {
			return op == "!="
		}
		cmp := big.NewFloat(x).Cmp(big.NewFloat(lit))
		return map[string]bool{"=": cmp == 0, "!=": cmp != 0, "<": cmp < 0, "<=": cmp <= 0, ">": cmp > 0, ">=": cmp >= 0}[op]
	}}
}

func lookup[V any](m map[string]V, key string) []V {
	if v, ok := m[key]; ok {
		return []V{v}
	}
	return nil
}

func genNaive(t *rapid.T, depth int) naive {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 && kind >= 6 {
		kind -= 6
	}
	key := genKey.Draw(t, "k")
	switch kind {
	case 0:
		return genNumberPred(t, "metrics."+quoteKey(t, key), func(r *testRow) (float64, bool) { v, ok := r.metrics[key]; return v, ok })
	case 1:
		return genStringPred(t, "params."+quoteKey(t, key), func(r *testRow) []string { return lookup(r.params, key) })
	case 2:
		return genStringPred(t, "tag."+quoteKey(t, key), func(r *testRow) []string { return lookup(r.tags, key) })
	case 3:
		return genStringPred(t, "dataset.context", func(r *testRow) (out []string) {
			for _, d := range r.datasets {
				if d.Context != "" {
					out = append(out, d.Context)
				}
			}
			return out
		})
	case 4:
		return genStringPred(t, "dataset.name", func(r *testRow) (out []string) {
			for _, d := range r.datasets {
				out = append(out, d.Name)
			}
			return out
		})
	case 5:
		return genNumberPred(t, "start_time", func(r *testRow) (float64, bool) {
			v, ok := r.attrs["start_time"]
			for i := int64(-3); ok && i <= 3; i++ {
				if v == query.Int(i) {
					return float64(i), true
				}
			}
			return 0, false
		})
	case 6:
		x := genNaive(t, depth-1)
		return naive{"NOT (" + x.text + ")", func(r *testRow) bool { return !x.hold(r) }}
	case 7:
		x, y := genNaive(t, depth-1), genNaive(t, depth-1)
		return naive{"(" + x.text + ") or (" + y.text + ")", func(r *testRow) bool { return x.hold(r) || y.hold(r) }}
	default:
		x, y := genNaive(t, depth-1), genNaive(t, depth-1)
		word := rapid.SampledFrom([]string{" AND ", " and ", " "}).Draw(t, "and")
		return naive{"(" + x.text + ")" + word + "(" + y.text + ")", func(r *testRow) bool { return x.hold(r) && y.hold(r) }}
	}
}

// TestAgainstNaive: random filters over random rows, against the obvious way.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := genNaive(t, 3)
		f, err := query.Parse(query.Runs, n.text)
		require.NoError(t, err, n.text)
		again, err := query.Parse(query.Runs, f.String())
		require.NoError(t, err, f.String())
		require.Equal(t, treeText(f), treeText(again))
		for range 4 {
			row := genRow(t)
			require.Equal(t, n.hold(row), f.Match(row), n.text)
			require.Equal(t, n.hold(row), again.Match(row), f.String())
		}
	})
}

// TestLikeAgainstRegexp: patterns made of few letters meet many texts.
func TestLikeAgainstRegexp(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("abBéÉ日%_.\\\n")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		pattern, s := text.Draw(t, "pattern"), text.Draw(t, "text")
		if strings.HasSuffix(pattern, `\`) {
			pattern += "a"
		}
		row := &testRow{params: map[string]string{"p": s}}
		for _, op := range []string{"LIKE", "ILIKE"} {
			f, err := query.Parse(query.Runs, "params.p "+op+" '"+pattern+"'")
			require.NoError(t, err)
			require.Equal(t, likeRegexp(pattern, op == "ILIKE").MatchString(s), f.Match(row), "%q %s %q", s, op, pattern)
		}
	})
}

// TestLikeNotUTF8: bytes that are no text match themselves and one _ each.
func TestLikeNotUTF8(t *testing.T) {
	row := &testRow{params: map[string]string{"p": "\xff\xfeK"}}
	require.False(t, utf8.ValidString(row.params["p"]))
	for filter, want := range map[string]bool{
		"params.p LIKE '__K'": true, "params.p ILIKE '\xff_k'": true, "params.p ILIKE '\xfe_k'": false,
		"params.p LIKE '%\xfe%'": true, "params.p ILIKE '%\u212a'": true, "params.p LIKE '_K'": false,
		"params.p ILIKE '\xff\xfe\xff'": false, "params.p LIKE '%_K'": true, "params.p LIKE '%____'": false,
	} {
		require.Equal(t, want, parse(t, query.Runs, filter).Match(row), "%q", filter)
	}
}

// TestOrderIsTotal: Compare is a total order of any rows.
func TestOrderIsTotal(t *testing.T) {
	o, err := query.ParseOrderBy(query.Runs, []string{"metrics.k DESC", "params.k", "tags.k DESC"})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genRow(t), genRow(t), genRow(t)
		require.Equal(t, -o.Compare(a, b), o.Compare(b, a))
		require.Zero(t, o.Compare(a, a))
		if o.Compare(a, b) <= 0 && o.Compare(b, c) <= 0 {
			require.LessOrEqual(t, o.Compare(a, c), 0)
		}
	})
}
