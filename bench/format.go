package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchunit"
)

// Format writes a value of a unit with a prefix and in the base unit: 12350
// ns/op is "12.35µs/op".
func Format(v float64, unit string) string {
	_, name := benchunit.Tidy(v, unit)
	text := valueText(v, unit, rowScaler(unit, v))
	switch {
	case name == "sec/op":
		return text + "s/op"
	case strings.HasPrefix(name, "B/"), strings.HasPrefix(name, "sec"):
		return text + name
	}
	return text + " " + name
}

// WriteText prints the comparison as benchstat does: a table for each unit, in
// base units. a and b name the columns.
func (c *Comparison) WriteText(w io.Writer, a, b string) error {
	var out strings.Builder
	for _, d := range c.Keys {
		fmt.Fprintf(&out, "%s differs: %s and %s\n", clean(d.Key), clean(d.A), clean(d.B))
	}
	pkgs := c.packages()
	if len(pkgs) == 1 && pkgs[0] != "" {
		fmt.Fprintf(&out, "pkg: %s\n", clean(pkgs[0]))
	}
	notes := &footnotes{}
	for i := range c.Units {
		if i > 0 {
			out.WriteByte('\n')
		}
		c.Units[i].write(&out, clean(a), clean(b), len(pkgs) > 1, notes)
	}
	notes.write(&out)
	_, err := io.WriteString(w, out.String())
	return err
}

// clean keeps text of others from moving the cursor and from changing the
// direction of what is beside it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

func (c *Comparison) packages() []string {
	var out []string
	seen := map[string]bool{}
	for i := range c.Units {
		for k := range c.Units[i].Rows {
			if p := c.Units[i].Rows[k].Package; !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// footnotes are remarks that cells refer to by number.
type footnotes struct{ texts []string }

// mark returns the number of a remark; there is none without footnotes.
func (f *footnotes) mark(text string) string {
	if f == nil {
		return ""
	}
	for i, t := range f.texts {
		if t == text {
			return superscript(i + 1)
		}
	}
	f.texts = append(f.texts, text)
	return superscript(len(f.texts))
}

func superscript(n int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var b strings.Builder
	for _, d := range fmt.Sprint(n) {
		b.WriteRune(digits[d-'0'])
	}
	return b.String()
}

func (f *footnotes) write(b *strings.Builder) {
	for i, t := range f.texts {
		fmt.Fprintf(b, "%s %s\n", superscript(i+1), t)
	}
}

// Cells returns what a table of the comparison says of a row: A and B with their
// intervals, the change, and p with the numbers of values. What a side does not
// have is "-"; remarks are left out.
func (r *Row) Cells() [4]string {
	scale := r.scaler()
	out := [4]string{summaryText(r.A, r.Unit, scale, nil), summaryText(r.B, r.Unit, scale, nil)}
	if r.A != nil && r.B != nil {
		out[2], out[3] = r.DeltaText(), countText(r)
	}
	return out
}

// GeomeanCells returns what a table says of the geometric means: A, B and the
// change; nil where there are none.
func (u *Unit) GeomeanCells() []string {
	if u.GeomeanA <= 0 || len(u.Rows) < 2 {
		return nil
	}
	scale := rowScaler(u.Unit, u.GeomeanA, u.GeomeanB)
	return []string{valueText(u.GeomeanA, u.Unit, scale), valueText(u.GeomeanB, u.Unit, scale), Percent(u.GeomeanDelta)}
}

// Tidy returns the base unit of a unit: sec/op of ns/op.
func Tidy(unit string) string {
	_, tidy := benchunit.Tidy(1, unit)
	return tidy
}

// Scale returns by what to multiply values of a unit to draw them on one axis,
// and the unit that they are in then: 0.001 and "µs/op" for ns/op that are
// some thousands.
func Scale(unit string, values ...float64) (factor float64, name string) {
	values = slices.Clone(values)
	s := rowScaler(unit, values...)
	base, tidy := benchunit.Tidy(1, unit)
	switch {
	case tidy == "sec/op":
		name = s.Prefix + "s/op"
	case strings.HasPrefix(tidy, "B/"), strings.HasPrefix(tidy, "sec"), s.Prefix == "":
		name = s.Prefix + tidy
	default:
		name = s.Prefix + " " + tidy
	}
	return base / s.Factor, name
}

// groupMark begins a row that is one text over all columns.
const groupMark = "\x00"

// minCI is how many values a 95 % interval of the median needs.
const minCI = 6

func (u *Unit) write(out *strings.Builder, a, b string, withPkg bool, notes *footnotes) {
	tidy := clean(Tidy(u.Unit))
	rows, pkg := [][5]string{}, ""
	for i := range u.Rows {
		r := &u.Rows[i]
		if withPkg && (i == 0 || r.Package != pkg) {
			pkg = r.Package
			rows = append(rows, [5]string{groupMark + "pkg: " + clean(pkg)})
		}
		id := r.ID
		id.Package = ""
		scale := r.scaler()
		row := [5]string{clean(id.Benchmark()), summaryText(r.A, u.Unit, scale, notes), summaryText(r.B, u.Unit, scale, notes)}
		if r.A != nil && r.B != nil {
			row[3], row[4] = r.DeltaText(), countText(r)
			if r.Few {
				row[4] += " " + notes.mark("too few samples to tell any difference")
			}
		}
		rows = append(rows, row)
	}
	if g := u.GeomeanCells(); g != nil {
		rows = append(rows, [5]string{"geomean", g[0], g[1], g[2], ""})
	}
	head := [5]string{"", a, b, "vs base", ""}
	sub := [5]string{"", tidy, tidy, "", ""}
	writeColumns(out, append([][5]string{head, sub}, rows...))
}

// rowScaler is what values of a unit are divided by, and the prefix that says
// so: one for a row, so that its values compare at a glance.
func rowScaler(unit string, values ...float64) benchunit.Scaler {
	_, name := benchunit.Tidy(1, unit)
	for i := range values {
		values[i], _ = benchunit.Tidy(values[i], unit)
	}
	return benchunit.CommonScale(values, benchunit.ClassOf(name))
}

func (r *Row) scaler() benchunit.Scaler {
	var values []float64
	for _, s := range []*Summary{r.A, r.B} {
		if s != nil {
			values = append(values, s.Center)
		}
	}
	return rowScaler(r.Unit, values...)
}

func valueText(v float64, unit string, s benchunit.Scaler) string {
	v, _ = benchunit.Tidy(v, unit)
	const wide = 1e9 // greater than what any prefix should stand behind
	if math.Abs(v/s.Factor) >= wide {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return s.Format(v)
}

func summaryText(s *Summary, unit string, scale benchunit.Scaler, notes *footnotes) string {
	if s == nil {
		return "-"
	}
	text := valueText(s.Center, unit, scale)
	switch {
	case s.Lo == 0 && s.Hi == 0 && s.Center != 0:
		return strings.TrimRight(text+" ± ∞ "+notes.mark(fmt.Sprintf("need %d samples or more for a confidence interval", minCI)), " ")
	case s.Center == 0:
		return text + " ±  0%"
	}
	return text + fmt.Sprintf(" ± %2.0f%%", 100*max(s.Hi/s.Center-1, 1-s.Lo/s.Center))
}

func countText(r *Row) string {
	n := fmt.Sprintf("n=%d", r.A.N)
	if r.A.N != r.B.N {
		n = fmt.Sprintf("n=%d+%d", r.A.N, r.B.N)
	}
	return fmt.Sprintf("(p=%.3f %s)", r.P, n)
}

// wideName is how long names are that others are aligned with.
const wideName = 80

// writeColumns aligns the first column at the left and the others at the right,
// but the last. A longer name moves only its own row.
func writeColumns(out *strings.Builder, rows [][5]string) {
	var width [5]int
	for _, r := range rows {
		for k, c := range r {
			if strings.HasPrefix(c, groupMark) {
				break
			}
			if n := utf8.RuneCountInString(c); k > 0 || n <= wideName {
				width[k] = max(width[k], n)
			}
		}
	}
	for _, r := range rows {
		var line strings.Builder
		if group, ok := strings.CutPrefix(r[0], groupMark); ok {
			out.WriteString(group + "\n")
			continue
		}
		for k, c := range r {
			pad := strings.Repeat(" ", max(0, width[k]-utf8.RuneCountInString(c)))
			switch {
			case k == 0:
				line.WriteString(c + pad)
			case k == 4:
				line.WriteString(" " + c)
			default:
				line.WriteString("  " + pad + c)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " "))
		out.WriteByte('\n')
	}
}
