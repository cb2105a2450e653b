package runstone

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// LineageKind says what a node of a [LineageGraph] is. A new kind is a constant, a
// case in load, which reads a node, and one in find, which lists its neighbours.
type LineageKind string

// Kinds of nodes, with what their ids are made of.
const (
	LineageDataset LineageKind = "dataset" // experiment id, name, digest
	LineageRun     LineageKind = "run"     // run id
	LineageModel   LineageKind = "model"   // id of a logged model
	LineageVersion LineageKind = "version" // name of the registered model, number
	LineageStage   LineageKind = "stage"   // name of the registered model, stage
	LineageAlias   LineageKind = "alias"   // name of the registered model, alias
	LineageHidden  LineageKind = "hidden"  // what the caller may not see; no id
)

// LineageID names a thing: a kind and one to three texts, as the kind says.
type LineageID struct {
	Kind    LineageKind
	A, B, C string
}

// LineageWay is a direction of a walk.
type LineageWay int

// Ways: to what was made of a thing, and to what it was made of.
const (
	LineageForward LineageWay = 0
	LineageBack    LineageWay = 1
)

// Roles of edges: what the first end is to the second.
const (
	RoleUsed       = "used"       // dataset → run
	RoleInput      = "input"      // logged model → run that used it
	RoleMeasured   = "measured"   // logged model → run that logged metrics about it
	RoleMade       = "made"       // run → logged model
	RoleRegistered = "registered" // run or logged model → version
	RoleStage      = "stage"      // version → stage it is in
	RoleAlias      = "alias"      // version → alias that names it
	RoleHidden     = "hidden"     // to or from what the caller may not see
)

// LineageOptions bound a walk; nil is the defaults.
type LineageOptions struct {
	Ways   []LineageWay // none is both
	Depth  int          // steps from the start; 0 is 8
	Fan    int          // neighbours of a node on one side; 0 is 12
	Limit  int          // nodes; 0 is 150
	Expand []LineageExpand
	// Sees decides whether the caller may see a thing of an experiment, by id, or
	// of a registered model, by name; the other is "". nil sees all.
	Sees func(experiment, model string) bool
}

// LineageExpand shows more of the neighbours of a node that is in the graph.
type LineageExpand struct {
	Of  LineageID
	Way LineageWay
	Fan int
}

// LineageGraph is a thing with what it was made of and what was made of it.
type LineageGraph struct {
	Nodes []*LineageNode // the start first
	Edges []LineageEdge
	Full  bool // the limit of nodes was met
}

// LineageNode is a node of a graph. Of Run, Dataset, Model and Version the one of
// its kind is set, unless the thing is not there any more.
type LineageNode struct {
	ID         LineageID
	Experiment string // name, for runs, datasets and logged models
	Run        *RunInfo
	Dataset    *lineage.DatasetHead
	Model      *lineage.LoggedModel
	Version    *lineage.ModelVersion
	Hidden     int            // things that a node of LineageHidden stands for
	More       [2]LineageMore // by way: neighbours that are not in the graph
}

// LineageMore counts neighbours that are not in a graph.
type LineageMore struct {
	Count int
	Open  bool // there are more than were counted
}

// LineageEdge leads from what was there first to what was made of it.
type LineageEdge struct {
	From, To int // in Nodes
	Role     string
	Context  string // of a dataset's use, such as "training"
}

// Bounds of the work of one graph.
const (
	maxKin     = 500    // neighbours of a node that are looked at
	glanceKin  = 100    // the same where they are only counted
	maxKinRead = 20_000 // neighbours of all nodes; then every node has a glance of few
)

// Lineage walks from a thing. What a limit leaves out is counted where it was: a
// dataset of 100,000 runs costs what its newest few hundred do. [ErrNotFound] for
// the start.
func (db *DB) Lineage(ctx context.Context, start LineageID, opt *LineageOptions) (*LineageGraph, error) {
	w := &lineageWalk{ctx: ctx, at: map[LineageID]int{}, hidden: map[side]int{}, lists: map[side]kinList{}, left: maxKinRead, names: map[string]string{}}
	if opt != nil {
		w.opt = *opt
	}
	w.opt.Depth, w.opt.Fan, w.opt.Limit = cmp.Or(w.opt.Depth, 8), cmp.Or(w.opt.Fan, 12), cmp.Or(w.opt.Limit, 150)
	if len(w.opt.Ways) == 0 {
		w.opt.Ways = []LineageWay{LineageForward, LineageBack}
	}
	err := db.View(ctx, func(tx *store.Tx) error {
		w.tx = tx
		return w.graph(start)
	})
	if err != nil {
		return nil, err
	}
	return &w.out, nil
}

// side is one side of a thing.
type side struct {
	of  LineageID
	way LineageWay
}

// lineageWalk collects a graph in one view.
type lineageWalk struct {
	ctx    context.Context
	tx     *store.Tx
	opt    LineageOptions
	out    LineageGraph
	at     map[LineageID]int // in out.Nodes
	hidden map[side]int      // neighbours that may not be seen
	lists  map[side]kinList
	left   int               // neighbours that may still be looked at
	names  map[string]string // of experiments by id
}

func (w *lineageWalk) graph(start LineageID) error {
	n, seen, err := w.load(start)
	if err != nil {
		return err
	}
	there := n.known()
	if start.Kind == LineageStage || start.Kind == LineageAlias {
		list, err := w.neighbours(side{start, LineageBack}, maxKin)
		if err != nil {
			return err
		}
		there = len(list.kin) > 0
	}
	if !seen || !there {
		return notFound("%s '%s' not found", start.Kind, start.A)
	}
	w.add(n)
	for _, way := range w.opt.Ways {
		if err := w.walk(side{n.ID, way}, w.opt.Fan); err != nil {
			return err
		}
	}
	for _, e := range w.opt.Expand {
		if _, ok := w.at[e.Of]; ok {
			if err := w.walk(side{e.Of, e.Way}, e.Fan); err != nil {
				return err
			}
		}
	}
	return w.connect()
}

// known reports whether the thing is there.
func (n *LineageNode) known() bool {
	return n.Run != nil || n.Dataset != nil || n.Model != nil || n.Version != nil
}

func (w *lineageWalk) add(n *LineageNode) {
	w.at[n.ID] = len(w.out.Nodes)
	w.out.Nodes = append(w.out.Nodes, n)
}

// walk adds what lies on one side of a thing, nearest first.
func (w *lineageWalk) walk(from side, fan int) error {
	type step struct {
		of    LineageID
		depth int
	}
	queue := []step{{from.of, 0}}
	for i := 0; i < len(queue); i++ {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		s := queue[i]
		if s.depth == w.opt.Depth {
			continue
		}
		added, err := w.grow(side{s.of, from.way}, fan)
		if err != nil {
			return err
		}
		for _, id := range added {
			queue = append(queue, step{id, s.depth + 1})
		}
		fan = w.opt.Fan // that of the call is of its first node alone
	}
	return nil
}

// grow adds up to fan neighbours to those that a node has on a side already.
func (w *lineageWalk) grow(s side, fan int) (added []LineageID, err error) {
	list, err := w.neighbours(s, maxKin)
	if err != nil {
		return nil, err
	}
	order := list.kin
	if len(order) > fan {
		if order, err = w.ranked(order); err != nil {
			return nil, err
		}
	}
	hidden, shown := 0, 0
	for _, k := range order {
		if shown == fan {
			break
		}
		if _, ok := w.at[k.id]; ok {
			shown++
			continue
		}
		n, seen, err := w.load(k.id)
		if err != nil {
			return nil, err
		}
		if !seen {
			hidden++
			continue
		}
		if len(w.out.Nodes) >= w.opt.Limit {
			w.out.Full = true
			break
		}
		shown++
		w.add(n)
		added = append(added, k.id)
	}
	w.hidden[s] = max(w.hidden[s], hidden)
	return added, nil
}

// ranked puts first what leads to registered versions, then what made models.
func (w *lineageWalk) ranked(list []kin) ([]kin, error) {
	out := slices.Clone(list)
	for i := range out {
		err := w.ctx.Err()
		if err == nil {
			out[i].rank, err = w.rank(&out[i])
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b kin) int { return -cmp.Compare(a.rank, b.rank) })
	return out, nil
}

// connect adds the edges between nodes, and counts what is not in the graph.
func (w *lineageWalk) connect() error {
	known := map[[2]int]int{} // edges by their ends, plus 1
	nodes := w.out.Nodes
	for i, n := range nodes {
		for way := LineageForward; way <= LineageBack; way++ {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			s := side{n.ID, way}
			list, err := w.neighbours(s, glanceKin)
			if err != nil {
				return err
			}
			shown := 0
			for _, k := range list.kin {
				j, ok := w.at[k.id]
				if !ok {
					continue
				}
				shown++
				ends := [2]int{i, j}
				if way == LineageBack {
					ends = [2]int{j, i}
				}
				if at := known[ends]; at > 0 {
					w.out.Edges[at-1].Context = cmp.Or(w.out.Edges[at-1].Context, k.context)
					continue
				}
				w.out.Edges = append(w.out.Edges, LineageEdge{ends[0], ends[1], k.role, k.context})
				known[ends] = len(w.out.Edges)
			}
			n.More[way] = LineageMore{max(0, len(list.kin)-shown-w.hidden[s]), list.open}
			if w.hidden[s] > 0 {
				w.hide(i, way, w.hidden[s])
			}
		}
	}
	return nil
}

// hide adds one node for all neighbours of a node that may not be seen.
func (w *lineageWalk) hide(of int, way LineageWay, count int) {
	h := len(w.out.Nodes)
	w.out.Nodes = append(w.out.Nodes, &LineageNode{ID: LineageID{Kind: LineageHidden, A: strconv.Itoa(h)}, Hidden: count})
	if way == LineageForward {
		w.out.Edges = append(w.out.Edges, LineageEdge{From: of, To: h, Role: RoleHidden})
	} else {
		w.out.Edges = append(w.out.Edges, LineageEdge{From: h, To: of, Role: RoleHidden})
	}
}

// load reads a node, and reports whether the caller may see it. What an edge
// names and is not there any more makes a node of nothing but its id.
func (w *lineageWalk) load(id LineageID) (n *LineageNode, seen bool, err error) {
	n = &LineageNode{ID: id}
	experiment, model := "", ""
	switch id.Kind {
	case LineageDataset:
		var d lineage.DatasetHead
		if d, err = lineage.FindDataset(w.tx, id.A, id.B, id.C); err == nil {
			n.Dataset, experiment = &d, d.ExperimentID
		}
	case LineageRun:
		var row *runRow
		if _, row, err = loadRun(w.tx, id.A); err == nil {
			var info RunInfo
			if info, err = row.info(w.tx, id.A); err == nil {
				n.Run, experiment = &info, info.ExperimentID
			}
		}
	case LineageModel:
		if n.Model, err = lineage.GetLoggedModel(w.tx, id.A, true); err == nil {
			experiment = n.Model.ExperimentID
		}
	case LineageVersion:
		model = id.A
		number, aerr := strconv.Atoi(id.B)
		if aerr != nil {
			return nil, false, invalid("a version is a number, not '%s'", id.B)
		}
		n.Version, err = lineage.GetVersion(w.tx, id.A, number)
	case LineageStage, LineageAlias:
		model = id.A
	default:
		return nil, false, invalid("'%s' is no kind of thing that has a lineage", string(id.Kind))
	}
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	if err != nil {
		return nil, false, err
	}
	if experiment != "" {
		if n.Experiment, err = w.experiment(experiment); err != nil {
			return nil, false, err
		}
	}
	seen = w.opt.Sees == nil || experiment == "" && model == "" || w.opt.Sees(experiment, model)
	return n, seen, nil
}

// experiment returns the name of an experiment.
func (w *lineageWalk) experiment(id string) (string, error) {
	if name, ok := w.names[id]; ok {
		return name, nil
	}
	_, row, err := loadExperiment(w.tx, id)
	if err != nil {
		return "", err
	}
	w.names[id] = row.Name
	return row.Name, nil
}
