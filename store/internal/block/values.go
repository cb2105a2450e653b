package block

import (
	"encoding/binary"
)

const (
	valuesConstant = 0
	valuesRaw      = 1
	valuesScaled   = 2
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
	d := s.toInts(values)
	if len(values) > smallBlock {
		dst = s.appendSummary(dst, values, &d)
	}
	at := len(dst)
	switch d.codec {
	case valuesScaled:
		dst = s.appendScaled(dst, &d.unit, d.guess)
	case valuesFloat32:
		dst = s.appendFloat32(dst, d.guess)
	default:
		dst = s.appendFloat64(dst, d.guess)
	}
	if len(dst)-at >= 8*len(values) {
		d.codec = valuesRaw
		dst = appendRaw(dst[:at], values)
	}
	dst[codecAt] = d.codec
	return dst
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
	case valuesScaled:
		s.readScaled(&r, values)
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
