// Command peers puts Runstone, SQLite with MLflow's schema, and the limits of
// the machine under one workload (package load) in one invocation, each in a
// process of its own, and prints what each needed and the ratios.
//
//	go run . -points 10000000 -out ../results/DATE-CPU-10M.txt
//
// Only figures of one invocation may be compared: machines, and days on one
// machine, differ by more than engines do.
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

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// contender is one line of the table.
type contender struct {
	name    string
	about   string
	measure func(ctx context.Context, dir string, shape load.Shape) (*load.Result, error)
}

func engine(open load.OpenFunc) func(context.Context, string, load.Shape) (*load.Result, error) {
	return func(ctx context.Context, dir string, shape load.Shape) (*load.Result, error) {
		return load.Measure(ctx, open, filepath.Join(dir, "db"), shape)
	}
}

var contenders = []contender{
	{"runstone", "Appended: a batch survives the process", engine(load.Open(runstone.Appended))},
	{"runstone-synced", "Synced: a batch survives power loss", engine(load.Open(runstone.Synced))},
	{"sqlite-delete", "MLflow's schema and default, DELETE + FULL: a batch survives power loss", engine(openSQLite("DELETE", "FULL"))},
	{"sqlite-wal", "MLflow's schema, WAL + NORMAL: a batch survives the process", engine(openSQLite("WAL", "NORMAL"))},
	{"limit-workload", "making the points and nothing else", workloadAlone},
	{"limit-append", "raw columns appended to a file, one write a batch", rawFile(false)},
	{"limit-fdatasync", "the same with fdatasync after each batch", rawFile(true)},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	points := flag.Int("points", load.Full.Points(), "points to log")
	only := flag.String("only", "", "names of contenders, with commas between; all of them when empty")
	out := flag.String("out", "", "also write the output to this file")
	dir := flag.String("dir", "", "where databases are made, and removed again; a temporary directory when empty")
	child := flag.String("child", "", "measure this contender in -dir and print JSON (used by the command itself)")
	flag.Parse()
	if flag.NArg() > 0 || *points < 1 {
		flag.Usage()
		return errors.New("-points is at least 1, and there are no arguments")
	}
	shape := load.Sized(*points)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *child != "" {
		return measureHere(*child, *dir, shape)
	}
	chosen, err := choose(*only)
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
	r := report{w: w}
	r.head(shape, chosen)
	var lines []line
	for _, c := range chosen {
		before := loadAverage()
		res, err := inChild(ctx, c.name, *dir, shape)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		l := line{c.name, res, before}
		lines = append(lines, l)
		r.row(l)
	}
	r.ratios(lines)
	return r.err
}

func choose(only string) ([]contender, error) {
	if only == "" {
		return contenders, nil
	}
	var chosen []contender
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no contender is named %q", name)
		}
		chosen = append(chosen, contenders[i])
	}
	return chosen, nil
}

func measureHere(name, dir string, shape load.Shape) error {
	chosen, err := choose(name)
	if err != nil {
		return err
	}
	// Not a context that can be cancelled: the SQLite driver would start a
	// goroutine for every statement. The parent kills this process instead.
	r, err := chosen[0].measure(context.Background(), dir, shape)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// inChild measures a contender in a new process and a new directory.
func inChild(ctx context.Context, name, dir string, shape load.Shape) (r *load.Result, err error) {
	dir, err = os.MkdirTemp(dir, "peers-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-child", name, "-dir", dir, "-points", fmt.Sprint(shape.Points()))
	cmd.Stdout, cmd.Stderr = &stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	r = new(load.Result)
	return r, json.Unmarshal(stdout.Bytes(), r)
}
