package access

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of this package.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
	ErrInvalid  = errors.New("not valid")
	ErrLocked   = errors.New("another process changes the users")
	// ErrDenied is what every wrong name, password or token gives.
	ErrDenied = errors.New("wrong user, password or token")
)

// WaitError refuses to look at a password: too many wrong ones came before, or
// too many come at once.
type WaitError struct{ After time.Duration }

func (e *WaitError) Error() string {
	return fmt.Sprintf("too many attempts to log in; try again in %v", e.After.Round(time.Second))
}

// refusal is an [ErrInvalid] in words for the person who caused it.
type refusal struct{ msg string }

func (e *refusal) Error() string { return e.msg }

// Is makes it an ErrInvalid.
func (e *refusal) Is(target error) bool { return target == ErrInvalid }

func invalid(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// cut shortens what came from outside for a message.
func cut(s string) string {
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

func noUser(name string) error { return fmt.Errorf("user %q: %w", cut(name), ErrNotFound) }
