package server

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of a request's JSON. A thousand metrics with all their fields are
// 9,000 values. A value takes up to 100 bytes here for 2 on the wire.
const (
	maxDepth  = 64 // arrays and objects inside each other
	maxValues = 20_000
)

var (
	errSyntax = errors.New("not JSON")
	errDepth  = errors.New("nested too deeply")
	errValues = errors.New("too many values")
)

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindInt // digits only; text holds them
	kindFloat
	kindString
	kindList
	kindObject
)

// value is a JSON value as Python's json module would read it: besides the
// standard it takes NaN, Infinity and -Infinity.
type value struct {
	kind    kind
	text    string // of a string, decoded; of a number or bool, as written
	list    []value
	members []member
}

type member struct {
	name  string
	value value
}

// get returns the last member of that name, or nil.
func (v *value) get(name string) *value {
	for i := len(v.members) - 1; i >= 0; i-- {
		if v.members[i].name == name {
			return &v.members[i].value
		}
	}
	return nil
}

// parseJSON reads one value, which keeps parts of s. Its errors are errSyntax,
// errDepth and errValues.
func parseJSON(s string) (value, error) {
	if !utf8.ValidString(s) {
		return value{}, errSyntax
	}
	p := parser{s: s}
	v, err := p.value(0)
	if err != nil {
		return value{}, err
	}
	if p.blank(); p.at != len(p.s) {
		return value{}, errSyntax
	}
	return v, nil
}

type parser struct {
	s     string
	at    int
	count int // values so far

	// The parts of what is open, and room for the parts of what is complete: an
	// allocation for many objects.
	members []member
	items   []value
	room    []member
}

func (p *parser) blank() {
	for p.at < len(p.s) {
		switch p.s[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next skips blanks and returns the byte there, 0 at the end.
func (p *parser) next() byte {
	if p.blank(); p.at < len(p.s) {
		return p.s[p.at]
	}
	return 0
}

func (p *parser) value(depth int) (value, error) {
	if depth > maxDepth {
		return value{}, errDepth
	}
	if p.count++; p.count > maxValues {
		return value{}, errValues
	}
	switch c := p.next(); c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		s, err := p.str()
		return value{kind: kindString, text: s}, err
	case 0:
		return value{}, errSyntax
	}
	for _, w := range words {
		if strings.HasPrefix(p.s[p.at:], w.text) {
			p.at += len(w.text)
			return w, nil
		}
	}
	return p.number()
}

var words = [...]value{
	{kind: kindNull, text: "null"}, {kind: kindBool, text: "true"}, {kind: kindBool, text: "false"},
	{kind: kindFloat, text: "NaN"}, {kind: kindFloat, text: "Infinity"}, {kind: kindFloat, text: "-Infinity"},
}

// roomPiece is for how many members room is made at once, at most.
const roomPiece = 512

// keep takes the members from the end of p.members that belong to one object.
func (p *parser) keep(first int) []member {
	n := len(p.members) - first
	if n > len(p.room) {
		// Nobody can put more members into what is left of the text.
		p.room = make([]member, max(n, min(roomPiece, n+(len(p.s)-p.at)/leastMember)))
	}
	kept := p.room[:n:n]
	p.room = p.room[n:]
	copy(kept, p.members[first:])
	p.members = p.members[:first]
	return kept
}

// leastMember is how many bytes a member takes at least: "":0, and a comma.
const leastMember = 5

func (p *parser) object(depth int) (value, error) {
	v := value{kind: kindObject}
	p.at++
	if p.next() == '}' {
		p.at++
		return v, nil
	}
	first := len(p.members)
	for {
		if p.next() != '"' {
			return v, errSyntax
		}
		name, err := p.str()
		if err != nil {
			return v, err
		}
		if p.next() != ':' {
			return v, errSyntax
		}
		p.at++
		x, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		p.members = append(p.members, member{name, x})
		if done, err := p.more('}'); done || err != nil {
			v.members = p.keep(first)
			return v, err
		}
	}
}

func (p *parser) array(depth int) (value, error) {
	v := value{kind: kindList}
	p.at++
	if p.next() == ']' {
		p.at++
		return v, nil
	}
	first := len(p.items)
	for {
		x, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		p.items = append(p.items, x)
		if done, err := p.more(']'); done || err != nil {
			if n := len(p.items); first > 0 { // a list that is open goes on behind it
				v.list = slices.Clone(p.items[first:])
				p.items = p.items[:first]
			} else {
				v.list, p.items = p.items[:n:n], p.items[n:]
			}
			return v, err
		}
	}
}

// more takes a comma, or the end of an array or object.
func (p *parser) more(end byte) (done bool, err error) {
	switch p.next() {
	case ',':
		p.at++
		return false, nil
	case end:
		p.at++
		return true, nil
	}
	return false, errSyntax
}

func (p *parser) number() (value, error) {
	start := p.at
	if p.s[p.at] == '-' {
		p.at++
	}
	first := p.at
	n := p.digits()
	if n == 0 || n > 1 && p.s[first] == '0' {
		return value{}, errSyntax
	}
	k := kindInt
	if p.at < len(p.s) && p.s[p.at] == '.' {
		k = kindFloat
		if p.at++; p.digits() == 0 {
			return value{}, errSyntax
		}
	}
	if p.at < len(p.s) && p.s[p.at]|0x20 == 'e' {
		k = kindFloat
		p.at++
		if p.at < len(p.s) && (p.s[p.at] == '+' || p.s[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return value{}, errSyntax
		}
	}
	return value{kind: k, text: p.s[start:p.at]}, nil
}

func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.s) && p.s[p.at] >= '0' && p.s[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// str reads a string. One without escapes is part of the input and not copied.
func (p *parser) str() (string, error) {
	p.at++
	start := p.at
	for ; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == '"':
			s := p.s[start:p.at]
			p.at++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", errSyntax
		}
	}
	return "", errSyntax
}

// escaped goes on with a string at its first backslash.
func (p *parser) escaped(start int) (string, error) {
	end := p.at
	for end < len(p.s) && p.s[end] != '"' {
		if p.s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.s) {
		return "", errSyntax
	}
	var out strings.Builder
	out.Grow(end - start) // growing by steps would take several times as much
	out.WriteString(p.s[start:p.at])
	for p.at < end {
		if i := strings.IndexByte(p.s[p.at:end], '\\'); i != 0 {
			if i < 0 {
				i = end - p.at
			}
			plain := p.s[p.at : p.at+i]
			if hasControl(plain) {
				return "", errSyntax
			}
			out.WriteString(plain)
			p.at += i
			continue
		}
		c := p.s[p.at+1] // the closing quote at the latest is there
		p.at += 2
		if c == 'u' {
			r, err := p.unicode()
			if err != nil {
				return "", err
			}
			out.WriteRune(r)
			continue
		}
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return "", errSyntax
		}
		out.WriteByte("\"\\/\b\f\n\r\t"[i])
	}
	p.at = end + 1
	return out.String(), nil
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 {
			return true
		}
	}
	return false
}

// unicode reads what follows \u. Half a surrogate pair becomes U+FFFD.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(p.s[p.at:], `\u`) {
		back := p.at
		p.at += 2
		low, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
		p.at = back
	}
	return utf8.RuneError, nil
}

func (p *parser) hex4() (rune, error) {
	if len(p.s)-p.at < 4 {
		return 0, errSyntax
	}
	n, err := strconv.ParseUint(p.s[p.at:p.at+4], 16, 32)
	if err != nil {
		return 0, errSyntax
	}
	p.at += 4
	return rune(n), nil
}

// typeName is Python's name of the value's type.
func (v *value) typeName() string {
	return [...]string{"NoneType", "bool", "int", "float", "str", "list", "dict"}[v.kind]
}

// maxEcho bounds how much of a bad value an answer repeats, in bytes.
const maxEcho = 1 << 10

// String writes the value as json.dumps does with sorted keys and no blanks.
func (v *value) String() string {
	s := string(v.append(nil))
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "…"
	}
	return s
}

func (v *value) append(dst []byte) []byte {
	if len(dst) > maxEcho {
		return dst
	}
	switch v.kind {
	case kindString:
		return appendString(dst, cutEcho(v.text))
	case kindFloat:
		f, _ := strconv.ParseFloat(v.text, 64) // out of range is ±Inf
		return appendFloat(dst, f)
	case kindList:
		dst = append(dst, '[')
		for i := range v.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.list[i].append(dst)
		}
		return append(dst, ']')
	case kindObject:
		members := slices.Clone(v.members)
		slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
		dst = append(dst, '{')
		for i := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, cutEcho(members[i].name)), ':')
			dst = members[i].value.append(dst)
		}
		return append(dst, '}')
	}
	return append(dst, cutEcho(v.text)...)
}

// appendFloat writes a float as Python does: always with a point or an
// exponent.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 0):
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	}
	start := len(dst)
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[start:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendString writes a string in ASCII, as Python's json does. Bytes that are
// not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		n := 0
		for n < len(s) && plain(s[n]) {
			n++
		}
		if dst = append(dst, s[:n]...); n == len(s) {
			break
		}
		r, size := utf8.DecodeRuneInString(s[n:])
		dst, s = appendEscape(dst, r), s[n+size:]
	}
	return append(dst, '"')
}

// plain reports whether a byte stands for itself in a JSON string of ASCII.
func plain(c byte) bool { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' }

func appendEscape(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	escape := func(r rune) {
		dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	switch i := strings.IndexRune("\"\\\b\f\n\r\t", r); {
	case i >= 0 && r != utf8.RuneError:
		dst = append(dst, '\\', `"\bfnrt`[i])
	case r >= 0x10000:
		hi, lo := utf16.EncodeRune(r)
		escape(hi)
		escape(lo)
	default:
		escape(r)
	}
	return dst
}
