package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"unicode"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/query"
)

// Exit codes. They are part of the interface: scripts tell errors apart by
// them.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitLocked      = 5
	exitCorrupt     = 6
	exitNoSpace     = 7
	exitFuture      = 8
	exitRegressed   = 9
	exitInterrupted = 130
)

// exitNames are the codes of errors in JSON.
func exitName(code int) string {
	switch code {
	case exitUsage:
		return "usage"
	case exitNotFound:
		return "not_found"
	case exitRefused:
		return "refused"
	case exitLocked:
		return "locked"
	case exitCorrupt:
		return "corrupt"
	case exitNoSpace:
		return "no_space"
	case exitFuture:
		return "newer_format"
	case exitRegressed:
		return "regressed"
	case exitInterrupted:
		return "interrupted"
	}
	return "error"
}

// fault is an error that knows its exit code and what to do next.
type fault struct {
	code  int
	msg   string
	hint  string
	cause error
}

func (f *fault) Error() string { return f.msg }

// Unwrap returns the cause.
func (f *fault) Unwrap() error { return f.cause }

var errInterrupted = &fault{code: exitInterrupted, msg: "interrupted"}

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }

func usagef(format string, args ...any) error {
	return asUsage(fmt.Errorf(format, args...))
}

func asUsage(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return err
	}
	return &fault{code: exitUsage, msg: err.Error(), hint: "--help shows what the command takes", cause: err}
}

func notFoundf(hint, format string, args ...any) error {
	return &fault{code: exitNotFound, msg: fmt.Sprintf(format, args...), hint: hint}
}

func refusedf(hint, format string, args ...any) error {
	return &fault{code: exitRefused, msg: fmt.Sprintf(format, args...), hint: hint}
}

// asFault finds out the exit code of an error and what to do about it.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	f = &fault{code: exitError, msg: err.Error(), cause: err}
	var refusal *runstone.Error
	if errors.As(err, &refusal) {
		f.msg = refusal.Msg
	}
	var parse *query.ParseError
	switch {
	case errors.As(err, &parse):
		f.code, f.hint = exitRefused, "docs/QUERY.md describes filters and orders"
	case errors.Is(err, runstone.ErrCorrupt):
		f.code, f.hint = exitCorrupt, `nothing was changed; "runstone verify" lists the damage; keep a copy of the directory before anything else`
	case errors.Is(err, runstone.ErrFuture):
		f.code, f.hint = exitFuture, "use a newer runstone"
	case errors.Is(err, runstone.ErrNoSpace), errors.Is(err, syscall.ENOSPC):
		f.code, f.hint = exitNoSpace, "free space on that disk and try again"
	case errors.Is(err, runstone.ErrLocked):
		f.code, f.hint = exitLocked, "stop the process that holds the directory, or make the change through that server"
	case errors.Is(err, runstone.ErrNotDatabase):
		f.code, f.hint = exitRefused, "name the directory of a database with --data-dir"
	case errors.Is(err, runstone.ErrNotFound), errors.Is(err, artifact.ErrNotFound):
		f.code, f.hint = exitNotFound, "the list commands show what there is"
	case errors.Is(err, runstone.ErrInvalid), errors.Is(err, runstone.ErrExists), errors.Is(err, runstone.ErrConflict),
		errors.Is(err, runstone.ErrReadOnly), errors.Is(err, artifact.ErrPath), errors.Is(err, artifact.ErrIsDir),
		errors.Is(err, artifact.ErrNotDir), errors.Is(err, artifact.ErrTooLarge):
		f.code = exitRefused
	case errors.Is(err, artifact.ErrDigest):
		f.code, f.hint = exitCorrupt, "put the file again from its source"
	case errors.Is(err, fs.ErrNotExist):
		f.code, f.hint = exitNotFound, "check the path"
	case errors.Is(err, fs.ErrPermission):
		f.hint = "check who owns the directory and its files"
	}
	return f
}

// report prints an error, in one line and the place of a mistake in a filter
// below it, and returns its exit code.
func (a *app) report(err error) int {
	f := asFault(err)
	if a.json {
		b, _ := json.Marshal(map[string]any{"error": map[string]any{
			"code": exitName(f.code), "exit": f.code, "message": oneLine(f.msg), "next": f.hint,
		}})
		fmt.Fprintf(a.err, "%s\n", b)
		return f.code
	}
	line := "runstone: " + oneLine(f.msg)
	if f.hint != "" {
		line += "; " + f.hint
	}
	fmt.Fprintln(a.err, line)
	var parse *query.ParseError
	if errors.As(err, &parse) && parse.Text != "" {
		text, mark, _ := strings.Cut(parse.Caret(), "\n")
		fmt.Fprintf(a.err, "  %s\n  %s\n", text, mark)
	}
	return f.code
}

// oneLine puts a message on one line without control characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	return strings.TrimRight(strings.Join(strings.Fields(s), " "), ".;")
}
