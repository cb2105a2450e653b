package runstone

import (
	"encoding/binary"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// Dictionaries of package runstone.
const (
	kindExperiment store.Kind = 16 // experiment ids
	kindRun        store.Kind = 17 // run ids
	kindParam      store.Kind = 18 // param keys
	kindTag        store.Kind = 19 // tag keys of runs and experiments
)

func experimentKey(exp uint32) []byte { return tuple.Uint32(tuple.Key('e'), exp) }

func experimentNameKey(name string) []byte { return tuple.Text(tuple.Key('E'), name) }

func experimentTagKey(exp, key uint32) []byte {
	return tuple.Uint32(tuple.Uint32(tuple.Key('f'), exp), key)
}

func runKey(run uint32) []byte { return tuple.Uint32(tuple.Key('r'), run) }

func paramKey(run, key uint32) []byte { return tuple.Uint32(tuple.Uint32(tuple.Key('p'), run), key) }

func tagKey(run, key uint32) []byte { return tuple.Uint32(tuple.Uint32(tuple.Key('a'), run), key) }

func artifactKey(path string) []byte { return tuple.Text(tuple.Key('A'), path) }

// Rows, all version 1. Times are Unix ms; 0 is none unless said otherwise.

type experimentRow struct {
	Name             string
	Location         string
	Deleted          bool
	Created, Updated int64
}

type ordinalRow struct {
	Ord  uint32
	Text string // what the key hashes
}

type runRow struct {
	Experiment uint32
	Name       string
	User       string
	Status     uint8 // a RunStatus, with runPurging or not, or runPurged
	Start, End int64
	Deleted    bool
	DeletedAt  int64
	// WithExperiment is set when deleting the experiment deleted the run, so
	// that restoring the experiment restores it.
	WithExperiment bool
}

// runPurged is the status of a run of which nothing else is left, so that its
// id and its ordinal are not used again.
const runPurged = 255

// runPurging is added to the status of a deleted run whose artifacts may be gone
// already, so that it is not restored.
const runPurging = 128

func (r *runRow) status() RunStatus { return RunStatus(r.Status &^ runPurging) }
func (r *runRow) purging() bool     { return r.Status&runPurging != 0 }

// saveRun writes the row of a run, which the run index hears of.
func saveRun(tx *store.Tx, run uint32, row *runRow) error {
	if err := index.Touch(tx, run); err != nil {
		return err
	}
	return tx.Save(runKey(run), 1, row)
}

// saveText writes the row of a param or a tag, whose body is the value's bytes.
func saveText(tx *store.Tx, key []byte, value string) error {
	return tx.SaveBytes(key, 1, []byte(value))
}

func loadText(tx *store.Tx, key []byte) (string, error) {
	value, err := tx.LoadBytes(key, 1)
	return string(value), err
}

// eachValue calls fn for the params or the tags of a run.
func eachValue(tx *store.Tx, prefix []byte, fn func(key uint32, value string) error) error {
	for row, err := range tx.Prefix(prefix, false) {
		if err != nil {
			return err
		}
		value, err := row.Bytes(1)
		if err == nil {
			err = fn(lastOrd(row.Key), string(value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type artifactRow struct {
	Path   string
	Size   int64
	Digest string
	At     int64
}

func lastOrd(key []byte) uint32 { return binary.BigEndian.Uint32(key[len(key)-4:]) }
