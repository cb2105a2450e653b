package mlruns

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
	"github.com/stretchr/testify/require"
)

const (
	run1  = "24b4b48fe8b64c14be74c2b892d257b6"
	run2  = "da8d5e0ec315404ca5ad224711a53f0a"
	model = "m-807b26bf04aa45d79028091eb90b548d"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
}

// store is a folder as MLflow 3 writes it, with the older forms of some files.
func store(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"0/meta.yaml":                                    "artifact_location: " + dir + "/0\ncreation_time: 1\nexperiment_id: '0'\nlast_update_time: 1\nlifecycle_stage: active\nname: Default\n",
		"7/meta.yaml":                                    "artifact_location: file://" + dir + "/7\ncreation_time: 5\nexperiment_id: 7\nlast_update_time: 6\nlifecycle_stage: active\nname: '1e5'\n",
		"7/tags/team":                                    "vision",
		"7/" + run1 + "/meta.yaml":                       "artifact_uri: file://" + dir + "/7/" + run1 + "/artifacts\nend_time: 30\nexperiment_id: '7'\nlifecycle_stage: active\nrun_id: " + run1 + "\nrun_name: 1e5\nstart_time: 20\nstatus: 3\nuser_id: ada\n",
		"7/" + run1 + "/params/a/b":                      "x\ny",
		"7/" + run1 + "/tags/note":                       "",
		"7/" + run1 + "/metrics/loss":                    "100 0.5 0\n101 nan 1\n102 -inf 2\nnonsense\n",
		"7/" + run1 + "/metrics/acc":                     "100 1.0 0\n101 2.0 1\n102 3.0 2\n",
		"7/" + run1 + "/metrics/m/old":                   "100 0.25\n",
		"7/" + run1 + "/metrics/auc":                     "100 0.5 2\n101 0.6 3 d abc\n",
		"7/" + run1 + "/artifacts/f/x":                   "hello",
		"7/" + run1 + "/inputs/i/meta.yaml":              "destination_id: d1\ndestination_type: RUN\nsource_id: d1\nsource_type: DATASET\ntags:\n  mlflow.data.context: train\n",
		"7/" + run1 + "/inputs/bad/meta.yaml":            "source_id: ../../secret\nsource_type: DATASET\n",
		"7/" + run1 + "/outputs/" + model + "/meta.yaml": "destination_id: " + model + "\ndestination_type: MODEL_OUTPUT\nsource_id: x\nsource_type: RUN_OUTPUT\nstep: 3\ntags: {}\n",
		"7/datasets/d1/meta.yaml":                        "digest: abc\nname: d\nprofile: '{}'\nschema: null\nsource: '{}'\nsource_type: local\n",
		"7/models/" + model + "/meta.yaml":               "artifact_location: " + dir + "/7/models/" + model + "/artifacts\ncreation_timestamp: 21\nexperiment_id: '7'\nlast_updated_timestamp: 22\nmodel_id: " + model + "\nmodel_type: mt\nname: lm\nsource_run_id: " + run1 + "\nstatus: 2\nstatus_message: null\n",
		"7/models/" + model + "/metrics/auc":             "100 0.5 2 " + run1 + "\n101 0.6 3 " + run1 + " d abc\n",
		"7/models/" + model + "/params/p":                "v",
		"7/artifacts/nothing":                            "a folder that is no run",
		"7/0123456789abcdef0123456789abcdef/meta.yaml":   "{",
		".trash/9/meta.yaml":                             "artifact_location: file://" + dir + "/9\ncreation_time: 7\nexperiment_id: '9'\nlast_update_time: 8\nlifecycle_stage: deleted\nname: gone\n",
		".trash/9/" + run2 + "/meta.yaml":                "artifact_uri: file://" + dir + "/9/" + run2 + "/artifacts\ndeleted_time: 99\nend_time: null\nexperiment_id: '9'\nlifecycle_stage: deleted\nrun_uuid: " + run2 + "\nstart_time: 9\nstatus: 1\nuser_id: bob\n",
		".trash/9/" + run2 + "/tags/mlflow.runName":      "old name",
		".trash/9/" + run2 + "/artifacts/y":              "bye",
		"models/reg/meta.yaml":                           "creation_timestamp: 40\ndescription: desc\nlast_updated_timestamp: 50\nname: reg\n",
		"models/reg/tags/k":                              "v",
		"models/reg/aliases/champ":                       "1",
		"models/reg/aliases/lost":                        "3",
		"models/reg/version-1/meta.yaml":                 "creation_timestamp: 41\ncurrent_stage: Production\nname: reg\nlast_updated_timestamp: 42\nrun_id: " + run1 + "\nsource: " + dir + "/7/" + run1 + "/artifacts/f\nstatus: READY\nversion: 1\n",
		"models/reg/version-3/meta.yaml":                 "creation_timestamp: 43\ncurrent_stage: Deleted_Internal\nname: reg\nversion: 3\n",
		"models/broken/meta.yaml":                        "name: another\n",
		"damaged/meta.yaml":                              "a: [",
		"elsewhere/meta.yaml":                            "experiment_id: '0'\nname: x\n",
	})
	return dir
}

func TestImport(t *testing.T) {
	dir := store(t)
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer db.Close()
	ctx := t.Context()
	bring := func() *migrate.Report {
		src, err := Open(dir, nil)
		require.NoError(t, err)
		defer src.Close()
		report, err := migrate.Import(ctx, db, src, nil)
		require.NoError(t, err)
		return report
	}
	report := bring()
	added := map[migrate.Kind]int64{}
	for k, n := range report.Tallies {
		added[k] = n.Added
	}
	require.Equal(t, map[migrate.Kind]int64{
		migrate.Experiments: 3, migrate.Runs: 2, migrate.LoggedModels: 1, migrate.Artifacts: 2, migrate.Models: 1, migrate.Versions: 1,
	}, added)
	left := map[string]int64{}
	for _, n := range report.Notes {
		left[n.Text] = n.N
	}
	require.Equal(t, map[string]int64{
		"experiments with a damaged meta.yaml were left out":                     1,
		"folders whose meta.yaml has the id of another experiment were left out": 1,
		"folders without a meta.yaml were left out":                              1,
		"runs with a damaged meta.yaml were left out":                            1,
		"inputs whose dataset is not there or damaged were left out":             1,
		"points in lines that are none were left out":                            1,
		"models without a whole meta.yaml of their name were left out":           1,
	}, left)

	e, err := db.Experiment(ctx, "7")
	require.NoError(t, err)
	require.Equal(t, "1e5", e.Name)
	require.Equal(t, map[string]string{"team": "vision"}, e.Tags)
	r, err := db.Run(ctx, run1)
	require.NoError(t, err)
	require.Equal(t, "1e5", r.Name)
	require.Equal(t, runstone.Finished, r.Status)
	require.Equal(t, map[string]string{"a/b": "x\ny"}, r.Params)
	require.Equal(t, "", r.Tags["note"])
	require.Equal(t, []lineage.Input{{Dataset: lineage.Dataset{Name: "d", Digest: "abc", SourceType: "local", Source: "{}", Profile: "{}"}, Tags: []lineage.Tag{{Key: "mlflow.data.context", Value: "train"}}}}, r.Inputs)
	require.Equal(t, []lineage.Output{{ModelID: model, Step: 3}}, r.Models.Outputs)
	var loss []float64
	for c, err := range db.Points(ctx, run1, "loss") {
		require.NoError(t, err)
		loss = append(loss, c.Values...)
	}
	require.Len(t, loss, 3)
	require.True(t, math.IsNaN(loss[1]))
	require.True(t, math.IsInf(loss[2], -1))
	about, err := db.ModelMetrics(ctx, model)
	require.NoError(t, err)
	require.Len(t, about, 2, "without and with a dataset")
	n := 0
	for c, err := range db.Points(ctx, run1, "auc") {
		require.NoError(t, err)
		n += len(c.Steps)
	}
	require.Equal(t, 2, n, "a point that is about a model is one point")
	gone, err := db.Run(ctx, run2)
	require.NoError(t, err)
	require.True(t, gone.Deleted)
	require.Equal(t, "old name", gone.Name)
	f, err := db.OpenArtifact(ctx, run2, "y")
	require.NoError(t, err, "the files of a deleted experiment are in the trash")
	f.Close()
	v, err := db.ModelVersion(ctx, "models:/reg@champ")
	require.NoError(t, err)
	require.Equal(t, 1, v.Version)
	require.Equal(t, "mlflow-artifacts:/7/"+run1+"/artifacts/f", v.Source)

	require.False(t, bring().Changed())
}

// TestLinks: nothing outside of the folder is read.
func TestLinks(t *testing.T) {
	outside, dir := t.TempDir(), store(t)
	write(t, outside, map[string]string{"meta.yaml": "experiment_id: '8'\nname: secret\nlifecycle_stage: active\n", "secret": "s"})
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "8")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "7", run1, "params", "stolen")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "7", run1, "artifacts", "stolen")))
	src, err := Open(dir, nil)
	require.NoError(t, err)
	defer src.Close()
	for e, err := range src.Experiments(t.Context()) {
		require.NoError(t, err)
		require.NotEqual(t, "secret", e.Name)
		for r, err := range src.Runs(t.Context(), e.ID) {
			require.NoError(t, err)
			for _, p := range r.Params {
				require.NotEqual(t, "stolen", p.Key)
			}
			for f, err := range src.Files(t.Context(), r.ArtifactURI) {
				require.NoError(t, err)
				require.NotEqual(t, "stolen", f.Path)
			}
		}
	}
}

func TestNotStore(t *testing.T) {
	_, err := Open(t.TempDir(), nil)
	require.ErrorIs(t, err, ErrNotStore)
	_, err = Open(filepath.Join(t.TempDir(), "missing"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.True(t, IsStore(store(t)))
}

// TestMoved: a store that was copied from another machine says its old paths.
func TestMoved(t *testing.T) {
	dir := store(t)
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.Rename(dir, to))
	src, err := Open(to, nil)
	require.NoError(t, err)
	defer src.Close()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer db.Close()
	report, err := migrate.Import(t.Context(), db, src, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Tallies[migrate.Artifacts].Added)
}

func TestCanceled(t *testing.T) {
	src, err := Open(store(t), nil)
	require.NoError(t, err)
	defer src.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, err := range src.Experiments(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("100 0.5 3 run d abc", true)
	f.Add("1 nan", false)
	f.Fuzz(func(t *testing.T, s string, ofModel bool) {
		l, ok := parseLine(s, ofModel)
		if ok && ofModel {
			require.NotContains(t, l.run, " ")
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add([]byte("a: 1\nb: {c: d}\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeta(b)
		if err != nil {
			return
		}
		for k := range m {
			_, _ = m.text(k), m.integer(k)
			sub := m.mapping(k)
			for s := range sub {
				_ = sub.text(s)
			}
		}
	})
}
