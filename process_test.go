package runstone

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// Some tests need processes of their own: this binary again, with the name of
// a child in its environment and its arguments behind it.
const childEnv = "RUNSTONE_TEST_CHILD"

var children = map[string]func(args []string) error{
	"writer":   childWriter,
	"acker":    childAcker,
	"lister":   childLister,
	"checker":  childChecker,
	"filler":   childFiller,
	"importer": childImporter,
	"opener":   childOpener,
	"purger":   childPurger,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// small makes blocks and checkpoints so small that short tests have many.
func small() *Options {
	return &Options{NoSystemInfo: true, tune: func(o *store.Options) {
		o.BlockPoints, o.CheckpointBytes, o.HeadBytes = 128, 256<<10, 64<<10
	}}
}

// torture reports whether the long campaigns run, see the Makefile.
func torture() bool { return os.Getenv("RUNSTONE_TORTURE") != "" }

// digest returns a hash of everything that can be read of a database.
func digest(db *DB) (string, error) {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for e, err := range db.Experiments(ctx) {
		if err != nil {
			return "", err
		}
		e.Created, e.Updated = e.Created.UTC(), e.Updated.UTC()
		if err := enc.Encode(e); err != nil {
			return "", err
		}
	}
	for r, err := range db.Search(ctx, "", &SearchOptions{View: All}) {
		if err != nil {
			return "", err
		}
		metrics := r.Metrics
		r.Metrics = nil // may be NaN, which JSON has not; its points follow
		if err := enc.Encode(r); err != nil {
			return "", err
		}
		for _, m := range metrics {
			fmt.Fprintln(h, m.SeriesName, m.Count, math.Float64bits(m.Latest.Value))
			for c, err := range db.Points(ctx, r.ID, m.Metric) {
				if err != nil {
					return "", err
				}
				_ = binary.Write(h, binary.LittleEndian, c.Steps)
				_ = binary.Write(h, binary.LittleEndian, c.Times)
				_ = binary.Write(h, binary.LittleEndian, c.Values)
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// childWriter logs a run of n steps: DIR NAME N.
func childWriter(args []string) error {
	var n int64
	if _, err := fmt.Sscan(args[2], &n); err != nil {
		return err
	}
	db, err := Open(args[0], small())
	if err != nil {
		return err
	}
	err = db.Track(ctx, "sweep", &RunOptions{Name: args[1], Params: map[string]string{"who": args[1]}}, func(ctx context.Context, run *Run) error {
		for step := range n {
			if err := run.Log(ctx, step, Metrics{"loss": 1 / float64(step+1), "acc": float64(step)}); err != nil {
				return err
			}
			if step%100 == 0 {
				if err := run.Log(ctx, step, Metrics{"val/loss": -float64(step)}); err != nil {
					return err
				}
			}
		}
		return run.SetTag(ctx, "done", "yes")
	})
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return err
}

// childLister prints what it sees of a directory, again and again, until its
// input ends: DIR.
func childLister(args []string) error {
	stop := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		close(stop)
	}()
	for n := 0; ; n++ {
		db, err := Open(args[0], &Options{ReadOnly: true})
		if err != nil {
			return err
		}
		var line []string
		for r, err := range db.Search(ctx, "", nil) {
			if err != nil {
				return err
			}
			acc, _ := r.Metric("acc")
			line = append(line, fmt.Sprintf("%s=%v", r.Name, acc))
		}
		fmt.Println(strings.Join(line, " "))
		if err := db.Close(); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

func TestFourWritersNoServer(t *testing.T) {
	dir := t.TempDir()
	const writers, steps = 4, 25_000
	lister := child(t, "lister", dir)
	stdin, err := lister.StdinPipe()
	require.NoError(t, err)
	var seen strings.Builder
	lister.Stdout = &seen

	cmds := make([]*exec.Cmd, writers)
	for i := range cmds {
		cmds[i] = child(t, "writer", dir, fmt.Sprint("w", i), fmt.Sprint(steps))
		require.NoError(t, cmds[i].Start())
		if i == 0 { // the lister needs a database to list
			require.Eventually(t, func() bool {
				_, err := os.Stat(dir + "/RUNSTONE")
				return err == nil
			}, waitLong, waitStep)
			require.NoError(t, lister.Start())
		}
	}
	for _, cmd := range cmds {
		require.NoError(t, cmd.Wait())
	}
	require.NoError(t, stdin.Close())
	require.NoError(t, lister.Wait())
	require.NotEmpty(t, seen.String())

	check := func(db *DB) {
		t.Helper()
		require.ElementsMatch(t, []string{"w0", "w1", "w2", "w3"}, search(t, db, "tags.done = 'yes' AND attributes.status = 'FINISHED'", nil))
		require.Len(t, search(t, db, "", &SearchOptions{View: All}), writers)
		for r, err := range db.Search(ctx, "", nil) {
			require.NoError(t, err)
			require.Equal(t, r.Name, r.Params["who"])
			at := int64(0)
			for c, err := range db.Points(ctx, r.ID, "acc") {
				require.NoError(t, err)
				for i, step := range c.Steps {
					require.Equal(t, at, step, "each step once, in order")
					require.Equal(t, float64(at), c.Values[i])
					at++
				}
			}
			require.EqualValues(t, steps, at)
			v, ok := r.Metric("val/loss")
			require.True(t, ok)
			require.Equal(t, float64(-(steps - 100)), v)
		}
	}
	check(openDB(t, dir, &Options{ReadOnly: true}))
	db := openDB(t, dir, nil)
	check(db)
	require.NoError(t, db.Close())
	left, err := os.ReadDir(dir + "/inbox")
	require.NoError(t, err)
	require.Empty(t, left, "what is applied is cleared away")
	check(openDB(t, dir, nil))
}

func TestSharedDatabase(t *testing.T) {
	dir := t.TempDir()
	holder := openDB(t, dir, small())
	_, err := Open(dir, &Options{Exclusive: true})
	require.ErrorIs(t, err, ErrLocked)

	db := openDB(t, dir, small())
	require.True(t, db.Shared())
	run, err := db.StartRun(ctx, "notebook", &RunOptions{Name: "r"})
	require.NoError(t, err)
	require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 0.5}))
	require.NoError(t, run.Append(ctx, Columns{Names: []string{"b", "a"}, Steps: []int64{1, 2}, Values: [][]float64{{1, 2}, {3, 4}}}))
	require.NoError(t, run.LogParam(ctx, "lr", "1"))
	require.NoError(t, run.LogParam(ctx, "lr", "2"), "found out later")
	require.ErrorIs(t, db.Update(ctx, func(*store.Tx) error { return nil }), ErrLocked)
	got, err := db.Run(ctx, run.ID())
	require.NoError(t, err, "own changes can be read")
	require.Equal(t, "r", got.Name)
	require.Eventually(t, func() bool {
		got, err := holder.Run(ctx, run.ID())
		return err == nil && len(got.Metrics) == 3 && got.Params["lr"] == "1"
	}, waitLong, waitStep, "the holder sees a running inbox")
	require.NoError(t, run.End(ctx, Finished))
	require.NoError(t, db.Close())
	require.Eventually(t, func() bool {
		got, err := holder.Run(ctx, run.ID())
		return err == nil && got.Status == Finished
	}, waitLong, waitStep)
	var b []float64
	for c, err := range holder.Points(ctx, run.ID(), "b") {
		require.NoError(t, err)
		b = append(b, c.Values...)
	}
	require.Equal(t, []float64{1, 2}, b)
}

// TestInboxWaitsForItsRun: points that come before the run that they are of
// wait for another inbox to bring it.
func TestInboxWaitsForItsRun(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir, small())
	feed := func(id string) *store.Inbox {
		in, err := store.OpenInbox(dir)
		require.NoError(t, err)
		g, err := in.Group(ctx, id, []store.SeriesName{{Metric: "m"}})
		require.NoError(t, err)
		require.NoError(t, g.Append(ctx, Appended, []int64{1}, []int64{1}, [][]float64{{7}}))
		return in
	}
	in := feed("feed")
	time.Sleep(500 * time.Millisecond) // several looks
	_, err := db.CreateRun(ctx, NewRun{Experiment: "exp", ID: "feed"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		d, err := db.Run(ctx, "feed")
		v, ok := d.Metric("m")
		return err == nil && ok && v == 7
	}, waitLong, waitStep)
	require.NoError(t, in.Close())
}

// TestInboxRejects: an op for a run that nobody made does not hold up what
// follows it, and is kept for people to see.
func TestInboxRejects(t *testing.T) {
	dir := t.TempDir()
	holder := openDB(t, dir, small())
	db := openDB(t, dir, small())
	b, err := encodeOp(&runFields{ID: "typo", Tags: []KV{{Key: "a", Value: "b"}}})
	require.NoError(t, err)
	require.NoError(t, db.inbox.Op(ctx, Appended, b))
	g, err := db.inbox.Group(ctx, "typo", []store.SeriesName{{Metric: "m"}})
	require.NoError(t, err)
	require.NoError(t, g.Append(ctx, Appended, []int64{1}, []int64{1}, [][]float64{{7}}))
	run, err := db.StartRun(ctx, "exp", &RunOptions{Name: "good"})
	require.NoError(t, err)
	require.NoError(t, run.Log(ctx, 1, Metrics{"m": 1}))
	require.NoError(t, run.End(ctx, Finished))
	got, err := db.Run(ctx, run.ID())
	require.NoError(t, err, "a private view does not wait")
	require.Equal(t, Finished, got.Status)
	require.NoError(t, db.Close())
	require.Eventually(t, func() bool {
		got, err := holder.Run(ctx, run.ID())
		return err == nil && got.Status == Finished
	}, waitLong, waitStep)
	var left []string
	require.Eventually(t, func() bool {
		left, err = filepath.Glob(dir + "/inbox/*")
		return err == nil && len(left) == 1 && strings.HasSuffix(left[0], ".rejected")
	}, waitLong, waitStep, "%v", left)
}
