package store

import (
	"fmt"
	"math"
	"slices"

	"github.com/runstonedb/runstone/store/internal/block"
)

// errSummary is about a block whose points are sound and whose summary, which
// decides questions in their place, is of others.
var errSummary = fmt.Errorf("its summary does not agree with its points: %w", ErrCorrupt)

// checkSummary compares what a column's block says of itself with what it holds.
func checkSummary(c *columns, column int, body []byte) error {
	if column == 0 {
		return checkClock(c.steps, c.times, body)
	}
	return checkValues(c.values[column-1], body)
}

func checkClock(steps, times []int64, body []byte) error {
	z, err := block.ReadClockZone(body)
	if err != nil {
		return err
	}
	spans, err := block.ReadClockPyramid(nil, body)
	if err != nil {
		return err
	}
	last := len(steps) - 1
	agree := boundsOf(steps, times) == bounds{z.MinStep, z.MaxStep, z.MinTime, z.MaxTime} &&
		z.StepsAscend == slices.IsSorted(steps) && z.TimesAscend == slices.IsSorted(times) &&
		z.FirstStep == steps[0] && z.LastStep == steps[last] && z.FirstTime == times[0] && z.LastTime == times[last]
	for i, p := range spans {
		from, to := i*block.PyramidSpan, min((i+1)*block.PyramidSpan, len(steps))-1
		agree = agree && p == block.ClockSpan{FirstStep: steps[from], LastStep: steps[to], FirstTime: times[from], LastTime: times[to]}
	}
	if !agree {
		return errSummary
	}
	return nil
}

func checkValues(values []float64, body []byte) error {
	z, err := block.ReadZone(body)
	if err != nil {
		return err
	}
	spans, err := block.ReadPyramid(nil, body)
	if err != nil {
		return err
	}
	want := block.ZoneOf(values)
	agree := z.Count == want.Count && z.NaN == want.NaN && z.PosInf == want.PosInf && z.NegInf == want.NegInf &&
		z.ArgMin == want.ArgMin && z.ArgMax == want.ArgMax && sameSpan(z.Span(), want.Span()) &&
		math.Float64bits(z.Sum) == math.Float64bits(want.Sum)
	for i, p := range spans {
		of := block.ZoneOf(values[i*block.PyramidSpan : min((i+1)*block.PyramidSpan, len(values))])
		agree = agree && sameSpan(p, of.Span())
	}
	if !agree {
		return errSummary
	}
	return nil
}

// sameSpan compares bit for bit: NaN equals itself, and 0 not -0.
func sameSpan(a, b block.Span) bool {
	same := a.NaN == b.NaN
	for _, pair := range [][2]float64{{a.First, b.First}, {a.Last, b.Last}, {a.Min, b.Min}, {a.Max, b.Max}} {
		same = same && math.Float64bits(pair[0]) == math.Float64bits(pair[1])
	}
	return same
}
