// Package kv is the small interface to an ordered transactional key space.
//
// Keys are 1 to 1,024 bytes, do not begin with "!badger!" and compare as bytes;
// values are up to MaxValue bytes, and an empty one is a row too. Everything above this interface brings its own checksums and may not
// assume more of an engine than is written here; store/internal/kv/kvtest
// holds each engine to it.
package kv

import (
	"context"
	"errors"
)

// ErrNotFound is what Get returns for a key that is not there.
var ErrNotFound = errors.New("kv: key not found")

// ErrConflict is what Update returns when a key that fn read by Get was
// changed by another transaction meanwhile. The caller may run it again.
// A missing key counts as read. Ranges that fn scanned are not covered (an
// engine may count the rows that were there): uniqueness is decided by point reads.
var ErrConflict = errors.New("kv: transaction conflict")

// ErrTooBig is what Set, Delete or Update returns for a key or value beyond
// the limits, and when one transaction holds more than the engine takes.
// MaxBatchBytes and MaxBatchRows say what always fits; repeated writes of a key
// count each.
var ErrTooBig = errors.New("kv: transaction too big")

// Limits that every engine accepts.
const (
	MaxKey        = 1024
	MaxValue      = 128 << 10 // bytes in one value
	MaxBatchBytes = 192 << 10 // bytes of keys and values in one transaction
	MaxBatchRows  = 1000      // rows in one transaction
)

// Engine is an open key space.
type Engine interface {
	// View runs fn on a snapshot. The Reader is valid inside fn only.
	View(fn func(Reader) error) error
	// Update runs fn in a transaction and commits what it wrote, all or
	// nothing. A returned error discards it. Committed rows survive the end
	// of the process; only Sync makes them survive power loss.
	Update(fn func(Writer) error) error
	// Drop removes all rows whose keys begin with one of the prefixes and gives
	// their space back. Transactions wait meanwhile. It is not atomic: what a
	// crash or an error leaves is dropped by the same call made again.
	Drop(prefixes ...[]byte) error
	// Sync returns once everything committed before the call is on stable storage.
	Sync() error
	// Verify reads everything the engine keeps and returns the first damage.
	Verify(ctx context.Context) error
	// Stats adds up what the engine keeps.
	Stats() (Stats, error)
	// Close releases the engine. No call may follow.
	Close() error
}

// Stats are sizes in bytes.
type Stats struct {
	Tables int64 // rows in their final place
	Logs   int64 // rows on the way there; sparse files count in full
	Other  int64
}

// Reader reads one snapshot.
type Reader interface {
	// Get returns the value of key, or ErrNotFound. The caller owns the value.
	Get(key []byte) ([]byte, error)
	// Scan calls yield for the rows lo ≤ key < hi in ascending order, or in
	// descending order when reverse is set, until yield returns false. A nil
	// hi is the end of the key space. Key and value are valid during the call
	// of yield only. In a transaction, what yield writes does not change the
	// scan under way.
	Scan(lo, hi []byte, reverse bool, yield func(key, value []byte) bool) error
}

// Writer is a transaction: it reads its own writes by Get and Scan.
type Writer interface {
	Reader
	// Set stores a row. The Writer keeps key and value until the end of the
	// transaction: the caller does not change them before.
	Set(key, value []byte) error
	// Delete removes a row if it is there.
	Delete(key []byte) error
}
