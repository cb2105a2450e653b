package lineage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/runstonedb/runstone/store"
)

// Alias is a movable name for one version of a model. Lists of aliases are
// sorted by name.
type Alias struct {
	Name    string
	Version int
}

func byAlias(a Alias, name string) int { return cmp.Compare(a.Name, name) }

// SetAlias lets an alias name a version, whatever it named before. It leaves
// UpdatedAt, like MLflow. Errors: store.ErrInvalid, store.ErrNotFound.
func SetAlias(tx *store.Tx, by Author, name, alias string, version int) error {
	if err := ValidateModelName(name); err != nil {
		return err
	}
	if err := validateNewAlias(alias); err != nil {
		return err
	}
	at, err := findVersion(tx, name, version)
	if err != nil {
		return err
	}
	list := at.model.Aliases
	i, found := slices.BinarySearchFunc(list, alias, byAlias)
	if !found {
		list = slices.Insert(list, i, Alias{Name: alias})
		at.model.Aliases = list
	}
	old := list[i].Version
	if old == version {
		return nil
	}
	list[i].Version = version
	err = by.record(tx, at.ord, changeRow{Action: AliasSet, Version: at.number, Name: alias, Old: versionText(old), New: versionText(version)})
	if err != nil {
		return err
	}
	return saveSplit(tx, modelKey(at.ord), at.model)
}

// DeleteAlias removes an alias if it is there. Errors: store.ErrNotFound for
// the model.
func DeleteAlias(tx *store.Tx, by Author, name, alias string) error {
	if err := ValidateModelName(name); err != nil {
		return err
	}
	if err := ValidateAlias(alias); err != nil {
		return err
	}
	ord, row, err := findModel(tx, name)
	if err != nil {
		return err
	}
	i, found := slices.BinarySearchFunc(row.Aliases, alias, byAlias)
	if !found {
		return nil
	}
	old := row.Aliases[i].Version
	err = by.record(tx, ord, changeRow{Action: AliasRemoved, Version: uint32(old), Name: alias, Old: versionText(old)})
	if err != nil {
		return err
	}
	row.Aliases = slices.Delete(row.Aliases, i, i+1)
	return saveSplit(tx, modelKey(ord), row)
}

// VersionByAlias returns the version that an alias names; "latest" is the
// highest version. Errors: store.ErrNotFound for the model, store.ErrInvalid
// for an alias that is not there, as in MLflow.
func VersionByAlias(tx *store.Tx, name, alias string) (*ModelVersion, error) {
	if err := ValidateModelName(name); err != nil {
		return nil, err
	}
	if err := ValidateAlias(alias); err != nil {
		return nil, err
	}
	ord, row, err := findModel(tx, name)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(alias, "latest") {
		if number := slices.Max(row.Latest); number > 0 {
			return openVersion(tx, ord, row, number)
		}
		return nil, store.Errorf(store.ErrNotFound, "Latest version not found for model %s.", name)
	}
	i, found := slices.BinarySearchFunc(row.Aliases, alias, byAlias)
	if !found {
		return nil, invalid("Registered model alias %s not found.", alias)
	}
	return openVersion(tx, ord, row, uint32(row.Aliases[i].Version))
}

// aliasesOf returns the aliases of one version, sorted.
func (row *modelRow) aliasesOf(number uint32) []string {
	var names []string
	for _, a := range row.Aliases {
		if a.Version == int(number) {
			names = append(names, a.Name)
		}
	}
	return names
}
