package badgerkv

import (
	"bytes"
	"encoding/binary"

	badger "github.com/dgraph-io/badger/v4"

	"github.com/runstonedb/runstone/store/internal/kv"
)

// cursor is an iterator that scans of one snapshot share: those over keys that
// begin with one byte. Who reads the rows of many runs makes a scan for each, and
// would spend most of the time on making iterators. If the rows of one scan
// follow those of the last, it does not even have to seek.
type cursor struct {
	table byte
	busy  bool
	it    *badger.Iterator
	// There is no row from behind and including from up to where it stands.
	// Without placed it stands nowhere.
	from   []byte
	placed bool
	got    []byte // key of the last get
	near   int    // gets in a row that each followed the last closely
}

// cursor returns that of a table, nil if the scan needs an iterator of its own:
// the first one of the table, which may well be the last, and one inside another.
func (x *txn) cursor(table byte) *cursor {
	c, known := x.of(table)
	if !known || c.busy {
		return nil
	}
	c.open(x)
	return c
}

func (x *txn) of(table byte) (c *cursor, known bool) {
	for _, c := range x.cursors {
		if c.table == table {
			return c, true
		}
	}
	c = &cursor{table: table}
	x.cursors = append(x.cursors, c)
	return c, false
}

func (c *cursor) open(x *txn) {
	if c.it == nil {
		c.it = x.iterator([]byte{c.table}, false)
	}
}

// Keys end in ordinals. Gets of one ordinal after the other are a scan, which is
// cheaper: nearKeys is how far they may be apart, and nearGets how many prove it.
const (
	nearKeys = 4
	nearGets = 3
)

// follow returns the cursor that a get is to use, nil if it is one by itself.
func (x *txn) follow(key []byte) *cursor {
	c, _ := x.of(key[0])
	if c.busy {
		return nil
	}
	n := len(key) - 4
	near := n > 0 && len(c.got) == len(key) && bytes.Equal(c.got[:n], key[:n]) &&
		binary.BigEndian.Uint32(key[n:])-binary.BigEndian.Uint32(c.got[n:])-1 < nearKeys
	c.got = append(c.got[:0], key...)
	if !near {
		c.near = 0
		return nil
	}
	if c.near++; c.near < nearGets {
		return nil
	}
	c.open(x)
	return c
}

// get is [txn.Get]; it catches no panics.
func (c *cursor) get(key []byte) (value []byte, err error) {
	if c.placed && bytes.Compare(c.from, key) <= 0 {
		c.placed = false
		for n := 0; n < nearKeys && c.it.Valid() && bytes.Compare(c.it.Item().Key(), key) < 0; n++ {
			c.it.Next()
		}
		c.from, c.placed = append(c.from[:0], key...), true
	}
	c.seek(key)
	if !c.it.Valid() || !bytes.Equal(c.it.Item().Key(), key) {
		return nil, kv.ErrNotFound
	}
	value, err = c.it.Item().ValueCopy(nil)
	return value, translate(err)
}

// seek goes to the first row at or behind a key.
func (c *cursor) seek(key []byte) {
	if !c.placed || bytes.Compare(key, c.from) < 0 || c.it.Valid() && bytes.Compare(c.it.Item().Key(), key) < 0 {
		c.placed = false // a panic leaves it nowhere
		c.it.Seek(key)
	}
	c.from, c.placed = append(c.from[:0], key...), true
}

func (x *txn) closeCursors() {
	for _, c := range x.cursors {
		if c.it != nil {
			c.it.Close()
		}
	}
}

// scan is [txn.Scan] in ascending order.
func (c *cursor) scan(lo, hi []byte, yield func(key, value []byte) bool) (err error) {
	c.busy = true
	yielding := false
	defer func() {
		c.busy = false
		if !yielding {
			catch(&err)
		}
		if err != nil {
			c.placed = false
		}
	}()
	c.seek(lo)
	var key []byte
	more := true
	each := func(value []byte) error {
		yielding = true
		more = yield(key, value)
		yielding = false
		return nil
	}
	for ; more && c.it.Valid(); c.it.Next() {
		item := c.it.Item()
		key = item.Key()
		if bytes.Compare(key, hi) >= 0 {
			break
		}
		if err := item.Value(each); err != nil {
			return translate(err)
		}
		// it will stand behind the row, whose key is no more.
		c.from = append(append(c.from[:0], key...), 0)
	}
	return nil
}
