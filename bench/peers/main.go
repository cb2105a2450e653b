// Command peers puts Runstone, other databases, and the limits of the machine
// under the workloads of package load in one invocation, each in a process of
// its own, and prints what each needed and the ratios.
//
//	go run . -points 10000000 -out ../results/DATE-CPU-10M.txt
//
// The tables are
//
//	points   the whole workload in: ingest, size, memory, reading
//	series   up to a million points in one series: reading and downsampling
//	writers  64 goroutines that each wait for one durable point after the other
//	scale    Runstone alone, by points and by series
//	crash    opening after SIGKILL with a full log
//
// and, with runs instead of points, Runstone and SQLite in one process,
//
//	search        questions to the same runs
//	searchnames   the same with very many names of metrics
//	searchscale   by runs, by columns that a question names, by runs that pass
//	searchever    Runstone alone: questions to whole curves
//	searchingest  Runstone alone: searches beside a writer
//
// and, where -runstone, -mlflow, -fml or -server name programs,
//
//	servers  servers that speak MLflow's REST API under one driver
//
// The runs of the first three are loaded once for all tables of an invocation.
// searchscale is also drawn, into a file beside that of -out.
//
// Only figures of one invocation may be compared: machines, and days on one
// machine, differ by more than engines do. A contender that fails says so in
// its row, and the rest goes on.
//
// It is a module of its own, so that nobody who uses Runstone gets its peers.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/runstonedb/runstone/bench/load"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// spec is what the contenders of a table are measured with.
type spec struct {
	points     int
	runs       int           // to search
	writing    time.Duration // of the writers
	batchBytes int           // what Runstone's journal takes for a batch of the table
	shared     string        // where tables keep runs for each other; "" keeps none
	programs   *programs     // servers
}

// outcome is what a child says, as JSON: one of its fields.
type outcome struct {
	Load    *load.Result        `json:",omitempty"`
	Writers *load.WritersResult `json:",omitempty"`
	Crash   *crash              `json:",omitempty"`
	Search  *searched           `json:",omitempty"`
	Ever    *curvesAsked        `json:",omitempty"`
	Beside  *beside             `json:",omitempty"`
	Served  *served             `json:",omitempty"`
}

func run(args []string) (err error) {
	// Flags of its own: VictoriaMetrics puts its many into the package's.
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	s := spec{programs: new(programs)}
	s.programs.flags(flags)
	flags.IntVar(&s.points, "points", load.Full.Points(), "points to log")
	flags.IntVar(&s.runs, "runs", 1_000_000, "runs to search, and a tenth of it")
	flags.DurationVar(&s.writing, "writing", 3*time.Second, "how long the writers write, searches go on beside one, and a question is repeated at most")
	flags.IntVar(&s.batchBytes, "batch-bytes", 0, "what a limit writes for each batch (used by the command itself)")
	names := flags.String("tables", allTables(), "tables to make, with commas between")
	only := flags.String("only", "", "names of contenders, with commas between; all of them when empty")
	out := flags.String("out", "", "also write the output to this file")
	dir := flags.String("dir", "", "where databases are made, and removed again; a temporary directory when empty")
	repeat := flags.Int("repeat", 1, "measure each contender so often and show the best of each figure; once if it takes longer than a minute")
	flags.StringVar(&s.shared, "shared", "", "keep the runs to search in this folder, and take them from it when they are there")
	limit := flags.Duration("timeout", time.Hour, "end a contender that takes longer")
	child := flags.String("child", "", "measure this TABLE/CONTENDER in -dir and print JSON (used by the command itself)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || s.points < 1 || s.runs < 1 || *repeat < 1 {
		return errors.New("-points, -runs and -repeat are at least 1, and there are no arguments")
	}
	if err := s.programs.absolute(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *child != "" {
		return measureHere(*child, *dir, s)
	}
	chosen, err := chooseTables(*names)
	if err != nil {
		return err
	}
	var w io.Writer = os.Stdout
	if *out != "" {
		f, err := os.Create(*out)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		w = io.MultiWriter(os.Stdout, f)
	}
	if s.shared == "" {
		if s.shared, err = os.MkdirTemp(*dir, "peers-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(s.shared)) }()
	}
	r := report{w: w}
	r.machine()
	if *repeat > 1 {
		r.printf("repeat   %d: the best of each figure; once where it took longer than a minute\n", *repeat)
	}
	for _, t := range chosen {
		contenders, err := choose(t.contenders(s), *only, s)
		if err != nil {
			return err
		}
		if len(contenders) == 0 {
			continue
		}
		if s.batchBytes, err = t.batchBytes(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		r.head(t, s, contenders)
		lines, err := rounds(ctx, &r, t, contenders, s, *dir, *limit, *repeat)
		if err != nil {
			return err
		}
		if t.ratios != nil {
			t.ratios(&r, lines)
		}
		if t.plot != nil && *out != "" {
			if err := writePlot(*out, t, lines); err != nil {
				return err
			}
		}
	}
	return r.err
}

// allTables are the names of the tables.
func allTables() string {
	var names []string
	for _, t := range tables {
		names = append(names, t.name)
	}
	return strings.Join(names, ",")
}

func chooseTables(names string) (chosen []table, err error) {
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(tables, func(t table) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no table is named %q", name)
		}
		chosen = append(chosen, tables[i])
	}
	return chosen, nil
}

// choose returns the contenders with these names in their order, all when there
// are no names. A name may be missing from a table, but not from all tables.
func choose(all []contender, only string, s spec) (chosen []contender, err error) {
	if only == "" {
		return all, nil
	}
	names := strings.Split(only, ",")
	for _, name := range names {
		is := func(c contender) bool { return c.name == name }
		if !slices.ContainsFunc(all, is) && !slices.ContainsFunc(tables, func(t table) bool { return slices.ContainsFunc(t.contenders(s), is) }) {
			return nil, fmt.Errorf("no contender is named %q", name)
		}
	}
	for _, c := range all {
		if slices.Contains(names, c.name) {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

func measureHere(path, dir string, s spec) error {
	table, name, _ := strings.Cut(path, "/")
	chosen, err := chooseTables(table)
	if err != nil {
		return err
	}
	all := slices.Concat(chosen[0].contenders(s), crashSteps())
	i := slices.IndexFunc(all, func(c contender) bool { return c.name == name })
	if i < 0 {
		return fmt.Errorf("no contender is named %q", path)
	}
	// Not a context that can be cancelled: the SQLite driver would start a
	// goroutine for every statement. The parent kills this process instead.
	o, err := all[i].measure(context.Background(), dir, s)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(o)
}

// rounds measures the contenders of a table in turn, several times over, and
// prints their rows after the last round.
func rounds(ctx context.Context, r *report, t table, contenders []contender, s spec, dir string, limit time.Duration, repeat int) ([]line, error) {
	lines, slow := make([]line, len(contenders)), make([]bool, len(contenders))
	for round := range repeat {
		for i, c := range contenders {
			l := &lines[i]
			if round == 0 {
				*l = line{name: c.name, load: loadAverage()}
			}
			if l.err == nil && !slow[i] {
				began := time.Now()
				var o *outcome
				if o, l.err = inChild(ctx, t.name+"/"+c.name, dir, s, limit); l.err == nil {
					l.outcome = o.best(l.outcome)
				} else {
					l.outcome = nil
				}
				slow[i] = time.Since(began) > time.Minute
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if round == repeat-1 {
				t.row(r, *l)
			}
		}
	}
	return lines, nil
}

// inChild measures a contender in a new process and a new directory.
func inChild(ctx context.Context, path, dir string, s spec, limit time.Duration) (o *outcome, err error) {
	dir, err = os.MkdirTemp(dir, "peers-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer cancel()
	o = new(outcome)
	if err := startSelf(ctx, o, append(s.programs.args(), "-child", path, "-dir", dir, "-points", fmt.Sprint(s.points),
		"-runs", fmt.Sprint(s.runs), "-shared", s.shared, "-writing", s.writing.String(), "-batch-bytes", fmt.Sprint(s.batchBytes))...); err != nil {
		return nil, err
	}
	return o, nil
}

// startSelf runs this program and reads the JSON that it prints into v. The
// error of a process that fails is the end of what it said.
func startSelf(ctx context.Context, v any, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A child that has servers running ends them.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * stopLimit
	err = cmd.Run()
	if uerr := json.Unmarshal(stdout.Bytes(), v); uerr == nil {
		return nil
	} else if err == nil {
		return uerr
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	said := strings.TrimSpace(stderr.String())
	for _, l := range strings.Split(said, "\n") { // a panic's first line says more than its last
		if strings.HasPrefix(l, "panic: ") || strings.HasPrefix(l, "fatal error: ") {
			said = l
			break
		}
	}
	if i := strings.LastIndexByte(said, '\n'); i >= 0 {
		said = said[i+1:]
	}
	return fmt.Errorf("%w: %s", err, said)
}

// inside is the folder for the database of a contender.
func inside(dir string) string { return filepath.Join(dir, "db") }
