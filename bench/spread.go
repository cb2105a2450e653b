package bench

import "container/heap"

// spread keeps the sum of the distances of values to their median while values
// are added. The zero value has none.
type spread struct {
	low, high       halfHeap // low is negated: its greatest value is on top
	sumLow, sumHigh float64
}

// halfHeap implements [heap.Interface], the least value on top.
type halfHeap []float64

func (h halfHeap) Len() int           { return len(h) }
func (h halfHeap) Less(i, k int) bool { return h[i] < h[k] }
func (h halfHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *halfHeap) Push(v any)        { *h = append(*h, v.(float64)) }
func (h *halfHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// add takes O(log n).
func (s *spread) add(v float64) {
	if len(s.low) == 0 || v <= -s.low[0] {
		heap.Push(&s.low, -v)
		s.sumLow += v
	} else {
		heap.Push(&s.high, v)
		s.sumHigh += v
	}
	switch {
	case len(s.low) > len(s.high)+1:
		v := -heap.Pop(&s.low).(float64)
		heap.Push(&s.high, v)
		s.sumLow, s.sumHigh = s.sumLow-v, s.sumHigh+v
	case len(s.high) > len(s.low):
		v := heap.Pop(&s.high).(float64)
		heap.Push(&s.low, -v)
		s.sumLow, s.sumHigh = s.sumLow+v, s.sumHigh-v
	}
}

// distance is the sum; any value between the two in the middle gives the same.
func (s *spread) distance() float64 {
	if len(s.low) == 0 {
		return 0
	}
	median := -s.low[0]
	return s.sumHigh - median*float64(len(s.high)) + median*float64(len(s.low)) - s.sumLow
}
