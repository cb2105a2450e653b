package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// crash is what opening after SIGKILL took and found.
type crash struct {
	Journal int64 // bytes of it when the process was killed
	Points  int   // acknowledged by then
	Found   int   // of them after opening
	Open    []time.Duration
}

// fullLog is a journal that is about to start a checkpoint, which it does at
// 32 MiB.
const fullLog = 31 << 20

func crashContenders(spec) []contender {
	return []contender{
		{"runstone", "Appended, killed with 31 MiB of journal and no checkpoint; opened in a new process, three times over", killAndOpen},
	}
}

// crashSteps are run by the contender of the table, each in its process.
func crashSteps() []contender {
	return []contender{{name: "kill", measure: logUntilFull}, {name: "open", measure: openAgain}}
}

// killAndOpen lets one process log until it kills itself, and times another
// that opens the database.
func killAndOpen(ctx context.Context, dir string, s spec) (*outcome, error) {
	var all crash
	for i := range 3 {
		sub := fmt.Sprintf("%s/%d", dir, i)
		if err := os.Mkdir(sub, 0o755); err != nil {
			return nil, err
		}
		var killed, opened outcome
		args := []string{"-dir", sub, "-points", fmt.Sprint(s.points)}
		if err := startSelf(ctx, &killed, append(args, "-child", "crash/kill")...); err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
		if err := startSelf(ctx, &opened, append(args, "-child", "crash/open")...); err != nil {
			return nil, fmt.Errorf("open: %w", err)
		}
		all.Journal, all.Points, all.Found = killed.Crash.Journal, killed.Crash.Points, opened.Crash.Found
		all.Open = append(all.Open, opened.Crash.Open...)
		if all.Found != all.Points {
			return nil, fmt.Errorf("%d points acknowledged, %d found", all.Points, all.Found)
		}
	}
	slices.Sort(all.Open)
	return &outcome{Crash: &all}, nil
}

// logUntilFull says what it has logged and kills its own process.
func logUntilFull(ctx context.Context, dir string, _ spec) (*outcome, error) {
	e, err := load.Open(runstone.Appended)(inside(dir))
	if err != nil {
		return nil, err
	}
	w := load.Full.Workload()
	runs, sources := make([]load.Run, w.Runs), make([]load.Source, w.Runs)
	for i := range runs {
		if runs[i], err = e.StartRun(ctx, fmt.Sprintf("run-%d", i)); err != nil {
			return nil, err
		}
		sources[i] = w.Source(i)
	}
	var k crash
	for k.Journal < fullLog {
		for i, run := range runs {
			c, ok := sources[i].Next()
			if !ok {
				return nil, errors.New("the workload ended before the journal was full")
			}
			if err := run.Append(ctx, c); err != nil {
				return nil, err
			}
			k.Points += len(c.Names) * len(c.Steps)
		}
		size, err := journalSize(inside(dir))
		if err != nil {
			return nil, err
		}
		if size < k.Journal {
			return nil, errors.New("a checkpoint came before the journal was full")
		}
		k.Journal = size
	}
	if err := json.NewEncoder(os.Stdout).Encode(outcome{Crash: &k}); err != nil {
		return nil, err
	}
	if err := killSelf(); err != nil {
		return nil, err
	}
	select {} // until the signal has come
}

func killSelf() error {
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return p.Kill()
}

// openAgain opens the database once, and counts the points.
func openAgain(ctx context.Context, dir string, _ spec) (*outcome, error) {
	began := time.Now()
	db, err := runstone.Open(inside(dir), &runstone.Options{Exclusive: true, NoSystemInfo: true})
	took := time.Since(began)
	if err != nil {
		return nil, err
	}
	found := 0
	for r, err := range db.Search(ctx, "", nil) {
		if err != nil {
			return nil, err
		}
		metrics, err := db.Metrics(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		for _, m := range metrics {
			found += int(m.Count)
		}
	}
	return &outcome{Crash: &crash{Found: found, Open: []time.Duration{took}}}, db.Close()
}
