package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
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
	for i, n := range numbers {
		if n <= at { // the checkpoint was done; only its clean-up was not
			continue
		}
		if n != s.number+1 {
			return &DataLossError{What: "journals", Want: s.number + 1, Have: n}
		}
		last := false
		if s.copying {
			if last, err = s.lastOfCopy(numbers[i+1:], m); err != nil {
				return err
			}
		}
		if err := s.replay(n); err != nil {
			if errors.Is(err, ErrCorrupt) && n > m.journal {
				// Made by an attempt that did not get to note it in the mark.
				return nil
			}
			return err
		}
		if s.number = n; last {
			s.number = max(n, m.journal)
			break
		}
	}
	if s.number < m.journal {
		return &DataLossError{What: "journals", Want: m.journal, Have: s.number}
	}
	return nil
}

// lastOfCopy reports whether a private copy ends before the later journals.
// While one is read, its writer may go on and then to the next, which is linked
// too: only if that one is begun before this one is read, this one is whole.
func (s *Store) lastOfCopy(later []uint64, m *mark) (bool, error) {
	for _, n := range later {
		r, err := journal.OpenReader(journalPath(s.dir, n))
		if errors.Is(err, ErrCorrupt) && n > m.journal {
			continue // it is being made
		}
		if err != nil {
			return false, err
		}
		_, err = r.Next()
		_ = r.Close()
		if !errors.Is(err, io.EOF) {
			return false, err
		}
	}
	return true, nil
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

// replayer applies one journal of the holder.
type replayer struct {
	s      *Store
	number uint64
	held   map[uint32]*runSeries
	gone   map[uint32]bool // whether a run was dropped further on
	points pointsFrame
}

func (s *Store) replay(number uint64) error {
	r, err := journal.OpenReader(journalPath(s.dir, number))
	if err != nil {
		return err
	}
	defer r.Close()
	p := replayer{s: s, number: number, held: map[uint32]*runSeries{}, gone: map[uint32]bool{}}
	defer func() {
		for _, x := range p.held {
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
			err = splitRows(f.Payload, p.row, p.addPoints)
		case framePoints:
			err = p.addPoints(f.Payload)
		default:
			err = fmt.Errorf("unknown frame kind %d: %w", f.Kind, ErrCorrupt)
		}
		if err != nil {
			return fmt.Errorf("journal %d at byte %d: %w", number, f.End, err)
		}
	}
}

func (p *replayer) row(key, value []byte) {
	if value != nil {
		value = append([]byte(nil), value...)
	} else if key[0] == 'G' { // only a dropped run loses a group
		run := binary.BigEndian.Uint32(key[1:])
		p.s.series.forgetRun(run)
		delete(p.held, run)
	}
	if key[0] == 'B' {
		delete(p.gone, binary.BigEndian.Uint32(key[1:]))
	}
	p.s.active.Set(string(key), value)
}

// dropped reports whether points of a run are to be left out: the key space
// knows that it was dropped, from a checkpoint that took only part of this
// journal along, and the rows that the points need may be gone.
func (p *replayer) dropped(run uint32) (gone bool, err error) {
	if gone, ok := p.gone[run]; ok {
		return gone, nil
	}
	err = p.s.view(func(tx *Tx) error {
		gone, err = tx.Has(droppedKey(run))
		return err
	})
	if err == nil {
		p.gone[run] = gone
	}
	return gone, err
}

func (p *replayer) addPoints(payload []byte) error {
	f := &p.points
	if err := f.parse(payload); err != nil {
		return err
	}
	s := p.s
	x := p.held[f.run]
	if x == nil {
		gone, err := p.dropped(f.run)
		if gone || err != nil {
			return err
		}
		if x, err = s.series.acquire(f.run); err != nil {
			return err
		}
		p.held[f.run] = x
	}
	if int(f.group) >= len(x.groups) { // its row came later in this journal than the load
		s.series.release(x)
		delete(p.held, f.run)
		var err error
		if x, err = s.reload(f.run); err != nil {
			return err
		}
		p.held[f.run] = x
	}
	if int(f.group) >= len(x.groups) {
		return fmt.Errorf("points of run %d for group %d, which does not exist: %w", f.run, f.group, ErrCorrupt)
	}
	g := x.groups[f.group]
	if p.number <= g.state.Through {
		return nil
	}
	if len(f.values) != len(g.series) {
		return fmt.Errorf("points of run %d group %d have %d series, not %d: %w", f.run, f.group, len(f.values), len(g.series), ErrCorrupt)
	}
	if s.sealer.crowded() {
		s.sealer.start()
		if err := s.sealer.admit(context.Background()); err != nil {
			return err
		}
	}
	if err := g.loadTail(); err != nil {
		return err
	}
	g.add(f.columns)
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

// startJournal begins a new journal. What was recovered from older ones becomes
// a checkpoint in the background; until that is done they stay.
func (s *Store) startJournal() error {
	next, err := s.createJournal(s.number + 1)
	if err != nil {
		return err
	}
	if s.number == s.mark.checkpoint && s.active.Len() == 0 {
		s.journal, s.number = next, next.Header.Number
		return nil
	}
	if s.unfinished, err = s.cut(next); err != nil {
		return errors.Join(err, next.Close())
	}
	for n := s.mark.checkpoint + 1; n < s.number; n++ {
		if info, err := os.Stat(journalPath(s.dir, n)); err == nil {
			s.behind.Add(info.Size())
		}
	}
	s.wake <- struct{}{}
	return nil
}
