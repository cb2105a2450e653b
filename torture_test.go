package runstone

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

const (
	waitLong = 30 * time.Second
	waitStep = 20 * time.Millisecond
)

// campaign returns how often a test repeats itself: short in CI, long by make
// torture.
func campaign(short, long int) int {
	if torture() {
		return long
	}
	return short
}

// childAcker logs to a run of its own and prints a line for each change once
// it is acknowledged, until it is killed: DIR NAME.
func childAcker(args []string) error {
	db, err := Open(args[0], small())
	if err != nil {
		return err
	}
	run, err := db.StartRun(ctx, "kills", &RunOptions{Name: args[1]})
	if err != nil {
		return err
	}
	fmt.Println("run", run.ID())
	for step := int64(0); ; step++ {
		if err := run.Log(ctx, step, Metrics{"a": float64(step), "b": -float64(step)}); err != nil {
			return err
		}
		fmt.Println("step", step)
		if step%64 == 0 {
			if err := run.LogParam(ctx, fmt.Sprint("p", step), "v"); err != nil {
				return err
			}
			fmt.Println("param", step)
		}
	}
}

// acked is what a killed child was told.
type acked struct {
	run          string
	step, params int64 // the last ones, -1 if none
}

func parseAcks(out []byte) acked {
	a := acked{step: -1, params: -1}
	for _, line := range bytes.Split(out[:bytes.LastIndexByte(out, '\n')+1], []byte("\n")) {
		var n int64
		switch {
		case bytes.HasPrefix(line, []byte("run ")):
			a.run = string(line[4:])
		case scan(line, "step %d", &n):
			a.step = n
		case scan(line, "param %d", &n):
			a.params = n
		}
	}
	return a
}

func scan(line []byte, format string, n *int64) bool {
	_, err := fmt.Sscanf(string(line), format, n)
	return err == nil
}

// TestTortureKill kills a logging process at random times and looks for every
// change that it was told is safe. Each process recovers from the one before.
func TestTortureKill(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	cycles, lost, points := campaign(25, 1000), 0, int64(0)
	for cycle := range cycles {
		cmd := child(t, "acker", dir, fmt.Sprint("r", cycle))
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		first := make([]byte, 1)
		_, err = io.ReadFull(out, first)
		require.NoError(t, err, "cycle %d: the open failed", cycle)
		timer := time.AfterFunc(time.Duration(rng.Int64N(int64(120*time.Millisecond))), func() { _ = cmd.Process.Kill() })
		rest, err := io.ReadAll(out)
		require.NoError(t, err)
		_ = cmd.Wait()
		timer.Stop()
		a := parseAcks(append(first, rest...))
		if a.run == "" {
			continue // killed before the run was acknowledged
		}
		points += 2 * (a.step + 1)
		if err := a.check(dir); err != nil {
			lost++
			t.Errorf("cycle %d: %v", cycle, err)
		}
	}
	db := openDB(t, dir, nil)
	report, err := db.Verify(ctx, nil, func(p Problem) { t.Errorf("%s: %v", p.Where, p.Err) })
	require.NoError(t, err)
	t.Logf("%d kills, %d points acknowledged, %d cycles with a loss; %d points and %d blocks at the end", cycles, points, lost, report.Points, report.Blocks)
}

// check compares a directory with what was acknowledged.
func (a *acked) check(dir string) error {
	db, err := Open(dir, &Options{ReadOnly: true, tune: small().tune})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer db.Close()
	d, err := db.Run(ctx, a.run)
	if err != nil {
		return err
	}
	for p := int64(0); p <= a.params; p += 64 {
		if d.Params[fmt.Sprint("p", p)] != "v" {
			return fmt.Errorf("param of step %d is lost", p)
		}
	}
	for name, factor := range map[string]float64{"a": 1, "b": -1} {
		next := int64(0)
		for c, err := range db.Points(ctx, a.run, name) {
			if err != nil {
				return err
			}
			for i, step := range c.Steps {
				if step != next || c.Values[i] != factor*float64(step) {
					return fmt.Errorf("%s: step %d value %v where step %d belongs", name, step, c.Values[i], next)
				}
				next++
			}
		}
		if next <= a.step {
			return fmt.Errorf("%s: %d points, but step %d was acknowledged", name, next, a.step)
		}
	}
	return nil
}

// makeDatabase fills a directory with some of everything and leaves it closed
// or as a kill leaves it.
func makeDatabase(t *testing.T, killed bool) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, child(t, "writer", dir, "w", "1500").Run())
	db, err := Open(dir, small())
	require.NoError(t, err)
	run, err := db.StartRun(ctx, "artifacts", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifact(ctx, "a.txt", strings.NewReader("text")))
	require.NoError(t, run.End(ctx, Finished))
	_, err = db.RegisterModel(ctx, "clf", run.ID(), "")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	if killed {
		cmd := child(t, "acker", dir, "killed")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; n < 600 && lines.Scan(); n++ {
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
	return dir
}

// childChecker reads paths of databases and prints for each what came of
// reading it all: "digest X", "error X". It opens each read-only and then for
// writing.
func childChecker([]string) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		ro, err := readAll(in.Text(), &Options{ReadOnly: true, tune: small().tune})
		if err != nil {
			ro = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		rw, err := readAll(in.Text(), &Options{Exclusive: true, tune: small().tune})
		if err != nil {
			rw = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Printf("%s | %s\n", ro, rw)
	}
	return in.Err()
}

func readAll(dir string, opt *Options) (string, error) {
	db, err := Open(dir, opt)
	if err != nil {
		return "", err
	}
	sum, err := digest(db)
	if err == nil {
		_, err = db.Verify(ctx, &VerifyOptions{Artifacts: true}, func(p Problem) { err = errors.Join(err, p.Err) })
	}
	return "digest " + sum, errors.Join(err, db.Close())
}

// checker is a running childChecker, started again when it dies.
type checker struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	err bytes.Buffer
}

// check returns what came of a directory; died is set when the process did.
func (c *checker) check(dir string) (ro, rw string, died string) {
	if c.cmd == nil {
		c.cmd = child(c.t, "checker")
		c.err.Reset()
		c.cmd.Stderr = &c.err
		var err error
		c.in, err = c.cmd.StdinPipe()
		require.NoError(c.t, err)
		out, err := c.cmd.StdoutPipe()
		require.NoError(c.t, err)
		require.NoError(c.t, c.cmd.Start())
		c.out = bufio.NewScanner(out)
		c.out.Buffer(nil, 1<<20)
	}
	cmd := c.cmd
	timer := time.AfterFunc(waitLong, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_, err := fmt.Fprintln(c.in, dir)
	require.NoError(c.t, err)
	if !c.out.Scan() {
		_ = c.cmd.Wait()
		c.cmd = nil
		return "", "", c.err.String() + " (or no answer in time)"
	}
	ro, rw, _ = strings.Cut(c.out.Text(), " | ")
	return ro, rw, ""
}

// checkDamage expects an error or the undamaged answer, and no file deleted by
// an open that failed.
func (c *checker) checkDamage(t *testing.T, dir, want, what string) (noticed bool) {
	t.Helper()
	before := listFiles(t, dir)
	ro, rw, died := c.check(dir)
	require.Empty(t, died, "%s: the process died", what)
	for mode, got := range map[string]string{"read-only": ro, "writing": rw} {
		if strings.HasPrefix(got, "error ") {
			noticed = true
			continue
		}
		require.Equal(t, want, got, "%s: opened for %s, and silently wrong", what, mode)
	}
	if strings.HasPrefix(rw, "error ") && strings.HasPrefix(ro, "error ") {
		after := listFiles(t, dir)
		for _, name := range before {
			require.Contains(t, after, name, "%s: a refused open deleted a file", what)
		}
	}
	return noticed
}

func listFiles(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		// Badger makes and drops value logs as it likes; ours hold nothing.
		if err == nil && !e.IsDir() && filepath.Ext(p) != ".vlog" {
			rel, _ := filepath.Rel(dir, p)
			names = append(names, rel)
		}
		return err
	}))
	return names
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(to))
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

// TestTortureFlip turns single bits in every kind of file.
func TestTortureFlip(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 2))
	for _, killed := range []bool{false, true} {
		dir := makeDatabase(t, killed)
		bad := filepath.Join(t.TempDir(), "bad")
		c := &checker{t: t}
		copyTree(t, dir, bad)
		want, rw, died := c.check(bad)
		require.Empty(t, died)
		require.Regexp(t, "^digest ", want)
		require.Equal(t, want, rw)
		files := listFiles(t, dir)
		noticed, flips := 0, campaign(60, 1000)
		kinds := map[string]int{}
		for i := range flips {
			name := files[i%len(files)]
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			if len(data) == 0 || name == "LOCK" {
				continue
			}
			copyTree(t, dir, bad)
			bit := flipAt(rng, data)
			require.NoError(t, os.WriteFile(filepath.Join(bad, name), data, 0o600))
			kinds[filepath.Ext(name)+filepath.Dir(name)]++
			if c.checkDamage(t, bad, want, fmt.Sprintf("seed %d: bit %d of %s (killed: %v)", seed, bit, name, killed)) {
				noticed++
			}
		}
		t.Logf("killed %v: %d flips, %d named, the rest harmless; by kind %v", killed, flips, noticed, kinds)
	}
}

// flipAt turns one bit, mostly among the bytes that are not zero: files of the
// key space are sparse.
func flipAt(rng *rand.Rand, data []byte) int {
	at := rng.IntN(len(data))
	if used := len(bytes.TrimRight(data, "\x00")); used > 0 && rng.IntN(10) > 0 {
		at = rng.IntN(used)
	}
	bit := rng.IntN(8)
	data[at] ^= 1 << bit
	return at*8 + bit
}

// TestTortureFiles removes, cuts and empties every file in turn.
func TestTortureFiles(t *testing.T) {
	for _, killed := range []bool{false, true} {
		dir := makeDatabase(t, killed)
		bad := filepath.Join(t.TempDir(), "bad")
		c := &checker{t: t}
		copyTree(t, dir, bad)
		want, _, died := c.check(bad)
		require.Empty(t, died)
		for _, name := range listFiles(t, dir) {
			if name == "LOCK" {
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			for what, change := range map[string]func(path string) error{
				"removed": os.Remove,
				"emptied": func(p string) error { return os.Truncate(p, 0) },
				"halved":  func(p string) error { return os.Truncate(p, int64(len(bytes.TrimRight(data, "\x00"))/2)) },
			} {
				copyTree(t, dir, bad)
				require.NoError(t, change(filepath.Join(bad, name)))
				c.checkDamage(t, bad, want, fmt.Sprintf("%s %s (killed: %v)", name, what, killed))
			}
		}
	}
}

// childFiller logs until the disk is full, frees the ballast and goes on:
// DIR BALLAST.
func childFiller(args []string) error {
	db, err := Open(args[0], &Options{NoSystemInfo: true, tune: func(o *store.Options) { o.CheckpointBytes = 1 << 20 }})
	if err != nil {
		return err
	}
	run, err := db.StartRun(ctx, "full", nil)
	if err != nil {
		return err
	}
	step := int64(0)
	log := func(limit int64) error {
		for ; step < limit; step++ {
			if err := run.Log(ctx, step, Metrics{"a": rand.Float64(), "b": float64(step)}); err != nil {
				return err
			}
		}
		return nil
	}
	if err = log(50_000_000); !errors.Is(err, ErrNoSpace) {
		return fmt.Errorf("at step %d: expected ErrNoSpace, got %w", step, err)
	}
	if _, err := db.Run(ctx, run.ID()); err != nil {
		return fmt.Errorf("read on the full disk: %w", err)
	}
	full := step
	if err := os.Remove(args[1]); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	if err := log(step + 1000); err != nil {
		return fmt.Errorf("after freeing: %w", err)
	}
	if err := run.End(ctx, Finished); err != nil {
		return err
	}
	fmt.Println(full, step)
	return db.Close()
}

// TestTortureFullDisk fills a small file system: a typed error, reads go on,
// writes go on when there is room again, and nothing acknowledged is lost.
func TestTortureFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root on Linux; TestNoSpace in package store covers the refusal itself")
	}
	for round := range campaign(1, 20) {
		dir := t.TempDir()
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", 88+round), "tmpfs", dir).CombinedOutput(); err != nil {
			t.Skipf("no mount here: %s; TestNoSpace in package store covers the refusal itself", out)
		}
		defer func() { _ = exec.Command("umount", dir).Run() }()
		ballast := filepath.Join(dir, "ballast")
		require.NoError(t, os.WriteFile(ballast, make([]byte, 16<<20), 0o600))
		db := filepath.Join(dir, "db")
		out, err := child(t, "filler", db, ballast).Output()
		require.NoError(t, err)
		var full, last int64
		_, err = fmt.Sscan(string(out), &full, &last)
		require.NoError(t, err)
		require.Equal(t, full+1000, last)
		d := openDB(t, db, &Options{Exclusive: true})
		next := int64(0)
		for r, err := range d.Search(ctx, "", nil) {
			require.NoError(t, err)
			for c, err := range d.Points(ctx, r.ID, "b") {
				require.NoError(t, err)
				for i := range c.Steps {
					require.Equal(t, next, c.Steps[i])
					next++
				}
			}
		}
		require.Equal(t, last, next, "acknowledged before and after the full disk")
		require.NoError(t, d.Close())
	}
}

func TestOpenRefusals(t *testing.T) {
	_, err := Open("/proc/nowhere/db", nil)
	require.Error(t, err)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Open(file, nil)
	require.ErrorIs(t, err, ErrNotDatabase)
	_, err = Open(t.TempDir(), &Options{ReadOnly: true})
	require.ErrorIs(t, err, ErrNotDatabase)
}

// childOpener says how opening a directory for writing fails: DIR.
func childOpener(args []string) error {
	db, err := Open(args[0], nil)
	if err == nil {
		return errors.Join(errors.New("opened"), db.Close())
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	fmt.Printf("permission denied, locked %v\n", errors.Is(err, ErrLocked))
	return nil
}
