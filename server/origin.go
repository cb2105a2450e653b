package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// corsAge is for how many seconds a browser may remember that a page of another
// origin was let in.
const corsAge = "600"

// anyName in the lists of hosts or origins lets in all of them.
const anyName = "*"

// setOrigins reads the origins whose pages may use the server.
func (s *Server) setOrigins() error {
	for _, o := range s.opt.TrustedOrigins {
		if o == anyName {
			s.anyOrigin = true
			continue
		}
		if err := s.cross.AddTrustedOrigin(o); err != nil {
			return fmt.Errorf("trusted origin: %w", err)
		}
	}
	return nil
}

// setFrame reads which pages may show those of this server in a frame.
func (s *Server) setFrame() error {
	s.frame = strings.ToUpper(s.opt.XFrameOptions)
	switch s.frame {
	case "":
		s.frame = "SAMEORIGIN"
	case "NONE", "DENY", "SAMEORIGIN":
	default:
		return fmt.Errorf("X-Frame-Options %q: must be SAMEORIGIN, DENY or NONE", s.opt.XFrameOptions)
	}
	switch s.frame {
	case "SAMEORIGIN":
		s.ancestors = "; frame-ancestors 'self'"
	case "DENY":
		s.ancestors = "; frame-ancestors 'none'"
	}
	s.policy = "default-src 'none'" + s.ancestors
	return nil
}

// guardHeaders sets what every answer carries.
func (s *Server) guardHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	if s.frame != "NONE" {
		h.Set("X-Frame-Options", s.frame)
	}
	h.Set("Content-Security-Policy", s.policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Origin")
}

// refuseOrigin reports whether a request is a change that a foreign page makes.
func (s *Server) refuseOrigin(r *http.Request) bool {
	return !s.anyOrigin && s.cross.Check(r) != nil
}

// crossOrigin lets a page of a trusted origin read the answer. It reports
// whether the request was a browser's question before the real one, which it
// has answered.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	switch {
	case s.anyOrigin:
		h.Set("Access-Control-Allow-Origin", anyName)
	case slices.Contains(s.opt.TrustedOrigins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	default:
		return false
	}
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Expose-Headers", "Content-Disposition, Content-Range, ETag, Repr-Digest, Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Vary", "Origin, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		h.Set("Access-Control-Allow-Headers", names)
	}
	h.Set("Access-Control-Max-Age", corsAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}
