package runstone

import (
	"github.com/runstonedb/runstone/store"
)

// Errors that callers tell apart with errors.Is. An error that refuses what
// was asked is an *[Error], worded as MLflow words it; the others report the
// state of the database or the disk.
var (
	ErrNotFound    = store.ErrNotFound
	ErrExists      = store.ErrExists
	ErrInvalid     = store.ErrInvalid
	ErrConflict    = store.ErrConflict
	ErrCorrupt     = store.ErrCorrupt
	ErrClosed      = store.ErrClosed
	ErrLocked      = store.ErrLocked
	ErrReadOnly    = store.ErrReadOnly
	ErrNotDatabase = store.ErrNotDatabase
	ErrFuture      = store.ErrFuture
	ErrNoSpace     = store.ErrNoSpace
)

// Error is a refusal with a message (Msg) for the person who asked; Kind is one
// of the errors above.
type Error = store.Error

// Durability says what an acknowledged change survives: [Appended] or [Synced].
type Durability = store.Durability

// Appended survives the end of the process, Synced also power loss.
const (
	Appended = store.Appended
	Synced   = store.Synced
)

func notFound(format string, args ...any) error {
	return store.Errorf(ErrNotFound, format, args...)
}

func invalid(format string, args ...any) error {
	return store.Errorf(ErrInvalid, format, args...)
}
