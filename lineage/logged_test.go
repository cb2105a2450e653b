package lineage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

func TestLoggedModelLife(t *testing.T) {
	d := newDB(t)
	want := &LoggedModel{
		ModelID: loggedID, ExperimentID: "exp", Name: "net", ModelType: "sk", SourceRunID: "r", Status: LoggedPending,
		ArtifactURI: "files:/m", CreatedAt: 1, UpdatedAt: 1, Params: []Tag{{"lr", "0.1"}}, Tags: []Tag{{"a", "1"}, {"b", "2"}},
	}
	d.do(func(tx *store.Tx) error {
		m, err := CreateLoggedModel(tx, 1, LoggedModel{
			ModelID: loggedID, ExperimentID: "exp", Name: "net", ModelType: "sk", SourceRunID: "r", ArtifactURI: "files:/m",
			Params: []Tag{{"lr", "0.1"}}, Tags: []Tag{{"b", "2"}, {"a", "1"}},
		})
		require.Equal(t, want, m)
		return err
	})
	d.reopen()
	for i, status := range []string{LoggedReady, LoggedFailed, LoggedReady} {
		d.do(func(tx *store.Tx) error {
			m, err := FinalizeLoggedModel(tx, int64(2+i), loggedID, status, "why")
			require.NoError(t, err)
			want.Status, want.StatusMessage, want.UpdatedAt = status, "why", int64(2+i)
			require.Equal(t, want, m)
			return nil
		})
	}
	d.do(func(tx *store.Tx) error {
		m, err := SetLoggedModelTags(tx, loggedID, []Tag{{"c", "3"}, {"a", "9"}, {"a", "8"}})
		require.NoError(t, err)
		want.Tags = []Tag{{"a", "8"}, {"b", "2"}, {"c", "3"}}
		require.Equal(t, want, m)
		require.NoError(t, DeleteLoggedModelTag(tx, loggedID, "b"))
		require.NoError(t, LogModelParams(tx, loggedID, []Tag{{"depth", "3"}, {"lr", "0.1"}}))
		want.Tags, want.Params = []Tag{{"a", "8"}, {"c", "3"}}, []Tag{{"depth", "3"}, {"lr", "0.1"}}
		m, err = GetLoggedModel(tx, loggedID, false)
		require.Equal(t, want, m)
		return err
	})
	refused(t, d.try(func(tx *store.Tx) error { return DeleteLoggedModelTag(tx, loggedID, "b") }), store.ErrNotFound,
		"No tag with key 'b' found for model with ID '"+loggedID+"'.")
	refused(t, d.try(func(tx *store.Tx) error { return LogModelParams(tx, loggedID, []Tag{{"new", "1"}, {"lr", "0.2"}}) }), store.ErrInvalid,
		"Changing param values is not allowed. Param with key='lr' was already logged with value='0.1' for model ID='"+loggedID+"'. Attempted logging new value '0.2'.")
	refused(t, d.try(func(tx *store.Tx) error { _, err := FinalizeLoggedModel(tx, 1, loggedID, "DONE", ""); return err }), store.ErrInvalid,
		"Unknown model status: DONE")

	d.do(func(tx *store.Tx) error { return DeleteLoggedModel(tx, 7, loggedID) })
	d.reopen()
	refused(t, d.try(func(tx *store.Tx) error { _, err := GetLoggedModel(tx, loggedID, false); return err }), store.ErrNotFound,
		"Logged model with ID '"+loggedID+"' not found.")
	d.see(func(tx *store.Tx) error {
		want.Deleted, want.UpdatedAt = true, 7
		m, err := GetLoggedModel(tx, loggedID, true)
		require.Equal(t, want, m)
		return err
	})
	refused(t, d.try(func(tx *store.Tx) error {
		_, err := CreateLoggedModel(tx, 9, LoggedModel{ModelID: loggedID, ExperimentID: "exp", Name: "x"})
		return err
	}), store.ErrExists, "Logged model with ID '"+loggedID+"' already exists.")
}

func TestLoggedModelRefusals(t *testing.T) {
	d := newDB(t)
	for name, m := range map[string]LoggedModel{
		"id":     {ModelID: "", Name: "n"},
		"name":   {ModelID: "m-1", Name: "a.b"},
		"status": {ModelID: "m-1", Name: "n", Status: "X"},
		"param":  {ModelID: "m-1", Name: "n", Params: []Tag{{"", "v"}}},
		"tag":    {ModelID: "m-1", Name: "n", Tags: []Tag{{"", "v"}}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, d.try(func(tx *store.Tx) error { _, err := CreateLoggedModel(tx, 1, m); return err }), store.ErrInvalid)
		})
	}
	for name, fn := range map[string]func(tx *store.Tx) error{
		"finalize": func(tx *store.Tx) error { _, err := FinalizeLoggedModel(tx, 1, "m-1", LoggedReady, ""); return err },
		"delete":   func(tx *store.Tx) error { return DeleteLoggedModel(tx, 1, "m-1") },
		"tags":     func(tx *store.Tx) error { _, err := SetLoggedModelTags(tx, "m-1", nil); return err },
		"untag":    func(tx *store.Tx) error { return DeleteLoggedModelTag(tx, "m-1", "k") },
		"params":   func(tx *store.Tx) error { return LogModelParams(tx, "m-1", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, d.try(fn), store.ErrNotFound, "Logged model with ID 'm-1' not found.")
		})
	}
	d.do(func(tx *store.Tx) error { return LogModelOutput(tx, 1, Output{"m-1", 0}) })
	refused(t, d.try(func(tx *store.Tx) error { _, err := GetLoggedModel(tx, "m-1", true); return err }), store.ErrNotFound,
		"Logged model with ID 'm-1' not found.")
}

func TestLoggedModelLists(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		for i, id := range []string{"m-3", "m-1", "m-2"} {
			_, err := CreateLoggedModel(tx, 1, LoggedModel{ModelID: id, ExperimentID: []string{"x", "y", "x"}[i], Name: "n"})
			require.NoError(t, err)
		}
		return DeleteLoggedModel(tx, 2, "m-2")
	})
	d.reopen()
	ids := func(models []*LoggedModel) (out []string) {
		for _, m := range models {
			out = append(out, m.ModelID)
		}
		return out
	}
	d.see(func(tx *store.Tx) error {
		require.Equal(t, []string{"m-3", "m-1", "m-2"}, ids(collect(t, LoggedModels(tx))))
		require.Equal(t, []string{"m-3", "m-2"}, ids(collect(t, LoggedModelsOf(tx, "x"))))
		require.Equal(t, []string{"m-1"}, ids(collect(t, LoggedModelsOf(tx, "y"))))
		require.Empty(t, collect(t, LoggedModelsOf(tx, "z")))
		for range LoggedModels(tx) {
			break // stopping early is allowed
		}
		return nil
	})
}
