package block

import (
	"encoding/binary"
)

const (
	valuesConstant = 0
	valuesRaw      = 1
	valuesDecimal  = 2
	valuesFloat32  = 3
	valuesFloat64  = 4
)

// AppendValues appends the value block of values, 1 to [MaxPoints] of them, to
// dst. Every float64 comes back bit for bit. It panics if there are none or
// too many.
func AppendValues(dst []byte, values []float64) []byte {
	if len(values) == 0 || len(values) > MaxPoints {
		panic("block: a value block wants 1 to MaxPoints values")
	}
	codecAt := len(dst) + 1
	dst = append(dst, version, valuesConstant)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if isConstant(values) {
		return appendConstant(dst, values)
	}
	s := encoders.Get().(*encoder)
	defer encoders.Put(s)
	if len(values) > smallBlock {
		dst = s.appendSummary(dst, values)
	}
	dst, codec := s.appendBody(dst, values)
	dst[codecAt] = codec
	return dst
}

// appendBody appends the smallest body it finds and returns its codec.
func (s *encoder) appendBody(dst []byte, values []float64) ([]byte, byte) {
	b := body{at: len(dst), end: len(dst), codec: valuesRaw, limit: 8 * len(values)}
	e, decimal := s.toDecimals(values)
	if decimal {
		dst = b.keep(s.appendDecimal(dst, e), valuesDecimal)
	}
	// Integers below 2^24 are float32 as well, and better off as they are.
	// A decimal that needs many bytes may be one by accident only.
	large := !decimal || b.end-b.at > 4*len(values)
	if (large || e > 0) && s.toFloat32(values) {
		dst = b.keep(s.appendFloat32(dst), valuesFloat32)
	} else if large {
		s.toFloat64(values)
		dst = b.keep(s.appendFloat64(dst), valuesFloat64)
	}
	if b.codec == valuesRaw {
		dst = appendRaw(dst, values)
	}
	return dst, b.codec
}

// body is the best candidate for a block's body so far: dst[at:end].
type body struct {
	at, end int
	codec   byte
	limit   int // what a candidate must stay below
}

// keep takes dst with a candidate behind the best so far and returns it with
// the better of both.
func (b *body) keep(dst []byte, codec byte) []byte {
	if size := len(dst) - b.end; size < b.limit {
		copy(dst[b.at:], dst[b.end:])
		b.end, b.codec, b.limit = b.at+size, codec, size
	}
	return dst[:b.end]
}

// DecodeValues appends the values of a block to dst and allocates only if it
// has no room for them. After an error, which wraps record.ErrCorrupt, it
// returns dst as it was.
func DecodeValues(dst []float64, src []byte) ([]float64, error) {
	r := reader{src: src}
	codec, n := r.valueHeader()
	if codec != valuesConstant && n > smallBlock {
		r.zone(n)
		r.skipPyramid(n)
	}
	if !r.ok() {
		return dst, r.err("value")
	}
	if codec == valuesRaw && len(src)-r.at != 8*n {
		r.fail("raw values of another size")
		return dst, r.err("value")
	}
	all, values := extend(dst, n)
	s := decoders.Get().(*decoder)
	defer decoders.Put(s)
	switch codec {
	case valuesConstant:
		readConstant(&r, values)
	case valuesRaw:
		readRaw(&r, values)
	case valuesDecimal:
		s.readDecimal(&r, values)
	case valuesFloat32:
		s.readFloat32(&r, values)
	case valuesFloat64:
		s.readFloat64(&r, values)
	}
	if err := r.finish("value"); err != nil {
		return dst, err
	}
	return all, nil
}

// valueHeader reads the bytes before the zone map.
func (r *reader) valueHeader() (codec byte, n int) {
	r.version()
	if codec = r.byte(); codec > valuesFloat64 {
		r.fail("unknown value codec")
	}
	return codec, r.points()
}
