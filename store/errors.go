package store

import (
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/internal/record"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("already exists")
	ErrConflict    = errors.New("conflicts with the present state")
	ErrCorrupt     = record.ErrCorrupt // damaged durable bytes; nothing was changed
	ErrClosed      = errors.New("database is closed")
	ErrLocked      = errors.New("database is held by another process")
	ErrReadOnly    = errors.New("database is open read-only")
	ErrNotDatabase = errors.New("not a Runstone database")
	ErrFuture      = errors.New("written by a newer version of Runstone")
	ErrNoSpace     = errors.New("not enough free disk space")
	ErrInvalid     = errors.New("invalid argument")
)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// DataLossError says that acknowledged changes are missing from the database.
// The database is left as it is found. It wraps [ErrCorrupt].
type DataLossError struct {
	What string
	Want uint64 // what the mark file promises
	Have uint64 // what is there
}

func (e *DataLossError) Error() string {
	return fmt.Sprintf("acknowledged data is missing: %s: expected %d, found %d", e.What, e.Want, e.Have)
}

// Unwrap returns [ErrCorrupt].
func (e *DataLossError) Unwrap() error { return ErrCorrupt }

// Error is a refusal with a message for the person who asked, worded as
// MLflow words it where MLflow refuses the same. Kind is one of the errors
// above and is what errors.Is finds.
type Error struct {
	Kind error
	Msg  string
}

func (e *Error) Error() string { return e.Msg }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Errorf returns an *Error.
func Errorf(kind error, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}
