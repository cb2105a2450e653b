package main

import (
	"context"
	"fmt"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

func (a *app) reindexCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reindex", Short: "Make the index of runs anew", Args: noArgs,
		Long: `Make the index that searches of runs read anew from the records. Nothing else
changes. It is never needed for right answers: a damaged index is noticed and
made anew by itself; this makes searches fast again at once.

It needs the database for itself: stop the server first.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.write(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				began, runs := time.Now(), 0
				shown := time.Time{}
				err := db.Reindex(ctx, func(done, of int) {
					runs = done
					if now := time.Now(); a.watched() && (done == of || now.Sub(shown) >= batchDelay) {
						shown = now
						fmt.Fprintf(a.err, "\r%s of %s", grouped(int64(done)), plural(int64(of), "run"))
					}
				})
				if !shown.IsZero() {
					fmt.Fprintln(a.err)
				}
				if err != nil {
					return err
				}
				took := time.Since(began)
				return a.done(map[string]any{"runs": runs, "ms": took.Milliseconds()}, "indexed %s in %s", plural(int64(runs), "run"), span(took))
			})
		},
	}
}
