package tensorboard

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Types of the elements of tensors, as TensorFlow numbers them.
const (
	dtFloat    = 1
	dtDouble   = 2
	dtInt32    = 3
	dtUint8    = 4
	dtInt16    = 5
	dtInt8     = 6
	dtString   = 7
	dtInt64    = 9
	dtBool     = 10
	dtBfloat16 = 14
	dtUint16   = 17
	dtHalf     = 19
	dtUint32   = 22
	dtUint64   = 23
)

// parseTensor takes the only element of a tensor of one number, or all strings
// of a tensor of strings, a line each. Any other tensor is just a tensor.
func (v *value) parseTensor(b []byte) error {
	v.kind = tensor
	var dtype uint64
	var content, first []byte // packed elements; the first of a list of them
	var number uint64
	elements, dims, listed := int64(1), 0, 0
	var texts []byte
	err := message(b, func(f field) error {
		switch {
		case f.num == 1 && f.isVarint():
			dtype = f.n
		case f.num == 2 && f.isBytes():
			return message(f.bytes, func(f field) error {
				if f.num != 2 || !f.isBytes() {
					return nil
				}
				if dims++; dims > maxDims {
					return corrupt("a tensor of too many dimensions")
				}
				var size int64 // of a dimension; protobuf leaves out a zero
				err := message(f.bytes, func(f field) error {
					if f.num == 1 && f.isVarint() {
						size = int64(f.n)
					}
					return nil
				})
				if size != 1 {
					elements = 0 // not a scalar, whatever the others are
				}
				return err
			})
		case f.num == 4 && f.isBytes():
			content = f.bytes
		case f.num == 8 && f.isBytes():
			if len(texts) > 0 {
				texts = append(texts, '\n')
			}
			texts = append(texts, f.bytes...)
		case f.num >= 5 && f.num <= 17:
			if listed++; f.isBytes() {
				first = f.bytes
			} else {
				number, first = f.n, nil
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case dtype == dtString:
		v.kind, v.text = text, texts
	case elements != 1 || listed > 1:
	case content != nil:
		if x, ok := element(dtype, content); ok {
			v.kind, v.number = scalar, x
		}
	case listed == 0: // a list of zeros may be left out
		if _, ok := listedElement(dtype, 0); ok {
			v.kind, v.number = scalar, 0
		}
	case first == nil:
		if x, ok := listedElement(dtype, number); ok {
			v.kind, v.number = scalar, x
		}
	default:
		if n, ok := packed(dtype, first); ok {
			if x, ok := listedElement(dtype, n); ok {
				v.kind, v.number = scalar, x
			}
		}
	}
	return nil
}

// packed returns the only number of a packed list.
func packed(dtype uint64, b []byte) (uint64, bool) {
	switch dtype {
	case dtFloat:
		n, used := protowire.ConsumeFixed32(b)
		return uint64(n), used == len(b)
	case dtDouble:
		n, used := protowire.ConsumeFixed64(b)
		return n, used == len(b)
	}
	n, used := protowire.ConsumeVarint(b)
	return n, used == len(b)
}

// listedElement is an element from one of the lists of a tensor: halves are the
// bits of one there.
func listedElement(dtype, n uint64) (float64, bool) {
	switch dtype {
	case dtFloat:
		return float64(math.Float32frombits(uint32(n))), true
	case dtDouble:
		return math.Float64frombits(n), true
	case dtHalf:
		return half(uint16(n)), true
	case dtBfloat16:
		return float64(math.Float32frombits(uint32(uint16(n)) << 16)), true
	case dtInt32, dtInt16, dtInt8, dtInt64:
		return float64(int64(n)), true
	case dtUint8, dtUint16, dtUint32, dtUint64, dtBool:
		return float64(n), true
	}
	return 0, false
}

// element is the only element of a tensor's packed bytes.
func element(dtype uint64, b []byte) (float64, bool) {
	le := binary.LittleEndian
	switch dtype {
	case dtFloat:
		if len(b) == 4 {
			return float64(math.Float32frombits(le.Uint32(b))), true
		}
	case dtDouble:
		if len(b) == 8 {
			return math.Float64frombits(le.Uint64(b)), true
		}
	case dtHalf, dtBfloat16:
		if len(b) == 2 {
			return listedElement(dtype, uint64(le.Uint16(b)))
		}
	case dtInt32:
		if len(b) == 4 {
			return float64(int32(le.Uint32(b))), true
		}
	case dtUint32:
		if len(b) == 4 {
			return float64(le.Uint32(b)), true
		}
	case dtInt64:
		if len(b) == 8 {
			return float64(int64(le.Uint64(b))), true
		}
	case dtUint64:
		if len(b) == 8 {
			return float64(le.Uint64(b)), true
		}
	case dtInt16:
		if len(b) == 2 {
			return float64(int16(le.Uint16(b))), true
		}
	case dtUint16:
		if len(b) == 2 {
			return float64(le.Uint16(b)), true
		}
	case dtInt8:
		if len(b) == 1 {
			return float64(int8(b[0])), true
		}
	case dtUint8, dtBool:
		if len(b) == 1 {
			return float64(b[0]), true
		}
	}
	return 0, false
}

// half is the value of an IEEE 754 binary16.
func half(h uint16) float64 {
	sign, exp, frac := h>>15, int(h>>10&31), float64(h&1023)
	var x float64
	switch exp {
	case 0:
		x = math.Ldexp(frac, -24)
	case 31:
		if x = math.Inf(1); frac != 0 {
			x = math.NaN()
		}
	default:
		x = math.Ldexp(frac+1024, exp-25)
	}
	if sign == 1 {
		x = -x
	}
	return x
}
