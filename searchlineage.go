package runstone

import (
	"context"
	"strconv"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// Lineage implements [plan.Batch].
func (b *segmentBatch) Lineage(ctx context.Context, l *tree.Lineage, sel index.Bits) error {
	return b.related(ctx, l, sel, b.Row)
}

// Lineage implements [plan.Batch].
func (b *recordBatch) Lineage(ctx context.Context, l *tree.Lineage, sel index.Bits) error {
	return b.related(ctx, l, sel, b.Row)
}

func (r *runSource) related(ctx context.Context, l *tree.Lineage, sel index.Bits, row func(int) uint32) error {
	runs, ok := r.relations[l]
	if !ok {
		k := &kinship{ctx: ctx, r: r, runs: map[uint32]bool{}}
		if err := k.find(l); err != nil {
			return err
		}
		if r.relations == nil {
			r.relations = map[*tree.Lineage]map[uint32]bool{}
		}
		runs = k.runs
		r.relations[l] = runs
	}
	sel.Each(func(i int) {
		if !runs[row(i)] {
			sel.Clear(i)
		}
	})
	return nil
}

// kinship collects the runs that stand in a relation to a thing. The edges that
// there are: a run uses datasets and logged models and makes logged models; a
// version of a registered model is made of a run or of a logged model.
type kinship struct {
	ctx  context.Context
	r    *runSource
	runs map[uint32]bool
}

func (k *kinship) find(l *tree.Lineage) error {
	models, runs, err := k.thing(l)
	if err != nil {
		return err
	}
	switch l.Verb {
	case tree.Used:
		if l.Kind == "dataset" {
			return k.add(runs)
		}
		return k.usersOf(models)
	case tree.Produced:
		if l.Kind == "model" {
			return k.add(runs)
		}
		return nil
	case tree.UpstreamOf:
		if l.Kind == "model" { // its runs are upstream already
			if err := k.add(runs); err != nil {
				return err
			}
		}
		if l.Kind != "dataset" {
			return k.ancestors(runs)
		}
		return nil
	}
	if l.Kind == "dataset" {
		if err := k.add(runs); err != nil {
			return err
		}
		return k.descendants(runs)
	}
	if l.Kind == "run" {
		return k.descendants(runs)
	}
	return k.below(models)
}

func (k *kinship) add(runs []uint32) error {
	for _, run := range runs {
		k.runs[run] = true
	}
	return nil
}

// thing returns the logged models that are a thing or were made with it, and its
// runs: those that used a dataset, that made a model, or the run itself. Of a
// batch nothing is known.
func (k *kinship) thing(l *tree.Lineage) (models []string, runs []uint32, err error) {
	tx := k.r.tx
	switch l.Kind {
	case "dataset":
		digest := ""
		if len(l.Args) > 1 {
			digest = l.Args[1]
		}
		for run, err := range lineage.RunsOfDataset(tx, l.Args[0], digest) {
			if err == nil {
				err = k.ctx.Err()
			}
			if err != nil {
				return nil, nil, err
			}
			runs = append(runs, run)
		}
	case "run":
		run, ok, err := tx.Ord(kindRun, l.Args[0])
		if err != nil || !ok {
			return nil, nil, err
		}
		outputs, err := lineage.Outputs(tx, run)
		for _, o := range outputs {
			models = append(models, o.ModelID)
		}
		return models, []uint32{run}, err
	case "model":
		for v, err := range lineage.Versions(tx) {
			if err == nil {
				err = k.ctx.Err()
			}
			if err != nil {
				return nil, nil, err
			}
			if v.Model != l.Args[0] || len(l.Args) > 1 && strconv.Itoa(v.Version) != l.Args[1] {
				continue
			}
			if id := v.LoggedModelID(); id != "" {
				models = append(models, id)
			}
			if run, ok, err := tx.Ord(kindRun, v.RunID); err != nil {
				return nil, nil, err
			} else if ok {
				runs = append(runs, run)
			}
		}
	}
	return models, runs, nil
}

// usersOf adds the runs that have one of some logged models as an input.
func (k *kinship) usersOf(models []string) error {
	for _, id := range models {
		for run, err := range lineage.RunsOfModel(k.r.tx, lineage.ModelInput, id) {
			if err == nil {
				err = k.ctx.Err()
			}
			if err != nil {
				return err
			}
			k.runs[run] = true
		}
	}
	return nil
}

// below adds the runs that use some models, and everything behind them.
func (k *kinship) below(models []string) error {
	before := len(k.runs)
	if err := k.usersOf(models); err != nil || len(k.runs) == before {
		return err
	}
	var users []uint32
	for run := range k.runs {
		users = append(users, run)
	}
	return k.descendants(users)
}

// descendants adds the runs that use what runs made, and so on.
func (k *kinship) descendants(runs []uint32) error {
	return k.walk(runs, func(tx *store.Tx, run uint32, found func(uint32)) error {
		outputs, err := lineage.Outputs(tx, run)
		if err != nil {
			return err
		}
		for _, o := range outputs {
			for user, err := range lineage.RunsOfModel(tx, lineage.ModelInput, o.ModelID) {
				if err != nil {
					return err
				}
				found(user)
			}
		}
		return nil
	})
}

// ancestors adds the runs that made what runs use, and so on.
func (k *kinship) ancestors(runs []uint32) error {
	return k.walk(runs, func(tx *store.Tx, run uint32, found func(uint32)) error {
		inputs, err := lineage.ModelInputs(tx, run)
		if err != nil {
			return err
		}
		for _, id := range inputs {
			for maker, err := range lineage.RunsOfModel(tx, lineage.ModelOutput, id) {
				if err != nil {
					return err
				}
				found(maker)
			}
		}
		return nil
	})
}

// walk adds what next finds from runs on, each run once.
func (k *kinship) walk(runs []uint32, next func(tx *store.Tx, run uint32, found func(uint32)) error) error {
	seen := map[uint32]bool{}
	for len(runs) > 0 {
		if err := k.ctx.Err(); err != nil {
			return err
		}
		run := runs[len(runs)-1]
		runs = runs[:len(runs)-1]
		if seen[run] {
			continue
		}
		seen[run] = true
		err := next(k.r.tx, run, func(other uint32) {
			k.runs[other] = true
			runs = append(runs, other)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
