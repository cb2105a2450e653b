package lineage

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// Versions iterates over all versions, by creation of their model and then by
// number.
func Versions(tx *store.Tx) iter.Seq2[*ModelVersion, error] {
	return scanVersions(tx, tx.Prefix(tuple.Key('V'), false))
}

// VersionsOf iterates over the versions of a model by number. Errors:
// store.ErrNotFound, store.ErrInvalid.
func VersionsOf(tx *store.Tx, name string) iter.Seq2[*ModelVersion, error] {
	return func(yield func(*ModelVersion, error) bool) {
		ord, _, err := findModel(tx, name)
		if err != nil {
			yield(nil, err)
			return
		}
		scanVersions(tx, tx.Prefix(versionsKey(ord), false))(yield)
	}
}

// NewestVersions iterates over the versions of a model, the highest number
// first, from the one below before on; 0 begins with the highest. Errors:
// store.ErrNotFound, store.ErrInvalid.
func NewestVersions(tx *store.Tx, name string, before int) iter.Seq2[*ModelVersion, error] {
	return func(yield func(*ModelVersion, error) bool) {
		ord, _, err := findModel(tx, name)
		if err != nil {
			yield(nil, err)
			return
		}
		rows := tx.Prefix(versionsKey(ord), true)
		if before > 0 && before <= math.MaxUint32 {
			rows = tx.Scan(versionsKey(ord), versionKey(ord, uint32(before)), true)
		}
		scanVersions(tx, rows)(yield)
	}
}

func scanVersions(tx *store.Tx, rows iter.Seq2[store.Row, error]) iter.Seq2[*ModelVersion, error] {
	return func(yield func(*ModelVersion, error) bool) {
		var models modelCursor
		for r, err := range rows {
			var v *ModelVersion
			if err == nil {
				v, err = models.decode(tx, r)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// modelCursor keeps the model of the version read last.
type modelCursor struct {
	ord uint32
	row *modelRow
}

func (c *modelCursor) get(tx *store.Tx, ord uint32) (*modelRow, error) {
	if c.row == nil || c.ord != ord {
		row, err := loadModel(tx, ord)
		if err != nil {
			return nil, err
		}
		c.ord, c.row = ord, row
	}
	return c.row, nil
}

func (c *modelCursor) decode(tx *store.Tx, r store.Row) (*ModelVersion, error) {
	ord, number := binary.BigEndian.Uint32(r.Key[1:]), lastUint32(r.Key)
	m, err := c.get(tx, ord)
	if err != nil {
		return nil, err
	}
	row := &versionRow{}
	if err := decodeSplit(tx, r, row); err != nil {
		return nil, err
	}
	if err := row.check(number); err != nil {
		return nil, err
	}
	return row.open(m, number), nil
}

// VersionsByRun iterates over the versions made from a run.
func VersionsByRun(tx *store.Tx, runID string) iter.Seq2[*ModelVersion, error] {
	return func(yield func(*ModelVersion, error) bool) {
		var models modelCursor
		prefix := runVersionsKey(runID)
		for r, err := range tx.Prefix(prefix, false) {
			var v *ModelVersion
			if err == nil {
				v, err = models.find(tx, binary.BigEndian.Uint32(r.Key[len(prefix):]), lastUint32(r.Key))
			}
			if err == nil && v.RunID != runID {
				err = fmt.Errorf("version %d of %q is listed for another run: %w", v.Version, v.Model, store.ErrCorrupt)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

func (c *modelCursor) find(tx *store.Tx, ord, number uint32) (*ModelVersion, error) {
	m, err := c.get(tx, ord)
	if err != nil {
		return nil, err
	}
	return openVersion(tx, ord, m, number)
}
