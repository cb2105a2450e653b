package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// ancestry makes a run of an experiment that used a dataset and made a logged
// model, and a version of a registered model from that.
func (b *bench) ancestry(experiment, dataset, name string) (run, model string) {
	b.t.Helper()
	ctx := context.Background()
	info, err := b.db.CreateRun(ctx, runstone.NewRun{ExperimentID: experiment, Name: "train"})
	require.NoError(b.t, err)
	in := lineage.Input{Dataset: lineage.Dataset{Name: dataset, Digest: "d1", SourceType: "local", Source: "/x"}}
	require.NoError(b.t, b.db.LogInputs(ctx, info.ID, []lineage.Input{in}, nil))
	m, err := b.db.CreateLoggedModel(ctx, lineage.LoggedModel{ExperimentID: experiment, Name: "net", SourceRunID: info.ID})
	require.NoError(b.t, err)
	require.NoError(b.t, b.db.LogOutputs(ctx, info.ID, []lineage.Output{{ModelID: m.ModelID}}))
	require.NoError(b.t, b.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := lineage.CreateModel(tx, lineage.Author{At: 1}, name, "", nil); err != nil {
			return err
		}
		if _, err := lineage.CreateVersion(tx, lineage.Author{At: 1}, name, lineage.NewVersion{Source: "s", ModelID: m.ModelID}); err != nil {
			return err
		}
		_, err := lineage.Transition(tx, lineage.Author{At: 2}, name, 1, lineage.StageProduction, false)
		return err
	}))
	return info.ID, m.ModelID
}

type uiGraph struct {
	Nodes []uiNode
	Edges []uiEdge
	Full  bool
}

func readGraph(t testing.TB, text string) (g uiGraph) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &g), text)
	return g
}

// kinds returns the kinds of the nodes with their labels.
func (g *uiGraph) kinds() []string {
	var out []string
	for _, n := range g.Nodes {
		out = append(out, strings.TrimSpace(string(n.Kind)+" "+n.Label))
	}
	return out
}

func TestUILineage(t *testing.T) {
	b := newBench(t, nil)
	run, model := b.ancestry("0", "rows", "fraud")
	ask := func(body string) uiGraph {
		w := b.do("POST", uiAPI+"/lineage", body)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", body, w.Body)
		return readGraph(t, w.Body.String())
	}
	g := ask(fmt.Sprintf(`{"kind": "run", "id": [%q]}`, run))
	require.ElementsMatch(t, []string{"run train", "model net", "version fraud v1", "stage Production", "dataset rows"}, g.kinds())
	require.Len(t, g.Edges, 4)
	for _, n := range g.Nodes {
		switch n.Kind {
		case runstone.LineageRun:
			require.Equal(t, []string{run}, n.ID)
			require.Equal(t, "Default", n.ExpName)
			require.Equal(t, "RUNNING", n.Status)
		case runstone.LineageDataset:
			require.Equal(t, []string{"0", "rows", "d1"}, n.ID)
			require.Equal(t, "d1", n.Digest)
		case runstone.LineageModel:
			require.Equal(t, []string{model}, n.ID)
		case runstone.LineageVersion:
			require.Equal(t, []string{"fraud", "1"}, n.ID)
			require.Equal(t, "Production", n.Stage)
		}
	}
	require.ElementsMatch(t, []string{"run train", "dataset rows"}, func() []string {
		g := ask(fmt.Sprintf(`{"kind": "run", "id": [%q], "direction": "back"}`, run))
		return g.kinds()
	}())
	require.Contains(t, func() []string { g := ask(`{"kind": "stage", "id": ["fraud", "Production"]}`); return g.kinds() }(), "dataset rows")

	for range 40 {
		info, err := b.db.CreateRun(context.Background(), runstone.NewRun{ExperimentID: "0", Name: "more"})
		require.NoError(t, err)
		in := lineage.Input{Dataset: lineage.Dataset{Name: "rows", Digest: "d1", SourceType: "local", Source: "/x"}}
		require.NoError(t, b.db.LogInputs(context.Background(), info.ID, []lineage.Input{in}, nil))
	}
	start := `{"kind": "dataset", "id": ["0", "rows", "d1"]`
	g = ask(start + `, "fan": 5}`)
	require.Equal(t, uiBeyond{Count: 36}, g.Nodes[0].Forward)
	require.Len(t, g.Nodes, 1+5+3)
	g = ask(start + `, "fan": 5, "expand": [{"kind": "dataset", "id": ["0", "rows", "d1"], "direction": "forward", "fan": 60}]}`)
	require.Len(t, g.Nodes, 1+41+3)
	require.Equal(t, uiBeyond{}, g.Nodes[0].Forward)
	g = ask(start + `, "limit": 10, "fan": 200}`)
	require.Len(t, g.Nodes, 10)
	require.True(t, g.Full)
	g = ask(start + `, "depth": 1}`)
	require.Len(t, g.Nodes, 13)

	w := b.ok("GET", uiAPI+"/lineage-starts", "")
	require.Contains(t, fmt.Sprint(w), "runs:41")
	b.refused("POST", uiAPI+"/lineage", `{"kind": "run", "id": ["none"]}`, 404, "RESOURCE_DOES_NOT_EXIST", "run 'none' not found")
	for _, body := range []string{
		`{}`, `{"kind": "run"}`, `{"kind": "run", "id": []}`, `{"kind": "run", "id": ["a", "b"]}`, `{"kind": "hidden", "id": ["1"]}`, `{"kind": "x", "id": ["a"]}`,
		`{"kind": "run", "id": ["a"], "fan": 201}`, `{"kind": "run", "id": ["a"], "limit": 601}`, `{"kind": "run", "id": ["a"], "depth": 0}`, `{"kind": "version", "id": ["fraud", "one"]}`,
		`{"kind": "run", "id": ["a"], "expand": [{"kind": "run"}]}`, `{"kind": "run", "id": ["a"], "expand": [` + strings.Repeat(`{},`, 100) + `{}]}`,
	} {
		require.Equal(t, http.StatusBadRequest, b.do("POST", uiAPI+"/lineage", body).Code, body)
	}
}

// TestUILineagePermissions: what a user may not read is a node that says nothing
// of it, and nothing behind it is shown.
func TestUILineagePermissions(t *testing.T) {
	g := newGuarded(t)
	ctx := context.Background()
	mine, err := g.db.CreateExperiment(ctx, "mine", nil)
	require.NoError(t, err)
	secret, err := g.db.CreateExperiment(ctx, "secret project", nil)
	require.NoError(t, err)
	run, model := g.ancestry(mine, "rows", "open-model")
	g.ancestry(secret, "secret rows", "secret-model")
	other, err := g.db.CreateRun(ctx, runstone.NewRun{ExperimentID: secret, Name: "secret run"})
	require.NoError(t, err)
	require.NoError(t, g.db.LogInputs(ctx, other.ID, nil, []string{model}))
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: mine, Level: access.Read}))

	body := fmt.Sprintf(`{"kind": "run", "id": [%q]}`, run)
	code, text := g.as("eve", "POST", uiAPI+"/lineage", body)
	require.Equal(t, http.StatusOK, code, text)
	require.NotContains(t, text, "secret")
	require.NotContains(t, text, other.ID)
	require.NotContains(t, text, "open-model", "the registered model was not granted")
	graph := readGraph(t, text)
	require.ElementsMatch(t, []string{"run train", "model net", "dataset rows", "hidden"}, graph.kinds())
	require.Equal(t, 2, graph.Nodes[len(graph.Nodes)-1].Hidden)
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Model, ID: "open-model", Level: access.Read}))
	_, text = g.as("eve", "POST", uiAPI+"/lineage", body)
	graph = readGraph(t, text)
	require.ElementsMatch(t, []string{"run train", "model net", "dataset rows", "version open-model v1", "stage Production", "hidden"}, graph.kinds())

	for _, start := range []string{
		fmt.Sprintf(`{"kind": "run", "id": [%q]}`, other.ID), fmt.Sprintf(`{"kind": "dataset", "id": [%q, "secret rows", "d1"]}`, secret),
		`{"kind": "version", "id": ["secret-model", "1"]}`, `{"kind": "stage", "id": ["secret-model", "Production"]}`, `{"kind": "stage", "id": ["secret-model", "Staging"]}`,
	} {
		code, text := g.as("eve", "POST", uiAPI+"/lineage", start)
		require.Equal(t, http.StatusForbidden, code, start)
		require.NotContains(t, text, "secret")
		code, _ = g.as("admin", "POST", uiAPI+"/lineage", start)
		require.NotEqual(t, http.StatusForbidden, code, start)
	}
	code, text = g.as("eve", "GET", uiAPI+"/lineage-starts", "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, "rows")
	require.NotContains(t, text, "secret")
	_, text = g.as("reader", "GET", uiAPI+"/lineage-starts", "")
	require.Contains(t, text, "secret rows")
}

func TestUIStorage(t *testing.T) {
	b := newBench(t, nil)
	run, _ := b.ancestry("0", "rows", "fraud")
	b.put("0/"+run+"/artifacts/a.bin", strings.Repeat("x", 5000))
	b.put("0/"+run+"/artifacts/deep/b.bin", strings.Repeat("x", 300))
	b.put("0/models/m-1/artifacts/c.bin", strings.Repeat("x", 70))
	gone := b.run()
	b.put("0/"+gone+"/artifacts/d.bin", strings.Repeat("x", 1000))
	require.NoError(t, b.db.DeleteRun(context.Background(), gone))
	w := b.do("GET", uiAPI+"/storage", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var v uiStored
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
	require.Empty(t, v.Parts)
	require.EqualValues(t, []int64{6300, 70, 1}, []int64{v.Total.Artifacts, v.Total.Loose, v.Total.LooseFiles})
	require.Equal(t, run, v.Runs[0].ID)
	require.EqualValues(t, []int64{5300, 2}, []int64{v.Runs[0].Artifacts, v.Runs[0].Files})
	require.Positive(t, v.Runs[0].uiUsed.Rows)
	require.Len(t, v.Exps, 1)
	require.EqualValues(t, 1000, v.Exps[0].Deleted.Artifacts)
	require.Len(t, v.Old, len(storageAges))
	require.EqualValues(t, []int64{1, 1000}, []int64{int64(v.Old[0].Runs), v.Old[0].Artifacts})
	require.Zero(t, v.Old[1].Runs)
	groups := map[string]bool{}
	for _, r := range v.Rows {
		groups[r.Kind] = true
	}
	require.Subset(t, []string{"metrics", "runs", "index", "lineage", "names", "other"}, keysOf(groups))
	require.True(t, groups["lineage"] && groups["runs"] && groups["names"])

	b.put("0/"+run+"/artifacts/e.bin", strings.Repeat("x", 9))
	require.Equal(t, w.Body.String(), b.do("GET", uiAPI+"/storage", "").Body.String(), "kept for a while")
	w = b.do("GET", uiAPI+"/storage?fresh=true", "")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
	require.EqualValues(t, 6309, v.Total.Artifacts)
}

func keysOf(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}
