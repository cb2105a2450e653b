package runstone

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// PurgeOptions are for [DB.Purge]; nil purges every deleted run.
type PurgeOptions struct {
	Runs      []string      // ids, which may repeat; none is all deleted runs
	OlderThan time.Duration // leaves runs that were deleted less long ago
	DryRun    bool          // only says what would go
	// Progress is told of each run that is gone; nil is fine.
	Progress func(done, of int)
}

// PurgeReport says what [DB.Purge] removed, or would remove.
type PurgeReport struct {
	Runs          []string // ids
	InUse         []string // ids of runs that stay because they are being logged or read, or were restored
	Points        int64
	Artifacts     int   // files
	ArtifactBytes int64 // in them
	Reclaimed     int64 // bytes by which the key space became smaller
}

// Purge removes deleted runs for good: params, tags, metrics and artifacts. Their
// ids are not used again. What other rows say of them, such as the run a model
// version came from, stays. It fails with [ErrLocked] when the database is
// shared, [ErrNotFound] for an id that is not there and [ErrConflict] for a run
// that was not deleted; then nothing is removed. A run that it has begun with
// cannot be restored any more. After a crash or another error a second call
// goes on.
func (db *DB) Purge(ctx context.Context, opt *PurgeOptions) (*PurgeReport, error) {
	if db.opt.ReadOnly {
		return nil, ErrReadOnly
	}
	if db.store == nil {
		return nil, ErrLocked
	}
	if opt == nil {
		opt = &PurgeOptions{}
	}
	found, err := db.purgeable(ctx, opt)
	if err != nil {
		return nil, err
	}
	r := &PurgeReport{}
	for i := range found {
		if err := db.purgeRun(ctx, &found[i], opt.DryRun, r); err != nil {
			return r, fmt.Errorf("run %s: %w", found[i].info.ID, err)
		}
		if opt.Progress != nil {
			opt.Progress(i+1, len(found))
		}
	}
	if !opt.DryRun {
		r.Reclaimed, err = db.store.Reclaim(ctx)
	}
	return r, err
}

// deletedRun is a run that can be purged.
type deletedRun struct {
	ord, experiment uint32
	info            RunInfo
}

func (db *DB) purgeable(ctx context.Context, opt *PurgeOptions) (found []deletedRun, err error) {
	before := db.now() - opt.OlderThan.Milliseconds()
	seen := map[string]bool{}
	err = db.View(ctx, func(tx *store.Tx) error {
		for _, id := range opt.Runs {
			if seen[id] {
				continue
			}
			seen[id] = true
			ord, row, err := loadRun(tx, id)
			if err == nil && !row.Deleted {
				err = store.Errorf(ErrConflict, "run %s is not deleted: delete it first", id)
			}
			if err != nil {
				return err
			}
			if found, err = row.purgeable(tx, found, ord, id, before); err != nil {
				return err
			}
		}
		if len(opt.Runs) > 0 {
			return nil
		}
		last, err := tx.LastOrd(kindRun)
		if err != nil {
			return err
		}
		for ord := uint32(1); ord <= last; ord++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			id, err := tx.Text(kindRun, ord)
			if err != nil {
				return err
			}
			_, row, err := loadRun(tx, id)
			if errors.Is(err, ErrNotFound) { // purged before
				continue
			}
			if err == nil {
				found, err = row.purgeable(tx, found, ord, id, before)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// purgeable adds the run if it was deleted at or before a time.
func (r *runRow) purgeable(tx *store.Tx, found []deletedRun, ord uint32, id string, before int64) ([]deletedRun, error) {
	if !r.Deleted || r.DeletedAt > before {
		return found, nil
	}
	info, err := r.info(tx, id)
	return append(found, deletedRun{ord, r.Experiment, info}), err
}

func (db *DB) purgeRun(ctx context.Context, d *deletedRun, dry bool, r *PurgeReport) error {
	sums, err := db.store.Summaries(ctx, d.ord)
	if err != nil {
		return err
	}
	artifacts := func() error {
		if !dry {
			if err := db.store.Update(ctx, Synced, d.claim); err != nil {
				return err
			}
		}
		files, bytes, err := db.purgeArtifacts(ctx, &d.info, dry)
		r.Artifacts, r.ArtifactBytes = r.Artifacts+files, r.ArtifactBytes+bytes
		return err
	}
	if dry {
		err = artifacts()
	} else {
		err = db.store.DropRun(ctx, d.ord, artifacts, d.drop)
	}
	if errors.Is(err, ErrConflict) {
		r.InUse = append(r.InUse, d.info.ID)
		return nil
	}
	if err != nil {
		return err
	}
	r.Runs = append(r.Runs, d.info.ID)
	for i := range sums {
		r.Points += sums[i].Count
	}
	return nil
}

// claim keeps a run from being restored while its artifacts go.
func (d *deletedRun) claim(tx *store.Tx) error {
	_, row, err := loadRun(tx, d.info.ID)
	if err != nil || row.purging() {
		return err
	}
	if !row.Deleted {
		return store.Errorf(ErrConflict, "run %s was restored", d.info.ID)
	}
	row.Status |= runPurging
	return saveRun(tx, d.ord, row)
}

// drop deletes the rows of a run that are not its series.
func (d *deletedRun) drop(tx *store.Tx) error {
	for _, prefix := range [][]byte{paramKey(d.ord, 0)[:5], tagKey(d.ord, 0)[:5]} {
		for row, err := range tx.Prefix(prefix, false) {
			if err == nil {
				err = tx.Delete(row.Key)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := tx.Delete(importingKey(d.ord)); err != nil {
		return err
	}
	if err := lineage.DropRun(tx, d.ord); err != nil {
		return err
	}
	if err := index.DropRun(tx, d.experiment, d.ord); err != nil {
		return err
	}
	return saveRun(tx, d.ord, &runRow{Experiment: d.experiment, Status: runPurged, Deleted: true})
}

// purgeArtifacts removes the files of a run and returns how many there were and
// their bytes. Artifacts outside of the database are left alone.
func (db *DB) purgeArtifacts(ctx context.Context, info *RunInfo, dry bool) (files int, bytes int64, err error) {
	dir, err := info.artifactDir()
	if err != nil || db.artifacts == nil {
		return 0, 0, nil
	}
	if above := path.Dir(dir); path.Base(above) == info.ID { // <run id>/artifacts
		dir = above
	}
	p, err := artifact.ParsePath(dir)
	if err != nil {
		return 0, 0, err
	}
	for f, err := range db.artifacts.Walk(p) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return files, bytes, err
		}
		if !f.IsDir {
			files++
			bytes += f.Size
		}
	}
	if dry {
		return files, bytes, nil
	}
	err = db.DeleteArtifacts(ctx, dir)
	if errors.Is(err, artifact.ErrNotFound) {
		err = nil
	}
	return files, bytes, err
}
