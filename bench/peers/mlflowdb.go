package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/bench/load"
)

// searchSchema is what MLflow's migrations make of the tables that a search
// reads: same columns, keys, checks and indexes. Indexes that are no keys come
// from searchIndexes.
const searchSchema = `
CREATE TABLE experiments (
	experiment_id INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	artifact_location VARCHAR(256),
	lifecycle_stage VARCHAR(32),
	creation_time BIGINT,
	last_update_time BIGINT,
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL,
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id),
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
CREATE TABLE runs (
	run_uuid VARCHAR(32) NOT NULL,
	name VARCHAR(250),
	source_type VARCHAR(20),
	source_name VARCHAR(500),
	entry_point_name VARCHAR(50),
	user_id VARCHAR(256),
	status VARCHAR(9),
	start_time BIGINT,
	end_time BIGINT,
	source_version VARCHAR(50),
	lifecycle_stage VARCHAR(20),
	artifact_uri VARCHAR(200),
	experiment_id INTEGER,
	deleted_time BIGINT,
	CONSTRAINT run_pk PRIMARY KEY (run_uuid),
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')),
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
	FOREIGN KEY (experiment_id) REFERENCES experiments (experiment_id),
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
CREATE TABLE metrics (
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
CREATE TABLE latest_metrics (
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
CREATE TABLE params (
	key VARCHAR(250) NOT NULL,
	value VARCHAR(8000) NOT NULL,
	run_uuid VARCHAR(32) NOT NULL,
	CONSTRAINT param_pk PRIMARY KEY (key, run_uuid),
	FOREIGN KEY (run_uuid) REFERENCES runs (run_uuid)
);
CREATE TABLE tags (
	key VARCHAR(250) NOT NULL,
	value VARCHAR(8000),
	run_uuid VARCHAR(32) NOT NULL,
	CONSTRAINT tag_pk PRIMARY KEY (key, run_uuid),
	FOREIGN KEY (run_uuid) REFERENCES runs (run_uuid)
);
CREATE TABLE inputs (
	input_uuid VARCHAR(36) NOT NULL,
	source_type VARCHAR(36) NOT NULL,
	source_id VARCHAR(36) NOT NULL,
	destination_type VARCHAR(36) NOT NULL,
	destination_id VARCHAR(36) NOT NULL,
	step BIGINT DEFAULT '0' NOT NULL,
	CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
CREATE TABLE input_tags (
	input_uuid VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	value VARCHAR(500) NOT NULL,
	CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
CREATE TABLE datasets (
	dataset_uuid VARCHAR(36) NOT NULL,
	experiment_id INTEGER NOT NULL,
	name VARCHAR(500) NOT NULL,
	digest VARCHAR(36) NOT NULL,
	dataset_source_type VARCHAR(36) NOT NULL,
	dataset_source TEXT NOT NULL,
	dataset_schema TEXT,
	dataset_profile TEXT,
	CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest),
	CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY (experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);`

// searchIndexes are made when the rows are in, which is faster and packs them
// better.
const searchIndexes = `
CREATE INDEX idx_experiments_workspace ON experiments (workspace);
CREATE INDEX idx_experiments_workspace_creation_time ON experiments (workspace, creation_time);
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, key, step);
CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
CREATE INDEX index_inputs_destination_type_destination_id_source_type ON inputs (destination_type, destination_id, source_type);
CREATE INDEX index_inputs_input_uuid ON inputs (input_uuid);
CREATE INDEX index_datasets_dataset_uuid ON datasets (dataset_uuid);
CREATE INDEX index_datasets_experiment_id_dataset_source_type ON datasets (experiment_id, dataset_source_type);`

// sqlRuns is SQLite with MLflow's tables, for searching.
type sqlRuns struct {
	db          *sql.DB
	conn        *sql.Conn
	experiments []int64
	prepared    map[string]*sql.Stmt
}

// openSQLRuns opens the file with the pragmas that MLflow sends, and with
// others by name.
func openSQLRuns(ctx context.Context, path string, pragmas map[string]string) (_ *sqlRuns, err error) {
	params := url.Values{"_foreign_keys": {"on"}, "_cslike": {"on"}, "_busy_timeout": {"20000"}}
	for name, value := range pragmas {
		params.Set("_"+name, value)
	}
	s := &sqlRuns{prepared: map[string]*sql.Stmt{}}
	if s.db, err = sql.Open("sqlite3", "file:"+path+"?"+params.Encode()); err != nil {
		return nil, err
	}
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	for i := range (load.Runs{}).Experiments() {
		s.experiments = append(s.experiments, int64(i+1))
	}
	return s, nil
}

// Close closes the file.
func (s *sqlRuns) Close() error {
	var errs []error
	for _, statement := range s.prepared {
		errs = append(errs, statement.Close())
	}
	return errors.Join(append(errs, s.conn.Close(), s.db.Close())...)
}

// loading are pragmas that make SQLite as fast as it can be for rows that may
// be lost.
var loading = map[string]string{"journal_mode": "OFF", "synchronous": "OFF", "cache_size": "-2000000", "locking_mode": "EXCLUSIVE"}

// runsAtOnce is how many runs a transaction of loading has.
const runsAtOnce = 10_000

// loadSQLRuns makes the file with the rows that MLflow would have made of the
// runs, in the order of the runs. The points of metrics are left out: they are
// not searched, and the latest values are rows of their own.
func loadSQLRuns(ctx context.Context, path string, w load.Runs) (err error) {
	s, err := openSQLRuns(ctx, path, loading)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.exec(ctx, searchSchema); err != nil {
		return err
	}
	for i, name := range w.Experiments() {
		err := s.exec(ctx, `INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time) VALUES (?, ?, ?, 'active', 0, 0)`,
			s.experiments[i], name, fmt.Sprintf("mlflow-artifacts:/%d", s.experiments[i]))
		if err != nil {
			return err
		}
	}
	if err := s.insertRuns(ctx, w); err != nil {
		return err
	}
	return s.exec(ctx, searchIndexes)
}

// insertRuns adds the rows of all runs.
func (s *sqlRuns) insertRuns(ctx context.Context, w load.Runs) error {
	for i := range w.Runs {
		if i%runsAtOnce == 0 {
			if err := s.exec(ctx, "BEGIN"); err != nil {
				return err
			}
		}
		if err := s.insertRun(ctx, w.Run(i)); err != nil {
			return fmt.Errorf("run %d: %w", i, err)
		}
		if (i+1)%runsAtOnce == 0 || i+1 == w.Runs {
			if err := s.exec(ctx, "COMMIT"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sqlRuns) exec(ctx context.Context, statement string, args ...any) error {
	_, err := s.conn.ExecContext(ctx, statement, args...)
	return err
}

// statement returns the prepared statement of the text.
func (s *sqlRuns) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if st := s.prepared[text]; st != nil {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, text)
	if err == nil {
		s.prepared[text] = st
	}
	return st, err
}

// insert adds rows of a table, which have width columns, in one statement.
func (s *sqlRuns) insert(ctx context.Context, table string, width int, values []any) error {
	row := "(" + placeholders(width) + ")"
	text := table + " VALUES " + strings.TrimSuffix(strings.Repeat(row+", ", len(values)/width), ", ")
	st, err := s.statement(ctx, "INSERT INTO "+text)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, values...)
	return err
}

func (s *sqlRuns) insertRun(ctx context.Context, f load.RunFields) error {
	experiment := s.experiments[f.Experiment]
	err := s.insert(ctx, `runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)`, 13,
		[]any{f.ID, f.Name, "UNKNOWN", "", "", load.RunsUser, "FINISHED", f.Start, f.End, "", "active",
			"mlflow-artifacts:/" + strconv.FormatInt(experiment, 10) + "/" + f.ID + "/artifacts", experiment})
	if err != nil {
		return err
	}
	var params, tags, metrics []any
	for _, p := range f.Params {
		params = append(params, p.Key, p.Value, f.ID)
	}
	tags = append(tags, "mlflow.runName", f.Name, f.ID)
	for _, t := range f.Tags {
		tags = append(tags, t.Key, t.Value, f.ID)
	}
	for i := range f.Metrics {
		m := &f.Metrics[i]
		metrics = append(metrics, m.Name, m.Value, m.Time, m.Step, false, f.ID)
	}
	if err := s.insert(ctx, "params (key, value, run_uuid)", 3, params); err != nil {
		return err
	}
	if err := s.insert(ctx, "tags (key, value, run_uuid)", 3, tags); err != nil {
		return err
	}
	return s.insert(ctx, "latest_metrics (key, value, timestamp, step, is_nan, run_uuid)", 6, metrics)
}

// sqlRun is a run as MLflow loads it.
type sqlRun struct {
	id, stage, uri                                        string
	name, sourceType, sourceName, entry, user, status, at sql.NullString
	start, end, deleted, experiment                       sql.NullInt64

	params, tags map[string]string
	metrics      map[string]point
}

// search answers a question as MLflow's SQL store does: the rows of the runs,
// and when whole is set all that belongs to them. There is one run more than
// asked for when there is a next page.
func (s *sqlRuns) search(ctx context.Context, q *question, whole bool) ([]*sqlRun, error) {
	text, args := q.statement(s.experiments)
	st, err := s.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []*sqlRun
	for rows.Next() {
		r := new(sqlRun)
		to := []any{
			&r.id, &r.name, &r.sourceType, &r.sourceName, &r.entry, &r.user, &r.status, &r.start, &r.end, &r.deleted,
			&r.at, &r.stage, &r.uri, &r.experiment,
		}
		for range q.order { // what is sorted by is selected too
			to = append(to, new(any), new(any))
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	if err := rows.Err(); err != nil || !whole || len(found) == 0 {
		return found, err
	}
	return found, s.loadRelated(ctx, found)
}

// loadRelated fills in what belongs to the runs.
func (s *sqlRuns) loadRelated(ctx context.Context, runs []*sqlRun) error {
	byID := make(map[string]*sqlRun, len(runs))
	ids := make([]any, len(runs))
	for i, r := range runs {
		byID[r.id], ids[i] = r, r.id
		r.params, r.tags, r.metrics = map[string]string{}, map[string]string{}, map[string]point{}
	}
	for i, r := range related(len(runs)) {
		st, err := s.statement(ctx, r.text)
		if err != nil {
			return err
		}
		args := append(append(append([]any(nil), r.before...), ids...), r.after...)
		rows, err := st.QueryContext(ctx, args...)
		if err != nil {
			return err
		}
		for err == nil && rows.Next() {
			err = scanRelated(rows, i, byID)
		}
		if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

// scanRelated puts a row of statement i of related where it belongs.
func scanRelated(rows *sql.Rows, i int, runs map[string]*sqlRun) error {
	var id, key string
	var value sql.NullString
	var p point
	var nan bool
	switch i {
	case 0, 1:
		if err := rows.Scan(&id, &key, &value); err != nil {
			return err
		}
		if i == 0 {
			runs[id].tags[key] = value.String
		} else {
			runs[id].params[key] = value.String
		}
	case 2:
		if err := rows.Scan(&id, &key, &p.value, &p.time, &p.step, &nan); err != nil {
			return err
		}
		runs[id].metrics[key] = p
	default:
		return errors.New("a dataset or model that was not logged")
	}
	return nil
}
