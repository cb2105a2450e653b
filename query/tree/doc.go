// Package tree is what the text of a query means: package query reads it, package
// query/plan answers it, and saved filters, policies and alerts keep it. A tree is
// data: nothing in it is ever run.
//
// Every node knows the bytes of the text that it came from and the type of its
// value. Trees are read-only once they are made; any number of goroutines may
// share one.
//
// A value is missing or it is a number, an exact integer, a string or a truth.
// Truths are never missing: a comparison with a missing value is false, whatever
// the comparison, and NOT of it is true. Arithmetic with a missing value is
// missing.
package tree
