// Package tuple builds the keys of the ordered key space.
//
// A key is a table byte followed by fixed-width parts, so that comparing two
// keys as bytes compares their parts in order and a prefix of parts selects a
// contiguous range:
//
//	part     bytes  order
//	uint16   2      big-endian
//	uint32   4      big-endian
//	text     16     SHA-256 of the text, first 16 bytes; equality only
//
// User text never enters a key: it is hashed, and the row keeps the text so
// that a reader can compare it.
package tuple

import (
	"crypto/sha256"
	"encoding/binary"
)

// HashSize is the width of a text part in bytes.
const HashSize = 16

// Key starts a key in a table.
func Key(table byte) []byte {
	return append(make([]byte, 0, 32), table)
}

// Uint16 appends v.
func Uint16(key []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(key, v) }

// Uint32 appends v.
func Uint32(key []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(key, v) }

// Text appends the 16-byte hash of s.
func Text(key []byte, s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return append(key, sum[:HashSize]...)
}

// End returns the smallest key above every key that starts with prefix, or nil
// when there is none (prefix is empty or all 0xFF).
func End(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xFF {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}
