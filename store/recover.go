package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store/internal/journal"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// checkJournals reads the journals that recovery will need, before the key
// space is opened: a directory that is to be refused is left untouched.
func checkJournals(dir string, id [16]byte, m *mark) error {
	numbers, err := journalNumbers(dir)
	if err != nil {
		return err
	}
	for n := m.checkpoint + 1; n <= m.journal; n++ {
		if !slices.Contains(numbers, n) {
			return &DataLossError{What: "journals", Want: m.journal, Have: n - 1}
		}
	}
	for _, n := range numbers {
		if n <= m.checkpoint || n > m.journal {
			continue
		}
		r, err := journal.OpenReader(journalPath(dir, n))
		if err != nil {
			return err
		}
		if r.Header.Number != n || r.Header.Database != id {
			err = fmt.Errorf("journal %d belongs elsewhere: %w", n, ErrCorrupt)
		}
		for err == nil {
			_, err = r.Next()
		}
		_ = r.Close()
		if !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

// recover brings memory to the state at the end of the last journal. It writes
// blocks that fill up on the way, and nothing else.
func (s *Store) recover(m *mark) error {
	at, err := s.checkpointed()
	if err != nil {
		return err
	}
	if at < m.checkpoint {
		return &DataLossError{What: "checkpoint of the key space", Want: m.checkpoint, Have: at}
	}
	s.number = at
	numbers, err := journalNumbers(s.dir)
	if err != nil {
		return err
	}
	s.sealer.start()
	for _, n := range numbers {
		if n <= at { // the checkpoint was done; only its clean-up was not
			continue
		}
		if n != s.number+1 {
			return &DataLossError{What: "journals", Want: s.number + 1, Have: n}
		}
		if err := s.replay(n); err != nil {
			if errors.Is(err, ErrCorrupt) && n > m.journal {
				// Made by an attempt that did not get to note it in the mark.
				return nil
			}
			return err
		}
		s.number = n
	}
	if s.number < m.journal {
		return &DataLossError{What: "journals", Want: m.journal, Have: s.number}
	}
	return nil
}

// checkpointed returns the number of the last checkpoint in the key space.
func (s *Store) checkpointed() (uint64, error) {
	var row checkpointRow
	key := tuple.Key('C')
	var value []byte
	err := s.engine.View(func(r kv.Reader) (err error) {
		value, err = r.Get(key)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err == nil {
		err = decodeRow(key, value, 1, &row)
	}
	return row.Number, err
}

// replay applies one journal of the holder.
func (s *Store) replay(number uint64) error {
	r, err := journal.OpenReader(journalPath(s.dir, number))
	if err != nil {
		return err
	}
	defer r.Close()
	held := map[uint32]*runSeries{}
	defer func() {
		for _, x := range held {
			s.series.release(x)
		}
	}()
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch f.Kind {
		case frameRows:
			err = s.replayRows(number, f.Payload, held)
		case framePoints:
			err = s.replayPoints(number, f.Payload, held)
		default:
			err = fmt.Errorf("unknown frame kind %d: %w", f.Kind, ErrCorrupt)
		}
		if err != nil {
			return fmt.Errorf("journal %d at byte %d: %w", number, f.End, err)
		}
	}
}

func (s *Store) replayRows(number uint64, payload []byte, held map[uint32]*runSeries) error {
	return splitRows(payload, func(key, value []byte) {
		if value != nil {
			value = append([]byte(nil), value...)
		}
		s.active.Set(string(key), value)
	}, func(points []byte) error {
		return s.replayPoints(number, points, held)
	})
}

func (s *Store) replayPoints(number uint64, payload []byte, held map[uint32]*runSeries) error {
	run, no, c, err := parsePoints(payload)
	if err != nil {
		return err
	}
	x := held[run]
	if x == nil {
		if x, err = s.series.acquire(run); err != nil {
			return err
		}
		held[run] = x
	}
	if int(no) >= len(x.groups) { // its row came later in this journal than the load
		s.series.release(x)
		delete(held, run)
		if x, err = s.reload(run); err != nil {
			return err
		}
		held[run] = x
	}
	if int(no) >= len(x.groups) {
		return fmt.Errorf("points of run %d for group %d, which does not exist: %w", run, no, ErrCorrupt)
	}
	g := x.groups[no]
	if number <= g.state.Through {
		return nil
	}
	if len(c.values) != len(g.series) {
		return fmt.Errorf("points of run %d group %d have %d series, not %d: %w", run, no, len(c.values), len(g.series), ErrCorrupt)
	}
	if err := s.sealer.admit(context.Background()); err != nil {
		return err
	}
	if err := g.loadTail(); err != nil {
		return err
	}
	g.add(c)
	return nil
}

// reload adds the groups that have appeared since the run was loaded.
func (s *Store) reload(run uint32) (*runSeries, error) {
	x, err := s.series.acquire(run)
	if err != nil {
		return nil, err
	}
	groups, err := s.loadRun(x)
	if err != nil {
		return x, err
	}
	s.series.mu.Lock()
	defer s.series.mu.Unlock()
	for _, g := range groups[min(len(groups), len(x.groups)):] {
		x.register(g)
	}
	return x, nil
}

// startJournal makes what was recovered a checkpoint and begins a new journal.
func (s *Store) startJournal() error {
	if s.number > s.mark.checkpoint || s.active.Len() > 0 {
		return s.checkpoint(context.Background())
	}
	var err error
	s.journal, err = s.createJournal(s.number + 1)
	if err == nil {
		s.number++
	}
	return err
}
