package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/runstonedb/runstone/artifact"
)

// signedTime is how long a URL for a download is good.
const signedTime = 15 * time.Minute

// signature signs that whoever has it may read a file until a time. The key is
// new with every start of the server.
func (s *Server) signature(p artifact.Path, until int64) string {
	m := hmac.New(sha256.New, s.key[:])
	_, _ = fmt.Fprintf(m, "GET\n%d\n%s", until, p) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

type signedDownload struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Size    int64             `json:"file_size"`
}

// signDownload answers with a URL of this server at which a file can be read,
// in ranges and without credentials.
func (s *Server) signDownload(w http.ResponseWriter, r *http.Request, name string) {
	p, err := artifact.ParsePath(name)
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	f, err := s.db.Artifacts().Open(p)
	if errors.Is(err, artifact.ErrNotFound) {
		err = missingThing("No such artifact: '%s'", p)
	}
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	info, err := f.Stat()
	_ = f.Close()
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	until := time.Now().Add(signedTime).Unix()
	s.writeJSON(w, r, signedDownload{
		URL: fmt.Sprintf("%s%s/signed/%s?expires=%d&signature=%s",
			s.address(r), filesAPI, escapePath(p), until, s.signature(p, until)),
		Headers: map[string]string{},
		Size:    info.Size(),
	})
}

// getSigned sends a file to whoever has a signature for it.
func (s *Server) getSigned(w http.ResponseWriter, r *http.Request, name string) {
	p, err := artifact.ParsePath(name)
	if err != nil {
		s.writeError(w, r, err, true)
		return
	}
	q := r.URL.Query()
	until, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	if err != nil || !hmac.Equal([]byte(q.Get("signature")), []byte(s.signature(p, until))) || time.Now().Unix() > until {
		s.writeError(w, r, &wireError{http.StatusForbidden, "PERMISSION_DENIED", "The URL is not signed by this server, or no longer good."}, true)
		return
	}
	s.send(w, r, place{path: p}, true)
}
