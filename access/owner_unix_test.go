//go:build unix

package access

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOwner: what an administrator of the machine changes stays the server's.
func TestOwner(t *testing.T) {
	dir := t.TempDir()
	want := os.Geteuid()
	if want == 0 {
		want = 65534
		require.NoError(t, os.Chown(dir, want, want))
	}
	s := open(t, dir)
	for range 2 {
		require.NoError(t, s.SetDefault(Edit))
		for _, name := range []string{FileName, FileName + ".lock"} {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			st, ok := info.Sys().(*syscall.Stat_t)
			require.True(t, ok)
			require.Equal(t, want, int(st.Uid), name)
		}
	}
}
