package access

import "fmt"

// Level is what somebody may do with an experiment or a registered model, with
// MLflow's names.
type Level uint8

// Levels. Each of the first five contains those before it.
const (
	NoPermissions Level = iota
	Read
	Use // as Read: for kinds of things that only MLflow has
	Edit
	Manage // delete, and grant to others
	Deny   // in a grant: nothing, whatever other grants say
)

var levelNames = [...]string{"NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE", "DENY"}

// String returns MLflow's name of the level.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// ParseLevel returns the level of a name. Others give [ErrInvalid].
func ParseLevel(name string) (Level, error) {
	for i, s := range levelNames {
		if s == name {
			return Level(i), nil
		}
	}
	return 0, invalid("permission %q is none of %v", cut(name), levelNames)
}

// Kind says what a grant is about.
type Kind uint8

// Kinds of what is granted.
const (
	Experiment Kind = iota + 1 // named by its id
	Model                      // a registered model, named by its name
)

var kindNames = [...]string{"", "experiment", "registered_model"}

// String returns MLflow's name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind returns the kind of a name. Others give [ErrInvalid].
func ParseKind(name string) (Kind, error) {
	for i, s := range kindNames {
		if s == name && i > 0 {
			return Kind(i), nil
		}
	}
	return 0, invalid("resource type %q is neither experiment nor registered_model", cut(name))
}

// Grant is one user's level on one thing, or on all of a kind with the id "*".
type Grant struct {
	Kind  Kind
	ID    string
	Level Level
}

// All is the id of a grant on everything of its kind.
const All = "*"

type target struct {
	kind Kind
	id   string
}

// User is a user as of one moment. It does not change.
type User struct {
	ID    int64
	Name  string
	Admin bool

	base   Level // where nothing is granted
	grants map[target]Level
	row    *userRow
}

// Level returns what the user may do, between [NoPermissions] and [Manage]. A
// [Deny] outweighs everything. Otherwise it is the highest of the default, a
// grant on all of the kind and one on the thing itself. [NoPermissions] on the
// thing takes the others away, on all of the kind only the default.
func (u *User) Level(kind Kind, id string) Level {
	if u.Admin {
		return Manage
	}
	level := u.base
	if len(u.grants) == 0 {
		return level
	}
	own, isOwn := u.grants[target{kind, id}]
	all, isAll := u.grants[target{kind, All}]
	switch {
	case own == Deny || all == Deny || isOwn && own == NoPermissions:
		return NoPermissions
	case isAll && all == NoPermissions:
		level = NoPermissions
	}
	return max(level, own, all)
}

// SeesAll reports whether the user may read everything of a kind.
func (u *User) SeesAll(kind Kind) bool {
	if u.Admin {
		return true
	}
	for t, level := range u.grants {
		if t.kind == kind && (level == Deny || level == NoPermissions) {
			return false
		}
	}
	return u.Level(kind, All) >= Read
}

// Grants returns what is granted to the user, in the order of the file.
func (u *User) Grants() []Grant {
	out := make([]Grant, 0, len(u.row.Grants))
	for _, g := range u.row.Grants {
		out = append(out, Grant{Kind(g.Kind), g.ID, Level(g.Level)})
	}
	return out
}

// Granted returns the grant on exactly one thing.
func (u *User) Granted(kind Kind, id string) (Level, bool) {
	l, ok := u.grants[target{kind, id}]
	return l, ok
}

// HasPassword reports whether the user can log in with a password.
func (u *User) HasPassword() bool { return len(u.row.Password.Hash) > 0 }
