package mlruns

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
)

func (s *Source) Runs(ctx context.Context, experiment string) iter.Seq2[*runstone.ImportedRun, error] {
	return func(yield func(*runstone.ImportedRun, error) bool) {
		dir := s.place[experiment]
		type start struct {
			name string
			at   int64
		}
		var all []start
		for _, name := range s.subfolders(dir) {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if slices.Contains(reserved[:], name) {
				continue
			}
			m, err := s.readMeta(path.Join(dir, name, metaFile))
			switch {
			case errors.Is(err, fs.ErrNotExist): // MLflow takes it for artifacts
				s.leave(migrate.Runs, "folders without a meta.yaml were left out")
			case err != nil:
				s.leave(migrate.Runs, "runs with a damaged meta.yaml were left out")
			case runOf(m) != name || m.text("experiment_id") != experiment:
				s.leave(migrate.Runs, "folders whose meta.yaml has the id of another run or experiment were left out")
			default:
				all = append(all, start{name, m.integer("start_time")})
			}
		}
		slices.SortStableFunc(all, func(a, b start) int { return cmp.Compare(a.at, b.at) })
		s.findAbout(experiment)
		for _, r := range all {
			run := s.run(path.Join(dir, r.name), experiment)
			if run == nil {
				continue
			}
			if !yield(run, nil) {
				return
			}
		}
	}
}

func runOf(m meta) string { return cmp.Or(m.text("run_id"), m.text("run_uuid")) }

// run reads a run.
func (s *Source) run(dir, experiment string) *runstone.ImportedRun {
	m, err := s.readMeta(path.Join(dir, metaFile))
	if err != nil {
		s.leave(migrate.Runs, "runs with a damaged meta.yaml were left out")
		return nil
	}
	r := &runstone.ImportedRun{}
	r.ID, r.ExperimentID, r.Name, r.User = runOf(m), experiment, cmp.Or(m.text("run_name"), m.text("name")), m.text("user_id")
	r.Status = status(m)
	r.Start, r.End, r.DeletedAt = m.integer("start_time"), m.integer("end_time"), m.integer("deleted_time")
	r.Deleted, r.ArtifactURI = m.text("lifecycle_stage") == "deleted", m.text("artifact_uri")
	for _, t := range s.texts(migrate.Runs, path.Join(dir, "params")) {
		r.Params = append(r.Params, runstone.KV(t))
	}
	for _, t := range s.texts(migrate.Runs, path.Join(dir, "tags")) {
		r.Tags = append(r.Tags, runstone.KV(t))
	}
	if r.Name == "" { // of MLflow 1
		r.Name, _ = lineage.FindTag(r.Tags, runstone.TagRunName)
	}
	s.inputs(dir, r)
	s.outputs(dir, r)
	return r
}

// status is a number in the file, and running when it is missing.
func status(m meta) runstone.RunStatus {
	text := m.text("status")
	if text == "" {
		return runstone.Running
	}
	if n, err := strconv.Atoi(text); err == nil && n >= int(runstone.Running) && n <= int(runstone.Killed) {
		return runstone.RunStatus(n)
	}
	st, err := runstone.ParseRunStatus(text)
	if err != nil {
		return 0 // which the import refuses by the run's name
	}
	return st
}

// inputs reads the datasets and logged models that a run used.
func (s *Source) inputs(dir string, r *runstone.ImportedRun) {
	for _, id := range s.subfolders(path.Join(dir, "inputs")) {
		m, err := s.readMeta(path.Join(dir, "inputs", id, metaFile))
		if err != nil {
			s.leave(migrate.Runs, "inputs with a damaged meta.yaml were left out")
			continue
		}
		source := m.text("source_id")
		switch m.text("source_type") {
		case "MODEL":
			r.Models.Inputs = append(r.Models.Inputs, source)
		case "DATASET":
			d, err := s.dataset(path.Dir(dir), source)
			if err != nil {
				s.leave(migrate.Runs, "inputs whose dataset is not there or damaged were left out")
				continue
			}
			in := lineage.Input{Dataset: *d}
			tags := m.mapping("tags")
			for k := range tags {
				in.Tags = append(in.Tags, lineage.Tag{Key: k, Value: tags.text(k)})
			}
			sortTags(in.Tags)
			r.Inputs = append(r.Inputs, in)
		}
	}
}

func (s *Source) dataset(experiment, id string) (*lineage.Dataset, error) {
	if id == "" || path.Base(id) != id {
		return nil, fs.ErrInvalid
	}
	m, err := s.readMeta(path.Join(experiment, "datasets", id, metaFile))
	if err != nil {
		return nil, err
	}
	return &lineage.Dataset{
		Name: m.text("name"), Digest: m.text("digest"), SourceType: m.text("source_type"), Source: m.text("source"),
		Schema: m.text("schema"), Profile: m.text("profile"),
	}, nil
}

// outputs reads the logged models that a run made.
func (s *Source) outputs(dir string, r *runstone.ImportedRun) {
	for _, id := range s.subfolders(path.Join(dir, "outputs")) {
		m, err := s.readMeta(path.Join(dir, "outputs", id, metaFile))
		if err != nil {
			s.leave(migrate.Runs, "outputs with a damaged meta.yaml were left out")
			continue
		}
		if m.text("destination_type") == "MODEL_OUTPUT" {
			r.Models.Outputs = append(r.Models.Outputs, lineage.Output{ModelID: m.text("destination_id"), Step: m.integer("step")})
		}
	}
}
