package store

import (
	"context"
	"fmt"
	"slices"
)

// NamedSummary is a series and what is known of it.
type NamedSummary struct {
	SeriesName
	Summary
}

// Summaries returns the series of a run in order of their names.
func (s *Store) Summaries(ctx context.Context, run uint32) ([]NamedSummary, error) {
	var out []NamedSummary
	err := s.summariesOf(ctx, []uint32{run}, func(tx *Tx, _, series uint32, sum *Summary) error {
		name, err := tx.SeriesName(series)
		out = append(out, NamedSummary{name, *sum})
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b NamedSummary) int { return a.Compare(&b.SeriesName) })
	return out, nil
}

// SummariesOf calls fn once for every series of the runs that has points: run
// by run, which must be in ascending order ([ErrInvalid]), series in any order.
// The summary is valid during the call. All that was logged before is counted,
// of each series at one moment since. An error of fn ends it.
//
// Rows of neighbouring runs are read by one scan: asking for thousands costs
// about a microsecond each.
func (s *Store) SummariesOf(ctx context.Context, runs []uint32, fn func(run, series uint32, sum *Summary) error) error {
	return s.summariesOf(ctx, runs, func(_ *Tx, run, series uint32, sum *Summary) error { return fn(run, series, sum) })
}

func (s *Store) summariesOf(ctx context.Context, runs []uint32, fn func(tx *Tx, run, series uint32, sum *Summary) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return ErrClosed
	}
	for i := 1; i < len(runs); i++ {
		if runs[i] <= runs[i-1] {
			return fmt.Errorf("run %d after run %d: %w", runs[i], runs[i-1], ErrInvalid)
		}
	}
	// A run that is being logged is in memory; one that is not may come into
	// it at any time, but what was there before is in its rows. So memory is
	// looked at before the view is taken.
	memory := s.series.groupsOf(runs)
	return s.view(func(tx *Tx) error {
		x := summaryScan{tx: tx, fn: fn}
		for len(runs) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := 1
			for n < len(runs) && n < scanRuns && runs[n]-runs[n-1] <= nearRuns {
				n++
			}
			x.runs, x.memory = runs[:n], memory[:n]
			if err := x.stretch(); err != nil {
				return err
			}
			runs, memory = runs[n:], memory[n:]
		}
		return nil
	})
}

// groupsOf returns the groups of each of the runs that is in memory. A run
// whose groups are not loaded yet has no points beside those in its rows.
func (t *seriesTable) groupsOf(runs []uint32) [][]*group {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([][]*group, len(runs))
	for i, run := range runs {
		if r := t.runs[run]; r != nil {
			all[i] = r.groups
		}
	}
	return all
}

// scanRuns is how many runs are read by one scan at most.
const scanRuns = 512

// summaryScan reads the summaries of a stretch of runs that lie near each
// other: their 'G' rows, then their 'g' rows.
type summaryScan struct {
	tx      *Tx
	fn      func(tx *Tx, run, series uint32, sum *Summary) error
	runs    []uint32
	memory  [][]*group // of each of runs, nil when its rows are to be read
	groups  []storedGroup
	members []uint32 // of groups
	state   stateRow
	at      int // run that is being gathered
	series  []uint32
	sums    []Summary
	index   map[uint32]int // in series, when these are many
}

// storedGroup is a group that is read from its rows.
type storedGroup struct {
	at       int // its run
	no       uint32
	from, to int // its part of members
}

func (x *summaryScan) stretch() error {
	x.at, x.groups, x.members = 0, x.groups[:0], x.members[:0]
	if err := x.readMembers(); err != nil {
		return err
	}
	if len(x.groups) > 0 && len(x.groups) <= fewRows {
		for i := range x.groups {
			g := &x.groups[i]
			key := groupKey('g', x.runs[g.at], g.no)
			value, err := x.tx.get(key)
			if err == nil {
				err = x.add(g, key, value)
			}
			if err != nil && !isNotFound(err) {
				return err
			}
		}
	} else if len(x.groups) > 0 {
		if err := x.readStates(); err != nil {
			return err
		}
	}
	return x.goTo(len(x.runs))
}

// readMembers finds the groups of the runs that are not in memory.
func (x *summaryScan) readMembers() error {
	first, last := 0, len(x.runs)-1
	for first <= last && x.memory[first] != nil {
		first++
	}
	for first <= last && x.memory[last] != nil {
		last--
	}
	if first > last {
		return nil
	}
	at := first
	return eachGroup(x.tx, x.runs[first], x.runs[last], func(d *groupDef) (err error) {
		for x.runs[at] < d.run {
			at++
		}
		if x.runs[at] != d.run || x.memory[at] != nil {
			return nil
		}
		from := len(x.members)
		x.members, err = d.appendSeries(x.members)
		x.groups = append(x.groups, storedGroup{at, d.no, from, len(x.members)})
		return err
	})
}

// readStates reads what a checkpoint knew of the groups.
func (x *summaryScan) readStates() error {
	groups := x.groups
	first, last := &groups[0], &groups[len(groups)-1]
	hi := append(groupKey('g', x.runs[last.at], last.no), 0)
	return eachOfGroup(x.tx, groupKey('g', x.runs[first.at], first.no), hi, func(d *groupDef) error {
		for len(groups) > 0 {
			g := &groups[0]
			run := x.runs[g.at]
			if run > d.run || run == d.run && g.no > d.no {
				return nil
			}
			groups = groups[1:]
			if run == d.run && g.no == d.no {
				return x.add(g, d.row.Key, d.row.value)
			}
		}
		return nil
	})
}

// add gathers the series of a group from its state.
func (x *summaryScan) add(g *storedGroup, key, value []byte) error {
	if err := x.goTo(g.at); err != nil {
		return err
	}
	err := x.state.open(x.runs[g.at], g.no, key, value, g.to-g.from)
	if err != nil {
		return err
	}
	x.gather(x.members[g.from:g.to], x.state.Sums)
	return nil
}

// goTo hands over the runs before the one at index at.
func (x *summaryScan) goTo(at int) error {
	for ; x.at < at; x.at++ {
		for _, g := range x.memory[x.at] {
			g.mu.Lock()
			x.gather(g.series, g.sums)
			g.mu.Unlock()
		}
		for i := range x.sums {
			if err := x.fn(x.tx, x.runs[x.at], x.series[i], &x.sums[i]); err != nil {
				return err
			}
		}
		x.series, x.sums = x.series[:0], x.sums[:0]
		clear(x.index)
	}
	return nil
}

// gather adds the series of a group to those of its run.
func (x *summaryScan) gather(series []uint32, sums []Summary) {
	before := len(x.series)
	for i, ord := range series {
		if sums[i].Count == 0 {
			continue
		}
		if at := x.find(ord, before); at >= 0 {
			x.sums[at].Merge(&sums[i])
			continue
		}
		x.series, x.sums = append(x.series, ord), append(x.sums, sums[i])
	}
}

// find returns the index of a series among the first before ones of its run,
// -1 when it is not there.
func (x *summaryScan) find(series uint32, before int) int {
	if before < manySeries {
		return slices.Index(x.series[:before], series)
	}
	if x.index == nil {
		x.index = map[uint32]int{}
	}
	for i := len(x.index); i < before; i++ {
		x.index[x.series[i]] = i
	}
	if at, ok := x.index[series]; ok {
		return at
	}
	return -1
}

// manySeries is the number of series from which on they are looked up.
const manySeries = 64
