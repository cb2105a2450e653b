package index

import "sync"

// cacheKey names a decoded column. Where a state is given it holds for that one
// only: the column in the head of the segment whose number is that of the ref,
// or, with 0 for that, all heads of a name.
type cacheKey struct {
	name
	ref
	state uint32
}

// cache keeps what was used last, within a number of bytes. It may be used by
// several goroutines.
type cache struct {
	mu      sync.Mutex
	limit   int64
	used    int64
	entries map[cacheKey]*entry
	ring    entry // the newest is next, the oldest prev
}

type entry struct {
	key        cacheKey
	value      any
	cost       int64
	next, prev *entry
}

func newCache(limit int64) *cache {
	c := &cache{limit: limit}
	c.clear()
	return c
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.used = map[cacheKey]*entry{}, 0
	c.ring.next, c.ring.prev = &c.ring, &c.ring
}

func (e *entry) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (c *cache) push(e *entry) {
	e.next, e.prev = c.ring.next, &c.ring
	e.next.prev, e.prev.next = e, e
}

func (c *cache) get(k cacheKey) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[k]
	if e == nil {
		return nil
	}
	e.unlink()
	c.push(e)
	return e.value
}

// put keeps v, which takes cost bytes, unless that is more than a quarter of all.
func (c *cache) put(k cacheKey, v any, cost int64) {
	const own = 160 // an entry and its place in the map
	if cost += own; cost > c.limit/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[k] != nil {
		return // another read it at the same time
	}
	e := &entry{key: k, value: v, cost: cost}
	c.entries[k] = e
	c.push(e)
	for c.used += cost; c.used > c.limit; {
		old := c.ring.prev
		old.unlink()
		delete(c.entries, old.key)
		c.used -= old.cost
	}
}

// cost is what the column takes in memory, with what [Column.Numbers] may add.
func (c *Column) cost() int64 {
	n := 96 + 8*len(c.Has) + 8*len(c.Floats) + 8*len(c.Ints) + 4*len(c.Codes) + 4*len(c.Starts)
	for _, s := range c.Dict {
		n += 24 + len(s)
	}
	return int64(n)
}
