package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/artifact"
)

// rooted is a bench whose experiments keep their artifacts at root, which the
// server opens where it is a folder.
func rooted(t *testing.T, root string, opt Options) *bench {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), &runstone.Options{NoSystemInfo: true, ArtifactRoot: root})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	if l := db.ArtifactRoot(); l.Kind == artifact.KindLocal {
		opt.RootFiles, err = artifact.OpenShared(l.Local)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, opt.RootFiles.Close()) })
	}
	s, err := New(db, &opt)
	require.NoError(t, err)
	return &bench{t, db, s}
}

// made makes an experiment and a run and returns their ids and the run's folder.
func (b *bench) made(name, location string) (experiment, run, uri string) {
	b.t.Helper()
	body, err := json.Marshal(map[string]string{"name": name, "artifact_location": location})
	require.NoError(b.t, err)
	experiment, _ = b.ok("POST", api+"/experiments/create", string(body))["experiment_id"].(string)
	info := b.ok("POST", api+"/runs/create", `{"experiment_id": "`+experiment+`"}`)["run"].(map[string]any)["info"].(map[string]any)
	return experiment, info["run_id"].(string), info["artifact_uri"].(string)
}

func plant(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}

// TestLocalRoot: what clients write into the root is listed and sent, and what
// the web UI uploads goes there.
func TestLocalRoot(t *testing.T) {
	for _, scheme := range []string{"", "file://"} {
		t.Run("scheme "+scheme, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			root := scheme + filepath.ToSlash(dir)
			b := rooted(t, root+"/", Options{NoArtifacts: true})
			exp := b.ok("GET", api+"/experiments/get?experiment_id=0", "")["experiment"].(map[string]any)
			require.Equal(t, root+"/0", exp["artifact_location"])
			id, run, uri := b.made("e", "")
			require.Equal(t, root+"/"+id+"/"+run+"/artifacts", uri)
			folder := filepath.Join(dir, id, run, "artifacts")
			plant(t, filepath.Join(folder, "m", "MLmodel"), "flavors: {}\n")

			list := b.ok("GET", api+"/artifacts/list?run_id="+run, "")
			require.Equal(t, uri, list["root_uri"])
			require.Equal(t, []any{map[string]any{"path": "m", "is_dir": true}}, list["files"])
			list = b.ok("GET", api+"/artifacts/list?path=m&run_id="+run, "")
			require.Equal(t, []any{map[string]any{"path": "m/MLmodel", "is_dir": false, "file_size": 12.0}}, list["files"])
			w := b.do("GET", "/get-artifact?path=m/MLmodel&run_id="+run, "")
			require.Equal(t, "flavors: {}\n", w.Body.String())
			require.Empty(t, w.Header().Get("Repr-Digest"))
			require.Equal(t, "no-cache", w.Header().Get("Cache-Control"))

			w = b.do("POST", "/ajax-api/2.0/mlflow/upload-artifact?path=up/x.txt&run_uuid="+run, "up", "Content-Type", "text/plain")
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			text, err := os.ReadFile(filepath.Join(folder, "up", "x.txt"))
			require.NoError(t, err)
			require.Equal(t, "up", string(text))
			require.Equal(t, "up", b.do("GET", "/get-artifact?path=up/x.txt&run_id="+run, "").Body.String())

			model := b.ok("POST", api+"/logged-models", `{"experiment_id": "`+id+`", "name": "lm"}`)["model"].(map[string]any)["info"].(map[string]any)
			mid := model["model_id"].(string)
			require.Equal(t, root+"/"+id+"/models/"+mid+"/artifacts", model["artifact_uri"])
			plant(t, filepath.Join(dir, id, "models", mid, "artifacts", "MLmodel"), "lm")
			list = b.ok("GET", api+"/logged-models/"+mid+"/artifacts/directories", "")
			require.Len(t, list["files"], 1)
			require.Equal(t, "lm", b.do("GET", "/ajax-api/2.0/mlflow/logged-models/"+mid+"/artifacts/files?artifact_file_path=MLmodel", "").Body.String())

			b.ok("POST", api+"/registered-models/create", `{"name": "reg"}`)
			for i, version := range []string{
				`"source": "` + uri + `/m", "run_id": "` + run + `"`, `"source": "runs:/` + run + `/m", "run_id": "` + run + `"`,
			} {
				b.ok("POST", api+"/model-versions/create", `{"name": "reg", `+version+`}`)
				w = b.do("GET", "/model-versions/get-artifact?name=reg&path=MLmodel&version="+string(rune('1'+i)), "")
				require.Equal(t, "flavors: {}\n", w.Body.String(), version)
			}
			b.ok("POST", api+"/model-versions/create", `{"name": "reg", "source": "models:/`+mid+`", "model_id": "`+mid+`"}`)
			require.Equal(t, "lm", b.do("GET", "/model-versions/get-artifact?name=reg&path=MLmodel&version=3", "").Body.String())
			require.Equal(t, model["artifact_uri"], b.ok("GET", api+"/model-versions/get-download-uri?name=reg&version=3", "")["artifact_uri"])

			// None of it is in the database's own folder, and no proxy reaches it.
			require.Equal(t, http.StatusServiceUnavailable, b.do("GET", "/api/2.0/mlflow-artifacts/artifacts/"+id+"/"+run+"/artifacts/m/MLmodel", "").Code)
			files, err := b.db.Artifacts().List(artifact.Path{})
			require.NoError(t, err)
			require.Empty(t, files)
			for _, rest := range []string{"upload-url", "download-url"} {
				what, _, _ := strings.Cut(rest, "-")
				b.refused("POST", api+"/artifacts/presigned-"+rest, `{"run_id": "`+run+`", "path": "x"}`, 501, "NOT_IMPLEMENTED", "Presigned "+what+" is not supported for the current artifact repository")
			}
		})
	}
}

// TestLocalRootAttacks: what a client plants in the root leads nowhere, and a
// client names no other place.
func TestLocalRootAttacks(t *testing.T) {
	outside := t.TempDir()
	plant(t, filepath.Join(outside, "secret"), "SECRET")
	dir := filepath.Join(t.TempDir(), "root")
	b := rooted(t, dir, Options{})
	_, run, uri := b.made("e", "")
	folder := filepath.FromSlash(uri)
	plant(t, filepath.Join(folder, "ok"), "ok")
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(folder, "link")))
	require.NoError(t, os.Symlink(outside, filepath.Join(folder, "dir")))
	require.NoError(t, os.Symlink(filepath.Join(folder, "ok"), filepath.Join(folder, "near")))
	require.NoError(t, os.Symlink("../../../../../../../../etc/passwd", filepath.Join(folder, "passwd")))

	list := b.ok("GET", api+"/artifacts/list?run_id="+run, "")
	require.Equal(t, []any{map[string]any{"path": "ok", "is_dir": false, "file_size": 2.0}}, list["files"])
	for _, path := range []string{"link", "dir/secret", "near", "passwd", "dir", "../ok", "%2e%2e/ok", filepath.Join(outside, "secret"), "file://" + outside + "/secret"} {
		w := b.do("GET", "/get-artifact?run_id="+run+"&path="+url.QueryEscape(path), "")
		require.Contains(t, []int{400, 404}, w.Code, path)
		require.NotContains(t, w.Body.String(), "SECRET", path)
		w = b.do("GET", api+"/artifacts/list?run_id="+run+"&path="+url.QueryEscape(path), "")
		require.Less(t, w.Code, 500, path)
		require.NotContains(t, w.Body.String(), "file_size", path)
	}
	for _, path := range []string{"link", "dir/new", "passwd"} {
		w := b.do("POST", "/ajax-api/2.0/mlflow/upload-artifact?path="+path+"&run_uuid="+run, "overwritten", "Content-Type", "text/plain")
		require.Less(t, w.Code, 500, path)
	}
	text, err := os.ReadFile(filepath.Join(outside, "secret"))
	require.NoError(t, err)
	require.Equal(t, "SECRET", string(text))
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, left, 1)

	for i, location := range []string{
		outside, "file://" + outside, dir + "/../other", dir + "x", dir + "/%2e%2e/other", "/", "/etc", filepath.Dir(dir), "file:" + dir, "file://host" + dir,
		"s3://bucket/x", "gs://b", "http://10.0.0.1/x", "dbfs:/x", "mlflow-artifacts://other/x", "runs:/" + run, "relative",
	} {
		body, err := json.Marshal(map[string]string{"name": "bad" + string(rune('a'+i)), "artifact_location": location})
		require.NoError(t, err)
		b.refused("POST", api+"/experiments/create", string(body), 400, "INVALID_PARAMETER_VALUE", "nvalid artifact location")
	}
	_, _, below := b.made("below", dir+"/team/x/")
	require.True(t, strings.HasPrefix(below, dir+"/team/x/"), below)
	require.NotContains(t, below, "//")
	b.made("served", "mlflow-artifacts:/served")

	_, other, otherURI := b.made("f", "")
	b.ok("POST", api+"/registered-models/create", `{"name": "reg"}`)
	for _, version := range []string{
		`"source": "` + uri + `"`, `"source": "` + otherURI + `", "run_id": "` + run + `"`, `"source": "` + dir + `", "run_id": "` + run + `"`,
		`"source": "` + uri + `/../x", "run_id": "` + run + `"`, `"source": "/etc", "run_id": "` + run + `"`, `"source": "s3://b/x", "run_id": "` + run + `"`,
		`"source": "file://` + outside + `", "run_id": "` + other + `"`,
	} {
		w := b.do("POST", api+"/model-versions/create", `{"name": "reg", `+version+`}`)
		require.Equal(t, 400, w.Code, version)
	}
}

// TestRemoteRoot: clients are told of the place, and the server opens nothing.
func TestRemoteRoot(t *testing.T) {
	for _, root := range []string{
		"s3://bucket/team/", "s3://bucket", "gs://b/p", "wasbs://c@a.blob.core.windows.net/p", "abfss://c@a.dfs.core.windows.net/p", "hdfs://host:8020/p", "dbfs:/p",
		"https://files.example.org/api/2.0/mlflow-artifacts/artifacts/p", "mlflow-artifacts://files.example.org:5000/p",
	} {
		t.Run(root, func(t *testing.T) {
			b := rooted(t, root, Options{NoArtifacts: true})
			prefix := strings.TrimSuffix(root, "/")
			id, run, uri := b.made("e", "")
			require.Equal(t, prefix+"/"+id+"/"+run+"/artifacts", uri)
			b.refused("GET", api+"/artifacts/list?run_id="+run, "", 400, "INVALID_PARAMETER_VALUE", "this server does not open it")
			b.refused("GET", "/get-artifact?path=x&run_id="+run, "", 400, "INVALID_PARAMETER_VALUE", "this server does not open it")
			b.refused("POST", "/ajax-api/2.0/mlflow/upload-artifact?path=x&run_uuid="+run, "x", 400, "INVALID_PARAMETER_VALUE", "this server does not open it")
			mid := b.ok("POST", api+"/logged-models", `{"experiment_id": "`+id+`"}`)["model"].(map[string]any)["info"].(map[string]any)["model_id"].(string)
			b.refused("GET", api+"/logged-models/"+mid+"/artifacts/directories", "", 400, "INVALID_PARAMETER_VALUE", "this server does not open it")
			b.ok("POST", api+"/registered-models/create", `{"name": "reg"}`)
			for _, source := range []string{uri + "/m", prefix + "/elsewhere/m", "runs:/" + run + "/m"} {
				b.ok("POST", api+"/model-versions/create", `{"name": "reg", "source": "`+source+`", "run_id": "`+run+`"}`)
			}
			b.refused("GET", "/model-versions/get-artifact?name=reg&version=1&path=MLmodel", "", 400, "INVALID_PARAMETER_VALUE", "this server does not open it")
			require.Equal(t, uri+"/m", b.ok("GET", api+"/model-versions/get-download-uri?name=reg&version=1", "")["artifact_uri"])

			b.made("below", prefix+"/team/x")
			for _, other := range []string{"s3://other/x", prefix + "x/y", "https://files.example.com/api/2.0/mlflow-artifacts/artifacts/p/x", "/etc", prefix + "/%2e%2e/x", prefix + "//x"} {
				body := `{"name": "bad", "artifact_location": "` + other + `"}`
				b.refused("POST", api+"/experiments/create", body, 400, "INVALID_PARAMETER_VALUE", "nvalid artifact location")
				w := b.do("POST", api+"/model-versions/create", `{"name": "reg", "source": "`+other+`", "run_id": "`+run+`"}`)
				require.Equal(t, 400, w.Code, other)
			}
		})
	}
}

// TestRootChanges: experiments keep the place that they were made with.
func TestRootChanges(t *testing.T) {
	dir, roots := t.TempDir(), []string{"", filepath.ToSlash(t.TempDir()), "s3://bucket", filepath.ToSlash(t.TempDir()), ""}
	var runs []string
	for i, root := range roots {
		db, err := runstone.Open(dir, &runstone.Options{NoSystemInfo: true, ArtifactRoot: root})
		require.NoError(t, err)
		opt := &Options{}
		if strings.HasPrefix(root, "/") {
			opt.RootFiles, err = artifact.OpenShared(root)
			require.NoError(t, err)
		}
		s, err := New(db, opt)
		require.NoError(t, err)
		b := &bench{t, db, s}
		_, run, _ := b.made("e"+string(rune('0'+i)), "")
		runs = append(runs, run)
		for j, run := range runs {
			want := http.StatusBadRequest
			if roots[j] == "" || roots[j] == root && root[0] == '/' {
				want = http.StatusOK
			}
			require.Equal(t, want, b.do("GET", api+"/artifacts/list?run_id="+run, "").Code, "%d: %d", i, j)
		}
		if opt.RootFiles != nil {
			require.NoError(t, opt.RootFiles.Close())
		}
		require.NoError(t, db.Close())
	}
}

// TestRootPermissions: a path of the root and the same one of the database's
// folder have owners of their own.
func TestRootPermissions(t *testing.T) {
	for _, root := range []string{filepath.ToSlash(t.TempDir()), "s3://bucket/p"} {
		g := newGuarded(t)
		b := rooted(t, root, Options{Access: g.users})
		g.bench = b
		experiment, err := b.db.CreateExperiment(t.Context(), "hers", nil)
		require.NoError(t, err)
		info, err := b.db.CreateRun(t.Context(), runstone.NewRun{ExperimentID: experiment})
		require.NoError(t, err)
		require.NoError(t, g.users.Grant("mallory", access.Grant{Kind: access.Experiment, ID: experiment, Level: access.Edit}))

		code, text := g.as("eve", "GET", api+"/artifacts/list?run_id="+info.ID, "")
		require.Equal(t, 403, code, text)
		code, text = g.as("eve", "POST", "/ajax-api/2.0/mlflow/upload-artifact?path=x&run_uuid="+info.ID, "x")
		require.Equal(t, 403, code, text)
		// Her folder is not one through the server: nobody owns it there.
		for user, want := range map[string]int{"eve": 403, "mallory": 403, "reader": 404, "admin": 404} {
			code, text = g.as(user, "GET", "/api/2.0/mlflow-artifacts/artifacts/"+experiment+"/"+info.ID+"/artifacts/f", "")
			require.Equal(t, want, code, "%s %s", user, text)
		}
		// Nobody gets in or around her folder, or where another will be.
		for _, location := range []string{root, root + "/" + experiment, root + "/" + experiment + "/x", info.ArtifactURI, root + "/123"} {
			code, text = g.as("eve", "POST", api+"/experiments/create", `{"name": "x", "artifact_location": "`+location+`"}`)
			require.Equal(t, 403, code, "%s: %s", location, text)
		}
		code, text = g.as("eve", "POST", api+"/experiments/create", `{"name": "eves", "artifact_location": "`+root+`/eve"}`)
		require.Equal(t, 200, code, text)
		code, text = g.as("mallory", "POST", api+"/experiments/create", `{"name": "m", "artifact_location": "`+root+`/eve/m"}`)
		require.Equal(t, 403, code, text)
		// A version of her files takes the right to them.
		require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Model, ID: "reg", Level: access.Manage}))
		code, text = g.as("eve", "POST", api+"/registered-models/create", `{"name": "reg"}`)
		require.Equal(t, 200, code, text)
		for _, source := range []string{info.ArtifactURI + "/m", root + "/" + experiment, "runs:/" + info.ID + "/m", root + "/unowned/m"} {
			code, text = g.as("eve", "POST", api+"/model-versions/create", `{"name": "reg", "source": "`+source+`"}`)
			require.Equal(t, 403, code, "%s: %s", source, text)
		}
	}
}
