package plan

import (
	"unicode/utf8"
)

// bitset searches a text for a segment that holds _ or is compared in lower
// case, in one pass: Baeza-Yates and Gonnet, "A new approach to text searching",
// CACM 35(10), 1992. Bit j of its state says that the last j+1 characters read
// fit the first j+1 of the segment. A backtracking search would take time in
// proportion to the product of both lengths.
type bitset struct {
	words int    // of 64 bits, of one state; at most patternWords
	last  uint64 // the segment's last character, in the last word
	ascii [utf8.RuneSelf]uint16
	other map[rune]uint16 // characters beyond ASCII
	masks []uint64        // row i, of words words: where a character fits; row 0 is any other's
}

// patternWords is what a segment as long as a pattern can be needs.
const patternWords = MaxPattern / 64

func newBitset(seg string) *bitset {
	n := utf8.RuneCountInString(seg)
	b := &bitset{words: (n + 63) / 64, last: 1 << ((n - 1) % 64)}
	b.masks = make([]uint64, b.words)
	wild := make([]uint64, b.words) // row 0 in the making
	for i, j := 0, 0; i < len(seg); j++ {
		c, w := character(seg[i:])
		i += w
		if c == '_' {
			wild[j/64] |= 1 << (j % 64)
			continue
		}
		row := b.row(c)
		if row == 0 {
			row = len(b.masks) / b.words
			b.masks = append(b.masks, make([]uint64, b.words)...)
			if c < utf8.RuneSelf {
				b.ascii[c] = uint16(row)
			} else {
				if b.other == nil {
					b.other = map[rune]uint16{}
				}
				b.other[c] = uint16(row)
			}
		}
		b.masks[row*b.words+j/64] |= 1 << (j % 64)
	}
	for i := range b.masks {
		b.masks[i] |= wild[i%b.words]
	}
	return b
}

func (b *bitset) row(c rune) int {
	if c < utf8.RuneSelf {
		return int(b.ascii[c])
	}
	return int(b.other[c])
}

// find is the offset just behind the first place where the segment fits, or -1.
func (b *bitset) find(s string, fold bool) int {
	var state [patternWords]uint64
	for i := 0; i < len(s); {
		c, w := character(s[i:])
		i += w
		if fold {
			c = lowerCharacter(c)
		}
		row := b.row(c) * b.words
		if b.words == 1 {
			state[0] = (state[0]<<1 | 1) & b.masks[row]
		} else {
			carry := uint64(1)
			for k, m := range b.masks[row : row+b.words] {
				next := state[k] >> 63
				state[k] = (state[k]<<1 | carry) & m
				carry = next
			}
		}
		if state[b.words-1]&b.last != 0 {
			return i
		}
	}
	return -1
}

// character reads the first character of s. A byte that is not UTF-8 is a
// character of its own beyond Unicode, equal to itself only.
func character(s string) (c rune, width int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	c, width = utf8.DecodeRuneInString(s)
	if c == utf8.RuneError && width == 1 {
		c = utf8.MaxRune + 1 + rune(s[0])
	}
	return c, width
}

func lowerCharacter(c rune) rune {
	if c > utf8.MaxRune {
		return c
	}
	return lowerRune(c)
}
