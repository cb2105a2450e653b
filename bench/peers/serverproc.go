package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running server, and its database where that is one too.
type process struct {
	port  int
	began time.Time
	cmds  []*daemon // the server first
}

// startLimit is how long a server may take until it answers.
const startLimit = 3 * time.Minute

// start starts a server on the data in dir and waits until it answers.
func (t *tracker) start(ctx context.Context, programs *programs, dir string) (_ *process, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p := new(process)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	db := 0
	if t.postgres {
		d, err := programs.startPostgres(ctx, dir)
		if err != nil {
			return nil, err
		}
		db, p.cmds = d.port, append(p.cmds, d)
	}
	if p.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	replace := strings.NewReplacer("{port}", strconv.Itoa(p.port), "{dir}", dir, "{db}", strconv.Itoa(db))
	var args []string
	for _, a := range t.args {
		args = append(args, replace.Replace(a))
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), t.env...)
	p.began = time.Now()
	d, err := startDaemon(cmd)
	if err != nil {
		return nil, err
	}
	p.cmds = append([]*daemon{d}, p.cmds...)
	return p, p.wait(ctx)
}

// wait asks for /health until there is an answer.
func (p *process) wait(ctx context.Context) error {
	for time.Since(p.began) < startLimit && ctx.Err() == nil {
		c, err := p.dial()
		if err == nil {
			_, err = c.get("/health")
			c.Close()
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.cmds[0].done:
			return fmt.Errorf("the server ended: %s", p.cmds[0].said())
		case <-time.After(500 * time.Microsecond):
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("no answer within %v: %s", time.Since(p.began), p.cmds[0].said()))
}

// startTimed starts a server and asks it something, unless ask is nil. Both
// times are from the start of the process: to its first answer, and to that.
func (t *tracker) startTimed(ctx context.Context, programs *programs, dir string, ask func(*client) error) (p *process, health, after time.Duration, err error) {
	if p, err = t.start(ctx, programs, dir); err != nil {
		return nil, 0, 0, err
	}
	health = time.Since(p.began)
	if ask != nil {
		var c *client
		if c, err = p.dial(); err == nil {
			err = ask(c)
			c.Close()
		}
	}
	after = time.Since(p.began)
	if err != nil {
		return nil, 0, 0, errors.Join(err, p.stop())
	}
	return p, health, after, nil
}

// stop ends the server and then its database.
func (p *process) stop() (err error) {
	for _, d := range p.cmds {
		err = errors.Join(err, d.stop())
	}
	p.cmds = nil
	return err
}

// memory is what the server and its database take, pages that processes share
// counted once.
func (p *process) memory() (n int64) {
	for _, d := range p.cmds {
		n += treeMemory(d.cmd.Process.Pid)
	}
	return n
}

// daemon is a process with its children, in a group of their own.
type daemon struct {
	cmd  *exec.Cmd
	port int
	log  string        // the file that it writes to
	done chan struct{} // closed when it has ended
}

func startDaemon(cmd *exec.Cmd) (*daemon, error) {
	d := &daemon{cmd: cmd, log: filepath.Join(cmd.Dir, filepath.Base(cmd.Path)+".log"), done: make(chan struct{})}
	out, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // it ends by a signal
		close(d.done)
	}()
	return d, nil
}

// stopLimit is how long a process may take to end by itself.
const stopLimit = 20 * time.Second

// stop asks the process to end, and ends its whole group when it does not.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.done:
	case <-time.After(stopLimit):
	}
	if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-d.done
	return nil
}

// said is the end of what the process wrote.
func (d *daemon) said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-500):]))
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// treeMemory is the proportional set size of a process and its descendants.
func treeMemory(root int) (n int64) {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // its pattern is good
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		var state string
		var parent int
		if _, err := fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &parent); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	for todo := []int{root}; len(todo) > 0; todo = todo[1:] {
		todo = append(todo, children[todo[0]]...)
		var kB int64
		if _, err := fmt.Sscan(field(fmt.Sprintf("/proc/%d/smaps_rollup", todo[0]), "Pss"), &kB); err == nil {
			n += kB << 10
		}
	}
	return n
}

// copyTree copies a folder with its owners.
func copyTree(ctx context.Context, from, to string) error {
	out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// startPostgres starts PostgreSQL on dir/pg, which is made when it is not
// there, at a free port. It does not run as root.
func (p *programs) startPostgres(ctx context.Context, dir string) (d *daemon, err error) {
	dir = filepath.Join(dir, "pg")
	as, err := postgresUser()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if as != nil {
			if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
				return nil, err
			}
		}
		initdb := exec.CommandContext(ctx, filepath.Join(p.postgres, "initdb"), "-D", dir, "-U", "peers", "-A", "trust", "-E", "UTF8", "--locale=C")
		initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
		if out, err := initdb.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("initdb: %w: %s", err, out)
		}
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(p.postgres, "postgres"), "-D", dir, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", "")
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if d, err = startDaemon(cmd); err != nil {
		return nil, err
	}
	d.port = port
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := p.psql(ctx, port, "postgres", "SELECT 'CREATE DATABASE peers' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'peers') \\gexec\n")
		if err == nil {
			return d, nil
		}
		if time.Since(began) > startLimit {
			return nil, errors.Join(err, d.stop())
		}
	}
}

// psql runs a script.
func (p *programs) psql(ctx context.Context, port int, database, script string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.postgres, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
		"-h", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "peers", "-d", database)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}

// postgresUser is who PostgreSQL runs as: nil for this user, unless that is
// root.
func postgresUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
