package plan

import (
	"io"
	"regexp"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// stringIs tests strings, each distinct one once.
type stringIs struct {
	slot    int
	x       expr
	test    func(string) bool
	equal   *string // the test is equality with it
	missing bool    // what a row without a value is
	price   cost
	work    int // of the test, for each byte
	regex   *regexp.Regexp
	not     bool // of the regular expression
}

// longText is the text of which a regular expression is matched with a regard to
// the limits, byte by byte.
const longText = 1 << 10

// passes tests a string.
func (x *stringIs) passes(r *exec, s string) bool {
	if x.regex == nil || len(s) <= longText {
		return x.test(s)
	}
	return x.regex.MatchReader(&limitedText{*strings.NewReader(s), r, x.work}) != x.not
}

// limitedText is a text that ends once a limit is reached.
type limitedText struct {
	strings.Reader
	r    *exec
	work int
}

// ReadRune implements [io.RuneReader].
func (t *limitedText) ReadRune() (rune, int, error) {
	if !t.r.spend(t.work) {
		return 0, 0, io.EOF
	}
	return t.Reader.ReadRune()
}

func (x *stringIs) cost() cost { return max(x.price, x.x.cost()) }

func (x *stringIs) zone(b Batch) verdict {
	if s, ok := x.x.(*stored); ok && !x.missing {
		if z, ok := b.Zone(s.ref); ok && z.Rows == 0 {
			return nothing
		}
	}
	return some
}

func (x *stringIs) keep(r *exec, sel index.Bits) error {
	c, err := x.x.eval(r, sel)
	if err != nil {
		return err
	}
	if c == nil {
		if !x.missing {
			clear(sel)
		}
		return nil
	}
	var without index.Bits
	if x.missing && c.Starts == nil && c.Has != nil {
		without = r.arena.copy(sel)
		without.AndNot(c.Has)
	}
	vals := r.values(c, sel)
	x.narrow(r, c, vals)
	r.lift(c, sel, vals)
	if without != nil {
		sel.Or(without)
	}
	return nil
}

func (x *stringIs) narrow(r *exec, c *index.Column, vals index.Bits) {
	if c.Type != index.Strings {
		clear(vals)
		return
	}
	if x.equal == nil || vals.Count() < len(c.Dict) {
		r.dicts[x.slot].keep(r, vals, c, x)
		return
	}
	for code, s := range c.Dict {
		if s == *x.equal {
			keep(vals, c.Codes, tree.Eq, uint32(code))
			return
		}
	}
	clear(vals)
}

// compareString is the test of a comparison with a constant.
func compareString(op tree.Op, c string) func(string) bool {
	switch op {
	case tree.Eq:
		return func(s string) bool { return s == c }
	case tree.Ne:
		return func(s string) bool { return s != c }
	case tree.Lt:
		return func(s string) bool { return s < c }
	case tree.Le:
		return func(s string) bool { return s <= c }
	case tree.Gt:
		return func(s string) bool { return s > c }
	}
	return func(s string) bool { return s >= c }
}

// MaxPattern is the longest LIKE pattern and MaxRegex the longest regular
// expression, in bytes.
const (
	MaxPattern = 1024
	MaxRegex   = 4096
)

// matcher compiles a pattern, of which the regular expression is nil for LIKE.
func matcher(m *tree.Match) (test func(string) bool, re *regexp.Regexp, err error) {
	switch m.Kind {
	case tree.Like, tree.ILike:
		if len(m.Pattern) > MaxPattern {
			return nil, nil, invalid(m, "a pattern is longer than %d bytes", MaxPattern)
		}
		return like(m.Pattern, m.Kind == tree.ILike), nil, nil
	}
	if len(m.Pattern) > MaxRegex {
		return nil, nil, invalid(m, "a regular expression is longer than %d bytes", MaxRegex)
	}
	text := m.Pattern
	if m.Kind == tree.IRegex {
		text = "(?i)" + text
	}
	re, err = regexp.Compile(text)
	if err != nil {
		return nil, nil, invalid(m, "%v", err)
	}
	return re.MatchString, re, nil
}

// like is a test without a search where the pattern is a plain text with % in
// front of it or behind it.
func like(s string, fold bool) func(string) bool {
	if text := strings.Trim(s, "%"); !fold && !strings.ContainsAny(text, "%_") {
		before, after := strings.HasPrefix(s, "%"), strings.HasSuffix(s, "%")
		switch {
		case text == "" && before:
			return func(string) bool { return true }
		case before && after:
			return func(v string) bool { return strings.Contains(v, text) }
		case before:
			return func(v string) bool { return strings.HasSuffix(v, text) }
		case after:
			return func(v string) bool { return strings.HasPrefix(v, text) }
		}
		return func(v string) bool { return v == text }
	}
	return newPattern(s, fold).match
}
