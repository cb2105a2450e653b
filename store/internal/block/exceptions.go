package block

import (
	"encoding/binary"
	"math"
)

// exception is a value that the block's codec cannot hold.
type exception struct {
	index int
	bits  uint64
}

// maxExceptions returns how many values a codec may leave out of n.
func maxExceptions(n int) int { return n / 8 }

// appendExceptions appends s.exc. Most are NaN, and then the same NaN.
func (s *encoder) appendExceptions(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.exc)))
	at, last := -1, uint64(0)
	for i, x := range s.exc {
		gap := uint64(x.index-at) << 1
		at = x.index
		if i > 0 && x.bits == last {
			dst = binary.AppendUvarint(dst, gap|1)
			continue
		}
		dst = binary.AppendUvarint(dst, gap)
		dst = binary.LittleEndian.AppendUint64(dst, x.bits)
		last = x.bits
	}
	return dst
}

// exceptions checks the list and returns the bytes after its count.
func (r *reader) exceptions(n int) []byte {
	count, at := r.count(n), -1
	start := r.at
	for i := range count {
		gap := r.count(2*n + 1)
		if at += gap >> 1; gap < 2 || at >= n || i == 0 && gap&1 != 0 {
			r.fail("exception outside the block")
			return nil
		}
		if gap&1 == 0 {
			r.take(8)
		}
	}
	if !r.ok() {
		return nil
	}
	return r.src[start:r.at]
}

// patch puts the values of a checked list in their places.
func patch(values []float64, list []byte) {
	at, v := -1, 0.0
	for len(list) > 0 {
		gap, size := binary.Uvarint(list)
		list = list[size:]
		if gap&1 == 0 {
			v = math.Float64frombits(binary.LittleEndian.Uint64(list))
			list = list[8:]
		}
		at += int(gap >> 1)
		values[at] = v
	}
}
