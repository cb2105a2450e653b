package block

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// kind is a way that programs make curves.
type kind struct {
	name  string
	codec byte    // that a long curve of it gets
	limit float64 // bytes a value that 4096 of it may take
	value func(r *rand.Rand, i int, last float64) float64
}

// decimals rounds as a program that prints and parses does.
func decimals(v float64, digits int) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(v, 'f', digits, 64), 64)
	if err != nil {
		panic(err) // FormatFloat writes what ParseFloat reads
	}
	return v
}

// loss falls with noise. The conversions forbid fused operations, so that it
// is the same on every machine.
func loss(r *rand.Rand, i int) float64 {
	trend := 10/math.Sqrt(float64(i)+2) + 2.5
	return trend * (1 + float64(0.02*r.NormFloat64()))
}

var kinds = []kind{
	{"constant", valuesConstant, 0.01, func(*rand.Rand, int, float64) float64 { return 3e-4 }},
	{"all NaN", valuesConstant, 0.01, func(*rand.Rand, int, float64) float64 { return math.NaN() }},
	{"counter", valuesScaled, 0.1, func(_ *rand.Rand, i int, _ float64) float64 { return float64(i) * 512 }},
	{"episode length", valuesScaled, 1.2, func(r *rand.Rand, _ int, _ float64) float64 { return float64(r.IntN(400)) }},
	{"printed loss", valuesScaled, 1.6, func(r *rand.Rand, i int, _ float64) float64 { return decimals(loss(r, i), 4) }},
	{"percent", valuesScaled, 0.5, func(r *rand.Rand, _ int, _ float64) float64 { return decimals(50+r.NormFloat64()/4, 1) }},
	{"printed loss that is NaN at times", valuesScaled, 1.7, func(r *rand.Rand, i int, _ float64) float64 {
		if r.IntN(50) == 0 {
			return math.NaN()
		}
		return decimals(loss(r, i), 4)
	}},
	{"float32 loss", valuesFloat32, 2.7, func(r *rand.Rand, i int, _ float64) float64 { return float64(float32(loss(r, i))) }},
	{"float32 loss that diverges", valuesFloat32, 1.6, func(r *rand.Rand, i int, _ float64) float64 {
		if i > 2000 {
			return math.Float64frombits(0x7ff8000000000000)
		}
		return float64(float32(loss(r, i)))
	}},
	{"ratio of 512", valuesScaled, 1.3, func(r *rand.Rand, _ int, _ float64) float64 { return float64(r.IntN(512)) / 512 }},
	{"float64 loss", valuesFloat64, 6.4, func(r *rand.Rand, i int, _ float64) float64 { return loss(r, i) }},
	{"cosine rate", valuesFloat64, 2.6, func(_ *rand.Rand, i int, _ float64) float64 {
		return 3e-4 * (1 + math.Cos(math.Pi*float64(i)/8192)) / 2
	}},
	{"mean that repeats", valuesFloat64, 1.9, func(r *rand.Rand, i int, last float64) float64 {
		if i > 0 && r.IntN(4) > 0 {
			return last
		}
		return 100 + r.NormFloat64()
	}},
	{"mean of ten float32", valuesScaled, 4.0, func(r *rand.Rand, i int, _ float64) float64 {
		sum := 0.0
		for range 10 {
			sum += float64(float32(loss(r, i)))
		}
		return sum / 10
	}},
	{"accuracy of 401", valuesScaled, 1.0, func(r *rand.Rand, _ int, _ float64) float64 { return float64(300+r.IntN(40)) / 401 }},
	{"accuracy of 401 as float32", valuesScaled, 1.0, func(r *rand.Rand, _ int, _ float64) float64 {
		return float64(float32(300+r.IntN(40)) / 401)
	}},
	{"percent as float32", valuesScaled, 0.8, func(r *rand.Rand, _ int, _ float64) float64 {
		return float64(float32(decimals(50+r.NormFloat64()/4, 1)))
	}},
	{"bfloat16 loss", valuesFloat32, 0.7, func(r *rand.Rand, i int, _ float64) float64 {
		return float64(math.Float32frombits(math.Float32bits(float32(loss(r, i))) &^ 0xffff))
	}},
	{"success", valuesScaled, 0.1, func(r *rand.Rand, i int, _ float64) float64 {
		if r.IntN(200) == 0 {
			return 1
		}
		return 0
	}},
	{"squares", valuesScaled, 0.1, func(_ *rand.Rand, i int, _ float64) float64 { return float64(i) * float64(i) }},
	{"wild signs", valuesFloat64, 8.1, func(r *rand.Rand, _ int, _ float64) float64 {
		return (1 + r.Float64()) * float64(1-2*r.IntN(2))
	}},
	{"noise of all bits", valuesRaw, 8.2, func(r *rand.Rand, _ int, _ float64) float64 { return math.Float64frombits(r.Uint64()) }},
}

// generate makes n points of a kind: irregular steps, jittered times.
func (k kind) generate(seed uint64, n int) series {
	r := rand.New(rand.NewPCG(seed, 1))
	s := series{name: k.name}
	step, ms, last := int64(0), int64(1_700_000_000_000), 0.0
	for i := range n {
		last = k.value(r, i, last)
		s.values = append(s.values, last)
		s.steps = append(s.steps, step)
		s.times = append(s.times, ms)
		step += 1 + int64(r.IntN(30))
		ms += 250 + int64(4*r.NormFloat64())
	}
	return s
}

func TestGenerated(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			var y tally
			for seed := range uint64(3) {
				y.add(t, k.generate(seed, sealAt))
				y.add(t, k.generate(seed, 577))
				y.add(t, k.generate(seed, 2*sealAt+9))
			}
			y.log(t, k.name)
			src := AppendValues(nil, k.generate(1, sealAt).values)
			require.Equal(t, valueCodecs[k.codec], valueCodecs[src[1]])
			require.Less(t, float64(len(src))/sealAt, k.limit)
		})
	}
}

// TestSizes crosses every border of the format with every kind.
func TestSizes(t *testing.T) {
	for _, n := range []int{
		1, 2, 3, minTokens - 1, minTokens, minTokens + 1, smallBlock - 1, smallBlock, smallBlock + 1,
		packedFrame, packedFrame + 1, packedFrame + 2, PyramidSpan - 1, PyramidSpan, PyramidSpan + 1, 512, 513,
		minPyramid - 2, minPyramid - 1, minPyramid, sealAt - 1, sealAt, sealAt + 1, MaxPoints,
	} {
		for _, k := range kinds {
			s := k.generate(uint64(n), n)
			checkValues(t, s.values)
			require.LessOrEqual(t, len(AppendValues(nil, s.values)), 8*n+120+36*spansOf(n), "%s of %d", k.name, n)
			checkClock(t, s.steps, s.times)
		}
	}
}

// pyramidOf is the pyramid by its definition.
func pyramidOf(values []float64) []Span {
	var all []Span
	for i, v := range values {
		if i%PyramidSpan == 0 {
			all = append(all, Span{First: v, Min: math.Inf(1), Max: math.Inf(-1)})
		}
		p := &all[len(all)-1]
		p.Last = v
		switch {
		case v != v:
			p.NaN++
			continue
		case v < p.Min || p.NaN == i%PyramidSpan: // the first that is a number
			p.Min = v
		}
		if v > p.Max || p.NaN == i%PyramidSpan {
			p.Max = v
		}
	}
	return all
}

// TestSmallBlocks holds small blocks to small sizes.
func TestSmallBlocks(t *testing.T) {
	for n, limit := range map[int]struct{ values, clock int }{
		1: {12, 16}, 2: {20, 18}, 4: {22, 28}, 16: {48, 52},
	} {
		for _, name := range []string{"printed loss", "counter", "constant", "episode length"} {
			for _, k := range kinds {
				if k.name != name {
					continue
				}
				s := k.generate(7, n)
				require.LessOrEqual(t, len(AppendValues(nil, s.values)), limit.values, "%d of %s", n, name)
				require.LessOrEqual(t, len(AppendClock(nil, s.steps, s.times)), limit.clock, "clock of %d", n)
			}
		}
		noise := kinds[len(kinds)-1].generate(7, n)
		require.LessOrEqual(t, len(AppendValues(nil, noise.values)), 8*n+4, "noise")
	}
}
