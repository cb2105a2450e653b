package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// openDuckDB keeps a row for each point, written by its appender, with numbers
// for run and metric, and no index: DuckDB scans. With sorted, Close writes the
// table anew in the order of series, which packs best and finds series by the
// zone maps; without, it stays in the order of logging.
func openDuckDB(sorted bool) load.OpenFunc {
	return func(dir string) (load.Engine, error) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		d := &duck{path: filepath.Join(dir, "metrics.duckdb"), sorted: sorted, metrics: map[string]uint16{}}
		if err := d.open(context.Background()); err != nil {
			return nil, errors.Join(err, d.shut())
		}
		return d, nil
	}
}

type duck struct {
	path    string
	sorted  bool
	db      *sql.DB
	conn    driver.Conn // of the appender
	rows    *duckdb.Appender
	metrics map[string]uint16
	runs    uint32
}

const duckSchema = `
CREATE TABLE IF NOT EXISTS names (metric USMALLINT PRIMARY KEY, name VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS points (
	run UINTEGER NOT NULL, metric USMALLINT NOT NULL, step BIGINT NOT NULL, time BIGINT NOT NULL, value DOUBLE NOT NULL
);`

func (d *duck) open(ctx context.Context) error {
	connector, err := duckdb.NewConnector(d.path, nil)
	if err != nil {
		return err
	}
	d.db = sql.OpenDB(connector)
	if _, err := d.db.ExecContext(ctx, duckSchema); err != nil {
		return err
	}
	names, err := d.db.QueryContext(ctx, "SELECT name, metric FROM names")
	if err != nil {
		return err
	}
	defer names.Close()
	for names.Next() {
		var name string
		var no uint16
		if err := names.Scan(&name, &no); err != nil {
			return err
		}
		d.metrics[name] = no
	}
	if err := names.Err(); err != nil {
		return err
	}
	if d.conn, err = connector.Connect(ctx); err != nil {
		return err
	}
	d.rows, err = duckdb.NewAppenderFromConn(d.conn, "", "points")
	return err
}

func (d *duck) StartRun(context.Context, string) (load.Run, error) {
	d.runs++
	return duckRun{d, d.runs}, nil
}

type duckRun struct {
	d  *duck
	no uint32
}

func (r duckRun) ID() string                { return fmt.Sprint(r.no) }
func (r duckRun) End(context.Context) error { return nil }

func (r duckRun) Append(ctx context.Context, c runstone.Columns) error {
	for k, name := range c.Names {
		no, ok := r.d.metrics[name]
		if !ok {
			no = uint16(len(r.d.metrics))
			r.d.metrics[name] = no
			if _, err := r.d.db.ExecContext(ctx, "INSERT INTO names VALUES (?, ?)", no, name); err != nil {
				return err
			}
		}
		for i := range c.Steps {
			if err := r.d.rows.AppendRow(r.no, no, c.Steps[i], c.Times[i], c.Values[k][i]); err != nil {
				return err
			}
		}
	}
	return r.d.rows.Flush()
}

// series returns the arguments of a query for one series.
func (d *duck) series(run, metric string) (r uint64, no uint16, err error) {
	if r, err = strconv.ParseUint(run, 10, 32); err != nil {
		return 0, 0, err
	}
	no, ok := d.metrics[metric]
	if !ok {
		return 0, 0, fmt.Errorf("no metric %q", metric)
	}
	return r, no, nil
}

func (d *duck) Points(ctx context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error {
	r, no, err := d.series(run, metric)
	if err != nil {
		return err
	}
	rows, err := d.db.QueryContext(ctx, "SELECT step, time, value FROM points WHERE run = ? AND metric = ? ORDER BY time, step, value", r, no)
	if err != nil {
		return err
	}
	return eachPoint(rows, fn)
}

func (d *duck) Downsample(ctx context.Context, run, metric string, steps, buckets int) (points int64, err error) {
	r, no, err := d.series(run, metric)
	if err != nil {
		return 0, err
	}
	rows, err := d.db.QueryContext(ctx, "SELECT count(*), min(value), max(value) FROM points WHERE run = ? AND metric = ? GROUP BY step * ? // ?", r, no, buckets, steps)
	if err != nil {
		return 0, err
	}
	return countBuckets(rows)
}

func (d *duck) Close() error {
	if d.runs == 0 || !d.sorted {
		_, err := d.db.Exec("CHECKPOINT")
		return errors.Join(err, d.shut())
	}
	if err := d.rows.Close(); err != nil {
		return err
	}
	d.rows = nil
	next := d.path + ".next"
	for _, q := range []string{
		"ATTACH '" + strings.ReplaceAll(next, "'", "''") + "' AS next",
		"CREATE TABLE next.names AS SELECT * FROM names",
		"CREATE TABLE next.points AS SELECT * FROM points ORDER BY run, metric, time, step",
		"CHECKPOINT next", "DETACH next",
	} {
		if _, err := d.db.Exec(q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return errors.Join(d.shut(), os.Rename(next, d.path))
}

// shut closes what is open.
func (d *duck) shut() error {
	var errs []error
	if d.rows != nil {
		errs = append(errs, d.rows.Close())
	}
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	return errors.Join(errs...)
}
