package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// csvEncoder writes rows as CSV (RFC 4180, lines end in LF) with the names of
// the columns first. What is missing is an empty field; maps and lists are
// JSON; real numbers have a decimal point or an exponent, so that no reader
// takes a column for integers.
type csvEncoder[T any] struct {
	w    io.Writer
	head []byte
	line []byte
	cell []byte
}

func newCSV[T any]() *csvEncoder[T] {
	e := &csvEncoder[T]{}
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		if i > 0 {
			e.head = append(e.head, ',')
		}
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("parquet"), ",")
		e.head = append(e.head, name...)
	}
	e.head = append(e.head, '\n')
	return e
}

func (e *csvEncoder[T]) begin(w io.Writer) error {
	e.w = w
	_, err := w.Write(e.head)
	return err
}

func (e *csvEncoder[T]) write(rows []T) error {
	for i := range rows {
		e.line = e.line[:0]
		if p, ok := any(&rows[i]).(*pointRow); ok {
			e.line = p.appendCSV(e.line)
		} else if err := e.fields(&rows[i]); err != nil {
			return err
		}
		e.line = append(e.line, '\n')
		if _, err := e.w.Write(e.line); err != nil {
			return err
		}
	}
	return nil
}

func (e *csvEncoder[T]) flush() error { return nil }
func (e *csvEncoder[T]) end() error   { return nil }

func (e *csvEncoder[T]) fields(row *T) error {
	v := reflect.ValueOf(row).Elem()
	for i := range v.NumField() {
		if i > 0 {
			e.line = append(e.line, ',')
		}
		var err error
		optional := strings.HasSuffix(v.Type().Field(i).Tag.Get("parquet"), ",optional")
		if e.line, err = e.field(e.line, v.Field(i), optional); err != nil {
			return err
		}
	}
	return nil
}

func (e *csvEncoder[T]) field(dst []byte, v reflect.Value, optional bool) ([]byte, error) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return dst, nil
		}
		v, optional = v.Elem(), false
	}
	if optional && v.IsZero() {
		return dst, nil
	}
	switch x := v.Interface().(type) {
	case string:
		return appendText(dst, x), nil
	case millis:
		return appendTime(dst, x), nil
	case int64:
		return strconv.AppendInt(dst, x, 10), nil
	case float64:
		return appendReal(dst, x), nil
	case map[string]float64:
		e.cell = appendObject(e.cell[:0], x)
		return appendText(dst, string(e.cell)), nil
	default:
		var b bytes.Buffer
		j := json.NewEncoder(&b)
		j.SetEscapeHTML(false)
		if v.IsZero() {
			b.WriteString("[]")
		} else if err := j.Encode(x); err != nil {
			return dst, fmt.Errorf("%T: %w", x, err)
		}
		return appendText(dst, strings.TrimSuffix(b.String(), "\n")), nil
	}
}

func (p *pointRow) appendCSV(dst []byte) []byte {
	for _, s := range [...]string{p.Run, p.Metric, p.Model, p.Dataset, p.Digest} {
		dst = append(appendText(dst, s), ',')
	}
	dst = append(strconv.AppendInt(dst, p.Step, 10), ',')
	dst = append(appendTime(dst, p.Time), ',')
	return appendReal(dst, p.Value)
}

// appendText quotes a text that would not be read back as it is.
func appendText(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") && (s == "" || s[0] != ' ' && s[len(s)-1] != ' ') {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// appendReal writes a number so that reading it gives the same one: NaN, inf
// and -inf too.
func appendReal(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	at := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	if !bytes.ContainsAny(dst[at:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// The times that have a date with four digits of a year.
const (
	firstDate = -62167219200000
	lastDate  = 253402300799999
)

// appendTime writes a time as a date in UTC with milliseconds; one before the
// year 0 or after 9999 stays a number.
func appendTime(dst []byte, ms millis) []byte {
	if ms < firstDate || ms > lastDate {
		return strconv.AppendInt(dst, int64(ms), 10)
	}
	return time.UnixMilli(int64(ms)).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// appendObject writes numbers as a JSON object, by name; JSON knows no NaN and
// no infinities, so these are strings.
func appendObject(dst []byte, m map[string]float64) []byte {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		key, _ := json.Marshal(name) // a string always has one
		dst = append(append(dst, key...), ':')
		v := m[name]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			dst = append(appendReal(append(dst, '"'), v), '"')
		} else {
			dst = appendReal(dst, v)
		}
	}
	return append(dst, '}')
}
