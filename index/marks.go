package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/runstonedb/runstone/store"
)

// Touch marks a run as changed. It belongs into every transaction that changes
// what a [Loader] says of the run or what is kept by its [Version], or creates or
// purges it: searches then read its records until a fold has seen them.
func Touch(tx *store.Tx, run uint32) error {
	st, err := loadState(tx)
	if errors.Is(err, store.ErrCorrupt) {
		return nil // there is no table, so all runs are as good as marked
	}
	if err != nil {
		return err
	}
	// A fresh value each time: a fold takes away only the mark that it saw.
	return tx.SaveBytes(markKey(st.Epoch, run), 1, binary.LittleEndian.AppendUint64(nil, rand.Uint64()))
}

// mark is a run that changed. The value is nil if it is damaged.
type mark struct {
	run   uint32
	value []byte
}

// loadMarks returns the marks of runs from lo to hi in order.
func loadMarks(tx *store.Tx, epoch, lo, hi uint32, values bool) ([]mark, error) {
	var marks []mark
	for row, err := range tx.Scan(markKey(epoch, lo), append(markKey(epoch, hi), 0), false) {
		if err != nil {
			return nil, damaged(Segment{}, err)
		}
		m := mark{run: binary.BigEndian.Uint32(row.Key[5:])}
		if values {
			if b, err := row.Bytes(1); err == nil {
				m.value = bytes.Clone(b)
			}
		}
		marks = append(marks, m)
	}
	return marks, nil
}

// unmark takes away the mark of a run if it is the one that was seen, or one
// that nobody can read.
func unmark(tx *store.Tx, st *stateRow, m mark) (bool, error) {
	key := markKey(st.Epoch, m.run)
	b, err := tx.LoadBytes(key, 1)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return true, nil
	case errors.Is(err, store.ErrCorrupt):
	case err != nil:
		return false, err
	case !bytes.Equal(b, m.value):
		return false, nil
	}
	st.Unmarked++
	return true, tx.Delete(key)
}

// mostUnmarked is how many deleted marks a scan may meet beside those that are
// there.
const mostUnmarked = 128

// nextEpoch moves the marks that are left behind all that were deleted.
func nextEpoch(tx *store.Tx, st *stateRow) error {
	if st.Unmarked < mostUnmarked {
		return nil
	}
	marks, err := loadMarks(tx, st.Epoch, 0, ^uint32(0), true)
	if err != nil || int(st.Unmarked) < mostUnmarked+2*len(marks) {
		return err
	}
	for _, m := range marks {
		if err := tx.Delete(markKey(st.Epoch, m.run)); err != nil {
			return err
		}
		if err := tx.SaveBytes(markKey(st.Epoch+1, m.run), 1, m.value); err != nil {
			return err
		}
	}
	st.Epoch++
	st.Unmarked = 0
	return st.save(tx)
}
