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

func least[T cmp.Ordered](a *T, b T) { *a = min(*a, b) }
