package artifact

import (
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxPath is the longest path and MaxSegment the longest segment of one,
	// in bytes.
	MaxPath    = 4096
	MaxSegment = 255
	// MaxDepth is the number of segments of a path.
	MaxDepth = 64

	// maxDecode is how many layers of percent-encoding are looked through.
	// Text that still has a layer after that is refused.
	maxDecode = 5

	// tempPrefix begins the name of every temporary entry of a root.
	tempPrefix = ".runstone-tmp-"
)

// A Path names a file or directory inside a [Root]: segments joined by '/',
// relative, clean. The zero Path is the root itself. Only [ParsePath] and
// [Path.Join] make others, so a Path in hand has been checked.
type Path struct{ s string }

// ParsePath checks p and returns it as a Path; "" and "." are the root.
//
// It refuses, as they stand and also under one to five layers of
// percent-encoding:
//
//   - absolute paths, empty segments (so also a slash at the end)
//   - segments of dots and spaces only, also as a part before or after ';' or '?'
//   - backslashes, control characters (behind an encoding only NUL), '#' (as MLflow does)
//   - segments that begin with a drive letter ("C:"), paths that begin with "file:"
//   - invalid UTF-8; overlong UTF-8 behind an encoding
//   - segments that begin like this package's temporary names
//
// and segments over [MaxSegment], paths over [MaxPath] or of more than
// [MaxDepth] segments, and text encoded more than five times. A percent sign that hides none of these is kept as it is:
// nothing here ever decodes a stored name. Errors are [*PathError].
func ParsePath(p string) (Path, error) {
	if p == "" || p == "." {
		return Path{}, nil
	}
	if len(p) > MaxPath {
		return Path{}, &PathError{p, "longer than 4096 bytes"}
	}
	if !utf8.ValidString(p) {
		return Path{}, &PathError{p, "not UTF-8"}
	}
	if strings.Count(p, "/") >= MaxDepth {
		return Path{}, &PathError{p, "deeper than 64 folders"}
	}
	if why := checkPath(p); why != "" {
		return Path{}, &PathError{p, why}
	}
	for rest := p; rest != ""; {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		if len(seg) > MaxSegment {
			return Path{}, &PathError{p, "a segment is longer than 255 bytes"}
		}
	}
	if !filepath.IsLocal(filepath.FromSlash(p)) {
		return Path{}, &PathError{p, "not a file name on this system"}
	}
	return Path{p}, nil
}

// String returns the path with '/' between segments, "" for the root.
func (p Path) String() string { return p.s }

// IsRoot reports whether p is the root itself.
func (p Path) IsRoot() bool { return p.s == "" }

// Join returns q below p. It fails only when the result is over [MaxPath] or
// [MaxDepth].
func (p Path) Join(q Path) (Path, error) {
	switch {
	case p.s == "":
		return q, nil
	case q.s == "":
		return p, nil
	case len(p.s)+1+len(q.s) > MaxPath:
		return Path{}, &PathError{p.s + "/" + q.s, "longer than 4096 bytes"}
	case strings.Count(p.s, "/")+strings.Count(q.s, "/")+2 > MaxDepth:
		return Path{}, &PathError{p.s + "/" + q.s, "deeper than 64 folders"}
	}
	return Path{p.s + "/" + q.s}, nil
}

// Contains reports whether q is p or lies below it.
func (p Path) Contains(q Path) bool {
	return p.s == "" || p.s == q.s ||
		len(q.s) > len(p.s) && q.s[len(p.s)] == '/' && q.s[:len(p.s)] == p.s
}

// split returns the directory of p and its last segment.
func (p Path) split() (dir, base string) {
	if i := strings.LastIndexByte(p.s, '/'); i >= 0 {
		return p.s[:i], p.s[i+1:]
	}
	return "", p.s
}

// os returns p in the form package os takes.
func (p Path) os() string {
	if p.s == "" {
		return "."
	}
	return filepath.FromSlash(p.s)
}

// checkPath returns why p is refused in any layer of encoding, or "".
func checkPath(p string) string {
	if why := checkChars(p); why != "" {
		return why
	}
	return checkLayers(p, func(s string) string { return checkSegments(maskControls(s)) })
}

// checkLayers applies check to s and to each percent-decoding of it and
// returns the first reason to refuse, or "".
func checkLayers(s string, check func(string) string) string {
	if why := check(s); why != "" {
		return why
	}
	for range maxDecode {
		next, ok := unescape(s)
		if !ok {
			return ""
		}
		if s = next; overlong(s) {
			return "overlong UTF-8 behind percent-encoding"
		}
		if why := check(s); why != "" {
			return why + " (behind percent-encoding)"
		}
	}
	if _, ok := unescape(s); ok {
		return "percent-encoded too many times"
	}
	return ""
}

// maskControls replaces the control characters of a decoded text but NUL: what
// is stored is the text before decoding, and MLflow's log_image makes names
// such as "img%step%3%timestamp%1795…", whose "%17" means nothing.
func maskControls(s string) string {
	return strings.Map(func(r rune) rune {
		if r != 0 && unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
}

// checkSegments returns why the relative path s is refused, or "".
func checkSegments(s string) string {
	if why := checkChars(s); why != "" {
		return why
	}
	if s[0] == '/' {
		return "absolute"
	}
	if len(s) >= 5 && strings.EqualFold(s[:5], "file:") {
		return "a file URI"
	}
	for more := true; more; {
		var seg string
		seg, s, more = strings.Cut(s, "/")
		if why := checkSegment(seg); why != "" {
			return why
		}
	}
	return ""
}

// checkSegment returns why seg is refused as one segment, or "".
// checkChars has passed it.
func checkSegment(seg string) string {
	if seg == "" {
		return "empty segment"
	}
	if len(seg) >= 2 && seg[1] == ':' && isLetter(seg[0]) {
		return "drive letter"
	}
	// Some file systems fold case.
	if len(seg) >= len(tempPrefix) && strings.EqualFold(seg[:len(tempPrefix)], tempPrefix) {
		return "reserved name"
	}
	if climbs(seg) {
		return "segment of dots"
	}
	return ""
}

// checkChars returns why a character of s is refused anywhere, or "".
func checkChars(s string) string {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return "control character"
		case c == '\\':
			return "backslash"
		case c == '#':
			return "'#'"
		case c == 0xc2 && i+1 < len(s) && s[i+1]&^0x1f == 0x80:
			return "control character" // U+0080 to U+009F
		}
	}
	return ""
}

// climbs reports whether seg, or a part of it before or after ';' or '?', has
// dots and spaces only: what some parser takes for "." or "..".
func climbs(seg string) bool {
	dots, other := false, false
	for i := 0; i < len(seg); i++ {
		switch seg[i] {
		case ';', '?':
			if dots && !other {
				return true
			}
			dots, other = false, false
		case '.':
			dots = true
		case ' ':
		default:
			other = true
		}
	}
	return dots && !other
}

// unescape decodes each %XX of s once and leaves the rest. ok is false when
// there is none.
func unescape(s string) (decoded string, ok bool) {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s, false
	}
	b := make([]byte, 0, len(s))
	b = append(b, s[:i]...)
	for ; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi < 16 && lo < 16 {
				b = append(b, hi<<4|lo)
				i += 2
				ok = true
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b), ok
}

// unhex returns the value of a hexadecimal digit, 0xff for another byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// overlong reports whether s has a UTF-8 sequence longer than its character
// needs: the way to hide '.' and '/' from a check of bytes. Other invalid
// UTF-8 is let pass, since it comes of a percent sign meant as one.
func overlong(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0xc0, 0xc1:
			return true
		case 0xe0:
			if i+1 < len(s) && s[i+1]&^0x1f == 0x80 {
				return true
			}
		case 0xf0:
			if i+1 < len(s) && s[i+1]&^0x0f == 0x80 {
				return true
			}
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
