package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"b": 1, "a": [true, null, -0.5e3]}`:     `{"a":[true,null,-500.0],"b":1}`,
		`[NaN, Infinity, -Infinity]`:              `[NaN,Infinity,-Infinity]`,
		`"\u00e9\ud83e\uddec\ud800x\/\b\"\u0000"`: `"\u00e9\ud83e\uddec\ufffdx/\b\"\u0000"`,
		`"é🧬"`:                 `"\u00e9\ud83e\uddec"`,
		` [ ] `:                `[]`,
		`{}`:                   `{}`,
		`1e400`:                `Infinity`,
		`12345678901234567890`: `12345678901234567890`,
		`[1.0, 1e16, 1e-5, 5e-324, 123456789.25]`: `[1.0,1e+16,1e-05,5e-324,123456789.25]`,
	} {
		v, err := parseJSON(in)
		require.NoError(t, err, in)
		require.Equal(t, want, v.String(), in)
	}
	for _, in := range []string{``, `{`, `[1,]`, `{"a"}`, `{"a":}`, `{a:1}`, `01`, `1.`, `-`, `.5`, `1e`, `nul`, `tru`, `"`, `"\x"`, `"\u12"`, "\"\n\"", `[1] 2`, "\"\xff\"", `'a'`, `[`, `"\`} {
		_, err := parseJSON(in)
		require.ErrorIs(t, err, errSyntax, in)
	}
	_, err := parseJSON(strings.Repeat("[", 1<<20))
	require.ErrorIs(t, err, errDepth)
}

func TestLastMemberCounts(t *testing.T) {
	v, err := parseJSON(`{"a": 1, "a": 2}`)
	require.NoError(t, err)
	require.Equal(t, "2", v.get("a").text)
	require.Nil(t, v.get("b"))
}

func TestLongEchoIsCut(t *testing.T) {
	v := value{kind: kindString, text: strings.Repeat("é", 1<<20)}
	require.Less(t, len(v.String()), maxEcho+8)
}

func TestNumber(t *testing.T) {
	for f, want := range map[float64]string{
		1: "1.0", 0.5: "0.5", math.Inf(1): "1.7976931348623157e+308", math.Inf(-1): "-1.7976931348623157e+308",
		math.MaxFloat64: "1.7976931348623157e+308", 1e22: "1e+22", 0: "0.0", 0.0001: "0.0001",
	} {
		b, err := json.Marshal(number(f))
		require.NoError(t, err)
		require.Equal(t, want, string(b))
	}
	b, err := json.Marshal(number(math.NaN()))
	require.NoError(t, err)
	require.Equal(t, `"NaN"`, string(b))
}

// FuzzParseJSON compares with encoding/json: what one of them takes the other
// takes too, but for Python's names of numbers, depth, and bytes that are not
// UTF-8; and what was read is written so that it is read again.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, "x\u00e9"]}`, `[NaN]`, `"\ud800"`, `{"a":{"a":[]}}`, `-0`, "[1e5,true]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := parseJSON(string(in))
		if err != nil {
			if errors.Is(err, errSyntax) && json.Valid(in) {
				require.False(t, json.Valid(bytes.ToValidUTF8(in, nil)) && bytes.Equal(in, bytes.ToValidUTF8(in, nil)), "refused")
			}
			return
		}
		if !bytes.Contains(in, []byte("NaN")) && !bytes.Contains(in, []byte("Infinity")) {
			require.True(t, json.Valid(in), "taken")
		}
		out := v.append(nil)
		if len(out) > maxEcho {
			return
		}
		again, err := parseJSON(string(out))
		require.NoError(t, err)
		require.Equal(t, string(out), string(again.append(nil)))
	})
}

// FuzzRequest sends any body to the endpoint with the richest arguments: no
// answer is the server's fault.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{`{"run_id": "x", "metrics": [{"key": "a", "value": "NaN", "timestamp": 1}]}`, `{"run_id": "x", "tags": [{"key": 5}], "params": {}}`} {
		f.Add(s)
	}
	b := newBench(f, nil)
	f.Fuzz(func(t *testing.T, body string) {
		b := &bench{t, b.db, b.s}
		for _, path := range []string{"/runs/log-batch", "/runs/search", "/runs/create", "/logged-models/search", "/runs/log-inputs"} {
			w := b.do("POST", api+path, body, "Content-Type", "application/json")
			require.Less(t, w.Code, 500, "%s: %s", path, w.Body)
		}
	})
}

// TestMetricList compares the fast writer with the plain one.
func TestMetricList(t *testing.T) {
	type list struct {
		Metrics []wireMetric `json:"metrics,omitempty"`
		Next    string       `json:"next_page_token,omitempty"`
	}
	metrics := []wireMetric{
		{Key: "a\"b", Value: 0.5, Time: 1, Step: -2},
		{Key: "a", Value: number(math.NaN()), Run: "r"},
		{Key: "a", Value: number(math.Inf(-1)), Time: math.MaxInt64, Step: math.MinInt64, Run: "r"},
	}
	for _, l := range []list{{}, {Next: "x"}, {Metrics: metrics}, {Metrics: metrics, Next: "x"}, {Metrics: metrics[:1]}} {
		want, err := json.MarshalIndent(l, "", "  ")
		require.NoError(t, err)
		require.Equal(t, string(want), string(metricList(l.Metrics, l.Next)))
	}
}
