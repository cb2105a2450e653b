package lineage

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/runstonedb/runstone/store"
)

// Statuses of a version.
const (
	VersionReady   = "READY"
	VersionPending = "PENDING_REGISTRATION"
	VersionFailed  = "FAILED_REGISTRATION"
)

// ModelVersion is one version of a registered model.
type ModelVersion struct {
	Model           string
	Version         int   // ≥ 1
	CreatedAt       int64 // Unix ms
	UpdatedAt       int64 // Unix ms
	UserID          string
	Description     string
	Source          string // URI as given
	StorageLocation string // where the files are; Source unless that names another model
	RunID           string
	RunLink         string
	ModelID         string // logged model that it was made from
	Status          string
	StatusMessage   string
	Stage           string
	Tags            []Tag
	Aliases         []string // sorted
}

// IsPrompt reports whether the version is one of an MLflow prompt, which default
// searches hide.
func (v *ModelVersion) IsPrompt() bool {
	is, _ := FindTag(v.Tags, tagPrompt)
	return is == "true"
}

// NewVersion is what a version is made from. Only Source is needed.
type NewVersion struct {
	Source          string
	StorageLocation string // empty: found by Source
	RunID           string // empty: that of the source version or of the logged model, if there is one
	RunLink         string
	ModelID         string // empty: that of the source version, if there is one
	UserID          string
	Description     string
	Status          string // empty: VersionReady
	StatusMessage   string
	Tags            []Tag
	Version         int // 0: the next number; importers may skip some
}

type versionRow struct {
	CreatedAt, UpdatedAt    int64
	UserID, Description     string
	Source, StorageLocation string
	RunID, RunLink, ModelID string
	Status, StatusMessage   string
	Stage                   byte
	Tags                    []Tag
}

// foundVersion is a version with the model it belongs to.
type foundVersion struct {
	ord    uint32
	model  *modelRow
	number uint32
	row    *versionRow
}

func findVersion(tx *store.Tx, name string, version int) (*foundVersion, error) {
	ord, m, err := findModel(tx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, versionNotFound(name, version)
	}
	if err != nil {
		return nil, err
	}
	if version < 1 || version > math.MaxUint32 {
		return nil, versionNotFound(name, version)
	}
	row, err := loadVersion(tx, ord, uint32(version))
	if errors.Is(err, store.ErrNotFound) {
		return nil, versionNotFound(name, version)
	}
	if err != nil {
		return nil, err
	}
	return &foundVersion{ord, m, uint32(version), row}, nil
}

func versionNotFound(name string, version int) error {
	return store.Errorf(store.ErrNotFound, "Model Version (name=%s, version=%d) not found", name, version)
}

// loadVersion reads a version's row. Errors: store.ErrNotFound.
func loadVersion(tx *store.Tx, ord, number uint32) (*versionRow, error) {
	row := &versionRow{}
	if err := loadSplit(tx, versionKey(ord, number), row); err != nil {
		return nil, err
	}
	return row, row.check(number)
}

func (row *versionRow) check(number uint32) error {
	if int(row.Stage) >= len(stageNames) {
		return fmt.Errorf("version %d is in stage %d: %w", number, row.Stage, store.ErrCorrupt)
	}
	return nil
}

// openVersion reads a version that the model's row names.
func openVersion(tx *store.Tx, ord uint32, m *modelRow, number uint32) (*ModelVersion, error) {
	row, err := loadVersion(tx, ord, number)
	if err != nil {
		return nil, fmt.Errorf("version %d of %q: %w", number, m.Name, notMissing(err))
	}
	return row.open(m, number), nil
}

func (row *versionRow) open(m *modelRow, number uint32) *ModelVersion {
	return &ModelVersion{
		Model: m.Name, Version: int(number), CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
		UserID: row.UserID, Description: row.Description, Source: row.Source, StorageLocation: row.StorageLocation,
		RunID: row.RunID, RunLink: row.RunLink, ModelID: row.ModelID, Status: row.Status,
		StatusMessage: row.StatusMessage, Stage: stageNames[row.Stage], Tags: row.Tags, Aliases: m.aliasesOf(number),
	}
}

// CreateVersion adds a version in stage None to a registered model and sets
// the model's UpdatedAt. Its number is one above the highest that the model
// ever had. A ModelID names a logged model, whose tag mlflow.modelVersions then
// lists the version. Errors: store.ErrInvalid, store.ErrNotFound,
// store.ErrExists for a Version that is not above the last.
func CreateVersion(tx *store.Tx, by Author, name string, n NewVersion) (*ModelVersion, error) {
	if err := ValidateModelName(name); err != nil {
		return nil, err
	}
	if err := validateTags(n.Tags, validateVersionTag); err != nil {
		return nil, err
	}
	switch n.Status {
	case "":
		n.Status = VersionReady
	case VersionReady, VersionPending, VersionFailed:
	default:
		return nil, invalid("Invalid model version status: %s", repr(n.Status))
	}
	if err := resolveSource(tx, &n); err != nil {
		return nil, err
	}
	ord, m, err := findModel(tx, name)
	if err != nil {
		return nil, err
	}
	number, err := m.number(n.Version)
	if err != nil {
		return nil, err
	}
	row := &versionRow{
		CreatedAt: by.At, UpdatedAt: by.At, UserID: n.UserID, Description: n.Description,
		Source: n.Source, StorageLocation: n.StorageLocation, RunID: n.RunID, RunLink: n.RunLink,
		ModelID: n.ModelID, Status: n.Status, StatusMessage: n.StatusMessage, Stage: inNone, Tags: sortTags(n.Tags),
	}
	m.LastVersion, m.UpdatedAt = number, by.At
	if err := row.enter(tx, ord, m, number); err != nil {
		return nil, err
	}
	if row.RunID != "" {
		if err := tx.Save(runVersionKey(row.RunID, ord, number), 1, none{}); err != nil {
			return nil, err
		}
	}
	if err := saveSplit(tx, versionKey(ord, number), row); err != nil {
		return nil, err
	}
	if err := saveSplit(tx, modelKey(ord), m); err != nil {
		return nil, err
	}
	if n.ModelID != "" {
		if err := tagVersion(tx, n.ModelID, name, number); err != nil {
			return nil, err
		}
	}
	if err := by.record(tx, ord, changeRow{Action: Created, Version: number, New: n.Source}); err != nil {
		return nil, err
	}
	return row.open(m, number), nil
}

// number returns the number of a new version.
func (row *modelRow) number(want int) (uint32, error) {
	switch {
	case want == 0 && row.LastVersion < math.MaxUint32:
		return row.LastVersion + 1, nil
	case want <= 0 || want > math.MaxUint32:
		return 0, invalid("Parameter 'version' must be an integer, got '%d'.", want)
	case want <= int(row.LastVersion):
		return 0, store.Errorf(store.ErrExists, "Model Version (name=%s, version=%d) already exists", row.Name, want)
	}
	return uint32(want), nil
}

// resolveSource finds where the files of a new version are and the run that
// made them.
func resolveSource(tx *store.Tx, n *NewVersion) error {
	if n.StorageLocation == "" {
		n.StorageLocation = n.Source
		if IsModelURI(n.Source) {
			v, l, err := Resolve(tx, n.Source)
			switch {
			case err != nil:
				return err
			case l != nil:
				n.StorageLocation = l.ArtifactURI
				if n.RunID == "" {
					n.RunID = l.SourceRunID
				}
			default:
				n.StorageLocation = v.location()
				n.RunID, n.ModelID = cmp.Or(n.RunID, v.RunID), cmp.Or(n.ModelID, v.ModelID)
			}
		}
	}
	if n.RunID == "" && n.ModelID != "" {
		l, err := GetLoggedModel(tx, n.ModelID, false)
		if err != nil {
			return err
		}
		n.RunID = l.SourceRunID
	}
	return nil
}

// location is where the files of a version are.
func (v *ModelVersion) location() string {
	if v.StorageLocation != "" {
		return v.StorageLocation
	}
	return v.Source
}

// GetVersion returns a version. Errors: store.ErrNotFound, store.ErrInvalid.
func GetVersion(tx *store.Tx, name string, version int) (*ModelVersion, error) {
	v, err := findVersion(tx, name, version)
	if err != nil {
		return nil, err
	}
	return v.row.open(v.model, v.number), nil
}

// DownloadURI returns where the files of a version are.
func DownloadURI(tx *store.Tx, name string, version int) (string, error) {
	v, err := GetVersion(tx, name, version)
	if err != nil {
		return "", err
	}
	return v.location(), nil
}

// UpdateVersion replaces the description. The model's UpdatedAt stays.
func UpdateVersion(tx *store.Tx, by Author, name string, version int, description string) (*ModelVersion, error) {
	v, err := findVersion(tx, name, version)
	if err != nil {
		return nil, err
	}
	if old := v.row.Description; old != description {
		if err := by.record(tx, v.ord, changeRow{Action: Described, Version: v.number, Old: old, New: description}); err != nil {
			return nil, err
		}
	}
	v.row.Description, v.row.UpdatedAt = description, by.At
	return v.row.open(v.model, v.number), saveSplit(tx, versionKey(v.ord, v.number), v.row)
}

// DeleteVersion removes a version and its aliases and sets the model's
// UpdatedAt. The number is not given again.
func DeleteVersion(tx *store.Tx, by Author, name string, version int) error {
	v, err := findVersion(tx, name, version)
	if err != nil {
		return err
	}
	if err := v.row.leave(tx, v.ord, v.model, v.number); err != nil {
		return err
	}
	if err := v.row.drop(tx, v.ord, v.number); err != nil {
		return err
	}
	for _, alias := range v.model.aliasesOf(v.number) {
		if err := by.record(tx, v.ord, changeRow{Action: AliasRemoved, Version: v.number, Name: alias, Old: versionText(version)}); err != nil {
			return err
		}
	}
	if err := by.record(tx, v.ord, changeRow{Action: Deleted, Version: v.number, Old: stageNames[v.row.Stage]}); err != nil {
		return err
	}
	v.model.Aliases = slices.DeleteFunc(v.model.Aliases, func(a Alias) bool { return a.Version == version })
	v.model.UpdatedAt = by.At
	return saveSplit(tx, modelKey(v.ord), v.model)
}

// drop removes the rows of a version, not what the model's row says of it.
func (row *versionRow) drop(tx *store.Tx, ord, number uint32) error {
	if err := tx.Delete(stageVersionKey(ord, row.Stage, number)); err != nil {
		return err
	}
	if row.RunID != "" {
		if err := tx.Delete(runVersionKey(row.RunID, ord, number)); err != nil {
			return err
		}
	}
	return deleteSplit(tx, versionKey(ord, number))
}

// SetVersionTag sets a tag. It leaves UpdatedAt, like MLflow.
func SetVersionTag(tx *store.Tx, by Author, name string, version int, t Tag) error {
	if err := ValidateModelName(name); err != nil {
		return err
	}
	if err := validateVersionTag(t); err != nil {
		return err
	}
	v, err := findVersion(tx, name, version)
	if err != nil {
		return err
	}
	if err := by.tagged(tx, v.ord, v.number, v.row.Tags, t); err != nil {
		return err
	}
	v.row.Tags = setTag(v.row.Tags, t)
	return saveSplit(tx, versionKey(v.ord, v.number), v.row)
}

// DeleteVersionTag removes a tag if it is there.
func DeleteVersionTag(tx *store.Tx, by Author, name string, version int, key string) error {
	if err := ValidateModelName(name); err != nil {
		return err
	}
	if err := ValidateTagKey(key); err != nil {
		return err
	}
	v, err := findVersion(tx, name, version)
	if err != nil {
		return err
	}
	old, found := FindTag(v.row.Tags, key)
	if !found {
		return nil
	}
	if err := by.record(tx, v.ord, changeRow{Action: TagRemoved, Version: v.number, Name: key, Old: old}); err != nil {
		return err
	}
	v.row.Tags = dropTag(v.row.Tags, key)
	return saveSplit(tx, versionKey(v.ord, v.number), v.row)
}
