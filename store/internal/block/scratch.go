package block

import (
	"sync"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
)

// encoder is the working memory of one running encode.
type encoder struct {
	ints   []int64 // a column's integers
	scaled []int64 // the same, divided by their scale
	res    []int64 // residuals of one predictor
	tokens []byte
	raw    []byte
	hist   [2][256]uint32
	shape  tokenShape
	spans  []Span
	exc    []exception
	sample [sampleSize]int64
	values [sampleSize]float64
	huff   huff0.Scratch
	fse    fse.Scratch
}

// decoder is the working memory of one running decode.
type decoder struct {
	ints   []int64
	res    []int64   // columns of a pyramid
	floats []float64 // values of a block without a pyramid
	tokens []byte
	huff   huff0.Scratch
	fse    fse.Scratch
}

var (
	encoders = sync.Pool{New: func() any { return newEncoder() }}
	decoders = sync.Pool{New: func() any { return new(decoder) }}
)

func newEncoder() *encoder {
	s := new(encoder)
	s.huff.Reuse = huff0.ReusePolicyNone
	s.fse.TableLog = maxTableLog
	return s
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
