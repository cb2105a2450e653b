package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Limits of what Parse reads.
const (
	MaxText     = 64 << 20  // bytes of input
	MaxLine     = 32 << 10  // bytes of a line; a longer one is a problem and is skipped
	MaxValues   = 1_000_000 // measurements
	MaxSeries   = 100_000   // benchmarks times units
	MaxProblems = 100       // problems that are kept
	maxKeys     = 200       // file keys
	maxValue    = 1e100     // of a measurement; beyond it and below 1/maxValue quotients overflow
)

// ErrNoResults is what Parse returns for input without a benchmark result.
var ErrNoResults = errors.New("no benchmark results")

// Results are the benchmark results of one run of go test, or of several that
// are to count as one.
type Results struct {
	// Origin says when, where and of what commit they are, as far as the text
	// does.
	Origin Origin
	// Keys are the file keys that all results share, such as goos, goarch, cpu
	// and pkg.
	Keys map[string]string
	// Series are the measurements, in the order of their first lines.
	Series []*Series
	// Problems are lines that could not be read; at most MaxProblems.
	Problems []Problem
	// Failures are lines in which go test reports that something failed.
	Failures []Problem

	units benchfmt.UnitMetadataMap
	text  []byte
}

// ID names a series of measurements: those of one benchmark in one unit.
type ID struct {
	Package string `json:"package,omitempty"` // import path, "" where the text has none
	// Name is the benchmark's with sub-names and the suffix of GOMAXPROCS, as
	// printed but for "Benchmark".
	Name string `json:"name"`
	// Config holds, as key=value with a blank between them, the file keys that
	// differ among the results of one text; pkg is not among them.
	Config string `json:"config,omitempty"`
	Unit   string `json:"unit"` // as printed, such as ns/op
}

// Benchmark returns package, name and config as one text.
func (id *ID) Benchmark() string {
	s := id.Name
	if id.Package != "" {
		s = id.Package + "." + s
	}
	if id.Config != "" {
		s += " " + id.Config
	}
	return s
}

// Series is what was measured of a benchmark in one unit, once for each of
// -count, as printed and in the order of the lines.
type Series struct {
	ID
	Values []float64
	Iters  []int // how many iterations each value is of
}

// Problem is what is wrong with a line of the text.
type Problem struct {
	Line int    `json:"line"` // 1 is the first
	Msg  string `json:"message"`
}

func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Msg) }

// Parse reads what go test -bench prints, also with -json, in the Go benchmark
// format with file keys, sub-names and any units (package benchfmt of
// golang.org/x/perf). Comment lines at the top may say where the text is from,
// see [Origin].
//
// Lines that cannot be read are Problems and not fatal. [ErrNoResults] when no
// line is a result; another error when r fails or the input exceeds a limit.
func Parse(r io.Reader) (*Results, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxText {
		return nil, fmt.Errorf("benchmark results: more than %d MiB", MaxText>>20)
	}
	res := &Results{}
	if looksLikeJSON(text) {
		text = res.fromJSON(text)
	}
	res.text = text
	p := parser{res: res, series: map[ID]*Series{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	if len(res.Series) == 0 {
		for _, p := range slices.Concat(res.Failures, res.Problems) {
			return nil, fmt.Errorf("%w; %v", ErrNoResults, p)
		}
		return nil, ErrNoResults
	}
	return res, nil
}

// Text returns what the results were parsed from, as text also if it was JSON.
// Parsing it gives the same results. The slice must not be changed.
func (r *Results) Text() []byte { return r.text }

// Find returns the series with an ID, or nil.
func (r *Results) Find(id ID) *Series {
	for _, s := range r.Series {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// Units returns the units in the order of their first lines.
func (r *Results) Units() []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range r.Series {
		if !seen[s.Unit] {
			seen[s.Unit] = true
			out = append(out, s.Unit)
		}
	}
	return out
}

// Better tells which values of a unit are better: 1 the greater ones, -1 the
// lesser ones, 0 when nothing is known. A line "Unit X better=higher" of the
// text decides, and otherwise what is known of Go's own units.
func (r *Results) Better(unit string) int {
	if b := r.units.GetBetter(unit); b != 0 || r.units.Get(unit, "better") != nil {
		return b
	}
	switch {
	case unit == "ns/op", strings.HasSuffix(unit, "-ns/op"), strings.HasSuffix(unit, "-B/op"), strings.HasSuffix(unit, "-allocs/op"):
		return -1
	case strings.HasSuffix(unit, "-MB/s"), strings.HasSuffix(unit, "-B/s"):
		return 1
	}
	return 0
}

// Exact reports whether a line "Unit X assume=exact" says that values of a unit
// have no noise.
func (r *Results) Exact(unit string) bool {
	m := r.units.Get(unit, "assume")
	return m != nil && m.Value == "exact"
}

func (r *Results) problem(line int, format string, args ...any) {
	if len(r.Problems) < MaxProblems {
		r.Problems = append(r.Problems, Problem{line, cut(fmt.Sprintf(format, args...), 300)})
	}
}

// cut returns at most n bytes of s, and no half characters.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

type parser struct {
	res    *Results
	series map[ID]*Series
	values int
	keys   keyTable
}

// parse makes the series of the text. It goes over the text twice: which file
// keys tell results apart is known at the end.
func (p *parser) parse() error {
	p.scanLines()
	p.res.Origin = readOrigin(p.res.text)
	if err := p.scan(func(r *benchfmt.Result) error { return p.keys.add(r) }, false); err != nil {
		return err
	}
	p.res.Keys = p.keys.shared()
	p.res.Origin.complete(p.res.Keys)
	return p.scan(p.add, true)
}

// scanLines finds the lines that benchfmt would not tell of.
func (p *parser) scanLines() {
	line := 0
	for text := range bytes.Lines(p.res.text) {
		line++
		text = bytes.TrimRight(text, "\r\n")
		switch {
		case len(text) > MaxLine:
			p.res.problem(line, "longer than %d bytes", MaxLine)
		case bytes.HasPrefix(text, []byte("--- FAIL:")), bytes.HasPrefix(text, []byte("FAIL\t")), bytes.HasPrefix(text, []byte("panic:")):
			if len(p.res.Failures) < MaxProblems {
				p.res.Failures = append(p.res.Failures, Problem{line, cut(string(text), 300)})
			}
		}
	}
}

// scan calls fn with each result of the text. Problems are kept if asked for.
func (p *parser) scan(fn func(*benchfmt.Result) error, keep bool) error {
	r := benchfmt.NewReader(&shortLines{text: p.res.text}, "")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			if err := fn(rec); err != nil {
				return err
			}
		case *benchfmt.SyntaxError:
			if keep {
				p.res.problem(rec.Line, "%s", rec.Msg)
			}
		}
	}
	p.res.units = r.Units()
	return r.Err()
}

// add takes over the measurements of a result.
func (p *parser) add(r *benchfmt.Result) error {
	_, line := r.Pos()
	id := ID{Package: r.GetConfig("pkg"), Name: string(r.Name), Config: p.keys.config(r)}
	for i, v := range r.Values {
		if v.OrigUnit != "" {
			v.Value, v.Unit = v.OrigValue, v.OrigUnit
		}
		id.Unit = v.Unit
		switch {
		case math.IsNaN(v.Value) || math.IsInf(v.Value, 0):
			p.res.problem(line, "%v %s is not a finite number", v.Value, v.Unit)
			continue
		case math.Abs(v.Value) > maxValue || v.Value != 0 && math.Abs(v.Value) < 1/maxValue:
			p.res.problem(line, "%v %s is out of range", v.Value, v.Unit)
			continue
		case repeats(r.Values[:i], v.Unit):
			p.res.problem(line, "%s twice; the first counts", v.Unit)
			continue
		}
		if p.values++; p.values > MaxValues {
			return fmt.Errorf("benchmark results: more than %d measurements", MaxValues)
		}
		s := p.series[id]
		if s == nil {
			if len(p.series) == MaxSeries {
				return fmt.Errorf("benchmark results: more than %d series", MaxSeries)
			}
			s = &Series{ID: id}
			p.series[id] = s
			p.res.Series = append(p.res.Series, s)
		}
		s.Values, s.Iters = append(s.Values, v.Value), append(s.Iters, r.Iters)
	}
	return nil
}

func repeats(values []benchfmt.Value, unit string) bool {
	for _, v := range values {
		if v.Unit == unit && v.OrigUnit == "" || v.OrigUnit == unit {
			return true
		}
	}
	return false
}

// keyTable knows which file keys differ among results.
type keyTable struct {
	first  map[string]string
	varied map[string]bool
	all    int // results seen
	seen   map[string]int
}

func (t *keyTable) add(r *benchfmt.Result) error {
	if t.first == nil {
		t.first, t.varied, t.seen = map[string]string{}, map[string]bool{}, map[string]int{}
	}
	t.all++
	for _, c := range r.Config {
		first, ok := t.first[c.Key]
		switch {
		case !ok && len(t.first) >= maxKeys:
			return fmt.Errorf("benchmark results: more than %d file keys", maxKeys)
		case !ok:
			t.first[c.Key] = string(c.Value)
		case first != string(c.Value):
			t.varied[c.Key] = true
		}
		t.seen[c.Key]++
	}
	return nil
}

// shared returns the keys that all results have with one value.
func (t *keyTable) shared() map[string]string {
	out := map[string]string{}
	for k, v := range t.first {
		if !t.varied[k] && t.seen[k] == t.all {
			out[k] = v
		}
	}
	return out
}

// config writes the keys of a result that are not shared.
func (t *keyTable) config(r *benchfmt.Result) string {
	var out []string
	for _, c := range r.Config {
		if c.Key != "pkg" && (t.varied[c.Key] || t.seen[c.Key] < t.all) {
			out = append(out, c.Key+"="+string(c.Value))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
