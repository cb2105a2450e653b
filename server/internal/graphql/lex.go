package graphql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEOF tokenKind = iota
	tokenPunct
	tokenName
	tokenInt
	tokenFloat
	tokenString
)

// token is a piece of a text. text is the piece as written, of a string what it
// stands for.
type token struct {
	kind tokenKind
	text string
}

func (t token) String() string {
	switch t.kind {
	case tokenEOF:
		return "<EOF>"
	case tokenPunct:
		return "'" + t.text + "'"
	case tokenString:
		return "String " + quote(t.text)
	}
	return [...]string{tokenName: "Name", tokenInt: "Int", tokenFloat: "Float"}[t.kind] + " '" + cut(t.text) + "'"
}

// lexer cuts a text into tokens. The text is valid UTF-8.
type lexer struct {
	s  string
	at int
}

func syntaxError(format string, args ...any) error {
	return &Error{"Syntax Error: " + fmt.Sprintf(format, args...)}
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// peek returns the byte i after the current one, 0 behind the end.
func (l *lexer) peek(i int) byte {
	if l.at+i < len(l.s) {
		return l.s[l.at+i]
	}
	return 0
}

func (l *lexer) skip() {
	for l.at < len(l.s) {
		switch c := l.s[l.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',':
			l.at++
		case c == '#':
			end := strings.IndexAny(l.s[l.at:], "\r\n")
			if end < 0 {
				end = len(l.s) - l.at
			}
			l.at += end
		case strings.HasPrefix(l.s[l.at:], "\uFEFF"):
			l.at += len("\uFEFF")
		default:
			return
		}
	}
}

func (l *lexer) next() (token, error) {
	l.skip()
	if l.at == len(l.s) {
		return token{}, nil
	}
	start := l.at
	c := l.s[l.at]
	switch {
	case isNameStart(c):
		for isNameStart(l.peek(0)) || isDigit(l.peek(0)) {
			l.at++
		}
		return token{tokenName, l.s[start:l.at]}, nil
	case isDigit(c) || c == '-':
		return l.number()
	case strings.HasPrefix(l.s[l.at:], `"""`):
		return l.block()
	case c == '"':
		return l.str()
	case strings.HasPrefix(l.s[l.at:], "..."):
		l.at += 3
		return token{tokenPunct, "..."}, nil
	case strings.IndexByte("!$&():=@[]{|}", c) >= 0:
		l.at++
		return token{tokenPunct, l.s[start:l.at]}, nil
	}
	r, _ := utf8.DecodeRuneInString(l.s[l.at:])
	return token{}, syntaxError("Unexpected character: %s.", showRune(r))
}

func showRune(r rune) string {
	if r >= 0x20 && r < 0x7f {
		return "'" + string(r) + "'"
	}
	return fmt.Sprintf("U+%04X", r)
}

func (l *lexer) digits() int {
	start := l.at
	for isDigit(l.peek(0)) {
		l.at++
	}
	return l.at - start
}

func (l *lexer) number() (token, error) {
	start, kind := l.at, tokenInt
	bad := func() (token, error) {
		l.skip()
		found := "<EOF>"
		if l.at < len(l.s) {
			r, _ := utf8.DecodeRuneInString(l.s[l.at:])
			found = showRune(r)
		}
		return token{}, syntaxError("Invalid number, expected digit but got: %s.", found)
	}
	if l.peek(0) == '-' {
		l.at++
	}
	zero := l.peek(0) == '0'
	if n := l.digits(); n == 0 || zero && n > 1 {
		return bad()
	}
	if l.peek(0) == '.' {
		kind = tokenFloat
		if l.at++; l.digits() == 0 {
			return bad()
		}
	}
	if l.peek(0)|0x20 == 'e' {
		kind = tokenFloat
		if l.at++; l.peek(0) == '+' || l.peek(0) == '-' {
			l.at++
		}
		if l.digits() == 0 {
			return bad()
		}
	}
	if c := l.peek(0); c == '.' || isNameStart(c) {
		return bad()
	}
	return token{kind, l.s[start:l.at]}, nil
}

// str reads a string on one line.
func (l *lexer) str() (token, error) {
	var out strings.Builder
	l.at++
	for l.at < len(l.s) {
		c := l.s[l.at]
		switch {
		case c == '"':
			l.at++
			return token{tokenString, out.String()}, nil
		case c == '\n' || c == '\r':
			return token{}, syntaxError("Unterminated string.")
		case c != '\\':
			out.WriteByte(c)
			l.at++
		default:
			if err := l.escape(&out); err != nil {
				return token{}, err
			}
		}
	}
	return token{}, syntaxError("Unterminated string.")
}

// escape reads a backslash and what follows it. Half a surrogate pair becomes
// U+FFFD.
func (l *lexer) escape(out *strings.Builder) error {
	c := l.peek(1)
	if i := strings.IndexByte(`"\/bfnrt`, c); c != 0 && i >= 0 {
		out.WriteByte("\"\\/\b\f\n\r\t"[i])
		l.at += 2
		return nil
	}
	if c != 'u' {
		return syntaxError("Invalid character escape sequence: '\\%s'.", cut(l.s[l.at+1:min(l.at+2, len(l.s))]))
	}
	l.at += 2
	if l.peek(0) == '{' {
		end := strings.IndexByte(l.s[l.at:], '}')
		if end < 2 || end > 9 {
			return syntaxError("Invalid Unicode escape sequence.")
		}
		n, err := strconv.ParseUint(l.s[l.at+1:l.at+end], 16, 32)
		if err != nil || n > utf8.MaxRune {
			return syntaxError("Invalid Unicode escape sequence.")
		}
		out.WriteRune(rune(n))
		l.at += end + 1
		return nil
	}
	r, ok := l.hex4()
	if !ok {
		return syntaxError("Invalid Unicode escape sequence.")
	}
	if r >= 0xd800 && r < 0xdc00 && l.peek(0) == '\\' && l.peek(1) == 'u' {
		back := l.at
		l.at += 2
		if low, ok := l.hex4(); ok && low >= 0xdc00 && low < 0xe000 {
			r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
		} else {
			l.at = back
		}
	}
	out.WriteRune(r)
	return nil
}

func (l *lexer) hex4() (rune, bool) {
	if len(l.s)-l.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(l.s[l.at:l.at+4], 16, 32)
	if err != nil {
		return 0, false
	}
	l.at += 4
	return rune(n), true
}

// block reads a string between triple quotes: without the indentation that its
// lines share, and without blank lines at its ends.
func (l *lexer) block() (token, error) {
	l.at += 3
	var raw strings.Builder
	for {
		switch {
		case l.at == len(l.s):
			return token{}, syntaxError("Unterminated string.")
		case strings.HasPrefix(l.s[l.at:], `\"""`):
			raw.WriteString(`"""`)
			l.at += 4
			continue
		case strings.HasPrefix(l.s[l.at:], `"""`):
			l.at += 3
			return token{tokenString, dedent(raw.String())}, nil
		}
		raw.WriteByte(l.s[l.at])
		l.at++
	}
}

func dedent(s string) string {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\n")
	common := -1
	for _, line := range lines[1:] {
		if indent := len(line) - len(strings.TrimLeft(line, " \t")); indent < len(line) && (common < 0 || indent < common) {
			common = indent
		}
	}
	for i := 1; i < len(lines) && common > 0; i++ {
		lines[i] = lines[i][min(common, len(lines[i])):]
	}
	blank := func(line string) bool { return strings.Trim(line, " \t") == "" }
	for len(lines) > 0 && blank(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}
