package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
)

type changesPage struct {
	Changes []uiChange
	Next    int
}

func (p *changesPage) lines() []string {
	var out []string
	for _, c := range p.Changes {
		out = append(out, fmt.Sprintf("%s: %s v%d %s|%s|%s: %s", c.User, c.Action, c.Version, c.Key, c.Old, c.New, c.Reason))
	}
	return out
}

// answer reads an answer of the web UI's own API.
func answer[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// TestUIHistory: who, when, what and why, of changes made through MLflow's API.
func TestUIHistory(t *testing.T) {
	g := newGuarded(t)
	th := g.things(1)
	name := th.model
	post := func(user, path, body string, args ...any) {
		t.Helper()
		g.want(200, user, "POST", path, fmt.Sprintf(body, args...))
	}
	post("editor", "/model-versions/create", `{"name":%q,"source":"runs:/%s/m","run_id":%q}`, name, th.run, th.run)
	post("editor", "/model-versions/transition-stage", `{"name":%q,"version":"1","stage":"production"}`, name)
	post("manager", "/model-versions/transition-stage",
		`{"name":%q,"version":"2","stage":"Production","archive_existing_versions":true,"comment":" AUC on site B 0.91 "}`, name)
	post("manager", "/registered-models/alias", `{"name":%q,"alias":"champion","version":"2","comment":"reviewed"}`, name)
	post("manager", "/registered-models/set-tag", `{"name":%q,"key":"k","value":"v"}`, name)
	path := uiAPI + "/model-history?name=" + name
	p := answer[changesPage](t, g.want(200, "reader", "GET", path, ""))
	require.Equal(t, []string{
		"manager: tag set v0 k||v: ", "manager: alias set v2 champion||2: reviewed", "manager: moved v2 |None|Production: AUC on site B 0.91",
		"manager: moved v1 |Production|Archived: AUC on site B 0.91", "editor: moved v1 |None|Production: ",
		"editor: created v2 ||runs:/" + th.run + "/m: ", ": created v1 ||runs:/" + th.run + "/m: ", ": created v0 ||model-1: ",
	}, p.lines())
	require.Zero(t, p.Next)
	var paged []string
	for before := 0; ; {
		p := answer[changesPage](t, g.want(200, "reader", "GET", fmt.Sprintf("%s&max_results=3&before=%d", path, before), ""))
		paged = append(paged, p.lines()...)
		if before = p.Next; before == 0 {
			break
		}
	}
	require.Equal(t, p.lines(), paged)
	one := answer[changesPage](t, g.want(200, "reader", "GET", path+"&version=1", ""))
	require.Equal(t, append(append([]string{}, p.lines()[3:5]...), p.lines()[6]),
		one.lines())
	g.want(403, "none", "GET", path, "")
	g.want(404, "reader", "GET", uiAPI+"/model-history?name=nope", "")
	g.want(400, "reader", "GET", path+"&before=-1", "")
	g.want(400, "reader", "GET", path+"&max_results=1001", "")
	long := strings.Repeat("é", lineage.MaxReason+1)
	g.want(400, "editor", "POST", "/model-versions/transition-stage", fmt.Sprintf(`{"name":%q,"version":"2","stage":"None","comment":%q}`, name, long))
	g.want(200, "manager", "POST", "/registered-models/rename", fmt.Sprintf(`{"name":%q,"new_name":"n <b> é %%"}`, name))
	p = answer[changesPage](t, g.want(200, "admin", "GET", uiAPI+"/model-history?name="+url.QueryEscape("n <b> é %"), ""))
	require.Equal(t, "manager: renamed v0 |model-1|n <b> é %: ", p.lines()[0])
	require.Len(t, p.Changes, 9)
}

type versionsPage struct {
	Versions []struct {
		Version string
		Aliases []string
		Metrics map[string]any
		MadeBy  *uiSourceRun `json:"source_run"`
	}
	Next, Total int
	Keys        []string `json:"metric_keys"`
}

func TestUIVersions(t *testing.T) {
	g := newGuarded(t)
	th := g.things(1)
	ctx := t.Context()
	var runs []string
	for i := range 3 {
		info, err := g.db.CreateRun(ctx, runstone.NewRun{ExperimentID: th.experiment, Name: fmt.Sprint("r", i)})
		require.NoError(t, err)
		runs = append(runs, info.ID)
		require.NoError(t, g.db.LogBatch(ctx, info.ID, runstone.Batch{Metrics: []runstone.Metric{
			{Name: "auc", Time: 1, Value: float64(i)}, {Name: "auc", Step: 1, Time: 2, Value: float64(i) + 0.5},
		}}))
		_, err = g.db.RegisterModel(ctx, th.model, info.ID, "m")
		require.NoError(t, err)
	}
	path := uiAPI + "/model-versions?name=" + th.model + "&metrics=auc&metrics=none"
	p := answer[versionsPage](t, g.want(200, "reader", "GET", path, ""))
	require.Equal(t, 4, p.Total)
	require.Equal(t, []string{"auc"}, p.Keys)
	require.Equal(t, "4", p.Versions[0].Version)
	require.Equal(t, map[string]any{"auc": 2.5}, p.Versions[0].Metrics)
	require.Equal(t, runs[2], p.Versions[0].MadeBy.ID)
	require.Equal(t, "r2", p.Versions[0].MadeBy.Name)
	require.Equal(t, th.experiment, p.Versions[0].MadeBy.Experiment)
	require.Nil(t, p.Versions[3].MadeBy, "version 1 has no run")

	p = answer[versionsPage](t, g.want(200, "reader", "GET", path+"&max_results=2", ""))
	require.Equal(t, 3, p.Next)
	p = answer[versionsPage](t, g.want(200, "reader", "GET", path+"&max_results=2&before=3", ""))
	require.Equal(t, "2", p.Versions[0].Version)
	require.Zero(t, p.Next)

	// One who may see the model and not the runs learns nothing of these.
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Model, ID: th.model, Level: access.Read}))
	p = answer[versionsPage](t, g.want(200, "eve", "GET", path, ""))
	require.Len(t, p.Versions, 4)
	require.Nil(t, p.Versions[0].MadeBy)
	require.Empty(t, p.Versions[0].Metrics)
	require.Empty(t, p.Keys)
	g.want(403, "mallory", "GET", path, "")
	g.want(400, "reader", "GET", path+"&before=-1", "")
}

// TestUIModelFiles: models among the files of a run, and the files of a version
// made of one.
func TestUIModelFiles(t *testing.T) {
	g := newGuarded(t)
	th := g.things(1)
	ctx := t.Context()
	for name, body := range map[string]string{
		"clf/MLmodel": "flavors: {}\n", "clf/data/weights.bin": "12345", "deep/er/model/MLmodel": "x", "MLmodel.txt": "no", "plots/roc.png": "p",
	} {
		_, err := g.db.PutArtifact(ctx, th.experiment+"/"+th.run+"/artifacts/"+name, strings.NewReader(body), artifact.PutOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, g.db.LogOutputs(ctx, th.run, []lineage.Output{{ModelID: th.logged}}))
	path := uiAPI + "/run-models?run_id=" + th.run
	type found struct {
		Models   []uiRunModel
		Versions []wireVersion
		Problem  string
	}
	f := answer[found](t, g.want(200, "reader", "GET", path, ""))
	root := "mlflow-artifacts:/" + th.experiment + "/" + th.run + "/artifacts"
	require.Equal(t, []uiRunModel{
		{ModelID: th.logged, Name: "lm", Source: "models:/" + th.logged},
		{Path: "clf", Name: "clf", Source: root + "/clf"},
		{Path: "deep/er/model", Name: "model", Source: root + "/deep/er/model"},
	}, f.Models)
	require.Empty(t, f.Versions)

	// Each is taken as the source of a version.
	for i, m := range f.Models {
		body, err := json.Marshal(map[string]string{"name": th.model, "source": m.Source, "run_id": th.run, "model_id": m.ModelID})
		require.NoError(t, err)
		text := g.want(200, "editor", "POST", "/model-versions/create", string(body))
		require.Contains(t, text, fmt.Sprintf(`"version": "%d"`, i+2))
	}
	f = answer[found](t, g.want(200, "reader", "GET", path, ""))
	require.Len(t, f.Versions, 3)
	type files struct {
		Location string
		Files    []wireFile
		Count    int
		Bytes    int64
		Problem  string
	}
	v := answer[files](t, g.want(200, "reader", "GET", uiAPI+"/model-files?version=3&name="+th.model, ""))
	require.Equal(t, files{root + "/clf", []wireFile{{Path: "MLmodel", Size: 12}, {Path: "data/weights.bin", Size: 5}}, 2, 17, ""}, v)
	g.want(403, "none", "GET", path, "")
	g.want(403, "none", "GET", uiAPI+"/model-files?version=3&name="+th.model, "")
	g.want(404, "reader", "GET", uiAPI+"/model-files?version=9&name="+th.model, "")
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: th.experiment, Level: access.Read}))
	f = answer[found](t, g.want(200, "eve", "GET", path, ""))
	require.Empty(t, f.Versions, "of a model that she may not see")
}

// TestUIModelFilesElsewhere: where this server opens nothing it says so.
func TestUIModelFilesElsewhere(t *testing.T) {
	b := newBench(t, &Options{SourceSchemes: []string{"s3"}})
	b.do("POST", api+"/registered-models/create", `{"name":"m"}`)
	w := b.do("POST", api+"/model-versions/create", `{"name":"m","source":"s3://bucket/model"}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	w = b.do("GET", uiAPI+"/model-files?name=m&version=1", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Contains(t, w.Body.String(), "not served here")
}
