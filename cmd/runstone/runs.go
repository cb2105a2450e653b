package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

func (a *app) runsCommand() *cobra.Command {
	return newGroup("runs", "List, log and change runs",
		a.runsList(), a.runsShow(), a.runsLog(), a.runsDelete(), a.runsRestore())
}

// defaultLimit is how many runs a list shows when nobody says.
const defaultLimit = 100

func (a *app) runsList() *cobra.Command {
	opt := runstone.SearchOptions{}
	var experiments, columns []string
	var filter, view string
	cmd := &cobra.Command{
		Use: "list", Short: "List runs, the newest first", Args: noArgs,
		Long: `List runs, the newest first.

Columns are id, name, experiment, experiment_id, status, stage, user, start,
end, duration, params.KEY, tags.KEY and metrics.KEY, which is the latest value.

With --json each run is an object with everything but its points, as "runs show"
prints it; with --columns too, an object with the columns as its keys: ids in
full, times in Unix ms, the duration in ms, null for what a run does not have.`,
		Example: `  runstone runs list --experiment diagnostics --limit 10
  runstone runs list --filter "metrics.loss < 0.4 AND params.lr = '0.01'" \
      --order-by "metrics.loss ASC" --columns id,name,params.lr,metrics.loss`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opt.View, err = parseView(view); err != nil {
				return err
			}
			if opt.Limit < 0 {
				return usagef("--limit is 0 or more, not %d", opt.Limit)
			}
			for _, c := range columns {
				if !isColumn(c) {
					return usagef("there is no column %q", c)
				}
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				opt.Experiments = nil
				for _, name := range experiments {
					e, err := findExperiment(ctx, db, name)
					if err != nil {
						return err
					}
					opt.Experiments = append(opt.Experiments, e.ID)
				}
				p := runPrinter{a: a, list: jsonList{a: a}, columns: columns, pick: cmd.Flags().Changed("columns"),
					now: time.Now(), experiments: map[string]string{}}
				return a.listRuns(ctx, db, filter, opt, &p)
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&experiments, "experiment", "e", nil, "show only runs of this experiment, by name or id; may be repeated")
	f.StringVar(&filter, "filter", "", "show only those that match, see docs/QUERY.md")
	f.StringArrayVar(&opt.OrderBy, "order-by", nil, "order, such as \"metrics.loss ASC\"; may be repeated")
	f.IntVar(&opt.Limit, "limit", defaultLimit, "show at most so many; 0 is all")
	f.StringVar(&view, "view", "active", "active, deleted or all")
	f.StringSliceVar(&columns, "columns", []string{"id", "name", "experiment", "status", "start", "duration"}, "columns to show")
	a.completeFlag(cmd, "experiment", a.experimentNames)
	a.completeWords(cmd, "view", "active", "deleted", "all")
	a.completeWords(cmd, "columns", runColumns...)
	return cmd
}

// listRuns prints what a search finds and says when there is more of it.
func (a *app) listRuns(ctx context.Context, db *runstone.DB, filter string, opt runstone.SearchOptions, p *runPrinter) error {
	limit := opt.Limit
	if limit > 0 {
		opt.Limit++
	}
	var head []string
	for _, c := range p.columns {
		h := strings.ToUpper(c)
		if c == "duration" || strings.HasPrefix(c, "metrics.") {
			h = ">" + h
		}
		head = append(head, h)
	}
	p.table = newTable(head...)
	n := 0
	for r, err := range db.Search(ctx, filter, &opt) {
		if err != nil {
			return err
		}
		if n++; limit > 0 && n > limit {
			break
		}
		if err := p.add(ctx, db, r); err != nil {
			return err
		}
	}
	var err error
	if a.json {
		err = p.list.end()
	} else {
		err = a.print(p.table)
	}
	if limit > 0 && n > limit {
		a.note("there are more than %s; --limit 0 shows all", plural(int64(limit), "run"))
	}
	return err
}

var runColumns = []string{"id", "name", "experiment", "experiment_id", "status", "stage", "user", "start", "end", "duration"}

func isColumn(c string) bool {
	for _, known := range runColumns {
		if c == known {
			return true
		}
	}
	kind, key, _ := strings.Cut(c, ".")
	return key != "" && (kind == "params" || kind == "tags" || kind == "metrics")
}

// runPrinter prints runs as JSON or as rows of a table.
type runPrinter struct {
	a           *app
	list        jsonList
	table       *table
	columns     []string
	pick        bool // also of JSON only the columns
	now         time.Time
	experiments map[string]string // name by id
}

func (p *runPrinter) add(ctx context.Context, db *runstone.DB, r *runstone.RunData) error {
	if p.a.json && !p.pick {
		return p.list.add(viewRun(r))
	}
	if slices.Contains(p.columns, "experiment") && p.experiments[r.ExperimentID] == "" {
		e, err := db.Experiment(ctx, r.ExperimentID)
		if err != nil {
			return err
		}
		p.experiments[r.ExperimentID] = e.Name
	}
	if p.a.json {
		object := make(map[string]any, len(p.columns))
		for _, c := range p.columns {
			object[c] = p.jsonCell(r, c)
		}
		return p.list.add(object)
	}
	cells := make([]string, len(p.columns))
	for i, c := range p.columns {
		cells[i] = p.cell(r, c)
	}
	p.table.add(cells...)
	return nil
}

// jsonCell is what --json prints of a column; nil for what a run does not have.
func (p *runPrinter) jsonCell(r *runstone.RunData, column string) any {
	switch column {
	case "id":
		return r.ID
	case "status":
		return r.Status.String()
	case "start":
		return r.Start
	case "end":
		if r.End == 0 {
			return nil
		}
		return r.End
	case "duration":
		if r.End == 0 && r.Status != runstone.Running {
			return nil
		}
		return r.Duration(p.now).Milliseconds()
	}
	kind, key, ok := strings.Cut(column, ".")
	if !ok {
		return p.cell(r, column)
	}
	switch kind {
	case "params":
		if v, ok := r.Params[key]; ok {
			return v
		}
	case "tags":
		if v, ok := r.Tags[key]; ok {
			return v
		}
	default:
		if v, ok := r.Metric(key); ok {
			return number(v)
		}
	}
	return nil
}

func (p *runPrinter) cell(r *runstone.RunData, column string) string {
	switch column {
	case "experiment":
		return p.experiments[r.ExperimentID]
	case "id":
		return shortID(r.ID)
	case "name":
		return r.Name
	case "experiment_id":
		return r.ExperimentID
	case "status":
		return strings.ToLower(r.Status.String())
	case "stage":
		return stage(r.Deleted)
	case "user":
		return r.User
	case "start":
		return ago(p.now, r.Start)
	case "end":
		return ago(p.now, r.End)
	case "duration":
		return took(&r.RunInfo, p.now)
	}
	switch kind, key, _ := strings.Cut(column, "."); kind {
	case "params":
		return r.Params[key]
	case "tags":
		return r.Tags[key]
	default:
		if v, ok := r.Metric(key); ok {
			return value(v)
		}
		return ""
	}
}

func (a *app) runsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show everything of a run but its points", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.runIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				info, err := findRun(ctx, db, args[0])
				if err != nil {
					return err
				}
				r, err := db.Run(ctx, info.ID)
				if err != nil {
					return err
				}
				if a.json {
					return a.writeJSON(viewRun(r))
				}
				e, err := db.Experiment(ctx, r.ExperimentID)
				if err != nil {
					return err
				}
				return a.showRun(r, e)
			})
		},
	}
}

func (a *app) showRun(r *runstone.RunData, e *runstone.Experiment) error {
	status := strings.ToLower(r.Status.String())
	if r.Deleted {
		status += ", deleted"
	}
	a.fields("id", r.ID, "name", r.Name, "experiment", fmt.Sprintf("%s (%s)", e.Name, e.ID), "status", status,
		"user", r.User, "started", moment(r.Start), "ended", moment(r.End), "took", took(&r.RunInfo, time.Now()),
		"artifacts", r.ArtifactURI)
	a.section("params", r.Params)
	a.section("tags", r.Tags)
	for i, in := range r.Inputs {
		if i == 0 {
			fmt.Fprintln(a.stdout, "\ndatasets")
		}
		fmt.Fprintf(a.stdout, "  %s  %s\n", oneCell(in.Dataset.Name), oneCell(in.Dataset.Digest))
	}
	for i, m := range r.Models.Outputs {
		if i == 0 {
			fmt.Fprintln(a.stdout, "\nmodels")
		}
		fmt.Fprintf(a.stdout, "  %s  step %d\n", oneCell(m.ModelID), m.Step)
	}
	if len(r.Metrics) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	return a.print(metricTable(r.Metrics))
}

func (a *app) runsDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete RUN...", Short: "Mark runs deleted", Args: cobra.MinimumNArgs(1),
		Long:              "Mark runs deleted. Nothing is removed: restore undoes it, and \"runstone gc\" makes it final.",
		ValidArgsFunction: a.completeMany(a.runIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeRuns(cmd.Context(), args, true)
		},
	}
}

func (a *app) runsRestore() *cobra.Command {
	return &cobra.Command{
		Use: "restore RUN...", Short: "Undo the deletion of runs", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeMany(a.deletedRunIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeRuns(cmd.Context(), args, false)
		},
	}
}

// changeRuns deletes or restores runs; none of them when one cannot be found.
func (a *app) changeRuns(ctx context.Context, ids []string, deleted bool) error {
	return a.write(ctx, func(ctx context.Context, db *runstone.DB) error {
		var runs []runstone.RunInfo
		for _, id := range ids {
			r, err := findRun(ctx, db, id)
			if err != nil {
				return err
			}
			if r.Deleted == deleted {
				return refusedf("leave it out", "run %s is %s already", shortID(r.ID), stage(deleted))
			}
			runs = append(runs, r)
		}
		change, verb := db.RestoreRun, "restored"
		if deleted {
			change, verb = db.DeleteRun, "deleted"
		}
		list := jsonList{a: a}
		for _, r := range runs {
			if err := change(ctx, r.ID); err != nil {
				return err
			}
			if a.json {
				if err := list.add(map[string]any{"run_id": r.ID, "lifecycle_stage": stage(deleted)}); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(a.stdout, "%s run %s (%s)\n", verb, r.ID, oneCell(r.Name))
		}
		if a.json {
			return list.end()
		}
		return nil
	})
}
