package lineage

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// RegisteredModel is a named family of versions.
type RegisteredModel struct {
	Name        string
	Description string
	CreatedAt   int64 // Unix ms
	UpdatedAt   int64 // Unix ms; see the functions that change a model
	Tags        []Tag // sorted by key
	Aliases     []Alias
	LastVersion int // highest number ever given

	// LatestVersions has the highest version of each stage that has one, by
	// number.
	LatestVersions []*ModelVersion
}

// IsPrompt reports whether the model is an MLflow prompt, which default
// searches hide.
func (m *RegisteredModel) IsPrompt() bool {
	is, _ := FindTag(m.Tags, tagPrompt)
	return is == "true"
}

type modelRow struct {
	Name, Description    string
	CreatedAt, UpdatedAt int64
	LastVersion          uint32
	Latest               []uint32 // by stage, 0 for none
	Tags                 []Tag
	Aliases              []Alias
}

// findModel reads a model by name.
func findModel(tx *store.Tx, name string) (uint32, *modelRow, error) {
	if err := ValidateModelName(name); err != nil {
		return 0, nil, err
	}
	ord, ok, err := lookup(tx, modelNameKey(name))
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, store.Errorf(store.ErrNotFound, "Registered Model with name=%s not found", name)
	}
	row, err := loadModel(tx, ord)
	if err != nil {
		return 0, nil, err
	}
	if row.Name != name {
		return 0, nil, fmt.Errorf("registered model %d is %q, not %q: %w", ord, row.Name, name, store.ErrCorrupt)
	}
	return ord, row, nil
}

func loadModel(tx *store.Tx, ord uint32) (*modelRow, error) {
	row := &modelRow{}
	if err := loadSplit(tx, modelKey(ord), row); err != nil {
		return nil, fmt.Errorf("registered model %d: %w", ord, notMissing(err))
	}
	return row, row.check()
}

func (row *modelRow) check() error {
	if len(row.Latest) != len(stageNames) {
		return fmt.Errorf("registered model %q has %d stages: %w", row.Name, len(row.Latest), store.ErrCorrupt)
	}
	return nil
}

// open fills a RegisteredModel from its row.
func (row *modelRow) open(tx *store.Tx, ord uint32) (*RegisteredModel, error) {
	m := &RegisteredModel{
		Name: row.Name, Description: row.Description, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
		Tags: row.Tags, Aliases: row.Aliases, LastVersion: int(row.LastVersion),
	}
	for _, number := range row.Latest {
		if number == 0 {
			continue
		}
		v, err := loadVersion(tx, ord, number)
		if err != nil {
			return nil, fmt.Errorf("version %d of %q: %w", number, row.Name, notMissing(err))
		}
		m.LatestVersions = append(m.LatestVersions, v.open(row, number))
	}
	slices.SortFunc(m.LatestVersions, func(a, b *ModelVersion) int { return cmp.Compare(a.Version, b.Version) })
	return m, nil
}

// changeModel reads a model, applies fn and writes it back.
func changeModel(tx *store.Tx, name string, fn func(ord uint32, row *modelRow) error) (*RegisteredModel, error) {
	ord, row, err := findModel(tx, name)
	if err != nil {
		return nil, err
	}
	if err := fn(ord, row); err != nil {
		return nil, err
	}
	if err := saveSplit(tx, modelKey(ord), row); err != nil {
		return nil, err
	}
	return row.open(tx, ord)
}

// CreateModel registers a name. Errors: store.ErrInvalid, store.ErrExists.
func CreateModel(tx *store.Tx, by Author, name, description string, tags []Tag) (*RegisteredModel, error) {
	if err := ValidateModelName(name); err != nil {
		return nil, err
	}
	if err := validateTags(tags, ValidateTag); err != nil {
		return nil, err
	}
	tags = sortTags(tags)
	if err := checkNewName(tx, name, tags); err != nil {
		return nil, err
	}
	ord, err := nextOrd(tx, 'M')
	if err != nil {
		return nil, err
	}
	row := &modelRow{
		Name: name, Description: description, CreatedAt: by.At, UpdatedAt: by.At,
		Latest: make([]uint32, len(stageNames)), Tags: tags,
	}
	if err := tx.Save(modelNameKey(name), 1, ordRow{ord}); err != nil {
		return nil, err
	}
	if err := saveSplit(tx, modelKey(ord), row); err != nil {
		return nil, err
	}
	if err := by.record(tx, ord, changeRow{Action: Created, New: name}); err != nil {
		return nil, err
	}
	return row.open(tx, ord)
}

// checkNewName refuses a name in use. Models and prompts share one name space.
func checkNewName(tx *store.Tx, name string, tags []Tag) error {
	ord, ok, err := lookup(tx, modelNameKey(name))
	if err != nil || !ok {
		return err
	}
	row, err := loadModel(tx, ord)
	if err != nil {
		return err
	}
	kinds := [2]string{"Registered Model", "Registered Model"}
	lower := [2]string{"registered model", "registered model"}
	for i, list := range [2][]Tag{row.Tags, tags} {
		if _, ok := FindTag(list, tagPrompt); ok {
			kinds[i], lower[i] = "Prompt", "prompt"
		}
	}
	if kinds[0] != kinds[1] {
		return store.Errorf(store.ErrExists, "Tried to create a %s with name %s, but the name is already taken by a %s."+
			" MLflow does not allow creating a model and a prompt with the same name.", lower[1], repr(name), lower[0])
	}
	return store.Errorf(store.ErrExists, "%s (name=%s) already exists.", kinds[1], name)
}

// GetModel returns a registered model. Errors: store.ErrNotFound,
// store.ErrInvalid for a name that none can have.
func GetModel(tx *store.Tx, name string) (*RegisteredModel, error) {
	ord, row, err := findModel(tx, name)
	if err != nil {
		return nil, err
	}
	return row.open(tx, ord)
}

// UpdateModel replaces the description and sets UpdatedAt.
func UpdateModel(tx *store.Tx, by Author, name, description string) (*RegisteredModel, error) {
	return changeModel(tx, name, func(ord uint32, row *modelRow) error {
		old := row.Description
		row.Description, row.UpdatedAt = description, by.At
		if old == description {
			return nil
		}
		return by.record(tx, ord, changeRow{Action: Described, Old: old, New: description})
	})
}

// RenameModel gives a model another name, which its versions follow; the old
// one is free again. UpdatedAt of the model and of all its versions is set.
// Errors: store.ErrNotFound, store.ErrInvalid, store.ErrExists.
func RenameModel(tx *store.Tx, by Author, name, newName string) (*RegisteredModel, error) {
	if err := validateNewName(newName); err != nil {
		return nil, err
	}
	return changeModel(tx, name, func(ord uint32, row *modelRow) error {
		if newName != name {
			if taken, err := tx.Has(modelNameKey(newName)); err != nil {
				return err
			} else if taken {
				return store.Errorf(store.ErrExists, "Registered Model (name=%s) already exists. Error: the name is taken", newName)
			}
			if err := tx.Delete(modelNameKey(name)); err != nil {
				return err
			}
			if err := tx.Save(modelNameKey(newName), 1, ordRow{ord}); err != nil {
				return err
			}
			if err := by.record(tx, ord, changeRow{Action: Renamed, Old: name, New: newName}); err != nil {
				return err
			}
		}
		row.Name, row.UpdatedAt = newName, by.At
		for r, err := range tx.Prefix(versionsKey(ord), false) {
			if err != nil {
				return err
			}
			v := &versionRow{}
			if err := decodeSplit(tx, r, v); err != nil {
				return err
			}
			v.UpdatedAt = by.At
			if err := saveSplit(tx, versionKey(ord, lastUint32(r.Key)), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteModel removes a model with its versions and its history. Its name is free again, and
// a new model of that name counts its versions from 1.
func DeleteModel(tx *store.Tx, name string) error {
	ord, _, err := findModel(tx, name)
	if err != nil {
		return err
	}
	for r, err := range tx.Prefix(versionsKey(ord), false) {
		if err != nil {
			return err
		}
		v := &versionRow{}
		if err := decodeSplit(tx, r, v); err != nil {
			return err
		}
		if err := v.drop(tx, ord, lastUint32(r.Key)); err != nil {
			return err
		}
	}
	if err := dropHistory(tx, ord); err != nil {
		return err
	}
	if err := tx.Delete(modelNameKey(name)); err != nil {
		return err
	}
	return deleteSplit(tx, modelKey(ord))
}

// SetModelTag sets a tag. It leaves UpdatedAt, like MLflow.
func SetModelTag(tx *store.Tx, by Author, name string, t Tag) error {
	if err := ValidateModelName(name); err != nil {
		return err
	}
	if err := ValidateTag(t); err != nil {
		return err
	}
	ord, row, err := findModel(tx, name)
	if err != nil {
		return err
	}
	if err := by.tagged(tx, ord, 0, row.Tags, t); err != nil {
		return err
	}
	row.Tags = setTag(row.Tags, t)
	return saveSplit(tx, modelKey(ord), row)
}

// DeleteModelTag removes a tag if it is there.
func DeleteModelTag(tx *store.Tx, by Author, name, key string) error {
	if err := ValidateModelName(name); err != nil {
		return err
	}
	if err := ValidateTagKey(key); err != nil {
		return err
	}
	ord, row, err := findModel(tx, name)
	if err != nil {
		return err
	}
	old, found := FindTag(row.Tags, key)
	if !found {
		return nil
	}
	if err := by.record(tx, ord, changeRow{Action: TagRemoved, Name: key, Old: old}); err != nil {
		return err
	}
	row.Tags = dropTag(row.Tags, key)
	return saveSplit(tx, modelKey(ord), row)
}

// Models iterates over the registered models in the order of their creation.
func Models(tx *store.Tx) iter.Seq2[*RegisteredModel, error] {
	return func(yield func(*RegisteredModel, error) bool) {
		for r, err := range tx.Prefix(tuple.Key('M'), false) {
			var m *RegisteredModel
			if err == nil {
				m, err = decodeModel(tx, r)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

func decodeModel(tx *store.Tx, r store.Row) (*RegisteredModel, error) {
	row := &modelRow{}
	if err := decodeSplit(tx, r, row); err != nil {
		return nil, err
	}
	if err := row.check(); err != nil {
		return nil, err
	}
	return row.open(tx, lastUint32(r.Key))
}
