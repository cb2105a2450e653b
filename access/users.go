package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Users returns all users in the order of their ids.
func (s *Store) Users() ([]*User, error) {
	n, err := s.current()
	if err != nil {
		return nil, err
	}
	out := make([]*User, 0, len(n.users))
	for _, u := range n.users {
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b *User) int { return int(a.ID - b.ID) })
	return out, nil
}

// User returns a user by name, or [ErrNotFound].
func (s *Store) User(name string) (*User, error) {
	n, err := s.current()
	if err != nil {
		return nil, err
	}
	if u := n.users[name]; u != nil {
		return u, nil
	}
	return nil, noUser(name)
}

// Default returns the level that holds where nothing is granted.
func (s *Store) Default() (Level, error) {
	n, err := s.current()
	if err != nil {
		return NoPermissions, err
	}
	return Level(n.row.Default), nil
}

// SetDefault changes the level that holds where nothing is granted.
func (s *Store) SetDefault(level Level) error {
	if level > Manage {
		return invalid("default level %v", level)
	}
	return s.update(func(f *fileRow) error {
		f.Default = uint8(level)
		return nil
	})
}

// AddUser makes a user. With the password "" only tokens let it in. Errors:
// [ErrExists]; [ErrInvalid] for a name or a password that is not allowed.
func (s *Store) AddUser(name, password string, admin bool) error {
	if err := checkName(name); err != nil {
		return err
	}
	p, err := newPassword(name, password)
	if err != nil {
		return err
	}
	return s.update(func(f *fileRow) error {
		if _, err := f.find(name); err == nil {
			return fmt.Errorf("user %q: %w", name, ErrExists)
		}
		f.Users = append(f.Users, userRow{ID: f.Next, Name: name, Admin: admin, Password: p})
		f.Next++
		return nil
	})
}

// RemoveUser removes a user with tokens and grants. The last administrator
// stays while there are others, with [ErrInvalid].
func (s *Store) RemoveUser(name string) error {
	err := s.update(func(f *fileRow) error {
		u, err := f.find(name)
		if err != nil {
			return err
		}
		if len(f.Users) > 1 && f.lastAdmin(u) {
			return invalid("user %q is the last administrator", name)
		}
		f.Users = slices.DeleteFunc(f.Users, func(u userRow) bool { return u.Name == name })
		return nil
	})
	s.passed.Delete(name)
	return err
}

func (f *fileRow) lastAdmin(u *userRow) bool {
	return u.Admin && !slices.ContainsFunc(f.Users, func(o userRow) bool { return o.Admin && o.ID != u.ID })
}

// SetPassword replaces a user's password; "" takes it away.
func (s *Store) SetPassword(name, password string) error {
	p, err := newPassword(name, password)
	if err != nil {
		return err
	}
	return s.change(name, func(_ *fileRow, u *userRow) error {
		u.Password = p
		return nil
	})
}

// SetAdmin makes a user an administrator or takes that away, from the last one
// not.
func (s *Store) SetAdmin(name string, admin bool) error {
	return s.change(name, func(f *fileRow, u *userRow) error {
		if !admin && f.lastAdmin(u) {
			return invalid("user %q is the last administrator", name)
		}
		u.Admin = admin
		return nil
	})
}

func (s *Store) change(name string, fn func(*fileRow, *userRow) error) error {
	return s.update(func(f *fileRow) error {
		u, err := f.find(name)
		if err != nil {
			return err
		}
		return fn(f, u)
	})
}

// Grant sets a user's level on one thing, or on all of a kind.
func (s *Store) Grant(name string, g Grant) error {
	_, err := s.Replace(name, g)
	return err
}

// Replace is Grant that returns the grant in whose place the new one is, nil if
// there was none.
func (s *Store) Replace(name string, g Grant) (*Grant, error) {
	if err := checkGrant(target{g.Kind, g.ID}, g.Level); err != nil {
		return nil, err
	}
	var before *Grant
	err := s.change(name, func(_ *fileRow, u *userRow) error {
		row := grantRow{uint8(g.Kind), g.ID, uint8(g.Level)}
		if i := u.grant(g.Kind, g.ID); i >= 0 {
			before = &Grant{g.Kind, g.ID, Level(u.Grants[i].Level)}
			u.Grants[i] = row
		} else {
			u.Grants = append(u.Grants, row)
		}
		return nil
	})
	return before, err
}

// AddGrant is Grant for a thing on which the user has none yet; otherwise it
// gives [ErrExists].
func (s *Store) AddGrant(name string, g Grant) error {
	if err := checkGrant(target{g.Kind, g.ID}, g.Level); err != nil {
		return err
	}
	return s.change(name, func(_ *fileRow, u *userRow) error {
		if u.grant(g.Kind, g.ID) >= 0 {
			return fmt.Errorf("grant on %v %q to %q: %w", g.Kind, cut(g.ID), name, ErrExists)
		}
		u.Grants = append(u.Grants, grantRow{uint8(g.Kind), g.ID, uint8(g.Level)})
		return nil
	})
}

// Revoke takes a grant away; without one it gives [ErrNotFound].
func (s *Store) Revoke(name string, kind Kind, id string) error {
	return s.change(name, func(_ *fileRow, u *userRow) error {
		i := u.grant(kind, id)
		if i < 0 {
			return fmt.Errorf("grant on %v %q to %q: %w", kind, cut(id), name, ErrNotFound)
		}
		u.Grants = slices.Delete(u.Grants, i, i+1)
		return nil
	})
}

func (u *userRow) grant(kind Kind, id string) int {
	return slices.IndexFunc(u.Grants, func(g grantRow) bool { return Kind(g.Kind) == kind && g.ID == id })
}

// Drop takes all grants on one thing away, when it is gone.
func (s *Store) Drop(kind Kind, id string) error {
	if !s.granted(kind, id) {
		return nil
	}
	return s.update(func(f *fileRow) error {
		f.drop(kind, id)
		return nil
	})
}

// Own records who made a thing: that user manages it, or for "" an
// administrator. What earlier things of the same id left is dropped; of a model
// only where somebody else than an administrator makes it, who may have granted
// beforehand, and refusals stay.
func (s *Store) Own(name string, kind Kind, id string) error {
	if name == "" && (kind == Model || !s.granted(kind, id)) {
		return nil
	}
	return s.update(func(f *fileRow) error {
		for i := range f.Users {
			f.Users[i].Grants = slices.DeleteFunc(f.Users[i].Grants, func(g grantRow) bool {
				refusal := Level(g.Level) == Deny || Level(g.Level) == NoPermissions
				return Kind(g.Kind) == kind && g.ID == id && (kind == Experiment || !refusal)
			})
		}
		if name == "" {
			return nil
		}
		u, err := f.find(name)
		if err != nil {
			return err
		}
		u.Grants = append(u.Grants, grantRow{uint8(kind), id, uint8(Manage)})
		return nil
	})
}

// Rename moves all grants on one thing to its new id. Those that the new id had
// are dropped.
func (s *Store) Rename(kind Kind, from, to string) error {
	if from == to || !s.granted(kind, from) && !s.granted(kind, to) {
		return nil
	}
	return s.update(func(f *fileRow) error {
		f.drop(kind, to)
		for i := range f.Users {
			if at := f.Users[i].grant(kind, from); at >= 0 {
				f.Users[i].Grants[at].ID = to
			}
		}
		return nil
	})
}

func (f *fileRow) drop(kind Kind, id string) {
	for i := range f.Users {
		f.Users[i].Grants = slices.DeleteFunc(f.Users[i].Grants, func(g grantRow) bool { return Kind(g.Kind) == kind && g.ID == id })
	}
}

func (s *Store) granted(kind Kind, id string) bool {
	n, err := s.current()
	if err != nil {
		return true // the change will say what is wrong
	}
	for _, u := range n.users {
		if _, ok := u.Granted(kind, id); ok {
			return true
		}
	}
	return false
}

// Token is what is known of an API token; itself it is shown only when it is
// made.
type Token struct {
	ID      string // names it to revoke it
	Note    string
	Created time.Time
	Expires time.Time // zero is never
}

// tokenPrefix begins every token, so that scanners for secrets find one that
// went astray.
const tokenPrefix = "rst_"

// NewToken makes a token for a user, which only this call returns. A lifetime
// of 0 is for ever.
func (s *Store) NewToken(name, note string, life time.Duration) (string, Token, error) {
	if len(note) > maxNote || life < 0 {
		return "", Token{}, invalid("a token's note has at most %d bytes and its lifetime is not negative", maxNote)
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:])
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(text))
	t := Token{ID: hex.EncodeToString(sum[:4]), Note: strings.ToValidUTF8(note, ""), Created: s.now()}
	row := tokenRow{ID: t.ID, Note: t.Note, Sum: sum[:], Created: t.Created.UnixMilli()}
	if life > 0 {
		t.Expires = t.Created.Add(life)
		row.Expires = t.Expires.UnixMilli()
	}
	err := s.change(name, func(_ *fileRow, u *userRow) error {
		u.Tokens = append(u.Tokens, row)
		return nil
	})
	if err != nil {
		return "", Token{}, err
	}
	return text, t, nil
}

// Tokens returns a user's tokens, oldest first.
func (u *User) Tokens() []Token {
	out := make([]Token, 0, len(u.row.Tokens))
	for _, t := range u.row.Tokens {
		token := Token{ID: t.ID, Note: t.Note, Created: time.UnixMilli(t.Created)}
		if t.Expires != 0 {
			token.Expires = time.UnixMilli(t.Expires)
		}
		out = append(out, token)
	}
	return out
}

// RevokeToken kills a token by its id; without one it gives [ErrNotFound].
func (s *Store) RevokeToken(name, id string) error {
	return s.change(name, func(_ *fileRow, u *userRow) error {
		before := len(u.Tokens)
		u.Tokens = slices.DeleteFunc(u.Tokens, func(t tokenRow) bool { return t.ID == id })
		if len(u.Tokens) == before {
			return fmt.Errorf("token %q of %q: %w", cut(id), name, ErrNotFound)
		}
		return nil
	})
}
