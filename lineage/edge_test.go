package lineage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

func TestInputs(t *testing.T) {
	d := newDB(t)
	iris := Dataset{Name: "iris", Digest: "d1", SourceType: "local", Source: "src", Schema: `{"a": 1}`, Profile: strings.Repeat("p", 300_000)}
	plain := Dataset{Name: "plain", Digest: "d1", SourceType: "http", Source: "url"}
	train, eval := []Tag{{"mlflow.data.context", "train"}}, []Tag{{"x", "y"}, {"mlflow.data.context", "eval"}}
	log := func(exp string, run uint32, ds Dataset, tags []Tag) (added bool) {
		d.do(func(tx *store.Tx) (err error) {
			added, err = LogInput(tx, exp, run, ds, tags)
			return err
		})
		return added
	}
	require.True(t, log("e1", 1, iris, train))
	require.False(t, log("e1", 1, iris, eval), "the first tags stay")
	changed := iris
	changed.Source = "elsewhere"
	require.True(t, log("e1", 2, changed, eval), "the first source stays")
	require.True(t, log("e1", 3, iris, train))
	require.True(t, log("e1", 1, plain, nil))
	require.True(t, log("e1", 2, plain, []Tag{{"mlflow.data.context", ""}}))
	require.True(t, log("e2", 4, changed, nil), "another experiment has its own")
	d.reopen()
	d.see(func(tx *store.Tx) error {
		got, err := Inputs(tx, 1)
		require.NoError(t, err)
		require.Equal(t, []Input{{iris, train}, {plain, nil}}, got)
		got, err = Inputs(tx, 2)
		require.NoError(t, err)
		require.Equal(t, []Tag{{"mlflow.data.context", "eval"}, {"x", "y"}}, got[0].Tags)
		require.Equal(t, iris, got[0].Dataset)
		got, err = Inputs(tx, 9)
		require.NoError(t, err)
		require.Empty(t, got)
		uses, err := InputUses(tx, 1)
		require.NoError(t, err)
		require.Equal(t, []DatasetUse{{"iris", "d1", "train", true}, {"plain", "d1", "", false}}, uses)
		require.ElementsMatch(t, []DatasetUse{
			{"iris", "d1", "train", true}, {"iris", "d1", "eval", true}, {"plain", "d1", "", false}, {"plain", "d1", "", true},
		}, collect(t, DatasetsOf(tx, "e1")))
		require.Equal(t, []DatasetUse{{"iris", "d1", "", false}}, collect(t, DatasetsOf(tx, "e2")))
		require.Empty(t, collect(t, DatasetsOf(tx, "e3")))
		require.Equal(t, []uint32{1, 2, 3, 4}, collect(t, RunsOfDataset(tx, "iris", "d1")))
		require.Equal(t, []uint32{1, 2, 3, 4}, collect(t, RunsOfDataset(tx, "iris", "")))
		require.Empty(t, collect(t, RunsOfDataset(tx, "iris", "d2")))
		require.Empty(t, collect(t, RunsOfDataset(tx, "rose", "")))
		ds, err := GetDataset(tx, "e2", "iris", "d1")
		require.NoError(t, err)
		require.Equal(t, &changed, ds)
		_, err = GetDataset(tx, "e2", "plain", "d1")
		refused(t, err, store.ErrNotFound, "Dataset (name=plain, digest=d1) not found in experiment e2")
		_, err = GetDataset(tx, "e9", "plain", "d1")
		require.ErrorIs(t, err, store.ErrNotFound)
		return nil
	})
	d.do(func(tx *store.Tx) error { return DropRun(tx, 1) })
	d.see(func(tx *store.Tx) error {
		got, err := Inputs(tx, 1)
		require.NoError(t, err)
		require.Empty(t, got)
		require.Equal(t, []uint32{2, 3, 4}, collect(t, RunsOfDataset(tx, "iris", "d1")))
		return nil
	})
}

func TestNameAndDigestDoNotRunTogether(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		for i, ds := range []Dataset{{Name: "ab", Digest: "c"}, {Name: "a", Digest: "bc"}, {Name: "1:a", Digest: "bc"}} {
			added, err := LogInput(tx, "e", uint32(i), ds, nil)
			require.NoError(t, err)
			require.True(t, added)
		}
		require.Len(t, collect(t, DatasetsOf(tx, "e")), 3)
		return nil
	})
}

func TestLargestDataset(t *testing.T) {
	d := newDB(t)
	ds := Dataset{
		Name: "n", Digest: "d", Source: strings.Repeat("é", MaxDatasetSource),
		Schema: strings.Repeat("€", MaxDatasetSchema), Profile: strings.Repeat("x", MaxDatasetProfile),
	}
	d.do(func(tx *store.Tx) error { _, err := LogInput(tx, "e", 1, ds, nil); return err })
	d.reopen()
	d.see(func(tx *store.Tx) error {
		got, err := Inputs(tx, 1)
		require.NoError(t, err)
		require.True(t, got[0].Dataset == ds)
		return nil
	})
}

func TestModelEdges(t *testing.T) {
	d := newDB(t)
	d.do(func(tx *store.Tx) error {
		require.NoError(t, LogModelOutput(tx, 1, Output{"m-1", 5}))
		require.NoError(t, LogModelOutput(tx, 1, Output{"m-2", 0}))
		require.NoError(t, LogModelOutput(tx, 1, Output{"m-2", -3}))
		require.NoError(t, LogModelInput(tx, 2, "m-2"))
		require.NoError(t, LogModelInput(tx, 2, "m-2"))
		require.NoError(t, LogModelInput(tx, 2, "m-3"))
		return LogModelOutput(tx, 2, Output{"m-1", 7})
	})
	d.reopen()
	d.see(func(tx *store.Tx) error {
		out, err := Outputs(tx, 1)
		require.NoError(t, err)
		require.Equal(t, []Output{{"m-1", 5}, {"m-2", -3}}, out)
		in, err := ModelInputs(tx, 2)
		require.NoError(t, err)
		require.Equal(t, []string{"m-2", "m-3"}, in)
		require.Equal(t, []uint32{1, 2}, collect(t, RunsOfModel(tx, ModelOutput, "m-1")))
		require.Equal(t, []uint32{2}, collect(t, RunsOfModel(tx, ModelInput, "m-2")))
		require.Empty(t, collect(t, RunsOfModel(tx, ModelInput, "m-9")))
		return nil
	})
	require.ErrorIs(t, d.try(func(tx *store.Tx) error { return LogModelInput(tx, 1, "") }), store.ErrInvalid)
	d.do(func(tx *store.Tx) error {
		require.NoError(t, DropRun(tx, 1))
		return DropRun(tx, 2)
	})
	require.Zero(t, d.rows("Kk"))
}

func TestRoleString(t *testing.T) {
	require.Equal(t, "dataset input, model input, model output, model metric, role 9",
		strings.Join([]string{DatasetInput.String(), ModelInput.String(), ModelOutput.String(), ModelMetric.String(), Role(9).String()}, ", "))
}

func TestOfRun(t *testing.T) {
	d := newDB(t)
	iris := Dataset{Name: "iris", Digest: "d1"}
	d.do(func(tx *store.Tx) error {
		if _, err := LogInput(tx, "e1", 1, iris, []Tag{{"mlflow.data.context", "train"}}); err != nil {
			return err
		}
		if err := LogModelInput(tx, 1, "m-in"); err != nil {
			return err
		}
		if err := LogModelMetric(tx, 1, "m-in"); err != nil {
			return err
		}
		return LogModelOutput(tx, 1, Output{"m-out", 7})
	})
	d.see(func(tx *store.Tx) error {
		got, err := OfRun(tx, 1)
		require.NoError(t, err)
		inputs, err := Inputs(tx, 1)
		require.NoError(t, err)
		require.Equal(t, RunEdges{inputs, []string{"m-in"}, []Output{{"m-out", 7}}}, got)
		require.Len(t, inputs, 1)
		got, err = OfRun(tx, 2)
		require.NoError(t, err)
		require.Equal(t, RunEdges{}, got)
		return nil
	})
}
