package main

import (
	"strings"
	"unicode"
)

// Texts in cells of a terminal: some characters take two of them, and some none.

// wide are the characters that take two cells: those of East Asia and pictures.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

// runeWidth returns how many cells a character takes.
func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && unicode.Is(wide, r):
		return 2
	}
	return 1
}

// cellWidth returns how many cells a text takes.
func cellWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// fit shortens a text to so many cells, the last of which is then an ellipsis.
func fit(s string, width int) string {
	if cellWidth(s) <= width {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > width-1 {
			return s[:i] + strings.Repeat("…", min(1, max(0, width)))
		}
	}
	return s
}

// pad makes a text that others wrote harmless and exactly as wide as a column.
func pad(s string, width int, right bool) string {
	s = fit(oneCellOf(s), width)
	blank := strings.Repeat(" ", max(0, width-cellWidth(s)))
	if right {
		return blank + s
	}
	return s + blank
}

// oneCellOf is oneCell that leaves an empty text empty.
func oneCellOf(s string) string {
	if s == "" {
		return ""
	}
	return oneCell(s)
}
