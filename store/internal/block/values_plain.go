package block

import (
	"encoding/binary"
	"math"
)

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

func appendConstant(dst []byte, values []float64) []byte {
	v := values[0]
	dst = appendNumber(dst, v)
	if len(values) > smallBlock && v-v == 0 {
		// n·v is not what adding v n times gives.
		sum := 0.0
		for range values {
			sum += v
		}
		dst = appendNumber(dst, sum)
	}
	return dst
}

func readConstant(r *reader, values []float64) {
	v := r.number()
	if len(values) > smallBlock && v-v == 0 {
		r.number() // the sum
	}
	for i := range values {
		values[i] = v
	}
}

func appendRaw(dst []byte, values []float64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

func readRaw(r *reader, values []float64) {
	src := r.take(8 * len(values))
	if !r.ok() {
		return
	}
	for i := range values {
		values[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
	}
}
