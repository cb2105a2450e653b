package tensorboard

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/runstonedb/runstone/internal/record"
)

const (
	headSize = 12 // length and its checksum
	footSize = 4  // checksum of the data
	// maxRecord bounds the data of a record that is looked at. Longer ones, which
	// hold images or graphs, are stepped over.
	maxRecord = 16 << 20
	window    = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// damage counts what a frames reader left out.
type damage struct {
	records int64 // whose data had the wrong checksum
	bytes   int64 // between records
	long    int64 // records longer than maxRecord
}

// frames reads records of a file from an offset on. Its memory is at most the
// longest record of the file that is no longer than maxRecord, and the window.
type frames struct {
	r    io.ReaderAt
	at   int64 // where the next record begins
	size int64 // of the file
	buf  []byte
	from int64 // offset of buf in the file
	damage
}

func newFrames(r io.ReaderAt, at, size int64) *frames { return &frames{r: r, at: at, size: size} }

// bytes returns n bytes at an offset, all of which are in the file. They are
// valid until the next call.
func (f *frames) view(at int64, n int) ([]byte, error) {
	if i := at - f.from; i >= 0 && i+int64(n) <= int64(len(f.buf)) {
		return f.buf[i : i+int64(n)], nil
	}
	want := int(min(int64(max(n, window)), f.size-at))
	if cap(f.buf) < want {
		f.buf = make([]byte, want)
	}
	f.buf, f.from = f.buf[:want], at
	got, err := f.r.ReadAt(f.buf, at)
	f.buf = f.buf[:got]
	if got >= n {
		return f.buf[:n], nil
	}
	if err == nil || err == io.EOF { // the file became shorter meanwhile
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// head returns the length in the header at an offset, and whether its checksum
// is right.
func (f *frames) head(at int64) (n uint64, ok bool, err error) {
	b, err := f.view(at, headSize)
	if err != nil {
		return 0, false, err
	}
	n = binary.LittleEndian.Uint64(b)
	return n, masked(b[:8]) == binary.LittleEndian.Uint32(b[8:]) && n <= 1<<40, nil
}

// next returns the data of the next whole record, valid until the next call, or
// io.EOF. f.at is behind what was returned or left out; a tail that is no
// record, or not yet, stays in front of it.
func (f *frames) next() ([]byte, error) {
	at := f.at // of the record to try
	for f.size-at >= headSize+footSize {
		n, ok, err := f.head(at)
		if err != nil {
			return nil, err
		}
		if !ok {
			at++
			continue
		}
		if f.size-at-headSize-footSize < int64(n) {
			break
		}
		end := at + headSize + int64(n) + footSize
		if n > maxRecord {
			f.skipTo(at)
			f.at, f.long = end, f.long+1
			at = end
			continue
		}
		b, err := f.view(at, headSize+int(n)+footSize)
		if err != nil {
			return nil, err
		}
		b = b[headSize:]
		f.skipTo(at)
		f.at, at = end, end
		if masked(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
			f.records++
			continue
		}
		return b[:n], nil
	}
	return nil, io.EOF
}

// skipTo counts the bytes in front of a record that are none.
func (f *frames) skipTo(at int64) { f.bytes += at - f.at }

// tail is how many bytes at the end are no record, or not yet.
func (f *frames) tail() int64 { return f.size - f.at }

func corrupt(what string) error {
	return fmt.Errorf("event: %s: %w", what, record.ErrCorrupt)
}
