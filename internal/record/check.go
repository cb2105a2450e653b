package record

import (
	"encoding/binary"
	"fmt"
)

// maxDepth bounds the nesting of arrays and maps.
const maxDepth = 32

// CheckMsgpack reports whether b is exactly one msgpack value whose lengths
// fit in b and whose nesting is at most 32 deep. It allocates nothing and
// reads each byte once. Failure wraps [ErrCorrupt].
func CheckMsgpack(b []byte) error {
	rest, err := skip(b, 0)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return fmt.Errorf("msgpack: %d bytes after the value: %w", len(rest), ErrCorrupt)
	}
	return nil
}

// skip returns what follows the first value of b.
func skip(b []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("msgpack: nested deeper than %d: %w", maxDepth, ErrCorrupt)
	}
	if len(b) == 0 {
		return nil, errShort
	}
	c := b[0]
	b = b[1:]
	switch {
	case c <= 0x7f || c >= 0xe0: // fixint
		return b, nil
	case c <= 0x8f:
		return skipItems(b, 2*uint64(c&0x0f), depth)
	case c <= 0x9f:
		return skipItems(b, uint64(c&0x0f), depth)
	case c <= 0xbf:
		return skipBytes(b, uint64(c&0x1f))
	}
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return b, nil
	case 0xcc, 0xd0:
		return skipBytes(b, 1)
	case 0xcd, 0xd1:
		return skipBytes(b, 2)
	case 0xca, 0xce, 0xd2:
		return skipBytes(b, 4)
	case 0xcb, 0xcf, 0xd3:
		return skipBytes(b, 8)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // fixext 1, 2, 4, 8, 16 with a type byte
		return skipBytes(b, 1+1<<(c-0xd4))
	case 0xc4, 0xd9, 0xc5, 0xda, 0xc6, 0xdb, 0xc7, 0xc8, 0xc9, 0xdc, 0xdd, 0xde, 0xdf:
		return skipSized(c, b, depth)
	}
	return nil, fmt.Errorf("msgpack: reserved type byte %#x: %w", c, ErrCorrupt)
}

// skipSized skips a value whose length stands in 1, 2 or 4 bytes.
func skipSized(c byte, b []byte, depth int) ([]byte, error) {
	width := 4
	switch c {
	case 0xc4, 0xc7, 0xd9:
		width = 1
	case 0xc5, 0xc8, 0xda, 0xdc, 0xde:
		width = 2
	}
	if len(b) < width {
		return nil, errShort
	}
	var size uint64
	switch width {
	case 1:
		size = uint64(b[0])
	case 2:
		size = uint64(binary.BigEndian.Uint16(b))
	case 4:
		size = uint64(binary.BigEndian.Uint32(b))
	}
	b = b[width:]
	switch c {
	case 0xdc, 0xdd:
		return skipItems(b, size, depth)
	case 0xde, 0xdf:
		return skipItems(b, 2*size, depth)
	case 0xc7, 0xc8, 0xc9:
		return skipBytes(b, size+1) // the ext type byte
	}
	return skipBytes(b, size)
}

var errShort = fmt.Errorf("msgpack: value ends early: %w", ErrCorrupt)

func skipBytes(b []byte, n uint64) ([]byte, error) {
	if n > uint64(len(b)) {
		return nil, errShort
	}
	return b[n:], nil
}

func skipItems(b []byte, n uint64, depth int) ([]byte, error) {
	if n > uint64(len(b)) { // every item takes at least one byte
		return nil, errShort
	}
	var err error
	for range n {
		if b, err = skip(b, depth+1); err != nil {
			return nil, err
		}
	}
	return b, nil
}
