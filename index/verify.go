package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/store"
)

// Verify reads the whole table as tx sees it and calls report for each piece of
// damage: rows that cannot be read or do not agree with each other, and rows of
// no segment. With load it also compares every run that is not dirty with what
// that says; last is the highest ordinal of a run. Its error is for what keeps
// it from going on.
func (t *Table) Verify(ctx context.Context, tx *store.Tx, last uint32, load Loader, report func(error)) error {
	v := &verifier{t: t, tx: tx, report: report, load: load}
	state, err := loadState(tx)
	var d *directory
	if err == nil {
		d, err = loadDirectory(tx, state)
	}
	if err != nil {
		return v.note(err)
	}
	marks, err := loadMarks(tx, state.Epoch, 0, last, false)
	if err := v.note(err); err != nil {
		return err
	}
	v.dirty = map[uint32]bool{}
	for _, m := range marks {
		v.dirty[m.run] = true
	}
	for i := range d.segs {
		if err := v.note(v.segment(ctx, &d.segs[i])); err != nil {
			return err
		}
	}
	if state.Sweep {
		return nil // the next fold takes away what is left
	}
	dead, err := findDead(ctx, tx, state, d)
	if len(dead) > 0 {
		report(fmt.Errorf("run table: %d rows belong to no segment, the first is %x: %w", len(dead), dead[0], store.ErrCorrupt))
	}
	return v.note(err)
}

type verifier struct {
	t      *Table
	tx     *store.Tx
	load   Loader
	report func(error)
	dirty  map[uint32]bool
}

// note reports damage and returns other errors.
func (v *verifier) note(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		v.report(err)
		return nil
	}
	return err
}

// segment checks a segment against its own rows and against the loader.
func (v *verifier) segment(ctx context.Context, l *live) error {
	x := &rewrite{t: v.t, tx: v.tx, lo: l.First, hi: l.Last(), fresh: newFresh(l.First, l.N)}
	s, err := x.load(*l)
	if err != nil {
		return err
	}
	if v.load != nil {
		if err := v.fresh(ctx, x.fresh, l); err != nil {
			return err
		}
	}
	bad := func(format string, args ...any) {
		v.report(&Damage{l.Segment, fmt.Errorf(format+": %w", append(args, store.ErrCorrupt)...)})
	}
	for row := range l.N {
		has := l.rows == nil || l.rows.Has(row)
		if x.fresh.loaded.Has(row) && has != x.fresh.there.Has(row) {
			bad("run %d is there: %v, not %v", l.First+uint32(row), has, !has)
		}
	}
	values, size := 0, 0
	for i, n := range s.names {
		if err := ctx.Err(); err != nil {
			return err
		}
		for k := range s.heads[i] {
			p := &s.heads[i][k]
			f := Field{n.kind, n.ord, p.part}
			if err := x.column(s, i, p, &x.old); err != nil {
				if err := v.note(err); err != nil {
					return err
				}
				continue
			}
			zone := x.old.zone()
			if p.inline == nil && zone != p.zone {
				bad("field %v: its values do not agree with their zone", f)
			}
			values, size = values+zone.Rows, size+p.bytes()
			for _, row := range x.old.rows {
				if l.rows != nil && !l.rows.Has(int(row)) {
					bad("field %v: run %d has a value but is not there", f, l.First+row)
					break
				}
			}
			fr := x.fresh.columns[f]
			if v.load != nil && !fr.same(&x.old, x.fresh.loaded) {
				bad("field %v: not what the records say", f)
			}
			delete(x.fresh.columns, f)
		}
	}
	for f := range x.fresh.columns {
		bad("field %v: is missing", f)
	}
	if values != l.values || size != l.bytes {
		bad("%d values of %d bytes, not %d of %d", values, size, l.values, l.bytes)
	}
	return nil
}

// fresh loads the runs of a segment that are not dirty.
func (v *verifier) fresh(ctx context.Context, f *fresh, l *live) error {
	for row := range l.N {
		run := l.First + uint32(row)
		if v.dirty[run] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		_, _, err := f.load(v.tx, run, v.load)
		if errors.Is(err, store.ErrCorrupt) {
			continue // who checks the records hears of it
		}
		if err == nil {
			err = f.keep(run)
		}
		if err != nil {
			return fmt.Errorf("run %d: %w", run, err)
		}
	}
	return nil
}
