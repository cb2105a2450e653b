package block

import "encoding/binary"

// Predictors guess the next integer of a column from those before it; the
// column stores what they miss.
const (
	predictNone   = 0
	predictDelta  = 1 // the one before; 2…6 an average of those before, weight 1/2^(p-1)
	predictDelta2 = 7 // as far again; 8…11 an average of the distances, weight 1/2^(p-7)
	predictDelta3 = 12
	predictors    = 13
)

var predictorNames = [predictors]string{
	"", " delta", " ema2", " ema4", " ema8", " ema16", " ema32",
	" delta2", " slope2", " slope4", " slope8", " slope16", " delta3",
}

// predictorStart returns how many integers must be known before the first
// residual; x[0] is one of them.
func predictorStart(p int) int {
	switch {
	case p < predictDelta2:
		return 1
	case p < predictDelta3:
		return 2
	}
	return 3
}

// appendStart appends the integers, but x[0], that p must know.
func appendStart(dst []byte, p int, xs []int64) []byte {
	if p >= predictDelta2 {
		dst = binary.AppendVarint(dst, xs[1]-xs[0])
	}
	if p == predictDelta3 {
		dst = binary.AppendVarint(dst, xs[2]-2*xs[1]+xs[0])
	}
	return dst
}

// readStart fills xs[1:] up to the first residual.
func (r *reader) readStart(p int, xs []int64) {
	if predictorStart(p) > len(xs) {
		r.fail("too few points for the predictor")
		return
	}
	if p >= predictDelta2 {
		xs[1] = xs[0] + r.varint()
	}
	if p == predictDelta3 {
		xs[2] = 2*xs[1] - xs[0] + r.varint()
	}
}

// residuals fills buf, as long as xs or longer, with what p misses of xs and
// returns what it used. All differences wrap.
func residuals(buf []int64, p int, xs []int64) []int64 {
	buf = buf[:len(xs)-predictorStart(p)]
	first := xs[0]
	switch {
	case p == predictNone:
		for i, x := range xs[1:] {
			buf[i] = x - first
		}
	case p == predictDelta:
		prev := first
		for i, x := range xs[1:] {
			buf[i] = x - prev
			prev = x
		}
	case p < predictDelta2:
		// sum is 2^shift times the distance of the average from x[0]: the
		// fraction that an integer average would lose stays in it.
		shift := uint(p-predictDelta) & 63
		sum := int64(1) << shift >> 1
		for i, x := range xs[1:] {
			r := x - first - sum>>shift
			sum += r
			buf[i] = r
		}
	case p < predictDelta3:
		shift := uint(p-predictDelta2) & 63
		sum := int64(1) << shift >> 1
		prev, slope := xs[1], xs[1]-first
		for i, x := range xs[2:] {
			r := x - prev - slope - sum>>shift
			prev = x
			sum += r
			buf[i] = r
		}
	default:
		prev, d := xs[2], xs[2]-xs[1]
		dd := d - (xs[1] - first)
		for i, x := range xs[3:] {
			r := x - prev - d - dd
			dd += r
			d += dd
			prev = x
			buf[i] = r
		}
	}
	return buf
}

// integrate turns residuals into integers in place. Those before the first
// residual are integers already.
func integrate(xs []int64, p int) {
	first := xs[0]
	switch {
	case p == predictNone:
		for i, r := range xs[1:] {
			xs[1+i] = first + r
		}
	case p == predictDelta:
		x := first
		for i, r := range xs[1:] {
			x += r
			xs[1+i] = x
		}
	case p < predictDelta2:
		shift := uint(p-predictDelta) & 63
		sum := int64(1) << shift >> 1
		for i, r := range xs[1:] {
			xs[1+i] = first + sum>>shift + r
			sum += r
		}
	case p < predictDelta3:
		shift := uint(p-predictDelta2) & 63
		sum := int64(1) << shift >> 1
		x, slope := xs[1], xs[1]-first
		for i, r := range xs[2:] {
			x += slope + sum>>shift + r
			sum += r
			xs[2+i] = x
		}
	default:
		x, d := xs[2], xs[2]-xs[1]
		dd := d - (xs[1] - first)
		for i, r := range xs[3:] {
			dd += r
			d += dd
			x += d
			xs[3+i] = x
		}
	}
}
