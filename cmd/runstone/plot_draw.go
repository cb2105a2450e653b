package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/guptarohit/asciigraph"
	"github.com/runstonedb/runstone"
)

// outline is the extreme points of each bucket, and the ends of the curve.
func outline(found []runstone.Bucket) []vertex {
	if len(found) == 0 {
		return nil
	}
	out := []vertex{vertexOf(&found[0].First)}
	for i := range found {
		out = append(out, corners(&found[i])...)
	}
	out = append(out, vertexOf(&found[len(found)-1].Last))
	return slices.CompactFunc(out, func(p, q vertex) bool {
		return p.Step == q.Step && math.Float64bits(float64(p.Value)) == math.Float64bits(float64(q.Value))
	})
}

// corners are the extreme values of a bucket at its ends, in the order in which
// its curve goes on the whole: a bucket is two columns of the drawing.
func corners(b *runstone.Bucket) []vertex {
	from, to := vertexOf(&b.First), vertexOf(&b.Last)
	from.Value, to.Value = number(b.Min), number(b.Max)
	switch {
	case b.Count == b.NaN:
		return nil
	case b.Min == b.Max:
		return []vertex{from}
	case b.First.Value > b.Last.Value:
		from.Value, to.Value = to.Value, from.Value
	}
	return []vertex{from, to}
}

func vertexOf(p *runstone.Point) vertex {
	return vertex{Step: p.Step, Value: number(p.Value), time: p.Time}
}

// plot draws curves that clean has left something of.
func (a *app) plot(curves []*curve, fl *plotFlags, width, height int) error {
	colored := a.colors()
	if !colored {
		for _, c := range curves {
			c.ghost = nil // nothing would tell it from the curve
		}
	}
	from, to, lo, hi := extent(curves)
	if math.IsInf(4*(hi-lo), 0) {
		return refusedf("choose other steps, or --log", "the values are too far apart to be drawn")
	}
	y := newAxis(lo, hi, height-1) // the last line is the legend
	var data [][]float64
	var shades []asciigraph.AnsiColor
	for _, c := range curves {
		if c.ghost != nil {
			data, shades = append(data, columns(c.ghost, from, to, width)), append(shades, asciigraph.DimGray)
		}
	}
	names := make([]string, len(curves))
	for i, c := range curves {
		if y.flat {
			for k := range c.Points {
				c.Points[k].Value = number(lo)
			}
		}
		data, names[i] = append(data, columns(c.Points, from, to, width)), oneCell(c.name)
	}
	opts := y.options(fl.log)
	colors := seriesColors(len(curves))
	if colored {
		opts = append(opts, asciigraph.SeriesColors(append(shades, colors...)...))
	} else if len(curves) > 1 {
		opts = append(opts, asciigraph.SeriesChars(seriesChars(len(curves))...))
	}
	fmt.Fprintln(a.stdout, asciigraph.PlotMany(data, opts...))
	fmt.Fprint(a.stdout, fl.x.span(from, to))
	for i, n := range names {
		switch {
		case colored:
			n = colors[i].String() + "■ " + n + asciigraph.Default.String()
		case len(names) > 1:
			n = seriesMarks[i%len(seriesMarks)] + " " + n
		}
		fmt.Fprint(a.stdout, "  ", n)
	}
	_, err := fmt.Fprintln(a.stdout)
	return err
}

// extent is what the axes cover.
func extent(curves []*curve) (from, to, lo, hi float64) {
	from, to, lo, hi = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		for _, points := range [][]vertex{c.Points, c.ghost} {
			for _, p := range points {
				from, to = min(from, p.x), max(to, p.x)
				lo, hi = min(lo, float64(p.Value)), max(hi, float64(p.Value))
			}
		}
	}
	return from, to, lo, hi
}

// newCurve returns what is drawn of some buckets: their outline, or with --smooth
// the moving average of their last values, and the outline behind it.
func newCurve(run, metric string, start int64, found []runstone.Bucket, fl *plotFlags) *curve {
	c := &curve{Run: run, Metric: metric, Points: append([]vertex{}, outline(found)...), name: metric, start: start}
	for i := range found {
		c.nan += found[i].NaN
	}
	if fl.smooth > 0 {
		c.ghost, c.Points = c.Points, smoothed(found, fl.smooth)
	}
	for _, points := range [][]vertex{c.Points, c.ghost} {
		for i := range points {
			fl.x.place(&points[i], start)
		}
	}
	return c
}

// smoothed is the moving average of the last values with exponential weights, as
// the web UI draws it. NaN and infinities stay and count for nothing.
func smoothed(found []runstone.Bucket, weight float64) []vertex {
	out := make([]vertex, len(found))
	mean, mass := 0.0, 0.0
	for i := range found {
		out[i] = vertexOf(&found[i].Last)
		if v := found[i].Last.Value; fits(v, false) {
			mean, mass = weight*mean+(1-weight)*v, weight*mass+(1-weight)
			out[i].Value = number(mean / mass)
		}
	}
	return out
}

// drop takes out what the axes cannot show, takes logarithms if asked to, and
// returns how many were taken out.
func (c *curve) drop(fl *plotFlags) int {
	n := len(c.Points)
	for _, points := range []*[]vertex{&c.Points, &c.ghost} {
		*points = slices.DeleteFunc(*points, func(p vertex) bool {
			return !fits(float64(p.Value), fl.log) || math.IsNaN(p.x)
		})
		for i := range *points {
			if fl.log {
				(*points)[i].Value = number(math.Log10(float64((*points)[i].Value)))
			}
		}
	}
	return n - len(c.Points)
}

// columns spreads the points over the columns of the drawing, with straight
// lines between them and NaN outside.
func columns(points []vertex, from, to float64, width int) []float64 {
	out := make([]float64, width)
	for i := range out {
		out[i] = math.NaN()
	}
	last := -1
	for _, p := range points {
		at := 0
		if to > from {
			at = int(math.Round((p.x - from) / (to - from) * float64(width-1)))
		}
		at = min(max(at, last, 0), width-1)
		v := float64(p.Value)
		switch {
		case last < 0:
		case at == last:
			// Of two points in one column the one further from the column
			// before is the spike.
			if last > 0 && !math.IsNaN(out[last-1]) && math.Abs(v-out[last-1]) < math.Abs(out[last]-out[last-1]) {
				continue
			}
		default:
			for k := last + 1; k < at; k++ {
				out[k] = out[last] + (v-out[last])*float64(k-last)/float64(at-last)
			}
		}
		out[at], last = v, at
	}
	if last == 0 && width > 1 {
		out[1] = out[0] // a lone point needs two columns to be seen
	}
	return out
}

var seriesMarks = []string{"*", "+", "o", "x", "#", "%", "@", "="}

func seriesChars(n int) []asciigraph.CharSet {
	sets := make([]asciigraph.CharSet, n)
	for i := range sets {
		sets[i] = asciigraph.CreateCharSet(seriesMarks[i%len(seriesMarks)])
	}
	return sets
}

func seriesColors(n int) []asciigraph.AnsiColor {
	palette := []asciigraph.AnsiColor{asciigraph.Blue, asciigraph.Red, asciigraph.Green, asciigraph.Yellow, asciigraph.Magenta, asciigraph.Cyan}
	out := make([]asciigraph.AnsiColor, n)
	for i := range out {
		out[i] = palette[i%len(palette)]
	}
	return out
}
