package index

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// A head says all of a name in a segment: its parts, in order, and for each of
// them where its column is.
//
//	byte     part
//	byte     type, in two bits; place, in the next two
//	place 0  the column itself: uvarint length, bytes. It has no zone: what
//	         sums it up would be as long
//	place 1  rows of its own: uvarint number, byte part, uvarint size, zone
//	place 2  byte i: all as for the i-th part of this head
//
// A column is named by the part and the number it was written with. It stays
// when a fold changes other columns, and parts that are equal share one.
//
// A zone: uvarint rows, uvarint NaN, and for numbers the least and the greatest,
// 8 bytes each.

// ref names a column of a name.
type ref struct {
	number uint32
	part   byte
}

// part is a column as its head tells it.
type part struct {
	part   byte
	typ    Type
	inline []byte // else ref, size and zone
	ref    ref
	size   int
	zone   Zone
}

// bytes are those of the column.
func (p *part) bytes() int { return len(p.inline) + p.size }

type head []part

const (
	placeInline = iota << 2
	placeRows
	placeSame
	placeMask = 3 << 2
)

// inlineSize is the longest column that stands in its head.
const inlineSize = 96

// find returns the part, nil if there is none.
func (h head) find(p byte) *part {
	for i := range h {
		if h[i].part == p {
			return &h[i]
		}
	}
	return nil
}

func (h head) encode() []byte {
	var b []byte
	for i := range h {
		p := &h[i]
		same := slices.IndexFunc(h[:i], func(o part) bool {
			if len(p.inline) > 0 {
				return bytes.Equal(o.inline, p.inline)
			}
			return len(o.inline) == 0 && o.ref == p.ref
		})
		switch {
		case same >= 0:
			b = append(b, p.part, placeSame, byte(same))
		case len(p.inline) > 0:
			b = append(b, p.part, byte(p.typ)|placeInline)
			b = append(appendUvarint(b, len(p.inline)), p.inline...)
		default:
			b = append(b, p.part, byte(p.typ)|placeRows)
			b = append(appendUvarint(b, int(p.ref.number)), p.ref.part)
			b = appendUvarint(b, p.size)
			b = appendUvarint(appendUvarint(b, p.zone.Rows), p.zone.NaN)
			if p.typ != Strings {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.zone.Min))
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.zone.Max))
			}
		}
	}
	return b
}

// decodeHead reads the head of a batch of n rows. It keeps parts of b.
func decodeHead(b []byte, n int) (head, error) {
	r := &reader{b: b}
	var h head
	for len(r.b) > 0 {
		p := part{part: r.byte()}
		kind := r.byte()
		p.typ = Type(kind & 3)
		if len(h) > 0 && p.part <= h[len(h)-1].part || kind >= 3<<2 || p.typ > Strings {
			r.fail("bad head")
		}
		switch kind & placeMask {
		case placeInline:
			if p.inline = r.bytes(r.count(inlineSize)); len(p.inline) == 0 {
				r.fail("column of no bytes")
			}
		case placeRows:
			p.ref.number = uint32(r.count(math.MaxUint32))
			p.ref.part = r.byte()
			p.size = r.count(math.MaxInt32)
			p.zone.Rows = r.count(n)
			p.zone.NaN = r.count(p.zone.Rows)
			p.zone.Min, p.zone.Max = math.Inf(-1), math.Inf(1)
			if p.typ != Strings {
				p.zone.Min, p.zone.Max = math.Float64frombits(r.float()), math.Float64frombits(r.float())
			}
		case placeSame:
			i := int(r.byte())
			if i >= len(h) {
				r.fail("bad head")
				break
			}
			own := p.part
			p = h[i]
			p.part = own
		}
		if r.err != nil {
			return nil, r.err
		}
		h = append(h, p)
	}
	if r.err == nil && len(h) == 0 {
		r.fail("head without parts")
	}
	return h, r.err
}
