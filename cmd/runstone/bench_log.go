package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const benchLogLong = `Log what go test -bench prints, also with -json, from standard input or files.
Each is one run of the experiment "benchmarks": the text as the file bench.txt,
file keys as params, commit and machine as tags, and each benchmark and unit as
a metric with one point for each of -count.

From standard input the commit, the branch, the machine, the time and the Go
version are those of here and now, as git and go in the working directory tell
them. Files say that themselves in their first lines, as --save writes them;
what they do not say stays unknown, or is told by --commit, --time and so on.

A text is logged once: the id of the run follows from it. Logging a folder of
saved texts again, or in another clone, adds only what is not there yet.

The ids of the runs go to stdout. Lines that cannot be read are left out and
reported. When standard input has a failure of go test, what it has of results
is logged, the run is FAILED and the exit code is 1.`

type benchLogFlags struct {
	experiment, name, save string
	commit, branch, time   string
	goVersion, host        string
	tags                   []string
	echo, here             bool
}

func (a *app) benchLog() *cobra.Command {
	var fl benchLogFlags
	cmd := &cobra.Command{
		Use: "log [FILE...]", Short: "Log the output of go test -bench", Long: benchLogLong, Args: cobra.ArbitraryArgs,
		Example: `  go test -bench . -count 10 ./... | runstone bench log
  go test -bench . -count 10 | runstone bench log --echo --save bench/history
  runstone bench log bench/history/*.txt
  runstone bench log old.txt --commit v1.2.0 --time 2026-03-01T10:00:00Z`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.benchLogAll(cmd.Context(), args, &fl)
		},
	}
	f := cmd.Flags()
	a.experimentFlag(cmd, &fl.experiment)
	f.StringVar(&fl.name, "name", "", "name of the run (default: its commit)")
	f.StringArrayVar(&fl.tags, "tag", nil, "set a tag, as key=value; may be repeated")
	f.StringVar(&fl.save, "save", "", "also write the text with its origin to a file of this folder")
	f.BoolVar(&fl.echo, "echo", false, "print standard input on stderr as it comes")
	f.BoolVar(&fl.here, "here", false, "take commit and machine from here for files too")
	f.StringVar(&fl.commit, "commit", "", "commit that the results are of")
	f.StringVar(&fl.branch, "branch", "", "branch that the results are of")
	f.StringVar(&fl.time, "time", "", "when the benchmarks ran, in RFC 3339")
	f.StringVar(&fl.goVersion, "go", "", "Go version, such as go1.26.0")
	f.StringVar(&fl.host, "host", "", "name of the machine")
	return cmd
}

// benchText is a text to be logged.
type benchText struct {
	*bench.Results
	name string
	live bool // from standard input
}

func (a *app) benchLogAll(ctx context.Context, files []string, fl *benchLogFlags) error {
	tags, err := parsePairs("tag", fl.tags)
	if err != nil {
		return err
	}
	if len(files) > 1 && (fl.commit != "" || fl.time != "" || fl.name != "") {
		return usagef("--commit, --time and --name are for one file")
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	// All are read before there is a database: a mistake changes nothing.
	var texts []benchText
	for _, name := range files {
		t, err := a.readBench(ctx, name, fl)
		if err != nil {
			return err
		}
		texts = append(texts, t)
	}
	opt := bench.LogOptions{Experiment: fl.experiment, Name: fl.name, Tags: tags}
	return a.create(ctx, func(ctx context.Context, db *runstone.DB) error {
		list := jsonList{a: a}
		var failed error
		for _, t := range texts {
			id, err := bench.Log(ctx, db, t.Results, &opt)
			known := errors.Is(err, runstone.ErrExists)
			if err != nil && !known {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			if known {
				a.note("%s is run %s already", t.name, shortID(id))
			}
			if err := a.savedBench(&t, id, fl.save); err != nil {
				return err
			}
			if t.live && len(t.Failures) > 0 {
				failed = &fault{code: exitError, msg: "go test failed: " + t.Failures[0].Msg, hint: "run " + shortID(id) + " has the results there are"}
			}
			if err := a.loggedBench(&list, &t, id, known); err != nil {
				return err
			}
		}
		if a.json {
			if err := list.end(); err != nil {
				return err
			}
		}
		return failed
	})
}

func (a *app) loggedBench(list *jsonList, t *benchText, id string, known bool) error {
	values := 0
	for _, s := range t.Series {
		values += len(s.Values)
	}
	if a.json {
		return list.add(map[string]any{"run_id": id, "source": t.name, "existed": known, "series": len(t.Series), "values": values,
			"problems": len(t.Problems), "failures": len(t.Failures)})
	}
	if !known {
		a.note("logged %s of %d series to run %s", plural(int64(values), "value"), len(t.Series), shortID(id))
	}
	_, err := fmt.Fprintln(a.stdout, id)
	return err
}

// readBench parses a text and completes its origin.
func (a *app) readBench(ctx context.Context, name string, fl *benchLogFlags) (t benchText, err error) {
	said := bench.Origin{Branch: fl.branch, Go: fl.goVersion, Host: fl.host}
	if fl.time != "" {
		if said.Start, err = time.Parse(time.RFC3339, fl.time); err != nil {
			return t, usagef("--time takes RFC 3339, such as 2026-03-01T10:00:00Z, not %q", fl.time)
		}
		said.End = said.Start
	}
	var o bench.Origin
	if fl.here || name == "-" || fl.commit != "" {
		o = bench.Here(ctx, "", fl.commit)
	}
	if name != "-" && !fl.here { // of another time and machine
		o = bench.Origin{Commit: o.Commit, CommitTime: o.CommitTime}
	}
	in, done, err := a.benchInput(name, fl.echo)
	if err != nil {
		return t, err
	}
	defer done()
	t = benchText{name: name, live: name == "-"}
	if t.Results, err = bench.Parse(in); err != nil {
		return t, benchFault(fmt.Errorf("%s: %w", name, err))
	}
	a.benchNotes(name, t.Results)
	switch told := t.Origin; {
	case t.live && !told.Start.IsZero(): // a saved text through a pipe
		t.live = false
		if fl.commit == "" {
			o = bench.Origin{}
		}
	case t.live:
		o.End = time.Now().UTC()
	case told.Start.IsZero():
		if info, err := os.Stat(name); err == nil && o.Start.IsZero() {
			o.Start, o.End = info.ModTime(), info.ModTime()
		}
	}
	if !o.Zero() {
		t.SetOrigin(&o)
	}
	if !said.Zero() {
		t.SetOrigin(&said)
	}
	if t.Origin.Commit == "" {
		a.note("%s has no commit; --commit tells it", name)
	}
	return t, nil
}

func (a *app) benchInput(name string, echo bool) (in io.Reader, done func(), err error) {
	if name == "-" {
		if f, ok := a.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			a.note("reading from the terminal; Ctrl-D ends the input")
		}
		in = a.in
		if echo {
			in = io.TeeReader(in, a.err)
		}
		return in, func() {}, nil
	}
	f, err := openFile(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { _ = f.Close() }, nil
}

// savedBench writes a text to a folder, where "bench log" of all files finds
// it. A file that is there already has the same text.
func (a *app) savedBench(t *benchText, id, dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := t.Origin.Start.UTC().Format("20060102T150405Z")
	if t.Origin.Commit != "" {
		name += "-" + strings.Map(func(r rune) rune {
			if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '_'
		}, shortCommit(t.Origin.Commit))
	}
	name = filepath.Join(dir, name+"-"+id[:4]+".txt")
	if err := os.WriteFile(name, t.Text(), 0o644); err != nil {
		return err
	}
	a.note("saved %s", name)
	return nil
}
