package block

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoder is the working memory of one running encode.
type encoder struct {
	ints  []int64  // a column's integers
	res   []int64  // residuals of one predictor
	zz    []uint64 // residuals less their reference, zigzagged
	plane []byte
	spans []Span
	exc   []exception
	zstd  *zstd.Encoder // nil until a plane wants it
}

// decoder is the working memory of one running decode.
type decoder struct {
	ints   []int64
	res    []int64   // columns of a pyramid
	floats []float64 // values of a block without a pyramid
	plane  []byte
	zstd   *zstd.Decoder // nil until a plane wants it
}

// One zstd coder of concurrency 1 lives in each piece of scratch: as many as
// run at the same time, and the garbage collector takes idle ones.
var (
	encoders = sync.Pool{New: func() any { return new(encoder) }}
	decoders = sync.Pool{New: func() any { return new(decoder) }}
)

// compress appends one zstd frame of src to dst.
func (s *encoder) compress(dst, src []byte) []byte {
	if s.zstd == nil {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(MaxPoints), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
		if err != nil {
			panic(fmt.Sprintf("block: zstd refuses its constant options: %v", err))
		}
		s.zstd = w
	}
	return s.zstd.EncodeAll(src, dst)
}

// decompress fills dst, of the exact size, from one zstd frame and reports
// whether the frame was sound and of that size.
func (s *decoder) decompress(dst, frame []byte) bool {
	var h zstd.Header
	if err := h.Decode(frame); err != nil || h.Skippable || !h.HasFCS || h.FrameContentSize != uint64(len(dst)) {
		return false
	}
	if s.zstd == nil {
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxPoints), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic(fmt.Sprintf("block: zstd refuses its constant options: %v", err))
		}
		s.zstd = r
	}
	got, err := s.zstd.DecodeAll(frame, dst[:0:len(dst)])
	return err == nil && len(got) == len(dst)
}

// resize returns buf with length n and any content.
func resize[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	return buf[:n]
}

// extend returns dst longer by n elements of any content, and those elements.
func extend[T any](dst []T, n int) (all, tail []T) {
	at := len(dst)
	if cap(dst)-at < n {
		grown := make([]T, at+n)
		copy(grown, dst)
		return grown, grown[at:]
	}
	return dst[:at+n], dst[at : at+n]
}
