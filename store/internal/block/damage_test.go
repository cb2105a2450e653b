package block

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
)

// samples are blocks of every codec, short and long.
func samples() (values, clocks [][]byte) {
	for _, k := range kinds {
		for _, n := range []int{1, 5, 20, 300, minPyramid} {
			s := k.generate(uint64(n), n)
			values = append(values, AppendValues(nil, s.values))
			clocks = append(clocks, AppendClock(nil, s.steps, s.times))
		}
	}
	for _, c := range oddValues {
		values = append(values, AppendValues(nil, c.values))
	}
	for _, c := range oddClocks {
		clocks = append(clocks, AppendClock(nil, c.steps, c.times))
	}
	return values, clocks
}

// tryValues gives src to every reader of value blocks; damage must be an
// error that says so, and leave the destination alone.
func tryValues(t testing.TB, src []byte) error {
	t.Helper()
	values, err := DecodeValues([]float64{1}, src)
	if err != nil {
		require.ErrorIs(t, err, record.ErrCorrupt)
		require.Equal(t, []float64{1}, values)
	} else {
		require.LessOrEqual(t, len(values), 1+MaxPoints)
	}
	if z, zoneErr := ReadZone(src); zoneErr != nil {
		require.ErrorIs(t, zoneErr, record.ErrCorrupt)
		require.Error(t, err)
	} else {
		if err == nil {
			require.Equal(t, len(values)-1, z.Count)
		}
		require.True(t, z.NaN >= 0 && z.PosInf >= 0 && z.NegInf >= 0 && z.NaN+z.PosInf+z.NegInf <= z.Count)
		if z.NaN < z.Count {
			require.True(t, 0 <= z.ArgMin && z.ArgMin < z.Count && 0 <= z.ArgMax && z.ArgMax < z.Count)
		}
	}
	if spans, err := ReadPyramid(nil, src); err != nil {
		require.ErrorIs(t, err, record.ErrCorrupt)
		require.Empty(t, spans)
	} else {
		require.LessOrEqual(t, len(spans), spansOf(MaxPoints))
		for _, p := range spans {
			require.True(t, 0 <= p.NaN && p.NaN <= PyramidSpan)
		}
	}
	if _, inspectErr := InspectValues(src); inspectErr != nil {
		require.ErrorIs(t, inspectErr, record.ErrCorrupt)
		require.Error(t, err)
	}
	return err
}

func tryClock(t testing.TB, src []byte) error {
	t.Helper()
	steps, times, err := DecodeClock([]int64{1}, nil, src)
	if err != nil {
		require.ErrorIs(t, err, record.ErrCorrupt)
		require.Equal(t, []int64{1}, steps)
		require.Empty(t, times)
	} else {
		require.Len(t, times, len(steps)-1)
	}
	if z, zoneErr := ReadClockZone(src); zoneErr != nil {
		require.ErrorIs(t, zoneErr, record.ErrCorrupt)
		require.Error(t, err)
	} else if err == nil {
		require.Equal(t, len(times), z.Count)
		require.Equal(t, z.FirstStep, steps[1])
		require.Equal(t, z.FirstTime, times[0])
	}
	if spans, err := ReadClockPyramid(nil, src); err != nil {
		require.ErrorIs(t, err, record.ErrCorrupt)
		require.Empty(t, spans)
	}
	if _, inspectErr := InspectClock(src); inspectErr != nil {
		require.ErrorIs(t, inspectErr, record.ErrCorrupt)
		require.Error(t, err)
	}
	return err
}

// TestCutAndGrown drops bytes at the end and adds one: both are always seen.
func TestCutAndGrown(t *testing.T) {
	values, clocks := samples()
	for _, src := range values {
		for cut := 0; cut < len(src); cut += 1 + len(src)/300 {
			require.Error(t, tryValues(t, src[:cut:cut]), "value block cut at %d of %d", cut, len(src))
		}
		require.Error(t, tryValues(t, append(slices.Clone(src), 0)))
	}
	for _, src := range clocks {
		for cut := 0; cut < len(src); cut += 1 + len(src)/300 {
			require.Error(t, tryClock(t, src[:cut:cut]), "clock block cut at %d of %d", cut, len(src))
		}
		require.Error(t, tryClock(t, append(slices.Clone(src), 0)))
	}
}

// TestFlipped changes bytes all over a block in several ways. The record's checksum finds
// what this package cannot; here nothing may panic.
func TestFlipped(t *testing.T) {
	values, clocks := samples()
	refused := 0
	each := func(src []byte, try func(testing.TB, []byte) error) {
		bad := slices.Clone(src)
		for i := 0; i < len(bad); i += 1 + len(bad)/150 {
			for _, x := range []byte{1, 0x10, 0x80, 0xff} {
				bad[i] ^= x
				if try(t, bad) != nil {
					refused++
				}
				bad[i] ^= x
			}
		}
	}
	for _, src := range values {
		each(src, tryValues)
	}
	for _, src := range clocks {
		each(src, tryClock)
	}
	require.Positive(t, refused)
}

func TestRefused(t *testing.T) {
	for name, src := range map[string][]byte{
		"nothing":                  {},
		"version 0":                {0, valuesConstant, 1, 0},
		"version 2":                {2, valuesConstant, 1, 0},
		"codec 5":                  {1, 5, 1, 0},
		"no points":                {1, valuesConstant, 0, 0},
		"too many points":          {1, valuesConstant, 0x81, 0x80, 0x04, 0, 0},
		"count without end":        {1, valuesConstant, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"number tag 9":             {1, valuesConstant, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"unit 78":                  {1, valuesScaled, 2, 78, 0, 0, 0, 0},
		"ratio of 0":               {1, valuesScaled, 2, 127, 0, 0, 0, 0, 0, 0},
		"ratio of 2^63":            {1, valuesScaled, 2, 127, 1, 63, 0, 0, 0, 0},
		"ratio too large":          {1, valuesScaled, 2, 127, 0xff, 0x7f, 0, 0, 0, 0, 0},
		"more exceptions than n":   {1, valuesScaled, 2, 0, 3, 0, 0, 0},
		"exception at -1":          {1, valuesScaled, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"exception at n":           {1, valuesScaled, 2, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"same as no exception":     {1, valuesScaled, 2, 0, 1, 3, 0, 0, 0},
		"integer codec 3":          {1, valuesScaled, 2, 0, 0, 0, 3, 0},
		"predictor 13":             {1, valuesScaled, 2, 0, 0, 0, 0xd1, 0, 0},
		"predictor of a stride":    {1, valuesScaled, 2, 0, 0, 0, 0x10, 0},
		"two points, delta thrice": {1, valuesScaled, 2, 0, 0, 0, 0xc1, 0, 0, 0},
		"65 bits":                  {1, valuesScaled, 2, 0, 0, 0, 1, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"entropy mode 5":           {1, valuesScaled, 2, 0, 0, 0, 2, 0, 5 << 3, 0, 0, 0, 0, 0},
		"token form 128":           {1, valuesScaled, 2, 0, 0, 0, 2, 0, 128, 0, 0, 0, 0, 0},
		"raw bits end early":       {1, valuesScaled, 2, 0, 0, 0, 2, 0, 0, 60, 0, 0},
		"no room for symbols":      {1, valuesScaled, 4, 0, 0, 0, 2, 0, entropyRaw << 3, 0, 0, 0},
		"huff0 of nothing":         {1, valuesScaled, 4, 0, 0, 0, 2, 0, entropyHuff1 << 3, 0, 0},
		"huff0 in four of nothing": {1, valuesScaled, 4, 0, 0, 0, 2, 0, entropyHuff4 << 3, 0, 0},
		"fse of nothing":           {1, valuesScaled, 4, 0, 0, 0, 2, 0, entropyFSE << 3, 0, 0},
		"fse table of 2^20":        {1, valuesScaled, 4, 0, 0, 0, 2, 0, entropyFSE << 3, 0, 5, 15, 1, 1, 1, 1},
		"zone flag 64":             {1, valuesRaw, 65, 64},
		"raw of another size":      {1, valuesRaw, 2, 0, 0, 0, 0, 0, 0, 0, 0},
		"more NaN than values":     {1, valuesRaw, 65, 3, 0, 66, 0, 0},
		"index of n":               {1, valuesRaw, 65, 2, 0, 0, 65, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) { require.Error(t, tryValues(t, src)) })
	}
	for name, src := range map[string][]byte{
		"nothing":         {},
		"version 2":       {2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0},
		"no points":       {1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0},
		"clock flag 32":   {1, 1, 35, 0, 0, 0, 0, 0, 0, 0, 0},
		"tilted stride":   {1, 2, 23, 0, 1, 0, 0, 0, intsPacked, 0, 0},
		"one column only": {1, 2, 3, 0, 0, 0, 0, intsPacked, 0, 0},
	} {
		t.Run("clock "+name, func(t *testing.T) { require.Error(t, tryClock(t, src)) })
	}
}

func FuzzDecodeValues(f *testing.F) {
	values, _ := samples()
	for _, src := range values {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) { _ = tryValues(t, src) })
}

func FuzzDecodeClock(f *testing.F) {
	_, clocks := samples()
	for _, src := range clocks {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) { _ = tryClock(t, src) })
}

// words cuts bytes into 64-bit integers.
func words(b []byte) []int64 {
	var out []int64
	for ; len(b) >= 8 && len(out) < MaxPoints; b = b[8:] {
		var u uint64
		for i, c := range b[:8] {
			u |= uint64(c) << (8 * i)
		}
		out = append(out, int64(u))
	}
	return out
}

// FuzzValues round-trips what the fuzzer makes of raw bits, and the same bits
// as decimals and as float32, which raw bits would hardly ever be.
func FuzzValues(f *testing.F) {
	for _, c := range oddValues {
		f.Add(appendRaw(nil, c.values[:min(len(c.values), 80)]), 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, times int) {
		xs := words(b)
		if len(xs) == 0 {
			return
		}
		xs = slices.Repeat(xs, min(1+times&15, max(1, 2000/len(xs))))
		bits := make([]float64, len(xs))
		printed := make([]float64, len(xs))
		single := make([]float64, len(xs))
		for i, x := range xs {
			bits[i] = math.Float64frombits(uint64(x))
			printed[i] = float64(x%100_000) / 1000
			single[i] = widen(uint32(x))
		}
		printed[len(xs)/2] = bits[len(xs)/2]
		checkValues(t, bits)
		checkValues(t, printed)
		checkValues(t, single)
	})
}

func FuzzClock(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), 3)
	f.Fuzz(func(t *testing.T, b []byte, times int) {
		xs := words(b)
		if len(xs) < 2 {
			return
		}
		half := len(xs) / 2
		n := min(1+times&63, max(1, 2000/half))
		steps, ms := slices.Repeat(xs[:half], n), slices.Repeat(xs[half:2*half], n)
		checkClock(t, steps, ms)
		for i := range steps { // small differences
			steps[i], ms[i] = int64(i)+steps[i]&3, ms[i]%1000
		}
		checkClock(t, steps, ms)
	})
}
