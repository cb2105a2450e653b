package plan

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is a LIKE or ILIKE pattern: % stands for any text, _ for any one
// character, everything else for itself. The text between two % is a segment.
// ILIKE compares characters in lower case, by Unicode's simple mapping.
type pattern struct {
	segs   []string  // lower case if fold; the first is anchored, and so is the last
	search []*bitset // for the segments between them; nil where strings.Index will do
	last   int       // characters of the last segment
	fold   bool
}

func newPattern(s string, fold bool) *pattern {
	if fold {
		s = lowerText(s)
	}
	p := &pattern{segs: strings.Split(s, "%"), fold: fold}
	p.last = utf8.RuneCountInString(p.segs[len(p.segs)-1])
	p.search = make([]*bitset, len(p.segs))
	for i := 1; i < len(p.segs)-1; i++ {
		if seg := p.segs[i]; seg != "" && (fold || strings.Contains(seg, "_")) {
			p.search[i] = newBitset(seg)
		}
	}
	return p
}

// match reads every byte of s at most twice, whatever the pattern. Each segment
// between two % may be taken where it is found first: one that fits there leaves
// most room for the rest.
func (p *pattern) match(s string) bool {
	n := p.prefix(s, p.segs[0])
	if n < 0 {
		return false
	}
	if len(p.segs) == 1 {
		return n == len(s)
	}
	s = s[n:]
	for i := 1; i < len(p.segs)-1; i++ {
		end := p.find(s, i)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	tail := len(s)
	for range p.last {
		if tail == 0 {
			return false
		}
		_, w := utf8.DecodeLastRuneInString(s[:tail])
		tail -= w
	}
	return p.prefix(s[tail:], p.segs[len(p.segs)-1]) == len(s)-tail
}

// find is the offset just behind the first place where segment i fits, or -1.
func (p *pattern) find(s string, i int) int {
	if b := p.search[i]; b != nil {
		return b.find(s, p.fold)
	}
	at := strings.Index(s, p.segs[i])
	if at < 0 {
		return -1
	}
	return at + len(p.segs[i])
}

// prefix is how many bytes of s seg takes, or -1 if s does not begin with it.
func (p *pattern) prefix(s, seg string) int {
	i := 0
	for j := 0; j < len(seg); {
		if i == len(s) {
			return -1
		}
		c := seg[j]
		switch {
		case c == '_':
			_, w := utf8.DecodeRuneInString(s[i:])
			i += w
			j++
		case !p.fold:
			if s[i] != c {
				return -1
			}
			i++
			j++
		default:
			want, wj := utf8.DecodeRuneInString(seg[j:])
			got, wi := utf8.DecodeRuneInString(s[i:])
			if wj == 1 || wi == 1 {
				// Both one byte: ASCII, or bytes that are not UTF-8 and must be equal.
				if wi != 1 || wj != 1 || lowerByte(s[i]) != c {
					// A character may become ASCII in lower case: the Kelvin sign.
					if got == utf8.RuneError || lowerRune(got) != want {
						return -1
					}
				}
			} else if lowerRune(got) != want {
				return -1
			}
			i += wi
			j += wj
		}
	}
	return i
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func lowerRune(r rune) rune {
	if r < utf8.RuneSelf {
		return rune(lowerByte(byte(r)))
	}
	return unicode.ToLower(r)
}

// lowerText lowers character by character and keeps bytes that are not UTF-8.
func lowerText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, w := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && w == 1 {
			b.WriteByte(s[i])
		} else {
			b.WriteRune(lowerRune(r))
		}
		i += w
	}
	return b.String()
}
