package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// logRow is one line of what "runs log" reads.
type logRow struct {
	line   int
	step   int64
	time   int64 // Unix ms; -1 is none
	names  []string
	values []float64
}

// rowReader reads rows until io.EOF. What it returns belongs to the caller.
type rowReader interface {
	read() (logRow, error)
}

// lineError says which line of the input is bad, and why.
type lineError struct {
	line int
	msg  string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.msg) }

func badLine(line int, format string, args ...any) error {
	return &lineError{line, fmt.Sprintf(format, args...)}
}

// maxLine bounds a line of JSON.
const maxLine = 4 << 20

// newRowReader reads csv, tsv or jsonl; "auto" looks at the first character.
// only, if not empty, names the metrics to take.
func newRowReader(r io.Reader, format string, only []string) (rowReader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if format == "auto" {
		format = guessFormat(in)
	}
	take := map[string]bool{}
	for _, name := range only {
		take[name] = true
	}
	switch format {
	case "csv":
		return newCSVRows(in, ',', take, only), nil
	case "tsv":
		return newCSVRows(in, '\t', take, only), nil
	case "jsonl":
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, 0, 64<<10), maxLine)
		return &jsonRows{lines: s, take: take}, nil
	}
	return nil, usagef("--format is auto, csv, tsv or jsonl, not %q", format)
}

// guessFormat looks at the first character that is not blank, and for CSV at
// the first line.
func guessFormat(in *bufio.Reader) string {
	for n := 1; ; n++ {
		b, err := in.Peek(n)
		if len(b) < n || err != nil {
			break
		}
		switch b[n-1] {
		case ' ', '\r', '\n', 0xef, 0xbb, 0xbf:
			continue
		case '{', '[': // an array is refused there with a reason
			return "jsonl"
		}
		break
	}
	// What is there already is enough: waiting for more would hold up a
	// program that writes one line at a time.
	head, _ := in.Peek(max(1, in.Buffered()))
	line, _, _ := strings.Cut(string(head), "\n")
	if strings.Contains(line, "\t") && !strings.Contains(line, ",") {
		return "tsv"
	}
	return "csv"
}

// csvRows reads a table whose first line names the columns.
type csvRows struct {
	csv     *csv.Reader
	take    map[string]bool
	only    []string // take in its order
	names   []string // metric of each column, "" for the others
	step    int
	time    int
	started bool
}

func newCSVRows(in io.Reader, comma rune, take map[string]bool, only []string) *csvRows {
	c := csv.NewReader(in)
	c.Comma, c.ReuseRecord, c.FieldsPerRecord = comma, true, -1
	return &csvRows{csv: c, take: take, only: only}
}

func (c *csvRows) record() ([]string, int, error) {
	rec, err := c.csv.Read()
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return nil, 0, badLine(bad.StartLine, "%v", bad.Err)
	}
	if err != nil {
		return nil, 0, err
	}
	line, _ := c.csv.FieldPos(0)
	return rec, line, nil
}

func (c *csvRows) head() error {
	rec, line, err := c.record()
	if err != nil {
		return err
	}
	c.time = -1
	numbers := true
	for i, h := range rec {
		if i == 0 {
			h = strings.TrimPrefix(h, "\ufeff")
		}
		h = strings.TrimSpace(h)
		if _, err := strconv.ParseFloat(h, 64); err != nil {
			numbers = false
		}
		c.names = append(c.names, h)
		switch h {
		case "step":
			c.step = i
		case "time", "timestamp":
			c.time = i
		}
	}
	switch {
	case numbers:
		return badLine(line, "the first line must name the columns, but it is all numbers")
	case len(rec) == 1 && strings.Contains(rec[0], ";"):
		return badLine(line, "the columns are separated by semicolons; write commas or tabs between them, and points in numbers")
	}
	if err := c.checkOnly(line); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, name := range c.names {
		switch {
		case i == c.step || i == c.time || len(c.take) > 0 && !c.take[name]:
			c.names[i] = ""
			continue
		case name == "":
			return badLine(line, "column %d has no name", i+1)
		case seen[name]:
			return badLine(line, "two columns have the name %q", name)
		}
		if err := checkName(line, name); err != nil {
			return err
		}
		seen[name] = true
	}
	if len(seen) == 0 {
		return badLine(line, "no column holds a metric")
	}
	return nil
}

// checkOnly refuses a name of --only that no metric's column has.
func (c *csvRows) checkOnly(line int) error {
	var have []string
	for i, name := range c.names {
		if i != c.step && i != c.time && name != "" {
			have = append(have, name)
		}
	}
	for _, name := range c.only {
		if slices.Contains(have, name) {
			continue
		}
		if len(have) == 0 {
			break
		}
		list := strings.Join(have[:min(maxShownColumns, len(have))], ", ")
		if len(have) > maxShownColumns {
			list += " and more"
		}
		return badLine(line, "no metric's column is named %q; there are %s", clip(name), list)
	}
	return nil
}

// maxShownColumns is how many names of columns an error lists at most.
const maxShownColumns = 12

func (c *csvRows) read() (logRow, error) {
	if !c.started {
		if err := c.head(); err != nil {
			return logRow{}, err
		}
		c.started = true
	}
	rec, line, err := c.record()
	if err != nil {
		return logRow{}, err
	}
	row := logRow{line: line, time: -1}
	if len(rec) != len(c.names) {
		return row, badLine(line, "%d fields for %d columns", len(rec), len(c.names))
	}
	if row.step, err = parseStep(rec[c.step]); err != nil {
		return row, badLine(line, "%v", err)
	}
	if c.time >= 0 && !isNone(rec[c.time]) {
		if row.time, err = parseTime(rec[c.time]); err != nil {
			return row, badLine(line, "%v", err)
		}
	}
	row.names, row.values = make([]string, 0, len(rec)), make([]float64, 0, len(rec))
	for i, field := range rec {
		if c.names[i] == "" || isNone(field) {
			continue
		}
		v, err := parseValue(strings.TrimSpace(field))
		if err != nil {
			return row, badLine(line, "column %q: %v; %s", c.names[i], err, onlyHint)
		}
		row.names, row.values = append(row.names, c.names[i]), append(row.values, v)
	}
	return row, nil
}

// onlyHint is how to log the rest of a line that also has text.
const onlyHint = "leave the text out, or name the metrics with --only"

// isNone reports whether a field of CSV holds no value.
func isNone(field string) bool {
	field = strings.TrimSpace(field)
	return field == "" || strings.EqualFold(field, "null")
}

// parseStep reads an integer, also one that a program wrote as 12.0.
func parseStep(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), nil
	}
	return 0, fmt.Errorf("the step is not an integer: %q", clip(s))
}

// parseTime reads Unix milliseconds (an integer), Unix seconds (with a decimal
// point) or RFC 3339.
func parseTime(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < 1e12 && strings.Contains(s, ".") {
		return int64(math.Round(f * 1000)), nil
	}
	if t, err := time.Parse(time.RFC3339, strings.Replace(s, " ", "T", 1)); err == nil && t.UnixMilli() >= 0 {
		return t.UnixMilli(), nil
	}
	return 0, fmt.Errorf("the time is not Unix milliseconds, seconds with a decimal point or RFC 3339: %q", clip(s))
}

// parseValue reads a number, NaN and infinities too; one too large for a
// float64 is refused.
func parseValue(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("not a number: %q", clip(s))
	}
	return v, nil
}

func clip(s string) string { return truncate(s, 40) }
