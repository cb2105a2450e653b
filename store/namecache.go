package store

import "sync"

// nameCache holds committed dictionary entries; names never change. It is
// emptied when it is full, so its memory is bounded.
type nameCache struct {
	mu    sync.RWMutex
	ords  map[nameID]uint32
	texts map[ordID]string
}

type nameID struct {
	kind Kind
	text string
}

type ordID struct {
	kind Kind
	ord  uint32
}

const (
	maxCachedNames = 1 << 16
	maxCachedText  = 512 // longer names are read from their rows
)

func (c *nameCache) ord(k Kind, text string) (uint32, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	ord, ok := c.ords[nameID{k, text}]
	return ord, ok
}

func (c *nameCache) text(k Kind, ord uint32) (string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	text, ok := c.texts[ordID{k, ord}]
	return text, ok
}

func (c *nameCache) add(k Kind, ord uint32, text string) {
	if len(text) > maxCachedText {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ords == nil || len(c.ords) >= maxCachedNames {
		c.ords, c.texts = map[nameID]uint32{}, map[ordID]string{}
	}
	c.ords[nameID{k, text}] = ord
	c.texts[ordID{k, ord}] = text
}
