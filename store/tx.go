package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/tidwall/btree"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store/internal/journal"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// rowMap is an overlay: sealed values by key, nil where a row is deleted.
// Copies share structure until one of them is written.
type rowMap = btree.Map[string, []byte]

// Tx is a snapshot of the rows. In [Store.Update] it also takes changes and
// reads them back. It is valid during the call it was given to, in one
// goroutine.
type Tx struct {
	s      *Store
	layers [2]*rowMap // newest first; the second may be nil
	base   kv.Reader
	writes bool
	frame  []byte     // journal frame of the row changes
	points []addition // points that the transaction adds
	names  []name     // for the cache, once the transaction is committed
}

// Load reads the row at key into dst, a pointer to a struct that [Tx.Save]
// wrote with version at most version. Errors: [ErrNotFound], [ErrCorrupt],
// [ErrFuture].
func (tx *Tx) Load(key []byte, version byte, dst any) error {
	value, err := tx.get(key)
	if err != nil {
		return err
	}
	return decodeRow(key, value, version, dst)
}

// LoadBytes returns the body of the row at key, as [Tx.SaveBytes] took it. It is
// shared and must not be changed. Errors are those of [Tx.Load].
func (tx *Tx) LoadBytes(key []byte, version byte) ([]byte, error) {
	value, err := tx.get(key)
	if err != nil {
		return nil, err
	}
	return rowBytes(key, value, version)
}

// Has reports whether there is a row at key.
func (tx *Tx) Has(key []byte) (bool, error) {
	_, err := tx.get(key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Save writes v as the row at key, as msgpack with struct fields in order.
func (tx *Tx) Save(key []byte, version byte, v any) error {
	body, err := record.Encode(v)
	if err != nil {
		return err
	}
	return tx.SaveBytes(key, version, body)
}

// SaveBytes writes body, bytes that describe themselves, as the row at key. It
// may be changed afterwards.
func (tx *Tx) SaveBytes(key []byte, version byte, body []byte) error {
	if len(body)+record.HeaderSize > kv.MaxValue {
		return fmt.Errorf("row of %d bytes, at most %d fit: %w", len(body), kv.MaxValue-record.HeaderSize, ErrInvalid)
	}
	return tx.put(key, record.Seal(make([]byte, 0, len(body)+record.HeaderSize), key, version, body))
}

// Delete removes the row at key if there is one.
func (tx *Tx) Delete(key []byte) error { return tx.put(key, nil) }

func (tx *Tx) put(key, value []byte) error {
	if !tx.writes {
		return ErrReadOnly
	}
	if len(key) > kv.MaxKey {
		return fmt.Errorf("key of %d bytes, at most %d fit: %w", len(key), kv.MaxKey, ErrInvalid)
	}
	tx.frame = appendRow(tx.frame, key, value)
	tx.layers[0].Set(string(key), value)
	return nil
}

func (tx *Tx) get(key []byte) ([]byte, error) {
	for _, layer := range tx.layers {
		if layer == nil {
			continue
		}
		if value, ok := layer.Get(string(key)); ok {
			if value == nil {
				return nil, ErrNotFound
			}
			return value, nil
		}
	}
	value, err := tx.base.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNotFound
	}
	return value, err
}

// rowBytes returns the body of a sealed value, whose memory it shares.
func rowBytes(key, value []byte, version byte) ([]byte, error) {
	got, body, err := record.Open(key, value)
	if err != nil {
		return nil, err
	}
	if got > version {
		return nil, fmt.Errorf("row %x has version %d: %w", key, got, ErrFuture)
	}
	return body, nil
}

func decodeRow(key, value []byte, version byte, dst any) error {
	body, err := rowBytes(key, value, version)
	if err != nil {
		return err
	}
	if err := record.Decode(body, dst); err != nil {
		return fmt.Errorf("row %x: %w", key, err)
	}
	return nil
}

// Row is one row of a scan. Key and the value behind Decode are valid until
// the next row.
type Row struct {
	Key   []byte
	value []byte
}

// Decode reads the row's value like [Tx.Load].
func (r Row) Decode(version byte, dst any) error {
	return decodeRow(r.Key, r.value, version, dst)
}

// Bytes returns the row's body like [Tx.LoadBytes], valid until the next row.
func (r Row) Bytes(version byte) ([]byte, error) { return rowBytes(r.Key, r.value, version) }

// Prefix iterates over the rows whose key starts with prefix, in key order or
// in reverse.
func (tx *Tx) Prefix(prefix []byte, reverse bool) iter.Seq2[Row, error] {
	return tx.Scan(prefix, tuple.End(prefix), reverse)
}

// Scan iterates over the rows with lo ≤ key < hi, in key order or in reverse.
// A nil hi has no upper end. Changes made by the loop's body are not seen by
// it.
func (tx *Tx) Scan(lo, hi []byte, reverse bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		newest := tx.layers[0]
		if tx.writes {
			newest = newest.Copy()
		}
		m := merge{reverse: reverse, cursors: [2]cursor{
			newCursor(newest, lo, hi, reverse),
			newCursor(tx.layers[1], lo, hi, reverse),
		}}
		more := true
		err := tx.base.Scan(lo, hi, reverse, func(key, value []byte) bool {
			more = m.upTo(key, yield) && (m.skip(string(key)) || yield(Row{key, value}, nil))
			return more
		})
		if err != nil {
			yield(Row{}, err)
			return
		}
		if more {
			m.upTo(nil, yield)
		}
	}
}

// Append adds points to a group when the transaction commits; see
// [Group.Append]. The slices are kept until then.
func (tx *Tx) Append(x *Group, steps, times []int64, values [][]float64) error {
	if !tx.writes {
		return ErrReadOnly
	}
	c := columns{steps, times, values}
	if err := checkColumns(c, len(x.g.series)); err != nil {
		return err
	}
	if c.len() > 0 {
		tx.points = append(tx.points, addition{x.g, c})
	}
	return nil
}

// addition is points for a group.
type addition struct {
	g *group
	c columns
}

// savepoint returns a function that undoes what follows.
func (tx *Tx) savepoint() func() {
	rows, frame, points, names := tx.layers[0].Copy(), len(tx.frame), len(tx.points), len(tx.names)
	return func() {
		tx.layers[0], tx.frame, tx.points, tx.names = rows, tx.frame[:frame], tx.points[:points], tx.names[:names]
	}
}

// The payload of frameRows: uint32 length of the row changes, the row changes,
// then for each addition of points uint32 length and its bytes as in
// framePoints. A row change: uvarint key length, key, uvarint value length + 1
// (0 deletes), value.

const rowsHeader = journal.FrameHeader + 4

func newRowsFrame() []byte { return make([]byte, rowsHeader, 512) }

func appendRow(dst, key, value []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = append(dst, key...)
	if value == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(value))+1)
	return append(dst, value...)
}

// finishRows completes the frame of a transaction.
func (tx *Tx) finishRows() []byte {
	frame := tx.frame
	binary.LittleEndian.PutUint32(frame[journal.FrameHeader:], uint32(len(frame)-rowsHeader))
	for _, a := range tx.points {
		at := len(frame)
		frame = appendPoints(append(frame, 0, 0, 0, 0), a.g.r.run, a.g.no, a.c)
		binary.LittleEndian.PutUint32(frame[at:], uint32(len(frame)-at-4))
	}
	return frame
}

// splitRows calls put for the row changes and add for the points in a payload.
// Their arguments share its memory.
func splitRows(payload []byte, put func(key, value []byte), add func(points []byte) error) error {
	rows, rest, ok := cutSized(payload)
	if !ok {
		return fmt.Errorf("row changes: bad length: %w", ErrCorrupt)
	}
	if err := eachRow(rows, put); err != nil {
		return err
	}
	for len(rest) > 0 {
		var points []byte
		if points, rest, ok = cutSized(rest); !ok {
			return fmt.Errorf("points: bad length: %w", ErrCorrupt)
		}
		if err := add(points); err != nil {
			return err
		}
	}
	return nil
}

func cutSized(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

func eachRow(rows []byte, put func(key, value []byte)) error {
	for len(rows) > 0 {
		var key, value []byte
		n, w := binary.Uvarint(rows)
		if w <= 0 || n > uint64(len(rows)-w) {
			return fmt.Errorf("row change: bad key length: %w", ErrCorrupt)
		}
		key, rows = rows[w:w+int(n)], rows[w+int(n):]
		n, w = binary.Uvarint(rows)
		if w <= 0 || n > uint64(len(rows)-w)+1 {
			return fmt.Errorf("row change: bad value length: %w", ErrCorrupt)
		}
		rows = rows[w:]
		if n > 0 {
			value, rows = rows[:n-1:n-1], rows[n-1:]
		}
		put(key, value)
	}
	return nil
}
