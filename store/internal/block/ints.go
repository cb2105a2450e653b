package block

import (
	"encoding/binary"
	"math"
	"math/bits"
)

const (
	intsStride = 0
	intsPacked = 1
	intsPlanes = 2
)

const (
	predictNone   = 0
	predictDelta  = 1
	predictDelta2 = 2
	predictors    = 3
)

// minPlanes is the smallest column that tries planes: below it the forms and
// frame headers outweigh what entropy coding saves.
const minPlanes = 48

// appendInts appends the column of xs; the reader must be told xs[0].
func (s *encoder) appendInts(dst []byte, xs []int64) []byte {
	if stride, ok := strideOf(xs); ok {
		return appendStride(dst, stride)
	}
	s.res = resize(s.res, len(xs))
	packed, packedSize := predictNone, math.MaxInt
	planes, planesCost := predictNone, math.MaxFloat64
	for p := range predictors {
		res := residuals(s.res, p, xs)
		size := 1 + packedBytes(res)
		if p == predictDelta2 {
			size += varintBytes(xs[1] - xs[0])
		}
		if size < packedSize {
			packed, packedSize = p, size
		}
		if len(xs) >= minPlanes {
			if cost := planesBits(res, center(res)); cost < planesCost {
				planes, planesCost = p, cost
			}
		}
	}
	if len(xs) >= minPlanes {
		at := len(dst)
		dst = appendPrediction(dst, intsPlanes, planes, xs)
		dst = s.appendPlanes(dst, residuals(s.res, planes, xs))
		if len(dst)-at < packedSize {
			return dst
		}
		dst = dst[:at]
	}
	dst = appendPrediction(dst, intsPacked, packed, xs)
	return appendPacked(dst, residuals(s.res, packed, xs))
}

// appendPrediction appends the codec byte and what the predictor starts from.
func appendPrediction(dst []byte, codec, predictor int, xs []int64) []byte {
	dst = append(dst, byte(codec|predictor<<4))
	if predictor == predictDelta2 {
		dst = binary.AppendVarint(dst, xs[1]-xs[0])
	}
	return dst
}

// residuals fills buf, as long as xs or longer, and returns what it used.
func residuals(buf []int64, predictor int, xs []int64) []int64 {
	switch predictor {
	case predictNone:
		buf = buf[:len(xs)-1]
		first := xs[0]
		for i, x := range xs[1:] {
			buf[i] = x - first
		}
	case predictDelta:
		buf = buf[:len(xs)-1]
		prev := xs[0]
		for i, x := range xs[1:] {
			buf[i] = x - prev
			prev = x
		}
	case predictDelta2:
		buf = buf[:len(xs)-2]
		prev, delta := xs[1], xs[1]-xs[0]
		for i, x := range xs[2:] {
			d := x - prev
			buf[i] = d - delta
			prev, delta = x, d
		}
	}
	return buf
}

// readInts fills xs, of at least one element, from a column; xs[0] is first.
func (s *decoder) readInts(r *reader, first int64, xs []int64) {
	xs[0] = first
	head := r.byte()
	codec, predictor := head&15, head>>4
	if codec == intsStride && predictor == predictNone {
		fillStride(xs, first, r.varint())
		return
	}
	res := xs[1:]
	switch {
	case predictor >= predictors:
		r.fail("unknown predictor")
		return
	case predictor == predictDelta2:
		if len(xs) < 3 {
			r.fail("too few points for the predictor")
			return
		}
		xs[1] = r.varint()
		res = xs[2:]
	}
	switch codec {
	case intsPacked:
		readPacked(r, res)
	case intsPlanes:
		s.readPlanes(r, res)
	default:
		r.fail("unknown integer codec")
	}
	if r.ok() {
		integrate(xs, predictor)
	}
}

// integrate turns residuals into integers in place; xs[0] is one already, and
// xs[1] holds the first delta if the predictor is delta of delta.
func integrate(xs []int64, predictor byte) {
	sum := xs[0]
	switch predictor {
	case predictNone:
		for i := range xs[1:] {
			xs[1+i] += sum
		}
	case predictDelta:
		for i, d := range xs[1:] {
			sum += d
			xs[1+i] = sum
		}
	case predictDelta2:
		var delta int64
		for i, d := range xs[1:] {
			delta += d
			sum += delta
			xs[1+i] = sum
		}
	}
}

// center returns a residual near the middle of res: the median of 33 spread
// over it.
func center(res []int64) int64 {
	const samples = 33
	var sorted [samples]int64
	n := 0
	for i := 0; i < len(res) && n < samples; i += len(res)/samples + 1 {
		j := n
		for ; j > 0 && sorted[j-1] > res[i]; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = res[i]
		n++
	}
	return sorted[n/2]
}

// planesBits estimates the size of res as planes, in bits a residual: the
// entropy of each plane over a sample. Repeats that zstd finds are not seen.
func planesBits(res []int64, ref int64) float64 {
	const window = sampleSize / 2
	var hist [8][256]uint16
	first, second := res, res[:0]
	if len(res) > sampleSize {
		half := len(res) / 2
		first, second = res[:window], res[half:half+window]
	}
	var or uint64
	for _, part := range [...][]int64{first, second} {
		for _, r := range part {
			or |= zigzag(r - ref)
		}
	}
	planes := (bits.Len64(or) + 7) / 8
	for _, part := range [...][]int64{first, second} {
		for _, r := range part {
			u := zigzag(r - ref)
			for j := range planes {
				hist[j][byte(u)]++
				u >>= 8
			}
		}
	}
	n := len(first) + len(second)
	total := float64(planes) * float64(xlog2x[n])
	for j := range planes {
		for _, c := range hist[j] {
			total -= float64(xlog2x[c])
		}
	}
	return total / float64(n)
}

const sampleSize = 512

// xlog2x[c] is c·log₂c.
var xlog2x = func() (table [sampleSize + 1]float32) {
	for c := 1; c < len(table); c++ {
		table[c] = float32(float64(c) * math.Log2(float64(c)))
	}
	return table
}()
