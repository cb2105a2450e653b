package main

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// awaitInput waits until f has something to read or the time is over, and
// reports which.
func awaitInput(f *os.File, wait time.Duration) (bool, error) {
	event, err := windows.WaitForSingleObject(windows.Handle(f.Fd()), uint32(wait.Milliseconds()))
	return event == windows.WAIT_OBJECT_0, err
}

// isLocked reports whether another process has locked f. It takes a shared
// lock for a moment to find out.
func isLocked(f *os.File) bool {
	at := &windows.Overlapped{OffsetHigh: 1}
	if err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at); err != nil {
		return true
	}
	_ = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, at)
	return false
}

func allocated(info fs.FileInfo) int64 { return info.Size() }
