package index

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBytes spells columns, a head and a schema out, as the docs describe them.
func TestBytes(t *testing.T) {
	e := encoder{texts: NewTable(0).texts}
	for _, c := range []struct {
		name string
		f    *flat
		n    int
		want string // hexadecimal, with blanks and notes in brackets
	}{
		{
			"integers, all rows", &flat{typ: Ints, rows: []uint32{0, 1, 2, 3}, ints: []int64{10, 11, 13, 10}}, 4,
			"01 [ints, all] 02 14 [2 bits, from 10] 34 [00 01 11 00, lowest first]",
		},
		{
			"one float of 4096", &flat{typ: Floats, rows: []uint32{258}, floats: []float64{0.5}}, 4096,
			"04 [floats, list] 01 02 01 [one row, 12 bits: 258] 35 00 fe 07 [shifted by 53, constant 511]",
		},
		{
			"decimals", &flat{typ: Floats, rows: []uint32{0, 1, 2}, floats: []float64{0.1, 0.2, -0.3}}, 3,
			"00 81 [tenths] 03 05 [3 bits, from -3] 2c00 [4 5 0]",
		},
		{
			"bitmap and strings", &flat{typ: Strings, rows: []uint32{0, 2, 4, 6, 8}, dict: []string{"adam", "sgd"}, codes: []uint32{0, 1, 1, 0, 0}}, 10,
			"0a [strings, bitmap] 5501 02 00 [2 strings, no flags] 01 00 06 [numbers] 01 06 01 [lengths 4 and 3] 6164616d736764",
		},
		{
			"several values, digits with affixes", &flat{typ: Strings, rows: []uint32{0, 0, 1}, dict: []string{"run/00ff/a", "run/01fe/a", "run/1234/a"}, codes: []uint32{0, 1, 2}}, 2,
			"12 [strings, several] 01 02 01 [1 bit, from 1: 2, 1] 03 07 [3 strings: iota, affixes, digits] 04 72756e2f 02 2f61" +
				"[run/ and /a] 00 08 [lengths 4] 00ff01fe1234",
		},
	} {
		got := e.append(nil, c.f, c.n)
		checkColumn(t, e.texts, got, c.n, c.f)
		require.Equal(t, plainHex(c.want), hex.EncodeToString(got), c.name)
	}
	h := head{
		{part: 0, typ: Floats, ref: ref{300, 0}, size: 20, zone: Zone{4, 1, -1, 2}}, {part: 3, typ: Ints, inline: []byte{1, 2, 3}},
		{part: 4, typ: Ints, inline: []byte{1, 2, 3}},
	}
	require.Equal(t, plainHex("00 04 [part 0: floats, own rows] ac02 00 [number 300, part 0] 14 [20 bytes] 04 01 [rows, NaN]"+
		"000000000000f0bf 0000000000000040 [-1 to 2] 03 01 03 010203 [part 3: integers, here] 04 08 01 [part 4: as the one with index 1]"),
		hex.EncodeToString(h.encode()))
	require.Equal(t, plainHex("0c000000 [size] 01 02 03 a902 [kind 1, two: 3, 300] 04 01 00 [kind 4, one: 0]"),
		hex.EncodeToString(encodeSchema([]name{{1, 3}, {1, 300}, {4, 0}})))
}

// plainHex leaves out blanks and what is in brackets.
func plainHex(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		text, rest, _ := strings.Cut(s, "[")
		b.WriteString(strings.ReplaceAll(text, " ", ""))
		_, s, _ = strings.Cut(rest, "]")
	}
	return b.String()
}
