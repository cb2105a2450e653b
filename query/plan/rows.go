package plan

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// Row is one experiment, model, version or the like: a row that is no batch of
// columns yet.
type Row interface {
	// Field returns the value of a field, with an attribute in its canonical
	// spelling. All values of a field are of one kind. Of a field with several
	// values it returns the one that [Ref.One] asks for.
	Field(ref Ref) Value
}

// ManyRow is a Row some of whose fields have several values.
type ManyRow interface {
	Row
	// Values returns the values of a field; not ok if it is one with a single
	// value, which Field then tells.
	Values(ref Ref) (values []Value, ok bool)
}

// rowsBatch is how many rows are made a batch.
const rowsBatch = 1024

// Rows returns a source of rows; the Row of a hit is the place in the slice. The
// rows have no points and no lineage: a query about those is an error that wraps
// errors.ErrUnsupported.
func Rows[R Row](rows []R) Source { return rowSource[R](rows) }

type rowSource[R Row] []R

func (s rowSource[R]) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for first := 0; first < len(s); first += rowsBatch {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(&rowBatch[R]{rows: s[first:min(first+rowsBatch, len(s))], first: first}, nil) {
				return
			}
		}
	}
}

type rowBatch[R Row] struct {
	rows  []R
	first int
}

func (b *rowBatch[R]) Len() int                         { return len(b.rows) }
func (b *rowBatch[R]) Rows() index.Bits                 { return nil }
func (b *rowBatch[R]) Row(i int) uint32                 { return uint32(b.first + i) }
func (b *rowBatch[R]) Zone(Ref) (z index.Zone, ok bool) { return z, false }

func (b *rowBatch[R]) Column(_ context.Context, ref Ref) (*index.Column, error) {
	values := make([]Value, 0, len(b.rows))
	var starts []uint32
	for i, row := range b.rows {
		if many, ok := any(row).(ManyRow); ok && !ref.One {
			if list, ok := many.Values(ref); ok {
				if starts == nil {
					starts = make([]uint32, i+1, len(b.rows)+1)
					for k := range starts {
						starts[k] = uint32(k)
					}
				}
				values = append(values, list...)
				starts = append(starts, uint32(len(values)))
				continue
			}
		}
		values = append(values, row.Field(ref))
		if starts != nil {
			starts = append(starts, uint32(len(values)))
		}
	}
	return newColumn(values, starts), nil
}

// newColumn makes a column of values, of the kind of the first. With starts, no
// value is missing.
func newColumn(values []Value, starts []uint32) *index.Column {
	c := &index.Column{Starts: starts}
	kind := Missing
	missing := 0
	for _, v := range values {
		switch {
		case v.kind == Missing:
			missing++
		case kind == Missing:
			kind = v.kind
		case kind == Int && v.kind == Number:
			kind = Number
		}
	}
	if kind == Missing {
		return nil
	}
	if missing > 0 && starts == nil {
		c.Has = index.NewBits(len(values))
		for i, v := range values {
			if v.kind != Missing {
				c.Has.Set(i)
			}
		}
	}
	switch kind {
	case String:
		c.Type, c.Codes = index.Strings, make([]uint32, len(values))
		codes := map[string]uint32{}
		for i, v := range values {
			code, ok := codes[v.str]
			if !ok {
				code = uint32(len(c.Dict))
				codes[v.str] = code
				c.Dict = append(c.Dict, v.str)
			}
			c.Codes[i] = code
		}
	case Int:
		c.Type, c.Ints = index.Ints, make([]int64, len(values))
		for i, v := range values {
			c.Ints[i] = v.int()
		}
	default:
		c.Type, c.Floats = index.Floats, make([]float64, len(values))
		for i, v := range values {
			c.Floats[i], _ = v.number()
		}
	}
	return c
}

func (b *rowBatch[R]) Series(context.Context, *tree.Series, index.Bits) (*index.Column, error) {
	return nil, unsupported("functions of points")
}

func (b *rowBatch[R]) Points(context.Context, *tree.Quantified, index.Bits) error {
	return unsupported("conditions on points")
}

func (b *rowBatch[R]) Lineage(context.Context, *tree.Lineage, index.Bits) error {
	return unsupported("lineage")
}

func unsupported(what string) error {
	return fmt.Errorf("these rows have no %s: %w", what, errors.ErrUnsupported)
}
