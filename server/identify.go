package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone/access"
)

type userKey struct{}

// userOf returns who a request is from, nil where there are no users.
func userOf(ctx context.Context) *access.User {
	u, _ := ctx.Value(userKey{}).(*access.User)
	return u
}

// errForbidden refuses a user what was not granted.
var errForbidden = errors.New("permission denied")

// identify finds who sends a request. Without a user it answers and returns nil.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) *http.Request {
	u, err := s.login(r)
	if err == nil {
		return r.WithContext(context.WithValue(r.Context(), userKey{}, u))
	}
	var wait *access.WaitError
	switch {
	case errors.Is(err, access.ErrDenied):
		// As MLflow, so that its clients and browsers ask for a password.
		w.Header().Set("WWW-Authenticate", `Basic realm="mlflow"`)
		writePage(w, http.StatusUnauthorized, "You are not authenticated. Please give a user name and password, or a token.")
	case errors.As(err, &wait):
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.After/time.Second)+1))
		s.writeError(w, r, err, false)
	default:
		s.refuse(w, r, err)
	}
	return nil
}

// login reads the credentials of a request. What it logs names no user: people
// type a password where a name belongs.
func (s *Server) login(r *http.Request) (*access.User, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, access.ErrDenied
	}
	u, err := s.credentials(r, header)
	if err != nil {
		s.log.WarnContext(r.Context(), "login refused", "from", r.RemoteAddr, "error", err)
	}
	return u, err
}

func (s *Server) credentials(r *http.Request, header string) (*access.User, error) {
	if name, password, ok := r.BasicAuth(); ok {
		return s.opt.Access.Login(r.Context(), name, password, address(r.RemoteAddr))
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, access.ErrDenied
	}
	return s.opt.Access.Token(strings.TrimSpace(token))
}

// address is what one client can hardly change about where it comes from.
func address(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	a := at.Addr().Unmap()
	if a.Is4() {
		return a.String()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.Addr().String()
}

// forbid answers as MLflow does.
func (s *Server) forbid(w http.ResponseWriter, r *http.Request) {
	name := ""
	if u := userOf(r.Context()); u != nil {
		name = u.Name
	}
	s.log.WarnContext(r.Context(), "permission denied", "user", name, "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr)
	writePage(w, http.StatusForbidden, "Permission denied")
}
