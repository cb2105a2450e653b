// Package index is what makes searches of runs fast: a table of them that is
// stored column by column, and lists of the runs of experiments. All of it is
// derived from other rows and written in transactions of the store as they are.
//
//	'x' experiment, run → nothing; the runs of an experiment
//
//	'X'                                       → the state: stateRow
//	'X' first run                             → a segment: segmentRow
//	'Y' segment, piece                        → its fields: bytes, see encodeSchema
//	'Z' kind, key, segment                    → head of a field: bytes, see head.go
//	'c' kind, key, part, number, piece        → a column: bytes, see below
//	'y' epoch, run                            → 8 bytes; the run changed since it was folded
//
// Kind and part are one byte, pieces uint16, all other parts of keys uint32.
//
// # Segments
//
// A segment is the runs of up to 4,096 consecutive ordinals. It has one column
// for each field that any of them has, and a head for each kind and key that
// says what parts of it there are (the aggregates of a metric), sums up each
// part and says where its column is. Short columns are in the head itself, equal
// ones there once. So a search reads the columns it names and the heads of their
// keys, which lie beside each other for all segments, and nothing else.
//
// Who changes a run marks it with [Touch] in the same transaction. Runs that
// are marked, or that no segment covers, are dirty: [Snapshot.Dirty] lists them
// and the searcher reads their records. [Table.Fold] puts them into segments, in
// place where only some columns change. Columns are never changed: the new ones
// have new numbers, and a transaction that began before reads the old ones. Each
// fold also gives the segment another [Version]: what was read of a run that was
// not dirty is as it was while the run has that.
//
// # Columns
//
// A column is
//
//	byte     type, kind of rows, whether some have several values: flat.go
//	…        which rows have values; nothing if all have one
//	[block]  how many each of them has
//	…        the values: floats, a block of integers, or strings
//
// Blocks of integers are in ints.go, floats in numbers.go, strings in
// strings.go. Every reader of them checks what it reads; damage is an error that
// wraps store.ErrCorrupt, and no length that bytes claim is believed.
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
