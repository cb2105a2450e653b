package index

import (
	"container/heap"
	"slices"
)

// Top keeps the n least of the items added to it by an order, so that a page
// of a search needs memory for the page and not for the result.
type Top[T any] struct {
	n       int
	compare func(a, b T) int
	items   []T // a heap with the greatest first
}

// NewTop returns an empty Top for n items. compare orders them totally.
func NewTop[T any](n int, compare func(a, b T) int) *Top[T] {
	return &Top[T]{n: n, compare: compare}
}

// Add offers an item.
func (t *Top[T]) Add(item T) {
	h := (*topHeap[T])(t)
	if len(t.items) < t.n {
		heap.Push(h, item)
	} else if t.n > 0 && t.compare(item, t.items[0]) < 0 {
		t.items[0] = item
		heap.Fix(h, 0)
	}
}

// Sorted returns the kept items in order. The Top must not be used after it.
func (t *Top[T]) Sorted() []T {
	slices.SortFunc(t.items, t.compare)
	return t.items
}

type topHeap[T any] Top[T]

func (h *topHeap[T]) Len() int           { return len(h.items) }
func (h *topHeap[T]) Less(i, j int) bool { return h.compare(h.items[i], h.items[j]) > 0 }
func (h *topHeap[T]) Swap(i, j int)      { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *topHeap[T]) Push(x any)         { h.items = append(h.items, x.(T)) }
func (h *topHeap[T]) Pop() any {
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	return last
}
