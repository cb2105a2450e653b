package query

import (
	"slices"

	"github.com/runstonedb/runstone/query/tree"
)

// phrase reads what begins with two words: ANY child(…), ALL child(…), or one of
// the verbs of lineage. first is taken, the second is the current token. ok is
// false if they are no such words.
func (p *parser) phrase(first token) (x operand, ok bool, err *ParseError) {
	for _, k := range [...]struct {
		word string
		kin  tree.Kin
	}{{"ANY", tree.AnyChild}, {"ALL", tree.AllChild}} {
		if saying(first, k.word) && p.says("child") {
			x, err = p.child(first, k.kin)
			return x, true, err
		}
	}
	verbs := [...]struct {
		word, second string
		verb         tree.Verb
	}{{"USED", "", tree.Used}, {"PRODUCED", "", tree.Produced}, {"DERIVED", "FROM", tree.DerivedFrom},
		{"UPSTREAM", "OF", tree.UpstreamOf}, {"DOWNSTREAM", "OF", tree.DownstreamOf}}
	for _, v := range verbs {
		if !saying(first, v.word) || v.second != "" && !p.says(v.second) {
			continue
		}
		if v.second != "" {
			p.advance()
		}
		x, err = p.lineage(first, v.verb)
		return x, true, err
	}
	return operand{}, false, nil
}

// related counts relations, each of which takes a set of runs to answer.
func (p *parser) related(n int, s tree.Span) *ParseError {
	if p.relatives += n; p.relatives > MaxRelatives {
		return p.errorAt(s.Pos, s.End, "filter string has more than 128 conditions on parents and children")
	}
	return nil
}

// child reads the condition behind ANY child or ALL child.
func (p *parser) child(first token, kin tree.Kin) (operand, *ParseError) {
	if err := p.onlyRuns(p.nameSpan(first), "children"); err != nil {
		return operand{}, err
	}
	if err := p.deeper(first); err != nil {
		return operand{}, err
	}
	p.advance()
	if p.tok.kind != tokLParen {
		return operand{}, p.errorAt(p.tok.pos, p.tok.end, "child is followed by a condition in parentheses, as in ANY child(metrics.auc > 0.9)")
	}
	p.advance()
	if err := p.related(1, p.nameSpan(first)); err != nil {
		return operand{}, err
	}
	x, err := p.condition(bpNone)
	if err != nil {
		return operand{}, err
	}
	s, err := p.endCall(first)
	p.depth--
	return operand{x: &tree.Relative{Span: s, Kin: kin, X: x}}, err
}

// lineage reads the thing behind a verb.
func (p *parser) lineage(first token, verb tree.Verb) (operand, *ParseError) {
	want := verb.String() + " is followed by dataset('name'[, 'digest']), run('id'), model('name'[, 'version']) or batch('id')"
	if err := p.onlyRuns(p.nameSpan(first), "what "+verb.String()+" asks"); err != nil {
		return operand{}, err
	}
	kind := p.tok
	kinds := []string{"dataset", "run", "model", "batch"}
	if kind.kind != tokPath || kind.hasEntity || kind.quote != 0 || !slices.Contains(kinds, kind.val) {
		e := p.errorAt(kind.pos, kind.end, want)
		if kind.kind == tokPath {
			e.Hint = Suggest(kind.val, kinds)
		}
		return operand{}, e
	}
	x := &tree.Lineage{Verb: verb, Kind: kind.val}
	most := 1
	if kind.val == "dataset" || kind.val == "model" {
		most = 2
	}
	p.advance()
	if p.tok.kind != tokLParen {
		return operand{}, p.errorAt(kind.pos, kind.end, want)
	}
	for n := 0; n == 0 || p.tok.kind == tokComma; n++ {
		p.advance()
		t := p.tok
		version := kind.val == "model" && n == 1 && t.kind == tokNumber && t.val == ""
		if t.kind != tokString && !version || n == most {
			return operand{}, p.errorAt(t.pos, t.end, want)
		}
		if version {
			t.val = p.text(t)
		}
		x.Args = append(x.Args, t.val)
		p.advance()
	}
	s, err := p.endCall(first)
	x.Span = s
	return operand{x: x}, err
}
