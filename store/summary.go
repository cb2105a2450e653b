package store

import "math"

// Point is one measurement of a series.
type Point struct {
	Step  int64
	Time  int64 // Unix ms
	Value float64
}

// Summary is what is known of a series without reading its points.
type Summary struct {
	Count, NaN int64
	// Latest is the point that is greatest by step, then time, then value,
	// where NaN counts as 0: the value that MLflow shows.
	Latest Point
	// First is the point that is least by step, then time.
	First Point
	// Min and Max are the extreme values but NaN, at their earliest logged
	// step; they mean nothing when Count equals NaN.
	Min, Max         float64
	MinStep, MaxStep int64
	MinTime, MaxTime int64 // of all points
}

// add takes one more point into account.
func (m *Summary) add(p Point) {
	m.Count++
	if m.Count == 1 {
		m.Latest, m.First = p, p
		m.MinTime, m.MaxTime = p.Time, p.Time
	} else {
		if later(p, m.Latest) {
			m.Latest = p
		}
		if p.Step < m.First.Step || p.Step == m.First.Step && p.Time < m.First.Time {
			m.First = p
		}
		m.MinTime, m.MaxTime = min(m.MinTime, p.Time), max(m.MaxTime, p.Time)
	}
	if p.Value != p.Value {
		m.NaN++
		return
	}
	if m.Count-m.NaN == 1 || p.Value < m.Min {
		m.Min, m.MinStep = p.Value, p.Step
	}
	if m.Count-m.NaN == 1 || p.Value > m.Max {
		m.Max, m.MaxStep = p.Value, p.Step
	}
}

// addAll is add for points whose steps and times mostly ascend: then only the
// ends decide on first and latest.
func (m *Summary) addAll(steps, times []int64, values []float64) {
	if len(steps) < 8 || m.Count == 0 {
		for i := range steps {
			m.add(Point{steps[i], times[i], values[i]})
		}
		return
	}
	for i := 1; i < len(steps); i++ {
		if steps[i] <= steps[i-1] || times[i] < times[i-1] {
			for i := range steps {
				m.add(Point{steps[i], times[i], values[i]})
			}
			return
		}
	}
	last := len(steps) - 1
	if p := (Point{steps[0], times[0], values[0]}); p.Step < m.First.Step || p.Step == m.First.Step && p.Time < m.First.Time {
		m.First = p
	}
	if p := (Point{steps[last], times[last], values[last]}); later(p, m.Latest) {
		m.Latest = p
	}
	m.MinTime, m.MaxTime = min(m.MinTime, times[0]), max(m.MaxTime, times[last])
	none := m.Count == m.NaN
	m.Count += int64(len(steps))
	for i, v := range values {
		switch {
		case v != v:
			m.NaN++
			continue
		case none:
			m.Min, m.MinStep, m.Max, m.MaxStep, none = v, steps[i], v, steps[i], false
			continue
		}
		if v < m.Min {
			m.Min, m.MinStep = v, steps[i]
		}
		if v > m.Max {
			m.Max, m.MaxStep = v, steps[i]
		}
	}
}

// merge adds the summary of other points of the same series.
func (m *Summary) merge(o Summary) {
	if o.Count == 0 {
		return
	}
	if m.Count == 0 {
		*m = o
		return
	}
	if later(o.Latest, m.Latest) {
		m.Latest = o.Latest
	}
	if o.First.Step < m.First.Step || o.First.Step == m.First.Step && o.First.Time < m.First.Time {
		m.First = o.First
	}
	m.MinTime, m.MaxTime = min(m.MinTime, o.MinTime), max(m.MaxTime, o.MaxTime)
	if o.Count > o.NaN {
		none := m.Count == m.NaN
		if none || o.Min < m.Min || o.Min == m.Min && o.MinStep < m.MinStep {
			m.Min, m.MinStep = o.Min, o.MinStep
		}
		if none || o.Max > m.Max || o.Max == m.Max && o.MaxStep < m.MaxStep {
			m.Max, m.MaxStep = o.Max, o.MaxStep
		}
	}
	m.Count += o.Count
	m.NaN += o.NaN
}

// After reports whether m's latest point comes after o's.
func (m *Summary) After(o *Summary) bool { return later(m.Latest, o.Latest) }

// later reports whether a is after b by step, time and value.
func later(a, b Point) bool {
	if a.Step != b.Step {
		return a.Step > b.Step
	}
	if a.Time != b.Time {
		return a.Time > b.Time
	}
	return orZero(a.Value) > orZero(b.Value)
}

func orZero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// summaryRow is how a Summary is stored: msgpack arrays of its fields.
type summaryRow struct {
	Count, NaN       int64
	Latest, First    pointRow
	Min, Max         uint64 // float64 bits
	MinStep, MaxStep int64
	MinTime, MaxTime int64
}

type pointRow struct {
	Step, Time int64
	Value      uint64 // float64 bits, so that every NaN survives
}

func (p Point) row() pointRow   { return pointRow{p.Step, p.Time, math.Float64bits(p.Value)} }
func (r pointRow) point() Point { return Point{r.Step, r.Time, math.Float64frombits(r.Value)} }

func (m *Summary) row() summaryRow {
	return summaryRow{
		m.Count, m.NaN, m.Latest.row(), m.First.row(),
		math.Float64bits(m.Min), math.Float64bits(m.Max), m.MinStep, m.MaxStep, m.MinTime, m.MaxTime,
	}
}

func (r *summaryRow) summary() Summary {
	return Summary{
		Count: r.Count, NaN: r.NaN, Latest: r.Latest.point(), First: r.First.point(),
		Min: math.Float64frombits(r.Min), Max: math.Float64frombits(r.Max),
		MinStep: r.MinStep, MaxStep: r.MaxStep, MinTime: r.MinTime, MaxTime: r.MaxTime,
	}
}
