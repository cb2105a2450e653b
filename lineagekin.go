package runstone

import (
	"errors"
	"strconv"

	"github.com/runstonedb/runstone/lineage"
)

// kin is a neighbour of a thing.
type kin struct {
	id      LineageID
	role    string
	context string
	rank    int
}

// kinList are the neighbours on one side of a thing; open is set when there are
// more than were looked at.
type kinList struct {
	kin  []kin
	open bool
}

// kinFinder fills a list up to its limit.
type kinFinder struct {
	*lineageWalk
	kinList
	have map[LineageID]bool
	most int
}

// add appends a neighbour and reports whether there is room for another. What a
// list has already is not added again.
func (f *kinFinder) add(id LineageID, role, context string) bool {
	if f.have[id] {
		return true
	}
	if len(f.kin) >= f.most {
		f.open = true
		return false
	}
	f.left--
	f.have[id] = true
	f.kin = append(f.kin, kin{id: id, role: role, context: context})
	return true
}

// neighbours lists what is on one side of a thing, up to most or what is left of
// all, and remembers it.
func (w *lineageWalk) neighbours(s side, most int) (kinList, error) {
	if list, ok := w.lists[s]; ok {
		return list, nil
	}
	if w.left < most {
		most = 20
	}
	f := &kinFinder{lineageWalk: w, have: map[LineageID]bool{}, most: most}
	err := f.find(s)
	if errors.Is(err, ErrNotFound) { // of what is gone nothing is known
		err = nil
	}
	w.lists[s] = f.kinList
	return f.kinList, err
}

func (f *kinFinder) find(s side) error {
	forward := s.way == LineageForward
	switch s.of.Kind {
	case LineageDataset:
		if forward {
			return f.usersOfDataset(s.of)
		}
	case LineageRun:
		run, ok, err := f.tx.Ord(kindRun, s.of.A)
		if err != nil || !ok {
			return err
		}
		if forward {
			return f.madeByRun(run, s.of.A)
		}
		return f.usedByRun(run)
	case LineageModel:
		if forward {
			return f.ofModel(s.of.A)
		}
		return f.makers(s.of.A)
	case LineageVersion:
		return f.version(s)
	case LineageStage:
		if !forward {
			return f.inStage(s.of)
		}
	case LineageAlias:
		if !forward {
			return f.named(s.of)
		}
	}
	return nil
}

func (f *kinFinder) addRun(ord uint32, role string) (bool, error) {
	id, err := f.tx.Text(kindRun, ord)
	return err == nil && f.add(LineageID{Kind: LineageRun, A: id}, role, ""), err
}

func (f *kinFinder) usersOfDataset(id LineageID) error {
	d, err := lineage.FindDataset(f.tx, id.A, id.B, id.C)
	if err != nil {
		return err
	}
	for run, err := range d.NewestRuns(f.tx) {
		if err != nil {
			return err
		}
		if more, err := f.addRun(run, RoleUsed); err != nil || !more {
			return err
		}
	}
	return nil
}

// madeByRun adds the models of a run, and the versions that were registered from
// it and not from one of its models.
func (f *kinFinder) madeByRun(run uint32, id string) error {
	for model, err := range lineage.ModelsOfRun(f.tx, run, lineage.ModelOutput) {
		if err != nil {
			return err
		}
		if !f.add(LineageID{Kind: LineageModel, A: model}, RoleMade, "") {
			return nil
		}
	}
	for v, err := range lineage.VersionsByRun(f.tx, id) {
		if err != nil {
			return err
		}
		if model := (LineageID{Kind: LineageModel, A: v.LoggedModelID()}); model.A != "" {
			if f.have[model] {
				continue
			}
			if m, err := lineage.GetLoggedModel(f.tx, model.A, true); err == nil && m.SourceRunID == id {
				if !f.add(model, RoleMade, "") {
					return nil
				}
				continue
			} else if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		if !f.add(versionID(v), RoleRegistered, "") {
			return nil
		}
	}
	return nil
}

func versionID(v *lineage.ModelVersion) LineageID {
	return LineageID{Kind: LineageVersion, A: v.Model, B: strconv.Itoa(v.Version)}
}

func (f *kinFinder) usedByRun(run uint32) error {
	for d, err := range lineage.DatasetsOfRun(f.tx, run) {
		if err != nil {
			return err
		}
		if !f.add(LineageID{LineageDataset, d.ExperimentID, d.Name, d.Digest}, RoleUsed, d.Context) {
			return nil
		}
	}
	for _, role := range []lineage.Role{lineage.ModelInput, lineage.ModelMetric} {
		for model, err := range lineage.ModelsOfRun(f.tx, run, role) {
			if err != nil {
				return err
			}
			name := RoleInput
			if role == lineage.ModelMetric {
				name = RoleMeasured
				if own, err := lineage.HasModel(f.tx, run, lineage.ModelOutput, model); err != nil {
					return err
				} else if own { // a run that measures what it made used nothing
					continue
				}
			}
			if !f.add(LineageID{Kind: LineageModel, A: model}, name, "") {
				return nil
			}
		}
	}
	return nil
}

// ofModel adds the versions made from a logged model and the runs that used it.
func (f *kinFinder) ofModel(id string) error {
	m, err := lineage.GetLoggedModel(f.tx, id, true)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err == nil {
		for v, err := range lineage.VersionsOfLogged(f.tx, m) {
			if err != nil {
				return err
			}
			if !f.add(versionID(v), RoleRegistered, "") {
				return nil
			}
		}
	}
	for _, role := range []lineage.Role{lineage.ModelInput, lineage.ModelMetric} {
		for run, err := range lineage.NewestRunsOfModel(f.tx, role, id) {
			if err != nil {
				return err
			}
			name := RoleInput
			if role == lineage.ModelMetric {
				name = RoleMeasured
				if own, err := lineage.HasModel(f.tx, run, lineage.ModelOutput, id); err != nil {
					return err
				} else if own {
					continue
				}
			}
			if more, err := f.addRun(run, name); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// makers adds the runs that recorded a logged model as theirs, and the one that
// the model names.
func (f *kinFinder) makers(id string) error {
	for run, err := range lineage.NewestRunsOfModel(f.tx, lineage.ModelOutput, id) {
		if err != nil {
			return err
		}
		if more, err := f.addRun(run, RoleMade); err != nil || !more {
			return err
		}
	}
	m, err := lineage.GetLoggedModel(f.tx, id, true)
	if err == nil && m.SourceRunID != "" {
		f.add(LineageID{Kind: LineageRun, A: m.SourceRunID}, RoleMade, "")
	}
	return err
}

func (f *kinFinder) version(s side) error {
	number, err := strconv.Atoi(s.of.B)
	if err != nil {
		return nil // no version that there is
	}
	v, err := lineage.GetVersion(f.tx, s.of.A, number)
	if err != nil {
		return err
	}
	if s.way == LineageForward {
		if v.Stage != lineage.StageNone {
			f.add(LineageID{Kind: LineageStage, A: v.Model, B: v.Stage}, RoleStage, "")
		}
		for _, alias := range v.Aliases {
			if !f.add(LineageID{Kind: LineageAlias, A: v.Model, B: alias}, RoleAlias, "") {
				break
			}
		}
		return nil
	}
	if id := v.LoggedModelID(); id != "" {
		f.add(LineageID{Kind: LineageModel, A: id}, RoleRegistered, "")
		m, err := lineage.GetLoggedModel(f.tx, id, true)
		if err == nil && m.SourceRunID == v.RunID {
			return nil // the model leads to the run
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if v.RunID != "" {
		f.add(LineageID{Kind: LineageRun, A: v.RunID}, RoleRegistered, "")
	}
	return nil
}

func (f *kinFinder) inStage(id LineageID) error {
	for v, err := range lineage.VersionsInStage(f.tx, id.A, id.B) {
		if err != nil {
			return err
		}
		if !f.add(versionID(v), RoleStage, "") {
			return nil
		}
	}
	return nil
}

func (f *kinFinder) named(id LineageID) error {
	m, err := lineage.GetModel(f.tx, id.A)
	if err != nil {
		return err
	}
	for _, a := range m.Aliases {
		if a.Name == id.B {
			f.add(LineageID{Kind: LineageVersion, A: id.A, B: strconv.Itoa(a.Version)}, RoleAlias, "")
		}
	}
	return nil
}

// rank says how much a neighbour matters where not all are shown.
func (w *lineageWalk) rank(k *kin) (int, error) {
	switch k.id.Kind {
	case LineageRun:
		for _, err := range lineage.VersionsByRun(w.tx, k.id.A) {
			return 2, err
		}
		run, ok, err := w.tx.Ord(kindRun, k.id.A)
		if err != nil || !ok {
			return -1, err
		}
		for _, err := range lineage.ModelsOfRun(w.tx, run, lineage.ModelOutput) {
			return 1, err
		}
	case LineageModel:
		m, err := lineage.GetLoggedModel(w.tx, k.id.A, true)
		if err != nil {
			if errors.Is(err, ErrNotFound) {
				return -1, nil
			}
			return 0, err
		}
		for _, err := range lineage.VersionsOfLogged(w.tx, m) {
			return 2, err
		}
	case LineageVersion:
		number, _ := strconv.Atoi(k.id.B)
		v, err := lineage.GetVersion(w.tx, k.id.A, number)
		switch {
		case errors.Is(err, ErrNotFound):
			return -1, nil
		case err != nil:
			return 0, err
		case v.Stage == lineage.StageProduction:
			return 3, nil
		case v.Stage == lineage.StageStaging || len(v.Aliases) > 0:
			return 2, nil
		case v.Stage == lineage.StageNone:
			return 1, nil
		}
	}
	return 0, nil
}
