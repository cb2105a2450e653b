package block

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A token stands for the integers that share their highest bits: with m
// mantissa bits the token of u is shift<<m + u>>shift, where u>>shift is below
// 2^(m+1) and has its bit m set unless shift is 0. The other shift bits follow
// raw.

const (
	maxMantissa = 7
	// maxShift is the largest shift of the fast loop: 8 bytes from any bit on
	// hold so many whole bits.
	maxShift = 56
)

// token is what a decoder must know of one.
type token struct {
	base  uint64
	shift uint64
}

// noShift is the shift of a token that may not be: no block has as many raw
// bits, so damage is seen where they are counted, and not for each token.
const noShift = 1 << 40

// tokenTables[w][m] gives the tokens of m mantissa bits, with w of 0 those of
// no shift above maxShift. The others have noShift.
var tokenTables = func() (tables [2][maxMantissa + 1][256]token) {
	for w, highest := range [...]int{maxShift, 63} {
		for m := range tables[w] {
			for t := range tables[w][m] {
				e := &tables[w][m][t]
				e.shift = noShift
				if shift := max(0, t>>m-1); shift <= min(highest, 63-m) {
					*e = token{uint64(t-shift<<m) << shift, uint64(shift)}
				}
			}
		}
	}
	return tables
}()

// tokenShape is how a column's residuals are cut into tokens.
type tokenShape struct {
	ref      int64
	mantissa int
	low      byte // token that 0 stands for
	wide     bool // some shift is above maxShift
	rawBits  int
	max      int // count of the most frequent token
	distinct int
	bits     float32 // estimate of the whole size
}

// shapeTokens turns residuals into what is stored of them: their distances
// from their center, zigzagged. It finds the mantissa with the smallest
// estimated size.
func (s *encoder) shapeTokens(res []int64) *tokenShape {
	ref := center(res)
	var or int64
	for i, r := range res {
		r = int64(zigzag(r - ref))
		res[i] = r
		or |= r
	}
	s.shapeMantissa(res, bits.Len64(uint64(or)))
	s.shape.ref = ref
	return &s.shape
}

// shapeMantissa finds the mantissa for integers of up to length bits.
func (s *encoder) shapeMantissa(zz []int64, length int) {
	shape := &s.shape
	// The longest whose tokens fit a byte, and a short one for few integers:
	// their table must be small.
	m := min(maxMantissa, max(0, bits.Len(uint(len(zz)))-3))
	for m > 0 && (max(length-1-m, 0)+2)<<m > 256 {
		m--
	}
	// Two counters for each token: neighbours are often equal, and an
	// increment waits for the one before.
	hist, odd := &s.hist[0], &s.hist[1]
	clear(s.hist[:])
	low := uint64(1) << m
	for i, x := range zz {
		u := uint64(x)
		shift := (bits.Len64(u|low) - 1 - m) & 63
		s.hist[i&1][byte(uint64(shift<<m)+u>>shift)]++
	}
	for t, c := range odd {
		hist[t] += c
	}
	best := float32(math.MaxFloat32)
	for top := tokenOf(1<<length-1, m); m >= 0; m-- {
		c := costOf(hist[:top+1], m, len(zz))
		if c.bits < best {
			best = c.bits
			*shape = c
		} else if c.bits > best*1.05 {
			break
		}
		if m > 0 {
			coarsen(hist[:top+1], m)
			top = tokenOf(1<<length-1, m-1)
		}
	}
	shape.wide = length-1-shape.mantissa > maxShift
}

// tokenOf returns the token of u with m mantissa bits.
func tokenOf(u uint64, m int) int {
	shift := bits.Len64(u|1<<m) - 1 - m
	return shift<<m + int(u>>shift)
}

// costOf estimates the size of n residuals whose tokens of m mantissa bits
// have this histogram.
func costOf(hist []uint32, m, n int) tokenShape {
	c := tokenShape{mantissa: m}
	low, high := -1, 0
	total := xlog2x(n)
	table := &tokenTables[1][m]
	for t, count := range hist {
		if count == 0 {
			continue
		}
		if low < 0 {
			low = t
		}
		high = t
		c.distinct++
		c.max = max(c.max, int(count))
		c.rawBits += int(count) * int(table[t&255].shift)
		total -= xlog2x(int(count))
	}
	c.low = byte(low)
	c.bits = total + float32(c.rawBits) + 24
	if c.distinct > 1 {
		c.bits += float32(24 + 3*c.distinct + high - low)
	}
	return c
}

// coarsen turns a histogram of m mantissa bits into one of m-1.
func coarsen(hist []uint32, m int) {
	for t := 1 << m; t < len(hist); t++ {
		c := hist[t]
		hist[t] = 0
		shift := t>>m - 1
		hist[(shift+1)<<(m-1)+(t-shift<<m)>>1] += c
	}
}

// appendTokens appends what shapeTokens has made of residuals.
func (s *encoder) appendTokens(dst []byte, zz []int64) []byte {
	shape := &s.shape
	m := shape.mantissa
	dst = binary.AppendVarint(dst, shape.ref)
	s.tokens = resize(s.tokens, len(zz))
	s.raw = resize(s.raw, (shape.rawBits+7)/8+8)
	if shape.wide {
		s.splitWide(zz, m)
	} else {
		s.split(zz, m)
	}
	low := shape.low
	form := byte(m)
	if shape.wide {
		form |= tokensWide
	}
	formAt := len(dst)
	dst = append(dst, form, low)
	dst, mode := s.appendEntropy(dst, s.tokens, shape.max)
	dst[formAt] |= mode << 3
	return append(dst, s.raw[:(shape.rawBits+7)/8]...)
}

// split fills s.tokens and s.raw.
func (s *encoder) split(zz []int64, m int) {
	var acc uint64
	var fill uint // bits of acc in use, below 8 between two integers
	at, low, unit := 0, s.shape.low, uint64(1)<<m
	tokens, raw := s.tokens[:len(zz)], s.raw
	for i, x := range zz {
		u := uint64(x)
		shift := uint(bits.Len64(u|unit)-1-m) & 63
		tokens[i] = byte(uint64(shift<<m)+u>>shift) - low
		acc |= u & (1<<shift - 1) << (fill & 7)
		binary.LittleEndian.PutUint64(raw[at:], acc)
		fill += shift
		at += int(fill >> 3)
		acc >>= fill &^ 7 & 63
		fill &= 7
	}
}

// splitWide is split for shifts of any size.
func (s *encoder) splitWide(zz []int64, m int) {
	var acc uint64
	var fill uint // bits of acc in use, below 64
	at, low, unit := 0, s.shape.low, uint64(1)<<m
	for i, x := range zz {
		u := uint64(x)
		shift := uint(bits.Len64(u|unit)-1-m) & 63
		s.tokens[i] = byte(uint64(shift<<m)+u>>shift) - low
		u &= 1<<shift - 1
		acc |= u << (fill & 63)
		if fill += shift; fill >= 64 {
			binary.LittleEndian.PutUint64(s.raw[at:], acc)
			at += 8
			fill -= 64
			acc = u >> ((shift - fill) & 63)
		}
	}
	binary.LittleEndian.PutUint64(s.raw[at:], acc)
}

// tokensWide is the bit of the form that tells of shifts above maxShift.
const tokensWide = 1 << 6

// readTokens fills res.
func (s *decoder) readTokens(r *reader, res []int64) {
	ref, form, low := r.varint(), r.byte(), r.byte()
	mode := form >> 3 & 7
	if mode >= entropyModes || form >= 1<<7 {
		r.fail("unknown token form")
		return
	}
	s.tokens = resize(s.tokens, len(res))
	tokens := s.readEntropy(r, s.tokens, mode)
	if !r.ok() {
		return
	}
	table := &tokenTables[form>>6][form&maxMantissa]
	raw := r.src[r.at:]
	bits := 8 * uint64(len(raw))
	var done int
	var at uint64
	if form&tokensWide != 0 {
		done, at = mergeWide(res, tokens, table, low, ref, raw)
	} else if done, at = mergeTokens(res, tokens, table, low, ref, raw, 0); done < len(res) && at <= bits {
		// Less than 8 bytes are left: a copy has room behind them.
		var padded [24]byte
		from := at >> 3
		copy(padded[:], raw[from:])
		more, end := mergeTokens(res[done:], tokens[done:], table, low, ref, padded[:], at&7)
		done += more
		at = from<<3 + end
	}
	if done < len(res) || at > bits {
		r.fail("tokens without raw bits")
		return
	}
	r.take(int(at+7) >> 3)
}

// mergeTokens joins tokens and raw bits from bit at on to residuals, as long
// as 8 bytes of raw are left. It returns how many it made, and the next bit.
func mergeTokens(res []int64, tokens []byte, table *[256]token, low byte, ref int64, raw []byte, at uint64) (int, uint64) {
	if len(raw) < 8 {
		return 0, at
	}
	last := uint64(len(raw) - 8)
	res = res[:len(tokens)]
	for i, t := range tokens {
		if at>>3 > last {
			return i, at
		}
		e := &table[t+low]
		u := binary.LittleEndian.Uint64(raw[at>>3:]) >> (at & 7)
		u = u&(1<<(e.shift&63)-1) + e.base
		at += e.shift
		res[i] = unzigzag(u) + ref
	}
	return len(tokens), at
}

// mergeWide is mergeTokens for shifts of any size, to the end of raw.
func mergeWide(res []int64, tokens []byte, table *[256]token, low byte, ref int64, raw []byte) (int, uint64) {
	at := uint64(0)
	for i, t := range tokens {
		e := &table[t+low]
		var window [16]byte
		if at+e.shift > 8*uint64(len(raw)) {
			return i, at
		}
		copy(window[:], raw[at>>3:])
		u := binary.LittleEndian.Uint64(window[:])>>(at&7) | uint64(window[8])<<1<<(63-at&7)
		u = u&(1<<(e.shift&63)-1) + e.base
		at += e.shift
		res[i] = unzigzag(u) + ref
	}
	return len(tokens), at
}
