package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
	"github.com/spf13/cobra"
)

const envCorpus = "RUNSTONE_CORPUS"

const benchLoadLong = `Log a workload to a new database, close it, open it again and read from it, and
print what that took. Nothing of it touches your own database.

  points   ten runs log ten metrics each, 1,000 points a batch
  series   the same points in one series of one run
  short    many runs of ten metrics and ten steps
  writers  64 goroutines log single points and wait until each is durable
  corpus   real curves: each CSV file of --corpus is a run

Files of curves have the first line series,step,timestamp_ms,value; series that
have the same steps and times are logged together, one step a call.

With --json: points, append_s, append_cpu_s, close_s, close_cpu_s, bytes,
table_bytes, peak_bytes, reopen_ms, read_ms, downsample_ms and client_ms; with
writers: writers, points, wall_s, p50_ms, p99_ms and max_ms; and directory, with
--keep. What the system does not tell is 0.`

type benchLoadFlags struct {
	points       int
	dir, corpus  string
	synced, keep bool
}

// benchLoads are the workloads, with the points that each has when nobody says.
var benchLoads = map[string]int{"points": 10_000_000, "series": 1_000_000, "short": 1_000_000, "writers": 100_000, "corpus": 0}

func (a *app) newBenchLoadCommand() *cobra.Command {
	var fl benchLoadFlags
	names := []string{"points", "series", "short", "writers", "corpus"}
	cmd := &cobra.Command{
		Use: "load WORKLOAD", Short: "Log a workload and read it back", Long: benchLoadLong,
		Args: cobra.ExactArgs(1), ValidArgs: names,
		Example: `  runstone bench load points --points 1000000
  runstone bench load writers --dir /mnt/disk`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.benchLoad(cmd.Context(), args[0], &fl)
		},
	}
	f := cmd.Flags()
	f.IntVar(&fl.points, "points", 0, "log about so many points (default 10 million; 1 million with series and short, 100,000 with writers)")
	f.StringVar(&fl.dir, "dir", "", "make the database in a new folder in this one (default: that of temporary files)")
	f.StringVar(&fl.corpus, "corpus", "", "folder of curves (default $"+envCorpus+")")
	f.BoolVar(&fl.synced, "synced", false, "wait until each batch is on stable storage; writers always do")
	f.BoolVar(&fl.keep, "keep", false, "leave the database there")
	return cmd
}

func (a *app) benchLoad(ctx context.Context, name string, fl *benchLoadFlags) (err error) {
	points, ok := benchLoads[name]
	switch {
	case !ok:
		return usagef("there is no workload %q; there are points, series, short, writers and corpus", name)
	case fl.points < 0:
		return usagef("--points is 1 or more, not %d", fl.points)
	case name == "corpus" && fl.points > 0:
		return usagef("--points is not for corpus, whose files say how many there are")
	case name != "corpus" && fl.corpus != "":
		return usagef("--corpus is only for corpus")
	case fl.points > 0:
		points = fl.points
	}
	w, err := a.benchWorkload(name, points, fl.corpus)
	if err != nil {
		return err
	}
	top, err := os.MkdirTemp(fl.dir, "runstone-bench-")
	if err != nil {
		return err
	}
	dir := filepath.Join(top, "db")
	if !fl.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(top)) }()
	}
	p := &benchProgress{a: a, all: w.Points}
	durability := runstone.Appended
	if fl.synced || name == "writers" {
		durability = runstone.Synced
	}
	open := load.Open(durability)
	v := benchLoadView{Workload: name}
	if fl.keep {
		v.Directory = dir
	}
	if name == "writers" {
		p.all = points
		r, err := benchWriters(ctx, open, dir, load.Writers{Writers: 64, Points: points, Progress: p.show})
		if err == nil {
			err = a.printBenchWriters(v, r)
		}
		return err
	}
	w.Progress = p.show
	r, err := load.Measure(ctx, open, dir, w)
	if err != nil {
		return err
	}
	return a.printBenchLoad(v, r)
}

// benchWorkload returns the points of a workload, none for the writers.
func (a *app) benchWorkload(name string, points int, corpus string) (load.Workload, error) {
	switch name {
	case "points":
		return load.Sized(points).Workload(), nil
	case "series":
		return load.OneSeries(points).Workload(), nil
	case "short":
		return load.Short(points).Workload(), nil
	case "corpus":
		if corpus == "" {
			corpus = a.getenv(envCorpus)
		}
		if corpus == "" {
			return load.Workload{}, usagef("name the folder of curves with --corpus or $%s", envCorpus)
		}
		w, err := load.ReadCorpus(corpus)
		if errors.Is(err, load.ErrCorpus) {
			err = refusedf("--help shows the format of the files", "%v", err)
		}
		return w, err
	}
	return load.Workload{}, nil
}

func benchWriters(ctx context.Context, open load.OpenFunc, dir string, w load.Writers) (*load.WritersResult, error) {
	e, err := open(dir)
	if err != nil {
		return nil, err
	}
	r, err := load.MeasureWriters(ctx, e, w)
	return r, errors.Join(err, e.Close())
}

// benchProgress shows a person how far the logging is.
type benchProgress struct {
	a     *app
	all   int
	shown time.Time
}

func (p *benchProgress) show(points int) {
	if !p.a.watched() {
		return
	}
	now := time.Now()
	last := points >= p.all
	if !last && now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = now
	fmt.Fprintf(p.a.err, "\r%3d%%  %s of %s points", 100*points/max(1, p.all), grouped(int64(points)), grouped(int64(p.all)))
	if last {
		fmt.Fprint(p.a.err, "\r\x1b[K")
	}
}

type benchLoadView struct {
	Workload   string  `json:"workload"`
	Points     int     `json:"points"`
	Append     float64 `json:"append_s"`
	AppendCPU  float64 `json:"append_cpu_s"`
	Close      float64 `json:"close_s"`
	CloseCPU   float64 `json:"close_cpu_s"`
	Bytes      int64   `json:"bytes"`
	Tables     int64   `json:"table_bytes"`
	Peak       int64   `json:"peak_bytes"`
	Reopen     float64 `json:"reopen_ms"`
	Read       float64 `json:"read_ms"`
	Downsample float64 `json:"downsample_ms"`
	Client     float64 `json:"client_ms"`
	Directory  string  `json:"directory,omitempty"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (a *app) printBenchLoad(v benchLoadView, r *load.Result) error {
	v.Points, v.Bytes, v.Tables, v.Peak = r.Points, r.Bytes, r.Tables, r.Peak
	v.Append, v.AppendCPU, v.Close, v.CloseCPU = r.Append.Seconds(), r.AppendCPU.Seconds(), r.Close.Seconds(), r.CloseCPU.Seconds()
	v.Reopen, v.Read, v.Downsample, v.Client = milliseconds(r.Reopen), milliseconds(r.Read), milliseconds(r.Downsample), milliseconds(r.Client)
	if a.json {
		return a.writeJSON(v)
	}
	perPoint := func(n int64) string {
		return fmt.Sprintf("%s, %.2f bytes a point", size(n), float64(n)/float64(r.Points))
	}
	a.fields(
		"logged", fmt.Sprintf("%s in %.2f s, %s a second, %.2f s of CPU", plural(int64(r.Points), "point"), v.Append, grouped(int64(r.Rate())), v.AppendCPU),
		"closed", fmt.Sprintf("in %.3f s, %.2f s of CPU", v.Close, v.CloseCPU),
		"files", perPoint(r.Bytes),
		"tables", perPoint(r.Tables),
		"memory", size(r.Peak)+" at most",
		"reopened", fmt.Sprintf("in %.1f ms", v.Reopen),
		"read", fmt.Sprintf("one series in %.2f ms", v.Read),
		"downsampled", fmt.Sprintf("it to 1,000 buckets in %.2f ms", v.Downsample),
	)
	a.kept(v.Directory)
	return nil
}

type benchWritersView struct {
	Workload  string  `json:"workload"`
	Writers   int     `json:"writers"`
	Points    int     `json:"points"`
	Wall      float64 `json:"wall_s"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
	Directory string  `json:"directory,omitempty"`
}

func (a *app) printBenchWriters(to benchLoadView, r *load.WritersResult) error {
	v := benchWritersView{
		Workload: to.Workload, Writers: r.Writers, Points: r.Points, Wall: r.Wall.Seconds(),
		P50: milliseconds(r.P50), P99: milliseconds(r.P99), Max: milliseconds(r.Max), Directory: to.Directory,
	}
	if a.json {
		return a.writeJSON(v)
	}
	a.fields(
		"logged", fmt.Sprintf("%s from %d writers in %.2f s, %s a second", plural(int64(v.Points), "durable point"), v.Writers, v.Wall, grouped(int64(r.Rate()))),
		"median", fmt.Sprintf("%.2f ms", v.P50),
		"p99", fmt.Sprintf("%.2f ms", v.P99),
		"slowest", fmt.Sprintf("%.2f ms", v.Max),
	)
	a.kept(v.Directory)
	return nil
}

func (a *app) kept(dir string) {
	if dir != "" {
		a.fields("database", dir)
	}
}
