package tree

import (
	"unicode"
	"unicode/utf8"
)

// NameLen is the length of the name at the start of s, a run of letters, digits
// and _; 0 if there is none.
func NameLen(s string) int {
	n := 0
	for n < len(s) {
		r, w := utf8.DecodeRuneInString(s[n:])
		if r == utf8.RuneError || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			break
		}
		n += w
	}
	return n
}

// QuotedLen is the length of the quoted text at the start of s, quotes included.
// Doubled quotes and, but for backticks, a quote behind a backslash do not close
// it. Where nothing else would close it, the quote behind the last backslash
// does: 'C:\' is a string. complete is false then, and for n == 0, no end at all.
func QuotedLen(s string) (n int, complete bool) {
	q, last := s[0], 0
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && q != '`' && i+1 < len(s) && s[i+1] == q:
			i++
			last = i + 1
		case s[i] != q:
		case i+1 < len(s) && s[i+1] == q:
			i++
			last = 0
		default:
			return i + 1, true
		}
	}
	return last, false
}

// UnitSize is what a unit behind a number multiplies it by: milliseconds for
// times, bytes for sizes.
func UnitSize(unit string) (size int64, isTime, ok bool) {
	switch unit {
	case "ms":
		return 1, true, true
	case "s":
		return 1000, true, true
	case "m":
		return 60_000, true, true
	case "h":
		return 3_600_000, true, true
	case "d":
		return 86_400_000, true, true
	case "w":
		return 604_800_000, true, true
	case "B":
		return 1, false, true
	case "kB", "KB":
		return 1e3, false, true
	case "MB":
		return 1e6, false, true
	case "GB":
		return 1e9, false, true
	case "TB":
		return 1e12, false, true
	case "PB":
		return 1e15, false, true
	case "KiB":
		return 1 << 10, false, true
	case "MiB":
		return 1 << 20, false, true
	case "GiB":
		return 1 << 30, false, true
	case "TiB":
		return 1 << 40, false, true
	case "PiB":
		return 1 << 50, false, true
	}
	return 0, false, false
}

// isBareKey tells if a key needs no quotes behind its entity.
func isBareKey(s string) bool {
	for {
		n := NameLen(s)
		if n == 0 {
			return false
		}
		if n == len(s) {
			return true
		}
		if s[n] != '.' {
			return false
		}
		s = s[n+1:]
	}
}

// quotable tells if s between two q is one quoted text again.
func quotable(s string, q byte) bool {
	n, complete := QuotedLen(string(q) + s + string(q))
	return complete && n == len(s)+2
}
