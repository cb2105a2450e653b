// Package lru keeps what was used last within a number of bytes. It owns nothing
// on disk.
package lru

import "sync"

// Cache is values by key. It may be used by several goroutines, which share the
// values.
type Cache[K comparable, V any] struct {
	mu      sync.Mutex
	limit   int64
	used    int64
	entries map[K]*entry[K, V]
	ring    entry[K, V] // the newest is next, the oldest prev
}

type entry[K comparable, V any] struct {
	key        K
	value      V
	cost       int64
	next, prev *entry[K, V]
}

// New returns an empty Cache of up to limit bytes; one of none keeps nothing.
func New[K comparable, V any](limit int64) *Cache[K, V] {
	c := &Cache[K, V]{limit: limit}
	c.Clear()
	return c
}

// Clear forgets everything.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.used = map[K]*entry[K, V]{}, 0
	c.ring.next, c.ring.prev = &c.ring, &c.ring
}

func (e *entry[K, V]) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (c *Cache[K, V]) push(e *entry[K, V]) {
	e.next, e.prev = c.ring.next, &c.ring
	e.next.prev, e.prev.next = e, e
}

// Get returns the value of a key; ok is false when there is none.
func (c *Cache[K, V]) Get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[k]
	if e == nil {
		return v, false
	}
	e.unlink()
	c.push(e)
	return e.value, true
}

// Put keeps v, which takes cost bytes, in place of what the key had, unless cost
// is more than a quarter of all.
func (c *Cache[K, V]) Put(k K, v V, cost int64) {
	const own = 160 // an entry and its place in the map
	cost += own
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[k]; old != nil {
		c.drop(old)
	}
	if cost > c.limit/4 {
		return
	}
	e := &entry[K, V]{key: k, value: v, cost: cost}
	c.entries[k] = e
	c.push(e)
	for c.used += cost; c.used > c.limit; {
		c.drop(c.ring.prev)
	}
}

func (c *Cache[K, V]) drop(e *entry[K, V]) {
	e.unlink()
	delete(c.entries, e.key)
	c.used -= e.cost
}
