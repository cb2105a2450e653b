package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
)

// MinCommit is how many digits name a commit, and MinRun those of a run's id.
const (
	MinCommit = 7
	MinRun    = 4
)

// Find returns the id of the benchmark run of an experiment that a text names:
//
//	latest, latest~N     the newest run, or the Nth before it
//	before:RUN           the run before that, by its whole id
//	branch:NAME          the newest run of a branch, also with ~N
//	tag:KEY=VALUE        the newest run that has a tag, also with ~N
//	RUN                  the id of a run, or the first digits of it
//	COMMIT               the newest run of a commit, or of the first digits of it
//
// Errors: [runstone.ErrNotFound]; [runstone.ErrInvalid] for a text that cannot be
// read, [runstone.ErrConflict] for one that names several.
func Find(ctx context.Context, db *runstone.DB, experiment, spec string) (string, error) {
	base, back, counted := strings.Cut(spec, "~")
	n := 0
	if counted {
		var err error
		if n, err = strconv.Atoi(back); err != nil || n < 0 {
			return "", refuse(runstone.ErrInvalid, "%q: a number follows the ~", spec)
		}
	}
	kind, arg, _ := strings.Cut(base, ":")
	switch {
	case base == "latest":
		return nthRun(ctx, db, experiment, spec, n, func(*runstone.RunData) bool { return true })
	case kind == "before" && arg != "":
		return runBefore(ctx, db, experiment, arg)
	case kind == "branch" && arg != "":
		return nthRun(ctx, db, experiment, spec, n, func(r *runstone.RunData) bool { return r.Tags[tagBranch] == arg })
	case kind == "tag" && strings.Contains(arg, "="):
		key, value, _ := strings.Cut(arg, "=")
		return nthRun(ctx, db, experiment, spec, n, func(r *runstone.RunData) bool { v, has := r.Tags[key]; return has && v == value })
	case counted:
		return "", refuse(runstone.ErrInvalid, "%q: ~ follows latest, branch:NAME or tag:KEY=VALUE", spec)
	}
	return runOrCommit(ctx, db, experiment, spec)
}

// nthRun returns the run that is n before the newest of those that match.
func nthRun(ctx context.Context, db *runstone.DB, experiment, spec string, n int, match func(*runstone.RunData) bool) (string, error) {
	id, seen := "", 0
	err := Runs(ctx, db, experiment, func(r *runstone.RunData) bool {
		if match(r) {
			if seen == n {
				id = r.ID
				return false
			}
			seen++
		}
		return true
	})
	if err != nil || id != "" {
		return id, err
	}
	what := "is no benchmark run"
	switch {
	case seen == 1:
		what = "is only one benchmark run"
	case seen > 1:
		what = fmt.Sprintf("are only %d benchmark runs", seen)
	}
	return "", refuse(runstone.ErrNotFound, "there %s for %q in experiment %s", what, spec, experiment)
}

// runBefore returns the run before a run in the list of its experiment.
func runBefore(ctx context.Context, db *runstone.DB, experiment, id string) (string, error) {
	before, found := "", false
	err := Runs(ctx, db, experiment, func(r *runstone.RunData) bool {
		if found {
			before = r.ID
			return false
		}
		found = r.ID == id
		return true
	})
	if err == nil && before == "" {
		err = refuse(runstone.ErrNotFound, "there is no benchmark run before %q in experiment %s", id, experiment)
	}
	return before, err
}

// runOrCommit returns the run whose id begins with a text, or the newest run of
// the commit that does.
func runOrCommit(ctx context.Context, db *runstone.DB, experiment, text string) (string, error) {
	run, first, commit := "", "", "" // first is the newest run of the commit
	several := false
	err := Runs(ctx, db, experiment, func(r *runstone.RunData) bool {
		c := r.Tags[tagCommit]
		switch {
		case r.ID == text:
			run, several = text, false
			return false
		case len(text) >= MinRun && strings.HasPrefix(r.ID, text):
			several = several || run != ""
			run = r.ID
		case len(text) < MinCommit || !strings.HasPrefix(c, text):
		case first == "":
			first, commit = r.ID, c
		case c != commit:
			several = several || run == ""
		}
		return true
	})
	switch {
	case err != nil:
		return "", err
	case several:
		return "", refuse(runstone.ErrConflict, "several runs or commits begin with %q", text)
	case run != "":
		return run, nil
	case first != "":
		return first, nil
	}
	return "", refuse(runstone.ErrNotFound, "no run or commit of a benchmark run is named %q in experiment %s", text, experiment)
}

func refuse(kind error, format string, args ...any) error {
	return &runstone.Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}
