package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
)

const verifyLong = `Read everything in the database and report each piece of damage: every row,
every run with all that belongs to it, every metric block; with --artifacts also
every file against its recorded digest.

It reads a private copy in a process of its own, so it works beside a server,
changes nothing, and reports damage that would end a process. The exit code is 6
when there is damage. Inbox files whose changes the holder has not taken over
yet are no damage; they are named at the end.`

func (a *app) verifyCommand() *cobra.Command {
	var artifacts, child bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Look for damage in the whole database", Long: verifyLong, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if child {
				return a.verifyHere(cmd.Context(), artifacts)
			}
			return a.verify(cmd.Context(), artifacts)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&artifacts, "artifacts", false, "also read every artifact and compare its digest")
	f.BoolVar(&child, "in-process", false, "print records for the process that started this one")
	must(f.MarkHidden("in-process"))
	return cmd
}

// verifyRecord is a line that the child prints: one of its fields.
type verifyRecord struct {
	Problem *problemView `json:"problem,omitempty"`
	Report  *reportView  `json:"report,omitempty"`
}

type reportView struct {
	Experiments int64 `json:"experiments"`
	Runs        int64 `json:"runs"`
	Rows        int64 `json:"rows"`
	Blocks      int64 `json:"blocks"`
	Points      int64 `json:"points"`
	Artifacts   int64 `json:"artifacts"`
	Waiting     int   `json:"waiting_inboxes"`
}

type problemView struct {
	Where string `json:"where"`
	Error string `json:"error"`
}

// verifyHere is the child.
func (a *app) verifyHere(ctx context.Context, artifacts bool) error {
	send := func(r verifyRecord) error {
		b, err := marshal(r)
		if err == nil {
			_, err = a.stdout.Write(b)
		}
		if err == nil {
			err = a.stdout.Flush()
		}
		return err
	}
	var sent error
	err := a.read(ctx, func(ctx context.Context, db *runstone.DB) error {
		report, err := db.Verify(ctx, &runstone.VerifyOptions{Artifacts: artifacts}, func(p runstone.Problem) {
			if err := send(verifyRecord{Problem: &problemView{p.Where, oneLine(p.Err.Error())}}); err != nil {
				sent = err
			}
		})
		if err == nil {
			err = send(verifyRecord{Report: &reportView{
				Experiments: report.Experiments, Runs: report.Runs, Rows: report.Rows, Blocks: report.Blocks,
				Points: report.Points, Artifacts: report.Artifacts, Waiting: report.Waiting,
			}})
		}
		return err
	})
	if err == nil {
		err = sent
	}
	return err
}

type verifyView struct {
	Sound    bool          `json:"sound"`
	Problems []problemView `json:"problems"`
	Report   *reportView   `json:"report"` // none when it did not come to an end
}

func (a *app) verify(ctx context.Context, artifacts bool) error {
	dir, err := a.find()
	if err != nil {
		return err
	}
	if a.watched() {
		fmt.Fprintf(a.err, "reading %s ...", dir)
	}
	v, err := a.verifyChild(ctx, dir, artifacts)
	if a.watched() {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if err := a.printVerify(v, artifacts); err != nil {
		return err
	}
	if !v.Sound {
		return &fault{code: exitCorrupt, msg: fmt.Sprintf("found %s in %s", plural(int64(len(v.Problems)), "problem"), dir),
			hint: "nothing was changed; keep a copy of the directory before anything else", cause: runstone.ErrCorrupt}
	}
	return nil
}

// verifyChild runs the child and turns its death into a problem.
func (a *app) verifyChild(ctx context.Context, dir string, artifacts bool) (*verifyView, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"verify", "--in-process", "--json", "--data-dir", dir}
	if artifacts {
		args = append(args, "--artifacts")
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Args[0] = os.Args[0]
	said := &head{}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	v := &verifyView{Problems: []problemView{}}
	rerr := v.collect(out)
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case rerr != nil:
		return nil, rerr
	case v.Report == nil && err == nil:
		return nil, fmt.Errorf("the verifying process ended without a report")
	case v.Report == nil:
		f, died := said.fault(cmd.ProcessState.ExitCode())
		if !died && f.code != exitCorrupt {
			return nil, f
		}
		v.Problems = append(v.Problems, problemView{"database", oneLine(f.msg)})
	}
	v.Sound = len(v.Problems) == 0
	return v, nil
}

func (v *verifyView) collect(out io.Reader) error {
	d := json.NewDecoder(bufio.NewReader(out))
	for {
		var r verifyRecord
		switch err := d.Decode(&r); {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil // how the process ended says the rest
		case err != nil:
			_, cerr := io.Copy(io.Discard, out)
			if cerr != nil {
				return cerr
			}
			return fmt.Errorf("what the verifying process said: %w", err)
		case r.Problem != nil:
			v.Problems = append(v.Problems, *r.Problem)
		case r.Report != nil:
			v.Report = r.Report
		}
	}
}

// head keeps the beginning of what a process said, where a panic names itself.
type head struct{ bytes.Buffer }

const maxHead = 256 << 10

// Write implements [io.Writer].
func (t *head) Write(p []byte) (int, error) {
	if room := maxHead - t.Len(); room > 0 {
		t.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// fault is what the process ended with; died reports that it did not get to
// say so itself.
func (t *head) fault(code int) (f *fault, died bool) {
	for line := range strings.Lines(t.String()) {
		var e struct {
			Error struct {
				Message, Next string
				Exit          int
			}
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Error.Exit == code && code > 0 {
			return &fault{code: code, msg: e.Error.Message, hint: e.Error.Next}, false
		}
	}
	msg := fmt.Sprintf("reading it ended the process (%d)", code)
	for line := range strings.Lines(t.String()) {
		for _, sign := range []string{"panic: ", "fatal error: ", "unexpected fault", "SIG"} {
			if strings.HasPrefix(line, sign) {
				return &fault{code: exitCorrupt, msg: "reading it ended the process: " + oneLine(line)}, true
			}
		}
	}
	return &fault{code: exitCorrupt, msg: msg}, true
}

func (a *app) printVerify(v *verifyView, artifacts bool) error {
	if a.json {
		return a.writeJSON(v)
	}
	for _, p := range v.Problems {
		fmt.Fprintf(a.stdout, "damaged  %s: %s\n", oneCell(p.Where), p.Error)
	}
	if v.Report == nil {
		return nil
	}
	r := v.Report
	counts := []string{plural(r.Experiments, "experiment"), plural(r.Runs, "run"), plural(r.Rows, "row"), plural(r.Blocks, "block"), plural(r.Points, "point")}
	if artifacts {
		counts = append(counts, plural(r.Artifacts, "artifact"))
	}
	result := "all sound"
	if !v.Sound {
		result = plural(int64(len(v.Problems)), "problem")
	}
	_, err := fmt.Fprintf(a.stdout, "read %s: %s\n", strings.Join(counts, ", "), result)
	switch {
	case r.Waiting == 1:
		_, err = fmt.Fprintln(a.stdout, "1 inbox file, not all of it applied")
	case r.Waiting > 1:
		_, err = fmt.Fprintf(a.stdout, "%s inbox files, not all of them applied\n", grouped(int64(r.Waiting)))
	}
	return err
}
