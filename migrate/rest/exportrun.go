package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/migrate"
)

// Limits of one runs/log-batch.
const (
	batchMetrics = 1000
	batchPairs   = 100
)

// shell finds or makes a run, without what it logged.
func (x *exporter) shell(ctx context.Context, d *runstone.RunData, r *run, to *experiment) (*run, error) {
	if r == nil {
		if err := x.revive(ctx, to); err != nil {
			return nil, err
		}
		in := map[string]any{
			"experiment_id": to.ID, "user_id": d.User, "run_name": d.Name, "start_time": d.Start, "tags": []keyValue{{tagRun, d.ID}},
		}
		var out struct {
			Run run `json:"run"`
		}
		if err := x.c.post(ctx, api+"/runs/create", in, &out); err != nil {
			return nil, err
		}
		r = &out.Run
		if r.id() == "" {
			return nil, fmt.Errorf("the server made a run without an id")
		}
	}
	x.runs[d.ID] = r.id()
	x.uris[d.ArtifactURI] = r.Info.ArtifactURI
	return r, nil
}

// run brings a run up to what it is here.
func (x *exporter) run(ctx context.Context, d *runstone.RunData, r *run, to *experiment) error {
	files, err := x.ourFiles(d.ArtifactURI)
	if err != nil {
		return err
	}
	print := fingerprint(d, files)
	t := x.report.Tallies[migrate.Runs]
	state := runState{id: r.id(), parent: d.Tags[runstone.TagParent], hasParent: find(r.Data.Tags, runstone.TagParent), deleted: d.Deleted, was: r.Info.Stage == stageOfDeleted}
	if find(r.Data.Tags, tagExported) == print {
		t.Same++
		if to.Stage != stageOfDeleted {
			x.states = append(x.states, state)
		}
		return nil
	}
	if err := x.revive(ctx, to); err != nil {
		return err
	}
	if state.was {
		if err := x.c.post(ctx, api+"/runs/restore", map[string]any{"run_id": r.id()}, nil); err != nil && statusOf(err) == 0 {
			return err // it may have come back with its experiment
		}
		state.was = false
	}
	if err := x.fill(ctx, d, r, files); err != nil {
		x.states = append(x.states, state)
		return err
	}
	in := map[string]any{"run_id": r.id(), "status": d.Status.String()}
	if d.End != 0 {
		in["end_time"] = d.End
	}
	if d.Name != "" && r.Info.Name != d.Name {
		in["run_name"] = d.Name
	}
	if err := x.c.post(ctx, api+"/runs/update", in, nil); err != nil {
		return err
	}
	// Last: a run without it is looked at again.
	if err := x.c.post(ctx, api+"/runs/set-tag", map[string]any{"run_id": r.id(), "key": tagExported, "value": print}, nil); err != nil {
		return err
	}
	x.states = append(x.states, state)
	if find(r.Data.Tags, tagExported) == "" {
		t.Added++
	} else {
		t.Updated++
	}
	return nil
}

// fingerprint is a digest of what an export brings of a run.
func fingerprint(d *runstone.RunData, files []ourFile) string {
	h := sha256.New()
	put := func(parts ...any) { _, _ = fmt.Fprintf(h, "%q\n", parts) }
	put(d.Name, d.Status.String(), d.Start, d.End)
	for _, k := range slices.Sorted(maps.Keys(d.Params)) {
		put("param", k, d.Params[k])
	}
	for _, k := range slices.Sorted(maps.Keys(d.Tags)) {
		put("tag", k, d.Tags[k])
	}
	for i := range d.Metrics {
		m := &d.Metrics[i]
		put("metric", m.Metric, m.Model, m.Dataset, m.DatasetDigest, m.Count, m.NaN, math.Float64bits(m.Sum), m.Latest.Step, m.Latest.Time, math.Float64bits(m.Latest.Value))
	}
	for _, in := range d.Inputs {
		put("input", in.Dataset.Name, in.Dataset.Digest, in.Tags)
	}
	put("models", d.Models.Inputs, d.Models.Outputs)
	for _, f := range files {
		put("file", f.path, f.size)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// fill brings what a run logged.
func (x *exporter) fill(ctx context.Context, d *runstone.RunData, r *run, files []ourFile) error {
	if err := x.pairs(ctx, d, r); err != nil {
		return err
	}
	if err := x.points(ctx, d, r); err != nil {
		return err
	}
	if err := x.edges(ctx, d, r); err != nil {
		return err
	}
	return x.sendFiles(ctx, migrate.Runs, files, r.Info.ArtifactURI)
}

// pairs brings params and tags that are not there.
func (x *exporter) pairs(ctx context.Context, d *runstone.RunData, r *run) error {
	missing := func(ours map[string]string, there []keyValue) (out []keyValue) {
		has := map[string]string{}
		for _, kv := range there {
			has[kv.Key] = kv.Value
		}
		for _, k := range slices.Sorted(maps.Keys(ours)) {
			if v, ok := has[k]; (!ok || v != ours[k]) && k != runstone.TagParent {
				out = append(out, keyValue{k, ours[k]})
			}
		}
		return out
	}
	for _, of := range []struct {
		field string
		list  []keyValue
	}{{"params", missing(d.Params, r.Data.Params)}, {"tags", missing(d.Tags, r.Data.Tags)}} {
		for some := range slices.Chunk(of.list, batchPairs) {
			if err := x.c.post(ctx, api+"/runs/log-batch", map[string]any{"run_id": r.id(), of.field: some}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// pointKey tells points of a metric apart.
type pointKey struct {
	step, time int64
	value      uint64
}

func keyOf(step, time int64, value float64) pointKey {
	if math.IsNaN(value) {
		value = math.NaN()
	}
	return pointKey{step, time, math.Float64bits(value)}
}

// points brings the points that are not there. A server keeps equal points once
// or each, depending on its store.
func (x *exporter) points(ctx context.Context, d *runstone.RunData, r *run) error {
	names := make([]runstone.SeriesName, len(d.Metrics))
	for i := range d.Metrics {
		names[i] = d.Metrics[i].SeriesName
	}
	has := map[string]map[pointKey]int{} // of what an earlier export brought
	for _, m := range r.Data.Metrics {
		if has[m.Key] != nil {
			continue
		}
		all := map[pointKey]int{}
		err := pages(ctx, func(token string) (string, error) {
			page, next, err := x.c.history(ctx, r.id(), m.Key, token)
			for _, p := range page {
				all[keyOf(int64(p.Step), int64(p.Time), float64(p.Value))]++
			}
			return next, err
		})
		if err != nil {
			return err
		}
		has[m.Key] = all
	}
	batch := make([]metric, 0, batchMetrics)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := x.c.post(ctx, api+"/runs/log-batch", map[string]any{"run_id": r.id(), "metrics": batch}, nil)
		if err == nil {
			x.report.Points += int64(len(batch))
			x.progress()
		}
		batch = batch[:0]
		return err
	}
	for c, err := range x.db.SeriesPoints(ctx, d.ID, names, runstone.AllPoints()) {
		if err != nil {
			return err
		}
		n := names[c.Curve]
		about := x.models[n.Model]
		if n.Model != "" && about == "" && x.logged {
			x.note(migrate.Runs, "points about logged models that are not there were sent without them")
		}
		for i := range c.Steps {
			k := keyOf(c.Steps[i], c.Times[i], c.Values[i])
			if has[n.Metric][k] > 0 {
				has[n.Metric][k]--
				continue
			}
			m := metric{Key: n.Metric, Value: double(c.Values[i]), Time: integer(c.Times[i]), Step: integer(c.Steps[i])}
			if x.logged {
				m.Model, m.Dataset, m.DatasetDigest = about, n.Dataset, n.DatasetDigest
			}
			if batch = append(batch, m); len(batch) == batchMetrics {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// edges brings datasets and logged models that a run used and made.
func (x *exporter) edges(ctx context.Context, d *runstone.RunData, r *run) error {
	var datasets []datasetInput
	for _, in := range d.Inputs {
		known := slices.ContainsFunc(r.Inputs.Datasets, func(have datasetInput) bool {
			return have.Dataset.Name == in.Dataset.Name && have.Dataset.Digest == in.Dataset.Digest
		})
		if !known {
			datasets = append(datasets, datasetInput{Tags: pairs(in.Tags), Dataset: dataset(in.Dataset)})
		}
	}
	has := func(list []modelRef, id string) bool {
		return slices.ContainsFunc(list, func(m modelRef) bool { return m.ID == id })
	}
	var used, made []modelRef
	for _, id := range d.Models.Inputs {
		if to := x.models[id]; to == "" {
			x.note(migrate.Runs, "uses of logged models that are not there were left out")
		} else if !has(r.Inputs.Models, to) {
			used = append(used, modelRef{ID: to})
		}
	}
	for _, o := range d.Models.Outputs {
		if to := x.models[o.ModelID]; to == "" {
			x.note(migrate.Runs, "outputs of logged models that are not there were left out")
		} else if !has(r.Outputs.Models, to) {
			made = append(made, modelRef{ID: to, Step: integer(o.Step)})
		}
	}
	if len(datasets)+len(used) > 0 {
		in := map[string]any{"run_id": r.id()}
		if len(datasets) > 0 {
			in["datasets"] = datasets
		}
		if len(used) > 0 {
			in["models"] = used
		}
		if err := x.c.post(ctx, api+"/runs/log-inputs", in, nil); err != nil {
			return err
		}
	}
	if len(made) == 0 {
		return nil
	}
	return x.c.post(ctx, api+"/runs/outputs", map[string]any{"run_id": r.id(), "models": made}, nil)
}
