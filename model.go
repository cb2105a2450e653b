package runstone

import (
	"context"
	"errors"
	"iter"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// The registry's own functions are in package lineage and run in [DB.View] and
// [DB.Update]; these are the ones that a training program needs.

// RegisterModel makes the next version of a registered model, which it makes
// too if needed, from a folder of a run's artifacts. [ErrLocked] when the
// database is shared.
func (db *DB) RegisterModel(ctx context.Context, name, run, folder string) (*lineage.ModelVersion, error) {
	var v *lineage.ModelVersion
	err := db.Update(ctx, func(tx *store.Tx) error {
		_, row, err := loadActiveRun(tx, run)
		if err != nil {
			return err
		}
		info, err := row.info(tx, run)
		if err != nil {
			return err
		}
		if _, err := lineage.GetModel(tx, name); errors.Is(err, ErrNotFound) {
			_, err = lineage.CreateModel(tx, db.Author(""), name, "", nil)
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		source := info.ArtifactURI
		if folder != "" {
			source += "/" + folder
		}
		v, err = lineage.CreateVersion(tx, db.Author(""), name, lineage.NewVersion{Source: source, RunID: run})
		return err
	})
	return v, err
}

// ModelVersion returns the version that a URI names: models:/name/3,
// models:/name/Production or models:/name@alias. [ErrNotFound].
func (db *DB) ModelVersion(ctx context.Context, uri string) (*lineage.ModelVersion, error) {
	var v *lineage.ModelVersion
	err := db.View(ctx, func(tx *store.Tx) (err error) {
		v, _, err = lineage.Resolve(tx, uri)
		if err == nil && v == nil {
			err = invalid("'%s' names a logged model, not a version of a registered one", uri)
		}
		return err
	})
	return v, err
}

// PromoteOptions are for [DB.PromoteModel]; nil is none of them.
type PromoteOptions struct {
	Archive bool   // archive the versions that are in the stage
	Reason  string // for the history, at most [lineage.MaxReason] characters
}

// PromoteModel moves a version to a stage: None, Staging, Production or
// Archived.
func (db *DB) PromoteModel(ctx context.Context, name string, version int, stage string, opt *PromoteOptions) (*lineage.ModelVersion, error) {
	if opt == nil {
		opt = &PromoteOptions{}
	}
	var v *lineage.ModelVersion
	err := db.Update(ctx, func(tx *store.Tx) (err error) {
		v, err = lineage.Transition(tx, db.Author(opt.Reason), name, version, stage, opt.Archive)
		return err
	})
	return v, err
}

// Author is who changes the registry through db, now: Options.User, or who runs
// the program. It is for the functions of package lineage in [DB.Update].
func (db *DB) Author(reason string) lineage.Author {
	return lineage.Author{At: db.now(), Name: db.userName(), Reason: reason}
}

// ModelHistory iterates over the changes of a registered model and its versions,
// the newest first. [ErrNotFound].
func (db *DB) ModelHistory(ctx context.Context, name string) iter.Seq2[lineage.Change, error] {
	return viewSeq(ctx, db, func(tx *store.Tx, yield func(lineage.Change) bool) error {
		for c, err := range lineage.History(tx, name, 0) {
			if err != nil || !yield(c) {
				return err
			}
		}
		return nil
	})
}

// Models iterates over the registered models in the order of their creation.
func (db *DB) Models(ctx context.Context) iter.Seq2[*lineage.RegisteredModel, error] {
	return viewSeq(ctx, db, func(tx *store.Tx, yield func(*lineage.RegisteredModel) bool) error {
		for m, err := range lineage.Models(tx) {
			if err != nil || !yield(m) {
				return err
			}
		}
		return nil
	})
}
