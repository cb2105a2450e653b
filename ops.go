package runstone

import (
	"context"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// Every change of experiments and runs is an op: a struct that says what was
// asked, and an apply method that decides and writes. The holder of the
// database applies it at once; a shared database leaves its bytes in the inbox
// and the holder applies them later. On disk an op is
//
//	offset  bytes  field
//	0       1      version (1)
//	1       1      kind
//	2       …      msgpack of the struct's fields in order
type op interface {
	kind() opKind
	apply(tx *store.Tx) error
}

type opKind byte

// The numbers are durable: never reuse one.
const (
	kindCreateExperiment opKind = 1
	kindRenameExperiment opKind = 2
	kindExperimentLife   opKind = 3
	kindExperimentTag    opKind = 4
	kindCreateRun        opKind = 5
	kindUpdateRun        opKind = 6
	kindRunLife          opKind = 7
	kindRunFields        opKind = 8
	kindRunInputs        opKind = 9
	kindRunOutputs       opKind = 10
	kindRecordArtifact   opKind = 11
	kindForgetArtifacts  opKind = 12
	kindModelHistory     opKind = 13
)

func newOp(k opKind) op {
	switch k {
	case kindCreateExperiment:
		return new(createExperiment)
	case kindRenameExperiment:
		return new(renameExperiment)
	case kindExperimentLife:
		return new(experimentLife)
	case kindExperimentTag:
		return new(experimentTag)
	case kindCreateRun:
		return new(createRun)
	case kindUpdateRun:
		return new(updateRun)
	case kindRunLife:
		return new(runLife)
	case kindRunFields:
		return new(runFields)
	case kindRunInputs:
		return new(runInputs)
	case kindRunOutputs:
		return new(runOutputs)
	case kindRecordArtifact:
		return new(recordArtifact)
	case kindForgetArtifacts:
		return new(forgetArtifacts)
	case kindModelHistory:
		return new(modelHistory)
	}
	return nil
}

const (
	opVersion = 1
	maxOp     = 2 << 20 // bytes of an op but runInputs
)

func encodeOp(o op) ([]byte, error) {
	body, err := record.Encode(o)
	if err != nil {
		return nil, err
	}
	return append([]byte{opVersion, byte(o.kind())}, body...), nil
}

// applyOp is what the store does with an op from an inbox.
func applyOp(tx *store.Tx, b []byte) error {
	if len(b) < 2 {
		return fmt.Errorf("op of %d bytes: %w", len(b), ErrCorrupt)
	}
	o := newOp(opKind(b[1]))
	if b[0] > opVersion || o == nil {
		return fmt.Errorf("op version %d kind %d: %w", b[0], b[1], ErrFuture)
	}
	if len(b) > maxOp && o.kind() != kindRunInputs { // only datasets are large
		return fmt.Errorf("op kind %d of %d bytes: %w", b[1], len(b), ErrCorrupt)
	}
	if err := record.Decode(b[2:], o); err != nil {
		return err
	}
	return o.apply(tx)
}

// checkSeries holds a series from an inbox to the rules for metric names.
func checkSeries(n store.SeriesName) error { return CheckKey(n.Metric, "Metric name", "name") }

// do applies an op now or, in a shared database, leaves it in the inbox.
func (db *DB) do(ctx context.Context, d Durability, o op) error {
	if db.store != nil {
		err := db.store.Update(ctx, d, o.apply)
		db.keeper.changed()
		return err
	}
	b, err := encodeOp(o)
	if err != nil {
		return err
	}
	return db.inbox.Op(ctx, d, b)
}

// runOrd returns the ordinal of a run.
func runOrd(tx *store.Tx, id string) (uint32, error) {
	ord, ok, err := tx.Ord(kindRun, id)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, notFound("Run with id=%s not found", id)
	}
	return ord, nil
}

// loadRun returns a run by id, deleted or not.
func loadRun(tx *store.Tx, id string) (uint32, *runRow, error) {
	ord, err := runOrd(tx, id)
	if err != nil {
		return 0, nil, err
	}
	var row runRow
	if err := tx.Load(runKey(ord), 1, &row); err != nil {
		return 0, nil, present(err, "run", id)
	}
	if row.Status == runPurged {
		return 0, nil, notFound("Run with id=%s not found", id)
	}
	return ord, &row, nil
}

// loadActiveRun returns a run that takes changes.
func loadActiveRun(tx *store.Tx, id string) (uint32, *runRow, error) {
	ord, row, err := loadRun(tx, id)
	if err == nil && row.Deleted {
		err = invalid("The run %s must be in the 'active' state. Current state is deleted.", id)
	}
	return ord, row, err
}

// present turns the absence of a row that another row refers to into damage.
func present(err error, what, id string) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s %s: its row is missing: %w", what, id, ErrCorrupt)
	}
	return err
}

// KV is a key and a string value: a param or a tag.
type KV = lineage.Tag
