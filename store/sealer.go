package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/block"
)

const (
	// maxPending bounds the bytes of full blocks that wait in memory. Writers
	// wait when it is reached; points are never dropped.
	maxPending = 8 << 20
	// maxPendingRecover is the same while the database is being opened: blocks
	// of as much are only written once it is open.
	maxPendingRecover = 48 << 20
)

// sealer encodes full blocks and writes them into the key space, in order, in
// one goroutine.
type sealer struct {
	s    *Store
	wg   sync.WaitGroup
	once sync.Once

	mu      sync.Mutex
	changed *sync.Cond
	queue   []*sealed
	pending int64 // bytes in queue
	queued  uint64
	done    uint64
	tries   uint64 // to write a block
	stopped bool
	err     error // why it cannot go on now
}

func newSealer(s *Store) *sealer {
	q := &sealer{s: s}
	q.changed = sync.NewCond(&q.mu)
	return q
}

func (c *columns) bytes() int64 { return int64(c.len()) * int64(len(c.values)+2) * 8 }

func (q *sealer) enqueue(b *sealed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, b)
	q.pending += b.bytes()
	q.queued++
	q.changed.Broadcast()
}

// crowded reports whether recovery has to wait until blocks are written.
func (q *sealer) crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending >= maxPendingRecover
}

// admit waits until there is room for more points.
func (q *sealer) admit(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending < maxPending {
		return nil
	}
	stop := context.AfterFunc(ctx, q.broadcast)
	defer stop()
	for q.pending >= maxPending {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case q.stopped:
			return ErrClosed
		case q.err != nil:
			return q.err
		}
		q.changed.Wait()
	}
	return nil
}

func (q *sealer) broadcast() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
}

// mark returns the number of blocks enqueued so far, for wait.
func (q *sealer) mark() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queued
}

// wait returns once the first n blocks are written, or with the reason why
// they cannot be.
func (q *sealer) wait(n uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for tries := q.tries; q.done < n; {
		if q.err != nil && q.tries >= tries+2 { // it began after the call
			return q.err
		}
		if q.stopped {
			return ErrClosed
		}
		q.changed.Wait()
	}
	return nil
}

func (q *sealer) start() {
	q.once.Do(func() { q.wg.Go(q.run) })
}

// stop ends the goroutine after the block under way. What is left in the queue
// is still in the journal.
func (q *sealer) stop() {
	q.mu.Lock()
	q.stopped = true
	q.changed.Broadcast()
	q.mu.Unlock()
	q.wg.Wait()
}

func (q *sealer) run() {
	for {
		q.mu.Lock()
		for len(q.queue) == 0 && !q.stopped {
			q.changed.Wait()
		}
		if q.stopped {
			q.mu.Unlock()
			return
		}
		b := q.queue[0]
		q.mu.Unlock()

		err := q.s.writeBlock(b)

		q.mu.Lock()
		q.err = err
		q.tries++
		if err == nil {
			q.queue[0] = nil
			q.queue = q.queue[1:]
			q.pending -= b.bytes()
			q.done++
		}
		q.changed.Broadcast()
		q.mu.Unlock()
		if err != nil {
			// The points are in the journal and stay readable in memory; a
			// full disk may have room later.
			q.s.log.Error("write a metric block", "err", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// writeBlock puts a full block into the key space. No row refers to it until
// the next checkpoint.
func (s *Store) writeBlock(b *sealed) error {
	if err := s.writeColumns('b', b.g.r.run, b.g.no, b.no, b.columns); err != nil {
		return fmt.Errorf("run %d group %d block %d: %w", b.g.r.run, b.g.no, b.no, err)
	}
	g := b.g
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = g.pending[1:]
	g.stored++
	return nil
}

// writeColumns writes points as one row for the clock and one for each series.
func (s *Store) writeColumns(table byte, run, group, number uint32, c columns) error {
	batch := s.newBatch()
	key := columnKey(table, run, group, 0, number)
	body := block.AppendClock(nil, c.steps, c.times)
	if err := batch.set(key, record.Seal(nil, key, 1, body)); err != nil {
		return err
	}
	for i, values := range c.values {
		key := columnKey(table, run, group, uint16(i+1), number)
		body = block.AppendValues(body[:0], values)
		if err := batch.set(key, record.Seal(nil, key, 1, body)); err != nil {
			return err
		}
	}
	return batch.flush()
}
