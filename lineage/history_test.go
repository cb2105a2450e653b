package lineage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// told returns the history of a model in short, the oldest first.
func (d *db) told(name string) []string {
	var out []string
	d.see(func(tx *store.Tx) error {
		for c, err := range History(tx, name, 0) {
			require.NoError(d.t, err)
			out = append([]string{fmt.Sprintf("%d %s v%d %s|%s|%s", c.Number, c.Action, c.Version, c.Name, c.Old, c.New)}, out...)
		}
		return nil
	})
	return out
}

func TestHistory(t *testing.T) {
	d := newDB(t)
	ada := Author{At: 7, Name: "ada", Reason: "beats version 1 on site B"}
	d.do(func(tx *store.Tx) error {
		_, err := CreateModel(tx, Author{At: 1}, "a", "", nil)
		require.NoError(t, err)
		for range 2 {
			_, err = CreateVersion(tx, Author{At: 2}, "a", NewVersion{Source: "s"})
			require.NoError(t, err)
		}
		require.NoError(t, SetModelTag(tx, Author{}, "a", Tag{"k", "v"}))
		require.NoError(t, SetModelTag(tx, Author{}, "a", Tag{"k", "v"}))
		require.NoError(t, SetVersionTag(tx, Author{}, "a", 2, Tag{"k", "w"}))
		require.NoError(t, DeleteVersionTag(tx, Author{}, "a", 2, "k"))
		require.NoError(t, DeleteVersionTag(tx, Author{}, "a", 2, "k"))
		require.NoError(t, DeleteModelTag(tx, Author{}, "a", "k"))
		_, err = Transition(tx, Author{}, "a", 1, "production", false)
		require.NoError(t, err)
		_, err = Transition(tx, Author{}, "a", 1, "Production", true)
		require.NoError(t, err)
		return nil
	})
	d.reopen()
	d.do(func(tx *store.Tx) error {
		_, err := Transition(tx, ada, "a", 2, "Production", true)
		require.NoError(t, err)
		require.NoError(t, SetAlias(tx, ada, "a", "best", 1))
		require.NoError(t, SetAlias(tx, ada, "a", "best", 1))
		require.NoError(t, SetAlias(tx, ada, "a", "best", 2))
		_, err = UpdateModel(tx, ada, "a", "what it is for")
		require.NoError(t, err)
		_, err = UpdateVersion(tx, ada, "a", 2, strings.Repeat("é", MaxChangeText+1))
		require.NoError(t, err)
		_, err = RenameModel(tx, ada, "a", "b")
		require.NoError(t, err)
		_, err = RenameModel(tx, ada, "b", "b")
		require.NoError(t, err)
		require.NoError(t, SetAlias(tx, ada, "b", "other", 2))
		require.NoError(t, DeleteAlias(tx, ada, "b", "other"))
		require.NoError(t, DeleteVersion(tx, ada, "b", 2))
		return nil
	})
	want := []string{
		"1 created v0 ||a", "2 created v1 ||s", "3 created v2 ||s",
		"4 tag set v0 k||v", "5 tag set v2 k||w", "6 tag removed v2 k|w|", "7 tag removed v0 k|v|",
		"8 moved v1 |None|Production",
		"9 moved v1 |Production|Archived", "10 moved v2 |None|Production",
		"11 alias set v1 best||1", "12 alias set v2 best|1|2",
		"13 described v0 ||what it is for", "14 described v2 ||" + strings.Repeat("é", MaxChangeText-1) + "…",
		"15 renamed v0 |a|b", "16 alias set v2 other||2", "17 alias removed v2 other|2|",
		"18 alias removed v2 best|2|", "19 deleted v2 |Production|",
	}
	require.Equal(t, want, d.told("b"))
	d.see(func(tx *store.Tx) error {
		all := collect(t, History(tx, "b", 0))
		require.Equal(t, ada, all[0].Author)
		require.Equal(t, Author{At: 2}, all[len(all)-2].Author)
		require.Equal(t, all[10:], collect(t, History(tx, "b", all[9].Number)))
		require.Empty(t, collect(t, History(tx, "b", 1)))
		require.NoError(t, VerifyHistory(tx, func(where string, err error) { t.Errorf("%s: %v", where, err) }))
		return nil
	})
	for name, want := range map[string]error{"a": store.ErrNotFound, "a/b": store.ErrInvalid} {
		d.see(func(tx *store.Tx) error {
			for _, err := range History(tx, name, 0) {
				require.ErrorIs(t, err, want)
			}
			return nil
		})
	}
	d.do(func(tx *store.Tx) error { return DeleteModel(tx, "b") })
	require.Zero(t, d.rows("H"))
}

// TestHistoryRefuses: a change whose author or reason cannot be kept is none.
func TestHistoryRefuses(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error { _, err := CreateModel(tx, Author{}, "a", "", nil); return err })
	for _, by := range []Author{{Name: strings.Repeat("é", MaxAuthor+1)}, {Reason: strings.Repeat("é", MaxReason+1)}, {Reason: "\xff"}} {
		err := d.try(func(tx *store.Tx) error { return SetModelTag(tx, by, "a", Tag{"k", "v"}) })
		require.ErrorIs(t, err, store.ErrInvalid)
	}
	d.do(func(tx *store.Tx) error {
		return SetModelTag(tx, Author{Reason: strings.Repeat("é", MaxReason)}, "a", Tag{"k", "v"})
	})
	require.Equal(t, []string{"1 created v0 ||a", "2 tag set v0 k||v"}, d.told("a"))
}

func TestHistoryOfImports(t *testing.T) {
	d := newDB(t)
	m := RegisteredModel{Name: "a", CreatedAt: 1, UpdatedAt: 2}
	versions := []*ModelVersion{{Model: "a", Version: 3, Stage: StageStaging, Status: VersionReady}}
	for range 2 {
		d.do(func(tx *store.Tx) error {
			_, err := ImportModel(tx, Author{At: 9, Name: "ada"}, m, versions, false)
			return err
		})
	}
	require.Equal(t, []string{"1 imported v0 ||a", "2 imported v3 ||Staging"}, d.told("a"))
	d.do(func(tx *store.Tx) error {
		_, err := Transition(tx, Author{At: 10}, "a", 3, StageProduction, false)
		return err
	})
	require.Equal(t, "3 moved v3 |Staging|Production", d.told("a")[2])
}

// TestVerifyHistory: what cannot be read, is of no model or is missing is found.
func TestVerifyHistory(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		_, err := CreateModel(tx, Author{}, "a", "", nil)
		require.NoError(t, err)
		require.NoError(t, tx.Save(changeKey(1, 3), 1, changeRow{Action: TagSet}))
		require.NoError(t, tx.Save(changeKey(1, 4), 1, changeRow{Action: 99}))
		return tx.Save(changeKey(5, 1), 1, changeRow{Action: Created})
	})
	var found []string
	d.see(func(tx *store.Tx) error {
		return VerifyHistory(tx, func(where string, err error) {
			require.ErrorIs(t, err, store.ErrCorrupt)
			found = append(found, where)
		})
	})
	require.Equal(t, []string{
		"change 3 of registered model 1", "change 4 of registered model 1", "change 1 of registered model 5",
	}, found)
}
