package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/runstonedb/runstone/store"
)

// A block of integers: one byte width w, the least of them as a zigzag varint,
// then what each is more than that in w bits, the first in the lowest bits of
// the first byte. w is at most maxWidth, or 64 with 0 for the least.

// maxWidth is the widest integer that eight bytes hold whatever bit it begins at.
const maxWidth = 57

// intsWidth returns the least of v and the bits that the others need beside it.
func intsWidth(v []int64) (least int64, w int) {
	if len(v) == 0 {
		return 0, 0
	}
	lo, hi := v[0], v[0]
	for _, x := range v {
		lo, hi = min(lo, x), max(hi, x)
	}
	if w = bits.Len64(uint64(hi) - uint64(lo)); w > maxWidth {
		return 0, 64
	}
	return lo, w
}

func appendInts(dst []byte, v []int64) []byte {
	least, w := intsWidth(v)
	dst = binary.AppendVarint(append(dst, byte(w)), least)
	if w == 64 {
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(x))
		}
		return dst
	}
	acc, n := uint64(0), 0
	for _, x := range v {
		d := uint64(x) - uint64(least)
		acc |= d << n
		if n += w; n >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			n -= 64
			acc = d >> (w - n)
		}
	}
	for ; n > 0; n -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// reader takes encoded parts off the front of b. The first that is not there
// sets err, and what follows is nothing.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("index column: %s: %w", what, store.ErrCorrupt)
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("ends early")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("ends early")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("ends early")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things of which there are at most most.
func (r *reader) count(most int) int {
	v := r.uvarint()
	if v > uint64(most) {
		r.fail("count too large")
		return 0
	}
	return int(v)
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail("ends early")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) float() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// packed is a block of integers whose bytes are there.
type packed struct {
	b     []byte
	w     int
	least uint64
}

// ints reads the block of m integers.
func (r *reader) ints(m int) packed {
	w := int(r.byte())
	least := r.varint()
	if w > maxWidth && w != 64 || w == 64 && least != 0 {
		r.fail("bad width")
		return packed{}
	}
	return packed{r.bytes((m*w + 7) / 8), w, uint64(least)}
}

// into writes the integers from the i-th on to dst.
func (p packed) into(dst []uint64, i int) {
	switch p.w {
	case 0:
		for k := range dst {
			dst[k] = p.least
		}
		return
	case 64:
		b := p.b[8*i:]
		for k := range dst {
			dst[k] = binary.LittleEndian.Uint64(b[8*k:])
		}
		return
	}
	w, mask := uint(p.w), uint64(1)<<p.w-1
	bit := uint(i) * w
	// As long as eight bytes can be read at once.
	whole := 0
	if len(p.b) >= 8 {
		whole = min(len(dst), max(0, ((len(p.b)-8)*8+7)/p.w+1-i))
	}
	b := p.b
	for k := range dst[:whole] {
		dst[k] = p.least + binary.LittleEndian.Uint64(b[bit>>3:])>>(bit&7)&mask
		bit += w
	}
	for k := whole; k < len(dst); k++ {
		var tail [8]byte
		copy(tail[:], b[bit>>3:])
		dst[k] = p.least + binary.LittleEndian.Uint64(tail[:])>>(bit&7)&mask
		bit += w
	}
}

// at returns the i-th integer.
func (p packed) at(i int) uint64 {
	var v [1]uint64
	p.into(v[:], i)
	return v[0]
}

// chunk is how many integers are unpacked at a time where they become something
// else: as many as the innermost cache holds.
const chunk = 256
