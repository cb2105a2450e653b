package lru

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestCache holds a cache against a list in order of use.
func TestCache(t *testing.T) {
	type kept struct{ key, value, cost int }
	rapid.Check(t, func(t *rapid.T) {
		const limit = 4000
		c := New[int, int](limit)
		var model []kept // the oldest first
		take := func(key int) (kept, bool) {
			for i, k := range model {
				if k.key == key {
					model = append(model[:i:i], model[i+1:]...)
					return k, true
				}
			}
			return kept{}, false
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			key := rapid.IntRange(0, 12).Draw(t, "key")
			switch rapid.IntRange(0, 20).Draw(t, "what") {
			case 0:
				c.Clear()
				model = nil
			case 1, 2, 3, 4, 5, 6, 7, 8:
				k := kept{key, rapid.Int().Draw(t, "value"), rapid.IntRange(0, limit/3).Draw(t, "cost")}
				take(key)
				c.Put(key, k.value, int64(k.cost))
				if k.cost += 160; k.cost <= limit/4 {
					model = append(model, k)
				}
			default:
				v, ok := c.Get(key)
				k, there := take(key)
				require.Equal(t, there, ok)
				if there {
					require.Equal(t, k.value, v)
					model = append(model, k)
				}
			}
			used := 0
			for _, k := range model {
				used += k.cost
			}
			for ; used > limit; model = model[1:] {
				used -= model[0].cost
			}
			require.EqualValues(t, used, c.used)
			require.Len(t, c.entries, len(model))
		}
	})
}

func TestCacheOfNothing(t *testing.T) {
	c := New[string, int](0)
	c.Put("a", 1, 0)
	_, ok := c.Get("a")
	require.False(t, ok)
}
