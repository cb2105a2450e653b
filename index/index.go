// Package index answers which runs a search has to look at, and keeps the best
// of what it found.
//
//	'x' experiment, run → nothing; the runs of an experiment
//
// Both are uint32 ordinals. The row is written in the transaction that creates
// the run, so it cannot be missing or left behind. This is the whole index for
// now: filters are evaluated on the rows of each run. What a faster one needs
// to know of a change passes through here.
package index

import (
	"encoding/binary"
	"iter"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

type member struct{}

func memberKey(experiment, run uint32) []byte {
	return tuple.Uint32(tuple.Uint32(tuple.Key('x'), experiment), run)
}

// AddRun puts a run under its experiment.
func AddRun(tx *store.Tx, experiment, run uint32) error {
	return tx.Save(memberKey(experiment, run), 1, member{})
}

// DropRun takes a run from its experiment.
func DropRun(tx *store.Tx, experiment, run uint32) error {
	return tx.Delete(memberKey(experiment, run))
}

// Runs iterates over the ordinals of an experiment's runs, oldest first.
func Runs(tx *store.Tx, experiment uint32) iter.Seq2[uint32, error] {
	return func(yield func(uint32, error) bool) {
		for row, err := range tx.Prefix(tuple.Uint32(tuple.Key('x'), experiment), false) {
			if err != nil {
				yield(0, err)
				return
			}
			if !yield(binary.BigEndian.Uint32(row.Key[5:]), nil) {
				return
			}
		}
	}
}
