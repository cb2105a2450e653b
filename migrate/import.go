package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// Options are for [Import]; nil is none of them.
type Options struct {
	// Skip leaves out what is in conflict with the database or cannot be kept,
	// and all that belongs to it, and goes on. Otherwise the first such record
	// ends the import.
	Skip bool
	// NoArtifacts copies no files: all locations stay as they are.
	NoArtifacts bool
	// Progress is told now and then how far the import is; nil is fine. The
	// report must not be kept.
	Progress func(r *Report, total *Counts)
}

// Import brings all that a source yields into a database, which the process
// must have for itself. When it returns nil, all of it is on stable storage.
// With an error, a *[Conflict] among them, the report says what was done until
// then; calling Import again goes on from there. On a read-only database it
// changes nothing, and reports what it would do.
func Import(ctx context.Context, db *runstone.DB, src Source, opt *Options) (*Report, error) {
	in := &importer{db: db, src: src, report: &Report{Tallies: map[Kind]*Tally{}, DryRun: db.ReadOnly()}, notes: map[noteKey]*Note{}}
	if opt != nil {
		in.opt = *opt
	}
	for _, k := range Kinds {
		in.report.Tallies[k] = &Tally{}
	}
	err := in.all(ctx)
	if serr := db.Sync(ctx); err == nil && !in.report.DryRun {
		err = serr
	}
	in.finish()
	return in.report, err
}

type importer struct {
	db     *runstone.DB
	src    Source
	opt    Options
	report *Report
	total  Counts
	sums   [len(Kinds)]recordSum
	notes  map[noteKey]*Note
	places places
}

type noteKey struct {
	kind Kind
	text string
}

func (in *importer) all(ctx context.Context) (err error) {
	if in.total, err = in.src.Totals(ctx); err != nil {
		return err
	}
	for e, err := range in.src.Experiments(ctx) {
		if err != nil {
			return fmt.Errorf("experiments: %w", err)
		}
		if err := in.experiment(ctx, e); err != nil {
			return err
		}
		in.progress()
	}
	for m, err := range in.src.Models(ctx) {
		if err != nil {
			return fmt.Errorf("registered models: %w", err)
		}
		if err := in.model(ctx, m); err != nil {
			return err
		}
		in.progress()
	}
	return nil
}

func (in *importer) progress() {
	if in.opt.Progress != nil {
		in.opt.Progress(in.report, &in.total)
	}
}

// note adds something to the report; notes of one text are counted together.
func (in *importer) note(kind Kind, id, text string) {
	n := in.notes[noteKey{kind, text}]
	if n == nil {
		n = &Note{Kind: kind, ID: id, Text: text}
		in.notes[noteKey{kind, text}] = n
	}
	if n.N++; n.ID != id {
		n.ID = ""
	}
}

func (in *importer) finish() {
	for i, k := range Kinds {
		in.report.Tallies[k].Digest = in.sums[i].String()
	}
	for _, n := range in.notes {
		in.report.Notes = append(in.report.Notes, *n)
	}
	in.report.Notes = append(in.report.Notes, in.src.Notes()...)
	slices.SortFunc(in.report.Notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds[:], a.Kind), slices.Index(Kinds[:], b.Kind)), cmp.Compare(a.Text, b.Text))
	})
}

// outcome books what became of a record: ok says whether what belongs to it can
// go in too. An error ends the import.
func (in *importer) outcome(kind Kind, id string, added bool, sum func(*recordSum), err error) (ok bool, _ error) {
	t := in.report.Tallies[kind]
	var refused *runstone.Error
	switch {
	case err == nil:
		if added {
			t.Added++
		} else {
			t.Same++
		}
		sum(&in.sums[slices.Index(Kinds[:], kind)])
		return true, nil
	case errors.As(err, &refused) && errors.Is(refused, runstone.ErrConflict):
		c := Conflict{Kind: kind, ID: id, What: refused.Msg}
		t.Conflicts++
		if len(in.report.Conflicts) < MaxListed {
			in.report.Conflicts = append(in.report.Conflicts, c)
		}
		if !in.opt.Skip {
			return false, &c
		}
		return false, nil
	case errors.As(err, &refused) && errors.Is(refused, runstone.ErrInvalid) && in.opt.Skip:
		t.Skipped++
		in.note(kind, id, "it cannot be kept: "+refused.Msg)
		return false, nil
	}
	return false, fmt.Errorf("%s %s: %w", singular(kind), id, err)
}

func (in *importer) experiment(ctx context.Context, e *runstone.Experiment) error {
	reach, err := in.settle(ctx, e)
	if err != nil {
		return err
	}
	added, err := in.db.ImportExperiment(ctx, *e)
	ok, err := in.outcome(Experiments, e.ID, added, func(s *recordSum) { s.experiment(e) }, err)
	if err != nil {
		return err
	}
	for r, err := range in.src.Runs(ctx, e.ID) {
		if err != nil {
			return fmt.Errorf("runs of experiment %s: %w", e.ID, err)
		}
		if !ok {
			in.report.Tallies[Runs].Skipped++
			continue
		}
		if err := in.run(ctx, r, e, reach); err != nil {
			return err
		}
		in.progress()
	}
	for m, err := range in.src.LoggedModels(ctx, e.ID) {
		if err != nil {
			return fmt.Errorf("logged models of experiment %s: %w", e.ID, err)
		}
		if !ok {
			in.report.Tallies[LoggedModels].Skipped++
			continue
		}
		if err := in.logged(ctx, m, e, reach); err != nil {
			return err
		}
		in.progress()
	}
	return nil
}

func (in *importer) run(ctx context.Context, r *runstone.ImportedRun, e *runstone.Experiment, reach bool) error {
	before := in.report.Points
	counted := in.counted(in.src.Points(ctx, r))
	out, err := in.db.ImportRun(ctx, r, counted)
	in.report.Points = before
	ok, err := in.outcome(Runs, r.ID, out.Added, func(s *recordSum) { s.run(r, out.Sum) }, err)
	if !ok {
		return err
	}
	in.report.Points += out.Points
	in.report.PointsAdded += out.New
	in.report.Params += int64(len(r.Params))
	in.report.Tags += int64(len(r.Tags))
	in.report.Inputs += int64(len(r.Inputs))
	want := e.Location + "/" + r.ID + "/artifacts"
	if got := in.places.moved(r.ArtifactURI); got != want && r.ArtifactURI != "" {
		if !reach {
			in.note(Runs, r.ID, "its artifacts are not below those of its experiment, and are not found from here")
		}
	}
	if !reach || r.ArtifactURI == "" {
		return nil
	}
	return in.files(ctx, Runs, r.ID, r.ArtifactURI, want)
}

// counted passes points on and shows how many there were.
func (in *importer) counted(points iter.Seq2[[]runstone.SeriesColumns, error]) iter.Seq2[[]runstone.SeriesColumns, error] {
	return func(yield func([]runstone.SeriesColumns, error) bool) {
		for set, err := range points {
			if !yield(set, err) || err != nil {
				return
			}
			for i := range set {
				in.report.Points += int64(len(set[i].Steps))
			}
			in.progress()
		}
	}
}

func (in *importer) logged(ctx context.Context, m *lineage.LoggedModel, e *runstone.Experiment, reach bool) error {
	from := m.ArtifactURI
	m.ArtifactURI = in.places.moved(from)
	added, err := in.db.ImportLoggedModel(ctx, *m)
	ok, err := in.outcome(LoggedModels, m.ModelID, added, func(s *recordSum) { s.logged(m) }, err)
	if !ok || !reach || from == "" {
		return err
	}
	return in.files(ctx, LoggedModels, m.ModelID, from, m.ArtifactURI)
}

func (in *importer) model(ctx context.Context, m *Model) error {
	for _, v := range m.Versions {
		v.Source, v.StorageLocation = in.places.moved(v.Source), in.places.moved(v.StorageLocation)
	}
	added, err := in.db.ImportModel(ctx, m.RegisteredModel, m.Versions)
	ok, err := in.outcome(Models, m.Name, added, func(s *recordSum) { s.model(m) }, err)
	t := in.report.Tallies[Versions]
	n := int64(len(m.Versions))
	switch {
	case !ok:
		t.Skipped += n
		return err
	case added:
		t.Added += n
	default:
		t.Same += n
	}
	for _, v := range m.Versions {
		in.sums[slices.Index(Kinds[:], Versions)].version(v)
	}
	return nil
}
