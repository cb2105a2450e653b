package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"
)

// verified is the last password of a user that was found right.
type verified struct {
	hash string            // the one it was compared with
	sum  [sha256.Size]byte // of key and password
}

// Token returns the user of an API token, or [ErrDenied].
func (s *Store) Token(token string) (*User, error) {
	if len(token) > maxPassword {
		return nil, ErrDenied
	}
	n, err := s.current()
	if err != nil {
		return nil, err
	}
	// What is looked up is a digest: timing tells nothing of the token.
	owner, ok := n.token[sha256.Sum256([]byte(token))]
	if !ok || owner.expires != 0 && s.now().UnixMilli() >= owner.expires {
		return nil, ErrDenied
	}
	return owner.user, nil
}

// Login is [Store.Password] that takes a token too in the password's place, for
// its own user or under the name "token" or "".
func (s *Store) Login(ctx context.Context, name, password, from string) (*User, error) {
	if strings.HasPrefix(password, tokenPrefix) {
		u, err := s.Token(password)
		if err == nil && name != u.Name && name != "" && name != "token" {
			return nil, ErrDenied
		}
		return u, err
	}
	return s.Password(ctx, name, password, from)
}

// Password returns the user of a name and a password. from is the address that
// asks. Errors: [ErrDenied], [*WaitError], and ctx's when it ends before there
// was room to try.
//
// A password is tried once: that it was right stays in memory, as a keyed
// digest, until it is changed.
func (s *Store) Password(ctx context.Context, name, password, from string) (*User, error) {
	if password == "" || len(password) > maxPassword || len(name) > maxName {
		return nil, ErrDenied
	}
	sum := s.digest(password)
	u, err := s.try(name, from, &sum)
	if u != nil || err != nil {
		return u, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer func() { <-s.gate }()
	// Others of the same user may have been here meanwhile, with luck or without.
	if u, err = s.try(name, from, &sum); u != nil || err != nil {
		return u, err
	}
	n, err := s.current()
	if err != nil {
		return nil, err
	}
	row := &passwordRow{}
	if u = n.users[name]; u != nil {
		row = &u.row.Password
	}
	if !row.is(password) {
		s.fails.add(s.now(), name, from)
		return nil, ErrDenied
	}
	s.fails.clear(name, from)
	s.passed.Store(name, &verified{string(row.Hash), sum})
	return u, nil
}

// try answers from memory: the user, an error, or neither when the password has
// to be looked at.
func (s *Store) try(name, from string, sum *[sha256.Size]byte) (*User, error) {
	if wait := s.fails.wait(s.now(), name, from); wait > 0 {
		return nil, &WaitError{wait}
	}
	n, err := s.current()
	if err != nil {
		return nil, err
	}
	u := n.users[name]
	if u == nil {
		return nil, nil
	}
	v, ok := s.passed.Load(name)
	if !ok {
		return nil, nil
	}
	p := v.(*verified)
	if len(u.row.Password.Hash) > 0 && p.hash == string(u.row.Password.Hash) && subtle.ConstantTimeCompare(p.sum[:], sum[:]) == 1 {
		return u, nil
	}
	return nil, nil
}

// digest is of a fixed length in front, so that no two inputs meet.
func (s *Store) digest(password string) [sha256.Size]byte {
	var buf [len(s.key) + 128]byte
	return sha256.Sum256(append(append(buf[:0], s.key[:]...), password...))
}

// enter waits for room to try a password.
func (s *Store) enter(ctx context.Context) error {
	select {
	case s.gate <- struct{}{}:
		return nil
	default:
	}
	if s.queue.Add(1) > maxWaiting {
		s.queue.Add(-1)
		return &WaitError{time.Second}
	}
	defer s.queue.Add(-1)
	select {
	case s.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
