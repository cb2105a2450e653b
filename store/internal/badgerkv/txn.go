package badgerkv

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	badger "github.com/dgraph-io/badger/v4"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// View runs fn on a snapshot.
func (d *DB) View(fn func(kv.Reader) error) error {
	return translate(d.b.View(func(t *badger.Txn) error {
		x := &txn{t: t}
		defer x.closeCursors()
		return fn(x)
	}))
}

// Update runs fn in a transaction and commits it. Rows that fn scanned count
// as read here, which gives more kv.ErrConflict than the interface asks for.
func (d *DB) Update(fn func(kv.Writer) error) error {
	d.writes.RLock()
	defer d.writes.RUnlock()
	return translate(d.b.Update(func(t *badger.Txn) error { return fn(d.txn(t)) }))
}

// Drop removes all rows below the prefixes. Badger rewrites the tables that
// hold some of them; deleting row by row would leave the space to later
// compactions.
func (d *DB) Drop(prefixes ...[]byte) error {
	if len(prefixes) == 0 {
		return nil
	}
	d.writes.Lock()
	defer d.writes.Unlock()
	return translate(d.b.DropPrefix(prefixes...))
}

// txn counts what it writes as Badger does, and stops a little earlier.
// Otherwise a commit could fail for its size after it took its version, and
// versions in the logs would have a hole, which the guard takes for damage.
type txn struct {
	t                   *badger.Txn
	writes              bool
	rows, bytes         int64
	mostRows, mostBytes int64
	cursors             []*cursor // of a snapshot, one for each table scanned
}

func (d *DB) txn(t *badger.Txn) *txn {
	return &txn{t: t, writes: true, mostRows: d.b.MaxBatchCount() - 2, mostBytes: d.b.MaxBatchSize() - 64}
}

func (x *txn) Get(key []byte) (value []byte, err error) {
	defer catch(&err)
	if !x.writes && len(key) > 0 {
		if c := x.follow(key); c != nil {
			return c.get(key)
		}
	}
	item, err := x.t.Get(key)
	if err != nil {
		return nil, translate(err)
	}
	if x.writes { // the value may be one that was set here
		value, err = item.ValueCopy(nil)
		return value, translate(err)
	}
	// An item that is got alone is not used again: its copy is ours.
	err = item.Value(func(own []byte) error {
		value = own[:len(own):len(own)]
		return nil
	})
	return value, translate(err)
}

func (x *txn) Scan(lo, hi []byte, reverse bool, yield func(key, value []byte) bool) (err error) {
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return nil
	}
	if !x.writes && !reverse && len(lo) > 0 && hi != nil && lo[0] == hi[0] {
		if c := x.cursor(lo[0]); c != nil {
			return c.scan(lo, hi, yield)
		}
	}
	// A panic of yield passes on; one of Badger's means damaged bytes.
	yielding := false
	defer func() {
		if !yielding {
			catch(&err)
		}
	}()
	it := x.iterator(commonPrefix(lo, hi), reverse)
	defer it.Close()
	start := lo
	if reverse {
		start = hi
	}
	if len(start) == 0 {
		it.Rewind()
	} else {
		it.Seek(start)
	}
	var key []byte
	each := func(value []byte) error {
		yielding = true
		more := yield(key, value)
		yielding = false
		if !more {
			return errStop
		}
		return nil
	}
	for ; it.Valid(); it.Next() {
		item := it.Item()
		key = item.Key()
		switch {
		case !reverse && hi != nil && bytes.Compare(key, hi) >= 0:
			return nil
		case reverse && hi != nil && bytes.Compare(key, hi) >= 0:
			continue // Seek includes hi
		case reverse && bytes.Compare(key, lo) < 0:
			return nil
		}
		if err := item.Value(each); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return translate(err)
		}
	}
	return nil
}

// iterator leaves out tables that hold no keys with the prefix.
func (x *txn) iterator(prefix []byte, reverse bool) *badger.Iterator {
	return x.t.NewIterator(badger.IteratorOptions{
		Reverse: reverse,
		Prefix:  prefix,
		// Values lie beside their keys. Prefetching would start a goroutine
		// for each row only to copy it once more.
		PrefetchValues: false,
	})
}

func (x *txn) Set(key, value []byte) error {
	if len(value) > kv.MaxValue {
		return fmt.Errorf("value of %d bytes under key %x: %w", len(value), key, kv.ErrTooBig)
	}
	if err := x.count(key, value); err != nil {
		return err
	}
	return translate(x.t.Set(key, value))
}

func (x *txn) Delete(key []byte) error {
	if err := x.count(key, nil); err != nil {
		return err
	}
	return translate(x.t.Delete(key))
}

func (x *txn) count(key, value []byte) error {
	if len(key) == 0 || len(key) > kv.MaxKey {
		return fmt.Errorf("key of %d bytes, not 1 to %d: %w", len(key), kv.MaxKey, kv.ErrTooBig)
	}
	x.rows++
	x.bytes += int64(len(key)+len(value)) + 12
	if x.rows > x.mostRows || x.bytes > x.mostBytes {
		return kv.ErrTooBig
	}
	return nil
}

var errStop = errors.New("stop")

// catch makes an error of a panic, which Badger raises on blocks whose
// inner offsets are damaged.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("badger panicked: %.200v: %w", p, record.ErrCorrupt)
	}
}

// commonPrefix returns what every key in lo ≤ key < hi begins with.
func commonPrefix(lo, hi []byte) []byte {
	n := 0
	for n < len(lo) && n < len(hi) && lo[n] == hi[n] {
		n++
	}
	return lo[:n]
}

// translate turns Badger's errors into those of package kv and leaves all
// others as they are.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrKeyNotFound):
		return kv.ErrNotFound
	case errors.Is(err, badger.ErrConflict):
		return kv.ErrConflict
	case errors.Is(err, badger.ErrTxnTooBig):
		return kv.ErrTooBig
	}
	return err
}

// openError marks the errors of Badger's Open that report damage.
func openError(err error) error {
	if errors.Is(err, record.ErrCorrupt) {
		return err
	}
	for _, sign := range []string{"CHECKSUM_MISMATCH", "checksum mismatch", "file does not exist for table",
		"Level validation", "manifest has", "MANIFEST", "Invalid datakey", "Encryption key mismatch"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Errorf("%w: %w", err, record.ErrCorrupt)
		}
	}
	return err
}
