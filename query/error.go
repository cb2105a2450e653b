package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseError says what is wrong with a query or an order_by clause, and where.
// Msg is MLflow's own wording where MLflow knows the mistake too.
type ParseError struct {
	Text   string // the whole query or clause
	Clause int    // index of the order_by clause; 0 for a query
	Pos    int    // byte offset of the offending part in Text
	End    int    // byte offset just behind it; End ≥ Pos
	Msg    string // may hold parts of Text verbatim, line breaks included; about 1 KiB at most
	Hint   string // a suggestion, or empty
}

// short cuts a message that repeats a long text.
func (e *ParseError) short() *ParseError {
	if len(e.Msg) > maxMessage {
		e.Msg = strings.ToValidUTF8(e.Msg[:maxMessage], "") + "…"
	}
	return e
}

// Error is Msg, Hint and position on one line.
func (e *ParseError) Error() string {
	var b strings.Builder
	b.WriteString(oneLine(e.Msg))
	if e.Hint != "" {
		b.WriteString(" (")
		b.WriteString(oneLine(e.Hint))
		b.WriteString(")")
	}
	fmt.Fprintf(&b, " at byte %d", e.Pos)
	return b.String()
}

// caretWidth is how much of a long filter Caret shows on either side.
const caretWidth = 40

// Caret shows the text around Pos and, on a second line, carets under the
// offending part. Line breaks and control characters show as blanks.
func (e *ParseError) Caret() string {
	pos := min(max(e.Pos, 0), len(e.Text))
	end := min(max(e.End, pos), len(e.Text))
	before := []rune(e.Text[max(0, pos-4*caretWidth):pos])
	part := []rune(e.Text[pos:min(end, pos+4*caretWidth)])
	after := []rune(e.Text[end:min(len(e.Text), end+4*caretWidth)])
	before = before[max(0, len(before)-caretWidth):]
	if len(part) > caretWidth {
		part, after = part[:caretWidth], nil
	}
	after = after[:min(len(after), caretWidth)]
	line := strings.Map(blankControl, string(before)+string(part)+string(after))
	return strings.TrimRightFunc(line, unicode.IsSpace) + "\n" +
		strings.Repeat(" ", len(before)) + strings.Repeat("^", max(1, len(part)))
}

func blankControl(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// oneLine escapes what would break a line or a terminal.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == utf8.RuneError || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\x%02x`, r)
		}
	}
	return b.String()
}

// Suggest is a hint that name was meant for the closest of the known names, such
// as "did you mean 'loss'?", or empty if none is close.
func Suggest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	const far = 3 // edits
	best, bestDist := "", far
	lower := strings.ToLower(name)
	for _, n := range known {
		if len(n)-len(name) >= bestDist || len(name)-len(n) >= bestDist {
			continue
		}
		if d := editDistance(lower, strings.ToLower(n)); d < bestDist && d < len(n)-1 {
			best, bestDist = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean '" + best + "'?"
}

// editDistance counts the bytes to put in, take out, change or exchange with
// their neighbour to make b of a. A long b is far from everything.
func editDistance(a, b string) int {
	var rows [3][80]int
	if len(b) >= len(rows[0]) {
		return len(b)
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, above, over := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := above[j-1]
			if a[i-1] != b[j-1] {
				same++
			}
			row[j] = min(same, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], over[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}

// pySet writes names as Python prints a set of strings: clients see MLflow's
// messages with it.
func pySet(names []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('\'')
		b.WriteString(n)
		b.WriteByte('\'')
	}
	b.WriteByte('}')
	return b.String()
}

// pyRepr quotes s as Python would, for messages that repeat the filter.
func pyRepr(s string) string {
	const most = 500 // a message is for reading
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	r := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, quote, `\`+quote)
	return quote + r.Replace(s) + quote
}
