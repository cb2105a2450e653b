package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// jsonRows reads one flat JSON object a line: "step", "time" or "timestamp",
// and metrics. Besides JSON it takes the NaN, Infinity and -Infinity that
// Python writes. null is no value; blank lines are nothing.
type jsonRows struct {
	lines *bufio.Scanner
	take  map[string]bool
	line  int
}

func (j *jsonRows) read() (logRow, error) {
	for j.lines.Scan() {
		j.line++
		text := bytes.TrimSpace(j.lines.Bytes())
		if j.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(text) == 0 {
			continue
		}
		row, err := parseJSONRow(text, j.take)
		row.line = j.line
		if err != nil {
			err = badLine(j.line, "%v", err)
		}
		return row, err
	}
	if errors.Is(j.lines.Err(), bufio.ErrTooLong) {
		return logRow{}, badLine(j.line+1, "longer than %d MiB", maxLine>>20)
	}
	if err := j.lines.Err(); err != nil {
		return logRow{}, err
	}
	return logRow{}, errEnd
}

// errCut is for a line that was cut off, or an object on several lines.
var errCut = errors.New("the line ends inside the object; an object takes one line")

// parseJSONRow reads one object.
func parseJSONRow(text []byte, take map[string]bool) (logRow, error) {
	row := logRow{time: -1}
	p := jsonScanner{text}
	switch {
	case p.skip('['):
		return row, errors.New("a JSON array; write one object per line, without brackets and commas around them")
	case !p.skip('{'):
		return row, errors.New("not a JSON object")
	}
	stepped := false
	seen := map[string]bool{}
	for more := !p.skip('}'); more; {
		key, err := p.str()
		if err != nil {
			return row, err
		}
		if seen[key] {
			return row, fmt.Errorf("the key %q twice", clip(key))
		}
		seen[key] = true
		if !p.skip(':') {
			if len(p.text) == 0 {
				return row, errCut
			}
			return row, fmt.Errorf("no colon behind the key %q", clip(key))
		}
		word, err := p.scalar()
		if errors.Is(err, errCut) {
			return row, err
		}
		if err != nil {
			return row, fmt.Errorf("%q: %w", clip(key), err)
		}
		switch {
		case key == "step":
			row.step, err = parseStep(word)
			stepped = true
		case key == "time" || key == "timestamp":
			if word != "null" {
				row.time, err = parseTime(word)
			}
		case word == "null" || len(take) > 0 && !take[key]:
		default:
			var v float64
			if v, err = parseValue(word); err != nil {
				err = fmt.Errorf("%q: %w; %s", clip(key), err, onlyHint)
			}
			row.names, row.values = append(row.names, key), append(row.values, v)
		}
		if err != nil {
			return row, err
		}
		if p.skip('}') {
			break
		}
		if !p.skip(',') {
			if len(p.text) == 0 {
				return row, errCut
			}
			return row, fmt.Errorf("no comma or brace behind the value of %q", clip(key))
		}
	}
	if p.space(); len(p.text) > 0 {
		return row, errors.New("something behind the object")
	}
	if !stepped {
		return row, errors.New(`no "step"`)
	}
	return row, nil
}

// jsonScanner is what is left of a line.
type jsonScanner struct{ text []byte }

func (p *jsonScanner) space() { p.text = bytes.TrimLeft(p.text, " \t\r\n") }

// skip takes the character c if it comes next.
func (p *jsonScanner) skip(c byte) bool {
	p.space()
	if len(p.text) == 0 || p.text[0] != c {
		return false
	}
	p.text = p.text[1:]
	return true
}

// str reads a string.
func (p *jsonScanner) str() (string, error) {
	p.space()
	if len(p.text) == 0 {
		return "", errCut
	}
	if p.text[0] != '"' {
		return "", errors.New("a key is not a string")
	}
	for i := 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '"':
			raw := p.text[:i+1]
			p.text = p.text[i+1:]
			if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) && bytes.IndexFunc(raw, isControl) < 0 {
				return string(raw[1:i]), nil
			}
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return "", fmt.Errorf("a string that is not JSON: %q", clip(string(raw)))
			}
			return s, nil
		}
	}
	return "", errCut
}

func isControl(r rune) bool { return r < ' ' }

// scalar reads a number or a word, or the text of a string.
func (p *jsonScanner) scalar() (string, error) {
	p.space()
	if len(p.text) == 0 {
		return "", errCut
	}
	if p.text[0] == '"' {
		return p.str()
	}
	n := bytes.IndexAny(p.text, " \t\r\n,}")
	cut := n < 0
	if cut {
		n = len(p.text)
	}
	word := string(p.text[:n])
	p.text = p.text[n:]
	if word == "" || strings.ContainsAny(word, `{[":`) {
		return "", errors.New("only numbers and null are metrics; leave the rest out, or name the metrics with --only")
	}
	if cut {
		return "", errCut
	}
	return word, nil
}
