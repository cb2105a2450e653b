package block

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
)

const (
	entropyFill  = 0
	entropyRaw   = 1
	entropyHuff1 = 2
	entropyHuff4 = 3
	entropyFSE   = 4
	entropyModes = 5
)

// FSE's tables have 2^minTableLog to 2^maxTableLog entries; the format writes
// the difference into the lowest four bits.
const (
	minTableLog = 5
	maxTableLog = 12
)

var entropyNames = [entropyModes]string{"fill", "raw", "huff0", "huff0x4", "fse"}

// minHuff4 is the smallest column in four streams: they decode faster, and
// cost eight bytes.
const minHuff4 = 1024

// appendEntropy appends symbols, the most frequent of which they hold most
// times, in the mode that it returns.
func (s *encoder) appendEntropy(dst, symbols []byte, most int) ([]byte, byte) {
	if most == len(symbols) {
		return dst, entropyFill
	}
	var out []byte
	var err error
	mode := byte(entropyHuff4)
	switch {
	case most*5 > len(symbols)*2:
		// Huffman codes have no less than a bit, and lose most where one
		// symbol is frequent.
		mode = entropyFSE
		out, err = fse.Compress(symbols, &s.fse)
	case len(symbols) < minHuff4:
		mode = entropyHuff1
		out, _, err = huff0.Compress1X(symbols, &s.huff)
	default:
		out, _, err = huff0.Compress4X(symbols, &s.huff)
	}
	if err != nil {
		return append(dst, symbols...), entropyRaw
	}
	dst = binary.AppendUvarint(dst, uint64(len(out)))
	return append(dst, out...), mode
}

// readEntropy returns as many symbols as buf has room for, in buf or not.
func (s *decoder) readEntropy(r *reader, buf []byte, mode byte) []byte {
	switch mode {
	case entropyFill:
		clear(buf)
		return buf
	case entropyRaw:
		return r.take(len(buf))
	}
	src := r.take(r.count(len(r.src)))
	if !r.ok() {
		return nil
	}
	var out []byte
	var err error
	n := len(buf)
	if mode == entropyFSE {
		out, err = s.fseSymbols(src, n)
	} else {
		var rest []byte
		if _, rest, err = huff0.ReadTable(src, &s.huff); err == nil {
			if mode == entropyHuff4 {
				out, err = s.huff.Decoder().Decompress4X(buf[:0:n], rest)
			} else {
				out, err = s.huff.Decoder().Decompress1X(buf[:0:n], rest)
			}
		}
	}
	if err != nil || len(out) != n {
		r.fail("bad symbols")
		return nil
	}
	return out
}

// fseSymbols decodes into a buffer of its own: the decoder may write a little
// more than n before it sees that it has too much.
func (s *decoder) fseSymbols(src []byte, n int) ([]byte, error) {
	const slack = 256 + 2
	if len(src) == 0 || src[0]&15 > maxTableLog-minTableLog {
		return nil, errTable
	}
	s.tokens = resize(s.tokens, n+slack)
	s.fse.Out = s.tokens[:0]
	s.fse.DecompressLimit = n + 1
	return fse.Decompress(src, &s.fse)
}

// errTable refuses a table larger than the encoder makes.
var errTable = errors.New("table too large")
