package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

func (a *app) experimentsCommand() *cobra.Command {
	return newGroup("experiments", "List, create and change experiments",
		a.experimentsList(), a.experimentsShow(), a.experimentsCreate(), a.experimentsRename(),
		a.experimentsDelete(), a.experimentsRestore())
}

func (a *app) experimentsList() *cobra.Command {
	var opt runstone.SearchOptions
	var filter, view string
	cmd := &cobra.Command{
		Use: "list", Short: "List experiments", Args: noArgs,
		Example: `  runstone experiments list
  runstone experiments list --filter "name LIKE 'diag%'" --json`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opt.View, err = parseView(view); err != nil {
				return err
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				found, err := db.SearchExperiments(ctx, filter, &opt)
				if err != nil {
					return err
				}
				return a.printExperiments(found.Items)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&filter, "filter", "", "show only those that match, see docs/QUERY.md")
	f.StringArrayVar(&opt.OrderBy, "order-by", nil, "order, such as \"name ASC\"; may be repeated")
	f.IntVar(&opt.Limit, "limit", 0, "show at most so many; 0 is all")
	f.StringVar(&view, "view", "active", "active, deleted or all")
	a.completeWords(cmd, "view", "active", "deleted", "all")
	return cmd
}

func (a *app) printExperiments(found []*runstone.Experiment) error {
	if a.json {
		list := jsonList{a: a}
		for _, e := range found {
			if err := list.add(viewExperiment(e)); err != nil {
				return err
			}
		}
		return list.end()
	}
	now := time.Now()
	t := newTable("ID", "NAME", "STAGE", "CREATED", "UPDATED")
	for _, e := range found {
		t.add(e.ID, e.Name, stage(e.Deleted), ago(now, e.Created.UnixMilli()), ago(now, e.Updated.UnixMilli()))
	}
	return a.print(t)
}

func (a *app) experimentsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show EXPERIMENT", Short: "Show an experiment", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.experimentNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				e, err := findExperiment(ctx, db, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.writeJSON(viewExperiment(e))
				}
				counts, err := countRuns(ctx, db, e.ID)
				if err != nil {
					return err
				}
				a.fields(
					"id", e.ID, "name", e.Name, "stage", stage(e.Deleted), "artifacts", e.Location,
					"created", moment(e.Created.UnixMilli()), "updated", moment(e.Updated.UnixMilli()), "runs", counts)
				a.section("tags", e.Tags)
				return nil
			})
		},
	}
}

// countRuns says how many runs an experiment has and in which state.
func countRuns(ctx context.Context, db *runstone.DB, id string) (string, error) {
	counts := map[string]int64{}
	var total int64
	for r, err := range db.Search(ctx, "", &runstone.SearchOptions{Experiments: []string{id}, View: runstone.All}) {
		if err != nil {
			return "", err
		}
		state := strings.ToLower(r.Status.String())
		if r.Deleted {
			state = "deleted"
		}
		counts[state]++
		total++
	}
	var parts []string
	for state, n := range counts {
		parts = append(parts, fmt.Sprintf("%s %s", grouped(n), state))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "0", nil
	}
	return fmt.Sprintf("%s (%s)", grouped(total), strings.Join(parts, ", ")), nil
}

func (a *app) experimentsCreate() *cobra.Command {
	var tags []string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an experiment", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opt := &runstone.ExperimentOptions{}
			var err error
			if opt.Tags, err = parsePairs("tag", tags); err != nil {
				return err
			}
			return a.write(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				if err := refuseTaken(ctx, db, args[0]); err != nil {
					return err
				}
				id, err := db.CreateExperiment(ctx, args[0], opt)
				if err != nil {
					return err
				}
				return a.done(map[string]any{"experiment_id": id, "name": args[0]}, "created experiment %s", id)
			})
		},
	}
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "set a tag, as key=value; may be repeated")
	return cmd
}

// refuseTaken finds out at once what a shared database would find out later.
func refuseTaken(ctx context.Context, db *runstone.DB, name string) error {
	e, err := db.ExperimentByName(ctx, name)
	if errors.Is(err, runstone.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if e.Deleted {
		return refusedf(fmt.Sprintf("restore it with \"runstone experiments restore %s\" or take another name", e.ID),
			"a deleted experiment has the name %q", name)
	}
	return refusedf("take another name", "experiment %s has the name %q already", e.ID, name)
}

func (a *app) experimentsRename() *cobra.Command {
	return &cobra.Command{
		Use: "rename EXPERIMENT NAME", Short: "Give an experiment another name", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeArgs(a.experimentNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeExperiment(cmd.Context(), args[0], func(ctx context.Context, db *runstone.DB, e *runstone.Experiment) error {
				if e.Name != args[1] {
					if err := refuseTaken(ctx, db, args[1]); err != nil {
						return err
					}
				}
				if err := db.RenameExperiment(ctx, e.ID, args[1]); err != nil {
					return err
				}
				return a.done(map[string]any{"experiment_id": e.ID, "name": args[1]}, "renamed experiment %s to %q", e.ID, args[1])
			})
		},
	}
}

func (a *app) experimentsDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete EXPERIMENT", Short: "Mark an experiment and its runs deleted", Args: cobra.ExactArgs(1),
		Long:              "Mark an experiment and its runs deleted. Nothing is removed: restore undoes it.",
		ValidArgsFunction: a.completeArgs(a.experimentNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeExperiment(cmd.Context(), args[0], func(ctx context.Context, db *runstone.DB, e *runstone.Experiment) error {
				if e.Deleted {
					return refusedf("there is nothing to do", "experiment %q is deleted already", e.Name)
				}
				if err := db.DeleteExperiment(ctx, e.ID); err != nil {
					return err
				}
				return a.done(map[string]any{"experiment_id": e.ID, "lifecycle_stage": "deleted"}, "deleted experiment %q (%s); restore undoes it", e.Name, e.ID)
			})
		},
	}
}

func (a *app) experimentsRestore() *cobra.Command {
	return &cobra.Command{
		Use: "restore EXPERIMENT", Short: "Undo the deletion of an experiment", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.deletedExperimentNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeExperiment(cmd.Context(), args[0], func(ctx context.Context, db *runstone.DB, e *runstone.Experiment) error {
				if !e.Deleted {
					return refusedf("there is nothing to do", "experiment %q is not deleted", e.Name)
				}
				if err := db.RestoreExperiment(ctx, e.ID); err != nil {
					return err
				}
				return a.done(map[string]any{"experiment_id": e.ID, "lifecycle_stage": "active"}, "restored experiment %q (%s)", e.Name, e.ID)
			})
		},
	}
}

func (a *app) changeExperiment(ctx context.Context, name string, fn func(context.Context, *runstone.DB, *runstone.Experiment) error) error {
	return a.write(ctx, func(ctx context.Context, db *runstone.DB) error {
		e, err := findExperiment(ctx, db, name)
		if err != nil {
			return err
		}
		return fn(ctx, db, e)
	})
}

// fields prints names and values below each other.
func (a *app) fields(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(a.stdout, "%-12s%s\n", pairs[i], oneCell(pairs[i+1]))
	}
}

// section prints a map under a heading, if it has anything.
func (a *app) section(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	keys := make([]string, 0, len(m))
	width := 0
	for k := range m {
		keys = append(keys, k)
		width = max(width, len(k))
	}
	slices.Sort(keys)
	fmt.Fprintf(a.stdout, "\n%s\n", name)
	for _, k := range keys {
		fmt.Fprintf(a.stdout, "  %-*s  %s\n", width, k, oneCell(m[k]))
	}
}
