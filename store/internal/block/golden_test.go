package block

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestGolden holds the bytes of one block of every codec, with a note on every
// field. The notes come from dump, which knows only the package doc: it is
// the second reader of the format.
func TestGolden(t *testing.T) {
	odd := func(name string) []float64 {
		for _, c := range oddValues {
			if c.name == name {
				return c.values
			}
		}
		t.Fatalf("no odd values %q", name)
		return nil
	}
	gen := func(name string, n int) []float64 {
		for _, k := range kinds {
			if k.name == name {
				return k.generate(11, n).values
			}
		}
		t.Fatalf("no kind %q", name)
		return nil
	}
	roots := make([]float64, 20)
	for i := range roots {
		roots[i] = math.Sqrt(float64(1000 + i))
	}
	spikes := gen("float32 loss", 120) // its low planes are noise, its high one is not
	for i := 0; i < len(spikes); i += 9 {
		spikes[i] = 0
	}
	for _, c := range []struct {
		name   string
		codec  string
		values []float64
	}{
		{"value_constant_small", "constant", []float64{0.1}},
		{"value_constant", "constant", repeat(300, 0.1)},
		{"value_raw", "raw", []float64{math.Pi, -math.E, payload}},
		{"value_decimal_stride", "decimal stride", gen("counter", 20)},
		{"value_decimal_packed", "decimal packed", gen("printed loss", 20)},
		{"value_decimal_planes", "decimal planes", repeat(300, 1, 2, 1, 3, 1, 1, 5, 1, 1, 1, 7, 50_000.5)},
		{"value_decimal_exceptions", "decimal packed", append(gen("printed loss", 40), nan, inf)},
		{"value_float32_packed", "float32 packed", gen("float32 loss", 12)},
		{"value_float32_planes", "float32 planes", spikes},
		{"value_float64_packed", "float64 packed", roots},
		{"value_float64_planes", "float64 planes", repeat(64, math.Pi, math.Pi, math.Pi, math.Pi, -math.E)},
		{"value_pyramid_decimal", "decimal", gen("printed loss", 1025)},
		{"value_pyramid_float32", "float32", gen("ratio of 512", 1100)},
		{"value_pyramid_float64", "float64", gen("mean that repeats", 1100)},
		{"value_empty_span", "float64 planes", odd("empty span")},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := dump{src: AppendValues(nil, c.values)}
			info, err := InspectValues(d.src)
			require.NoError(t, err)
			require.Contains(t, info.Parts[len(info.Parts)-1].Codec, c.codec)
			got := d.values()
			requireSameBits(t, c.values, got)
			if len(c.values) > 1024 && c.codec != "constant" {
				requireSameSpans(t, pyramidOf(c.values), d.spans)
			}
			golden(t, c.name, &d)
		})
	}
	irregular := kinds[0].generate(11, 100)
	pauses := slices.Clone(irregular.times)
	for i := range pauses { // a validation every eleven steps
		pauses[i] += int64(i/11) * 60_000
	}
	long := kinds[0].generate(11, 1030)
	for _, c := range []struct {
		name         string
		codec        string // of times
		steps, times []int64
	}{
		{"clock_one", "stride", []int64{0}, []int64{1_700_000_000_000}},
		{"clock_stride", "stride", []int64{0, 10, 20}, []int64{1_700_000_000_000, 1_700_000_000_250, 1_700_000_000_500}},
		{"clock_packed", "packed delta", irregular.steps[:20], irregular.times[:20]},
		{"clock_delta_of_delta", "packed delta of delta", []int64{1, 4, 9, 16, 25, 36, 49, 65}, []int64{64, 49, 36, 25, 16, 9, 4, 1}},
		{"clock_planes", "planes", irregular.steps, pauses},
		{"clock_pyramid", "packed delta", long.steps, long.times},
		{"clock_odd", "packed", []int64{math.MaxInt64, math.MinInt64, 0}, []int64{0, math.MinInt64, -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := dump{src: AppendClock(nil, c.steps, c.times)}
			info, err := InspectClock(d.src)
			require.NoError(t, err)
			require.Contains(t, info.Parts[len(info.Parts)-1].Codec, c.codec)
			steps, times := d.clock()
			require.Equal(t, c.steps, steps)
			require.Equal(t, c.times, times)
			for i, xs := range [][]int64{steps, times} {
				for j, length := range d.lengths[i] {
					require.Equal(t, xs[min(j*256+255, len(xs)-1)]-xs[j*256], length)
				}
				for j, gap := range d.gaps[i] {
					require.Equal(t, xs[j*256+256]-xs[j*256+255], gap)
				}
			}
			golden(t, c.name, &d)
		})
	}
}

// golden compares the dump with testdata.
func golden(t *testing.T, name string, d *dump) {
	t.Helper()
	require.Equal(t, len(d.src), d.at, "the dump leaves bytes")
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(path, []byte(d.out.String()), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), d.out.String())
}

// dump reads a block by the tables of the package doc and notes each field.
// It trusts its input: it is only given sound blocks.
type dump struct {
	src []byte
	at  int
	out strings.Builder
	// pyramids
	spans         []Span
	lengths, gaps [2][]int64
}

// note takes n bytes, writes them in lines of 16 and the note at the first.
func (d *dump) note(n int, format string, args ...any) []byte {
	b := d.src[d.at : d.at+n]
	note := fmt.Sprintf(format, args...)
	for i := 0; i == 0 || i < n; i += 16 {
		line := fmt.Sprintf("%04x  %-48x  %s", d.at+i, b[i:min(i+16, n)], note)
		d.out.WriteString(strings.TrimRight(line, " ") + "\n")
		note = ""
	}
	d.at += n
	return b
}

func (d *dump) byte(what string) byte {
	return d.note(1, "%s %d", what, d.src[d.at])[0]
}

func (d *dump) uvarint(what string) int {
	v, n := binary.Uvarint(d.src[d.at:])
	d.note(n, "%s %d", what, v)
	return int(v)
}

func (d *dump) varint(what string) int64 {
	v, n := binary.Varint(d.src[d.at:])
	d.note(n, "%s %d", what, v)
	return v
}

func (d *dump) number(what string) float64 {
	tag := int(d.src[d.at])
	var v float64
	size := 1 + tag
	switch {
	case tag <= 8:
		b := slices.Concat(d.src[d.at+1:d.at+1+tag], make([]byte, 8-tag))
		v = math.Float64frombits(binary.BigEndian.Uint64(b))
	case tag == 10:
		size = 5
		v = float64(math.Float32frombits(binary.LittleEndian.Uint32(d.src[d.at+1:])))
	default:
		k, n := binary.Varint(d.src[d.at+1:])
		size = 1 + n
		v = float64(k) / math.Pow10(tag-16)
	}
	d.note(size, "%s %v", what, v)
	return v
}

func (d *dump) values() []float64 {
	d.byte("version")
	codec := d.byte("codec " + valueCodecs[d.src[1]])
	n := d.uvarint("n")
	if codec != 0 && n > 16 {
		nans := d.zone()
		if n > 1024 {
			d.uvarint("pyramid bytes")
			d.pyramid((n+255)/256, nans)
		}
	}
	out := make([]float64, n)
	switch codec {
	case 0:
		v := d.number("value")
		if n > 16 {
			d.number("sum")
		}
		for i := range out {
			out[i] = v
		}
		return out
	case 1:
		for i := range out {
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(d.src[d.at:]))
			d.note(8, "value %v", out[i])
		}
		return out
	}
	var e byte
	if codec == 2 {
		e = d.byte("exponent")
	}
	exceptions, at := map[int]float64{}, -1
	if codec != 4 {
		for range d.uvarint("exceptions") {
			at += d.uvarint("distance")
			exceptions[at] = math.Float64frombits(binary.LittleEndian.Uint64(d.src[d.at:]))
			d.note(8, "value %v", exceptions[at])
		}
	}
	xs := d.ints("column", d.varint("x[0]"), n)
	for i, x := range xs {
		switch codec {
		case 2:
			out[i] = float64(x) / math.Pow10(int(e))
		case 3:
			out[i] = fromFloat32(x)
		case 4:
			out[i] = fromFloat64(x)
		}
		if v, ok := exceptions[i]; ok {
			out[i] = v
		}
	}
	return out
}

// pyramid keeps what it reads for the test to compare.
func (d *dump) pyramid(m int, nans bool) {
	d.spans = make([]Span, m)
	switch form := d.byte("form"); form {
	case 0:
		for i := range d.spans {
			p := &d.spans[i]
			for j, v := range []*float64{&p.First, &p.Last, &p.Min, &p.Max} {
				*v = d.number(fmt.Sprintf("span %d %s", i, []string{"first", "last", "min", "max"}[j]))
			}
		}
	default:
		var e byte
		if form == 1 {
			e = d.byte("exponent")
		}
		number := func(x int64) float64 {
			switch form {
			case 1:
				return float64(x) / math.Pow10(int(e))
			case 2:
				return fromFloat32(x)
			}
			return fromFloat64(x)
		}
		low := d.varint("min of span 0")
		drift := append([]int64{0}, d.packedColumn("rise of min", m-1)...)
		height := d.packedColumn("max - min", m)
		first := d.packedColumn("first - min", m)
		last := d.packedColumn("last - min", m)
		for i := range d.spans {
			low += drift[i]
			d.spans[i] = Span{First: number(low + first[i]), Last: number(low + last[i]), Min: number(low), Max: number(low + height[i])}
		}
	}
	if nans {
		for i, c := range d.packedColumn("NaN", m) {
			d.spans[i].NaN = int(c)
		}
	}
}

func (d *dump) packedColumn(what string, m int) []int64 {
	return d.packed(d.varint("reference of "+what), m)
}

func fromFloat32(x int64) float64 {
	if x < 0 {
		x ^= 1<<31 - 1
	}
	return float64(math.Float32frombits(uint32(x)))
}

func fromFloat64(x int64) float64 {
	if x < 0 {
		x ^= 1<<63 - 1
	}
	return math.Float64frombits(uint64(x))
}

// zone reads the zone map of values that are not all NaN.
func (d *dump) zone() (nans bool) {
	flags := d.byte("zone flags")
	d.number("first")
	if flags&2 == 0 {
		d.number("last")
	}
	if flags&1 != 0 {
		nans = d.uvarint("NaN") > 0
		d.uvarint("+Inf")
		d.uvarint("-Inf")
	}
	for i, what := range []string{"min", "max"} {
		if flags&((4|16)<<i) == 0 {
			d.number(what)
		}
		if flags&(4<<i) == 0 {
			d.uvarint("index of " + what)
		}
	}
	d.number("sum")
	return nans
}

func (d *dump) clock() (steps, times []int64) {
	d.byte("version")
	n := d.uvarint("n")
	flags := d.byte("flags")
	var first, stride [2]int64
	for i, what := range []string{"step", "time"} {
		first[i] = d.varint("first " + what)
		if flags&(4<<i) != 0 {
			stride[i] = d.varint("stride")
		} else {
			d.varint("last - first")
		}
		if flags&(1<<i) == 0 {
			d.uvarint("first - min")
			d.uvarint("max - first")
		}
	}
	if n > 1024 && flags>>2 != 3 {
		d.uvarint("pyramid bytes")
		for i, what := range []string{"steps", "times"} {
			if flags&(4<<i) == 0 {
				d.lengths[i] = d.packedColumn(what+": last - first", (n+255)/256)
				d.gaps[i] = d.packedColumn(what+": next first - last", (n+255)/256-1)
			}
		}
	}
	var columns [2][]int64
	for i, what := range []string{"steps", "times"} {
		if flags&(4<<i) == 0 {
			columns[i] = d.ints(what, first[i], n)
			continue
		}
		for j := range int64(n) {
			columns[i] = append(columns[i], first[i]+j*stride[i])
		}
	}
	return columns[0], columns[1]
}

func (d *dump) ints(what string, first int64, n int) []int64 {
	head := d.src[d.at]
	codec, predictor := head&15, head>>4
	d.note(1, "%s: %s%s", what, intCodecs[codec], predictorNames[predictor])
	xs := make([]int64, n)
	xs[0] = first
	var step int64
	if codec == 0 {
		step = d.varint("stride")
		for i := 1; i < n; i++ {
			xs[i] = xs[i-1] + step
		}
		return xs
	}
	from := 1
	if predictor == 2 {
		step = d.varint("x[1] - x[0]")
		xs[1] = first + step
		from = 2
	}
	var res []int64
	if ref := d.varint("reference"); codec == 1 {
		res = d.packed(ref, n-from)
	} else {
		res = d.planes(ref, n-from)
	}
	for i, r := range res {
		switch predictor {
		case 0:
			xs[from+i] = first + r
		case 1:
			xs[from+i] = xs[i] + r
		case 2:
			xs[from+i] = 2*xs[i+1] - xs[i] + r
		}
	}
	return xs
}

func (d *dump) packed(ref int64, m int) []int64 {
	widths := d.note((m+127)/128, "widths of %d frames", (m+127)/128)
	var res []int64
	for i, width := range widths {
		count := min(128, m-128*i)
		b := d.note((count*int(width)+7)/8, "frame %d: %d residuals of %d bits", i, count, width)
		for j := range count {
			var u uint64
			for k := range int(width) {
				at := j*int(width) + k
				u |= uint64(b[at/8]>>(at%8)&1) << k
			}
			res = append(res, ref+int64(u))
		}
	}
	return res
}

func (d *dump) planes(ref int64, m int) []int64 {
	zz := make([]uint64, m)
	for j := range d.byte("planes") {
		var plane []byte
		switch form := d.byte(fmt.Sprintf("plane %d form", j)); form {
		case 0:
			plane = []byte(strings.Repeat(string([]byte{d.byte("fill")}), m))
		case 1:
			plane = d.note(m, "raw")
		case 2:
			plane = make([]byte, m)
			var s decoder
			if !s.decompress(plane, d.note(d.uvarint("length"), "zstd frame")) {
				panic("golden zstd frame does not decode")
			}
		}
		for i, c := range plane {
			zz[i] |= uint64(c) << (8 * j)
		}
	}
	res := make([]int64, m)
	for i, u := range zz {
		res[i] = ref + (int64(u>>1) ^ -int64(u&1))
	}
	return res
}
