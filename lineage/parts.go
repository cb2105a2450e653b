package lineage

import (
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// partSize is how much of a body goes into one row.
const partSize = 96 << 10

// maxParts keeps one body well inside a journal frame.
const maxParts = (48 << 20) / partSize

// splitRow is a row whose body may go on in Parts rows of 'S'.
type splitRow struct {
	Parts uint16
	Body  []byte
}

type partRow struct{ Body []byte }

func partKey(key []byte, part uint16) []byte {
	return tuple.Uint16(append(tuple.Key('S'), key...), part)
}

// saveSplit writes v at key over as many rows as it needs and drops the parts
// of what was there. Errors: store.ErrInvalid when v is too large.
func saveSplit(tx *store.Tx, key []byte, v any) error {
	body, err := record.Encode(v)
	if err != nil {
		return err
	}
	var old splitRow
	if err := tx.Load(key, 1, &old); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	row := splitRow{Body: body[:min(len(body), partSize)]}
	rest := body[len(row.Body):]
	if len(rest) > (maxParts-1)*partSize {
		return store.Errorf(store.ErrInvalid, "texts of %d bytes together, at most %d fit", len(body), maxParts*partSize)
	}
	for ; len(rest) > 0; row.Parts++ {
		n := min(len(rest), partSize)
		if err := tx.Save(partKey(key, row.Parts), 1, partRow{rest[:n]}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if err := tx.Save(key, 1, row); err != nil {
		return err
	}
	return dropParts(tx, key, row.Parts, old.Parts)
}

// loadSplit reads what saveSplit wrote. Errors: store.ErrNotFound,
// store.ErrCorrupt.
func loadSplit(tx *store.Tx, key []byte, v any) error {
	var row splitRow
	if err := tx.Load(key, 1, &row); err != nil {
		return err
	}
	return joinParts(tx, key, row, v)
}

// decodeSplit is loadSplit for a row of a scan.
func decodeSplit(tx *store.Tx, r store.Row, v any) error {
	var row splitRow
	if err := r.Decode(1, &row); err != nil {
		return err
	}
	return joinParts(tx, r.Key, row, v)
}

func joinParts(tx *store.Tx, key []byte, row splitRow, v any) error {
	for part := range row.Parts {
		var next partRow
		if err := tx.Load(partKey(key, part), 1, &next); err != nil {
			return fmt.Errorf("part %d of row %x: %w", part, key, notMissing(err))
		}
		row.Body = append(row.Body, next.Body...)
	}
	if err := record.Decode(row.Body, v); err != nil {
		return fmt.Errorf("row %x: %w", key, err)
	}
	return nil
}

// deleteSplit removes the row at key and its parts if they are there.
func deleteSplit(tx *store.Tx, key []byte) error {
	var row splitRow
	err := tx.Load(key, 1, &row)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.Delete(key); err != nil {
		return err
	}
	return dropParts(tx, key, 0, row.Parts)
}

func dropParts(tx *store.Tx, key []byte, from, to uint16) error {
	for part := from; part < to; part++ {
		if err := tx.Delete(partKey(key, part)); err != nil {
			return err
		}
	}
	return nil
}
