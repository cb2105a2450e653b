package plan

import (
	"math"
	"strings"

	"github.com/runstonedb/runstone/index"
)

// groupSets are the groups of a search, numbered from 0 as they are found.
type groupSets struct {
	g      *grouping
	n      int
	keys   []keyIDs
	pairs  []map[uint64]uint32 // of the numbers for the keys before and the next key's
	made   [][]uint64          // by number: the pair
	totals []totals
	tops   []*top // of each group, with LIMIT n PER GROUP
	ids    []uint32
	cols   []*index.Column
	kept   *int64
}

// keyIDs number the values of one key.
type keyIDs struct {
	strings map[string]uint32
	numbers map[uint64]uint32 // float64s, by their bits
	ints    map[int64]uint32
	missing uint32 // number+1; 0 is none yet
	values  []Value
	dict    []string
	codes   []uint32 // number+1 of the strings of dict
}

// of takes up a dictionary, which the columns of many batches may share.
func (k *keyIDs) of(dict []string) {
	if sameDict(k.dict, dict) {
		return
	}
	if k.dict = dict; cap(k.codes) < len(dict) {
		k.codes = make([]uint32, len(dict))
	}
	k.codes = k.codes[:len(dict)]
	clear(k.codes)
}

func newGroupSets(g *grouping, kept *int64) *groupSets {
	s := &groupSets{
		g: g, kept: kept, keys: make([]keyIDs, len(g.keys)), totals: make([]totals, len(g.aggs)),
		cols: make([]*index.Column, len(g.order)),
	}
	for i := range s.keys {
		s.keys[i] = keyIDs{strings: map[string]uint32{}, numbers: map[uint64]uint32{}, ints: map[int64]uint32{}}
	}
	for range max(0, len(g.keys)-1) {
		s.pairs, s.made = append(s.pairs, map[uint64]uint32{}), append(s.made, nil)
	}
	for i := range s.totals {
		s.totals[i] = totals{fn: g.aggs[i].fn, kept: kept}
	}
	if len(g.keys) == 0 {
		s.n = 1 // all rows, if there are none too
	}
	return s
}

// add puts the rows of sel into their groups.
func (s *groupSets) add(r *exec, sel index.Bits) error {
	if cap(s.ids) < r.n {
		s.ids = make([]uint32, r.n)
	}
	ids := s.ids[:r.n]
	clear(ids)
	for k, x := range s.g.keys {
		c, err := r.eval(x, sel)
		if err != nil {
			return err
		}
		s.keys[k].number(c, sel, ids, func(i int, id uint32) {
			if k > 0 {
				id = s.pair(k-1, ids[i], id)
			}
			ids[i] = id
		}, s.kept)
		if s.n = len(s.keys[k].values); k > 0 {
			s.n = len(s.made[k-1])
		}
	}
	for i := range s.totals {
		var c *index.Column
		m := r.arena.mark()
		if x := s.g.aggs[i].x; x != nil {
			var err error
			if c, err = r.eval(x, sel); err != nil {
				return err
			}
		}
		s.totals[i].grow(s.n)
		s.totals[i].add(r, c, sel, ids)
		r.arena.rewind(m)
	}
	if s.g.rows > 0 {
		return s.show(r, sel, ids)
	}
	return nil
}

// show offers the rows to those that are shown of their groups.
func (s *groupSets) show(r *exec, sel index.Bits, ids []uint32) error {
	for k := range s.g.order {
		c, err := r.eval(s.g.order[k].x, sel)
		if err != nil {
			return err
		}
		s.cols[k] = c
	}
	for len(s.tops) < s.n {
		s.tops = append(s.tops, newTop(s.g.order, s.g.rows, s.kept))
	}
	sel.Each(func(i int) { s.tops[ids[i]].add(s.cols, i, r.batch.Row(i)) })
	return nil
}

// pair numbers two numbers.
func (s *groupSets) pair(k int, a, b uint32) uint32 {
	key := uint64(a)<<32 | uint64(b)
	id, ok := s.pairs[k][key]
	if !ok {
		id = uint32(len(s.made[k]))
		s.pairs[k][key] = id
		s.made[k] = append(s.made[k], key)
		*s.kept += 32
	}
	return id
}

// number calls fn for each row of sel with the number of its value.
func (k *keyIDs) number(c *index.Column, sel index.Bits, ids []uint32, fn func(i int, id uint32), kept *int64) {
	if c != nil && c.Type == index.Strings {
		k.of(c.Dict)
	}
	sel.Each(func(i int) {
		j, end := spanOf(c, i)
		if j == end {
			if k.missing == 0 {
				k.values = append(k.values, Value{})
				k.missing = uint32(len(k.values))
			}
			fn(i, k.missing-1)
			return
		}
		switch c.Type {
		case index.Strings:
			code := c.Codes[j]
			if k.codes[code] == 0 {
				k.codes[code] = k.text(c.Dict[code], kept) + 1
			}
			fn(i, k.codes[code]-1)
		case index.Floats:
			fn(i, k.float(c.Floats[j], kept))
		default:
			id, ok := k.ints[c.Ints[j]]
			if !ok {
				id = k.add(Whole(c.Ints[j]), kept)
				k.ints[c.Ints[j]] = id
			}
			fn(i, id)
		}
	})
}

func (k *keyIDs) text(s string, kept *int64) uint32 {
	id, ok := k.strings[s]
	if !ok {
		s = strings.Clone(s)
		id = k.add(Str(s), kept)
		k.strings[s] = id
	}
	return id
}

// float takes -0 for 0 and all NaN for one.
func (k *keyIDs) float(f float64, kept *int64) uint32 {
	switch {
	case f == 0:
		f = 0
	case f != f:
		f = math.NaN()
	}
	bits := math.Float64bits(f)
	id, ok := k.numbers[bits]
	if !ok {
		id = k.add(Num(f), kept)
		k.numbers[bits] = id
	}
	return id
}

func (k *keyIDs) add(v Value, kept *int64) uint32 {
	k.values = append(k.values, v)
	*kept += int64(64 + len(v.str))
	return uint32(len(k.values) - 1)
}

// keyValues are the values of key k of all groups.
func (s *groupSets) keyValues(k int) []Value {
	out := make([]Value, s.n)
	for g := range out {
		id := uint32(g)
		for level := len(s.made) - 1; level >= 0 && level >= k-1; level-- {
			pair := s.made[level][id]
			if level == k-1 {
				id = uint32(pair)
			} else {
				id = uint32(pair >> 32)
			}
		}
		out[g] = s.keys[k].values[id]
	}
	return out
}

// best notes which rows the best and worst values are of.
func (s *groupSets) best(p *Plan, found *Result) {
	for k, item := range p.q.Select {
		at := s.bestOf(p, item.X)
		if at < 0 {
			continue
		}
		found.Table.Columns[k].Best = true
		for i := range found.Table.Lines {
			l := &found.Table.Lines[i]
			if l.Of == nil {
				l.Of = make([]int64, len(p.q.Select))
				for j := range l.Of {
					l.Of[j] = -1
				}
			}
			if t := &s.totals[at]; int(found.Hits[i].Row) < len(t.n) && t.n[found.Hits[i].Row] > 0 {
				l.Of[k] = int64(t.rows[found.Hits[i].Row])
			}
		}
	}
}
