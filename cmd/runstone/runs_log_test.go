package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
)

func newApp(in io.Reader) (a *app, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return &app{in: in, out: out, err: err, env: func(string) (string, bool) { return "", false }}, out, err
}

// oneRun returns the only run of a database.
func oneRun(t *testing.T, dir string) *runstone.RunData {
	t.Helper()
	runs, err := runsOf(dir)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	return runs[0]
}

func runsOf(dir string) (runs []*runstone.RunData, err error) {
	err = with(context.Background(), dir, &runstone.Options{ReadOnly: true}, func(ctx context.Context, db *runstone.DB) error {
		for r, err := range db.Search(ctx, "", nil) {
			if err != nil {
				return err
			}
			runs = append(runs, r)
		}
		return nil
	})
	return runs, err
}

// TestLogStreams logs from a pipe that stays open: what came in is there while
// the pipe is open, and an interrupt ends the run as KILLED and loses nothing.
func TestLogStreams(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	in, pipe := io.Pipe()
	defer pipe.Close()
	ctx, interrupt := context.WithCancel(context.Background())
	a, out, errs := newApp(in)
	code := make(chan int, 1)
	go func() { code <- a.main(ctx, []string{"runs", "log", "--data-dir", dir}) }()
	for i := range 3 {
		_, err := fmt.Fprintf(pipe, "{\"step\":%d,\"loss\":%d}\n", i, 10-i)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		runs, err := runsOf(dir) // the first line makes the database
		if err != nil || len(runs) != 1 {
			return false
		}
		v, ok := runs[0].Metric("loss")
		return ok && v == 8 && runs[0].Status == runstone.Running
	}, patience, 20*time.Millisecond)
	interrupt()
	require.Equal(t, exitInterrupted, <-code, errs)
	r := oneRun(t, dir)
	require.Equal(t, runstone.Killed, r.Status)
	require.Equal(t, int64(3), r.Metrics[0].Count)
	require.Equal(t, r.ID+"\n", out.String())
	require.Contains(t, errs.String(), "logged 3 points from 3 lines to run "+shortID(r.ID)+", now KILLED\nrunstone: interrupted\n")
}

// TestLogNothing interrupts a log before its first line: there is no run.
func TestLogNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	in, pipe := io.Pipe()
	defer pipe.Close()
	ctx, interrupt := context.WithCancel(context.Background())
	a, out, errs := newApp(in)
	code := make(chan int, 1)
	go func() { code <- a.main(ctx, []string{"runs", "log", "--data-dir", dir}) }()
	_, err := io.WriteString(pipe, "step,loss\n")
	require.NoError(t, err)
	interrupt()
	require.Equal(t, exitInterrupted, <-code, errs)
	require.Empty(t, out.String())
	require.NoDirExists(t, dir)
}

// TestLogManySets logs more combinations of metrics than are held at once, and
// more rows than a batch has.
func TestLogManySets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	var in bytes.Buffer
	const rows = 3 * batchRows
	for i := range rows {
		fmt.Fprintf(&in, "{\"step\":%d,\"loss\":0.5,\"m%d\":%d}\n", i, i%(batchSets+7), i)
	}
	a, _, errs := newApp(&in)
	require.Equal(t, exitOK, a.main(context.Background(), []string{"runs", "log", "-d", dir, "--quiet"}), errs)
	require.Empty(t, errs.String())
	r := oneRun(t, dir)
	require.Equal(t, runstone.Finished, r.Status)
	require.Len(t, r.Metrics, batchSets+8)
	total := int64(0)
	for _, m := range r.Metrics {
		total += m.Count
	}
	require.Equal(t, int64(2*rows), total)
	v, ok := r.Metric(fmt.Sprintf("m%d", (rows-1)%(batchSets+7)))
	require.True(t, ok)
	require.Equal(t, float64(rows-1), v)
}
