package badgerkv

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/bits"
	"strconv"

	"github.com/runstonedb/runstone/store/internal/kv"
)

const (
	memHead   = 20 // key id (0: plain text), 12 random bytes
	maxHeader = 22
	maxEntry  = maxHeader + kv.MaxKey + 8 + kv.MaxValue + 4

	bitDelete = 1 << 0
	bitTxn    = 1 << 6 // a row of a transaction
	bitFin    = 1 << 7 // the end of a transaction
)

var errLogHead = errors.New("bad log header")
var errLogBytes = errors.New("bytes that are neither a transaction nor the start of one")

// memlog is what a .mem file says.
//
//	offset  bytes  field
//	0       8      0: not encrypted
//	8       12     random
//	then entries of
//	        1      meta: bitTxn, bitTxn|bitDelete or bitFin
//	        1      0
//	        1–10   length of key, of value, time of expiry 0: three varints
//	        …      key, its last 8 bytes ^version big-endian; value
//	        4      CRC-32C of all of it, big-endian
//	then zeros to the end
//
// The rows of one transaction share a version, and an entry "!badger!txn"
// with the version as decimal text ends it. Versions have no holes: the next
// transaction of the engine has the next one.
type memlog struct {
	end         int // bytes of the header and whole transactions
	first, last uint64
	torn        bool // after end stands the beginning of one more transaction
}

// scanLog reads a log. Each row of a whole transaction goes to row, if not
// nil. A killed process leaves at most the beginning of one more transaction,
// which was never acknowledged; anything else after the last whole one is an
// error, with the memlog filled up to there.
func scanLog(b []byte, row func(key []byte, version uint64)) (memlog, error) {
	var m memlog
	if len(b) < memHead || binary.BigEndian.Uint64(b) != 0 {
		return m, errLogHead
	}
	m.end = memHead
	var pending [][]byte // keys of a transaction without its end
	var version uint64
	at := memHead
	for at < len(b) {
		e, ok := parseEntry(b[at:])
		if !ok {
			break
		}
		if e.meta == bitFin {
			if len(pending) == 0 || string(e.value) != strconv.FormatUint(version, 10) {
				return m, errLogBytes
			}
			if row != nil {
				for _, k := range pending {
					row(k, version)
				}
			}
			if m.first == 0 {
				m.first = version
			}
			m.last, m.end, pending = version, at+e.size, pending[:0]
		} else {
			v := math.MaxUint64 - binary.BigEndian.Uint64(e.key[len(e.key)-8:])
			if len(pending) > 0 && v != version {
				return m, errLogBytes
			}
			version = v
			pending = append(pending, e.key[:len(e.key)-8])
		}
		at += e.size
	}
	rest := trimZeros(b[at:])
	m.torn = len(pending) > 0 || len(rest) > 0
	// A log being written is twice as long as it may grow full. Only one that
	// Badger has cut at the end of a transaction, or a damaged one, is full.
	if m.torn && entrySize(b[at:]) > len(b)-at {
		return m, errLogBytes
	}
	if len(rest) == 0 {
		return m, nil
	}
	var fin []byte
	if len(pending) > 0 {
		fin = finEntry(version)
	}
	if !cutEntry(rest, b[at:], fin) {
		return m, errLogBytes
	}
	return m, nil
}

// cutEntry reports whether rest, no whole entry, can be one that a kill cut
// short in the middle of the copy into the log: then nothing follows it, and
// the bytes not yet copied are zeros. All is rest with the zeros after it. If
// the entry could be fin, the end of its transaction, the question matters
// most: then the bytes that are there must be fin's, and a single missing bit
// is a flip.
func cutEntry(rest, all, fin []byte) bool {
	if len(rest) > maxEntry {
		return false
	}
	if fin != nil {
		wrong, odd, flips := 0, 0, 0
		for i, want := range fin {
			var got byte
			if i < len(rest) {
				got = rest[i]
			}
			if got == want {
				continue
			}
			wrong++
			flips += bits.OnesCount8(got ^ want)
			if got != 0 {
				odd++
			}
		}
		if flips == 1 || 2*wrong < len(fin) && (odd > 0 || len(rest) > len(fin)) {
			return false
		}
	}
	for i := 1; i < len(rest); i++ {
		if _, ok := parseEntry(all[i:]); ok {
			return false // an entry after it: this one was whole once
		}
	}
	return true
}

// entrySize is the size of the entry that begins with b, if its lengths can
// be trusted, and at least that of a header.
func entrySize(b []byte) int {
	at, size := 2, uint64(0)
	for range 2 {
		v, w := binary.Uvarint(b[min(at, len(b)):])
		if w <= 0 || v > maxEntry {
			return maxHeader
		}
		at, size = at+w, size+v
	}
	return max(maxHeader, at+1+int(size)+4)
}

type entry struct {
	meta       byte
	key, value []byte // key with its version
	size       int
}

// parseEntry reads the whole and undamaged entry that b begins with.
func parseEntry(b []byte) (entry, bool) {
	if len(b) < 2 || b[1] != 0 {
		return entry{}, false
	}
	e := entry{meta: b[0]}
	if e.meta != bitTxn && e.meta != bitTxn|bitDelete && e.meta != bitFin {
		return entry{}, false
	}
	at := 2
	var n [3]uint64
	for i := range n {
		v, w := binary.Uvarint(b[at:])
		if w <= 0 {
			return entry{}, false
		}
		n[i], at = v, at+w
	}
	if n[0] <= 8 || n[0] > kv.MaxKey+8 || n[1] > kv.MaxValue || n[2] != 0 {
		return entry{}, false
	}
	k, end := at+int(n[0]), at+int(n[0])+int(n[1])
	if len(b) < end+4 || crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return entry{}, false
	}
	e.key, e.value, e.size = b[at:k], b[k:end], end+4
	return e, true
}

// finEntry is the entry that ends the transaction with this version.
func finEntry(version uint64) []byte {
	const key = "!badger!txn"
	value := strconv.FormatUint(version, 10)
	b := []byte{bitFin, 0, byte(len(key) + 8), byte(len(value)), 0}
	b = append(b, key...)
	b = binary.BigEndian.AppendUint64(b, math.MaxUint64-version)
	b = append(b, value...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func allZero(b []byte) bool { return len(trimZeros(b)) == 0 }

// trimZeros returns b without the zeros at its end.
func trimZeros(b []byte) []byte {
	n := len(b)
	for n >= 8 && binary.NativeEndian.Uint64(b[n-8:]) == 0 {
		n -= 8
	}
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return b[:n]
}
