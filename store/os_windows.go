package store

import (
	"os"

	"golang.org/x/sys/windows"
)

var (
	errWouldBlock error = windows.ERROR_LOCK_VIOLATION
	errQuota      error = windows.ERROR_DISK_FULL
)

// lockFile takes an exclusive lock on f without waiting.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1})
}

// freeBytes returns the space that the caller finds in dir.
func freeBytes(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return int64(free), err
}
