package block

import "encoding/binary"

// strideOf returns the difference that all neighbours share, if they do.
func strideOf(xs []int64) (int64, bool) {
	if len(xs) < 2 {
		return 0, true
	}
	stride, prev := xs[1]-xs[0], xs[1]
	for _, x := range xs[2:] {
		if x-prev != stride {
			return 0, false
		}
		prev = x
	}
	return stride, true
}

func appendStride(dst []byte, stride int64) []byte {
	return binary.AppendVarint(append(dst, intsStride), stride)
}

func fillStride(xs []int64, x, stride int64) {
	for i := range xs {
		xs[i] = x
		x += stride
	}
}
