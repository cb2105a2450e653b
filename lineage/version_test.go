package lineage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

const loggedID = "m-0123456789abcdef0123456789abcdef"

func withVersions(t *testing.T, n int) *db {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		_, err := CreateModel(tx, Author{At: 1}, "a", "", nil)
		require.NoError(t, err)
		for i := range n {
			_, err = CreateVersion(tx, Author{At: int64(10 + i)}, "a", NewVersion{Source: "s", RunID: "r"})
			require.NoError(t, err)
		}
		return nil
	})
	return d
}

func TestVersionLife(t *testing.T) {
	d := withVersions(t, 0)
	d.do(func(tx *store.Tx) error {
		v, err := CreateVersion(tx, Author{At: 5}, "a", NewVersion{
			Source: "file:/x", RunID: "r1", RunLink: "http://l", UserID: "u", Description: "d", Tags: []Tag{{"k", "v"}},
		})

		require.NoError(t, err)
		require.Equal(t, &ModelVersion{
			Model: "a", Version: 1, CreatedAt: 5, UpdatedAt: 5, UserID: "u", Description: "d", Source: "file:/x",
			StorageLocation: "file:/x", RunID: "r1", RunLink: "http://l", Status: "READY", Stage: "None", Tags: []Tag{{"k", "v"}},
		}, v)
		m, err := GetModel(tx, "a")
		require.NoError(t, err)
		require.Equal(t, int64(5), m.UpdatedAt)
		require.Equal(t, []*ModelVersion{v}, m.LatestVersions)

		v, err = UpdateVersion(tx, Author{At: 8}, "a", 1, "e")
		require.NoError(t, err)
		require.Equal(t, "e", v.Description)
		require.Equal(t, int64(8), v.UpdatedAt)
		require.NoError(t, SetVersionTag(tx, Author{}, "a", 1, Tag{"j", "w"}))
		require.NoError(t, DeleteVersionTag(tx, Author{}, "a", 1, "k"))
		require.NoError(t, DeleteVersionTag(tx, Author{}, "a", 1, "never"))
		v, err = GetVersion(tx, "a", 1)
		require.NoError(t, err)
		require.Equal(t, []Tag{{"j", "w"}}, v.Tags)
		require.Equal(t, int64(8), v.UpdatedAt)
		m, err = GetModel(tx, "a")
		require.Equal(t, int64(5), m.UpdatedAt, "a version's description leaves it")
		return err
	})
	for name, err := range map[string]error{
		"number": d.try(func(tx *store.Tx) error { _, err := GetVersion(tx, "a", 2); return err }),
		"tag":    d.try(func(tx *store.Tx) error { return SetVersionTag(tx, Author{}, "a", 2, Tag{"k", "v"}) }),
		"untag":  d.try(func(tx *store.Tx) error { return DeleteVersionTag(tx, Author{}, "a", 2, "k") }),
		"text":   d.try(func(tx *store.Tx) error { _, err := UpdateVersion(tx, Author{At: 1}, "a", 2, ""); return err }),
		"delete": d.try(func(tx *store.Tx) error { return DeleteVersion(tx, Author{At: 1}, "a", 2) }),
		"stage":  d.try(func(tx *store.Tx) error { _, err := Transition(tx, Author{At: 1}, "a", 2, "Staging", true); return err }),
		"alias":  d.try(func(tx *store.Tx) error { return SetAlias(tx, Author{}, "a", "x", 2) }),
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, err, store.ErrNotFound, "Model Version (name=a, version=2) not found")
		})
	}
	refused(t, d.try(func(tx *store.Tx) error { _, err := GetVersion(tx, "b", 1); return err }),
		store.ErrNotFound, "Model Version (name=b, version=1) not found")
	refused(t, d.try(func(tx *store.Tx) error { _, err := GetVersion(tx, "a", -1); return err }),
		store.ErrNotFound, "Model Version (name=a, version=-1) not found")
	refused(t, d.try(func(tx *store.Tx) error {
		_, err := CreateVersion(tx, Author{At: 1}, "b", NewVersion{Source: "s"})
		return err
	}),
		store.ErrNotFound, "Registered Model with name=b not found")
}

func TestVersionNumbers(t *testing.T) {
	d := withVersions(t, 3)
	create := func(n int) (v *ModelVersion, err error) {
		err = d.try(func(tx *store.Tx) (err error) {
			v, err = CreateVersion(tx, Author{At: 50}, "a", NewVersion{Source: "s", Version: n})
			return err
		})
		return v, err
	}
	d.do(func(tx *store.Tx) error {
		require.NoError(t, SetAlias(tx, Author{}, "a", "x", 3))
		require.NoError(t, SetAlias(tx, Author{}, "a", "y", 2))
		return DeleteVersion(tx, Author{At: 40}, "a", 3)
	})
	d.reopen()
	d.see(func(tx *store.Tx) error {
		m, err := GetModel(tx, "a")
		require.NoError(t, err)
		require.Equal(t, []Alias{{"y", 2}}, m.Aliases)
		require.Equal(t, []string{"a/2 None"}, labels(m.LatestVersions))
		require.Equal(t, 3, m.LastVersion)
		require.Equal(t, int64(40), m.UpdatedAt)
		require.Equal(t, []string{"a/1 None", "a/2 None"}, labels(collect(t, VersionsByRun(tx, "r"))))
		return nil
	})
	v, err := create(0)
	require.NoError(t, err)
	require.Equal(t, 4, v.Version)
	_, err = create(3)
	refused(t, err, store.ErrExists, "Model Version (name=a, version=3) already exists")
	v, err = create(9)
	require.NoError(t, err)
	require.Equal(t, 9, v.Version)
	_, err = create(-1)
	require.ErrorIs(t, err, store.ErrInvalid)
}

func TestTransition(t *testing.T) {
	d := withVersions(t, 4)
	move := func(at int64, version int, stage string, archive bool) error {
		return d.try(func(tx *store.Tx) error {
			v, err := Transition(tx, Author{At: at}, "a", version, stage, archive)
			if err != nil {
				return err
			}
			require.Equal(t, version, v.Version)
			require.Equal(t, at, v.UpdatedAt)
			m, err := GetModel(tx, "a")
			require.Equal(t, at, m.UpdatedAt)
			return err
		})
	}
	latest := func(stages ...string) (out []string) {
		d.see(func(tx *store.Tx) error {
			got, err := LatestVersions(tx, "a", stages)
			out = labels(got)
			return err
		})
		return out
	}
	require.NoError(t, move(20, 1, "production", false))
	require.NoError(t, move(21, 2, "PRODUCTION", false))
	require.NoError(t, move(22, 3, "Staging", false))
	require.Equal(t, []string{"a/2 Production", "a/3 Staging", "a/4 None"}, latest())
	d.reopen()
	require.NoError(t, move(23, 3, "Production", true))
	require.Equal(t, []string{"a/2 Archived", "a/3 Production", "a/4 None"}, latest())
	require.Equal(t, []string{"a/3 Production"}, latest("Staging", "production"))
	d.see(func(tx *store.Tx) error {
		v, err := GetVersion(tx, "a", 1)
		require.NoError(t, err)
		require.Equal(t, "Archived", v.Stage)
		require.Equal(t, int64(23), v.UpdatedAt, "archived with it")
		return nil
	})
	require.NoError(t, move(24, 3, "Production", true), "a version stays in its stage")
	require.NoError(t, move(25, 3, "None", false))
	require.Equal(t, []string{"a/2 Archived", "a/4 None"}, latest())
	require.NoError(t, move(26, 4, "Archived", false))
	require.Equal(t, []string{"a/3 None", "a/4 Archived"}, latest())

	refused(t, move(30, 1, "Live", false), store.ErrInvalid,
		"Invalid Model Version stage: Live. Value must be one of None, Staging, Production, Archived.")
	refused(t, move(30, 1, "archived", true), store.ErrInvalid,
		"Model version transition cannot archive existing model versions because 'archived' is not an Active stage. Valid stages are ['Staging', 'Production']")
	err := d.s.View(ctx, func(tx *store.Tx) error { _, err := LatestVersions(tx, "a", []string{"x"}); return err })
	require.ErrorIs(t, err, store.ErrInvalid)
}

func TestAliases(t *testing.T) {
	d := withVersions(t, 3)
	by := func(name, alias string) (int, error) {
		number := 0
		err := d.s.View(ctx, func(tx *store.Tx) error {
			v, err := VersionByAlias(tx, name, alias)
			if err == nil {
				number = v.Version
			}
			return err
		})
		return number, err
	}
	d.do(func(tx *store.Tx) error {
		require.NoError(t, SetAlias(tx, Author{}, "a", "z", 1))
		require.NoError(t, SetAlias(tx, Author{}, "a", "b", 1))
		require.NoError(t, SetAlias(tx, Author{}, "a", "b", 2))
		require.NoError(t, SetAlias(tx, Author{}, "a", "c", 1))
		require.NoError(t, DeleteAlias(tx, Author{}, "a", "c"))
		require.NoError(t, DeleteAlias(tx, Author{}, "a", "never"))
		m, err := GetModel(tx, "a")
		require.NoError(t, err)
		require.Equal(t, []Alias{{"b", 2}, {"z", 1}}, m.Aliases)
		require.Equal(t, int64(12), m.UpdatedAt, "aliases leave it")
		require.NoError(t, SetAlias(tx, Author{}, "a", "y", 1))
		v, err := GetVersion(tx, "a", 1)
		require.Equal(t, []string{"y", "z"}, v.Aliases)
		return err
	})
	for alias, want := range map[string]int{"b": 2, "z": 1, "LATEST": 3} {
		got, err := by("a", alias)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := by("a", "nope")
	refused(t, err, store.ErrInvalid, "Registered model alias nope not found.")
	_, err = by("b", "z")
	refused(t, err, store.ErrNotFound, "Registered Model with name=b not found")
	d.do(func(tx *store.Tx) error { _, err := CreateModel(tx, Author{At: 1}, "e", "", nil); return err })
	_, err = by("e", "latest")
	refused(t, err, store.ErrNotFound, "Latest version not found for model e.")
	refused(t, d.try(func(tx *store.Tx) error { return SetAlias(tx, Author{}, "a", "v1", 1) }), store.ErrInvalid, "Version alias name 'v1' is reserved.")
	refused(t, d.try(func(tx *store.Tx) error { return DeleteAlias(tx, Author{}, "b", "z") }), store.ErrNotFound, "Registered Model with name=b not found")
}

func TestVersionOfLoggedModel(t *testing.T) {
	d := withVersions(t, 0)
	d.do(func(tx *store.Tx) error {
		_, err := CreateLoggedModel(tx, 3, LoggedModel{ModelID: loggedID, ExperimentID: "1", Name: "m", SourceRunID: "r7", ArtifactURI: "files:/m"})
		require.NoError(t, err)
		v, err := CreateVersion(tx, Author{At: 4}, "a", NewVersion{Source: "models:/" + loggedID, ModelID: loggedID})
		require.NoError(t, err)
		require.Equal(t, "files:/m", v.StorageLocation)
		require.Equal(t, "r7", v.RunID)
		require.Equal(t, loggedID, v.ModelID)
		v, err = CreateVersion(tx, Author{At: 5}, "a", NewVersion{Source: "files:/m", ModelID: loggedID})
		require.NoError(t, err)
		require.Equal(t, "r7", v.RunID, "by the model id alone")
		v, err = CreateVersion(tx, Author{At: 6}, "a", NewVersion{Source: "models:/a/1", RunID: "r8"})
		require.NoError(t, err)
		require.Equal(t, "files:/m", v.StorageLocation)
		require.Equal(t, "r8", v.RunID)
		require.Equal(t, loggedID, v.ModelID, "of the version that is the source")
		v, err = CreateVersion(tx, Author{At: 7}, "a", NewVersion{Source: "models:/a/3"})
		require.NoError(t, err)
		require.Equal(t, "r8", v.RunID, "of the version that is the source")
		uri, err := DownloadURI(tx, "a", 3)
		require.NoError(t, err)
		require.Equal(t, "files:/m", uri)
		l, err := GetLoggedModel(tx, loggedID, false)
		require.NoError(t, err)
		require.Equal(t, []Tag{{"mlflow.modelVersions", `[{"name": "a", "version": 1}, {"name": "a", "version": 2}, {"name": "a", "version": 3}, {"name": "a", "version": 4}]`}}, l.Tags)
		require.Equal(t, int64(3), l.UpdatedAt)
		return nil
	})
	for source, want := range map[string]error{
		"models:/m-none": store.ErrNotFound, "models:/a/9": store.ErrNotFound, "models:/a/Production": store.ErrNotFound,
		"models:/a@x": store.ErrInvalid, "models:x": store.ErrInvalid,
	} {
		err := d.try(func(tx *store.Tx) error {
			_, err := CreateVersion(tx, Author{At: 7}, "a", NewVersion{Source: source})
			return err
		})
		require.ErrorIs(t, err, want, source)
	}
	err := d.try(func(tx *store.Tx) error {
		_, err := CreateVersion(tx, Author{At: 7}, "a", NewVersion{Source: "s", RunID: "r", ModelID: "m-none"})
		return err
	})
	refused(t, err, store.ErrNotFound, "Logged model with ID 'm-none' not found.")
	d.see(func(tx *store.Tx) error {
		require.Len(t, collect(t, Versions(tx)), 4, "refused versions leave nothing")
		return nil
	})
}

func TestResolve(t *testing.T) {
	d := withVersions(t, 3)
	d.do(func(tx *store.Tx) error {
		require.NoError(t, SetAlias(tx, Author{}, "a", "best", 2))
		_, err := Transition(tx, Author{At: 9}, "a", 1, "Production", false)
		require.NoError(t, err)
		_, err = CreateLoggedModel(tx, 3, LoggedModel{ModelID: loggedID, ExperimentID: "1", Name: "m"})
		return err
	})
	for uri, want := range map[string]int{
		"models:/a/2": 2, "models:/a/02": 2, "models:/a/production": 1, "models:/a/latest": 3, "models:/a@best": 2, "MODELS:/a@best": 2,
		"models:/" + loggedID: 0,
	} {
		d.see(func(tx *store.Tx) error {
			v, l, err := Resolve(tx, uri)
			require.NoError(t, err, uri)
			if want == 0 {
				require.Equal(t, loggedID, l.ModelID)
				return nil
			}
			require.Nil(t, l)
			require.Equal(t, want, v.Version, uri)
			return nil
		})
	}
	for uri, want := range map[string]error{
		"s3:/a/2": store.ErrInvalid, "models:a/2": store.ErrInvalid, "models:/": store.ErrInvalid, "models:/a/": store.ErrInvalid,
		"models:/a/1/2": store.ErrInvalid, "models:/a@": store.ErrInvalid, "models:/a@none": store.ErrInvalid, "models:/a/live": store.ErrInvalid,
		"models:/a/4": store.ErrNotFound, "models:/a/Staging": store.ErrNotFound, "models:/b/1": store.ErrNotFound,
		"models:/a/99999999999999999999": store.ErrNotFound, "models:/m-x": store.ErrNotFound,
	} {
		err := d.s.View(ctx, func(tx *store.Tx) error { _, _, err := Resolve(tx, uri); return err })
		require.ErrorIs(t, err, want, uri)
	}
}
