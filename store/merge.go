package store

import "github.com/tidwall/btree"

// cursor walks the rows of one overlay layer in a range.
type cursor struct {
	it      btree.MapIter[string, []byte]
	ok      bool
	lo, hi  string
	open    bool // hi is the end of the key space
	reverse bool
}

func newCursor(layer *rowMap, lo, hi []byte, reverse bool) cursor {
	if layer == nil || layer.Len() == 0 {
		return cursor{}
	}
	c := cursor{it: layer.Iter(), lo: string(lo), hi: string(hi), open: hi == nil, reverse: reverse}
	switch {
	case !reverse:
		c.ok = c.it.Seek(c.lo)
	case c.open:
		c.ok = c.it.Last()
	case c.it.Seek(c.hi):
		c.ok = c.it.Prev()
	default:
		c.ok = c.it.Last()
	}
	c.bound()
	return c
}

func (c *cursor) bound() {
	if c.ok && (c.it.Key() < c.lo || !c.open && c.it.Key() >= c.hi) {
		c.ok = false
	}
}

func (c *cursor) next() {
	if c.reverse {
		c.ok = c.it.Prev()
	} else {
		c.ok = c.it.Next()
	}
	c.bound()
}

// merge walks two layers as one; the first hides the second.
type merge struct {
	cursors [2]cursor
	reverse bool
}

// peek returns the cursor that holds the next row, or nil.
func (m *merge) peek() *cursor {
	a, b := &m.cursors[0], &m.cursors[1]
	switch {
	case !a.ok && !b.ok:
		return nil
	case !b.ok:
		return a
	case !a.ok:
		return b
	case a.it.Key() == b.it.Key() || (a.it.Key() < b.it.Key()) != m.reverse:
		return a
	}
	return b
}

// skip drops the overlay's row at key and reports whether there was one.
func (m *merge) skip(key string) bool {
	found := false
	for i := range m.cursors {
		if c := &m.cursors[i]; c.ok && c.it.Key() == key {
			c.next()
			found = true
		}
	}
	return found
}

// upTo yields the overlay rows up to and with key, all when key is nil, and
// returns false when yield did. Deleted rows are passed over; the row at key
// itself, deleted or replaced, is left for skip only if it is deleted.
func (m *merge) upTo(key []byte, yield func(Row, error) bool) bool {
	for c := m.peek(); c != nil; c = m.peek() {
		at, value := c.it.Key(), c.it.Value()
		if key != nil && at != string(key) && (at > string(key)) != m.reverse {
			return true
		}
		if key != nil && at == string(key) {
			return value == nil || yield(Row{[]byte(at), value}, nil)
		}
		m.skip(at)
		if value != nil && !yield(Row{[]byte(at), value}, nil) {
			return false
		}
	}
	return true
}
