package main

import (
	"context"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
	"github.com/spf13/cobra"
)

// maxCompletions bounds what the shell is offered at once.
const maxCompletions = 200

// completer returns what an argument that begins with prefix may be; args are
// the arguments before it. A tab and a description may follow each.
type completer func(ctx context.Context, db *runstone.DB, args []string, prefix string) ([]string, error)

// completeArgs completes the positional arguments, one completer for each;
// nil leaves one to the shell. The last also serves those behind it when
// repeated is asked for by a trailing completer given twice.
func (a *app) completeArgs(by ...completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(by) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if by[len(args)] == nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return a.complete(cmd, by[len(args)], args, prefix)
	}
}

// completeMany is completeArgs whose last completer serves any number of
// arguments.
func (a *app) completeMany(by ...completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return a.complete(cmd, by[min(len(args), len(by)-1)], args, prefix)
	}
}

// complete answers nothing on any error: the command itself will report it.
func (a *app) complete(cmd *cobra.Command, by completer, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var out []string
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	err := a.read(ctx, func(ctx context.Context, db *runstone.DB) (err error) {
		out, err = by(ctx, db, args, prefix)
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return out[:min(len(out), maxCompletions)], cobra.ShellCompDirectiveNoFileComp
}

// completeFlag completes the values of a flag from the database.
func (a *app) completeFlag(cmd *cobra.Command, flag string, by completer) {
	must(cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return a.complete(cmd, by, args, prefix)
	}))
}

// completeWords completes the values of a flag that has few.
func (a *app) completeWords(cmd *cobra.Command, flag string, words ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)))
}

// must is for mistakes in the command tree, which its tests find.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (a *app) experimentNames(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	return experimentsIn(ctx, db, runstone.ActiveOnly, prefix)
}

func (a *app) deletedExperimentNames(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	return experimentsIn(ctx, db, runstone.DeletedOnly, prefix)
}

func experimentsIn(ctx context.Context, db *runstone.DB, view runstone.ViewType, prefix string) ([]string, error) {
	found, err := db.SearchExperiments(ctx, "", &runstone.SearchOptions{View: view})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range found.Items {
		if strings.HasPrefix(e.Name, prefix) {
			out = append(out, e.Name+"\t"+e.ID)
		}
	}
	return out, nil
}

func (a *app) runIDs(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	return runsIn(ctx, db, runstone.ActiveOnly, prefix)
}

func (a *app) deletedRunIDs(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	return runsIn(ctx, db, runstone.DeletedOnly, prefix)
}

// runsIn offers the newest runs first.
func runsIn(ctx context.Context, db *runstone.DB, view runstone.ViewType, prefix string) ([]string, error) {
	var out []string
	for r, err := range db.Search(ctx, "", &runstone.SearchOptions{View: view}) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(r.ID, prefix) {
			out = append(out, r.ID+"\t"+r.Name)
		}
		if len(out) == maxCompletions {
			break
		}
	}
	return out, nil
}

// metricNames offers the metrics of the run that is the first argument.
func (a *app) metricNames(ctx context.Context, db *runstone.DB, args []string, prefix string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for _, id := range strings.Split(args[0], ",") {
		run, err := findRun(ctx, db, id)
		if err != nil {
			return nil, err
		}
		all, err := db.Metrics(ctx, run.ID)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if name := all[i].Metric; strings.HasPrefix(name, prefix) && !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out, nil
}

func (a *app) modelNames(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	var out []string
	err := db.View(ctx, func(tx *store.Tx) error {
		for m, err := range lineage.Models(tx) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(m.Name, prefix) {
				out = append(out, m.Name)
			}
		}
		return nil
	})
	return out, err
}

func (a *app) stageNames(context.Context, *runstone.DB, []string, string) ([]string, error) {
	return []string{lineage.StageNone, lineage.StageStaging, lineage.StageProduction, lineage.StageArchived}, nil
}

func (a *app) aliasNames(ctx context.Context, db *runstone.DB, args []string, prefix string) ([]string, error) {
	var out []string
	err := db.View(ctx, func(tx *store.Tx) error {
		m, err := lineage.GetModel(tx, args[0])
		if err != nil {
			return err
		}
		for _, al := range m.Aliases {
			if strings.HasPrefix(al.Name, prefix) {
				out = append(out, al.Name)
			}
		}
		return nil
	})
	return out, err
}
