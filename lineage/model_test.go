package lineage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

func TestModelLife(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		m, err := CreateModel(tx, Author{At: 10}, "b", "first", []Tag{{"z", "1"}, {"a", "1"}, {"a", "2"}})
		require.NoError(t, err)
		require.Equal(t, &RegisteredModel{
			Name: "b", Description: "first", CreatedAt: 10, UpdatedAt: 10, Tags: []Tag{{"a", "2"}, {"z", "1"}},
		}, m)
		_, err = CreateModel(tx, Author{At: 11}, "a", "", nil)
		return err
	})
	d.reopen()
	refused(t, d.try(func(tx *store.Tx) error { _, err := CreateModel(tx, Author{At: 1}, "b", "", nil); return err }),
		store.ErrExists, "Registered Model (name=b) already exists.")
	refused(t, d.try(func(tx *store.Tx) error { _, err := GetModel(tx, "c"); return err }),
		store.ErrNotFound, "Registered Model with name=c not found")
	refused(t, d.try(func(tx *store.Tx) error { _, err := GetModel(tx, "c/d"); return err }),
		store.ErrInvalid, "Invalid model name 'c/d'. Names cannot contain '/' or ':'.")

	d.do(func(tx *store.Tx) error {
		m, err := UpdateModel(tx, Author{At: 20}, "b", "second")
		require.NoError(t, err)
		require.Equal(t, "second", m.Description)
		require.Equal(t, int64(20), m.UpdatedAt)
		require.NoError(t, SetModelTag(tx, Author{}, "b", Tag{"m", "x"}))
		require.NoError(t, SetModelTag(tx, Author{}, "b", Tag{"z", "y"}))
		require.NoError(t, DeleteModelTag(tx, Author{}, "b", "a"))
		require.NoError(t, DeleteModelTag(tx, Author{}, "b", "never"))
		m, err = GetModel(tx, "b")
		require.NoError(t, err)
		require.Equal(t, []Tag{{"m", "x"}, {"z", "y"}}, m.Tags)
		require.Equal(t, int64(20), m.UpdatedAt, "tags leave it")
		require.Equal(t, []string{"b", "a"}, names(collect(t, Models(tx))))
		return nil
	})
	require.ErrorIs(t, d.try(func(tx *store.Tx) error { return SetModelTag(tx, Author{}, "c", Tag{"k", "v"}) }), store.ErrNotFound)
	require.ErrorIs(t, d.try(func(tx *store.Tx) error { return DeleteModelTag(tx, Author{}, "c", "k") }), store.ErrNotFound)
}

func TestModelRename(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		for _, n := range []string{"a", "b"} {
			_, err := CreateModel(tx, Author{At: 1}, n, "", nil)
			require.NoError(t, err)
		}
		for range 3 {
			_, err := CreateVersion(tx, Author{At: 2}, "a", NewVersion{Source: "s", RunID: "r"})
			require.NoError(t, err)
		}
		return SetAlias(tx, Author{}, "a", "best", 2)
	})
	refused(t, d.try(func(tx *store.Tx) error { _, err := RenameModel(tx, Author{At: 9}, "a", "b"); return err }),
		store.ErrExists, "Registered Model (name=b) already exists. Error: the name is taken")
	refused(t, d.try(func(tx *store.Tx) error { _, err := RenameModel(tx, Author{At: 9}, "a", " "); return err }),
		store.ErrInvalid, "Missing value for required parameter 'new_name'.")
	require.ErrorIs(t, d.try(func(tx *store.Tx) error { _, err := RenameModel(tx, Author{At: 9}, "x", "y"); return err }), store.ErrNotFound)
	d.do(func(tx *store.Tx) error {
		m, err := RenameModel(tx, Author{At: 5}, "a", "c")
		require.NoError(t, err)
		require.Equal(t, int64(5), m.UpdatedAt)
		m, err = RenameModel(tx, Author{At: 6}, "c", "c")
		require.NoError(t, err)
		require.Equal(t, int64(6), m.UpdatedAt)
		_, err = CreateModel(tx, Author{At: 7}, "a", "the old name is free", nil)
		return err
	})
	d.reopen()
	d.see(func(tx *store.Tx) error {
		require.Equal(t, []string{"c/1 None", "c/2 None", "c/3 None"}, labels(collect(t, VersionsByRun(tx, "r"))))
		for _, v := range collect(t, VersionsOf(tx, "c")) {
			require.Equal(t, int64(6), v.UpdatedAt)
		}
		v, err := VersionByAlias(tx, "c", "best")
		require.NoError(t, err)
		require.Equal(t, 2, v.Version)
		require.Equal(t, []string{"c", "b", "a"}, names(collect(t, Models(tx))))
		return nil
	})
}

func TestModelDelete(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		_, err := CreateModel(tx, Author{At: 1}, "a", strings.Repeat("large ", 100_000), nil)
		require.NoError(t, err)
		for _, stage := range stageNames {
			v, err := CreateVersion(tx, Author{At: 2}, "a", NewVersion{Source: "s", RunID: "r", Tags: []Tag{{"k", strings.Repeat("v", 100_000)}, {"l", strings.Repeat("w", 100_000)}}})
			require.NoError(t, err)
			_, err = Transition(tx, Author{At: 3}, "a", v.Version, stage, false)
			require.NoError(t, err)
		}
		return SetAlias(tx, Author{}, "a", "x", 4)
	})
	require.NotZero(t, d.rows("S"))
	d.reopen()
	d.do(func(tx *store.Tx) error { return DeleteModel(tx, "a") })
	require.Zero(t, d.rows("MmVvS"), "nothing is left of it")
	require.ErrorIs(t, d.try(func(tx *store.Tx) error { return DeleteModel(tx, "a") }), store.ErrNotFound)
	d.do(func(tx *store.Tx) error {
		_, err := CreateModel(tx, Author{At: 1}, "a", "", nil)
		require.NoError(t, err)
		v, err := CreateVersion(tx, Author{At: 1}, "a", NewVersion{Source: "s"})
		require.NoError(t, err)
		require.Equal(t, 1, v.Version)
		require.Empty(t, v.Aliases)
		return nil
	})
}

func TestPromptNames(t *testing.T) {
	d := newDB(t)
	prompt := []Tag{{"mlflow.prompt.is_prompt", "true"}}
	d.do(func(tx *store.Tx) error {
		m, err := CreateModel(tx, Author{At: 1}, "p", "", prompt)
		require.NoError(t, err)
		require.True(t, m.IsPrompt())
		m, err = CreateModel(tx, Author{At: 1}, "m", "", nil)
		require.False(t, m.IsPrompt())
		return err
	})
	create := func(name string, tags []Tag) error {
		return d.try(func(tx *store.Tx) error { _, err := CreateModel(tx, Author{At: 1}, name, "", tags); return err })
	}
	const tail = " MLflow does not allow creating a model and a prompt with the same name."
	refused(t, create("p", prompt), store.ErrExists, "Prompt (name=p) already exists.")
	refused(t, create("p", nil), store.ErrExists, "Tried to create a registered model with name 'p', but the name is already taken by a prompt."+tail)
	refused(t, create("m", prompt), store.ErrExists, "Tried to create a prompt with name 'm', but the name is already taken by a registered model."+tail)
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	d := newDB(t)
	err := d.try(func(tx *store.Tx) error {
		_, err := CreateModel(tx, Author{At: 1}, "a", "", nil)
		require.NoError(t, err)
		return errStop
	})
	require.ErrorIs(t, err, errStop)
	require.Zero(t, d.rows("MmVvs"))
}

func TestLongTexts(t *testing.T) {
	d := newDB(t)
	for _, n := range []int{0, partSize - 100, partSize, partSize + 100, 3*partSize - 60, 10 * partSize, 5, 2 * partSize} {
		text := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		d.do(func(tx *store.Tx) error {
			if n == 0 {
				_, err := CreateModel(tx, Author{At: 1}, "a", text, nil)
				return err
			}
			_, err := UpdateModel(tx, Author{At: 2}, "a", text)
			return err
		})
		d.reopen()
		d.see(func(tx *store.Tx) error {
			m, err := GetModel(tx, "a")
			require.NoError(t, err)
			require.Equal(t, text, m.Description)
			return nil
		})
		require.LessOrEqual(t, d.rows("S"), n/partSize+1)
	}
	err := d.try(func(tx *store.Tx) error {
		_, err := UpdateModel(tx, Author{At: 3}, "a", strings.Repeat("x", maxParts*partSize+1))
		return err
	})
	require.ErrorIs(t, err, store.ErrInvalid)
}

func TestMissingRowsAreCorruption(t *testing.T) {
	for name, key := range map[string][]byte{
		"model":   modelKey(1),
		"version": versionKey(1, 1),
		"part":    partKey(modelKey(1), 0),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDB(t)
			d.do(func(tx *store.Tx) error {
				_, err := CreateModel(tx, Author{At: 1}, "a", strings.Repeat("x", 2*partSize), nil)
				require.NoError(t, err)
				_, err = CreateVersion(tx, Author{At: 1}, "a", NewVersion{Source: "s"})
				require.NoError(t, err)
				return tx.Delete(key)
			})
			err := d.s.View(ctx, func(tx *store.Tx) error { _, err := GetModel(tx, "a"); return err })
			require.ErrorIs(t, err, store.ErrCorrupt)
		})
	}
}
