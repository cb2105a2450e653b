package query

import (
	"math"
	"strconv"
	"time"

	"github.com/runstonedb/runstone/query/tree"
)

// literal is the value of a string or number.
func (p *parser) literal(t token) (*tree.Literal, *ParseError) {
	switch t.kind {
	case tokNumber:
		return p.numeral(p.lex.src[t.pos:t.end-len(t.val)], t), nil
	case tokString:
		return &tree.Literal{Span: tree.Span{Pos: t.pos, End: t.end}, Kind: tree.String, Str: t.val, Quote: t.quote}, nil
	}
	return nil, p.invalidToken(t)
}

// numeral is the number that text spells, in the unit of t.
func (p *parser) numeral(text string, t token) *tree.Literal {
	v := &tree.Literal{Span: tree.Span{Pos: t.pos, End: t.end}, Kind: tree.Number, Unit: t.val}
	size := int64(1)
	if t.val != "" {
		size, _, _ = tree.UnitSize(t.val)
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n := i * size; size == 1 || n/size == i {
			v.Kind, v.Int, v.Float = tree.Int, n, float64(n)
			return v
		}
	}
	// Out of range the result is ±Inf or 0, as in MLflow; no other error is left.
	f, _ := strconv.ParseFloat(text, 64)
	v.Float = f * float64(size)
	if size != 1 && v.Float/float64(size) != f {
		v.Unit = "" // it would not read back
	}
	if f == 0 || math.IsInf(v.Float, 0) {
		v.Unit = ""
	}
	return v
}

// duration reads text like 7d as milliseconds.
func duration(text string) (ms int64, ok bool) {
	n := numberLen(text)
	if n == 0 || text[0] == '-' {
		return 0, false
	}
	size, isTime, ok := tree.UnitSize(text[n:])
	f, err := strconv.ParseFloat(text[:n], 64)
	if !ok || !isTime || err != nil {
		return 0, false
	}
	return wholeMillis(f * float64(size))
}

const maxMillis = 1 << 52 // 142,000 years

func wholeMillis(f float64) (int64, bool) {
	if !(f >= 0 && f <= maxMillis) {
		return 0, false
	}
	return int64(math.Round(f)), true
}

// parseDate reads a day or a time, in UTC unless it says otherwise.
func parseDate(s string) (ms int64, ok bool) {
	for _, layout := range [...]string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime,
		"2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
