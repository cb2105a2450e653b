package query

import (
	"math"

	"github.com/runstonedb/runstone/query/tree"
)

const windows = "OVER is followed by STEPS a..b, FIRST n STEPS, LAST n STEPS, LAST p% or LAST 10m"

// window reads what begins with OVER, if that is there.
func (p *parser) window() (*tree.Window, *ParseError) {
	if !p.says("OVER") {
		return nil, nil
	}
	w := &tree.Window{Span: p.nameSpan(p.tok)}
	p.advance()
	word := p.tok
	if word.kind == tokEOF {
		return nil, p.errorAt(word.pos, word.end, windows)
	}
	p.advance()
	var err *ParseError
	switch {
	case saying(word, "STEPS"):
		err = p.stepRange(w)
	case saying(word, "FIRST"):
		w.Kind = tree.FirstSteps
		err = p.extent(w, true, false)
	case saying(word, "LAST"):
		err = p.extent(w, true, true)
	case saying(word, "TIME"):
		err = p.extent(w, false, true)
	default:
		return nil, p.errorHint(p.nameSpan(word), windows, Suggest(p.text(word), []string{"STEPS", "FIRST", "LAST", "TIME"}))
	}
	return w, err
}

// stepRange reads a..b, of which either may be left out.
func (p *parser) stepRange(w *tree.Window) (err *ParseError) {
	const want = "STEPS is followed by two steps with .. between them, of which one may be left out"
	w.Kind, w.From, w.To = tree.Steps, math.MinInt64, math.MaxInt64
	start := p.tok
	if start.kind != tokRange {
		if w.From, err = p.integer(want); err != nil {
			return err
		}
	}
	dots := p.tok
	if dots.kind != tokRange {
		return p.errorAt(dots.pos, dots.end, want)
	}
	w.End = dots.end
	p.advance()
	if t := p.tok; t.kind == tokNumber {
		w.End = t.end
		lit, err := p.literal(t)
		if err != nil {
			return err
		}
		if lit.Kind != tree.Int || lit.Unit != "" {
			return p.errorAt(t.pos, t.end, want)
		}
		if w.To = lit.Int; w.To < w.From {
			return p.errorAt(start.pos, t.end, "the steps end before they begin")
		}
		p.advance()
		return nil
	}
	if start.kind == tokRange {
		return p.errorAt(start.pos, start.end, want)
	}
	return nil
}

// extent reads n STEPS, p% or a time span.
func (p *parser) extent(w *tree.Window, steps, others bool) *ParseError {
	t := p.tok
	bad := func(end int) *ParseError { return p.errorAt(t.pos, end, windows) }
	if t.kind != tokNumber {
		return bad(t.end)
	}
	lit, err := p.literal(t)
	if err != nil {
		return err
	}
	p.advance()
	_, isTime, _ := tree.UnitSize(t.val)
	w.N = lit.Float
	w.End = p.tok.end
	switch {
	case steps && lit.Kind == tree.Int && t.val == "" && p.says("STEPS"):
		if w.Kind != tree.FirstSteps {
			w.Kind = tree.LastSteps
		}
		if w.N < 1 || w.N > 1<<53 {
			return p.errorAt(t.pos, t.end, "a window has at least one step and at most 2^53")
		}
		p.advance()
		return nil
	case others && steps && t.val == "" && p.isArith('%'):
		w.Kind = tree.LastPart
		if !(w.N > 0 && w.N <= 100) {
			return p.errorAt(t.pos, p.tok.end, "a part is more than 0% and at most 100%")
		}
		p.advance()
		return nil
	case others && isTime:
		ms, ok := wholeMillis(lit.Float)
		if !ok || ms == 0 {
			return p.errorAt(t.pos, t.end, "a time span is at least 1ms and at most 142,000 years")
		}
		w.Kind, w.N, w.End = tree.LastTime, float64(ms), t.end
		return nil
	}
	return bad(max(t.end, p.tok.end))
}
