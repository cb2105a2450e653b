package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
	"unsafe"
)

// freeBody is how much of a body is read without asking the budget: what every
// connection may have, so that small requests pass whatever large ones hold.
const freeBody = 64 << 10

// readBody reads a body of at most limit bytes. Memory is taken from the budget
// as bytes arrive and not as the client announces them; held is to be given
// back when the text is no longer used.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, limit int64) (text string, held int, err error) {
	if r.Body == nil || r.Body == http.NoBody {
		return "", 0, nil
	}
	// Tests have no deadlines.
	c, start := http.NewResponseController(w), time.Now()
	_ = c.SetReadDeadline(start.Add(firstTimeout))
	if r.ContentLength > limit {
		return "", 0, refuseBody(r, limit)
	}
	body := http.MaxBytesReader(nil, r.Body, limit)
	most := limit + 1 // with room to see the end
	if r.ContentLength >= 0 {
		most = r.ContentLength + 1
	}
	buf := make([]byte, 0, min(most, freeBody))
	for {
		if len(buf) == cap(buf) {
			if held == 0 {
				_ = c.SetReadDeadline(start.Add(bodyTimeout))
			}
			size := min(2*int64(cap(buf)), most)
			more := blocks(size - int64(cap(buf)))
			if err := s.memory.take(r.Context(), more); err != nil {
				return "", held, err
			}
			held += more
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			var tooBig *http.MaxBytesError
			if errors.As(err, &tooBig) {
				err = refuseBody(r, limit)
			} else {
				err = bodyError(err)
			}
			return "", held, err
		}
		if int64(len(buf)) >= most {
			return "", held, refuseBody(r, limit)
		}
	}
	_ = c.SetReadDeadline(time.Time{}) // net/http would cancel the request when it passes
	// Nothing writes to buf from here on.
	return unsafe.String(unsafe.SliceData(buf), len(buf)), held, nil
}

// drainBody is how much of a body over the limit is read and dropped.
const drainBody = 2 * inputsBody

// refuseBody reads what a client sends too much, within the deadline that is
// set: it would not see the answer if its connection were closed meanwhile, and
// send everything again.
func refuseBody(r *http.Request, limit int64) error {
	_, _ = io.CopyN(io.Discard, r.Body, drainBody) // a client that is gone hears nothing anyway
	return &http.MaxBytesError{Limit: limit}
}

// bodyError says in MLflow's form why a body could not be read.
func bodyError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &wireError{http.StatusRequestTimeout, "BAD_REQUEST", "The request body came too slowly."}
	case errors.Is(err, context.Canceled):
		return err
	}
	return &wireError{http.StatusBadRequest, "BAD_REQUEST", "The request body broke off."}
}

// uploadPiece is what must arrive of a file in pieceTimeout, so that a large file
// over a slow line is taken and a client that sends nothing is not.
const uploadPiece = 64 << 10

// slowReader reads the body of an upload at that rate at least.
type slowReader struct {
	r    io.Reader
	c    *http.ResponseController
	left int // of the piece
}

func (s *slowReader) Read(b []byte) (int, error) {
	if s.left <= 0 {
		s.left = uploadPiece
		_ = s.c.SetReadDeadline(time.Now().Add(pieceTimeout)) // tests have no deadlines
	}
	n, err := s.r.Read(b)
	s.left -= n
	if errors.Is(err, io.EOF) { // net/http would cancel the request when the deadline passes
		_ = s.c.SetReadDeadline(time.Time{})
	} else if err != nil {
		err = bodyError(err)
	}
	return n, err
}
