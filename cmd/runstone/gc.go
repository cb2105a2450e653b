package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

const gcLong = `Remove deleted runs for good and give their space back: params, tags, metrics and
artifacts. It cannot be undone; runs that were not deleted are never touched.

Without arguments all deleted runs go, with --older-than only those that were
deleted at least so long ago (30d, 12h, 1d12h). It needs the database for
itself: stop the server first. What a crash leaves, the next call removes.`

func (a *app) gcCommand() *cobra.Command {
	var older string
	var dry, yes bool
	cmd := &cobra.Command{
		Use: "gc [RUN...]", Short: "Remove deleted runs for good", Long: gcLong, Args: cobra.ArbitraryArgs,
		Example: `  runstone gc --dry-run
  runstone gc --older-than 30d --yes`,
		ValidArgsFunction: a.completeMany(a.deletedRunIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			opt := runstone.PurgeOptions{DryRun: true}
			var err error
			if opt.OlderThan, err = parseAge(older); err != nil {
				return err
			}
			return a.write(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				for _, id := range args {
					r, err := findRun(ctx, db, id)
					if err != nil {
						return err
					}
					opt.Runs = append(opt.Runs, r.ID)
				}
				return a.gc(ctx, db, opt, dry, yes)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&older, "older-than", "", "leave runs that were deleted less long ago, such as 30d or 12h")
	f.BoolVar(&dry, "dry-run", false, "only say what would go")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) gc(ctx context.Context, db *runstone.DB, opt runstone.PurgeOptions, dry, yes bool) error {
	report, err := db.Purge(ctx, &opt)
	if err != nil {
		return err
	}
	if !dry && len(report.Runs) > 0 {
		what := fmt.Sprintf("%s with %s and %s (%s)", plural(int64(len(report.Runs)), "run"),
			plural(report.Points, "point"), plural(int64(report.Artifacts), "artifact"), size(report.ArtifactBytes))
		if err := a.confirm(yes, what); err != nil {
			return err
		}
	}
	if !dry { // also when no run is left: an earlier call may not have come to its end
		opt.DryRun = false
		if len(report.Runs) > 0 { // what was asked about, and none that became old enough meanwhile
			opt.Runs = report.Runs
		}
		if a.watched() {
			opt.Progress = func(done, of int) { fmt.Fprintf(a.err, "\r\x1b[Kremoved %d of %s", done, plural(int64(of), "run")) }
		}
		report, err = db.Purge(ctx, &opt)
		if a.watched() {
			fmt.Fprint(a.err, "\r\x1b[K")
		}
		if err != nil {
			return err
		}
	}
	for _, id := range report.InUse {
		a.note("run %s is in use and stays", shortID(id))
	}
	verb, tables := "removed", fmt.Sprintf("; tables became %s smaller", size(report.Reclaimed))
	if dry {
		verb, tables = "would remove", ""
	}
	return a.done(struct {
		DryRun        bool     `json:"dry_run"`
		Runs          []string `json:"runs"`
		InUse         []string `json:"in_use"`
		Points        int64    `json:"points"`
		Artifacts     int      `json:"artifacts"`
		ArtifactBytes int64    `json:"artifact_bytes"`
		Reclaimed     int64    `json:"reclaimed_bytes"`
	}{dry, append([]string{}, report.Runs...), append([]string{}, report.InUse...), report.Points, report.Artifacts, report.ArtifactBytes, report.Reclaimed},
		"%s %s, %s, %s (%s)%s", verb, plural(int64(len(report.Runs)), "run"), plural(report.Points, "point"),
		plural(int64(report.Artifacts), "artifact"), size(report.ArtifactBytes), tables)
}

// parseAge reads a duration that may have days in front.
func parseAge(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	bad := usagef("--older-than is a duration such as 30d, 12h or 1d12h, not %q", s)
	var age time.Duration
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, bad
		}
		age, s = time.Duration(n)*24*time.Hour, rest
	}
	if s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, bad
		}
		age += d
	}
	return age, nil
}
