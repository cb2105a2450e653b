package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/runstonedb/runstone/bench/load"
)

// programs are the servers that are there to be measured: paths of executables,
// "" for those that are not. The table of servers has the contenders that they
// allow.
type programs struct {
	runstone string
	mlflow   string
	fml      string   // FastTrackML
	postgres string   // the folder of initdb, postgres and psql
	python   string   // a folder that mlflow finds the driver of PostgreSQL in
	others   []string // "name=command with {port} and {dir}"
	served   int      // runs in the store
	history  int      // points of the long history
	folder   string   // where filled stores are kept; "" keeps none
	loads    string   // what the names of workloads begin with, with commas between; "" is all of them
}

// tracker is a server that speaks MLflow's REST API, as a command.
type tracker struct {
	name, about string
	// args are the command, in which {port}, {dir} and {db} are replaced: where to
	// listen, the folder for its data, and the port of PostgreSQL.
	args     []string
	env      []string
	starts   int // how often starting is measured
	postgres bool
	fill     func(ctx context.Context, t *tracker, dir string, w load.Runs) (experiments []string, err error)
}

// Durability is said of what a server acknowledges.
const (
	survivesPower   = "an answer survives power loss"
	survivesProcess = "an answer survives the process, and may be lost with the power"
)

func (p *programs) trackers() (list []tracker) {
	if p == nil {
		return nil
	}
	if p.runstone != "" {
		args := []string{p.runstone, "server", "--quiet", "--port", "{port}", "--data-dir", "{dir}/data"}
		list = append(list, tracker{
			name: "runstone", about: "runstone server as it comes: journal synced before the answer, by group commit: " + survivesPower,
			args: args, starts: 10, fill: fillByREST,
		}, tracker{
			name: "runstone-appended", about: "the same with --durability appended; only the end of a run, the registry and files are synced: " + survivesProcess,
			args: append(args, "--durability", "appended"), starts: 10, fill: fillByREST,
		})
	}
	if p.fml != "" {
		list = append(list, tracker{
			name: "fasttrackml", about: "FastTrackML with SQLite, as it comes: WAL, no fsync for a commit: " + survivesProcess,
			args:   []string{p.fml, "server", "--log-level", "error", "--listen-address", "127.0.0.1:{port}", "--database-uri", "sqlite://{dir}/fml.db"},
			starts: 10, fill: fillByREST,
		})
	}
	if p.mlflow != "" {
		list = append(list, tracker{
			name: "mlflow", about: "mlflow server as it comes: SQLite, DELETE + FULL, uvicorn with 4 workers: " + survivesPower,
			args: []string{p.mlflow, "server", "--port", "{port}", "--backend-store-uri", "sqlite:///{dir}/mlflow.db", "--artifacts-destination", "{dir}/artifacts"},
			env:  quietMLflow(), starts: 1, fill: fillSQLite,
		})
	}
	if p.mlflow != "" && p.postgres != "" {
		list = append(list, tracker{
			name: "mlflow-postgres", about: "mlflow server with PostgreSQL, synchronous_commit on, a worker for each processor, no log of requests: " + survivesPower,
			args: []string{p.mlflow, "server", "--port", "{port}", "--workers", strconv.Itoa(runtime.NumCPU()), "--uvicorn-opts", "--no-access-log", "--backend-store-uri", "postgresql+psycopg2://peers@127.0.0.1:{db}/peers", "--artifacts-destination", "{dir}/artifacts"},
			env:  append(quietMLflow(), "PYTHONPATH="+p.python), starts: 1, postgres: true, fill: p.fillPostgres,
		})
	}
	for _, o := range p.others {
		name, command, _ := strings.Cut(o, "=")
		list = append(list, tracker{name: name, about: command, args: strings.Fields(command), starts: 1, fill: fillByREST})
	}
	return list
}

// quietMLflow keeps MLflow from calling home, and its web server from taking a busy
// worker for a dead one.
func quietMLflow() []string {
	return []string{"MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true", "UVICORN_TIMEOUT_WORKER_HEALTHCHECK=120"}
}

func (p *programs) flags(f *flag.FlagSet) {
	f.StringVar(&p.runstone, "runstone", "", "the runstone command, for the table of servers")
	f.StringVar(&p.mlflow, "mlflow", "", "the mlflow command")
	f.StringVar(&p.fml, "fml", "", "FastTrackML's command")
	f.StringVar(&p.postgres, "postgres", "", "the folder of PostgreSQL's commands, for mlflow")
	f.StringVar(&p.python, "python", "", "a folder of Python modules for mlflow: psycopg2")
	f.Func("server", "another server, as NAME=COMMAND with {port} and {dir} (repeatable)", func(s string) error {
		if name, command, ok := strings.Cut(s, "="); !ok || name == "" || len(strings.Fields(command)) == 0 {
			return errors.New("is NAME=COMMAND")
		}
		p.others = append(p.others, s)
		return nil
	})
	f.StringVar(&p.loads, "loads", "", "what the names of workloads for servers begin with, with commas between; all of them when empty")
	f.IntVar(&p.served, "served", 20_000, "runs in the store of a server")
	f.IntVar(&p.history, "history", 50_000, "points of the long history of a server")
	f.StringVar(&p.folder, "stores", "", "keep the filled stores of servers in this folder, and take them from it when they are there")
}

// args are the flags that tell a child of the programs.
func (p *programs) args() []string {
	if p == nil {
		return nil
	}
	out := []string{"-runstone", p.runstone, "-mlflow", p.mlflow, "-fml", p.fml, "-postgres", p.postgres, "-python", p.python,
		"-served", strconv.Itoa(p.served), "-history", strconv.Itoa(p.history), "-stores", p.folder, "-loads", p.loads}
	for _, o := range p.others {
		out = append(out, "-server", o)
	}
	return out
}

// absolute makes the paths so: servers start in folders of their own.
func (p *programs) absolute() (err error) {
	for _, path := range []*string{&p.runstone, &p.mlflow, &p.fml, &p.postgres, &p.python, &p.folder} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

// served is the outcome of a server.
type served struct {
	Fresh   time.Duration // from starting the process to the first answer, with no data
	Health  time.Duration // the same with the runs
	Search  time.Duration // from starting the process to the answer to the first search
	Idle    int64         // bytes of memory after the start
	Memory  int64         // bytes at most behind a workload
	Loads   []serverLoad
	Started int // how often starting was measured
}

// serverLoad is how a server bore one workload.
type serverLoad struct {
	Name     string
	Clients  int
	Requests int
	Units    int // what the rate counts: requests, points or runs
	Wall     time.Duration
	P50, P99 time.Duration
	Failed   string `json:",omitempty"` // what was wrong, and no figures
}

// Rate is units a second.
func (l *serverLoad) Rate() float64 { return float64(l.Units) / l.Wall.Seconds() }

func serversContenders(s spec) (list []contender) {
	for _, t := range s.programs.trackers() {
		list = append(list, contender{t.name, t.about, func(ctx context.Context, dir string, s spec) (*outcome, error) {
			// Servers are processes that must not outlive this one.
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			v, err := measureServer(ctx, &t, dir, s)
			return &outcome{Served: v}, err
		}})
	}
	return list
}

// measureServer starts a server on a copy of its filled store, and loads it.
func measureServer(ctx context.Context, t *tracker, dir string, s spec) (v *served, err error) {
	w := load.Runs{Runs: s.programs.served}
	kept, experiments, err := t.filled(ctx, dir, s.programs, w)
	if err != nil {
		return nil, fmt.Errorf("filling: %w", err)
	}
	if t.postgres { // it is another user's process
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, err
		}
	}
	v = &served{Started: t.starts}
	for i := range t.starts {
		fresh := filepath.Join(dir, "fresh", strconv.Itoa(i))
		p, took, _, err := t.startTimed(ctx, s.programs, fresh, nil)
		if err != nil {
			return nil, fmt.Errorf("starting without data: %w", err)
		}
		leastNonZero(&v.Fresh, took)
		if err := errors.Join(p.stop(), os.RemoveAll(fresh)); err != nil {
			return nil, err
		}
	}
	work := filepath.Join(dir, "work")
	if err := copyTree(ctx, kept, work); err != nil {
		return nil, err
	}
	first := func(c *client) error { _, err := c.search(newest(), experiments); return err }
	var p *process
	for i := range t.starts {
		var health, search time.Duration
		if p, health, search, err = t.startTimed(ctx, s.programs, work, first); err != nil {
			return nil, fmt.Errorf("starting: %w", err)
		}
		leastNonZero(&v.Health, health)
		leastNonZero(&v.Search, search)
		if i+1 < t.starts { // the last one stays
			if err := p.stop(); err != nil {
				return nil, err
			}
		}
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	time.Sleep(min(time.Second, s.writing))
	v.Idle = p.memory()
	b := &bearing{p: p, writing: s.writing, history: s.programs.history, names: s.programs.loads, workload: w, experiments: experiments, v: v}
	return v, b.all(ctx)
}
