package runstone

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/store"
)

// DefaultExperiment is the id of the experiment "Default", which every
// database has.
const DefaultExperiment = "0"

// servedRoot is the location of the folder of artifacts.
const servedRoot = "mlflow-artifacts:/"

// Experiment is a named group of runs, as it was when it was read.
type Experiment struct {
	ID       string // decimal digits
	Name     string
	Location string // URI of the folder that holds its runs' artifacts
	Deleted  bool
	Created  time.Time
	Updated  time.Time // renamed, deleted or restored; tags leave it
	Tags     map[string]string
}

// ExperimentOptions are for [DB.CreateExperiment]; nil is none of them.
type ExperimentOptions struct {
	Tags map[string]string
	// Location is the URI of the artifact folder, mlflow-artifacts:/<path> or one
	// below Options.ArtifactRoot; "" is <ArtifactRoot>/<id>.
	Location string
}

// experimentID returns the id that an experiment of this name gets. It follows
// from the name, so that databases made apart agree on it; the salt is for a
// name whose id is taken by an experiment that has been renamed since.
func experimentID(name string, salt int) string {
	if name == "Default" && salt == 0 {
		return DefaultExperiment
	}
	if salt > 0 {
		name = fmt.Sprintf("%s\x00%d", name, salt)
	}
	sum := sha256.Sum256([]byte(name))
	const least, count = 1e17, 9e17 // 18 digits, as MLflow's file store has them
	return fmt.Sprint(uint64(least) + binary.BigEndian.Uint64(sum[:])%uint64(count))
}

// CreateExperiment makes an experiment and returns its id. [ErrExists] when
// there is one of this name, deleted ones included; a shared database finds
// that out later and then keeps the one that is there.
func (db *DB) CreateExperiment(ctx context.Context, name string, opt *ExperimentOptions) (string, error) {
	o := &createExperiment{Name: name, At: db.now(), Strict: true, root: db.root}
	if opt != nil {
		o.Location, o.Tags = opt.Location, sortedKVs(opt.Tags)
	}
	if err := o.check(); err != nil {
		return "", err
	}
	if db.store == nil {
		_, err := db.ExperimentByName(ctx, name)
		if err == nil {
			return "", experimentExists(name)
		}
		if !errors.Is(err, ErrNotFound) {
			return "", err
		}
		if o.id, err = db.freeExperimentID(ctx, name); err != nil {
			return "", err
		}
	}
	if err := db.do(ctx, Synced, o); err != nil {
		return "", err
	}
	return o.id, nil
}

// freeExperimentID returns the id that a new experiment of this name gets.
func (db *DB) freeExperimentID(ctx context.Context, name string) (id string, err error) {
	err = db.View(ctx, func(tx *store.Tx) error {
		id, err = freeExperimentID(tx, name)
		return err
	})
	return id, err
}

func freeExperimentID(tx *store.Tx, name string) (string, error) {
	for salt := 0; ; salt++ {
		id := experimentID(name, salt)
		if _, taken, err := tx.Ord(kindExperiment, id); err != nil || !taken {
			return id, err
		}
	}
}

func experimentExists(name string) error {
	return store.Errorf(ErrExists, "Experiment(name=%s) already exists.", name)
}

func inactiveExperiment(id string) error {
	return invalid("The experiment %s must be in the 'active' state. Current state is deleted.", id)
}

// createExperiment makes an experiment, or with Strict unset accepts one of
// the same name that is there.
type createExperiment struct {
	Name     string
	Location string
	Tags     []KV
	At       int64
	Strict   bool

	id   string
	root artifact.Location // not in an inbox, where it is what servedRoot says
}

func (o *createExperiment) kind() opKind { return kindCreateExperiment }

func (o *createExperiment) check() error {
	if err := checkExperimentName(o.Name); err != nil {
		return err
	}
	for i := range o.Tags {
		if err := checkExperimentTag(&o.Tags[i]); err != nil {
			return err
		}
	}
	if o.Location == "" {
		return nil
	}
	return checkLocation(o.Location, o.root)
}

// checkLocation refuses a place for artifacts that this database could not
// serve, but below root, which its user has chosen: it never follows a URI that
// somebody wrote.
func checkLocation(uri string, root artifact.Location) error {
	l, err := artifact.ParseLocation(uri)
	if err == nil && l.Kind != artifact.KindProxied {
		if _, ok := l.Below(root); !ok {
			err = errors.New("only mlflow-artifacts:/ locations are served")
			if root.Kind != 0 && root.Kind != artifact.KindProxied {
				err = fmt.Errorf("only locations below mlflow-artifacts:/ and %s are taken", root)
			}
		}
	}
	if err != nil {
		return invalid("Invalid artifact location: '%s'. %v", uri, err)
	}
	return nil
}

func (o *createExperiment) apply(tx *store.Tx) error {
	if err := o.check(); err != nil {
		return err
	}
	ord, ok, err := experimentByName(tx, o.Name)
	if err != nil {
		return err
	}
	if ok {
		if o.Strict {
			return experimentExists(o.Name)
		}
		o.id, err = tx.Text(kindExperiment, ord)
		return err
	}
	if o.id, err = freeExperimentID(tx, o.Name); err != nil {
		return err
	}
	if ord, err = tx.Intern(kindExperiment, o.id); err != nil {
		return err
	}
	row := experimentRow{Name: o.Name, Location: o.Location, Created: o.At, Updated: o.At}
	if row.Location == "" {
		row.Location = strings.TrimSuffix(cmp.Or(o.root.String(), servedRoot), "/") + "/" + o.id
	}
	if err := tx.Save(experimentNameKey(o.Name), 1, ordinalRow{ord, o.Name}); err != nil {
		return err
	}
	for _, t := range o.Tags {
		if err := saveExperimentTag(tx, ord, t); err != nil {
			return err
		}
	}
	return tx.Save(experimentKey(ord), 1, row)
}

func experimentByName(tx *store.Tx, name string) (uint32, bool, error) {
	var row ordinalRow
	err := tx.Load(experimentNameKey(name), 1, &row)
	if errors.Is(err, ErrNotFound) {
		return 0, false, nil
	}
	if err == nil && row.Text != name {
		err = fmt.Errorf("experiment name %q and %q share a key: %w", name, row.Text, ErrCorrupt)
	}
	return row.Ord, err == nil, err
}

func loadExperiment(tx *store.Tx, id string) (uint32, *experimentRow, error) {
	ord, ok, err := tx.Ord(kindExperiment, id)
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, notFound("No Experiment with id=%s exists", id)
	}
	var row experimentRow
	if err := tx.Load(experimentKey(ord), 1, &row); err != nil {
		return 0, nil, present(err, "experiment", id)
	}
	return ord, &row, nil
}

// ensureDefault makes the experiment "Default" in a new database.
func (db *DB) ensureDefault() error {
	var there bool
	err := db.store.View(context.Background(), func(tx *store.Tx) (err error) {
		_, there, err = tx.Ord(kindExperiment, DefaultExperiment)
		return err
	})
	if there || err != nil { // a change would wait until what a crash left is written
		return err
	}
	return db.store.Update(context.Background(), Synced, func(tx *store.Tx) error {
		return (&createExperiment{Name: "Default", At: db.now(), root: db.root}).apply(tx)
	})
}

// Experiment returns an experiment by id, deleted or not. [ErrNotFound].
func (db *DB) Experiment(ctx context.Context, id string) (*Experiment, error) {
	var e *Experiment
	err := db.View(ctx, func(tx *store.Tx) error {
		ord, row, err := loadExperiment(tx, id)
		if err == nil {
			e, err = row.experiment(tx, ord, id)
		}
		return err
	})
	return e, err
}

// ExperimentByName returns an experiment by name, deleted or not.
// [ErrNotFound].
func (db *DB) ExperimentByName(ctx context.Context, name string) (*Experiment, error) {
	var e *Experiment
	err := db.View(ctx, func(tx *store.Tx) error {
		ord, ok, err := experimentByName(tx, name)
		if err != nil {
			return err
		}
		if !ok {
			return notFound("Could not find experiment with name '%s'", name)
		}
		e, err = experimentAt(tx, ord)
		return err
	})
	return e, err
}

func experimentAt(tx *store.Tx, ord uint32) (*Experiment, error) {
	id, err := tx.Text(kindExperiment, ord)
	if err != nil {
		return nil, err
	}
	var row experimentRow
	if err := tx.Load(experimentKey(ord), 1, &row); err != nil {
		return nil, present(err, "experiment", id)
	}
	return row.experiment(tx, ord, id)
}

func (r *experimentRow) experiment(tx *store.Tx, ord uint32, id string) (*Experiment, error) {
	tags, err := loadValues(tx, experimentTagKey(ord, 0)[:5], kindTag)
	return &Experiment{
		ID: id, Name: r.Name, Location: r.Location, Deleted: r.Deleted,
		Created: time.UnixMilli(r.Created), Updated: time.UnixMilli(r.Updated), Tags: tags,
	}, err
}

// Experiments iterates over all experiments, deleted ones included, in the
// order of their creation.
func (db *DB) Experiments(ctx context.Context) iter.Seq2[*Experiment, error] {
	return viewSeq(ctx, db, func(tx *store.Tx, yield func(*Experiment) bool) error {
		last, err := tx.LastOrd(kindExperiment)
		for ord := uint32(1); err == nil && ord <= last; ord++ {
			var e *Experiment
			if e, err = experimentAt(tx, ord); err == nil && !yield(e) {
				break
			}
		}
		return err
	})
}

// RenameExperiment gives an active experiment another name. [ErrExists] when
// it is taken.
func (db *DB) RenameExperiment(ctx context.Context, id, name string) error {
	return db.do(ctx, Synced, &renameExperiment{ID: id, Name: name, At: db.now()})
}

type renameExperiment struct {
	ID, Name string
	At       int64
}

func (o *renameExperiment) kind() opKind { return kindRenameExperiment }

func (o *renameExperiment) apply(tx *store.Tx) error {
	if err := checkExperimentName(o.Name); err != nil {
		return err
	}
	ord, row, err := loadExperiment(tx, o.ID)
	if err != nil {
		return err
	}
	if row.Deleted {
		return invalid("Cannot rename experiment in non-active lifecycle stage. Current stage: deleted")
	}
	if row.Name == o.Name {
		return nil
	}
	if _, taken, err := experimentByName(tx, o.Name); err != nil {
		return err
	} else if taken {
		return experimentExists(o.Name)
	}
	if err := tx.Delete(experimentNameKey(row.Name)); err != nil {
		return err
	}
	row.Name, row.Updated = o.Name, o.At
	if err := tx.Save(experimentNameKey(o.Name), 1, ordinalRow{ord, o.Name}); err != nil {
		return err
	}
	return tx.Save(experimentKey(ord), 1, row)
}

// DeleteExperiment marks an active experiment and its runs deleted.
func (db *DB) DeleteExperiment(ctx context.Context, id string) error {
	return db.do(ctx, Synced, &experimentLife{ID: id, Deleted: true, At: db.now()})
}

// RestoreExperiment undoes DeleteExperiment, also for the runs that it deleted.
func (db *DB) RestoreExperiment(ctx context.Context, id string) error {
	return db.do(ctx, Synced, &experimentLife{ID: id, At: db.now()})
}

type experimentLife struct {
	ID      string
	Deleted bool
	At      int64
}

func (o *experimentLife) kind() opKind { return kindExperimentLife }

func (o *experimentLife) apply(tx *store.Tx) error {
	ord, row, err := loadExperiment(tx, o.ID)
	if err != nil {
		return err
	}
	if row.Deleted == o.Deleted {
		return notFound("No Experiment with id=%s exists", o.ID)
	}
	row.Deleted, row.Updated = o.Deleted, o.At
	if err := tx.Save(experimentKey(ord), 1, row); err != nil {
		return err
	}
	return o.applyToRuns(tx, ord)
}

// SetExperimentTag sets a tag of an active experiment.
func (db *DB) SetExperimentTag(ctx context.Context, id, key, value string) error {
	return db.do(ctx, Synced, &experimentTag{ID: id, Tag: KV{Key: key, Value: value}})
}

// DeleteExperimentTag removes a tag. [ErrNotFound] when it is not there.
func (db *DB) DeleteExperimentTag(ctx context.Context, id, key string) error {
	return db.do(ctx, Synced, &experimentTag{ID: id, Tag: KV{Key: key}, Remove: true})
}

type experimentTag struct {
	ID     string
	Tag    KV
	Remove bool
}

func (o *experimentTag) kind() opKind { return kindExperimentTag }

func (o *experimentTag) apply(tx *store.Tx) error {
	if err := checkExperimentTag(&o.Tag); err != nil {
		return err
	}
	ord, row, err := loadExperiment(tx, o.ID)
	if err != nil {
		return err
	}
	if row.Deleted {
		return inactiveExperiment(o.ID)
	}
	if o.Remove {
		key, ok, err := tx.Ord(kindTag, o.Tag.Key)
		if err == nil && ok {
			ok, err = tx.Has(experimentTagKey(ord, key))
		}
		if err != nil {
			return err
		}
		if !ok {
			return notFound("No tag with name: %s in experiment with id %s", o.Tag.Key, o.ID)
		}
		return tx.Delete(experimentTagKey(ord, key))
	}
	return saveExperimentTag(tx, ord, o.Tag)
}

func saveExperimentTag(tx *store.Tx, exp uint32, t KV) error {
	key, err := tx.Intern(kindTag, t.Key)
	if err != nil {
		return err
	}
	return saveText(tx, experimentTagKey(exp, key), t.Value)
}

// loadValues reads the params or tags under a prefix.
func loadValues(tx *store.Tx, prefix []byte, kind store.Kind) (map[string]string, error) {
	values := map[string]string{}
	err := eachValue(tx, prefix, func(key uint32, value string) error {
		name, err := tx.Text(kind, key)
		values[name] = value
		return err
	})
	return values, err
}

func sortedKVs(m map[string]string) []KV {
	kvs := make([]KV, 0, len(m))
	for k, v := range m {
		kvs = append(kvs, KV{Key: k, Value: v})
	}
	slices.SortFunc(kvs, func(a, b KV) int { return strings.Compare(a.Key, b.Key) })
	return kvs
}
