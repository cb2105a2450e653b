package block

import (
	"encoding/binary"
	"math"
)

const (
	intsStride = 0
	intsPacked = 1
	intsTokens = 2
	intsScaled = 1 << 3 // in the head: a scale follows
)

// minTokens is the smallest column that tries tokens: below it the table
// outweighs what entropy coding saves.
const minTokens = 16

// appendInts appends the column of xs; the reader must be told xs[0].
func (s *encoder) appendInts(dst []byte, xs []int64, guess guess) []byte {
	if stride, ok := strideOf(xs); ok {
		return appendStride(dst, stride)
	}
	head, g := byte(0), scaleOf(xs)
	if g > 1 {
		head = intsScaled
		s.scaled = resize(s.scaled, len(xs))
		xs = scaleDown(s.scaled, xs, g)
	}
	p := s.predictor(xs, guess)
	s.res = resize(s.res, len(xs))
	packed, packedSize := p, math.MaxInt
	if len(xs) <= smallColumn {
		packed, packedSize = s.bestPacked(xs)
	}
	if len(xs) >= minTokens {
		res := residuals(s.res, p, xs)
		if shape := s.shapeTokens(res); int(shape.bits)/8 < packedSize {
			dst = appendHead(dst, head|intsTokens, g, p, xs)
			return s.appendTokens(dst, res)
		}
	}
	dst = appendHead(dst, head|intsPacked, g, packed, xs)
	return appendPacked(dst, residuals(s.res, packed, xs))
}

// appendHead appends what comes before the codec's own bytes.
func appendHead(dst []byte, head byte, g int64, p int, xs []int64) []byte {
	dst = append(dst, head|byte(p)<<4)
	if head&intsScaled != 0 {
		dst = binary.AppendUvarint(dst, uint64(g))
	}
	return appendStart(dst, p, xs)
}

// readInts fills xs, of at least one element, from a column; xs[0] is first.
func (s *decoder) readInts(r *reader, first int64, xs []int64) {
	head := r.byte()
	if head == intsStride {
		fillStride(xs, first, r.varint())
		return
	}
	codec, p, g := head&7, int(head>>4), int64(1)
	xs[0] = first
	if head&intsScaled != 0 {
		g = int64(r.uvarint())
		xs[0] = 0
	}
	if p >= predictors {
		r.fail("unknown predictor")
		return
	}
	r.readStart(p, xs)
	if !r.ok() {
		return
	}
	switch res := xs[predictorStart(p):]; codec {
	case intsPacked:
		readPacked(r, res)
	case intsTokens:
		s.readTokens(r, res)
	default:
		r.fail("unknown integer codec")
	}
	if !r.ok() {
		return
	}
	integrate(xs, p)
	if head&intsScaled != 0 {
		for i, x := range xs {
			xs[i] = first + g*x
		}
	}
}
