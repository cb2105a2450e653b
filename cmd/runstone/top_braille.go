package main

import (
	"math"
	"strings"
)

// brailleChart draws a curve in braille dots, two across and four down in each
// cell, with numbers at the left and what the x axis covers in the last line. It
// is at most height lines; where there is nothing to draw it says so.
func brailleChart(c *curve, fl *plotFlags, width, height int) []string {
	c.drop(fl)
	c.ghost = nil
	if len(c.Points) == 0 {
		if fl.log {
			return []string{"  no positive values; l leaves the log axis"}
		}
		return []string{"  nothing to draw: no points, or only NaN and infinite values"}
	}
	from, to, lo, hi := extent([]*curve{c})
	if math.IsInf(4*(hi-lo), 0) {
		return []string{"  the values are too far apart to be drawn"}
	}
	lines := max(3, height-1)
	y := newAxis(lo, hi, lines)
	d := newDots(width, lines)
	last := -1
	var lastY int
	for _, p := range c.Points {
		at := 0
		if to > from {
			at = int(math.Round((p.x - from) / (to - from) * float64(2*width-1)))
		}
		row := 2 * lines
		if !y.flat {
			row = int(math.Round((float64(lines-1)-(float64(p.Value)-y.low)/y.step)*4 + 1.5))
		}
		at, row = min(max(at, 0), 2*width-1), min(max(row, 0), 4*lines-1)
		if last < 0 {
			d.set(at, row)
		} else {
			d.line(last, lastY, at, row)
		}
		last, lastY = at, row
	}
	const gap = plotMargin - 3
	var out []string
	for i := range lines {
		label := ""
		switch {
		case !y.flat:
			label = y.label(y.low+float64(lines-1-i)*y.step, fl.log)
		case i == lines/2:
			label = y.label(lo, fl.log)
		}
		out = append(out, pad(label, gap, true)+" ┤"+d.row(i))
	}
	return append(out, strings.Repeat(" ", gap+2)+fl.x.span(from, to))
}

// dots is a drawing of braille characters.
type dots struct {
	width, lines int // in characters
	cells        []byte
}

func newDots(width, lines int) *dots {
	return &dots{width, lines, make([]byte, width*lines)}
}

// set sets the dot at x from the left and y from the top.
func (d *dots) set(x, y int) {
	// The bits of a character, by column and row; the lowest row came last into
	// the code.
	bits := [2][4]byte{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}
	d.cells[y/4*d.width+x/2] |= bits[x%2][y%4]
}

// line sets the dots between two, both included.
func (d *dots) line(x0, y0, x1, y1 int) {
	n := max(abs(x1-x0), abs(y1-y0), 1)
	for i := range n + 1 {
		t := float64(i) / float64(n)
		d.set(x0+int(math.Round(t*float64(x1-x0))), y0+int(math.Round(t*float64(y1-y0))))
	}
}

func abs(n int) int { return max(n, -n) }

// row returns a line of the drawing, without what is empty at its end.
func (d *dots) row(i int) string {
	var b strings.Builder
	for _, c := range d.cells[i*d.width : (i+1)*d.width] {
		if c == 0 {
			b.WriteByte(' ')
		} else {
			b.WriteRune(0x2800 + rune(c))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
