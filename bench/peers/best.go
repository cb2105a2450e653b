package main

import (
	"cmp"
	"slices"

	"github.com/runstonedb/runstone/bench/load"
)

// best returns the best figures of two measurements of one contender; other may
// be nil.
func (o *outcome) best(other *outcome) *outcome {
	if other == nil {
		return o
	}
	switch {
	case o.Load != nil && other.Load != nil:
		return &outcome{Load: leastLoad(*o.Load, other.Load)}
	case o.Writers != nil && other.Writers != nil:
		if other.Writers.Rate() > o.Writers.Rate() {
			return other
		}
	case o.Crash != nil && other.Crash != nil:
		c := *o.Crash
		c.Open = slices.Sorted(slices.Values(slices.Concat(c.Open, other.Crash.Open)))
		return &outcome{Crash: &c}
	case o.Search != nil && other.Search != nil:
		return &outcome{Search: leastSearch(*o.Search, other.Search)}
	case o.Ever != nil && other.Ever != nil:
		return &outcome{Ever: leastEver(*o.Ever, other.Ever)}
	case o.Served != nil && other.Served != nil:
		return &outcome{Served: bestServed(*o.Served, other.Served)}
	case o.Beside != nil && other.Beside != nil:
		return &outcome{Beside: mostBeside(*o.Beside, other.Beside)}
	}
	return o
}

// leastLoad is the least of each figure. Figures that are parts of one another
// come from one measurement: append and close, their CPU times, peak and base.
func leastLoad(a load.Result, b *load.Result) *load.Result {
	if b.Wall() < a.Wall() {
		a.Append, a.Close = b.Append, b.Close
	}
	if b.CPU() < a.CPU() {
		a.AppendCPU, a.CloseCPU = b.AppendCPU, b.CloseCPU
	}
	if b.Peak-b.Base < a.Peak-a.Base {
		a.Peak, a.Base = b.Peak, b.Base
	}
	if b.Bytes < a.Bytes {
		a.Bytes, a.Tables, a.Allocated = b.Bytes, b.Tables, b.Allocated
	}
	least(&a.Reopen, b.Reopen)
	least(&a.Read, b.Read)
	least(&a.Downsample, b.Downsample)
	least(&a.Client, b.Client)
	return &a
}

// leastSearch is the least of each figure of the same questions.
func leastSearch(a searched, b *searched) *searched {
	least(&a.Open, b.Open)
	a.Answers = slices.Clone(a.Answers)
	for i := range a.Answers {
		x, y := &a.Answers[i], &b.Answers[i]
		least(&x.Cold, y.Cold)
		least(&x.Empty, y.Empty)
		least(&x.Warm, y.Warm)
		least(&x.Median, y.Median)
		least(&x.SQLite, y.SQLite)
		least(&x.SQLiteMedian, y.SQLiteMedian)
		least(&x.SQLiteCached, y.SQLiteCached)
		x.WarmTimes += y.WarmTimes
		x.SQLiteTimes += y.SQLiteTimes
	}
	return &a
}

// leastEver is the least of each time of the same questions.
func leastEver(a curvesAsked, b *curvesAsked) *curvesAsked {
	a.Answers = slices.Clone(a.Answers)
	for i := range a.Answers {
		least(&a.Answers[i].Cold, b.Answers[i].Cold)
		least(&a.Answers[i].Warm, b.Answers[i].Warm)
		least(&a.Answers[i].Median, b.Answers[i].Median)
	}
	return &a
}

// mostBeside takes each part from the measurement in which it did most.
func mostBeside(a beside, b *beside) *beside {
	if b.Writing.PointRate() > a.Writing.PointRate() {
		a.Writing = b.Writing
	}
	if b.Searching.SearchRate() > a.Searching.SearchRate() {
		a.Searching = b.Searching
	}
	if b.Together.SearchRate() > a.Together.SearchRate() {
		a.Together = b.Together
	}
	return &a
}

func least[T cmp.Ordered](a *T, b T) { *a = min(*a, b) }
