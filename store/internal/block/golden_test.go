package block

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
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
	var squares, means32, ratios, roots, wide []float64
	r := rand.New(rand.NewPCG(5, 1))
	for i := range 1100 {
		squares = append(squares, float64(i*i))
	}
	for i := range 70 {
		roots = append(roots, math.Sqrt(float64(1000+i)))
		means32 = append(means32, float64(float32(r.IntN(5000))/100))
		ratios = append(ratios, float64(100+r.IntN(200))/401)
		wide = append(wide, (1+r.Float64())*float64(1-2*r.IntN(2)))
	}
	for _, c := range []struct {
		name   string
		codec  string
		values []float64
	}{
		{"value_constant_small", "constant", []float64{0.1}},
		{"value_constant", "constant", repeat(300, 0.1)},
		{"value_raw", "raw", []float64{math.Pi, -math.E, payload}},
		{"value_decimal_stride", "decimal stride", gen("counter", 70)},
		{"value_decimal_packed", "decimal packed", gen("printed loss", 20)},
		{"value_decimal_scaled", "decimal packed", []float64{0, 5, 10, 15, 0, 35, 5}},
		{"value_decimal_huff0", "decimal tokens", gen("printed loss", 150)},
		{"value_decimal_fse", "decimal tokens", repeat(300, 1, 2, 1, 3, 1, 1, 5, 1, 1, 1, 7, 50_000.5)},
		{"value_decimal_fill", "decimal tokens", squares},
		{"value_decimal_exceptions", "decimal", append(gen("printed loss", 40), nan, inf, inf)},
		{"value_decimal32", "decimal32", means32},
		{"value_binary", "binary", gen("ratio of 512", 40)},
		{"value_ratio", "ratio", ratios},
		{"value_float32_packed", "float32 packed", gen("float32 loss", 12)},
		{"value_float32_huff0", "float32 tokens", gen("float32 loss", 80)},
		{"value_float64_smooth", "float64 tokens", roots},
		{"value_float64_packed", "float64 packed", roots[:12]},
		{"value_float64_wide", "float64 tokens", wide},
		{"value_pyramid_decimal", "decimal tokens", gen("printed loss", 1025)},
		{"value_pyramid_binary", "binary", gen("ratio of 512", 1100)},
		{"value_pyramid_float32", "float32", gen("float32 loss", 1025)},
		{"value_pyramid_float64", "float64", gen("mean that repeats", 1100)},
		{"value_empty_span", "float64", odd("empty span")},
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
	tilted := slices.Clone(irregular.times)
	for i := range tilted { // 30 ms for each step
		tilted[i] = irregular.times[0] + 30*irregular.steps[i] + int64(i%3)
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
		{"clock_delta2", "packed delta2", []int64{1, 4, 9, 16, 25, 36, 49, 65}, []int64{64, 49, 36, 25, 16, 9, 4, 1}},
		{"clock_tokens", "tokens delta", irregular.steps, pauses},
		{"clock_tilted", "tokens delta tilted", irregular.steps, tilted},
		{"clock_pyramid", "tokens delta", long.steps, long.times},
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

// TestSecondReader has dump read far more blocks than testdata holds: it must
// agree, and every mode of tokens must have had its turn.
func TestSecondReader(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range kinds {
		for _, n := range []int{2, 30, 300, 1100} {
			for seed := range uint64(3) {
				s := k.generate(seed, n)
				d := dump{src: AppendValues(nil, s.values)}
				requireSameBits(t, s.values, d.values())
				require.Len(t, d.src, d.at)
				c := dump{src: AppendClock(nil, s.steps, s.times)}
				steps, times := c.clock()
				require.Equal(t, s.steps, steps)
				require.Equal(t, s.times, times)
				require.Len(t, c.src, c.at)
				for _, name := range entropyNames {
					if strings.Contains(d.out.String()+c.out.String(), name) {
						seen[name] = true
					}
				}
			}
		}
	}
	for _, name := range entropyNames {
		require.True(t, seen[name], "no block has %s", name)
	}
}

// TestPredictors has dump read columns of every predictor.
func TestPredictors(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	xs := make([]int64, 200)
	for i := 1; i < len(xs); i++ {
		xs[i] = xs[i-1] + 3*int64(r.IntN(1000)) - 900
	}
	s := newEncoder()
	for p, name := range predictorNames {
		for _, n := range []int{predictorStart(p) + 1, len(xs)} {
			for _, g := range []int64{1, 3} {
				head := byte(0)
				if g > 1 {
					head = intsScaled
				}
				ys := scaleDown(make([]int64, n), xs[:n], g)
				res := residuals(make([]int64, n), p, ys)
				packed := appendPacked(appendHead(nil, head|intsPacked, g, p, ys), res)
				s.shapeTokens(res)
				tokens := s.appendTokens(appendHead(nil, head|intsTokens, g, p, ys), res)
				for _, src := range [][]byte{packed, tokens} {
					d := dump{src: src}
					require.Equal(t, xs[:n], d.ints("column", xs[0], n), name)
					got := make([]int64, n)
					rd := reader{src: src}
					new(decoder).readInts(&rd, xs[0], got)
					require.NoError(t, rd.finish("column"))
					require.Equal(t, xs[:n], got, name)
				}
			}
		}
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
	if codec != 0 && n > 64 {
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
		if n > 64 && v-v == 0 {
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
	var fraction func(k int64) float64
	if codec == 2 {
		fraction = d.unit()
	}
	exceptions, at := map[int]float64{}, -1
	if codec != 4 {
		var last float64
		for range d.uvarint("exceptions") {
			gap := d.uvarint("distance·2 + same")
			if at += gap / 2; gap%2 == 0 {
				last = math.Float64frombits(binary.LittleEndian.Uint64(d.src[d.at:]))
				d.note(8, "value %v", last)
			}
			exceptions[at] = last
		}
	}
	xs := d.ints("column", d.varint("x[0]"), n)
	for i, x := range xs {
		switch codec {
		case 2:
			out[i] = fraction(x)
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
		var fraction func(k int64) float64
		if form == 1 {
			fraction = d.unit()
		}
		number := func(x int64) float64 {
			switch form {
			case 1:
				return fraction(x)
			case 2:
				return fromFloat32(x)
			}
			return fromFloat64(x)
		}
		low, g := d.varint("min of span 0"), int64(d.uvarint("scale"))
		drift := append([]int64{0}, d.packedColumn("rise of min", m-1)...)
		height := d.packedColumn("max - min", m)
		first := d.packedColumn("first - min", m)
		last := d.packedColumn("last - min", m)
		for i := range d.spans {
			low += g * drift[i]
			d.spans[i] = Span{First: number(low + g*first[i]), Last: number(low + g*last[i]), Min: number(low), Max: number(low + g*height[i])}
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
	if n > 1024 && flags>>2&3 != 3 {
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
			var rate int64
			if i == 1 && flags&16 != 0 {
				rate = d.varint("rate")
			}
			columns[i] = d.ints(what, first[i], n)
			for j, step := range columns[0] {
				columns[i][j] += (step - columns[0][0]) * rate >> 16
			}
			continue
		}
		for j := range int64(n) {
			columns[i] = append(columns[i], first[i]+j*stride[i])
		}
	}
	return columns[0], columns[1]
}

// unit returns what the integers of a unit are worth.
func (d *dump) unit() func(k int64) float64 {
	code := int(d.byte("unit"))
	var size float64
	switch u := code & 127; {
	case u <= 15:
		size = math.Pow10(u)
	case u <= 77:
		size = math.Pow(2, float64(u-15))
	default:
		size = float64(d.uvarint("factor"))
		size *= math.Pow(2, float64(d.byte("power")))
	}
	return func(k int64) float64 {
		if code&128 != 0 {
			return float64(float32(float64(k) / size))
		}
		return float64(k) / size
	}
}

func (d *dump) ints(what string, first int64, n int) []int64 {
	head := d.src[d.at]
	codec, p := head&7, int(head>>4)
	d.note(1, "%s: %s%s", what, intCodecs[codec], predictorNames[p])
	xs := make([]int64, n)
	if codec == 0 {
		step := d.varint("stride")
		for i := range xs {
			xs[i] = first + int64(i)*step
		}
		return xs
	}
	g := int64(1)
	if head&8 != 0 {
		g = int64(d.uvarint("scale"))
	}
	from := 1
	if p >= 7 {
		xs[1] = d.varint("y[1] - y[0]")
		from = 2
	}
	if p == 12 {
		xs[2] = 2*xs[1] + d.varint("y[2] - 2y[1] + y[0]")
		from = 3
	}
	var res []int64
	if ref := d.varint("reference"); codec == 1 {
		res = d.packed(ref, n-from)
	} else {
		res = d.tokens(ref, n-from)
	}
	// y[i] is (x[i] - x[0]) / g.
	sum := int64(1) << p >> 2 // half of the weight's denominator, for 2…6
	if p >= 7 {
		sum = int64(1) << (p - 7) >> 1
	}
	for i, r := range res {
		y := xs[:from+i+1]
		at := from + i
		switch {
		case p == 0:
			y[at] = r
		case p <= 6:
			y[at] = sum>>(p-1) + r
		case p <= 11:
			y[at] = y[at-1] + y[1] + sum>>(p-7) + r
		default:
			y[at] = 3*y[at-1] - 3*y[at-2] + y[at-3] + r
		}
		sum += r
	}
	for i := range xs {
		xs[i] = first + g*xs[i]
	}
	return xs
}

func (d *dump) tokens(ref int64, count int) []int64 {
	form := d.src[d.at]
	m, mode := int(form&7), form>>3&7
	d.note(1, "form %d: %s, %d mantissa bits", form, entropyNames[mode], m)
	low := d.byte("lowest token")
	symbols := make([]byte, count)
	switch mode {
	case 1:
		copy(symbols, d.note(count, "tokens less the lowest"))
	case 2, 3:
		s, rest, err := huff0.ReadTable(d.note(d.uvarint("length"), "huff0 table and streams"), nil)
		if err == nil && mode == 2 {
			symbols, err = s.Decoder().Decompress1X(symbols[:0], rest)
		} else if err == nil {
			symbols, err = s.Decoder().Decompress4X(symbols[:0], rest)
		}
		if err != nil {
			panic(err)
		}
	case 4:
		var err error
		if symbols, err = fse.Decompress(d.note(d.uvarint("length"), "fse table and stream"), nil); err != nil {
			panic(err)
		}
	}
	total := 0
	shifts := make([]int, count)
	for i, t := range symbols {
		shifts[i] = max(0, int(t+low)>>m-1)
		total += shifts[i]
	}
	raw := d.note((total+7)/8, "%d raw bits", total)
	res := make([]int64, count)
	at := 0
	for i, t := range symbols {
		u := uint64(int(t+low)-shifts[i]<<m) << shifts[i]
		for k := range shifts[i] {
			u |= uint64(raw[at/8]>>(at%8)&1) << k
			at++
		}
		res[i] = ref + (int64(u>>1) ^ -int64(u&1))
	}
	return res
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
