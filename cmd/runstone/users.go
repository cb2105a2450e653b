package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const usersLong = `Who may use the server of a database, and what each may do. docs/ACCESS.md is the
whole story.

As soon as there is a user, "runstone server" asks everybody for a name and
password or a token. These commands work beside a running server, which sees
every change at once. They never take a password as an argument: it is asked
for, or read from stdin with --password-stdin.`

func (a *app) usersCommand() *cobra.Command {
	cmd := newGroup("users", "Users of the server, their tokens and grants",
		a.usersAdd(), a.usersList(), a.usersShow(), a.usersRemove(), a.usersPassword(), a.usersGrant(), a.usersRevoke(), a.usersDefault(),
		newGroup("token", "API tokens of a user", a.tokenAdd(), a.tokenRevoke()))
	cmd.Long = usersLong
	return cmd
}

// users opens the users of the database that the call is about.
func (a *app) users() (*access.Store, error) {
	dir, err := a.find()
	if err != nil {
		return nil, err
	}
	return openUsers(dir)
}

func openUsers(dir string) (*access.Store, error) {
	users, err := access.Open(dir)
	return users, userFault(err)
}

// userFault finds the exit codes of errors about users.
func userFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, access.ErrNotFound):
		return &fault{code: exitNotFound, msg: err.Error(), hint: `"runstone users list" and "users show" tell what there is`, cause: err}
	case errors.Is(err, access.ErrExists), errors.Is(err, access.ErrInvalid):
		return &fault{code: exitRefused, msg: err.Error(), cause: err}
	case errors.Is(err, access.ErrLocked):
		return &fault{code: exitLocked, msg: err.Error(), hint: "try again", cause: err}
	}
	return err
}

func (a *app) usersAdd() *cobra.Command {
	var admin, stdin, none bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a user", Args: cobra.ExactArgs(1),
		Long: `Add a user, who may then do what the default permission and later grants say.
The database is made if it is not there.`,
		Example: `  runstone users add --admin ada
  pass show runstone/ci | runstone users add ci --password-stdin
  runstone users add ci --no-password && runstone users token add ci`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.create(cmd.Context(), func(context.Context, *runstone.DB) error { return nil }); err != nil {
				return err
			}
			users, err := a.users()
			if err != nil {
				return err
			}
			if _, err := users.User(args[0]); err == nil {
				return refusedf(`"runstone users password" changes a password`, "there is a user %q already", args[0])
			}
			password := ""
			if !none {
				if password, err = a.newPassword(args[0], stdin); err != nil {
					return err
				}
			}
			if err := users.AddUser(args[0], password, admin); err != nil {
				return userFault(err)
			}
			return a.done(map[string]any{"user": args[0], "admin": admin}, "added %s", args[0])
		},
	}
	f := cmd.Flags()
	f.BoolVar(&admin, "admin", false, "may do everything")
	f.BoolVar(&none, "no-password", false, "only tokens let the user in")
	passwordFlag(cmd, &stdin)
	cmd.MarkFlagsMutuallyExclusive("no-password", "password-stdin")
	return cmd
}

func passwordFlag(cmd *cobra.Command, stdin *bool) {
	cmd.Flags().BoolVar(stdin, "password-stdin", false, "read the password from the first line of stdin")
}

// newPassword asks for a password twice, or reads one from stdin.
func (a *app) newPassword(name string, stdin bool) (string, error) {
	f, isFile := a.in.(*os.File)
	if !stdin && (!isFile || !term.IsTerminal(int(f.Fd()))) {
		return "", refusedf("pipe it in with --password-stdin, or call this in a terminal", "nobody can be asked for a password here")
	}
	if stdin {
		line, err := bufio.NewReader(io.LimitReader(a.in, 8<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		password := strings.TrimRight(line, "\r\n")
		return password, userFault(access.CheckPassword(name, password))
	}
	var typed [2]string
	for i, prompt := range []string{"Password for " + name + ": ", "Once more: "} {
		fmt.Fprint(a.err, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.err)
		if err != nil {
			return "", err
		}
		if typed[i] = string(b); i == 0 {
			if err := access.CheckPassword(name, typed[0]); err != nil {
				return "", userFault(err)
			}
		}
	}
	if typed[0] != typed[1] {
		return "", refusedf("try again", "the two passwords differ")
	}
	return typed[0], nil
}

func (a *app) usersList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List users", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			store, err := a.users()
			if err != nil {
				return err
			}
			users, err := store.Users()
			if err != nil {
				return userFault(err)
			}
			if a.json {
				list := jsonList{a: a}
				for _, u := range users {
					if err := list.add(viewUser(u)); err != nil {
						return err
					}
				}
				return list.end()
			}
			t := newTable("NAME", "ADMIN", "PASSWORD", "TOKENS", "GRANTS")
			for _, u := range users {
				t.add(u.Name, yesNo(u.Admin), yesNo(u.HasPassword()), strconv.Itoa(len(u.Tokens())), strconv.Itoa(len(u.Grants())))
			}
			return a.print(t)
		},
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type userView struct {
	Name     string      `json:"name"`
	Admin    bool        `json:"admin"`
	Password bool        `json:"has_password"`
	Tokens   []tokenView `json:"tokens"`
	Grants   []grantView `json:"grants"`
}

type tokenView struct {
	ID      string     `json:"id"`
	Note    string     `json:"note"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires"`
}

type grantView struct {
	Kind  string `json:"resource_type"`
	ID    string `json:"resource_id"`
	Level string `json:"permission"`
}

func viewToken(t access.Token) tokenView {
	v := tokenView{ID: t.ID, Note: t.Note, Created: t.Created.UTC()}
	if !t.Expires.IsZero() {
		at := t.Expires.UTC()
		v.Expires = &at
	}
	return v
}

func viewUser(u *access.User) userView {
	v := userView{Name: u.Name, Admin: u.Admin, Password: u.HasPassword(), Tokens: []tokenView{}, Grants: []grantView{}}
	for _, t := range u.Tokens() {
		v.Tokens = append(v.Tokens, viewToken(t))
	}
	for _, g := range u.Grants() {
		v.Grants = append(v.Grants, grantView{g.Kind.String(), g.ID, g.Level.String()})
	}
	return v
}

func (a *app) usersShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a user with tokens and grants", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.userNames),
		RunE: func(_ *cobra.Command, args []string) error {
			users, err := a.users()
			if err != nil {
				return err
			}
			u, err := users.User(args[0])
			if err != nil {
				return userFault(err)
			}
			if a.json {
				return a.writeJSON(viewUser(u))
			}
			base, err := users.Default()
			if err != nil {
				return userFault(err)
			}
			a.fields("name", u.Name, "admin", yesNo(u.Admin), "password", yesNo(u.HasPassword()), "default", base.String())
			now := time.Now()
			tokens := newTable("TOKEN", "CREATED", "EXPIRES", "NOTE")
			for _, t := range u.Tokens() {
				expires := "never"
				if !t.Expires.IsZero() {
					expires = moment(t.Expires.UnixMilli())
				}
				tokens.add(t.ID, ago(now, t.Created.UnixMilli()), expires, t.Note)
			}
			grants := newTable("GRANTED ON", "ID", "PERMISSION")
			for _, g := range u.Grants() {
				grants.add(g.Kind.String(), g.ID, g.Level.String())
			}
			for _, t := range []*table{tokens, grants} {
				if len(t.rows) == 0 {
					continue
				}
				fmt.Fprintln(a.stdout)
				if err := a.print(t); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (a *app) usersRemove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Remove a user with tokens and grants", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.userNames),
		RunE: func(_ *cobra.Command, args []string) error {
			users, err := a.users()
			if err != nil {
				return err
			}
			if _, err := users.User(args[0]); err != nil {
				return userFault(err)
			}
			if err := a.confirm(yes, fmt.Sprintf("user %q", args[0])); err != nil {
				return err
			}
			if err := users.RemoveUser(args[0]); err != nil {
				return userFault(err)
			}
			if left, err := users.Users(); err == nil && len(left) == 0 {
				a.note("no user is left: without --auth the next server asks nobody for a password")
			}
			return a.done(map[string]any{"removed": args[0]}, "removed %s", args[0])
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) usersPassword() *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use: "password NAME", Short: "Change a user's password", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.userNames),
		RunE: func(_ *cobra.Command, args []string) error {
			users, err := a.users()
			if err != nil {
				return err
			}
			if _, err := users.User(args[0]); err != nil {
				return userFault(err)
			}
			password, err := a.newPassword(args[0], stdin)
			if err != nil {
				return err
			}
			if err := users.SetPassword(args[0], password); err != nil {
				return userFault(err)
			}
			return a.done(map[string]any{"user": args[0]}, "changed the password of %s", args[0])
		},
	}
	passwordFlag(cmd, &stdin)
	return cmd
}
