package main

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func readAll(t *testing.T, text, format string, only ...string) ([]logRow, error) {
	t.Helper()
	r, err := newRowReader(strings.NewReader(text), format, only)
	require.NoError(t, err)
	var rows []logRow
	for {
		row, err := r.read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestRows(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 500_000_000, time.UTC).UnixMilli()
	for _, c := range []struct {
		name, text string
		only       []string
		want       []logRow
	}{
		{"first column", "epoch,loss\n1,2\n2,3\n", nil, []logRow{
			{line: 2, step: 1, time: -1, names: []string{"loss"}, values: []float64{2}},
			{line: 3, step: 2, time: -1, names: []string{"loss"}, values: []float64{3}}}},
		{"named step and time", "\ufeffloss, step ,time\n0.5,7,1767225600500\n", nil, []logRow{
			{line: 2, step: 7, time: at, names: []string{"loss"}, values: []float64{0.5}}}},
		{"empty fields", "step,time,a,b,c\n1,null,,2, NULL\n", nil, []logRow{
			{line: 2, step: 1, time: -1, names: []string{"b"}, values: []float64{2}}}},
		{"quotes and lines", "step,\"a\"\n\n1,\"2\"\n", nil, []logRow{
			{line: 3, step: 1, time: -1, names: []string{"a"}, values: []float64{2}}}},
		{"tab", "step\ta\n1\t2\n", nil, []logRow{
			{line: 2, step: 1, time: -1, names: []string{"a"}, values: []float64{2}}}},
		{"only", "step,a,text\n1,2,three\n", []string{"a"}, []logRow{
			{line: 2, step: 1, time: -1, names: []string{"a"}, values: []float64{2}}}},
		{"json", "\n {\"step\":-3, \"timestamp\":1767225600.5, \"a\":1e3,\"b\":null} \n", nil, []logRow{
			{line: 2, step: -3, time: at, names: []string{"a"}, values: []float64{1000}}}},
		{"json text time", `{"time":"2026-01-01T00:00:00.5Z","step":1.0,"a\u0062":"-Infinity"}`, nil, []logRow{
			{line: 1, step: 1, time: at, names: []string{"ab"}, values: []float64{math.Inf(-1)}}}},
		{"json no time", `{"step":1,"time":null}`, nil, []logRow{{line: 1, step: 1, time: -1}}},
		{"json only", `{"step":1,"event":"eval","a":2}`, []string{"a"}, []logRow{
			{line: 1, step: 1, time: -1, names: []string{"a"}, values: []float64{2}}}},
		{"empty", "", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readAll(t, c.text, "auto", c.only...)
			require.NoError(t, err)
			require.Len(t, got, len(c.want))
			for i := range got {
				if len(got[i].names) == 0 {
					got[i].names, got[i].values = nil, nil
				}
				require.Equal(t, c.want[i], got[i])
			}
		})
	}
}

func TestBadRows(t *testing.T) {
	const cut = "line 1: the line ends inside the object; an object takes one line"
	for _, c := range []struct{ text, want string }{
		{"1,2\n", "line 1: the first line must name the columns, but it is all numbers"},
		{"step,a,a\n", `line 1: two columns have the name "a"`},
		{"step,,a\n", "line 1: column 2 has no name"},
		{"step,time\n", "line 1: no column holds a metric"},
		{"step,a\n1,2\n1.5,2\n", `line 3: the step is not an integer: "1.5"`},
		{"step,a\nx,2\n", `line 2: the step is not an integer: "x"`},
		{"step,a\n1,x\n", `line 2: column "a": not a number: "x"; leave the text out, or name the metrics with --only`},
		{"step,a\n1,1e999\n", `line 2: column "a": not a number: "1e999"; leave the text out, or name the metrics with --only`},
		{"step;a\n1;2\n", "line 1: the columns are separated by semicolons; write commas or tabs between them, and points in numbers"},
		{"[{\"step\":1}]", "line 1: a JSON array; write one object per line, without brackets and commas around them"},
		{"step,a\n1\n", "line 2: 1 fields for 2 columns"},
		{"step,time,a\n1,-5,2\n", `line 2: the time is not Unix milliseconds, seconds with a decimal point or RFC 3339: "-5"`},
		{"step,a\n1,\"2\n", `line 2: extraneous or missing " in quoted-field`},
		{"{", cut},
		{"{1", "line 1: a key is not a string"},
		{`{"step":1`, cut},
		{`{"step":1 2}`, `line 1: no comma or brace behind the value of "step"`},
		{`{"step":1,`, cut},
		{`{"step":1,"a"`, cut},
		{`{"step":1,"a":`, cut},
		{`{"step":1,"a":0.`, cut},
		{`{"step":1,"a":nul`, cut},
		{`{"step":1} x`, "line 1: something behind the object"},
		{`{"a":1}`, `line 1: no "step"`},
		{`{"step":1,"a":true}`, `line 1: "a": not a number: "true"; leave the text out, or name the metrics with --only`},
		{`{"step":1,"a":{"b":2}}`, `line 1: "a": only numbers and null are metrics; leave the rest out, or name the metrics with --only`},
		{`{"step":1,"a":1,"a":2}`, `line 1: the key "a" twice`},
		{`{"step":1,"a" 2}`, `line 1: no colon behind the key "a"`},
		{`{"step":1,"a`, cut},
		{`{"step":1,"\x":2}`, `line 1: a string that is not JSON: "\"\\x\""`},
		{`{"step":null}`, `line 1: the step is not an integer: "null"`},
		{"{\"step\":1}\n1", "line 2: not a JSON object"},
		{`{"step":1,"a":"` + strings.Repeat("x", maxLine) + `"}`, "line 1: longer than 4 MiB"},
	} {
		_, err := readAll(t, c.text, "auto")
		require.EqualError(t, err, c.want, "%.60q", c.text)
	}
	_, err := readAll(t, "step,loss,acc\n1,2,3\n", "auto", "loss", "nope")
	require.EqualError(t, err, `line 1: no metric's column is named "nope"; there are loss, acc`)
	_, err = newRowReader(strings.NewReader(""), "xml", nil)
	require.Error(t, err)
}

// FuzzJSONRow holds the parser of JSON lines against encoding/json: what that
// takes as a flat object of numbers gives the same numbers here.
func FuzzJSONRow(f *testing.F) {
	for _, s := range []string{`{"step":1,"a":2}`, `{"step":1e2,"a":-0.5,"b":null}`, `{"step":1,"\u00e9":1E-3}`, `{"a":NaN,"step":3}`, `{}`, `{"step":1,}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		row, err := parseJSONRow([]byte(text), nil)
		require.Len(t, row.values, len(row.names))
		var want map[string]*float64
		if strings.Contains(text, "\n") || json.Unmarshal([]byte(text), &want) != nil || err != nil {
			return
		}
		for i, name := range row.names {
			if v, ok := want[name]; ok { // encoding/json replaces bytes that are not UTF-8
				require.NotNil(t, v)
				require.Equal(t, *v, row.values[i])
			}
		}
	})
}

func FuzzCSVRows(f *testing.F) {
	f.Add("step,time,a\n1,2,3\n")
	f.Add("a\tstep\n\"1\"\t2\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := readAll(t, text, "auto")
		var bad *lineError
		if err != nil {
			require.ErrorAs(t, err, &bad)
			require.Positive(t, bad.line)
		}
		for i, r := range rows {
			require.Len(t, r.values, len(r.names))
			require.GreaterOrEqual(t, r.time, int64(-1))
			require.Positive(t, r.line)
			if i > 0 {
				require.Greater(t, r.line, rows[i-1].line)
			}
		}
	})
}
