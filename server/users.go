package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/access"
)

// wireUser is a user. The lists of what is granted are MLflow 2's; MLflow 3
// asks for them elsewhere.
type wireUser struct {
	ID          int64                 `json:"id"`
	Name        string                `json:"username"`
	Admin       bool                  `json:"is_admin"`
	Experiments []wireExperimentGrant `json:"experiment_permissions"`
	Models      []wireModelGrant      `json:"registered_model_permissions"`
}

type wireExperimentGrant struct {
	ID    string `json:"experiment_id"`
	User  int64  `json:"user_id"`
	Level string `json:"permission"`
}

type wireModelGrant struct {
	Name  string `json:"name"`
	User  int64  `json:"user_id"`
	Level string `json:"permission"`
}

type userAnswer struct {
	User wireUser `json:"user"`
}

func newWireUser(u *access.User) wireUser {
	w := wireUser{ID: u.ID, Name: u.Name, Admin: u.Admin, Experiments: []wireExperimentGrant{}, Models: []wireModelGrant{}}
	for _, g := range u.Grants() {
		if g.Kind == access.Experiment {
			w.Experiments = append(w.Experiments, wireExperimentGrant{g.ID, u.ID, g.Level.String()})
		} else {
			w.Models = append(w.Models, wireModelGrant{g.ID, u.ID, g.Level.String()})
		}
	}
	return w
}

// user returns the user that a request is about.
func (s *Server) user(name string) (*access.User, error) {
	u, err := s.opt.Access.User(name)
	if errors.Is(err, access.ErrNotFound) {
		err = missingThing("User with username=%s not found", cutEcho(name))
	}
	return u, err
}

func (s *Server) createUser(_ context.Context, a args) (any, error) {
	name, password := a.need("username"), a.need("password")
	if err := a.done(); err != nil {
		return nil, err
	}
	err := s.opt.Access.AddUser(name, password, false)
	if errors.Is(err, access.ErrExists) {
		err = &wireError{400, "RESOURCE_ALREADY_EXISTS", fmt.Sprintf("User (username=%s) already exists.", name)}
	}
	if err != nil {
		return nil, err
	}
	return s.answerUser(name)
}

func (s *Server) answerUser(name string) (any, error) {
	u, err := s.user(name)
	if err != nil {
		return nil, err
	}
	return userAnswer{newWireUser(u)}, nil
}

func (s *Server) getUser(_ context.Context, a args) (any, error) {
	name := a.need("username")
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.answerUser(name)
}

// wireListed is a user in a list; there are no roles.
type wireListed struct {
	ID    int64      `json:"id"`
	Name  string     `json:"username"`
	Admin bool       `json:"is_admin"`
	Roles []struct{} `json:"roles"`
}

func (s *Server) listUsers(context.Context, args) (any, error) {
	users, err := s.opt.Access.Users()
	answer := struct {
		Users []wireListed `json:"users"`
	}{[]wireListed{}}
	for _, u := range users {
		answer.Users = append(answer.Users, wireListed{u.ID, u.Name, u.Admin, []struct{}{}})
	}
	return answer, err
}

func (s *Server) currentUser(ctx context.Context, _ args) (any, error) {
	u := userOf(ctx)
	return map[string]any{
		"user":          map[string]any{"id": u.ID, "username": u.Name, "is_admin": u.Admin},
		"is_basic_auth": true,
	}, nil
}

func (s *Server) updatePassword(ctx context.Context, a args) (any, error) {
	name, password, current := a.need("username"), a.need("password"), a.str("current_password")
	if err := a.done(); err != nil {
		return nil, err
	}
	if u := userOf(ctx); u.Name == name {
		switch _, err := s.opt.Access.Password(ctx, name, current, "password change"); {
		case current == "":
			return nil, badRequest("Current password is required when changing your own password.")
		case errors.Is(err, access.ErrDenied):
			return nil, badRequest("Current password does not match.")
		case err != nil:
			return nil, err
		case password == current:
			return nil, badRequest("New password must differ from the current password.")
		}
	} else if _, err := s.user(name); err != nil {
		return nil, err
	}
	return empty{}, s.opt.Access.SetPassword(name, password)
}

func (s *Server) updateAdmin(_ context.Context, a args) (any, error) {
	name, admin := a.need("username"), a.bool("is_admin")
	if !a.has("is_admin") {
		a.missing("is_admin")
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	if _, err := s.user(name); err != nil {
		return nil, err
	}
	return empty{}, s.opt.Access.SetAdmin(name, admin)
}

func (s *Server) deleteUser(ctx context.Context, a args) (any, error) {
	name := a.need("username")
	if err := a.done(); err != nil {
		return nil, err
	}
	if name == userOf(ctx).Name {
		return nil, &wireError{400, "BAD_REQUEST", "Users cannot delete their own account. Ask another admin to delete this user instead."}
	}
	if _, err := s.user(name); err != nil {
		return nil, err
	}
	return empty{}, s.opt.Access.RemoveUser(name)
}

// wireRow is one grant in the form of MLflow 3, where each user has a role of
// its own for what is granted to that user.
type wireRow struct {
	RoleID    int64  `json:"role_id"`
	Role      string `json:"role_name"`
	Workspace string `json:"workspace"`
	Kind      string `json:"resource_type"`
	Pattern   string `json:"resource_pattern"`
	Level     string `json:"permission"`
}

func answerRows(u *access.User) any {
	rows := []wireRow{}
	for _, g := range u.Grants() {
		rows = append(rows, wireRow{u.ID, fmt.Sprintf("__user_%d__", u.ID), "default", g.Kind.String(), g.ID, g.Level.String()})
	}
	return map[string]any{"is_admin": u.Admin, "permissions": rows}
}

func (s *Server) currentPermissions(ctx context.Context, _ args) (any, error) {
	return answerRows(userOf(ctx)), nil
}

func (s *Server) listPermissions(_ context.Context, a args) (any, error) {
	name := a.need("username")
	if err := a.done(); err != nil {
		return nil, err
	}
	u, err := s.user(name)
	if err != nil {
		return nil, err
	}
	return answerRows(u), nil
}

func (s *Server) checkPermission(_ context.Context, a args) (any, error) {
	name := a.need("username")
	kind, id, err := a.resource()
	if err != nil {
		return nil, err
	}
	u, err := s.user(name)
	if err != nil {
		return nil, err
	}
	level := u.Level(kind, id)
	return map[string]any{"allowed": level >= access.Use, "permission": level.String()}, nil
}

func (s *Server) grantPermission(_ context.Context, a args) (any, error) {
	name := a.need("username")
	kind, id, err := a.resource()
	if err != nil {
		return nil, err
	}
	level, err := a.level()
	if err != nil {
		return nil, err
	}
	if level == access.NoPermissions {
		return nil, badRequest("Invalid permission 'NO_PERMISSIONS' for resource_type='%s'. Resource-level grants accept only: ('DENY', 'EDIT', 'MANAGE', 'READ', 'USE').", kind)
	}
	if _, err := s.user(name); err != nil {
		return nil, err
	}
	return empty{}, s.opt.Access.Grant(name, access.Grant{Kind: kind, ID: id, Level: level})
}

func (s *Server) revokePermission(_ context.Context, a args) (any, error) {
	name := a.need("username")
	kind, id, err := a.resource()
	if err != nil {
		return nil, err
	}
	if _, err := s.user(name); err != nil {
		return nil, err
	}
	return empty{}, s.opt.Access.Revoke(name, kind, id)
}

// level reads the argument permission.
func (a *args) level() (access.Level, error) {
	name := a.need("permission")
	if err := a.done(); err != nil {
		return 0, err
	}
	level, err := access.ParseLevel(name)
	if err != nil {
		err = badRequest("Invalid permission '%s'. Valid permissions are: ('READ', 'USE', 'EDIT', 'MANAGE', 'NO_PERMISSIONS', 'DENY')", cutEcho(name))
	}
	return level, err
}
