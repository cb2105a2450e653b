// Package plan answers a query: it takes the tree that package query made of a
// text and the rows of a [Source], which come in batches of columns, and gives
// the rows that match, in order, or groups of them.
//
// A filter is evaluated a part at a time over a whole batch: every part narrows a
// set of rows ([index.Bits]), the cheap ones first. What a batch may hold is known
// before a column is read ([index.Zone]), so many batches are not read at all.
// Strings are compared once for each distinct one. Points of metrics are looked at
// last, for the rows that are left. An order with a limit keeps the rows of one
// page; the page behind it begins at a cursor, which holds the values of the last
// row, and costs what the first did.
//
// The package knows no storage: runs, experiments, models and versions are all
// sources. A [Plan] is read-only once it is made and may run any number of times,
// at the same time too. It writes nothing.
package plan
