package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childEnv makes this test binary run one of the children below instead of
// the tests; its value is "<child> <directory>".
const childEnv = "RUNSTONE_ARTIFACT_CHILD"

func TestMain(m *testing.M) {
	child, dir, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		os.Exit(m.Run())
	}
	var err error
	switch child {
	case "hang":
		err = hangChild(dir)
	case "stream":
		err = streamChild(dir)
	case "full":
		err = fullChild(dir)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func childCommand(child, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+child+" "+dir)
	return cmd
}

// hangChild says so on its output when half of an upload is on disk, and
// waits to be killed.
func hangChild(dir string) error {
	r, err := OpenRoot(dir)
	if err != nil {
		return err
	}
	half := bytes.NewReader(bytes.Repeat([]byte("half"), bufSize))
	body := io.MultiReader(half, readFunc(func([]byte) (int, error) {
		fmt.Println("half")
		select {}
	}))
	_, err = r.Put(context.Background(), Path{"a/b/file"}, body, PutOptions{})
	return err
}

// streamChild puts and deletes files as fast as it can, and names each file
// that is acknowledged.
func streamChild(dir string) error {
	r, err := OpenRoot(dir)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("run%d/artifacts/f%d", i%7, i)
		body := strings.NewReader(streamBody(name))
		if _, err := r.Put(context.Background(), Path{name}, body, PutOptions{}); err != nil {
			return err
		}
		fmt.Println(name)
		if i%5 == 4 {
			scratch := Path{fmt.Sprintf("scratch%d/x/y", i)}
			if _, err := r.Put(context.Background(), scratch, strings.NewReader("x"), PutOptions{}); err != nil {
				return err
			}
			if err := r.Delete(Path{fmt.Sprintf("scratch%d", i)}); err != nil {
				return err
			}
		}
	}
}

func streamBody(name string) string { return strings.Repeat(name+"\n", 5000) }

func TestKillDuringPut(t *testing.T) {
	r, dir := newRoot(t)
	put(t, r, "a/b/file", "old")
	cmd := childCommand("hang", dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line := make([]byte, 5)
	_, err = io.ReadFull(out, line)
	require.NoError(t, err)
	require.Equal(t, "half\n", string(line))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())

	require.Len(t, onDisk(t, dir), 4, "the kill left its temporary entry")
	require.Equal(t, []string{"a/", "a/b/", "a/b/file"}, walkAll(t, r, Path{}))
	require.Equal(t, "old", get(t, r, "a/b/file"))
	n, err := r.Sweep(-time.Hour)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"a", "a/b", "a/b/file"}, onDisk(t, dir))
}

// Killed at any moment, every acknowledged file is there and every visible
// file is whole.
func TestKillDuringStream(t *testing.T) {
	for round := range 8 {
		r, dir := newRoot(t)
		cmd := childCommand("stream", dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		var acked bytes.Buffer
		_, err = io.CopyN(&acked, out, int64(100+77*round))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Kill())
		_, err = io.Copy(&acked, out)
		require.NoError(t, err)
		require.Error(t, cmd.Wait())

		lines := strings.Split(acked.String(), "\n")
		for _, name := range lines[:len(lines)-1] {
			require.Equal(t, streamBody(name), get(t, r, name), name)
		}
		_, err = r.Sweep(-time.Hour)
		require.NoError(t, err)
		for f, err := range r.Walk(Path{}) {
			require.NoError(t, err)
			if !f.IsDir && !strings.HasPrefix(f.Path, "scratch") {
				require.Equal(t, streamBody(f.Path), get(t, r, f.Path), f.Path)
			}
		}
		for _, name := range onDisk(t, dir) {
			require.NotContains(t, name, tempPrefix)
		}
	}
}

// TestDiskFull runs its child in a mount namespace of its own, with a small
// tmpfs on the directory; without root, in a user namespace too, so that it
// may mount. Where the kernel forbids that, a file size limit stands in.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	cmd := childCommand("full", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) { // namespaces are forbidden or used up
		cmd = childCommand("full", dir)
		out, err = cmd.CombinedOutput()
	}
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	require.Empty(t, onDisk(t, dir), "the mount was the child's own")
}

func fullChild(dir string) error {
	want := error(syscall.ENOSPC)
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k,mode=700")
	}
	if err != nil {
		// No mounts here: writes over 512 KiB fail with EFBIG instead.
		fmt.Println("no tmpfs, so RLIMIT_FSIZE:", err)
		want = syscall.EFBIG
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 512 << 10, Max: 512 << 10}); err != nil {
			return err
		}
	}
	root := filepath.Join(dir, "root")
	r, err := OpenRoot(root)
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	ctx := context.Background()
	if _, err := r.Put(ctx, Path{"run/keep"}, strings.NewReader("keep"), PutOptions{}); err != nil {
		return err
	}
	for _, name := range []string{"run/keep", "run/new", "new/dir/file"} {
		_, err := r.Put(ctx, Path{name}, bytes.NewReader(make([]byte, 1<<20)), PutOptions{})
		if !errors.Is(err, want) {
			return fmt.Errorf("put %s on a full disk: %w", name, err)
		}
		entries, err := os.ReadDir(root)
		if err != nil || len(entries) != 1 {
			return fmt.Errorf("left behind: %v %w", entries, err)
		}
	}
	// The space is free again, and what was there is whole.
	if _, err := r.Put(ctx, Path{"run/new"}, bytes.NewReader(make([]byte, 256<<10)), PutOptions{}); err != nil {
		return err
	}
	return r.Verify(Path{"run/keep"}, sumOf([]byte("keep")))
}
