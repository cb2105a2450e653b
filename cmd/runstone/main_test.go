package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"runstone": main,
		"seed":     func() { program(seed) },
		"hold":     func() { program(hold) },
	})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitCodeCmd, "freeport": freePortCmd, "waitfile": waitFileCmd, "waitrun": waitRunCmd, "get": getCmd, "damage": damageCmd,
		},
		RequireUniqueNames: true,
	})
}

func program(fn func([]string) error) {
	if err := fn(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Runs of a seeded database. Two ids begin alike.
const (
	runA = "aaaa1111000000000000000000000001"
	runB = "aaaa2222000000000000000000000002"
	runC = "bbbb0000000000000000000000000003"
)

// seed makes a database: experiments diag and Default; runs A and B of diag, C
// of Default; a model with two versions.
func seed(args []string) error {
	ctx := context.Background()
	return with(ctx, args[0], nil, func(ctx context.Context, db *runstone.DB) error {
		for i, id := range []string{runA, runB, runC} {
			exp := "diag"
			if id == runC {
				exp = "Default"
			}
			start := int64(1767225600000 + i*1000)
			if _, err := db.CreateRun(ctx, runstone.NewRun{ID: id, Experiment: exp, Name: fmt.Sprintf("run-%d", i), User: "ada", Start: start}); err != nil {
				return err
			}
			b := runstone.Batch{Params: []runstone.KV{{Key: "lr", Value: fmt.Sprintf("0.0%d", i+1)}}, Tags: []runstone.KV{{Key: "note", Value: "seeded"}}}
			for step := range int64(5) {
				b.Metrics = append(b.Metrics,
					runstone.Metric{Name: "loss", Step: step, Time: start + step, Value: 1 / float64(step+1)},
					runstone.Metric{Name: "acc", Step: step, Time: start + step, Value: float64(step) / 10})
			}
			if err := db.LogBatch(ctx, id, b); err != nil {
				return err
			}
			if _, err := db.UpdateRun(ctx, id, runstone.RunUpdate{Status: runstone.Finished, End: start + 65_000}); err != nil {
				return err
			}
		}
		return db.Update(ctx, func(tx *store.Tx) error {
			if _, err := lineage.CreateModel(tx, lineage.Author{At: 1767225600000}, "triage", "first look", nil); err != nil {
				return err
			}
			for range 2 {
				if _, err := lineage.CreateVersion(tx, lineage.Author{At: 1767225600000}, "triage", lineage.NewVersion{Source: "runs:/" + runA + "/model", RunID: runA}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// hold holds a database until it is killed: args are its directory and a file
// that it makes once it holds it.
func hold(args []string) error {
	db, err := runstone.Open(args[0], &runstone.Options{Exclusive: true})
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[1], nil, 0o600); err != nil {
		return err
	}
	time.Sleep(time.Minute)
	return db.Close()
}

// exitCodeCmd runs a program and compares its exit code: exitcode 3 runstone …
func exitCodeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e, ok := err.(interface{ ExitCode() int }); ok {
		code = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func freePortCmd(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// patience bounds how long a script waits for another process.
const patience = 30 * time.Second

func eventually(ts *testscript.TestScript, what string, fn func() error) {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = fn(); err == nil {
			return
		}
	}
	ts.Fatalf("%s: %v", what, err)
}

func waitFileCmd(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, "wait for "+args[0], func() error {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err
	})
}

// waitRunCmd waits until a database shows a run that a filter finds.
func waitRunCmd(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, "wait for a run", func() error {
		return with(context.Background(), ts.MkAbs(args[0]), &runstone.Options{ReadOnly: true}, func(ctx context.Context, db *runstone.DB) error {
			for _, err := range db.Search(ctx, args[1], nil) {
				return err
			}
			return fmt.Errorf("no run matches %s", args[1])
		})
	})
}

// getCmd fetches a URL into a file once the server answers.
func getCmd(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, "get "+args[0], func() error {
		resp, err := http.Get(args[0])
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		return os.WriteFile(ts.MkAbs(args[1]), fmt.Appendf(nil, "%d\n%s\n", resp.StatusCode, body), 0o600)
	})
}

// damageCmd flips a byte in the middle of each file that a pattern matches.
func damageCmd(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("nothing matches %s", args[0])
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		ts.Check(err)
		if len(b) == 0 || strings.HasSuffix(name, ".mem") {
			continue
		}
		b[len(b)/2] ^= 0xff
		ts.Check(os.WriteFile(name, b, 0o600))
	}
}
