package runstone

import (
	"context"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// Problem is one piece of damage that [DB.Verify] found.
type Problem = store.Problem

// VerifyReport counts what [DB.Verify] looked at.
type VerifyReport struct {
	store.Report
	Experiments, Runs int64
	Artifacts         int64 // files compared with their recorded digests
}

// VerifyOptions are for [DB.Verify]; nil is none of them.
type VerifyOptions struct {
	// Artifacts also reads every artifact and compares its digest.
	Artifacts bool
}

// Verify reads everything in the database: every row, every run with all that
// belongs to it, every metric block, and the run index beside the records. It
// calls report for each piece of damage and goes on; its error is for what keeps
// it from going on.
func (db *DB) Verify(ctx context.Context, opt *VerifyOptions, report func(Problem)) (VerifyReport, error) {
	s, done, err := db.reader()
	if err != nil {
		return VerifyReport{}, err
	}
	defer done()
	var r VerifyReport
	if r.Report, err = s.Verify(ctx, report); err != nil {
		return r, err
	}
	problem := func(where string, err error) {
		r.Problems++
		report(Problem{Where: where, Err: err})
	}
	for _, err := range db.Experiments(ctx) {
		if err != nil {
			problem("experiments", err)
			break
		}
		r.Experiments++
	}
	if err := verifyRuns(ctx, s, &r, problem); err != nil {
		return r, err
	}
	if err := s.View(ctx, func(tx *store.Tx) error { return lineage.VerifyHistory(tx, problem) }); err != nil {
		return r, err
	}
	if err := db.verifyIndex(ctx, s, problem); err != nil {
		return r, err
	}
	if opt != nil && opt.Artifacts && db.artifacts != nil {
		err = db.verifyArtifacts(ctx, s, &r, problem)
	}
	return r, err
}

func verifyRuns(ctx context.Context, s *store.Store, r *VerifyReport, problem func(string, error)) error {
	return s.View(ctx, func(tx *store.Tx) error {
		last, err := tx.LastOrd(kindRun)
		if err != nil {
			problem("runs", err)
			return nil
		}
		l := &runLoader{ctx: ctx, s: s, tx: tx}
		for run := uint32(1); run <= last; run++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := l.load(run)
			if errors.Is(err, ErrNotFound) { // purged
				continue
			}
			r.Runs++
			if err != nil {
				problem(fmt.Sprintf("run %d", run), err)
			}
		}
		return nil
	})
}

func (db *DB) verifyArtifacts(ctx context.Context, s *store.Store, r *VerifyReport, problem func(string, error)) error {
	return s.View(ctx, func(tx *store.Tx) error {
		for row, err := range tx.Prefix(tuple.Key('A'), false) {
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			var a artifactRow
			if err := row.Decode(1, &a); err != nil {
				continue // reported with the rows
			}
			r.Artifacts++
			if err := db.verifyArtifact(&a); err != nil {
				problem("artifact "+a.Path, err)
			}
		}
		return nil
	})
}

func (db *DB) verifyArtifact(a *artifactRow) error {
	p, err := artifact.ParsePath(a.Path)
	if err != nil {
		return err
	}
	err = db.artifacts.Verify(p, artifact.Digest(a.Digest))
	if errors.Is(err, artifact.ErrNotFound) {
		return fmt.Errorf("recorded with %d bytes, but the file is gone: %w", a.Size, err)
	}
	return err
}

// Stats says where the database's bytes are and counts its points.
func (db *DB) Stats(ctx context.Context) (store.Stats, error) {
	s, done, err := db.reader()
	if err != nil {
		return store.Stats{}, err
	}
	defer done()
	return s.Stats(ctx)
}

// verifyIndex compares the run index with the records. What it finds is not
// searched in any more, and made anew by the next fold.
func (db *DB) verifyIndex(ctx context.Context, s *store.Store, problem func(string, error)) error {
	var found []error
	// A run that someone logs to meanwhile may have changed between the two
	// reads. Damage is there when one looks again.
	for try := 0; try < 3 && (try == 0 || len(found) > 0); try++ {
		found = nil
		err := s.View(ctx, func(tx *store.Tx) error {
			last, err := tx.LastOrd(kindRun)
			if err != nil {
				return nil // verifyRuns has said so
			}
			f := newFolder(ctx, s)
			return db.runs.Verify(ctx, tx, last, f.cells, func(err error) { found = append(found, err) })
		})
		if err != nil {
			return err
		}
	}
	for _, err := range found {
		db.runs.Distrust(err)
		problem("run index", err)
	}
	return nil
}
