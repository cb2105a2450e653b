package block

import (
	"encoding/binary"
	"math"
)

// maxNumber is the size of the longest number.
const maxNumber = 9

// spansOf returns how many spans n values have.
func spansOf(n int) int { return (n + PyramidSpan - 1) / PyramidSpan }

// appendSummary appends the zone map and, for more than one span, the pyramid.
func (s *encoder) appendSummary(dst []byte, values []float64) []byte {
	z := newZone(values)
	s.spans = s.spans[:0]
	for at := 0; at < len(values); at += PyramidSpan {
		s.spans = append(s.spans, z.scan(values[at:min(at+PyramidSpan, len(values))], at))
	}
	dst = z.append(dst)
	if len(s.spans) == 1 {
		return dst
	}
	// The length goes before the pyramid but is known after it.
	at := len(dst)
	for _, m := range s.spans {
		dst = appendNumber(dst, m.Min)
		dst = appendNumber(dst, m.Max)
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(dst)-at))
	dst = append(dst, length[:n]...)
	copy(dst[at+n:], dst[at:len(dst)-n])
	copy(dst[at:], length[:n])
	return dst
}

// pyramidBytes reads the pyramid's length, 0 if n values have no pyramid.
func (r *reader) pyramidBytes(n int) int {
	if n <= PyramidSpan {
		return 0
	}
	return r.count(2 * maxNumber * spansOf(n))
}

func (r *reader) skipPyramid(n int) { r.take(r.pyramidBytes(n)) }

// ReadZone reads the zone map of a value block, without decoding its values
// unless they are 16 or fewer. Its error wraps record.ErrCorrupt.
func ReadZone(src []byte) (Zone, error) {
	r := reader{src: src}
	codec, n := r.valueHeader()
	if !r.ok() {
		return Zone{}, r.err("value")
	}
	var z Zone
	switch {
	case n <= smallBlock:
		var few [smallBlock]float64
		values, err := DecodeValues(few[:0], src)
		if err != nil {
			return Zone{}, err
		}
		return ZoneOf(values), nil
	case codec == valuesConstant:
		z = r.constantZone(n)
	default:
		z = r.zone(n)
	}
	if err := r.err("value"); err != nil {
		return Zone{}, err
	}
	return z, nil
}

// ReadPyramid appends one range for every [PyramidSpan] values of a value
// block, without decoding them, to dst. After an error, which wraps
// record.ErrCorrupt, it returns dst as it was.
func ReadPyramid(dst []MinMax, src []byte) ([]MinMax, error) {
	r := reader{src: src}
	codec, n := r.valueHeader()
	if !r.ok() {
		return dst, r.err("value")
	}
	if n <= PyramidSpan || codec == valuesConstant {
		z, err := ReadZone(src)
		if err != nil {
			return dst, err
		}
		for range spansOf(n) {
			dst = append(dst, MinMax{Min: z.Min, Max: z.Max})
		}
		return dst, nil
	}
	r.zone(n)
	end := r.pyramidBytes(n)
	end += r.at
	if end > len(src) {
		r.fail("pyramid ends early")
	}
	if !r.ok() {
		return dst, r.err("value")
	}
	all, spans := extend(dst, spansOf(n))
	for i := range spans {
		spans[i].Min = r.number()
		spans[i].Max = r.number()
	}
	if r.ok() && r.at != end {
		r.fail("pyramid of another length")
	}
	if err := r.err("value"); err != nil {
		return dst, err
	}
	return all, nil
}

// constantZone reads the body of a constant block of more than smallBlock
// values as its zone map.
func (r *reader) constantZone(n int) Zone {
	v := r.number()
	z := ZoneOf([]float64{v})
	z.Count, z.NaN, z.PosInf, z.NegInf = n, z.NaN*n, z.PosInf*n, z.NegInf*n
	if v-v == 0 {
		z.Sum = r.number()
	}
	return z
}

// isConstant reports whether all values have the same bits.
func isConstant(values []float64) bool {
	first := math.Float64bits(values[0])
	for _, v := range values[1:] {
		if math.Float64bits(v) != first {
			return false
		}
	}
	return true
}
