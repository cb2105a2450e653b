// Package query owns the text of the query language: text to [tree.Query], and
// order_by clauses to [tree.Sort].
//
// The language is a superset of MLflow's filter strings. Text is data here,
// never code: parsing builds a tree of a few node types, which package
// query/plan answers.
//
//	query     = [ or ] { clause } .                          each clause once, in any order
//	clause    = "GROUP" "BY" sum { "," sum }
//	          | "SELECT" sum [ "AS" name ] { "," … }
//	          | "HAVING" or
//	          | "ORDER" "BY" sort { "," sort }
//	          | "LIMIT" integer [ "PER" "GROUP" ]
//	          | "OFFSET" integer .
//	sort      = ( sum | integer | name ) [ "ASC" | "DESC" ] [ "NULLS" ( "FIRST" | "LAST" ) ] .
//	or        = and { "OR" and } .
//	and       = not { [ "AND" ] not } .
//	not       = "NOT" not | "(" or ")" | condition .
//	condition = sum compare sum
//	          | sum [ "NOT" ] ( "LIKE" | "ILIKE" ) string
//	          | sum ( "~" | "~*" | "!~" | "!~*" ) string
//	          | sum [ "NOT" ] "IN" "(" literal { "," literal } [ "," ] ")"
//	          | sum [ "NOT" ] "BETWEEN" sum "AND" sum
//	          | sum "IS" [ "NOT" ] ( "NULL" | "NAN" | "INF" | "DISTINCT" "FROM" sum )
//	          | ( "EVER" | "ALWAYS" | "NEVER" ) "(" point [ "FOR" ( integer "STEPS" | duration ) ] ")" [ window ]
//	          | plateau "(" metric "," … ")" [ window ]
//	          | ( "ANY" | "ALL" ) "child" "(" or ")"
//	          | verb thing "(" string { "," string } ")" .
//	point     = metric compare number | metric "IS" [ "NOT" ] ( "NAN" | "INF" ) .
//	compare   = "=" | "!=" | "<" | "<=" | ">" | ">=" .
//	verb      = "USED" | "PRODUCED" | "DERIVED" "FROM" | "UPSTREAM" "OF" | "DOWNSTREAM" "OF" .
//	thing     = "dataset" | "run" | "model" | "batch" .
//	sum       = product { ( "+" | "-" ) product } .
//	product   = minus { ( "*" | "/" | "%" ) minus } .
//	minus     = "-" minus | field | literal | function "(" … ")" [ window ] | "(" sum ")" .
//	window    = "OVER" ( "STEPS" [ integer ] ".." [ integer ] | "FIRST" integer "STEPS"
//	          | "LAST" ( integer "STEPS" | number "%" | duration ) | "TIME" duration ) .
//	field     = { "parent" "." } [ entity "." ] key [ "{" name "=" string { "," … } "}" ] .
//	key       = name { "." name } | '`' … '`' | '"' … '"' | "'" … "'" .
//	literal   = number [ unit ] | string .
//	string    = "'" … "'" | '"' … '"' | "x'" hexadecimal "'" .
//
// Words of the language are case-insensitive; entities and keys are not. Only
// AND, OR, NOT, IN, LIKE, ILIKE, IS and NULL are reserved. A string's value is
// the text between its quotes, byte for byte: no escape is ever undone.
//
// Parsing takes time and memory linear in the text, and says what is wrong in
// MLflow's words where MLflow knows the mistake. docs/QUERY.md is the page for
// users.
package query
