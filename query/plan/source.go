package plan

import (
	"context"
	"iter"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// Source gives the rows of a domain in batches, each row in one batch. It ends
// behind the first error. A search that looks at related runs or shows values
// goes through the batches more than once, and expects the same rows each time.
type Source interface {
	Batches(ctx context.Context) iter.Seq2[Batch, error]
}

// Leading is a Source that can give its batches in an order of its choice: those
// first that may have the first rows by a stored column, as their zones tell. A
// page then takes few of them and is done with the others unread. It is asked for
// the rows of a page ordered by a number, and gives the same as Batches.
type Leading interface {
	Source
	Leading(ctx context.Context, ref Ref, desc bool) iter.Seq2[Batch, error]
}

// Pointed is a Source that can tell the attributes run_id and start_time, which
// every row has, of single rows. An order that has them behind its first key then
// reads their columns only where many rows are equal in that.
type Pointed interface {
	Source
	Value(ref Ref, row uint32) (Value, error)
}

// Batch is some rows as columns. One goroutine uses it, until the next batch.
type Batch interface {
	// Len is the number of rows, those included that are not there.
	Len() int
	// Rows is the set of rows that there are; nil is all. The caller does not
	// change it.
	Rows() index.Bits
	// Row is the number by which a [Hit] names row i. It ascends with i.
	Row(i int) uint32
	// Zone tells what Column(ref) may hold without reading it; not ok when
	// nobody knows. Integers that a float64 does not hold may be rounded.
	Zone(ref Ref) (z index.Zone, ok bool)
	// Column returns the values of a field, nil when no row has one. It is
	// valid until the next batch and read-only. A Dict is never written to
	// again, so that columns with the same one are known to be alike.
	Column(ctx context.Context, ref Ref) (*index.Column, error)
	// Series computes a function of points for the rows of sel. The column
	// has Len rows; a row outside sel may have any value. Plateau is an
	// integer, 1 or 0.
	Series(ctx context.Context, fn *tree.Series, sel index.Bits) (*index.Column, error)
	// Points keeps in sel the rows for which the condition on points holds.
	Points(ctx context.Context, q *tree.Quantified, sel index.Bits) error
	// Lineage keeps in sel the rows for which the relation holds.
	Lineage(ctx context.Context, l *tree.Lineage, sel index.Bits) error
}

// Ref names a stored column: a field, and for a metric which function of all its
// points, one of Last, First, Min, Max, Mean, Sum, Count, NaNCount, ArgMin and
// ArgMax. Fn is Last for other entities.
type Ref struct {
	Entity tree.Entity
	Key    string
	Fn     tree.SeriesFn
	// One asks for one value of each row where the field has several: the
	// latest of those about Dataset and Digest, of which "" is any. An order
	// and a group need one.
	One             bool
	Dataset, Digest string
}

// The columns that relations between runs are joined by.
var (
	refRunID    = Ref{Entity: tree.Attribute, Key: "run_id"}
	refStart    = Ref{Entity: tree.Attribute, Key: "start_time"}
	refParentID = Ref{Entity: tree.Attribute, Key: "parent_id"}
)

// Stats counts what a search has read. The source fills it, and gives it to Run
// in [Options].
type Stats struct {
	Segments      int64 `json:"segments,omitempty"`       // of the index
	Live          int64 `json:"live,omitempty"`           // rows that no segment has yet
	ColumnsRead   int64 `json:"columns_read,omitempty"`   // decoded
	ColumnsCached int64 `json:"columns_cached,omitempty"` // found decoded
	Bytes         int64 `json:"bytes,omitempty"`          // of columns and points, as stored
	Curves        int64 `json:"curves,omitempty"`         // of which points were asked
	Blocks        int64 `json:"blocks,omitempty"`         // of points that were looked at
	Decided       int64 `json:"decided,omitempty"`        // of them by their zones alone
	Decoded       int64 `json:"decoded,omitempty"`        // of them by their points
}
