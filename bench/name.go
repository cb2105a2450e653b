package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/runstonedb/runstone"
)

// Metric returns the name that the metric of a series has in a run. It is the
// package, the name, the config and the unit with blanks between them; packages
// and configs that are not there are left out:
//
//	example.com/codec Decode/size=10-8 ns/op  →  "example.com/codec Decode/size:10-8 ns/op"
//
// The rules for names of metrics allow letters, digits and _-./: and blank. An
// '=' becomes ':', and another byte that is not allowed ":/" and two hex
// digits; so does what would not be a clean path, and '=' itself before a
// slash. [Unescape] undoes that. A name of more than [runstone.MaxKey]
// characters is cut and ends with 16 hex digits of the SHA-256 of the whole:
// the text of the run tells the name in full.
func (id *ID) Metric() string {
	fields := make([]string, 0, 4)
	for _, f := range []string{id.Package, id.Name, id.Config, id.Unit} {
		if f != "" {
			fields = append(fields, f)
		}
	}
	return Escape(strings.Join(fields, " "))
}

// Escape makes a text into a key of a metric, param or tag, see [ID.Metric].
func Escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '=' && (i+1 == len(s) || s[i+1] != '/'):
			b.WriteByte(':')
		case r == '/' && unclean(s, i), r == '.' && dots(s, i), !allowed(r, n):
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, ":/%02x", c)
			}
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	key := b.String()
	if utf8.RuneCountInString(key) <= runstone.MaxKey {
		return key
	}
	sum := sha256.Sum256([]byte(s))
	const digits = 16
	short := []rune(key)[:runstone.MaxKey-digits-1]
	return strings.TrimRight(string(short), "/.: ") + " " + hex.EncodeToString(sum[:digits/2])
}

func allowed(r rune, n int) bool {
	switch {
	case r == utf8.RuneError && n <= 1:
		return false
	case r == '_', r == '-', r == '.', r == '/', r == ' ':
		return true
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

// unclean reports whether the slash at i begins or ends the text or follows
// another.
func unclean(s string, i int) bool {
	return i == 0 || i == len(s)-1 || s[i-1] == '/'
}

// dots reports whether the dot at i begins a part between slashes that is "."
// or "..".
func dots(s string, i int) bool {
	if i > 0 && s[i-1] != '/' {
		return false
	}
	part, _, _ := strings.Cut(s[i:], "/")
	return part == "." || part == ".."
}

// Unescape is the inverse of Escape for keys that were not cut. It returns
// false for what Escape does not make.
func Unescape(key string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] != ':':
			b.WriteByte(key[i])
		case i+1 < len(key) && key[i+1] == '/':
			if i+4 > len(key) {
				return "", false
			}
			c, err := strconv.ParseUint(key[i+2:i+4], 16, 8)
			if err != nil {
				return "", false
			}
			b.WriteByte(byte(c))
			i += 3
		default:
			b.WriteByte('=')
		}
	}
	return b.String(), Escape(b.String()) == key
}
