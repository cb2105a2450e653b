package block

import (
	"encoding/binary"
	"math/bits"
)

const (
	planeFill = 0
	planeRaw  = 1
	planeZstd = 2
)

// appendPlanes splits the residuals into planes of equal significance: each
// has its own distribution, so each is compressed for itself. High planes are
// mostly zeros, low ones are often noise and stay raw.
func (s *encoder) appendPlanes(dst []byte, res []int64) []byte {
	ref := center(res)
	dst = binary.AppendVarint(dst, ref)
	s.zz = resize(s.zz, len(res))
	var or uint64
	for i, r := range res {
		u := zigzag(r - ref)
		s.zz[i] = u
		or |= u
	}
	planes := (bits.Len64(or) + 7) / 8
	dst = append(dst, byte(planes))
	s.plane = resize(s.plane, len(res))
	for j := range planes {
		shift := uint(8 * j)
		for i, u := range s.zz {
			s.plane[i] = byte(u >> (shift & 63))
		}
		dst = s.appendPlane(dst, s.plane)
	}
	return dst
}

func (s *encoder) appendPlane(dst, plane []byte) []byte {
	var hist [256]uint32
	for _, c := range plane {
		hist[c]++
	}
	if int(hist[plane[0]]) == len(plane) {
		return append(dst, planeFill, plane[0])
	}
	if compressible(&hist, len(plane)) {
		// The length goes before the frame and is known after it: room for
		// two bytes is left, and a third is made where it is needed.
		at := len(dst)
		dst = append(dst, planeZstd, 0, 0)
		dst = s.compress(dst, plane)
		if size := len(dst) - at - 3; size+2 < len(plane) {
			var length [binary.MaxVarintLen64]byte
			n := binary.PutUvarint(length[:], uint64(size))
			if n != 2 {
				dst = append(dst, 0)
				copy(dst[at+1+n:], dst[at+3:at+3+size])
				dst = dst[:at+1+n+size]
			}
			copy(dst[at+1:], length[:n])
			return dst
		}
		dst = dst[:at]
	}
	return append(append(dst, planeRaw), plane...)
}

// compressible reports whether the collision rate of the bytes leaves hope of
// saving more than a few percent: noise is not worth the compressor's time.
func compressible(hist *[256]uint32, n int) bool {
	var pairs uint64
	for _, c := range hist {
		pairs += uint64(c) * uint64(c)
	}
	// Noise gives n²/256 + n; an eighth of a bit less gives a tenth more.
	return pairs*256 > uint64(n)*uint64(n)*11/10+256*uint64(n)
}

// readPlanes fills res.
func (s *decoder) readPlanes(r *reader, res []int64) {
	ref, planes := r.varint(), int(r.byte())
	if planes > 8 {
		r.fail("more than 8 planes")
		return
	}
	clear(res)
	for j := range planes {
		shift := uint(8*j) & 63
		switch r.byte() {
		case planeFill:
			if fill := int64(r.byte()) << shift; fill != 0 {
				for i := range res {
					res[i] |= fill
				}
			}
			continue
		case planeRaw:
			mergePlane(res, r.take(len(res)), shift)
		case planeZstd:
			frame := r.take(r.count(len(r.src)))
			if !r.ok() {
				return
			}
			s.plane = resize(s.plane, len(res))
			if !s.decompress(s.plane, frame) {
				r.fail("bad zstd frame")
				return
			}
			mergePlane(res, s.plane, shift)
		default:
			r.fail("unknown plane form")
		}
		if !r.ok() {
			return
		}
	}
	for i, u := range res {
		res[i] = unzigzag(uint64(u)) + ref
	}
}

// mergePlane does nothing if the plane could not be read.
func mergePlane(res []int64, plane []byte, shift uint) {
	if len(plane) != len(res) {
		return
	}
	for i, c := range plane {
		res[i] |= int64(c) << shift
	}
}
