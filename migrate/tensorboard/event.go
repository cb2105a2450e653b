package tensorboard

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// event is what is kept of an Event. Slices of bytes share the memory of its
// record.
type event struct {
	wall    float64 // seconds since 1970
	step    int64
	restart bool // a session starts here, see [Import]
	values  []value
	other   bool // it has something that is no summary: a graph, a log message
}

// value is a value of a summary.
type value struct {
	tag    string
	plugin string // "" is that of the values before with this tag
	data   []byte // of the plugin
	kind   kind
	number float64 // of a scalar
	text   []byte  // of a text
}

type kind uint8

const (
	noValue kind = iota
	scalar
	text
	tensor // none of the above
	image
	histogram
	audio
)

func (k kind) String() string {
	return [...]string{"other values", "scalars", "texts", "tensors", "images", "histograms", "audio clips"}[k]
}

// maxDims bounds the dimensions of a tensor, as TensorFlow does.
const maxDims = 254

// field is a field of a message: a number for varint and fixed types, or bytes.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	n     uint64
	bytes []byte
}

func (f *field) isBytes() bool   { return f.typ == protowire.BytesType }
func (f *field) isVarint() bool  { return f.typ == protowire.VarintType }
func (f *field) float() float64  { return float64(math.Float32frombits(uint32(f.n))) }
func (f *field) double() float64 { return math.Float64frombits(f.n) }

// message calls fn for each field of b, groups excepted.
func message(b []byte, fn func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return corrupt("bad tag of a field")
		}
		b = b[n:]
		f := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			f.n, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.n = uint64(v)
		case protowire.Fixed64Type:
			f.n, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return corrupt("bad value of a field")
		}
		b = b[n:]
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

// parse decodes an Event into e, whose slice of values is used again.
func (e *event) parse(b []byte) error {
	*e = event{values: e.values[:0]}
	return message(b, func(f field) error {
		switch {
		case f.num == 1 && f.typ == protowire.Fixed64Type:
			e.wall = f.double()
		case f.num == 2 && f.isVarint():
			e.step = int64(f.n)
		case f.num == 3: // version of the file
		case f.num == 5 && f.isBytes():
			return message(f.bytes, func(f field) error {
				if f.num != 1 || !f.isBytes() {
					return nil
				}
				var v value
				if err := v.parse(f.bytes); err != nil {
					return err
				}
				e.values = append(e.values, v)
				return nil
			})
		case f.num == 7 && f.isBytes():
			return message(f.bytes, func(f field) error {
				if f.num == 1 && f.isVarint() {
					const start = 1
					e.restart = f.n == start
				}
				return nil
			})
		case f.num != 10: // where the file is from
			e.other = true
		}
		return nil
	})
}

// ms is the event's time in Unix ms, 0 for one before 1970 or beyond reason.
func (e *event) ms() int64 {
	ms := math.Round(e.wall * 1000)
	if !(ms >= 0 && ms < 1<<53) {
		return 0
	}
	return int64(ms)
}

func (v *value) parse(b []byte) error {
	return message(b, func(f field) error {
		switch {
		case f.num == 1 && f.isBytes():
			v.tag = string(f.bytes)
		case f.num == 2 && f.typ == protowire.Fixed32Type:
			v.kind, v.number = scalar, f.float()
		case f.num == 3, f.num == 5:
			v.kind = histogram
		case f.num == 4:
			v.kind = image
		case f.num == 6:
			v.kind = audio
		case f.num == 8 && f.isBytes():
			return v.parseTensor(f.bytes)
		case f.num == 9 && f.isBytes():
			return message(f.bytes, func(f field) error {
				if f.num != 1 || !f.isBytes() {
					return nil
				}
				return message(f.bytes, func(f field) error {
					switch {
					case f.num == 1 && f.isBytes():
						v.plugin = string(f.bytes)
					case f.num == 2 && f.isBytes():
						v.data = f.bytes
					}
					return nil
				})
			})
		}
		return nil
	})
}
