package plan

import (
	"math"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// expr has a value, or several, for each row.
type expr interface {
	// eval returns a column of as many rows as the batch has, nil if no row
	// has a value. Rows outside sel may have any. It is valid until the next
	// batch.
	eval(r *exec, sel index.Bits) (*index.Column, error)
	cost() cost
}

// cost says how dear it is to look at a row; AND looks at the cheap ones first.
type cost uint8

const (
	costColumn cost = iota
	costStrings
	costPattern
	costArithmetic
	costKin
	costLineage
	costSeries
	costPoints
)

var costNames = [...]string{"column", "strings", "pattern", "arithmetic", "semi-join", "lineage", "series", "points"}

// stored is a stored column.
type stored struct {
	slot int
	ref  Ref
	kind tree.Type
}

func (x *stored) eval(r *exec, _ index.Bits) (*index.Column, error) { return r.column(x.slot, x.ref) }

func (x *stored) cost() cost {
	if x.kind == tree.String {
		return costStrings
	}
	return costColumn
}

// series is a function of points that no column holds.
type series struct {
	slot int
	fn   *tree.Series
}

func (x *series) eval(r *exec, sel index.Bits) (*index.Column, error) {
	return r.points(x.slot, x.fn, sel)
}

func (x *series) cost() cost { return costSeries }

// constant has the same value in every row.
type constant struct{ value Value }

func (x *constant) eval(r *exec, _ index.Bits) (*index.Column, error) {
	switch x.value.kind {
	case String:
		return &index.Column{Type: index.Strings, Dict: []string{x.value.str}, Codes: make([]uint32, r.n)}, nil
	case Number:
		c := &index.Column{Type: index.Floats, Floats: r.arena.numbers(r.n)}
		for i := range c.Floats {
			c.Floats[i] = x.value.float()
		}
		return c, nil
	case Int:
		c := &index.Column{Type: index.Ints, Ints: r.arena.integers(r.n)}
		for i := range c.Ints {
			c.Ints[i] = x.value.int()
		}
		return c, nil
	}
	return nil, nil
}

func (x *constant) cost() cost { return costColumn }

// toNumber is the number that a string spells.
type toNumber struct{ x expr }

func (x *toNumber) cost() cost { return max(x.x.cost(), costStrings) }

func (x *toNumber) eval(r *exec, sel index.Bits) (*index.Column, error) {
	c, err := x.x.eval(r, sel)
	if c == nil || err != nil || c.Type != index.Strings {
		return nil, err
	}
	numbers, spelled := c.Numbers()
	if c.Starts != nil {
		return r.compact(c, func(j int) (float64, bool) {
			code := c.Codes[j]
			return numbers[code], spelled.Has(int(code))
		}), nil
	}
	out := &index.Column{Type: index.Floats, Floats: r.arena.numbers(r.n), Has: r.arena.copy(sel)}
	r.values(c, out.Has)
	keepCodes(out.Has, c.Codes, spelled)
	out.Has.Each(func(i int) { out.Floats[i] = numbers[c.Codes[i]] })
	return out, nil
}

// compact makes a column with several values of what fn says of the values of c.
func (r *exec) compact(c *index.Column, fn func(j int) (float64, bool)) *index.Column {
	out := &index.Column{Type: index.Floats, Starts: make([]uint32, r.n+1)}
	for i := range r.n {
		for j := c.Starts[i]; j < c.Starts[i+1]; j++ {
			if v, ok := fn(int(j)); ok {
				out.Floats = append(out.Floats, v)
			}
		}
		out.Starts[i+1] = uint32(len(out.Floats))
	}
	return out
}

// floatsOf returns the numbers of a column as float64; nil if they are none.
func (r *exec) floatsOf(c *index.Column) []float64 {
	switch c.Type {
	case index.Floats:
		return c.Floats
	case index.Ints:
		f := r.arena.numbers(len(c.Ints))
		for i, v := range c.Ints {
			f[i] = float64(v)
		}
		return f
	}
	return nil
}

// function is a function of one number.
type function struct {
	fn func(float64) float64
	x  expr
}

func (x *function) cost() cost { return max(x.x.cost(), costArithmetic) }

func (x *function) eval(r *exec, sel index.Bits) (*index.Column, error) {
	c, err := r.eval(x.x, sel)
	if c == nil || err != nil || c.Type == index.Strings {
		return nil, err
	}
	in := r.floatsOf(c)
	to := in
	if !lent(x.x, c) {
		to = r.arena.numbers(len(in))
	}
	for i, v := range in {
		to[i] = x.fn(v)
	}
	return &index.Column{Type: index.Floats, Floats: to, Has: c.Has, Starts: c.Starts}, nil
}

// lent tells if the numbers of a column that x made are the arena's and nobody
// else's, so that a result may take their place.
func lent(x expr, c *index.Column) bool { return need(x) > 0 && c.Starts == nil }

// need is how many columns of numbers are lent at a time to compute x.
func need(x expr) int {
	switch x := x.(type) {
	case *arithmetic:
		return x.need
	case *function:
		return max(1, need(x.x))
	}
	return 0
}

var functions = map[string]func(float64) float64{
	"abs": math.Abs, "sqrt": math.Sqrt, "exp": math.Exp, "log": math.Log,
	"floor": math.Floor, "ceil": math.Ceil, "round": math.Round,
}

func negate(v float64) float64 { return -v }

// arithmetic joins two numbers.
type arithmetic struct {
	op   byte
	l, r expr
	need int
}

func newArithmetic(op byte, l, r expr) *arithmetic {
	a, b := need(l), need(r)
	n := max(a, b, 1)
	if a == b && a > 0 {
		n++
	}
	return &arithmetic{op, l, r, n}
}

func (x *arithmetic) cost() cost { return max(x.l.cost(), x.r.cost(), costArithmetic) }

func apply(op byte, a, b float64) float64 {
	switch op {
	case '+':
		return a + b
	case '-':
		return a - b
	case '*':
		return a * b
	case '/':
		return a / b
	}
	return math.Mod(a, b)
}

// eval computes the side first that needs more memory, which is that of its result
// then: a sum of thousands takes a few columns.
func (x *arithmetic) eval(r *exec, sel index.Bits) (*index.Column, error) {
	one, two := x.l, x.r
	swapped := need(two) > need(one)
	if swapped {
		one, two = two, one
	}
	a, err := r.eval(one, sel)
	if a == nil || err != nil || a.Type == index.Strings {
		return nil, err
	}
	has := r.arena.bits(r.n)
	m := r.arena.mark()
	b, err := r.eval(two, sel)
	if b == nil || err != nil || b.Type == index.Strings {
		return nil, err
	}
	out := &index.Column{Type: index.Floats}
	first, second := r.floatsOf(a), r.floatsOf(b)
	if a.Starts == nil && b.Starts == nil {
		switch {
		case lent(one, a):
			out.Floats = a.Floats
			defer r.arena.rewind(m)
		case lent(two, b):
			out.Floats = b.Floats
		default:
			out.Floats = r.arena.numbers(r.n)
		}
	}
	l, k := first, second
	if swapped {
		a, b, l, k = b, a, second, first
	}
	if a.Starts != nil || b.Starts != nil {
		return x.product(r, sel, a, b, l, k)
	}
	if a.Has != nil {
		copy(has, a.Has)
		out.Has = has
	}
	if b.Has != nil {
		if out.Has != nil {
			has.And(b.Has)
		} else {
			copy(has, b.Has)
			out.Has = has
		}
	}
	x.join(out.Floats, l, k)
	return out, nil
}

// join computes f of l and m, of which f may be one.
func (x *arithmetic) join(f, l, m []float64) {
	l, m = l[:len(f)], m[:len(f)]
	switch x.op {
	case '+':
		for i := range f {
			f[i] = l[i] + m[i]
		}
	case '-':
		for i := range f {
			f[i] = l[i] - m[i]
		}
	case '*':
		for i := range f {
			f[i] = l[i] * m[i]
		}
	case '/':
		for i := range f {
			f[i] = l[i] / m[i]
		}
	default:
		for i := range f {
			f[i] = math.Mod(l[i], m[i])
		}
	}
}

// maxProduct bounds the values that the several values of two fields make in a
// batch.
const maxProduct = 1 << 20

// product joins each value of a row on one side with each on the other.
func (x *arithmetic) product(r *exec, sel index.Bits, a, b *index.Column, l, m []float64) (*index.Column, error) {
	out := &index.Column{Type: index.Floats, Starts: make([]uint32, r.n+1)}
	for i := range r.n {
		if sel.Has(i) {
			from, to := spanOf(a, i)
			for ; from < to; from++ {
				j, end := spanOf(b, i)
				if !r.spend(20 + end - j) {
					return nil, r.late
				}
				if len(out.Floats)+end-j > maxProduct {
					return nil, errTooMany
				}
				for ; j < end; j++ {
					out.Floats = append(out.Floats, apply(x.op, l[from], m[j]))
				}
			}
		}
		out.Starts[i+1] = uint32(len(out.Floats))
	}
	return out, nil
}

// truth is a condition as a value: 1 or 0.
type truth struct{ x node }

func (x *truth) cost() cost { return x.x.cost() }

func (x *truth) eval(r *exec, sel index.Bits) (*index.Column, error) {
	rows := r.arena.copy(sel)
	if err := x.x.keep(r, rows); err != nil {
		return nil, err
	}
	c := &index.Column{Type: index.Ints, Ints: r.arena.integers(r.n)}
	for i := range c.Ints {
		c.Ints[i] = int64(bit(rows.Has(i)))
	}
	return c, nil
}
