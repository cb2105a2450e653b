package lineage

import (
	"strings"

	"github.com/runstonedb/runstone/store"
)

// Stages of a version, as MLflow spells them.
const (
	StageNone       = "None"
	StageStaging    = "Staging"
	StageProduction = "Production"
	StageArchived   = "Archived"
)

// stageNames are the stages by the byte that stands for them in rows.
var stageNames = [...]string{StageNone, StageStaging, StageProduction, StageArchived}

const (
	inNone     byte = 0
	inArchived byte = 3
)

// CanonicalStage returns the spelling of a stage given in any case. Errors:
// store.ErrInvalid.
func CanonicalStage(stage string) (string, error) {
	i, err := stageByte(stage)
	if err != nil {
		return "", err
	}
	return stageNames[i], nil
}

func stageByte(stage string) (byte, error) {
	for i, name := range stageNames {
		if strings.EqualFold(stage, name) {
			return byte(i), nil
		}
	}
	return 0, invalid("Invalid Model Version stage: %s. Value must be one of %s.", stage, strings.Join(stageNames[:], ", "))
}

// Transition moves a version to a stage and sets UpdatedAt of it and of its
// model. With archiveExisting the other versions of that stage, which must be
// Staging or Production, are moved to Archived. Errors: store.ErrInvalid,
// store.ErrNotFound.
func Transition(tx *store.Tx, by Author, name string, version int, stage string, archiveExisting bool) (*ModelVersion, error) {
	to, err := stageByte(stage)
	if err != nil {
		return nil, err
	}
	if archiveExisting && (to == inNone || to == inArchived) {
		return nil, invalid("Model version transition cannot archive existing model versions because '%s' is not"+
			" an Active stage. Valid stages are ['Staging', 'Production']", stage)
	}
	v, err := findVersion(tx, name, version)
	if err != nil {
		return nil, err
	}
	if archiveExisting {
		for r, err := range tx.Prefix(stageKey(v.ord, to), false) {
			if err != nil {
				return nil, err
			}
			other := lastUint32(r.Key)
			if other == v.number {
				continue
			}
			row, err := loadVersion(tx, v.ord, other)
			if err != nil {
				return nil, notMissing(err)
			}
			row.UpdatedAt = by.At
			if err := row.move(tx, &by, v.ord, v.model, other, inArchived); err != nil {
				return nil, err
			}
			if err := saveSplit(tx, versionKey(v.ord, other), row); err != nil {
				return nil, err
			}
		}
	}
	if err := v.row.move(tx, &by, v.ord, v.model, v.number, to); err != nil {
		return nil, err
	}
	v.row.UpdatedAt, v.model.UpdatedAt = by.At, by.At
	if err := saveSplit(tx, versionKey(v.ord, v.number), v.row); err != nil {
		return nil, err
	}
	if err := saveSplit(tx, modelKey(v.ord), v.model); err != nil {
		return nil, err
	}
	return v.row.open(v.model, v.number), nil
}

// move changes the stage in the version and in what is derived from it: the
// stage rows, the model's latest versions and its history.
func (row *versionRow) move(tx *store.Tx, by *Author, ord uint32, m *modelRow, number uint32, to byte) error {
	if row.Stage == to {
		return nil
	}
	err := by.record(tx, ord, changeRow{Action: Moved, Version: number, Old: stageNames[row.Stage], New: stageNames[to]})
	if err != nil {
		return err
	}
	if err := row.leave(tx, ord, m, number); err != nil {
		return err
	}
	row.Stage = to
	return row.enter(tx, ord, m, number)
}

func (row *versionRow) enter(tx *store.Tx, ord uint32, m *modelRow, number uint32) error {
	m.Latest[row.Stage] = max(m.Latest[row.Stage], number)
	return tx.Save(stageVersionKey(ord, row.Stage, number), 1, none{})
}

func (row *versionRow) leave(tx *store.Tx, ord uint32, m *modelRow, number uint32) error {
	if err := tx.Delete(stageVersionKey(ord, row.Stage, number)); err != nil {
		return err
	}
	if m.Latest[row.Stage] != number {
		return nil
	}
	m.Latest[row.Stage] = 0
	for r, err := range tx.Prefix(stageKey(ord, row.Stage), true) {
		if err != nil {
			return err
		}
		m.Latest[row.Stage] = lastUint32(r.Key)
		break
	}
	return nil
}

// LatestVersions returns the highest version of each of the stages, or of all
// stages when none is given, by number. Errors: store.ErrNotFound,
// store.ErrInvalid.
func LatestVersions(tx *store.Tx, name string, stages []string) ([]*ModelVersion, error) {
	m, err := GetModel(tx, name)
	if err != nil || len(stages) == 0 {
		if err != nil {
			return nil, err
		}
		return m.LatestVersions, nil
	}
	var want [len(stageNames)]bool
	for _, s := range stages {
		i, err := stageByte(s)
		if err != nil {
			return nil, err
		}
		want[i] = true
	}
	var out []*ModelVersion
	for _, v := range m.LatestVersions {
		if i, err := stageByte(v.Stage); err == nil && want[i] {
			out = append(out, v)
		}
	}
	return out, nil
}
