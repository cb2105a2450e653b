package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func parseFile(t *testing.T, name string) *Results {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	r, err := Parse(f)
	require.NoError(t, err)
	return r
}

func parseText(t *testing.T, text string) *Results {
	t.Helper()
	r, err := Parse(strings.NewReader(text))
	require.NoError(t, err)
	return r
}

func TestParse(t *testing.T) {
	r := parseFile(t, "two.txt")
	require.Equal(t, map[string]string{"goos": "linux", "goarch": "amd64", "cpu": "Example CPU @ 2.00GHz", "note": "cold"}, r.Keys)
	require.Equal(t, Origin{
		Start: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), End: time.Date(2026, 3, 1, 10, 2, 0, 0, time.UTC),
		Commit: "0529c7d5570ff7b8751b399c2c8b0cc383aa3a25", CommitTime: time.Date(2026, 2, 28, 17, 31, 31, 0, time.UTC),
		Branch: "main", Dirty: "false", Go: "go1.26.8", Host: "builder", CPUs: 8,
	}, r.Origin)
	decode := ID{Package: "example.com/codec", Name: "Decode/size=10/k=v-8"}
	want := []Series{
		{ID{decode.Package, decode.Name, "", "ns/op"}, []float64{1200, 1210}, []int{1000, 1000}},
		{ID{decode.Package, decode.Name, "", "MB/s"}, []float64{83.2, 82.64}, []int{1000, 1000}},
		{ID{decode.Package, decode.Name, "", "B/op"}, []float64{64, 64}, []int{1000, 1000}},
		{ID{decode.Package, decode.Name, "", "allocs/op"}, []float64{2, 2}, []int{1000, 1000}},
		{ID{decode.Package, "Encode-8", "", "ns/op"}, []float64{2000}, []int{500}},
		{ID{decode.Package, "Encode-8", "", "widgets/op"}, []float64{17.5}, []int{500}},
		{ID{"example.com/other", "Encode-8", "", "ns/op"}, []float64{3000}, []int{700}},
	}
	require.Len(t, r.Series, len(want))
	for i := range want {
		require.Equal(t, &want[i], r.Series[i])
		require.Same(t, r.Series[i], r.Find(want[i].ID))
	}
	require.Empty(t, r.Problems)
	require.Empty(t, r.Failures)
	require.Equal(t, []string{"ns/op", "MB/s", "B/op", "allocs/op", "widgets/op"}, r.Units())
	require.Equal(t, "linux/amd64, Example CPU @ 2.00GHz, 8 CPUs", r.Machine())
	for unit, better := range map[string]int{"ns/op": -1, "MB/s": 1, "B/op": -1, "allocs/op": -1, "widgets/op": 1, "p99-ns/op": -1, "peak-B/op": -1, "rows-B/s": 1, "apples": 0} {
		require.Equal(t, better, r.Better(unit), unit)
	}
}

func TestParseUnits(t *testing.T) {
	r := parseText(t, "Unit ns/op better=higher assume=exact\nUnit x better=lower\nBenchmarkA 1 5 ns/op 6 x\n")
	require.Equal(t, 1, r.Better("ns/op"))
	require.Equal(t, -1, r.Better("x"))
	require.True(t, r.Exact("ns/op"))
	require.False(t, r.Exact("x"))
}

// TestParseConfig: file keys that differ within a text tell series apart, those
// that do not are shared.
func TestParseConfig(t *testing.T) {
	r := parseText(t, "toolchain: a\ncommit: abc\nBenchmarkX 1 5 ns/op\ntoolchain: b\nflag: on\nBenchmarkX 1 6 ns/op\n")
	require.Equal(t, map[string]string{"commit": "abc"}, r.Keys)
	require.Equal(t, "abc", r.Origin.Commit)
	require.Len(t, r.Series, 2)
	require.Equal(t, ID{Name: "X", Config: "toolchain=a", Unit: "ns/op"}, r.Series[0].ID)
	require.Equal(t, ID{Name: "X", Config: "flag=on toolchain=b", Unit: "ns/op"}, r.Series[1].ID)
	require.Equal(t, "X flag=on toolchain=b", r.Series[1].Benchmark())
}

func TestParseProblems(t *testing.T) {
	long := "BenchmarkLong 1 5 ns/op " + strings.Repeat("x", MaxLine)
	r := parseText(t, strings.Join([]string{
		"BenchmarkA-2 \t 10 \t 5 ns/op", // 1
		"BenchmarkB-2 some log output",  // 2
		"BenchmarkC-2 10",               // 3
		"BenchmarkD-2 10 5",             // 4
		long,                            // 5
		"BenchmarkE-2 10 NaN ns/op",     // 6
		"BenchmarkF-2 10 1 ns/op 2 ns/op",
		"--- FAIL: BenchmarkG-2",
		"FAIL\texample.com/codec\t0.1s",
	}, "\n"))
	lines := map[int]bool{}
	for _, p := range r.Problems {
		lines[p.Line] = true
	}
	require.Equal(t, map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true}, lines, "%v", r.Problems)
	require.Len(t, r.Series, 2)
	require.Equal(t, []float64{1}, r.Series[1].Values)
	require.Equal(t, []Problem{{8, "--- FAIL: BenchmarkG-2"}, {9, "FAIL\texample.com/codec\t0.1s"}}, r.Failures)
	require.Equal(t, "line 8: --- FAIL: BenchmarkG-2", r.Failures[0].String())
}

func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "PASS\n", "BenchmarkX\n", "BenchmarkX 1 NaN ns/op\n", "FAIL\tx [build failed]\n", "{}", `{"Action":"start"}`} {
		_, err := Parse(strings.NewReader(text))
		require.ErrorIs(t, err, ErrNoResults, text)
	}
	_, err := Parse(strings.NewReader("FAIL\tx [build failed]\n"))
	require.ErrorContains(t, err, "build failed")
	broken := errors.New("broken pipe")
	_, err = Parse(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, "BenchmarkX 1 5 ns/op\n"), nil }

func TestParseLimits(t *testing.T) {
	_, err := Parse(endless{})
	require.ErrorContains(t, err, "more than 64 MiB")
	var keys strings.Builder
	for i := range maxKeys + 1 {
		fmt.Fprintf(&keys, "key%d: v\n", i)
	}
	_, err = Parse(strings.NewReader(keys.String() + "BenchmarkX 1 5 ns/op\n"))
	require.ErrorContains(t, err, "file keys")
	r := parseText(t, "BenchmarkX 1 5 ns/op\n"+strings.Repeat("BenchmarkY bad\n", 2*MaxProblems))
	require.Len(t, r.Problems, MaxProblems)
}

// TestParseJSON: packages that go test -json mixes come out whole.
func TestParseJSON(t *testing.T) {
	var b bytes.Buffer
	event := func(pkg, output string) {
		fmt.Fprintf(&b, "{\"Time\":\"2026-03-01T10:00:00Z\",\"Action\":\"output\",\"Package\":%q,\"Output\":%q}\n", pkg, output)
	}
	b.WriteString("{\"Action\":\"start\",\"Package\":\"p/a\"}\n")
	event("p/a", "pkg: p/a\n")
	event("p/b", "pkg: p/b\n")
	event("p/a", "BenchmarkX-2 \t")
	event("p/b", "BenchmarkX-2 \t")
	b.WriteString("garbage\n")
	event("p/b", "  10\t 7 ns/op\n")
	event("p/a", "  10\t 5 ns/op\n")
	r := parseText(t, b.String())
	require.Equal(t, []Problem{{6, "not an event of go test -json"}}, r.Problems)
	require.Len(t, r.Series, 2)
	require.Equal(t, Series{ID{"p/a", "X-2", "", "ns/op"}, []float64{5}, []int{10}}, *r.Series[0])
	require.Equal(t, Series{ID{"p/b", "X-2", "", "ns/op"}, []float64{7}, []int{10}}, *r.Series[1])
	require.Equal(t, r.Series, parseText(t, string(r.Text())).Series)
}

func TestSetOrigin(t *testing.T) {
	r := parseText(t, "\n\nBenchmarkX 1 5 ns/op")
	r.SetOrigin(&Origin{Commit: "abc\ndef", CPUs: 4, Start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 7200))})
	require.Equal(t, "# date: 2026-03-01T10:00:00Z\n# commit: abc def\n# cpus: 4\n\nBenchmarkX 1 5 ns/op\n", string(r.Text()))
	again := parseText(t, string(r.Text()))
	require.Equal(t, r.Origin, again.Origin)
	again.SetOrigin(&Origin{Commit: "fff", Host: "h"})
	require.Equal(t, "# date: 2026-03-01T10:00:00Z\n# commit: fff\n# host: h\n# cpus: 4\n\nBenchmarkX 1 5 ns/op\n", string(again.Text()))
	require.True(t, (&Origin{}).Zero())
}

func FuzzParse(f *testing.F) {
	two, err := os.ReadFile("testdata/two.txt")
	require.NoError(f, err)
	f.Add(two)
	f.Add([]byte("# commit: x\n# date: yesterday\nBenchmarkX 1 5 ns/op 6 B/op\nUnit ns/op better=x\nBenchmarkX 1 Inf ns/op\n"))
	f.Add([]byte(`{"Action":"output","Package":"a","Output":"BenchmarkX 1 5 ns/op\n"}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		r.SetOrigin(&Origin{Commit: "c0ffee"})
		again, err := Parse(bytes.NewReader(r.Text()))
		require.NoError(t, err)
		require.Equal(t, r.Series, again.Series)
		require.Equal(t, r.Origin, again.Origin)
		require.Equal(t, r.Keys, again.Keys)
		c := Compare(r, again, nil)
		require.NoError(t, c.WriteText(&bytes.Buffer{}, "a", "b"))
	})
}

// TestParseOutOfRange: what no benchmark measures would make a quotient
// infinite, which JSON cannot hold.
func TestParseOutOfRange(t *testing.T) {
	r := parseText(t, "BenchmarkA 1 1e308 ns/op\nBenchmarkA 1 -1e308 ns/op\nBenchmarkA 1 1e-320 ns/op\nBenchmarkA 1 1e99 ns/op\nBenchmarkA 1 0 ns/op\n")
	require.Equal(t, []float64{1e99, 0}, r.Series[0].Values)
	require.Len(t, r.Problems, 3)
	require.Equal(t, "line 1: 1e+308 ns/op is out of range", r.Problems[0].String())

	least, most := parseText(t, lines("A", "ns/op", 1e-90, 1e-90, 1e-90, 1e-90)), parseText(t, lines("A", "ns/op", 1e99, 1e99, 1e99, 1e99))
	c := Check(least, most, nil)
	require.Equal(t, "A ns/op: +1e+191% (0.0000000000ns/op → 1e+90s/op, p=0.029 n=4+4)", c.Verdicts[0].String())
	_, err := json.Marshal(c)
	require.NoError(t, err)
}

func TestParseManySeries(t *testing.T) {
	var b strings.Builder
	for i := range MaxSeries + 1 {
		fmt.Fprintf(&b, "BenchmarkA%d 1 1 ns/op\n", i)
	}
	_, err := Parse(strings.NewReader(b.String()))
	require.ErrorContains(t, err, "more than 100000 series")
}

// TestParseJSONBehindGo: the go command reports downloads before the first
// event when both outputs are read.
func TestParseJSONBehindGo(t *testing.T) {
	r := parseText(t, "go: downloading example.com/x v1.0.0\n\n"+`{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"BenchmarkA-2 1 1 ns/op\n"}
go: found it
`)
	require.Len(t, r.Series, 1)
	require.Empty(t, r.Problems)
}
