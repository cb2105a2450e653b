package runstone

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// The Import functions add records of another store as they are there: with
// their ids, times, life cycles and numbers, and without the rules that MLflow
// has for what a client may log. Each record goes in whole or not at all. One
// that is there with the same content is no change, so an import can be called
// again until it is through; one that is there with other content is refused
// with [ErrConflict], in an *[Error] that says what differs. What cannot be
// kept is [ErrInvalid].
//
// Their changes are [Appended]: call [DB.Sync] at the end. They need the
// database for themselves: [ErrLocked] when it is shared. On a read-only
// database they change nothing and answer as if.

// importing returns the store to import into.
func (db *DB) importing() (*store.Store, error) {
	if db.store == nil {
		return nil, ErrLocked
	}
	return db.store, nil
}

// imports runs a decision in a transaction: fn reads, and writes unless dry.
func (db *DB) imports(ctx context.Context, fn func(tx *store.Tx, dry bool) error) error {
	s, err := db.importing()
	if err != nil {
		return err
	}
	if db.opt.ReadOnly {
		return s.View(ctx, func(tx *store.Tx) error { return fn(tx, true) })
	}
	err = s.Update(ctx, Appended, func(tx *store.Tx) error { return fn(tx, false) })
	db.keeper.changed()
	return err
}

func importConflict(format string, args ...any) error {
	return store.Errorf(ErrConflict, format, args...)
}

// ImportExperiment adds an experiment and reports whether it was added.
// Location may be any URI: what this database cannot serve is for clients that
// can read it themselves.
//
// The experiment [DefaultExperiment] is always there. As long as nobody has
// used it, it becomes the one that is imported; otherwise it gets the tags that
// it does not have, and keeps its name and times.
func (db *DB) ImportExperiment(ctx context.Context, e Experiment) (added bool, err error) {
	row := experimentRow{
		Name: e.Name, Location: e.Location, Deleted: e.Deleted,
		Created: unixMilli(e.Created), Updated: unixMilli(e.Updated),
	}
	tags := sortedKVs(e.Tags)
	if !validExperimentID(e.ID) {
		return false, invalid("Invalid experiment ID: '%s'", cut(e.ID, 100))
	}
	if e.Name == "" || len(e.Name) > maxText || !utf8.ValidString(e.Name) {
		return false, invalid("experiment %s: its name is empty, longer than %d bytes or not UTF-8", e.ID, maxText)
	}
	if len(e.Location) > maxText || !utf8.ValidString(e.Location) {
		return false, invalid("experiment %s: its location is longer than %d bytes or not UTF-8", e.ID, maxText)
	}
	if err := cleanKVs(tags, "tag"); err != nil {
		return false, err
	}
	err = db.imports(ctx, func(tx *store.Tx, dry bool) error {
		added, err = importExperiment(tx, e.ID, &row, tags, dry)
		return err
	})
	return added, err
}

func importExperiment(tx *store.Tx, id string, row *experimentRow, tags []KV, dry bool) (added bool, err error) {
	named, taken, err := experimentByName(tx, row.Name)
	if err != nil {
		return false, err
	}
	ord, there, err := tx.Ord(kindExperiment, id)
	if err != nil {
		return false, err
	}
	if taken && (!there || named != ord) {
		if id == DefaultExperiment { // it keeps the name that it has
			return false, importConflict("its name '%s' is that of another experiment", row.Name)
		}
		other, err := tx.Text(kindExperiment, named)
		if err == nil {
			err = importConflict("its name '%s' is that of experiment %s", row.Name, other)
		}
		return false, err
	}
	if there {
		old, err := experimentAt(tx, ord)
		if err != nil {
			return false, err
		}
		if id != DefaultExperiment {
			return false, row.compare(old, tags)
		}
		fresh, err := unused(tx, ord, old)
		switch {
		case err != nil:
			return false, err
		case !fresh:
			return mergeDefault(tx, ord, old, row, tags, dry)
		case row.compare(old, tags) == nil:
			return false, nil
		case dry:
			return true, nil
		}
		if err := tx.Delete(experimentNameKey(old.Name)); err != nil {
			return false, err
		}
	} else if dry {
		return true, nil
	} else if ord, err = tx.Intern(kindExperiment, id); err != nil {
		return false, err
	}
	for _, t := range tags {
		if err := saveExperimentTag(tx, ord, t); err != nil {
			return false, err
		}
	}
	if err := tx.Save(experimentNameKey(row.Name), 1, ordinalRow{ord, row.Name}); err != nil {
		return false, err
	}
	return true, tx.Save(experimentKey(ord), 1, row)
}

// compare returns an [ErrConflict] that says what differs, nil if nothing does.
func (r *experimentRow) compare(old *Experiment, tags []KV) error {
	switch {
	case old.Name != r.Name:
		return importConflict("its name is '%s' here and '%s' there", old.Name, r.Name)
	case old.Location != r.Location:
		return importConflict("its artifacts are at '%s' here and at '%s' there", old.Location, r.Location)
	case old.Deleted != r.Deleted:
		return importConflict("it is deleted in one of the two places")
	case old.Created.UnixMilli() != r.Created || old.Updated.UnixMilli() != r.Updated:
		return importConflict("it was made or changed at other times")
	}
	return compareKVs("tag", old.Tags, tags)
}

// unused reports whether the experiment "Default" is as a new database has it.
func unused(tx *store.Tx, ord uint32, e *Experiment) (bool, error) {
	for _, err := range index.Runs(tx, ord) {
		return false, err
	}
	return e.Name == "Default" && !e.Deleted && len(e.Tags) == 0 && e.Created.Equal(e.Updated) &&
		strings.HasSuffix(e.Location, "/"+DefaultExperiment), nil
}

// mergeDefault adds what the experiment "Default" does not have.
func mergeDefault(tx *store.Tx, ord uint32, old *Experiment, row *experimentRow, tags []KV, dry bool) (bool, error) {
	if old.Location != row.Location {
		return false, importConflict("its artifacts are at '%s' here and at '%s' there", old.Location, row.Location)
	}
	added := false
	for _, t := range tags {
		if _, ok := old.Tags[t.Key]; ok {
			continue
		}
		added = true
		if dry {
			continue
		}
		if err := saveExperimentTag(tx, ord, t); err != nil {
			return false, err
		}
	}
	return added, nil
}

// ImportLoggedModel adds a logged model to an experiment that is there, and
// reports whether it was added. Params and tags are sorted by key.
func (db *DB) ImportLoggedModel(ctx context.Context, m lineage.LoggedModel) (added bool, err error) {
	err = db.imports(ctx, func(tx *store.Tx, dry bool) error {
		if !dry {
			if _, _, err := loadExperiment(tx, m.ExperimentID); err != nil {
				return err
			}
		}
		added, err = lineage.ImportLoggedModel(tx, m, dry)
		return err
	})
	return added, err
}

// ImportModel adds a registered model with all its versions, which are sorted
// by number, and reports whether it was added. LatestVersions of m and Aliases
// of the versions are not looked at: they follow from the rest.
func (db *DB) ImportModel(ctx context.Context, m lineage.RegisteredModel, versions []*lineage.ModelVersion) (added bool, err error) {
	err = db.imports(ctx, func(tx *store.Tx, dry bool) error {
		added, err = lineage.ImportModel(tx, db.Author(""), m, versions, dry)
		return err
	})
	return added, err
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// validExperimentID takes MLflow's form of experiment ids.
func validExperimentID(id string) bool { return len(id) <= 64 && validRunID(id) }

// cleanKVs makes texts UTF-8 and refuses keys that no row should hold.
func cleanKVs(kvs []KV, what string) error {
	for i := range kvs {
		kv := &kvs[i]
		kv.Key, kv.Value = strings.ToValidUTF8(kv.Key, "\uFFFD"), strings.ToValidUTF8(kv.Value, "\uFFFD")
		if kv.Key == "" || len(kv.Key) > 4*MaxKey || strings.ContainsRune(kv.Key, 0) {
			return invalid("the key of a %s, '%s', is empty, longer than %d bytes or has a NUL", what, cut(kv.Key, 50), 4*MaxKey)
		}
		if i > 0 && kvs[i-1].Key >= kv.Key {
			return invalid("%s '%s' is there twice or out of order", what, kv.Key)
		}
	}
	return nil
}

// compareKVs returns an [ErrConflict] that names a difference.
func compareKVs(what string, old map[string]string, kvs []KV) error {
	for _, kv := range kvs {
		v, ok := old[kv.Key]
		if !ok {
			return importConflict("there is no %s '%s' here", what, kv.Key)
		}
		if v != kv.Value {
			return importConflict("%s '%s' has the value '%s' here and '%s' there", what, kv.Key, cut(v, 50), cut(kv.Value, 50))
		}
	}
	if len(old) == len(kvs) {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if _, ok := slices.BinarySearchFunc(kvs, key, func(kv KV, k string) int { return strings.Compare(kv.Key, k) }); !ok {
			return importConflict("%s '%s' is here only", what, key)
		}
	}
	return nil
}
