//go:build unix

package load

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// cpuTime returns the user and system time of this process so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory returns the most resident bytes that this process had so far. It
// reads Linux's own mark, since getrusage goes on from the parent's.
func peakMemory() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			var kB int64
			if _, err := fmt.Sscan(text, &kB); err != nil {
				return 0
			}
			return kB << 10
		}
	}
	return 0
}

func allocatedBytes(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return 0
}
