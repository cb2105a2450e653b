package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/runstonedb/runstone/bench/load"
)

// filled returns the folder of a store with the runs, which is made when it is
// not there, and the ids of their experiments by number. Nobody writes to it:
// each measurement has a copy.
func (t *tracker) filled(ctx context.Context, dir string, programs *programs, w load.Runs) (kept string, experiments []string, err error) {
	if programs.folder != "" {
		dir = programs.folder
	}
	kept = filepath.Join(dir, fmt.Sprintf("store-%s-%d", t.name, w.Runs))
	list := kept + ".json"
	text, err := os.ReadFile(list)
	if err == nil {
		return kept, experiments, json.Unmarshal(text, &experiments)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	if err := os.RemoveAll(kept); err != nil { // of one that was broken off
		return "", nil, err
	}
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return "", nil, err
	}
	if experiments, err = t.fill(ctx, t, kept, w); err != nil {
		return "", nil, err
	}
	if text, err = json.Marshal(experiments); err != nil {
		return "", nil, err
	}
	return kept, experiments, os.WriteFile(list, text, 0o644)
}

// createExperiments makes the experiments of a workload and asks for them.
func createExperiments(p *process, w load.Runs) (ids []string, err error) {
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, name := range w.Experiments() {
		id, err := c.createExperiment(name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// fillers is how many clients fill a store at once.
const fillers = 8

// fillByREST logs the runs as clients would.
func fillByREST(ctx context.Context, t *tracker, dir string, w load.Runs) (experiments []string, err error) {
	p, err := t.start(ctx, nil, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if experiments, err = createExperiments(p, w); err != nil {
		return nil, err
	}
	var next atomic.Int64
	errs := make([]error, fillers)
	var wg sync.WaitGroup
	for k := range errs {
		wg.Go(func() {
			c, err := p.dial()
			if err != nil {
				errs[k] = err
				return
			}
			defer c.Close()
			for i := int(next.Add(1)) - 1; i < w.Runs && errs[k] == nil && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				f := w.Run(i)
				errs[k] = c.logRun(&f, experiments[f.Experiment])
			}
		})
	}
	wg.Wait()
	return experiments, errors.Join(append(errs, ctx.Err())...)
}

// logRun makes a run as a client does: create, a batch of fields, end.
func (c *client) logRun(f *load.RunFields, experiment string) error {
	id, err := c.createRun(experiment, f.Name, f.Start, pairs(f, true))
	if err != nil {
		return err
	}
	if err := c.call("runs/log-batch", fieldsOf(f, id), nil); err != nil {
		return err
	}
	return c.call("runs/update", map[string]any{"run_id": id, "status": "FINISHED", "end_time": f.End}, nil)
}

// pairs are the tags or the params of a run.
func pairs(f *load.RunFields, tags bool) (out []wirePair) {
	list := f.Params
	if tags {
		list = f.Tags
	}
	for _, kv := range list {
		out = append(out, wirePair(kv))
	}
	return out
}

// fieldsOf is a batch with the params and metrics of a run.
func fieldsOf(f *load.RunFields, id string) any {
	batch := struct {
		Run     string      `json:"run_id"`
		Params  []wirePair  `json:"params"`
		Metrics []wirePoint `json:"metrics"`
	}{Run: id, Params: pairs(f, false)}
	for _, m := range f.Metrics {
		batch.Metrics = append(batch.Metrics, wirePoint{m.Name, m.Value, m.Time, m.Step})
	}
	return batch
}

// fillSQLite lets MLflow make its tables and experiments, and adds the rows
// that it would have made of the runs: through its API they would take an hour.
func fillSQLite(ctx context.Context, t *tracker, dir string, w load.Runs) (experiments []string, err error) {
	if experiments, err = t.onlyExperiments(ctx, nil, dir, w); err != nil {
		return nil, err
	}
	s, err := openSQLRuns(ctx, filepath.Join(dir, "mlflow.db"), loading)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.experiments, err = numbers(experiments); err != nil {
		return nil, err
	}
	if err := s.insertRuns(ctx, w); err != nil {
		return nil, err
	}
	// The mode of the journal is MLflow's own again.
	return experiments, s.exec(ctx, "PRAGMA journal_mode = DELETE")
}

func (t *tracker) onlyExperiments(ctx context.Context, programs *programs, dir string, w load.Runs) (experiments []string, err error) {
	p, err := t.start(ctx, programs, dir)
	if err != nil {
		return nil, err
	}
	experiments, err = createExperiments(p, w)
	return experiments, errors.Join(err, p.stop())
}

func numbers(ids []string) (out []int64, err error) {
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// fillPostgres is fillSQLite for PostgreSQL, by COPY.
func (p *programs) fillPostgres(ctx context.Context, t *tracker, dir string, w load.Runs) (experiments []string, err error) {
	if experiments, err = t.onlyExperiments(ctx, p, dir, w); err != nil {
		return nil, err
	}
	d, err := p.startPostgres(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	var runs, params, tags, latest strings.Builder
	into := func(b *strings.Builder, row ...string) error {
		out := csv.NewWriter(b)
		if err := out.Write(row); err != nil {
			return err
		}
		out.Flush()
		return out.Error()
	}
	digits := func(n int64) string { return strconv.FormatInt(n, 10) }
	for i := range w.Runs {
		f := w.Run(i)
		experiment := experiments[f.Experiment]
		err := into(&runs, f.ID, f.Name, "UNKNOWN", "", "", load.RunsUser, "FINISHED", digits(f.Start), digits(f.End), "", "active",
			"mlflow-artifacts:/"+experiment+"/"+f.ID+"/artifacts", experiment)
		for _, kv := range f.Params {
			err = errors.Join(err, into(&params, kv.Key, kv.Value, f.ID))
		}
		err = errors.Join(err, into(&tags, "mlflow.runName", f.Name, f.ID))
		for _, kv := range f.Tags {
			err = errors.Join(err, into(&tags, kv.Key, kv.Value, f.ID))
		}
		for _, m := range f.Metrics {
			err = errors.Join(err, into(&latest, m.Name, strconv.FormatFloat(m.Value, 'g', -1, 64), digits(m.Time), digits(m.Step), "false", f.ID))
		}
		if err != nil {
			return nil, err
		}
	}
	script := copyIn("runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)", &runs) +
		copyIn("params (key, value, run_uuid)", &params) + copyIn("tags (key, value, run_uuid)", &tags) +
		copyIn("latest_metrics (key, value, timestamp, step, is_nan, run_uuid)", &latest) + "ANALYZE;\nCHECKPOINT;\n"
	return experiments, p.psql(ctx, d.port, "peers", script)
}

func copyIn(table string, rows *strings.Builder) string {
	return "COPY " + table + " FROM STDIN WITH (FORMAT csv);\n" + rows.String() + "\\.\n"
}
