//go:build unix

package runstone

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenWithoutPermission(t *testing.T) {
	locked := t.TempDir()
	require.NoError(t, os.Chmod(locked, 0o500))
	cmd := child(t, "opener", filepath.Join(locked, "db"))
	asNobody(t, cmd, filepath.Dir(locked))
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "permission denied, locked false\n", string(out))
	left, err := os.ReadDir(locked)
	require.NoError(t, err)
	require.Empty(t, left)
}

// asNobody runs a child without root's rights, which no file mode refuses
// anything. It gets a copy of this binary that it can reach, and may pass
// through the folders above dir.
func asNobody(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for d := dir; d != filepath.Dir(d) && d != os.TempDir(); d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	text, err := os.ReadFile(cmd.Path)
	require.NoError(t, err)
	exe := filepath.Join(dir, "child")
	require.NoError(t, os.WriteFile(exe, text, 0o755))
	cmd.Path = exe
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}
