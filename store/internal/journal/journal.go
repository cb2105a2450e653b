// Package journal is the append-only file through which every change enters.
//
// A journal belongs to one writer. It starts with a page of its own and goes
// on with frames:
//
//	offset  bytes  field
//	0       8      "RUNSTJNL"
//	8       2      format version (1), little-endian like all integers here
//	10      16     database id
//	26      16     writer id
//	42      8      number of the journal
//	50      8      creation time, Unix ms
//	58      4      CRC-32C of bytes 0 to 57
//	512     44     mark slot A
//	1024    44     mark slot B
//	4096    …      frames
//
//	frame   bytes  field
//	0       4      length of the payload
//	4       4      CRC-32C of the length, bytes 8 to 16, and the payload
//	8       8      sequence, from 1, rising by 1
//	16      1      kind
//	17      …      payload
//
// Zeros may follow the last frame: room that is already allocated.
//
// A mark says how far the file is written and how far it is synced:
//
//	mark    bytes  field
//	0       8      counter; the valid slot with the higher one counts
//	8       8      written: end of the last acknowledged frame
//	16      8      durable: end of the last synced frame
//	24      16     boot id of the machine that wrote it, zero if unknown
//	40      4      CRC-32C of bytes 0 to 39
//
// The mark tells damage from a torn write. Frames up to durable must be whole
// whatever happened; frames up to written must be whole unless the machine
// went down since, because a plain write outlives its process. What is beyond
// may be the torn end of an unacknowledged write, and is cut off by the reader.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/runstonedb/runstone/internal/record"
)

// Version is the newest format this package reads and the one it writes.
const Version = 1

// FrameHeader is the number of bytes that a frame's buffer reserves for
// [Writer.Append] in front of the payload.
const FrameHeader = 17

// MaxPayload bounds one frame's payload in bytes.
const MaxPayload = 64 << 20

const (
	magic     = "RUNSTJNL"
	pageSize  = 4096
	fixedSize = 62
	markSize  = 44
	slotA     = 512
	slotB     = 1024
)

// ErrFuture is returned for a journal whose format is newer than [Version].
var ErrFuture = errors.New("journal: written by a newer version")

// ErrClosed is returned after [Writer.Close].
var ErrClosed = errors.New("journal: closed")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CorruptError names the place of damage in a journal. It wraps
// [record.ErrCorrupt].
type CorruptError struct {
	File   string
	Offset int64
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal %s: byte %d: %s", e.File, e.Offset, e.What)
}

// Unwrap returns [record.ErrCorrupt].
func (e *CorruptError) Unwrap() error { return record.ErrCorrupt }

// Header is what the first page of a journal says of it.
type Header struct {
	Database [16]byte
	Writer   [16]byte
	Number   uint64
	Created  int64 // Unix ms
}

func (h Header) page() []byte {
	p := make([]byte, pageSize)
	copy(p, magic)
	binary.LittleEndian.PutUint16(p[8:], Version)
	copy(p[10:], h.Database[:])
	copy(p[26:], h.Writer[:])
	binary.LittleEndian.PutUint64(p[42:], h.Number)
	binary.LittleEndian.PutUint64(p[50:], uint64(h.Created))
	binary.LittleEndian.PutUint32(p[58:], crc32.Checksum(p[:58], castagnoli))
	return p
}

func parseHeader(file string, p []byte) (Header, error) {
	var h Header
	if len(p) < pageSize || string(p[:8]) != magic {
		return h, &CorruptError{file, 0, "not a journal"}
	}
	if crc32.Checksum(p[:58], castagnoli) != binary.LittleEndian.Uint32(p[58:]) {
		return h, &CorruptError{file, 0, "header checksum mismatch"}
	}
	if v := binary.LittleEndian.Uint16(p[8:]); v > Version {
		return h, fmt.Errorf("%s: format %d: %w", file, v, ErrFuture)
	}
	copy(h.Database[:], p[10:])
	copy(h.Writer[:], p[26:])
	h.Number = binary.LittleEndian.Uint64(p[42:])
	h.Created = int64(binary.LittleEndian.Uint64(p[50:]))
	return h, nil
}

// Mark says how far a journal is known to be whole.
type Mark struct {
	Written, Durable int64
	Boot             [16]byte
	counter          uint64
}

func (m *Mark) encode(b *[markSize]byte) {
	binary.LittleEndian.PutUint64(b[0:], m.counter)
	binary.LittleEndian.PutUint64(b[8:], uint64(m.Written))
	binary.LittleEndian.PutUint64(b[16:], uint64(m.Durable))
	copy(b[24:40], m.Boot[:])
	binary.LittleEndian.PutUint32(b[40:], crc32.Checksum(b[:40], castagnoli))
}

// parseMark returns the newer valid slot, and false when neither is valid.
func parseMark(page []byte) (Mark, bool) {
	var best Mark
	var ok bool
	for _, at := range [2]int{slotA, slotB} {
		m, valid := parseSlot(page[at : at+markSize])
		if !valid {
			continue
		}
		if !ok || m.counter > best.counter {
			best, ok = m, true
		}
	}
	return best, ok
}
