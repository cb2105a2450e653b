package runstone

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of names and values, in characters, as MLflow has them.
const (
	MaxKey             = 250  // metric, param and tag keys
	MaxParamValue      = 6000 // longer values are cut
	MaxTagValue        = 8000 // of runs; longer values are cut
	MaxExperimentName  = 500
	MaxExperimentValue = 5000 // tags of experiments; longer values are cut
)

// maxText bounds any other text of a run, in bytes.
const maxText = 64 << 10

// CheckKey refuses a key of a metric, param or tag by MLflow's rules. what
// names it in the length message ("Metric name"), where in the others
// ("metrics[3].name").
func CheckKey(key, what, where string) error {
	if key == "" {
		return invalid("Missing value for required parameter '%s'. See the API docs for more information about request parameters.", where)
	}
	if !validKeyChars(key) {
		return invalid("Invalid value %s for parameter '%s' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).", quoteJSON(key), where)
	}
	if clean := path.Clean(key); clean != key || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || strings.HasPrefix(clean, "/") {
		return invalid("Invalid value %s for parameter '%s' supplied: Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '%s'", quoteJSON(key), where, clean)
	}
	if utf8.RuneCountInString(key) > MaxKey {
		return invalid("'%s' exceeds the maximum length of %d characters", what, MaxKey)
	}
	return nil
}

func validKeyChars(key string) bool {
	if !utf8.ValidString(key) {
		return false
	}
	for _, r := range key {
		switch {
		case r == '_' || r == '/' || r == '-' || r == '.' || r == ' ' || r == ':':
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsNumber(r):
		default:
			return false
		}
	}
	return true
}

func checkExperimentName(name string) error {
	switch {
	case name == "":
		return invalid("Invalid experiment name: ''")
	case !utf8.ValidString(name):
		return invalid("Invalid experiment name: not UTF-8")
	case strings.TrimSpace(name) == "":
		return invalid("Invalid experiment name: '%s'", name)
	case utf8.RuneCountInString(name) > MaxExperimentName:
		return invalid("'name' exceeds the maximum length of %d characters", MaxExperimentName)
	}
	return nil
}

// checkExperimentTag cuts an over-long value, as MLflow does.
func checkExperimentTag(t *KV) error {
	if err := CheckKey(t.Key, "key", "key"); err != nil {
		return err
	}
	t.Value = cut(t.Value, MaxExperimentValue)
	return nil
}

// cut returns the first n characters of s, with invalid bytes replaced.
func cut(s string, n int) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// quoteJSON writes s as MLflow writes a value in a message.
func quoteJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r > 0x7e && r < 0x10000:
			writeEscape(&b, r)
		case r >= 0x10000:
			r -= 0x10000
			writeEscape(&b, 0xd800+r>>10)
			writeEscape(&b, 0xdc00+r&0x3ff)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func writeEscape(b *strings.Builder, r rune) {
	const hex = "0123456789abcdef"
	b.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		b.WriteByte(hex[r>>shift&0xf])
	}
}

// checkTagText cuts the value of a run's tag and refuses a key that no row
// should hold. MLflow does not check the keys that a new run comes with.
func checkTagText(t *KV) error {
	if t.Key == "" || len(t.Key) > 4*MaxKey || !utf8.ValidString(t.Key) || strings.ContainsRune(t.Key, 0) {
		return invalid("Invalid value %s for parameter 'tags' supplied: a key has 1 to %d characters of UTF-8 without NUL", quoteJSON(cut(t.Key, MaxKey)), MaxKey)
	}
	t.Value = cut(t.Value, MaxTagValue)
	return nil
}

// quotePython writes s as Python's repr does, for messages that MLflow makes
// that way.
func quotePython(s string) string {
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, "\"") {
		quote = "\""
	}
	s = strings.ReplaceAll(s, "\\", "\\\\")
	if quote == "'" {
		s = strings.ReplaceAll(s, "'", "\\'")
	}
	return quote + strings.NewReplacer("\n", "\\n", "\r", "\\r", "\t", "\\t").Replace(s) + quote
}
