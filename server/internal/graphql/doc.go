// Package graphql answers GraphQL queries over Go structs: the part of the
// language that a fixed schema without subscriptions needs, after the
// specification of October 2021 (https://spec.graphql.org/October2021).
//
// There are operations, variables with defaults, aliases, arguments, fragments
// with and without names, the directives @skip and @include, and __typename.
// There is no introspection. A document is bounded before it is looked at: in
// bytes, depth, fields, aliases and fields at its root, see [Limits].
//
// A schema is a text in GraphQL's own language with types, inputs, enums and
// scalars. The value of a field comes from a [Resolver], or is the field of a
// struct whose JSON tag is the name in snake case: runId is `json:"run_id"`. What
// a struct lacks has the zero value that protobuf gives it: an empty text or
// list, 0, the first name of an enum, an object of such; a field that the schema
// marks with @null is null instead. NaN is null, ±Inf the largest double.
//
// Words of errors are those of graphql-core, which MLflow uses.
package graphql

import "strings"

// Error is a mistake in a request, in the words that its sender reads.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

// Limits bound what one request may ask for; each must be positive. Depth, fields
// and aliases are counted with fragments put in wherever they are spread.
type Limits struct {
	Text    int // bytes of the document
	Depth   int // fields inside each other
	Fields  int // of all operations
	Roots   int // fields at the root of all operations
	Aliases int // in one selection
	Answer  int // bytes of the data
}

// maxEcho bounds how much of a request an error repeats, in bytes.
const maxEcho = 256

func cut(s string) string {
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "…"
	}
	return s
}

func quote(s string) string { return string(appendString(nil, cut(s))) }
