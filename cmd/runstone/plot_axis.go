package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/guptarohit/asciigraph"
)

// axis is the y axis of a plot: its lowest line and what lies between lines.
type axis struct {
	low, step float64
	lines     int
	flat      bool // all values are the same, or too close to tell apart
}

// newAxis returns an axis of 3 lines or more from lo or less to hi or more. The
// numbers at its lines have few digits.
func newAxis(lo, hi float64, lines int) axis {
	apart := hi - lo
	size := max(math.Abs(lo), math.Abs(hi))
	if apart <= size*1e-11 || apart < 1e-290 {
		return axis{lines: lines, flat: true}
	}
	unit := math.Pow(10, math.Floor(math.Log10(apart/float64(lines-1))))
	for ; ; unit *= 10 {
		for _, m := range []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8} {
			step := m * unit
			first := math.Floor(lo/step + 1e-9)
			if need := math.Ceil(hi/step-1e-9) - first; need <= float64(lines-1) {
				return axis{low: first * step, step: step, lines: lines}
			}
		}
	}
}

// options draw the axis; where log is set its values are logarithms.
func (y axis) options(log bool) []asciigraph.Option {
	opts := []asciigraph.Option{asciigraph.YAxisValueFormatter(func(v float64) string { return y.label(v, log) })}
	if y.flat {
		return append(opts, asciigraph.Height(y.lines-1))
	}
	return append(opts, asciigraph.Height(y.lines-1), asciigraph.LowerBound(y.low), asciigraph.UpperBound(y.low+float64(y.lines-1)*y.step))
}

// label prints the number at a line without what arithmetic added to it.
func (y axis) label(v float64, log bool) string {
	if log {
		return strconv.FormatFloat(math.Pow(10, v), 'g', 3, 64)
	}
	if y.flat {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	v = math.Round(v/y.step*10) / 10 * y.step
	digits := 2
	if v != 0 {
		digits += max(0, int(math.Floor(math.Log10(math.Abs(v)))-math.Floor(math.Log10(y.step))))
	}
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', min(digits, 15), 64), 64)
	if v == 0 {
		v = 0 // not minus zero
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// What an x axis shows.
const (
	xStep     = "step"
	xTime     = "time"
	xRelative = "relative"
)

// plotX is an x axis.
type plotX struct {
	of  string
	log bool
}

// place finds out where a point of a run that began at start is drawn: NaN for one
// that the axis cannot show.
func (x plotX) place(p *vertex, start int64) {
	// float64 keeps the difference of any two int64 from overflowing.
	switch x.of {
	case xTime:
		p.x = float64(p.time)
	case xRelative:
		p.x = float64(p.time) - float64(start)
	default:
		p.x = float64(p.Step)
	}
	if x.log {
		if p.x <= 0 {
			p.x = math.NaN()
		}
		p.x = math.Log10(p.x)
	}
}

// span says what the axis covers.
func (x plotX) span(from, to float64) string {
	if x.log {
		from, to = math.Round(math.Pow(10, from)), math.Round(math.Pow(10, to))
	}
	switch x.of {
	case xTime:
		return moment(int64(from)) + " to " + moment(int64(to))
	case xRelative:
		return "elapsed " + span(max(0, time.Duration(from)*time.Millisecond)) + " to " + span(max(0, time.Duration(to)*time.Millisecond))
	}
	return fmt.Sprintf("steps %.0f to %.0f", from, to)
}
