package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// Page is the first page of a journal, for people who look at one.
type Page struct {
	Header    Header
	HeaderErr error   // a *CorruptError or [ErrFuture]; then Header is empty
	Slots     [2]Mark // A and B
	Valid     [2]bool // the checksum of the slot is right
	Size      int64   // of the file when the page was read
}

// FirstFrame is the offset of the first frame.
const FirstFrame = pageSize

// ReadPage reads the first page of a journal, whatever is wrong with it. What
// is shorter than a page is filled up with zeros. A path that is no regular
// file gives a *CorruptError.
func ReadPage(path string) (Page, error) {
	var p Page
	f, err := openRegular(path)
	if err != nil {
		return p, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return p, err
	}
	p.Size = info.Size()
	b := make([]byte, pageSize)
	if _, err := io.ReadFull(f, b); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return p, err
	}
	if p.Size < pageSize {
		p.HeaderErr = &CorruptError{path, 0, "shorter than its header"}
	} else {
		p.Header, p.HeaderErr = parseHeader(path, b)
	}
	for i, at := range [2]int{slotA, slotB} {
		p.Slots[i], p.Valid[i] = parseSlot(b[at : at+markSize])
	}
	return p, nil
}

// Newest returns the slot that counts, -1 when none is valid.
func (p *Page) Newest() int {
	switch {
	case !p.Valid[0] && !p.Valid[1]:
		return -1
	case !p.Valid[0] || p.Valid[1] && p.Slots[1].counter > p.Slots[0].counter:
		return 1
	}
	return 0
}

// Counter returns the number of the mark: the higher one counts.
func (m *Mark) Counter() uint64 { return m.counter }

// openRegular opens a file for reading that is no link, pipe or device.
func openRegular(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() { // a pipe would not even open
		return nil, &CorruptError{path, 0, "not a regular file"}
	}
	return os.Open(path)
}

// parseSlot reads one slot of a mark, and returns false when it is not valid.
func parseSlot(b []byte) (Mark, bool) {
	if crc32.Checksum(b[:40], castagnoli) != binary.LittleEndian.Uint32(b[40:]) {
		return Mark{}, false
	}
	m := Mark{
		counter: binary.LittleEndian.Uint64(b),
		Written: int64(binary.LittleEndian.Uint64(b[8:])),
		Durable: int64(binary.LittleEndian.Uint64(b[16:])),
	}
	copy(m.Boot[:], b[24:])
	return m, true
}

// Room reports whether nothing but zeros follows the frame read last, up to
// the present end of the file: room that is already allocated, or nothing.
func (r *Reader) Room() (bool, error) {
	info, err := r.file.Stat()
	if err != nil {
		return false, err
	}
	left := info.Size() - r.off
	if left > int64(len(zeros)) {
		return false, nil // no writer makes so much
	}
	b := make([]byte, max(0, left))
	n, err := r.file.ReadAt(b, r.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(b[:n], zeros[:n]), nil
}
