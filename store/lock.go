package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lock holds the LOCK file of a directory. The lock is the operating system's
// and ends with the process; the text in the file only names the holder.
type lock struct{ file *os.File }

// takeLock locks dir, or returns ErrLocked naming the holder.
func takeLock(dir string) (*lock, error) {
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := lockFile(f); err != nil {
		holder := "another process"
		if text, rerr := os.ReadFile(path); rerr == nil && len(text) > 0 && len(text) < 200 {
			holder = strings.TrimSpace(string(text))
		}
		_ = f.Close()
		if errors.Is(err, errWouldBlock) {
			return nil, fmt.Errorf("%s: held by %s: %w", dir, holder, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	host, _ := os.Hostname()
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host), 0)
	}
	return &lock{f}, nil
}

func (l *lock) release() error { return l.file.Close() }
