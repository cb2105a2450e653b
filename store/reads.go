package store

import (
	"sync"
	"time"

	"github.com/runstonedb/runstone/store/internal/kv"
)

// reads counts the reads of the key space under way, so that it is not closed
// under them.
type reads struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n falls to 0, if someone waits
}

func (r *reads) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
}

func (r *reads) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 && r.none != nil {
		close(r.none)
		r.none = nil
	}
}

// wait returns whether all reads ended in time. New ones must be kept out.
func (r *reads) wait(patience time.Duration) bool {
	r.mu.Lock()
	if r.n == 0 {
		r.mu.Unlock()
		return true
	}
	if r.none == nil {
		r.none = make(chan struct{})
	}
	none := r.none
	r.mu.Unlock()
	select {
	case <-none:
		return true
	case <-time.After(patience):
		return false
	}
}

// read runs fn on a snapshot of the key space, unless the store is closed.
func (s *Store) read(fn func(kv.Reader) error) error {
	s.reads.enter()
	defer s.reads.leave()
	if s.closed.Load() {
		return ErrClosed
	}
	return s.engine.View(fn)
}
