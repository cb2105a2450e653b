package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
)

// topModel is the state of "runstone top": keys and new data change it, and its
// lines follow from it alone.
type topModel struct {
	width, height int
	dir           string
	metrics       []string // that were asked for; the first has the sparkline
	data          *topData
	problem       string // why there is no newer data

	chosen string // id of the run that the cursor is on
	first  int    // of the rows, that is seen
	sort   int

	detail string // id of the run that is looked at alone
	curve  string // its metric
	top    int    // of its metrics, that is seen
	log    bool
	smooth int // of topSmooth

	filter  string
	editing bool
	edit    []rune
	help    bool
	quit    bool
}

// The orders of the list.
var topSorts = []string{"running, newest", "name", "duration", "points/s", "metric, least", "metric, greatest"}

// topSmooth are the weights that e goes through.
var topSmooth = []float64{0, 0.6, 0.9, 0.97}

// ask is what the screen needs.
func (m *topModel) ask() topAsk {
	a := topAsk{filter: m.filter, metric: m.metric(), detail: m.detail, curve: m.curve}
	if m.detail != "" {
		for _, s := range m.seenMetrics() {
			a.seen = append(a.seen, s.Metric)
		}
	}
	return a
}

// metric is the one that has the sparkline.
func (m *topModel) metric() string {
	switch {
	case len(m.metrics) > 0:
		return m.metrics[0]
	case m.data != nil && len(m.data.names) > 0:
		return m.data.names[0]
	}
	return ""
}

// more are the other metrics with a column.
func (m *topModel) more() []string {
	if len(m.metrics) > 0 {
		return m.metrics[1:]
	}
	if m.data != nil && len(m.data.names) > 1 {
		return m.data.names[1:2]
	}
	return nil
}

// take shows newer data.
func (m *topModel) take(d *topData) {
	m.data, m.problem = d, ""
	rows := m.rows()
	if m.chosen == "" && len(rows) > 0 {
		m.chosen = rows[0].ID
	}
	if all := m.detailMetrics(); m.detail != "" && m.curve == "" && len(all) > 0 {
		m.curve = all[0].Metric
	}
	m.scroll()
}

// rows are the runs in the order that was chosen.
func (m *topModel) rows() []*topRun {
	if m.data == nil {
		return nil
	}
	rows := slices.Clone(m.data.runs)
	metric := m.metric()
	by := func(a, b *topRun, sign int) int {
		x, okA := a.Metric(metric)
		y, okB := b.Metric(metric)
		switch {
		case !okA || x != x: // without a value, or NaN: at the end
			if !okB || y != y {
				return 0
			}
			return 1
		case !okB || y != y:
			return -1
		}
		return sign * cmp.Compare(x, y)
	}
	switch m.sort {
	case 1:
		slices.SortStableFunc(rows, func(a, b *topRun) int { return strings.Compare(a.Name, b.Name) })
	case 2:
		slices.SortStableFunc(rows, func(a, b *topRun) int { return cmp.Compare(b.Duration(m.data.at), a.Duration(m.data.at)) })
	case 3:
		slices.SortStableFunc(rows, func(a, b *topRun) int { return cmp.Compare(b.pace, a.pace) })
	case 4:
		slices.SortStableFunc(rows, func(a, b *topRun) int { return by(a, b, 1) })
	case 5:
		slices.SortStableFunc(rows, func(a, b *topRun) int { return by(a, b, -1) })
	}
	return rows
}

// detailMetrics are those of the run that is looked at alone, those of the machine
// last.
func (m *topModel) detailMetrics() []runstone.MetricSummary {
	if m.data == nil || m.data.detail == nil || m.data.detail.ID != m.detail {
		return nil
	}
	var own, system []runstone.MetricSummary
	for _, s := range m.data.detail.Metrics {
		switch {
		case strings.HasPrefix(s.Metric, systemPrefix):
			system = append(system, s)
		case len(own) == 0 || own[len(own)-1].Metric != s.Metric:
			own = append(own, s)
		}
	}
	return append(own, system...)
}

// seenMetrics are those with a line on the screen.
func (m *topModel) seenMetrics() []runstone.MetricSummary {
	all := m.detailMetrics()
	from := min(m.top, len(all))
	return all[from:min(len(all), from+m.tableHeight())]
}

// key changes the state as a key says. It reports whether what ask answers may be
// another now.
func (m *topModel) key(k string) (reload bool) {
	before := m.ask()
	switch {
	case k == "ctrl-c":
		m.quit = true
	case m.editing:
		m.editKey(k)
	case m.help:
		m.help = false
	case m.detail != "":
		m.detailKey(k)
	default:
		m.listKey(k)
	}
	m.scroll()
	after := m.ask()
	if before.filter != after.filter {
		m.problem = ""
	}
	return before.filter != after.filter || before.metric != after.metric || before.detail != after.detail || before.curve != after.curve ||
		!slices.Equal(before.seen, after.seen)
}

// moved tells where a key takes the cursor from a line of n, if it moves it.
func moved(k string, at, n, page int) (to int, ok bool) {
	switch k {
	case "j", "down":
		to = at + 1
	case "k", "up":
		to = at - 1
	case "pgdn", " ":
		to = at + max(1, page)
	case "pgup":
		to = at - max(1, page)
	case "g", "home":
		to = 0
	case "G", "end":
		to = n - 1
	default:
		return 0, false
	}
	return min(max(to, 0), n-1), n > 0
}

func (m *topModel) listKey(k string) {
	rows := m.rows()
	at := max(0, slices.IndexFunc(rows, func(r *topRun) bool { return r.ID == m.chosen }))
	if to, ok := moved(k, at, len(rows), m.listHeight()-1); ok {
		m.chosen = rows[to].ID
		return
	}
	switch k {
	case "enter", "right", "l":
		if len(rows) > 0 {
			m.detail, m.curve, m.top = rows[at].ID, "", 0
			m.curve = m.metric()
			if _, ok := rows[at].Metric(m.curve); !ok {
				m.curve = ""
			}
		}
	case "/":
		m.editing, m.edit = true, []rune(m.filter)
	case "s":
		m.sort = (m.sort + 1) % len(topSorts)
	case "m":
		m.nextMetric()
	case "?":
		m.help = true
	case "esc":
		m.filter = ""
	case "q":
		m.quit = true
	}
}

// nextMetric gives the sparkline to another metric.
func (m *topModel) nextMetric() {
	if m.data == nil || len(m.data.names) < 2 {
		return
	}
	now := m.metric()
	next := m.data.names[(slices.Index(m.data.names, now)+1)%len(m.data.names)]
	rest := slices.DeleteFunc(append([]string{now}, m.more()...), func(s string) bool { return s == next })
	m.metrics = append([]string{next}, rest[:min(1, len(rest))]...)
}

func (m *topModel) detailKey(k string) {
	all := m.detailMetrics()
	at := max(0, slices.IndexFunc(all, func(s runstone.MetricSummary) bool { return s.Metric == m.curve }))
	if to, ok := moved(k, at, len(all), m.tableHeight()-1); ok {
		m.curve = all[to].Metric
		return
	}
	switch k {
	case "l":
		m.log = !m.log
	case "e":
		m.smooth = (m.smooth + 1) % len(topSmooth)
	case "?":
		m.help = true
	case "esc", "left", "h", "backspace", "enter":
		m.chosen, m.detail, m.curve = m.detail, "", ""
	case "q":
		m.quit = true
	}
}

func (m *topModel) editKey(k string) {
	switch r := []rune(k); {
	case k == "enter":
		m.editing, m.filter, m.first = false, strings.TrimSpace(string(m.edit)), 0
	case k == "esc":
		m.editing = false
	case k == "ctrl-u":
		m.edit = nil
	case k == "backspace":
		m.edit = m.edit[:max(0, len(m.edit)-1)]
	case len(r) == 1 && len(m.edit) < 1000:
		m.edit = append(m.edit, r[0])
	}
}

// scroll keeps the cursor on the screen.
func (m *topModel) scroll() {
	rows := m.rows()
	at := slices.IndexFunc(rows, func(r *topRun) bool { return r.ID == m.chosen })
	if at < 0 && len(rows) > 0 && m.detail == "" { // it is gone
		at = min(m.first, len(rows)-1)
		m.chosen = rows[at].ID
	}
	m.first = within(m.first, at, m.listHeight(), len(rows))
	all := m.detailMetrics()
	at = slices.IndexFunc(all, func(s runstone.MetricSummary) bool { return s.Metric == m.curve })
	m.top = within(m.top, at, m.tableHeight(), len(all))
}

// within moves the first of the lines that are seen so that at is among them.
func within(first, at, height, n int) int {
	if at >= 0 {
		first = max(min(first, at), at-height+1)
	}
	return max(0, min(first, n-height))
}

// resize takes a new size of the terminal.
func (m *topModel) resize(width, height int) {
	m.width, m.height = max(20, width), max(8, height)
	m.scroll()
}
