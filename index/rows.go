package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// Field names a column. Kind is the caller's (attribute, param, tag, metric …),
// Ord the number of the key within it, Part an aggregate of a metric.
type Field struct {
	Kind byte
	Ord  uint32
	Part byte
}

// name is a field without its part: what has one head in a segment.
type name struct {
	kind byte
	ord  uint32
}

func (n name) compare(o name) int {
	if n.kind != o.kind {
		return int(n.kind) - int(o.kind)
	}
	switch {
	case n.ord < o.ord:
		return -1
	case n.ord > o.ord:
		return 1
	}
	return 0
}

func (f Field) name() name { return name{f.Kind, f.Ord} }

// Segment is the runs with the ordinals First … First+N-1. No is never used
// again for others.
type Segment struct {
	No, First uint32
	N         int
}

// Last returns the last ordinal.
func (s Segment) Last() uint32 { return s.First + uint32(s.N) - 1 }

// Table bytes.
const (
	tableSegments = 'X'
	tableSchemas  = 'Y'
	tableHeads    = 'Z'
	tableColumns  = 'c'
	tableMarks    = 'y'
)

func stateKey() []byte { return tuple.Key(tableSegments) }

func segmentKey(first uint32) []byte { return tuple.Uint32(tuple.Key(tableSegments), first) }

func schemaKey(no uint32) []byte { return tuple.Uint32(tuple.Key(tableSchemas), no) }

func headsKey(n name) []byte { return tuple.Uint32(append(tuple.Key(tableHeads), n.kind), n.ord) }

func headKey(n name, no uint32) []byte { return tuple.Uint32(headsKey(n), no) }

func columnKey(n name, r ref) []byte {
	key := append(tuple.Uint32(append(tuple.Key(tableColumns), n.kind), n.ord), r.part)
	return tuple.Uint32(key, r.number)
}

func marksKey(epoch uint32) []byte { return tuple.Uint32(tuple.Key(tableMarks), epoch) }

func markKey(epoch, run uint32) []byte { return tuple.Uint32(marksKey(epoch), run) }

// stateRow is what changes with every fold.
type stateRow struct {
	// Next is the number of the next segment or column, above all there were.
	// It moves with every change of a segment, so it tells states apart.
	Next     uint32
	Segments uint32 // how many there are
	// Epoch is the one of the marks. Unmarked counts the marks it lost: when
	// they are many the rest moves to the next epoch, because scanning what
	// was deleted costs as much as what is there.
	Epoch, Unmarked uint32
	// Sweep says that rows may be left of segments that were given up, and
	// Rebuild that not all of what was given up is made anew.
	Sweep, Rebuild bool
}

// segmentRow is a segment in the directory.
type segmentRow struct {
	No, N  uint32
	Values uint32 // in all its columns
	Bytes  uint64 // of its columns as they are stored
	Rows   []byte // kind as in a column, then the rows that there are
	Made   uint32 // a new number with every fold, see [Version]
}

// live is a segment of the directory, decoded.
type live struct {
	Segment
	rows   Bits // nil is all
	values int
	bytes  int
	made   uint32
}

// directory is all segments in order of First, at one state.
type directory struct {
	next uint32
	segs []live
}

// Damage is an error about a segment whose rows cannot be read, or about the
// list of segments if Segment.No is 0. It wraps [store.ErrCorrupt].
type Damage struct {
	Segment Segment
	Err     error
}

func (d *Damage) Error() string {
	if d.Segment.No == 0 {
		return fmt.Sprintf("segments of the run table: %v", d.Err)
	}
	return fmt.Sprintf("segment %d of the run table, runs %d to %d: %v", d.Segment.No, d.Segment.First, d.Segment.Last(), d.Err)
}

// Unwrap returns the cause.
func (d *Damage) Unwrap() error { return d.Err }

// damaged turns what reading a row of a segment returned into a *Damage if it
// is that: rows that a segment names are there.
func damaged(s Segment, err error) error {
	var d *Damage
	switch {
	case errors.As(err, &d):
	case errors.Is(err, store.ErrNotFound):
		return &Damage{s, fmt.Errorf("a row is missing: %w", store.ErrCorrupt)}
	case errors.Is(err, store.ErrCorrupt):
		return &Damage{s, err}
	}
	return err
}

func loadState(tx *store.Tx) (stateRow, error) {
	var st stateRow
	err := tx.Load(stateKey(), 1, &st)
	if errors.Is(err, store.ErrNotFound) {
		return stateRow{Next: 1}, nil
	}
	return st, damaged(Segment{}, err)
}

func (st *stateRow) save(tx *store.Tx) error { return tx.Save(stateKey(), 1, *st) }

// loadDirectory reads the list of segments and checks that they follow each
// other.
func loadDirectory(tx *store.Tx, st stateRow) (*directory, error) {
	d := &directory{next: st.Next}
	last := uint32(0)
	for row, err := range tx.Scan(segmentKey(0), []byte{tableSegments + 1}, false) {
		if err != nil {
			return nil, damaged(Segment{}, err)
		}
		var r segmentRow
		if err := row.Decode(1, &r); err != nil {
			return nil, damaged(Segment{}, err)
		}
		s := live{
			Segment: Segment{r.No, binary.BigEndian.Uint32(row.Key[1:]), int(r.N)},
			values:  int(r.Values), bytes: int(r.Bytes), made: r.Made,
		}
		if r.N == 0 || r.N > maxRuns || s.First <= last || s.First+r.N < s.First || r.No == 0 || r.No >= st.Next || r.Made >= st.Next {
			return nil, damaged(Segment{}, fmt.Errorf("segment %d does not fit the others: %w", r.No, store.ErrCorrupt))
		}
		if s.rows, err = decodeRows(r.Rows, s.N); err != nil {
			return nil, damaged(Segment{}, err)
		}
		last = s.Last()
		d.segs = append(d.segs, s)
	}
	if len(d.segs) != int(st.Segments) {
		return nil, damaged(Segment{}, fmt.Errorf("%d segments, not %d: %w", len(d.segs), st.Segments, store.ErrCorrupt))
	}
	return d, nil
}

func decodeRows(b []byte, n int) (Bits, error) {
	r := &reader{b: b}
	kind := r.byte()
	has, _ := r.present(kind, n)
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes behind its end")
	}
	return has, r.err
}

func encodeRows(has Bits, n int) []byte {
	if has == nil {
		return []byte{rowsAll}
	}
	var rows []uint32
	has.Each(func(i int) { rows = append(rows, uint32(i)) })
	b, kind := appendRows([]byte{0}, rows, n)
	b[0] = kind
	return b
}

func (s *live) save(tx *store.Tx) error {
	return tx.Save(segmentKey(s.First), 1, segmentRow{
		No: s.No, N: uint32(s.N), Values: uint32(min(s.values, math.MaxUint32)), Bytes: uint64(s.bytes), Rows: encodeRows(s.rows, s.N),
		Made: s.made,
	})
}

// find returns the segment that covers a run, or else where it would stand.
func (d *directory) find(run uint32) (int, bool) {
	return slices.BinarySearchFunc(d.segs, run, func(s live, run uint32) int {
		switch {
		case s.Last() < run:
			return -1
		case s.First > run:
			return 1
		}
		return 0
	})
}

// Bodies that are longer than a row may be are cut into pieces: rows whose keys
// end in their number, a uint16.

const pieceSize = 120 << 10

func pieceKey(key []byte, i int) []byte { return tuple.Uint16(slices.Clone(key), uint16(i)) }

func savePieces(tx *store.Tx, key, body []byte) error {
	for i := 0; i == 0 || i*pieceSize < len(body); i++ {
		piece := body[i*pieceSize : min(len(body), (i+1)*pieceSize)]
		if err := tx.SaveBytes(pieceKey(key, i), 1, piece); err != nil {
			return err
		}
	}
	return nil
}

// loadPieces reads a body of a known size.
func loadPieces(tx *store.Tx, key []byte, size int) ([]byte, error) {
	if size <= pieceSize {
		b, err := tx.LoadBytes(pieceKey(key, 0), 1)
		if err == nil && len(b) != size {
			err = fmt.Errorf("row %x: %d bytes, not %d: %w", key, len(b), size, store.ErrCorrupt)
		}
		return b, err
	}
	var body []byte
	for i := 0; i*pieceSize < size; i++ {
		b, err := tx.LoadBytes(pieceKey(key, i), 1)
		if err != nil {
			return nil, err
		}
		if len(b) != min(pieceSize, size-i*pieceSize) {
			return nil, fmt.Errorf("row %x: piece %d has %d bytes: %w", key, i, len(b), store.ErrCorrupt)
		}
		body = append(body, b...)
	}
	return body, nil
}

// A schema is the names that have a head in a segment: for each kind its byte,
// uvarint count and the uvarint differences of the ordinals, the first one's from
// 0. It is kept in pieces; the first begins with the size of all as a uint32.

func encodeSchema(names []name) []byte {
	b := make([]byte, 4, 4+3*len(names))
	for len(names) > 0 {
		n := 1
		for n < len(names) && names[n].kind == names[0].kind {
			n++
		}
		b = appendUvarint(append(b, names[0].kind), n)
		last := uint32(0)
		for _, x := range names[:n] {
			b = binary.AppendUvarint(b, uint64(x.ord-last))
			last = x.ord
		}
		names = names[n:]
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

func loadSchema(tx *store.Tx, s Segment) (names []name, size int, err error) {
	first, err := tx.LoadBytes(pieceKey(schemaKey(s.No), 0), 1)
	if err == nil && len(first) < 4 {
		err = fmt.Errorf("schema: no size: %w", store.ErrCorrupt)
	}
	if err != nil {
		return nil, 0, damaged(s, err)
	}
	size = int(binary.LittleEndian.Uint32(first))
	body, err := loadPieces(tx, schemaKey(s.No), size)
	if err == nil && len(body) < 4 {
		err = fmt.Errorf("schema: no size: %w", store.ErrCorrupt)
	}
	if err != nil {
		return nil, 0, damaged(s, err)
	}
	names, err = decodeSchema(body[4:])
	return names, size, damaged(s, err)
}

// decodeSchema reads what follows the size.
func decodeSchema(b []byte) (names []name, err error) {
	r := &reader{b: b}
	for len(r.b) > 0 {
		kind := r.byte()
		ord := uint64(0)
		for range r.count(len(r.b)) {
			d := r.uvarint()
			ord += d
			n := name{kind, uint32(ord)}
			if d > math.MaxUint32 || ord > math.MaxUint32 || len(names) > 0 && names[len(names)-1].compare(n) >= 0 {
				r.fail("bad schema")
				break
			}
			names = append(names, n)
		}
	}
	return names, r.err
}
