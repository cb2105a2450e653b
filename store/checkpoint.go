package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store/internal/journal"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// checkpointRow is the 'C' row: journals up to Number are in the key space.
type checkpointRow struct{ Number uint64 }

// checkpoint is the state of memory at the end of journal number.
type checkpoint struct {
	number uint64
	writer *journal.Writer // of journal number; nil when it was only read
	rows   *rowMap
	groups []groupState
	blocks uint64 // sealer mark: blocks that must be written first
}

// groupState is one group's share in a checkpoint.
type groupState struct {
	g     *group
	state stateRow
	tail  columns
}

// Checkpoint moves what is in memory into the key space and drops the journals
// that hold it.
func (s *Store) Checkpoint(ctx context.Context) error {
	if err := s.writable(ctx); err != nil {
		return err
	}
	return s.checkpoint(ctx)
}

func (s *Store) checkpoint(ctx context.Context) error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	if s.unfinished != nil {
		if err := s.write(s.unfinished); err != nil {
			return err
		}
	}
	s.gate.RLock()
	idle := s.journal != nil && s.journal.Frames() == 0
	s.gate.RUnlock()
	if idle || ctx.Err() != nil {
		return ctx.Err()
	}
	next, err := s.createJournal(s.number + 1)
	if err != nil {
		return noSpace(err)
	}
	// Most of the journal is synced before changes have to wait in cut.
	if s.journal != nil {
		if err := s.acknowledge(s.journal, s.journal.End(), Synced); err != nil {
			return errors.Join(err, next.Close())
		}
	}
	c, err := s.cut(next)
	if err != nil {
		return errors.Join(err, next.Close())
	}
	s.unfinished = c
	return s.write(c)
}

// broken fails the store: after a sync that did not succeed nobody knows what
// is on disk, and trying again proves nothing.
func (s *Store) broken(err error) error {
	s.fail(err)
	return err
}

// createJournal makes a journal file and notes its number in the mark, in this
// order, so that a number in the mark without its file is damage.
func (s *Store) createJournal(number uint64) (*journal.Writer, error) {
	path := journalPath(s.dir, number)
	// A file left by a failed attempt was never noted and holds nothing.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	w, err := journal.Create(path, journal.Header{
		Database: s.id, Writer: s.writer, Number: number, Created: time.Now().UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	s.mark.journal, s.mark.clean = number, false
	if err := s.mark.write(); err != nil {
		return nil, s.broken(errors.Join(err, w.Close()))
	}
	return w, nil
}

// cut switches to the next journal and captures what the earlier ones made.
// Changes wait meanwhile; it copies summaries and slice headers only. The
// journal before is synced first, so that syncing a journal covers all changes
// before its own.
func (s *Store) cut(next *journal.Writer) (*checkpoint, error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	c := &checkpoint{number: s.number, writer: s.journal}
	if s.journal != nil {
		if err := s.acknowledge(s.journal, s.journal.End(), Synced); err != nil {
			return nil, err
		}
		s.behind.Store(s.journal.End())
	}
	s.journal, s.number = next, next.Header.Number
	s.layers.Lock()
	c.rows = s.active
	s.active, s.frozen = new(rowMap), c.rows
	s.layers.Unlock()
	s.series.dirty(func(g *group) {
		g.mu.Lock()
		defer g.mu.Unlock()
		st := groupState{g: g, tail: g.head}
		st.tail.values = append([][]float64(nil), g.head.values...)
		st.state = stateRow{
			Through: c.number, Blocks: g.stored + uint32(len(g.pending)),
			Tail: uint32(g.head.len()), TailNumber: uint32(c.number),
			Sums: slices.Clone(g.sums),
		}
		g.changed, g.moving = false, true
		c.groups = append(c.groups, st)
	})
	c.blocks = s.sealer.mark()
	return c, nil
}

// write moves a checkpoint into the key space. Until it is done the journals
// stay, and doing it again is harmless. Tails and rows are durable before the
// state rows that make a group skip the journals.
func (s *Store) write(c *checkpoint) error {
	if err := s.sealer.wait(c.blocks); err != nil {
		return err
	}
	err := s.writeTails(c)
	if err == nil {
		err = s.writeRows(c)
	}
	if err == nil {
		err = s.syncEngine()
	}
	if err == nil {
		err = s.writeStates(c)
	}
	if err != nil {
		return noSpace(err)
	}
	s.mark.checkpoint = c.number
	if err := s.mark.write(); err != nil {
		return s.broken(noSpace(err))
	}
	return s.release(c)
}

func (s *Store) writeTails(c *checkpoint) error {
	for i := range c.groups {
		st := &c.groups[i]
		if st.tail.len() == 0 {
			continue
		}
		if err := s.writeColumns('t', st.g.r.run, st.g.no, st.state.TailNumber, st.tail); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeRows(c *checkpoint) error {
	b := s.newBatch()
	var err error
	c.rows.Scan(func(key string, value []byte) bool {
		err = b.set([]byte(key), value)
		return err == nil
	})
	if err != nil {
		return err
	}
	return b.flush()
}

func (s *Store) writeStates(c *checkpoint) error {
	b := s.newBatch()
	var body []byte
	for i := range c.groups {
		st := &c.groups[i]
		key := groupKey('g', st.g.r.run, st.g.no)
		body = appendState(body[:0], &st.state)
		if err := b.set(key, record.Seal(nil, key, 1, body)); err != nil {
			return err
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	if err := b.save(tuple.Key('C'), 1, checkpointRow{c.number}); err != nil {
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	return s.syncEngine()
}

func (s *Store) syncEngine() error {
	if err := s.engine.Sync(); err != nil {
		return s.broken(fmt.Errorf("sync the key space: %w", err))
	}
	return nil
}

// release drops what a written checkpoint has made superfluous.
func (s *Store) release(c *checkpoint) error {
	s.unfinished = nil
	s.behind.Store(0)
	s.layers.Lock()
	s.frozen = nil
	s.layers.Unlock()
	for i := range c.groups {
		st := &c.groups[i]
		st.state.Sums = nil
		g := st.g
		g.mu.Lock()
		g.state, g.moving = st.state, false
		g.mu.Unlock()
	}
	s.series.settle()
	if s.heads.Load() > s.opt.headBytes()/2 {
		s.gate.Lock() // no change is between loading a tail and adding to it
		s.series.unload()
		s.gate.Unlock()
	}
	if c.writer != nil {
		_ = c.writer.Close()
	}
	numbers, err := journalNumbers(s.dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > c.number {
			break
		}
		if err := os.Remove(journalPath(s.dir, n)); err != nil {
			return err
		}
	}
	return s.dropTails(c)
}

// dropTails deletes the tail rows of earlier checkpoints.
func (s *Store) dropTails(c *checkpoint) error {
	b := s.newBatch()
	var old [][]byte
	err := s.engine.View(func(r kv.Reader) error {
		for i := range c.groups {
			st := &c.groups[i]
			prefix := groupKey('t', st.g.r.run, st.g.no)
			err := r.Scan(prefix, tuple.End(prefix), false, func(key, _ []byte) bool {
				number := binary.BigEndian.Uint32(key[len(prefix)+2:])
				if number != st.state.TailNumber || st.state.Tail == 0 {
					old = append(old, append([]byte(nil), key...))
				}
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop old tails: %w", err)
	}
	for _, key := range old {
		if err := b.set(key, nil); err != nil {
			return err
		}
	}
	return b.flush()
}
