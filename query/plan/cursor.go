package plan

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A cursor is base64 of
//
//	offset  bytes  field
//	0       1      version (1)
//	1       8      hash of the query
//	9       4      number of the last row
//	13      …      its values of the order: a kind, then 8 bytes of a number,
//	               or the length and bytes of a string
//	end-4   4      CRC-32 of everything before it
const (
	cursorVersion = 1
	cursorHead    = 13
	maxCursor     = 1 << 20
)

// cursor is the last row of a page.
type cursor struct {
	row  uint32
	keys []Value
}

func appendCursor(b []byte, hash uint64, c cursor) []byte {
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, hash)
	b = binary.BigEndian.AppendUint32(b, c.row)
	for _, v := range c.keys {
		b = append(b, byte(v.kind))
		switch v.kind {
		case Number, Int:
			b = binary.BigEndian.AppendUint64(b, v.bits)
		case String:
			b = append(binary.AppendUvarint(b, uint64(len(v.str))), v.str...)
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func encodeCursor(hash uint64, c cursor) string {
	return base64.RawURLEncoding.EncodeToString(appendCursor(nil, hash, c))
}

// decodeCursor reads a cursor with n values.
func decodeCursor(text string, hash uint64, n int) (cursor, error) {
	c := cursor{keys: make([]Value, 0, n)}
	bad := func(why string) (cursor, error) { return cursor{}, fmt.Errorf("%w: %s", ErrCursor, why) }
	if len(text) > maxCursor {
		return bad("it is too long")
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < cursorHead+4 {
		return bad("it is damaged")
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	switch {
	case crc32.ChecksumIEEE(body) != sum:
		return bad("it is damaged")
	case body[0] != cursorVersion:
		return bad("it is of another version")
	case binary.BigEndian.Uint64(body[1:]) != hash:
		return bad("it is of another query")
	}
	c.row = binary.BigEndian.Uint32(body[9:])
	body = body[cursorHead:]
	for range n {
		v, rest, ok := decodeValue(body)
		if !ok {
			return bad("it is damaged")
		}
		c.keys, body = append(c.keys, v), rest
	}
	if len(body) > 0 {
		return bad("it is damaged")
	}
	return c, nil
}

func decodeValue(b []byte) (v Value, rest []byte, ok bool) {
	if len(b) == 0 {
		return v, nil, false
	}
	v.kind, b = Kind(b[0]), b[1:]
	switch v.kind {
	case Missing:
		return v, b, true
	case Number, Int:
		if len(b) < 8 {
			return v, nil, false
		}
		v.bits = binary.BigEndian.Uint64(b)
		return v, b[8:], true
	case String:
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return v, nil, false
		}
		v.str = string(b[w : w+int(n)])
		return v, b[w+int(n):], true
	}
	return v, nil, false
}
