//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pseudo is a pseudo-terminal: what the program shows is read from master.
type pseudo struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	before unix.Termios

	mu   sync.Mutex
	text []byte
}

func openPseudo(t *testing.T, width, height uint16) *pseudo {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	p := &pseudo{t: t, master: master, slave: slave, before: termios(t, slave)}
	p.resize(width, height)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 16<<10)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.text = append(p.text, buf[:n]...)
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = slave.Close() // nobody writes any more: the reader ends
		<-done
		_ = master.Close()
	})
	return p
}

func termios(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return *state
}

func (p *pseudo) resize(width, height uint16) {
	require.NoError(p.t, unix.IoctlSetWinsize(int(p.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}))
}

func (p *pseudo) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.text)
}

var sgr = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// screen is the last whole picture, as lines of text.
func (p *pseudo) screen() string {
	text := p.all()
	end := strings.LastIndex(text, "\x1b[J")
	if end < 0 {
		return ""
	}
	from := strings.LastIndex(text[:end], "\x1b[H")
	return strings.ReplaceAll(sgr.ReplaceAllString(text[max(from, 0):end], ""), "\r\n", "\n")
}

// await waits until the screen matches.
func (p *pseudo) await(pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); !re.MatchString(p.screen()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("the screen does not show %s:\n%s", pattern, p.screen())
		}
	}
}

func (p *pseudo) keys(s string) {
	_, err := p.master.WriteString(s)
	require.NoError(p.t, err)
}

// start runs "runstone top" with the pseudo-terminal as its own.
func (p *pseudo) start(dir string, env ...string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(thisProgram(p.t), "top", "-d", dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.slave, p.slave, p.slave
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "NO_COLOR="), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(p.t, cmd.Start())
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// restored checks that the terminal is what it was, and where the cursor is.
func (p *pseudo) restored() {
	p.t.Helper()
	require.Equal(p.t, p.before, termios(p.t, p.slave))
	require.Eventually(p.t, func() bool { return strings.Contains(p.all(), leaveScreen) }, patience, 20*time.Millisecond)
	require.Equal(p.t, 1, strings.Count(p.all(), enterScreen))
}

// thisProgram returns this test binary under the name of the program, which it is
// then.
func thisProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "runstone")
	require.NoError(t, os.Symlink(self, name))
	return name
}

// TestTopLive: another process, this one, logs points, and they appear; then the
// terminal is what it was before.
func TestTopLive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	ctx := context.Background()
	db, err := runstone.Open(dir, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	run, err := db.StartRun(ctx, "lab", &runstone.RunOptions{Name: "evil \x1b]0;owned\x07\x1b[2J"})
	require.NoError(t, err)
	require.NoError(t, run.Log(ctx, 1, runstone.Metrics{"loss": 0.75}))

	p := openPseudo(t, 130, 24)
	cmd := p.start(dir)
	p.await(`(?m)^> evil  \]0;owned  \[2J +RUNNING .* 0\.75 `)
	require.NotEqual(t, p.before, termios(t, p.slave), "keys come one by one")
	require.Contains(t, p.all(), "\x1b[7m", "colors and looks")
	require.NotContains(t, p.all(), "owned\x07")
	require.NotContains(t, p.all(), "\x1b[2J")

	require.NoError(t, run.Log(ctx, 2, runstone.Metrics{"loss": 0.125}))
	p.await(`(?m)^> evil .* 0\.125 `)
	other, err := db.StartRun(ctx, "lab", &runstone.RunOptions{Name: "second"})
	require.NoError(t, err)
	p.await(`2 runs, 2 running`)
	require.NoError(t, other.Log(ctx, 1, runstone.Metrics{"loss": 3}))
	p.keys("/attributes.run_name = 'second'\r")
	p.await(`(?s)filter: attributes.run_name = 'second'\n.*> second +RUNNING`)
	p.keys("\x1b")
	p.await(`(?m)^. evil`)
	p.keys("g\r")
	p.await(`(?m)^loss  \S+ at step \d`)
	p.await(`[\x{2801}-\x{28ff}]`)
	p.resize(60, 12)
	p.await(`(?m)^ +steps \d`)
	require.Eventually(t, func() bool { return strings.Count(p.screen(), "\n") == 11 }, patience, 20*time.Millisecond, p.screen())
	p.keys("q")
	require.NoError(t, cmd.Wait())
	p.restored()
}

// TestTopEnds: Ctrl-C, signals and a database that goes away leave the terminal
// as it was.
func TestTopEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	require.NoError(t, seed([]string{dir}))
	for name, end := range map[string]func(*pseudo, *exec.Cmd) int{
		"ctrl-c": func(p *pseudo, _ *exec.Cmd) int { p.keys("\x03"); return exitOK },
		"SIGINT": func(_ *pseudo, cmd *exec.Cmd) int {
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			return exitInterrupted
		},
		"SIGTERM": func(_ *pseudo, cmd *exec.Cmd) int {
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			return exitInterrupted
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPseudo(t, 80, 20)
			cmd := p.start(dir, "NO_COLOR=1")
			p.await(`(?m)^> run-\d`)
			require.NotContains(t, p.all(), "\x1b[7m")
			code := end(p, cmd)
			_ = cmd.Wait()
			require.Equal(t, code, cmd.ProcessState.ExitCode())
			p.restored()
		})
	}
}

// TestScreenPanic: what is on the way up from a panic leaves the screen.
func TestScreenPanic(t *testing.T) {
	p := openPseudo(t, 80, 20)
	require.Panics(t, func() {
		s, err := openScreen(p.slave, p.slave)
		require.NoError(t, err)
		defer s.close()
		_ = watchTop(context.Background(), s, &topModel{}, nil, noPaint) // without a loader
	})
	p.restored()
}
