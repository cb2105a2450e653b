package store

import (
	"cmp"
	"math"
	"slices"
)

// maxCopied bounds the points of a curve that are looked for in its other series,
// those of the smallest first.
const maxCopied = 10_000

// exact is a point that is compared bit for bit.
type exact struct {
	step, time int64
	value      uint64
}

// dropCopies leaves out what curves with Once want to be left out.
func (x *snapshot) dropCopies(w *wanted) error {
	for i, parts := range x.parts {
		if !w.curves[i].Once || len(parts) < 2 {
			continue
		}
		var own, tied, others []part
		for _, p := range parts {
			if w.names[p.series].Model == "" {
				own = append(own, p)
			} else {
				tied = append(tied, p)
			}
		}
		slices.SortStableFunc(tied, func(a, b part) int { return cmp.Compare(a.sum.Count, b.sum.Count) })
		left, n := int64(maxCopied), 0
		for n < len(tied) && tied[n].sum.Count <= left {
			left -= tied[n].sum.Count
			n++
		}
		tied, others = tied[:n], tied[n:]
		if len(own) == 0 || len(tied) == 0 {
			continue
		}
		tied, err := x.unlike(tied, own)
		if err != nil {
			return err
		}
		x.parts[i] = slices.Concat(own, tied, others)
	}
	return nil
}

// unlike returns those of the parts that have points which own has not.
func (x *snapshot) unlike(parts, own []part) ([]part, error) {
	points := make([][]exact, len(parts))
	sought := map[exact]bool{} // whether it was found
	var places []position
	hull := Range{FromStep: math.MaxInt64, ToStep: math.MinInt64, FromTime: math.MaxInt64, ToTime: math.MinInt64}
	for i := range parts {
		err := bundleOf(x, parts[i:i+1]).points(AllPoints(), func(c CurveColumns, _ error) bool {
			for k, v := range c.Values {
				p := exact{c.Steps[k], c.Times[k], math.Float64bits(v)}
				points[i] = append(points[i], p)
				sought[p] = false
				places = append(places, position{time: p.time, step: p.step})
				hull.FromStep, hull.ToStep = min(hull.FromStep, p.step), max(hull.ToStep, p.step)
				hull.FromTime, hull.ToTime = min(hull.FromTime, p.time), max(hull.ToTime, p.time)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(places, position.compare)
	if err := bundleOf(x, own).seek(hull, places, sought); err != nil {
		return nil, err
	}
	var out []part
	for i := range parts {
		if slices.ContainsFunc(points[i], func(p exact) bool { return !sought[p] }) {
			out = append(out, parts[i])
		}
	}
	return out, nil
}

// bundleOf returns the bundle of one curve that has these parts.
func bundleOf(x *snapshot, parts []part) *bundle {
	b := &bundle{x: x, lanes: []lane{{}}}
	for _, p := range parts {
		b.sources = append(b.sources, p.of)
		b.lanes[0].columns = append(b.lanes[0].columns, p.column)
	}
	return b
}

// seek marks which points are there. Pieces in whose bounds none of their places
// lies are not decoded; places are sorted.
func (b *bundle) seek(r Range, places []position, sought map[exact]bool) error {
	if err := b.measure(r, false); err != nil {
		return err
	}
	rd := b.reader()
	defer rd.close()
	var c Columns
	for i := range b.pieces {
		if err := b.x.ctx.Err(); err != nil {
			return err
		}
		p := &b.pieces[i]
		from, _ := slices.BinarySearchFunc(places, p.lo(), position.compare)
		some := false
		for _, at := range places[from:] {
			if at.compare(p.hi()) > 0 {
				break
			}
			if some = p.minStep <= at.step && at.step <= p.maxStep; some {
				break
			}
		}
		if !some {
			continue
		}
		var err error
		if c.Steps, c.Times, err = rd.clock(p, c.Steps[:0], c.Times[:0]); err != nil {
			return err
		}
		if c.Values, err = rd.column(p, 0, c.Values[:0]); err != nil {
			return err
		}
		for k, v := range c.Values {
			at := exact{c.Steps[k], c.Times[k], math.Float64bits(v)}
			if _, ok := sought[at]; ok {
				sought[at] = true
			}
		}
	}
	return nil
}
