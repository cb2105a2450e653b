package store

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store/internal/kv"
)

// TestBytesOfRows: rows whose bodies are bytes are sealed and bounded like
// others, in memory and in the key space.
func TestBytesOfRows(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	big := bytes.Repeat([]byte("column"), kv.MaxValue/6)
	require.NoError(t, s.Update(ctx, Appended, func(tx *Tx) error {
		require.ErrorIs(t, tx.SaveBytes(rowKey(9), 1, append(big, big...)), ErrInvalid)
		require.NoError(t, tx.SaveBytes(rowKey(1), 1, nil))
		body := bytes.Clone(big[:len(big)-5])
		require.NoError(t, tx.SaveBytes(rowKey(2), 3, body))
		body[0] ^= 1
		return tx.Delete(rowKey(3))
	}))
	check := func() {
		require.NoError(t, s.View(ctx, func(tx *Tx) error {
			body, err := tx.LoadBytes(rowKey(1), 1)
			require.NoError(t, err)
			require.Empty(t, body)
			body, err = tx.LoadBytes(rowKey(2), 3)
			require.NoError(t, err)
			require.Equal(t, big[:len(big)-5], body)
			_, err = tx.LoadBytes(rowKey(2), 2)
			require.ErrorIs(t, err, ErrFuture)
			_, err = tx.LoadBytes(rowKey(3), 1)
			require.ErrorIs(t, err, ErrNotFound)
			n := 0
			for row, err := range tx.Prefix([]byte{'z'}, false) {
				require.NoError(t, err)
				body, err := row.Bytes(3)
				require.NoError(t, err)
				n += len(body)
			}
			require.Equal(t, len(big)-5, n)
			require.ErrorIs(t, tx.SaveBytes(rowKey(4), 1, nil), ErrReadOnly)
			return nil
		}))
	}
	check()
	require.NoError(t, s.Close())
	s = open(t, dir, nil)
	check()
	require.NoError(t, s.Close())
}
