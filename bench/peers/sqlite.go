package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "github.com/mattn/go-sqlite3" // the driver named sqlite3

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// schema is what MLflow's migrations make of the three tables that logging
// metrics touches: same columns, keys, checks and indexes.
const schema = `
CREATE TABLE IF NOT EXISTS runs (
	run_uuid VARCHAR(32) NOT NULL,
	name VARCHAR(250),
	CONSTRAINT run_pk PRIMARY KEY (run_uuid)
);
CREATE TABLE IF NOT EXISTS metrics (
	key VARCHAR(250) NOT NULL,
	value FLOAT NOT NULL,
	timestamp BIGINT NOT NULL,
	run_uuid VARCHAR(32) NOT NULL,
	step BIGINT DEFAULT '0' NOT NULL,
	is_nan BOOLEAN DEFAULT '0' NOT NULL,
	CONSTRAINT metric_pk PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan),
	FOREIGN KEY (run_uuid) REFERENCES runs (run_uuid),
	CHECK (is_nan IN (0, 1))
);
CREATE INDEX IF NOT EXISTS index_metrics_run_uuid ON metrics (run_uuid);
CREATE TABLE IF NOT EXISTS latest_metrics (
	key VARCHAR(250) NOT NULL,
	value FLOAT NOT NULL,
	timestamp BIGINT,
	step BIGINT NOT NULL,
	is_nan BOOLEAN NOT NULL,
	run_uuid VARCHAR(32) NOT NULL,
	CONSTRAINT latest_metric_pk PRIMARY KEY (key, run_uuid),
	FOREIGN KEY (run_uuid) REFERENCES runs (run_uuid),
	CHECK (is_nan IN (0, 1))
);
CREATE INDEX IF NOT EXISTS index_latest_metrics_run_uuid ON latest_metrics (run_uuid);`

// openSQLite returns an engine that does per batch what MLflow's SQL store does
// for one log_batch call: one transaction that inserts a row for each point,
// reads the latest values of the metrics in the batch, and replaces those that
// the batch supersedes. What MLflow does beside that (finding the run, checking
// params, Python) is left out, and statements are prepared once, all in favour
// of SQLite. The workload has no NaN, so is_nan is always 0. Goroutines that log
// at once wait for a lock of Go's: SQLite's own waiting is slower.
func openSQLite(journal, synchronous string) load.OpenFunc {
	return func(dir string) (load.Engine, error) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		params := url.Values{
			"_journal_mode": {journal}, "_synchronous": {synchronous},
			"_foreign_keys": {"on"}, // as MLflow sets it
		}
		db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "mlflow.db")+"?"+params.Encode())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		s := &sqlite{db: db}
		if err := s.prepare(context.Background()); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return s, nil
	}
}

type sqlite struct {
	mu   sync.Mutex // one writer after the other, as SQLite wants it
	db   *sql.DB
	conn *sql.Conn
	runs int

	insert, latest, update, add, history, buckets *sql.Stmt
}

func (s *sqlite) prepare(ctx context.Context) (err error) {
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	if _, err = s.conn.ExecContext(ctx, schema); err != nil {
		return err
	}
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&s.insert, `INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, 0, ?)`},
		{&s.latest, `SELECT key, step, timestamp, value FROM latest_metrics WHERE run_uuid = ?`},
		{&s.update, `UPDATE latest_metrics SET value = ?, timestamp = ?, step = ?, is_nan = 0 WHERE key = ? AND run_uuid = ?`},
		{&s.add, `INSERT INTO latest_metrics (value, timestamp, step, is_nan, key, run_uuid) VALUES (?, ?, ?, 0, ?, ?)`},
		{&s.history, `SELECT step, timestamp, value FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY timestamp, step, value`},
		{&s.buckets, `SELECT count(*), min(value), max(value) FROM metrics WHERE run_uuid = ? AND key = ? GROUP BY step * ? / ?`},
	} {
		if *p.to, err = s.conn.PrepareContext(ctx, p.sql); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) StartRun(ctx context.Context, name string) (load.Run, error) {
	s.runs++
	r := &sqliteRun{s: s, id: fmt.Sprintf("%032x", uint64(s.runs)*0x9e3779b97f4a7c15)}
	_, err := s.conn.ExecContext(ctx, `INSERT INTO runs (run_uuid, name) VALUES (?, ?)`, r.id, name)
	return r, err
}

type sqliteRun struct {
	s  *sqlite
	id string
}

func (r *sqliteRun) ID() string { return r.id }

func (r *sqliteRun) End(context.Context) error { return nil }

func (r *sqliteRun) Append(ctx context.Context, c runstone.Columns) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if _, err := r.s.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	err := r.insert(ctx, c)
	if err == nil {
		err = r.supersede(ctx, c)
	}
	if err == nil {
		_, err = r.s.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, undo := r.s.conn.ExecContext(ctx, "ROLLBACK")
		return errors.Join(err, undo)
	}
	return nil
}

// insert adds the points step by step, as a training loop hands them over.
func (r *sqliteRun) insert(ctx context.Context, c runstone.Columns) error {
	for i := range c.Steps {
		for k, name := range c.Names {
			if _, err := r.s.insert.ExecContext(ctx, name, c.Values[k][i], c.Times[i], c.Steps[i], r.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// point is ordered as MLflow orders what is latest.
type point struct {
	step, time int64
	value      float64
}

func (p point) after(q point) bool {
	if p.step != q.step {
		return p.step > q.step
	}
	if p.time != q.time {
		return p.time > q.time
	}
	return p.value > q.value
}

// supersede brings latest_metrics up to date.
func (r *sqliteRun) supersede(ctx context.Context, c runstone.Columns) error {
	known := make(map[string]point, len(c.Names))
	rows, err := r.s.latest.QueryContext(ctx, r.id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var p point
		if err := rows.Scan(&name, &p.step, &p.time, &p.value); err != nil {
			return err
		}
		known[name] = p
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for k, name := range c.Names {
		newest := point{c.Steps[0], c.Times[0], c.Values[k][0]}
		for i := range c.Steps {
			if p := (point{c.Steps[i], c.Times[i], c.Values[k][i]}); p.after(newest) {
				newest = p
			}
		}
		statement := r.s.add
		if old, ok := known[name]; ok {
			if !newest.after(old) {
				continue
			}
			statement = r.s.update
		}
		if _, err := statement.ExecContext(ctx, newest.value, newest.time, newest.step, name, r.id); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) Points(ctx context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error {
	rows, err := s.history.QueryContext(ctx, run, metric)
	if err != nil {
		return err
	}
	return eachPoint(rows, fn)
}

func (s *sqlite) Downsample(ctx context.Context, run, metric string, steps, buckets int) (points int64, err error) {
	rows, err := s.buckets.QueryContext(ctx, run, metric, buckets, steps)
	if err != nil {
		return 0, err
	}
	return countBuckets(rows)
}

func (s *sqlite) Close() error {
	var errs []error
	for _, statement := range []*sql.Stmt{s.insert, s.latest, s.update, s.add, s.history, s.buckets} {
		errs = append(errs, statement.Close())
	}
	return errors.Join(append(errs, s.conn.Close(), s.db.Close())...)
}
