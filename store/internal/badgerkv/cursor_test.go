package badgerkv

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/runstonedb/runstone/store/internal/kv"
)

// rowKey is a row of one of two tables: of an ordinal, or of something of it.
func rowKey(table byte, ord uint32, sub int) []byte {
	key := binary.BigEndian.AppendUint32([]byte{table}, ord)
	if sub > 0 {
		key = binary.BigEndian.AppendUint32(key, uint32(sub))
	}
	return key
}

// TestCursors makes scans and gets of one snapshot, some inside others, and holds
// them to what was written.
func TestCursors(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{memTable: 16 << 10})
	defer func() { require.NoError(t, d.Close()) }()
	want := map[string]string{}
	for round := range 160 {
		require.NoError(t, d.Update(func(w kv.Writer) error {
			for i := range 15 {
				ord := uint32(i*7+round*13) % 150
				key := rowKey('a'+byte(i%2), ord, (i+round)%4)
				if (i+round)%5 == 0 {
					delete(want, string(key))
					if err := w.Delete(key); err != nil {
						return err
					}
					continue
				}
				value := fmt.Sprintf("%d of %d", i, round)
				want[string(key)] = value
				if err := w.Set(key, []byte(value)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	var keys []string
	for key := range want {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	rapid.Check(t, func(rt *rapid.T) {
		require.NoError(rt, d.View(func(r kv.Reader) error {
			ord := uint32(0)
			table := byte('a')
			var step func(depth int)
			step = func(depth int) {
				if rapid.IntRange(0, 9).Draw(rt, "jump") == 0 {
					ord = rapid.Uint32Range(0, 160).Draw(rt, "ord")
					table = byte(rapid.IntRange('a', 'b').Draw(rt, "table"))
				}
				ord += rapid.Uint32Range(0, 3).Draw(rt, "on")
				if rapid.Bool().Draw(rt, "get") {
					key := rowKey(table, ord, 0)
					value, err := r.Get(key)
					if s, ok := want[string(key)]; ok {
						require.NoError(rt, err)
						require.Equal(rt, s, string(value))
					} else {
						require.ErrorIs(rt, err, kv.ErrNotFound, "%x", key)
					}
					return
				}
				lo, hi := rowKey(table, ord, 0), rowKey(table, ord+rapid.Uint32Range(0, 5).Draw(rt, "width"), 0)
				most := rapid.IntRange(1, 40).Draw(rt, "most")
				var there, got []string
				for _, key := range keys {
					if key >= string(lo) && key < string(hi) && len(there) < most {
						there = append(there, key)
					}
				}
				require.NoError(rt, r.Scan(lo, hi, false, func(key, value []byte) bool {
					got = append(got, string(key))
					if depth < 2 && len(got) == 2 {
						step(depth + 1)
					}
					require.Equal(rt, want[got[len(got)-1]], string(value))
					require.Equal(rt, got[len(got)-1], string(key))
					return len(got) < most
				}))
				require.Equal(rt, there, got)
			}
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				step(0)
			}
			return nil
		}))
	})
}
