package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// panel is one plot of several beside each other, of times in ms by something
// that grows, both on logarithmic axes.
type panel struct {
	title  string
	curves []curve
}

// curve is one line of a panel; x and y are above 0 and of one length.
type curve struct {
	name string
	x, y []float64
}

// writePlot draws the results of a table into a file beside out. There is no
// file when there is nothing to draw.
func writePlot(out string, t table, lines []line) error {
	text := drawPanels(t.plot(lines))
	if text == nil {
		return nil
	}
	return os.WriteFile(strings.TrimSuffix(out, filepath.Ext(out))+"-"+t.name+".svg", text, 0o644)
}

// Sizes in the units of the drawing: a panel, and where its axes are in it.
const (
	panelWidth, panelHeight = 400.0, 320.0
	plotLeft, plotRight     = 65.0, 385.0
	plotTop, plotBottom     = 20.0, 265.0
)

// plotStyle has colours that are apart in both schemes, and for those who do
// not see them apart lines that are drawn differently.
const plotStyle = `
text { font: 12px system-ui, sans-serif; fill: #333; }
.paper { fill: #fff; } .grid { stroke: #ddd; } .axis { stroke: #666; }
.line { fill: none; stroke-width: 2; }
.c0 { stroke: #b45309; } .c1 { stroke: #0e7490; stroke-dasharray: 6 4; } .c2 { stroke: #1d4ed8; }
.d0 { fill: #b45309; } .d1 { fill: #0e7490; } .d2 { fill: #1d4ed8; }
@media (prefers-color-scheme: dark) {
text { fill: #ddd; }
.paper { fill: #111827; } .grid { stroke: #374151; } .axis { stroke: #9ca3af; }
.c0 { stroke: #fbbf24; } .c1 { stroke: #67e8f9; } .c2 { stroke: #93c5fd; }
.d0 { fill: #fbbf24; } .d1 { fill: #67e8f9; } .d2 { fill: #93c5fd; }
}
`

// drawPanels returns an SVG of the panels that have points, nil when none has.
// All have the same vertical axis.
func drawPanels(panels []panel) []byte {
	panels = slices.DeleteFunc(slices.Clone(panels), func(p panel) bool { return len(p.xs()) == 0 })
	if len(panels) == 0 {
		return nil
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range panels {
		for _, c := range p.curves {
			for _, y := range c.y {
				low, high = min(low, y), max(high, y)
			}
		}
	}
	low, high = math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	high = max(high, low+1)

	var b bytes.Buffer
	width, height := panelWidth*float64(len(panels)), panelHeight+30
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="time of a search">`+"\n<style>%s</style>\n", width, height, plotStyle)
	fmt.Fprintf(&b, `<rect class="paper" width="%g" height="%g"/>`+"\n", width, height)
	for i, p := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%g 0)">`+"\n", panelWidth*float64(i))
		p.draw(&b, low, high)
		b.WriteString("</g>\n")
	}
	x := plotLeft
	for i, c := range panels[0].curves {
		fmt.Fprintf(&b, `<path class="line c%d" d="M%g %g h24"/><text x="%g" y="%g">%s</text>`+"\n", i, x, panelHeight+8, x+30, panelHeight+12, html.EscapeString(c.name))
		x += 60 + 7*float64(len(c.name))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// xs returns where the points of a panel are, each once.
func (p *panel) xs() (xs []float64) {
	for _, c := range p.curves {
		xs = append(xs, c.x...)
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}

// draw draws the panel; low and high are the powers of ten of its vertical axis.
func (p *panel) draw(b *bytes.Buffer, low, high float64) {
	xs := p.xs()
	first, last := math.Log10(xs[0]), math.Log10(xs[len(xs)-1])
	if first == last {
		first, last = first-1, last+1
	}
	atX := func(x float64) float64 {
		return plotLeft + (math.Log10(x)-first)/(last-first)*(plotRight-plotLeft)
	}
	atY := func(y float64) float64 {
		return plotBottom - (math.Log10(y)-low)/(high-low)*(plotBottom-plotTop)
	}
	for power := low; power <= high; power++ {
		y := atY(math.Pow(10, power))
		fmt.Fprintf(b, `<path class="grid" d="M%g %.1f H%g"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, y, plotRight, plotLeft-6, y+4, powerOfMS(power))
	}
	for _, x := range xs {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %g V%g"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`+"\n",
			atX(x), plotTop, plotBottom, atX(x), plotBottom+18, tick(x))
	}
	fmt.Fprintf(b, `<path class="axis" fill="none" d="M%g %g V%g H%g"/>`+"\n", plotLeft, plotTop, plotBottom, plotRight)
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`+"\n", (plotLeft+plotRight)/2, plotBottom+40, html.EscapeString(p.title))
	for i, c := range p.curves {
		if len(c.x) == 0 {
			continue
		}
		fmt.Fprintf(b, `<path class="line c%d" d="`, i)
		for k := range c.x {
			fmt.Fprintf(b, "%c%.1f %.1f", "ML"[min(k, 1)], atX(c.x[k]), atY(c.y[k]))
		}
		b.WriteString(`"/>` + "\n")
		for k := range c.x {
			fmt.Fprintf(b, `<circle class="d%d" cx="%.1f" cy="%.1f" r="3"/>`, i, atX(c.x[k]), atY(c.y[k]))
		}
		b.WriteString("\n")
	}
}

// powerOfMS writes a power of ten of milliseconds.
func powerOfMS(power float64) string {
	if power >= 3 {
		return fmt.Sprintf("%g s", math.Pow(10, power-3))
	}
	return fmt.Sprintf("%g ms", math.Pow(10, power))
}

// tick writes a number at an axis: round thousands short.
func tick(x float64) string {
	if x == math.Trunc(x) {
		return count(int(x))
	}
	return fmt.Sprintf("%g", x)
}
