package lineage

import (
	"errors"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

func conflict(format string, args ...any) error {
	return store.Errorf(store.ErrConflict, format, args...)
}

// ImportLoggedModel adds a logged model with its times and life cycle as another
// store has them, and reports whether it was added; with dry it only says so.
// One that is there with the same content is no change. Params and Tags are
// sorted by key. Errors: store.ErrConflict for one with other content, which
// says what differs, and store.ErrInvalid.
func ImportLoggedModel(tx *store.Tx, m LoggedModel, dry bool) (added bool, err error) {
	if err := validateLoggedID(m.ModelID); err != nil {
		return false, err
	}
	if err := checkLoggedStatus(m.Status); err != nil {
		return false, err
	}
	if err := checkTexts(m.Name, m.ModelType, m.SourceRunID, m.StatusMessage, m.ArtifactURI); err != nil {
		return false, err
	}
	for _, tags := range [][]Tag{m.Params, m.Tags} {
		if err := checkImportedTags(tags, validateLoggedItem); err != nil {
			return false, err
		}
	}
	old, err := GetLoggedModel(tx, m.ModelID, true)
	if err == nil {
		return false, compareLogged(old, &m)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	if dry {
		return true, nil
	}
	ord, err := tx.Intern(KindLoggedModel, m.ModelID)
	if err != nil {
		return false, err
	}
	experiment, err := tx.Intern(KindExperiment, m.ExperimentID)
	if err != nil {
		return false, err
	}
	row := &loggedRow{
		Experiment: experiment, Name: m.Name, ModelType: m.ModelType, SourceRunID: m.SourceRunID,
		Status: m.Status, StatusMessage: m.StatusMessage, ArtifactURI: m.ArtifactURI,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, Params: m.Params, Tags: m.Tags, Deleted: m.Deleted,
	}
	if err := saveSplit(tx, loggedKey(ord), row); err != nil {
		return false, err
	}
	return true, tx.Save(tuple.Uint32(experimentLoggedKey(experiment), ord), 1, none{})
}

func compareLogged(old, m *LoggedModel) error {
	switch {
	case old.ExperimentID != m.ExperimentID:
		return conflict("it belongs to experiment %s here and to %s there", old.ExperimentID, m.ExperimentID)
	case old.Name != m.Name:
		return conflict("its name is '%s' here and '%s' there", old.Name, m.Name)
	case old.ArtifactURI != m.ArtifactURI:
		return conflict("its files are at '%s' here and at '%s' there", old.ArtifactURI, m.ArtifactURI)
	case old.Status != m.Status || old.StatusMessage != m.StatusMessage || old.Deleted != m.Deleted:
		return conflict("its status is %s here and %s there, or it is deleted in one of the two places", old.Status, m.Status)
	case old.ModelType != m.ModelType || old.SourceRunID != m.SourceRunID:
		return conflict("its type or the run that made it differ")
	case old.CreatedAt != m.CreatedAt || old.UpdatedAt != m.UpdatedAt:
		return conflict("it was made or changed at other times")
	case !slices.Equal(old.Params, m.Params):
		return conflict("its params differ")
	case !slices.Equal(old.Tags, m.Tags):
		return conflict("its tags differ")
	}
	return nil
}

// ImportModel adds a registered model and its versions, sorted by number, with
// numbers, times and stages as another store has them, and reports whether it
// was added; with dry it only says so. Its history begins here. One that is there
// with the same versions and content is no change. LatestVersions of m and Aliases of the versions are
// not looked at. Errors: store.ErrConflict for a model of that name with other
// content, which says what differs, and store.ErrInvalid.
func ImportModel(tx *store.Tx, by Author, m RegisteredModel, versions []*ModelVersion, dry bool) (added bool, err error) {
	rows, err := checkImportedModel(&m, versions)
	if err != nil {
		return false, err
	}
	old, err := GetModel(tx, m.Name)
	if err == nil {
		return false, compareModel(tx, old, &m, versions)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	if dry {
		return true, nil
	}
	ord, err := nextOrd(tx, 'M')
	if err != nil {
		return false, err
	}
	row := &modelRow{
		Name: m.Name, Description: m.Description, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
		LastVersion: uint32(m.LastVersion), Latest: make([]uint32, len(stageNames)), Tags: m.Tags, Aliases: m.Aliases,
	}
	for i, v := range versions {
		number := uint32(v.Version)
		if err := rows[i].enter(tx, ord, row, number); err != nil {
			return false, err
		}
		if v.RunID != "" {
			if err := tx.Save(runVersionKey(v.RunID, ord, number), 1, none{}); err != nil {
				return false, err
			}
		}
		if err := saveSplit(tx, versionKey(ord, number), rows[i]); err != nil {
			return false, err
		}
	}
	if err := tx.Save(modelNameKey(m.Name), 1, ordRow{ord}); err != nil {
		return false, err
	}
	if err := by.recordImport(tx, ord, m.Name, versions); err != nil {
		return false, err
	}
	return true, saveSplit(tx, modelKey(ord), row)
}

// recordImport begins the history of a model. The numbers are known: a look for the
// last one at every version would read all that the transaction wrote.
func (by *Author) recordImport(tx *store.Tx, model uint32, name string, versions []*ModelVersion) error {
	if err := by.check(); err != nil {
		return err
	}
	if err := by.save(tx, model, 1, changeRow{Action: Imported, New: name}); err != nil {
		return err
	}
	for i, v := range versions {
		if err := by.save(tx, model, uint32(i)+2, changeRow{Action: Imported, Version: uint32(v.Version), New: v.Stage}); err != nil {
			return err
		}
	}
	return nil
}

// checkImportedModel refuses what the rows could not hold together, and raises
// LastVersion to the last of the versions. It returns the rows of the versions.
func checkImportedModel(m *RegisteredModel, versions []*ModelVersion) ([]*versionRow, error) {
	if err := ValidateModelName(m.Name); err != nil {
		return nil, err
	}
	if err := checkTexts(m.Name, m.Description); err != nil {
		return nil, err
	}
	if err := checkImportedTags(m.Tags, nil); err != nil {
		return nil, err
	}
	rows := make([]*versionRow, len(versions))
	last := 0
	for i, v := range versions {
		if v.Version <= last || v.Version > math.MaxUint32 {
			return nil, invalid("version %d of '%s' is out of order", v.Version, m.Name)
		}
		last = v.Version
		stage, err := stageByte(v.Stage)
		if err != nil {
			return nil, err
		}
		switch v.Status {
		case VersionReady, VersionPending, VersionFailed:
		default:
			return nil, invalid("version %d of '%s' has the status %s", v.Version, m.Name, repr(v.Status))
		}
		if err := checkTexts(v.UserID, v.Description, v.Source, v.StorageLocation, v.RunID, v.RunLink, v.ModelID, v.StatusMessage); err != nil {
			return nil, err
		}
		if err := checkImportedTags(v.Tags, nil); err != nil {
			return nil, err
		}
		rows[i] = &versionRow{
			CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt, UserID: v.UserID, Description: v.Description,
			Source: v.Source, StorageLocation: v.StorageLocation, RunID: v.RunID, RunLink: v.RunLink, ModelID: v.ModelID,
			Status: v.Status, StatusMessage: v.StatusMessage, Stage: stage, Tags: v.Tags,
		}
	}
	if m.LastVersion = max(m.LastVersion, last); m.LastVersion > math.MaxUint32 {
		return nil, invalid("version %d of '%s' is too high", m.LastVersion, m.Name)
	}
	for i, a := range m.Aliases {
		if err := ValidateAlias(a.Name); err != nil {
			return nil, err
		}
		if i > 0 && m.Aliases[i-1].Name >= a.Name {
			return nil, invalid("alias '%s' of '%s' is there twice or out of order", a.Name, m.Name)
		}
		if _, ok := slices.BinarySearchFunc(versions, a.Version, func(v *ModelVersion, n int) int { return v.Version - n }); !ok {
			return nil, invalid("alias '%s' of '%s' names version %d, which is not there", a.Name, m.Name, a.Version)
		}
	}
	return rows, nil
}

func compareModel(tx *store.Tx, old, m *RegisteredModel, versions []*ModelVersion) error {
	switch {
	case old.Description != m.Description:
		return conflict("its description differs")
	case !slices.Equal(old.Tags, m.Tags):
		return conflict("its tags differ")
	case !slices.Equal(old.Aliases, m.Aliases):
		return conflict("its aliases differ")
	case old.CreatedAt != m.CreatedAt || old.UpdatedAt != m.UpdatedAt:
		return conflict("it was made or changed at other times")
	case old.LastVersion < m.LastVersion: // a source may not know of deleted ones
		return conflict("its highest version is %d here and %d there", old.LastVersion, m.LastVersion)
	}
	i := 0
	for v, err := range VersionsOf(tx, m.Name) {
		if err != nil {
			return err
		}
		if i == len(versions) || v.Version != versions[i].Version {
			return conflict("version %d is here only, or versions are missing", v.Version)
		}
		if what := differs(v, versions[i]); what != "" {
			return conflict("the %s of version %d differs", what, v.Version)
		}
		i++
	}
	if i < len(versions) {
		return conflict("version %d is not here", versions[i].Version)
	}
	return nil
}

// differs names what differs between two versions of one number, "" if nothing.
func differs(a, b *ModelVersion) string {
	for _, f := range []struct{ what, a, b string }{
		{"stage", strings.ToLower(a.Stage), strings.ToLower(b.Stage)}, {"status", a.Status, b.Status}, {"status message", a.StatusMessage, b.StatusMessage},
		{"source", a.Source, b.Source}, {"storage location", a.StorageLocation, b.StorageLocation},
		{"description", a.Description, b.Description}, {"user", a.UserID, b.UserID},
		{"run", a.RunID, b.RunID}, {"run link", a.RunLink, b.RunLink}, {"logged model", a.ModelID, b.ModelID},
	} {
		if f.a != f.b {
			return f.what
		}
	}
	switch {
	case a.CreatedAt != b.CreatedAt || a.UpdatedAt != b.UpdatedAt:
		return "time"
	case !slices.Equal(a.Tags, b.Tags):
		return "list of tags"
	}
	return ""
}

// checkTexts refuses text that is not UTF-8 or too long for any row.
func checkTexts(texts ...string) error {
	for _, s := range texts {
		if len(s) > MaxLoggedValue || !utf8.ValidString(s) {
			return invalid("a text of %d bytes is too long or not UTF-8", len(s))
		}
	}
	return nil
}

// checkImportedTags refuses tags that are not sorted, and what check refuses.
func checkImportedTags(tags []Tag, check func(Tag) error) error {
	for i, t := range tags {
		if t.Key == "" || len(t.Key) > 4*MaxTagKey || strings.ContainsRune(t.Key, 0) {
			return invalid("a key of %d bytes is empty, too long or has a NUL", len(t.Key))
		}
		if i > 0 && tags[i-1].Key >= t.Key {
			return invalid("key '%s' is there twice or out of order", t.Key)
		}
		if err := checkTexts(t.Key, t.Value); err != nil {
			return err
		}
		if check == nil {
			continue
		}
		if err := check(t); err != nil {
			return err
		}
	}
	return nil
}
