package runstone

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// family is a small history: a dataset, a run that used it and made a logged
// model, a version of that in Production, and a run that measured the model on
// another dataset.
type family struct {
	t          testing.TB
	db         *DB
	experiment string
}

func newFamily(t testing.TB) *family {
	t.Helper()
	db := openDB(t, t.TempDir(), nil)
	id, err := db.CreateExperiment(context.Background(), "lab", nil)
	require.NoError(t, err)
	return &family{t, db, id}
}

func (f *family) run(name string, datasets ...string) string {
	f.t.Helper()
	ctx := context.Background()
	info, err := f.db.CreateRun(ctx, NewRun{ExperimentID: f.experiment, Name: name})
	require.NoError(f.t, err)
	var in []lineage.Input
	for _, d := range datasets {
		in = append(in, lineage.Input{
			Dataset: lineage.Dataset{Name: d, Digest: "d-" + d, SourceType: "local", Source: "/" + d},
			Tags:    []lineage.Tag{{Key: "mlflow.data.context", Value: "training"}},
		})
	}
	require.NoError(f.t, f.db.LogInputs(ctx, info.ID, in, nil))
	return info.ID
}

func (f *family) model(run, name string) string {
	f.t.Helper()
	ctx := context.Background()
	m, err := f.db.CreateLoggedModel(ctx, lineage.LoggedModel{ExperimentID: f.experiment, Name: name, SourceRunID: run})
	require.NoError(f.t, err)
	require.NoError(f.t, f.db.LogOutputs(ctx, run, []lineage.Output{{ModelID: m.ModelID}}))
	return m.ModelID
}

func (f *family) version(name, model, run, stage string) {
	f.t.Helper()
	require.NoError(f.t, f.db.Update(context.Background(), func(tx *store.Tx) error {
		if _, err := lineage.GetModel(tx, name); err != nil {
			if _, err := lineage.CreateModel(tx, lineage.Author{At: 1}, name, "", nil); err != nil {
				return err
			}
		}
		v, err := lineage.CreateVersion(tx, lineage.Author{At: 1}, name, lineage.NewVersion{Source: "s", ModelID: model, RunID: run})
		if err != nil || stage == "" {
			return err
		}
		if _, err = lineage.Transition(tx, lineage.Author{At: 2}, name, v.Version, stage, false); err != nil {
			return err
		}
		return lineage.SetAlias(tx, lineage.Author{At: 3}, name, "best", v.Version)
	}))
}

func (f *family) graph(start LineageID, opt *LineageOptions) *LineageGraph {
	f.t.Helper()
	g, err := f.db.Lineage(context.Background(), start, opt)
	require.NoError(f.t, err)
	return g
}

// names returns the nodes and edges as texts.
func (g *LineageGraph) names() (nodes, edges []string) {
	name := func(n *LineageNode) string {
		switch {
		case n.Run != nil:
			return n.Run.Name
		case n.Model != nil:
			return n.Model.Name
		case n.Dataset != nil:
			return n.Dataset.Name
		case n.ID.Kind == LineageHidden:
			return fmt.Sprintf("hidden %d", n.Hidden)
		}
		return n.ID.A + "/" + n.ID.B
	}
	for _, n := range g.Nodes {
		nodes = append(nodes, name(n))
	}
	for _, e := range g.Edges {
		edges = append(edges, name(g.Nodes[e.From])+" "+e.Role+" "+name(g.Nodes[e.To]))
	}
	return nodes, edges
}

func (f *family) dataset(name string) LineageID {
	return LineageID{LineageDataset, f.experiment, name, "d-" + name}
}

func TestLineageWalksFromDatasetToProduction(t *testing.T) {
	f := newFamily(t)
	train := f.run("train", "rows", "more")
	model := f.model(train, "net")
	f.version("fraud", model, "", "Production")
	check := f.run("check", "holdout")
	require.NoError(t, f.db.LogInputs(context.Background(), check, nil, []string{model}))
	old := f.run("old", "rows")
	f.version("fraud", "", old, "Archived")

	_, edges := f.graph(f.dataset("rows"), &LineageOptions{Ways: []LineageWay{LineageForward}}).names()
	require.ElementsMatch(t, []string{
		"rows used train", "rows used old", "train made net", "net registered fraud/1", "net input check",
		"old registered fraud/2", "fraud/1 stage fraud/Production", "fraud/2 stage fraud/Archived", "fraud/2 alias fraud/best",
	}, edges)

	g := f.graph(LineageID{Kind: LineageVersion, A: "fraud", B: "1"}, nil)
	nodes, edges := g.names()
	require.ElementsMatch(t, []string{"fraud/1", "fraud/Production", "net", "train", "rows", "more"}, nodes)
	require.Contains(t, edges, "rows used train")
	for i, e := range g.Edges {
		if e.Role == RoleUsed {
			require.Equal(t, "training", e.Context, edges[i])
		}
	}
	for _, n := range g.Nodes { // what is beside the way is counted
		switch {
		case n.Dataset != nil && n.Dataset.Name == "rows":
			require.Equal(t, 1, n.More[LineageForward].Count)
		case n.Model != nil:
			require.Equal(t, 1, n.More[LineageForward].Count)
		default:
			require.Zero(t, n.More[LineageForward].Count+n.More[LineageBack].Count, n.ID)
		}
	}
	nodes, _ = f.graph(LineageID{Kind: LineageVersion, A: "fraud", B: "1"}, &LineageOptions{Expand: []LineageExpand{{Of: f.dataset("rows"), Way: LineageForward, Fan: 50}}}).names()
	require.Contains(t, nodes, "old")
	require.Contains(t, nodes, "fraud/2")
	nodes, _ = f.graph(LineageID{Kind: LineageStage, A: "fraud", B: "Production"}, nil).names()
	require.Contains(t, nodes, "rows")
	nodes, _ = f.graph(LineageID{Kind: LineageAlias, A: "fraud", B: "best"}, nil).names()
	require.Contains(t, nodes, "old")
}

// TestLineageOfVersionsWhoseSourceNamesTheModel: MLflow's SQL stores have no column
// for the logged model of a version, and a client need not send it.
func TestLineageOfVersionsWhoseSourceNamesTheModel(t *testing.T) {
	ctx := context.Background()
	f := newFamily(t)
	train := f.run("train", "rows")
	model := f.model(train, "net")
	check := f.run("check")
	require.NoError(t, f.db.LogInputs(ctx, check, nil, []string{model}))
	source := "models:/" + model
	_, err := f.db.ImportModel(ctx, lineage.RegisteredModel{Name: "imported", LastVersion: 1}, []*lineage.ModelVersion{{
		Model: "imported", Version: 1, Source: source, StorageLocation: "s3://b/f", RunID: train, Status: lineage.VersionReady, Stage: lineage.StageNone,
	}})
	require.NoError(t, err)
	require.NoError(t, f.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := lineage.CreateModel(tx, lineage.Author{At: 1}, "created", "", nil); err != nil {
			return err
		}
		_, err := lineage.CreateVersion(tx, lineage.Author{At: 1}, "created", lineage.NewVersion{Source: source})
		return err
	}))
	f.version("fraud", "", train, "")
	require.NoError(t, f.db.Update(ctx, func(tx *store.Tx) error {
		_, err := lineage.CreateVersion(tx, lineage.Author{At: 1}, "created", lineage.NewVersion{Source: "models:/fraud/1"})
		return err
	}))
	for _, name := range []string{"imported", "created"} {
		_, edges := f.graph(LineageID{Kind: LineageVersion, A: name, B: "1"}, nil).names()
		require.ElementsMatch(t, []string{"net registered " + name + "/1", "train made net", "rows used train"}, edges)
		found, err := f.db.SearchRunIDs(ctx, "USED model('"+name+"')", nil)
		require.NoError(t, err)
		require.Equal(t, []string{check}, found.Items)
	}
	_, edges := f.graph(f.dataset("rows"), &LineageOptions{Ways: []LineageWay{LineageForward}}).names()
	require.ElementsMatch(t, []string{
		"rows used train", "train made net", "net input check", "net registered imported/1", "net registered created/1",
		"train registered created/2", "train registered fraud/1",
	}, edges)
}

func TestLineageIsBounded(t *testing.T) {
	f := newFamily(t)
	ids := []string{}
	for i := range 600 {
		ids = append(ids, f.run(fmt.Sprintf("r%03d", i), "rows"))
	}
	f.version("fraud", f.model(ids[300], "net"), "", "Production")
	began := time.Now()
	g := f.graph(f.dataset("rows"), nil)
	require.Less(t, time.Since(began), 20*time.Second)
	nodes, _ := g.names()
	require.Len(t, nodes, 1+12+4, "the one that leads on, and the newest")
	require.Equal(t, []string{"rows", "r300", "r599", "r598"}, nodes[:4])
	require.Equal(t, LineageMore{maxKin - 12, true}, g.Nodes[0].More[LineageForward])

	g = f.graph(f.dataset("rows"), &LineageOptions{Fan: 200, Limit: 50})
	require.True(t, g.Full)
	require.Len(t, g.Nodes, 50)
	g = f.graph(LineageID{Kind: LineageRun, A: ids[300]}, &LineageOptions{Depth: 1})
	nodes, _ = g.names()
	require.ElementsMatch(t, []string{"r300", "net", "rows"}, nodes)
	for _, n := range g.Nodes {
		if n.Model != nil {
			require.Equal(t, LineageMore{Count: 1}, n.More[LineageForward])
		}
		if n.Dataset != nil {
			require.True(t, n.More[LineageForward].Open)
		}
	}
}

func TestLineageOfWhatIsGoneOrUnseen(t *testing.T) {
	ctx := context.Background()
	f := newFamily(t)
	train := f.run("train", "rows")
	model := f.model(train, "net")
	f.version("fraud", model, "", "Production")
	f.version("fraud", "", "0123456789abcdef0123456789abcdef", "")
	require.NoError(t, f.db.DeleteRun(ctx, train))
	_, err := f.db.Purge(ctx, nil)
	require.NoError(t, err)
	g := f.graph(LineageID{Kind: LineageVersion, A: "fraud", B: "1"}, nil)
	require.Len(t, g.Nodes, 5) // version, stage, alias, model, and the run that is gone
	gone := 0
	for _, n := range g.Nodes {
		if n.ID.Kind == LineageRun {
			require.Nil(t, n.Run)
			gone++
		}
	}
	require.Equal(t, 1, gone)
	nodes, edges := f.graph(LineageID{Kind: LineageVersion, A: "fraud", B: "2"}, nil).names()
	require.Equal(t, []string{"fraud/2", "0123456789abcdef0123456789abcdef/"}, nodes)
	require.Len(t, edges, 1)

	opt := &LineageOptions{Sees: func(experiment, model string) bool { return model != "fraud" }}
	nodes, edges = f.graph(LineageID{Kind: LineageModel, A: model}, opt).names()
	require.ElementsMatch(t, []string{"net", train + "/", "hidden 1"}, nodes)
	require.Contains(t, edges, "net hidden hidden 1")
	for _, id := range []LineageID{
		{Kind: LineageVersion, A: "fraud", B: "1"}, {Kind: LineageRun, A: "none"}, {Kind: LineageVersion, A: "fraud", B: "77"},
		{Kind: LineageStage, A: "fraud", B: "Staging"}, {Kind: LineageAlias, A: "none", B: "x"}, {Kind: LineageDataset, A: "9", B: "x", C: "y"}, {Kind: LineageModel, A: "m-x"},
	} {
		_, err := f.db.Lineage(ctx, id, opt)
		require.ErrorIs(t, err, ErrNotFound, id)
	}
	_, err = f.db.Lineage(ctx, LineageID{Kind: "x"}, nil)
	require.ErrorIs(t, err, ErrInvalid)
}

// TestLineageOfHostileTags: a tag that lists tens of thousands of versions that are
// not there costs no more than a tag, and a graph ends with its context.
func TestLineageOfHostileTags(t *testing.T) {
	f := newFamily(t)
	ctx := context.Background()
	run := f.run("train")
	for i := range 30 {
		id := f.model(run, "net")
		list := strings.Builder{}
		for k := range 30_000 {
			fmt.Fprintf(&list, `, {"name": "n%d", "version": %d}`, i, k+1)
		}
		require.NoError(t, f.db.Update(ctx, func(tx *store.Tx) error {
			_, err := lineage.SetLoggedModelTags(tx, id, []lineage.Tag{{Key: "mlflow.modelVersions", Value: "[" + list.String()[2:] + "]"}})
			return err
		}))
		if i == 7 {
			f.version("fraud", id, run, lineage.StageProduction)
		}
	}
	g, err := f.db.Lineage(ctx, LineageID{Kind: LineageRun, A: run}, nil)
	require.NoError(t, err)
	require.Len(t, g.Nodes, 1+12+3, "the run, twelve models, and of the one that has them a version, its stage and alias")
	ended := &endsLater{Context: ctx, after: 5}
	_, err = f.db.Lineage(ended, LineageID{Kind: LineageRun, A: run}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// endsLater is a context that ends after it was asked some times.
type endsLater struct {
	context.Context
	after int
}

func (e *endsLater) Err() error {
	if e.after--; e.after < 0 {
		return context.Canceled
	}
	return nil
}
