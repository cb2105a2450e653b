package block

// Info tells what a block is made of.
type Info struct {
	Kind    string // "clock" or "value"
	Version int
	Count   int
	Parts   []Part // in the order of their bytes; the sizes add up to the block
}

// Part is one run of bytes in a block.
type Part struct {
	Name  string // "header", "zone", "pyramid", "body", "steps" or "times"
	Codec string // such as "decimal packed delta"; "" for what has none
	Bytes int
}

var (
	valueCodecs = [...]string{"constant", "raw", "scaled", "float32", "float64"}
	intCodecs   = [...]string{"stride", "packed", "tokens"}
)

// columnCodec names the codec of the integer column at the reader.
func (r *reader) columnCodec() string {
	if !r.ok() || r.at >= len(r.src) {
		return ""
	}
	codec, predictor := int(r.src[r.at]&7), int(r.src[r.at]>>4)
	if codec >= len(intCodecs) || predictor >= len(predictorNames) {
		return ""
	}
	return intCodecs[codec] + predictorNames[predictor]
}

// InspectClock decodes a clock block and tells what it is made of. Its error
// wraps record.ErrCorrupt.
func InspectClock(src []byte) (Info, error) {
	if _, _, err := DecodeClock(nil, nil, src); err != nil {
		return Info{}, err
	}
	r := reader{src: src}
	z := r.clockZone()
	info := Info{Kind: "clock", Version: version, Count: z.Count}
	info.add("header", "", r.at)
	s := decoders.Get().(*decoder)
	defer decoders.Put(s)
	xs := make([]int64, z.Count)
	if at := r.at; z.hasPyramid() {
		r.take(r.count(maxClockPyramid))
		info.add("pyramid", "", r.at-at)
	}
	for i, name := range [...]string{"steps", "times"} {
		if [...]bool{z.StepsStride, z.TimesStride}[i] {
			info.add(name, intCodecs[intsStride], 0) // in the header
			continue
		}
		at, suffix := r.at, ""
		if name == "times" && z.tilted {
			suffix = " tilted"
			r.varint()
		}
		codec := r.columnCodec() + suffix
		s.readInts(&r, 0, xs)
		info.add(name, codec, r.at-at)
	}
	return info, r.finish("clock")
}

// InspectValues decodes a value block and tells what it is made of. Its error
// wraps record.ErrCorrupt.
func InspectValues(src []byte) (Info, error) {
	if _, err := DecodeValues(nil, src); err != nil {
		return Info{}, err
	}
	r := reader{src: src}
	codec, n := r.valueHeader()
	info := Info{Kind: "value", Version: version, Count: n}
	info.add("header", "", r.at)
	if codec != valuesConstant && n > smallBlock {
		at := r.at
		r.zone(n)
		info.add("zone", "", r.at-at)
		at = r.at
		if r.skipPyramid(n); r.at > at {
			info.add("pyramid", "", r.at-at)
		}
	}
	at, name := r.at, valueCodecs[codec]
	if codec == valuesScaled {
		u := r.unit()
		name = u.name()
	}
	if codec == valuesScaled || codec == valuesFloat32 {
		r.exceptions(n)
	}
	if codec >= valuesScaled {
		r.varint()
		name += " " + r.columnCodec()
	}
	info.add("body", name, len(src)-at)
	return info, r.err("value")
}

func (i *Info) add(name, codec string, bytes int) {
	i.Parts = append(i.Parts, Part{Name: name, Codec: codec, Bytes: bytes})
}
