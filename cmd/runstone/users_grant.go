package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/spf13/cobra"
)

// grantFlags say what is granted.
type grantFlags struct {
	experiment, model string
	admin             bool
}

func (g *grantFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&g.experiment, "experiment", "e", "", "an experiment, by id or name; * is all of them")
	f.StringVarP(&g.model, "model", "m", "", "a registered model by name; * is all of them")
	f.BoolVar(&g.admin, "admin", false, "everything")
	cmd.MarkFlagsOneRequired("experiment", "model", "admin")
	cmd.MarkFlagsMutuallyExclusive("experiment", "model", "admin")
}

// what returns kind and id of what the flags name.
func (g *grantFlags) what(ctx context.Context, a *app) (access.Kind, string, error) {
	if g.model != "" {
		return access.Model, g.model, nil
	}
	if g.experiment == access.All || strings.Trim(g.experiment, "0123456789") == "" {
		return access.Experiment, access.CanonicalExperiment(g.experiment), nil
	}
	id := ""
	err := a.read(ctx, func(ctx context.Context, db *runstone.DB) error {
		e, err := findExperiment(ctx, db, g.experiment)
		if err == nil {
			id = e.ID
		}
		return err
	})
	return access.Experiment, id, err
}

func (a *app) usersGrant() *cobra.Command {
	var g grantFlags
	cmd := &cobra.Command{
		Use: "grant NAME [READ|USE|EDIT|MANAGE|NO_PERMISSIONS|DENY]", Short: "Grant a user a permission", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeArgs(a.userNames, fixed("READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS", "DENY")),
		Long: `Grant a user a permission on an experiment or a registered model, instead of the
one that the user had on it before, also as its maker, or make the user an
administrator. The answer says what was replaced.

READ and USE see it, EDIT changes it, MANAGE also deletes it and grants it to
others. NO_PERMISSIONS takes the default permission away, DENY outweighs every
other grant.`,
		Example: `  runstone users grant ada EDIT -e diag
  runstone users grant ada READ -m '*'
  runstone users grant ada --admin`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if g.admin != (len(args) == 1) {
				return usagef("give a permission with --experiment or --model, and none with --admin")
			}
			users, err := a.users()
			if err != nil {
				return err
			}
			if g.admin {
				if err := users.SetAdmin(args[0], true); err != nil {
					return userFault(err)
				}
				return a.done(map[string]any{"user": args[0], "admin": true}, "%s is an administrator", args[0])
			}
			level, err := access.ParseLevel(strings.ToUpper(args[1]))
			if err != nil {
				return usagef("%q is none of READ, USE, EDIT, MANAGE, NO_PERMISSIONS and DENY", args[1])
			}
			kind, id, err := g.what(cmd.Context(), a)
			if err != nil {
				return err
			}
			before, err := users.Replace(args[0], access.Grant{Kind: kind, ID: id, Level: level})
			if err != nil {
				return userFault(err)
			}
			object := map[string]any{"user": args[0], "resource_type": kind.String(), "resource_id": id, "permission": level.String(), "replaced": nil}
			if before == nil {
				return a.done(object, "%s has %v on %v %s", args[0], level, kind, id)
			}
			object["replaced"] = before.Level.String()
			if before.Level == level {
				return a.done(object, "%s had %v on %v %s and keeps it", args[0], level, kind, id)
			}
			return a.done(object, "%s had %v on %v %s, has %v now", args[0], before.Level, kind, id, level)
		},
	}
	g.add(cmd)
	a.completeFlag(cmd, "experiment", a.experimentNames)
	a.completeFlag(cmd, "model", a.modelNames)
	return cmd
}

func (a *app) usersRevoke() *cobra.Command {
	var g grantFlags
	cmd := &cobra.Command{
		Use: "revoke NAME", Short: "Take a grant away", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.userNames),
		Example: `  runstone users revoke ada -e diag
  runstone users revoke ada --admin`,
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := a.users()
			if err != nil {
				return err
			}
			if g.admin {
				if err := users.SetAdmin(args[0], false); err != nil {
					return userFault(err)
				}
				return a.done(map[string]any{"user": args[0], "admin": false}, "%s is no administrator", args[0])
			}
			kind, id, err := g.what(cmd.Context(), a)
			if err != nil {
				return err
			}
			if err := users.Revoke(args[0], kind, id); err != nil {
				return userFault(err)
			}
			return a.done(map[string]any{"user": args[0], "resource_type": kind.String(), "resource_id": id, "permission": nil},
				"%s has no grant on %v %s", args[0], kind, id)
		},
	}
	g.add(cmd)
	a.completeFlag(cmd, "experiment", a.experimentNames)
	a.completeFlag(cmd, "model", a.modelNames)
	return cmd
}

func (a *app) usersDefault() *cobra.Command {
	return &cobra.Command{
		Use: "default [READ|USE|EDIT|MANAGE|NO_PERMISSIONS]", Short: "Show or change what users may do without a grant", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeArgs(fixed("READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS")),
		RunE: func(_ *cobra.Command, args []string) error {
			users, err := a.users()
			if err != nil {
				return err
			}
			level := access.NoPermissions
			if len(args) == 1 {
				if level, err = access.ParseLevel(strings.ToUpper(args[0])); err != nil || level == access.Deny {
					return usagef("%q is none of READ, USE, EDIT, MANAGE and NO_PERMISSIONS", args[0])
				}
				err = users.SetDefault(level)
			} else {
				level, err = users.Default()
			}
			if err != nil {
				return userFault(err)
			}
			return a.done(map[string]any{"default": level.String()}, "%v", level)
		},
	}
}

func (a *app) tokenAdd() *cobra.Command {
	var note, expires string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a token and print it, once", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.userNames),
		Long: `Make an API token and print it. It is not kept: nobody can show it again. Clients
take it in MLFLOW_TRACKING_TOKEN, or in place of a password.`,
		Example: `  export MLFLOW_TRACKING_TOKEN=$(runstone users token add ci --expires 90d)`,
		RunE: func(_ *cobra.Command, args []string) error {
			life, err := lifetime(expires)
			if err != nil {
				return err
			}
			users, err := a.users()
			if err != nil {
				return err
			}
			text, t, err := users.NewToken(args[0], note, life)
			if err != nil {
				return userFault(err)
			}
			a.note("token %s of %s; it is shown this once", t.ID, args[0])
			return a.done(map[string]any{"user": args[0], "token": text, "id": t.ID, "expires": viewToken(t).Expires}, "%s", text)
		},
	}
	f := cmd.Flags()
	f.StringVar(&note, "note", "", "what it is for")
	f.StringVar(&expires, "expires", "", "how long it is good for, such as 12h or 90d (default for ever)")
	return cmd
}

// lifetime reads a duration that may be in days.
func lifetime(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	life, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		life = time.Duration(min(n, 36_500)) * 24 * time.Hour
	}
	if err != nil || life <= 0 {
		return 0, usagef("--expires %q is no duration such as 12h or 90d", s)
	}
	return life, nil
}

func (a *app) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME TOKEN", Short: "Revoke a token, which is dead at once", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeArgs(a.userNames, a.tokenIDs),
		Long:              fmt.Sprintf("Revoke a token by its id, the first column of %q.", "runstone users show"),
		RunE: func(_ *cobra.Command, args []string) error {
			users, err := a.users()
			if err != nil {
				return err
			}
			if err := users.RevokeToken(args[0], args[1]); err != nil {
				return userFault(err)
			}
			return a.done(map[string]any{"user": args[0], "revoked": args[1]}, "revoked %s", args[1])
		},
	}
}
