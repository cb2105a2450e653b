// Package query owns the filter language: text to tree to match, and order_by.
//
// The language is a superset of MLflow's filter strings. Text is data here,
// never code: parsing builds a tree of a few node types, matching walks it over
// a [Row], and nothing else is ever run.
//
//	filter  = or .
//	or      = and { "OR" and } .
//	and     = not { [ "AND" ] not } .
//	not     = "NOT" not | "(" or ")" | pred .
//	pred    = field compare value
//	        | field [ "NOT" ] ( "LIKE" | "ILIKE" ) string
//	        | field [ "NOT" ] "IN" "(" string { "," string } [ "," ] ")"
//	        | field "IS" [ "NOT" ] "NULL" .
//	compare = "=" | "!=" | "<" | "<=" | ">" | ">=" .
//	field   = [ entity "." ] key .
//	key     = name { "." name } | '`' … '`' | '"' … '"' | "'" … "'" .
//	value   = number | string .
//
// Keywords are case-insensitive; entities and keys are not. A string's value is
// the text between its quotes, byte for byte: no escape is ever undone.
//
// Logic is two-valued: a comparison with a missing field is false, also for !=,
// and NOT of it is true. docs/QUERY.md is the page for users.
//
// The package imports nothing of the project. A [Filter] and an [Order] do not
// change after they are made: any number of goroutines may share one.
package query
