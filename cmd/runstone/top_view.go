package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
)

// style is how a part of a line looks.
type style string

const (
	plain    style = ""
	bold     style = "1"
	faint    style = "2"
	reversed style = "7"
	red      style = "31"
	green    style = "32"
	yellow   style = "33"
	cyan     style = "36"
)

// painter gives a part of a line its look; without colors it leaves the text
// alone.
type painter func(style, string) string

func paint(s style, text string) string {
	if s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func noPaint(_ style, text string) string { return text }

// The parts of the screen in lines.
const (
	topHead   = 3 // above the rows of the list: title, filter, columns
	topFoot   = 1
	topAbove  = 4 // above the chart of a run
	topBorder = 1 // the head of the table of metrics
)

func (m *topModel) listHeight() int { return max(1, m.height-topHead-topFoot) }

// chartHeight is that of the drawing of a run with the line below it: what a short
// table of metrics leaves, and more than half in any case.
func (m *topModel) chartHeight() int {
	room := m.height - topAbove - topBorder - topFoot
	return max(4, min(30, max(room*6/10, room-len(m.detailMetrics()))))
}

func (m *topModel) tableHeight() int {
	return max(1, m.height-topAbove-m.chartHeight()-topBorder-topFoot)
}

func (m *topModel) chartWidth() int { return max(8, m.width-plotMargin) }

// lines is the screen: as many lines as it has, none wider than it.
func (m *topModel) lines(p painter) []string {
	var out []string
	switch {
	case m.help:
		out = m.helpLines(p)
	case m.detail != "":
		out = m.detailLines(p)
	default:
		out = m.listLines(p)
	}
	for len(out) < m.height-topFoot {
		out = append(out, "")
	}
	return append(out[:m.height-topFoot], m.foot(p))
}

func (m *topModel) foot(p painter) string {
	keys := "j/k move  Enter look at it  / filter  s sort: " + topSorts[m.sort] + "  m metric  ? help  q quit"
	switch {
	case m.help:
		keys = "any key goes back"
	case m.editing:
		keys = "Enter filter  Esc leave it  Ctrl-U clear    metrics.loss < 0.4 AND params.lr = '0.01'"
	case m.detail != "":
		keys = "j/k metric  l log axis  e smooth  Esc back  ? help  q quit"
	}
	if m.problem != "" {
		return p(red, fit(m.problem, m.width))
	}
	return p(faint, fit(keys, m.width))
}

func (m *topModel) title(p painter) string {
	right := ""
	if m.data != nil {
		right = m.data.at.Local().Format(time.TimeOnly)
	}
	left := "runstone top  " + oneCell(m.dir)
	if m.data != nil {
		running := 0
		for _, r := range m.data.runs {
			if r.Status == runstone.Running {
				running++
			}
		}
		left += fmt.Sprintf("  %s, %d running", plural(int64(m.data.total), "run"), running)
		if n := len(m.data.runs); n < m.data.total {
			left += fmt.Sprintf(", %d shown", n)
		}
	}
	return p(bold, fit(left, m.width-len(right)-1)) + " " + right
}

// topColumn is a column of the list. Those with a greater rank go first when the
// screen is narrow.
type topColumn struct {
	head  string
	width int
	right bool
	rank  int
	cell  func(*topRun) string
	style func(*topRun) style
}

// The least width of the name of a run, and of a metric where a trend is beside it.
const (
	minTopName   = 10
	minTopMetric = 20
)

func (m *topModel) columns() []topColumn {
	now := time.Now()
	if m.data != nil {
		now = m.data.at
	}
	latest := func(name string) func(*topRun) string {
		return func(r *topRun) string {
			if v, ok := r.Metric(name); ok {
				return shortValue(v)
			}
			return ""
		}
	}
	percent := func(pattern string) func(*topRun) string {
		return func(r *topRun) string {
			if v, ok := r.system(pattern); ok {
				return strconv.FormatFloat(v, 'f', 0, 64) + "%"
			}
			return ""
		}
	}
	cols := []topColumn{
		{"NAME", minTopName, false, 0, func(r *topRun) string { return r.Name }, nil},
		{"STATUS", 9, false, 1, func(r *topRun) string { return r.Status.String() }, statusStyle},
		{"TIME", 7, true, 2, func(r *topRun) string { return span(r.Duration(now)) }, nil},
		{"STEP", 9, true, 5, (*topRun).stepText, nil},
	}
	if name := m.metric(); name != "" {
		cols = append(cols, topColumn{name, max(10, min(18, cellWidth(oneCell(name)))), true, 3, latest(name), nil},
			topColumn{"TREND", topSparkSize, false, 4, func(r *topRun) string { return sparkline(finite(r.spark)) }, func(*topRun) style { return cyan }})
	}
	for i, name := range m.more() {
		cols = append(cols, topColumn{name, max(10, min(18, cellWidth(oneCell(name)))), true, 7 + i, latest(name), nil})
	}
	cols = append(cols, topColumn{"POINTS/S", 8, true, 6, (*topRun).paceText, nil})
	for i, s := range []struct{ head, pattern string }{
		{"CPU", "cpu_utilization_percentage"}, {"MEM", "system_memory_usage_percentage"}, {"GPU", "gpu_*_utilization_percentage"},
	} {
		if m.anySystem(s.pattern) {
			cols = append(cols, topColumn{s.head, 4, true, 20 + i, percent(s.pattern), nil})
		}
	}
	if m.data != nil && slices.ContainsFunc(m.data.runs, func(r *topRun) bool { return r.ExperimentID != m.data.runs[0].ExperimentID }) {
		cols = append(cols, topColumn{"EXPERIMENT", 14, false, 30, func(r *topRun) string { return r.experiment }, nil})
	}
	cols = append(cols, topColumn{"ID", 8, false, 31, func(r *topRun) string { return shortID(r.ID) }, func(*topRun) style { return faint }})
	return narrowed(cols, m.width-2)
}

// narrowed leaves out columns until the others have room, and gives what is left
// to the name.
func narrowed(cols []topColumn, width int) []topColumn {
	for {
		need := 2 * (len(cols) - 1)
		worst := 0
		for i, c := range cols {
			need += c.width
			if c.rank > cols[worst].rank {
				worst = i
			}
		}
		if need <= width || len(cols) == 1 {
			cols[0].width = max(1, min(40, cols[0].width+width-need))
			return cols
		}
		cols = slices.Delete(cols, worst, worst+1)
	}
}

func (m *topModel) anySystem(pattern string) bool {
	return m.data != nil && slices.ContainsFunc(m.data.runs, func(r *topRun) bool { _, ok := r.system(pattern); return ok })
}

func (m *topModel) listLines(p painter) []string {
	filter := ""
	switch {
	case m.editing:
		filter = "filter: " + oneCellOf(string(m.edit)) + "█"
	case m.filter != "":
		filter = "filter: " + oneCellOf(m.filter)
	}
	out := []string{m.title(p), p(yellow, fit(filter, m.width))}
	cols := m.columns()
	var head []string
	for _, c := range cols {
		head = append(head, pad(c.head, c.width, c.right))
	}
	out = append(out, p(faint, fit("  "+strings.Join(head, "  "), m.width)))
	rows := m.rows()
	if len(rows) == 0 {
		text := "  no runs yet: what is logged appears here by itself"
		if m.filter != "" {
			text = "  no run matches; Esc clears the filter"
		}
		return append(out, fit(text, m.width))
	}
	for _, r := range rows[min(m.first, len(rows)):min(len(rows), m.first+m.listHeight())] {
		chosen := r.ID == m.chosen
		line := "  "
		if chosen {
			line = "> "
		}
		for i, c := range cols {
			if i > 0 {
				line += "  "
			}
			cell := pad(c.cell(r), c.width, c.right)
			if c.style != nil && !chosen {
				cell = p(c.style(r), cell)
			}
			line += cell
		}
		if chosen {
			line = p(reversed, line)
		}
		out = append(out, line)
	}
	return out
}

func (m *topModel) detailLines(p painter) []string {
	if m.data == nil || m.data.detail == nil || m.data.detail.ID != m.detail {
		return []string{m.title(p), "", "  reading…"}
	}
	r := m.data.detail
	status := r.Status.String() + "  " + span(r.Duration(m.data.at))
	out := []string{
		p(bold, fit(oneCell(r.Name), m.width-cellWidth(status)-2)) + "  " + p(statusStyle(r), status),
		p(faint, fit(strings.Join([]string{shortID(r.ID), oneCell(r.experiment), "began " + moment(r.Start), "step " + r.stepText(),
			plural(r.points, "point"), r.paceText() + " points/s"}, " · "), m.width)),
		fit(paramText(r.Params), m.width),
	}
	sum := m.curveSummary()
	fl := &plotFlags{log: m.log, smooth: topSmooth[m.smooth]}
	title := oneCell(m.curve)
	if sum == nil {
		return append(out, "", "  no metrics yet")
	}
	title += "  " + shortValue(sum.Latest.Value) + " at step " + strconv.FormatInt(sum.Latest.Step, 10)
	if n := sum.NaN + sum.PosInf + sum.NegInf; n > 0 {
		title += fmt.Sprintf("  %s NaN or infinite", grouped(n))
	}
	if m.log {
		title += "  log axis"
	}
	if fl.smooth > 0 {
		title += fmt.Sprintf("  smoothed %g", fl.smooth)
	}
	out = append(out, p(bold, fit(title, m.width)))
	for _, line := range brailleChart(newCurve(r.ID, m.curve, r.Start, m.data.buckets, fl), fl, m.chartWidth(), m.chartHeight()) {
		label, dots, _ := strings.Cut(line, "┤")
		if dots != "" {
			line = label + "┤" + p(cyan, dots)
		}
		out = append(out, line)
	}
	for len(out) < topAbove+m.chartHeight() {
		out = append(out, "")
	}
	const number = 11
	width := m.width - 2 - 3*(2+number)
	trend := width-2-topSparkSize >= minTopMetric
	if trend {
		width -= 2 + topSparkSize
	}
	row := func(cells ...string) string {
		line := pad(cells[0], max(minTopName, min(48, width)), false)
		for _, c := range cells[1 : len(cells)-1] {
			line += "  " + pad(c, number, true)
		}
		if trend {
			line += "  " + cells[len(cells)-1]
		}
		return line
	}
	out = append(out, p(faint, fit("  "+row("METRIC", "LAST", "LEAST", "GREATEST", "TREND"), m.width)))
	for _, s := range m.seenMetrics() {
		line := row(s.Metric, shortValue(s.Latest.Value), shortValue(s.Min), shortValue(s.Max), sparkline(finite(m.data.sparks[s.Metric])))
		if s.Metric == m.curve {
			line = p(reversed, fit("> "+line, m.width))
		} else {
			line = fit("  "+line, m.width)
		}
		out = append(out, line)
	}
	return out
}

// curveSummary is what is known of the metric that is drawn.
func (m *topModel) curveSummary() *runstone.MetricSummary {
	all := m.detailMetrics()
	i := slices.IndexFunc(all, func(s runstone.MetricSummary) bool { return s.Metric == m.curve })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func (m *topModel) helpLines(p painter) []string {
	out := []string{p(bold, "runstone top"), ""}
	for _, l := range [][2]string{
		{"j k, arrows", "the next and the previous run or metric"},
		{"PgUp PgDn g G", "a page, the first, the last"},
		{"Enter", "look at a run alone: its curves and all of its metrics"},
		{"Esc", "back to the list; in the list, clear the filter"},
		{"/", "show only runs that match a condition"},
		{"s", "sort by another value"},
		{"m", "another metric with its trend"},
		{"l", "of a run: logarithmic axis"},
		{"e", "of a run: smooth the curve"},
		{"q, Ctrl-C", "quit"},
	} {
		out = append(out, fit("  "+pad(l[0], 14, false)+"  "+l[1], m.width))
	}
	return append(out, "", fit("POINTS/S is of the last seconds while a run is running, and on the whole when it has ended.", m.width),
		fit("CPU, MEM and GPU are the newest values of metrics named "+systemPrefix+"…", m.width))
}

func statusStyle(r *topRun) style {
	switch r.Status {
	case runstone.Running:
		return green
	case runstone.Failed, runstone.Killed:
		return red
	}
	return plain
}

func (r *topRun) stepText() string {
	if r.step == math.MinInt64 {
		return "-"
	}
	return strconv.FormatInt(r.step, 10)
}

func (r *topRun) paceText() string {
	switch {
	case math.IsNaN(r.pace) || r.points == 0:
		return "-"
	case r.pace >= 1e6:
		return strconv.FormatFloat(r.pace/1e6, 'f', 1, 64) + "M"
	case r.pace >= 1e4:
		return strconv.FormatFloat(r.pace/1e3, 'f', 0, 64) + "k"
	case r.pace >= 10:
		return strconv.FormatFloat(r.pace, 'f', 0, 64)
	}
	return strconv.FormatFloat(r.pace, 'g', 2, 64)
}

// shortValue prints a metric's value with four digits.
func shortValue(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// paramText puts params into a line.
func paramText(params map[string]string) string {
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names)
	var parts []string
	for _, name := range names[:min(len(names), 50)] {
		parts = append(parts, oneCell(name)+"="+oneCell(truncate(params[name], 60)))
	}
	return strings.Join(parts, "  ")
}

// finite leaves out what a sparkline cannot show.
func finite(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !fits(v, false) })
}
