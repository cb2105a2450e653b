package record

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	_, _, err := ReadFile(path, 100)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, WriteFile(path, 1, []byte("first")))
	require.NoError(t, WriteFile(path, 2, []byte("second")))
	version, body, err := ReadFile(path, 100)
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	require.Equal(t, "second", string(body))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file stays")
	info, err := entries[0].Info()
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	_, _, err = ReadFile(path, 10)
	require.ErrorIs(t, err, ErrCorrupt, "too long")

	value, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range value {
		value[i] ^= 1
		require.NoError(t, os.WriteFile(path, value, 0o600))
		_, _, err = ReadFile(path, 100)
		require.ErrorIs(t, err, ErrCorrupt, "byte %d flipped", i)
		value[i] ^= 1
	}
	other := filepath.Join(filepath.Dir(path), "other")
	require.NoError(t, os.WriteFile(other, value, 0o600))
	_, _, err = ReadFile(other, 100)
	require.ErrorIs(t, err, ErrCorrupt, "under another name")
}
