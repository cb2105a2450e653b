package tuple

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrder(t *testing.T) {
	keys := [][]byte{
		Uint32(Key('a'), 0), Uint32(Key('a'), 255), Uint32(Key('a'), 256), Uint16(Uint32(Key('a'), 256), 1),
		Uint16(Uint32(Key('a'), 256), 256), Uint32(Key('a'), 1<<31), Uint32(Key('b'), 0),
	}
	for i := 1; i < len(keys); i++ {
		require.Negative(t, bytes.Compare(keys[i-1], keys[i]), "%x before %x", keys[i-1], keys[i])
	}
	require.Len(t, Text(Key('a'), "any text / with .. anything"), 1+HashSize)
	require.NotEqual(t, Text(nil, "a"), Text(nil, "b"))
}

func TestEnd(t *testing.T) {
	for prefix, end := range map[string][]byte{
		"": nil, "\xff\xff": nil, "a": []byte("b"), "a\xff": []byte("b"), "a\xff\x01": []byte("a\xff\x02"),
	} {
		require.Equal(t, end, End([]byte(prefix)), "%x", prefix)
	}
}
