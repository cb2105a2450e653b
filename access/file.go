package access

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/runstonedb/runstone/internal/record"
)

const (
	fileVersion = 1
	maxFile     = 32 << 20 // bytes
	maxName     = 128      // bytes of a user's name
	maxID       = 1024     // bytes of what a grant is about
	maxNote     = 256      // bytes of a token's note
)

// The rows of the file, see the package comment.
type (
	fileRow struct {
		Next    int64
		Default uint8
		Users   []userRow
	}
	userRow struct {
		ID       int64
		Name     string
		Admin    bool
		Password passwordRow
		Tokens   []tokenRow
		Grants   []grantRow
	}
	passwordRow struct {
		KiB     uint32
		Passes  uint32
		Threads uint8
		Salt    []byte
		Hash    []byte
	}
	tokenRow struct {
		ID      string
		Note    string
		Sum     []byte
		Created int64
		Expires int64 // 0 is never
	}
	grantRow struct {
		Kind  uint8
		ID    string
		Level uint8
	}
)

// readRow reads the file at path. One that is not there has no users.
func readRow(path string) (*fileRow, error) {
	version, body, err := record.ReadFile(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &fileRow{Next: 1, Default: uint8(Read)}, nil
	}
	if err != nil {
		return nil, err
	}
	if version != fileVersion {
		return nil, fmt.Errorf("%s: version %d is newer than this program: %w", path, version, record.ErrCorrupt)
	}
	row, err := decode(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return row, nil
}

// decode reads the body of the file. Damage gives an error that wraps
// record.ErrCorrupt.
func decode(body []byte) (*fileRow, error) {
	row := &fileRow{}
	if err := record.Decode(body, row); err != nil {
		return nil, err
	}
	if err := row.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", err, record.ErrCorrupt)
	}
	return row, nil
}

// check reports what cannot be: bounds and identities that the rest relies on.
func (f *fileRow) check() error {
	if Level(f.Default) > Manage {
		return fmt.Errorf("default level %d", f.Default)
	}
	names, ids, sums := map[string]bool{}, map[int64]bool{}, map[string]bool{}
	for i := range f.Users {
		u := &f.Users[i]
		if err := checkName(u.Name); err != nil {
			return err
		}
		if names[u.Name] || ids[u.ID] || u.ID < 1 || u.ID >= f.Next {
			return fmt.Errorf("user %q: the name or id %d is not its own", u.Name, u.ID)
		}
		names[u.Name], ids[u.ID] = true, true
		if err := u.Password.check(); err != nil {
			return fmt.Errorf("user %q: %w", u.Name, err)
		}
		for _, t := range u.Tokens {
			if len(t.Sum) != sha256.Size || sums[string(t.Sum)] || t.ID == "" || len(t.ID) > maxName || len(t.Note) > maxNote {
				return fmt.Errorf("user %q: token of %d bytes", u.Name, len(t.Sum))
			}
			sums[string(t.Sum)] = true
		}
		things := map[target]bool{}
		for _, g := range u.Grants {
			at := target{Kind(g.Kind), g.ID}
			if err := checkGrant(at, Level(g.Level)); err != nil || things[at] {
				return fmt.Errorf("user %q: grant on %v %q", u.Name, at.kind, cut(g.ID))
			}
			things[at] = true
		}
	}
	return nil
}

// check bounds what a password costs to try, in memory and time.
func (p *passwordRow) check() error {
	if len(p.Hash) == 0 {
		return nil
	}
	if p.KiB < 8 || p.KiB > 1<<20 || p.Passes < 1 || p.Passes > 64 || p.Threads < 1 || len(p.Salt) < 8 || len(p.Salt) > 64 || len(p.Hash) < 16 || len(p.Hash) > 64 {
		return errors.New("a password of this kind is not known")
	}
	return nil
}

// checkName takes names that Basic authentication can carry and that look the
// same to everybody.
func checkName(name string) error {
	bad := name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, ":/\\%\"") ||
		strings.TrimSpace(name) != name || strings.HasPrefix(name, tokenPrefix) ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	if bad {
		return invalid("a user's name is 1 to %d printable bytes without : / \\ %% and quotes and without blanks at its ends", maxName)
	}
	return nil
}

// checkGrant takes what can be granted. An experiment has one spelling of its
// id: no grant may hide behind another.
func checkGrant(at target, level Level) error {
	switch {
	case level > Deny:
		return invalid("level %d", level)
	case at.id == "" || len(at.id) > maxID || !utf8.ValidString(at.id):
		return invalid("the id of what is granted has 1 to %d bytes", maxID)
	case at.id == All && (at.kind == Experiment || at.kind == Model):
		return nil
	case at.kind == Experiment:
		if at.id != CanonicalExperiment(at.id) || strings.Trim(at.id, "0123456789") != "" || len(at.id) > len(fmt.Sprint(int64(math.MaxInt64))) {
			return invalid("experiment id %q is not a number", cut(at.id))
		}
		return nil
	case at.kind == Model:
		return nil
	}
	return invalid("kind %d", at.kind)
}

// CanonicalExperiment returns the one spelling of an experiment's id that
// grants use: without zeros in front.
func CanonicalExperiment(id string) string {
	if len(id) > 1 && id[0] == '0' {
		if id = strings.TrimLeft(id, "0"); id == "" {
			return "0"
		}
	}
	return id
}
