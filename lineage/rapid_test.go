package lineage

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/runstonedb/runstone/store"
)

// registry is the model of the registry that the random test compares with:
// plain maps and the rules in a few lines.
type registry struct {
	d      *db
	now    int64
	models map[string]*modelState
	order  []*modelState // by creation
}

type modelState struct {
	RegisteredModel
	versions map[int]*ModelVersion
	aliases  map[string]int
}

// view is the registered model that the state stands for.
func (m *modelState) view() RegisteredModel {
	out := m.RegisteredModel
	for _, a := range slices.Sorted(maps.Keys(m.aliases)) {
		out.Aliases = append(out.Aliases, Alias{a, m.aliases[a]})
	}
	latest := map[string]*ModelVersion{}
	for _, v := range m.versions {
		if old := latest[v.Stage]; old == nil || old.Version < v.Version {
			latest[v.Stage] = v
		}
	}
	for _, v := range slices.SortedFunc(maps.Values(latest), func(a, b *ModelVersion) int { return cmp.Compare(a.Version, b.Version) }) {
		out.LatestVersions = append(out.LatestVersions, m.version(v))
	}
	return out
}

func (m *modelState) version(v *ModelVersion) *ModelVersion {
	out := *v
	out.Model = m.Name
	for _, a := range slices.Sorted(maps.Keys(m.aliases)) {
		if m.aliases[a] == v.Version {
			out.Aliases = append(out.Aliases, a)
		}
	}
	return &out
}

var (
	genName  = rapid.SampledFrom([]string{"a", "b", "c d", "é"})
	genText  = rapid.SampledFrom([]string{"", "short", strings.Repeat("long ", 30_000)})
	genStage = rapid.SampledFrom(stageNames[:])
	genAlias = rapid.SampledFrom([]string{"best", "old", "x-1"})
	genRun   = rapid.SampledFrom([]string{"", "r1", "r2"})
	genTag   = rapid.Custom(func(t *rapid.T) Tag {
		return Tag{rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key"), rapid.SampledFrom([]string{"", "v", strings.Repeat("w", 60_000)}).Draw(t, "value")}
	})
	genNumber = rapid.IntRange(1, 6)
)

// run applies one change to the store; the error must be of the wanted kind.
func (r *registry) run(want error, fn func(tx *store.Tx) error) bool {
	err := r.d.try(fn)
	if want == nil {
		require.NoError(r.d.t, err)
		return true
	}
	require.ErrorIs(r.d.t, err, want)
	return false
}

// pick draws a version that may or may not be there.
func (r *registry) pick(t *rapid.T) (name string, number int, m *modelState, v *ModelVersion, missing error) {
	name, number = genName.Draw(t, "name"), genNumber.Draw(t, "number")
	if m = r.models[name]; m != nil {
		v = m.versions[number]
	}
	if v == nil {
		missing = store.ErrNotFound
	}
	return name, number, m, v, missing
}

func (r *registry) pickModel(t *rapid.T) (name string, m *modelState, missing error) {
	name = genName.Draw(t, "name")
	if m = r.models[name]; m == nil {
		missing = store.ErrNotFound
	}
	return name, m, missing
}

func (r *registry) createModel(t *rapid.T) {
	name, text, tags := genName.Draw(t, "name"), genText.Draw(t, "text"), rapid.SliceOfN(genTag, 0, 3).Draw(t, "tags")
	var want error
	if r.models[name] != nil {
		want = store.ErrExists
	}
	if r.run(want, func(tx *store.Tx) error { _, err := CreateModel(tx, Author{At: r.now}, name, text, tags); return err }) {
		m := &modelState{versions: map[int]*ModelVersion{}, aliases: map[string]int{}}
		m.RegisteredModel = RegisteredModel{Name: name, Description: text, CreatedAt: r.now, UpdatedAt: r.now, Tags: sortTags(tags)}
		r.models[name], r.order = m, append(r.order, m)
	}
}

func (r *registry) renameModel(t *rapid.T) {
	name, m, want := r.pickModel(t)
	to := genName.Draw(t, "to")
	if want == nil && to != name && r.models[to] != nil {
		want = store.ErrExists
	}
	if r.run(want, func(tx *store.Tx) error { _, err := RenameModel(tx, Author{At: r.now}, name, to); return err }) {
		delete(r.models, name)
		r.models[to] = m
		m.Name, m.UpdatedAt = to, r.now
		for _, v := range m.versions {
			v.UpdatedAt = r.now
		}
	}
}

func (r *registry) describeModel(t *rapid.T) {
	name, m, want := r.pickModel(t)
	text := genText.Draw(t, "text")
	if r.run(want, func(tx *store.Tx) error { _, err := UpdateModel(tx, Author{At: r.now}, name, text); return err }) {
		m.Description, m.UpdatedAt = text, r.now
	}
}

func (r *registry) deleteModel(t *rapid.T) {
	name, m, want := r.pickModel(t)
	if r.run(want, func(tx *store.Tx) error { return DeleteModel(tx, name) }) {
		delete(r.models, name)
		r.order = slices.DeleteFunc(r.order, func(o *modelState) bool { return o == m })
	}
}

func (r *registry) tagModel(t *rapid.T) {
	name, m, want := r.pickModel(t)
	tag := genTag.Draw(t, "tag")
	if r.run(want, func(tx *store.Tx) error { return SetModelTag(tx, Author{}, name, tag) }) {
		m.Tags = sortTags(append(slices.Clone(m.Tags), tag))
	}
}

func (r *registry) createVersion(t *rapid.T) {
	name, m, want := r.pickModel(t)
	n := NewVersion{Source: "s", RunID: genRun.Draw(t, "run"), Description: genText.Draw(t, "text"), Tags: rapid.SliceOfN(genTag, 0, 2).Draw(t, "tags")}
	if r.run(want, func(tx *store.Tx) error { _, err := CreateVersion(tx, Author{At: r.now}, name, n); return err }) {
		m.LastVersion++
		m.UpdatedAt = r.now
		m.versions[m.LastVersion] = &ModelVersion{
			Version: m.LastVersion, CreatedAt: r.now, UpdatedAt: r.now, Description: n.Description, Source: "s", StorageLocation: "s",
			RunID: n.RunID, Status: VersionReady, Stage: StageNone, Tags: sortTags(n.Tags),
		}
	}
}

func (r *registry) describeVersion(t *rapid.T) {
	name, number, _, v, want := r.pick(t)
	text := genText.Draw(t, "text")
	if r.run(want, func(tx *store.Tx) error {
		_, err := UpdateVersion(tx, Author{At: r.now}, name, number, text)
		return err
	}) {
		v.Description, v.UpdatedAt = text, r.now
	}
}

func (r *registry) deleteVersion(t *rapid.T) {
	name, number, m, _, want := r.pick(t)
	if r.run(want, func(tx *store.Tx) error { return DeleteVersion(tx, Author{At: r.now}, name, number) }) {
		delete(m.versions, number)
		maps.DeleteFunc(m.aliases, func(_ string, n int) bool { return n == number })
		m.UpdatedAt = r.now
	}
}

func (r *registry) transition(t *rapid.T) {
	name, number, m, v, want := r.pick(t)
	stage, archive := genStage.Draw(t, "stage"), rapid.Bool().Draw(t, "archive")
	if archive && (stage == StageNone || stage == StageArchived) {
		want = store.ErrInvalid
	}
	if r.run(want, func(tx *store.Tx) error {
		_, err := Transition(tx, Author{At: r.now}, name, number, strings.ToUpper(stage), archive)
		return err
	}) {
		for _, o := range m.versions {
			if archive && o != v && o.Stage == stage {
				o.Stage, o.UpdatedAt = StageArchived, r.now
			}
		}
		v.Stage, v.UpdatedAt, m.UpdatedAt = stage, r.now, r.now
	}
}

func (r *registry) setAlias(t *rapid.T) {
	name, number, m, _, want := r.pick(t)
	alias := genAlias.Draw(t, "alias")
	if r.run(want, func(tx *store.Tx) error { return SetAlias(tx, Author{}, name, alias, number) }) {
		m.aliases[alias] = number
	}
}

func (r *registry) deleteAlias(t *rapid.T) {
	name, m, want := r.pickModel(t)
	alias := genAlias.Draw(t, "alias")
	if r.run(want, func(tx *store.Tx) error { return DeleteAlias(tx, Author{}, name, alias) }) {
		delete(m.aliases, alias)
	}
}

func (r *registry) tagVersion(t *rapid.T) {
	name, number, _, v, want := r.pick(t)
	tag := genTag.Draw(t, "tag")
	if r.run(want, func(tx *store.Tx) error { return SetVersionTag(tx, Author{}, name, number, tag) }) {
		v.Tags = sortTags(append(slices.Clone(v.Tags), tag))
	}
}

// check compares everything that can be read.
func (r *registry) check(t *rapid.T) {
	r.d.see(func(tx *store.Tx) error {
		models := collect(t, Models(tx))
		require.Len(t, models, len(r.order))
		var all, ofRun []*ModelVersion
		for i, m := range r.order {
			want := m.view()
			requireSame(t, want, *models[i])
			got, err := GetModel(tx, m.Name)
			require.NoError(t, err)
			requireSame(t, want, *got)
			for _, n := range slices.Sorted(maps.Keys(m.versions)) {
				v := m.version(m.versions[n])
				all = append(all, v)
				if v.RunID == "r1" {
					ofRun = append(ofRun, v)
				}
			}
			for alias, n := range m.aliases {
				v, err := VersionByAlias(tx, m.Name, alias)
				require.NoError(t, err)
				require.Equal(t, n, v.Version)
			}
		}
		requireSame(t, all, collect(t, Versions(tx)))
		require.NoError(t, VerifyHistory(tx, func(where string, err error) { require.NoError(t, err, where) }))
		requireSame(t, ofRun, collect(t, VersionsByRun(tx, "r1")))
		return nil
	})
}

// requireSame compares without telling nil from empty lists.
func requireSame[T any](t *rapid.T, want, got T) {
	require.Empty(t, gocmp.Diff(want, got, cmpopts.EquateEmpty()))
}

func TestRegistryModel(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "db")
		require.NoError(t, err)
		r := &registry{d: &db{t: t, dir: dir}, models: map[string]*modelState{}}
		r.d.open()
		defer func() { require.NoError(t, r.d.s.Close()) }()
		actions := map[string]func(*rapid.T){
			"create model": r.createModel, "rename model": r.renameModel, "describe model": r.describeModel,
			"delete model": r.deleteModel, "tag model": r.tagModel, "create version": r.createVersion,
			"create version too": r.createVersion, "describe version": r.describeVersion, "delete version": r.deleteVersion,
			"transition": r.transition, "set alias": r.setAlias, "delete alias": r.deleteAlias, "tag version": r.tagVersion,
			"reopen": func(*rapid.T) { r.d.reopen() },
		}
		for name, fn := range actions {
			actions[name] = func(t *rapid.T) { r.now++; fn(t) }
		}
		actions[""] = r.check
		t.Repeat(actions)
		for _, m := range slices.Clone(r.order) {
			r.d.do(func(tx *store.Tx) error { return DeleteModel(tx, m.Name) })
		}
		require.Zero(t, r.d.rows("MmVvHS"), "index rows, history and parts went with the models")
	})
}
