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
	Count               int64
	NaN, PosInf, NegInf int64 // how many of Count are these
	// Latest is the point that is greatest by step, then time, then value,
	// where NaN counts as 0: the value that MLflow shows.
	Latest Point
	// First is the point that is least by step, then time, then value.
	First Point
	// Min and Max are the extreme values but NaN, at the least step that has
	// them; they mean nothing when Count equals NaN.
	Min, Max         float64
	MinStep, MaxStep int64
	MinTime, MaxTime int64   // of all points
	Sum              float64 // of the finite values, added as they were logged
}

// Finite returns the number of values that are neither NaN nor infinite.
func (m *Summary) Finite() int64 { return m.Count - m.NaN - m.PosInf - m.NegInf }

// Mean returns the mean of the values but NaN, NaN when there is none.
func (m *Summary) Mean() float64 { return mean(m.Count-m.NaN, m.PosInf, m.NegInf, m.Sum) }

// mean returns that of n values of which the finite ones have a sum.
func mean(n, posInf, negInf int64, sum float64) float64 {
	switch {
	case n == 0 || posInf > 0 && negInf > 0:
		return math.NaN()
	case posInf > 0:
		return math.Inf(1)
	case negInf > 0:
		return math.Inf(-1)
	}
	return sum / float64(n)
}

// add takes one more point into account.
func (m *Summary) add(p Point) {
	m.Count++
	if m.Count == 1 {
		m.Latest, m.First = p, p
		m.MinTime, m.MaxTime = p.Time, p.Time
	} else {
		if p.Step >= m.Latest.Step && later(p, m.Latest) {
			m.Latest = p
		}
		if p.Step <= m.First.Step && later(m.First, p) {
			m.First = p
		}
		m.MinTime, m.MaxTime = min(m.MinTime, p.Time), max(m.MaxTime, p.Time)
	}
	if p.Value-p.Value != 0 {
		if m.odd(p.Value); p.Value != p.Value {
			return
		}
	} else {
		m.Sum += p.Value
	}
	if p.Value <= m.Min || p.Value >= m.Max || m.Count-m.NaN == 1 {
		m.extremes(m.Count-m.NaN == 1, p.Value, p.Step, p.Value, p.Step)
	}
}

// odd counts a value that is not finite.
func (m *Summary) odd(v float64) {
	switch {
	case v != v:
		m.NaN++
	case v > 0:
		m.PosInf++
	default:
		m.NegInf++
	}
}

// addAll is add for each point. Where they ascend, only the ends decide on
// first and latest, and the first extreme is at the least step.
func (m *Summary) addAll(steps, times []int64, values []float64, ascend bool) {
	if len(steps) < 8 || !ascend {
		for i := range steps {
			m.add(Point{steps[i], times[i], values[i]})
		}
		return
	}
	if m.Count == 0 {
		m.add(Point{steps[0], times[0], values[0]})
		steps, times, values = steps[1:], times[1:], values[1:]
	}
	last := len(steps) - 1
	if p := (Point{steps[0], times[0], values[0]}); later(m.First, p) {
		m.First = p
	}
	if p := (Point{steps[last], times[last], values[last]}); later(p, m.Latest) {
		m.Latest = p
	}
	m.MinTime, m.MaxTime = min(m.MinTime, times[0]), max(m.MaxTime, times[last])
	none := m.Count == m.NaN
	m.Count += int64(len(steps))
	low, high, argLow, argHigh, sum := math.Inf(1), math.Inf(-1), -1, -1, m.Sum
	for i, v := range values {
		if v < low {
			low, argLow = v, i
		}
		if v > high {
			high, argHigh = v, i
		}
		sum += v
	}
	if sum-sum != 0 { // some are not finite, which is rare
		sum = m.Sum
		for i, v := range values {
			if v-v == 0 {
				sum += v
				continue
			}
			m.odd(v)
			if v > 0 && argLow < 0 { // not below the +Inf that low starts at
				argLow = i
			} else if v < 0 && argHigh < 0 {
				argHigh = i
			}
		}
	}
	m.Sum = sum
	if argLow >= 0 { // not all are NaN
		m.extremes(none, low, steps[argLow], high, steps[argHigh])
	}
}

// ascending reports whether every step is above the one before it and no time
// below.
func ascending(steps, times []int64) bool {
	if len(steps) == 0 {
		return true
	}
	step, time := steps[0], times[0]
	times = times[1:len(steps)]
	for i, s := range steps[1:] {
		t := times[i]
		if s <= step || t < time {
			return false
		}
		step, time = s, t
	}
	return true
}

// extremes takes other extreme values into account; none tells that there are
// none yet.
func (m *Summary) extremes(none bool, low float64, lowStep int64, high float64, highStep int64) {
	if none || low < m.Min || low == m.Min && lowStep < m.MinStep {
		m.Min, m.MinStep = low, lowStep
	}
	if none || high > m.Max || high == m.Max && highStep < m.MaxStep {
		m.Max, m.MaxStep = high, highStep
	}
}

// Merge adds the summary of other points of the same series or metric.
func (m *Summary) Merge(o *Summary) {
	if o.Count == 0 {
		return
	}
	if m.Count == 0 {
		*m = *o
		return
	}
	if later(o.Latest, m.Latest) {
		m.Latest = o.Latest
	}
	if later(m.First, o.First) {
		m.First = o.First
	}
	m.MinTime, m.MaxTime = min(m.MinTime, o.MinTime), max(m.MaxTime, o.MaxTime)
	if o.Count > o.NaN {
		m.extremes(m.Count == m.NaN, o.Min, o.MinStep, o.Max, o.MaxStep)
	}
	m.Count += o.Count
	m.NaN += o.NaN
	m.PosInf += o.PosInf
	m.NegInf += o.NegInf
	m.Sum += o.Sum
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
