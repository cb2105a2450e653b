package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

type infoView struct {
	Dir         string         `json:"data_dir"`
	Database    string         `json:"database"`
	Format      int            `json:"format"`
	Created     string         `json:"created"`
	Held        bool           `json:"held"`
	Holder      string         `json:"holder,omitempty"`
	Inboxes     int            `json:"waiting_inboxes"`
	InboxBytes  int64          `json:"waiting_bytes"`
	Sizes       []partView     `json:"sizes"`
	Experiments int64          `json:"experiments"`
	DeletedExps int64          `json:"deleted_experiments"`
	Runs        int64          `json:"runs"`
	DeletedRuns int64          `json:"deleted_runs"`
	Points      int64          `json:"points"`
	Series      int            `json:"series"`
	Models      int64          `json:"registered_models"`
	Statuses    map[string]int `json:"run_statuses"`
}

type partView struct {
	Part  string `json:"part"`
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
}

func (a *app) infoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "info", Short: "Show what the directory is and holds", Args: noArgs,
		Long: `Show what the directory is: its format and id, where its bytes are, who holds
it, what waits in inboxes, and how many experiments, runs and points there are.
What cannot be read is said at the end; the rest is shown all the same.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := a.find()
			if err != nil {
				return err
			}
			v, err := describe(dir)
			if err != nil {
				return err
			}
			// Even of a database that does not open the rest can be told.
			failed := a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error { return v.count(ctx, db) })
			if a.json {
				err = a.writeJSON(v)
			} else {
				err = a.printInfo(v, failed == nil)
			}
			return errors.Join(failed, err)
		},
	}
}

// describe tells what the files of the directory tell.
func describe(dir string) (*infoView, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	v := &infoView{Dir: abs}
	text, err := os.ReadFile(filepath.Join(dir, "RUNSTONE"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, runstone.ErrNotDatabase)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "RUNSTONE"), runstone.ErrNotDatabase)
	}
	v.Dir = abs
	v.Held, v.Holder = holder(filepath.Join(dir, "LOCK"))
	if v.Sizes, err = sizes(dir); err != nil {
		return nil, err
	}
	inboxes, err := filepath.Glob(filepath.Join(dir, "inbox", "*.log"))
	for _, name := range inboxes {
		if info, err := os.Stat(name); err == nil {
			v.Inboxes++
			v.InboxBytes += info.Size()
		}
	}
	return v, err
}

// holder says who holds the lock, if anybody does. What the file says is left
// over where nobody does.
func holder(path string) (held bool, who string) {
	f, err := os.Open(path)
	if err != nil {
		return false, ""
	}
	defer f.Close()
	if !isLocked(f) {
		return false, ""
	}
	text := make([]byte, 200)
	n, _ := f.Read(text)
	if who = strings.TrimSpace(string(text[:n])); who == "" {
		who = "another process"
	}
	return true, who
}

// sizes adds up the files of each part of the directory.
func sizes(dir string) ([]partView, error) {
	parts := []partView{{Part: "key space"}, {Part: "journals"}, {Part: "inboxes"}, {Part: "artifacts"}, {Part: "copies"}, {Part: "other"}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a running holder replaces files
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		top, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		i := len(parts) - 1
		switch top {
		case "kv":
			i = 0
		case "journal":
			i = 1
		case "inbox":
			i = 2
		case "artifacts":
			i = 3
		case "tmp":
			i = 4
		}
		parts[i].Files++
		parts[i].Bytes += allocated(info)
		return nil
	})
	return parts, err
}

func (v *infoView) count(ctx context.Context, db *runstone.DB) error {
	for e, err := range db.Experiments(ctx) {
		if err != nil {
			return err
		}
		v.Experiments++
		if e.Deleted {
			v.DeletedExps++
		}
	}
	v.Statuses = map[string]int{}
	for r, err := range db.Search(ctx, "", &runstone.SearchOptions{View: runstone.All}) {
		if err != nil {
			return err
		}
		v.Runs++
		if r.Deleted {
			v.DeletedRuns++
		}
		v.Statuses[r.Status.String()]++
	}
	models, err := (&app{}).modelNames(ctx, db, nil, "")
	if err != nil {
		return err
	}
	v.Models = int64(len(models))
	st, err := db.Stats(ctx)
	v.Points, v.Series = st.Points, st.Series
	return err
}

// withDeleted prints a count and how many of it are deleted.
func withDeleted(n, deleted int64) string {
	if deleted == 0 {
		return grouped(n)
	}
	return fmt.Sprintf("%s (%s deleted)", grouped(n), grouped(deleted))
}

func (a *app) printInfo(v *infoView, counted bool) error {
	held := "nobody"
	if v.Held {
		held = v.Holder
	}
	waiting := "none"
	if v.Inboxes > 0 {
		waiting = fmt.Sprintf("%d, %s", v.Inboxes, size(v.InboxBytes))
	}
	a.fields("directory", v.Dir, "database", v.Database, "format", fmt.Sprint(v.Format), "created", v.Created, "held by", held, "inboxes", waiting)
	if counted {
		a.fields("experiments", withDeleted(v.Experiments, v.DeletedExps), "runs", withDeleted(v.Runs, v.DeletedRuns), "series", grouped(int64(v.Series)), "points", grouped(v.Points), "models", grouped(v.Models))
	}
	fmt.Fprintln(a.stdout)
	t := newTable("PART", ">FILES", ">SIZE")
	var total partView
	for _, p := range v.Sizes {
		if p.Files > 0 {
			t.add(p.Part, grouped(p.Files), size(p.Bytes))
		}
		total.Files, total.Bytes = total.Files+p.Files, total.Bytes+p.Bytes
	}
	t.add("total", grouped(total.Files), size(total.Bytes))
	return a.print(t)
}
