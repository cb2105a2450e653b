package artifact

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// The errors of this package. Test for them with [errors.Is]; a full disk is
// found the same way, as [syscall.ENOSPC].
var (
	ErrPath     = errors.New("artifact: invalid path")
	ErrLocation = errors.New("artifact: invalid location")
	ErrNotFound = errors.New("artifact: not found")
	ErrIsDir    = errors.New("artifact: is a directory")
	ErrNotDir   = errors.New("artifact: a parent is not a directory")
	ErrTooLarge = errors.New("artifact: too large")
	ErrDigest   = errors.New("artifact: digest or size differs")
	ErrClosed   = errors.New("artifact: root is closed")
)

// A PathError says why a path was refused. It wraps [ErrPath].
type PathError struct {
	Path   string // as the caller gave it
	Reason string
}

func (e *PathError) Error() string {
	return ErrPath.Error() + " " + quote(e.Path) + ": " + e.Reason
}

// Unwrap returns [ErrPath].
func (e *PathError) Unwrap() error { return ErrPath }

// A LocationError says why a location was refused. It wraps [ErrLocation].
type LocationError struct {
	URI    string // as the caller gave it
	Reason string
}

func (e *LocationError) Error() string {
	return ErrLocation.Error() + " " + quote(e.URI) + ": " + e.Reason
}

// Unwrap returns [ErrLocation].
func (e *LocationError) Unwrap() error { return ErrLocation }

// quote keeps hostile input on one short printable line.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}

// bare drops the file name that package os put into err, because that name
// is a path of this machine and these errors reach remote clients. Errors of
// package os that have a name here get it.
func bare(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case errors.Is(err, fs.ErrClosed):
		return ErrClosed
	case errors.Is(err, syscall.ENOTDIR):
		return ErrNotDir
	}
	return err
}
