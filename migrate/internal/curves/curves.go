// Package curves puts the points of several series together that share their
// steps and times, as sources of an import are asked to yield them.
package curves

import (
	"slices"

	"github.com/runstonedb/runstone"
)

// window is how many points are yielded together at most.
const window = 50_000

// Sorter sorts points into series and yields those together that share their
// steps and times.
type Sorter struct {
	Yield func([]runstone.SeriesColumns, error) bool
	// Stream yields points as they come, each series by itself; otherwise they
	// are kept until Flush.
	Stream  bool
	Stopped bool // the caller has enough
	series  []runstone.SeriesColumns
	index   map[runstone.SeriesName]int
	n       int
}

// Add takes a point of a series. It returns false when the caller has enough.
func (o *Sorter) Add(n runstone.SeriesName, p runstone.Point) bool {
	i, ok := o.index[n]
	if !ok {
		if o.index == nil {
			o.index = map[runstone.SeriesName]int{}
		}
		i = len(o.series)
		o.index[n] = i
		o.series = append(o.series, runstone.SeriesColumns{SeriesName: n})
	}
	c := &o.series[i]
	c.Steps, c.Times, c.Values = append(c.Steps, p.Step), append(c.Times, p.Time), append(c.Values, p.Value)
	if o.n++; o.Stream && o.n >= window {
		return o.Flush()
	}
	return true
}

// Flush yields all points there are. It returns false when the caller has enough.
func (o *Sorter) Flush() bool {
	done := make([]bool, len(o.series))
	for i := range o.series {
		if done[i] || o.Stopped {
			continue
		}
		group := []runstone.SeriesColumns{o.series[i]}
		for j := i + 1; j < len(o.series); j++ {
			if !done[j] && slices.Equal(o.series[i].Steps, o.series[j].Steps) && slices.Equal(o.series[i].Times, o.series[j].Times) {
				done[j] = true
				group = append(group, o.series[j])
			}
		}
		o.pieces(group)
	}
	o.series, o.index, o.n = nil, nil, 0
	return !o.Stopped
}

// pieces yields a group, some rows at a time.
func (o *Sorter) pieces(group []runstone.SeriesColumns) {
	rows := max(window/len(group), 1)
	piece := make([]runstone.SeriesColumns, len(group))
	for from := 0; from < len(group[0].Steps); from += rows {
		to := min(from+rows, len(group[0].Steps))
		for i, c := range group {
			piece[i] = runstone.SeriesColumns{SeriesName: c.SeriesName}
			piece[i].Steps, piece[i].Times, piece[i].Values = c.Steps[from:to], c.Times[from:to], c.Values[from:to]
		}
		if !o.Yield(piece, nil) {
			o.Stopped = true
			return
		}
	}
}
