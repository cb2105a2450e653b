package runstone

import (
	"context"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// LogInputs records datasets that a run used, and ids of logged models.
// Recording one again changes nothing.
func (db *DB) LogInputs(ctx context.Context, id string, inputs []lineage.Input, models []string) error {
	return db.do(ctx, db.opt.Durability, &runInputs{ID: id, Inputs: inputs, Models: models})
}

type runInputs struct {
	ID     string
	Inputs []lineage.Input
	Models []string
}

func (o *runInputs) kind() opKind { return kindRunInputs }

func (o *runInputs) apply(tx *store.Tx) error {
	run, row, err := loadActiveRun(tx, o.ID)
	if err != nil {
		return err
	}
	exp, err := tx.Text(kindExperiment, row.Experiment)
	if err != nil {
		return err
	}
	if err := index.Touch(tx, run); err != nil {
		return err
	}
	for _, in := range o.Inputs {
		if _, err := lineage.LogInput(tx, exp, run, in.Dataset, in.Tags); err != nil {
			return err
		}
	}
	for _, m := range o.Models {
		if err := lineage.LogModelInput(tx, run, m); err != nil {
			return err
		}
	}
	return nil
}

// LogOutputs records logged models that a run made.
func (db *DB) LogOutputs(ctx context.Context, id string, outputs []lineage.Output) error {
	return db.do(ctx, db.opt.Durability, &runOutputs{ID: id, Outputs: outputs})
}

type runOutputs struct {
	ID      string
	Outputs []lineage.Output
}

func (o *runOutputs) kind() opKind { return kindRunOutputs }

func (o *runOutputs) apply(tx *store.Tx) error {
	run, _, err := loadActiveRun(tx, o.ID)
	if err != nil {
		return err
	}
	// The index keeps nothing of outputs, but who keeps runs asks it too.
	if err := index.Touch(tx, run); err != nil {
		return err
	}
	for _, out := range o.Outputs {
		if err := lineage.LogModelOutput(tx, run, out); err != nil {
			return err
		}
	}
	return nil
}
