package store

import (
	"encoding/binary"
	"fmt"
)

// groupDef is a 'G' row, valid until the next one.
type groupDef struct {
	run, no uint32
	row     Row
}

// series returns the members of the group.
func (d *groupDef) series() ([]uint32, error) {
	return d.appendSeries(nil)
}

// appendSeries appends the members of the group.
func (d *groupDef) appendSeries(dst []uint32) ([]uint32, error) {
	body, err := openRow(d.row.Key, d.row.value)
	if err != nil {
		return dst, err
	}
	if dst, err = appendMembers(dst, body); err != nil {
		err = fmt.Errorf("run %d group %d: %w", d.run, d.no, err)
	}
	return dst, err
}

// loadMembers reads the series of a group.
func loadMembers(tx *Tx, run, no uint32) ([]uint32, error) {
	key := groupKey('G', run, no)
	value, err := tx.get(key)
	if err != nil {
		return nil, err
	}
	d := groupDef{run, no, Row{key, value}}
	return d.series()
}

// eachGroup calls fn for the groups of the runs first…last, in order.
func eachGroup(tx *Tx, first, last uint32, fn func(*groupDef) error) error {
	return eachOfGroup(tx, groupKey('G', first, 0), append(groupKey('G', last, maxOrd), 0), fn)
}

const maxOrd = 1<<32 - 1

// eachOfGroup calls fn for the rows of a table from lo to below hi, whose keys
// begin with run and group.
func eachOfGroup(tx *Tx, lo, hi []byte, fn func(*groupDef) error) error {
	var d groupDef
	for row, err := range tx.Scan(lo, hi, false) {
		if err != nil {
			return err
		}
		d = groupDef{binary.BigEndian.Uint32(row.Key[1:]), binary.BigEndian.Uint32(row.Key[5:]), row}
		if err := fn(&d); err != nil {
			return err
		}
	}
	return nil
}

// loadState reads the state of a group, false when no checkpoint has seen it.
func loadState(tx *Tx, run, no uint32, width int) (st stateRow, ok bool, err error) {
	key := groupKey('g', run, no)
	value, err := tx.get(key)
	if isNotFound(err) {
		return st, false, nil
	}
	if err == nil {
		err = st.open(run, no, key, value, width)
	}
	return st, err == nil, err
}

// open fills st from a row, using the memory of its sums again.
func (st *stateRow) open(run, no uint32, key, value []byte, width int) error {
	body, err := openRow(key, value)
	if err != nil {
		return err
	}
	if err = st.decode(body); err == nil && len(st.Sums) != width {
		err = fmt.Errorf("state has %d series, not %d: %w", len(st.Sums), width, ErrCorrupt)
	}
	if err != nil {
		err = fmt.Errorf("run %d group %d: %w", run, no, err)
	}
	return err
}

// wantedGroup is a group with columns that curves want.
type wantedGroup struct {
	run, no uint32
	width   int
	found   []match
}

// fromRows adds what the rows of runs say, which are in order. When most of
// the runs in between are asked for, two scans get the rows of all.
func (x *snapshot) fromRows(tx *Tx, w *wanted, runs []wantedRun) error {
	for len(runs) > 0 {
		n := 1
		for n < len(runs) && runs[n].run-runs[n-1].run <= nearRuns {
			n++
		}
		if err := x.fromNear(tx, w, runs[:n]); err != nil {
			return err
		}
		runs = runs[n:]
	}
	return nil
}

// nearRuns is how far apart runs may be to be read with one scan: passing the
// rows of some others costs less than beginning anew.
const nearRuns = 8

func (x *snapshot) fromNear(tx *Tx, w *wanted, runs []wantedRun) error {
	var groups []wantedGroup
	var series []uint32
	at := 0
	err := eachGroup(tx, runs[0].run, runs[len(runs)-1].run, func(d *groupDef) error {
		for runs[at].run < d.run {
			at++
		}
		if runs[at].run != d.run {
			return nil
		}
		var err error
		if series, err = d.appendSeries(series[:0]); err != nil {
			return err
		}
		found, err := w.match(nil, tx, runs[at], series)
		if err == nil && len(found) > 0 {
			groups = append(groups, wantedGroup{d.run, d.no, len(series), found})
		}
		return err
	})
	if err != nil || len(groups) == 0 {
		return err
	}
	if len(groups) <= fewRows {
		for i := range groups {
			st, ok, err := loadState(tx, groups[i].run, groups[i].no, groups[i].width)
			if err != nil {
				return err
			}
			if ok {
				x.addState(&groups[i], &st)
			}
		}
		return nil
	}
	var st stateRow
	last := &groups[len(groups)-1]
	hi := append(groupKey('g', last.run, last.no), 0)
	return eachOfGroup(tx, groupKey('g', groups[0].run, groups[0].no), hi, func(d *groupDef) error {
		for len(groups) > 0 && (groups[0].run < d.run || groups[0].run == d.run && groups[0].no < d.no) {
			groups = groups[1:]
		}
		if len(groups) == 0 || groups[0].run != d.run || groups[0].no != d.no {
			return nil
		}
		err := st.open(d.run, d.no, d.row.Key, d.row.value, groups[0].width)
		if err == nil {
			x.addState(&groups[0], &st)
		}
		return err
	})
}

func (x *snapshot) addState(g *wantedGroup, st *stateRow) {
	of := &held{run: g.run, no: g.no, stored: st.Blocks, tail: st.Tail, number: st.TailNumber}
	for _, m := range g.found {
		x.add(m, of, st.Sums[m.column])
	}
}
