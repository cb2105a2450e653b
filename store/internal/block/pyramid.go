package block

import (
	"encoding/binary"
	"math"
)

// minPyramid is the smallest block with a pyramid: decoding fewer values costs
// little, and the pyramid of a short curve is large beside it.
const minPyramid = 4*PyramidSpan + 1

const (
	pyramidNumbers = 0
	pyramidScaled  = 1
	pyramidFloat32 = 2
	pyramidFloat64 = 3
)

// spansOf returns how many spans n values have.
func spansOf(n int) int { return (n + PyramidSpan - 1) / PyramidSpan }

// maxPyramid bounds the bytes of the pyramid of n values: five columns of at
// most nine bytes a number, and their heads.
func maxPyramid(n int) int { return 64 + 48*spansOf(n) }

// appendSummary appends the zone map and, for a long block, the pyramid.
func (s *encoder) appendSummary(dst []byte, values []float64, d *domain) []byte {
	z := newZone(values)
	s.spans = s.spans[:0]
	for at := 0; at < len(values); at += PyramidSpan {
		s.spans = append(s.spans, z.scan(values[at:min(at+PyramidSpan, len(values))], at))
	}
	dst = z.append(dst)
	if len(values) < minPyramid {
		return dst
	}
	at := len(dst)
	return prefixLength(s.appendPyramid(dst, d, z.NaN > 0), at)
}

// prefixLength puts the length of dst[at:] before it as a uvarint.
func prefixLength(dst []byte, at int) []byte {
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(dst)-at))
	dst = append(dst, length[:n]...)
	copy(dst[at+n:], dst[at:len(dst)-n])
	copy(dst[at:], length[:n])
	return dst
}

// appendPyramid appends s.spans. The integers of a span lie in its range, so
// they are stored as distances from its minimum.
func (s *encoder) appendPyramid(dst []byte, d *domain, nans bool) []byte {
	form := s.pyramidForm(d)
	dst = append(dst, form)
	if form == pyramidNumbers {
		for _, p := range s.spans {
			dst = appendNumber(dst, p.First)
			dst = appendNumber(dst, p.Last)
			dst = appendNumber(dst, p.Min)
			dst = appendNumber(dst, p.Max)
		}
	} else {
		if form == pyramidScaled {
			dst = d.unit.append(dst)
		}
		dst = s.appendPyramidInts(dst, form, &d.unit)
	}
	if nans {
		counts := resize(s.res, len(s.spans))
		for i, p := range s.spans {
			counts[i] = int64(p.NaN)
		}
		dst = appendPacked(dst, counts)
		s.res = counts
	}
	return dst
}

func (s *encoder) appendPyramidInts(dst []byte, form byte, u *unit) []byte {
	m := len(s.spans)
	s.res = resize(s.res, 4*m)
	drift, height, first, last := s.res[:m], s.res[m:2*m], s.res[2*m:3*m], s.res[3*m:]
	var prev int64
	for i, p := range s.spans {
		low := pyramidInt(form, u, p.Min)
		drift[i] = low - prev
		height[i] = pyramidInt(form, u, p.Max) - low
		first[i] = pyramidInt(form, u, p.First) - low
		last[i] = pyramidInt(form, u, p.Last) - low
		prev = low
	}
	dst = binary.AppendVarint(dst, drift[0])
	drift[0] = 0
	g := scaleOf(s.res) // of distances from 0
	if g > 1 {
		scaleDown(s.res, s.res, g)
	}
	dst = binary.AppendUvarint(dst, uint64(g))
	dst = appendPacked(dst, drift[1:])
	dst = appendPacked(dst, height)
	dst = appendPacked(dst, first)
	return appendPacked(dst, last)
}

// pyramidForm returns the form of the block's domain if all numbers are in it.
func (s *encoder) pyramidForm(d *domain) byte {
	form, finite := pyramidFloat64, true
	switch d.codec {
	case valuesScaled:
		form = pyramidScaled
	case valuesFloat32:
		form = pyramidFloat32
	}
	for i := range s.spans {
		p := &s.spans[i]
		for _, v := range [...]float64{p.First, p.Last, p.Min, p.Max} {
			finite = finite && v-v == 0
			ok := true
			switch form {
			case pyramidScaled:
				_, ok = d.unit.int(v)
			case pyramidFloat32:
				_, ok = narrow(v)
			}
			if !ok {
				form = pyramidFloat64
			}
		}
	}
	if form == pyramidFloat64 && !finite {
		return pyramidNumbers
	}
	return byte(form)
}

// pyramidInt returns the integer of a number that has one.
func pyramidInt(form byte, u *unit, v float64) int64 {
	switch form {
	case pyramidScaled:
		k, _ := u.int(v)
		return k
	case pyramidFloat32:
		b, _ := narrow(v)
		return orderFloat32(b)
	}
	return orderFloat64(v)
}

// pyramidFloat undoes pyramidInt.
func pyramidFloat(form byte, u *unit, k int64) float64 {
	switch form {
	case pyramidScaled:
		return u.float(k)
	case pyramidFloat32:
		return unorderFloat32(k)
	}
	return unorderFloat64(k)
}

// skipPyramid passes the pyramid of n values, if they have one.
func (r *reader) skipPyramid(n int) {
	if n >= minPyramid {
		r.take(r.count(maxPyramid(n)))
	}
}

// ReadPyramid appends one summary for every [PyramidSpan] values of a value
// block to dst, without decoding them unless they are 1,024 or fewer. After an
// error, which wraps record.ErrCorrupt, it returns dst as it was.
func ReadPyramid(dst []Span, src []byte) ([]Span, error) {
	r := reader{src: src}
	codec, n := r.valueHeader()
	if !r.ok() {
		return dst, r.err("value")
	}
	if codec == valuesConstant {
		v := r.number()
		if err := r.err("value"); err != nil {
			return dst, err
		}
		return appendConstantSpans(dst, v, n), nil
	}
	s := decoders.Get().(*decoder)
	defer decoders.Put(s)
	if n < minPyramid {
		values, err := DecodeValues(s.floats[:0], src)
		if err != nil {
			return dst, err
		}
		s.floats = values
		var z Zone
		for at := 0; at < n; at += PyramidSpan {
			dst = append(dst, z.scan(values[at:min(at+PyramidSpan, n)], at))
		}
		return dst, nil
	}
	nans := r.zone(n).NaN > 0
	size := r.count(maxPyramid(n))
	end := r.at + size
	all, spans := extend(dst, spansOf(n))
	s.readPyramid(&r, spans, nans, n)
	if r.ok() && r.at != end {
		r.fail("pyramid of another length")
	}
	if err := r.err("value"); err != nil {
		return dst, err
	}
	return all, nil
}

func appendConstantSpans(dst []Span, v float64, n int) []Span {
	p := Span{First: v, Last: v, Min: v, Max: v}
	if v != v {
		p.Min, p.Max = math.Inf(1), math.Inf(-1)
	}
	for ; n > 0; n -= PyramidSpan {
		if v != v {
			p.NaN = min(n, PyramidSpan)
		}
		dst = append(dst, p)
	}
	return dst
}

// readPyramid fills spans, those of n values.
func (s *decoder) readPyramid(r *reader, spans []Span, nans bool, n int) {
	form := r.byte()
	if form > pyramidFloat64 {
		r.fail("unknown pyramid form")
		return
	}
	if form == pyramidNumbers {
		for i := range spans {
			spans[i] = Span{First: r.number(), Last: r.number(), Min: r.number(), Max: r.number()}
		}
	} else {
		var u unit
		if form == pyramidScaled {
			u = r.unit()
		}
		s.readPyramidInts(r, spans, form, &u)
	}
	if nans && r.ok() {
		s.res = resize(s.res, len(spans))
		readPacked(r, s.res)
		for i, c := range s.res {
			if c < 0 || c > int64(min(PyramidSpan, n-i*PyramidSpan)) {
				r.fail("more NaN than values")
				return
			}
			spans[i].NaN = int(c)
		}
	}
}

func (s *decoder) readPyramidInts(r *reader, spans []Span, form byte, u *unit) {
	m := len(spans)
	s.res = resize(s.res, 4*m)
	drift, height, first, last := s.res[:m], s.res[m:2*m], s.res[2*m:3*m], s.res[3*m:]
	base, g := r.varint(), int64(r.uvarint())
	drift[0] = 0
	readPacked(r, drift[1:])
	readPacked(r, height)
	readPacked(r, first)
	readPacked(r, last)
	var low int64
	for i := range spans {
		low += drift[i]
		spans[i] = Span{
			First: pyramidFloat(form, u, base+g*(low+first[i])),
			Last:  pyramidFloat(form, u, base+g*(low+last[i])),
			Min:   pyramidFloat(form, u, base+g*low),
			Max:   pyramidFloat(form, u, base+g*(low+height[i])),
		}
	}
}
