package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
)

// Badger writes through memory maps over sparse files: on a full disk that is
// a SIGBUS, which ends the process. So changes are refused while there is
// still room for what the key space may write by itself.
const (
	// kvReserve covers the logs and tables that the key space may grow by
	// before it is asked again: four memtable logs of 4 MiB, the table that
	// each becomes, one compaction and the fixed files.
	kvReserve = 40 << 20
	// spaceBytes and spaceEvery bound how old the last look may be.
	spaceBytes = 1 << 20
	spaceEvery = 100 * time.Millisecond
)

// governor refuses changes when the disk is nearly full.
type governor struct {
	dir     string
	free    func(dir string) (int64, error) // the operating system's answer
	next    atomic.Int64                    // Unix ns of the next look
	credit  atomic.Int64                    // bytes that may be written before it
	refused atomic.Bool
}

func newGovernor(dir string) *governor {
	return &governor{dir: dir, free: freeBytes}
}

// check returns ErrNoSpace when writing n bytes, beside pending bytes that are
// still to be moved into the key space, would come too near to a full disk.
func (g *governor) check(n, pending int64) error {
	now := time.Now().UnixNano()
	if !g.refused.Load() && now < g.next.Load() && g.credit.Add(-n) > 0 {
		return nil
	}
	err := g.room(n, pending)
	if err == nil || errors.Is(err, ErrNoSpace) {
		g.next.Store(now + int64(spaceEvery))
		g.credit.Store(spaceBytes)
		g.refused.Store(err != nil)
	}
	return err
}

// room is check by a look at the disk, whatever was seen before.
func (g *governor) room(n, pending int64) error {
	free, err := g.free(g.dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", g.dir, err)
	}
	if need := n + pending + kvReserve + spaceBytes; free < need {
		return fmt.Errorf("%d MiB free, %d MiB needed: %w", free>>20, need>>20, ErrNoSpace)
	}
	return nil
}

// noSpace adds ErrNoSpace to an error of a full disk or quota.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
