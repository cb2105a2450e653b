package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"iter"
	"math"
	"slices"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// runBatch is how many runs are read together.
const runBatch = 200

var errStop = errors.New("the caller has enough")

func (s *Source) Runs(ctx context.Context, experiment string) iter.Seq2[*runstone.ImportedRun, error] {
	return func(yield func(*runstone.ImportedRun, error) bool) {
		for batch := range slices.Chunk(s.runs[integerText(experiment)], runBatch) {
			runs, err := s.readRuns(ctx, experiment, batch)
			if err != nil {
				yield(nil, explain(s.path, err))
				return
			}
			for _, r := range runs {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

func integerText(s string) (n int64) {
	for _, c := range s {
		n = n*10 + int64(c-'0')
	}
	return n
}

func (s *Source) readRuns(ctx context.Context, experiment string, rowids []int64) (all []*runstone.ImportedRun, err error) {
	byID := make(map[string]*runstone.ImportedRun, len(rowids))
	ids := make([]any, 0, len(rowids))
	query := "SELECT " + s.conn.pick("runs", "run_uuid", "name", "user_id", "status", "start_time", "end_time", "deleted_time", "lifecycle_stage", "artifact_uri") +
		" FROM runs WHERE rowid IN " + marks(len(rowids)) + " ORDER BY rowid"
	err = s.conn.each(ctx, query, anys(rowids), func(row []driver.Value) error {
		r := &runstone.ImportedRun{}
		r.ID, r.ExperimentID, r.Name, r.User = text(row[0]), experiment, text(row[1]), text(row[2])
		if r.Status, err = runstone.ParseRunStatus(text(row[3])); err != nil {
			r.Status = 0 // which the import refuses by the run's name
		}
		r.Start, r.End, r.DeletedAt = integer(row[4]), integer(row[5]), integer(row[6])
		r.Deleted, r.ArtifactURI = deleted(row[7]), text(row[8])
		all, byID[r.ID], ids = append(all, r), r, append(ids, r.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	in := marks(len(ids))
	for _, table := range []string{"params", "tags"} {
		err := s.conn.each(ctx, "SELECT run_uuid, key, value FROM "+table+" WHERE run_uuid IN "+in, ids, func(row []driver.Value) error {
			r := byID[text(row[0])]
			if r == nil {
				return nil
			}
			kv := runstone.KV{Key: s.key(row[1]), Value: text(row[2])}
			if table == "params" {
				r.Params = append(r.Params, kv)
			} else {
				r.Tags = append(r.Tags, kv)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := s.readInputs(ctx, byID, in, ids); err != nil {
		return nil, err
	}
	if err := s.readModelEdges(ctx, byID, in, ids); err != nil {
		return nil, err
	}
	for _, r := range all {
		sortTags(r.Params)
		sortTags(r.Tags)
		if r.Name == "" { // of MLflow 1
			r.Name, _ = lineage.FindTag(r.Tags, runstone.TagRunName)
		}
	}
	return all, nil
}

// key returns the text of a key, which many rows share.
func (s *Source) key(v driver.Value) string {
	k := text(v)
	if known, ok := s.keys[k]; ok {
		return known
	}
	if len(s.keys) < 1<<16 {
		s.keys[k] = k
	}
	return k
}

// readInputs reads the datasets that runs used.
func (s *Source) readInputs(ctx context.Context, byID map[string]*runstone.ImportedRun, in string, ids []any) error {
	if !s.conn.has("inputs", "input_uuid", "source_id", "destination_type", "destination_id") || !s.conn.has("datasets", "dataset_uuid", "name", "digest") {
		return nil
	}
	type place struct {
		run *runstone.ImportedRun
		i   int
	}
	byInput := map[string]place{}
	query := "SELECT inputs.input_uuid, inputs.destination_id, " + s.conn.pick("datasets", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema", "dataset_profile") +
		" FROM inputs JOIN datasets ON datasets.dataset_uuid = inputs.source_id WHERE inputs.destination_type = 'RUN' AND inputs.destination_id IN " + in + " ORDER BY inputs.rowid"
	err := s.conn.each(ctx, query, ids, func(row []driver.Value) error {
		r := byID[text(row[1])]
		if r == nil {
			return nil
		}
		byInput[text(row[0])] = place{r, len(r.Inputs)}
		r.Inputs = append(r.Inputs, lineage.Input{Dataset: lineage.Dataset{
			Name: text(row[2]), Digest: text(row[3]), SourceType: text(row[4]), Source: text(row[5]), Schema: text(row[6]), Profile: text(row[7]),
		}})
		return nil
	})
	if err != nil || len(byInput) == 0 || !s.conn.has("input_tags", "input_uuid", "name", "value") {
		return err
	}
	query = "SELECT t.input_uuid, t.name, t.value FROM inputs JOIN input_tags t ON t.input_uuid = inputs.input_uuid WHERE inputs.destination_type = 'RUN' AND inputs.destination_id IN " + in
	err = s.conn.each(ctx, query, ids, func(row []driver.Value) error {
		if p := byInput[text(row[0])]; p.run != nil {
			tags := &p.run.Inputs[p.i].Tags
			*tags = append(*tags, lineage.Tag{Key: text(row[1]), Value: text(row[2])})
		}
		return nil
	})
	for _, p := range byInput {
		sortTags(p.run.Inputs[p.i].Tags)
	}
	return err
}

// readModelEdges reads the logged models that runs used and made.
func (s *Source) readModelEdges(ctx context.Context, byID map[string]*runstone.ImportedRun, in string, ids []any) error {
	if !s.conn.has("inputs", "source_type", "source_id", "destination_type", "destination_id") {
		return nil
	}
	query := `SELECT source_id, source_type, destination_id, ` + s.conn.pick("inputs", "step") + ` FROM inputs WHERE source_id IN ` + in +
		` AND (source_type = 'RUN_INPUT' AND destination_type = 'MODEL_INPUT' OR source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT') ORDER BY rowid`
	return s.conn.each(ctx, query, ids, func(row []driver.Value) error {
		r := byID[text(row[0])]
		switch {
		case r == nil:
		case text(row[1]) == "RUN_INPUT":
			r.Models.Inputs = append(r.Models.Inputs, text(row[2]))
		default:
			r.Models.Outputs = append(r.Models.Outputs, lineage.Output{ModelID: text(row[2]), Step: integer(row[3])})
		}
		return nil
	})
}

// window is how many rows of points are yielded together, and slack how many
// more it may be to end with a step.
const window, slack = 50_000, 5_000

func (s *Source) Points(ctx context.Context, run *runstone.ImportedRun) iter.Seq2[[]runstone.SeriesColumns, error] {
	return func(yield func([]runstone.SeriesColumns, error) bool) {
		about, err := s.modelsOf(ctx, run.ID)
		if err != nil {
			yield(nil, explain(s.path, err))
			return
		}
		set := &pointSet{about: about, index: map[runstone.SeriesName]int{}}
		rows, step, at := 0, int64(0), int64(0)
		// In the order of the index on runs, which is that of logging.
		query := "SELECT " + s.conn.pick("metrics", "key", "value", "timestamp", "step", "is_nan") + " FROM metrics WHERE run_uuid = ? ORDER BY rowid"
		err = s.conn.each(ctx, query, []any{run.ID}, func(row []driver.Value) error {
			p := runstone.Point{Step: integer(row[3]), Time: integer(row[2]), Value: number(row[1])}
			if rows >= window && (p.Step != step || p.Time != at || rows >= window+slack) {
				if !yield(set.series, nil) {
					return errStop
				}
				set.clear()
				rows = 0
			}
			rows++
			step, at = p.Step, p.Time
			set.add(s.key(row[0]), p, integer(row[4]) != 0)
			return nil
		})
		switch {
		case errors.Is(err, errStop):
		case err != nil:
			yield(nil, explain(s.path, err))
		case rows > 0:
			yield(set.series, nil)
		}
	}
}

// pointSet sorts points into series.
type pointSet struct {
	series []runstone.SeriesColumns
	index  map[runstone.SeriesName]int
	about  map[modelPoint][]runstone.SeriesName
}

func (p *pointSet) add(metric string, at runstone.Point, nan bool) {
	names := p.about[modelPoint{metric, at.Step, at.Time, math.Float64bits(at.Value)}]
	if nan {
		at.Value = math.NaN()
	}
	if len(names) == 0 {
		p.put(runstone.SeriesName{Metric: metric}, at)
	}
	for _, n := range names {
		p.put(n, at)
	}
}

func (p *pointSet) put(n runstone.SeriesName, at runstone.Point) {
	i, ok := p.index[n]
	if !ok {
		i = len(p.series)
		p.index[n] = i
		p.series = append(p.series, runstone.SeriesColumns{SeriesName: n})
	}
	c := &p.series[i]
	c.Steps, c.Times, c.Values = append(c.Steps, at.Step), append(c.Times, at.Time), append(c.Values, at.Value)
}

func (p *pointSet) clear() {
	for i := range p.series {
		c := &p.series[i]
		c.Steps, c.Times, c.Values = c.Steps[:0], c.Times[:0], c.Values[:0]
	}
}

// modelPoint tells a point of a run that is about a logged model. The store
// keeps such points once among all metrics and once with their model.
type modelPoint struct {
	metric     string
	step, time int64
	value      uint64 // bits; those of 0 for NaN, as the store has it
}

// aboutModels sorts the points about logged models by their runs, in a table of
// this connection alone: the store has no index for that.
func (s *Source) aboutModels(ctx context.Context) error {
	if !s.conn.has("logged_model_metrics", "model_id", "metric_name", "metric_timestamp_ms", "metric_step", "metric_value", "run_id") {
		return nil
	}
	err := s.conn.each(ctx, "SELECT 1 FROM logged_model_metrics LIMIT 1", nil, func([]driver.Value) error {
		s.about = true
		return nil
	})
	if err != nil || !s.about {
		return err
	}
	for _, q := range []string{
		"CREATE TEMP TABLE about AS SELECT run_id, " + s.conn.pick("logged_model_metrics", "model_id", "metric_name", "metric_timestamp_ms", "metric_step", "metric_value", "dataset_name", "dataset_digest") +
			" FROM logged_model_metrics",
		"CREATE INDEX temp.about_run ON about (run_id)",
	} {
		if err := s.conn.each(ctx, q, nil, func([]driver.Value) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) modelsOf(ctx context.Context, run string) (map[modelPoint][]runstone.SeriesName, error) {
	if !s.about {
		return nil, nil
	}
	about := map[modelPoint][]runstone.SeriesName{}
	err := s.conn.each(ctx, "SELECT * FROM temp.about WHERE run_id = ? ORDER BY rowid", []any{run}, func(row []driver.Value) error {
		metric := s.key(row[2])
		value := number(row[5])
		if row[5] == nil {
			value = 0
		}
		k := modelPoint{metric, integer(row[4]), integer(row[3]), math.Float64bits(value)}
		n := runstone.SeriesName{Metric: metric, Model: s.key(row[1]), Dataset: s.key(row[6]), DatasetDigest: s.key(row[7])}
		if !slices.Contains(about[k], n) {
			about[k] = append(about[k], n)
		}
		return nil
	})
	return about, err
}
