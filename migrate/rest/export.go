package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/migrate"
)

// Tags that keep the ids of a database on a server, see the package's
// documentation.
const (
	tagExperiment = "runstone.experimentId"
	tagRun        = "runstone.runId"
	tagModel      = "runstone.modelId"
	tagVersion    = "runstone.version"
	tagExported   = "runstone.exported"
)

// ExportOptions are for [Export]; nil is none of them.
type ExportOptions struct {
	// Experiments limits the export to these ids; nil is all. The registry comes
	// only with all of them.
	Experiments []string
	// NoArtifacts sends no files.
	NoArtifacts bool
	// Progress is told now and then how far the export is; nil is fine. The report
	// must not be kept.
	Progress func(*ExportReport)
}

// Sent is what became of the records of a kind.
type Sent struct {
	Added   int64 `json:"added"`
	Updated int64 `json:"updated"` // were there, with other content
	Same    int64 `json:"same"`
	Skipped int64 `json:"skipped"` // see the notes
}

// ExportReport says what an export did.
type ExportReport struct {
	Tallies       map[migrate.Kind]*Sent `json:"records"`
	Points        int64                  `json:"points_sent"`
	ArtifactBytes int64                  `json:"artifact_bytes_sent"`
	Notes         []migrate.Note         `json:"notes,omitempty"`
}

// Changed reports whether the export changed the server.
func (r *ExportReport) Changed() bool {
	for _, t := range r.Tallies {
		if t.Added+t.Updated > 0 {
			return true
		}
	}
	return false
}

// exporter is one export. It holds the ids of all runs and models, and one run.
type exporter struct {
	db     *runstone.DB
	c      *client
	opt    ExportOptions
	report ExportReport
	there  map[string]*experiment // on the server, by name
	runs   map[string]string      // new ids by ours
	models map[string]string      // new ids of logged models by ours
	uris   map[string]string      // new locations of artifacts by ours
	states []runState             // of runs, to be settled in the end
	logged bool                   // the server knows logged models
	notes  map[migrate.Note]int64
}

// runState is what a run is on the server, and shall be in the end.
type runState struct {
	id           string // new
	parent       string // our id of the parent
	hasParent    string // what its tag says
	deleted, was bool   // what it shall be, and is
}

// Export brings what a database has into a running MLflow server. Doing it
// again brings what is new, and nothing when nothing is. With an error the
// report says what was done until then; calling Export again goes on.
func Export(ctx context.Context, db *runstone.DB, address string, access *Options, opt *ExportOptions) (*ExportReport, error) {
	c, err := newClient(address, access)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.check(ctx); err != nil {
		return nil, err
	}
	x := &exporter{
		db: db, c: c, there: map[string]*experiment{}, runs: map[string]string{}, models: map[string]string{},
		uris: map[string]string{}, notes: map[migrate.Note]int64{}, report: ExportReport{Tallies: map[migrate.Kind]*Sent{}},
	}
	if opt != nil {
		x.opt = *opt
	}
	for _, k := range migrate.Kinds {
		x.report.Tallies[k] = &Sent{}
	}
	err = x.all(ctx)
	for n, count := range x.notes {
		n.N = count
		x.report.Notes = append(x.report.Notes, n)
	}
	slices.SortFunc(x.report.Notes, func(a, b migrate.Note) int { return compareNotes(&a, &b) })
	return &x.report, err
}

func compareNotes(a, b *migrate.Note) int {
	if i, j := slices.Index(migrate.Kinds[:], a.Kind), slices.Index(migrate.Kinds[:], b.Kind); i != j {
		return i - j
	}
	return len(a.Text) - len(b.Text)
}

func (x *exporter) note(kind migrate.Kind, text string) {
	x.notes[migrate.Note{Kind: kind, Text: text}]++
}

func (x *exporter) progress() {
	if x.opt.Progress != nil {
		x.opt.Progress(&x.report)
	}
}

// refused reports whether an error is the server's no to a record, which is
// noted and left out. Others end the export.
func (x *exporter) refused(kind migrate.Kind, id string, err error) bool {
	if status := statusOf(err); status != http.StatusBadRequest && status != http.StatusConflict {
		return false
	}
	e := (*Error)(nil)
	_ = errors.As(err, &e)
	x.report.Tallies[kind].Skipped++
	x.notes[migrate.Note{Kind: kind, ID: id, Text: "the server refuses it: " + e.Message}]++
	return true
}

func (x *exporter) all(ctx context.Context) error {
	all, err := x.c.experiments(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		x.there[all[i].Name] = &all[i]
	}
	if x.logged, err = x.c.hasLogged(ctx); err != nil {
		return err
	}
	var deleted []*experiment
	for e, err := range x.db.Experiments(ctx) {
		if err != nil {
			return err
		}
		if x.opt.Experiments != nil && !slices.Contains(x.opt.Experiments, e.ID) {
			continue
		}
		to, err := x.experiment(ctx, e)
		if err != nil {
			return fmt.Errorf("experiment %s: %w", e.ID, err)
		}
		if to == nil {
			continue
		}
		if err := x.contents(ctx, e.ID, to); err != nil {
			return fmt.Errorf("experiment %s: %w", e.ID, err)
		}
		if e.Deleted {
			deleted = append(deleted, to)
		}
		x.progress()
	}
	if err := x.settle(ctx); err != nil {
		return err
	}
	for _, e := range deleted {
		if e.Stage == stageOfDeleted {
			continue
		}
		if err := x.c.post(ctx, api+"/experiments/delete", map[string]any{"experiment_id": e.ID}, nil); err != nil {
			return err
		}
	}
	if x.opt.Experiments != nil {
		return nil
	}
	return x.registry(ctx)
}

// experiment finds or makes an experiment, nil when it is left out.
func (x *exporter) experiment(ctx context.Context, e *runstone.Experiment) (*experiment, error) {
	t := x.report.Tallies[migrate.Experiments]
	to := x.there[e.Name]
	added, changed := to == nil, false
	switch {
	case added:
		to = &experiment{Name: e.Name, Stage: "active"}
		var out struct {
			ID string `json:"experiment_id"`
		}
		in := map[string]any{"name": e.Name, "tags": []keyValue{{tagExperiment, e.ID}}}
		if err := x.c.post(ctx, api+"/experiments/create", in, &out); err != nil {
			if x.refused(migrate.Experiments, e.ID, err) {
				return nil, nil
			}
			return nil, err
		}
		to.ID, to.Tags = out.ID, []keyValue{{tagExperiment, e.ID}}
		x.there[e.Name] = to
	case to.Stage == stageOfDeleted && find(to.Tags, tagExperiment) == "":
		x.note(migrate.Experiments, "deleted experiments there have the names of these, which were left out; restore or rename those there")
		t.Skipped++
		return nil, nil
	case to.Stage == stageOfDeleted && !e.Deleted:
		if err := x.revive(ctx, to); err != nil {
			return nil, err
		}
		changed = true
	}
	for k, v := range e.Tags {
		if find(to.Tags, k) == v && slices.ContainsFunc(to.Tags, func(kv keyValue) bool { return kv.Key == k }) {
			continue
		}
		if err := x.revive(ctx, to); err != nil {
			return nil, err
		}
		if err := x.c.post(ctx, api+"/experiments/set-experiment-tag", map[string]any{"experiment_id": to.ID, "key": k, "value": v}, nil); err != nil {
			return nil, err
		}
		changed = true
	}
	switch {
	case added:
		t.Added++
	case changed:
		t.Updated++
	default:
		t.Same++
	}
	return to, nil
}

// revive makes an experiment active so that it can be written to.
func (x *exporter) revive(ctx context.Context, e *experiment) error {
	if e.Stage != stageOfDeleted {
		return nil
	}
	if err := x.c.post(ctx, api+"/experiments/restore", map[string]any{"experiment_id": e.ID}, nil); err != nil {
		return err
	}
	e.Stage = "active"
	return nil
}

// settle gives runs their parents and life cycles, when all runs have ids.
func (x *exporter) settle(ctx context.Context) error {
	for _, s := range x.states {
		parent := x.runs[s.parent]
		if s.parent != "" && parent == "" { // of another experiment or gone
			parent = s.parent
		}
		if parent != s.hasParent && parent != "" {
			if s.was {
				if err := x.c.post(ctx, api+"/runs/restore", map[string]any{"run_id": s.id}, nil); err != nil {
					return err
				}
				s.was = false
			}
			in := map[string]any{"run_id": s.id, "key": runstone.TagParent, "value": parent}
			if err := x.c.post(ctx, api+"/runs/set-tag", in, nil); err != nil {
				return err
			}
		}
		if s.deleted == s.was {
			continue
		}
		what := "/runs/delete"
		if s.was {
			what = "/runs/restore"
		}
		if err := x.c.post(ctx, api+what, map[string]any{"run_id": s.id}, nil); err != nil {
			return err
		}
	}
	return nil
}

// contents exports what is in an experiment: first the runs without what they
// logged, then the logged models, which name runs, and then the rest of the
// runs, which names models.
func (x *exporter) contents(ctx context.Context, id string, to *experiment) error {
	there := map[string]*run{}
	err := x.c.runs(ctx, to.ID, func(page []run) bool {
		for i := range page {
			if of := find(page[i].Data.Tags, tagRun); of != "" {
				r := page[i]
				r.Data.Params, r.Outputs.Models = slices.Clip(r.Data.Params), slices.Clip(r.Outputs.Models)
				there[of] = &r
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	opt := &runstone.SearchOptions{Experiments: []string{id}, View: runstone.All, OrderBy: []string{"attributes.start_time ASC"}}
	left := map[string]bool{}
	for d, err := range x.db.Search(ctx, "", opt) {
		if err != nil {
			return err
		}
		r, err := x.shell(ctx, d, there[d.ID], to)
		switch {
		case err != nil && x.refused(migrate.Runs, d.ID, err):
			left[d.ID] = true
			continue
		case err != nil:
			return fmt.Errorf("run %s: %w", d.ID, err)
		}
		there[d.ID] = r
	}
	if err := x.loggedModels(ctx, id, to); err != nil {
		return err
	}
	for d, err := range x.db.Search(ctx, "", opt) {
		if err != nil {
			return err
		}
		r := there[d.ID]
		if r == nil || left[d.ID] { // of this moment
			continue
		}
		if err := x.run(ctx, d, r, to); err != nil && !x.refused(migrate.Runs, d.ID, err) {
			return fmt.Errorf("run %s: %w", d.ID, err)
		}
		x.progress()
	}
	return nil
}
