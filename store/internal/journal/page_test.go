package journal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
)

func TestReadPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w := write(t, path, 25)
	p, err := ReadPage(path)
	require.NoError(t, err)
	require.NoError(t, p.HeaderErr)
	require.Equal(t, w.Header, p.Header)
	require.Equal(t, [2]bool{true, true}, p.Valid)
	newest := p.Slots[p.Newest()]
	require.Equal(t, w.End(), newest.Written)
	require.Greater(t, newest.Counter(), p.Slots[1-p.Newest()].Counter())
	require.NoError(t, w.Close())

	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		valid  [2]bool
		newest int
		header bool
	}{
		{"slot A", func(b []byte) []byte { b[slotA+3] ^= 1; return b }, [2]bool{false, true}, 1, true},
		{"slot B", func(b []byte) []byte { b[slotB+3] ^= 1; return b }, [2]bool{true, false}, 0, true},
		{"both", func(b []byte) []byte { b[slotA] ^= 1; b[slotB] ^= 1; return b }, [2]bool{}, -1, true},
		{"header", func(b []byte) []byte { b[9] ^= 1; return b }, [2]bool{true, true}, p.Newest(), false},
		{"cut", func(b []byte) []byte { return b[:600] }, [2]bool{true, false}, 0, false},
		{"empty", func([]byte) []byte { return nil }, [2]bool{}, -1, false},
	} {
		b := c.change(append([]byte{}, whole...))
		require.NoError(t, os.WriteFile(path, b, 0o600))
		p, err := ReadPage(path)
		require.NoError(t, err, c.name)
		require.EqualValues(t, len(b), p.Size, c.name)
		require.Equal(t, c.valid, p.Valid, c.name)
		require.Equal(t, c.newest, p.Newest(), c.name)
		if c.header {
			require.NoError(t, p.HeaderErr, c.name)
		} else {
			require.ErrorIs(t, p.HeaderErr, record.ErrCorrupt, c.name)
		}
	}
	_, err = ReadPage(filepath.Dir(path))
	require.ErrorIs(t, err, record.ErrCorrupt)
	_, err = ReadPage(path + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}
