package block

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// coded are columns of symbols in every mode, behind their length as in a block.
func coded() (all []codedSymbols) {
	s := newEncoder()
	r := rand.New(rand.NewPCG(3, 1))
	for _, n := range []int{1, 2, 3, 7, 16, 100, minHuff4 - 1, minHuff4, 4095, MaxPoints - 1} {
		for _, spread := range []float64{0, 0.4, 6, 100} {
			symbols := make([]byte, n)
			var hist [256]int
			for i := range symbols {
				symbols[i] = byte(min(255, r.ExpFloat64()*spread))
				hist[symbols[i]]++
			}
			src, mode := s.appendEntropy(nil, symbols, slices.Max(hist[:]))
			all = append(all, codedSymbols{symbols, mode, src})
		}
	}
	return all
}

type codedSymbols struct {
	symbols []byte
	mode    byte
	src     []byte
}

func TestEntropy(t *testing.T) {
	seen := map[byte]bool{}
	s := new(decoder)
	for _, c := range coded() {
		seen[c.mode] = true
		r := reader{src: c.src}
		got := s.readEntropy(&r, make([]byte, len(c.symbols)), c.mode)
		require.NoError(t, r.finish("symbols"))
		if c.mode == entropyFill {
			continue
		}
		require.Equal(t, c.symbols, got)
	}
	require.Len(t, seen, entropyModes, "modes")
}

// FuzzEntropy gives any bytes to the decoders of symbols, as if they were of
// any count: they return that many or a fault, hold on to no more memory than
// their tables and so many symbols take, and leave scratch that the next
// column can use.
func FuzzEntropy(f *testing.F) {
	all := coded()
	for _, c := range all {
		if len(c.src) < 1<<12 {
			f.Add(c.mode, uint16(len(c.symbols)), c.src)
		}
	}
	sound := slices.DeleteFunc(all, func(c codedSymbols) bool { return c.mode == entropyFill || len(c.symbols) > 200 })
	s := new(decoder)
	f.Fuzz(func(t *testing.T, mode byte, n uint16, src []byte) {
		r := reader{src: src}
		buf := make([]byte, n)
		out := s.readEntropy(&r, buf, mode%entropyModes)
		if r.ok() {
			require.Len(t, out, int(n))
		} else {
			require.Nil(t, out)
		}
		require.LessOrEqual(t, cap(s.tokens), 1<<17)
		for _, c := range sound {
			r := reader{src: c.src}
			require.Equal(t, c.symbols, s.readEntropy(&r, make([]byte, len(c.symbols)), c.mode))
		}
	})
}

// TestTokensPastTheEnd: a token that no 64-bit integer has, and one with a
// shift that the form denies, are damage.
func TestTokensPastTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		form, token byte
		raw         int // bits of each
		ok          bool
	}{
		"highest":                       {entropyRaw<<3 | tokensWide, 64, 63, true},
		"no shift":                      {entropyRaw<<3 | 7, 129, 0, true},
		"beyond 64 bits":                {entropyRaw<<3 | tokensWide, 65, 64, false},
		"beyond 64 bits, one mantissa":  {entropyRaw<<3 | tokensWide | 1, 128, 63, false},
		"beyond 64 bits, no raw bits":   {entropyRaw<<3 | tokensWide, 65, 0, false},
		"beyond 64 bits, narrow":        {entropyRaw << 3, 65, 64, false},
		"shift of 56":                   {entropyRaw << 3, 57, 56, true},
		"shift of 57 that form denies":  {entropyRaw << 3, 58, 57, false},
		"shift of 57":                   {entropyRaw<<3 | tokensWide, 58, 57, true},
		"largest byte with no mantissa": {entropyRaw << 3, 255, 0, false},
	} {
		for _, tail := range []int{0, 40} {
			src := binary.AppendVarint(nil, 0)
			src = append(src, c.form, 0)
			for range 1 + tail {
				src = append(src, c.token)
			}
			src = append(src, make([]byte, (c.raw*(1+tail)+7)/8)...)
			r := reader{src: src}
			new(decoder).readTokens(&r, make([]int64, 1+tail))
			require.Equal(t, c.ok, r.finish("column") == nil, "%s and %d more", name, tail)
		}
	}
}
