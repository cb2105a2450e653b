package server

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// What came out of what, for the web UI: a graph around one thing, and things to
// begin with. What the user may not read is a node that says no more than that.

// Bounds of a graph.
const (
	maxUIDepth  = 20
	maxUIFan    = 200 // neighbours of a node on one side
	maxUINodes  = 600
	maxUIExpand = 100
	uiStarts    = 24   // datasets to begin with
	uiStartScan = 2000 // datasets that are looked at for them
)

// idParts are how many texts the id of each kind has.
var idParts = map[runstone.LineageKind]int{
	runstone.LineageDataset: 3, runstone.LineageRun: 1, runstone.LineageModel: 1,
	runstone.LineageVersion: 2, runstone.LineageStage: 2, runstone.LineageAlias: 2,
}

// uiNode is a node of a graph. Which of the facts it has is of its kind.
type uiNode struct {
	Kind       runstone.LineageKind `json:"kind"`
	ID         []string             `json:"id"`
	Label      string               `json:"label"`
	Experiment string               `json:"experiment_id,omitempty"`
	ExpName    string               `json:"experiment_name,omitempty"`
	Status     string               `json:"status,omitempty"`
	Stage      string               `json:"stage,omitempty"`
	Aliases    []string             `json:"aliases,omitempty"`
	Digest     string               `json:"digest,omitempty"`
	SourceType string               `json:"source_type,omitempty"`
	Source     string               `json:"source,omitempty"`
	Type       string               `json:"type,omitempty"`
	User       string               `json:"user,omitempty"`
	Note       string               `json:"note,omitempty"`
	Time       int64                `json:"time,omitempty"` // of its start or creation, Unix ms
	End        int64                `json:"end,omitempty"`
	Deleted    bool                 `json:"deleted,omitempty"`
	Gone       bool                 `json:"gone,omitempty"`
	Hidden     int                  `json:"hidden,omitempty"`
	Forward    uiBeyond             `json:"forward"`
	Back       uiBeyond             `json:"back"`
}

// uiBeyond counts neighbours that are not in the graph.
type uiBeyond struct {
	Count int  `json:"count"`
	Open  bool `json:"open"`
}

type uiEdge struct {
	From    int    `json:"from"`
	To      int    `json:"to"`
	Role    string `json:"role"`
	Context string `json:"context,omitempty"`
}

// maxNote bounds a description in a node, in bytes.
const maxNote = 500

// uiLineage answers the graph around a thing.
func (s *Server) uiLineage(ctx context.Context, a args) (any, error) {
	start := a.lineageID()
	opt := &runstone.LineageOptions{
		Depth: int(a.int("depth", 8)), Fan: int(a.int("fan", 12)), Limit: int(a.int("limit", 150)),
	}
	if opt.Depth < 1 || opt.Depth > maxUIDepth || opt.Fan < 1 || opt.Fan > maxUIFan || opt.Limit < 1 || opt.Limit > maxUINodes {
		a.fail(badRequest("A graph has 1 to %d steps, %d neighbours of a node and %d nodes.", maxUIDepth, maxUIFan, maxUINodes))
	}
	switch a.enum("direction", "", "both", "forward", "back") {
	case "forward":
		opt.Ways = []runstone.LineageWay{runstone.LineageForward}
	case "back":
		opt.Ways = []runstone.LineageWay{runstone.LineageBack}
	}
	more := a.objects("expand")
	if len(more) > maxUIExpand {
		a.fail(badRequest("At most %d nodes are expanded.", maxUIExpand))
		more = nil
	}
	for i := range more {
		e := runstone.LineageExpand{Of: more[i].lineageID(), Fan: int(more[i].int("fan", 50))}
		if more[i].enum("direction", "forward", "back") == "back" {
			e.Way = runstone.LineageBack
		}
		if e.Fan < 1 || e.Fan > maxUIFan {
			a.fail(badRequest("A node is expanded to 1 to %d neighbours.", maxUIFan))
		}
		opt.Expand = append(opt.Expand, e)
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	refused, asked := false, false // of the start, which is looked at first
	if u := userOf(ctx); u != nil && !u.Admin {
		opt.Sees = func(experiment, model string) bool {
			ok := model == "" && onExperiment(u, experiment, toRead) == nil || model != "" && onModel(u, model, toRead) == nil
			refused, asked = refused || !asked && !ok, true
			return ok
		}
	}
	g, err := s.db.Lineage(ctx, start, opt)
	if refused && errors.Is(err, runstone.ErrNotFound) {
		return nil, errForbidden
	}
	if err != nil {
		return nil, err
	}
	answer := struct {
		Nodes []uiNode `json:"nodes"`
		Edges []uiEdge `json:"edges"`
		Full  bool     `json:"full"`
	}{make([]uiNode, len(g.Nodes)), make([]uiEdge, len(g.Edges)), g.Full}
	for i, n := range g.Nodes {
		answer.Nodes[i] = newUINode(n)
	}
	for i, e := range g.Edges {
		answer.Edges[i] = uiEdge{e.From, e.To, e.Role, e.Context}
	}
	return answer, nil
}

// lineageID reads "kind" and "id", a list of as many texts as the kind has.
func (a *args) lineageID() runstone.LineageID {
	kind, id := runstone.LineageKind(a.need("kind")), a.strs("id")
	parts := idParts[kind]
	switch {
	case kind == "":
		return runstone.LineageID{}
	case parts == 0:
		a.fail(badRequest("'%s' is no kind of thing that has a lineage.", cutEcho(string(kind))))
		return runstone.LineageID{}
	case len(id) != parts:
		a.fail(badRequest("The id of a %s is a list of %d.", kind, parts))
		return runstone.LineageID{}
	}
	id = append(slices.Clone(id), "", "")
	return runstone.LineageID{Kind: kind, A: id[0], B: id[1], C: id[2]}
}

func newUINode(n *runstone.LineageNode) uiNode {
	u := uiNode{
		Kind: n.ID.Kind, ID: []string{n.ID.A, n.ID.B, n.ID.C}[:max(1, idParts[n.ID.Kind])], Label: n.ID.A, ExpName: n.Experiment,
		Hidden: n.Hidden, Forward: uiBeyond(n.More[runstone.LineageForward]), Back: uiBeyond(n.More[runstone.LineageBack]),
	}
	switch {
	case n.Dataset != nil:
		d := n.Dataset
		u.Label, u.Experiment, u.Digest, u.SourceType, u.Source = d.Name, d.ExperimentID, d.Digest, d.SourceType, cutNote(d.Source)
	case n.Run != nil:
		r := n.Run
		u.Label, u.Experiment, u.Status, u.User = r.Name, r.ExperimentID, r.Status.String(), r.User
		u.Time, u.End, u.Deleted = r.Start, r.End, r.Deleted
	case n.Model != nil:
		m := n.Model
		u.Label, u.Experiment, u.Status, u.Type = m.Name, m.ExperimentID, m.Status, m.ModelType
		u.Time, u.Deleted = m.CreatedAt, m.Deleted
	case n.Version != nil:
		v := n.Version
		u.Label, u.Status, u.Aliases = v.Model+" v"+n.ID.B, v.Status, v.Aliases
		u.User, u.Note, u.Time, u.Source = v.UserID, cutNote(v.Description), v.CreatedAt, cutNote(v.Source)
		if v.Stage != lineage.StageNone {
			u.Stage = v.Stage
		}
	case n.ID.Kind == runstone.LineageStage, n.ID.Kind == runstone.LineageAlias:
		u.Label = n.ID.B
	case n.ID.Kind == runstone.LineageHidden:
		u.Label = ""
	default:
		u.Gone = true
	}
	return u
}

func cutNote(s string) string {
	if len(s) > maxNote {
		return strings.ToValidUTF8(s[:maxNote], "") + "…"
	}
	return s
}

// uiLineageStarts answers the newest datasets, with how many runs used them.
func (s *Server) uiLineageStarts(ctx context.Context, a args) (any, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	type entry struct {
		uiNode
		Runs int  `json:"runs"`
		Open bool `json:"runs_open"`
	}
	found := []entry{}
	u := userOf(ctx)
	names := map[string]string{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		looked := 0
		for d, err := range lineage.NewestDatasets(tx) {
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			if looked++; looked > uiStartScan || len(found) == uiStarts {
				break
			}
			if u != nil && !u.SeesAll(access.Experiment) && onExperiment(u, d.ExperimentID, toRead) != nil {
				continue
			}
			id := runstone.LineageID{Kind: runstone.LineageDataset, A: d.ExperimentID, B: d.Name, C: d.Digest}
			e := entry{uiNode: newUINode(&runstone.LineageNode{ID: id, Dataset: &d})}
			for _, err := range d.NewestRuns(tx) {
				if err != nil {
					return err
				}
				if e.Runs == maxUIFan {
					e.Open = true
					break
				}
				e.Runs++
			}
			found = append(found, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range found {
		id := found[i].Experiment
		if names[id] == "" {
			x, err := s.db.Experiment(ctx, id)
			if err != nil {
				return nil, err
			}
			names[id] = x.Name
		}
		found[i].ExpName = names[id]
	}
	return struct {
		Datasets []entry `json:"datasets"`
	}{found}, nil
}
