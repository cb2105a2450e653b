package block

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	negZero   = math.Copysign(0, -1)
	inf       = math.Inf(1)
	nan       = math.NaN()
	payload   = math.Float64frombits(0x7ff0000000000001) // signalling, smallest
	negNaN    = math.Float64frombits(0xfff8000000000123)
	nan32     = math.Float64frombits(0x7ff8000020000000) // a NaN that float32 can hold
	tiny      = math.SmallestNonzeroFloat64
	subnormal = math.Float64frombits(0x000fffffffffffff)
)

// repeat returns n values that go round in pattern.
func repeat(n int, pattern ...float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = pattern[i%len(pattern)]
	}
	return out
}

var oddValues = []struct {
	name   string
	values []float64
}{
	{"zero", []float64{0}},
	{"minus zero", []float64{negZero}},
	{"one NaN", []float64{payload}},
	{"one infinity", []float64{-inf}},
	{"both zeros", []float64{0, negZero, negZero, 0}},
	{"minus zero first", []float64{negZero, 0, 1}},
	{"every NaN", []float64{nan, payload, negNaN, nan32}},
	{"both infinities", []float64{inf, -inf}},
	{"infinity and NaN", []float64{nan, inf, nan}},
	{"subnormals", []float64{tiny, -tiny, subnormal, -subnormal, 0}},
	{"largest", []float64{math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, math.MaxFloat64}},
	{"sum overflows", repeat(40, math.MaxFloat64, math.MaxFloat64, 1)},
	{"float32 edges", []float64{math.MaxFloat32, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, float64(float32(0.1))}},
	{"2^53 neighbours", []float64{1 << 53, 1<<53 + 2, -(1 << 53), 1<<53 - 1, 1 << 52, 1<<51 - 1, 1 << 51}},
	{"int64 limits", []float64{math.MaxInt64, math.MinInt64, 1e300, -1e300, 1e15, 1e16}},
	{"hundred zeros of both signs", repeat(100, 0, negZero)},
	{"hundred NaNs of two kinds", repeat(100, nan, payload)},
	{"decimals with one of each", append(repeat(600, 0.1, 2.25, -3.375, 100), nan, inf, -inf, negZero, tiny, 0.30000000000000004)},
	{"float32 with one of each", append(repeat(600, float64(float32(0.1)), float64(float32(1e-30)), nan32), nan, payload, inf, -inf, negZero, tiny, 0.1)},
	{"float64 with one of each", append(repeat(600, math.Pi, math.E, -math.Sqrt2), nan, payload, negNaN, inf, -inf, negZero, tiny)},
	{"empty span", slices.Concat(repeat(256, 1, 2), repeat(256, nan), repeat(256, inf), repeat(256, -inf), repeat(3, 5))},
	{"infinities in all spans", repeat(700, inf, 1, -inf)},
	{"NaN first and last", slices.Concat([]float64{nan}, repeat(50, 7, 1.5, -2), []float64{payload})},
	{"fifteen decimals", repeat(300, 1.000000000000001, 0.123456789012345)},
	{"one decimal among integers", append(repeat(2000, 1, 2, 3), 0.0000001)},
	{"exponent grows late", append(repeat(600, 1, 2, 3), repeat(300, 0.25, 0.125)...)},
	{"descending", []float64{5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12}},
	{"alternating extremes", repeat(500, math.MaxFloat64, -math.MaxFloat64, tiny)},
}

func TestOddValues(t *testing.T) {
	for _, c := range oddValues {
		t.Run(c.name, func(t *testing.T) {
			checkValues(t, c.values)
			checkValues(t, slices.Repeat(c.values, 1+minPyramid/len(c.values))) // with a pyramid
		})
	}
}

// checkValues round-trips values behind other bytes and other values.
func checkValues(t tester, values []float64) {
	t.Helper()
	src := AppendValues([]byte("before"), values)
	require.Equal(t, "before", string(src[:6]))
	src = src[6:]
	got, err := DecodeValues([]float64{42}, src)
	require.NoError(t, err)
	requireSameBits(t, append([]float64{42}, values...), got)
	z, err := ReadZone(src)
	require.NoError(t, err)
	requireSameZone(t, ZoneOf(values), z)
	spans, err := ReadPyramid([]Span{{Max: 2}}, src)
	require.NoError(t, err)
	requireSameSpans(t, append([]Span{{Max: 2}}, pyramidOf(values)...), spans)
	info, err := InspectValues(src)
	require.NoError(t, err)
	requireParts(t, info, len(values), len(src))
}

func requireParts(t tester, info Info, count, size int) {
	t.Helper()
	require.Equal(t, version, info.Version)
	require.Equal(t, count, info.Count)
	sum := 0
	for _, p := range info.Parts {
		sum += p.Bytes
	}
	require.Equal(t, size, sum)
}

// zoneByDefinition works the zone map out the slow way.
func zoneByDefinition(values []float64) Zone {
	z := Zone{Count: len(values), First: values[0], Last: values[len(values)-1], Min: inf, Max: -inf, ArgMin: -1, ArgMax: -1}
	for i, v := range values {
		switch {
		case math.IsNaN(v):
			z.NaN++
			continue
		case math.IsInf(v, 1):
			z.PosInf++
		case math.IsInf(v, -1):
			z.NegInf++
		default:
			z.Sum += v
		}
		if z.ArgMin < 0 || v < z.Min {
			z.Min, z.ArgMin = v, i
		}
		if z.ArgMax < 0 || v > z.Max {
			z.Max, z.ArgMax = v, i
		}
	}
	return z
}

func TestZoneOf(t *testing.T) {
	for _, c := range oddValues {
		t.Run(c.name, func(t *testing.T) { requireSameZone(t, zoneByDefinition(c.values), ZoneOf(c.values)) })
	}
	require.Equal(t, 0, ZoneOf(nil).Count)
	require.Equal(t, -1, ZoneOf(nil).ArgMin)
}

var oddClocks = []struct {
	name         string
	steps, times []int64
}{
	{"one", []int64{-7}, []int64{0}},
	{"one at the limit", []int64{math.MinInt64}, []int64{math.MaxInt64}},
	{"two over the limit", []int64{math.MinInt64, math.MaxInt64}, []int64{math.MaxInt64, math.MinInt64}},
	{"overflowing deltas", []int64{math.MaxInt64, math.MinInt64, 0, math.MaxInt64, -1, math.MinInt64}, []int64{0, math.MinInt64, math.MaxInt64, math.MaxInt64, 1, -1}},
	{"repeated", []int64{5, 5, 5, 5}, []int64{9, 9, 9, 10}},
	{"descending", []int64{100, 90, 80, 70}, []int64{3, 2, 1, -100}},
	{"stride that wraps", []int64{math.MaxInt64 - 1, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}, []int64{1, 2, 3, 4}},
	{"one step back", []int64{1, 2, 3, 2, 3, 4}, []int64{1, 2, 3, 4, 5, 6}},
	{"accelerating", []int64{1, 4, 9, 16, 25, 36, 49}, []int64{1, 1, 2, 3, 5, 8, 13}},
}

func TestOddClocks(t *testing.T) {
	for _, c := range oddClocks {
		t.Run(c.name, func(t *testing.T) {
			checkClock(t, c.steps, c.times)
			// And long enough for frames and planes.
			checkClock(t, slices.Repeat(c.steps, 60), slices.Repeat(c.times, 60))
			// And for a pyramid.
			n := 2 * minPyramid / len(c.steps)
			checkClock(t, slices.Repeat(c.steps, n), slices.Repeat(c.times, n))
		})
	}
}

func checkClock(t tester, steps, times []int64) {
	t.Helper()
	src := AppendClock([]byte("before"), steps, times)
	require.Equal(t, "before", string(src[:6]))
	src = src[6:]
	gotSteps, gotTimes, err := DecodeClock([]int64{1}, []int64{2, 3}, src)
	require.NoError(t, err)
	require.Equal(t, append([]int64{1}, steps...), gotSteps)
	require.Equal(t, append([]int64{2, 3}, times...), gotTimes)
	z, err := ReadClockZone(src)
	require.NoError(t, err)
	last := len(steps) - 1
	want := ClockZone{Count: len(steps),
		FirstStep: steps[0], LastStep: steps[last], MinStep: slices.Min(steps), MaxStep: slices.Max(steps),
		FirstTime: times[0], LastTime: times[last], MinTime: slices.Min(times), MaxTime: slices.Max(times),
		StepsAscend: slices.IsSorted(steps), TimesAscend: slices.IsSorted(times)}
	want.StepStride, want.StepsStride = strideOf(steps)
	want.TimeStride, want.TimesStride = strideOf(times)
	want.tilted = z.tilted
	require.Equal(t, want, z)
	spans, err := ReadClockPyramid([]ClockSpan{{1, 2, 3, 4}}, src)
	require.NoError(t, err)
	wantSpans := []ClockSpan{{1, 2, 3, 4}}
	for at := 0; at < len(steps); at += PyramidSpan {
		end := min(at+PyramidSpan, len(steps)) - 1
		wantSpans = append(wantSpans, ClockSpan{steps[at], steps[end], times[at], times[end]})
	}
	require.Equal(t, wantSpans, spans)
	info, err := InspectClock(src)
	require.NoError(t, err)
	requireParts(t, info, len(steps), len(src))
}

func TestNumbers(t *testing.T) {
	for size, numbers := range map[int][]float64{
		1: {0},
		2: {2, -2},
		3: {1, 0.5, -1, 100, inf, -inf, 0.1, -0.05, 1.25},
		5: {float64(float32(1) / 3), 123456.7, nan32},
		9: {math.Pi, tiny, -math.MaxFloat64, payload},
	} {
		for _, v := range append(numbers, -numbers[0]) {
			b := appendNumber(nil, v)
			r := reader{src: b}
			requireSameBits(t, []float64{v}, []float64{r.number()})
			require.NoError(t, r.finish("number"))
			if size > 1 {
				require.LessOrEqual(t, len(b), size, "%v", v)
			}
		}
	}
}

func TestWrongCalls(t *testing.T) {
	require.Panics(t, func() { AppendValues(nil, nil) })
	require.Panics(t, func() { AppendValues(nil, make([]float64, MaxPoints+1)) })
	require.Panics(t, func() { AppendClock(nil, nil, nil) })
	require.Panics(t, func() { AppendClock(nil, []int64{1, 2}, []int64{1}) })
	require.Panics(t, func() { AppendClock(nil, make([]int64, MaxPoints+1), make([]int64, MaxPoints+1)) })
}
