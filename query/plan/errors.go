package plan

import (
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/query/tree"
)

// Errors of a search.
var (
	// ErrCursor is wrapped by what [Plan.Run] returns for a cursor that is
	// damaged or of another query.
	ErrCursor = errors.New("not a cursor of this query")
	// ErrQuery is wrapped by what [New] returns for a tree that cannot be
	// answered.
	ErrQuery = errors.New("the query cannot be answered")

	errTooMany = fmt.Errorf("%w: the values of two fields with several values make too many", ErrQuery)
	errTime    = errors.New("the time of the search is up")
)

// PartialError says that a limit of [Options] ended a search before all rows
// were seen. The [Result] with it holds what was found so far.
type PartialError struct {
	Limit   string // time, bytes or groups
	Batches int    // that were seen
	Rows    int    // in them
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("the search reached its limit of %s after %d rows", e.Limit, e.Rows)
}

func invalid(x tree.Expr, format string, args ...any) error {
	return fmt.Errorf("%w: at %d: %s", ErrQuery, x.At().Pos, fmt.Sprintf(format, args...))
}
