package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/runstonedb/runstone/store"
)

func drawFlat(t *rapid.T, n int) *flat {
	f := &flat{typ: Type(rapid.IntRange(0, 2).Draw(t, "type"))}
	most := rapid.SampledFrom([]int{1, 1, 1, 3}).Draw(t, "most")
	b := &builder{known: map[string]uint32{}}
	one := rapid.IntRange(0, 3).Draw(t, "density")
	for row := range n {
		if one > 0 && rapid.IntRange(0, 2*one-1).Draw(t, "gap") > 0 {
			continue
		}
		for range rapid.IntRange(1, most).Draw(t, "values") {
			f.rows = append(f.rows, uint32(row))
			switch f.typ {
			case Floats:
				f.floats = append(f.floats, drawFloat(t))
			case Ints:
				f.ints = append(f.ints, rapid.OneOf(rapid.Int64(), rapid.Int64Range(100, 120)).Draw(t, "int"))
			case Strings:
				s := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "00ff", "s3://bucket/00/artifacts", "s3://bucket/ff/artifacts"}),
					rapid.StringN(0, 20, 80)).Draw(t, "text")
				f.codes = append(f.codes, b.code(s))
			}
		}
	}
	f.dict = b.dict
	return f
}

// TestColumnsComeBack: every column reads back as it was written, both ways.
func TestColumnsComeBack(t *testing.T) {
	tab := NewTable(0)
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 7, 8, 63, 64, 65, 300}).Draw(r, "n")
		f := drawFlat(r, n)
		if len(f.rows) == 0 {
			return
		}
		e := encoder{texts: tab.texts}
		checkColumn(t, tab.texts, e.append(nil, f, n), n, f)
	})
}

// checkColumn reads b in both ways and compares them with each other, and with
// f if that is not nil.
func checkColumn(t testing.TB, x *texts, b []byte, n int, f *flat) {
	var got flat
	require.NoError(t, x.flat(b, n, &got))
	c, err := x.column(b, n)
	require.NoError(t, err)
	k := 0
	for row := range n {
		for _, v := range value(c, row) {
			require.Equal(t, uint32(row), got.rows[k])
			require.Equal(t, flatText(&got, k), v)
			if f != nil {
				require.Equal(t, f.rows[k], got.rows[k])
				require.Equal(t, flatText(f, k), v)
			}
			k++
		}
	}
	require.Equal(t, len(got.rows), k)
	if f != nil {
		require.Len(t, f.rows, k)
		require.Equal(t, f.zone(), got.zone())
	}
}

func flatText(f *flat, k int) string {
	switch f.typ {
	case Ints:
		return fmt.Sprint(f.ints[k])
	case Floats:
		return fmt.Sprintf("%x", math.Float64bits(f.floats[k]))
	}
	return f.dict[f.codes[k]]
}

// TestSizes holds the codecs to what they are for.
func TestSizes(t *testing.T) {
	const n = 4096
	e := encoder{texts: NewTable(0).texts}
	strs := func(fn func(i int) string) *flat {
		b := &builder{}
		b.reset(Strings)
		for i := range n {
			b.rows, b.codes = append(b.rows, uint32(i)), append(b.codes, b.code(fn(i)))
		}
		return &b.flat
	}
	nums := func(fn func(i int) float64) *flat {
		f := &flat{typ: Floats}
		for i := range n {
			f.rows, f.floats = append(f.rows, uint32(i)), append(f.floats, fn(i))
		}
		return f
	}
	hash := func(i int) uint64 { return uint64(i+1) * 0x9e3779b97f4a7c15 }
	for _, c := range []struct {
		name string
		f    *flat
		most int
	}{
		{"one value", &flat{typ: Floats, rows: []uint32{77}, floats: []float64{0.731}}, 15},
		{"one string", &flat{typ: Strings, rows: []uint32{77}, codes: []uint32{0}, dict: []string{"adam"}}, 20},
		{"constant", nums(func(int) float64 { return 0.1 }), 12},
		{"decimals", nums(func(i int) float64 { return float64(hash(i)%1000) / 1000 }), n*10/8 + 12},
		{"float32", nums(func(i int) float64 { return 1 + float64(float32(hash(i)>>40)/(1<<24)) }), n*24/8 + 12},
		{"few strings", strs(func(i int) string { return fmt.Sprint(hash(i) % 8) }), n*3/8 + 40},
		{"ids", strs(func(i int) string { return fmt.Sprintf("%016x%016x", hash(i), hash(-i)) }), n*16 + 20},
		{"folders", strs(func(i int) string { return fmt.Sprintf("s3://some-bucket/1/%016x%016x/artifacts", hash(i), hash(-i)) }), n*16 + 60},
		{"names", strs(func(i int) string { return fmt.Sprintf("experiment-of-today-%d-of-%d", i, n) }), n * 3},
	} {
		b := e.append(nil, c.f, n)
		require.LessOrEqual(t, len(b), c.most, c.name)
		checkColumn(t, e.texts, b, n, c.f)
	}
}

func FuzzColumn(f *testing.F) {
	tab := NewTable(0)
	e := encoder{texts: tab.texts}
	for _, s := range []*flat{
		{typ: Floats, rows: []uint32{1, 5}, floats: []float64{0.5, math.NaN()}},
		{typ: Ints, rows: []uint32{0, 1, 1, 2}, ints: []int64{-1, 5, 6, math.MaxInt64}},
		{typ: Strings, rows: []uint32{0, 1, 2}, dict: []string{"s3://00/a", "s3://ff/a"}, codes: []uint32{0, 1, 0}},
		{typ: Strings, rows: []uint32{0, 1}, dict: []string{string(bytes.Repeat([]byte("text "), 99)), "b"}, codes: []uint32{0, 1}},
	} {
		f.Add(e.append(nil, s, 6), uint16(6))
	}
	f.Fuzz(func(t *testing.T, b []byte, rows uint16) {
		n := int(rows)%maxRuns + 1
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := tab.texts.column(b, n)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 3*maxText {
			t.Fatalf("%d bytes allocated", got)
		}
		var same flat
		ferr := tab.texts.flat(b, n, &same)
		if (err == nil) != (ferr == nil) {
			t.Fatalf("%v, %v", err, ferr)
		}
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			require.ErrorIs(t, ferr, store.ErrCorrupt)
			return
		}
		require.Positive(t, c.cost())
		if len(same.rows) < 1<<16 {
			checkColumn(t, tab.texts, b, n, nil)
		}
	})
}

func FuzzHead(f *testing.F) {
	h := head{
		{part: 1, typ: Ints, inline: []byte{1, 2, 3}}, {part: 2, typ: Floats, ref: ref{7, 2}, size: 900, zone: Zone{3, 1, -1, 2}},
		{part: 5, typ: Ints, inline: []byte{1, 2, 3}}, {part: 6, typ: Floats, ref: ref{7, 2}, size: 900, zone: Zone{3, 1, -1, 2}},
	}
	again, err := decodeHead(h.encode(), 4)
	require.NoError(f, err)
	require.Equal(f, h, again)
	f.Add(h.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHead(b, maxRuns)
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			return
		}
		again, err := decodeHead(h.encode(), maxRuns)
		require.NoError(t, err)
		require.Len(t, again, len(h))
	})
}

func FuzzSchema(f *testing.F) {
	names := []name{{1, 0}, {1, 7}, {4, 0}, {4, 1}, {4, math.MaxUint32}}
	f.Add(encodeSchema(names)[4:])
	f.Fuzz(func(t *testing.T, b []byte) {
		names, err := decodeSchema(b)
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			return
		}
		require.LessOrEqual(t, len(names), len(b))
		body := encodeSchema(names)
		require.Equal(t, len(body), int(binary.LittleEndian.Uint32(body)))
		again, err := decodeSchema(body[4:])
		require.NoError(t, err)
		require.True(t, slices.Equal(names, again))
	})
}

func FuzzRows(f *testing.F) {
	f.Add([]byte{rowsAll}, uint16(9))
	f.Add([]byte{rowsBitmap, 0xff, 1}, uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, rows uint16) {
		n := int(rows)%maxRuns + 1
		has, err := decodeRows(b, n)
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			return
		}
		again, err := decodeRows(encodeRows(has, n), n)
		require.NoError(t, err)
		if has != nil && has.Count() < n {
			require.Equal(t, has, again)
		}
	})
}
