//go:build unix

package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

var (
	errWouldBlock error = unix.EWOULDBLOCK
	errQuota      error = unix.EDQUOT
)

// lockFile takes an exclusive lock on f without waiting.
func lockFile(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// freeBytes returns the space that an unprivileged writer finds in dir.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
