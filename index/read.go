package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/store"
)

// cacheKey names a decoded column. Where a state is given it holds for that one
// only: the column in the head of the segment whose number is that of the ref,
// or, with 0 for that, all heads of a name.
type cacheKey struct {
	name
	ref
	state uint32
}

// cost is what the column takes in memory, with what [Column.Numbers] may add.
func (c *Column) cost() int64 {
	n := 96 + 8*len(c.Has) + 8*len(c.Floats) + 8*len(c.Ints) + 4*len(c.Codes) + 4*len(c.Starts)
	for _, s := range c.Dict {
		n += 24 + len(s)
	}
	return int64(n)
}

// heads are those of one name in all segments. Damage of one is an error for
// that segment only.
type heads struct {
	of   map[uint32]head
	errs map[uint32]error
}

// headsOf returns the heads of a name and the bytes that it read.
func (s *Snapshot) headsOf(n name) (*heads, int, error) {
	if h := s.heads[n]; h != nil {
		return h, 0, nil
	}
	key := cacheKey{name: n, state: s.state}
	if v, ok := s.t.cache.Get(key); ok {
		h := v.(*heads)
		s.heads[n] = h
		return h, 0, nil
	}
	sizes := make(map[uint32]int, len(s.dir.segs))
	for _, l := range s.dir.segs {
		sizes[l.No] = l.N
	}
	h := &heads{of: map[uint32]head{}, errs: map[uint32]error{}}
	read := 0
	prefix := headsKey(n)
	for row, err := range s.tx.Prefix(prefix, false) {
		if err != nil {
			return nil, 0, damaged(Segment{}, err)
		}
		no := binary.BigEndian.Uint32(row.Key[len(prefix):])
		n, ok := sizes[no]
		if !ok {
			continue // of one that is not trusted
		}
		b, err := row.Bytes(1)
		read += len(row.Key) + len(b)
		if err == nil {
			h.of[no], err = decodeHead(bytes.Clone(b), n)
		}
		if err != nil {
			h.errs[no] = err
		}
	}
	s.heads[n] = h
	if len(h.errs) == 0 {
		s.t.cache.Put(key, h, int64(4*read+64*len(h.of)))
	}
	return h, read, nil
}

// part returns what the head of a field's name says of it, nil if no run of the
// segment has it.
func (s *Snapshot) part(seg Segment, f Field) (*part, int, error) {
	h, read, err := s.headsOf(f.name())
	if err != nil {
		return nil, 0, err
	}
	if err := h.errs[seg.No]; err != nil {
		return nil, 0, damaged(seg, fmt.Errorf("field %v: %w", f, err))
	}
	return h.of[seg.No].find(f.Part), read, nil
}

// Column returns a field of the runs of a segment, nil if none has it, and how
// many bytes it read of the store. It is shared. Damage is a [*Damage].
func (s *Snapshot) Column(seg Segment, f Field) (c *Column, read int, err error) {
	p, read, err := s.part(seg, f)
	if p == nil {
		return nil, read, err
	}
	key := cacheKey{f.name(), p.ref, 0}
	if p.inline != nil {
		key.ref, key.state = ref{seg.No, f.Part}, s.state
	}
	if v, ok := s.t.cache.Get(key); ok {
		return v.(*Column), read, nil
	}
	c, size, err := s.t.column(s.tx, seg, key.name, p)
	if err != nil {
		return nil, 0, damaged(seg, fmt.Errorf("field %v: %w", f, err))
	}
	s.t.cache.Put(key, c, c.cost())
	return c, read + size, nil
}

// load reads the bytes of the column.
func (p *part) load(tx *store.Tx, n name) (b []byte, read int, err error) {
	if p.inline != nil {
		return p.inline, 0, nil
	}
	b, err = loadPieces(tx, columnKey(n, p.ref), p.size)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("its column is missing: %w", store.ErrCorrupt)
	}
	return b, len(b), err
}

// column reads the column of a part.
func (t *Table) column(tx *store.Tx, seg Segment, n name, p *part) (c *Column, read int, err error) {
	b, read, err := p.load(tx, n)
	if err != nil {
		return nil, 0, err
	}
	if c, err = t.texts.column(b, seg.N); err == nil && c.Type != p.typ {
		err = fmt.Errorf("column of another type than its head says: %w", store.ErrCorrupt)
	}
	return c, read, err
}

// Zone says what the values of a field in a segment may be; false means that no
// run there has it. Damage is a [*Damage].
func (s *Snapshot) Zone(seg Segment, f Field) (Zone, bool, error) {
	p, _, err := s.part(seg, f)
	if p == nil {
		return Zone{}, false, err
	}
	if p.inline == nil {
		return p.zone, true, nil
	}
	var c flat
	if err := s.t.texts.flat(p.inline, seg.N, &c); err != nil {
		return Zone{}, false, damaged(seg, fmt.Errorf("field %v: %w", f, err))
	}
	return c.zone(), true, nil
}
