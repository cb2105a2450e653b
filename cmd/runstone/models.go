package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) modelsCommand() *cobra.Command {
	cmd := newGroup("models", "List and change registered models",
		a.modelsList(), a.modelsShow(), a.modelsVersions(), a.modelsHistory(), a.modelsStage(), a.modelsPromote(),
		newGroup("alias", "Set and delete aliases of model versions", a.aliasSet(), a.aliasDelete()),
		a.modelsDelete())
	cmd.Long = `List and change registered models.

Those that change something need the database for themselves: beside a server,
which then is the only one to change the registry, they check their arguments
and end with exit code 5. Make the change through the server's MLflow API, or
stop the server.`
	return cmd
}

// registryNote ends the help of commands that change the registry.
const registryNote = `

Beside a server, only the server changes the registry: exit code 5.`

func (a *app) modelsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List registered models", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, now := jsonList{a: a}, time.Now()
			t := newTable("NAME", ">VERSIONS", "STAGES", "ALIASES", "UPDATED", "DESCRIPTION")
			err := a.viewRows(cmd.Context(), func(tx *store.Tx) error {
				for m, err := range lineage.Models(tx) {
					if err != nil {
						return err
					}
					if a.json {
						if err := list.add(viewModel(m)); err != nil {
							return err
						}
						continue
					}
					t.add(m.Name, strconv.Itoa(m.LastVersion), stagesOf(m), aliasesOf(m), ago(now, m.UpdatedAt), m.Description)
				}
				return nil
			})
			switch {
			case err != nil:
				return err
			case a.json:
				return list.end()
			}
			return a.print(t)
		},
	}
}

// viewRows runs fn on the rows of a private copy of the database.
func (a *app) viewRows(ctx context.Context, fn func(*store.Tx) error) error {
	return a.read(ctx, func(ctx context.Context, db *runstone.DB) error { return db.View(ctx, fn) })
}

func stagesOf(m *lineage.RegisteredModel) string {
	var out []string
	for _, v := range m.LatestVersions {
		if v.Stage != lineage.StageNone {
			out = append(out, fmt.Sprintf("%s=%d", v.Stage, v.Version))
		}
	}
	return strings.Join(out, " ")
}

func aliasesOf(m *lineage.RegisteredModel) string {
	var out []string
	for _, al := range m.Aliases {
		out = append(out, fmt.Sprintf("%s=%d", al.Name, al.Version))
	}
	return strings.Join(out, " ")
}

func (a *app) modelsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show MODEL [VERSION]", Short: "Show a model or one of its versions", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeArgs(a.modelNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return a.showVersion(cmd.Context(), args[0], args[1])
			}
			var m *lineage.RegisteredModel
			err := a.viewRows(cmd.Context(), func(tx *store.Tx) (err error) {
				m, err = lineage.GetModel(tx, args[0])
				return err
			})
			if err != nil {
				return noModel(err)
			}
			if a.json {
				return a.writeJSON(viewModel(m))
			}
			a.fields("name", m.Name, "description", m.Description, "created", moment(m.CreatedAt), "updated", moment(m.UpdatedAt),
				"versions", strconv.Itoa(m.LastVersion), "stages", stagesOf(m), "aliases", aliasesOf(m))
			a.section("tags", tagMap(m.Tags))
			return nil
		},
	}
}

// noModel says where to look when a model is not there.
func noModel(err error) error {
	if err == nil {
		return nil
	}
	f := asFault(err)
	if f.code == exitNotFound {
		f.hint = `"runstone models list" shows the models there are`
	}
	return f
}

func (a *app) showVersion(ctx context.Context, name, version string) error {
	var v *lineage.ModelVersion
	err := a.viewRows(ctx, func(tx *store.Tx) (err error) {
		v, err = findVersion(tx, name, version)
		return err
	})
	if err != nil {
		return noModel(err)
	}
	if a.json {
		return a.writeJSON(viewVersion(v))
	}
	a.fields("name", v.Model, "version", strconv.Itoa(v.Version), "stage", v.Stage, "status", v.Status,
		"aliases", strings.Join(v.Aliases, " "), "source", v.Source, "run", v.RunID, "user", v.UserID,
		"description", v.Description, "created", moment(v.CreatedAt), "updated", moment(v.UpdatedAt))
	a.section("tags", tagMap(v.Tags))
	return nil
}

// findVersion takes a number, or an alias behind an @.
func findVersion(tx *store.Tx, name, version string) (*lineage.ModelVersion, error) {
	if alias, ok := strings.CutPrefix(version, "@"); ok {
		return lineage.VersionByAlias(tx, name, alias)
	}
	n, err := strconv.Atoi(version)
	if err != nil || n < 1 {
		return nil, usagef("a version is a number from 1 or @ALIAS, not %q", version)
	}
	return lineage.GetVersion(tx, name, n)
}

func (a *app) modelsVersions() *cobra.Command {
	return &cobra.Command{
		Use: "versions MODEL", Short: "List the versions of a model", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.modelNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, now := jsonList{a: a}, time.Now()
			t := newTable(">VERSION", "STAGE", "STATUS", "ALIASES", "RUN", "CREATED", "SOURCE")
			err := a.viewRows(cmd.Context(), func(tx *store.Tx) error {
				for v, err := range lineage.VersionsOf(tx, args[0]) {
					if err != nil {
						return err
					}
					if a.json {
						if err := list.add(viewVersion(v)); err != nil {
							return err
						}
						continue
					}
					t.add(strconv.Itoa(v.Version), v.Stage, v.Status, strings.Join(v.Aliases, " "), shortID(v.RunID), ago(now, v.CreatedAt), v.Source)
				}
				return nil
			})
			switch {
			case err != nil:
				return noModel(err)
			case a.json:
				return list.end()
			}
			return a.print(t)
		},
	}
}

// changeModels runs check and then change in a transaction of the registry.
// Where another process holds the database it runs check alone, so that a
// mistake in the arguments is told before what nobody can do anything about.
func (a *app) changeModels(ctx context.Context, reason string, check func(*store.Tx) error, change func(*store.Tx, lineage.Author) error) error {
	dir, err := a.find()
	if err != nil {
		return err
	}
	err = with(ctx, dir, nil, func(ctx context.Context, db *runstone.DB) error {
		return db.Update(ctx, func(tx *store.Tx) error {
			if err := check(tx); err != nil {
				return err
			}
			return change(tx, db.Author(reason))
		})
	})
	if errors.Is(err, runstone.ErrLocked) {
		if err := a.viewRows(ctx, check); err != nil {
			return noModel(err)
		}
		return &fault{code: exitLocked, cause: err, msg: fmt.Sprintf("another process holds %s, and the registry only changes through it", dir),
			hint: "stop that process, or make the change through its MLflow API"}
	}
	return noModel(err)
}

// reasonFlag is for commands whose change stands in the history of a model.
func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, for the history of the model")
}

func (a *app) modelsStage() *cobra.Command {
	var archive bool
	var reason string
	cmd := &cobra.Command{
		Use: "stage MODEL VERSION STAGE", Short: "Move a version to a stage", Args: cobra.ExactArgs(3),
		Long:              "Move a version to a stage: None, Staging, Production or Archived. VERSION is a number or @ALIAS." + registryNote,
		ValidArgsFunction: a.completeArgs(a.modelNames, a.versionNumbers, a.stageNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.moveVersion(cmd.Context(), args[0], args[1], args[2], archive, reason)
		},
	}
	reasonFlag(cmd, &reason)
	cmd.Flags().BoolVar(&archive, "archive-existing", false, "move the other versions of that stage to Archived")
	return cmd
}

func (a *app) modelsPromote() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "promote MODEL VERSION", Short: "Move a version to Production and archive the one there", Args: cobra.ExactArgs(2),
		Long:              "Move a version to Production and archive the one there. VERSION is a number or @ALIAS." + registryNote,
		ValidArgsFunction: a.completeArgs(a.modelNames, a.versionNumbers),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.moveVersion(cmd.Context(), args[0], args[1], lineage.StageProduction, true, reason)
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) moveVersion(ctx context.Context, name, version, stage string, archive bool, reason string) error {
	if _, err := lineage.CanonicalStage(stage); err != nil {
		return err
	}
	var v *lineage.ModelVersion
	err := a.changeModels(ctx, reason, func(tx *store.Tx) (err error) {
		v, err = findVersion(tx, name, version)
		return err
	}, func(tx *store.Tx, by lineage.Author) (err error) {
		v, err = lineage.Transition(tx, by, name, v.Version, stage, archive)
		return err
	})
	if err != nil {
		return err
	}
	return a.done(viewVersion(v), "%s version %d is in %s", v.Model, v.Version, v.Stage)
}

// versionNumbers offers the versions of the model that is the first argument.
func (a *app) versionNumbers(ctx context.Context, db *runstone.DB, args []string, prefix string) ([]string, error) {
	var out []string
	err := db.View(ctx, func(tx *store.Tx) error {
		for v, err := range lineage.VersionsOf(tx, args[0]) {
			if err != nil {
				return err
			}
			if n := strconv.Itoa(v.Version); strings.HasPrefix(n, prefix) {
				out = append(out, n+"\t"+v.Stage)
			}
		}
		return nil
	})
	return out, err
}

func (a *app) aliasSet() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "set MODEL ALIAS VERSION", Short: "Let an alias name a version", Args: cobra.ExactArgs(3),
		Long:              "Let an alias name a version. VERSION is a number or @ALIAS." + registryNote,
		ValidArgsFunction: a.completeArgs(a.modelNames, a.aliasNames, a.versionNumbers),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := lineage.ValidateAlias(args[1]); err != nil {
				return err
			}
			var v *lineage.ModelVersion
			err := a.changeModels(cmd.Context(), reason, func(tx *store.Tx) (err error) {
				v, err = findVersion(tx, args[0], args[2])
				return err
			}, func(tx *store.Tx, by lineage.Author) error {
				return lineage.SetAlias(tx, by, args[0], args[1], v.Version)
			})
			if err != nil {
				return err
			}
			return a.done(map[string]any{"name": args[0], "alias": args[1], "version": v.Version}, "%s@%s is version %d", args[0], args[1], v.Version)
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) aliasDelete() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "delete MODEL ALIAS", Short: "Delete an alias", Args: cobra.ExactArgs(2),
		Long:              "Delete an alias; the version stays." + registryNote,
		ValidArgsFunction: a.completeArgs(a.modelNames, a.aliasNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := a.changeModels(cmd.Context(), reason, func(tx *store.Tx) error {
				m, err := lineage.GetModel(tx, args[0])
				if err != nil {
					return err
				}
				for _, al := range m.Aliases {
					if al.Name == args[1] {
						return nil
					}
				}
				return store.Errorf(runstone.ErrNotFound, "model %s has no alias %q", args[0], args[1])
			}, func(tx *store.Tx, by lineage.Author) error {
				return lineage.DeleteAlias(tx, by, args[0], args[1])
			})
			if err != nil {
				return err
			}
			return a.done(map[string]any{"name": args[0], "alias": args[1], "deleted": true}, "deleted alias %s@%s", args[0], args[1])
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) modelsDelete() *cobra.Command {
	var yes bool
	var reason string
	cmd := &cobra.Command{
		Use: "delete MODEL [VERSION]", Short: "Delete a model with its versions, or one version", Args: cobra.RangeArgs(1, 2),
		Long: `Delete a model with all its versions, or one version of it. This cannot be
undone; the files of the model stay where they are.` + registryNote,
		ValidArgsFunction: a.completeArgs(a.modelNames, a.versionNumbers),
		RunE: func(cmd *cobra.Command, args []string) error {
			what := fmt.Sprintf("model %s with all its versions", args[0])
			if len(args) == 2 {
				what = fmt.Sprintf("version %s of model %s", args[1], args[0])
			}
			if err := a.confirm(yes, what); err != nil {
				return err
			}
			object := map[string]any{"name": args[0], "deleted": true}
			var v *lineage.ModelVersion
			err := a.changeModels(cmd.Context(), reason, func(tx *store.Tx) (err error) {
				if len(args) == 1 {
					_, err = lineage.GetModel(tx, args[0])
				} else {
					v, err = findVersion(tx, args[0], args[1])
				}
				return err
			}, func(tx *store.Tx, by lineage.Author) error {
				if v == nil { // and its history, with any reason
					return lineage.DeleteModel(tx, args[0])
				}
				object["version"] = v.Version
				return lineage.DeleteVersion(tx, by, args[0], v.Version)
			})
			if err != nil {
				return err
			}
			return a.done(object, "deleted %s", what)
		},
	}
	reasonFlag(cmd, &reason)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirm asks before something that cannot be undone. Where nobody can be
// asked it takes --yes.
func (a *app) confirm(yes bool, what string) error {
	if yes {
		return nil
	}
	f, ok := a.in.(*os.File)
	if !ok || !a.watched() || !term.IsTerminal(int(f.Fd())) {
		return refusedf("confirm it with --yes", "deleting %s cannot be undone", what)
	}
	fmt.Fprintf(a.err, "Delete %s? This cannot be undone. [y/N] ", what)
	answer, _ := bufio.NewReader(a.in).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return refusedf("", "nothing was deleted")
	}
	return nil
}
