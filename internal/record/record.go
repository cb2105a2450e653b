// Package record seals every durable row value, so that damage is an error
// and never a wrong answer.
//
//	offset  bytes  field
//	0       1      version of the body, ≥ 1
//	1       4      CRC-32C of key, version and body, little-endian
//	5       …      body: msgpack, or bytes that describe themselves
//
// The checksum covers the key, so a value that turns up under another key is
// as wrong as one with a flipped bit. Bodies in msgpack are walked by
// [CheckMsgpack] before a decoder sees them: the decoder allocates what a
// length field asks for, and five bytes can ask for hundreds of gigabytes.
package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// ErrCorrupt marks every error that reports damaged durable bytes.
var ErrCorrupt = errors.New("corrupt data")

// HeaderSize is the number of bytes Seal puts before the body.
const HeaderSize = 5

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seal appends the sealed value of body under key to dst and returns it.
func Seal(dst, key []byte, version byte, body []byte) []byte {
	dst = append(dst, version, 0, 0, 0, 0)
	at := len(dst) - 4
	dst = append(dst, body...)
	binary.LittleEndian.PutUint32(dst[at:], sum(key, version, body))
	return dst
}

// Open checks a sealed value and returns its version and body. The body shares
// the value's memory. Damage gives an error that wraps [ErrCorrupt].
func Open(key, value []byte) (version byte, body []byte, err error) {
	if len(value) < HeaderSize {
		return 0, nil, fmt.Errorf("row %x: %d bytes are too short for a record: %w", key, len(value), ErrCorrupt)
	}
	version, body = value[0], value[HeaderSize:]
	if sum(key, version, body) != binary.LittleEndian.Uint32(value[1:]) {
		return 0, nil, fmt.Errorf("row %x: checksum mismatch: %w", key, ErrCorrupt)
	}
	return version, body, nil
}

func sum(key []byte, version byte, body []byte) uint32 {
	crc := ^crc32.Update(0, castagnoli, key)
	crc = ^(castagnoli[byte(crc)^version] ^ crc>>8) // one byte, without a slice that escapes
	return crc32.Update(crc, castagnoli, body)
}

type encoder struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.enc = msgpack.NewEncoder(&e.buf)
	return e
}}

// Encode returns v as msgpack: structs as arrays of their fields in order,
// maps with sorted keys, integers in their shortest form. The fields of a
// struct are fixed: one more or less, also in a nested struct, takes a new
// version of the body and a reader that still knows the old one.
func Encode(v any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.buf.Reset()
	e.enc.Reset(&e.buf)
	e.enc.UseArrayEncodedStructs(true)
	e.enc.UseCompactInts(true)
	e.enc.SetSortMapKeys(true)
	if err := e.enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return bytes.Clone(e.buf.Bytes()), nil
}

// Decode checks body with [CheckMsgpack] and then fills v, a pointer.
func Decode(body []byte, v any) error {
	if err := CheckMsgpack(body); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	if err := msgpack.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decode %T: %w: %w", v, err, ErrCorrupt)
	}
	return nil
}
