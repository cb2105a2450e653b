package block

import (
	"encoding/binary"
	"math/bits"
)

// packedFrame is how many residuals share a width: a rare large one widens
// only its neighbours.
const packedFrame = 128

// smallColumn is the largest column that may be packed: tokens of a longer one
// are never much larger.
const smallColumn = 1024

// bestPacked returns the predictor with the smallest packed size.
func (s *encoder) bestPacked(xs []int64) (best, size int) {
	for _, p := range [...]int{predictNone, predictDelta, predictDelta2} {
		if predictorStart(p) >= len(xs) && p != predictNone {
			break
		}
		if n := packedBytes(residuals(s.res, p, xs)); p == predictNone || n < size {
			best, size = p, n
		}
	}
	return best, size
}

// packedRef returns the smallest residual.
func packedRef(res []int64) int64 {
	ref := res[0]
	for _, r := range res {
		ref = min(ref, r)
	}
	return ref
}

// packedWidth returns the bits that every residual of a frame less ref fits.
func packedWidth(frame []int64, ref int64) int {
	var or uint64
	for _, r := range frame {
		or |= uint64(r - ref)
	}
	return bits.Len64(or)
}

// packedBytes returns the size of appendPacked's output.
func packedBytes(res []int64) int {
	ref := packedRef(res)
	size := varintBytes(ref)
	for len(res) > 0 {
		n := min(len(res), packedFrame)
		size += 1 + (n*packedWidth(res[:n], ref)+7)/8
		res = res[n:]
	}
	return size
}

// varintBytes returns the size of x as a varint.
func varintBytes(x int64) int { return (bits.Len64(zigzag(x)|1) + 6) / 7 }

func appendPacked(dst []byte, res []int64) []byte {
	ref := packedRef(res)
	dst = binary.AppendVarint(dst, ref)
	widths := len(dst)
	for at := 0; at < len(res); at += packedFrame {
		dst = append(dst, byte(packedWidth(res[at:min(at+packedFrame, len(res))], ref)))
	}
	for at := 0; at < len(res); at += packedFrame {
		frame := res[at:min(at+packedFrame, len(res))]
		dst = packFrame(dst, frame, ref, uint(dst[widths+at/packedFrame]))
	}
	return dst
}

func packFrame(dst []byte, frame []int64, ref int64, width uint) []byte {
	if width == 0 {
		return dst
	}
	var acc uint64
	var fill uint // bits of acc in use, < 64
	for _, r := range frame {
		u := uint64(r - ref)
		acc |= u << fill
		if fill+width >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			acc = u >> (64 - fill) // a shift by 64 gives 0
			fill += width - 64
		} else {
			fill += width
		}
	}
	for ; fill > 0; fill -= min(fill, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// readPacked fills res.
func readPacked(r *reader, res []int64) {
	ref := r.varint()
	for _, width := range r.take((len(res) + packedFrame - 1) / packedFrame) {
		frame := res[:min(len(res), packedFrame)]
		res = res[len(frame):]
		if width > 64 {
			r.fail("width over 64 bits")
			return
		}
		size := (len(frame)*int(width) + 7) / 8
		src := r.take(size)
		if !r.ok() {
			return
		}
		// Nine bytes are loaded for each residual. The last frame has none
		// behind it to lend them, so it is unpacked from a longer copy.
		if rest := r.src[r.at:]; len(rest) >= 8 {
			src = r.src[r.at-size : r.at+8]
			unpackFrame(frame, src, ref, uint(width))
			continue
		}
		var padded [packedFrame*8 + 8]byte
		copy(padded[:], src)
		unpackFrame(frame, padded[:size+8], ref, uint(width))
	}
}

// unpackFrame reads a frame; 8 bytes of any content must follow its bits.
func unpackFrame(frame []int64, src []byte, ref int64, width uint) {
	if width == 0 {
		for i := range frame {
			frame[i] = ref
		}
		return
	}
	mask := uint64(1)<<width - 1 // a shift by 64 gives 0, and so all ones
	if width <= 56 {
		at := uint(0)
		for i := range frame {
			u := binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7)
			frame[i] = ref + int64(u&mask)
			at += width
		}
		return
	}
	at := uint(0)
	for i := range frame {
		low, shift := at>>3, at&7
		u := binary.LittleEndian.Uint64(src[low:]) >> shift
		if shift+width > 64 {
			u |= uint64(src[low+8]) << (64 - shift)
		}
		frame[i] = ref + int64(u&mask)
		at += width
	}
}
