package badgerkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

var (
	errFooter = errors.New("bad footer")
	errIndex  = errors.New("index does not match its checksum")
	errBlock  = errors.New("block does not match its checksum")
)

// sst is an open table.
//
//	blocks
//	index      flatbuffer: offset, length and first key of each block
//	4          length of the index, big-endian
//	checksum   protobuf: CRC-32C of the index
//	4          length of the checksum, big-endian
type sst struct {
	r      io.ReaderAt
	size   int64
	close  func() error
	blocks int64 // bytes before the index
	index  *fb.TableIndex
	buf    []byte // of the block read last
}

// openTable opens a table and checks its footer and index. It puts the index
// into buf.
func openTable(name string, buf []byte) (*sst, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	t := &sst{r: f, size: info.Size(), close: f.Close}
	if err := t.readIndex(buf); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

func (t *sst) readIndex(buf []byte) error {
	const most = 64 // bytes of both lengths and the checksum
	foot := make([]byte, min(most, t.size))
	if _, err := t.r.ReadAt(foot, t.size-int64(len(foot))); err != nil {
		return err
	}
	if len(foot) < 8 {
		return errFooter
	}
	foot, n := foot[:len(foot)-4], binary.BigEndian.Uint32(foot[len(foot)-4:])
	if n == 0 || int64(n) > int64(len(foot)-4) {
		return errFooter
	}
	foot, sum := foot[:len(foot)-int(n)], foot[len(foot)-int(n):]
	indexLen := int64(binary.BigEndian.Uint32(foot[len(foot)-4:]))
	t.blocks = t.size - 8 - int64(n) - indexLen
	if indexLen < 8 || t.blocks <= 0 {
		return errFooter
	}
	index := slices.Grow(buf[:0], int(indexLen))[:indexLen]
	if _, err := t.r.ReadAt(index, t.blocks); err != nil {
		return err
	}
	if !matches(index, sum) {
		return errIndex
	}
	t.index = fb.GetRootAsTableIndex(index, 0)
	if t.index.OffsetsLength() == 0 {
		return errIndex
	}
	return nil
}

// matches reports whether sum is b's checksum.
func matches(b, sum []byte) bool {
	var c pb.Checksum
	return proto.Unmarshal(sum, &c) == nil && c.Algo == pb.Checksum_CRC32C &&
		c.Sum == uint64(crc32.Checksum(b, castagnoli))
}

// block reads and checks block i: its rows' bytes and their offsets. Both are
// valid until the next call.
func (t *sst) block(i int) (rows, offsets []byte, err error) {
	var o fb.BlockOffset
	if !t.index.Offsets(&o, i) {
		return nil, nil, errIndex
	}
	off, n := int64(o.Offset()), int64(o.Len())
	if n < 8 || off+n > t.blocks {
		return nil, nil, errIndex
	}
	b := slices.Grow(t.buf[:0], int(n))[:n]
	t.buf = b
	if _, err := t.r.ReadAt(b, off); err != nil {
		return nil, nil, err
	}
	b, sumLen := b[:n-4], int64(binary.BigEndian.Uint32(b[n-4:]))
	if sumLen > n-8 {
		return nil, nil, errBlock
	}
	b, sum := b[:n-4-sumLen], b[n-4-sumLen:]
	if !matches(b, sum) {
		return nil, nil, errBlock
	}
	b, count := b[:len(b)-4], int64(binary.BigEndian.Uint32(b[len(b)-4:]))
	if 4*count > int64(len(b)) {
		return nil, nil, errBlock
	}
	cut := len(b) - int(4*count)
	return b[:cut], b[cut:], nil
}

// each calls fn with every key and version until it returns false. A key is
// valid during the call only.
func (t *sst) each(fn func(key []byte, version uint64) bool) error {
	var key []byte
	for i := range t.index.OffsetsLength() {
		rows, offsets, err := t.block(i)
		if err != nil {
			return err
		}
		var base []byte
		for ; len(offsets) > 0; offsets = offsets[4:] {
			at := int(binary.NativeEndian.Uint32(offsets))
			if at < 0 || at+4 > len(rows) {
				return errBlock
			}
			row := rows[at:]
			// The length shared with the block's first key, the length of the rest.
			shared, own := int(binary.NativeEndian.Uint16(row)), int(binary.NativeEndian.Uint16(row[2:]))
			if 4+own > len(row) || shared > len(base) || shared+own < 8 {
				return errBlock
			}
			key = append(append(key[:0], base[:shared]...), row[4:4+own]...)
			if base == nil {
				base = slices.Clone(key)
			}
			n := len(key) - 8
			if !fn(key[:n], math.MaxUint64-binary.BigEndian.Uint64(key[n:])) {
				return nil
			}
		}
	}
	return nil
}

// checkTable checks the footer and index of dir/name, and with blocks set
// every block. Damage is a *GuardError. The buffer is used and handed back.
func checkTable(dir, name string, blocks bool, buf []byte) (_ []byte, err error) {
	defer func() {
		if p := recover(); p != nil { // from the flatbuffer's accessors
			err = &GuardError{File: filepath.Join(dir, name), Reason: fmt.Sprintf("bad index: %v", p)}
		}
	}()
	t, err := openTable(filepath.Join(dir, name), buf)
	if err == nil {
		defer t.close()
		if blocks {
			for i := 0; i < t.index.OffsetsLength() && err == nil; i++ {
				_, _, err = t.block(i)
			}
		}
		buf = t.index.Table().Bytes[:0]
	}
	switch {
	case err == nil:
		return buf, nil
	case errors.Is(err, errFooter), errors.Is(err, errIndex), errors.Is(err, errBlock), errors.Is(err, io.EOF):
		return buf, &GuardError{File: filepath.Join(dir, name), Reason: err.Error()}
	}
	return buf, err
}
