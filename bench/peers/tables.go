package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// contender is one row of a table.
type contender struct {
	name, about string
	measure     func(ctx context.Context, dir string, s spec) (*outcome, error)
}

// table is a list of contenders and how their results are shown.
type table struct {
	name       string
	contenders func(spec) []contender
	shape      func(spec) load.Shape // nil where contenders differ in it
	head       func(*report, spec)
	row        func(*report, line)
	ratios     func(*report, []line) // may be nil
	plot       func([]line) []panel  // may be nil
}

var tables = []table{
	{"points", pointsContenders, pointsShape, pointsHead, loadRow, pointsRatios, nil},
	{"series", seriesContenders, seriesShape, seriesHead, loadRow, seriesRatios, nil},
	{"writers", writersContenders, writersShape, writersHead, writersRow, writersRatios, nil},
	{"scale", scaleContenders, nil, scaleHead, loadRow, nil, nil},
	{"crash", crashContenders, nil, crashHead, crashRow, nil, nil},
	{"search", searchContenders, nil, searchHead, searchRow, nil, nil},
	{"searchnames", namesContenders, nil, namesHead, searchRow, nil, nil},
	{"searchscale", searchScaleContenders, nil, searchScaleHead, searchRow, nil, searchPanels},
	{"searchever", everContenders, nil, everHead, everRow, nil, nil},
	{"searchingest", besideContenders, nil, besideHead, besideRow, nil, nil},
	{"servers", serversContenders, nil, serversHead, serversRow, serversRatios, nil},
}

func pointsShape(s spec) load.Shape { return load.Sized(s.points) }

// seriesShape has no more than a million points: nobody plots longer curves.
func seriesShape(s spec) load.Shape { return load.OneSeries(min(s.points, 1_000_000)) }

func writersShape(spec) load.Shape { return load.Shape{Runs: 1, Metrics: 1, Steps: 100, Batch: 1} }

// peer is a database that holds whole workloads.
type peer struct {
	name, about string
	open        load.OpenFunc
}

var runstoneAppended = peer{"runstone", "Appended: a batch survives the process", load.Open(runstone.Appended)}

var peers = []peer{
	{"badger", "a key for each point, default options: a batch survives the process", openBadger(false)},
	{"pebble", "a key for each point, NoSync: a batch may be lost with the process", openPebble(pebble.NoSync)},
	{"prometheus", "tsdb; keeps no step; a batch survives the process; its log is dropped before bytes are counted", openPrometheus},
	{"victoriametrics", "lib/storage; keeps no step, rounds values to 12 digits; a batch is lost with the process", openVictoria},
	{"duckdb", "a row for each point by its appender, in the order of logging; a batch is in its log", openDuckDB(false)},
	{"duckdb-sorted", "the same, and the table written anew by series at the end", openDuckDB(true)},
	{"parquet", "one file, delta integers, split floats, zstd; all points in memory until close", openParquet},
	{"sqlite-wal", "MLflow's schema, WAL + NORMAL: a batch survives the process", openSQLite("WAL", "NORMAL")},
}

// measureShape measures a database with the shape of a table.
func measureShape(open load.OpenFunc, shape func(spec) load.Shape) func(context.Context, string, spec) (*outcome, error) {
	return func(ctx context.Context, dir string, s spec) (*outcome, error) {
		r, err := load.Measure(ctx, open, inside(dir), shape(s).Workload())
		return &outcome{Load: r}, err
	}
}

func contendersOf(list []peer, shape func(spec) load.Shape) (out []contender) {
	for _, p := range list {
		out = append(out, contender{p.name, p.about, measureShape(p.open, shape)})
	}
	return out
}

// Limits come right behind Runstone: disks change their minds within minutes.

func pointsContenders(spec) []contender {
	list := contendersOf([]peer{
		runstoneAppended,
		{"runstone-synced", "Synced: a batch survives power loss", load.Open(runstone.Synced)},
	}, pointsShape)
	list = append(list,
		contender{"limit-fdatasync", "as many bytes as Runstone's journal takes appended to a file, one write and one fdatasync a batch", rawFile(true)},
		contender{"limit-append", "the same without fdatasync", rawFile(false)},
		contender{"limit-workload", "making the points and nothing else", workloadAlone},
		contender{"limit-scan", "reading and bucketing one series from a file of plain columns, 24 bytes a point", scanFile(pointsShape)},
		contender{"runstone-tmpfs", "Appended, with its files in memory: all of Runstone but the disk", onTmpfs},
	)
	list = append(list, contendersOf(peers, pointsShape)...)
	return append(list, contendersOf([]peer{
		{"sqlite-delete", "MLflow's schema and default, DELETE + FULL: a batch survives power loss", openSQLite("DELETE", "FULL")},
	}, pointsShape)...)
}

func seriesContenders(spec) []contender {
	list := contendersOf([]peer{runstoneAppended}, seriesShape)
	list = append(list, contender{"limit-scan", "reading and bucketing it from a file of plain columns, 24 bytes a point", scanFile(seriesShape)})
	return append(list, contendersOf(peers, seriesShape)...)
}

// tmpfs is where Linux keeps files in memory.
const tmpfs = "/dev/shm"

func onTmpfs(ctx context.Context, _ string, s spec) (o *outcome, err error) {
	dir, err := os.MkdirTemp(tmpfs, "peers-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return measureShape(load.Open(runstone.Appended), pointsShape)(ctx, dir, s)
}

func scaleContenders(s spec) (list []contender) {
	add := func(name, about string, shape load.Shape) {
		list = append(list, contender{name, about, measureShape(runstoneAppended.open, func(spec) load.Shape { return shape })})
	}
	for _, n := range []int{s.points / 10, s.points, s.points * 10} {
		add(count(n)+" points", "in 100 series, ten runs at once", load.Sized(n))
	}
	for _, n := range []int{10, 1000, 100_000} {
		add(count(n)+" series", fmt.Sprintf("of %s points, ten in a run, ten runs at once", count(max(1, s.points/n))), load.Spread(s.points, n))
	}
	return list
}

// batchBytes measures what Runstone's journal takes for a batch of the table,
// so that the limits write as much. Zero is for tables without such limits.
func (t table) batchBytes(ctx context.Context, s spec) (n int, err error) {
	if t.shape == nil {
		return 0, nil
	}
	dir, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := load.Open(runstone.Appended)(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	run, err := e.StartRun(ctx, "batch")
	if err != nil {
		return 0, err
	}
	const batches = 20
	shape := t.shape(s)
	shape.Steps = batches * max(1, shape.Batch/shape.Metrics)
	source := shape.Workload().Source(0)
	var before int64
	for i := range batches {
		c, _ := source.Next()
		if err := run.Append(ctx, c); err != nil {
			return 0, err
		}
		size, err := journalSize(dir)
		if err != nil {
			return 0, err
		}
		if i == 0 { // the first one also names the metrics
			before = size
		} else {
			n = int(size-before) / i
		}
	}
	return n, nil
}

// journalSize is how long the journals of a database are.
func journalSize(dir string) (n int64, err error) {
	err = filepath.WalkDir(filepath.Join(dir, "journal"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
