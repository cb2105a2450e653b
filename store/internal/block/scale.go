package block

import "math/bits"

// scaleOf returns the largest g that divides the distance of every integer
// from the first, or 1 if nothing is won.
func scaleOf(xs []int64) int64 {
	const samples = 32
	var g uint64
	for i := len(xs) - 1; i > 0; i -= len(xs)/samples + 1 {
		if g = gcd(g, distance(xs[i], xs[0])); g == 1 {
			return 1
		}
	}
	if g&(g-1) == 0 { // a power of two, or 0: no division is needed
		var or uint64
		if g == 0 {
			for _, x := range xs {
				g = gcd(g, distance(x, xs[0]))
			}
		} else {
			for _, x := range xs {
				or |= uint64(x - xs[0])
			}
			g = 1 << bits.TrailingZeros64(or|g)
		}
	} else {
		for _, x := range xs {
			if d := distance(x, xs[0]); d%g != 0 {
				if g = gcd(g, d); g == 1 {
					return 1
				}
			}
		}
	}
	if g == 0 || g > 1<<62 {
		return 1
	}
	return int64(g)
}

// distance returns |a - b|, the difference wrapping first.
func distance(a, b int64) uint64 {
	d := a - b
	return uint64((d ^ d>>63) - d>>63)
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// scaleDown fills buf with the distances of xs from the first, divided by g.
func scaleDown(buf, xs []int64, g int64) []int64 {
	buf = buf[:len(xs)]
	first := xs[0]
	if g&(g-1) == 0 {
		shift := bits.TrailingZeros64(uint64(g)) & 63
		for i, x := range xs {
			buf[i] = (x - first) >> shift
		}
		return buf
	}
	for i, x := range xs {
		buf[i] = (x - first) / g
	}
	return buf
}
