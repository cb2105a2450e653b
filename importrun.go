package runstone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// ImportedRun is a run as another store has it.
type ImportedRun struct {
	RunInfo         // ArtifactURI is not kept: it follows from the experiment's location
	DeletedAt int64 // Unix ms; 0 is unknown, or not deleted
	// Params and Tags are sorted by key.
	Params, Tags []KV
	Inputs       []lineage.Input // their tags sorted by key
	Models       RunModels
}

// SeriesColumns are points of one series of a run, as columns of one length.
type SeriesColumns struct {
	SeriesName
	PointColumns
}

// RunImport says what [DB.ImportRun] did.
type RunImport struct {
	Added  bool // false for a run that was there with the same content
	Points int64
	New    int64 // of Points, those that this call added
	Sum    PointSum
}

// importingRow is the row of a run that is being imported: of its points, in
// the order of the source, the first Points are there. It goes when all are.
type importingRow struct {
	Points int64
	Sum    PointSum
}

func importingKey(run uint32) []byte { return tuple.Uint32(tuple.Key('I'), run) }

// ImportRun adds a run to an experiment that is there, with the points of all
// its metrics. In memory are the names of its series and some 100,000 points at a
// time. If a call does not come to its end, because points yields an error or
// the process dies, the next one for this run goes on behind the points that are
// there: points must then yield the same ones in the same order, and may yield
// more behind them. Points are not merged: each goes in, repeated ones too.
//
// Differences to a run that is there are looked for in everything; its points
// are compared as a whole, by number and [PointSum]. See [DB.ImportExperiment]
// for errors.
func (db *DB) ImportRun(ctx context.Context, r *ImportedRun, points iter.Seq2[[]SeriesColumns, error]) (RunImport, error) {
	s, err := db.importing()
	if err != nil {
		return RunImport{}, err
	}
	clean, err := r.clean()
	if err != nil {
		return RunImport{}, err
	}
	in := &runImporter{db: db, s: s, ctx: ctx, run: clean}
	next, stop := iter.Pull2(points)
	defer stop()
	defer in.close()
	// Most runs are small: then all of them goes in at once.
	more, err := in.gather(next)
	if err == nil {
		err = in.begin()
	}
	if err != nil {
		return RunImport{}, err
	}
	for {
		if err := in.flush(!more); err != nil {
			return in.out, err
		}
		if !more {
			break
		}
		if more, err = in.gather(next); err != nil {
			return in.out, err
		}
	}
	if in.mode == comparing {
		return in.out, in.comparePoints()
	}
	return in.out, nil
}

// clean returns the run with texts that rows can hold.
func (r *ImportedRun) clean() (*ImportedRun, error) {
	c := *r
	switch {
	case !validRunID(c.ID):
		return nil, invalid("Invalid run ID: '%s'", cut(c.ID, 100))
	case !c.Status.valid():
		return nil, invalid("Invalid run status %d", c.Status)
	case len(c.Name) > maxText || len(c.User) > maxText:
		return nil, invalid("its name or user is longer than %d bytes", maxText)
	}
	if !utf8.ValidString(c.Name) || !utf8.ValidString(c.User) {
		c.Name, c.User = strings.ToValidUTF8(c.Name, "\uFFFD"), strings.ToValidUTF8(c.User, "\uFFFD")
	}
	c.Params, c.Tags = slices.Clone(c.Params), slices.Clone(c.Tags)
	if err := cleanKVs(c.Params, "param"); err != nil {
		return nil, err
	}
	if err := cleanKVs(c.Tags, "tag"); err != nil {
		return nil, err
	}
	if !c.Deleted {
		c.DeletedAt = 0
	}
	return &c, nil
}

// importMode is what is to be done about a run.
type importMode byte

const (
	writing   importMode = iota
	comparing            // it is there
	counting             // it is not, and nothing is written
)

// runImporter imports one run.
type runImporter struct {
	db  *DB
	s   *store.Store
	ctx context.Context
	run *ImportedRun
	ord uint32
	out RunImport

	mode   importMode
	marked bool          // the run has an importingRow
	skip   int64         // points that are there from an earlier call
	old    PointSum      // of them
	series *store.Series // opened when there are points to write

	points seriesBuffer
}

func (in *runImporter) close() {
	if in.series != nil {
		in.series.Close()
	}
}

// gather reads points until there are enough to write, and reports whether
// there are more.
func (in *runImporter) gather(next func() ([]SeriesColumns, error, bool)) (more bool, err error) {
	for in.points.n < flushPoints {
		set, err, ok := next()
		if err != nil || !ok {
			return false, err
		}
		for i := range set {
			if err := in.points.add(&set[i]); err != nil {
				return false, fmt.Errorf("metric %q: %w", set[i].Metric, err)
			}
		}
	}
	return true, nil
}

// begin writes the rows of the run, or finds them.
func (in *runImporter) begin() error {
	err := in.db.imports(in.ctx, func(tx *store.Tx, dry bool) error {
		var there bool
		var err error
		if in.ord, there, err = tx.Ord(kindRun, in.run.ID); err != nil {
			return err
		}
		if there {
			return in.resume(tx)
		}
		if dry {
			in.mode = counting
			return nil
		}
		return in.write(tx)
	})
	in.out.Added = in.mode != comparing
	return err
}

// write adds all of the run but its points.
func (in *runImporter) write(tx *store.Tx) error {
	r := in.run
	exp, expRow, err := loadExperiment(tx, r.ExperimentID)
	if err != nil {
		return err
	}
	if in.ord, err = tx.Intern(kindRun, r.ID); err != nil {
		return err
	}
	for _, p := range r.Params {
		key, err := tx.Intern(kindParam, p.Key)
		if err == nil {
			err = saveText(tx, paramKey(in.ord, key), p.Value)
		}
		if err != nil {
			return err
		}
	}
	if err := saveTags(tx, in.ord, r.Tags); err != nil {
		return err
	}
	for _, i := range r.Inputs {
		if _, err := lineage.LogInput(tx, r.ExperimentID, in.ord, i.Dataset, i.Tags); err != nil {
			return err
		}
	}
	for _, id := range r.Models.Inputs {
		if err := lineage.LogModelInput(tx, in.ord, id); err != nil {
			return err
		}
	}
	for _, o := range r.Models.Outputs {
		if err := lineage.LogModelOutput(tx, in.ord, o); err != nil {
			return err
		}
	}
	if err := index.AddRun(tx, exp, in.ord); err != nil {
		return err
	}
	if in.points.n > 0 {
		in.marked = true
		if err := tx.Save(importingKey(in.ord), 1, importingRow{}); err != nil {
			return err
		}
	}
	return saveRun(tx, in.ord, &runRow{
		Experiment: exp, Name: r.Name, User: r.User, Status: uint8(r.Status), Start: r.Start, End: r.End,
		// MLflow restores all runs of an experiment with it.
		Deleted: r.Deleted, DeletedAt: r.DeletedAt, WithExperiment: r.Deleted && expRow.Deleted,
	})
}

// resume finds out how far an earlier call came.
func (in *runImporter) resume(tx *store.Tx) error {
	var row runRow
	if err := tx.Load(runKey(in.ord), 1, &row); err != nil {
		return present(err, "run", in.run.ID)
	}
	if row.Status == runPurged || row.purging() {
		return importConflict("it was removed from here for good")
	}
	var state importingRow
	switch err := tx.Load(importingKey(in.ord), 1, &state); {
	case errors.Is(err, ErrNotFound):
		in.mode = comparing
	case err != nil:
		return err
	default:
		in.marked, in.skip, in.old = true, state.Points, state.Sum
		if in.db.opt.ReadOnly {
			in.mode = counting
		}
	}
	data, err := (&runLoader{ctx: in.ctx, s: in.s, tx: tx}).rows(in.ord)
	if err != nil {
		return err
	}
	return in.run.differs(data, row.DeletedAt)
}

// differs returns an [ErrConflict] that says what differs, nil if nothing does.
func (r *ImportedRun) differs(old *RunData, deletedAt int64) error {
	switch {
	case old.ExperimentID != r.ExperimentID:
		return importConflict("it belongs to experiment %s here and to %s there", old.ExperimentID, r.ExperimentID)
	case old.Deleted != r.Deleted || deletedAt != r.DeletedAt:
		return importConflict("it is deleted in one of the two places, or was deleted at another time")
	case old.Name != r.Name:
		return importConflict("its name is '%s' here and '%s' there", cut(old.Name, 50), cut(r.Name, 50))
	case old.User != r.User:
		return importConflict("its user is '%s' here and '%s' there", cut(old.User, 50), cut(r.User, 50))
	case old.Status != r.Status:
		return importConflict("it is %v here and %v there", old.Status, r.Status)
	case old.Start != r.Start || old.End != r.End:
		return importConflict("it started or ended at another time")
	}
	if err := compareKVs("param", old.Params, r.Params); err != nil {
		return err
	}
	if err := compareKVs("tag", old.Tags, r.Tags); err != nil {
		return err
	}
	inputs := func(a, b lineage.Input) int {
		return cmp.Or(cmp.Compare(a.Dataset.Name, b.Dataset.Name), cmp.Compare(a.Dataset.Digest, b.Dataset.Digest))
	}
	if !equalSets(old.Inputs, r.Inputs, inputs, func(a, b lineage.Input) bool { return a.Dataset == b.Dataset && slices.Equal(a.Tags, b.Tags) }) {
		return importConflict("its datasets differ")
	}
	if !equalSets(old.Models.Inputs, r.Models.Inputs, cmp.Compare[string], func(a, b string) bool { return a == b }) {
		return importConflict("the models that it used differ")
	}
	outputs := func(a, b lineage.Output) int { return cmp.Compare(a.ModelID, b.ModelID) }
	if !equalSets(old.Models.Outputs, r.Models.Outputs, outputs, func(a, b lineage.Output) bool { return a == b }) {
		return importConflict("the models that it made differ")
	}
	return nil
}

// equalSets compares two lists whatever their order.
func equalSets[T any](a, b []T, order func(T, T) int, equal func(T, T) bool) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	return slices.EqualFunc(a, b, equal)
}
