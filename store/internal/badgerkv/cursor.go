package badgerkv

import (
	"bytes"

	badger "github.com/dgraph-io/badger/v4"
)

// cursor is an iterator that scans of one snapshot share: those over keys that
// begin with one byte. Who reads the rows of many runs makes a scan for each, and
// would spend most of the time on making iterators. If the rows of one scan
// follow those of the last, it does not even have to seek.
type cursor struct {
	table byte
	scans int
	busy  bool
	it    *badger.Iterator
	// There is no row from behind and including from up to where it stands.
	// Without placed it stands nowhere.
	from   []byte
	placed bool
}

// cursor returns that of a table, nil if the scan needs an iterator of its own:
// the first one of the table, which may well be the last, and one inside another.
func (x *txn) cursor(table byte) *cursor {
	for _, c := range x.cursors {
		if c.table != table {
			continue
		}
		if c.busy {
			return nil
		}
		if c.it == nil {
			c.it = x.iterator([]byte{table}, false)
		}
		return c
	}
	x.cursors = append(x.cursors, &cursor{table: table})
	return nil
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
	if !c.placed || bytes.Compare(lo, c.from) < 0 || c.it.Valid() && bytes.Compare(c.it.Item().Key(), lo) < 0 {
		c.placed = false
		c.it.Seek(lo)
		c.from, c.placed = append(c.from[:0], lo...), true
	}
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
