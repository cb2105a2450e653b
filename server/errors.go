package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/webhook"
)

// maxMessage bounds a message, which may repeat what a client sent, in bytes.
const maxMessage = maxEcho + 512

// wireError is an error as a client sees it.
type wireError struct {
	status  int
	code    string // MLflow's name of the error
	message string
}

func (e *wireError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &wireError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", fmt.Sprintf(format, args...)}
}

func missingThing(format string, args ...any) error {
	return &wireError{http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", fmt.Sprintf(format, args...)}
}

// statusGone is what a client gets that has gone away; nobody reads it.
const statusGone = 499

// toWire is the only place that turns errors into answers. No bad input makes
// a status of 5xx, which clients repeat for minutes. An error that is not known
// here is the server's own: the client hears nothing of it and the log all.
func toWire(err error) *wireError {
	var (
		wire    *wireError
		parse   *query.ParseError
		partial *runstone.PartialError
		tooBig  *http.MaxBytesError
		wait    *access.WaitError
		hook    *webhook.InvalidError
	)
	switch {
	case errors.As(err, &wire):
		return wire
	case errors.As(err, &parse):
		return &wireError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", parse.Msg}
	case errors.As(err, &hook):
		return &wireError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", hook.Msg}
	case errors.As(err, &partial):
		return &wireError{http.StatusBadRequest, "RESOURCE_EXHAUSTED", "The search needs too much memory. Please narrow it down."}
	case errors.As(err, &tooBig):
		return &wireError{http.StatusRequestEntityTooLarge, "BAD_REQUEST", fmt.Sprintf("The request body is over the limit of %d bytes.", tooBig.Limit)}
	case errors.Is(err, errForbidden):
		return &wireError{http.StatusForbidden, "PERMISSION_DENIED", "Permission denied"}
	case errors.As(err, &wait):
		return &wireError{http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED", wait.Error()}
	case errors.Is(err, access.ErrNotFound):
		return &wireError{http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", err.Error()}
	case errors.Is(err, access.ErrExists):
		return &wireError{http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS", err.Error()}
	case errors.Is(err, access.ErrInvalid):
		return &wireError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", err.Error()}
	case errors.Is(err, access.ErrLocked):
		return &wireError{http.StatusServiceUnavailable, "TEMPORARILY_UNAVAILABLE", "Another process changes the users now."}
	case errors.Is(err, artifact.ErrTooLarge):
		return &wireError{http.StatusRequestEntityTooLarge, "BAD_REQUEST", "The artifact is over the limit of this server."}
	case errors.Is(err, artifact.ErrPath):
		return &wireError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", "Invalid path"}
	case errors.Is(err, artifact.ErrIsDir), errors.Is(err, artifact.ErrNotDir), errors.Is(err, artifact.ErrDigest):
		return &wireError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", err.Error()}
	case errors.Is(err, runstone.ErrCorrupt):
		return &wireError{http.StatusInternalServerError, "DATA_LOSS", "The database is damaged. See the log of the server."}
	case errors.Is(err, runstone.ErrInvalid):
		return &wireError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", err.Error()}
	case errors.Is(err, runstone.ErrNotFound), errors.Is(err, artifact.ErrNotFound):
		return &wireError{http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", err.Error()}
	case errors.Is(err, runstone.ErrExists):
		return &wireError{http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS", err.Error()}
	case errors.Is(err, runstone.ErrConflict):
		return &wireError{http.StatusConflict, "RESOURCE_CONFLICT", err.Error()}
	case errors.Is(err, runstone.ErrReadOnly):
		return &wireError{http.StatusForbidden, "PERMISSION_DENIED", "The database is open read-only."}
	case errors.Is(err, runstone.ErrNoSpace), errors.Is(err, syscall.ENOSPC):
		// Not a status that clients repeat: the disk will not empty itself.
		return &wireError{http.StatusInsufficientStorage, "RESOURCE_EXHAUSTED", "Not enough free disk space on the server."}
	case errors.Is(err, runstone.ErrClosed), errors.Is(err, artifact.ErrClosed), errors.Is(err, runstone.ErrLocked):
		return &wireError{http.StatusServiceUnavailable, "TEMPORARILY_UNAVAILABLE", "The database is not available now."}
	case errors.Is(err, context.DeadlineExceeded):
		// Clients repeat a 503 for minutes, and it would be as slow again.
		return &wireError{http.StatusBadRequest, "RESOURCE_EXHAUSTED", fmt.Sprintf("The request took longer than %v. Please narrow it down.", readTimeout)}
	case errors.Is(err, context.Canceled):
		return &wireError{statusGone, "CANCELLED", "The request was cancelled."}
	}
	return &wireError{http.StatusInternalServerError, "INTERNAL_ERROR", "The server met an internal error. See its log."}
}

// class returns the two fields that follow code and message in MLflow 3.18.
func (e *wireError) class() (sqlstate, class string) {
	switch e.code {
	case "INVALID_PARAMETER_VALUE", "BAD_REQUEST":
		return "KAM00", "INVALID_PARAMETER_VALUE"
	case "RESOURCE_DOES_NOT_EXIST":
		return "KAM00", "RESOURCE_NOT_FOUND"
	case "NOT_IMPLEMENTED":
		return "", ""
	case "INTERNAL_ERROR", "DATA_LOSS":
		return "XXM00", "CLIENT_INTERNAL_ERROR"
	}
	return "KAM00", e.code
}

// append writes the error as MLflow does, with blanks or, as on the artifact
// routes, without.
func (e *wireError) append(dst []byte, compact bool) []byte {
	comma, colon := ", ", ": "
	if compact {
		comma, colon = ",", ":"
	}
	field := func(before, name, text string) {
		dst = append(append(dst, before...), '"')
		dst = append(append(append(dst, name...), '"'), colon...)
		dst = appendString(dst, text)
	}
	field("{", "error_code", e.code)
	message := e.message
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	field(comma, "message", message)
	if state, class := e.class(); state != "" {
		field(comma, "sqlstate", state)
		field(comma, "error_class", class)
	}
	return append(dst, '}')
}

// writeError answers with an error and logs what the client is not told.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error, compact bool) {
	if errors.Is(err, errForbidden) {
		s.forbid(w, r)
		return
	}
	e := toWire(err)
	switch {
	case e.status >= 500 && e.status != http.StatusNotImplemented:
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	case errors.Is(err, artifact.ErrPath), errors.Is(err, artifact.ErrLocation):
		s.log.WarnContext(r.Context(), "path refused", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
	}
	body := e.append(nil, compact)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_, _ = w.Write(body) // the client may have gone
}

// Bodies of answers that MLflow gives as HTML.
const (
	page400 = "<!doctype html>\n<html lang=en>\n<title>400 Bad Request</title>\n<h1>Bad Request</h1>\n<p>The browser (or proxy) sent a request that this server could not understand.</p>\n"
	page404 = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n"
	page405 = "<!doctype html>\n<html lang=en>\n<title>405 Method Not Allowed</title>\n<h1>Method Not Allowed</h1>\n<p>The method is not allowed for the requested URL.</p>\n"
)

func writePage(w http.ResponseWriter, status int, page string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page)) // the client may have gone
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client may have gone
}
