package journal

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// Frame is one entry of a journal. Payload is valid until the next call of
// [Reader.Next].
type Frame struct {
	Seq     uint64
	Kind    byte
	Payload []byte
	End     int64 // offset behind the frame
}

// Reader reads a journal from its start, also while its writer goes on.
type Reader struct {
	Header Header

	path string
	file *os.File
	mem  []byte // behind buf
	buf  []byte // read-ahead: file bytes from off
	off  int64  // offset of the next frame
	seq  uint64
	need int64 // frames up to here must be whole
}

// OpenReader opens a journal. A damaged header gives a *CorruptError, a newer
// format [ErrFuture].
func OpenReader(path string) (*Reader, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{path: path, file: f, off: pageSize}
	page := make([]byte, pageSize)
	if _, err = io.ReadFull(f, page); err != nil {
		_ = f.Close()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &CorruptError{path, 0, "shorter than its header"}
		}
		return nil, err
	}
	if r.Header, err = parseHeader(path, page); err != nil {
		_ = f.Close()
		return nil, err
	}
	if err := r.setNeed(page); err != nil {
		_ = f.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) setNeed(page []byte) error {
	m, ok := parseMark(page)
	if !ok { // a mark is written into the slot that is not the newest
		return &CorruptError{r.path, slotA, "no valid mark"}
	}
	need := m.Durable
	if boot := BootID(); m.Boot == boot && boot != [16]byte{} {
		need = max(need, m.Written)
	}
	r.need = max(r.need, need)
	return nil
}

// Refresh reads the mark again, for a journal that has grown.
func (r *Reader) Refresh() error {
	page := make([]byte, pageSize)
	if _, err := r.file.ReadAt(page, 0); err != nil {
		return err
	}
	r.buf = nil // may hold zeros where frames are now
	return r.setNeed(page)
}

const readAhead = 1 << 20

// fill makes at least n bytes from off available, or returns false at the end
// of the file.
func (r *Reader) fill(n int) (bool, error) {
	if len(r.buf) >= n {
		return true, nil
	}
	info, err := r.file.Stat()
	if err != nil {
		return false, err
	}
	left := info.Size() - r.off
	if left < int64(n) {
		return false, nil
	}
	size := int(min(left, int64(max(n, readAhead))))
	if cap(r.mem) < size {
		r.mem = make([]byte, size)
	}
	got, err := r.file.ReadAt(r.mem[:size], r.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	r.buf = r.mem[:got]
	return got >= n, nil
}

// Next returns the next whole frame, or io.EOF where the journal ends or is
// torn. Damage before the mark gives a *CorruptError. After io.EOF it may be
// called again when the journal has grown.
func (r *Reader) Next() (Frame, error) {
	ok, err := r.fill(FrameHeader)
	if err != nil {
		return Frame{}, err
	}
	if !ok {
		return Frame{}, r.end("journal ends early")
	}
	size := binary.LittleEndian.Uint32(r.buf)
	if size > MaxPayload {
		return Frame{}, r.end("impossible frame length")
	}
	n := FrameHeader + int(size)
	if ok, err = r.fill(n); err != nil {
		return Frame{}, err
	}
	if !ok {
		return Frame{}, r.end("frame ends early")
	}
	b := r.buf[:n]
	if frameSum(b) != binary.LittleEndian.Uint32(b[4:]) {
		return Frame{}, r.end("frame checksum mismatch")
	}
	f := Frame{Seq: binary.LittleEndian.Uint64(b[8:]), Kind: b[16], Payload: b[FrameHeader:], End: r.off + int64(n)}
	if f.Seq != r.seq+1 {
		return Frame{}, &CorruptError{r.path, r.off, "frame out of sequence"}
	}
	r.buf = r.buf[n:]
	r.off, r.seq = f.End, f.Seq
	return f, nil
}

// end decides whether a frame that cannot be read is the end or damage.
func (r *Reader) end(what string) error {
	if r.off < r.need {
		return &CorruptError{r.path, r.off, what}
	}
	r.buf = nil
	return io.EOF
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }
