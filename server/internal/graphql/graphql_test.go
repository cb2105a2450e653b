package graphql

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testSchema = `
# A comment.
scalar LongString
type Query { thing(id: String, in: ThingInput, list: [Int!]): Thing, things(n: Int): [Thing!], fail: Thing, broken: String, echo(s: String): String }
type Mutation { noop: Boolean }
type Thing { id: String, aLong: LongString, aFloat: Float, small: Int, yes: Boolean, color: Color, tags: [String], sub: Thing, more: Thing, gone: Thing @null }
input ThingInput { someName: String, color: Color, inner: ThingInput, big: LongString, f: Float, b: Boolean }
enum Color { RED GREEN }
`

type thing struct {
	ID    string   `json:"id"`
	Long  int64    `json:"a_long,omitempty"`
	Float float64  `json:"a_float"`
	Small int      `json:"small"`
	Yes   bool     `json:"yes"`
	Color string   `json:"color"`
	Tags  []string `json:"tags"`
	Sub   *thing   `json:"sub"`
}

func testLimits() Limits {
	return Limits{Text: 4 << 10, Depth: 5, Fields: 50, Roots: 3, Aliases: 4, Answer: 1 << 10}
}

func newTest(t testing.TB) (*Schema, *Value) {
	var got Value
	s, err := NewSchema(testSchema, map[string]Resolver{
		"Query.thing": func(_ context.Context, _ any, args Value) (any, error) {
			got = args
			return thing{ID: "a\"\x01\xff", Long: math.MinInt64, Float: math.NaN(), Small: -3, Yes: true, Color: "GREEN", Tags: []string{"x"}, Sub: &thing{ID: "sub", Float: math.Inf(1)}}, nil
		},
		"Query.things": func(_ context.Context, _ any, args Value) (any, error) {
			return make([]thing, 20), nil
		},
		"Query.fail":   func(context.Context, any, Value) (any, error) { return nil, &Error{"no such thing"} },
		"Query.broken": func(context.Context, any, Value) (any, error) { return nil, errors.New("secret") },
		"Query.echo": func(_ context.Context, _ any, args Value) (any, error) {
			return args.Get("s").Text, nil
		},
		"Thing.more": func(_ context.Context, source any, _ Value) (any, error) { return source, nil },
	}, testLimits())
	require.NoError(t, err)
	return s, &got
}

func run(t testing.TB, s *Schema, r Request) string {
	out, _ := s.Execute(t.Context(), r)
	require.True(t, json.Valid(out), "%s", out)
	return strings.TrimSpace(string(out))
}

func TestValues(t *testing.T) {
	s, _ := newTest(t)
	for query, want := range map[string]string{
		`{thing{id aLong aFloat small yes color tags}}`:                       `{"thing":{"id":"a\"\u0001` + "\uFFFD" + `","aLong":"-9223372036854775808","aFloat":null,"small":-3,"yes":true,"color":"GREEN","tags":["x"]}}`,
		`{thing{sub{id aFloat color tags} gone{id}}}`:                         `{"thing":{"sub":{"id":"sub","aFloat":1.7976931348623157e+308,"color":"RED","tags":[]},"gone":null}}`,
		`{thing{sub{sub{sub{id aLong small yes aFloat color}}}}}`:             `{"thing":{"sub":{"sub":{"sub":{"id":"","aLong":"0","small":0,"yes":false,"aFloat":0,"color":"RED"}}}}}`,
		`{thing{more{id:small} more{more{yes}}}}`:                             `{"thing":{"more":{"id":-3,"more":{"yes":true}}}}`,
		`{a:__typename thing{__typename ...F ...F}} fragment F on Thing{yes}`: `{"a":"Query","thing":{"__typename":"Thing","yes":true}}`,
		`mutation{noop}`: `{"noop":false}`,
		`{echo(s:"\u00e4\uD83D\uDE00\u{1F600}\ud800")}`:                                      `{"echo":"ä😀😀` + "\uFFFD" + `"}`,
		"{echo(s:\"\"\"\n\n  a\n    b\\\"\"\"\n\n  \"\"\")}":                                 `{"echo":"a\u000a  b\"\"\""}`,
		`{echo(s:"x") @skip(if:true) yes:__typename @include(if:true)}`:                      `{"yes":"Query"}`,
		`{thing{...@include(if:false){yes} ...F@skip(if:false)}} fragment F on Thing{small}`: `{"thing":{"small":-3}}`,
	} {
		require.Equal(t, `{"data":`+want+`,"errors":null}`, run(t, s, Request{Query: query}), query)
	}
}

func TestArguments(t *testing.T) {
	s, got := newTest(t)
	run(t, s, Request{Query: `{thing(in:{someName:"n" color:GREEN inner:{big:12, f:1, b:true} big:"x"} list:3){id}}`})
	require.Equal(t, "GREEN", got.Get("in").Get("color").Text)
	require.Equal(t, "n", got.Get("in").Get("some_name").Text)
	require.Equal(t, Value{Kind: Int, Text: "12"}, *got.Get("in").Get("inner").Get("big"))
	require.Equal(t, Null, got.Get("in").Get("big").Kind)
	require.Equal(t, []Value{{Kind: Int, Text: "3"}}, got.Get("list").List)
	in := Value{Kind: Object, Members: []Member{{"someName", Value{Kind: String, Text: "v"}}, {"big", Value{Kind: String, Text: "7"}}}}
	vars := Value{Kind: Object, Members: []Member{{"i", in}}}
	run(t, s, Request{Query: `query($i:ThingInput $n:Int=4 $none:String){thing(in:$i list:[1,$n] id:$none){yes}}`, Variables: vars})
	require.Equal(t, "v", got.Get("in").Get("some_name").Text)
	require.Equal(t, "4", got.Get("list").List[1].Text)
	require.Nil(t, got.Get("id"))
}

func TestErrors(t *testing.T) {
	s, _ := newTest(t)
	require.Equal(t, `{"data":{"fail":null,"echo":"on"},"errors":["no such thing"]}`, run(t, s, Request{Query: `{fail{id} echo(s:"on")}`}))
	out, err := s.Execute(t.Context(), Request{Query: `{broken}`})
	require.EqualError(t, err, "secret")
	require.NotContains(t, string(out), "secret")
	require.Contains(t, string(out), `"errors":["The server met an internal error`)
}

func TestLimits(t *testing.T) {
	s, _ := newTest(t)
	chain := func(n int) string {
		var b strings.Builder
		b.WriteString("{...F0}")
		for i := range n {
			b.WriteString(" fragment F" + strings.Repeat("x", i) + " on Query{__typename}")
		}
		return b.String()
	}
	for query, want := range map[string]string{
		"":                                "Must provide query string.",
		"# nothing":                       "Syntax Error: Unexpected <EOF>.",
		strings.Repeat(" ", 5000) + "{a}": "Query exceeds maximum length of 4096 bytes",
		"{thing{sub{sub{sub{sub{id}}}}}}": "Query exceeds maximum depth of 5",
		"{thing{" + strings.Repeat("id ", 60) + "}}":        "Query exceeds maximum total selections of 50",
		"{a:thing{id} b:thing{id} c:thing{id} d:thing{id}}": "GraphQL queries should have at most 3 root fields, got 4 root fields.",
		"{thing{a:id b:id c:id d:id ...{e:id}}}":            "GraphQL queries should have at most 4 aliases, got 5 aliases.",
		"query" + strings.Repeat("[", 3000):                 "Syntax Error: Expected '{', found '['.",
		"{a(b:" + strings.Repeat("[", 3000):                 "Syntax Error: Nested more than 64 deep.",
		strings.Repeat("{a", 1000):                          "Syntax Error: Nested more than 64 deep.",
		"{things{id color small yes sub{id color}}}":        "The answer exceeds the maximum of 1024 bytes. Please narrow it down.",
		chain(85): "Query exceeds maximum length of 4096 bytes",
	} {
		require.Equal(t, `{"data":null,"errors":["`+want+`"]}`, run(t, s, Request{Query: query}), query)
	}
}

// TestWork: no text within the limits keeps the server busy.
func TestWork(t *testing.T) {
	s, _ := newTest(t)
	s.limits = Limits{Text: 32 << 10, Depth: 10, Fields: 1000, Roots: 10, Aliases: 10, Answer: 1 << 20}
	names := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var all, each strings.Builder
	for i, n := range names {
		all.WriteString("..." + string(n))
		each.WriteString(" fragment " + string(n) + " on Thing{" + strings.Repeat("..."+string(names[(i+1)%len(names)]), 100) + "sub{" + all.String() + "}}")
	}
	require.Contains(t, run(t, s, Request{Query: "{thing{" + all.String() + "}}" + each.String()}), `"data":null`)
	many := "{thing{id}}"
	for i := range 1000 {
		many += " fragment " + strings.Repeat("f", 1+i%5) + " on Thing{id}"
	}
	require.Contains(t, run(t, s, Request{Query: many}), "maximum of 100 fragments")
	args := "{thing(" + strings.Repeat("x:1 ", 8000) + "){id}}"
	require.Contains(t, run(t, s, Request{Query: args}), "There can be only one argument")
}

func TestSchemaErrors(t *testing.T) {
	for text, want := range map[string]string{
		"type A { b: C }":              "no type C",
		"type A { b: Int } enum A {B}": "twice",
		"union A = B":                  "Expected a type",
		"type A {":                     "Syntax Error",
	} {
		_, err := NewSchema(text, nil, testLimits())
		require.ErrorContains(t, err, want)
	}
	_, err := NewSchema("type A { b: Int }", map[string]Resolver{"A.c": nil}, testLimits())
	require.ErrorContains(t, err, "no field A.c")
}

func FuzzExecute(f *testing.F) {
	s, _ := newTest(f)
	for _, q := range []string{
		`query Q($i: ThingInput = {someName: "a"}, $b: Boolean!) @component(name: "x") { thing(in: $i, list: [1, -2]) { ...F ... on Thing @skip(if: $b) { a: id } } } fragment F on Thing { sub { aLong } }`,
		`mutation { noop }`, `{ things(n: 1.5e3) { id } }`, `{ echo(s: """a "" b""") }`, "{ ...F } fragment F on Query { ...F }", `{ echo(s: "\u{1F600}") }`,
	} {
		f.Add(q, "Q", "b")
	}
	f.Fuzz(func(t *testing.T, query, operation, name string) {
		r := Request{Query: query, Operation: operation, Variables: Value{Kind: Object, Members: []Member{
			{name, Value{Kind: Bool, Text: "true"}}, {"i", Value{Kind: Object, Members: []Member{{name, Value{Kind: String, Text: query}}}}},
		}}}
		out, err := s.Execute(t.Context(), r)
		var answer struct {
			Data   map[string]any
			Errors []string
		}
		require.NoError(t, json.Unmarshal(out, &answer), "%s", out)
		require.True(t, answer.Data != nil || len(answer.Errors) > 0)
		if err != nil {
			require.EqualError(t, err, "secret")
		}
	})
}

// FuzzLiteral: what is printed of a literal reads back as the same.
func FuzzLiteral(f *testing.F) {
	for _, l := range []string{`1`, `-1.5e3`, `"a\n\u00e4"`, `[1 [2] {a: $b}]`, `{a: {b: null, c: true, d: E}}`, `"""x"""`} {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := newParser(text)
		l := p.literal(false)
		if p.err != nil || len(text) > maxEcho/8 {
			return
		}
		again := newParser(l.String())
		back := again.literal(false)
		require.NoError(t, again.err, "%s → %s", text, l)
		require.Equal(t, l.String(), back.String(), text)
		require.Equal(t, l.kind, back.kind, text)
	})
}
