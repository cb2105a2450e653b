package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/journal"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// Problem is one piece of damage that Verify found.
type Problem struct {
	Where string // file or row
	Err   error
}

// Report counts what Verify looked at.
type Report struct {
	Rows     int64 // sealed rows
	Blocks   int64 // metric blocks
	Points   int64 // in blocks, tails and memory, each series counted
	Waiting  int   // inbox files that are not wholly applied
	Problems int
}

// Verify reads everything: the tables of the key space, the seal of every row,
// every metric block against the state of its group. It calls report for each
// piece of damage and goes on; its error is for what keeps it from going on.
func (s *Store) Verify(ctx context.Context, report func(Problem)) (Report, error) {
	if s.closed.Load() {
		return Report{}, ErrClosed
	}
	v := &verifier{s: s, ctx: ctx, report: report}
	err := s.read(func(kv.Reader) error { return s.engine.Verify(ctx) })
	if err != nil {
		v.problem("key space", err)
	}
	if err := v.rows(); err != nil {
		return v.Report, err
	}
	if err := v.groups(); err != nil {
		return v.Report, err
	}
	return v.Report, v.inboxes()
}

type verifier struct {
	Report
	s      *Store
	ctx    context.Context
	report func(Problem)
}

func (v *verifier) problem(where string, err error) {
	v.Problems++
	v.report(Problem{where, err})
}

// inboxes counts the inbox files of which something is not applied. Others may
// still be there: their writers live, or this is a private copy, which leaves
// them.
func (v *verifier) inboxes() error {
	entries, err := os.ReadDir(inboxPath(v.s.dir))
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".log") {
			continue
		}
		applied, err := v.applied(filepath.Join(inboxPath(v.s.dir), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // applied meanwhile
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		if !applied {
			v.Waiting++
		}
	}
	return err
}

// applied reports whether all that an inbox holds is applied.
func (v *verifier) applied(file string) (bool, error) {
	r, err := journal.OpenReader(file)
	if err != nil {
		return false, err
	}
	defer r.Close()
	var row inboxRow
	err = v.s.view(func(tx *Tx) error {
		return tx.Load(inboxKey(r.Header.Writer), 1, &row)
	})
	if err != nil && !isNotFound(err) {
		return false, err
	}
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if f.Seq > row.Seq && (f.Kind == frameOp || f.Kind == framePoints) {
			return false, nil
		}
	}
}

// rows checks the seals of all rows, those of the journal included.
func (v *verifier) rows() error {
	return v.s.view(func(tx *Tx) error {
		for row, err := range tx.Scan(nil, nil, false) {
			if err != nil {
				v.problem("key space", err)
				return nil
			}
			if _, _, err := record.Open(row.Key, row.value); err != nil {
				v.problem(fmt.Sprintf("row %x", row.Key), err)
			}
			if v.Rows++; v.Rows%1024 == 0 && v.ctx.Err() != nil {
				return v.ctx.Err()
			}
		}
		return nil
	})
}

// groups reads the points of every group.
func (v *verifier) groups() error {
	runs, _, err := v.s.runsWithSeries(v.ctx)
	if err != nil {
		v.problem("groups", err)
	}
	for _, run := range runs {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		x, err := v.s.series.acquire(run)
		if err != nil {
			v.problem(fmt.Sprintf("run %d", run), err)
			continue
		}
		x.mu.Lock()
		groups := x.groups
		x.mu.Unlock()
		for _, g := range groups {
			if err := v.group(g); err != nil {
				v.problem(fmt.Sprintf("run %d group %d", run, g.no), err)
			}
		}
		v.s.series.release(x)
	}
	return nil
}

// group compares the points of a group with what its summaries say.
func (v *verifier) group(g *group) error {
	g.mu.Lock()
	memory, err := g.memoryLocked()
	state, stored, sums := g.state, g.stored, append([]Summary(nil), g.sums...)
	g.mu.Unlock()
	if err != nil {
		return err
	}
	counts := make([]Summary, len(g.series))
	count := func(c columns) {
		for i, values := range c.values {
			for k := range c.steps {
				counts[i].add(Point{c.steps[k], c.times[k], values[k]})
			}
		}
	}
	err = v.s.read(func(r kv.Reader) error {
		c := columns{values: make([][]float64, len(g.series))}
		expect := int(stored)
		if len(g.series) > maxScans {
			expect = 1
		}
		rows := newGroupRows(r, 'b', g.r.run, g.no, len(g.series), stored, expect)
		defer rows.close()
		for number := range stored {
			v.Blocks++
			if err := rows.load(number, &c, checkSummary); err != nil {
				return err
			}
			count(c)
		}
		if state.Tail == 0 {
			return nil
		}
		// Its points are in memory, but questions go by what its rows say.
		tail := newGroupRows(r, 't', g.r.run, g.no, len(g.series), state.TailNumber+1, 1)
		defer tail.close()
		if err := tail.load(state.TailNumber, &c, checkSummary); err != nil && g.tailNumber() == state.TailNumber {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range memory {
		count(c)
	}
	for i := range sums {
		v.Points += counts[i].Count
		// Points come in the order in which they were logged: even the sum is
		// the same to its last bit.
		if !bytes.Equal(appendSummary(nil, &counts[i]), appendSummary(nil, &sums[i])) {
			return fmt.Errorf("series %d: its points do not agree with its summary: %w", g.series[i], ErrCorrupt)
		}
	}
	return nil
}

// Stats says where a database's bytes are.
type Stats struct {
	Tables   int64 // of the key space
	Logs     int64 // of the key space: rows not in tables yet
	Journals int64
	Inboxes  int64
	Other    int64
	Waiting  int // inbox files
	Runs     int // with series
	Series   int // groups × members
	Points   int64
}

// Stats adds up the files of the directory and the points of all series.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	if s.closed.Load() {
		return st, ErrClosed
	}
	size, err := s.engine.Stats()
	if err != nil {
		return st, err
	}
	st.Tables, st.Logs, st.Other = size.Tables, size.Logs, size.Other
	if st.Journals, _, err = folderSize(journalDir(s.dir)); err != nil {
		return st, err
	}
	if st.Inboxes, st.Waiting, err = folderSize(inboxPath(s.dir)); err != nil {
		return st, err
	}
	runs, series, err := s.runsWithSeries(ctx)
	if err != nil {
		return st, err
	}
	st.Runs, st.Series = len(runs), series
	for _, run := range runs {
		sums, err := s.Summaries(ctx, run)
		if err != nil {
			return st, err
		}
		for i := range sums {
			st.Points += sums[i].Count
		}
	}
	return st, nil
}

// folderSize returns the bytes and number of the files in a folder.
func folderSize(dir string) (bytes int64, files int, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		bytes += info.Size()
		files++
	}
	return bytes, files, err
}

// runsWithSeries returns the ordinals of the runs that have series, and the
// number of series in all their groups.
func (s *Store) runsWithSeries(ctx context.Context) (runs []uint32, series int, err error) {
	var members []uint32
	err = s.view(func(tx *Tx) error {
		return eachGroup(tx, 0, maxOrd, func(d *groupDef) (err error) {
			if err = ctx.Err(); err != nil {
				return err
			}
			if members, err = d.appendSeries(members[:0]); err != nil {
				return err
			}
			series += len(members)
			if len(runs) == 0 || runs[len(runs)-1] != d.run {
				runs = append(runs, d.run)
			}
			return nil
		})
	})
	return runs, series, err
}
