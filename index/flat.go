package index

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// flat is a column as it is written: only what there is, in order of the rows.
// A row that stands there again has one more value.
type flat struct {
	typ    Type
	rows   []uint32
	ints   []int64
	floats []float64
	dict   []string // each distinct string once
	codes  []uint32
}

func (f *flat) reset(t Type) {
	f.typ = t
	f.rows, f.ints, f.floats = f.rows[:0], f.ints[:0], f.floats[:0]
	f.dict, f.codes = f.dict[:0], f.codes[:0]
}

func appendUvarint(dst []byte, n int) []byte { return binary.AppendUvarint(dst, uint64(n)) }

// The first byte of a column: its type in two bits, how its rows are told in
// the next two, and manyFlag.
const (
	rowsAll    = 0 << 2
	rowsList   = 1 << 2 // uvarint count, then their numbers in as many bits as the last row's number has
	rowsBitmap = 2 << 2
	rowsMask   = 3 << 2
	manyFlag   = 1 << 4 // a block with the numbers of values, one for each row with any
)

// maxValues bounds the values of a column; what writes columns stays well below.
const maxValues = 4 << 20

// encoder has what writing columns needs again and again.
type encoder struct {
	texts  *texts
	ints   []int64
	counts []int64
	rows   []uint32
}

// append writes the column of a batch of n rows.
func (e *encoder) append(dst []byte, f *flat, n int) []byte {
	e.rows, e.counts = e.rows[:0], e.counts[:0]
	for i, row := range f.rows {
		if i > 0 && row == f.rows[i-1] {
			e.counts[len(e.counts)-1]++
			continue
		}
		e.rows, e.counts = append(e.rows, row), append(e.counts, 1)
	}
	many := len(e.rows) < len(f.rows)
	head := byte(f.typ)
	if many {
		head |= manyFlag
	}
	at := len(dst)
	dst = append(dst, head)
	kind := byte(0)
	dst, kind = appendRows(dst, e.rows, n)
	dst[at] |= kind
	if many {
		dst = appendInts(dst, e.counts)
	}
	switch f.typ {
	case Floats:
		return appendFloats(dst, f.floats, &e.ints)
	case Ints:
		return appendInts(dst, f.ints)
	}
	return e.texts.append(dst, f.dict, f.codes, &e.ints)
}

// appendRows writes which of n rows there are.
func appendRows(dst []byte, rows []uint32, n int) (_ []byte, kind byte) {
	if len(rows) == n {
		return dst, rowsAll
	}
	w := bits.Len(uint(n - 1))
	if len(rows)*w < n {
		dst = appendUvarint(dst, len(rows))
		acc, have := uint64(0), 0
		for _, row := range rows {
			acc |= uint64(row) << have
			for have += w; have >= 8; have -= 8 {
				dst = append(dst, byte(acc))
				acc >>= 8
			}
		}
		if have > 0 {
			dst = append(dst, byte(acc))
		}
		return dst, rowsList
	}
	at := len(dst)
	dst = append(dst, make([]byte, (n+7)/8)...)
	for _, row := range rows {
		dst[at+int(row>>3)] |= 1 << (row & 7)
	}
	return dst, rowsBitmap
}

// present reads which of n rows there are; nil is all of them.
func (r *reader) present(kind byte, n int) (has Bits, count int) {
	switch kind & rowsMask {
	case rowsAll:
		return nil, n
	case rowsBitmap:
		b := r.bytes((n + 7) / 8)
		if r.err != nil {
			return nil, 0
		}
		has = NewBits(n)
		for i, c := range b {
			has[i>>3] |= uint64(c) << (i & 7 * 8)
		}
		if n%8 != 0 && b[len(b)-1]>>(n%8) != 0 {
			r.fail("row out of range")
		}
		return has, has.Count()
	case rowsList:
		count = r.count(n)
		w := bits.Len(uint(n - 1))
		p := packed{b: r.bytes((count*w + 7) / 8), w: w}
		if r.err != nil {
			return nil, 0
		}
		has = NewBits(n)
		last := -1
		for i := range count {
			row := int(p.at(i))
			if row <= last || row >= n {
				r.fail("rows out of order")
				break
			}
			last = row
			has.Set(row)
		}
		return has, count
	}
	r.fail("bad kind of rows")
	return nil, 0
}

// column reads the column of a batch of n rows.
func (t *texts) column(b []byte, n int) (*Column, error) {
	r := &reader{b: b}
	head := r.byte()
	c := &Column{Type: Type(head & 3)}
	if head >= manyFlag<<1 || c.Type > Strings {
		r.fail("bad first byte")
	}
	has, count := r.present(head, n)
	values, dense := count, n
	if head&manyFlag != 0 {
		c.Starts = r.starts(has, count, n)
		if r.err == nil {
			values = int(c.Starts[n])
			dense = values
		}
	} else {
		c.Has = has
	}
	if r.err != nil {
		return nil, r.err
	}
	switch c.Type {
	case Floats:
		c.Floats = make([]float64, dense)
		r.floats(c.Floats[:values])
	case Ints:
		c.Ints = make([]int64, dense)
		r.ints64(c.Ints[:values])
	case Strings:
		c.Codes = make([]uint32, dense)
		c.Dict = t.read(r, c.Codes[:values])
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes behind its end")
	}
	if r.err != nil {
		return nil, r.err
	}
	if c.Has != nil {
		spread(c.Floats, c.Has, values)
		spread(c.Ints, c.Has, values)
		spread(c.Codes, c.Has, values)
	}
	return c, nil
}

// flat reads the column of a batch of n rows into f, which keeps none of b.
func (t *texts) flat(b []byte, n int, f *flat) error {
	r := &reader{b: b}
	head := r.byte()
	if head >= manyFlag<<1 || Type(head&3) > Strings {
		r.fail("bad first byte")
	}
	f.reset(Type(head & 3))
	has, count := r.present(head, n)
	var counts packed
	if head&manyFlag != 0 {
		counts = r.ints(count)
	} else {
		counts = packed{least: 1}
	}
	if r.err != nil {
		return r.err
	}
	rows := make([]uint32, 0, count)
	if has == nil {
		for row := range n {
			rows = append(rows, uint32(row))
		}
	} else {
		has.Each(func(row int) { rows = append(rows, uint32(row)) })
	}
	f.rows = slices.Grow(f.rows, count)
	for i, row := range rows {
		x := counts.at(i)
		if x == 0 || x > maxValues || len(f.rows)+int(x) > maxValues {
			r.fail("bad number of values")
			break
		}
		for range x {
			f.rows = append(f.rows, row)
		}
	}
	values := len(f.rows)
	switch f.typ {
	case Floats:
		f.floats = slices.Grow(f.floats, values)[:values]
		r.floats(f.floats)
	case Ints:
		f.ints = slices.Grow(f.ints, values)[:values]
		r.ints64(f.ints)
	case Strings:
		f.codes = slices.Grow(f.codes, values)[:values]
		f.dict = t.read(r, f.codes)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes behind its end")
	}
	return r.err
}

// starts reads where the values of each row begin.
func (r *reader) starts(has Bits, count, n int) []uint32 {
	p := r.ints(count)
	if r.err != nil {
		return nil
	}
	counts := make([]uint32, n)
	total := 0
	for i := range count {
		x := p.at(i)
		if x == 0 || x > maxValues || total+int(x) > maxValues {
			r.fail("bad number of values")
			return nil
		}
		counts[i] = uint32(x)
		total += int(x)
	}
	if has != nil {
		spread(counts, has, count)
	}
	starts := make([]uint32, n+1)
	for i, c := range counts {
		starts[i+1] = starts[i] + c
	}
	return starts
}

// spread moves the first count values of v, one for each row of has, to those
// rows and leaves zeros at the others.
func spread[T any](v []T, has Bits, count int) {
	if len(v) == 0 {
		return
	}
	var zero T
	i := count
	for k := len(has) - 1; k >= 0 && i > 0; k-- {
		for w := has[k]; w != 0; {
			top := bits.Len64(w) - 1
			w &^= 1 << top
			i--
			if row := k<<6 + top; row != i {
				v[row] = v[i]
				v[i] = zero
			}
		}
	}
}

// zone sums up the values.
func (f *flat) zone() Zone {
	z := Zone{}
	for i, row := range f.rows {
		if i == 0 || row != f.rows[i-1] {
			z.Rows++
		}
	}
	switch f.typ {
	case Ints:
		for i, v := range f.ints {
			lo, hi := around(v)
			if i == 0 {
				z.Min, z.Max = lo, hi
			}
			z.Min, z.Max = min(z.Min, lo), max(z.Max, hi)
		}
	case Floats:
		z.Min, z.Max = math.Inf(1), math.Inf(-1)
		nan := 0
		for i, v := range f.floats {
			if v != v {
				// Of rows, not of values.
				if nan == 0 || f.rows[i] != f.rows[nan-1] {
					z.NaN++
				}
				nan = i + 1
				continue
			}
			z.Min, z.Max = min(z.Min, v), max(z.Max, v)
		}
		if z.Min > z.Max {
			z.Min, z.Max = 0, 0
		}
	case Strings:
		z.Min, z.Max = math.Inf(-1), math.Inf(1)
	}
	return z
}

// around returns floats that v lies between: twice v itself up to 2^53.
func around(v int64) (lo, hi float64) {
	f := float64(v)
	if v >= -1<<53 && v <= 1<<53 {
		return f, f
	}
	return math.Nextafter(f, math.Inf(-1)), math.Nextafter(f, math.Inf(1))
}
